"""Figures of a model, recomputed image by image with torch.distributions."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import distributions as td
from training import TINY, finished, indices, pull

from vae_studio.core import evaluate as evaluation
from vae_studio.core.config import (
    BernoulliConfig,
    ConvolutionalConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.datasets import Data, load
from vae_studio.core.evaluate import evaluate, evaluation_seed, evaluation_steps, fixed_binarisation, fixed_targets
from vae_studio.core.events import Evaluation
from vae_studio.core.model import VAE, build, standardised, to_float
from vae_studio.core.step import Stepper

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
    assert found.active.tolist() == (variance > 0.01).tolist() == [True, True, False]
    assert found.active_units == 2 and found.is_bound


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
    assert found.active_units == active and found.active.tolist() == [bool(active)]
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


# Models of other kinds.


@pytest.mark.parametrize(
    ("posterior", "prior"), [("laplace", LaplacePriorConfig()), ("diagonal-gaussian", MixtureConfig(components=3))]
)
def test_without_a_closed_form_the_kl_is_that_of_the_samples(mnist: Data, posterior: str, prior: object) -> None:
    """By plain loops over images, with two samples each."""
    model, images = build(MLP.with_changes(posterior=posterior, prior=prior), (1, 28, 28)), mnist.test.images[:20]
    found = evaluate(model, images, seed=4, samples=2)
    generator = torch.Generator().manual_seed(4)
    noises = [model.noise((20,), generator).double() for _ in range(2)]
    double = copy.deepcopy(model).double().requires_grad_(False)
    if posterior == "laplace":
        wide = td.Independent(td.Laplace(torch.zeros(3, dtype=torch.float64), math.sqrt(0.5)), 1)
    else:
        parts = td.Independent(td.Normal(double.prior.means, double.prior.log_scales.exp()), 1)
        wide = td.MixtureSameFamily(td.Categorical(logits=double.prior.logits), parts)
    kls = []
    for index, image in enumerate(images):
        mean, rest = double.encoder(image.double().reshape(1, 1, 28, 28) / 255)[0].chunk(2)
        narrow = td.Laplace(mean, rest.exp()) if posterior == "laplace" else td.Normal(mean, (rest / 2).exp())
        for noise in noises:
            z = mean + narrow.scale * noise[index]
            kls.append((narrow.log_prob(z).sum() - wide.log_prob(z)).item())
    assert found.kl == pytest.approx(np.mean(kls), rel=1e-4, abs=1e-5)
    assert found.neg_elbo == pytest.approx(found.reconstruction + found.kl, rel=1e-12) and found.is_bound


def test_what_is_reported_is_the_bound_whatever_was_optimised(mnist: Data) -> None:
    """Other weights of the KL, free bits, more samples or the importance-weighted bound change no figure."""
    images = mnist.test.images[:100]
    wanted = evaluate(build(MLP, (1, 28, 28)), images)
    for changes in ({"beta": 4.0, "free_bits": 2.0}, {"kl": "sampled", "samples": 7}, {"bound": "iwae", "samples": 5}):
        found = evaluate(build(MLP.with_changes(**changes), (1, 28, 28)), images)
        assert (found.neg_elbo, found.reconstruction, found.kl) == (wanted.neg_elbo, wanted.reconstruction, wanted.kl)


@pytest.mark.parametrize("likelihood", [SquaredErrorConfig(), BernoulliConfig()], ids=["squared-error", "bernoulli"])
def test_an_auto_encoder_has_an_error_and_no_bound(mnist: Data, likelihood: object) -> None:
    """Its codes may have any scale: a dimension is active unless it varies by less than 0.0001."""
    config = MLP.with_changes(model="autoencoder", likelihood=likelihood)
    model, images = build(config, (1, 28, 28)), mnist.test.images[:600]
    with torch.no_grad():
        last = model.encoder[-1]
        spread = model.encoder(to_float(images)).std(dim=0)
        last.weight.mul_((torch.tensor([1.0, 3e-4, 3e-5]) / spread)[:, None])
    found = evaluate(model, images, samples=2)
    x = images.double().reshape(600, 784) / 255
    with torch.no_grad():
        double = copy.deepcopy(model).double()
        mean = double.decoder(double.encoder(x.view(-1, 1, 28, 28))).sigmoid().view(600, 784).numpy()
    x = x.numpy()
    if isinstance(likelihood, SquaredErrorConfig):
        errors = np.square(mean - x).sum(axis=1)
    else:
        errors = -(x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum(axis=1)
    assert found.reconstruction == pytest.approx(errors.mean(), rel=1e-5)
    assert not found.is_bound and found.neg_elbo == found.reconstruction
    assert found.kl == 0.0 and found.kl_per_dim.tolist() == [0.0] * 3
    assert found.active.tolist() == [True, True, False]
    # Standardising changes neither.
    again = evaluate(standardised(model, images), images)
    assert again.reconstruction == pytest.approx(found.reconstruction, rel=1e-5)
    assert again.active.tolist() == found.active.tolist()


# What the pixels stand for.

PLAIN = MLP.with_changes(model="autoencoder", likelihood=SquaredErrorConfig())
BINARISED = [BernoulliConfig(targets=targets) for targets in ("binarised-fresh", "binarised-once")]


@pytest.mark.parametrize("likelihood", BINARISED, ids=["fresh", "once"])
def test_configs_that_binarise_are_evaluated_on_one_draw_always_the_same(
    mnist: Data, likelihood: BernoulliConfig
) -> None:
    config, images = MLP.with_changes(likelihood=likelihood), mnist.test.images[:500]
    before = torch.random.get_rng_state()
    one = fixed_targets(config, images, "test")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one, fixed_targets(config, images, "test"))
    assert torch.equal(one, fixed_binarisation(config, images, "test"))
    assert one.dtype == torch.uint8 and one.shape == images.shape and set(one.unique().tolist()) == {0, 255}
    assert (one[images == 0] == 0).all() and (one[images == 255] == 255).all()
    # Both splits, and other seeds, are other draws; other settings, and fewer images, the same.
    assert not torch.equal(one, fixed_targets(config, images, "train"))
    assert not torch.equal(one, fixed_targets(config.with_changes(seed=2), images, "test"))
    assert torch.equal(one, fixed_targets(config.with_changes(epochs=7, latent_dims=9), images, "test"))
    grey = images.double().mean().item()
    error = (images.double() / 255 * (1 - images.double() / 255)).sum().sqrt().item() * 255 / images.numel()
    assert one.double().mean().item() == pytest.approx(grey, abs=5 * error)


def test_grey_targets_stay_as_they_are(mnist: Data) -> None:
    images = mnist.test.images[:50]
    for config in (MLP, PLAIN):
        assert fixed_targets(config, images, "test") is images
    # And can be binarised all the same, for figures that need black and white.
    assert set(fixed_binarisation(MLP, images, "test").unique().tolist()) == {0, 255}


class Watched:
    """The batches that training steps were given, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[torch.Tensor] = []
        step = Stepper.step

        def watched(stepper: Stepper, images: torch.Tensor, rate: float, beta: float) -> None:
            self.batches.append(images.cpu().clone())
            step(stepper, images, rate, beta)

        monkeypatch.setattr(Stepper, "step", watched)


