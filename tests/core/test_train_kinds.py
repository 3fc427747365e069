"""Every kind of model trains, reports the true ELBO whatever is minimised, and minimises what it reports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from torch import distributions as td
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from training import KINDS, TINY, digest, eager_clock, figures, finished, of_kind, pull, weights

from vae_studio.core import evaluate, model, step, train
from vae_studio.core.config import BernoulliConfig, ConvolutionalConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.datasets import Data, ImageSet
from vae_studio.core.events import Evaluated, Progress, Snapshot
from vae_studio.core.model import VAE, all_finite, build

every_kind = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS.keys())
AUTO_ENCODERS = {name: config for name, config in KINDS.items() if config.model == "autoencoder"}
every_auto_encoder = pytest.mark.parametrize("config", AUTO_ENCODERS.values(), ids=AUTO_ENCODERS.keys())
every_vae = pytest.mark.parametrize(
    "config",
    [config for name, config in KINDS.items() if name not in AUTO_ENCODERS],
    ids=[name for name in KINDS if name not in AUTO_ENCODERS],
)


def part(mnist: Data, train_images: int, test_images: int) -> Data:
    return Data(
        "mnist",
        "MNIST",
        mnist.train.select(torch.arange(train_images)),
        mnist.test.select(torch.arange(test_images)),
        mnist.class_names,
    )


@pytest.fixture(scope="module")
def few(mnist: Data) -> Data:
    return part(mnist, 600, 200)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tensor]]:
    """The images of every step that is taken."""
    seen: list[Tensor] = []

    class Watched(step.Stepper):
        def step(self, images: Tensor, rate: float, beta: float) -> None:
            seen.append(images.clone())
            super().step(images, rate, beta)

    monkeypatch.setattr(train, "Stepper", Watched)
    return seen


@dataclass(frozen=True)
class Reference:
    """Of one model in double precision, by torch.distributions: log p(x|z) and log q(z|x) − log p(z) at samples,
    (S, B), and the KL in closed form (B,) where there is one."""

    likelihood: Tensor
    ratio: Tensor | None
    closed: Tensor | None

    @property
    def reconstruction(self) -> float:
        return -self.likelihood.mean().item()

    @property
    def kl(self) -> float:
        """The closed form where torch.distributions has one, and else the mean over samples."""
        if self.ratio is None:
            return 0.0
        return (self.ratio.mean() if self.closed is None else self.closed.mean()).item()


def reference(config: RunConfig, double: VAE, x: Tensor, noise: Tensor) -> Reference:
    """For images x (B, C, H, W) and noise (S, B, d), from what the networks of a model put out."""
    outputs = double.encoder(x)
    dims = config.latent_dims
    if config.model == "autoencoder":
        return Reference(pixels(config, double, outputs[None]).log_prob(x).flatten(2).sum(dim=2), None, None)
    mean = outputs[:, :dims]
    if config.posterior == "full-gaussian":
        factor = torch.zeros(len(x), dims, dims, dtype=x.dtype)
        below = 2 * dims
        for row in range(dims):
            factor[:, row, row] = outputs[:, dims + row].exp()
            for column in range(row):
                factor[:, row, column] = outputs[:, below]
                below += 1
        posterior = td.MultivariateNormal(mean, scale_tril=factor)
        z = mean + (factor @ noise[..., None])[..., 0]
    else:
        spread = outputs[:, dims:].exp() if config.posterior == "laplace" else (outputs[:, dims:] / 2).exp()
        family = td.Laplace if config.posterior == "laplace" else td.Normal
        posterior = td.Independent(family(mean, spread), 1)
        z = mean + spread * noise
    prior = prior_of(config, double)
    ratio = posterior.log_prob(z) - prior.log_prob(z)
    closed = None
    if config.prior.kind == "standard-normal" and config.posterior != "laplace":
        normal = td.MultivariateNormal(torch.zeros(dims, dtype=x.dtype), torch.eye(dims, dtype=x.dtype))
        if config.posterior == "diagonal-gaussian":
            posterior = td.MultivariateNormal(mean, scale_tril=torch.diag_embed(spread))
        closed = td.kl_divergence(posterior, normal)
    return Reference(pixels(config, double, z).log_prob(x).flatten(2).sum(dim=2), ratio, closed)


def prior_of(config: RunConfig, double: VAE) -> td.Distribution:
    zeros = torch.zeros(config.latent_dims, dtype=torch.float64)
    if config.prior.kind == "laplace":
        return td.Independent(td.Laplace(zeros, math.sqrt(0.5)), 1)
    if config.prior.kind == "gaussian-mixture":
        parts = td.Independent(td.Normal(double.prior.means, double.prior.log_scales.exp()), 1)
        return td.MixtureSameFamily(td.Categorical(logits=double.prior.logits), parts)
    return td.Independent(td.Normal(zeros, 1.0), 1)


class Squares:
    def __init__(self, mean: Tensor) -> None:
        self.mean = mean

    def log_prob(self, x: Tensor) -> Tensor:
        return -((x - self.mean) ** 2)


class Grey:
    """Log-probabilities of Bernoulli pixels, averaged over what a grey pixel may turn out to be."""

    def __init__(self, logits: Tensor) -> None:
        self.pixel = td.Bernoulli(logits=logits)

    def log_prob(self, x: Tensor) -> Tensor:
        one, none = torch.ones_like(x), torch.zeros_like(x)
        return x * self.pixel.log_prob(one) + (1 - x) * self.pixel.log_prob(none)


def pixels(config: RunConfig, double: VAE, z: Tensor) -> td.Distribution | Squares | Grey:
    outputs = double.decoder(z.flatten(0, -2)).unflatten(0, z.shape[:-1])
    kind = config.likelihood.kind
    if kind == "bernoulli":
        return Grey(outputs)
    if kind == "continuous-bernoulli":
        return td.ContinuousBernoulli(logits=outputs)
    if kind == "squared-error":
        return Squares(outputs.sigmoid())
    lowest, scale = math.log(1 / 255), torch.tensor(config.likelihood.width, dtype=torch.float64)
    if config.likelihood.scale == "learned":
        scale = (lowest + softplus(double.log_scale - lowest)).exp()
    elif config.likelihood.scale == "per-pixel":
        outputs, log_scale = outputs.chunk(2, dim=2)
        start = lowest + math.log(math.exp(math.log(config.likelihood.width) - lowest) - 1)
        scale = (lowest + softplus(log_scale + start - lowest)).exp()
    mean = outputs.sigmoid() if config.likelihood.mean == "sigmoid" else outputs
    return (td.Normal if kind == "gaussian" else td.Laplace)(mean, scale)


def noise_of(config: RunConfig, count: int, generator: torch.Generator) -> Tensor:
    samples = config.samples if config.model == "vae" else 1
    shape = (samples, count, config.latent_dims)
    if config.posterior == "laplace":
        both = torch.empty(2, *shape).exponential_(generator=generator)
        return (both[0] - both[1]).double()
    return torch.randn(shape, generator=generator).double()


def minimised(config: RunConfig, parts: Reference, double_kl_per_dim: Tensor | None, beta: float) -> Tensor:
    """−ELBO with β and free bits, or −log of the mean importance weight, or the error."""
    if config.model == "autoencoder":
        return -parts.likelihood.mean()
    if config.bound == "iwae":
        weights = (parts.likelihood - beta * parts.ratio).logsumexp(dim=0) - math.log(config.samples)
        return -weights.mean()
    if config.free_bits:
        return -parts.likelihood.mean() + beta * double_kl_per_dim.mean(dim=0).clamp(min=config.free_bits).sum()
    closed = parts.closed is not None and config.kl == "auto"
    return -parts.likelihood.mean() + beta * (parts.closed if closed else parts.ratio).mean()


def kl_per_dim(config: RunConfig, double: VAE, x: Tensor, noise: Tensor) -> Tensor:
    """KL of each dimension of a diagonal Gaussian from N(0, 1), in closed form or at the samples, (B, d)."""
    mean, log_variance = double.encoder(x).chunk(2, dim=1)
    posterior = td.Normal(mean, (log_variance / 2).exp())
    if config.kl == "auto":
        return td.kl_divergence(posterior, td.Normal(0.0, 1.0))
    z = mean + posterior.stddev * noise
    return (posterior.log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)).mean(dim=0)


@every_kind
def test_the_first_step_reports_the_elbos_parts_and_goes_down_the_gradient_of_its_objective(
    config: RunConfig, mnist: Data, batches: list[Tensor]
) -> None:
    """With ε = 1 Adam's first step is −rate · g / (|g| + 1), which shows the whole gradient g, here against autograd
    through torch.distributions in double precision."""
    config = config.with_changes(adam_eps=1.0, weight_decay=0.0, epochs=1, batch_size=30, schedule="constant")
    config = config.with_changes(warm_up=0.0, kl_warm_up=0.0, kl_cycles=1)
    few = part(mnist, 30, 10)
    first = of_kind(events := pull(config, few, clock=eager_clock()), Progress)[0]
    start = build(config, (1, 28, 28), few.train.images[:, None].float().mean(dim=0) / 255)
    double = build(config, (1, 28, 28), few.train.images[:, None].float().mean(dim=0) / 255).double()

    images = batches[0]
    if config.targets == "binarised-fresh":
        images = model.binarise(images, torch.Generator().manual_seed(config.seed + 5))
    x = images[:, None].double() / 255
    noise = noise_of(config, len(x), torch.Generator().manual_seed(config.seed + 2))
    parts = reference(config, double, x, noise)
    per_dim = kl_per_dim(config, double, x, noise) if config.free_bits else None
    objective = minimised(config, parts, per_dim, config.beta)

    assert first.reconstruction[0] == pytest.approx(parts.reconstruction, rel=1e-4, abs=1e-2)
    sampled = config.kl == "sampled" or config.bound == "iwae"
    kl = parts.ratio.mean().item() if sampled and parts.ratio is not None else parts.kl
    assert first.kl[0] == pytest.approx(kl, rel=1e-3, abs=1e-3)
    assert first.objective[0] == pytest.approx(objective.item(), rel=1e-4, abs=1e-2)

    gradients = torch.autograd.grad(objective, list(double.parameters()))
    trained = after_one_step(events, config)
    for (name, before), after, gradient in zip(start.named_parameters(), trained, gradients, strict=True):
        moved = (before.detach().double() - after) / config.learning_rate
        wanted = gradient / (gradient.abs() + 1)
        # A weight near 1 has seven digits, of which the step takes three.
        torch.testing.assert_close(moved, wanted, rtol=5e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def after_one_step(events: list, config: RunConfig) -> list[Tensor]:
    """The weights; of an auto-encoder with the scaling of its codes undone, by the weights that it began with."""
    found = finished(events).model
    if config.model == "vae":
        return [p.detach().double() for p in found.parameters()]
    return [p.double() for p in UNSCALED[-1]]


UNSCALED: list[list[Tensor]] = []


@pytest.fixture(autouse=True)
def _weights_before_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    """An auto-encoder's weights as they are trained, before its codes are scaled for others."""
    scaled = train.standardised

    def watched(found: VAE, images: Tensor) -> VAE:
        UNSCALED.append([p.detach().clone() for p in found.parameters()])
        return scaled(found, images)

    monkeypatch.setattr(train, "standardised", watched)
    UNSCALED.clear()


