"""Series and reductions against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from vae_studio.ui.curves import Series, extremes, sampled


def moving_average(values: np.ndarray, decay: float) -> list[float]:
    """By the definition, one value after the other."""
    average, result = 0.0, []
    for step, value in enumerate(values, 1):
        average += min(1.0, max(1 - decay, 10 / step)) * (float(value) - average)
        result.append(average)
    return result


@pytest.mark.parametrize("decay", [0.8, 0.98, 0.995])
@pytest.mark.parametrize("chunk", [1, 7, 300, 2000])
def test_average_does_not_depend_on_how_values_arrive(decay: float, chunk: int) -> None:
    values = np.random.default_rng(0).normal(140, 10, 2000).astype(np.float32)
    series = Series(decay)
    for start in range(0, 2000, chunk):
        series.append(np.arange(start, min(start + chunk, 2000)), values[start : start + chunk])
    np.testing.assert_array_equal(series.raw, values)
    np.testing.assert_allclose(series.smooth, moving_average(values, decay), rtol=1e-6)


def test_the_first_average_is_the_first_value() -> None:
    series = Series(0.98)
    series.append([1.0], [543.25])
    assert series.smooth.tolist() == [543.25]


def test_values_that_are_not_finite_or_absurd_are_left_out() -> None:
    series = Series(0.9)
    series.append(np.arange(6.0), np.array([3.0, np.nan, 4.0, np.inf, -np.inf, 5.0]))
    series.append(np.array([6.0, 7.0]), np.array([1e300, -3e38]))
    assert series.x.tolist() == [0, 2, 5]
    assert series.raw.tolist() == [3, 4, 5]
    np.testing.assert_allclose(series.smooth, moving_average(np.array([3, 4, 5]), 0.9), rtol=1e-6)


def test_a_decay_that_would_overflow_is_refused() -> None:
    for decay in (0.0, 0.4, 1.0):
        with pytest.raises(ValueError, match="decay"):
            Series(decay)


def test_thinning_bounds_the_memory_and_keeps_order_and_extremes() -> None:
    values = np.random.default_rng(1).normal(size=10_000).astype(np.float32)
    values[[137, 5003]] = 99, -99
    series = Series(0.9, limit=1000)
    for start in range(0, 10_000, 64):
        series.append(np.arange(start, min(start + 64, 10_000)), values[start : start + 64])
        assert len(series) <= 1000
    assert series.x[0] < 500
    assert series.x[-1] == 9999
    assert np.all(np.diff(series.x) > 0)
    assert series.raw.max() == 99
    assert series.raw.min() == -99
    np.testing.assert_array_equal(series.raw, values[series.x.astype(int)])
    np.testing.assert_allclose(
        series.smooth, np.array(moving_average(values, 0.9))[series.x.astype(int)], rtol=1e-4, atol=1e-5
    )


def test_one_append_beyond_the_limit_is_taken_in_parts() -> None:
    series = Series(0.9, limit=1000)
    series.append(np.arange(7000), np.full(7000, 2.5))
    assert len(series) <= 1000
    assert series.x[-1] == 6999
    assert set(series.raw.tolist()) == {2.5}


@pytest.mark.parametrize(("at", "index"), [(-5, 0), (0.4, 0), (0.6, 1), (2.9, 2), (3.1, 3), (100, 3)])
def test_nearest(at: float, index: int) -> None:
    series = Series(0.9)
    assert series.nearest(at) is None
    x, values = np.array([0.0, 1.0, 2.0, 4.0]), np.array([10.0, 20.0, 30.0, 40.0])
    series.append(x, values)
    found = series.nearest(at)
    assert found is not None
    assert (found.x, found.raw) == (x[index], values[index])
    assert found.smooth == pytest.approx(moving_average(values, 0.9)[index], rel=1e-6)


@pytest.mark.parametrize(("left", "right"), [(0.0, 100.0), (12.3, 45.6), (-50.0, 300.0)])
def test_every_column_shows_its_extremes(left: float, right: float) -> None:
    rng = np.random.default_rng(2)
    x, y = np.sort(rng.uniform(0, 100, 50_000)), rng.standard_cauchy(50_000).astype(np.float32)
    columns = 300
    px, py = extremes(x, y, left, right, columns)
    assert len(px) <= 2 * columns
    assert np.all(np.diff(px) >= 0)
    edges = np.linspace(left, right, columns + 1)
    for index in range(1, columns - 1):  # the outermost take in a neighbour beyond the edge
        inside = (x >= edges[index]) & (x < edges[index + 1])
        drawn = (px >= edges[index]) & (px < edges[index + 1])
        assert inside.any() == drawn.any()
        if inside.any():
            assert (py[drawn].min(), py[drawn].max()) == (y[inside].min(), y[inside].max())


def test_few_points_come_back_as_they_are_with_a_neighbour_beyond_each_edge() -> None:
    x, y = np.arange(10.0), np.arange(10.0) ** 2
    for reduce in (extremes, sampled):
        px, py = reduce(x, y, 3.5, 6.5, 100)
        assert px.tolist() == [3, 4, 5, 6, 7]
        assert py.tolist() == [9, 16, 25, 36, 49]


def test_a_view_beyond_the_data_or_of_no_data_is_no_error() -> None:
    for reduce in (extremes, sampled):
        assert len(reduce(np.empty(0), np.empty(0), 0, 1, 10)[0]) == 0
        assert len(reduce(np.arange(100.0), np.arange(100.0), 500, 600, 10)[0]) <= 1


def test_sampled_points_are_the_last_of_their_columns() -> None:
    x = np.arange(10_000) / 100
    px, py = sampled(x, np.sqrt(x), 0, 100, 50)
    np.testing.assert_allclose(px, np.arange(1, 51) * 2 - 0.01)
    np.testing.assert_allclose(py, np.sqrt(px))
