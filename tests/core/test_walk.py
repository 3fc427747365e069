"""Walks against closed forms: straight lines, circles, Archimedes' spiral, and what is stated where these fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vae_studio.core.walk import Walk

coordinates = st.floats(-5.0, 5.0, allow_subnormal=False)


@st.composite
def point_lists(draw: st.DrawFn, least: int = 2, most: int = 5) -> np.ndarray:
    dims = draw(st.sampled_from([1, 2, 3, 20, 256]))
    count = draw(st.integers(least, most))
    seed = draw(st.integers(0, 10_000))
    return np.random.default_rng(seed).normal(size=(count, dims)) * draw(st.sampled_from([0.01, 1.0, 10.0]))


def great_circle(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """White's slerp of the directions, by its formula, with the norm between the two norms."""
    first, last = np.linalg.norm(a), np.linalg.norm(b)
    u, v = a / first, b / last
    angle = math.acos(np.clip(u @ v, -1.0, 1.0))
    turned = (math.sin((1 - share) * angle) * u + math.sin(share * angle) * v) / math.sin(angle)
    return ((1 - share) * first + share * last) * turned


def spiral_length(first: float, last: float, angle: float) -> float:
    """Of an Archimedean spiral r = first + (last − first) φ / angle: ∫ √(r² + (dr/dφ)²) dφ in closed form."""
    growth = (last - first) / angle
    if growth == 0.0:
        return first * angle

    def up_to(r: float) -> float:
        return (r * math.hypot(r, growth) / growth + growth * math.asinh(r / abs(growth))) / 2

    return up_to(last) - up_to(first)


@given(points=point_lists(), spherical=st.booleans(), count=st.integers(2, 80))
def test_it_leads_from_the_first_to_the_last_through_all(points: np.ndarray, spherical: bool, count: int) -> None:
    walk = Walk(points, spherical)
    steps = walk.steps(count)
    assert steps.shape == (count, points.shape[1])
    assert steps.dtype == np.float64
    assert (steps[0] == points[0]).all()
    assert (steps[-1] == points[-1]).all()
    assert np.allclose(walk.at(walk.stops), points, atol=1e-5 * walk.length)
    assert walk.stops[0] == 0.0
    assert walk.stops[-1] == 1.0


@given(points=point_lists(), spherical=st.booleans())
def test_steps_are_of_equal_length(points: np.ndarray, spherical: bool) -> None:
    """Measured along a hundred times as many points in between, as a polygon."""
    walk = Walk(points, spherical)
    fine = np.linalg.norm(np.diff(walk.steps(5 * 400 + 1), axis=0), axis=1)
    legs = fine.reshape(5, 400).sum(axis=1)
    # A polygon cuts corners: at the given points, by up to two of its sides.
    assert legs == pytest.approx(walk.length / 5, rel=0.012)
    assert fine.sum() == pytest.approx(walk.length, rel=0.012)


@given(points=point_lists(), spherical=st.booleans(), share=st.floats(0.0, 1.0))
def test_the_way_back_is_the_same_way(points: np.ndarray, spherical: bool, share: float) -> None:
    there, back = Walk(points, spherical), Walk(points[::-1], spherical)
    assert back.length == pytest.approx(there.length, rel=1e-9)
    assert there.at([share])[0] == pytest.approx(back.at([1.0 - share])[0], abs=1e-5 * there.length)


@given(a=arrays(np.float64, 3, elements=coordinates), b=arrays(np.float64, 3, elements=coordinates))
def test_a_straight_walk_is_the_line(a: np.ndarray, b: np.ndarray) -> None:
    walk = Walk([a, b])
    assert walk.length == pytest.approx(math.dist(a, b))
    for share in (0.0, 0.25, 0.7, 1.0):
        assert walk.at([share])[0] == pytest.approx((1 - share) * a + share * b, abs=1e-12)


def test_a_straight_walk_through_three_points_paces_evenly() -> None:
    walk = Walk([(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)])
    assert walk.length == 4.0
    assert walk.stops.tolist() == [0.0, 0.75, 1.0]
    assert walk.steps(5).tolist() == [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [3.0, 1.0]]


@pytest.mark.parametrize("dims", [2, 3, 20, 256])
def test_between_equal_norms_it_is_the_great_circle(dims: int) -> None:
    rng = np.random.default_rng(dims)
    a, b = (x / np.linalg.norm(x) * 2.5 for x in rng.normal(size=(2, dims)))
    walk = Walk([a, b], spherical=True)
    angle = math.acos(a @ b / 2.5**2)
    assert walk.length == pytest.approx(2.5 * angle, rel=1e-12)
    for share in np.linspace(0.0, 1.0, 11):
        point = walk.at([share])[0]
        assert point == pytest.approx(great_circle(a, b, share), abs=1e-9)
        assert np.linalg.norm(point) == pytest.approx(2.5, rel=1e-12)