@every_kind
def test_every_kind_learns_and_ends_with_sensible_figures(config: RunConfig, few: Data) -> None:
    state = torch.random.get_rng_state()
    events = pull(config.with_changes(epochs=4), few, clock=eager_clock())
    assert torch.equal(torch.random.get_rng_state(), state)
    end = finished(events)
    assert (end.reason, end.step) == ("done", 48) and all_finite(end.model)
    assert events[0].parameters == sum(p.numel() for p in end.model.parameters())

    rows = figures(events)
    objective = np.concatenate([progress.objective for progress in of_kind(events, Progress)])
    assert rows.shape == (48, 3) and objective.shape == (48,)
    assert np.isfinite(rows).all() and np.isfinite(objective).all()
    neg_elbo = rows[:, 1] + rows[:, 2]
    fall = neg_elbo[:5].mean() - neg_elbo[-5:].mean()
    assert fall > 5.0 and objective[-5:].mean() < objective[:5].mean()
    for progress in of_kind(events, Progress):
        if len(progress.steps):
            parts_go_together(config, progress)
    for evaluated in (end.evaluation, of_kind(events, Evaluated)[-1].evaluation):
        assert evaluated.images == 200
        assert evaluated.neg_elbo == pytest.approx(evaluated.reconstruction + evaluated.kl)
        assert evaluated.neg_elbo == pytest.approx(neg_elbo[-5:].mean(), abs=0.25 * abs(fall) + 10.0)
        assert evaluated.kl_per_dim.shape == evaluated.active.shape == (3,)
        assert evaluated.is_bound == (config.model == "vae")
    if config.model == "autoencoder":
        assert not rows[:, 2].any() and np.array_equal(objective, rows[:, 1])
        assert end.evaluation.kl == 0.0 and not end.evaluation.kl_per_dim.any()
        assert end.evaluation.active.all()
    else:
        assert end.evaluation.kl > 0.0


