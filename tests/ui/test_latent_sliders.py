"""A row for each latent dimension: dragged, typed, reset, scrolled."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionSlider,
)

from vae_studio.core.directions import Direction
from vae_studio.core.plane import subscript
from vae_studio.ui import controls, strip_requests
from vae_studio.ui.latent_sliders import LatentSliders
from vae_studio.ui.theme import DARK, LIGHT, apply


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


def slider_rows(widget) -> list[int]:
    """The dimensions whose sliders are there, from the top."""
    found = [s for s in widget.findChildren(QSlider) if s.objectName().startswith("latent_") and s.isVisible()]
    found.sort(key=lambda control: control.mapTo(widget, QPoint(0, 0)).y())
    return [int(control.objectName().rpartition("_")[2]) for control in found]


def test_rows_are_named_after_their_dimensions(sliders):
    for index, name in enumerate(("z₁", "z₂", "z₃")):
        row = slider(sliders, index).parentWidget().parentWidget()
        assert [child.text() for child in row.findChildren(QLabel) if child.isVisible()] == [name]
        assert name in slider(sliders, index).accessibleName()
        assert row.height() <= 40


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
    assert slider(sliders, 29) is None, "there are no more rows than can be seen"
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
    times, moves = [], []
    for _ in range(3):
        widget = LatentSliders()
        qtbot.addWidget(widget)
        widget.resize(280, 240)
        started = time.thread_time()
        widget.set_dims(256)
        widget.show()
        qtbot.waitExposed(widget)
        times.append(time.thread_time() - started)
        assert slider(widget, 0).isVisible()
    assert min(times) < 0.15
    bar, tall = widget.list.verticalScrollBar(), widget.list.viewport().height()
    assert bar.maximum() == 256 * 40 - tall
    assert len(widget.findChildren(QSlider)) < 20, "there are no more rows than can be seen"
    for turn in range(50):  # as a drag on the map does: two coordinates move
        point = (turn / 20, *[0.0] * 254, -turn / 20)
        started = time.thread_time()
        widget.set_point(point)
        moves.append(time.thread_time() - started)
    assert float(np.median(moves)) < 1e-3
    point = tuple(index / 100 for index in range(256))
    widget.set_point(point)
    for place in (bar.maximum() // 2, 0, bar.maximum()):
        bar.setValue(place)
        seen = slider_rows(widget)
        first = place // 40
        assert set(range(first, (place + tall - 1) // 40 + 1)) <= set(seen)
        assert [field(widget, index).value() for index in seen] == [index / 100 for index in seen]
        for index in seen:
            assert name_label(widget, subscript(index)).parentWidget() is slider(widget, index).parentWidget().parent()
    assert seen[-1] == 255
    assert len(widget.findChildren(QSlider)) < 20, "rows are used again"


def test_what_is_half_typed_stays_when_it_is_scrolled_away(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 240)
    widget.set_dims(256)
    widget.show()
    with qtbot.waitActive(widget):
        widget.activateWindow()
    got = []
    widget.changed.connect(got.append)
    type_into(field(widget, 1), "2.5", enter=False)
    bar = widget.list.verticalScrollBar()
    for place in (3000, bar.maximum(), 0):
        bar.setValue(place)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    assert [point[:3] for point in got] == [(0.0, 2.5, 0.0)]


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
    bar = sliders.list.verticalScrollBar()
    QApplication.processEvents()
    assert bar.maximum() > 0
    for control in (slider(sliders, 1), field(sliders, 4)):  # the first turn brings the others up
        before = bar.value()
        wheel_over(control)
        assert bar.value() > before
    assert moves == []


def test_dimensions_that_carry_nothing_are_faint_say_why_and_can_be_moved(qapp, sliders, moves):
    apply(qapp, DARK)
    sliders.set_kl_per_dim((2.5, 0.004, 0.01))
    for control in (lambda i: name_label(sliders, "z₁z₂z₃"[2 * i : 2 * i + 2]), lambda i: field(sliders, i)):
        assert [control(index).property("role") == "faint" for index in range(3)] == [False, True, False]
    for control in (name_label(sliders, "z₂"), slider(sliders, 1), field(sliders, 1)):
        assert "z₂ carries no information: its KL is 0.004 nats" in control.toolTip()
    assert "2.500 nats" in name_label(sliders, "z₁").toolTip()
    colours = [sliders.grab().toImage().pixelColor(*track_of(sliders, index)).name() for index in (0, 1)]
    qapp.setStyleSheet("")
    assert colours == [DARK.accent, DARK.faint]
    type_into(field(sliders, 1), "1.5")
    assert moves == [(0.0, 1.5, 0.0)]
    sliders.set_kl_per_dim(None)
    assert name_label(sliders, "z₂").property("role") == "muted"
    assert "nats" not in name_label(sliders, "z₂").toolTip()


def track_of(widget, index) -> tuple[int, int]:
    """A pixel of the filled part of a slider's groove."""
    control = slider(widget, index)
    place = control.mapTo(widget, QPoint(12, handle(control).y()))
    ratio = widget.devicePixelRatio()
    return round(place.x() * ratio), round(place.y() * ratio)


