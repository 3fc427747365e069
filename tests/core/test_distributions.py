"""Densities, samples and KL against torch.distributions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions as td
from torch.nn.functional import binary_cross_entropy

from vae_studio.core.distributions import Bernoulli, DiagonalGaussian

means = st.floats(-20.0, 20.0, width=32)
log_variances = st.floats(-12.0, 6.0, width=32)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(batch: int = 7, dims: int = 3, seed: int = 0) -> tuple[DiagonalGaussian, td.Normal]:
    mean = 3.0 * torch.randn(batch, dims, generator=seeded(seed))
    log_variance = 2.0 * torch.randn(batch, dims, generator=seeded(seed + 1))
    reference = td.Normal(mean.double(), (0.5 * log_variance.double()).exp())
    return DiagonalGaussian(mean, log_variance), reference


@given(st.lists(st.tuples(means, log_variances), min_size=1, max_size=20))
def test_kl_is_that_of_torch_distributions(numbers: list[tuple[float, float]]) -> None:
    mean, log_variance = torch.tensor(numbers, dtype=torch.float32).T.reshape(2, -1, 1)
    prior = td.Normal(torch.zeros_like(mean, dtype=torch.float64), 1.0)
    wanted = td.kl_divergence(td.Normal(mean.double(), (0.5 * log_variance.double()).exp()), prior)
    found = DiagonalGaussian(mean, log_variance).kl_per_dim()
    assert found.shape == mean.shape
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)
    assert (found >= -1e-6).all()


def test_kl_is_zero_for_the_prior_alone() -> None:
    assert DiagonalGaussian(torch.zeros(2, 3), torch.zeros(2, 3)).kl_per_dim().tolist() == [[0.0] * 3] * 2
    for mean, log_variance in ((0.1, 0.0), (0.0, 0.1), (0.0, -0.1)):
        assert DiagonalGaussian(torch.full((1, 1), mean), torch.full((1, 1), log_variance)).kl_per_dim().item() > 1e-3


@given(mean=means, log_variance=log_variances, away=st.floats(-5.0, 5.0, width=32))
def test_gaussian_log_density(mean: float, log_variance: float, away: float) -> None:
    ours = DiagonalGaussian(torch.full((2, 3), mean), torch.full((2, 3), log_variance))
    z = ours.mean + away * ours.scale
    theirs = td.Independent(td.Normal(ours.mean.double(), (0.5 * ours.log_variance.double()).exp()), 1)
    # Rounding of z itself: an error of 1e-7·|z| is many σ when σ is small.
    slack = 1e-4 + 3 * abs(away) * 2.0**-22 * (abs(mean) + 1) / math.exp(0.5 * log_variance)
    torch.testing.assert_close(ours.log_prob(z).double(), theirs.log_prob(z.double()), rtol=1e-5, atol=slack)


def test_gaussian_log_density_of_a_batch() -> None:
    ours, theirs = gaussian()
    z = torch.randn(7, 3, generator=seeded(5))
    found = ours.log_prob(z)
    assert found.shape == (7,)
    torch.testing.assert_close(found.double(), td.Independent(theirs, 1).log_prob(z.double()), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.scale.double(), theirs.stddev, rtol=1e-5, atol=0.0)


def test_outputs_are_means_first_then_logarithms_of_variances() -> None:
    outputs = torch.tensor([[1.0, 2.0, math.log(4.0), math.log(9.0)]], dtype=torch.bfloat16)
    posterior = DiagonalGaussian.from_outputs(outputs)
    assert posterior.mean.tolist() == [[1.0, 2.0]]
    assert posterior.scale.tolist() == [[pytest.approx(2.0, rel=0.01), pytest.approx(3.0, rel=0.01)]]
    assert posterior.mean.dtype == posterior.log_variance.dtype == torch.float32


def test_samples_have_the_moments_of_the_gaussian() -> None:
    ours, theirs = gaussian(batch=1)
    n = 200_000
    drawn = DiagonalGaussian(ours.mean.expand(n, 3), ours.log_variance.expand(n, 3)).sample(
        torch.randn(n, 3, generator=seeded())
    )
    mean, sigma = theirs.mean[0], theirs.stddev[0]
    assert ((drawn.mean(dim=0) - mean).abs() < 5 * sigma / math.sqrt(n)).all()
    assert ((drawn.std(dim=0) / sigma - 1.0).abs() < 5 / math.sqrt(2 * n)).all()
    standard = ((drawn - mean) / sigma).double()
    assert (torch.cov(standard.T) - torch.eye(3)).abs().max() < 5 * math.sqrt(2 / n)


@given(mean=means, log_variance=log_variances, noise=st.floats(-5.0, 5.0, width=32))
def test_reparameterisation(mean: float, log_variance: float, noise: float) -> None:
    """dz/dμ = 1 and dz/dσ = ε; with σ = exp(½ log σ²), dz/d(log σ²) = ½ σ ε."""
    mu = torch.full((1, 1), mean, requires_grad=True)
    log_var = torch.full((1, 1), log_variance, requires_grad=True)
    posterior = DiagonalGaussian(mu, log_var)
    sigma = posterior.scale
    z = posterior.sample(torch.full((1, 1), noise))
    by_mean, by_log_variance = torch.autograd.grad(z.sum(), (mu, log_var))
    assert by_mean.item() == 1.0
    dsigma = 0.5 * sigma.item()
    assert by_log_variance.item() / dsigma == pytest.approx(noise, rel=1e-5, abs=1e-6)
    assert z.item() == pytest.approx(mean + sigma.item() * noise, rel=1e-5, abs=1e-5)


def logits(scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(5, 1, 4, 6, generator=seeded(3))


def test_bernoulli_log_density_of_black_and_white_pixels() -> None:
    x = torch.bernoulli(torch.full((5, 1, 4, 6), 0.5), generator=seeded(4))
    wanted = td.Independent(td.Bernoulli(logits=logits().double()), 3).log_prob(x.double())
    found = Bernoulli(logits()).log_prob(x)
    assert found.shape == (5,)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


def test_bernoulli_log_density_of_grey_pixels_is_the_mean_over_binarisations() -> None:
    """Each pixel between white (log p) and black (log (1 − p)), in proportion to its grey."""
    x = torch.rand(5, 1, 4, 6, generator=seeded(4), dtype=torch.float64)
    pixel = td.Bernoulli(logits=logits().double())
    wanted = (x * pixel.log_prob(torch.ones_like(x)) + (1 - x) * pixel.log_prob(torch.zeros_like(x))).sum((1, 2, 3))
    found = Bernoulli(logits()).log_prob(x.float())
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        found, -binary_cross_entropy(logits().sigmoid(), x.float(), reduction="none").sum((1, 2, 3)), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("logit", [-200.0, -50.0, 50.0, 200.0])
def test_certain_pixels_cost_what_their_logits_say_and_not_infinity(logit: float) -> None:
    likelihood = Bernoulli(torch.full((1, 1, 1, 1), logit))
    right, wrong = (torch.full((1, 1, 1, 1), value) for value in ((1.0, 0.0) if logit > 0 else (0.0, 1.0)))
    assert likelihood.log_prob(right).item() == pytest.approx(0.0, abs=1e-6)
    assert likelihood.log_prob(wrong).item() == -abs(logit)


def test_logits_in_bf16_are_summed_in_float32() -> None:
    half = logits().bfloat16().expand(5, 3, 4, 6)
    x = torch.rand(5, 3, 4, 6, generator=seeded(4))
    found = Bernoulli(half).log_prob(x)
    assert found.dtype == torch.float32 and Bernoulli(half).mean.dtype == torch.float32
    torch.testing.assert_close(found, Bernoulli(half.float()).log_prob(x), rtol=1e-6, atol=0)


@settings(max_examples=30)
@given(st.floats(-30.0, 30.0, width=32))
def test_the_mean_is_the_probability(logit: float) -> None:
    mean = Bernoulli(torch.full((1, 1, 1, 1), logit)).mean.item()
    assert mean == pytest.approx(1.0 / (1.0 + math.exp(-logit)), rel=1e-5)


def test_bernoulli_samples_are_zeros_and_ones_with_the_mean() -> None:
    n = 40_000
    likelihood = Bernoulli(logits()[:1].expand(n, 1, 4, 6))
    drawn = likelihood.sample(seeded(1))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    p = logits()[0].sigmoid()
    assert ((drawn.mean(dim=0) - p).abs() <= 5 * (p * (1 - p) / n).sqrt() + 1e-6).all()
    assert torch.equal(drawn, likelihood.sample(seeded(1)))
    assert not torch.equal(drawn, likelihood.sample(seeded(2)))