def parts_go_together(config: RunConfig, progress: Progress) -> None:
    """What is minimised at a step, and the parts of −ELBO at the same step."""
    (objective,), (reconstruction,), (kl,) = progress.objective, progress.reconstruction, progress.kl
    if config.model == "autoencoder":
        assert objective == reconstruction and kl == 0.0
    elif config.bound == "iwae":
        # The bound with importance weights lies above the ELBO, with β as without (Jensen's inequality).
        assert objective < reconstruction + progress.beta * kl
    elif config.free_bits:
        floored = np.maximum(progress.kl_per_dim, config.free_bits).sum()
        assert objective == pytest.approx(reconstruction + progress.beta * floored, rel=1e-5)
    else:
        assert objective == pytest.approx(reconstruction + progress.beta * kl, rel=1e-5, abs=1e-3)
    if config.factorised or config.model == "autoencoder":
        assert progress.kl_per_dim.sum() == pytest.approx(kl, rel=1e-4, abs=1e-4)


@every_vae
def test_what_is_reported_at_the_end_is_the_elbo_whatever_was_minimised(config: RunConfig, few: Data) -> None:
    """Against ten draws of z an image by torch.distributions, from the weights alone."""
    end = finished(pull(config, few))
    double = end.model.double()
    x = evaluate.fixed_targets(config, few.test.images, "test")[:, None].double() / 255
    one_sample = config.with_changes(samples=1)
    generator = torch.Generator().manual_seed(99)
    draws = [reference(config, double, x, noise_of(one_sample, len(x), generator)) for _ in range(10)]
    reconstructions = torch.tensor([draw.reconstruction for draw in draws], dtype=torch.float64)
    kls = torch.tensor([draw.kl for draw in draws], dtype=torch.float64)
    for found, wanted in ((end.evaluation.reconstruction, reconstructions), (end.evaluation.kl, kls)):
        # One draw an image was reported: its error is that of one of these.
        assert found == pytest.approx(wanted.mean().item(), abs=5 * wanted.std().item() + 1e-4 * abs(found) + 1e-3)
    if config.targets != "grey":
        assert set(x.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    "name", ["importance-weighted", "Laplace", "mixture", "binarised fresh", "auto-encoder, binarised"]
)
def test_the_seed_settles_every_figure(name: str, few: Data) -> None:
    config = KINDS[name]
    one, again = (pull(config.with_changes(epochs=1), few, clock=clock) for clock in (eager_clock(), lambda: 0.0))
    assert np.array_equal(figures(one), figures(again))
    assert digest(finished(one).model) == digest(finished(again).model)
    assert finished(one).evaluation.neg_elbo == finished(again).evaluation.neg_elbo
    other = pull(config.with_changes(epochs=1, seed=1), few)
    assert not np.array_equal(figures(one)[:, 1], figures(other)[:, 1])


