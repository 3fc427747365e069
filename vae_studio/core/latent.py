"""Planes and grids in latent space. Imports no torch.

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

MAX_GRID = 400
MAX_SCALE = 16
MAX_SPACING = 64
MAX_SIDE = 16_384
MAX_COORDINATE = 1e6
QuantileFunction = Callable[[int, Sequence[float]], np.ndarray]


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
    """An image grid of the plane through `point` along `axes` (two latent dimensions, counted from 0).

    `scale` repeats each pixel, `spacing` is the gap between tiles in pixels, `show_axes` draws the coordinates.
    Raises GridError for values outside the limits.
    """

    point: tuple[float, ...]
    axes: tuple[int, int] = (0, 1)
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
        for axis in self.axes:
            if not 0 <= axis < len(self.point):
                raise GridError(f"There is no latent dimension {axis + 1}: the model has {len(self.point)}.")
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

        `quantiles` are those of the prior, for an axis and probabilities; N(0, 1) on every axis without them.
        """
        if isinstance(self.span, Quantiles):
            columns, rows = (
                prior_quantiles(count, self.span.mass, quantiles, axis)
                for count, axis in zip((self.cols, self.rows), self.axes, strict=True)
            )
            return columns, rows[::-1].copy()
        region = self.span
        return cell_centres(region.left, region.right, self.cols), cell_centres(region.top, region.bottom, self.rows)

    def points(self, quantiles: QuantileFunction | None = None) -> np.ndarray:
        """The latent point of every tile, row by row from the top left: float32 (rows · cols, latent_dims)."""
        columns, rows = self.coordinates(quantiles)
        across, down = np.meshgrid(columns, rows)
        return embed(self.point, self.axes, np.stack([across.ravel(), down.ravel()], axis=1))

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
    count: int, mass: float = 0.95, quantiles: QuantileFunction | None = None, axis: int = 0
) -> np.ndarray:
    """`count` quantiles at equally spaced probabilities over the central `mass`: float64 (count,).

    They are the prior's along `axis`, or N(0, 1)'s without `quantiles`. A count of one gives the median. (Probability
    integral transform: Kingma & Welling 2014, figure 4.)
    """
    edge = (1.0 - mass) / 2.0
    below = [edge + mass * i / (count - 1) for i in range(count // 2)]
    if quantiles is not None:
        # Next to 1 the only probability left would be 1 itself, whose quantile is infinite.
        above = [min(1.0 - p, math.nextafter(1.0, 0.0)) for p in below[::-1]]
        return quantiles(axis, [*below, *[0.5] * (count % 2), *above])
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


def embed(point: tuple[float, ...], axes: tuple[int, int], plane: np.ndarray) -> np.ndarray:
    """Points (n, 2) of the plane through `point` along `axes`, in latent space: float32 (n, latent_dims).

    Where both axes are the same dimension (a model with one), the first coordinate counts.
    """
    result = np.tile(np.asarray(point, dtype=np.float32), (len(plane), 1))
    result[:, axes[1]] = plane[:, 1]
    result[:, axes[0]] = plane[:, 0]
    return result


def project(means: np.ndarray, point: tuple[float, ...], axes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Where points (n, latent_dims) fall on the plane through `point` along `axes`: float32 (n, 2).

    And how strongly to show each, float32 (n,) in (0, 1]: exp(−r²/2) for r the distance from the plane per off-plane
    dimension, but never less than 0.15; None for models of one or two dimensions, where all lie in the plane.
    """
    plane = means[:, list(axes)].astype(np.float32)
    others = [i for i in range(means.shape[1]) if i not in axes]
    if axes[0] == axes[1]:
        plane[:, 1] = 0.0
    if not others:
        return plane, None
    distance = means[:, others] - np.asarray(point, np.float32)[others]
    nearness = np.exp(-0.5 * np.square(distance).mean(axis=1))
    return plane, np.maximum(nearness, 0.15).astype(np.float32)
