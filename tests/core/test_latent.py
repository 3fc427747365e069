"""Planes and grids against torch's inverse Gaussian CDF and plain loops."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_studio.core.errors import UserError
from vae_studio.core.latent import (
    MAX_GRID,
    MAX_SCALE,
    MAX_SPACING,
    GridError,
    GridRequest,
    Quantiles,
    Region,
    cell_centres,
    prior_quantiles,
)
from vae_studio.core.plane import Plane


@given(count=st.integers(2, MAX_GRID), mass=st.floats(1e-3, 0.9999))
def test_quantiles_are_the_inverse_gaussian_cdf_at_equal_steps(count: int, mass: float) -> None:
    edge = (1 - mass) / 2
    probabilities = torch.linspace(edge, 1 - edge, count, dtype=torch.float64)
    found = prior_quantiles(count, mass)
    assert found.dtype == np.float64
    assert np.allclose(found, torch.special.ndtri(probabilities).numpy(), rtol=1e-7, atol=1e-9)


@given(count=st.integers(1, MAX_GRID), mass=st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_quantiles_rise_and_mirror_each_other_for_every_mass(count: int, mass: float) -> None:
    found = prior_quantiles(count, mass)
    assert found.shape == (count,)
    assert np.isfinite(found).all()
    assert np.array_equal(found, -found[::-1])
    assert (np.diff(found) >= 0).all()


def test_quantiles_at_known_places() -> None:
    assert np.allclose(prior_quantiles(3, 0.95), [-1.959963984540054, 0, 1.959963984540054])
    assert np.allclose(prior_quantiles(2, math.erf(1 / math.sqrt(2))), [-1, 1])
    assert prior_quantiles(1).tolist() == [0.0]
    assert np.isfinite(prior_quantiles(5, math.nextafter(1.0, 0.0))).all()


def test_equal_shares_of_the_prior_lie_between_quantiles() -> None:
    draws = np.random.default_rng(0).standard_normal(400_000)
    shares = np.histogram(draws, prior_quantiles(21, 0.9))[0] / len(draws)
    assert np.allclose(shares, 0.9 / 20, atol=0.002)


def exponential(direction: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Those of an exponential distribution with mean 1, 2, … for each axis: bounded below, and not symmetric."""
    axis = int(direction.argmax())
    return -(axis + 1.0) * np.log1p(-np.array(probabilities))


