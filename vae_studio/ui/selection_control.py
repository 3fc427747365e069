"""Encodings on the map that are pointed at or selected: which images they are of, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from vae_studio.core.scene import GlanceFrame, TestImages
from vae_studio.ui.hover_card import HoverContent
from vae_studio.ui.selection_panel import Selected, SelectionPanel
from vae_studio.ui.session import Session


class SelectionControl(QObject):
    """Encodings are numbers of the session's test images. `panel` shows those that are selected.

    Which are selected outlives new weights and other models, and is forgotten with the images. Signals:
    `selected(tuple of int, current or None)` for the map; `selection_changed(indices (n,), means (n, d) or None)`, when
    others are selected or their means are others; `card_changed(HoverContent or None)`; `stepped_to(int)`;
    `encode_requested(int)`; `pin_requested(point, name)`; `refused(str)`, why something cannot be done.
    """

    selected = Signal(object, object)
    selection_changed = Signal(object, object)
    card_changed = Signal(object)
    stepped_to = Signal(int)
    encode_requested = Signal(int)
    pin_requested = Signal(object, str)
    refused = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.panel = SelectionPanel()
        self._images: TestImages | None = None
        self._indices: tuple[int, ...] = ()
        self._current: int | None = None
        self._walking = False  # whether the current one was chosen by itself: from there one steps on
        self._card: HoverContent | None = None
        session.encodings_changed.connect(self._take_encodings)
        session.point_changed.connect(self._place_card)
        panel = self.panel
        panel.current_chosen.connect(self._make_current)
        panel.opened.connect(self.go_to)
        panel.mean_requested.connect(self.go_to_mean)
        panel.pin_requested.connect(self.pin_mean)
        panel.encode_requested.connect(self.encode)
        panel.clear_requested.connect(self.clear)

    @property
    def indices(self) -> tuple[int, ...]:
        """Those that are selected, in rising order."""
        return self._indices

    def means(self) -> np.ndarray | None:
        """Theirs, by the present weights: float64 (n, latent_dims); None until they are known."""
        encodings = self._session.encodings
        return None if encodings is None else encodings[1][list(self._indices)].astype(np.float64)

    # What is selected

    def select(self, index: int, besides: bool = False) -> None:
        """This one alone; or besides the others, of which it is one no longer if it was."""
        self._walking = True
        self._choose(set(self._indices) ^ {index} if besides else {index}, index)

    def select_many(self, indices: Iterable[int], besides: bool = False) -> None:
        """These alone, or besides the others."""
        self._walking = False
        self._choose({*indices, *(self._indices if besides else ())}, self._current)

    def clear(self) -> None:
        self._choose(set(), None)

    def step(self, by: int) -> None:
        """Go on to the next one (1), or the one before (−1), in the order of their distance from the point.

        Where several are selected these are gone through, and stay selected; else all on the map are, and the one gone
        to is selected. It begins with the nearest.
        """
        encodings, explored = self._session.encodings, self._session.exploration
        if encodings is None or not explored.layers.encodings:
            self.refused.emit("There are no encodings on the map to step through: show them in the Layers menu.")
            return
        images, means = encodings
        shown = np.flatnonzero(~np.isin(images.labels, list(explored.layers.hidden_classes)))
        if not len(shown):
            self.refused.emit("All classes are hidden, so there are no encodings to step through.")
            return
        many = len(self._indices) > 1
        if many:
            shown = np.intersect1d(shown, self._indices)
            if not len(shown):
                self.refused.emit("The classes of all selected encodings are hidden: there are none to step through.")
                return
        away = np.linalg.norm(means[shown].astype(np.float64) - explored.point, axis=1)
        order = shown[np.argsort(away, kind="stable")].tolist()
        goes_on = (self._walking or not many) and self._current in order
        place = order.index(self._current) + by if goes_on else 0
        found = order[max(0, min(place, len(order) - 1))]
        self._walking = True
        self._choose(set(self._indices) if many else {found}, found)
        self.stepped_to.emit(found)

    def _choose(self, indices: set[int], current: int | None) -> None:
        before = self._indices, self._current
        self._indices = tuple(sorted(indices))
        self._current = current if current in indices else min(indices, default=None)
        if before == (self._indices, self._current):
            return
        self.selected.emit(self._indices, self._current)
        self._show()
        if before[0] != self._indices:
            self._session.need_ellipses(bool(self._indices))
            self.selection_changed.emit(np.array(self._indices, np.intp), self.means())

    def _make_current(self, index: int) -> None:
        self._walking = True
        self._choose(set(self._indices), index)

    def _take_encodings(self) -> None:
        """Other weights, other images, or the same ones read anew."""
        before, now = self._images, self._session.images
        if now is not before:
            self._images = now
            if now is None or before is None or not _same(now, before):
                self.clear()
        if self._indices:
            self._show()
            self.selection_changed.emit(np.array(self._indices, np.intp), self.means())
        self._place_card()

    def _show(self) -> None:
        images, means = self._images, self.means()
        if not self._indices or images is None:
            self.panel.show_selected(None)
            return
        counts = np.bincount(images.labels[list(self._indices)])
        present = [number for number in np.argsort(-counts, kind="stable").tolist() if counts[number]]
        classes = "\N{NO-BREAK SPACE}· ".join(
            f"{images.class_names[number]}:\N{NO-BREAK SPACE}{counts[number]:,}" for number in present
        )
        mean = None if means is None else means.mean(axis=0)
        shown = Selected(images.images, images.labels, self._indices, self._current, self._words, classes, mean)
        self.panel.show_selected(shown)

    def _words(self, index: int) -> str:
        return f"{self._images.class_names[self._images.labels[index]]} · test image {index}"

    # What is done with them

    def go_to(self, index: int) -> None:
        """Move the point to the mean of q(z|x) of this one."""
        if encodings := self._session.encodings:
            self._session.move_point(tuple(encodings[1][index].tolist()))

    def go_to_mean(self) -> None:
        if (mean := self._mean()) is not None:
            self._session.move_point(mean)

    def pin_mean(self) -> None:
        if (mean := self._mean()) is not None:
            one = len(self._indices) == 1
            self.pin_requested.emit(mean, self._words(self._indices[0]) if one else f"Mean of {len(self._indices)}")

    def encode(self) -> None:
        """Look at the current one in the Encode panel."""
        if self._current is not None:
            self.encode_requested.emit(self._current)

    def _mean(self) -> tuple[float, ...] | None:
        means = self.means() if self._indices else None
        return None if means is None else tuple(means.mean(axis=0).tolist())

    # What is pointed at

    def hover(self, index: int | None) -> None:
        """Tell what is known of this encoding, and ask for its reconstruction."""
        if index is None or self._images is None:
            self._card = None
            self._session.set_glance(None)
            self.card_changed.emit(None)
            return
        image, colour = self._images.images[index], int(self._images.labels[index])
        self._card = HoverContent(index, image, colour, self._words(index))
        self._session.set_glance(image)
        self._place_card()

    def take_glance(self, frame: GlanceFrame) -> None:
        """The reconstruction of an image has come; it is of interest if that is the one which is pointed at."""
        if self._card is not None and frame.image is self._card.image:
            self._card = replace(self._card, reconstruction=frame.reconstruction)
            self.card_changed.emit(self._card)

    def _place_card(self, _: object = None) -> None:
        """How far the encoding is from the parallel plane that is shown, where there is more than that."""
        scene, encodings = self._session.scene, self._session.encodings
        if self._card is None:
            return
        detail = ""
        if encodings is not None and len(scene.point) > 2:
            away = scene.plane.offset(encodings[1][self._card.index]) - scene.plane.offset(scene.point)
            detail = f"{float(np.linalg.norm(away)):.2f} from the map"
        self._card = replace(self._card, detail=detail)
        self.card_changed.emit(self._card)


def _same(one: TestImages, other: TestImages) -> bool:
    """Whether they are the same images, though they may have been read anew."""
    return (
        one.class_names == other.class_names
        and np.array_equal(one.labels, other.labels)
        and np.array_equal(one.images, other.images)
    )