@every_auto_encoder
def test_an_auto_encoders_snapshots_have_codes_of_mean_0_and_deviation_1(config: RunConfig, few: Data) -> None:
    events = pull(config, few, clock=eager_clock())
    x = evaluate.fixed_targets(config, few.train.images, "train")[:, None].float() / 255
    taken = [*of_kind(events, Snapshot), finished(events)]
    assert len(taken) > 5
    with torch.no_grad():
        for snapshot in taken:
            codes = snapshot.model.encode(x).mean.double()
            assert codes.mean(dim=0).abs().max() < 1e-3
            assert (codes.std(dim=0, correction=0) - 1.0).abs().max() < 1e-3


@every_auto_encoder
def test_scaled_codes_leave_an_auto_encoders_reconstructions_as_they_were_trained(config: RunConfig, few: Data) -> None:
    end = finished(pull(config, few))
    trained = build(config, (1, 28, 28))
    with torch.no_grad():
        for p, value in zip(trained.parameters(), UNSCALED[-1], strict=True):
            p.copy_(value)
    x = evaluate.fixed_targets(config, few.test.images, "test")[:, None].float() / 255
    with torch.no_grad():
        plain, scaled = (found.decoder(found.encoder(x)) for found in (trained, end.model))
    torch.testing.assert_close(scaled, plain, rtol=1e-3, atol=1e-3)
    assert not torch.equal(weights(trained), weights(end.model))
    # The figure is that of these reconstructions.
    if isinstance(config.likelihood, SquaredErrorConfig):
        error = (plain.sigmoid() - x).square().sum().item() / len(x)
    else:
        error = binary_cross_entropy_with_logits(plain, x, reduction="sum").item() / len(x)
    assert end.evaluation.reconstruction == end.evaluation.neg_elbo == pytest.approx(error, rel=1e-4)


