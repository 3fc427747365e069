"""The canvas under real presses, drags and keys: where ink comes to lie, how soft it is, and taking it back."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from vae_studio.ui.draw_canvas import DrawCanvas
from vae_studio.ui.theme import DARK, LIGHT

LEFT, RIGHT, NO_BUTTON = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.NoButton


@pytest.fixture
def canvas(qtbot):
    widget = DrawCanvas(DARK)
    qtbot.addWidget(widget)
    widget.resize(280, 280)  # a pixel of the widget is one of the drawing
    widget.show()
    qtbot.waitExposed(widget)
    widget.setFocus()
    widget.got, widget.undos = [], []
    widget.drawn.connect(widget.got.append)
    widget.undo_changed.connect(widget.undos.append)
    return widget


def stroke(widget, *places, button=LEFT):
    window = widget.windowHandle()
    QTest.mousePress(window, button, Qt.KeyboardModifier.NoModifier, QPoint(*places[0]))
    for place in places[1:]:
        QTest.mouseMove(window, QPoint(*place))
        QApplication.processEvents()
    QTest.mouseRelease(window, button, Qt.KeyboardModifier.NoModifier, QPoint(*places[-1]))


def distance_to(ink: np.ndarray, start: tuple[float, float], stop: tuple[float, float]) -> np.ndarray:
    """Of every pixel's middle from a straight line, in a plain loop over points of it."""
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]] + 0.5
    along = [np.array(start) + t * (np.array(stop) - start) for t in np.linspace(0, 1, 400)]
    return np.min([np.hypot(x - p[0], y - p[1]) for p in along], axis=0)


def test_ink_lies_under_the_mouse_as_wide_as_the_pen(canvas):
    canvas.set_pen(20, soft=False)
    stroke(canvas, (60, 80), (200, 80), (200, 230))
    ink = canvas.ink()
    away = np.minimum(distance_to(ink, (60, 80), (200, 80)), distance_to(ink, (200, 80), (200, 230)))
    assert (ink[away < 9] == 255).all()
    assert (ink[away > 11] == 0).all()
    assert ink.dtype == np.uint8
    assert ink.shape == (280, 280)


def test_a_soft_edge_fades_and_a_hard_one_does_not(canvas):
    grey = {}
    for soft in (False, True):
        canvas.clear()
        canvas.set_pen(30, soft=soft)
        stroke(canvas, (50, 140), (230, 140))
        column = canvas.ink()[:, 140].astype(int)
        grey[soft] = int(((column > 10) & (column < 245)).sum())
        assert column.sum() / 255 == pytest.approx(30, abs=1.5), "the width stays"
    assert grey[False] <= 2
    assert grey[True] >= 16


def test_it_says_what_is_drawn_while_it_is_drawn(canvas):
    stroke(canvas, (50, 50), (100, 50), (150, 50), (200, 50))
    assert len(canvas.got) >= 4
    counts = [int((ink > 0).sum()) for ink in canvas.got]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    assert np.array_equal(canvas.got[-1], canvas.ink())


def test_what_was_handed_out_is_not_drawn_on(canvas):
    stroke(canvas, (50, 50), (200, 50))
    first, before = canvas.got[-1], canvas.got[-1].copy()
    stroke(canvas, (50, 200), (200, 200))
    assert np.array_equal(first, before)


def test_undo_takes_one_stroke_back_and_clearing_too(canvas):
    stroke(canvas, (50, 50), (200, 50))
    one = canvas.ink()
    stroke(canvas, (50, 200), (200, 200))
    two = canvas.ink()
    canvas.clear()
    assert canvas.is_empty()
    assert canvas.got[-1] is None
    canvas.undo()
    assert np.array_equal(canvas.ink(), two)
    canvas.undo()
    assert np.array_equal(canvas.ink(), one)
    assert canvas.undos[-1] is True
    canvas.undo()
    assert canvas.is_empty()
    assert canvas.undos[-1] is False
    canvas.undo()
    assert canvas.is_empty()


def test_the_right_button_erases(canvas):
    canvas.set_pen(30, soft=False)
    stroke(canvas, (40, 140), (240, 140))
    stroke(canvas, (140, 100), (140, 180), button=RIGHT)
    ink = canvas.ink()
    assert ink[140, 140] == 0
    assert ink[140, 60] == 255
    canvas.undo()
    assert canvas.ink()[140, 140] == 255


def test_the_keyboard_draws(canvas):
    QTest.keyClick(canvas, Qt.Key.Key_Up)
    assert canvas.is_empty(), "the pen is up"
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    for _ in range(5):
        QTest.keyClick(canvas, Qt.Key.Key_Right)
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    drawn = canvas.ink()
    QTest.keyClick(canvas, Qt.Key.Key_Down)
    assert np.array_equal(canvas.ink(), drawn), "the pen is up again"
    away = distance_to(drawn, (140, 130), (190, 130))
    assert (drawn[away < 4] > 200).all()
    assert (drawn[away > 20] == 0).all()
    canvas.undo()
    assert canvas.is_empty(), "one stroke"


def test_beyond_the_edge_nothing_breaks(canvas):
    window = canvas.windowHandle()
    QTest.mousePress(window, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(270, 140))
    for x, y in ((400.0, 500.0), (-50.0, -80.0), (140.0, 140.0)):
        place = QPointF(x, y)
        event = QMouseEvent(QEvent.Type.MouseMove, place, place, NO_BUTTON, LEFT, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(canvas, event)
    QTest.mouseRelease(window, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(140, 140))
    assert canvas.ink()[140, 140] == 255


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_it_is_painted_in_paper_and_ink(canvas, theme):
    canvas.set_theme(theme)
    canvas.set_pen(40, soft=False)
    stroke(canvas, (140, 60), (140, 220))
    picture = canvas.grab().toImage()
    assert picture.pixelColor(140, 140) == QColor(theme.ink)
    assert picture.pixelColor(40, 140) == QColor(theme.paper)


def test_a_larger_canvas_draws_the_same(canvas):
    canvas.resize(560, 560)
    QApplication.processEvents()
    canvas.set_pen(20, soft=False)
    stroke(canvas, (120, 160), (400, 160))
    away = distance_to(canvas.ink(), (60, 80), (200, 80))
    assert (canvas.ink()[away < 9] == 255).all()
    assert (canvas.ink()[away > 11] == 0).all()
