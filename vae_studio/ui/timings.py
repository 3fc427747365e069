"""How quick the window is, measured inside it: event-loop lag, decoding, painting, from the mouse to the image.

All times are in seconds; off, nothing of this runs.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from vae_studio.core.scene import PointFrame

KINDS = ("lag", "map_decode", "point_decode", "drag", "paint")
TICK = 0.005
SPAN = 5.0  # seconds of which the newest figures are
_REFRESH_MS = 500
_KEPT = 4096  # more than come in SPAN
_MOVES = 512
_LEAST, _MOST = 1e-6, 1e3  # seconds that totals can tell apart
_RATIO = math.log(1.01)  # of the edges of their bins, so that a percentile of them is within half a percent


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of `count` durations, and the longest; None where there are none."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    count: int = 0

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        if not len(seconds):
            return cls()
        return cls(*np.percentile(seconds, (50, 95, 99)).tolist(), max(seconds), len(seconds))

    def in_ms(self) -> dict[str, float | None]:
        """By name, in milliseconds; the count as it is."""
        found = {name: None if value is None else round(1000 * value, 3) for name, value in asdict(self).items()}
        return found | {"count": self.count}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured in so many seconds. `drag` is from a move of the point on the map to its image on the screen.

    `frames_per_second` counts repaints of the map or of the decoder's image; `steps_per_second` is None while no
    training runs.
    """

    seconds: float
    lag: Spread
    map_decode: Spread
    point_decode: Spread
    drag: Spread
    paint: Spread
    frames_per_second: float
    steps_per_second: float | None

    def as_dict(self) -> dict[str, Any]:
        """By the names that the command line prints, durations in milliseconds."""
        spreads = {f"{kind}_ms": getattr(self, kind).in_ms() for kind in KINDS}
        speed = self.steps_per_second
        return {
            "seconds": round(self.seconds, 3),
            **spreads,
            "frames_per_second": round(self.frames_per_second, 1),
            "steps_per_second": None if speed is None else round(speed, 1),
        }


class Series:
    """Durations of one kind: the newest ones exactly, and how all of them were spread. Its size is bounded."""

    def __init__(self) -> None:
        self._newest: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._counts = np.zeros(1 + math.ceil(math.log(_MOST / _LEAST) / _RATIO), np.int64)
        self._longest = 0.0

    def add(self, at: float, seconds: float) -> None:
        """A duration that ended when the clock stood `at`."""
        self._newest.append((at, seconds))
        bin_ = math.floor(math.log(max(seconds, _LEAST) / _LEAST) / _RATIO)
        self._counts[min(bin_, len(self._counts) - 1)] += 1
        self._longest = max(self._longest, seconds)

    def since(self, at: float) -> list[float]:
        """Those that ended later than this."""
        return [seconds for when, seconds in self._newest if when > at]

    def total(self) -> Spread:
        """Of all there were, within half a percent, and a microsecond; `max` is exact."""
        upto = self._counts.cumsum()
        count = int(upto[-1])
        if not count:
            return Spread()
        bins = np.searchsorted(upto, np.array([0.50, 0.95, 0.99]) * count)
        centres = _LEAST * np.exp((bins + 0.5) * _RATIO)
        return Spread(*np.minimum(centres, self._longest).tolist(), self._longest, count)