@pytest.mark.parametrize(("first", "last"), [(1.0, 3.0), (3.0, 1.0), (0.001, 2.0), (2.0, 2.0000001), (4.0, 4.0)])
def test_between_other_norms_it_is_a_spiral(first: float, last: float) -> None:
    a, b = np.array([first, 0.0]), last * np.array([math.cos(2.0), math.sin(2.0)])
    walk = Walk([a, b], spherical=True)
    assert walk.length == pytest.approx(spiral_length(first, last, 2.0), rel=1e-9)
    for point in walk.steps(50):
        share = math.atan2(point[1], point[0]) / 2.0
        assert point == pytest.approx(great_circle(a, b, share), abs=1e-9)
    shares = [math.atan2(y, x) / 2.0 for x, y in walk.steps(9)]
    ends = [spiral_length(first, first + (last - first) * s, 2.0 * s) if s else 0.0 for s in shares]
    assert ends == pytest.approx(np.linspace(0.0, walk.length, 9), abs=1e-6 * walk.length)


# Where the great circle is not told by its ends


@pytest.mark.parametrize("points", [[(0.0, 0.0), (1.0, 2.0)], [(-3.0, 1.0), (0.0, 0.0)], [(1.0, 1.0), (2.5, 2.5)]])
def test_from_zero_to_zero_and_in_one_direction_it_is_straight(points: list[tuple[float, float]]) -> None:
    curved, straight = Walk(points, spherical=True), Walk(points)
    assert curved.length == pytest.approx(straight.length, rel=1e-12)
    assert curved.steps(7) == pytest.approx(straight.steps(7), abs=1e-9)


def test_one_dimension_has_no_circles() -> None:
    assert Walk([[-1.0], [2.0], [2.5]], spherical=True).steps(8).ravel() == pytest.approx(np.linspace(-1.0, 2.5, 8))


def test_between_opposite_points_it_turns_towards_the_axis_at_right_angles() -> None:
    walk = Walk([(2.0, 0.0, 0.0), (-2.0, 0.0, 0.0)], spherical=True)
    assert walk.length == pytest.approx(2.0 * math.pi, rel=1e-12)
    assert walk.at([0.5])[0] == pytest.approx((0.0, 2.0, 0.0), abs=1e-9)
    angles = np.linspace(0.0, math.pi, 9)
    assert walk.steps(9) == pytest.approx(
        np.stack([2 * np.cos(angles), 2 * np.sin(angles), np.zeros(9)], axis=1), abs=1e-9
    )


@given(a=arrays(np.float64, 5, elements=coordinates), factor=st.floats(0.1, 3.0), tilt=st.sampled_from([0.0, 1e-17]))
def test_between_opposite_points_it_keeps_its_distance(a: np.ndarray, factor: float, tilt: float) -> None:
    """Of the smaller norm from 0, all the way: a straight line would pass through 0."""
    if np.linalg.norm(a) < 1e-3:
        return
    b = -factor * a + tilt
    walk = Walk([a, b], spherical=True)
    norms = np.linalg.norm(walk.steps(41), axis=1) / np.linalg.norm(a)
    assert norms.min() >= min(1.0, factor) - 1e-9
    assert norms.max() <= max(1.0, factor) + 1e-9
    assert walk.length >= math.pi * min(1.0, factor) * np.linalg.norm(a) * (1 - 1e-9)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("point", [(0.0, 0.0), (1.5, -2.0)])
def test_a_walk_that_leads_nowhere_stays(spherical: bool, point: tuple[float, float]) -> None:
    for points in ([point], [point, point], [point] * 3):
        walk = Walk(points, spherical)
        assert walk.length == pytest.approx(0.0, abs=1e-12)
        assert walk.steps(4) == pytest.approx(np.array([point] * 4), abs=1e-12)


@pytest.mark.parametrize("spherical", [False, True])
def test_a_point_that_is_passed_twice_takes_no_time(spherical: bool) -> None:
    once = Walk([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.5)], spherical)
    twice = Walk([(1.0, 0.0), (0.0, 1.0), (0.0, 1.0), (-1.0, 0.5)], spherical)
    assert twice.length == pytest.approx(once.length)
    assert twice.steps(9) == pytest.approx(once.steps(9), abs=1e-9)


def test_beyond_the_ends_it_stays_at_the_ends() -> None:
    assert Walk([(0.0, 1.0), (2.0, 1.0)]).at([-0.5, 1.5]).tolist() == [[0.0, 1.0], [2.0, 1.0]]


def test_no_points_are_no_walk() -> None:
    with pytest.raises(ValueError, match="needs points"):
        Walk([])