def test_the_most_informative_come_first_where_there_are_many(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 900)
    kl = [0.5, 0.0, 3.0, 0.001, 2.0, 0.02, 0.0, 1.0, 0.7, 0.6]
    by_kl = [2, 4, 7, 8, 9, 0, 5, 3, 1, 6]
    widget.show()
    widget.set_dims(8, kl[:8])
    assert slider_rows(widget) == list(range(8)), "few stay where people look for them"
    widget.set_dims(10)
    order, active = (widget.findChild(QPushButton, f"sliders_{name}") for name in ("by_kl", "active_only"))
    assert slider_rows(widget) == list(range(10)) and not order.isEnabled() and not active.isEnabled()
    assert "not known" in order.toolTip()
    widget.set_kl_per_dim(kl)
    assert slider_rows(widget) == by_kl and order.isChecked()
    told = []
    widget.choices_changed.connect(told.append)
    active.click()
    assert slider_rows(widget) == by_kl[:7]
    assert "7 of 10" in active.text()
    order.click()
    assert slider_rows(widget) == [0, 2, 4, 5, 7, 8, 9]
    assert widget.content_height() == 7 * 40 + widget.tools.sizeHint().height() + 4
    other = LatentSliders()
    qtbot.addWidget(other)
    other.set_choices(told[-1])
    other.resize(280, 900)
    other.set_dims(10, kl)
    other.show()
    assert slider_rows(other) == slider_rows(widget)
    # While a slider is held nothing may move away from under the mouse.
    held = slider(widget, 2)
    QTest.mousePress(held, Qt.MouseButton.LeftButton, pos=handle(held))
    widget.set_kl_per_dim(kl[::-1])
    assert slider_rows(widget) == [0, 2, 4, 5, 7, 8, 9]
    QTest.mouseRelease(held, Qt.MouseButton.LeftButton, pos=handle(held))
    assert slider_rows(widget) == [index for index in range(10) if kl[::-1][index] >= 0.01]


def test_few_sliders_are_all_there_by_index_whatever_was_chosen_among_many(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 900)
    widget.set_choices({"by_kl": True, "active_only": True})
    widget.show()
    for dims in (2, 3):
        widget.set_dims(dims, [0.001, 3.0, 5.0][:dims])
        assert widget.tools.isHidden()
        assert slider_rows(widget) == list(range(dims))
    widget.set_dims(4, [0.001, 3.0, 5.0, 2.0])
    assert slider_rows(widget) == [2, 1, 3], "where it can be chosen it holds"


