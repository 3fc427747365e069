"""Planes through latent space: where a point lies on one, and which point lies where on it. Imports no torch.

A plane has an origin o and two orthonormal directions u and v. A latent point z lies at a = (z − o)·u across and
b = (z − o)·v up; what is left of it, z − o − a u − b v, is its offset, perpendicular to the plane. All that lies on
the map has one offset, that of the current point: the map shows the parallel plane through it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vae_studio.core.errors import UserError

Point = tuple[float, ...]
Kind = Literal["axes", "components", "points", "classes", "typed"]
FAINTEST = 0.15  # of a point however far from the plane
SAME = 1e-9  # latent units that two coordinates may differ by and are one but for rounding
_STRAIGHT = 1e-6  # sine of the angle under which two directions count as one
_ORTHONORMAL = 1e-6


class PlaneError(UserError, ValueError):
    """There is no such plane; the message says why."""


class _Arrays:
    """Where a plane keeps its numbers as arrays: it is asked for places at every move, in up to 256 dimensions."""

    __slots__ = ("_arrays",)


@dataclass(frozen=True, slots=True)
class Plane(_Arrays):
    """`origin`, and the unit vectors `across` and `up`, each of one float per latent dimension.

    `up` is None in a model with one dimension, whose map is a line. `names` are those of the two directions, `kind`
    says how the plane was chosen. One of kind *axes* runs along two latent dimensions, with its origin in 0; a point's
    coordinates there are exactly those of its latent dimensions.
    """

    origin: Point
    across: Point
    up: Point | None
    names: tuple[str, str]
    kind: Kind = "typed"

    @classmethod
    def of_axes(cls, axes: tuple[int, int], dims: int) -> Plane:
        """Along two latent dimensions, counted from 0; equal ones in a model with one. Raises PlaneError."""
        for axis in axes:
            if not 0 <= axis < dims:
                raise PlaneError(f"There is no latent dimension {axis + 1}: the model has {dims}.")
        if (axes[0] == axes[1]) != (dims == 1):
            raise PlaneError("A plane takes two different latent dimensions.")
        across, up = (tuple(float(i == axis) for i in range(dims)) for axis in axes)
        names = subscript(axes[0]), subscript(axes[1])
        return cls((0.0,) * dims, across, up if dims > 1 else None, names, "axes")

    @classmethod
    def spanned(
        cls,
        origin: Sequence[float],
        across: Sequence[float],
        up: Sequence[float],
        names: tuple[str, str] = ("a", "b"),
        kind: Kind = "typed",
    ) -> Plane:
        """Through `origin` along two directions of any length: `across`, and what of `up` is at right angles to it.

        Raises PlaneError where these span no plane: one is 0, or both point the same way.
        """
        start, first, second = (np.asarray(values, np.float64) for values in (origin, across, up))
        if not (start.shape == first.shape == second.shape and start.ndim == 1 and len(start) > 1):
            raise PlaneError("Origin and directions must have one number for each latent dimension, of two or more.")
        if not all(np.isfinite(values).all() for values in (start, first, second)):
            raise PlaneError("Origin and directions of a plane must be finite numbers.")
        lengths = np.linalg.norm(first), np.linalg.norm(second)
        if min(lengths) < 1e-12:
            raise PlaneError("A direction of the plane is 0: it needs two that differ from it.")
        first, second = first / lengths[0], second / lengths[1]
        for _ in range(2):  # once more, as the first time leaves rounding errors where the angle is small
            second = second - (second @ first) * first
        length = np.linalg.norm(second)
        if length < _STRAIGHT:
            raise PlaneError("Both directions of the plane are the same: three points on one line span none.")
        return cls(*(tuple(values.tolist()) for values in (start, first, second / length)), names, kind)

    @classmethod
    def through(
        cls, points: Sequence[Sequence[float]], names: tuple[str, str] = ("a", "b"), kind: Kind = "points"
    ) -> Plane:
        """Through three points A, B, C: the origin is A, B lies to the right of it, and C above. Raises PlaneError."""
        first, second, third = (np.asarray(point, np.float64) for point in points)
        return cls.spanned(first, second - first, third - first, names, kind)

    @classmethod
    def checked(
        cls, origin: Point, across: Point, up: Point | None, names: tuple[str, str], kind: Kind = "typed"
    ) -> Plane:
        """A plane from its numbers. Raises PlaneError where they are not orthonormal, or not of this kind."""
        dims = len(origin)
        vectors = (origin, across) if up is None else (origin, across, up)
        if any(len(vector) != dims for vector in vectors) or (up is None) != (dims == 1):
            raise PlaneError("Origin and directions of a plane must have one number for each latent dimension.")
        basis = np.array(vectors[1:])
        if not np.allclose(basis @ basis.T, np.eye(len(basis)), rtol=0, atol=_ORTHONORMAL):
            raise PlaneError("The directions of a plane must have length 1 and be at right angles to each other.")
        plane = cls(tuple(origin), tuple(across), None if up is None else tuple(up), names, kind)
        if kind == "axes" and plane != cls.of_axes(plane.axes, dims):
            raise PlaneError("A plane of two latent dimensions runs along these, through 0.")
        return plane

    @property
    def dims(self) -> int:
        """Of the latent space."""
        return len(self.origin)

    @property
    def is_line(self) -> bool:
        """Whether the model has one latent dimension."""
        return self.up is None

    @property
    def axes(self) -> tuple[int, int]:
        """The latent dimensions that run most nearly across and up: of a plane of kind *axes*, its own."""
        across, up = (int(np.argmax(np.abs(vector))) for vector in (self.across, self.up or self.across))
        return across, up

    @property
    def along_axes(self) -> bool:
        """Whether it runs exactly along latent dimensions, through 0 or not, whatever its kind is."""
        basis = np.abs(self.basis()[: 1 if self.is_line else 2])
        units = (np.count_nonzero(basis, axis=1) == 1).all() and (basis.max(axis=1) == 1.0).all()
        return bool(units) and (self.is_line or self.axes[0] != self.axes[1])

    @property
    def title(self) -> str:
        return self.names[0] if self.is_line else f"{self.names[0]} × {self.names[1]}"

    def basis(self) -> np.ndarray:
        """The directions: float64 (2, latent_dims), the second one 0 for a line; not to be written to."""
        return self._as_arrays()[1]

    def _as_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Origin and directions."""
        arrays = getattr(self, "_arrays", None)
        if arrays is None:
            arrays = np.array(self.origin, np.float64), np.array([self.across, self.up or (0.0,) * self.dims])
            for array in arrays:
                array.setflags(write=False)
            object.__setattr__(self, "_arrays", arrays)
        return arrays

    def coordinates(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, latent_dims) lie on the plane: float64 (n, 2)."""
        origin, basis = self._as_arrays()
        return (np.asarray(points, np.float64) - origin) @ basis.T

    def place(self, point: Sequence[float]) -> tuple[float, float]:
        """Where one point lies on the plane."""
        across, up = self.coordinates(np.array([point]))[0].tolist()
        return across, up

    def offset(self, point: Sequence[float]) -> np.ndarray:
        """What of a point is perpendicular to the plane: float64 (latent_dims,)."""
        origin, basis = self._as_arrays()
        away = np.asarray(point, np.float64) - origin
        return away - (basis @ away) @ basis

    def distance(self, point: Sequence[float]) -> float:
        """How far a point is from the plane, in latent units."""
        return float(np.linalg.norm(self.offset(point)))

    def embed(self, point: Sequence[float], places: np.ndarray) -> np.ndarray:
        """The points at `places` (n, 2) of the parallel plane through `point`: float64 (n, latent_dims)."""
        return self.beside(self.offset(point), places)

    def beside(self, offset: Sequence[float], places: np.ndarray) -> np.ndarray:
        """The points at `places` (n, 2) of the parallel plane at this offset: float64 (n, latent_dims)."""
        origin, basis = self._as_arrays()
        return np.asarray(offset) + origin + np.asarray(places, np.float64) @ basis

    def moved(self, point: Sequence[float], place: tuple[float, float]) -> Point:
        """The point, moved within its parallel plane to `place`."""
        return tuple(self.embed(point, np.array([place]))[0].tolist())

    def onto(self, point: Sequence[float]) -> Point:
        """The point of the plane that is nearest."""
        return tuple(self.beside(np.zeros(self.dims), np.array([self.place(point)]))[0].tolist())

    def project(self, points: np.ndarray, point: Sequence[float]) -> tuple[np.ndarray, np.ndarray | None]:
        """Where points (n, latent_dims) fall on the parallel plane through `point`: float32 (n, 2).

        And how strongly to show each, float32 (n,) in (0, 1]: exp(−r²/2) for r the distance from that plane per
        off-plane dimension, but never less than 0.15; None for models of one or two dimensions, where all lie in it.
        """
        seen = Seen.of(self, points)
        return seen.places.astype(np.float32), seen.strength(point)

    def has_one_parallel(self, point: Sequence[float], other: Sequence[float]) -> bool:
        """Whether the parallel planes through two points are one, but for the rounding of moves within a plane."""
        return self.dims <= 2 or float(np.abs(self.offset(point) - self.offset(other)).max()) <= SAME


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """Points as they are seen from a plane: what does not change where the plane is moved along with a point.

    `places` float64 (n, 2); `offsets` float64 (n, latent_dims) and their `squares` (n,), or no columns and zeros in
    models of one or two dimensions.
    """

    plane: Plane
    places: np.ndarray
    offsets: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, plane: Plane, points: np.ndarray) -> Seen:
        """Points (n, latent_dims)."""
        places = plane.coordinates(points)
        if plane.dims <= 2:
            return cls(plane, places, np.zeros((len(places), 0)), np.zeros(len(places)))
        origin, basis = plane._as_arrays()
        offsets = np.asarray(points, np.float64) - origin
        offsets -= places @ basis
        return cls(plane, places, offsets, np.einsum("ni,ni->n", offsets, offsets))

    def beside(self, point: Sequence[float]) -> np.ndarray:
        """Squared distances from the parallel plane through `point`: float64 (n,)."""
        if self.plane.dims <= 2:
            return self.squares
        offset = self.plane.offset(point)
        return np.maximum(self.squares - 2.0 * (self.offsets @ offset) + offset @ offset, 0.0)

    def strength(self, point: Sequence[float]) -> np.ndarray | None:
        """As `Plane.project` has it: float32 (n,), or None."""
        if self.plane.dims <= 2:
            return None
        beside = self.beside(point) / (self.plane.dims - 2)
        return np.maximum(np.exp(-0.5 * beside), FAINTEST).astype(np.float32)


def subscript(index: int) -> str:
    """The name of latent dimension `index` (from 0) as people write it: z₁, z₂, …"""
    return "z" + str(index + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def plain(name: str) -> str:
    """A name for where a font has no subscripts: z1 for z₁."""
    return name.translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))


def covariances_on(plane: Plane, covariances: np.ndarray) -> np.ndarray:
    """Of points with these covariances Σ, those of their places: B Σ Bᵀ, B the plane's directions; float64 (n, 2, 2).

    `covariances` are (n, d, d), or their diagonals (n, d) where the dimensions are independent.
    """
    basis = plane.basis()
    if covariances.ndim == 2:
        return np.einsum("ai,ni,bi->nab", basis, covariances.astype(np.float64), basis)
    return basis @ covariances.astype(np.float64) @ basis.T


def circle(corners: int = 192) -> np.ndarray:
    """The unit circle as a closed line: float64 (corners + 1, 2).

    Cubic pieces between 192 corners are exact to a pixel at the deepest zoom.
    """
    angles = np.linspace(0.0, 2.0 * math.pi, corners + 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ellipse(centre: np.ndarray, covariance: np.ndarray, sigmas: float, corners: int = 192) -> np.ndarray:
    """The closed line `sigmas` standard deviations from `centre` (2,), by `covariance` (2, 2): float64 (n, 2)."""
    values, vectors = np.linalg.eigh(covariance)
    vectors[:, 0] *= np.sign(np.linalg.det(vectors))  # turning left all the way round
    return centre + sigmas * circle(corners) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
