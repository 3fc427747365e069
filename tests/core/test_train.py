"""The training generator on real MNIST: its events in order, the same figures from the same seed, and its pace."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from patience import best_of
from training import TINY, Clock, digest, eager_clock, figures, finished, indices, of_kind, pull, weights

from vae_studio.core import devices, model, step, train
from vae_studio.core.config import ConvolutionalConfig, DataConfig, RunConfig
from vae_studio.core.datasets import Data, load
from vae_studio.core.devices import DeviceError
from vae_studio.core.evaluate import evaluate
from vae_studio.core.events import Evaluated, Finished, Progress, Snapshot, Started, Stop
from vae_studio.core.presets import PRESETS

FOUND = [info.choice for info in devices.available()]
EXAMPLE = PRESETS["pytorch-example"].config.with_changes(epochs=1, data=DataConfig(limit=6000), precision="float32")


@pytest.mark.parametrize("device", FOUND)
def test_a_run_from_start_to_finish(mnist: Data, device: str) -> None:
    global_generator = torch.random.get_rng_state()
    events = pull(EXAMPLE.with_changes(device=device))
    assert torch.equal(torch.random.get_rng_state(), global_generator)

    started = events[0]
    assert isinstance(started, Started)
    # 6000 images make 46 batches of 128, and the published network has 652,824 weights.
    assert (started.total_steps, started.steps_per_epoch, started.parameters) == (46, 46, 652_824)
    assert started.device == devices.title(devices.choose(device)) and started.precision == "float32"

    assert [type(event) for event in events[1:3]] == [Progress, Snapshot]
    assert events[1].step == events[2].step == 1
    assert [type(event) for event in events].count(Finished) == [type(event) for event in events].count(Started) == 1
    end = finished(events)
    assert (end.reason, end.message, end.step) == ("done", "Trained 1 epoch.", 46)

    steps, reconstruction, kl = figures(events).T
    assert steps.tolist() == list(range(1, 47))
    neg_elbo = reconstruction + kl
    # An untrained decoder says 1/2 everywhere: 784 log 2 = 543 nats.
    assert neg_elbo[0] == pytest.approx(784 * math.log(2.0), rel=0.03)
    assert neg_elbo[-5:].mean() < 250 < neg_elbo[:5].mean()

    # The test curve of a small run goes over some of the test images, always the same; its end counts all of them.
    evaluated = of_kind(events, Evaluated)
    assert evaluated[-1].step == 46 and evaluated[-1].epoch == 1.0
    assert {one.evaluation.images for one in evaluated} == {1000}
    assert evaluated[-1].evaluation.neg_elbo == pytest.approx(end.evaluation.neg_elbo, rel=0.03)
    assert end.evaluation.images == 10_000
    # Other draws of ε from the finished model say the same.
    again = evaluate(end.model, mnist.test.images, seed=123)
    assert end.evaluation.kl == pytest.approx(again.kl, rel=1e-4)
    assert end.evaluation.neg_elbo == pytest.approx(again.neg_elbo, rel=2e-3)
    assert end.evaluation.neg_elbo == pytest.approx(neg_elbo[-5:].mean(), rel=0.1)


@pytest.mark.parametrize("device", FOUND)
def test_the_same_seed_gives_exactly_the_same_figures_and_another_seed_others(device: str) -> None:
    config = TINY.with_changes(device=device)
    one, again, other = (pull(config.with_changes(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(figures(one), figures(again))
    assert digest(finished(one).model) == digest(finished(again).model)
    assert finished(one).evaluation.neg_elbo == finished(again).evaluation.neg_elbo
    assert not np.isclose(figures(one)[:, 1], figures(other)[:, 1], rtol=1e-6).any()


def test_figures_do_not_depend_on_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    often = pull(TINY, clock=eager_clock())
    torch.manual_seed(2)
    monkeypatch.setattr(step, "_RING", 5)
    seldom = pull(TINY, clock=lambda: 0.0)
    assert len(of_kind(often, Progress)) >= 48
    assert [len(p.steps) for p in of_kind(seldom, Progress)][:3] == [1, 5, 5]
    assert np.array_equal(figures(often), figures(seldom))
    assert digest(finished(often).model) == digest(finished(seldom).model)


def test_steps_are_numbered_without_gaps_and_progress_says_where_it_is() -> None:
    events = pull(TINY, clock=eager_clock())
    assert figures(events)[:, 0].tolist() == list(range(1, 49))
    for event in of_kind(events, Progress):
        assert (event.total_steps, event.epoch) == (48, event.step / 24)
        assert event.steps.dtype == np.int64 and event.kl_per_dim.shape == (3,)
        if len(event.steps):
            assert event.steps[-1] == event.step
            assert event.kl_per_dim.sum() == pytest.approx(event.kl.mean(), rel=1e-5)
    shown = {event.step: (event.learning_rate, event.beta) for event in of_kind(events, Progress)}
    for number, (rate, beta) in shown.items():
        assert rate == TINY.learning_rate * step.rate_factor(TINY, number - 1, 48)
        assert beta == 1.0


def test_beta_warms_up() -> None:
    events = pull(TINY.with_changes(beta=3.0, kl_warm_up=0.5), clock=eager_clock())
    shown = {event.step: event.beta for event in of_kind(events, Progress)}
    assert [shown[number] for number in (1, 12, 24, 48)] == pytest.approx([3 / 24, 1.5, 3.0, 3.0])


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.Tensor]]:
    """The images of every step that is taken."""
    seen: list[torch.Tensor] = []

    class Watched(step.Stepper):
        def step(self, images: torch.Tensor, rate: float, beta: float) -> None:
            seen.append(images.clone())
            super().step(images, rate, beta)

    monkeypatch.setattr(train, "Stepper", Watched)
    return seen


def test_the_order_is_the_seeds(batches: list[torch.Tensor]) -> None:
    for seed in (3, 3, 4):
        pull(TINY.with_changes(seed=seed, epochs=1))
    one, again, other = (torch.cat(batches[start : start + 24]) for start in (0, 24, 48))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_each_epoch_takes_each_image_once_in_a_new_order_and_drops_the_rest(batches: list[torch.Tensor]) -> None:
    config = TINY.with_changes(data=DataConfig(limit=220), batch_size=50, epochs=3)
    data = load(config.data)
    events = pull(config, data)
    assert events[0].steps_per_epoch == 4 and [len(images) for images in batches] == [50] * 12
    epochs = [list(indices(torch.cat(batches[start : start + 4]), data.train.images)) for start in (0, 4, 8)]
    assert all(len(set(epoch)) == 200 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != sorted(epochs[2])
    # The images left out are others each time: three epochs agreeing on 20 of 220 by chance is out of the question.
    assert len(set(epochs[0]) | set(epochs[1]) | set(epochs[2])) > 205


@best_of(4)
def test_at_least_ten_events_a_second_and_the_map_can_follow() -> None:
    """By the real clock, on a model small enough that steps are no limit; a busy machine is allowed for."""
    config = TINY.with_changes(data=DataConfig(), epochs=1000)
    began, seen = time.perf_counter(), []

    def stop_in_time(event: object) -> list[Stop] | None:
        seen.append((time.perf_counter() - began, event))
        return [Stop()] if time.perf_counter() - began > 2.0 else None

    events = pull(config, tell=stop_in_time)
    seconds = finished(events).seconds
    assert 1.5 < seconds < 4.0
    progress = of_kind(events, Progress)
    assert 10.0 * seconds <= len(progress) <= 21.0 * seconds + 2
    first_step = next(moment for moment, event in seen if isinstance(event, Progress))
    first_change = next(moment for moment, event in seen if isinstance(event, Snapshot))
    assert first_change - first_step < 0.3
    assert len(of_kind(events, Snapshot)) > 5 * seconds
    # The rate is the steps that were taken over the time they took.
    assert progress[-1].steps_per_second == pytest.approx(progress[-1].step / seconds, rel=0.4)
    assert progress[0].seconds_left is None
    left = (progress[-1].total_steps - progress[-1].step) / progress[-1].steps_per_second
    assert progress[-1].seconds_left == pytest.approx(left)


def test_time_outside_does_not_count() -> None:
    def run(pause: float) -> list:
        clock = Clock()

        def dawdle(event: object) -> None:
            clock.time += pause

        return pull(TINY, tell=dawdle, clock=clock)

    swift, slow = run(0.0), run(1000.0)
    assert [type(event) for event in swift] == [type(event) for event in slow]
    for a, b in zip(of_kind(swift, Progress), of_kind(slow, Progress), strict=True):
        assert b.steps_per_second == pytest.approx(a.steps_per_second, rel=1e-5)
        assert b.seconds_left == (a.seconds_left and pytest.approx(a.seconds_left, rel=1e-5))
    assert of_kind(swift, Progress)[-1].steps_per_second > 10
    assert finished(slow).seconds == pytest.approx(finished(swift).seconds, abs=1e-6)


def test_snapshots_are_frozen_and_never_written_again() -> None:
    taken: list[tuple[Snapshot, str]] = []

    def keep(event: object) -> None:
        if isinstance(event, Snapshot):
            taken.append((event, digest(event.model)))

    events = pull(TINY, tell=keep, clock=eager_clock())
    assert len(taken) > 10
    for snapshot, at_first in taken:
        assert digest(snapshot.model) == at_first
        assert not any(p.requires_grad for p in snapshot.model.parameters()) and not snapshot.model.training
    assert len({at_first for _, at_first in taken}) == len(taken), "no step is shown twice"
    assert [snapshot.step for snapshot, _ in taken] == sorted(snapshot.step for snapshot, _ in taken)
    assert taken[-1][1] == digest(finished(events).model) and taken[-1][0].step == 48
    assert not any(p.requires_grad for p in finished(events).model.parameters())


def test_what_progress_holds_is_never_written_again() -> None:
    kept: list[tuple[np.ndarray, np.ndarray]] = []

    def keep(event: object) -> None:
        if isinstance(event, Progress):
            arrays = (event.reconstruction, event.kl, event.objective, event.kl_per_dim)
            kept.extend((array, array.copy()) for array in arrays)

    pull(TINY, tell=keep, clock=eager_clock())
    assert len(kept) > 100 and all(np.array_equal(array, copy) for array, copy in kept)


def test_slow_copies_are_made_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copying takes at most a tenth of the time: copies of 0.5 s come 5 s apart."""
    clock, moments = Clock(), []
    frozen = model.VAE.frozen

    def slowly(self: model.VAE) -> model.VAE:
        clock.time += 0.5
        return frozen(self)

    monkeypatch.setattr(model.VAE, "frozen", slowly)

    def note(event: object) -> None:
        if isinstance(event, Snapshot):
            moments.append(clock.time)

    class Watched(step.Stepper):
        def step(self, images: torch.Tensor, rate: float, beta: float) -> None:
            clock.time += 0.25
            super().step(images, rate, beta)

    monkeypatch.setattr(train, "Stepper", Watched)
    pull(TINY.with_changes(epochs=4), tell=note, clock=clock)
    gaps = [after - before for before, after in pairwise(moments[:-1])]
    assert len(gaps) >= 3 and all(5.0 <= gap < 6.5 for gap in gaps)