def test_a_slider_is_found_as_its_number_or_name_is_typed(qtbot):
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 900)
    widget.set_dims(256, [1.0 + index for index in range(256)])
    widget.set_directions([Direction("Thicker", tuple(np.eye(256)[3]))])
    widget.show()
    with qtbot.waitActive(widget):
        widget.activateWindow()
    search = widget.findChild(QLineEdit, "sliders_search")
    search.setFocus()
    before = slider_rows(widget)
    assert before[:2] == [255, 254]
    height = widget.content_height()
    for typed, found in (("z17", [16, *range(178, 168, -1)]), ("25", [24, 255, 254, 253, 252, 251, 250, 249])):
        search.clear()
        QTest.keyClicks(search, typed)
        assert slider_rows(widget) == found
        assert widget.content_height() == height, "the picture above does not jump while one types"
        assert widget.findChild(QSlider, "direction_slider_0") is None
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert QApplication.focusWidget() is slider(widget, 24)
    search.setFocus()
    search.selectAll()
    QTest.keyClicks(search, "thick")
    assert slider_rows(widget) == [] and widget.findChild(QSlider, "direction_slider_0").isVisible()
    QTest.keyClicks(search, "!")
    assert [child for child in widget.findChildren(QLabel) if child.isVisible() and "called so" in child.text()]
    assert not [child for child in widget.findChildren(QSlider) if child.isVisible()], "the words stand alone"
    QTest.keyClick(search, Qt.Key.Key_Escape)
    assert slider_rows(widget)[:15] == before[:15]
    QTest.keyClick(search, Qt.Key.Key_PageDown)
    assert widget.list.verticalScrollBar().value() == widget.list.viewport().height()


def test_a_direction_moves_the_point_along_itself_and_can_be_removed(sliders, moves):
    vector = np.array([2.0, -1.0, 2.0]) / 3.0
    start = np.array([0.5, 1.0, -0.25])
    sliders.set_point(tuple(start))
    sliders.set_directions([Direction("thicker", tuple(vector)), Direction("slanted", (0.0, 1.0, 0.0))])
    along, other = (sliders.findChild(QDoubleSpinBox, f"direction_value_{index}") for index in (0, 1))
    assert along.value() == pytest.approx(start @ vector, abs=5e-4)
    assert other.value() == 1.0
    type_into(along, "1.5")
    expected = start + (1.5 - start @ vector) * vector
    assert moves[-1] == pytest.approx(tuple(expected), abs=1e-12)
    assert np.array(moves[-1]) @ vector == pytest.approx(1.5, abs=1e-12)
    assert [field(sliders, index).value() for index in range(3)] == pytest.approx(expected, abs=5e-4)
    assert other.value() == pytest.approx(expected[1], abs=5e-4)
    type_into(field(sliders, 0), "2")
    assert along.value() == pytest.approx(np.array([2.0, *expected[1:]]) @ vector, abs=5e-4)
    assert name_label(sliders, "thicker").mapTo(sliders, QPoint()).y() < slider(sliders, 0).mapTo(sliders, QPoint()).y()
    removed = []
    sliders.direction_removed.connect(removed.append)
    sliders.findChild(QPushButton, "direction_remove_1").click()
    assert removed == [1]
    sliders.set_directions([Direction("thicker", tuple(vector))])
    assert not other.isVisible()
    with pytest.raises(ValueError, match="2 coordinates for 3"):
        sliders.set_directions([Direction("flat", (1.0, 0.0))])


def grip(control: QSlider, part: str) -> QPoint:
    """Where to press a slider: on its handle, on a picture above its groove, or on the groove, which repeats."""
    where = handle(control)
    return {"handle": where, "picture": QPoint(where.x(), 5), "groove": QPoint(5, where.y())}[part]


