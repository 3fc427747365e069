"""The canvas's dialog: its tools under real presses, the steps it asks for, and what it shows of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton

from vae_studio.core.probing import Preparation
from vae_studio.ui.image_dialog import ImageDialog
from vae_studio.ui.theme import DARK, LIGHT

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def dialog(qtbot):
    widget = ImageDialog(DARK)
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    widget.asked, widget.got = [], []
    widget.preparation_changed.connect(widget.asked.append)
    widget.drawn.connect(widget.got.append)
    return widget


def press(dialog, name):
    button = dialog.findChild(QPushButton, name)
    assert button.isVisible(), name
    QTest.mouseClick(button, LEFT)


def dot(dialog):
    QTest.mouseClick(dialog.canvas, LEFT, NONE, dialog.canvas.rect().center())


def test_draw_undo_clear_by_buttons_and_keys(dialog):
    undo, clear = (dialog.findChild(QPushButton, name) for name in ("draw_undo", "draw_clear"))
    assert not undo.isEnabled() and not clear.isEnabled()
    dot(dialog)
    assert undo.isEnabled() and clear.isEnabled()
    assert dialog.got[-1].max() == 255
    press(dialog, "draw_clear")
    assert dialog.got[-1] is None
    assert not clear.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert dialog.got[-1].max() == 255
    QTest.keyClick(dialog, Qt.Key.Key_Delete, Qt.KeyboardModifier.ControlModifier)
    assert dialog.got[-1] is None


def test_the_pen_grows_and_its_edge_gets_hard(dialog):
    dot(dialog)
    small = int((dialog.got[-1] > 127).sum())
    press(dialog, "draw_clear")
    field = dialog._size.field
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "48")
    QTest.keyClick(field, Qt.Key.Key_Return)
    dot(dialog)
    assert int((dialog.got[-1] > 127).sum()) == pytest.approx(4 * small, rel=0.1)
    soft = int(((dialog.got[-1] > 0) & (dialog.got[-1] < 255)).sum())
    press(dialog, "draw_clear")
    press(dialog, "soft_edge")
    dot(dialog)
    assert int(((dialog.got[-1] > 0) & (dialog.got[-1] < 255)).sum()) < soft / 4


def test_each_step_can_be_switched(dialog):
    dialog.show_picture(np.zeros((40, 60), np.uint8))
    press(dialog, "step_scale")
    assert dialog.asked[-1] == Preparation(scale=False)
    press(dialog, "step_centre")
    assert dialog.asked[-1] == Preparation(scale=False, centre=False)
    press(dialog, "step_paper")
    assert dialog.asked[-1] == Preparation(paper=False, scale=False, centre=False)
    combo = dialog.findChild(QComboBox, "step_invert")
    combo.setFocus()
    QTest.keyClick(combo, Qt.Key.Key_Down)
    assert dialog.asked[-1].invert == "on"
    count = len(dialog.asked)
    dialog.set_preparation(Preparation())
    assert len(dialog.asked) == count, "what is set is not announced"
    press(dialog, "step_scale")
    assert dialog.asked[-1] == Preparation(scale=False)


def test_a_drawing_needs_no_inverting_and_says_so(dialog):
    invert, paper = dialog.findChild(QComboBox, "step_invert"), dialog.findChild(QPushButton, "step_paper")
    for widget in (invert, paper):
        assert not widget.isEnabled()
        assert "canvas knows" in widget.toolTip()
    dialog.show_picture(np.zeros((40, 60, 3), np.uint8))
    assert invert.isEnabled() and paper.isEnabled()
    assert not dialog.canvas.isVisible()
    turned = []
    dialog.draw_chosen.connect(lambda: turned.append(True))
    press(dialog, "draw_again")
    assert turned == [True]


def test_a_picture_is_shown_in_its_own_colours_in_any_theme(dialog):
    picture = np.zeros((800, 800, 4), np.uint8)
    picture[:, :400] = (200, 30, 40, 255)
    picture[:, 400:] = (10, 90, 220, 255)
    dialog.set_theme(LIGHT)
    dialog.show_picture(picture)
    view = dialog._picture
    shown = view.grab().toImage()
    rect = view.image_rect()
    assert shown.pixelColor(rect.left() + 20, rect.center().y()) == QColor(200, 30, 40)
    assert shown.pixelColor(rect.right() - 20, rect.center().y()) == QColor(10, 90, 220)


def test_it_shows_what_the_encoder_gets_and_how_that_was_made(dialog):
    image = np.zeros((28, 28), np.uint8)
    image[:, 14:] = 255
    dialog.set_prepared(image, "a note")
    shown = dialog.preview.grab().toImage()
    assert shown.pixelColor(100, 70) == QColor(DARK.ink)
    assert shown.pixelColor(30, 70) == QColor(DARK.paper)
    how = dialog.findChild(QLabel, "prepared_how")
    assert how.text() == "28 × 28 pixels, prepared as MNIST was"
    press(dialog, "step_centre")
    dialog.set_prepared(image)
    assert "not prepared" in how.text()
    assert dialog.findChild(QLabel, "prepared_note").text() == ""


def test_it_takes_what_is_pasted_and_dropped(dialog):
    given = []
    dialog.given.connect(lambda data: given.append(data.text()))
    data = QMimeData()
    data.setText("copied")
    QGuiApplication.clipboard().setMimeData(data)
    QTest.keyClick(dialog, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert given == ["copied"]
    QGuiApplication.clipboard().clear()
    dropped = QMimeData()
    dropped.setUrls(["file:///tmp/a.png"])
    actions = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), actions, dropped, LEFT, NONE)
    QApplication.sendEvent(dialog, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(dialog, QDropEvent(QPointF(5, 5), actions, dropped, LEFT, NONE))
    assert given[-1] == "file:///tmp/a.png"


def test_everything_has_a_name_and_a_tooltip(dialog):
    for button in dialog.findChildren(QPushButton):
        assert button.objectName() and button.toolTip() and button.accessibleName()
