"""Which plane the map shows, as the user asks for it; the card with its numbers; what a fitted map shows of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from vae_studio.core import planes
from vae_studio.core.exploration import Exploration
from vae_studio.core.latent import MAX_COORDINATE, Region
from vae_studio.core.plane import Plane, PlaneError
from vae_studio.core.scene import MapFrame, Scene, View
from vae_studio.ui.map_view import MAX_CENTRE, MAX_SPAN
from vae_studio.ui.plane_badge import NOTHING, distance_text
from vae_studio.ui.plane_card import PlaneCard
from vae_studio.ui.session import Session
from vae_studio.ui.theme import DARK, Theme

_REMEMBERED = 32  # planes whose corners a fitted map shows
_SQUARE = "A latent unit is as long across as it is up, so more than this span is visible."
_LIMIT = f"The map ends there: its middle stays within {MAX_CENTRE:g} of the origin, and {MAX_SPAN:g} fit across it."
_MOVED = "The point was taken straight onto the plane. Undo takes both back."
_NO_ENCODINGS = "There are no encodings of test images to put a plane through, or not yet."


class PlaneControl(QObject):
    """Changes the session's plane. One that is chosen, but along two latent dimensions, takes the point onto it.

    A plane is fixed numbers once it is chosen: it does not follow new weights. `anchor` is what the card opens below.

    Signals: `distance_changed(Plane, float)`, of the point from the plane; `home_changed(Region or None, bool)`, what a
    fitted map is to show, and whether at once; `fit_wanted()`, as there is another plane; `region_typed(Region)`;
    `encodings_known(bool)`; `said(str)`, what was done besides; `refused(str)`, why there is no such plane.
    """

    distance_changed = Signal(object, float)
    home_changed = Signal(object, bool)
    fit_wanted = Signal()
    region_typed = Signal(object)
    encodings_known = Signal(bool)
    said = Signal(str)
    refused = Signal(str)

    def __init__(self, session: Session, anchor: QWidget, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._anchor, self._window = session, anchor, window
        self._theme = DARK
        self._card: PlaneCard | None = None
        self._view: View | None = None
        self._plane: Plane | None = None
        self._lineage: int | None = None
        self._which = (0, 1)
        self._principal: tuple[np.ndarray | None, planes.Principal | None] = (None, None)  # and of which encodings
        self._corners: dict[Plane, np.ndarray] = {}  # the points that planes were put through, (3, latent_dims)
        self._selected: np.ndarray | None = None
        self._outlines: tuple[np.ndarray, ...] = ()  # of the prior, on this plane
        self._means: np.ndarray | None = None  # the encodings that were seen last
        self._awaited: set[str] = set()  # what a fitted map will be fitted to again, once it is known
        session.point_changed.connect(self._follow)
        session.encodings_placed.connect(self._take_encodings)
        session.marks_changed.connect(self._take_marks)

    # What there is

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self._card:
            self._card.set_theme(theme)

    def set_view(self, view: View) -> None:
        """This is visible."""
        self._view = view
        if self._card:
            self._card.set_view(view)

    def set_selected_points(self, points: np.ndarray | None) -> None:
        """The encodings (n, latent_dims) that are selected, None for none."""
        self._selected = points
        if self._card:
            self._card.images.set_selected(0 if points is None else len(points))

    def take_map(self, frame: MapFrame) -> None:
        """A frame of the map has come: it brings the prior's contours."""
        lines = tuple(contour.line for contour in frame.contours)
        if (
            lines
            and frame.plane == self._plane
            and (len(lines) != len(self._outlines) or lines[0] is not self._outlines[0])
        ):
            self._outlines = lines
            self._find_home("outlines")

    def _take_encodings(self, *_: object) -> None:
        """Encodings were placed, which may be those of before."""
        encodings = self._session.encodings
        means = encodings[1] if encodings else None
        if means is self._means:
            return
        if (means is None) != (self._means is None):
            self.encodings_known.emit(means is not None)
        self._means = means
        if means is not None:
            self._find_home("encodings")
        if self._card:
            self._offer_images()

    def _take_marks(self, explored: Exploration) -> None:
        if self._card:
            self._card.images.set_pins(len(explored.pins))

    def _follow(self, scene: Scene) -> None:
        before, lineage = self._plane, scene.version.lineage
        other = scene.plane != before
        if other or lineage != self._lineage:
            if lineage != self._lineage:
                self._which = (0, 1)
            self._plane, self._lineage, self._outlines = scene.plane, lineage, ()
            self._awaited = {"outlines", "encodings"}
            self._find_home(None if self._session.encodings is None else "encodings")
        if other and before is not None and not before.kind == scene.plane.kind == "axes":
            self.fit_wanted.emit()
        distance = scene.plane.distance(scene.point) if len(scene.point) > 2 else 0.0
        self.distance_changed.emit(scene.plane, distance)
        if self._card and other:
            self._card.set_plane(scene.plane, self._words(distance))
            self._card.setVisible(self._card.isVisible() and not scene.plane.is_line)
        elif self._card:
            self._card.set_distance(self._words(distance))

    def _find_home(self, known: str | None) -> None:
        """What a fitted map shows, now that something more is known; shown at once where that was awaited."""
        awaited = known is None or known in self._awaited
        self._awaited.discard(known)
        plane, encodings = self._plane, self._session.encodings
        places = None if encodings is None else plane.coordinates(encodings[1])
        corners = self._corners.get(plane)
        if corners is None and plane.kind == "points":
            pins = [pin.point for pin in self._session.exploration.pins]
            corners = np.array(pins) if pins else None
        home = planes.home(plane, places, self._outlines, None if corners is None else plane.coordinates(corners))
        self.home_changed.emit(home, awaited)

    # What is asked for

    def ask(self, kind: str) -> None:
        """A plane of this kind: the principal components at once, others in the card."""
        if self._session.exploration is None:
            return
        if kind == "components":
            self._choose_components(self._which)
        if kind != "components" or (self._card and self._card.isVisible()):
            self.show_card(kind)

    def show_card(self, kind: str | None = None) -> None:
        """The card with the numbers, and what a plane of this kind, or of the present one, is made of."""
        if self._plane is None or self._plane.is_line or self._view is None:
            return
        if self._card is None:
            self._card = self._make_card()
        card = self._card
        self._fill_card()
        card.show_page(kind or self._plane.kind)
        if not card.isVisible():
            card.move(self._anchor.mapToGlobal(self._anchor.rect().bottomLeft()))
        card.show()
        card.raise_()
        card.activateWindow()

    def go_to_plane(self) -> None:
        """Take the point straight onto the plane."""
        if self._plane is not None:
            self._session.move_point(self._plane.onto(self._session.exploration.point))

    def close(self) -> None:
        if self._card:
            self._card.close()

    def _choose(self, make: Callable[[], tuple[Plane, Sequence[Sequence[float]] | None]]) -> bool:
        """Show the plane that is made, if there is one; the points it goes through are to be seen."""
        try:
            plane, corners = make()
        except PlaneError as error:
            self._refuse(str(error))
            return False
        if corners is not None:
            self._corners[plane] = np.array(corners)
            while len(self._corners) > _REMEMBERED:
                del self._corners[next(iter(self._corners))]
        explored = self._session.exploration
        point = explored.point if plane.kind == "axes" else plane.onto(explored.point)
        moved = plane.dims > 2 and math.dist(point, explored.point) > NOTHING
        self._session.change(replace(explored, plane=plane, point=point))
        if self._card:
            self._card.show_note(_MOVED if moved else "")
        if moved:
            self.said.emit(_MOVED)
        return True

    def _choose_components(self, which: tuple[int, int]) -> None:
        if self._choose(lambda: (self._components().plane(which), None)):
            self._which = which
        if self._card:
            self._offer_components()

    def _choose_classes(self, classes: tuple[int, int, int]) -> None:
        def make() -> tuple[Plane, None]:
            means, images = self._encodings(), self._session.encodings[0]
            return planes.through_class_means(means, images.labels, classes, images.class_names), None

        self._choose(make)

    def _choose_images(self, wanted: tuple[int, int, int]) -> None:
        def make() -> tuple[Plane, list[list[float]]]:
            points = self._encodings()[list(wanted)].astype(np.float64).tolist()
            return planes.through_points(points), points

        self._choose(make)

    def _choose_pins(self) -> None:
        pins = self._session.exploration.pins[:3]
        points = [pin.point for pin in pins]
        self._choose(lambda: (planes.through_points(points, [pin.name for pin in pins]), points))

    def _choose_selected(self) -> None:
        points = np.zeros((0, 0)) if self._selected is None else np.asarray(self._selected[:3], np.float64)
        self._choose(lambda: (planes.through_points(points.tolist()), points))

    def _type_numbers(self, texts: tuple[str | None, str | None, str | None]) -> None:
        before, notes = self._plane, []
        if texts == (None, None, None):
            return  # nothing was typed
        numbers = (before.origin, before.across, before.up)

        def make() -> tuple[Plane, None]:
            given = [
                number if text is None else planes.read_vector(name, text, before.dims, MAX_COORDINATE)
                for name, text, number in zip(("Origin", "Across", "Up"), texts, numbers, strict=True)
            ]
            plane, note = planes.typed(*given)
            notes.append(note)
            return plane, None

        if self._choose(make):
            self._card.set_plane(self._plane, self._words(self._plane.distance(self._session.exploration.point)))
            self._card.show_note("".join(notes))

    def _type_span(self, texts: tuple[str | None, str | None, str | None, str | None]) -> None:
        view = self._view
        try:
            wanted = planes.read_span(texts, Region(view.left, view.right, view.bottom, view.top))
        except PlaneError as error:
            self._refuse(str(error))
            return
        self.region_typed.emit(wanted)
        view = self._view
        self._card.set_span(view)
        across, up = (view.right - view.left) / (wanted.right - wanted.left or math.inf), view.top - view.bottom
        more = None not in texts and max(across, up / (wanted.top - wanted.bottom)) > 1.001
        slack = 1e-6 * (view.right - view.left)
        less = view.left > wanted.left + slack or view.right < wanted.right - slack
        less |= view.bottom > wanted.bottom + slack or view.top < wanted.top - slack
        self._card.show_note(_LIMIT if less else _SQUARE if more else "")

    def _encodings(self) -> np.ndarray:
        encodings = self._session.encodings
        if encodings is None:
            raise PlaneError(_NO_ENCODINGS)
        return encodings[1]

    def _components(self) -> planes.Principal:
        """Those of the encodings as they are now, which are found once. Raises PlaneError."""
        means = self._encodings()
        if self._principal[0] is not means:
            self._principal = (means, planes.Principal.of(means))
        return self._principal[1]

    def _refuse(self, words: str) -> None:
        if self._card and self._card.isVisible():
            self._card.show_error(words)
        else:
            self.refused.emit(words)

    # The card

    def _make_card(self) -> PlaneCard:
        card = PlaneCard(self._theme, self._window)
        card.components_chosen.connect(self._choose_components)
        card.classes_chosen.connect(self._choose_classes)
        card.images_chosen.connect(self._choose_images)
        card.pins_chosen.connect(self._choose_pins)
        card.selected_chosen.connect(self._choose_selected)
        card.numbers_typed.connect(self._type_numbers)
        card.span_typed.connect(self._type_span)
        return card

    def _fill_card(self) -> None:
        card = self._card
        explored = self._session.exploration
        card.set_plane(self._plane, self._words(self._plane.distance(explored.point)))
        self._offer_images()
        card.images.set_pins(len(explored.pins))
        card.images.set_selected(0 if self._selected is None else len(self._selected))
        self._offer_components()
        card.set_span(self._view)

    def _offer_components(self) -> None:
        try:
            shares = self._components().shares
        except PlaneError:
            shares = ()
        self._card.components.set_shares(shares)
        self._card.components.set_which(self._which)

    def _offer_images(self) -> None:
        encodings = self._session.encodings
        self._card.images.set_images(encodings[0] if encodings else None)
        self._card.classes.set_names(encodings[0].present_names() if encodings else ())

    def _words(self, distance: float) -> str:
        if self._plane.dims <= 2:
            return ""
        return "the point lies in it" if distance < NOTHING else f"the point is {distance_text(distance)} from it"
