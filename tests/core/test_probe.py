"""What a model makes of one image: against torch.distributions, quadrature, plain loops, and an exact posterior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import small_models
import torch
from quadrature import quadrature
from torch import distributions as td

from vae_studio.core import datasets
from vae_studio.core.config import (
    BernoulliConfig,
    GaussianConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.datasets import ImageSet
from vae_studio.core.model import VAE, build
from vae_studio.core.probe import ProbeError, improve_steps, judge_steps, neighbour_steps, reconstruct
from vae_studio.core.probing import Improvement, Judgement

LINEAR = MLPConfig(widths=())


def judged(model: VAE, image: np.ndarray) -> Judgement:
    items = list(judge_steps(model, image))
    fractions = [item for item in items if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
    return items[-1]


def outputs(model: VAE, image: np.ndarray) -> torch.Tensor:
    """What the encoder's layers put out, in double precision: (n,)."""
    with torch.no_grad():
        return model.frozen().encoder.double()(torch.from_numpy(image).double().reshape(1, *model.image_shape) / 255)[0]


@pytest.fixture(scope="module")
def digit(mnist: datasets.Data) -> np.ndarray:
    return mnist.test.images[3].numpy()


# q(z|x)


@pytest.mark.parametrize("kind", ["diagonal-gaussian", "full-gaussian", "laplace"])
def test_the_posterior_in_numbers_is_what_the_encoder_says(kind: str) -> None:
    model = small_models.of((1, 28, 28), posterior=kind, latent_dims=3)
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    found, _, _ = reconstruct(model, image)
    numbers = outputs(model, image)
    assert found.mean == pytest.approx(numbers[:3].numpy(), rel=1e-4, abs=1e-4)
    if kind == "full-gaussian":
        factor = torch.diag(numbers[3:6].exp())
        factor[1, 0], factor[2, 0], factor[2, 1] = numbers[6:]
        covariance = td.MultivariateNormal(numbers[:3], scale_tril=factor).covariance_matrix.numpy()
        assert found.covariance == pytest.approx(covariance, rel=1e-3)
        assert found.scale == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-3)
        return
    expected = td.Laplace(0.0, numbers[3:].exp()).stddev if kind == "laplace" else (numbers[3:] / 2).exp()
    assert found.covariance is None
    assert found.family == ("laplace" if kind == "laplace" else "gaussian")
    assert found.scale == pytest.approx(expected.numpy(), rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 20, 24)])
def test_reconstruction_and_error_are_the_decoders_at_the_mean(shape: tuple[int, int, int]) -> None:
    model = small_models.of(shape)
    channels, height, width = shape
    size = (height, width) if channels == 1 else (height, width, channels)
    image = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    posterior, reconstruction, error = reconstruct(model, image)
    exact = small_models.decoded(model, posterior.mean[None])[0]
    assert small_models.rounds_to(reconstruction, exact)
    assert small_models.rounds_to(error, np.abs(image - exact))


def test_an_auto_encoder_has_a_code_and_an_error_and_nothing_else(digit: np.ndarray) -> None:
    model = small_models.of(model="autoencoder", likelihood=SquaredErrorConfig())
    posterior, _, _ = reconstruct(model, digit)
    assert posterior.family == "code"
    assert (posterior.scale == 0).all()
    (found,) = judge_steps(model, digit)
    exact = small_models.decoded(model, posterior.mean[None])[0] / 255
    assert found.bound.neg_elbo == pytest.approx(((digit / 255 - exact) ** 2).sum(), rel=1e-4)
    assert found.likelihood is None
    with pytest.raises(ProbeError, match="no ELBO"):
        next(improve_steps(model, digit))


# −ELBO and log p(x)


def test_neg_elbo_is_torchs(explorer_2d: VAE, digit: np.ndarray) -> None:
    numbers, model = outputs(explorer_2d, digit), explorer_2d.frozen().double()
    posterior = td.Normal(numbers[:2], (numbers[2:] / 2).exp())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        logits = model.decoder(posterior.sample((4000,))).flatten(1)
        likelihood = td.Bernoulli(logits=logits, validate_args=False).log_prob(
            torch.from_numpy(digit / 255.0).flatten()
        )
        reconstruction = -likelihood.sum(dim=1)
    kl = float(td.kl_divergence(posterior, td.Normal(torch.zeros(2).double(), 1.0)).sum())
    found = judged(explorer_2d, digit).bound
    assert found.kl == pytest.approx(kl, abs=1e-3)
    assert found.neg_elbo == pytest.approx(float(reconstruction.mean()) + kl, abs=4 * found.se)
    assert found.se == pytest.approx(float(reconstruction.std()) / math.sqrt(found.samples), rel=0.3)


