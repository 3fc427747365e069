"""One step: Adam's update against the plain optimiser's, the guard against bad figures, and the schedules."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as td

from vae_studio.core.config import (
    BernoulliConfig,
    ContinuousBernoulliConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    ResidualConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE, all_finite, build, to_float
from vae_studio.core.objective import terms
from vae_studio.core.step import Stepper, beta_factor, rate_factor

SMALL = RunConfig(network=MLPConfig(widths=(16,)), latent_dims=3, seed=5)
KINDS = {
    "vae": SMALL,
    "three samples": SMALL.with_changes(samples=3, kl="sampled"),
    "iwae": SMALL.with_changes(bound="iwae", samples=4),
    "full covariance": SMALL.with_changes(posterior="full-gaussian"),
    "laplace": SMALL.with_changes(posterior="laplace", prior=LaplacePriorConfig(), likelihood=LaplaceConfig()),
    "mixture": SMALL.with_changes(prior=MixtureConfig(components=4)),
    "binarised": SMALL.with_changes(likelihood=BernoulliConfig(targets="binarised-fresh")),
    "continuous": SMALL.with_changes(likelihood=ContinuousBernoulliConfig()),
    "gaussian": SMALL.with_changes(likelihood=GaussianConfig(scale="per-pixel")),
    "free bits": SMALL.with_changes(free_bits=0.5),
    "weight decay": SMALL.with_changes(weight_decay=0.1, prior=MixtureConfig(components=4)),
    "residual": SMALL.with_changes(network=ResidualConfig(channels=(3,), dense=(8,))),
    "auto-encoder": SMALL.with_changes(model="autoencoder", likelihood=SquaredErrorConfig()),
}
every_kind = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS.keys())


def stepper(config: RunConfig = SMALL, dtype: torch.dtype = torch.float32) -> tuple[VAE, Stepper]:
    model = build(config, (1, 28, 28))
    return model, Stepper(model, config, dtype)


def weights(model: VAE) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def test_steps_are_those_of_plain_adam_on_the_same_gradients(mnist: Data) -> None:
    model, ours = stepper()
    twin = build(SMALL, (1, 28, 28))
    plain = torch.optim.Adam(twin.parameters(), lr=1.0, foreach=False, fused=False)
    for index in range(20):
        images = mnist.train.images[index * 32 : (index + 1) * 32]
        rate, beta = 1e-3 * (1 + index % 5), 0.1 * index
        ours.step(images, rate, beta)
        # The same gradients, so that only the update is compared.
        for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            theirs.grad = mine.grad.clone()
        plain.param_groups[0]["lr"] = rate
        plain.step()
        torch.testing.assert_close(weights(model), weights(twin), rtol=1e-5, atol=1e-6)
    assert (weights(model) - weights(build(SMALL, (1, 28, 28)))).abs().max() > 1e-3


@pytest.mark.parametrize("prior", [SMALL.prior, MixtureConfig(components=4)], ids=lambda prior: prior.kind)
def test_weight_decay_is_that_of_plain_adamw_and_spares_all_but_the_networks_matrices(
    mnist: Data, prior: object
) -> None:
    config = SMALL.with_changes(weight_decay=0.2, prior=prior, likelihood=GaussianConfig())
    model, ours = stepper(config)
    twin = build(config, (1, 28, 28))
    names = dict(twin.named_parameters())
    matrices = [name for name, p in names.items() if name.endswith("weight")]
    assert len(matrices) == 4 and {"log_scale", "encoder.1.bias"} <= set(names)
    groups = [
        {"params": [names[name] for name in matrices], "weight_decay": 0.2},
        {"params": [p for name, p in names.items() if name not in matrices], "weight_decay": 0.0},
    ]
    plain = torch.optim.AdamW(groups, lr=1.0, foreach=False, fused=False)
    for index in range(10):
        ours.step(mnist.train.images[index * 32 : (index + 1) * 32], 1e-2, 1.0)
        for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            theirs.grad = mine.grad.clone()
        for group in plain.param_groups:
            group["lr"] = 1e-2
        plain.step()
        torch.testing.assert_close(weights(model), weights(twin), rtol=1e-5, atol=1e-6)
    # Against the run without: nothing but the decay can have made the difference.
    without, other = stepper(config.with_changes(weight_decay=0.0))
    other.step(mnist.train.images[:32], 1e-2, 1.0)
    with_decay, same = stepper(config)
    before = {name: p.detach().clone() for name, p in with_decay.named_parameters()}
    same.step(mnist.train.images[:32], 1e-2, 1.0)
    for name, p in with_decay.named_parameters():
        pulled = 1e-2 * 0.2 * before[name] if name in matrices else torch.zeros(())
        torch.testing.assert_close(p.detach(), dict(without.named_parameters())[name].detach() - pulled)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_epsilon_of_the_config_is_the_optimisers(mnist: Data, decay: float) -> None:
    """Adam's first step is rate · g / (|g| + ε) for each weight, whatever its β₁ and β₂ (Kingma & Ba 2015)."""
    for eps in (1e-8, 1e-4, 1.0):
        config = SMALL.with_changes(adam_eps=eps, weight_decay=decay)
        model, ours = stepper(config)
        biases = [p for p in model.parameters() if p.dim() == 1]
        before = [p.detach().clone() for p in biases]
        ours.step(mnist.train.images[:32], 1e-3, 1.0)
        for bias, was in zip(biases, before, strict=True):
            torch.testing.assert_close(bias.detach(), was - 1e-3 * bias.grad / (bias.grad.abs() + eps))


