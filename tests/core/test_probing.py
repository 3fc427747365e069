"""Where q(z|x) lies on a plane: against its density, its draws, and plain geometry."""

from __future__ import annotations

import numpy as np
import pytest

from vae_studio.core.plane import Plane
from vae_studio.core.probing import Footprint, Neighbours, Posterior, Preparation, fits


def spread(dims: int, seed: int = 0) -> Posterior:
    """A Gaussian whose dimensions depend on each other."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(dims, dims))
    covariance = factor @ factor.T
    return Posterior("gaussian", rng.normal(size=dims), np.sqrt(np.diag(covariance)), covariance)


@pytest.mark.parametrize("axes", [(0, 1), (3, 1)])
def test_ellipses_lie_one_and_two_standard_deviations_from_the_mean(axes: tuple[int, int]) -> None:
    posterior = spread(5)
    marginal = posterior.covariance[np.ix_(axes, axes)]
    for sigmas, line in zip((1, 2), posterior.outlines(Plane.of_axes(axes, posterior.mean.size)), strict=True):
        away = line - posterior.mean[list(axes)]
        distance = np.sqrt(np.einsum("ni,ij,nj->n", away, np.linalg.inv(marginal), away))
        assert distance == pytest.approx(np.full(len(line), sigmas))
        assert line[0] == pytest.approx(line[-1])


def test_independent_dimensions_give_upright_ellipses() -> None:
    posterior = Posterior("gaussian", np.array([1.0, -2.0]), np.array([0.1, 0.4]))
    inner, outer = posterior.outlines(Plane.of_axes((0, 1), posterior.mean.size))
    assert np.ptp(inner, axis=0) == pytest.approx([0.2, 0.8], rel=1e-3)
    assert np.ptp(outer, axis=0) == pytest.approx([0.4, 1.6], rel=1e-3)
    assert (inner.mean(axis=0) - posterior.mean == pytest.approx(0.0, abs=0.02)) is True


@pytest.mark.parametrize("axes", [(0, 1), (0, 0)])
def test_laplace_outlines_hold_as_much_as_a_gaussians(axes: tuple[int, int]) -> None:
    dims = max(axes) + 1
    posterior = Posterior("laplace", np.array([0.5, 1.0])[:dims], np.array([0.3, 0.7])[:dims])
    draws = np.random.default_rng(1).laplace(posterior.mean, posterior.scale / np.sqrt(2), (200_000, dims))
    for sigmas, line in zip((1, 2), posterior.outlines(Plane.of_axes(axes, posterior.mean.size)), strict=True):
        chosen = list(dict.fromkeys(axes))
        reach = np.ptp(line[:, : len(chosen)], axis=0) / 2
        inside = (np.abs(draws[:, chosen] - posterior.mean[chosen]) / reach).sum(axis=1) < 1
        assert inside.mean() == pytest.approx(1 - np.exp(-(sigmas**2) / 2), abs=0.004)


def test_laplace_outlines_are_the_same_where_a_plane_along_axes_begins_elsewhere() -> None:
    posterior = Posterior("laplace", np.array([0.5, 1.0]), np.array([0.3, 0.7]))
    plane = Plane.spanned((2.0, -1.0), (0.0, 4.0), (-1.0, 0.0))
    for line, through_0 in zip(posterior.outlines(plane), posterior.outlines(Plane.of_axes((0, 1), 2)), strict=True):
        corners = plane.beside((0.0, 0.0), line)
        assert sorted(np.round(corners[1:], 9).tolist()) == sorted(np.round(through_0[1:], 9).tolist())


def test_one_dimension_and_codes() -> None:
    mean, covariance = Posterior("gaussian", np.array([2.0]), np.array([0.5])).on_plane(Plane.of_axes((0, 0), 1))
    assert (mean == [2.0, 0.0]).all()
    assert (covariance == [[0.25, 0.0], [0.0, 0.0]]).all()
    code = Posterior("code", np.array([1.0, 2.0]), np.zeros(2))
    assert code.outlines(Plane.of_axes((0, 1), 2)) == ()
    assert Footprint.of(code, Plane.of_axes((1, 0), 2)).centre == (2.0, 1.0)


def test_a_footprint_follows_the_plane_and_the_way() -> None:
    posterior, begun = spread(4), spread(4, seed=1)
    way = (begun.mean, posterior.mean)
    found = Footprint.of(posterior, Plane.of_axes((2, 0), 4), begun, way)
    assert found.centre == pytest.approx(posterior.mean[[2, 0]])
    assert found.trail == pytest.approx(np.array([mean[[2, 0]] for mean in way]))
    assert np.array_equal(found.begun[0], begun.outlines(Plane.of_axes((2, 0), posterior.mean.size))[0])
    assert Footprint.of(posterior, Plane.of_axes((2, 0), 4)).trail is None


def test_on_a_plane_at_an_angle_the_outlines_are_those_of_the_projected_draws() -> None:
    chance = np.random.default_rng(4)
    plane = Plane.through(chance.normal(size=(3, 4)))
    for family in ("gaussian", "laplace"):
        posterior = Posterior(family, chance.normal(size=4), chance.uniform(0.2, 1.0, 4))
        draw = chance.normal if family == "gaussian" else chance.laplace
        scale = posterior.scale / (1.0 if family == "gaussian" else np.sqrt(2))
        places = plane.coordinates(draw(posterior.mean, scale, (100_000, 4)))
        away = posterior.outlines(plane)[1] - places.mean(axis=0)
        distance = np.sqrt(np.einsum("ni,ij,nj->n", away, np.linalg.inv(np.cov(places.T)), away))
        assert distance == pytest.approx(np.full(len(away), 2.0), rel=0.03)


@pytest.mark.parametrize(("labels", "name"), [((1, 1, 7, 7, 7), "seven"), ((1, 7, 7, 1), "one"), ((4,), "four")])
def test_the_majority_of_the_nearest_and_the_nearest_where_it_is_even(labels: tuple[int, ...], name: str) -> None:
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven")
    count = len(labels)
    found = Neighbours(np.zeros((count, 2, 2), np.uint8), np.array(labels), np.zeros(count), np.arange(count), names)
    assert found.majority() == name


def test_steps_by_kind_of_model() -> None:
    assert Preparation.of((1, 28, 28)) == Preparation("auto", True, True, True)
    assert Preparation.of((3, 32, 32)) == Preparation("off", False, False, False)
    assert Preparation().of_a_drawing() == Preparation("off", False, True, True)
    assert fits(np.zeros((20, 24)), (1, 20, 24))
    assert fits(np.zeros((20, 24, 3)), (3, 20, 24))
    assert not fits(np.zeros((24, 20)), (1, 20, 24))
