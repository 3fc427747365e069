"""The list of pins with real presses and keys, and whose picture stands beside which."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton

from vae_studio.core.exploration import Pin
from vae_studio.core.marks import read_point
from vae_studio.ui.pins_panel import MAX_NAME, PinsPanel
from vae_studio.ui.theme import DARK, LIGHT

LEFT = Qt.MouseButton.LeftButton
PINS = (Pin("one", (0.5, -1.25), 0), Pin("two", (1.0, 2.0), 3), Pin("three", (-3.0, 0.125), 7))
SIGNALS = ("pin_requested", "go_requested", "renamed", "coloured", "remove_requested", "pasted", "path_requested")


@pytest.fixture
def panel(qtbot):
    widget = PinsPanel()
    qtbot.addWidget(widget)
    widget.resize(264, 300)
    widget.set_pins(PINS)
    widget.show()
    qtbot.waitExposed(widget)
    widget.said, widget.chosen = [], []
    for name in SIGNALS:
        getattr(widget, name).connect(lambda *values, name=name: widget.said.append((name, *values)))
    widget.selected.connect(widget.chosen.append)
    return widget


def middle(panel, row):
    return panel.list.visualItemRect(panel.list.item(row)).center()


def click(panel, row, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.mouseClick(panel.list.viewport(), LEFT, modifier, middle(panel, row))


def press(qtbot, panel, name):
    qtbot.mouseClick(panel.findChild(QPushButton, name), LEFT)


def levels(panel):
    """The grey level in the middle of each row's picture."""
    picture = panel.list.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()
    rects = [panel.list.visualItemRect(panel.list.item(row)) for row in range(panel.list.count())]
    places = [QPoint(rect.left() + 18, rect.center().y()) * ratio for rect in rects]
    return [picture.pixelColor(place).green() for place in places]


def flat(*greys):
    return np.array(greys, np.uint8)[:, None, None].repeat(28, axis=1).repeat(28, axis=2)


def points(pins):
    return np.array([pin.point for pin in pins])


def test_pins_are_listed_by_name(panel):
    assert [panel.list.item(row).text() for row in range(3)] == ["one", "two", "three"]
    assert not panel.list.isHidden()
    panel.set_pins(())
    assert panel.list.isHidden()
    assert "Press Ctrl+P" in panel.findChild(object, "pins_hint").text()


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_each_pin_has_the_picture_of_its_point(panel, theme):
    panel.set_theme(theme)
    panel.set_images(points(PINS), flat(40, 130, 220))
    ends = [QColor(name).green() for name in (theme.paper, theme.ink)]
    assert levels(panel) == pytest.approx(np.interp([40, 130, 220], [0, 255], ends), abs=1)


def test_pictures_stay_with_their_points_when_a_pin_goes_or_comes(panel):
    panel.set_images(points(PINS), flat(60, 130, 220))
    before = levels(panel)
    panel.set_pins(PINS[1:])
    assert levels(panel) == before[1:]
    fourth = Pin("four", (9.0, 9.0), 1)
    panel.set_pins((*PINS, fourth))
    assert levels(panel)[:3] == before
    assert levels(panel)[3] < 30  # none yet


def test_a_pin_that_moves_keeps_its_picture_until_the_next(panel):
    panel.set_images(points(PINS), flat(60, 130, 220))
    before = levels(panel)
    panel.set_pins((PINS[0], Pin("two", (1.1, 2.0), 3), PINS[2]))
    assert levels(panel) == before


def test_enter_double_click_and_the_button_go_to_a_pin(qtbot, panel):
    click(panel, 1)
    assert panel.said == []
    QTest.keyClick(panel.list, Qt.Key.Key_Return)
    press(qtbot, panel, "pin_go_button")
    click(panel, 2)
    QTest.mouseDClick(panel.list.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, middle(panel, 2))
    assert panel.said == [("go_requested", 1), ("go_requested", 1), ("go_requested", 2)]


