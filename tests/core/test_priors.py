"""Priors against torch.distributions and large samples: densities, marginals, draws, quantiles, outlines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as td
from torch.autograd import gradcheck

from vae_studio.core.config import LaplacePriorConfig, MixtureConfig, StandardNormalConfig
from vae_studio.core.plane import Plane
from vae_studio.core.priors import GaussianMixture, Laplace, Prior, StandardNormal, build_prior

AXES = (0, 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(dims: int = 3, components: int = 4, seed: int = 0) -> GaussianMixture:
    """A mixture of unequal weights, means some way apart, and unequal scales, in double precision."""
    prior = GaussianMixture(dims, components).double()
    with torch.no_grad():
        prior.logits.normal_(generator=seeded(seed))
        prior.means.normal_(std=2.0, generator=seeded(seed + 1))
        prior.log_scales.normal_(mean=-0.5, std=0.5, generator=seeded(seed + 2))
    return prior


def of_components(prior: GaussianMixture) -> tuple[td.Categorical, Tensor, Tensor]:
    """Which component, their means and their scales, in double precision."""
    logits, means, log_scales = (value.detach().double() for value in prior.parameters())
    return td.Categorical(logits=logits), means, log_scales.exp()


def joint(prior: Prior) -> td.Distribution:
    """The same prior in torch's words."""
    zeros = torch.zeros(prior.dims, dtype=torch.float64)
    match prior:
        case GaussianMixture():
            chosen, means, scales = of_components(prior)
            return td.MixtureSameFamily(chosen, td.Independent(td.Normal(means, scales), 1))
        case Laplace():
            return td.Independent(td.Laplace(zeros, math.sqrt(0.5)), 1)
    return td.Independent(td.Normal(zeros, 1.0), 1)


def marginal(prior: Prior, axis: int) -> td.Distribution:
    zero = torch.zeros((), dtype=torch.float64)
    match prior:
        case GaussianMixture():
            chosen, means, scales = of_components(prior)
            return td.MixtureSameFamily(chosen, td.Normal(means[:, axis], scales[:, axis]))
        case Laplace():
            return td.Laplace(zero, math.sqrt(0.5))
    return td.Normal(zero, 1.0)


def priors(dims: int = 3) -> dict[str, Prior]:
    return {
        "normal": StandardNormal(dims),
        "laplace": Laplace(dims),
        "mixture": mixture(dims),
        "mixture of one": mixture(dims, 1, seed=5),
    }


every_prior = pytest.mark.parametrize("prior", priors().values(), ids=priors())
every_plane = pytest.mark.parametrize("prior", priors(2).values(), ids=priors(2))


@settings(max_examples=60)
@given(
    name=st.sampled_from(list(priors())),
    dims=st.integers(1, 6),
    leading=st.sampled_from([(), (1,), (5,), (2, 3), (2, 1, 4)]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 10_000),
)
def test_densities_are_those_of_torch_distributions(
    name: str, dims: int, leading: tuple[int, ...], dtype: torch.dtype, seed: int
) -> None:
    prior = priors(dims)[name].to(dtype)
    z = 3.0 * torch.randn(*leading, dims, generator=seeded(seed), dtype=dtype)
    found, each = prior.log_prob(z), prior.log_prob_per_dim(z)
    assert found.shape == leading and each.shape == (*leading, dims) and found.dtype == each.dtype == dtype
    close = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(found.double(), joint(prior).log_prob(z.double()), **close)
    for axis in range(dims):
        wanted = marginal(prior, axis).log_prob(z[..., axis].double())
        torch.testing.assert_close(each[..., axis].double(), wanted, **close)


def test_far_from_every_component_a_mixture_has_a_finite_density_and_gradient() -> None:
    prior = mixture().float()
    z = torch.full((1, 3), 1e4, requires_grad=True)
    prior.log_prob(z).sum().backward()
    assert prior.log_prob(z).item() < -1e6 and z.grad.isfinite().all() and (z.grad < 0).all()


