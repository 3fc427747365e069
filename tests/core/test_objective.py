"""−ELBO, its parts, the importance-weighted bound and their gradients, against torch.distributions in double precision.

The independent truth is built from the networks' bare outputs; nothing of it comes from our own distributions.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from pydantic import BaseModel
from torch import Tensor
from torch import distributions as td

from vae_studio.core.config import (
    BernoulliConfig,
    ContinuousBernoulliConfig,
    ConvolutionalConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
    StandardNormalConfig,
)
from vae_studio.core.model import VAE, build
from vae_studio.core.objective import Terms, objective, terms

SHAPE = (1, 6, 5)
CONFIGS = [
    RunConfig(network=MLPConfig(widths=(7, 6), activation="tanh"), latent_dims=3),
    RunConfig(network=ConvolutionalConfig(channels=(3, 4), activation="silu"), latent_dims=2),
]
every_network = pytest.mark.parametrize("config", CONFIGS, ids=["mlp", "convolutional"])


def batch(config: RunConfig, n: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(11)
    return torch.rand(n, *SHAPE, generator=generator), torch.randn(n, config.latent_dims, generator=generator)


def reference(model: VAE, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction (B,) and KL (B, d) for a model in double precision, by torch.distributions alone."""
    mean, log_variance = model.encoder(x).tensor_split(2, dim=1)
    posterior = td.Normal(mean, (log_variance / 2).exp())
    z = posterior.mean + posterior.stddev * noise
    pixel = td.Bernoulli(logits=model.decoder(z))
    grey = x * pixel.log_prob(torch.ones_like(x)) + (1 - x) * pixel.log_prob(torch.zeros_like(x))
    return -grey.flatten(1).sum(dim=1), td.kl_divergence(posterior, td.Normal(torch.zeros_like(mean), 1.0))


def doubled(config: RunConfig) -> tuple[VAE, VAE]:
    model = build(config, SHAPE)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)  # away from the flat region where KL is nearly zero
    return model, copy.deepcopy(model).double()


@every_network
def test_both_terms_are_those_of_torch_distributions(config: RunConfig) -> None:
    model, double = doubled(config)
    x, noise = batch(config)
    found = terms(model, x, noise)
    reconstruction, kl = reference(double, x.double(), noise.double())
    assert kl.sum() > 0.1
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found.reconstruction.double(), reconstruction, **close)
    torch.testing.assert_close(found.kl_per_dim.double(), kl, **close)
    torch.testing.assert_close(found.kl.double(), kl.sum(dim=1), **close)
    torch.testing.assert_close(found.neg_elbo.double(), reconstruction + kl.sum(dim=1), **close)


@every_network
def test_terms_are_sums_over_pixels_and_dimensions_for_each_image_alone(config: RunConfig) -> None:
    model, _ = doubled(config)
    x, noise = batch(config)
    together = terms(model, x, noise)
    for index in range(len(x)):
        alone = terms(model, x[index : index + 1], noise[index : index + 1])
        torch.testing.assert_close(alone.neg_elbo[0], together.neg_elbo[index], rtol=1e-5, atol=1e-5)


def test_a_decoder_that_knows_nothing_costs_log_2_a_pixel() -> None:
    model = build(CONFIGS[0], (1, 28, 28))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = terms(model, x, torch.zeros(3, 3))
    torch.testing.assert_close(found.neg_elbo, torch.full((3,), 784 * 0.693147180559945))
    assert found.kl.tolist() == [0.0] * 3


@every_network
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_beta_weighs_the_loss_and_nothing_else(config: RunConfig, beta: float) -> None:
    model, double = doubled(config)
    x, noise = batch(config)
    found = terms(model, x, noise)
    bound = found.neg_elbo.clone()
    reconstruction, kl = reference(double, x.double(), noise.double())
    for weight in (beta, torch.tensor(beta)):
        wanted = reconstruction.mean() + beta * kl.sum(dim=1).mean()
        torch.testing.assert_close(found.loss(weight).double(), wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.neg_elbo, bound)
    if beta == 1.0:
        torch.testing.assert_close(found.loss(beta), bound.mean())


