"""Pins and a path on the map under real presses, drags and keys, and what is painted of them."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from vae_studio.core.exploration import Layers
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.map_marks import Mark, PlacedMark, PlacedMarks
from vae_studio.ui.theme import DARK, LIGHT

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier
PIN, OTHER, A, B = Mark("pin", 0), Mark("pin", 1), Mark("path", 0), Mark("path", 1)
PLACES = {PIN: (-2.0, 1.0), OTHER: (2.0, 1.5), A: (-1.0, -1.0), B: (1.0, -1.0)}


def marks(places=PLACES):
    placed = [PlacedMark(mark, name, places[mark], colour) for mark, name, colour in NAMED]
    line, frames = (np.linspace(places[A], places[B], count) for count in (33, 5))
    return PlacedMarks(tuple(placed[:2]), tuple(placed[2:]), line=line, frames=frames)


NAMED = ((PIN, "one", 0), (OTHER, "two", 3), (A, "A", 0), (B, "B", 0))


@pytest.fixture
def latent_map(qtbot):
    """The map with two pins and a path, which follow as the session makes them; tells what it asked for."""
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.resize(708, 460)  # a canvas of 680 × 440: 100 pixels to a unit, 0 in the middle
    widget.set_layers(Layers(tiles=False, encodings=False, prior=False))
    widget.set_marks(marks())
    widget.show()
    qtbot.waitExposed(widget)
    widget.setFocus()
    widget.said, widget.places, widget.keys = [], dict(PLACES), []

    def follow(mark, place):
        widget.keys.append(widget.gesture.key())
        widget.places[mark] = place
        widget.set_marks(marks(widget.places))

    widget.mark_moved.connect(follow)
    widget.mark_moved.connect(lambda mark, place: widget.said.append(("moved", mark, place)))
    widget.point_moved.connect(lambda place: widget.said.append(("point", place)))
    for name in ("selected", "opened", "removed"):
        getattr(widget, f"mark_{name}").connect(lambda mark, name=name: widget.said.append((name, mark)))
    widget.menu_requested.connect(lambda _, place, mark: widget.said.append(("menu", place, mark)))
    return widget


def at(widget, mark, dx=0, dy=0):
    place = widget.places[mark] if isinstance(mark, Mark) else mark
    return widget.to_pixel(place).toPoint() + QPoint(dx, dy)


def press(widget, pos, button=LEFT):
    QTest.mousePress(widget.windowHandle(), button, NONE, pos)


def move(widget, pos):
    QTest.mouseMove(widget.windowHandle(), pos)
    QApplication.processEvents()


def release(widget, pos, button=LEFT):
    QTest.mouseRelease(widget.windowHandle(), button, NONE, pos)


def click(widget, pos, button=LEFT):
    press(widget, pos, button)
    release(widget, pos, button)


def of(widget, kind):
    return [said[1:] for said in widget.said if said[0] == kind]


# Mouse


@pytest.mark.parametrize("mark", PLACES)
def test_dragging_a_mark_moves_it_without_a_jump_and_nothing_else(latent_map, mark):
    before, view = PLACES[mark], latent_map.view()
    start = at(latent_map, mark, 4, -3)
    press(latent_map, start)
    for step in range(1, 11):
        move(latent_map, start + QPoint(5 * step, 2 * step))
    release(latent_map, start + QPoint(50, 20))
    moved = of(latent_map, "moved")
    assert {which for which, _ in moved} == {mark}
    assert len(moved) == 10
    assert moved[-1][1] == pytest.approx((before[0] + 0.5, before[1] - 0.2))
    assert moved[0][1] == pytest.approx((before[0] + 0.05, before[1] - 0.02))
    assert len(set(latent_map.keys)) == 1
    assert latent_map.view() == view
    assert latent_map.point() == (0.0, 0.0)
    assert of(latent_map, "point") == []
    assert of(latent_map, "selected") == [(mark,)]


def test_two_drags_are_two_gestures(latent_map):
    for _ in range(2):
        start = at(latent_map, PIN)
        press(latent_map, start)
        move(latent_map, start + QPoint(10, 0))
        release(latent_map, start + QPoint(10, 0))
    assert len(set(latent_map.keys)) == 2


def test_escape_puts_a_dragged_mark_back(latent_map):
    start = at(latent_map, A)
    press(latent_map, start)
    move(latent_map, start + QPoint(60, 60))
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    assert latent_map.places[A] == PLACES[A]
    assert len(set(latent_map.keys)) == 1
    move(latent_map, start + QPoint(90, 60))
    release(latent_map, start + QPoint(90, 60))
    assert latent_map.places[A] == PLACES[A]


def test_a_mark_stops_at_the_edge_of_the_map(latent_map):
    press(latent_map, at(latent_map, PIN))
    move(latent_map, QPoint(2, 2))
    release(latent_map, QPoint(2, 2))
    view = latent_map.view()
    assert latent_map.places[PIN] == pytest.approx((view.left, view.top), abs=0.021)


def test_a_click_selects_a_mark_and_leaves_the_point(latent_map):
    click(latent_map, at(latent_map, PIN, 8, 0))
    assert latent_map.said == [("selected", PIN)]
    click(latent_map, at(latent_map, (0.5, 0.5)))
    assert latent_map.said[1:] == [("selected", None), ("point", pytest.approx((0.5, 0.5)))]
    click(latent_map, at(latent_map, PIN, 20, 0))
    assert of(latent_map, "selected") == [(PIN,), (None,)]


def test_where_the_point_lies_on_a_mark_the_point_is_taken(latent_map):
    latent_map.set_point(*PLACES[A])
    start = at(latent_map, A)
    press(latent_map, start)
    move(latent_map, start + QPoint(0, -80))
    release(latent_map, start + QPoint(0, -80))
    assert of(latent_map, "moved") == []
    assert latent_map.point() == pytest.approx((-1.0, -0.2))


def test_beside_the_point_the_nearer_one_is_taken(latent_map):
    latent_map.set_point(PLACES[A][0] + 0.12, PLACES[A][1])
    press(latent_map, at(latent_map, A, 1, 0))
    move(latent_map, at(latent_map, A, 30, 0))
    release(latent_map, at(latent_map, A))
    assert {mark for mark, _ in of(latent_map, "moved")} == {A}


def test_of_two_marks_on_each_other_the_upper_one_is_taken(latent_map):
    latent_map.places[OTHER] = PLACES[PIN]
    latent_map.set_marks(marks(latent_map.places))
    click(latent_map, at(latent_map, PIN))
    assert of(latent_map, "selected") == [(OTHER,)]


def test_double_click_goes_there_and_elsewhere_stays_a_click(latent_map):
    pos = at(latent_map, OTHER)
    QTest.mouseDClick(latent_map.windowHandle(), LEFT, NONE, pos)
    assert of(latent_map, "opened") == [(OTHER,)]
    assert of(latent_map, "point") == []
    QTest.mouseDClick(latent_map.windowHandle(), LEFT, NONE, at(latent_map, (0.5, 0.5)))
    assert latent_map.point() == pytest.approx((0.5, 0.5))


def test_a_right_click_asks_for_the_menu_of_the_place_or_mark(latent_map):
    click(latent_map, at(latent_map, (0.5, -0.5)), RIGHT)
    click(latent_map, at(latent_map, B, 3, 3), RIGHT)
    click(latent_map, QPoint(3, 3), RIGHT)  # beside the canvas
    assert of(latent_map, "menu") == [(pytest.approx((0.5, -0.5)), None), (PLACES[B], B)]
    assert of(latent_map, "point") == of(latent_map, "moved") == []


def test_the_menu_key_asks_for_the_menu_of_what_is_selected(latent_map):
    def menu_key():
        event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(1, 1), QPoint(1, 1), NONE)
        QApplication.sendEvent(latent_map, event)

    latent_map.set_point(0.25, 0.75)
    menu_key()
    latent_map.select_mark(OTHER)
    menu_key()
    assert of(latent_map, "menu") == [((0.25, 0.75), None), (PLACES[OTHER], OTHER)]


def test_a_mark_that_is_gone_is_selected_no_more(latent_map):
    click(latent_map, at(latent_map, PIN))
    latent_map.set_marks(PlacedMarks())
    QTest.keyClick(latent_map, Qt.Key.Key_Right)
    assert of(latent_map, "moved") == []
    assert len(of(latent_map, "point")) == 1


# Keys


def test_arrows_nudge_the_selected_mark_and_else_the_point(latent_map):
    click(latent_map, at(latent_map, PIN))
    QTest.keyClick(latent_map, Qt.Key.Key_Right)
    QTest.keyClick(latent_map, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert latent_map.places[PIN] == pytest.approx((-2.0 + 0.068, 1.0 + 0.68))
    assert latent_map.point() == (0.0, 0.0)
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    QTest.keyClick(latent_map, Qt.Key.Key_Right)
    assert of(latent_map, "selected") == [(PIN,), (None,)]
    assert latent_map.point() == pytest.approx((0.068, 0.0))


def test_keys_go_to_and_remove_what_is_selected(latent_map):
    QTest.keyClick(latent_map, Qt.Key.Key_Delete)
    QTest.keyClick(latent_map, Qt.Key.Key_Return)
    click(latent_map, at(latent_map, B))
    QTest.keyClick(latent_map, Qt.Key.Key_Return)
    QTest.keyClick(latent_map, Qt.Key.Key_Delete)
    assert of(latent_map, "opened") == of(latent_map, "removed") == [(B,)]


# Painting


def painted(widget):
    image = QImage(widget.size(), QImage.Format.Format_RGB32)
    widget.render(image)
    return image


def colour(image, pos):
    return image.pixelColor(int(pos.x()), int(pos.y())).getRgb()[:3]


def rgb(name):
    return QColor(name).getRgb()[:3]


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_pins_line_frames_and_ends_are_painted_where_they_are(latent_map, theme):
    latent_map.set_theme(theme)
    latent_map.set_point(3.0, -2.0)
    image = painted(latent_map)
    assert colour(image, at(latent_map, PIN)) == rgb(theme.classes[0])
    assert colour(image, at(latent_map, OTHER)) == rgb(theme.classes[3])
    for share in (0.1, 0.3, 0.5, 0.9):
        place = tuple((1 - share) * np.array(PLACES[A]) + share * np.array(PLACES[B]))
        assert colour(image, at(latent_map, place)) == rgb(theme.path)
    for mark in (A, B):
        assert colour(image, at(latent_map, mark, 0, 7)) == rgb(theme.path)
    for frame in np.linspace(PLACES[A], PLACES[B], 5)[1:-1]:
        seen = colour(image, latent_map.to_pixel(tuple(frame)) + QPointF(0, 2.2))
        assert seen == pytest.approx(rgb(theme.path), abs=30)
    between = latent_map.to_pixel((0.25, -1.0)) + QPointF(0, 4)
    assert colour(image, between) == rgb(theme.paper)


def test_names_are_written_beside_pins_and_inside_the_map(latent_map):
    right_edge = {**PLACES, OTHER: (3.35, 0.0)}
    latent_map.set_marks(PlacedMarks((PlacedMark(OTHER, "a long name", right_edge[OTHER], 3),)))
    latent_map.set_point(-3.0, -2.0)
    image = painted(latent_map)
    pin = latent_map.to_pixel(right_edge[OTHER])
    left = [colour(image, pin + QPointF(dx, dy)) for dx in range(-70, -10) for dy in range(-5, 5)]
    assert sum(min(seen) > 150 for seen in left) > 40


def test_of_a_great_many_pins_only_the_selected_one_is_named(latent_map):
    latent_map.set_point(3.0, -2.0)
    many = [PlacedMark(Mark("pin", i), "a name", (i % 40 / 10 - 3.0, i // 40 / 20 - 1.0), i) for i in range(1000)]
    latent_map.set_marks(PlacedMarks(tuple(many)))
    last = latent_map.to_pixel(many[-1].place)  # the rightmost of the upper row

    def letters():
        image = painted(latent_map)
        beside = [last + QPointF(dx, dy) for dx in range(12, 45) for dy in range(-4, 5)]
        return sum(min(colour(image, pos)) > 150 for pos in beside)

    assert letters() == 0
    latent_map.select_mark(many[-1].mark)
    assert letters() > 20


def test_marks_far_from_the_plane_are_faint(latent_map):
    latent_map.set_point(3.0, -2.0)
    strengths = np.linspace(1.0, 0.15, 33)
    faint = PlacedMarks(
        (PlacedMark(PIN, "one", PLACES[PIN], 0, 0.15), PlacedMark(OTHER, "two", PLACES[OTHER], 0, 1.0)),
        (),
        np.linspace(PLACES[A], PLACES[B], 33),
        strengths,
        np.zeros((0, 2)),
        np.zeros(0),
    )
    latent_map.set_marks(faint)
    image = painted(latent_map)
    strong, weak = rgb(DARK.classes[0]), rgb(DARK.paper)
    assert colour(image, at(latent_map, OTHER)) == strong
    seen = colour(image, at(latent_map, PIN))
    assert all(abs(s - (0.15 * a + 0.85 * b)) < 8 for s, a, b in zip(seen, strong, weak, strict=True))
    reds = [colour(image, at(latent_map, (u, -1.0)))[0] for u in (-0.9, -0.3, 0.3, 0.9)]
    assert reds == sorted(reds, reverse=True)
    assert reds[0] > 220
    assert reds[-1] < 110
    latent_map.select_mark(PIN)
    assert colour(painted(latent_map), at(latent_map, PIN)) == strong


def test_the_selected_mark_has_a_ring(latent_map):
    latent_map.set_point(3.0, -2.0)

    def above_a():
        image = painted(latent_map)
        return [colour(image, at(latent_map, A, 0, -dy)) for dy in range(12, 17)]

    assert rgb(DARK.accent) not in above_a()
    latent_map.select_mark(A)
    assert rgb(DARK.accent) in above_a()


@pytest.mark.parametrize("key", [Qt.Key.Key_Plus, Qt.Key.Key_Minus])
def test_marks_out_of_sight_do_no_harm(latent_map, key):
    latent_map.set_marks(marks({**PLACES, PIN: (1e30, 1e30), OTHER: (-100.0, 99.0)}))
    for _ in range(60):
        QTest.keyClick(latent_map, key)
    image = painted(latent_map)
    assert colour(image, latent_map.to_pixel((0.0, 0.0))) == rgb(DARK.accent)  # the point's cross