@every_plane
def test_the_density_integrates_to_one_and_its_margins_are_the_marginals(prior: Prior) -> None:
    # The Laplace's kinks lie on points of the grid.
    line = torch.linspace(-15.0, 15.0, 1201, dtype=torch.float64)
    plane = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)
    with torch.no_grad():
        density = prior.log_prob(plane).exp()
        marginals = prior.log_prob_per_dim(line[:, None].expand(-1, 2)).exp()
    assert torch.trapezoid(torch.trapezoid(density, line), line).item() == pytest.approx(1.0, abs=1e-3)
    for axis in AXES:
        margin = torch.trapezoid(density, line, dim=1 - axis)
        torch.testing.assert_close(margin, marginals[:, axis], rtol=1e-3, atol=1e-6)


@every_prior
def test_draws_have_the_moments_and_distribution_of_the_prior(prior: Prior) -> None:
    n = 100_000
    before = torch.random.get_rng_state()
    drawn = prior.sample(n, seeded(3))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert drawn.shape == (n, 3) and not drawn.requires_grad
    assert torch.equal(drawn, prior.sample(n, seeded(3))) and not torch.equal(drawn, prior.sample(n, seeded(4)))
    drawn, wanted = drawn.double(), joint(prior)
    if not isinstance(prior, GaussianMixture):
        assert wanted.mean.tolist() == [0.0] * 3 and wanted.variance.tolist() == pytest.approx([1.0] * 3)
    assert ((drawn.mean(dim=0) - wanted.mean).abs() < 5 * (wanted.variance / n).sqrt()).all()
    # A kurtosis of 6, the Laplace's, is the highest here.
    assert ((drawn.var(dim=0) / wanted.variance - 1.0).abs() < 5 * math.sqrt(5 / n)).all()
    for axis in range(3):
        below = marginal(prior, axis).cdf(drawn[:, axis].sort().values)
        steps = torch.arange(n, dtype=torch.float64) / n
        # Kolmogorov and Smirnov: above 1.95 / √n once in 1000.
        assert max((below - steps).max(), (steps + 1 / n - below).max()).item() < 1.95 / math.sqrt(n)


def test_draws_of_a_mixture_come_from_one_component_each_in_all_dimensions() -> None:
    """Two components far apart: no draw has one number of this and one of that, and their shares are the weights."""
    prior = GaussianMixture(3, 2)
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.2, 0.8]).log())
        prior.means.copy_(torch.tensor([[-9.0] * 3, [9.0] * 3]))
        prior.log_scales.fill_(0.0)
    drawn = prior.sample(20_000, seeded())
    right = drawn > 0
    assert (right.all(dim=1) | ~right.any(dim=1)).all()
    assert right[:, 0].double().mean().item() == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / 20_000))
    inner = drawn[right[:, 0]] - 9.0
    assert (torch.cov(inner.T) - torch.eye(3)).abs().max() < 0.06


@every_prior
def test_quantiles_are_where_the_distribution_function_says(prior: Prior) -> None:
    probabilities = [1e-6, 0.001, 0.025, 0.25, 0.5, 0.75, 0.975, 0.999, 1 - 1e-6]
    for axis in range(3):
        found = prior.quantiles(np.eye(3)[axis], probabilities)
        assert found.dtype == np.float64 and found.shape == (9,) and (np.diff(found) > 0).all()
        below = marginal(prior, axis).cdf(torch.from_numpy(found))
        assert below.tolist() == pytest.approx(probabilities, rel=1e-9)
    if not isinstance(prior, GaussianMixture):
        np.testing.assert_allclose(found, -found[::-1], atol=1e-9)
        assert found[4] == 0.0


@settings(max_examples=30)
@given(st.lists(st.floats(1e-4, 1 - 1e-4), min_size=1, max_size=8), st.integers(0, 1000), st.integers(1, 12))
def test_quantiles_of_any_mixture(probabilities: list[float], seed: int, components: int) -> None:
    prior = mixture(2, components, seed)
    below = marginal(prior, 1).cdf(torch.from_numpy(prior.quantiles(np.eye(2)[1], probabilities)))
    assert below.tolist() == pytest.approx(probabilities, rel=1e-7)