@every_network
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_the_gradient_agrees_with_finite_differences(config: RunConfig, beta: float) -> None:
    """Our gradient in float32 against central differences of the reference in double precision."""
    model, double = doubled(config)
    x, noise = batch(config)
    terms(model, x, noise).loss(beta).backward()

    def loss() -> float:
        with torch.no_grad():
            reconstruction, kl = reference(double, x.double(), noise.double())
            return (reconstruction.mean() + beta * kl.sum(dim=1).mean()).item()

    generator = torch.Generator().manual_seed(5)
    checked = 0
    for ours, theirs in zip(model.parameters(), double.parameters(), strict=True):
        flat = theirs.data.view(-1)
        for index in torch.randperm(len(flat), generator=generator)[:6].tolist():
            kept, tiny = flat[index].item(), 1e-5
            flat[index] = kept + tiny
            above = loss()
            flat[index] = kept - tiny
            slope = (above - loss()) / (2 * tiny)
            flat[index] = kept
            assert ours.grad.view(-1)[index].item() == pytest.approx(slope, rel=2e-3, abs=2e-4)
            checked += abs(slope) > 1e-3
    assert checked > 20


# Every posterior, prior and likelihood.


def name_of(part: object) -> str:
    return "-".join(map(str, part.model_dump().values())) if isinstance(part, BaseModel) else str(part)


POSTERIORS = ["diagonal-gaussian", "full-gaussian", "laplace"]
PRIORS = [StandardNormalConfig(), MixtureConfig(components=3), LaplacePriorConfig()]
LIKELIHOODS = [
    BernoulliConfig(),
    ContinuousBernoulliConfig(),
    *(kind(scale=scale, width=0.2) for kind in (GaussianConfig, LaplaceConfig) for scale in ("fixed", "learned")),
    *(kind(scale="per-pixel", width=0.2, mean="linear") for kind in (GaussianConfig, LaplaceConfig)),
]
COMBINATIONS = list(itertools.product(POSTERIORS, PRIORS, LIKELIHOODS))
every_pair = pytest.mark.parametrize(("posterior", "prior"), list(itertools.product(POSTERIORS, PRIORS)), ids=name_of)


def double_model(config: RunConfig) -> VAE:
    """In double precision, with weights that are not small, and a mixture that is not symmetric."""
    model = build(config, SHAPE).double()
    generator = torch.Generator().manual_seed(21)
    with torch.no_grad():
        for weights in (*model.encoder.parameters(), *model.decoder.parameters()):
            weights.mul_(2.0)
        if model.is_vae:
            for weights in model.prior.parameters():
                weights.add_(0.3 * torch.randn(weights.shape, generator=generator, dtype=torch.float64))
    return model


def small(**settings: object) -> RunConfig:
    return RunConfig(network=MLPConfig(widths=(7, 6), activation="tanh"), **{"latent_dims": 3, **settings})


def images(n: int = 2) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(31), dtype=torch.float64)


def noise_for(model: VAE, *shape: int, seed: int = 32) -> Tensor:
    return model.noise(shape, torch.Generator().manual_seed(seed)).double()


def true_posterior(model: VAE, outputs: Tensor) -> tuple[td.Distribution, td.Distribution, Tensor]:
    """q(z|x), its marginals and the root that standard noise is multiplied by (B, d, d), from the encoder's outputs."""
    dims = model.latent_dims
    mean, rest = outputs[:, :dims], outputs[:, dims:]
    if model.config.posterior == "laplace":
        each = td.Laplace(mean, rest.exp())
        return td.Independent(each, 1), each, each.scale.diag_embed()
    if model.config.posterior == "diagonal-gaussian":
        each = td.Normal(mean, (rest / 2).exp())
        return td.Independent(each, 1), each, each.scale.diag_embed()
    places = [(row, column) for row in range(dims) for column in range(row)]
    root = rest[:, :dims].exp().diag_embed()
    for number, (row, column) in enumerate(places):
        unit = torch.zeros(dims, dims, dtype=outputs.dtype)
        unit[row, column] = 1.0
        root = root + rest[:, dims + number, None, None] * unit
    joint = td.MultivariateNormal(mean, scale_tril=root)
    return joint, td.Normal(mean, joint.covariance_matrix.diagonal(dim1=-2, dim2=-1).sqrt()), root


