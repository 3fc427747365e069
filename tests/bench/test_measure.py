"""Statistics against numpy's, and timings against what was really done."""

from __future__ import annotations

import numpy as np
import pytest

from vae_studio.bench.measure import Figure, crossing, percentiles, slope
from vae_studio.bench.training import timed
from vae_studio.core import datasets
from vae_studio.core.config import DataConfig, MLPConfig, RunConfig


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0, 2.5])
def test_the_slope_of_a_power_law_is_its_exponent(exponent: float) -> None:
    x = np.array([1e3, 4e3, 6e4, 1e6])
    assert slope(x, 7.0 * x**exponent) == pytest.approx(exponent, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_slope_is_that_of_least_squares(seed: int) -> None:
    chance = np.random.default_rng(seed)
    x, y = np.exp(chance.normal(size=(2, 9)))
    assert slope(x, y) == pytest.approx(np.polyfit(np.log(x), np.log(y), 1)[0])


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_figure_is_the_median_with_both_ends(count: int) -> None:
    values = list(np.random.default_rng(count).normal(size=count))
    figure = Figure.of(values)
    assert figure.value == pytest.approx(np.median(values))
    assert (figure.low, figure.high, figure.repeats) == (np.min(values), np.max(values), count)


def test_percentiles_cut_off_their_share() -> None:
    values = np.random.default_rng(0).permutation(1001) / 10.0
    assert percentiles(values) == pytest.approx({"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0})


@pytest.mark.parametrize("target", [103.0, 105.5, 110.0, 119.99])
def test_a_falling_curve_crosses_where_numpy_interpolates(target: float) -> None:
    times, values = [1.0, 2.5, 3.0, 7.0], [120.0, 110.0, 106.0, 102.0]
    assert crossing(times, values, target) == pytest.approx(np.interp(-target, np.negative(values), times))


def test_a_curve_crosses_the_first_time_or_not_at_all() -> None:
    assert crossing([0.0, 1.0, 2.0, 3.0], [110.0, 104.0, 108.0, 100.0], 107.0) == pytest.approx(0.5)
    assert crossing([5.0, 6.0], [90.0, 80.0], 100.0) == 5.0
    assert crossing([0.0, 1.0], [110.0, 106.0], 105.0) is None
    assert crossing([], [], 105.0) is None


def test_a_timing_counts_the_steps_after_the_first() -> None:
    data = datasets.load(DataConfig(limit=2000))
    config = RunConfig(network=MLPConfig(widths=(16,)), batch_size=100, epochs=50, device="cpu")
    whole = timed(config, data, 1000.0)
    # One epoch has 20 steps, and reports come after whole steps.
    assert whole.steps >= 20
    assert whole.seconds > 0
    assert whole.setup > 0
    assert whole.epoch == pytest.approx(20 * whole.seconds / whole.steps)
    assert timed(config, data, 1e-9).steps < 50 * 20
