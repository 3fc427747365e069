"""Planes from data, against scikit-learn, plain loops and QR; and that a fitted map shows what is there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from vae_studio.core import planes
from vae_studio.core.latent import Region
from vae_studio.core.plane import Plane, PlaneError

SEEDS = st.integers(0, 2**32 - 1)
DIGITS = tuple("0123456789")


def encodings(seed: int, dims: int, count: int = 60) -> np.ndarray:
    """As unlike along its directions as they come: float32, as encodings are."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(0.2, 3.0, dims)
    turned = np.linalg.qr(rng.normal(size=(dims, dims)))[0]
    return (rng.normal(size=(count, dims)) * spread @ turned + rng.normal(size=dims)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 40))
def test_components_are_those_of_scikit_learn(seed: int, dims: int) -> None:
    means = encodings(seed, dims)
    expected = PCA(svd_solver="full").fit(means.astype(np.float64))
    for which in ((0, 1), (1, 0), (dims - 1, 0)):
        plane = planes.Principal.of(means).plane(which)
        np.testing.assert_allclose(plane.origin, expected.mean_, atol=1e-9)
        for direction, number in zip((plane.across, plane.up), which, strict=True):
            assert abs(np.dot(direction, expected.components_[number])) == pytest.approx(1.0, abs=1e-6)
            assert max(direction, key=abs) > 0.0
        assert plane.names == tuple(f"PC {number + 1}" for number in which)
        assert plane == Plane.checked(plane.origin, plane.across, plane.up, plane.names, plane.kind)
    np.testing.assert_allclose(planes.Principal.of(means).shares, expected.explained_variance_ratio_, rtol=1e-6)
    # In whatever order the encodings come, and mirrored with them all, it is the same plane of the same names.
    again = planes.Principal.of(means[::-1]).plane()
    np.testing.assert_allclose(again.basis(), planes.Principal.of(means).plane().basis(), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 20), st.permutations(range(10)))
def test_a_plane_through_class_means_holds_them(seed: int, dims: int, order: list[int]) -> None:
    means = encodings(seed, dims)
    labels = np.arange(60, dtype=np.uint8) % 10
    plane = planes.through_class_means(means, labels, order[:3], DIGITS)
    corners = []
    for number in order[:3]:
        members = [list(map(float, means[i])) for i in range(60) if labels[i] == number]
        corners.append([math.fsum(values) / len(members) for values in zip(*members, strict=True)])
    assert all(plane.distance(corner) < 1e-6 for corner in corners)
    first, second, third = map(plane.place, corners)
    assert first == pytest.approx((0.0, 0.0), abs=1e-6)
    assert second == pytest.approx((math.dist(corners[0], corners[1]), 0.0), abs=1e-6)
    assert third[1] > 0.0
    assert (plane.title, plane.kind) == (f"{order[0]}→{order[1]} × →{order[2]}", "classes")


def test_names_of_points_are_those_of_what_they_are_and_short_enough_for_an_axis() -> None:
    corners = np.eye(3)
    assert planes.through_points(corners.tolist()).title == "A→B × →C"
    plane = planes.through_points(corners.tolist(), ("Pin 1", "a very long name of a pin", "x"))
    assert plane.names == ("Pin 1→a very long n…", "→x")
    assert plane.kind == "points"


SPREAD = encodings(0, 4)
SHOWN = Region(-3.0, 5.0, -2.0, 2.0)
ON_A_LINE = np.outer(np.arange(9.0), (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: planes.Principal.of(SPREAD[:2]).plane(), "need three encodings at least"),
        (lambda: planes.Principal.of(SPREAD).plane((1, 1)), "two different principal components"),
        (lambda: planes.Principal.of(SPREAD).plane((0, 4)), "no principal component 5: the encodings spread in 4"),
        (lambda: planes.Principal.of(SPREAD).plane((-1, 0)), "no principal component 0"),
        (lambda: planes.Principal.of(np.ones((9, 3))), "on one line, or in one point"),
        (lambda: planes.Principal.of(ON_A_LINE).plane(), "on one line, or in one point"),
        (lambda: planes.through_class_means(SPREAD, np.zeros(60), (0, 0, 1), DIGITS), "three different classes"),
        (
            lambda: planes.through_class_means(SPREAD, np.zeros(60), (0, 7, 1), DIGITS),
            "60 encoded images is of class 7",
        ),
        (lambda: planes.through_points(SPREAD[:2].tolist()), "three points, not 2"),
        (lambda: planes.through_points([[0, 0], [1, 1], [0, 0]]), "Two of the three points are the same"),
        (lambda: planes.through_points(ON_A_LINE[:3].tolist()), "three points on one line"),
        (lambda: planes.typed((0.0, 0.0), (0.0, 0.0), (1.0, 0.0)), "A direction of the plane is 0"),
        (lambda: planes.read_vector("Up", "1, 2", 3), "Up: There are 2 numbers, but the model has 3 latent dimensions"),
        (lambda: planes.read_vector("Origin", "1, zwei", 2), "Origin: “1, zwei” is no latent point"),
        (lambda: planes.read_vector("Origin", "2e6, 0", 2, 1e6), "Origin: Coordinates must lie between"),
        (lambda: planes.read_span((None, "2", "x", "4"), SHOWN), "Bottom: give one number"),
        (
            lambda: planes.read_span((None, None, "2e6", None), SHOWN),
            "Bottom: give one number, at most 1,000,000 from 0",
        ),
        (lambda: planes.read_span(("1", "1", "0", "4"), SHOWN), "left must be less than right"),
        (lambda: planes.read_span((None, "-4", None, None), SHOWN), "left must be less than right"),
    ],
)
def test_what_is_no_plane_is_refused_in_words(make, words: str) -> None:
    with pytest.raises(PlaneError, match=r"^[A-Z].*\.$") as refused:
        make()
    assert words in str(refused.value)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 30))
