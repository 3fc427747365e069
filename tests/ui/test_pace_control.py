"""The pace: dragged, by keys, and back with a double-click; what it says, and when one step can be asked for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QSlider, QStyle, QStyleOptionSlider

from vae_studio.ui import theme
from vae_studio.ui.pace_control import PaceControl

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def control(qtbot, qapp):
    theme.apply(qapp, theme.DARK)
    control = PaceControl()
    qtbot.addWidget(control)
    control.resize(360, control.sizeHint().height())
    with qtbot.waitExposed(control):
        control.show()
    yield control
    qapp.setStyleSheet("")


@pytest.fixture
def heard(control):
    found = []
    control.pace_changed.connect(found.append)
    control.step_requested.connect(lambda: found.append("step"))
    return found


def slider(control) -> QSlider:
    return control.findChild(QSlider, "pace_slider")


def words(control) -> str:
    return control.findChild(QLabel, "pace_value").text()


def step_button(control) -> QPushButton:
    return control.findChild(QPushButton, "step_button")


def handle(found: QSlider) -> QPoint:
    """The middle of the slider's handle."""
    option = QStyleOptionSlider()
    found.initStyleOption(option)
    part = QStyle.SubControl.SC_SliderHandle
    return found.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, found).center()


def drag(control, fraction: float) -> None:
    """Take the handle and let go of it at this fraction of the slider's width."""
    found = slider(control)
    start = handle(found)
    end = QPoint(round(found.width() * fraction), start.y())
    QTest.mousePress(found, LEFT, pos=start)
    for part in range(1, 21):
        QTest.mouseMove(found, start + (end - start) * part / 20)
    QTest.mouseRelease(found, LEFT, pos=end)


def test_it_starts_flat_out(control, heard):
    assert control.pace() is None
    assert words(control) == "flat out"
    assert not step_button(control).isVisible()
    assert heard == []


def test_dragged_from_end_to_end_it_says_each_pace_on_the_way(control, heard):
    drag(control, 0.0)
    assert control.pace() == heard[-1] == 0
    assert words(control) == "step by step"
    assert len(heard) > 10, "live, not on letting go"
    assert heard == sorted(heard, reverse=True)
    drag(control, 0.5)
    assert 10 < control.pace() < 100
    assert words(control) == f"{control.pace()} steps/s"
    drag(control, 1.0)
    assert control.pace() is None
    assert heard[-1] is None
    assert words(control) == "flat out"


def test_by_keys_from_one_to_a_thousand_in_like_ratios(control, heard, qtbot):
    said = [words(control)]
    for _ in range(slider(control).maximum()):
        qtbot.keyClick(slider(control), Qt.Key.Key_Left)
        said.append(words(control))
    assert heard[0] == 1000
    assert heard[-2:] == [1, 0]
    assert {20, 30, 100} <= set(heard)
    ratios = [more / less for more, less in pairwise(heard[:-1])]
    assert all(1.3 < ratio <= 2.0 for ratio in ratios)
    assert len(ratios) / math.log10(1000) == pytest.approx(6, abs=0.5), "steps of a decade"
    assert [said[0], said[1], *said[-2:]] == ["flat out", "1\u2009000 steps/s", "1 step/s", "step by step"]
    assert said[2:-2] == [f"{pace} steps/s" for pace in heard[1:-2]]
    qtbot.keyClick(slider(control), Qt.Key.Key_Left)
    assert heard[-1] == 0
    qtbot.keyClick(slider(control), Qt.Key.Key_End)
    assert control.pace() is None


def test_a_double_click_goes_back_to_flat_out(control, heard, qtbot):
    drag(control, 0.3)
    before = len(heard)
    qtbot.mouseDClick(slider(control), LEFT, pos=handle(slider(control)))
    assert control.pace() is None
    assert heard[before:] == [None]
    qtbot.mouseDClick(slider(control), LEFT, pos=handle(slider(control)))
    assert heard[before:] == [None], "it was flat out already"


def test_a_step_is_asked_for_where_one_can_be_taken(control, heard, qtbot):
    drag(control, 0.0)
    del heard[:]
    assert step_button(control).isVisible()
    qtbot.mouseClick(step_button(control), LEFT)
    assert heard == [], "no run waits for it"
    control.set_can_step(True)
    qtbot.mouseClick(step_button(control), LEFT)
    assert heard == ["step"]
    qtbot.keyClick(step_button(control), Qt.Key.Key_Space)
    assert heard == ["step", "step"]
    control.set_can_step(False)
    qtbot.mouseClick(step_button(control), LEFT)
    assert heard == ["step", "step"]
    qtbot.keyClick(slider(control), Qt.Key.Key_Right)
    assert not step_button(control).isVisible()


def test_nothing_moves_as_the_words_change(control, qtbot):
    label = control.findChild(QLabel, "pace_value")
    # At the left end a button comes in beside the words.
    qtbot.keyClick(slider(control), Qt.Key.Key_Home)
    qtbot.keyClick(slider(control), Qt.Key.Key_Right)
    places = set()
    for _ in range(slider(control).maximum()):
        QTest.qWait(0)
        places.add((slider(control).geometry().getRect(), label.geometry().getRect()))
        assert label.fontMetrics().horizontalAdvance(label.text()) <= label.width()
        qtbot.keyClick(slider(control), Qt.Key.Key_Right)
    assert len(places) == 1


def test_screen_readers_are_told_the_pace(control, qtbot):
    assert slider(control).accessibleName() == "Pace of training"
    qtbot.keyClick(slider(control), Qt.Key.Key_Home)
    assert slider(control).accessibleDescription() == "step by step"
    for widget in (slider(control), step_button(control), control.findChild(QLabel, "pace_value")):
        assert widget.toolTip()