@pytest.mark.parametrize("part", ["handle", "picture", "groove"])
@pytest.mark.parametrize("index", [0, 5])  # whose row stays, and whose row goes
def test_a_slider_that_is_held_when_another_model_comes_is_let_go_of(sliders, qtbot, monkeypatch, part, index):
    sliders.resize(280, 900)
    sliders.set_dims(20)
    control = slider(sliders, index)
    QTest.mousePress(control, Qt.MouseButton.LeftButton, pos=grip(control, part))
    assert sliders.list.is_held() == (part != "groove")
    moves = []
    sliders.changed.connect(moves.append)
    sliders.set_dims(2)
    sliders.set_point((0.25, -0.5))
    assert slider_rows(sliders) == [0, 1]
    if part == "groove":
        with qtbot.assertNotEmitted(sliders.changed, wait=700):  # Qt begins to repeat after half a second
            pass
    QTest.mouseMove(control, handle(control) + QPoint(30, 0))
    QTest.mouseRelease(control, Qt.MouseButton.LeftButton, pos=handle(control) + QPoint(30, 0))
    assert not moves and [field(sliders, row).value() for row in (0, 1)] == [0.25, -0.5]
    monkeypatch.setattr(controls, "_PAUSE", -1.0)
    assert sliders.gesture() != sliders.gesture(), "what comes next is not part of that drag"
    start = handle(slider(sliders, 1))
    QTest.mousePress(slider(sliders, 1), Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(slider(sliders, 1), start + QPoint(30, 0))
    QTest.mouseRelease(slider(sliders, 1), Qt.MouseButton.LeftButton, pos=start + QPoint(30, 0))
    assert moves[-1][0] == 0.25 and moves[-1][1] > 0.0


def test_the_slider_of_a_direction_that_is_held_as_it_goes_is_let_go_of(sliders, moves):
    thicker, slanted = Direction("thicker", (1.0, 0.0, 0.0)), Direction("slanted", (0.0, 1.0, 0.0))
    for held, left in ((1, [thicker]), (0, []), (1, [slanted])):  # the last one is still there, under another number
        sliders.set_directions([thicker, slanted][: max(held + 1, len(left))])
        control = sliders.findChild(QSlider, f"direction_slider_{held}")
        QTest.mousePress(control, Qt.MouseButton.LeftButton, pos=grip(control, "picture"))
        sliders.set_directions(left)
        sliders.set_point((0.5, 1.0, -2.0))
        del moves[:]
        QTest.mouseMove(control, grip(control, "picture") + QPoint(40, 0))
        QTest.mouseRelease(control, Qt.MouseButton.LeftButton, pos=grip(control, "picture") + QPoint(40, 0))
        assert not moves and sliders.point() == (0.5, 1.0, -2.0)
        assert [row.key for row in sliders.list.rows()] == [*range(-1, -1 - len(left), -1), 0, 1, 2]
    assert sliders.findChild(QDoubleSpinBox, "direction_value_0").value() == 1.0


def test_a_direction_that_is_added_waits_for_a_slider_that_is_held(sliders, moves):
    control = slider(sliders, 1)
    start = handle(control)
    QTest.mousePress(control, Qt.MouseButton.LeftButton, pos=start)
    sliders.set_directions([Direction("thicker", (1.0, 0.0, 0.0))])
    QTest.mouseMove(control, start + QPoint(30, 0))
    assert moves and [row.key for row in sliders.list.rows()] == [0, 1, 2]
    QTest.mouseRelease(control, Qt.MouseButton.LeftButton, pos=start + QPoint(30, 0))
    assert [row.key for row in sliders.list.rows()] == [-1, 0, 1, 2]


def test_a_number_half_typed_into_a_row_that_goes_moves_nothing(sliders, moves):
    sliders.activateWindow()
    type_into(field(sliders, 2), "1.5", enter=False)
    sliders.set_dims(2)
    slider(sliders, 0).setFocus()
    assert not moves and sliders.point() == (0.0, 0.0)


def test_strips_show_what_each_row_does_from_here(sliders, qtbot):
    sliders.resize(280, 160)
    direction = Direction("both", (0.6, 0.0, 0.8))
    sliders.set_directions([direction])
    asked = []
    sliders.strips_wanted.connect(asked.append)
    sliders.set_point((1.0, 2.0, 3.0))
    qtbot.waitUntil(lambda: bool(asked) and asked[-1][:, 1].max() > 0)
    points, vector, here = asked[-1], np.array(direction.vector), np.array([1.0, 2.0, 3.0])
    rows = 1 + len([index for index in range(3) if slider(sliders, index).visibleRegion().boundingRect().height() > 0])
    count = len(points) // rows
    strips = points.reshape(rows, count, 3)
    middles = -4.0 + 8.0 * (np.arange(count) + 0.5) / count  # of equal parts of the slider's range
    np.testing.assert_allclose(strips[0] @ vector, middles, atol=1e-12)
    np.testing.assert_allclose(np.cross(strips[0] - here, vector), 0.0, atol=1e-12)
    for index, strip in enumerate(strips[1:]):
        np.testing.assert_array_equal(strip[:, index], middles)
        np.testing.assert_array_equal(np.delete(strip, index, axis=1), np.tile(np.delete(here, index), (count, 1)))

    # The picture over the handle is that of its value, in the colours of the theme.
    images = np.zeros((len(points), 28, 28), np.uint8)
    images[count + 2] = 255
    sliders.set_strips(points, images)
    control = slider(sliders, 0)
    for theme in (DARK, LIGHT):
        sliders.set_theme(theme)
        sliders.set_point((float(middles[2]), 2.0, 3.0))
        picture = control.grab().toImage()
        ratio = picture.devicePixelRatio()
        colours = [QColor(theme.paper).name()] * count
        colours[2] = QColor(theme.ink).name()
        place, width = control.strip_rect(), control.strip_rect().width() / count
        xs = [place.left() + (index + 0.5) * width for index in range(count)]
        found = [picture.pixelColor(round(x * ratio), round(place.center().y() * ratio)).name() for x in xs]
        assert found == colours
        assert handle(control).x() == pytest.approx(xs[2], abs=1.5)
    QTest.mouseClick(control, Qt.MouseButton.LeftButton, pos=QPoint(round(xs[0]), 8))
    assert field(sliders, 0).value() == pytest.approx(middles[0], abs=0.06), "a press on a picture goes there"

    sliders.set_strips(points.copy(), images)  # of another request: no row's
    sliders.show_strips(False)
    qtbot.waitUntil(lambda: asked[-1] is None)
    assert control.height() < 28 and control.strip() is None


def test_strips_are_asked_for_of_rows_in_sight_and_not_faster_than_they_come(qtbot, monkeypatch):
    monkeypatch.setattr(strip_requests, "PATIENCE", 1000.0)
    widget = LatentSliders()
    qtbot.addWidget(widget)
    widget.resize(280, 240)
    widget.set_dims(256)
    asked = []
    widget.strips_wanted.connect(asked.append)
    widget.show()
    qtbot.waitUntil(lambda: len(asked) == 1)
    tall = widget.list.viewport().height()

    def varied(points) -> list[int]:
        """The dimensions that some picture's neighbours differ in."""
        steps = np.abs(np.diff(points, axis=0)).max(axis=0)
        return np.flatnonzero(steps).tolist()

    assert varied(asked[0]) == list(range(-(-tall // 40)))
    for turn in range(1, 4):
        widget.set_point((turn / 10,) * 256)
        qtbot.wait(round(1.5 * strip_requests.INTERVAL_MS))
    assert len(asked) == 1, "the first has not come yet"
    widget.set_strips(asked[0], np.zeros((len(asked[0]), 28, 28), np.uint8))
    qtbot.waitUntil(lambda: len(asked) == 2)
    assert asked[1][0, 200] == 0.3, "the newest point is what is asked for next"
    widget.list.verticalScrollBar().setValue(100 * 40)
    qtbot.waitUntil(lambda: len(asked) == 3)
    assert varied(asked[2]) == list(range(100, 100 + -(-tall // 40))), "others in sight do not wait"
    widget.hide()
    qtbot.waitUntil(lambda: asked[-1] is None)