def test_typed_directions_span_what_they_span_and_it_is_said_what_was_changed(seed: int, dims: int) -> None:
    origin, across, up = (tuple(v) for v in np.random.default_rng(seed).normal(0.0, 2.0, (3, dims)).tolist())
    plane, said = planes.typed(origin, across, up)
    exact = np.linalg.qr(np.array([across, up]).T)[0]
    np.testing.assert_allclose(np.abs(exact.T @ plane.basis().T), np.eye(2), atol=1e-8)
    assert np.dot(plane.across, across) > 0.0 and np.dot(plane.up, up) > 0.0
    assert f"Across had length {math.hypot(*across):.4g}" in said and f"Up had length {math.hypot(*up):.4g}" in said
    angle = math.degrees(math.acos(np.dot(across, up) / math.hypot(*across) / math.hypot(*up)))
    assert f"Up was turned by {max(abs(90.0 - angle), 0.1):.1f}°" in said
    assert planes.typed(plane.origin, plane.across, plane.up)[1] == "", "what was right is not changed"


def test_of_a_typed_span_what_is_not_said_stays_or_follows() -> None:
    assert planes.read_span(("−1", "2.5", "-4", "1e1"), SHOWN) == Region(-1.0, 2.5, -4.0, 10.0)
    assert planes.read_span((None, "2.5", "0", None), SHOWN) == Region(-3.0, 2.5, 0.0, 2.0)
    assert planes.read_span(("0", None, None, None), SHOWN) == Region(0.0, 5.0, 0.0, 0.0)
    assert planes.read_span((None, None, "-1", None), SHOWN) == Region(1.0, 1.0, -1.0, 2.0)


def test_typed_planes_along_latent_dimensions_bear_their_names() -> None:
    assert planes.typed((0.0, 0.0, 0.0), (0.0, 0.0, 2.0), (1.0, 0.0, 0.0))[0] == Plane.of_axes((2, 0), 3)
    shifted, said = planes.typed((0.0, 0.0, 0.5), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    assert (shifted.kind, shifted.names, said) == ("typed", ("z₁", "z₂"), "")
    # A coordinate that counts from elsewhere is not that of the latent dimension.
    assert planes.typed((0.5, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))[0].names == ("a", "z₂")
    assert planes.typed((0.0, 0.0), (1.0, 1.0), (-1.0, 1.0))[0].names == ("a", "b")


def inside(region: Region, places: np.ndarray) -> np.ndarray:
    u, v = np.asarray(places).T
    return (region.left <= u) & (u <= region.right) & (region.bottom <= v) & (v <= region.top)


def test_along_two_dimensions_the_usual_view_serves_until_there_is_more() -> None:
    rng = np.random.default_rng(0)
    plane = Plane.of_axes((0, 1), 2)
    assert planes.home(plane) is None
    assert planes.home(plane, rng.normal(size=(1000, 2))) is None
    assert planes.home(plane, rng.normal(size=(1000, 2)), [3.0 * np.eye(2), np.array([[2.0, 4.0]])]) is None
    for places, lines in ((rng.normal(0.0, 9.0, (1000, 2)), ()), (None, [np.array([[0.0, 0.0], [1.0, -8.0]])])):
        region = planes.home(plane, places, lines)
        assert inside(region, places if places is not None else lines[0]).mean() >= 0.99
    line = planes.home(Plane.of_axes((0, 0), 1), np.stack([rng.normal(0.0, 9.0, 500), np.zeros(500)], axis=1))
    assert line.left < -15.0 < 15.0 < line.right
    assert line.bottom < 0.0 < line.top


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 20))
def test_elsewhere_a_fitted_map_shows_prior_encodings_and_points(seed: int, dims: int) -> None:
    means, rng = encodings(seed, dims, 1000), np.random.default_rng(seed)
    corners = rng.normal(0.0, 10.0, (3, dims))
    plane = planes.through_points(corners.tolist())
    places = plane.coordinates(means)
    region = planes.home(plane, places, (), plane.coordinates(corners))
    assert inside(region, plane.coordinates(corners)).all()
    assert inside(region, places).mean() >= 0.99
    middle = np.array(plane.place((0.0,) * dims))  # of N(0, I) on this plane
    assert inside(region, middle + 3.0 * np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])).all()
    # And no more than that, but a margin.
    shown = np.concatenate([places, plane.coordinates(corners), [middle - 3.0, middle + 3.0]])
    extent = shown.max(axis=0) - shown.min(axis=0)
    assert region.right - region.left <= 1.081 * extent[0] and region.top - region.bottom <= 1.081 * extent[1]