def test_a_name_is_typed_over(qtbot, panel):
    click(panel, 1)
    QTest.keyClick(panel.list, Qt.Key.Key_F2)
    editor = panel.findChild(QLineEdit, "pin_name")
    assert editor.text() == "two"
    qtbot.keyClicks(editor, "  a  slanted <b>2</b> ")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.findChild(QLineEdit, "pin_name") is None)
    assert panel.said == [("renamed", 1, "a slanted <b>2</b>")]  # and does not go there
    panel.set_pins((PINS[0], Pin("a slanted <b>2</b>", (1.0, 2.0), 3), PINS[2]))
    assert "&lt;b&gt;" in panel.list.item(1).toolTip()


@pytest.mark.parametrize("typed", ["", "   ", "two"])
def test_an_empty_name_or_the_same_changes_nothing(qtbot, panel, typed):
    click(panel, 1)
    QTest.keyClick(panel.list, Qt.Key.Key_F2)
    editor = panel.findChild(QLineEdit, "pin_name")
    editor.selectAll()
    QTest.keyClick(editor, Qt.Key.Key_Delete)
    qtbot.keyClicks(editor, typed)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.findChild(QLineEdit, "pin_name") is None)
    assert panel.said == []
    assert panel.list.item(1).text() == "two"


def test_a_name_that_is_being_typed_has_its_keys_to_itself(qtbot, panel):
    click(panel, 0)
    QTest.keyClick(panel.list, Qt.Key.Key_F2)
    editor = panel.findChild(QLineEdit, "pin_name")
    for key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete, Qt.Key.Key_Home):
        QTest.keyClick(editor, key)
    qtbot.keyClicks(editor, "x" * (2 * MAX_NAME))
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert panel.said == []
    assert panel.list.item(0).text() == "one"


def test_several_are_removed_together(panel):
    click(panel, 0)
    click(panel, 2, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    assert panel.said == [("remove_requested", [0, 2])]


def test_copying_and_pasting_as_text(panel):
    click(panel, 0)
    click(panel, 2, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(panel.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    text = QGuiApplication.clipboard().text()
    assert [read_point(line, 2) for line in text.splitlines()] == [PINS[0].point, PINS[2].point]
    QGuiApplication.clipboard().setText("1 2")
    QTest.keyClick(panel.list, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert panel.said == [("pasted", "1 2")]


def menu_of(qtbot, panel):
    """The menu of the selected pins, as the button makes it."""
    menu = panel.findChild(QPushButton, "pin_more_button").menu()
    menu.aboutToShow.emit()
    return {action.text(): action for action in menu.actions() if action.text()}


def test_the_menu_offers_what_is_possible(qtbot, panel):
    panel.list.clearSelection()
    assert not menu_of(qtbot, panel)["Rename"].isEnabled()
    click(panel, 1)
    menu = menu_of(qtbot, panel)
    assert all(menu[text].isEnabled() for text in ("Go to it", "Rename", "Copy z", "Remove", "Path through all pins"))
    menu["Path through all pins"].trigger()
    colours = menu["Colour"].menu().actions()
    assert len(colours) == 10
    assert [action.isChecked() for action in colours].index(True) == 3
    colours[5].trigger()
    assert panel.said == [("path_requested",), ("coloured", 1, 5)]


def test_selecting_is_told_but_not_when_it_is_told_to(panel):
    click(panel, 2)
    click(panel, 0, Qt.KeyboardModifier.ControlModifier)
    assert panel.chosen == [2, -1]
    panel.select(1)
    assert [item.text() for item in panel.list.selectedItems()] == ["two"]
    panel.select(-1)
    assert panel.list.selectedItems() == []
    assert panel.chosen == [2, -1]
    assert not panel.findChild(QPushButton, "pin_go_button").isEnabled()


def test_a_thousand_pins_are_listed_and_scroll(panel):
    many = tuple(Pin(f"pin {i}", (i / 100, 0.0), i % 10) for i in range(1000))
    panel.set_pins(many)
    panel.set_images(points(many), flat(*(i % 256 for i in range(1000))))
    assert panel.list.count() == 1000
    assert panel.list.height() < 200
    panel.list.setCurrentRow(999)
    QApplication.processEvents()
    assert panel.list.viewport().rect().contains(middle(panel, 999))
    panel.grab()
