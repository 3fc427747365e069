"""Planes against plain arithmetic: orthonormal, through their points, and inverse to the places on them."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from vae_studio.core.plane import Plane, PlaneError, Seen, circle, covariances_on, ellipse, plain, subscript

SPACES = st.tuples(st.integers(2, 64), st.integers(0, 2**32 - 1))


def points_of(space: tuple[int, int], count: int, spread: float = 2.0) -> np.ndarray:
    dims, seed = space
    return np.random.default_rng(seed).normal(0.0, spread, (count, dims))


@settings(max_examples=60, deadline=None)
@given(SPACES)
def test_a_plane_through_three_points_is_orthonormal_and_holds_them(space: tuple[int, int]) -> None:
    a, b, c = points_of(space, 3)
    plane = Plane.through((a, b, c))
    np.testing.assert_allclose(plane.basis() @ plane.basis().T, np.eye(2), atol=1e-12)
    for point in (a, b, c):
        assert plane.distance(point) < 1e-9
    assert plane.place(a) == (0.0, 0.0)
    assert plane.place(b) == pytest.approx((math.dist(a, b), 0.0), abs=1e-9)
    assert plane.place(c)[1] > 0.0
    # Lengths and angles on the plane are those in latent space.
    assert math.dist(plane.place(b), plane.place(c)) == pytest.approx(math.dist(b, c), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(SPACES, st.floats(-50, 50), st.floats(-50, 50))
def test_a_moved_point_is_where_it_was_put_and_keeps_its_distance(
    space: tuple[int, int], across: float, up: float
) -> None:
    a, b, c, point = points_of(space, 4)
    for plane in (Plane.through((a, b, c)), Plane.of_axes((1, 0), space[0])):
        moved = plane.moved(tuple(point), (across, up))
        assert plane.place(moved) == pytest.approx((across, up), abs=1e-9)
        np.testing.assert_allclose(plane.offset(moved), plane.offset(point), atol=1e-9)
        np.testing.assert_allclose(plane.embed(moved, np.array([plane.place(point)]))[0], point, atol=1e-9)


def test_planes_along_axes_are_known_whatever_their_kind_origin_and_direction() -> None:
    for plane, along in (
        (Plane.of_axes((2, 0), 3), True),
        (Plane.of_axes((0, 0), 1), True),
        (Plane.spanned((0.3, 5.0, -1.0), (0.0, 0.0, -0.1), (7.0, 0.0, 3.0)), True),
        (Plane.through(((1.0, 2.0), (1.0, 3.0), (0.0, 2.0))), True),
        (Plane.spanned((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 1e-4)), False),
        (Plane.spanned((0.0, 0.0), (3.0, 4.0), (1.0, 0.0)), False),
    ):
        assert plane.along_axes is along


@settings(max_examples=40, deadline=None)
@given(SPACES)
def test_along_latent_dimensions_coordinates_are_exactly_theirs(space: tuple[int, int]) -> None:
    dims, seed = space
    i, j = np.random.default_rng(seed).permutation(dims)[:2].tolist()
    point, other = points_of(space, 2)
    plane = Plane.of_axes((i, j), dims)
    assert plane.axes == (i, j) and plane.names == (f"z{i + 1}".translate(SMALL), f"z{j + 1}".translate(SMALL))
    assert plane.place(point) == (point[i], point[j])
    expected = point.copy()
    expected[i], expected[j] = other[i], other[j]
    assert plane.moved(tuple(point), plane.place(other)) == tuple(expected)
    expected[i] = expected[j] = 0.0
    assert plane.offset(point).tolist() == expected.tolist()
    assert plane.distance(point) == pytest.approx(math.hypot(*expected), rel=1e-12)


SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def test_fading_depends_on_the_distance_from_the_plane_whichever_way_it_lies() -> None:
    """Turned into the first two dimensions by an orthogonal matrix, the formula for latent dimensions holds."""
    points = points_of((7, 3), 40)
    here = points[0]
    plane = Plane.through(points[1:4])
    turned = np.linalg.qr(np.column_stack([*plane.basis(), points_of((7, 4), 5).T]))[0]
    turned[:, :2] = plane.basis().T
    places, strength = plane.project(points, here)
    as_axes, as_strength = Plane.of_axes((0, 1), 7).project(points @ turned, here @ turned)
    np.testing.assert_allclose(strength, as_strength, rtol=1e-5)
    np.testing.assert_allclose(places, as_axes - (points[1] @ turned)[:2], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(SPACES, st.floats(0, 200))
def test_distances_from_parallel_planes_are_those_of_least_squares(space: tuple[int, int], away: float) -> None:
    """Of z − p, what remains where the plane's directions are fitted to it; also far out, where squares cancel."""
    a, b, c, *points = points_of(space, 12) + away
    plane = Plane.through((a, b, c))
    seen = Seen.of(plane, np.array(points))
    for point in points[:3]:
        differences = (np.array(points) - point).T
        fitted = np.linalg.lstsq(plane.basis().T, differences, rcond=None)[0]
        expected = np.square(differences - plane.basis().T @ fitted).sum(axis=0)
        np.testing.assert_allclose(seen.beside(point), expected if space[0] > 2 else 0.0, rtol=1e-6, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(SPACES)
def test_points_share_a_parallel_plane_exactly_where_they_differ_within_it(space: tuple[int, int]) -> None:
    a, b, c, point, other = points_of(space, 5)
    plane = Plane.through((a, b, c))
    assert plane.has_one_parallel(tuple(point), plane.moved(tuple(point), plane.place(other)))
    assert plane.has_one_parallel(tuple(point), tuple(other)) == (space[0] <= 2)
    with pytest.raises(ValueError, match="read-only"):
        plane.basis()[0, 0] = 1.0
    assert set(asdict(plane)) == {"origin", "across", "up", "names", "kind"}, "as session files have it"


def test_a_plane_of_components_is_that_of_scikit_learn() -> None:
    cloud = points_of((9, 5), 300) * np.linspace(3.0, 0.3, 9)
    found = PCA(2).fit(cloud)
    plane = Plane.spanned(found.mean_, *found.components_, ("PC 1", "PC 2"), "components")
    np.testing.assert_allclose(plane.coordinates(cloud), found.transform(cloud), atol=1e-9)


def test_covariances_are_those_of_the_places() -> None:
    chance = np.random.default_rng(2)
    root = chance.normal(size=(5, 5))
    plane = Plane.through(chance.normal(size=(3, 5)))
    draws = chance.normal(size=(200_000, 5)) @ root.T
    found = covariances_on(plane, (root @ root.T)[None])[0]
    np.testing.assert_allclose(found, np.cov(plane.coordinates(draws).T), rtol=0.03, atol=0.05)
    scales = chance.uniform(0.1, 2.0, 5)
    np.testing.assert_allclose(
        covariances_on(plane, np.square(scales)[None]), covariances_on(plane, np.diag(np.square(scales))[None])
    )
    for sigmas in (1.0, 2.5):
        line = ellipse(np.array([3.0, -1.0]), found, sigmas) - [3.0, -1.0]
        np.testing.assert_allclose(np.einsum("ni,ij,nj->n", line, np.linalg.inv(found), line), sigmas**2, rtol=1e-9)
    assert len(circle(12)) == 13


@pytest.mark.parametrize(
    ("origin", "across", "up", "words"),
    [
        ((0.0, 0.0), (0.0, 0.0), (0.0, 1.0), "is 0"),
        ((0.0, 0.0), (1.0, 2.0), (-2.0, -4.0), "on one line"),
        ((0.0, 0.0), (1.0, 0.0), (1.0, 1e-9), "on one line"),
        ((0.0, 0.0), (1.0, math.nan), (0.0, 1.0), "finite"),
        ((0.0, 0.0, 0.0), (1.0, 0.0), (0.0, 1.0), "one number for each"),
        ((0.0,), (1.0,), (1.0,), "two or more"),
    ],
)
def test_what_spans_no_plane_is_refused(origin: tuple, across: tuple, up: tuple, words: str) -> None:
    with pytest.raises(PlaneError, match=words):
        Plane.spanned(origin, across, up)


@pytest.mark.parametrize(
    ("axes", "dims", "words"),
    [
        ((0, 2), 2, "no latent dimension 3: the model has 2"),
        ((-1, 1), 2, "no latent dimension 0: the model has 2"),
        ((1, 1), 2, "two different"),
    ],
)
def test_axes_that_are_none_are_refused(axes: tuple[int, int], dims: int, words: str) -> None:
    with pytest.raises(PlaneError, match=words):
        Plane.of_axes(axes, dims)


@pytest.mark.parametrize(
    "numbers",
    [
        ((0.0, 0.0), (1.0, 0.0), (0.1, 1.0), "typed"),
        ((0.0, 0.0), (1.0, 0.0), (0.0, 1.001), "typed"),
        ((0.0, 0.0), (1.0, 0.0), None, "typed"),
        ((0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0), "typed"),
        ((0.0, 0.1), (1.0, 0.0), (0.0, 1.0), "axes"),
    ],
)
def test_numbers_of_a_file_are_checked(numbers: tuple) -> None:
    origin, across, up, kind = numbers
    with pytest.raises(PlaneError):
        Plane.checked(origin, across, up, ("z₁", "z₂"), kind)


def test_names_in_plain_characters() -> None:
    assert [plain(subscript(i)) for i in (0, 9, 255)] == ["z1", "z10", "z256"]
    assert Plane.of_axes((0, 0), 1).title == "z₁" and Plane.of_axes((3, 1), 5).title == "z₄ × z₂"


def test_embedding_leaves_what_it_was_given_alone() -> None:
    plane = np.array([[1.0, 2.0], [3.0, 4.0]])
    result = Plane.of_axes((2, 0), 3).embed((0.0, 5.0, 0.0), plane)
    assert result.tolist() == [[2.0, 5.0, 1.0], [4.0, 5.0, 3.0]]
    result[:] = 0
    assert plane.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_two_dimensions_all_lie_in_the_plane() -> None:
    means = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    plane, strength = Plane.of_axes((1, 0), 2).project(means, (0.0, 0.0))
    assert np.array_equal(plane, means[:, ::-1])
    assert strength is None


def test_one_dimension_lies_on_a_line() -> None:
    plane, strength = Plane.of_axes((0, 0), 1).project(np.array([[1.5], [-2.0]], np.float32), (0.0,))
    assert plane.tolist() == [[1.5, 0.0], [-2.0, 0.0]]
    assert strength is None


def test_points_off_the_plane_fade_with_their_distance() -> None:
    means = np.random.default_rng(1).normal(0, 2, size=(50, 5)).astype(np.float32)
    point = (9.0, 0.5, -9.0, -1.0, 0.25)
    plane, strength = Plane.of_axes((2, 0), 5).project(means, point)
    assert plane.dtype == strength.dtype == np.float32
    for row, (u, v), shown in zip(means, plane, strength, strict=True):
        assert (u, v) == (row[2], row[0])
        squares = sum((float(row[i]) - point[i]) ** 2 for i in (1, 3, 4))
        assert shown == pytest.approx(max(0.15, math.exp(-0.5 * squares / 3)), rel=1e-5)
    on_it = Plane.of_axes((2, 0), 5).project(np.array([[7.0, 0.5, 7.0, -1.0, 0.25]], np.float32), point)[1]
    assert on_it.tolist() == [1.0]
    assert strength.min() == np.float32(0.15)
