"""Expectation maximisation, against closed forms, torch.distributions and mixtures of known parameters."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from vae_studio.core import mixture
from vae_studio.core.samples import Mixture, SampleError

WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
MEANS = torch.tensor([[0.0, 0.0], [4.0, 1.0], [-2.0, 5.0]], dtype=torch.float64)
COVARIANCES = torch.tensor(
    [[[1.0, 0.6], [0.6, 0.8]], [[0.3, -0.1], [-0.1, 0.2]], [[0.5, 0.0], [0.0, 1.5]]], dtype=torch.float64
)


def drawn(count: int, seed: int) -> Tensor:
    """Points of the known mixture, by its components' Cholesky factors."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.multinomial(WEIGHTS, count, replacement=True, generator=generator)
    noise = torch.randn((count, 2), generator=generator, dtype=torch.float64)
    return MEANS[chosen] + (torch.linalg.cholesky(COVARIANCES)[chosen] @ noise[..., None])[..., 0]


def density(found: Mixture) -> MixtureSameFamily:
    weights, means, covariances = (torch.from_numpy(x) for x in (found.weights, found.means, found.covariances))
    return MixtureSameFamily(Categorical(weights), MultivariateNormal(means, covariances))


def test_one_gaussian_has_the_mean_and_covariance_of_the_points() -> None:
    points = drawn(400, 0)
    found = mixture.fit(points, 1)
    away = points - points.mean(dim=0)
    assert found.full and found.images == 400
    assert found.weights == pytest.approx([1.0])
    assert found.means[0] == pytest.approx(points.mean(dim=0).numpy())
    assert found.covariances[0] == pytest.approx((away.T @ away / 400).numpy())


def test_a_known_mixture_is_found_again_with_its_number_of_components() -> None:
    found = mixture.fit(drawn(3000, 1))
    assert found.full
    order = [int(torch.cdist(MEANS, torch.from_numpy(found.means))[k].argmin()) for k in range(3)]
    assert sorted(order) == [0, 1, 2], "three components, each near one of the known"
    assert found.weights[order] == pytest.approx(WEIGHTS.numpy(), abs=0.03)
    assert found.means[order] == pytest.approx(MEANS.numpy(), abs=0.12)
    assert found.covariances[order] == pytest.approx(COVARIANCES.numpy(), abs=0.15)
    one = mixture.fit(drawn(3000, 1) * 0.0 + torch.randn((3000, 2), generator=torch.Generator().manual_seed(2)))
    assert len(one.weights) == 1, "points of one Gaussian need no more"


@pytest.mark.parametrize(("dims", "count"), [(2, 300), (5, 60), (12, 40)])
def test_the_log_likelihood_is_that_of_the_density_and_never_falls(
    dims: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where covariances are diagonal, and where the floor under them counts."""
    generator = torch.Generator().manual_seed(dims)
    points = torch.randn((count, dims), generator=generator, dtype=torch.float64)
    points[: count // 2] += 3.0
    points[:, -1] = points[:, 0] + 1e-7 * points[:, -1]  # without a floor, singular
    values = []
    for steps in (1, 2, 3, 5, 10, 30, 200):
        monkeypatch.setattr(mixture, "_STEPS", steps)
        found = mixture.fit(points, 3)
        assert found.log_likelihood == pytest.approx(float(density(found).log_prob(points).mean()), rel=1e-6)
        values.append(found.log_likelihood)
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(values))
    assert values[-1] > values[0]
    assert found.full == (count >= 15 * dims)
    if not found.full:
        off = found.covariances - [torch.diag(torch.from_numpy(c.diagonal().copy())).numpy() for c in found.covariances]
        assert not off.any()


def test_few_or_equal_points_are_no_trouble() -> None:
    same = mixture.fit(torch.ones((7, 3)), 3)
    assert len(same.weights) == 1 and same.means[0] == pytest.approx([1.0, 1.0, 1.0])
    assert same.covariances[0].diagonal() == pytest.approx([1e-6] * 3)
    assert len(mixture.fit(torch.tensor([[0.0], [1.0]]), 5).weights) == 2
    assert mixture.fit(torch.zeros((1, 2))).images == 1


def test_of_few_points_in_many_dimensions_no_component_is_a_single_point() -> None:
    for count in (2, 3, 4, 5):
        points = torch.randn((count, 200), generator=torch.Generator().manual_seed(count))
        found = mixture.fit(points)
        nearest = torch.cdist(points.double(), torch.from_numpy(found.means)).argmin(dim=1)
        assert torch.bincount(nearest, minlength=len(found.weights)).min() >= 2


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_points_that_are_not_finite_are_refused(value: float) -> None:
    points = drawn(50, 4)
    points[7, 1] = value
    with pytest.raises(SampleError, match="diverged"):
        mixture.fit(points)


def test_samples_have_the_mixtures_moments_and_the_temperature_scales_the_components() -> None:
    known = Mixture(WEIGHTS.numpy(), MEANS.numpy(), COVARIANCES.numpy(), True, 1, 0.0)
    for temperature in (1.0, 0.5):
        points = mixture.sample(known, 20_000, torch.Generator().manual_seed(3), temperature).double()
        mean = (WEIGHTS[:, None] * MEANS).sum(dim=0)
        away = MEANS - mean
        covariance = torch.einsum("k,kij->ij", WEIGHTS, temperature**2 * COVARIANCES + away[:, :, None] * away[:, None])
        assert points.mean(dim=0).numpy() == pytest.approx(mean.numpy(), abs=4 * math.sqrt(10 / 20_000))
        assert torch.cov(points.T).numpy() == pytest.approx(covariance.numpy(), abs=0.15)
    at_means = mixture.sample(known, 50, torch.Generator().manual_seed(3), 0.0)
    assert {tuple(z) for z in at_means.tolist()} == {tuple(m) for m in MEANS.float().tolist()}