def test_an_auto_encoder_reconstructs_what_it_learns_better_than_the_vae_with_the_same_networks(few: Data) -> None:
    config = TINY.with_changes(latent_dims=8, learning_rate=5e-3, epochs=30)
    sampled, plain = (
        figures(pull(config.with_changes(model=kind), few))[-12:, 1].mean() for kind in ("vae", "autoencoder")
    )
    assert plain < sampled - 5.0


def test_images_binarised_once_are_the_same_ones_in_every_epoch(few: Data, batches: list[Tensor]) -> None:
    config = KINDS["binarised once"].with_changes(epochs=3)
    pull(config, few)
    epochs = [{image.numpy().tobytes() for image in torch.cat(batches[start : start + 12])} for start in (0, 12, 24)]
    assert epochs[0] == epochs[1] == epochs[2] and len(epochs[0]) == 600
    seen = torch.cat(batches[:12])
    assert seen.unique().tolist() == [0, 255]
    # They are those grey images, made black and white: a place is white as often as it is grey.
    grey = few.train.images.float().mean(dim=0) / 255
    white = (seen > 0).float().mean(dim=0)
    assert (white - grey).abs().max() < 5.5 * 0.5 / math.sqrt(600)
    assert not white[grey == 0].any()
    pull(config.with_changes(seed=1), few)
    other = {image.numpy().tobytes() for image in torch.cat(batches[36:48])}
    assert len(epochs[0] & other) == 0