def test_evaluations_come_at_equal_steps_and_cost_a_twentieth() -> None:
    config = TINY.with_changes(data=DataConfig(), epochs=5, batch_size=250)
    *during, last = of_kind(pull(config), Evaluated)
    every = during[0].step
    assert len(during) >= 3 and [event.step for event in during] == [every * (i + 1) for i in range(len(during))]
    for event in during:
        assert event.epoch == event.step / 240
        # A step is a forward and a backward pass, about three times the arithmetic of an evaluated image.
        assert event.evaluation.images / (3 * 250 * every) <= 0.05
        assert event.evaluation.images / (3 * 250 * (every - 1)) > 0.05
    assert last.step == 1200 and last.evaluation.images == 10_000
    bounds = [event.evaluation.neg_elbo for event in (*during, last)]
    assert bounds == sorted(bounds, reverse=True)


def test_500_images_can_be_learned_by_heart() -> None:
    """The bound on the 500 falls far below the one on test images, and the curves show both on the way."""
    config = PRESETS["pytorch-example"].config.with_changes(
        data=DataConfig(limit=500), batch_size=250, epochs=100, learning_rate=5e-3, device="cpu"
    )
    events = pull(config)
    assert events[0].steps_per_epoch == 2
    assert len(of_kind(events, Evaluated)) > 5
    last = figures(events)[-10:, 1:].sum(axis=1).mean()
    assert finished(events).evaluation.neg_elbo > last + 15


