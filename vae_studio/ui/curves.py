"""The numbers behind the training curves: a growing series, its smoothing, and what of it a screen can show.

Knows numpy and no Qt. Positions `x` are epochs; values are nats per image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_FIRST_CAPACITY = 1024
_BLOCK = 256
_EARLY = 10.0
ABSURD = 1e7  # nats; beyond this a run has diverged, and plotting arithmetic would lose its digits


class Sample(NamedTuple):
    """One step of a series: the value itself and its moving average."""

    x: float
    raw: float
    smooth: float


class Series:
    """Values at increasing positions, with their exponential moving average, in arrays that double when full.

    The average of values v is s_k = s_(k−1) + a_k (v_k − s_(k−1)) with a_k = 1 − `decay`, but at least 10/k (and at
    most 1): at the start, where losses fall fast, it looks back over the last tenth of the steps or so. Values that are
    not finite, or absurd, are left out. Beyond `limit` points the stored ones are thinned to half, keeping the
    extremes, so memory stays bounded.
    """

    def __init__(self, decay: float = 0.98, limit: int = 2**20) -> None:
        if not 0.5 <= decay < 1.0:
            raise ValueError("The decay of the moving average lies in [0.5, 1).")
        self._decay = decay
        self._limit = limit
        self._size = 0
        self._x = np.empty(_FIRST_CAPACITY, np.float64)
        self._raw = np.empty(_FIRST_CAPACITY, np.float32)
        self._smooth = np.empty(_FIRST_CAPACITY, np.float32)
        self._count = 0
        self._average = 0.0

    def __len__(self) -> int:
        return self._size

    @property
    def x(self) -> np.ndarray:
        return self._x[: self._size]

    @property
    def raw(self) -> np.ndarray:
        return self._raw[: self._size]

    @property
    def smooth(self) -> np.ndarray:
        return self._smooth[: self._size]

    def append(self, x: np.ndarray, values: np.ndarray) -> None:
        """Add values (n,) at positions x (n,), which continue those already there."""
        x = np.asarray(x, np.float64)
        with np.errstate(over="ignore"):
            values = np.asarray(values, np.float32)
        usable = (np.abs(values) < ABSURD) & np.isfinite(x)  # false for NaN
        if not usable.all():
            x, values = x[usable], values[usable]
        for start in range(0, len(values), self._limit // 2):
            part = slice(start, start + self._limit // 2)
            self._add(x[part], values[part])

    def nearest(self, x: float) -> Sample | None:
        """The sample closest to position x, or None while there is none."""
        if self._size == 0:
            return None
        right = int(np.searchsorted(self.x, x))
        index = min(right, self._size - 1)
        if right > 0 and x - self._x[right - 1] <= self._x[index] - x:
            index = right - 1
        return Sample(float(self._x[index]), float(self._raw[index]), float(self._smooth[index]))

    def _add(self, x: np.ndarray, values: np.ndarray) -> None:
        if self._size + len(values) > self._limit:
            self._thin()
        end = self._size + len(values)
        if end > len(self._x):
            self._grow(end)
        self._x[self._size : end] = x
        self._raw[self._size : end] = values
        self._smooth[self._size : end] = self._averages(values)
        self._size = end

    def _averages(self, values: np.ndarray) -> np.ndarray:
        """The moving average after each value; blocks keep d^−n small enough for float64."""
        result = np.empty(len(values), np.float64)
        early = min(len(values), max(0, round(_EARLY / (1.0 - self._decay)) - self._count))
        for index, value in enumerate(values[:early].astype(np.float64)):
            self._count += 1
            share = min(1.0, max(1.0 - self._decay, _EARLY / self._count))
            self._average += share * (value - self._average)
            result[index] = self._average
        for start in range(early, len(values), _BLOCK):
            block = values[start : start + _BLOCK].astype(np.float64)
            powers = self._decay ** np.arange(1, len(block) + 1)
            averages = powers * (self._average + (1.0 - self._decay) * np.cumsum(block / powers))
            result[start : start + _BLOCK] = averages
            self._average = float(averages[-1])
            self._count += len(block)
        return result

    def _grow(self, needed: int) -> None:
        capacity = len(self._x)
        while capacity < needed:
            capacity *= 2
        for name in ("_x", "_raw", "_smooth"):
            old = getattr(self, name)
            new = np.empty(capacity, old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)

    def _thin(self) -> None:
        """Keep of each four neighbours the smallest and the largest, in their order."""
        whole = self._size // 4 * 4
        quads = self._raw[:whole].reshape(-1, 4)
        pairs = np.stack([quads.argmin(axis=1), quads.argmax(axis=1)], axis=1)
        pairs.sort(axis=1)
        flat = pairs[:, 0] == pairs[:, 1]  # four equal values: keep the first and the last
        pairs[flat] = (0, 3)
        kept = (pairs + np.arange(0, whole, 4)[:, None]).ravel()
        kept = np.concatenate([kept, np.arange(whole, self._size)])
        for name in ("_x", "_raw", "_smooth"):
            values = getattr(self, name)
            values[: len(kept)] = values[kept]
        self._size = len(kept)


def extremes(x: np.ndarray, y: np.ndarray, left: float, right: float, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """What `columns` pixel columns over [left, right] can show of (x, y): the minimum and maximum of each column.

    Returns points in drawing order, two a column at the column's first x, with one neighbour beyond either edge so
    that the line runs out of the picture. Few points come back as they are.
    """
    window, starts = _columns(x, left, right, columns)
    x, y = x[window], y[window]
    if starts is None:
        return x, y
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return np.repeat(x[starts], 2), np.stack([low, high], axis=1).ravel()


def sampled(x: np.ndarray, y: np.ndarray, left: float, right: float, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The last point of each pixel column: right for a smooth curve, which changes little within a column."""
    window, starts = _columns(x, left, right, columns)
    x, y = x[window], y[window]
    if starts is None:
        return x, y
    last = np.append(starts[1:], len(x)) - 1
    return x[last], y[last]


def _columns(x: np.ndarray, left: float, right: float, columns: int) -> tuple[slice, np.ndarray | None]:
    """The part of x in view, and where in it each column that holds a point begins (None: too few to reduce)."""
    first = max(int(np.searchsorted(x, left)) - 1, 0)
    end = min(int(np.searchsorted(x, right, side="right")) + 1, len(x))
    window = slice(first, end)
    if end - first <= 2 * columns:
        return window, None
    edges = np.linspace(left, right, columns + 1)[1:-1]
    starts = np.concatenate([[0], np.searchsorted(x[window], edges)])
    filled = np.append(starts[1:], end - first) > starts
    return window, starts[filled]
