"""Pins and path with the real session and the real render thread: what is asked for, placed, shown and undone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models
from PySide6.QtCore import QPoint
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget
from small_models import decoded, rounds_to

from vae_studio import tasks
from vae_studio.core import exploration
from vae_studio.core.plane import Plane
from vae_studio.core.scene import SpotsFrame, Version
from vae_studio.ui.map_marks import Mark
from vae_studio.ui.marks_control import MarksControl, pin_mark, pin_number
from vae_studio.ui.session import Session
from vae_studio.ui.workers import Jobs, Renderer

A, B = Mark("path", 0), Mark("path", 1)


class House:
    """Session, control and render thread, put together as the window does, with notes of all that is said."""

    def __init__(self, qtbot, model):
        self.qtbot, self.model = qtbot, model
        self.parent = QWidget()
        qtbot.addWidget(self.parent)
        self.session = Session(Jobs("point jobs"))
        self.marks = MarksControl(self.session, self.parent)
        self.placed, self.pictures, self.films, self.refused, self.failures = [], [], [], [], []
        self.renderer = Renderer(tasks.Frames())
        self.renderer.frame.connect(self.take)
        self.renderer.failed.connect(self.failures.append)
        self.session.scene_changed.connect(self.renderer.submit)
        self.marks.placed.connect(self.placed.append)
        self.marks.pictures.connect(lambda points, images: self.pictures.append((points, images)))
        self.marks.film.connect(self.films.append)
        self.marks.refused.connect(self.refused.append)
        self.renderer.start()
        self.open(model, Version(1, 0))

    def take(self, frame):
        if isinstance(frame, SpotsFrame) and frame.version.lineage == self.session.scene.version.lineage:
            self.frame = frame
            self.marks.take(frame)

    def open(self, model, version):
        self.model, self.frame = model, None
        self.session.look_at(tasks.OpenedModel(model, {}, "a model", Path("model.safetensors"), ""), version)

    def close(self):
        self.renderer.frame.disconnect(self.take)
        self.renderer.stop()
        assert self.renderer.wait(60_000)
        assert self.failures == []

    @property
    def explored(self):
        return self.session.exploration

    def drawn(self):
        """Wait for the small pictures of this very scene."""
        scene = self.session.scene
        self.qtbot.waitUntil(
            lambda: (
                self.frame is not None
                and (self.frame.spots is scene.spots, self.frame.version) == (True, scene.version)
            ),
            timeout=60_000,
        )

    def at(self, *point):
        self.session.move_point(tuple(map(float, point)))
        return self


@pytest.fixture
def house(qtbot):
    made = House(qtbot, small_models.mlp())
    yield made
    made.close()


@pytest.fixture
def spacious(qtbot):
    """In twenty dimensions."""
    made = House(qtbot, small_models.mlp(latent_dims=20))
    yield made
    made.close()


def on_clipboard(text):
    QGuiApplication.clipboard().setText(text)


# Pictures


def test_the_film_and_the_pictures_are_what_the_decoder_gives_there(house):
    house.at(1, 0.5).marks.pin_point()
    house.at(-1.5, 0).marks.pin_point()
    house.at(2, 0).marks.start_path()
    house.at(0, 1).marks.add_to_path()
    house.drawn()
    points, images = house.pictures[-1]
    assert points.tolist() == [[1.0, 0.5], [-1.5, 0.0]]
    assert rounds_to(images, decoded(house.model, points))
    shares = np.arange(9)[:, None] / 8
    assert rounds_to(house.films[-1], decoded(house.model, (1 - shares) * (2, 0) + shares * (0, 1)))
    house.marks.change_path(exploration.Path(((2.0, 0.0), (0.0, 2.0)), spherical=True, frames=13))
    house.drawn()
    angles = np.linspace(0, np.pi / 2, 13)
    assert rounds_to(house.films[-1], decoded(house.model, 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)))


def test_new_weights_are_shown_in_all_of_them(house):
    house.at(1, 0.5).marks.pin_point()
    house.marks.start_path()
    house.at(0, 1).marks.add_to_path()
    house.drawn()
    other = small_models.mlp(seed=5)
    house.open(other, Version(1, 1))
    house.drawn()
    points, images = house.pictures[-1]
    assert rounds_to(images, decoded(other, points))
    assert rounds_to(house.films[-1], decoded(other, house.session.scene.spots[1:]))


def test_pictures_of_another_number_of_points_are_not_taken(house):
    house.at(1, 0).marks.pin_point()
    house.drawn()
    late = house.frame
    house.marks.pin_point()
    house.drawn()
    house.pictures.clear()
    house.marks.take(late)
    assert house.pictures == []


def test_moving_the_point_asks_for_no_pictures_again(house):
    house.at(1, 0.5).marks.pin_point()
    house.drawn()
    spots = house.session.scene.spots
    house.at(0, 0)
    assert house.session.scene.spots is spots


# On the plane


def test_moving_the_point_in_two_dimensions_places_nothing_anew_but_other_axes_do(house):
    house.at(1, 0.5).marks.pin_point()
    count = len(house.placed)
    house.at(-1, 2)
    assert len(house.placed) == count
    house.session.choose_axes((1, 0))
    assert house.placed[-1].pins[0].place == (0.5, 1.0)


def test_marks_are_placed_by_their_two_coordinates_and_fade_with_distance(spacious):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(4, 20))
    for point in points[:2]:
        spacious.at(*point).marks.pin_point()
    spacious.at(*points[2]).marks.start_path()
    spacious.at(*points[3]).marks.add_to_path()
    spacious.session.choose_axes((7, 3))
    placed = spacious.placed[-1]
    shown = [*placed.pins, *placed.ends]
    assert [mark.name for mark in shown] == ["Pin 1", "Pin 2", "A", "B"]
    _, strengths = Plane.of_axes((7, 3), points.shape[1]).project(points, tuple(points[3]))
    assert np.array([mark.place for mark in shown]) == pytest.approx(points[:, [7, 3]], abs=1e-6)
    assert [mark.strength for mark in shown] == pytest.approx(strengths, abs=1e-6)
    assert placed.ends[1].strength == pytest.approx(1.0)
    shares = np.linspace(0, 1, len(placed.line))[:, None]
    line = (1 - shares) * points[2] + shares * points[3]
    assert placed.line == pytest.approx(line[:, [7, 3]], abs=1e-5)
    assert placed.strengths == pytest.approx(
        Plane.of_axes((7, 3), points.shape[1]).project(line, tuple(points[3]))[1], abs=1e-4
    )
    assert placed.frames == pytest.approx(line[::8][:, [7, 3]], abs=1e-5)
    before = placed.pins[0].strength
    spacious.at(*points[0])
    assert spacious.placed[-1].pins[0].strength == pytest.approx(1.0)
    assert before < 0.9


def test_dragging_a_mark_on_the_plane_keeps_its_other_coordinates(spacious):
    point = np.random.default_rng(2).normal(size=20)
    spacious.at(*point).marks.pin_point()
    spacious.marks.start_path()
    spacious.session.choose_axes((4, 11))
    spacious.at(*np.zeros(20))
    for mark in (Mark("pin", 0), A):
        spacious.marks.move(mark, (9.0, -8.0), 1)
    expected = point.copy()
    expected[[4, 11]] = 9.0, -8.0
    assert spacious.explored.pins[0].point == pytest.approx(tuple(expected))
    assert spacious.explored.path.points[0] == pytest.approx(tuple(expected))
    assert spacious.explored.point == (0.0,) * 20


def test_one_dimension_has_places_on_a_line(qtbot):
    made = House(qtbot, small_models.mlp(latent_dims=1))
    made.at(1.5).marks.pin_point()
    assert made.placed[-1].pins[0].place == (1.5, 0.0)
    made.marks.move(Mark("pin", 0), (-2.0, 0.7), None)
    assert made.explored.pins[0].point == (-2.0,)
    made.close()


# Undo


def test_undo_brings_a_removed_pin_back_as_it_was(house):
    for place in ((1, 0), (0, 1), (-1, 0)):
        house.at(*place).marks.pin_point()
    house.marks.rename_pin(1, "mine")
    house.marks.colour_pin(1, 8)
    pins = house.explored.pins
    house.marks.remove_pins([0, 1])
    assert [pin.name for pin in house.explored.pins] == ["Pin 3"]
    assert house.session.undoing == "remove 2 pins"
    house.session.undo()
    assert house.explored.pins == pins
    house.drawn()
    assert rounds_to(house.pictures[-1][1], decoded(house.model, house.pictures[-1][0]))
    house.session.redo()
    assert [pin.name for pin in house.explored.pins] == ["Pin 3"]


def test_a_drag_is_undone_in_one(house):
    house.at(1, 0).marks.pin_point()
    for step in range(10):
        house.marks.move(Mark("pin", 0), (step, step), "drag")
    house.session.undo()
    assert house.explored.pins[0].point == (1.0, 0.0)


def test_numbers_of_frames_that_follow_each_other_are_undone_in_one_and_kinds_one_by_one(house):
    path = exploration.Path(((0.0, 0.0), (1.0, 1.0)))
    house.at(0, 0).marks.start_path()
    house.at(1, 1).marks.add_to_path()
    for frames in (10, 11, 12):
        house.marks.change_path(exploration.Path(path.points, frames=frames))
    house.marks.change_path(exploration.Path(path.points, True, 12))
    house.session.undo()
    assert house.explored.path == exploration.Path(path.points, False, 12)
    house.session.undo()
    assert house.explored.path == path


# Text


def test_numbers_on_the_clipboard_move_the_point_or_become_pins(house):
    on_clipboard("[0.5, -1.25]")
    house.marks.paste_point()
    assert house.explored.point == (0.5, -1.25)
    house.marks.paste_pins("1 2\n\n3, 4\n")
    assert [pin.point for pin in house.explored.pins] == [(1.0, 2.0), (3.0, 4.0)]
    house.marks.paste_pins("5\n6")  # one a line, as a column of a table
    assert house.explored.pins[-1].point == (5.0, 6.0)
    assert house.refused == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1, 2, 3", "The point was not moved. There are 3 numbers, but the model has 2 latent dimensions."),
        ("", "The point was not moved. There are no numbers to read."),
        ("0, 500", "The point was not moved. Coordinates must lie between −100 and 100 (one is 500)."),
    ],
)
def test_what_is_no_point_is_refused_in_words(house, text, words):
    on_clipboard(text)
    house.marks.paste_point()
    assert house.refused == [words]
    assert house.explored.point == (0.0, 0.0)


def test_of_lines_one_of_which_is_no_point_none_is_pinned(house):
    house.marks.paste_pins("1 2\n3 4 5\n")
    assert house.refused == ["No pin was made. Line 2: There are 3 numbers, but the model has 2 latent dimensions."]
    assert house.explored.pins == ()
    house.marks.paste_pins("\n".join(["1 2"] * 1001))
    assert house.refused[-1] == "No pin was made: there can be 1000 at most."
    house.marks.paste_pins("\n".join(["1 2"] * 1000))
    house.marks.pin_point()
    assert "as many as there can be" in house.refused[-1]
    assert len(house.explored.pins) == 1000


# The menu


def choose(house, text, place=(0.0, 0.0), mark=None):
    (action,) = [action for action in house.marks.menu(place, mark).actions() if action.text() == text]
    action.trigger()


def texts(house, mark=None):
    return [action.text() for action in house.marks.menu((0.0, 0.0), mark).actions() if action.text()]


def test_the_menu_of_a_place(house):
    assert texts(house) == ["Send point here", "Pin here", "Start path here"]
    choose(house, "Pin here", (1.0, 2.0))
    choose(house, "Send point here", (0.5, 0.25))
    choose(house, "Start path here", (3.0, 1.0))
    choose(house, "Add to path as B", (-3.0, 1.0))
    assert house.explored.pins[0].point == (1.0, 2.0)
    assert house.explored.point == (0.5, 0.25)
    assert house.explored.path.points == ((3.0, 1.0), (-3.0, 1.0))
    assert texts(house) == ["Send point here", "Pin here", "Start path here", "Add to path as C", "Remove path"]
    choose(house, "Remove path")
    assert house.explored.path is None


def test_the_menu_of_a_mark_is_about_its_own_point(spacious):
    point = tuple(np.random.default_rng(3).normal(size=20).tolist())
    spacious.at(*point).marks.pin_point()
    spacious.at(*np.zeros(20)).marks.start_path()
    pin = Mark("pin", 0)
    assert texts(spacious, pin) == [
        *("Send point here", "Start path here", "Add to path as B"),
        *("Remove pin", "Remove path"),
    ]
    choose(spacious, "Add to path as B", (0.0, 0.0), pin)
    choose(spacious, "Send point here", (0.0, 0.0), pin)
    assert spacious.explored.path.points == ((0.0,) * 20, point)
    assert spacious.explored.point == point
    assert "Remove A from the path" in texts(spacious, A)
    choose(spacious, "Pin here", (0.0, 0.0), B)
    assert spacious.explored.pins[1].point == point
    choose(spacious, "Remove A from the path", (0.0, 0.0), A)
    assert spacious.explored.path.points == (point,)
    choose(spacious, "Remove pin", (0.0, 0.0), pin)
    assert len(spacious.explored.pins) == 1


def test_the_menu_opens_where_it_was_asked_for(house, qtbot):
    house.parent.show()
    house.marks.show_menu(QPoint(50, 60), (0.0, 0.0), None)
    menu = house.parent.findChild(QMenu, "map_menu")
    assert menu.isVisible()
    menu.close()
    qtbot.waitUntil(lambda: house.parent.findChild(QMenu, "map_menu") is None)


def test_going_and_removing_by_keys_and_clicks(house):
    house.at(1, 2).marks.pin_point()
    house.at(3, 4).marks.start_path()
    house.at(0, 0)
    house.marks.go_to(Mark("pin", 0))
    assert house.explored.point == (1.0, 2.0)
    house.marks.go_to(A)
    assert house.explored.point == (3.0, 4.0)
    house.marks.go_to_pin(0)
    assert house.explored.point == (1.0, 2.0)
    house.marks.remove(A)
    house.marks.remove(Mark("pin", 0))
    assert (house.explored.pins, house.explored.path) == ((), None)


def test_a_path_through_all_pins(house):
    for place in ((1, 0), (0, 1), (-1, 0)):
        house.at(*place).marks.pin_point()
    house.marks.path_through_pins()
    assert house.explored.path.points == ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))


def test_nothing_happens_before_there_is_a_model(qtbot):
    marks = MarksControl(Session(Jobs("point jobs")))
    for act in (marks.pin_point, marks.start_path, marks.add_to_path, marks.paste_point, marks.path_through_pins):
        act()
    marks.paste_pins("1 2")
    marks.show_menu(QPoint(0, 0), (0.0, 0.0), None)


def test_pins_have_numbers_and_marks():
    assert [pin_number(mark) for mark in (Mark("pin", 3), A, None)] == [3, -1, -1]
    assert (pin_mark(3), pin_mark(-1)) == (Mark("pin", 3), None)