def true_prior(model: VAE) -> tuple[td.Distribution, list[td.Distribution]]:
    """p(z) and its marginals."""
    zeros = torch.zeros(model.latent_dims, dtype=torch.float64)
    match model.config.prior:
        case MixtureConfig():
            chosen = td.Categorical(logits=model.prior.logits)
            means, scales = model.prior.means, model.prior.log_scales.exp()
            marginals = [
                td.MixtureSameFamily(chosen, td.Normal(means[:, dim], scales[:, dim]))
                for dim in range(model.latent_dims)
            ]
            return td.MixtureSameFamily(chosen, td.Independent(td.Normal(means, scales), 1)), marginals
        case LaplacePriorConfig():
            each = td.Laplace(zeros, math.sqrt(0.5))
        case _:
            each = td.Normal(zeros, 1.0)
    return td.Independent(each, 1), [type(each)(each.loc[dim], each.scale[dim]) for dim in range(model.latent_dims)]


def true_log_likelihood(model: VAE, z: Tensor, x: Tensor) -> Tensor:
    """log p(x|z) for z (S, B, d): (S, B)."""
    outputs = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    config = model.config.likelihood
    if isinstance(config, BernoulliConfig):
        pixel = td.Bernoulli(logits=outputs)
        log_prob = x * pixel.log_prob(torch.ones_like(outputs)) + (1 - x) * pixel.log_prob(torch.zeros_like(outputs))
    elif isinstance(config, ContinuousBernoulliConfig):
        log_prob = td.ContinuousBernoulli(logits=outputs).log_prob(x)
    else:
        mean = outputs[:, :, :1].sigmoid() if config.mean == "sigmoid" else outputs[:, :, :1]
        scale = torch.as_tensor(config.width, dtype=torch.float64)
        # A learned scale is eˢ above one grey level, and for outputs of 0 it is the width.
        if config.scale == "learned":
            scale = 1 / 255 + model.log_scale.exp()
        elif config.scale == "per-pixel":
            scale = 1 / 255 + (config.width - 1 / 255) * outputs[:, :, 1:].exp()
        log_prob = (td.Normal if isinstance(config, GaussianConfig) else td.Laplace)(mean, scale).log_prob(x)
    return log_prob.sum(dim=(-3, -2, -1))


