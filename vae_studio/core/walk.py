"""Walking along a path in latent space, straight or along great circles. Imports no torch.

Along a great circle, as in White (2016, arXiv 1609.04468), directions turn at an even rate; norms go evenly from one
end's to the other's, so that points stay where a prior in many dimensions has its mass, in a shell. A straight line
between two such points cuts through the nearly empty middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_KNOTS = 1024  # a leg's length is tabulated at; steps then differ by less than a millionth of the leg
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_NO_DIRECTION = 1e-8


class Walk:
    """A walk through points (m, d), m ≥ 1, at an even pace: a place on it is a fraction of its `length`, 0 to 1.

    `length` is in latent units; `stops` float64 (m,) says at which fractions the given points lie. A walk that leads
    nowhere has length 0, and all of it is its first point.
    """

    def __init__(self, points: Sequence[Sequence[float]] | np.ndarray, spherical: bool = False) -> None:
        self._points = np.asarray(points, np.float64)
        if self._points.ndim != 2 or not len(self._points):
            raise ValueError(f"a walk needs points (m, d), not an array {self._points.shape}")
        self._legs = [_leg(a, b, spherical) for a, b in zip(self._points, self._points[1:], strict=False)]
        ends = np.cumsum([0.0, *(leg.length for leg in self._legs)])
        self.length = float(ends[-1])
        self.stops = ends / self.length if self.length > 0.0 else np.zeros(len(ends))

    def at(self, fractions: Sequence[float] | np.ndarray) -> np.ndarray:
        """Points at fractions (n,) of the length, those beyond 0 and 1 being the ends: float64 (n, d)."""
        wanted = np.clip(np.asarray(fractions, np.float64), 0.0, 1.0)
        result = np.tile(self._points[0], (len(wanted), 1))
        if self.length == 0.0:
            return result
        which = np.clip(np.searchsorted(self.stops, wanted, side="right") - 1, 0, len(self._legs) - 1)
        for index in np.unique(which):
            here = which == index
            along = (wanted[here] - self.stops[index]) * self.length
            result[here] = self._legs[index].at(along)
        result[wanted == 0.0], result[wanted == 1.0] = self._points[0], self._points[-1]
        return result

    def steps(self, count: int) -> np.ndarray:
        """`count` ≥ 1 points at equal steps of length, from the first to the last: float64 (count, d)."""
        return self.at(np.linspace(0.0, 1.0, count))


def _leg(a: np.ndarray, b: np.ndarray, spherical: bool) -> _Line | _Arc:
    """From a to b (d,); 0 has no direction to turn from, and one dimension has no circles: these legs are straight."""
    return _Arc(a, b) if spherical and len(a) > 1 and a.any() and b.any() else _Line(a, b)


class _Line:
    """A leg straight from a to b (d,)."""

    def __init__(self, a: np.ndarray, b: np.ndarray) -> None:
        self._a, self._b = a, b
        self.length = float(np.linalg.norm(b - a))

    def at(self, along: np.ndarray) -> np.ndarray:
        """Points so far along, in latent units (n,): (n, d)."""
        share = (along / self.length if self.length > 0.0 else np.zeros_like(along))[:, None]
        return (1.0 - share) * self._a + share * self._b


class _Arc:
    """A leg along the great circle from a to b (d,), neither of them 0; ‖z‖ goes evenly from ‖a‖ to ‖b‖.

    Between points in one direction it is straight. Between opposite ones, which many great circles join, it turns
    towards the coordinate axis that is most at right angles to both, the first of these: so the way back is the same.
    """

    def __init__(self, a: np.ndarray, b: np.ndarray) -> None:
        self._radii = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        u, v = a / self._radii[0], b / self._radii[1]
        self._angle = 2.0 * float(np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v)))
        aside = v - (u @ v) * u
        if np.linalg.norm(aside) < _NO_DIRECTION and self._angle > 1.0:
            axis = np.zeros_like(u)
            axis[np.argmin(np.abs(u))] = 1.0
            aside = axis - (u @ axis) * u
        size = float(np.linalg.norm(aside))
        self._u, self._w = u, aside / size if size > 0.0 else aside
        self._shares = np.linspace(0.0, 1.0, _KNOTS + 1)
        self._lengths = self._measure()
        self.length = float(self._lengths[-1])

    def at(self, along: np.ndarray) -> np.ndarray:
        """Points so far along, in latent units (n,): (n, d)."""
        share = np.interp(along, self._lengths, self._shares)
        radius = self._radius(share)[:, None]
        turned = (self._angle * share)[:, None]
        return radius * (np.cos(turned) * self._u + np.sin(turned) * self._w)

    def _radius(self, share: np.ndarray) -> np.ndarray:
        first, last = self._radii
        return (1.0 - share) * first + share * last

    def _measure(self) -> np.ndarray:
        """The length up to each share: the integral of √(r′² + (θ′ r)²), by Gauss and Legendre between the knots."""
        half = 0.5 / _KNOTS
        shares = (self._shares[:-1, None] + half) + half * _NODES
        speeds = np.hypot(self._radii[1] - self._radii[0], self._angle * self._radius(shares))
        return np.concatenate([[0.0], np.cumsum(half * (speeds @ _WEIGHTS))])
