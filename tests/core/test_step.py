"""One step: Adam's update against the plain optimiser's, the guard against bad figures, and the schedules."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_studio.core.config import MLPConfig, RunConfig
from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE, all_finite, build, to_float
from vae_studio.core.objective import terms
from vae_studio.core.step import Stepper, beta_factor, rate_factor

SMALL = RunConfig(network=MLPConfig(widths=(16,)), latent_dims=3, seed=5)


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
    loss, reconstruction, kl_per_dim = ours.drain()
    found = torch.cat([loss[:, None], reconstruction[:, None], kl_per_dim], dim=1)
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-5, atol=1e-6)
    for figures, shape in zip(ours.drain(), ((0,), (0,), (0, 3)), strict=True):
        assert figures.shape == shape


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
def test_a_loss_that_is_not_finite_changes_no_weight_and_is_seen(mnist: Data, beta: float, dtype: torch.dtype) -> None:
    model, ours = stepper(dtype=dtype)
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
shares = st.floats(0.0, 1.0)


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


@given(total=totals, share=shares)
def test_beta_rises_in_equal_parts_to_one_and_stays(total: int, share: float) -> None:
    config = RunConfig(kl_warm_up=share)
    factors = [beta_factor(config, step, total) for step in range(total)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert all(a <= b for a, b in pairwise(factors))
    for step, factor in enumerate(factors):
        assert factor == (1.0 if step + 1 >= share * total else pytest.approx((step + 1) / (share * total)))


def test_without_kl_warm_up_beta_is_whole_from_the_start() -> None:
    assert beta_factor(RunConfig(kl_warm_up=0.0), 0, 1000) == 1.0
    assert beta_factor(RunConfig(kl_warm_up=0.1), 0, 1000) == pytest.approx(0.01)