def test_fewer_images_than_a_batch_make_one_smaller_batch(batches: list[torch.Tensor]) -> None:
    events = pull(TINY.with_changes(data=DataConfig(limit=30), epochs=3))
    assert events[0].total_steps == 3 and [len(images) for images in batches] == [30] * 3
    assert finished(events).reason == "done"


def test_zeros_and_ones_alone_make_two_clusters() -> None:
    config = TINY.with_changes(data=DataConfig(classes=(0, 1)), latent_dims=2, batch_size=100, learning_rate=3e-3)
    data = load(config.data)
    end = finished(pull(config, data))
    assert end.step == 2 * (12_665 // 100) and end.evaluation.images == 980 + 1135
    with torch.no_grad():
        means = end.model.encode(model.to_float(data.test.images)).mean
    zero = data.test.labels == 0
    centres = torch.stack([means[zero].mean(dim=0), means[~zero].mean(dim=0)])
    nearest = torch.cdist(means, centres).argmin(dim=1)
    assert (nearest == (~zero).long()).float().mean() > 0.97


@pytest.mark.parametrize("latent_dims", [1, 256])
@pytest.mark.parametrize("network", [TINY.network, ConvolutionalConfig(channels=(4, 8))], ids=["mlp", "convolutional"])
def test_one_and_256_latent_dimensions(latent_dims: int, network: object) -> None:
    config = TINY.with_changes(latent_dims=latent_dims, network=network, data=DataConfig(limit=500), epochs=2)
    events = pull(config)
    assert finished(events).reason == "done" and len(figures(events)) == 20
    assert of_kind(events, Progress)[-1].kl_per_dim.shape == (latent_dims,)
    assert finished(events).evaluation.kl_per_dim.shape == (latent_dims,)


@pytest.mark.parametrize("device", FOUND)
def test_the_convolutional_preset_learns(device: str) -> None:
    config = PRESETS["convolutional-2d"].config
    config = config.with_changes(data=DataConfig(limit=2000, classes=(0, 1)), batch_size=100, epochs=1, device=device)
    events = pull(config)
    bound = figures(events)[:, 1:].sum(axis=1)
    assert len(bound) == 20 and bound[-3:].mean() < 0.7 * bound[:3].mean()
    assert finished(events).evaluation.images == 980 + 1135


@pytest.mark.parametrize("device", FOUND)
def test_bf16_learns_as_float32_does(device: str) -> None:
    """From one seed over 100 steps: −ELBO within 0.2 % on average and 1 % at every step (0.05 and 0.15 % were seen)."""
    config = EXAMPLE.with_changes(data=DataConfig(limit=12_800), device=device)
    bounds = []
    for precision in ("float32", "bf16"):
        events = pull(config.with_changes(precision=precision))
        assert events[0].precision == precision
        bounds.append(figures(events)[:, 1:].sum(axis=1))
    exact, rough = bounds
    assert len(exact) == 100 and not np.array_equal(exact, rough)
    difference = np.abs(rough / exact - 1.0)
    assert difference.mean() < 0.002 and difference.max() < 0.01


def test_the_weights_that_start_are_those_of_the_seed() -> None:
    """Stopped before its first step, a run has what `build` makes of the seed."""
    config = TINY.with_changes(seed=2**63 - 1)
    end = finished(pull(config, tell=lambda event: [Stop()]))
    assert (end.step, end.reason, end.evaluation) == (0, "stopped", None)
    assert torch.equal(weights(end.model), weights(model.build(config, (1, 28, 28))))


@pytest.mark.parametrize("choice", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_by_name(mnist: Data, choice: str) -> None:
    run = train.train(TINY.with_changes(device=choice), mnist)
    if choice in FOUND:
        assert next(run).device == devices.title(devices.choose(choice))
        return
    with pytest.raises(DeviceError, match=f"no {choice.upper()} device. Found: .*cpu"):
        next(run)


def test_auto_takes_the_best_device_there_is(mnist: Data) -> None:
    assert next(train.train(RunConfig(), mnist)).device == devices.available()[0].title
