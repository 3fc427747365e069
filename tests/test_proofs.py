"""The figures for log p(x) are what theory says: against probabilistic PCA, quadrature, and the order of the bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from quadrature import quadrature
from sklearn.decomposition import PCA
from torch import Tensor
from torch import distributions as td
from torch.nn.functional import avg_pool2d

from vae_studio.core import datasets
from vae_studio.core.config import (
    BernoulliConfig,
    ContinuousBernoulliConfig,
    DataConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
)
from vae_studio.core.estimate import likelihood_targets, log_likelihood_steps, naive_steps
from vae_studio.core.evaluate import evaluate
from vae_studio.core.events import Finished
from vae_studio.core.figures import LogLikelihood, Naive
from vae_studio.core.library import open_model, shipped_models
from vae_studio.core.model import VAE, build, to_float
from vae_studio.core.objective import terms
from vae_studio.core.train import train


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def mnist(pixels: int, images: int = 5000) -> datasets.Data:
    """The first images of MNIST, shrunk to so many pixels a side by averaging squares; a fifth as many to test on."""
    data = datasets.load(DataConfig())
    parts = []
    for part, count in ((data.train, images), (data.test, images // 5)):
        shrunk = avg_pool2d(part.images[:count].unsqueeze(1).float(), 28 // pixels)
        parts.append(datasets.ImageSet(shrunk.squeeze(1).round().to(torch.uint8), part.labels[:count]))
    return datasets.Data("mnist", "MNIST", *parts, data.class_names)


def trained(config: RunConfig, data: datasets.Data) -> VAE:
    *_, finished = train(config, data)
    assert isinstance(finished, Finished) and finished.reason == "done"
    return finished.model


def estimated(model: VAE, images: Tensor, samples: int, seed: int = 0) -> LogLikelihood:
    *_, found = log_likelihood_steps(model, images, torch.Generator().manual_seed(seed), samples=samples)
    return found


# Linear models: probabilistic PCA (Tipping & Bishop 1999) has their p(x) in closed form.


@dataclass(frozen=True)
class Linear:
    """A linear VAE with the weights of PCA, turned in latent space; what its true posteriors are, and its images."""

    model: VAE
    images: Tensor
    log_p: np.ndarray
    to_mean: Tensor  # of the true posterior, (d, pixels), from x less `centre`
    centre: Tensor
    covariance: Tensor


DIMS = (1, 2, 5)


def linear(dims: int, posterior: str, *, turned: bool = False, images: int = 100) -> Linear:
    """PCA of 7 × 7 images in the decoder; the encoder's weights are the test's to set.

    Columns of PCA's own W are at right angles, so that its true posterior has independent dimensions. Any rotation of
    z gives the same p(x), and mixes them.
    """
    data = mnist(7)
    values = data.train.images.double().flatten(1).numpy() / 255
    pca = PCA(dims).fit(values)
    variance = pca.noise_variance_
    weight = torch.from_numpy(pca.components_.T * np.sqrt(pca.explained_variance_ - variance))
    if turned:
        drawn = torch.randn(dims, dims, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
        weight = weight @ torch.linalg.qr(drawn).Q
    likelihood = GaussianConfig(scale="fixed", width=math.sqrt(variance), mean="linear")
    network = MLPConfig(widths=())
    config = RunConfig(network=network, latent_dims=dims, posterior=posterior, likelihood=likelihood)
    model = build(config, (1, 7, 7))
    with torch.no_grad():
        model.decoder[0].weight.copy_(weight)
        model.decoder[0].bias.copy_(torch.from_numpy(pca.mean_))
    covariance = torch.linalg.inv(torch.eye(dims) + weight.T @ weight / variance)
    chosen = data.test.images[:images]
    log_p = pca.score_samples(chosen.double().flatten(1).numpy() / 255)
    to_mean = covariance @ weight.T / variance
    return Linear(model, chosen, log_p, to_mean, torch.from_numpy(pca.mean_), covariance)


@torch.no_grad()
def set_posterior(linear: Linear, *, scale: float = 1.0, shift: float = 0.0) -> None:
    """Give the encoder the true posterior, as far as its family goes: its mean moved by `shift` and its root scaled by
    `scale`, both in standard deviations."""
    model, dims = linear.model, linear.model.latent_dims
    root = scale * torch.linalg.cholesky(linear.covariance)
    deviation = linear.covariance.diagonal().sqrt()
    match model.config.posterior:
        case "diagonal-gaussian":
            spread = 2.0 * (scale * deviation).log()
        case "laplace":
            spread = (scale * deviation / math.sqrt(2.0)).log()
        case "full-gaussian":
            below = root[*torch.tril_indices(dims, dims, offset=-1)]
            spread = torch.cat([root.diagonal().log(), below])
    last = model.encoder[-1]
    last.weight.zero_()
    last.weight[:dims] = linear.to_mean
    last.bias[:dims] = shift * deviation - linear.to_mean @ linear.centre
    last.bias[dims:] = spread


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize(("posterior", "turned"), [("diagonal-gaussian", False), ("full-gaussian", True)])
def test_with_the_true_posterior_every_bound_is_log_p(dims: int, posterior: str, turned: bool) -> None:
    known = linear(dims, posterior, turned=turned)
    set_posterior(known)
    x = to_float(known.images)
    noise = known.model.noise((3, len(x)), torch.Generator().manual_seed(0))
    with torch.no_grad():
        sampled = terms(known.model, x, noise, sampled=True)
    assert known.log_p.std() > 1.0
    np.testing.assert_allclose(-sampled.neg_elbo.numpy(), known.log_p, atol=1e-3)
    np.testing.assert_allclose(-sampled.importance_weighted().numpy(), known.log_p, atol=1e-3)
    for weights in sampled.log_likelihood - sampled.log_ratio:
        np.testing.assert_allclose(weights.numpy(), known.log_p, atol=1e-3)

    found = estimated(known.model, known.images, samples=50)
    assert found.nll == pytest.approx(-known.log_p.mean(), abs=1e-3 + 4 * found.nll_se_samples)
    for bound in found.bounds:
        assert bound.value == pytest.approx(-known.log_p.mean(), abs=1e-3)
    assert found.ess > 49.9


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize(("posterior", "turned"), [("diagonal-gaussian", False), ("full-gaussian", True)])
def test_with_the_true_posterior_the_elbo_by_the_closed_form_kl_is_log_p(
    dims: int, posterior: str, turned: bool
) -> None:
    known = linear(dims, posterior, turned=turned)
    set_posterior(known)
    x = to_float(known.images)
    with torch.no_grad():
        parts = terms(known.model, x, known.model.noise((3000, len(x)), torch.Generator().manual_seed(0)))
    assert parts.log_ratio is None
    # E_q ‖x − Wz − μ‖² is that at the mean, and the trace of W Σ Wᵀ: nothing is drawn.
    weight, width = known.model.decoder[0].weight.double(), known.model.config.likelihood.width
    away = x.double().flatten(1) - known.centre - (x.double().flatten(1) - known.centre) @ known.to_mean.T @ weight.T
    expected = (away.square().sum(dim=1) + (weight @ known.covariance @ weight.T).trace()) / (2 * width**2)
    expected = expected + away.shape[1] * math.log(width * math.sqrt(2 * math.pi))
    np.testing.assert_allclose((-expected - parts.kl).detach().numpy(), known.log_p, atol=1e-3)
    error = float(parts.log_likelihood.std(dim=0).mean()) / math.sqrt(3000)
    np.testing.assert_allclose(-parts.neg_elbo.numpy(), known.log_p, atol=6 * error)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("posterior", ["diagonal-gaussian", "full-gaussian", "laplace"])
@pytest.mark.parametrize(("scale", "shift"), [(1.3, 0.5), (0.8, -0.4)])
def test_with_any_posterior_the_estimate_is_log_p(dims: int, posterior: str, scale: float, shift: float) -> None:
    known = linear(dims, posterior, turned=True)
    set_posterior(known, scale=scale, shift=shift)
    found = estimated(known.model, known.images, samples=1000, seed=dims)
    assert 0.0 < found.nll_se_samples < 0.02
    assert found.nll == pytest.approx(-known.log_p.mean(), abs=4 * found.nll_se_samples + 1e-3)
    for image, log_p in zip(known.images[:5], known.log_p, strict=False):
        alone = estimated(known.model, image.unsqueeze(0), samples=1000, seed=dims)
        assert alone.nll == pytest.approx(-log_p, abs=4 * alone.nll_se_samples + 1e-3)
    # The ELBO misses log p(x) by the KL from the true posterior.
    truth = td.MultivariateNormal(torch.zeros(dims, dtype=torch.float64), known.covariance)
    deviation = known.covariance.diagonal().sqrt()
    match posterior:
        case "full-gaussian":
            taken = td.MultivariateNormal(shift * deviation, scale**2 * known.covariance)
            gap = float(td.kl_divergence(taken, truth))
        case "diagonal-gaussian":
            taken = td.MultivariateNormal(shift * deviation, (scale * deviation).square().diag())
            gap = float(td.kl_divergence(taken, truth))
        case "laplace":
            # −entropy − E_q log N: the latter needs but the mean and the variances.
            b, precision = scale * deviation / math.sqrt(2.0), torch.linalg.inv(known.covariance)
            square = ((shift * deviation).outer(shift * deviation) + (scale * deviation).square().diag()) * precision
            normaliser = 0.5 * (known.covariance.logdet() + dims * math.log(2 * math.pi))
            gap = float(-(2 * b).log().sum() - dims + normaliser + 0.5 * square.sum())
    assert gap > 0.03
    assert found.bounds[0].value == pytest.approx(gap - known.log_p.mean(), abs=0.03 * dims)
    assert all(bound.value > found.nll - 1e-3 - 4 * found.nll_se_samples for bound in found.bounds)


@pytest.mark.parametrize("scale", ["fixed", "learned"])
def test_training_a_linear_vae_finds_what_pca_finds(scale: str) -> None:
    """Its ELBO has no optimum but PCA's (Lucas et al. 2019, arXiv 1911.02469); σ, where it is learned, too."""
    data = mnist(7, images=10_000)
    train_values, test_values = (part.images.double().flatten(1).numpy() / 255 for part in (data.train, data.test))
    pca = PCA(2).fit(train_values)
    width = math.sqrt(pca.noise_variance_) if scale == "fixed" else 0.5
    config = RunConfig(
        network=MLPConfig(widths=()),
        likelihood=GaussianConfig(scale=scale, width=width, mean="linear"),
        output_bias="data-mean",
        samples=5,
        learning_rate=0.15,
        batch_size=100,
        epochs=25,
        device="cpu",
        precision="float32",
    )
    model = trained(config, data)
    score = pca.score_samples(test_values).mean()
    assert -evaluate(model, data.test.images, samples=20).neg_elbo == pytest.approx(score, abs=0.1)
    assert estimated(model, data.test.images[:500], 100).nll == pytest.approx(
        -pca.score_samples(test_values[:500]).mean(), abs=0.1
    )
    if scale == "learned":
        sigma = float(model.decode(torch.zeros(1, 2)).log_scale.exp())
        assert sigma == pytest.approx(math.sqrt(pca.noise_variance_), rel=0.02)
    # The columns of W span what PCA's components do.
    directions = torch.linalg.qr(model.decoder[0].weight.detach()).Q.double().numpy()
    assert np.linalg.svd(pca.components_ @ directions)[1].min() > 0.99


