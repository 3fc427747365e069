"""Combining in the window: what A, B and C are at the moment, what they make, and which direction is offered."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from vae_studio import tasks
from vae_studio.core import arithmetic
from vae_studio.core.arithmetic import CombineError, Found, Group, Term
from vae_studio.core.exploration import Exploration, Pin, Point
from vae_studio.core.scene import TermsFrame
from vae_studio.ui.combine_panel import BETWEEN, LETTERS, NONE, CombinePanel, Sources
from vae_studio.ui.session import Session
from vae_studio.ui.theme import Theme
from vae_studio.ui.workers import Failure, Job, Jobs

_INTERVAL_MS = 30  # between one look at what is combined and the next
_RESULT = len(LETTERS)
_KEPT = 4


class CombineControl(QObject):
    """Keeps `panel` in agreement with the session while it is unfolded. `jobs` measure the test images.

    Classes are the encodings of the session's test images. Signals: `point_chosen(tuple of floats)`;
    `pin_wanted(point, name)`; `refused(str)`, why something cannot be done; `failed(Failure)`.
    """

    point_chosen = Signal(object)
    pin_wanted = Signal(object, str)
    refused = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._jobs = session, jobs
        self.panel = CombinePanel()
        self._terms = [Term("point"), NONE, NONE]
        self._pinned: list[Pin | None] = [None, None, None]  # the pins that terms are
        self._selection: np.ndarray | None = None
        self._mean: np.ndarray | None = None  # of the user's image
        self._encodings: np.ndarray | None = None  # that were looked at last
        self._measured: tuple[np.ndarray | None, dict[str, np.ndarray]] = (None, {})  # of these images
        self._measuring: tuple[np.ndarray, Job] | None = None
        self._result: Point | None = None
        self._found: Found | None = None
        self._asked: deque[tuple[np.ndarray, tuple[int, ...]]] = deque(maxlen=_KEPT)  # points, and which they are of
        self._rest = QTimer(self, singleShot=True, interval=_INTERVAL_MS)
        self._rest.timeout.connect(self._refresh)
        panel = self.panel
        panel.menu_wanted.connect(self._show_menu)
        panel.term_chosen.connect(self.choose)
        panel.go_requested.connect(self._go)
        panel.pin_requested.connect(self._pin)
        panel.way_chosen.connect(self._change)
        panel.add_requested.connect(self._add)
        panel.unfolded.connect(self._unfold)
        session.model_changed.connect(self._look_at)
        session.point_changed.connect(self._change)
        session.marks_changed.connect(self._take_pins)
        session.encodings_placed.connect(self._take_encodings)

    # Values in

    def set_selection(self, means: np.ndarray | None) -> None:
        """The means (n, latent_dims) of the encodings that are selected on the map; None or empty for none."""
        self._selection = means if means is not None and len(means) else None
        self._change()

    def set_mean(self, mean: np.ndarray | None) -> None:
        """The mean of q(z|x) of the image that the user encodes, (latent_dims,), or None."""
        self._mean = mean
        self._change()

    def take(self, frame: TermsFrame) -> None:
        """Pictures of the terms and the result, now or just before."""
        for points, slots in self._asked:
            if points is frame.points and slots == self._asked[-1][1]:
                images: list[np.ndarray | None] = [None] * (_RESULT + 1)
                for slot, image in zip(slots, frame.images, strict=True):
                    images[slot] = image
                self.panel.show_pictures(images)

    def set_theme(self, theme: Theme) -> None:
        self.panel.set_theme(theme)

    def choose(self, slot: int, term: Term) -> None:
        """A (0), B (1) or C (2) is this from now on."""
        self._terms[slot] = term
        self._pinned[slot] = self._session.exploration.pins[term.number] if term.kind == "pin" else None
        self._change()

    def open(self) -> None:
        """Unfold the card, and put the keyboard on A."""
        self.panel.section.heading.setChecked(True)
        self.panel.terms[0].setFocus()

    def remove_direction(self, number: int) -> None:
        """The slider of a direction is to go."""
        if explored := self._session.exploration:
            self._session.change(arithmetic.without_direction(explored, number))

    def close(self) -> None:
        """The window closes."""
        self._rest.stop()

    def _look_at(self, _: object) -> None:
        """Another model: what was of the one before is gone."""
        self._selection = self._mean = self._encodings = self._result = self._found = None
        self._asked.clear()
        self._give_up_measuring()
        self.panel.show_pictures([None] * (_RESULT + 1))
        self._change()

    def _take_pins(self, explored: Exploration) -> None:
        """A pin that was moved, renamed or coloured is the same still; one that is gone is nothing."""
        for slot, before in enumerate(self._pinned):
            if before is None:
                continue
            number = self._terms[slot].number
            if before in explored.pins:
                number = explored.pins.index(before)
            elif number >= len(explored.pins) or not _same_pin(before, explored.pins[number]):
                self._terms[slot], self._pinned[slot] = Term("point") if slot == 0 else NONE, None
                continue
            self._terms[slot], self._pinned[slot] = Term("pin", number), explored.pins[number]
        self._change()

    def _take_encodings(self) -> None:
        found = self._session.encodings
        means = None if found is None else found[1]
        if means is not self._encodings:
            self._encodings = means
            self._change()

    def _unfold(self, unfolded: bool) -> None:
        self._session.need_encodings(unfolded)
        if unfolded:
            self._refresh()
        else:
            self._rest.stop()
            self._asked.clear()
            self._session.set_terms(None)

    def _change(self, *_: object) -> None:
        """Something that this depends on may be another."""
        if self._is_unfolded() and not self._rest.isActive():
            self._rest.start()

    def _is_unfolded(self) -> bool:
        return self.panel.section.heading.isChecked()

    # What is combined

    def _refresh(self) -> None:
        explored = self._session.exploration
        if explored is None or not self._is_unfolded():
            return
        found = self._session.encodings
        classes = found[0].present_names() if found else ()
        pins = tuple(pin.name for pin in explored.pins)
        self.panel.set_sources(Sources(classes, pins, self._selection is not None, self._mean is not None))
        groups, problem = self._groups()
        self._show_result(groups, problem)
        self._show_direction(groups, problem)

    def _groups(self) -> tuple[list[Group | None], str]:
        """What A, B and C are; with a sentence on the first that there is not."""
        groups: list[Group | None] = []
        problem = ""
        for term in self._terms:
            try:
                groups.append(self._group(term))
            except CombineError as error:
                groups.append(None)
                problem = problem or str(error)
        return groups, problem

    def _group(self, term: Term) -> Group | None:
        explored, found = self._session.exploration, self._session.encodings
        match term.kind:
            case "none":
                return None
            case "point":
                return Group.of("Point", explored.point)
            case "zero":
                return Group.of("0", (0.0,) * len(explored.point))
            case "pin":
                pin = explored.pins[term.number]
                return Group.of(pin.name or f"({term.number + 1})", pin.point)
            case "image":
                if self._mean is None:
                    raise CombineError("There is no encoded image: draw, open or choose one under Encode.")
                return Group.of("Image", self._mean)
            case "selection":
                if self._selection is None:
                    raise CombineError("Nothing is selected: draw round encodings on the map with Shift held down.")
                return Group("Selection", np.asarray(self._selection, np.float64))
        if found is None:
            raise CombineError("The test images are not encoded yet, or there are none that fit this model.")
        images, means = found
        name = images.class_names[term.number] if term.number < len(images.class_names) else f"{term.number + 1}"
        return arithmetic.group_of(name, means, images.labels == term.number)

    def _show_result(self, groups: Sequence[Group | None], problem: str) -> None:
        names = [
            group.name if group else "" if term.kind == "none" else "?"
            for term, group in zip(self._terms, groups, strict=True)
        ]
        try:
            self._result = None if problem else arithmetic.combine(*groups)
        except CombineError as error:
            self._result, problem = None, str(error)
        words = problem or _formula(names) + f"   ‖z‖ = {math.hypot(*self._result):.2f}"
        self.panel.show_terms(names, words, possible=self._result is not None)
        shown = {slot: group.mean for slot, group in enumerate(groups) if group is not None}
        if self._result is not None:
            shown[_RESULT] = np.array(self._result)
        points, slots = np.array(list(shown.values())), tuple(shown)
        if not shown:
            self._asked.clear()
            self._session.set_terms(None)
            self.panel.show_pictures([None] * (_RESULT + 1))
        elif not self._asked or self._asked[-1][1] != slots or not np.array_equal(self._asked[-1][0], points):
            self._asked.append((points, slots))
            self._session.set_terms(points)

    def _show_menu(self, slot: int) -> None:
        self._settle()
        self.panel.show_menu(slot)

    def _go(self) -> None:
        self._settle()
        if self._result is not None:
            self.point_chosen.emit(self._result)

    def _pin(self) -> None:
        self._settle()
        if self._result is not None:
            names = [group.name if group else "" for group in self._groups()[0]]
            self.pin_wanted.emit(self._result, _formula(names))

    def _settle(self) -> None:
        """What has just changed is taken into account."""
        if self._rest.isActive():
            self._rest.stop()
            self._refresh()

    # Directions

    def _show_direction(self, groups: Sequence[Group | None], problem: str) -> None:
        way, number = self.panel.way()
        self._found, name = None, ""
        try:
            if way == BETWEEN:
                a, b, _ = groups
                if a is None or b is None:
                    self.panel.show_direction("", problem or "Choose what B is.", possible=False)
                    return
                name = f"{b.name} → {a.name}"
                self._found = arithmetic.direction(b, a, name)
            else:
                name = way if number is None else f"{way} {self.panel.sources.classes[number]}"
                ends = self._ends(way, number)
                if ends is None:
                    self.panel.show_direction(name, "Looking at the test images…", possible=False)
                    return
                self._found = arithmetic.direction(*ends, name)
        except CombineError as error:
            self.panel.show_direction(name, str(error), possible=False)
            return
        self.panel.show_direction(name, self._found.words, possible=True)

    def _ends(self, attribute: str, number: int | None) -> tuple[Group, Group] | None:
        """The groups with the least and the most of an attribute; None while that is being measured."""
        found = self._session.encodings
        if found is None:
            raise CombineError("The test images are not encoded yet, or there are none that fit this model.")
        tests, means = found
        images, values = self._measured
        if images is not tests.images:
            self._measure(tests.images)
            return None
        name = "" if number is None else tests.class_names[number]
        return arithmetic.groups_by(attribute, values[attribute], means, tests.labels, number, name)

    def _measure(self, images: np.ndarray) -> None:
        if self._measuring is not None and self._measuring[0] is images:
            return
        self._give_up_measuring()

        def take(values: dict[str, np.ndarray]) -> None:
            self._measured, self._measuring = (images, values), None
            self._change()

        self._measuring = images, self._jobs.submit(lambda: tasks.measure(images), take, self._fail_to_measure)

    def _give_up_measuring(self) -> None:
        if self._measuring is not None:
            self._measuring[1].cancel()
            self._measuring = None

    def _fail_to_measure(self, failure: Failure) -> None:
        self._measuring = None
        self.failed.emit(failure)

    def _add(self, name: str) -> None:
        self._settle()
        explored = self._session.exploration
        if self._found is None or explored is None:
            return
        direction = replace(self._found.direction, name=name) if name else self._found.direction
        try:
            self._session.change(arithmetic.with_direction(explored, direction))
        except CombineError as error:
            self.refused.emit(str(error))


def _same_pin(before: Pin, now: Pin) -> bool:
    """Whether one is the other after a single change: of its name, its point or its colour."""
    changes = (before.name != now.name, before.point != now.point, before.colour != now.colour)
    return sum(changes) <= 1


def _formula(names: Sequence[str]) -> str:
    """9 − 4 + 7, without what is not there."""
    a, b, c = names
    return a + (f" − {b}" if b else "") + (f" + {c}" if c else "")
