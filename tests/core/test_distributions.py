"""Densities, samples and KL against torch.distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as td
from torch.autograd import gradcheck
from torch.nn.functional import binary_cross_entropy

from vae_studio.core.distributions import (
    Bernoulli,
    Code,
    ContinuousBernoulli,
    DiagonalGaussian,
    DiagonalLaplace,
    FullGaussian,
    Gaussian,
    Laplace,
    SquaredError,
    soft_floor,
    standard_laplace,
    standard_normal,
)

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


# Posteriors of every family, from an encoder's outputs.


def by_rows(outputs: Tensor, dims: int) -> Tensor:
    """The Cholesky factors (B, d, d) that an encoder's outputs stand for, number by number."""
    factors = torch.zeros(len(outputs), dims, dims, dtype=torch.float64)
    for factor, numbers in zip(factors, outputs.double().tolist(), strict=True):
        below = iter(numbers[2 * dims :])
        for row in range(dims):
            for column in range(row):
                factor[row, column] = next(below)
            factor[row, row] = math.exp(numbers[dims + row])
        assert next(below, None) is None
    return factors


@dataclass(frozen=True)
class Family:
    """A family of posteriors: its class here, how wide its outputs are, its noise, and what it is in torch's words."""

    made: type[DiagonalGaussian | FullGaussian | DiagonalLaplace]
    width: Callable[[int], int]
    noise: Callable[..., Tensor]
    reference: Callable[[Tensor, int], td.Distribution]
    marginals: Callable[[Tensor, int], td.Distribution]


def normals(outputs: Tensor, dims: int) -> td.Normal:
    return td.Normal(outputs[:, :dims].double(), (outputs[:, dims:].double() / 2).exp())


def laplaces(outputs: Tensor, dims: int) -> td.Laplace:
    return td.Laplace(outputs[:, :dims].double(), outputs[:, dims:].double().exp())


def multivariate(outputs: Tensor, dims: int) -> td.MultivariateNormal:
    return td.MultivariateNormal(outputs[:, :dims].double(), scale_tril=by_rows(outputs, dims))


def of_covariance(outputs: Tensor, dims: int) -> td.Normal:
    covariance = multivariate(outputs, dims).covariance_matrix
    return td.Normal(outputs[:, :dims].double(), covariance.diagonal(dim1=-2, dim2=-1).sqrt())