# Models that bend: log p(x) by quadrature.


@dataclass(frozen=True)
class Bent:
    """A small model, what it is trained on, and the grid that its latent space needs."""

    config: RunConfig
    pixels: int
    reach: float
    points: int


def small(pixels: int, reach: float, points: int, **values: object) -> Bent:
    settings = {"network": MLPConfig(widths=(32,), activation="tanh"), "learning_rate": 1e-2, "batch_size": 100}
    settings |= {"epochs": 6, "device": "cpu", "precision": "float32"}
    return Bent(RunConfig(**(settings | values)), pixels, reach, points)


BENT = {
    "bernoulli": small(28, 8.0, 241, likelihood=BernoulliConfig(targets="binarised-fresh")),
    "bernoulli-line": small(28, 6.0, 4001, latent_dims=1, posterior="laplace", samples=2),
    "gaussian": small(7, 5.0, 201, likelihood=GaussianConfig(), posterior="full-gaussian", prior=MixtureConfig()),
    "gaussian-per-pixel": small(7, 5.0, 201, likelihood=GaussianConfig(scale="per-pixel"), bound="iwae", samples=5),
    "continuous-bernoulli": small(7, 5.0, 121, likelihood=ContinuousBernoulliConfig(), posterior="full-gaussian"),
    "laplace": small(7, 9.0, 361, likelihood=LaplaceConfig(), posterior="laplace", prior=LaplacePriorConfig()),
    "laplace-per-pixel": small(7, 6.0, 4001, likelihood=LaplaceConfig(scale="per-pixel"), latent_dims=1),
}