def test_log_p_of_a_grey_image_is_its_mean_over_binarisations(explorer_2d: VAE, digit: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    drawn = torch.from_numpy((rng.uniform(size=(300, 28, 28)) < digit / 255.0).astype(np.uint8) * 255)
    integral = quadrature(explorer_2d, drawn, reach=3.5, points=201)
    exact = -integral.log_p
    assert (integral.coarser - integral.log_p).abs().mean() < 0.1
    found = judged(explorer_2d, digit)
    noise = math.hypot(found.likelihood.nll_se, float(exact.std()) / math.sqrt(len(exact)))
    assert found.likelihood.binarisations > 1
    assert found.likelihood.nll == pytest.approx(float(exact.mean()), abs=4 * noise)
    assert found.likelihood.nll_se < float(exact.std()) / 4, "or the control variates are of no use"
    assert found.bound.neg_elbo > found.likelihood.nll - 4 * noise


@pytest.mark.parametrize(
    "values",
    [
        {"likelihood": GaussianConfig(scale="fixed", width=0.3)},
        {"prior": MixtureConfig(components=3)},
        {"posterior": "laplace", "prior": LaplacePriorConfig()},
    ],
    ids=["gaussian pixels", "mixture", "laplace"],
)
def test_log_p_agrees_with_quadrature_for_other_models(values: dict[str, Any]) -> None:
    model = small_models.of((1, 6, 5), **values)
    image = (np.random.default_rng(2).uniform(size=(6, 5)) < 0.5).astype(np.uint8) * 255
    exact = float(-quadrature(model, torch.from_numpy(image[None]), reach=9.0, points=601).log_p)
    found = judged(model, image)
    assert found.likelihood.binarisations == 1
    assert found.likelihood.nll == pytest.approx(exact, abs=4 * found.likelihood.nll_se + 0.01)
    assert found.bound.neg_elbo > exact - 4 * found.bound.se


def test_the_same_image_gives_the_same_figures(explorer_2d: VAE, digit: np.ndarray) -> None:
    assert judged(explorer_2d, digit) == judged(explorer_2d, digit)


# The nearest training images


def test_the_nearest_images_are_those_of_a_plain_search(mnist: datasets.Data, digit: np.ndarray) -> None:
    *fractions, found = neighbour_steps(digit, mnist.train, mnist.class_names)
    every = mnist.train.images.numpy().reshape(60_000, -1)
    away = np.empty(60_000)
    for start in range(0, 60_000, 10_000):
        part = every[start : start + 10_000].astype(np.float64) - digit.ravel()
        away[start : start + 10_000] = np.sqrt((part**2).mean(axis=1))
    nearest = np.argsort(away)[:8]
    assert found.indices.tolist() == nearest.tolist()
    assert found.distances == pytest.approx(away[nearest], rel=1e-5)
    assert np.array_equal(found.images, mnist.train.images[nearest].numpy())
    assert found.labels.tolist() == mnist.train.labels[nearest].tolist()
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)


def test_a_training_image_is_its_own_neighbour_and_few_images_are_enough(mnist: datasets.Data) -> None:
    few = ImageSet(mnist.train.images[:5], mnist.train.labels[:5])
    *_, found = neighbour_steps(few.images[3].numpy(), few, mnist.class_names)
    assert found.indices[0] == 3
    assert found.distances[0] == 0.0
    assert len(found.images) == 5


# Improve


def improved(model: VAE, image: np.ndarray, **settings: Any) -> tuple[Improvement, Improvement]:
    """Where it begins, and what it ends with."""
    items = list(improve_steps(model, image, **settings))
    assert [item.last for item in items] == [*[False] * (len(items) - 1), True]
    return items[0], items[-1]