def true_parts(model: VAE, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|z) and log q(z|x) − log p(z) (S, B), and the latter of the marginals (S, B, d)."""
    joint, marginals, root = true_posterior(model, model.encoder(x))
    z = joint.mean + (root @ noise.unsqueeze(-1)).squeeze(-1)
    prior, prior_marginals = true_prior(model)
    each = torch.stack([one.log_prob(z[..., dim]) for dim, one in enumerate(prior_marginals)], dim=-1)
    return true_log_likelihood(model, z, x), joint.log_prob(z) - prior.log_prob(z), marginals.log_prob(z) - each


CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.mark.parametrize(("posterior", "prior", "likelihood"), COMBINATIONS, ids=name_of)
def test_terms_of_every_combination(posterior: str, prior: object, likelihood: object) -> None:
    """By three samples for each image, against torch.distributions; and the closed form where there is one."""
    model = double_model(small(posterior=posterior, prior=prior, likelihood=likelihood))
    x, noise = images(), noise_for(model, 3, 2)
    log_likelihood, log_ratio, per_dim = true_parts(model, x, noise)
    found = terms(model, x, noise, sampled=True)
    torch.testing.assert_close(found.log_likelihood, log_likelihood, **CLOSE)
    torch.testing.assert_close(found.log_ratio, log_ratio, **CLOSE)
    torch.testing.assert_close(found.reconstruction, -(log_likelihood[0] + log_likelihood[1] + log_likelihood[2]) / 3)
    torch.testing.assert_close(found.kl, (log_ratio[0] + log_ratio[1] + log_ratio[2]) / 3, **CLOSE)
    torch.testing.assert_close(found.kl_per_dim, per_dim.mean(dim=0), **CLOSE)
    torch.testing.assert_close(found.neg_elbo, (log_ratio - log_likelihood).mean(dim=0), **CLOSE)
    assert log_ratio.abs().min() > 1e-3 and found.kl_per_dim.shape == (2, 3)
    left_out = terms(model, x, noise)
    assert (left_out.log_ratio is None) == model.config.closed_form_exists
    if model.config.closed_form_exists:
        joint, marginals, _ = true_posterior(model, model.encoder(x))
        zeros, eye = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
        whole = td.kl_divergence(joint, td.MultivariateNormal(zeros, eye)) if posterior == "full-gaussian" else None
        each = td.kl_divergence(marginals, td.Normal(torch.zeros_like(joint.mean), 1.0))
        torch.testing.assert_close(left_out.kl, each.sum(dim=1) if whole is None else whole, **CLOSE)
        torch.testing.assert_close(left_out.kl_per_dim, each, **CLOSE)
        torch.testing.assert_close(left_out.log_likelihood, log_likelihood, **CLOSE)
    else:
        torch.testing.assert_close(left_out.kl, found.kl, **CLOSE)


def test_scales_and_means_for_each_pixel_come_from_a_convolutional_decoder_too() -> None:
    network = ConvolutionalConfig(channels=(3, 4), dense=(5,))
    config = RunConfig(network=network, latent_dims=3, likelihood=GaussianConfig(scale="per-pixel", width=0.2))
    model = double_model(config)
    x, noise = images(), noise_for(model, 3, 2)
    torch.testing.assert_close(terms(model, x, noise).log_likelihood, true_parts(model, x, noise)[0], **CLOSE)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_several_samples_are_the_mean_of_single_ones(posterior: str) -> None:
    for kl in ("auto", "sampled"):
        model = double_model(small(posterior=posterior, kl=kl, samples=4))
        x, noise = images(), noise_for(model, 4, 2)
        whole, single = terms(model, x, noise), [terms(model, x, one) for one in noise]
        for name in ("reconstruction", "kl", "kl_per_dim", "neg_elbo"):
            wanted = torch.stack([getattr(one, name) for one in single]).mean(dim=0)
            torch.testing.assert_close(getattr(whole, name), wanted, **CLOSE)


@pytest.mark.parametrize("posterior", POSTERIORS[:2])
def test_the_closed_form_is_the_mean_of_the_sampled_kl(posterior: str) -> None:
    model = double_model(small(posterior=posterior))
    x, n = images(), 20_000
    noise = noise_for(model, n, 2)
    with torch.no_grad():
        exact, drawn = terms(model, x, noise, sampled=False), terms(model, x, noise, sampled=True)
        _, _, per_dim = true_parts(model, x, noise)
    error = drawn.log_ratio.std(dim=0) / math.sqrt(n)
    assert (error < 0.05 * exact.kl).all()
    assert ((drawn.kl - exact.kl).abs() < 4 * error).all()
    assert ((drawn.kl_per_dim - exact.kl_per_dim).abs() < 4 * per_dim.std(dim=0) / math.sqrt(n)).all()


@pytest.mark.parametrize("beta", [0.5, 1.0])
@pytest.mark.parametrize(
    ("posterior", "prior"), [("diagonal-gaussian", PRIORS[0]), ("laplace", PRIORS[2])], ids=name_of
)
def test_free_bits_by_a_plain_loop(posterior: str, prior: object, beta: float) -> None:
    """Σᵢ max(λ, mean over the batch of KLᵢ), with λ below, between and above those of all dimensions."""
    config = small(posterior=posterior, prior=prior)
    model = double_model(config)
    parts = terms(model, images(5), noise_for(model, 500, 5))
    means = [sum(parts.kl_per_dim[image, dim].item() for image in range(5)) / 5 for dim in range(3)]
    low, middle, high = sorted(means)
    assert 0.0 < low < middle < high
    for free_bits in (0.0, low / 2, (low + middle) / 2, (middle + high) / 2, 2 * high):
        kl = sum(max(mean, free_bits) for mean in means)
        found = objective(config.with_changes(free_bits=free_bits), parts, beta)
        assert found.item() == pytest.approx(parts.reconstruction.mean().item() + beta * kl, rel=1e-12)
    # Where all are below λ, the KL has no slope.
    encoder = list(model.encoder.parameters())
    slopes = torch.autograd.grad(found, encoder, retain_graph=True)
    for slope, other in zip(slopes, torch.autograd.grad(parts.reconstruction.mean(), encoder), strict=True):
        torch.testing.assert_close(slope, other, **CLOSE)


# The importance-weighted bound.


def iwae(**settings: object) -> RunConfig:
    return small(bound="iwae", **settings)


@every_pair
def test_one_importance_sample_gives_the_sampled_elbo_exactly(posterior: str, prior: object) -> None:
    model = double_model(iwae(posterior=posterior, prior=prior))
    parts = terms(model, images(), noise_for(model, 1, 2))
    assert torch.equal(parts.importance_weighted(), parts.neg_elbo)
    assert torch.equal(objective(model.config, parts, 1.0), parts.neg_elbo.mean())


@every_pair
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_the_importance_weighted_bound_is_the_logarithm_of_the_mean_weight(
    posterior: str, prior: object, beta: float
) -> None:
    config = iwae(posterior=posterior, prior=prior, samples=4)
    model = double_model(config)
    x, noise = images(), noise_for(model, 4, 2)
    log_likelihood, log_ratio, _ = true_parts(model, x, noise)
    wanted = []
    for image in range(2):
        # In proportion to the first, so that no weight is 0.
        logs = [(log_likelihood[k, image] - beta * log_ratio[k, image]).item() for k in range(4)]
        wanted.append(-logs[0] - math.log(sum(math.exp(log - logs[0]) for log in logs) / 4))
    parts = terms(model, x, noise)
    assert parts.importance_weighted(beta).tolist() == pytest.approx(wanted, rel=1e-10)
    assert objective(config, parts, beta).item() == pytest.approx(sum(wanted) / 2, rel=1e-10)


def test_weights_too_small_for_a_float_still_give_the_bound() -> None:
    log_likelihood = torch.tensor([[-2000.0], [-2001.0]])
    nothing = torch.zeros(2, 1)
    parts = Terms(None, log_likelihood, nothing, nothing[0], nothing[:1])
    wanted = 2000.0 - math.log((1 + math.exp(-1)) / 2)
    assert parts.importance_weighted().item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_more_importance_samples_tighten_the_bound_towards_the_likelihood(posterior: str) -> None:
    """With one latent dimension log p(x) is an integral over a line, by the trapezoid rule here.

    Grouping the same weights by 1, 5, 25, … can only lower the mean bound (theorem 1 of Burda et al. 2016), and all
    lie above −log p(x) but for what sampling does.
    """
    model = double_model(iwae(posterior=posterior, latent_dims=1))
    x, total = images(), 25_000
    with torch.no_grad():
        parts = terms(model, x, noise_for(model, total, 2))
        line = torch.linspace(-12.0, 12.0, 2401, dtype=torch.float64)
        log_joint = true_log_likelihood(model, line.view(-1, 1, 1).expand(-1, 2, 1), x)
    log_joint = log_joint + td.Normal(0.0, 1.0).log_prob(line)[:, None]
    nll = -(log_joint.logsumexp(dim=0) + math.log(0.01))
    bounds, errors = [], []
    for k in (1, 5, 25, 1000, total):
        # Groups of k samples side by side: (k, groups, B).
        lots = [part.view(-1, k, 2).transpose(0, 1) for part in (parts.log_likelihood, parts.log_ratio)]
        found = Terms(parts.posterior, *lots, parts.kl, parts.kl_per_dim).importance_weighted()
        bounds.append(found.mean(dim=0))
        errors.append(found.std(dim=0) / math.sqrt(len(found)) if len(found) > 1 else None)
    for looser, tighter in itertools.pairwise(bounds):
        assert (looser > tighter).all()
    for bound, error in zip(bounds[:-1], errors[:-1], strict=True):
        assert (bound > nll - 4 * error).all()
    assert (bounds[0] - nll > 0.01).all()
    weights = (parts.log_likelihood - parts.log_ratio + nll).exp()
    assert ((bounds[-1] - nll).abs() < 4 * weights.std(dim=0) / math.sqrt(total)).all()


@every_pair
def test_the_importance_weighted_gradient_weighs_samples_by_their_normalised_weights(
    posterior: str, prior: object
) -> None:
    """Σₖ w̃ₖ ∇ log wₖ, one sample's gradient after the other (Burda et al. 2016, equation 14)."""
    model = double_model(iwae(posterior=posterior, prior=prior, samples=4))
    x, noise = images(1), noise_for(model, 4, 1)
    weights = list(model.parameters())
    found = torch.autograd.grad(terms(model, x, noise).importance_weighted().sum(), weights)
    log_likelihood, log_ratio, _ = true_parts(model, x, noise)
    log_weights = (log_likelihood - log_ratio)[:, 0]
    shares = [math.exp(log - max(log_weights.tolist())) for log in log_weights.tolist()]
    wanted = [torch.zeros_like(weight) for weight in weights]
    for share, log_weight in zip(shares, log_weights, strict=True):
        for total, slope in zip(wanted, torch.autograd.grad(log_weight, weights, retain_graph=True), strict=True):
            total -= share / sum(shares) * slope
    assert max(shares) < 0.999 * sum(shares)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