def test_images_binarised_afresh_stay_grey_until_the_step(few: Data, batches: list[Tensor]) -> None:
    pull(KINDS["binarised fresh"].with_changes(epochs=1), few)
    seen = {image.numpy().tobytes() for image in torch.cat(batches)}
    assert seen == {image.numpy().tobytes() for image in few.train.images}


def test_an_output_bias_at_the_mean_of_the_data_starts_where_the_mean_image_is(few: Data) -> None:
    """The first −log p(x|z) is about the cross-entropy of images with their mean, and not 784 log 2 = 543 nats."""
    config = TINY.with_changes(initialisation="xavier", batch_size=600, epochs=1)
    mean = (few.train.images.double() / 255).mean(dim=0)
    entropy = -(torch.xlogy(mean, mean) + torch.xlogy(1 - mean, 1 - mean)).sum().item()
    plain, started = (
        figures(pull(config.with_changes(output_bias=bias), few))[0, 1] for bias in ("initialisation", "data-mean")
    )
    assert entropy < 220
    assert started == pytest.approx(entropy, rel=0.1)
    assert plain == pytest.approx(784 * math.log(2.0), rel=0.1)


def test_schedules_are_in_force(few: Data) -> None:
    config = TINY.with_changes(schedule="burda", warm_up=0.0, kl_warm_up=0.5, kl_cycles=4, beta=2.0, epochs=2)
    shown = {p.step: p for p in of_kind(pull(config, few, clock=eager_clock()), Progress) if len(p.steps)}
    assert len(shown) == 24
    cycle = [2 / 3, 4 / 3, 2.0, 2.0, 2.0, 2.0]
    assert [shown[number].beta for number in range(1, 25)] == pytest.approx(cycle * 4)
    # Of 24 steps the last of the eight stages has 3^7 / 3280, that is 16.
    rates = [shown[number].learning_rate / config.learning_rate for number in range(1, 25)]
    assert rates[0] == 1.0 and rates[-16:] == pytest.approx([0.1] * 16)
    assert pytest.approx(rates[7]) == 10 ** (-6 / 7)


def coloured(images: Tensor) -> Tensor:
    """Each digit in a colour of its own, (n, H, W, 3)."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(len(images), 1, 1, 3, generator=generator)
    return (images[..., None] * colours).to(torch.uint8)


@pytest.mark.parametrize("name", ["binarised fresh", "learned scale", "scale for each pixel", "auto-encoder"])
@pytest.mark.parametrize(
    "network", [TINY.network, ConvolutionalConfig(channels=(4, 8), dense=(16,))], ids=["mlp", "conv"]
)
def test_colour_images_are_learned_as_well(mnist: Data, name: str, network: object) -> None:
    grey = part(mnist, 600, 200)
    sets = (ImageSet(coloured(split.images), split.labels) for split in (grey.train, grey.test))
    data = Data("mnist", "Coloured", *sets, mnist.class_names)
    assert data.image_shape == (3, 28, 28)
    end = finished(events := pull(KINDS[name].with_changes(network=network, epochs=4), data))
    assert end.reason == "done" and end.model.image_shape == (3, 28, 28)
    neg_elbo = figures(events)[:, 1:].sum(axis=1)
    assert neg_elbo[-5:].mean() < neg_elbo[:5].mean() - 5
    with torch.no_grad():
        assert end.model.decode(torch.zeros(2, 3)).mean.shape == (2, 3, 28, 28)


def test_bernoulli_targets_differ_in_what_they_cost(few: Data) -> None:
    """Grey values are their own mean over binarisations: trained alike, the bounds agree but for the draw."""
    bounds = []
    for targets in ("grey", "binarised-fresh", "binarised-once"):
        config = TINY.with_changes(learning_rate=5e-3, epochs=5, likelihood=BernoulliConfig(targets=targets))
        bounds.append(finished(pull(config, few)).evaluation.neg_elbo)
    assert len(set(bounds)) == 3
    assert max(bounds) - min(bounds) < 0.05 * min(bounds)
