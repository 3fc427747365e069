"""The aggregate posterior q(z) = 1/N Σ q(z|xₙ) over a plane: where the encoder puts the data. Imports no torch.

Over a plane's two coordinates the marginal of q(z) is a mixture of N densities in two dimensions, whatever the number
of latent dimensions; where the plane lies along the rest of them does not matter to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vae_studio.core.latent import Region, cell_centres
from vae_studio.core.plane import Plane, covariances_on
from vae_studio.core.probing import Family
from vae_studio.core.scene import Version

_REACH = 6.0  # standard deviations beyond which a Gaussian is left out: 10⁻⁸ of its mass
_AT_A_TIME = 512  # densities along an axis
_TERMS = 2**20  # of a sum, that are held at a time
_OVERVIEW = (96, 64)  # cells, where the highest density is looked for
_LEFT_OUT = 500
_HALVINGS = 5
_BANDS = 16  # of rows, for each of which only the Gaussians that reach it are looked at


@dataclass(frozen=True, slots=True)
class Encoded:
    """q(z|x) of some images: `means` float32 (n, d) and `spreads` float32, variances (n, d) or covariances (n, d, d).

    Of an auto-encoder's codes there are no spreads.
    """

    version: Version
    family: Family
    means: np.ndarray
    spreads: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Density:
    """q(z) over a `region` of a plane: `values` float32 (rows, columns), top row first, per unit of area.

    In a model with one dimension there is one row, and they are per unit of length. The highest value on the plane is
    about `peak`. It is the mean over `images`; where
    these have codes only, their kernels have the standard deviations `bandwidth`, across and up. `approximate` where
    Laplace distributions on a plane at an angle to their axes are taken for Gaussians of the same covariance.
    """

    version: Version
    plane: Plane
    region: Region
    values: np.ndarray
    peak: float
    images: int
    bandwidth: tuple[float, ...] | None = None
    approximate: bool = False


def density_steps(encoded: Encoded, plane: Plane, region: Region, columns: int, rows: int) -> Iterator[float | Density]:
    """Yields the fraction done (0 to 1), and the density at the centres of so many cells of the region last.

    What is narrower than a cell is not missed: Gaussians are widened by half a cell, each Laplace distribution is
    averaged over the cell. Codes become a kernel density with Gaussian kernels.
    """
    kinds = 1 if plane.is_line else 2
    places = plane.coordinates(encoded.means)[:, :kinds]
    count, bandwidth = len(places), None
    laplace = encoded.family == "laplace" and plane.along_axes
    if encoded.spreads is None:
        widths = kernel_widths(places)
        bandwidth = tuple(widths.tolist())
        covariances = np.broadcast_to(np.diag(np.square(widths)), (count, kinds, kinds))
    else:
        covariances = covariances_on(plane, encoded.spreads)[:, :kinds, :kinds]
    low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    whole = Region(low[0], high[0] + 1e-9, low[-1], high[-1] + 1e-9)
    found = []
    for area, size in ((whole, _OVERVIEW), (region, (columns, rows))):
        for item in _values(area, size, places, covariances, laplace):
            if isinstance(item, float):
                yield (len(found) + item) / 2
            else:
                found.append(item.astype(np.float32))
    peak = max(float(values.max()) for values in found)
    angled = encoded.family == "laplace" and not laplace
    yield Density(encoded.version, plane, region, found[1], peak, count, bandwidth, angled)


def kernel_widths(places: np.ndarray) -> np.ndarray:
    """Standard deviations (k,) of Gaussian kernels around places (n, k): Scott's rule, σᵢ n^(−1/(k + 4)), or narrower.

    (Scott 1992, Multivariate Density Estimation, §6.3.) That is meant for one hump and would fill the holes between
    several: of its halves, quarters and so on, those are taken by which each place is the likeliest from the others
    (Duin 1976, IEEE Trans. Computers 25, 1175), for the first 500 places.
    """
    widest = np.maximum(places.std(axis=0), 1e-9) * len(places) ** (-1.0 / (places.shape[1] + 4))
    left_out = min(len(places), _LEFT_OUT)
    squares = sum(
        np.square((column[:left_out, None] - column) / width) for column, width in zip(places.T, widest, strict=True)
    )
    squares[np.arange(left_out), np.arange(left_out)] = np.inf
    likelihoods = []
    for halvings in range(_HALVINGS):
        density = np.exp((-0.5 * 4.0**halvings) * squares).sum(axis=1) * 2.0 ** (halvings * places.shape[1])
        likelihoods.append(np.log(np.maximum(density, 1e-300)).sum())
    return widest * 0.5 ** int(np.argmax(likelihoods))


def _values(
    region: Region, size: tuple[int, int], places: np.ndarray, covariances: np.ndarray, laplace: bool
) -> Iterator[float | np.ndarray]:
    """Yields the fraction done, and the density over a region in so many columns and rows last."""
    columns, rows = size
    across, up = cell_centres(region.left, region.right, columns), cell_centres(region.top, region.bottom, rows)
    cell = (region.right - region.left) / columns, (region.top - region.bottom) / rows
    if places.shape[1] == 1:
        return _on_a_line(across, cell[0], places, covariances, laplace)
    if not covariances[:, 0, 1].any():
        return _along_axes((across, up), cell, places, covariances, laplace)
    return _at_an_angle((across, up), cell, places, covariances)


def _along(at: np.ndarray, cell: float, means: np.ndarray, variances: np.ndarray, laplace: bool) -> np.ndarray:
    """The densities in one dimension, at the centres (m,) of cells: (m, n)."""
    away = at[:, None] - means
    if laplace:
        b = np.sqrt(np.maximum(variances, 1e-18) / 2.0)
        return (_below((away + cell / 2) / b) - _below((away - cell / 2) / b)) / cell
    scale = np.sqrt(variances + (cell / 2) ** 2)
    return np.exp(-0.5 * np.square(away / scale)) / (math.sqrt(2 * math.pi) * scale)


def _below(t: np.ndarray) -> np.ndarray:
    """The distribution function of the standard Laplace distribution, less ½."""
    return np.copysign(-0.5 * np.expm1(-np.abs(t)), t)


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _AT_A_TIME):
        yield slice(start, min(start + _AT_A_TIME, count))


def _on_a_line(
    across: np.ndarray, cell: float, places: np.ndarray, covariances: np.ndarray, laplace: bool
) -> Iterator[float | np.ndarray]:
    total, count = np.zeros(len(across)), len(places)
    for part in _parts(count):
        total += _along(across, cell, places[part, 0], covariances[part, 0, 0], laplace).sum(axis=1)
        yield part.stop / count
    yield total[None] / count


def _along_axes(
    at: tuple[np.ndarray, np.ndarray],
    cell: tuple[float, float],
    places: np.ndarray,
    covariances: np.ndarray,
    laplace: bool,
) -> Iterator[float | np.ndarray]:
    """Where the coordinates are independent, the sum is the product of two matrices: that is exact, and quick."""
    total, count = np.zeros((len(at[1]), len(at[0]))), len(places)
    for part in _parts(count):
        across, up = (_along(at[i], cell[i], places[part, i], covariances[part, i, i], laplace) for i in (0, 1))
        total += up @ across.T
        yield part.stop / count
    yield total / count


def _at_an_angle(
    at: tuple[np.ndarray, np.ndarray], cell: tuple[float, float], places: np.ndarray, covariances: np.ndarray
) -> Iterator[float | np.ndarray]:
    """Gaussians of any covariance: logarithms of densities are linear in x², xy, y², x, y, 1, one matrix product."""
    across, up = at
    middle = np.array([across.mean(), up.mean()])
    wide = covariances + np.diag(np.square(cell) / 4)
    precision = np.linalg.inv(wide)
    means = places - middle
    pulls = np.einsum("nij,nj->ni", precision, means)
    constant = -0.5 * (np.einsum("ni,ni->n", means, pulls) + np.log(np.linalg.det(wide))) - math.log(2 * math.pi)
    weights = np.stack(
        [-0.5 * precision[:, 0, 0], -precision[:, 0, 1], -0.5 * precision[:, 1, 1], pulls[:, 0], pulls[:, 1], constant]
    )
    reach = _REACH * np.sqrt(wide[:, [0, 1], [0, 1]])
    x = across - middle[0]
    seen = (means[:, 0] + reach[:, 0] > x[0]) & (means[:, 0] - reach[:, 0] < x[-1])
    bands = []
    for number, y in enumerate(np.array_split(up - middle[1], min(_BANDS, len(up)))):
        near = np.flatnonzero(seen & (means[:, 1] + reach[:, 1] > y[-1]) & (means[:, 1] - reach[:, 1] < y[0]))
        grid_x, grid_y = (values.ravel() for values in np.meshgrid(x, y))
        powers = np.stack([grid_x**2, grid_x * grid_y, grid_y**2, grid_x, grid_y, np.ones_like(grid_x)], axis=1)
        total = np.zeros(len(powers))
        for part in np.array_split(near, math.ceil(len(near) * len(powers) / _TERMS) or 1):
            logs = (powers @ weights[:, part]).astype(np.float32)
            total += np.exp(logs, out=logs).sum(axis=1)
            yield number / _BANDS
        bands.append(total.reshape(len(y), len(x)))
    yield np.concatenate(bands) / len(places)