@dataclass(frozen=True)
class Trained:
    """One of these models, 30 test images as log p(x) takes them, and −log p(x), their mean."""

    model: VAE
    images: Tensor
    nll: float


@pytest.fixture(scope="module", params=list(BENT))
def bent(request: pytest.FixtureRequest) -> Trained:
    kind = BENT[request.param]
    data = mnist(kind.pixels)
    model = trained(kind.config, data)
    images = likelihood_targets(kind.config, data.test.images[:30], "test")
    truth = quadrature(model, images, reach=kind.reach, points=kind.points)
    assert (truth.coarser - truth.log_p).abs().max() < 0.02
    assert truth.at_the_border.max() < -9.0
    return Trained(model, images, -float(truth.log_p.mean()))


def test_the_estimate_is_what_quadrature_finds(bent: Trained) -> None:
    found = estimated(bent.model, bent.images, samples=1000)
    assert found.nll_se_samples < 0.05
    assert found.nll == pytest.approx(bent.nll, abs=4 * found.nll_se_samples)
    for bound in found.bounds:
        assert bound.value > bent.nll - 4 * found.nll_se_samples


@pytest.mark.parametrize(("samples", "points"), [(1000, 281), pytest.param(5000, 561, marks=pytest.mark.slow)])
def test_an_encoder_that_settles_on_one_mode_does_not_mislead_the_estimate(samples: int, points: int) -> None:
    """The 2-D explorer can place many digits in two regions, and its encoder knows one: a bound that draws from it
    alone stays far from log p(x), however many samples it has."""
    model = open_model("explorer-2d").model
    images = likelihood_targets(model.config, datasets.load(DataConfig()).test.images[:20], "test")
    truth = quadrature(model, images, reach=3.4, points=points)
    nll = -float(truth.log_p.mean())
    assert abs(float(truth.coarser.mean()) + nll) < 0.1
    assert truth.at_the_border.max() < -9.0
    found = estimated(model, images, samples)
    assert found.nll == pytest.approx(nll, abs=4 * found.nll_se_samples)
    assert found.nll_se_samples < 0.1
    assert found.bounds[-1].samples == samples
    assert found.bounds[-1].value > nll + 1.0


