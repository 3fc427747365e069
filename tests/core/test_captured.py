"""The step as it is captured: the same figures as the eager step's, one by one on the CPU, as a graph on CUDA."""

from __future__ import annotations

import time

import pytest
import torch
from test_step import KINDS, SMALL, weights

from vae_studio.core.captured import CapturedStepper
from vae_studio.core.config import MLPConfig, RunConfig
from vae_studio.core.datasets import Data
from vae_studio.core.model import all_finite, build
from vae_studio.core.step import Figures, Stepper, Stretch

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
on_each_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
every_kind = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS.keys())
STEPS = 100


def stretch_of(mnist: Data, device: str, steps: int = STEPS, batch: int = 32) -> Stretch:
    images = mnist.train.images[:2000].to(device)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(len(images), (steps, batch), generator=generator).to(device)
    return Stretch(
        images, rows, [0.5 + 0.5 * i / steps for i in range(steps)], [min(1.0, i / 20) for i in range(steps)]
    )


def figures_of(kind: type[Stepper], config: RunConfig, stretch: Stretch, dtype: torch.dtype, **how: bool) -> Figures:
    model = build(config, (1, 28, 28)).to(stretch.images.device)
    stepper = kind(model, config, dtype, **how)
    stepper.begin(stretch)
    for number in range(len(stretch.rows)):
        # The rate and β are turned on the way.
        stepper.advance(1e-3 if number < 50 else 2e-3, 1.0 if number < 30 else 0.5)
    return stepper.drain()


@on_each_device
@every_kind
def test_losses_are_those_of_the_eager_step(config: RunConfig, device: str, mnist: Data) -> None:
    """Within 1e-4 relative over 100 steps in float32."""
    stretch = stretch_of(mnist, device)
    eager = figures_of(Stepper, config, stretch, torch.float32)
    captured = figures_of(CapturedStepper, config, stretch, torch.float32)
    assert len(captured.loss) == STEPS
    for ours, theirs in zip(captured, eager, strict=True):
        # Densities go through 0 on their way; there it is relative to what they are elsewhere.
        through_zero = 1e-4 * theirs.abs().mean().item() if theirs.min() < 0 else 1e-5
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=through_zero)
    assert abs(eager.loss[-1] - eager.loss[0]) > 0.01 * abs(eager.loss[0])  # something was learned meanwhile


@on_each_device
def test_bf16_is_that_of_autocast(device: str, mnist: Data) -> None:
    stretch = stretch_of(mnist, device)
    eager = figures_of(Stepper, SMALL, stretch, torch.bfloat16)
    captured = figures_of(CapturedStepper, SMALL, stretch, torch.bfloat16)
    torch.testing.assert_close(captured.loss, eager.loss, rtol=2e-3, atol=0.0)


@on_each_device
def test_the_second_stretch_goes_on_where_the_first_ended(device: str, mnist: Data) -> None:
    whole = stretch_of(mnist, device, 40)
    once = figures_of(CapturedStepper, SMALL, whole, torch.float32)
    model = build(SMALL, (1, 28, 28)).to(device)
    stepper, parts = CapturedStepper(model, SMALL, torch.float32), []
    for start, end in ((0, 20), (20, 35), (35, 40)):
        stepper.begin(Stretch(whole.images, whole.rows[start:end], whole.rates[start:end], whole.betas[start:end]))
        for number in range(start, end):
            stepper.advance(1e-3, 1.0 if number < 30 else 0.5)
        parts.append(stepper.drain().loss)
    assert torch.equal(torch.cat(parts), once.loss)


def test_other_images_or_a_longer_stretch_are_refused(mnist: Data) -> None:
    stretch = stretch_of(mnist, "cpu", 4)
    stepper = CapturedStepper(build(SMALL, (1, 28, 28)), SMALL, torch.float32)
    stepper.begin(stretch)
    for other in (
        Stretch(stretch.images.clone(), stretch.rows, stretch.rates, stretch.betas),
        Stretch(stretch.images, stretch.rows.repeat(2, 1), stretch.rates * 2, stretch.betas * 2),
    ):
        with pytest.raises(ValueError, match="first stretch"):
            stepper.begin(other)


