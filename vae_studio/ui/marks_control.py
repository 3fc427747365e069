"""Pins and the path of the session: where they fall on the map, and what is done to them there and in the panels."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
from PySide6.QtCore import QObject, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu

from vae_studio.core import marks
from vae_studio.core.exploration import Exploration, Path, Point
from vae_studio.core.plane import Plane
from vae_studio.core.scene import Scene, SpotsFrame
from vae_studio.ui.map_marks import Mark, PlacedMark, PlacedMarks
from vae_studio.ui.session import Session

_SAMPLES = 64  # of each leg of the path, for its line on the map
_FURTHEST = 100.0  # a coordinate that is pasted; the sliders' fields show no larger ones
Place = tuple[float, float]


def pin_mark(number: int) -> Mark | None:
    """The mark of a pin, None for no pin, −1."""
    return Mark("pin", number) if number >= 0 else None


def pin_number(mark: Mark | None) -> int:
    """The number of the pin that a mark is, or −1."""
    return mark.number if mark is not None and mark.kind == "pin" else -1


class MarksControl(QObject):
    """Changes the session's pins and path; a place (u, v) is on the plane of the map, through the current point.

    Signals: `placed(PlacedMarks)` for the map; `pictures(points, images)` of the pins and `film(images)` of the path;
    `refused(str)`, why something cannot be done.
    """

    placed = Signal(object)
    pictures = Signal(object, object)
    film = Signal(object)
    refused = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._line: tuple[Path | None, np.ndarray | None, np.ndarray | None] = (None, None, None)
        self._placed: tuple[Plane | None, Point] = (None, ())  # on which plane, through which point
        session.marks_changed.connect(self._place)
        session.point_changed.connect(self._follow)

    # Where they are

    def _follow(self, scene: Scene) -> None:
        """In more than two dimensions the plane goes along with a point that leaves it, and other marks are near."""
        explored = self._session.exploration
        if not (explored.pins or explored.path):
            return
        plane, point = self._placed
        if scene.plane != plane or not plane.has_one_parallel(point, scene.point):
            self._place(explored)

    def _place(self, explored: Exploration) -> None:
        def project_points(points: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
            places, strengths = explored.plane.project(points, explored.point)
            return places.astype(np.float64), strengths

        def placed(kind: str, names: list[str], points: list[Point], colours: list[int]) -> tuple[PlacedMark, ...]:
            if not points:
                return ()
            places, strengths = project_points(np.array(points))
            shown = np.ones(len(points)) if strengths is None else strengths
            return tuple(
                PlacedMark(Mark(kind, i), names[i], (float(u), float(v)), colours[i], float(shown[i]))
                for i, (u, v) in enumerate(places)
            )

        self._placed = explored.plane, explored.point
        pins, path = explored.pins, explored.path
        points = list(path.points) if path else []
        names = [marks.path_point_name(i) for i in range(len(points))]
        result = PlacedMarks(
            placed("pin", [pin.name for pin in pins], [pin.point for pin in pins], [pin.colour for pin in pins]),
            placed("path", names, points, [0] * len(points)),
        )
        line, frames = self._sampled(explored)
        if line is not None:
            places, frame_places = project_points(line), project_points(frames)
            result = PlacedMarks(result.pins, result.ends, *places, *frame_places)
        self.placed.emit(result)

    def _sampled(self, explored: Exploration) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Points along the path for its line, and those of its frames; kept while the path is the same."""
        if self._line[0] is not explored.path:
            walk = marks.walk_of(explored)
            if walk is None:
                self._line = (explored.path, None, None)
            else:
                path, dims = explored.path, len(explored.point)
                # What is straight and near the plane everywhere is straight on the map too.
                count = _SAMPLES * (len(path.points) - 1) if path.spherical or dims > 2 else 1
                shares = np.union1d(np.linspace(0.0, 1.0, min(count, 4 * _SAMPLES) + 1), walk.stops)
                self._line = (path, walk.at(shares), walk.steps(path.frames))
        return self._line[1:]

    def take(self, frame: SpotsFrame) -> None:
        """Pictures of the pins and of the path have come, if there are still so many."""
        explored = self._session.exploration
        pins = len(explored.pins)
        frames = explored.path.frames if marks.walk_of(explored) else 0
        if len(frame.spots) != pins + frames:
            return
        self.pictures.emit(frame.spots[:pins], frame.images[:pins])
        if frames:
            self.film.emit(frame.images[pins:])

    # What is done

    def pin_point(self) -> None:
        if explored := self._session.exploration:
            self.pin(explored.point)

    def pin(self, point: Point, name: str = "") -> None:
        """Keep this point, by this name or the next number."""
        explored = self._session.exploration
        if len(explored.pins) >= marks.MAX_PINS:
            self.refused.emit(f"There are {marks.MAX_PINS} pins, which is as many as there can be: remove some first.")
            return
        self._session.change(marks.with_pin(explored, point, name))

    def paste_pins(self, text: str) -> None:
        """Every line of the text, or all of it as one, becomes a pin; one that is no point makes none at all."""
        explored = self._session.exploration
        if explored is None:
            return
        try:
            points = _points_in(text, len(explored.point))
        except marks.PointError as error:
            self.refused.emit(f"No pin was made. {error}")
            return
        for point in points:
            explored = marks.with_pin(explored, point)
        if len(explored.pins) > marks.MAX_PINS:
            self.refused.emit(f"No pin was made: there can be {marks.MAX_PINS} at most.")
            return
        self._session.change(explored)

    def paste_point(self) -> None:
        """Move the point to the coordinates on the clipboard."""
        if self._session.exploration is None:
            return
        text = QGuiApplication.clipboard().text()
        try:
            point = marks.read_point(text, len(self._session.exploration.point), _FURTHEST)
        except marks.PointError as error:
            self.refused.emit(f"The point was not moved. {error}")
            return
        self._session.move_point(point)

    def go_to_pin(self, number: int) -> None:
        self._session.move_point(self._session.exploration.pins[number].point)

    def rename_pin(self, number: int, name: str) -> None:
        self._do(marks.with_changed_pin, number, name=name)

    def colour_pin(self, number: int, colour: int) -> None:
        self._do(marks.with_changed_pin, number, colour=colour)

    def remove_pins(self, numbers: list[int]) -> None:
        self._do(marks.without_pins, numbers)

    def start_path(self) -> None:
        if explored := self._session.exploration:
            self._session.change(marks.with_path_from(explored, explored.point))

    def add_to_path(self) -> None:
        if explored := self._session.exploration:
            self._add(explored.point)

    def _add(self, point: Point) -> None:
        explored = self._session.exploration
        if explored.path and len(explored.path.points) >= marks.MAX_PINS:
            self.refused.emit(f"The path has {marks.MAX_PINS} points, which is as many as it can have.")
            return
        self._session.change(marks.with_path_to(explored, point))

    def path_through_pins(self) -> None:
        self._do(marks.with_path_through_pins)

    def change_path(self, path: Path) -> None:
        """Another kind or another number of frames; numbers that follow each other are undone together."""
        before = self._session.exploration.path
        counted = before is not None and (path.points, path.spherical) == (before.points, before.spherical)
        self._do(marks.with_path, path, merge="frames of the path" if counted else None)

    def remove_path(self) -> None:
        self._do(marks.without_path)

    def move(self, mark: Mark, place: Place, merge: Hashable) -> None:
        """Put a mark at (u, v) of the plane; its other coordinates stay its own."""
        explored = self._session.exploration
        if mark.kind == "pin":
            point = marks.at_place(explored, place, explored.pins[mark.number].point)
            self._do(marks.with_changed_pin, mark.number, point=point, merge=merge)
        else:
            point = marks.at_place(explored, place, explored.path.points[mark.number])
            self._do(marks.with_path_point, mark.number, point, merge=merge)

    def go_to(self, mark: Mark) -> None:
        """Move the point to a mark."""
        self._session.move_point(self._point_of(mark))

    def remove(self, mark: Mark) -> None:
        if mark.kind == "pin":
            self._do(marks.without_pins, [mark.number])
        else:
            self._do(marks.without_path_point, mark.number)

    def _point_of(self, mark: Mark) -> Point:
        explored = self._session.exploration
        return explored.pins[mark.number].point if mark.kind == "pin" else explored.path.points[mark.number]

    def _do(self, change: Callable[..., Exploration], *values: object, merge: Hashable = None, **named: object) -> None:
        if explored := self._session.exploration:
            self._session.change(change(explored, *values, **named), merge=merge)

    # On the map

    def show_menu(self, pos: QPoint, place: Place, mark: Mark | None) -> None:
        """What can be done at a place of the map, or to the mark there, at a position of the screen."""
        if self._session.exploration is None:
            return
        menu = self.menu(place, mark)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(pos)

    def menu(self, place: Place, mark: Mark | None) -> QMenu:
        explored = self._session.exploration
        point = marks.at_place(explored, place) if mark is None else self._point_of(mark)
        menu = QMenu(self.parent())
        menu.setObjectName("map_menu")
        menu.addAction("Send point here", lambda: self._session.move_point(point))
        if mark is None or mark.kind == "path":
            menu.addAction("Pin here", lambda: self.pin(point))
        menu.addSeparator()
        menu.addAction("Start path here", lambda: self._do(marks.with_path_from, point))
        if explored.path and (mark is None or mark.kind == "pin"):
            name = marks.path_point_name(len(explored.path.points))
            menu.addAction(f"Add to path as {name}", lambda: self._add(point))
        menu.addSeparator()
        if mark is not None and mark.kind == "pin":
            menu.addAction("Remove pin", lambda: self.remove(mark))
        if mark is not None and mark.kind == "path":
            menu.addAction(f"Remove {marks.path_point_name(mark.number)} from the path", lambda: self.remove(mark))
        if explored.path:
            menu.addAction("Remove path", self.remove_path)
        return menu


def _points_in(text: str, dims: int) -> list[Point]:
    """The text as one point, or a point from each of its lines. Raises PointError."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [marks.read_point(text, dims, _FURTHEST)]
    except marks.PointError:
        if len(lines) < 2:
            raise
    points = []
    for number, line in enumerate(lines, 1):
        try:
            points.append(marks.read_point(line, dims, _FURTHEST))
        except marks.PointError as error:
            raise marks.PointError(f"Line {number}: {error}") from None
    return points