FAMILIES = {
    "diagonal": Family(
        DiagonalGaussian, lambda d: 2 * d, standard_normal, lambda o, d: td.Independent(normals(o, d), 1), normals
    ),
    "full": Family(FullGaussian, lambda d: 2 * d + d * (d - 1) // 2, standard_normal, multivariate, of_covariance),
    "laplace": Family(
        DiagonalLaplace, lambda d: 2 * d, standard_laplace, lambda o, d: td.Independent(laplaces(o, d), 1), laplaces
    ),
}
GAUSSIANS = ["diagonal", "full"]
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
every_size = pytest.mark.parametrize("dims", [1, 2, 5, 64])


def outputs_of(family: Family, batch: int, dims: int, seed: int = 0, size: float = 0.5) -> Tensor:
    """An encoder's outputs in double precision."""
    return size * torch.randn(batch, family.width(dims), generator=seeded(seed), dtype=torch.float64)


def covariances(family: Family, outputs: Tensor, dims: int) -> Tensor:
    if family.made is FullGaussian:
        return multivariate(outputs, dims).covariance_matrix
    return family.marginals(outputs, dims).variance.diag_embed()


def kolmogorov_smirnov(drawn: Tensor, cdf: Callable[[Tensor], Tensor]) -> float:
    """√n times the greatest distance between the distribution of n draws and `cdf`: above 1.95 once in 1000."""
    n = drawn.numel()
    below = cdf(drawn.double().flatten().sort().values)
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    return math.sqrt(n) * max((steps[1:] - below).max().item(), (below - steps[:-1]).max().item())


@settings(max_examples=60)
@given(
    family=st.sampled_from(list(FAMILIES.values())),
    dims=st.sampled_from([1, 2, 5]),
    batch=st.integers(1, 4),
    samples=st.sampled_from([(), (1,), (3,), (2, 3)]),
    seed=st.integers(0, 10_000),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
)
def test_posteriors_have_the_densities_of_torch_distributions(
    family: Family, dims: int, batch: int, samples: tuple[int, ...], seed: int, dtype: torch.dtype
) -> None:
    """In double to 1e-10, in float32 to its rounding; bf16 outputs count as the float32 that they are."""
    outputs = outputs_of(family, batch, dims, seed).to(dtype)
    kept = torch.float32 if dtype == torch.bfloat16 else dtype
    z = 2.0 * torch.randn(*samples, batch, dims, generator=seeded(seed + 1), dtype=kept)
    posterior = family.made.from_outputs(outputs)
    joint, marginals = posterior.log_prob(z), posterior.log_prob_per_dim(z)
    assert joint.shape == (*samples, batch) and marginals.shape == (*samples, batch, dims)
    assert {joint.dtype, marginals.dtype, posterior.mean.dtype, posterior.scale.dtype} == {kept}
    close = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(joint.double(), family.reference(outputs, dims).log_prob(z.double()), **close)
    wanted = family.marginals(outputs, dims)
    torch.testing.assert_close(marginals.double(), wanted.log_prob(z.double()), **close)
    torch.testing.assert_close(posterior.mean.double(), wanted.mean, **close)
    torch.testing.assert_close(posterior.scale.double(), wanted.stddev, **close)
    if family.made is not FullGaussian:
        torch.testing.assert_close(marginals.sum(dim=-1), joint, rtol=1e-5, atol=1e-5)


@every_family
@every_size
def test_posteriors_of_every_size(family: Family, dims: int) -> None:
    outputs = outputs_of(family, 3, dims, size=0.2)
    z = torch.randn(2, 3, dims, generator=seeded(1), dtype=torch.float64)
    posterior, wanted = family.made.from_outputs(outputs), family.reference(outputs, dims)
    torch.testing.assert_close(posterior.log_prob(z), wanted.log_prob(z), rtol=1e-10, atol=1e-10)
    single = family.made.from_outputs(outputs.float())
    torch.testing.assert_close(single.log_prob(z.float()).double(), wanted.log_prob(z), rtol=1e-4, atol=1e-4)


@every_family
def test_every_point_can_be_asked_of_every_posterior(family: Family) -> None:
    """Points (M, 1, d) against N posteriors give (M, N), as one by one."""
    outputs = outputs_of(family, 4, 3)
    points = torch.randn(6, 1, 3, generator=seeded(1), dtype=torch.float64)
    found = family.made.from_outputs(outputs).log_prob(points)
    assert found.shape == (6, 4)
    for column in range(4):
        one = family.reference(outputs[column : column + 1], 3)
        for row in range(6):
            assert found[row, column].item() == pytest.approx(one.log_prob(points[row]).item(), rel=1e-10)


@settings(max_examples=60)
@given(
    name=st.sampled_from(GAUSSIANS),
    dims=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    size=st.sampled_from([0.0, 0.01, 0.5, 2.0]),
)
def test_kl_of_gaussians_is_that_of_torch_distributions(name: str, dims: int, seed: int, size: float) -> None:
    family = FAMILIES[name]
    outputs = outputs_of(family, 3, dims, seed, size)
    posterior = family.made.from_outputs(outputs)
    prior = td.MultivariateNormal(torch.zeros(dims, dtype=torch.float64), torch.eye(dims, dtype=torch.float64))
    root = by_rows(outputs, dims) if name == "full" else normals(outputs, dims).scale.diag_embed()
    joint = td.MultivariateNormal(outputs[:, :dims], scale_tril=root)
    torch.testing.assert_close(posterior.kl(), td.kl_divergence(joint, prior), rtol=1e-9, atol=1e-10)
    each = td.kl_divergence(family.marginals(outputs, dims), td.Normal(torch.zeros((), dtype=torch.float64), 1.0))
    torch.testing.assert_close(posterior.kl_per_dim(), each, rtol=1e-9, atol=1e-10)
    single = family.made.from_outputs(outputs.float())
    torch.testing.assert_close(single.kl().double(), posterior.kl(), rtol=1e-5, atol=1e-5)
    # What the marginals leave out are the correlations: the KL of the joint from the product of its marginals.
    assert (posterior.kl() >= posterior.kl_per_dim().sum(dim=-1) - 1e-9).all()


@every_size
def test_kl_of_full_gaussians_of_every_size(dims: int) -> None:
    outputs = outputs_of(FAMILIES["full"], 3, dims, size=0.2)
    prior = td.MultivariateNormal(torch.zeros(dims, dtype=torch.float64), torch.eye(dims, dtype=torch.float64))
    wanted = td.kl_divergence(multivariate(outputs, dims), prior)
    torch.testing.assert_close(FullGaussian.from_outputs(outputs).kl(), wanted, rtol=1e-10, atol=1e-10)


@every_family
def test_kl_between_families_is_the_mean_of_the_sampled_one(family: Family) -> None:
    """The mean of log q − log p over draws from q, against the closed form for two distributions of one family."""
    outputs, other = outputs_of(family, 3, 2, seed=4), outputs_of(family, 3, 2, seed=5)
    q, p = family.made.from_outputs(outputs), family.made.from_outputs(other)
    n = 100_000
    z = q.sample(family.noise((n, 3, 2), seeded(), torch.device("cpu")).double())
    ratio = q.log_prob(z) - p.log_prob(z)
    wanted = td.kl_divergence(family.reference(outputs, 2), family.reference(other, 2))
    assert ((ratio.mean(dim=0) - wanted).abs() < 4 * ratio.std(dim=0) / math.sqrt(n)).all()


@every_family
@every_size
def test_samples_have_mean_covariance_and_distribution(family: Family, dims: int) -> None:
    outputs = outputs_of(family, 2, dims, size=0.2)
    posterior, wanted = family.made.from_outputs(outputs), family.marginals(outputs, dims)
    n = 20_000
    z = posterior.sample(family.noise((n, 2, dims), seeded(7), torch.device("cpu")).double())
    assert z.shape == (n, 2, dims)
    assert ((z.mean(dim=0) - wanted.mean).abs() < 5 * wanted.stddev / math.sqrt(n)).all()
    covariance = covariances(family, outputs, dims)
    # Of Laplace variables the fourth moment, 24 b⁴, makes the variance vary √(5/2) times as much as of normal ones.
    rough = math.sqrt(2.5) if family.made is DiagonalLaplace else 1.0
    for image in range(2):
        variances = covariance[image].diagonal()
        spread = ((torch.outer(variances, variances) + covariance[image].square()) / n).sqrt()
        assert ((torch.cov(z[:, image].T) - covariance[image]).abs() < 5 * rough * spread).all()
        for dim in {0, dims // 2, dims - 1}:
            one = type(wanted)(wanted.loc[image, dim], wanted.scale[image, dim])
            assert kolmogorov_smirnov(z[:, image, dim], one.cdf) < 1.95


@every_family
def test_a_sample_is_the_mean_for_no_noise_and_moves_with_each_number_of_it(family: Family) -> None:
    outputs = outputs_of(family, 2, 3)
    posterior = family.made.from_outputs(outputs)
    assert torch.equal(posterior.sample(torch.zeros(2, 3, dtype=torch.float64)), posterior.mean)
    full = family.made is FullGaussian
    root = by_rows(outputs, 3) if full else family.marginals(outputs, 3).scale.diag_embed()
    for dim in range(3):
        noise = torch.zeros(4, 2, 3, dtype=torch.float64)
        noise[..., dim] = 1.0
        moved = posterior.sample(noise) - posterior.mean
        torch.testing.assert_close(moved, root[:, :, dim].expand(4, 2, 3), rtol=1e-12, atol=1e-12)


@every_family
def test_standard_noise_is_reproducible_and_of_its_distribution(family: Family) -> None:
    before = torch.random.get_rng_state()
    one, again = (family.noise((40_000,), seeded(3), torch.device("cpu")) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one, again) and not torch.equal(one, family.noise((40_000,), seeded(4), torch.device("cpu")))
    zero, unit = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    wanted = (td.Laplace if family.made is DiagonalLaplace else td.Normal)(zero, unit)
    assert kolmogorov_smirnov(one, wanted.cdf) < 1.95


def test_standard_laplace_noise_has_the_moments_of_exp_minus_abs() -> None:
    """E|ε|^k = k!, so that the error of its mean over n draws is √((2k)! − k!²) / √n; odd moments are 0."""
    n = 1_000_000
    noise = standard_laplace((n,), seeded(), torch.device("cpu")).double()
    assert noise.isfinite().all()
    for k in (1, 2, 3, 4):
        bound = 5 * math.sqrt(math.factorial(2 * k) / n)
        assert noise.abs().pow(k).mean().item() == pytest.approx(math.factorial(k), abs=bound)
        if k % 2:
            assert abs(noise.pow(k).mean().item()) < bound


@every_family
def test_posteriors_are_the_same_under_autocast(family: Family) -> None:
    """A narrow Gaussian across which the rounding of bf16 would be many σ: L = ((10, 0), (10, 0.01))."""
    outputs = torch.tensor([[0.0, 0.0, math.log(10.0), math.log(0.01), 10.0][: family.width(2)]])
    noise = family.noise((50, 1, 2), seeded(), torch.device("cpu"))
    posterior = family.made.from_outputs(outputs)
    z = posterior.sample(noise)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = family.made.from_outputs(outputs)
        assert torch.equal(rounded.sample(noise), z)
        torch.testing.assert_close(rounded.log_prob(z), posterior.log_prob(z), rtol=1e-6, atol=1e-6)


@every_family
@pytest.mark.parametrize("dims", [1, 3])
def test_gradients_of_posteriors(family: Family, dims: int) -> None:
    outputs = outputs_of(family, 2, dims).requires_grad_()
    z = torch.randn(2, 2, dims, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    made = family.made.from_outputs
    assert gradcheck(lambda outputs, z: made(outputs).log_prob(z), (outputs, z))
    assert gradcheck(lambda outputs, z: made(outputs).log_prob_per_dim(z), (outputs, z))
    assert gradcheck(lambda outputs, noise: made(outputs).sample(noise), (outputs, z))
    assert gradcheck(lambda outputs: made(outputs).scale, (outputs,))
    if family.made is not DiagonalLaplace:
        assert gradcheck(lambda outputs: made(outputs).kl(), (outputs,))
        assert gradcheck(lambda outputs: made(outputs).kl_per_dim(), (outputs,))


def test_a_code_is_where_the_encoder_says_whatever_the_noise() -> None:
    outputs = torch.randn(4, 3, generator=seeded())
    code = Code.from_outputs(outputs)
    assert torch.equal(code.mean, outputs) and torch.equal(code.scale, torch.zeros(4, 3))
    assert torch.equal(code.sample(torch.randn(5, 4, 3, generator=seeded(1))), outputs.expand(5, 4, 3))
    assert Code.from_outputs(outputs.bfloat16()).mean.dtype == torch.float32


# Likelihoods of every kind.

SHAPE = (2, 3, 4)
Made = Callable[[Tensor, Tensor], Any]
# From two tensors, of which a Bernoulli takes only the first.
LIKELIHOODS: dict[str, tuple[Made, Made]] = {
    "bernoulli": (lambda a, _: Bernoulli(a), lambda a, _: td.Bernoulli(logits=a)),
    "continuous-bernoulli": (lambda a, _: ContinuousBernoulli(a), lambda a, _: td.ContinuousBernoulli(logits=a)),
    "gaussian": (Gaussian, lambda a, b: td.Normal(a, b.exp())),
    "laplace": (Laplace, lambda a, b: td.Laplace(a, b.exp())),
}
GREY = ["continuous-bernoulli", "gaussian", "laplace"]


def numbers(*shape: int, size: float = 1.0, seed: int = 3) -> Tensor:
    return size * torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


@settings(max_examples=80)
@given(
    name=st.sampled_from(list(LIKELIHOODS)),
    batch=st.integers(1, 3),
    samples=st.sampled_from([(), (1,), (4,), (2, 3)]),
    one_scale=st.booleans(),
    seed=st.integers(0, 10_000),
    size=st.sampled_from([0.0, 0.01, 1.0, 4.0]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_likelihoods_have_the_densities_of_torch_distributions(
    name: str, batch: int, samples: tuple[int, ...], one_scale: bool, seed: int, size: float, dtype: torch.dtype
) -> None:
    """Images (B, C, H, W) under parameters (..., B, C, H, W); the dtype is kept, and double holds to 1e-10."""
    ours, theirs = LIKELIHOODS[name]
    a = numbers(*samples, batch, *SHAPE, size=size, seed=seed).to(dtype)
    b = numbers(*(() if one_scale else a.shape), size=min(size, 1.0), seed=seed + 1).to(dtype)
    x = torch.rand(batch, *SHAPE, generator=seeded(seed + 2), dtype=dtype)
    if name == "bernoulli":
        x = x.round()
    likelihood, wanted = ours(a, b), theirs(a.double(), b.double())
    found = likelihood.log_prob(x)
    assert found.shape == (*samples, batch) and found.dtype == likelihood.mean.dtype == dtype
    close = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-4}
    torch.testing.assert_close(found.double(), wanted.log_prob(x.double()).sum(dim=(-3, -2, -1)), **close)
    torch.testing.assert_close(likelihood.mean.double(), wanted.mean, **close)


@pytest.mark.parametrize("one_scale", [True, False], ids=["one-scale", "each-pixel-its-own"])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_draws_have_the_shape_moments_and_distribution_of_the_likelihood(name: str, one_scale: bool) -> None:
    ours, theirs = LIKELIHOODS[name]
    n = 20_000
    a, b = numbers(*SHAPE), numbers(*(() if one_scale else SHAPE), seed=5, size=0.5)
    likelihood, wanted = ours(a.expand(n, *SHAPE), b), theirs(a, b)
    before = torch.random.get_rng_state()
    drawn = likelihood.sample(seeded(1))
    assert torch.equal(drawn, likelihood.sample(seeded(1))) and not torch.equal(drawn, likelihood.sample(seeded(2)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert drawn.shape == (n, *SHAPE) and drawn.dtype == torch.float64
    assert ((drawn.mean(dim=0) - wanted.mean).abs() < 5 * wanted.stddev / math.sqrt(n)).all()
    # The variance of n draws errs by √((kurtosis − 1) / n) of itself; the Laplace's kurtosis of 6 is the highest here.
    assert ((drawn.var(dim=0) / wanted.variance - 1.0).abs() < 5 * math.sqrt(5.0 / n)).all()
    if name in GREY:
        for place in ((0, 0, 0), (1, 2, 3)):
            cdf = theirs(a[place], b if one_scale else b[place]).cdf
            assert kolmogorov_smirnov(drawn[(slice(None), *place)], cdf) < 1.95


@pytest.mark.parametrize(("a", "b"), [(-1.3, -2.0), (0.0, 0.0), (0.4, 0.7)])
@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_pixels_on_the_whole_line_integrate_to_one(name: str, a: float, b: float) -> None:
    # Forty scales on either side leave out e⁻⁴⁰; the Laplace's kink lies on a point of the grid.
    x = torch.linspace(a - 40 * math.exp(b), a + 40 * math.exp(b), 40_001, dtype=torch.float64)
    mean, log_scale = (torch.full((1, 1, 1), value, dtype=torch.float64) for value in (a, b))
    likelihood = LIKELIHOODS[name][0](mean.expand(len(x), 1, 1, 1), log_scale)
    density = likelihood.log_prob(x.view(-1, 1, 1, 1)).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1.0, abs=1e-6)
    assert torch.trapezoid(x * density, x).item() == pytest.approx(likelihood.mean[0].item(), abs=1e-6)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients_of_likelihoods(name: str) -> None:
    ours, _ = LIKELIHOODS[name]
    a = numbers(2, 1, 2, 3, size=3.0).requires_grad_()
    x = torch.rand(2, 1, 2, 3, generator=seeded(6), dtype=torch.float64, requires_grad=True)
    for b in (numbers(2, 1, 2, 3, seed=5), numbers(seed=5)):
        b.requires_grad_()
        assert gradcheck(lambda a, b, x: ours(a, b).log_prob(x), (a, b, x))
        assert gradcheck(lambda a, b: ours(a, b).mean, (a, b))
        if name in ("gaussian", "laplace"):
            assert gradcheck(lambda a, b: ours(a, b).sample(seeded()), (a, b))


def exact(logit: float, x: float) -> tuple[float, float]:
    """Log-density and mean of the continuous Bernoulli, from e^(ηx) η / (e^η − 1) as it stands, with 80 digits."""
    with localcontext(Context(prec=80)):
        eta, grown = Decimal(logit), Decimal(logit).exp()
        if not eta:
            return 0.0, 0.5
        return float(eta * Decimal(x) + (eta / (grown - 1)).ln()), float(grown / (grown - 1) - 1 / eta)


# The series near 0 ends at logits of ±0.2.
any_logit = st.one_of(
    st.floats(-300.0, 300.0),
    st.floats(-0.3, 0.3),
    st.sampled_from([0.0, 0.2, -0.2, math.nextafter(0.2, 0.0), math.nextafter(-0.2, -1.0), 1e-12, 200.0, -200.0]),
).filter(lambda logit: logit == 0.0 or abs(logit) > 1e-15)


@settings(max_examples=300)
@given(logit=any_logit, x=st.floats(0.0, 1.0))
def test_continuous_bernoulli_against_eighty_digits(logit: float, x: float) -> None:
    for dtype, close, mean_close in ((torch.float64, 3e-15, 2e-11), (torch.float32, 1e-6, 1e-6)):
        eta, pixel = (torch.full((1, 1, 1), value, dtype=dtype) for value in (logit, x))
        log_prob, mean = exact(eta.item(), pixel.item())
        likelihood = ContinuousBernoulli(eta)
        assert likelihood.log_prob(pixel).item() == pytest.approx(log_prob, abs=close * (1.0 + abs(logit)))
        assert likelihood.mean.item() == pytest.approx(mean, abs=mean_close)


@pytest.mark.parametrize("logit", [0.0, 1e-9, -1e-4, 0.2, -0.2001, 1.0, -3.0, 30.0, -200.0, 200.0])
def test_continuous_bernoulli_integrates_to_one_and_to_its_mean(logit: float) -> None:
    """By Gauss-Legendre quadrature, which with 200 nodes is exact for e^(200 x) to the last digits."""
    nodes, weights = (torch.from_numpy(numbers) for numbers in np.polynomial.legendre.leggauss(200))
    x, weights = (nodes + 1.0) / 2.0, weights / 2.0
    likelihood = ContinuousBernoulli(torch.full((200, 1, 1, 1), logit, dtype=torch.float64))
    density = likelihood.log_prob(x.view(-1, 1, 1, 1)).exp()
    assert (weights * density).sum().item() == pytest.approx(1.0, abs=1e-11)
    assert (weights * density * x).sum().item() == pytest.approx(likelihood.mean[0].item(), abs=2e-11)


@settings(max_examples=60)
@given(logit=any_logit, x=st.floats(0.0, 1.0), dtype=st.sampled_from([torch.float64, torch.float32]))
def test_continuous_bernoulli_slopes_are_x_less_the_mean(logit: float, x: float, dtype: torch.dtype) -> None:
    """d log p / dη = x − E[x], as in every exponential family, and dE[x] / dη is a variance: at most 1/12."""
    eta = torch.full((1, 1, 1), logit, dtype=dtype, requires_grad=True)
    likelihood = ContinuousBernoulli(eta)
    (slope,) = torch.autograd.grad(likelihood.log_prob(torch.full((1, 1, 1), x, dtype=dtype)).sum(), eta)
    (variance,) = torch.autograd.grad(likelihood.mean.sum(), eta)
    close = 1e-10 if dtype == torch.float64 else 1e-5
    assert slope.item() == pytest.approx(x - exact(eta.item(), 0.0)[1], abs=close)
    assert -close <= variance.item() <= 1 / 12 + close


@pytest.mark.parametrize("logit", [0.0, 1e-5, 0.2 - 1e-9, -0.2, 0.2 + 1e-9, 3.0, -20.0])
def test_continuous_bernoulli_gradients_on_either_side_of_the_seam(logit: float) -> None:
    logits = torch.full((1, 1, 2), logit, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[[0.25, 1.0]]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda logits, x: ContinuousBernoulli(logits).log_prob(x), (logits, x))
    assert gradcheck(lambda logits: ContinuousBernoulli(logits).mean, (logits,))


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-6, 1e-4, 1.001e-4, 0.01, 0.2, 3.0, 30.0, 200.0, 1e4, 1e30])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_continuous_bernoulli_draws_follow_the_distribution_function(size: float, sign: float) -> None:
    """(e^(ηx) − 1) / (e^η − 1) for η < 0, and what mirrors it for η > 0."""
    drawn = ContinuousBernoulli(torch.full((20_000, 1, 1), sign * size)).sample(seeded(2)).double()
    assert ((drawn >= 0.0) & (drawn <= 1.0)).all()
    if sign > 0 and size > 1e6:
        assert (drawn == 1.0).all()  # as near as a float32 can be
        return
    # Counted from the likelier end; near white a float32 is as coarse as 2⁻²⁴.
    end = 1.0 - drawn if sign > 0 else drawn
    coarse = math.sqrt(len(drawn)) * size * 2.0**-24 if sign > 0 else 0.0

    def below(x: Tensor) -> Tensor:
        return torch.expm1(-size * x) / math.expm1(-size) if size else x

    assert kolmogorov_smirnov(end, below) < 1.95 + coarse


@pytest.mark.parametrize("likelihood", [Bernoulli, ContinuousBernoulli])
def test_logits_in_half_precision_count_as_float32(likelihood: type[Bernoulli | ContinuousBernoulli]) -> None:
    half = numbers(5, *SHAPE, size=3.0).bfloat16()
    x = torch.rand(5, *SHAPE, generator=seeded(4))
    rounded, whole = likelihood(half), likelihood(half.float())
    assert torch.equal(rounded.log_prob(x), whole.log_prob(x)) and torch.equal(rounded.mean, whole.mean)
    assert torch.equal(rounded.sample(seeded()), whole.sample(seeded()))


def test_squared_error_is_that_of_a_plain_loop_and_the_gaussian_with_variance_a_half_but_its_constant() -> None:
    mean, x = numbers(3, 2, *SHAPE), torch.rand(2, *SHAPE, generator=seeded(4), dtype=torch.float64)
    likelihood = SquaredError(mean)
    found = likelihood.log_prob(x)
    assert found.shape == (3, 2)
    for sample in range(3):
        for image in range(2):
            pairs = zip(mean[sample, image].flatten().tolist(), x[image].flatten().tolist(), strict=True)
            assert -found[sample, image].item() == pytest.approx(sum((m - p) ** 2 for m, p in pairs), rel=1e-12)
    normal = td.Normal(mean, math.sqrt(0.5)).log_prob(x).sum(dim=(-3, -2, -1))
    torch.testing.assert_close(found - normal, torch.full((3, 2), 12 * math.log(math.pi), dtype=torch.float64))
    assert torch.equal(likelihood.sample(seeded()), mean)
    assert gradcheck(lambda mean: SquaredError(mean).log_prob(x), (mean.requires_grad_(),))


@given(value=st.floats(-1e4, 1e4, width=32), lowest=st.floats(-10.0, 2.0, width=32), above=st.floats(0.0, 50.0))
def test_a_soft_floor_is_never_below_and_close_to_the_identity_well_above(
    value: float, lowest: float, above: float
) -> None:
    assert soft_floor(torch.tensor(value), lowest).item() >= lowest
    high = soft_floor(torch.tensor(lowest + above, dtype=torch.float64), lowest).item()
    # log(1 + eᵗ) − t = log(1 + e⁻ᵗ).
    assert high - (lowest + above) == pytest.approx(math.log1p(math.exp(-above)), abs=1e-8)
    assert high - (lowest + above) <= math.exp(-above) + 1e-8


def test_a_soft_floor_rises_everywhere_and_has_a_gradient() -> None:
    values = torch.linspace(-30.0, 30.0, 601, dtype=torch.float64)
    assert (soft_floor(values, -5.5).diff() > 0).all()
    assert gradcheck(lambda values: soft_floor(values, -5.5), (values[::20].clone().requires_grad_(),))
