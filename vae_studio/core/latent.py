"""Grids in latent space. Imports no torch.

Grids spaced by the inverse Gaussian CDF show equal shares of the prior's mass, as figure 4 of Kingma & Welling
(2014, arXiv 1312.6114) does; equal steps in z would show mostly the improbable rim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vae_studio.core.errors import UserError
from vae_studio.core.plane import Plane

MAX_GRID = 400
MAX_SCALE = 16
MAX_SPACING = 64
MAX_SIDE = 16_384
MAX_COORDINATE = 1e6
_FIRST = np.ones(1)
QuantileFunction = Callable[[np.ndarray, Sequence[float]], np.ndarray]


class GridError(UserError, ValueError):
    """A grid was asked for that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Coordinates whose probabilities under the prior are equally spaced over its central `mass`."""

    mass: float = 0.95


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the plane, in latent units."""

    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True, slots=True)
class GridRequest:
    """An image grid of the plane through `point` parallel to `plane`, which is that of the first two axes if None.

    `scale` repeats each pixel, `spacing` is the gap between tiles in pixels, `show_axes` draws the coordinates.
    Raises GridError for values outside the limits.
    """

    point: tuple[float, ...]
    plane: Plane | None = None
    span: Quantiles | Region = Quantiles()
    rows: int = 20
    cols: int = 20
    scale: int = 1
    spacing: int = 0
    show_axes: bool = False

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("Rows", self.rows, 1, MAX_GRID),
            ("Columns", self.cols, 1, MAX_GRID),
            ("Tile scale", self.scale, 1, MAX_SCALE),
            ("Spacing", self.spacing, 0, MAX_SPACING),
        ):
            if not low <= value <= high:
                raise GridError(f"{name} must lie between {low} and {high} (it was {value}).")
        _check_coordinates("The point", self.point)
        if self.plane is None:
            dims = len(self.point)
            object.__setattr__(self, "plane", Plane.of_axes((0, min(1, dims - 1)), dims))
        if self.plane.dims != len(self.point):
            raise GridError(f"The plane lies in {self.plane.dims} latent dimensions, the point in {len(self.point)}.")
        if isinstance(self.span, Quantiles):
            if not 0.0 < self.span.mass < 1.0:
                raise GridError(f"The prior mass must lie between 0 and 1 (it was {self.span.mass:g}).")
        else:
            region = self.span
            _check_coordinates("The region", (region.left, region.right, region.bottom, region.top))
            if region.left >= region.right or region.bottom >= region.top:
                raise GridError("The region is empty: left must be less than right, and bottom less than top.")

    def coordinates(self, quantiles: QuantileFunction | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of the columns, left to right, and of the rows, top to bottom: float64 (cols,), (rows,).

        `quantiles` are those of the prior, for a direction and probabilities; those of N(0, I) without them.
        """
        if isinstance(self.span, Quantiles):
            columns, rows = (
                prior_quantiles(count, self.span.mass, quantiles, direction) - direction @ self.plane.origin
                for count, direction in zip((self.cols, self.rows), self._directions(), strict=True)
            )
            return columns, rows[::-1].copy()
        region = self.span
        return cell_centres(region.left, region.right, self.cols), cell_centres(region.top, region.bottom, self.rows)

    def points(self, quantiles: QuantileFunction | None = None) -> np.ndarray:
        """The latent point of every tile, row by row from the top left: float32 (rows · cols, latent_dims)."""
        columns, rows = self.coordinates(quantiles)
        across, down = np.meshgrid(columns, rows)
        places = np.stack([across.ravel(), down.ravel()], axis=1)
        return self.plane.embed(self.point, places).astype(np.float32)

    def _directions(self) -> np.ndarray:
        """Those across and up, (2, latent_dims); in a model with one dimension both are that."""
        return np.array([self.plane.across, self.plane.up or self.plane.across])

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Width and height in pixels of the grid itself, without drawn axes, for images of `height` × `width`.

        Raises GridError if that is more than MAX_SIDE a side.
        """
        across = self.cols * width * self.scale + (self.cols - 1) * self.spacing
        down = self.rows * height * self.scale + (self.rows - 1) * self.spacing
        if max(across, down) > MAX_SIDE:
            raise GridError(
                f"The picture would be {across:,} × {down:,} pixels; at most {MAX_SIDE:,} a side are possible. "
                "Choose fewer tiles or a smaller scale."
            )
        return across, down


def prior_quantiles(
    count: int,
    mass: float = 0.95,
    quantiles: QuantileFunction | None = None,
    direction: np.ndarray = _FIRST,
) -> np.ndarray:
    """`count` quantiles at equally spaced probabilities over the central `mass`: float64 (count,).

    They are the prior's along `direction` (latent_dims,), or N(0, 1)'s without `quantiles`. A count of one gives the
    median. (Probability integral transform: Kingma & Welling 2014, figure 4.)
    """
    edge = (1.0 - mass) / 2.0
    below = [edge + mass * i / (count - 1) for i in range(count // 2)]
    if quantiles is not None:
        # Next to 1 the only probability left would be 1 itself, whose quantile is infinite.
        above = [min(1.0 - p, math.nextafter(1.0, 0.0)) for p in below[::-1]]
        return quantiles(direction, [*below, *[0.5] * (count % 2), *above])
    # The lower half and its mirror image: close to 1, floats are too coarse for probabilities.
    normal = NormalDist()
    lower = np.array([normal.inv_cdf(p) for p in below])
    return np.concatenate([lower, np.zeros(count % 2), -lower[::-1]])


def _check_coordinates(what: str, values: tuple[float, ...]) -> None:
    if not all(abs(value) <= MAX_COORDINATE for value in values):
        raise GridError(f"{what} must have finite coordinates, at most {MAX_COORDINATE:,.0f} from 0.")


def cell_centres(start: float, end: float, count: int) -> np.ndarray:
    """Centres of `count` equal cells between `start` and `end`: float64 (count,)."""
    return start + (np.arange(count) + 0.5) * ((end - start) / count)
