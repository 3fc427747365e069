"""A row for each latent dimension: dragged, typed, reset, scrolled."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QSlider, QStyle, QStyleOptionSlider

from vae_studio.ui.latent_sliders import LatentSliders


@pytest.fixture
def sliders(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 200)
    widget.set_dims(3)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.fixture
def moves(sliders):
    got = []
    sliders.changed.connect(got.append)
    return got


def slider(widget, index) -> QSlider:
    return widget.findChild(QSlider, f"latent_slider_{index}")


def field(widget, index) -> QDoubleSpinBox:
    return widget.findChild(QDoubleSpinBox, f"latent_value_{index}")


def handle(control: QSlider) -> QPoint:
    option = QStyleOptionSlider()
    control.initStyleOption(option)
    part = QStyle.SubControl.SC_SliderHandle
    return control.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, control).center()


def type_into(control: QDoubleSpinBox, text: str, *, enter: bool = True) -> None:
    control.setFocus()
    control.selectAll()
    QTest.keyClicks(control, text)
    if enter:
        QTest.keyClick(control, Qt.Key.Key_Return)


def name_label(widget, text) -> QLabel:
    return next(child for child in widget.findChildren(QLabel) if child.text() == text)


def built(widget, count):
    return lambda: len([s for s in widget.findChildren(QSlider) if s.objectName().startswith("latent_")]) == count


def test_rows_are_named_after_their_dimensions(sliders):
    for index, name in enumerate(("z₁", "z₂", "z₃")):
        row = slider(sliders, index).parentWidget().parentWidget()
        assert [child.text() for child in row.findChildren(QLabel)] == [name]
        assert name in slider(sliders, index).accessibleName()
        assert row.height() <= 28


def test_dragging_a_handle_changes_one_coordinate(sliders, moves):
    sliders.set_point((1.23456789, 0.0, -2.3456789))
    control = slider(sliders, 1)
    start = handle(control)
    QTest.mousePress(control, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 5):
        QTest.mouseMove(control, start + QPoint(step * 10, 0))
    QTest.mouseRelease(control, Qt.MouseButton.LeftButton, pos=start + QPoint(40, 0))
    assert moves
    first, second, third = moves[-1]
    assert (first, third) == (1.23456789, -2.3456789)  # exact: not what the fields round them to
    travel = control.width() - 2 * 8  # the handle's own width does not count; it is between 10 and 20 px
    assert second == pytest.approx(40 * 8 / travel, rel=0.15)
    assert field(sliders, 1).value() == second


def test_arrow_keys_move_a_slider(sliders, moves):
    QTest.keyClick(slider(sliders, 0), Qt.Key.Key_Right)
    assert len(moves) == 1
    assert 0.02 <= moves[0][0] <= 0.2
    QTest.keyClick(slider(sliders, 0), Qt.Key.Key_Left)
    assert moves[1] == (0.0, 0.0, 0.0)
    QTest.keyClick(slider(sliders, 2), Qt.Key.Key_PageDown)
    assert moves[2] == (0.0, 0.0, -1.0)


def test_a_number_can_be_typed_also_beyond_the_slider(sliders, moves):
    type_into(field(sliders, 0), "1.55")
    assert moves == [(1.55, 0.0, 0.0)]
    type_into(field(sliders, 2), "-7.5")
    assert moves[1:] == [(1.55, 0.0, -7.5)]
    assert slider(sliders, 2).value() == slider(sliders, 2).minimum()


def test_a_drag_is_one_gesture_and_so_are_keys_of_one_slider(sliders, moves):
    gestures = []
    sliders.changed.connect(lambda _: gestures.append(sliders.gesture()))
    found = []
    for index in (0, 0, 1):
        control = slider(sliders, index)
        start = handle(control)
        QTest.mousePress(control, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
        for step in range(1, 6):
            QTest.mouseMove(control, start + QPoint(4 * step, 0))
        QTest.mouseRelease(control, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start + QPoint(20, 0))
        found.append(list(gestures))
        gestures.clear()
    for index in (0, 2):
        for _ in range(3):
            QTest.keyClick(slider(sliders, index), Qt.Key.Key_Right)
        found.append(list(gestures))
        gestures.clear()
    assert [len(set(group)) for group in found] == [1] * 5
    assert all(len(group) > 2 for group in found)
    assert len({group[0] for group in found}) == 5


@pytest.mark.parametrize("key", [QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo])
def test_undoing_is_a_fields_own_while_something_is_half_typed_in_it(sliders, moves, qtbot, key):
    shortcut = QShortcut(QKeySequence(key), sliders)
    pressed = []
    shortcut.activated.connect(lambda: pressed.append(True))
    with qtbot.waitActive(sliders):
        sliders.activateWindow()
    control = field(sliders, 1)
    combination = QKeySequence(key)[0]

    def press():
        # Through the window, as a keyboard does: that is where shortcuts are looked for.
        QTest.keyClick(sliders.windowHandle(), combination.key(), combination.keyboardModifiers())

    type_into(control, "2", enter=False)
    if key == QKeySequence.StandardKey.Redo:
        control.lineEdit().undo()
    press()
    assert pressed == []
    assert control.cleanText() == ("2" if key == QKeySequence.StandardKey.Redo else "0.000")
    type_into(control, "1.5")
    assert moves[-1][1] == 1.5
    press()
    assert pressed == [True], "what was typed is a point now, which the window takes back"
    assert control.value() == 1.5


def test_double_click_resets_one_coordinate(sliders, moves):
    sliders.set_point((2.0, 3.0, 1.0))
    control = slider(sliders, 1)
    place = handle(control)
    QTest.mouseClick(control, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(control, Qt.MouseButton.LeftButton, pos=place)
    assert moves[-1] == (2.0, 0.0, 1.0)


def test_a_point_that_is_set_is_shown_and_not_announced(sliders, moves):
    sliders.set_point((4.0, -4.0, 0.125))
    assert moves == []
    assert [field(sliders, i).value() for i in range(3)] == [4.0, -4.0, 0.125]
    assert slider(sliders, 0).value() == slider(sliders, 0).maximum()
    assert slider(sliders, 1).value() == slider(sliders, 1).minimum()


def test_a_half_typed_number_survives_a_change_elsewhere(sliders, moves):
    type_into(field(sliders, 0), "2.5", enter=False)
    sliders.set_point((0.0, 1.0, 0.0))
    QTest.keyClick(field(sliders, 0), Qt.Key.Key_Return)
    assert moves == [(2.5, 1.0, 0.0)]


def test_a_point_of_another_length_is_refused(sliders):
    with pytest.raises(ValueError, match="2 coordinates for 3"):
        sliders.set_point((0.0, 1.0))


def test_tab_goes_down_the_rows(sliders, qtbot):
    sliders.set_dims(30)
    qtbot.waitUntil(lambda: built(sliders, 30)() and slider(sliders, 29).isVisible())
    sliders.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is sliders)
    slider(sliders, 0).setFocus()
    order = []
    for _ in range(60):
        order.append(QApplication.focusWidget().objectName())
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert order == [f"latent_{kind}_{index}" for index in range(30) for kind in ("slider", "value")]


def test_the_same_number_of_dimensions_rebuilds_nothing(sliders):
    before = [slider(sliders, index) for index in range(3)]
    sliders.set_point((1.0, 2.0, 3.0))
    sliders.set_dims(3)
    assert [slider(sliders, index) for index in range(3)] == before
    assert sliders.findChildren(QSlider, "latent_slider_0") == before[:1]
    assert sliders.point() == (0.0, 0.0, 0.0)
    assert field(sliders, 2).value() == 0.0


def test_fewer_dimensions_hide_rows_and_more_bring_them_back(sliders, moves):
    sliders.set_point((1.0, 2.0, 3.0))
    kept = slider(sliders, 2)
    sliders.set_dims(2)
    assert [slider(sliders, index).isVisible() for index in range(3)] == [True, True, False]
    QTest.keyClick(slider(sliders, 1), Qt.Key.Key_PageUp)
    assert moves == [(0.0, 1.0)]
    sliders.set_dims(3)
    assert slider(sliders, 2) is kept
    assert kept.isVisible()
    assert field(sliders, 2).value() == 0.0


def test_256_dimensions_do_not_hold_up_the_window(qtbot):
    times = []
    for _ in range(3):
        widget = LatentSliders()
        qtbot.addWidget(widget)
        widget.resize(280, 200)
        started = time.perf_counter()
        widget.set_dims(256)
        widget.show()
        qtbot.waitExposed(widget)
        times.append(time.perf_counter() - started)
        assert slider(widget, 0).isVisible()
        assert widget.verticalScrollBar().maximum() == 256 * 28 - widget.viewport().height()
    assert min(times) < 0.15
    widget.set_point(tuple(index / 100 for index in range(256)))
    qtbot.waitUntil(built(widget, 256))
    assert field(widget, 255).value() == 2.55
    assert name_label(widget, "z₂₅₆").parentWidget() is slider(widget, 255).parentWidget().parentWidget()


def test_of_many_rows_those_in_sight_follow_at_once_and_the_others_when_they_are_seen(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 200)
    widget.set_dims(100)
    widget.show()
    qtbot.waitUntil(built(widget, 100))
    for turn in range(1, 4):
        widget.set_point((float(turn),) * 100)
        assert [field(widget, row).value() for row in range(7)] == [turn] * 7
        assert widget.point() == (float(turn),) * 100
    widget.verticalScrollBar().setValue(widget.verticalScrollBar().maximum())
    assert field(widget, 99).value() == 3.0
    widget.set_point((0.5,) * 100)
    assert field(widget, 99).value() == 0.5
    qtbot.waitUntil(lambda: field(widget, 0).value() == 0.5)


def test_the_wheel_scrolls_a_long_list_and_turns_a_slider_in_a_short_one(sliders, moves, qtbot):
    def wheel_over(control):
        window = sliders.windowHandle()
        place = control.mapTo(sliders, control.rect().center())
        QTest.wheelEvent(window, place, QPoint(0, -120))

    wheel_over(slider(sliders, 0))
    assert len(moves) == 1
    assert moves[0][0] < 0
    sliders.set_dims(20)
    moves.clear()
    bar = sliders.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and slider(sliders, 19).isVisible())
    QApplication.processEvents()
    for control in (slider(sliders, 1), field(sliders, 6)):  # the first turn brings the others up
        before = bar.value()
        wheel_over(control)
        assert bar.value() > before
    assert moves == []


def test_dimensions_that_carry_nothing_are_faint_and_say_why(sliders):
    sliders.set_kl_per_dim((2.5, 0.004, 0.01))
    roles = [name_label(sliders, name).property("role") for name in ("z₁", "z₂", "z₃")]
    assert roles == ["muted", "faint", "muted"]
    assert "no information (KL = 0.004 nats)" in name_label(sliders, "z₂").toolTip()
    assert "2.500 nats" in name_label(sliders, "z₁").toolTip()
    sliders.set_kl_per_dim(None)
    assert name_label(sliders, "z₂").property("role") == "muted"
    assert "nats" not in name_label(sliders, "z₂").toolTip()


def test_kl_reaches_rows_that_are_built_later(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.set_dims(64, [0.0] * 60 + [1.0] * 4)
    qtbot.waitUntil(built(widget, 64))
    assert name_label(widget, "z₆₀").property("role") == "faint"
    assert name_label(widget, "z₆₁").property("role") == "muted"