def test_training_images_binarised_once_are_the_fixed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TINY.with_changes(
        data={"limit": 100}, likelihood=BernoulliConfig(targets="binarised-once"), batch_size=50, seed=3
    )
    watched = Watched(monkeypatch)
    pull(config)
    fixed = fixed_targets(config, load(config.data, config.seed).train.images, "train")
    assert len(watched.batches) == 4
    for epoch in (watched.batches[:2], watched.batches[2:]):
        assert sorted(indices(torch.cat(epoch), fixed)) == list(range(100))


def test_training_images_binarised_freshly_reach_the_step_in_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TINY.with_changes(
        data={"limit": 100}, likelihood=BernoulliConfig(targets="binarised-fresh"), batch_size=50, seed=3
    )
    watched = Watched(monkeypatch)
    pull(config)
    grey = load(config.data, config.seed).train.images
    assert sorted(indices(torch.cat(watched.batches[:2]), grey)) == list(range(100))


@pytest.mark.parametrize("likelihood", BINARISED, ids=["fresh", "once"])
def test_a_runs_last_figures_are_over_the_fixed_test_images(likelihood: BernoulliConfig) -> None:
    config = TINY.with_changes(data={"limit": 100}, likelihood=likelihood, batch_size=50, epochs=1, seed=3)
    data = load(config.data, config.seed)
    last = finished(pull(config, data))
    targets = fixed_targets(config, data.test.images, "test")
    again = evaluate(last.model, targets, seed=evaluation_seed(config))
    assert last.evaluation.neg_elbo == pytest.approx(again.neg_elbo, rel=1e-6)
    assert last.evaluation.active.tolist() == again.active.tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(mnist: Data) -> None:
    model, images = spread(MLP, mnist), mnist.test.images
    on_cpu = evaluate(model, images, samples=4)
    on_gpu = evaluate(copy.deepcopy(model).cuda(), images, samples=4)
    assert on_gpu.kl == pytest.approx(on_cpu.kl, rel=1e-4)
    assert on_gpu.reconstruction == pytest.approx(on_cpu.reconstruction, rel=1e-2)
    assert on_gpu.active_units == on_cpu.active_units


@pytest.mark.parametrize(
    ("likelihood", "scale"),
    [
        (GaussianConfig(scale="learned", width=0.25), 0.25),
        (LaplaceConfig(scale="learned", width=0.25), 0.25),
        (GaussianConfig(scale="fixed"), None),
        (GaussianConfig(scale="per-pixel"), None),
        (BernoulliConfig(), None),
    ],
)
def test_a_learned_scale_is_among_the_figures(mnist: Data, likelihood: object, scale: float | None) -> None:
    """It starts at the width of the config, and is that of the density itself."""
    model = build(RunConfig(network=MLPConfig(widths=(8,)), likelihood=likelihood), (1, 28, 28))
    found = evaluate(model, mnist.test.images[:100]).scale
    assert found == (scale and pytest.approx(scale, rel=1e-5))
    if scale:
        with torch.no_grad():
            model.log_scale.add_(1.0)
            spread = model.decode(torch.zeros(1, 2)).log_scale.exp().item()
        assert evaluate(model, mnist.test.images[:100]).scale == pytest.approx(spread, rel=1e-6)
        assert spread > 0.5