@every_prior
def test_quantiles_at_an_angle_to_the_latent_dimensions_are_those_of_draws(prior: Prior) -> None:
    direction = np.array([2.0, -1.0, 0.5]) / math.sqrt(5.25)
    probabilities, n = [0.01, 0.1, 0.3, 0.5, 0.8, 0.975], 400_000
    drawn = prior.sample(n, seeded(3)).double().numpy() @ direction
    for probability, value in zip(probabilities, prior.quantiles(direction, probabilities), strict=True):
        below = float((drawn < value).mean())
        assert below == pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / n))


def test_a_direction_next_to_a_dimension_has_nearly_its_quantiles() -> None:
    prior, probabilities = Laplace(3), [0.025, 0.2, 0.5, 0.9]
    slanted = np.array([1.0, 1e-4, 0.0])
    exact = prior.quantiles(np.array([1.0, 0.0, 0.0]), probabilities)
    np.testing.assert_allclose(prior.quantiles(slanted, probabilities), exact, atol=2e-3)


def test_outlines_at_an_angle_lie_as_many_standard_deviations_from_the_middle() -> None:
    plane = Plane.through(([1.0, 0.5, 0.0], [3.0, 0.0, 1.0], [0.0, 2.0, -1.0]))
    middle = -np.array([1.0, 0.5, 0.0]) @ plane.basis().T
    for prior in (StandardNormal(3), Laplace(3)):
        for sigmas, contour in enumerate(prior.contours(plane), start=1):
            assert contour.name == f"{sigmas}σ"
            np.testing.assert_allclose(np.hypot(*(contour.line - middle).T), sigmas, rtol=1e-9)
    blend = mixture(3, 1, seed=5)
    places = plane.coordinates(blend.sample(200_000, seeded(6)).double().numpy())
    inner, outer = blend.contours(plane)
    for sigmas, contour in ((1, inner), (2, outer)):
        away = contour.line - places.mean(axis=0)
        squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(np.cov(places.T)), away)
        np.testing.assert_allclose(np.sqrt(squares), sigmas, rtol=0.02)


def closed(lines: Iterable[np.ndarray]) -> None:
    for line in lines:
        assert line.dtype == np.float64 and line.ndim == 2 and line.shape[1] == 2
        np.testing.assert_allclose(line[0], line[-1], atol=1e-12)


def once_round(line: np.ndarray) -> bool:
    """Whether a circle around 0 goes round once, in small steps all one way."""
    turns = np.diff(np.unwrap(np.arctan2(line[:, 1], line[:, 0])))
    return bool((turns > 0).all() and turns.max() < 0.1 and math.isclose(turns.sum(), 2 * math.pi, rel_tol=1e-9))


def test_outlines_of_the_normal_prior_are_circles() -> None:
    found = StandardNormal(5).contours(Plane.of_axes((1, 3), 5))
    closed(contour.line for contour in found)
    assert [contour.name for contour in found] == ["1σ", "2σ", "3σ"]
    for radius, contour in enumerate(found, start=1):
        np.testing.assert_allclose(np.hypot(*contour.line.T), radius, rtol=1e-12)
        assert once_round(contour.line)


def test_outlines_of_the_laplace_prior_are_level_sets_that_hold_as_much_as_the_circles() -> None:
    prior, n = Laplace(2), 200_000
    drawn = prior.sample(n, seeded(1)).double().abs().sum(dim=1)
    found = prior.contours(Plane.of_axes((0, 1), 2))
    closed(contour.line for contour in found)
    assert [contour.name for contour in found] == ["39 %", "86 %", "99 %"]
    for contour, share in zip(found, (0.393469, 0.864665, 0.988891), strict=True):
        sides = pairwise(torch.from_numpy(contour.line))
        along = torch.cat([start + torch.linspace(0, 1, 9)[:, None].double() * (end - start) for start, end in sides])
        levels = prior.log_prob(along)
        torch.testing.assert_close(levels, levels[:1].expand_as(levels), rtol=1e-9, atol=1e-9)
        assert {tuple(side) for side in np.sign(contour.line).tolist()} == {(1, 0), (0, 1), (-1, 0), (0, -1)}
        inside = (drawn < contour.line.max()).double().mean().item()
        assert inside == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))


