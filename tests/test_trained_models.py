"""The shipped models: each card's figures, found again from the weights by torch.distributions alone."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from vae_studio import paths
from vae_studio.core import datasets, library
from vae_studio.core.checkpoint import LoadedModel, load_model
from vae_studio.core.config import DataConfig
from vae_studio.core.presets import PRESETS

# The most that a shipped model's −ELBO on the MNIST test images may be, in nats per image.
BOUNDS = {"explorer-2d": 133.0, "convolutional-2d": 138.0, "pytorch-example": 101.0, "convolutional-64": 92.0}
SHIPPED = [model.name for model in library.shipped_models()]


@dataclass(frozen=True)
class Figures:
    """Means over all test images, in nats, and Var_x(E_q[z]) of each latent dimension."""

    reconstruction: float
    kl_per_dim: torch.Tensor
    variances: torch.Tensor

    @property
    def kl(self) -> float:
        return float(self.kl_per_dim.sum())

    @property
    def neg_elbo(self) -> float:
        return self.reconstruction + self.kl


@dataclass(frozen=True)
class Shipped:
    """A shipped model, the card beside it, and its figures."""

    name: str
    loaded: LoadedModel
    card: dict
    figures: Figures


@pytest.fixture(scope="module")
def test_images() -> torch.Tensor:
    return datasets.load(DataConfig()).test.images


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request: pytest.FixtureRequest, test_images: torch.Tensor) -> Shipped:
    path = paths.trained_models() / f"{request.param}.safetensors"
    loaded = load_model(path)
    card = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return Shipped(request.param, loaded, card, measured(loaded.model, test_images))


@torch.no_grad()
def measured(model: torch.nn.Module, images: torch.Tensor) -> Figures:
    """−log p(x|z) for one draw z of q(z|x) an image, KL(q(z|x) ‖ N(0, I)), and the spread of the posterior means."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    reconstruction, kl, means = 0.0, torch.zeros(model.latent_dims, dtype=torch.float64), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20)
        for batch in images.split(500):
            x = batch.unsqueeze(1).float() / 255
            mean, log_variance = model.encoder(x).chunk(2, dim=1)
            posterior, prior = Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(()), torch.ones(()))
            # Grey pixels stand for the mean over their binarisations, of which log p is the mean as well.
            likelihood = Bernoulli(logits=model.decoder(posterior.sample()), validate_args=False)
            reconstruction -= float(Independent(likelihood, 3).log_prob(x).double().sum())
            kl += kl_divergence(posterior, prior).double().sum(dim=0)
            means.append(mean.double())
    torch.set_num_threads(threads)
    return Figures(reconstruction / len(images), kl / len(images), torch.cat(means).var(dim=0))


def test_the_card_tells_the_truth(shipped: Shipped) -> None:
    card, figures = shipped.card, shipped.figures
    assert card["neg_elbo"] == pytest.approx(figures.neg_elbo, abs=0.25)
    assert card["reconstruction"] == pytest.approx(figures.reconstruction, abs=0.25)
    assert card["kl"] == pytest.approx(figures.kl, abs=1e-3)
    assert card["kl_per_dim"] == pytest.approx(figures.kl_per_dim.tolist(), abs=1e-3)
    assert card["active_units"] == int((figures.variances > 0.01).sum())


def test_the_model_is_as_good_as_it_must_be(shipped: Shipped) -> None:
    assert shipped.figures.neg_elbo <= BOUNDS[shipped.name]
    assert shipped.card["neg_elbo"] <= BOUNDS[shipped.name]


def test_the_card_says_how_to_make_it_again(shipped: Shipped) -> None:
    card, config = shipped.card, PRESETS[shipped.name].config
    words = shlex.split(card["command"])
    assert words[:2] == ["vae-studio", "train"]
    assert words[words.index("--preset") + 1] == card["preset"] == shipped.name
    assert words[words.index("--seed") + 1] == "0"
    assert card["seed"] == 0
    assert shipped.loaded.model.config == config
    assert (card["ended"], card["epochs"]) == ("done", config.epochs)
    assert card["steps"] == config.epochs * (60_000 // config.batch_size)
    assert card["parameters"] == sum(p.numel() for p in shipped.loaded.model.parameters())
    assert (card["data"]["train_images"], card["data"]["test_images"]) == (60_000, 10_000)
    assert card["data"]["sha256"] == datasets.load(DataConfig()).fingerprint()
    assert {"device", "seconds", "precision", "versions"} <= set(card)


def test_the_card_beside_the_model_is_the_card_within(shipped: Shipped) -> None:
    assert shipped.loaded.card == shipped.card


def test_there_is_a_bound_for_every_shipped_model_and_for_nothing_else() -> None:
    assert set(BOUNDS) == set(SHIPPED)
    # A model whose card is lost would not be listed, and none of these may be lost.
    assert {"explorer-2d", "convolutional-2d", "pytorch-example", "convolutional-64"} <= set(SHIPPED)
    files = paths.trained_models().glob("*.safetensors")
    assert {path.stem for path in files} == set(SHIPPED) <= set(PRESETS)