@pytest.mark.parametrize("mass", [0.5, 0.95, math.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("count", [1, 2, 7, 400])
def test_another_prior_has_its_own_quantiles_at_the_same_probabilities(count: int, mass: float) -> None:
    found = prior_quantiles(count, mass, exponential, np.eye(3)[2])
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    shares = 1 - np.exp(-found / 3)
    edge = (1 - mass) / 2
    assert np.allclose(shares, [0.5] if count == 1 else np.linspace(edge, 1 - edge, count), atol=1e-9)


def test_a_grid_takes_each_axis_quantiles_for_itself() -> None:
    request = GridRequest((9.0, 9.0, 9.0), Plane.of_axes((2, 0), 3), rows=2, cols=3, span=Quantiles(0.5))
    columns, rows = request.coordinates(exponential)
    assert np.allclose(columns, [3 * math.log(4 / 3), 3 * math.log(2), 3 * math.log(4)])
    assert np.allclose(rows, [math.log(4), math.log(4 / 3)])
    points = request.points(exponential)
    assert np.allclose(points[0], [math.log(4), 9.0, 3 * math.log(4 / 3)])
    assert np.allclose(points[-1], [math.log(4 / 3), 9.0, 3 * math.log(4)])


def test_cells_fill_their_interval() -> None:
    assert cell_centres(-1.0, 1.0, 4).tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert cell_centres(3.0, -1.0, 2).tolist() == [2.0, 0.0]
    assert cell_centres(2.0, 4.0, 1).tolist() == [3.0]


def test_tiles_are_listed_row_by_row_from_the_top_left() -> None:
    request = GridRequest((9.0, 9.0), span=Region(0.0, 3.0, 10.0, 14.0), rows=2, cols=3)
    expected = [(0.5, 13.0), (1.5, 13.0), (2.5, 13.0), (0.5, 11.0), (1.5, 11.0), (2.5, 11.0)]
    assert request.points().dtype == np.float32
    assert request.points().tolist() == [list(point) for point in expected]
    columns, rows = request.coordinates()
    assert columns.tolist() == [0.5, 1.5, 2.5]
    assert rows.tolist() == [13.0, 11.0]


def test_quantile_grids_have_the_largest_second_coordinate_on_top() -> None:
    request = GridRequest((0.0, 0.0), rows=3, cols=2, span=Quantiles(0.5))
    edge = 0.6744897501960817
    expected = [(-edge, edge), (edge, edge), (-edge, 0), (edge, 0), (-edge, -edge), (edge, -edge)]
    assert np.allclose(request.points(), expected, atol=1e-6)


def test_a_plane_through_many_dimensions_keeps_the_others() -> None:
    point = tuple(0.1 * i for i in range(20))
    request = GridRequest(point, plane=Plane.of_axes((7, 3), 20), span=Region(-1, 1, -2, 2), rows=2, cols=2)
    for z, (u, v) in zip(request.points(), [(-0.5, 1), (0.5, 1), (-0.5, -1), (0.5, -1)], strict=True):
        expected = list(point)
        expected[7], expected[3] = u, v
        assert np.allclose(z, expected)


def test_one_dimension_has_equal_rows() -> None:
    request = GridRequest((0.3,), plane=Plane.of_axes((0, 0), 1), span=Region(-1, 1, -1, 1), rows=2, cols=2)
    assert request.points().tolist() == [[-0.5], [0.5], [-0.5], [0.5]]


def test_sizes_count_the_gaps_between_tiles_only() -> None:
    request = GridRequest((0.0, 0.0), rows=3, cols=5, scale=2, spacing=4)
    assert request.size(height=10, width=20) == (5 * 40 + 4 * 4, 3 * 20 + 2 * 4)
    assert GridRequest((0.0, 0.0), rows=1, cols=1, spacing=9).size(28, 28) == (28, 28)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rows": 0}, "Rows must lie between 1 and 400 (it was 0)."),
        ({"rows": MAX_GRID + 1}, "Rows must lie between 1 and 400 (it was 401)."),
        ({"cols": -3}, "Columns must lie between 1 and 400 (it was -3)."),
        ({"cols": MAX_GRID + 1}, "Columns must lie between 1 and 400 (it was 401)."),
        ({"scale": 0}, "Tile scale must lie between 1 and 16 (it was 0)."),
        ({"scale": MAX_SCALE + 1}, "Tile scale must lie between 1 and 16 (it was 17)."),
        ({"spacing": -1}, "Spacing must lie between 0 and 64 (it was -1)."),
        ({"spacing": MAX_SPACING + 1}, "Spacing must lie between 0 and 64 (it was 65)."),
        ({"plane": Plane.of_axes((0, 2), 3)}, "The plane lies in 3 latent dimensions, the point in 2."),
        ({"span": Quantiles(0.0)}, "The prior mass must lie between 0 and 1 (it was 0)."),
        ({"span": Quantiles(1.0)}, "The prior mass must lie between 0 and 1 (it was 1)."),
        ({"span": Quantiles(math.nan)}, "The prior mass must lie between 0 and 1 (it was nan)."),
        ({"span": Region(1, 1, 0, 1)}, "The region is empty: left must be less than right, and bottom less than top."),
        ({"span": Region(0, 1, 1, 0)}, "The region is empty: left must be less than right, and bottom less than top."),
        ({"span": Region(-math.inf, 1, 0, 1)}, "The region must have finite coordinates, at most 1,000,000 from 0."),
        ({"span": Region(0, math.nan, 0, 1)}, "The region must have finite coordinates, at most 1,000,000 from 0."),
        ({"span": Region(0, 1e308, 0, 1)}, "The region must have finite coordinates, at most 1,000,000 from 0."),
        ({"point": (0.0, math.nan)}, "The point must have finite coordinates, at most 1,000,000 from 0."),
        ({"point": (1e300, 0.0)}, "The point must have finite coordinates, at most 1,000,000 from 0."),
    ],
)
def test_requests_beyond_the_limits_are_refused_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(GridError, match=f"^{re.escape(words)}$") as caught:
        GridRequest(**{"point": (0.0, 0.0), **values})
    assert isinstance(caught.value, UserError)


def test_requests_at_the_limits_are_accepted() -> None:
    least = GridRequest((1e6, -1e6), rows=1, cols=1, scale=1, spacing=0, span=Region(-1e6, 1e6, -1e6, 1e6))
    most = GridRequest((0.0, 0.0), rows=MAX_GRID, cols=MAX_GRID, scale=MAX_SCALE, spacing=MAX_SPACING)
    assert (len(least.points()), len(most.points())) == (1, MAX_GRID**2)