@on_each_device
def test_a_loss_that_is_not_finite_changes_no_weight(device: str, mnist: Data) -> None:
    model = build(SMALL, (1, 28, 28)).to(device)
    stepper = CapturedStepper(model, SMALL, torch.float32)
    stepper.begin(stretch_of(mnist, device, 6))
    stepper.advance(1e-3, 1.0)
    stepper.advance(1e-3, 1.0)
    before = weights(model)
    stepper.advance(1e-3, float("nan"))
    assert torch.equal(weights(model), before)
    stepper.advance(1e-3, 1.0)
    assert stepper.drain().loss.isfinite().tolist() == [True, True, False, True]
    assert not torch.equal(weights(model), before) and all_finite(model)


@needs_cuda
def test_capturing_takes_less_than_half_a_second_and_changes_nothing(mnist: Data) -> None:
    config = RunConfig(network=MLPConfig(widths=(400,)), latent_dims=20)
    stretch = stretch_of(mnist, "cuda", 4, 128)
    figures_of(CapturedStepper, config, stretch, torch.float32)  # what a process loads once
    model = build(config, (1, 28, 28)).cuda()
    before = weights(model)
    stepper = CapturedStepper(model, config, torch.float32)
    began = time.perf_counter()
    stepper.begin(stretch)
    torch.cuda.synchronize()
    assert time.perf_counter() - began < 0.5
    assert torch.equal(weights(model), before) and not len(stepper.drain().loss)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
@every_kind
def test_compiled_losses_are_those_of_the_eager_step(config: RunConfig, mnist: Data) -> None:
    """Within 1e-4 relative over 100 steps in float32."""
    stretch = stretch_of(mnist, "cpu")
    eager = figures_of(Stepper, config, stretch, torch.float32)
    compiled = figures_of(Stepper, config, stretch, torch.float32, compiled=True)
    for ours, theirs in zip(compiled, eager, strict=True):
        through_zero = 1e-4 * theirs.abs().mean().item() if theirs.min() < 0 else 1e-5
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=through_zero)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
def test_a_captured_step_may_be_compiled_too(mnist: Data) -> None:
    stretch = stretch_of(mnist, "cpu")
    eager = figures_of(Stepper, SMALL, stretch, torch.float32)
    compiled = figures_of(CapturedStepper, SMALL, stretch, torch.float32, compiled=True)
    torch.testing.assert_close(compiled.loss, eager.loss, rtol=1e-4, atol=0.0)


def test_a_step_without_a_stretch_is_refused(mnist: Data) -> None:
    stepper = CapturedStepper(build(SMALL, (1, 28, 28)), SMALL, torch.float32)
    with pytest.raises(TypeError, match="begin one"):
        stepper.step(mnist.train.images[:4], 1e-3, 1.0)


@needs_cuda
def test_a_capture_that_fails_leaves_the_device_and_the_weights_as_they_were(mnist: Data) -> None:
    stretch = stretch_of(mnist, "cuda", 4)
    model = build(SMALL, (1, 28, 28)).cuda()
    before = weights(model)
    stepper = CapturedStepper(model, SMALL, torch.float32)
    loss = stepper._loss

    def reading(*arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        found, figures = loss(*arguments)
        found.item()  # which is not allowed while a graph is captured
        return found, figures

    stepper._loss = reading
    with pytest.raises(RuntimeError):
        stepper.begin(stretch)
    assert torch.equal(weights(model), before)
    eager = Stepper(model, SMALL, torch.float32)
    eager.begin(stretch)
    eager.advance(1e-3, 1.0)
    assert eager.drain().loss.isfinite().all() and not torch.equal(weights(model), before)