# The gradient itself, against one that needs no reparametrisation.


def chunks_of_gradients(model: VAE, x: Tensor, sampled: bool | None) -> Iterator[tuple[Tensor, Tensor]]:
    """For 40 lots of samples: the slope of our −ELBO, and the score function's estimate of it (Williams 1992).

    Both with respect to the encoder's outputs: ∇ E_q[f] = E_q[(f − c) ∇ log q], where f = log q − log p(x, z) and c
    is the mean of another lot.
    """
    bias, size, baseline = model.encoder[-1].bias, 2000, None
    for lot in range(41):
        noise = noise_for(model, size, 1, seed=100 + lot)
        (ours,) = torch.autograd.grad(terms(model, x, noise, sampled=sampled).neg_elbo.sum(), bias)
        joint, _, root = true_posterior(model, model.encoder(x))
        with torch.no_grad():
            z = joint.mean + (root @ noise.unsqueeze(-1)).squeeze(-1)
            log_prior = true_prior(model)[0].log_prob(z)
            cost = joint.log_prob(z) - log_prior - true_log_likelihood(model, z, x)
        if baseline is not None:
            score = ((cost - baseline) * joint.log_prob(z)).mean()
            yield ours, torch.autograd.grad(score, bias)[0]
        baseline = cost.mean()