class LagMeter(QObject):
    """Between `start` and `stop`, how late each tick of a timer of 5 ms comes: to `take`."""

    def __init__(self, take: Callable[[float], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._take = take
        self._last = 0.0
        self._timer = QTimer(self, interval=round(1000 * TICK), timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self._take(max(0.0, now - self._last - TICK))
        self._last = now


class FrameMeter(QObject):
    """Between `start` and `stop`, how long each frame takes: `take(seconds, painted)`.

    A frame is one pass of Qt's over what is to be painted in `window`, and ends when it is handed to the screen. It
    counts if it repaints the whole of one of `widgets`; `painted` are those of them.
    """

    def __init__(
        self, window: QWidget, widgets: Sequence[QWidget], take: Callable[[float, set[QWidget]], None]
    ) -> None:
        super().__init__(window)
        self._window, self._widgets, self._take = window, widgets, take
        self._painted: set[QWidget] = set()

    def start(self) -> None:
        for widget in (self._window, *self._widgets):
            widget.installEventFilter(self)

    def stop(self) -> None:
        for widget in (self._window, *self._widgets):
            widget.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.UpdateRequest and watched is self._window:
            self._painted = set()
            began = time.perf_counter()
            watched.event(event)
            if self._painted:
                self._take(time.perf_counter() - began, self._painted)
            return True
        if kind == QEvent.Type.Paint and watched in self._widgets and event.rect().contains(watched.rect()):
            self._painted.add(watched)
        return False


class Timings(QObject):
    """Measures while anybody wants it. `latent_map` and `image` are the widgets whose repaints are frames.

    Decoders' times, moves of the point and the training's speed are told to it. `refreshed(Figures)` comes twice a
    second with those of the last five.
    """

    refreshed = Signal(object)

    def __init__(self, window: QWidget, latent_map: QWidget, image: QWidget) -> None:
        super().__init__(window)
        self._image = image
        self._users: set[str] = set()
        self._series = {kind: Series() for kind in KINDS}
        self._lag = LagMeter(lambda seconds: self._add("lag", seconds), self)
        self._frames = FrameMeter(window, (latent_map, image), self._take_frame)
        self._refresh = QTimer(self, interval=_REFRESH_MS)
        self._refresh.timeout.connect(lambda: self.refreshed.emit(self.recent()))
        self._began = self._before = 0.0  # of what goes on now, and seconds measured before it
        self._moves: deque[tuple[tuple[float, ...], float]] = deque(maxlen=_MOVES)  # where to, and when
        self._ready: list[float] = []  # when those began whose image the decoder's view has got
        self._training = False
        self._speed: float | None = None
        self._speeds = self._speed_count = 0.0

    @property
    def on(self) -> bool:
        return bool(self._users)

    def measure(self, user: str, wanted: bool) -> None:
        """Say who wants it, or no longer does; each for itself."""
        before = self.on
        self._users = self._users | {user} if wanted else self._users - {user}
        if self.on and not before:
            self._began = time.perf_counter()
            self._lag.start()
            self._frames.start()
            self._refresh.start()
        elif before and not self.on:
            self._before += time.perf_counter() - self._began
            self._lag.stop()
            self._frames.stop()
            self._refresh.stop()
            self._moves.clear()
            self._ready.clear()

    def stop(self) -> None:
        """Nobody wants it any more; what was measured is kept."""
        for user in tuple(self._users):
            self.measure(user, False)

    # What it is told

    def take_map(self, seconds: float) -> None:
        """What was missing of the visible map has been decoded."""
        self._add("map_decode", seconds)

    def take_point(self, frame: PointFrame) -> None:
        """The decoder's image at the point is about to be shown."""
        self._add("point_decode", frame.seconds)
        here = [index for index, (point, _) in enumerate(self._moves) if point == frame.point]
        # Moves that newer ones overtook are done when the image of a newer one is painted.
        for _ in range(here[-1] + 1 if here else 0):
            self._ready.append(self._moves.popleft()[1])

    def take_move(self, point: tuple[float, ...], began: float) -> None:
        """The user has moved the point on the map, here, when the clock stood at `began`."""
        if self.on:
            self._moves.append((point, began))

    def set_training(self, runs: bool) -> None:
        """Whether a training runs; a speed that was on its way when it was held says nothing."""
        self._training, self._speed = runs, None

    def take_speed(self, steps_per_second: float) -> None:
        """How fast the training is; 0 where that is not known."""
        self._speed = steps_per_second if self._training and steps_per_second else None
        if self.on and self._speed:
            self._speeds += steps_per_second
            self._speed_count += 1

    def _take_frame(self, seconds: float, painted: set[QWidget]) -> None:
        self._add("paint", seconds)
        if self._image in painted:
            now = time.perf_counter()
            for began in self._ready:
                if now - began < SPAN:  # else it was a move to where the point was already
                    self._add("drag", now - began)
            self._ready.clear()

    def _add(self, kind: str, seconds: float) -> None:
        if self.on:
            self._series[kind].add(time.perf_counter(), seconds)

    # What it found

    def recent(self) -> Figures:
        """Of the last five seconds; frames are counted over the last one."""
        now = time.perf_counter()
        return self._figures(now - SPAN, now - 1.0, now)

    def since(self, at: float) -> Figures:
        """Since the clock stood `at`."""
        return self._figures(at, at, time.perf_counter())

    def totals(self) -> Figures:
        """Of all that was measured; the training's speed is its mean."""
        seconds = self._before + (time.perf_counter() - self._began if self.on else 0.0)
        spreads = {kind: series.total() for kind, series in self._series.items()}
        frames = spreads["paint"].count / seconds if seconds else 0.0
        speed = self._speeds / self._speed_count if self._speed_count else None
        return Figures(seconds, **spreads, frames_per_second=frames, steps_per_second=speed)

    def _figures(self, since: float, frames_since: float, now: float) -> Figures:
        since, frames_since = max(since, self._began), max(frames_since, self._began)
        spreads = {kind: Spread.of(series.since(since)) for kind, series in self._series.items()}
        frames = len(self._series["paint"].since(frames_since)) / max(now - frames_since, TICK)
        return Figures(now - since, **spreads, frames_per_second=frames, steps_per_second=self._speed)