def test_the_figures_are_means_over_the_batch_of_each_step(mnist: Data) -> None:
    model, ours = stepper()
    wanted = []
    generator = torch.Generator().manual_seed(SMALL.seed + 2)
    for index in range(5):
        images = mnist.train.images[index * 32 : (index + 1) * 32]
        noise = torch.randn(32, 3, generator=generator)
        with torch.no_grad():
            parts = terms(model, to_float(images), noise)
        wanted.append((parts.loss(0.5), parts.reconstruction.mean(), *parts.kl_per_dim.mean(dim=0)))
        ours.step(images, 1e-3, 0.5)
    loss, reconstruction, kl, kl_per_dim = ours.drain()
    found = torch.cat([loss[:, None], reconstruction[:, None], kl_per_dim], dim=1)
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(kl, kl_per_dim.sum(dim=1))
    for figures, shape in zip(ours.drain(), ((0,), (0,), (0,), (0, 3)), strict=True):
        assert figures.shape == shape


def by_torch_distributions(config: RunConfig, images: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x|z) and log q(z|x) − log p(z), both (samples, B), before the first step of a diagonal Gaussian, Bernoulli
    VAE in double precision."""
    noise = torch.randn(config.samples, len(images), 3, generator=torch.Generator().manual_seed(config.seed + 2))
    model = build(config, (1, 28, 28)).double()
    x = images[:, None].double() / 255
    with torch.no_grad():
        mean, log_variance = model.encoder(x).chunk(2, dim=1)
        posterior = td.Normal(mean, (log_variance / 2).exp())
        z = posterior.mean + posterior.stddev * noise.double()
        logits = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    pixels = td.Bernoulli(logits=logits, validate_args=False).log_prob(x.expand_as(logits)).sum(dim=(-3, -2, -1))
    ratio = posterior.log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)
    return pixels, ratio.sum(dim=-1)


@pytest.mark.parametrize("samples", [1, 2, 7])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_the_importance_weighted_bound_is_minimised_and_the_elbos_parts_are_kept(
    mnist: Data, samples: int, beta: float
) -> None:
    """−mean log (1/K) Σ p(x|z) (p(z) / q(z|x))^β, beside the parts of −ELBO at the same samples."""
    config = SMALL.with_changes(bound="iwae", samples=samples)
    images = mnist.train.images[:16]
    _, ours = stepper(config)
    ours.step(images, 1e-3, beta)
    loss, reconstruction, kl, _ = ours.drain()
    likelihood, ratio = by_torch_distributions(config, images)
    bound = (likelihood - beta * ratio).exp().mean(dim=0).log()
    assert bound.isfinite().all()  # e^(−543) is still a number in double precision
    assert loss.item() == pytest.approx(-bound.mean().item(), rel=1e-5)
    assert reconstruction.item() == pytest.approx(-likelihood.mean().item(), rel=1e-5)
    assert kl.item() == pytest.approx(ratio.mean().item(), rel=1e-3, abs=1e-4)
    if samples == 1:
        assert loss.item() == pytest.approx(reconstruction.item() + beta * kl.item(), rel=1e-5)
    elif beta == 1.0:
        assert loss.item() < reconstruction.item() + kl.item()


@pytest.mark.parametrize("kl", ["auto", "sampled"])
def test_several_samples_are_averaged(mnist: Data, kl: str) -> None:
    config = SMALL.with_changes(samples=5, kl=kl)
    images = mnist.train.images[:16]
    _, ours = stepper(config)
    ours.step(images, 1e-3, 0.5)
    figures = ours.drain()
    likelihood, ratio = by_torch_distributions(config, images)
    if kl == "auto":
        with torch.no_grad():
            mean, log_variance = (
                build(config, (1, 28, 28)).double().encoder(images[:, None].double() / 255).chunk(2, dim=1)
            )
        closed = td.kl_divergence(td.Normal(mean, (log_variance / 2).exp()), td.Normal(0.0, 1.0)).sum(dim=1)
        wanted = closed.mean().item()
    else:
        wanted = ratio.mean().item()
    assert figures.kl.item() == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert figures.reconstruction.item() == pytest.approx(-likelihood.mean().item(), rel=1e-5)
    assert figures.loss.item() == pytest.approx(-likelihood.mean().item() + 0.5 * wanted, rel=1e-5)


def test_an_auto_encoder_minimises_its_error_and_takes_one_sample(mnist: Data) -> None:
    config = KINDS["auto-encoder"].with_changes(samples=50, bound="iwae", beta=3.0)
    images = mnist.train.images[:16]
    model, ours = stepper(config)
    twin = build(config, (1, 28, 28)).double()
    x = images[:, None].double() / 255
    with torch.no_grad():
        wanted = (twin.decoder(twin.encoder(x)).sigmoid() - x).square().sum(dim=(1, 2, 3)).mean().item()
    sizes = []
    model.decoder.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    ours.step(images, 1e-3, 3.0)
    loss, reconstruction, kl, kl_per_dim = ours.drain()
    assert loss.item() == reconstruction.item() == pytest.approx(wanted, rel=1e-5)
    assert not kl.any() and not kl_per_dim.any()
    assert sizes == [16]


def seen_by_the_encoder(config: RunConfig, images: Tensor, steps: int) -> Tensor:
    """What goes into the encoder, (steps, B, 1, 28, 28), while no weight moves."""
    model, ours = stepper(config)
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    for _ in range(steps):
        ours.step(images, 0.0, 1.0)
    return torch.stack(seen)


def test_pixels_are_binarised_anew_at_each_step_with_their_grey_as_probability(mnist: Data) -> None:
    config = KINDS["binarised"]
    images = mnist.train.images[:20]
    drawn = seen_by_the_encoder(config, images, 250)
    grey = images[:, None].float() / 255
    assert drawn.unique().tolist() == [0.0, 1.0]
    assert len({step.numpy().tobytes() for step in drawn}) == 250
    assert torch.equal(drawn[:, grey == 0].unique(), torch.zeros(1)) and drawn[:, grey == 1].all()
    error = (grey * (1 - grey) / 250).sqrt()
    assert ((drawn.mean(dim=0) - grey).abs() <= 5.5 * error).all()
    # Pixels are independent of one another: the number of white ones varies as it then must.
    counts = drawn.sum(dim=(2, 3, 4))
    variance = (grey * (1 - grey)).sum(dim=(1, 2, 3))
    assert (counts.var(dim=0) / variance).mean().item() == pytest.approx(1.0, abs=0.1)
    # The draws are the seed's.
    assert torch.equal(drawn[:3], seen_by_the_encoder(config, images, 3))
    assert not torch.equal(drawn[:3], seen_by_the_encoder(config.with_changes(seed=6), images, 3))


@pytest.mark.parametrize("targets", ["grey", "binarised-once"])
def test_other_targets_are_taken_as_they_are_given(mnist: Data, targets: str) -> None:
    images = mnist.train.images[:8]
    seen = seen_by_the_encoder(SMALL.with_changes(likelihood=BernoulliConfig(targets=targets)), images, 2)
    assert torch.equal(seen, (images[:, None].float() / 255).expand(2, 8, 1, 28, 28))


@every_kind
def test_the_same_seed_gives_the_same_figures_for_every_kind(mnist: Data, config: RunConfig) -> None:
    """And nothing of it comes from, or goes to, the global generator."""
    state = torch.random.get_rng_state()
    results = []
    for seed in (5, 5, 6):
        model, ours = stepper(config.with_changes(seed=seed))
        for index in range(4):
            ours.step(mnist.train.images[index * 16 : (index + 1) * 16], 1e-2, 1.0)
        results.append((torch.cat([figures.flatten() for figures in ours.drain()]), weights(model)))
        assert results[-1][0].isfinite().all() and all_finite(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    one, again, other = results
    assert torch.equal(one[0], again[0]) and torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])


@every_kind
def test_every_weight_is_moved(mnist: Data, config: RunConfig) -> None:
    """Learned scales and the prior's components as well."""
    model, ours = stepper(config)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in range(3):
        ours.step(mnist.train.images[:16], 1e-2, 1.0)
    for name, p in model.named_parameters():
        assert not torch.equal(p.detach(), before[name]), name


