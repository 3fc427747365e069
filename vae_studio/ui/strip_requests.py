"""Asks for the pictures on the sliders' tracks: no more often than they can be had, and those in sight only."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

INTERVAL_MS = 100  # between two requests while the point moves
PATIENCE = 2.0  # seconds after which no answer is waited for any more
_KEPT = 3  # requests whose answers are still of use

Wanted = tuple[tuple[int, ...], np.ndarray]  # keys of rows, and the points of their pictures, row by row


class StripRequests(QObject):
    """`wanted(points)`, float64 (n, latent_dims), when others are, None when none are; `compose` gives what is wanted.

    While one is waited for, no other is asked for but where other rows have come into sight: a slow decoder must not be
    asked for what nobody will look at.
    """

    wanted = Signal(object)

    def __init__(self, compose: Callable[[], Wanted | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._compose = compose
        self._asked: deque[Wanted] = deque(maxlen=_KEPT)
        self._waiting_since: float | None = None
        self._last = -math.inf  # when it was looked last whether others are wanted
        self._none = True  # whether that none are wanted is what was said last
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._ask)

    def change(self) -> None:
        """Something that the pictures depend on may have changed."""
        due = max(0, INTERVAL_MS - round(1000 * min(time.monotonic() - self._last, 1.0)))
        if not self._timer.isActive() or self._timer.remainingTime() > due:
            self._timer.start(due)

    def forget(self) -> None:
        """What was asked for is of use no longer."""
        self._asked.clear()
        self._waiting_since = None
        self.change()

    def keys_of(self, points: np.ndarray) -> tuple[int, ...] | None:
        """The rows that these pictures belong to, the very array that was asked for; None where they are too old."""
        for age, (keys, asked) in enumerate(reversed(self._asked)):
            if asked is points:
                if age == 0:
                    self._waiting_since = None
                    self.change()
                return keys
        return None

    def _ask(self) -> None:
        self._last = time.monotonic()
        now = self._compose()
        if now is None:
            self._asked.clear()
            self._waiting_since = None
            if not self._none:
                self._none = True
                self.wanted.emit(None)
            return
        keys, points = now
        if self._asked:
            last_keys, last = self._asked[-1]
            if keys == last_keys and last.shape == points.shape:
                if np.array_equal(last, points):
                    return
                waited = time.monotonic() - self._waiting_since if self._waiting_since is not None else PATIENCE
                if waited < PATIENCE:
                    self._timer.start(round(1000 * (PATIENCE - waited)) + 1)
                    return
        self._asked.append(now)
        self._waiting_since = time.monotonic()
        self._none = False
        self.wanted.emit(points)
