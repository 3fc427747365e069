"""Figures of a model, recomputed image by image with torch.distributions."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import distributions as td

from vae_studio.core import evaluate as evaluation
from vae_studio.core.config import ConvolutionalConfig, MLPConfig, RunConfig
from vae_studio.core.datasets import Data
from vae_studio.core.evaluate import evaluate, evaluation_steps
from vae_studio.core.events import Evaluation
from vae_studio.core.model import VAE, build, to_float

MLP = RunConfig(network=MLPConfig(widths=(16,)), latent_dims=3, seed=1)
CONVOLUTIONAL = RunConfig(network=ConvolutionalConfig(channels=(3, 4)), latent_dims=3, seed=1)


def spread(config: RunConfig, mnist: Data) -> VAE:
    """A model whose posterior means have variances 1, 1 and 0 over images, and whose variances differ too."""
    model = build(config, (1, 28, 28))
    with torch.no_grad():
        last = model.encoder[-1]
        last.bias.zero_()
        last.weight.div_(model.encoder(to_float(mnist.test.images[:1000])).std(dim=0)[:, None])
        last.weight[2] = 0.0
    return model.frozen()


@pytest.mark.parametrize("config", [MLP, CONVOLUTIONAL], ids=["mlp", "convolutional"])
def test_figures_are_means_over_images_by_plain_loops(mnist: Data, config: RunConfig) -> None:
    model, images = spread(config, mnist), mnist.test.images[:300]
    found = evaluate(model, images, seed=4, samples=2)

    double = copy.deepcopy(model).double()
    # The posterior samples are drawn a batch at a time, and 300 images are one batch.
    generator = torch.Generator().manual_seed(4)
    noises = [torch.randn(300, 3, generator=generator).double() for _ in range(2)]
    reconstructions, kls, means = [], [], []
    for index, image in enumerate(images):
        x = image.double().reshape(1, 1, 28, 28) / 255
        outputs = double.encoder(x)[0]
        posterior = td.Normal(outputs[:3], (outputs[3:] / 2).exp())
        kls.append(td.kl_divergence(posterior, td.Normal(torch.zeros(3), 1.0)).numpy())
        means.append(posterior.mean.numpy())
        for noise in noises:
            pixel = td.Bernoulli(logits=double.decoder((posterior.mean + posterior.stddev * noise[index])[None]))
            grey = x * pixel.log_prob(torch.ones(())) + (1 - x) * pixel.log_prob(torch.zeros(()))
            reconstructions.append(-grey.sum().item())
    variance = np.square(np.array(means) - np.mean(means, axis=0)).mean(axis=0)

    assert found.images == 300
    assert found.reconstruction == pytest.approx(np.mean(reconstructions), rel=1e-5)
    np.testing.assert_allclose(found.kl_per_dim, np.mean(kls, axis=0), rtol=1e-4, atol=1e-6)
    assert found.kl == pytest.approx(np.mean(kls, axis=0).sum(), rel=1e-5)
    assert found.neg_elbo == pytest.approx(found.reconstruction + found.kl, rel=1e-12)
    assert found.kl > 1.0
    assert found.active_units == (variance > 0.01).sum() == 2


@pytest.mark.parametrize(("sigma", "active"), [(0.0999, 0), (0.1001, 1)])
def test_a_unit_is_active_when_its_mean_varies_by_more_than_a_hundredth(sigma: float, active: int) -> None:
    """Burda et al. 2016, section 5: Var over x of the posterior mean > 0.01. Here it is ±σ, so its variance is σ²."""
    model = build(RunConfig(network=MLPConfig(widths=(1,), activation="relu"), latent_dims=1), (1, 2, 2))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        hidden, last = model.encoder[1], model.encoder[-1]
        hidden.weight[0, 0] = 1.0
        last.weight[0, 0], last.bias[0] = 2 * sigma, -sigma
    images = torch.zeros(1000, 2, 2, dtype=torch.uint8)
    images[::2, 0, 0] = 255
    found = evaluate(model, images)
    assert found.active_units == active
    assert found.kl == pytest.approx(sigma**2 / 2, rel=1e-4)


def test_the_same_seed_gives_the_same_figures_and_another_other_ones(mnist: Data) -> None:
    model, images = spread(MLP, mnist), mnist.test.images[:1200]
    before = torch.random.get_rng_state()
    one, again, other = (evaluate(model, images, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (one.neg_elbo, one.reconstruction, one.kl) == (again.neg_elbo, again.reconstruction, again.kl)
    assert one.reconstruction != other.reconstruction and one.kl == other.kl
    assert one.reconstruction == pytest.approx(other.reconstruction, rel=0.02)


@pytest.mark.parametrize("batch", [1, 7, 400, 5000])
def test_batches_change_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch, mnist: Data, batch: int) -> None:
    model, images = spread(MLP, mnist), mnist.test.images[:801]
    whole = evaluate(model, images, samples=4)
    monkeypatch.setattr(evaluation, "_BATCH", batch)
    parts = evaluate(model, images, samples=4)
    assert parts.kl == pytest.approx(whole.kl, rel=1e-6)
    np.testing.assert_allclose(parts.kl_per_dim, whole.kl_per_dim, rtol=1e-5)
    assert (parts.active_units, parts.images) == (whole.active_units, 801)
    assert parts.reconstruction == pytest.approx(whole.reconstruction, rel=0.01)


def test_a_model_without_spread_has_the_same_figures_in_any_batches(
    monkeypatch: pytest.MonkeyPatch, mnist: Data
) -> None:
    """With σ → 0 the draws do not matter, so that a last batch of another size must not weigh more or less."""
    model = spread(MLP, mnist)
    with torch.no_grad():
        model.encoder[-1].weight[3:] = 0.0
        model.encoder[-1].bias[3:] = -60.0
    images = mnist.test.images[:801]
    whole = evaluate(model, images)
    monkeypatch.setattr(evaluation, "_BATCH", 400)
    parts = evaluate(model, images)
    assert parts.reconstruction == pytest.approx(whole.reconstruction, rel=1e-6)
    assert parts.neg_elbo == pytest.approx(whole.neg_elbo, rel=1e-6)


def test_the_fraction_done_rises_to_one_and_the_result_comes_last(mnist: Data) -> None:
    model, images = spread(MLP, mnist), mnist.test.images[:1201]
    *fractions, last = evaluation_steps(model, images, torch.Generator().manual_seed(0))
    assert isinstance(last, Evaluation)
    assert fractions == [pytest.approx(500 / 1201), pytest.approx(1000 / 1201), 1.0]


def test_evaluating_leaves_the_model_alone(mnist: Data) -> None:
    model = build(MLP, (1, 28, 28))
    before = [p.detach().clone() for p in model.parameters()]
    evaluate(model, mnist.test.images[:600])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_bf16_agrees_with_float32_to_a_hundredth(mnist: Data) -> None:
    model, images = spread(MLP, mnist), mnist.test.images[:1000]
    exact = evaluate(model, images)
    *_, rough = evaluation_steps(model, images, torch.Generator().manual_seed(0), dtype=torch.bfloat16)
    assert rough.neg_elbo != exact.neg_elbo
    assert rough.neg_elbo == pytest.approx(exact.neg_elbo, rel=0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(mnist: Data) -> None:
    model, images = spread(MLP, mnist), mnist.test.images
    on_cpu = evaluate(model, images, samples=4)
    on_gpu = evaluate(copy.deepcopy(model).cuda(), images, samples=4)
    assert on_gpu.kl == pytest.approx(on_cpu.kl, rel=1e-4)
    assert on_gpu.reconstruction == pytest.approx(on_cpu.reconstruction, rel=1e-2)
    assert on_gpu.active_units == on_cpu.active_units