@pytest.mark.parametrize(
    ("posterior", "prior", "sampled"),
    [
        ("diagonal-gaussian", PRIORS[0], False),
        ("diagonal-gaussian", PRIORS[0], True),
        ("diagonal-gaussian", PRIORS[1], True),
        ("full-gaussian", PRIORS[0], False),
        ("full-gaussian", PRIORS[0], True),
        ("laplace", PRIORS[2], True),
    ],
    ids=name_of,
)
def test_the_reparametrised_gradient_is_the_mean_of_the_score_function(
    posterior: str, prior: object, sampled: bool
) -> None:
    """80,000 samples of each estimator agree within the standard error of their difference."""
    model = double_model(small(posterior=posterior, prior=prior, latent_dims=2))
    ours, theirs = (torch.stack(lots) for lots in zip(*chunks_of_gradients(model, images(1), sampled), strict=True))
    error = ((ours.var(dim=0) + theirs.var(dim=0)) / len(ours)).sqrt()
    assert ((ours.mean(dim=0) - theirs.mean(dim=0)).abs() < 4 * error).all()
    # That this could fail: most slopes are many standard errors from 0.
    assert ((ours.mean(dim=0) / error).abs() > 8).sum() >= 2


# The auto-encoder.


@pytest.mark.parametrize("likelihood", [SquaredErrorConfig(), BernoulliConfig()], ids=name_of)
def test_an_auto_encoder_has_no_kl_and_its_error_is_that_of_a_plain_loop(likelihood: object) -> None:
    config = small(model="autoencoder", likelihood=likelihood, free_bits=0.5, bound="iwae", beta=4.0)
    model = double_model(config)
    x = images(4)
    parts = terms(model, x, noise_for(model, 4))
    outputs = model.decoder(model.encoder(x)).sigmoid()
    for image in range(4):
        pairs = list(zip(outputs[image].flatten().tolist(), x[image].flatten().tolist(), strict=True))
        if isinstance(likelihood, SquaredErrorConfig):
            wanted = sum((p - grey) ** 2 for p, grey in pairs)
        else:
            wanted = -sum(grey * math.log(p) + (1 - grey) * math.log(1 - p) for p, grey in pairs)
        assert parts.reconstruction[image].item() == pytest.approx(wanted, rel=1e-12)
    assert parts.kl.tolist() == [0.0] * 4 and parts.kl_per_dim.tolist() == [[0.0] * 3] * 4
    assert torch.equal(parts.neg_elbo, parts.reconstruction)
    for beta in (0.0, 1.0, 4.0):
        assert torch.equal(objective(config, parts, beta), parts.reconstruction.mean())
    # Noise of any number and size is no more than a shape.
    loud = terms(model, x, torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    torch.testing.assert_close(loud.reconstruction, parts.reconstruction, **CLOSE)
