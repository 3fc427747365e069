"""A − B + C and directions, beside plain sums, other encodings and scikit-learn's nearest centroid."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from vae_studio.core.arithmetic import (
    MAX_DIRECTIONS,
    CombineError,
    Group,
    combine,
    direction,
    group_of,
    groups_by,
    with_direction,
    without_direction,
)
from vae_studio.core.directions import Direction
from vae_studio.core.exploration import Exploration
from vae_studio.core.plane import Plane

START = Exploration((0.0, 0.0, 0.0), Plane.of_axes((0, 1), 3))


def cloud(count: int, middle: tuple[float, ...], seed: int) -> Group:
    points = np.random.default_rng(seed).normal(size=(count, len(middle))) + middle
    return Group(f"cloud {seed}", points)


def test_the_mean_of_a_class_is_that_of_its_encodings(mnist, explorer_2d) -> None:
    images, labels = mnist.test.images[:300], mnist.test.labels[:300].numpy()
    with torch.no_grad():
        means = explorer_2d.encode(images[:, None].float() / 255.0).mean.numpy()
    seven = group_of("7", means, labels == 7)
    layers = explorer_2d.frozen().encoder.double()
    sums, count = np.zeros(2), 0
    for image, label in zip(images, labels, strict=True):
        if label == 7:
            with torch.no_grad():
                sums += layers(image[None, None].double() / 255.0)[0, :2].numpy()
            count += 1
    assert count > 20
    assert seven.mean == pytest.approx(sums / count, abs=1e-5)
    with pytest.raises(CombineError, match="There are no encodings of 12"):
        group_of("12", means, labels == 12)


def test_a_minus_b_plus_c_is_exact_to_rounding() -> None:
    groups = [cloud(7, (1.0, 2.0, 3.0), 0), cloud(1, (0.0, 0.0, 0.0), 1), cloud(30, (-1.0, 5.0, 0.0), 2)]

    def mean(group: Group, i: int) -> Fraction:
        return sum(Fraction(value) for value in group.points[:, i].tolist()) / len(group.points)

    a, b, c = groups
    for terms in ((a,), (a, b), (a, None, c), (a, b, c)):
        signed = [(sign, group) for sign, group in zip((1, -1, 1), terms, strict=False) if group is not None]
        exact = [float(sum(sign * mean(group, i) for sign, group in signed)) for i in range(3)]
        assert combine(*terms) == pytest.approx(exact, abs=1e-14)
    point = Group.of("here", (0.1, -0.2, 0.3))
    assert combine(point) == (0.1, -0.2, 0.3)
    assert combine(c, c, point) == pytest.approx((0.1, -0.2, 0.3), abs=1e-15)
    far = Group.of("far", (9e5, 0.0, 0.0))
    with pytest.raises(CombineError, match="more than 1,000,000 from 0"):
        combine(far, None, far)


@pytest.mark.parametrize("sizes", [(40, 40), (31, 6), (4, 3)])
def test_a_direction_is_the_unit_vector_between_means_and_says_how_well_it_separates_what_it_has_not_seen(
    sizes,
) -> None:
    start, end = cloud(sizes[0], (0.0,) * 20, 3), cloud(sizes[1], (0.35,) * 20, 4)
    found = direction(start, end, "up")
    difference = end.points.mean(axis=0) - start.points.mean(axis=0)
    assert found.length == pytest.approx(np.sqrt(np.square(difference).sum()))
    assert np.array(found.direction.vector) * found.length == pytest.approx(difference)
    assert found.direction.name == "up"

    right = 0
    for half in (0, 1):
        seen = np.concatenate([group.points[half::2] for group in (start, end)])
        unseen = np.concatenate([group.points[1 - half :: 2] for group in (start, end)])
        labels = [np.repeat([0, 1], [len(group.points[k::2]) for group in (start, end)]) for k in (half, 1 - half)]
        right += (NearestCentroid().fit(seen, labels[0]).predict(unseen) == labels[1]).sum()
    assert found.separated == right / sum(sizes)
    assert f"separates {100 * right / sum(sizes):.0f} %" in found.words


def test_chance_is_called_so_and_one_point_has_no_share() -> None:
    same = cloud(400, (0.0,) * 5, 6), cloud(400, (0.0,) * 5, 7)
    found = direction(*same, "nothing")
    assert 0.4 < found.separated < 0.6
    assert found.words.endswith("hardly better than chance")
    found = direction(Group.of("a", (1.0, 1.0)), Group.of("b", (4.0, 5.0)), "a → b")
    assert (found.direction.vector, found.length, found.separated) == ((0.6, 0.8), 5.0, None)
    assert found.words == "5.00 long"


def test_there_is_no_direction_between_equal_groups_nor_of_too_few_images() -> None:
    group = cloud(9, (1.0, 2.0), 8)
    with pytest.raises(CombineError, match="no direction from cloud 8 to cloud 8, as both have the same mean"):
        direction(group, group, "none")
    labels, values = np.array([0] * 9 + [1] * 10), np.arange(19.0)
    means = np.random.default_rng(9).normal(size=(19, 2))
    with pytest.raises(CombineError, match="too few test images of class zero"):
        groups_by("wider", values, means, labels, 0, "zero")
    low, high = groups_by("wider", values, means, labels, 1, "one")
    assert (low.points == means[9:11]).all() and (high.points == means[17:]).all()


def test_directions_are_kept_under_names_of_their_own() -> None:
    up, down = Direction("up", (0.0, 1.0, 0.0)), Direction("up", (0.0, -1.0, 0.0))
    both = with_direction(with_direction(START, up), down)
    assert both == replace(START, directions=(up, replace(down, name="up (2)")))
    with pytest.raises(CombineError, match=r"“up \(2\)” is a slider already"):
        with_direction(both, Direction("other", (1e-12, -1.0, 0.0)))
    assert without_direction(both, 0).directions == both.directions[1:]
    angles = np.linspace(0.1, 3.0, MAX_DIRECTIONS)
    many = [Direction("x" * 200, (float(np.cos(a)), float(np.sin(a)), 0.0)) for a in angles]
    full = START
    for one in many:
        full = with_direction(full, one)
    names = {one.name for one in full.directions}
    assert len(names) == MAX_DIRECTIONS and max(map(len, names)) == 200
    with pytest.raises(CombineError, match="as many as can be"):
        with_direction(full, up)