def test_drained_figures_are_never_written_again(mnist: Data) -> None:
    _, ours = stepper()
    ours.step(mnist.train.images[:8], 1e-3, 1.0)
    drained = ours.drain()
    kept = [figures.clone() for figures in drained]
    for _ in range(3):
        ours.step(mnist.train.images[8:16], 1e-2, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(drained, kept, strict=True))


def test_the_ring_says_when_it_is_full(monkeypatch: pytest.MonkeyPatch, mnist: Data) -> None:
    monkeypatch.setattr("vae_studio.core.step._RING", 3)
    _, ours = stepper()
    for _ in range(3):
        assert not ours.full
        ours.step(mnist.train.images[:4], 1e-3, 1.0)
    assert ours.full
    assert len(ours.drain()[0]) == 3 and not ours.full


@pytest.mark.parametrize("beta", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_loss_that_is_not_finite_changes_no_weight_and_is_seen(
    mnist: Data, beta: float, dtype: torch.dtype, decay: float
) -> None:
    model, ours = stepper(SMALL.with_changes(weight_decay=decay), dtype)
    with torch.no_grad():
        model.encoder[-1].bias[:3] = 5.0  # a KL of 37.5 nats, which 10³⁸ takes beyond float32
    images = mnist.train.images[:16]
    ours.step(images, 1e-3, 1.0)
    before = weights(model)
    ours.step(images, 1e-3, beta)
    assert torch.equal(weights(model), before)
    assert ours.drain()[0].isfinite().tolist() == [True, False]
    ours.step(images, 1e-3, 1.0)
    assert not torch.equal(weights(model), before) and all_finite(model)


def test_a_skipped_step_leaves_no_trace_in_the_optimiser(mnist: Data) -> None:
    images = mnist.train.images[:16]
    results = []
    for bad_steps in (0, 3):
        model, ours = stepper()
        # The draws of ε must agree, so the bad steps come before both runs reset theirs.
        for _ in range(bad_steps):
            ours.step(images, 1e-3, float("nan"))
        ours._noise.manual_seed(1)
        for _ in range(4):
            ours.step(images, 1e-3, 1.0)
        results.append(weights(model))
    assert torch.equal(*results)


def test_nothing_is_drawn_from_the_global_generator(mnist: Data) -> None:
    _, ours = stepper()
    before = torch.random.get_rng_state()
    ours.step(mnist.train.images[:8], 1e-3, 1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


totals = st.integers(1, 3000)
shares = st.floats(0.0, 1.0, allow_subnormal=False)


@given(total=totals, warm_up=shares, schedule=st.sampled_from(["constant", "cosine"]))
def test_the_rate_rises_to_its_peak_and_then_stays_or_falls(total: int, warm_up: float, schedule: str) -> None:
    config = RunConfig(warm_up=warm_up, schedule=schedule)
    factors = [rate_factor(config, step, total) for step in range(total)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    rising = math.ceil(warm_up * total)
    assert all(a < b for a, b in pairwise(factors[:rising]))
    after = factors[rising:]
    if schedule == "constant":
        assert after == [1.0] * len(after)
    else:
        assert all(a > b for a, b in pairwise(after))
        # From the peak, with no jump between the two parts.
        assert not after or after[0] > 0.5 * (1 + math.cos(math.pi / max(1, total - rising)))
    # Linear: equal rises.
    rises = [b - a for a, b in pairwise(factors[:rising])]
    assert not rises or max(rises) - min(rises) < 1e-12


def test_the_cosine_has_its_known_values() -> None:
    config = RunConfig(warm_up=0.0, schedule="cosine")
    assert [rate_factor(config, step, 100) for step in (0, 50)] == [1.0, pytest.approx(0.5)]
    assert rate_factor(config, 25, 100) == pytest.approx(0.5 + math.sqrt(0.125))
    assert rate_factor(config, 99, 100) == pytest.approx(0.000246719, rel=1e-4)
    warm = RunConfig(warm_up=0.1, schedule="cosine")
    assert [rate_factor(warm, step, 40) for step in range(5)] == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_the_schedule_of_burda_et_al_takes_stages_of_three_to_the_i() -> None:
    """3^i passes at 10^(−i/7) of the rate for i = 0 … 7: 3280 in all (section 5)."""
    config = RunConfig(schedule="burda", warm_up=0.0)
    lengths = [1, 3, 9, 27, 81, 243, 729, 2187]
    assert sum(lengths) == 3280
    for steps_per_epoch in (1, 4):
        total = 3280 * steps_per_epoch
        wanted = [10 ** (-stage / 7) for stage, length in enumerate(lengths) for _ in range(length * steps_per_epoch)]
        assert [rate_factor(config, step, total) for step in range(total)] == pytest.approx(wanted, rel=1e-12)
    assert rate_factor(config, 3279, 3280) == pytest.approx(0.1)


@given(total=totals, warm_up=shares)
def test_the_schedule_of_burda_et_al_keeps_its_proportions_in_runs_of_any_length(total: int, warm_up: float) -> None:
    config = RunConfig(schedule="burda", warm_up=warm_up)
    factors = [rate_factor(config, step, total) for step in range(total)]
    rising = math.ceil(warm_up * total)
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert all(a < b for a, b in pairwise(factors[:rising]))
    after = factors[rising:]
    assert all(a >= b for a, b in pairwise(after))
    for step, factor in enumerate(after, rising):
        stage = round(-7 * math.log10(factor))
        assert factor == pytest.approx(10 ** (-stage / 7))
        # Before the step, less than the parts up to and with this stage; at least those before it.
        assert (3**stage - 1) / 2 * total <= step * 3280 < (3 ** (stage + 1) - 1) / 2 * total


@given(total=totals, share=shares)
def test_beta_rises_in_equal_parts_to_one_and_stays(total: int, share: float) -> None:
    config = RunConfig(kl_warm_up=share)
    factors = [beta_factor(config, step, total) for step in range(total)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert all(a <= b for a, b in pairwise(factors))
    for step, factor in enumerate(factors):
        assert factor == (1.0 if step + 1 >= share * total else pytest.approx((step + 1) / (share * total)))


def test_beta_rises_anew_in_each_cycle() -> None:
    """Fu et al. 2019: cycles of equal length, of which the first part rises and the rest stays at the top."""
    config = RunConfig(kl_warm_up=0.5, kl_cycles=4)
    rise = [(step + 1) / 10 for step in range(10)]
    assert [beta_factor(config, step, 80) for step in range(80)] == pytest.approx((rise + [1.0] * 10) * 4)
    flat = RunConfig(kl_warm_up=0.0, kl_cycles=4)
    assert {beta_factor(flat, step, 80) for step in range(80)} == {1.0}


@given(total=totals, share=shares, cycles=st.integers(1, 100))
def test_cycles_that_are_no_whole_number_of_steps_begin_with_the_first_step_in_them(
    total: int, share: float, cycles: int
) -> None:
    config = RunConfig(kl_warm_up=share, kl_cycles=cycles)
    for step in range(total):
        # How far into its cycle this step begins, by fractions.
        into = Fraction(step) - Fraction(total, cycles) * (step * cycles // total)
        wanted = 1.0 if share == 0.0 else min(1.0, float(into + 1) / (share * total / cycles))
        assert beta_factor(config, step, total) == pytest.approx(wanted)


def test_without_kl_warm_up_beta_is_whole_from_the_start() -> None:
    assert beta_factor(RunConfig(kl_warm_up=0.0), 0, 1000) == 1.0
    assert beta_factor(RunConfig(kl_warm_up=0.1), 0, 1000) == pytest.approx(0.01)