def test_outlines_of_the_laplace_prior_lie_around_0_on_planes_along_axes_that_begin_elsewhere() -> None:
    plane = Plane.spanned((0.7, -1.5, 0.2), (0.0, -2.0, 0.0), (3.0, 0.0, 0.0))
    through_0 = Laplace(3).contours(Plane.of_axes((0, 1), 3))
    for contour, centred in zip(Laplace(3).contours(plane), through_0, strict=True):
        assert contour.name == centred.name and not contour.smooth
        radii = np.abs(plane.beside((0.0, 0.0, 0.0), contour.line)[:, :2]).sum(axis=1)
        np.testing.assert_allclose(radii, centred.line.max(), rtol=1e-9)


def test_outlines_of_a_mixture_are_ellipses_of_its_components_on_these_axes() -> None:
    prior, axes = mixture(4, 3), [2, 0]
    found = prior.contours(Plane.of_axes((2, 0), 4))
    closed(contour.line for contour in found)
    assert len(found) == 6
    weights = prior.logits.detach().softmax(dim=0)
    parts = [contour.part for contour in found[::2]]
    assert [weights[part] for part in parts] == sorted(weights)  # the weightiest on top
    for place, index in enumerate(parts):
        mean = prior.means[index, axes].detach().numpy()
        scale = prior.log_scales[index, axes].detach().exp().numpy()
        both = found[2 * place : 2 * place + 2]
        for radius, contour in enumerate(both, start=1):
            standard = (contour.line - mean) / scale
            np.testing.assert_allclose(np.hypot(*standard.T), radius, rtol=1e-9)
            assert once_round(standard)
            assert contour.part == index and contour.middle == pytest.approx(mean)
        assert [contour.name for contour in both] == ["", f"{index + 1}: {100 * weights[index]:.0f} %"]


def test_gradients_of_densities() -> None:
    z = 2.0 * torch.randn(3, 2, generator=seeded(8), dtype=torch.float64)
    z.requires_grad_()
    for prior in priors(2).values():
        # The check moves the weights in place, where the prior sees it.
        for log_prob in (prior.log_prob, prior.log_prob_per_dim):
            assert gradcheck(lambda z, *weights, log_prob=log_prob: log_prob(z), (z, *prior.parameters()))


def test_a_new_mixture_has_equal_weights_and_means_from_the_standard_normal() -> None:
    prior, again, other = (GaussianMixture(50, 100) for _ in range(3))
    for mixed, seed in ((prior, 0), (again, 0), (other, 1)):
        mixed.initialise(seeded(seed))
    assert torch.equal(prior.means, again.means) and not torch.equal(prior.means, other.means)
    assert prior.logits.tolist() == [0.0] * 100
    n = prior.means.numel()
    assert abs(prior.means.mean().item()) < 5 / math.sqrt(n)
    assert prior.means.std().item() == pytest.approx(1.0, abs=5 / math.sqrt(2 * n))
    torch.testing.assert_close(prior.log_scales.exp(), torch.full((100, 50), 0.5))
    # All of them together: the variance of the means and of each component.
    assert prior.sample(100_000, seeded()).var().item() == pytest.approx(1.25, rel=0.05)


def test_a_config_becomes_its_prior() -> None:
    assert isinstance(build_prior(StandardNormalConfig(), 3), StandardNormal)
    assert isinstance(build_prior(LaplacePriorConfig(), 3), Laplace)
    prior = build_prior(MixtureConfig(components=7), 3)
    assert isinstance(prior, GaussianMixture) and prior.means.shape == (7, 3) and prior.dims == 3