@pytest.mark.parametrize("posterior", ["diagonal-gaussian", "full-gaussian"])
def test_a_linear_gaussian_model_is_led_to_its_exact_posterior(posterior: str) -> None:
    width = 0.4
    config = RunConfig(
        network=LINEAR, posterior=posterior, likelihood=GaussianConfig(mean="linear", scale="fixed", width=width)
    )
    model = small_models.vivid(build(config, (1, 6, 6)))
    image = np.random.default_rng(3).integers(0, 256, (6, 6), np.uint8)
    weight, bias = model.decoder[0].weight.double().numpy(), model.decoder[0].bias.double().numpy()
    precision = np.eye(2) + weight.T @ weight / width**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ weight.T @ (image.ravel() / 255 - bias) / width**2
    # log p(x) of x ~ N(b, W Wᵀ + width² I).
    evidence = td.MultivariateNormal(
        torch.from_numpy(bias), torch.from_numpy(weight @ weight.T + width**2 * np.eye(36))
    ).log_prob(torch.from_numpy(image.ravel() / 255))
    begun, found = improved(model, image, steps=600)
    exact = td.MultivariateNormal(torch.from_numpy(mean), torch.from_numpy(covariance))
    if posterior == "diagonal-gaussian":
        # The best without correlations has the same mean, and the precision's diagonal (Bishop 2006, section 10.1.2).
        best = td.MultivariateNormal(exact.loc, precision_matrix=torch.from_numpy(np.diag(np.diag(precision))))
    else:
        best = exact
    before, after = (float(td.kl_divergence(gaussian(item), exact)) for item in (begun, found))
    assert before > 50.0, "there must be something to improve"
    assert after == pytest.approx(float(td.kl_divergence(best, exact)), abs=0.05)
    assert found.bound.neg_elbo == pytest.approx(after - float(evidence), abs=4 * found.bound.se)


def gaussian(item: Improvement) -> td.MultivariateNormal:
    covariance = item.posterior.covariance
    if covariance is None:
        covariance = np.diag(item.posterior.scale**2)
    return td.MultivariateNormal(torch.from_numpy(item.posterior.mean), torch.from_numpy(covariance))


def test_no_image_is_worse_off_and_most_gain(explorer_2d: VAE, mnist: datasets.Data) -> None:
    gains = []
    for image in mnist.test.images[:4].numpy():
        begun, found = improved(explorer_2d, image, steps=100)
        before, after = (judged_at(explorer_2d, image, item) for item in (begun, found))
        noise = 0.5
        assert after < before + noise
        gains.append(before - after)
        # g(μ) and the error that are shown are those of this q(z|x).
        exact = small_models.decoded(explorer_2d, found.posterior.mean[None])[0]
        assert np.abs(found.reconstruction - exact).max() < 0.6
    assert max(gains) > 1.0


def judged_at(model: VAE, image: np.ndarray, item: Improvement) -> float:
    """−ELBO of an item's q(z|x), with torch's densities and noise of its own."""
    posterior = td.Normal(torch.from_numpy(item.posterior.mean), torch.from_numpy(item.posterior.scale))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        logits = model.frozen().decoder.double()(posterior.sample((1000,))).flatten(1)
        x = torch.from_numpy(image / 255.0).flatten()
        reconstruction = -td.Bernoulli(logits=logits, validate_args=False).log_prob(x).sum(dim=1).mean()
    return float(reconstruction + td.kl_divergence(posterior, td.Normal(torch.zeros(2).double(), 1.0)).sum())


@pytest.mark.parametrize(
    "values",
    [
        {"posterior": "laplace", "prior": LaplacePriorConfig()},
        {"prior": MixtureConfig(components=2), "posterior": "full-gaussian"},
        {"likelihood": BernoulliConfig(targets="binarised-fresh"), "bound": "iwae", "samples": 5},
    ],
    ids=["laplace", "mixture", "iwae"],
)
def test_every_kind_of_posterior_can_be_improved_and_the_model_stays(values: dict[str, Any], digit: np.ndarray) -> None:
    model = small_models.of(**values)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    begun, found = improved(model, digit, steps=40)
    assert found.bound.neg_elbo <= begun.bound.neg_elbo
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