def test_with_few_dimensions_draws_from_the_prior_find_log_p(bent: Trained) -> None:
    *_, naive = naive_steps(bent.model, bent.images, torch.Generator().manual_seed(0), most=100_000)
    assert isinstance(naive, Naive)
    away = [abs(point.nll - bent.nll) for point in naive.points]
    assert away[0] > 0.3 > 0.05 > away[-1]
    assert naive.points[-1].ess > 300


def test_in_twenty_dimensions_draws_from_the_prior_find_nothing() -> None:
    model = open_model("pytorch-example").model
    images = likelihood_targets(model.config, datasets.load(DataConfig()).test.images[:30], "test")
    *_, naive = naive_steps(model, images, torch.Generator().manual_seed(0), most=10_000)
    found = estimated(model, images, samples=500)
    assert [point.samples for point in naive.points] == [10, 100, 1000, 10_000]
    values = [point.nll for point in naive.points]
    assert values == sorted(values, reverse=True)
    assert values[-1] > found.nll + 20.0
    assert naive.points[-1].ess < 5.0


# The order of the bounds.


def assert_bounds_hold(model: VAE, images: Tensor, samples: int) -> None:
    found = estimated(model, images, samples)
    values = [bound.value for bound in found.bounds]
    # The same weights in larger and larger groups: by Jensen's inequality without any error.
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.01
    assert values[-1] > found.nll - 4 * found.nll_se_samples - 1e-3
    x = to_float(images)
    with torch.no_grad():
        parts = terms(model, x, model.noise((10, len(x)), torch.Generator().manual_seed(5)), sampled=True)
    spread = float((parts.log_likelihood - parts.log_ratio).var(dim=0).mean() / len(x))
    elbo = evaluate(model, images, seed=6, samples=10).neg_elbo
    assert values[0] == pytest.approx(elbo, abs=4 * math.sqrt(spread * (1 / 10 + 1 / samples)) + 1e-3)


def test_bounds_hold_on_small_models(bent: Trained) -> None:
    assert_bounds_hold(bent.model, bent.images, samples=500)


SHIPPED = [shipped.name for shipped in shipped_models() if shipped.card["neg_elbo"] is not None]


@pytest.mark.parametrize("name", SHIPPED)
def test_bounds_hold_on_shipped_models(name: str) -> None:
    model = open_model(name).model
    images = likelihood_targets(model.config, datasets.load(DataConfig()).test.images[:20], "test")
    assert_bounds_hold(model, images, samples=100)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_bounds_hold_on_shipped_models_to_five_thousand_samples(name: str) -> None:
    model = open_model(name).model
    images = likelihood_targets(model.config, datasets.load(DataConfig()).test.images[:20], "test")
    assert_bounds_hold(model, images, samples=5000)
