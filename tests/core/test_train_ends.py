"""What a training can be told while it runs, and the ways it can end: stopped, not finite, out of memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest
import torch
from patience import best_of
from training import TINY, digest, eager_clock, figures, finished, of_kind, pull

from vae_studio.core import devices, model, train
from vae_studio.core.config import ConfigError, DataConfig, MLPConfig
from vae_studio.core.datasets import Data
from vae_studio.core.errors import UserError
from vae_studio.core.events import Command, Evaluated, Event, Finished, Progress, SetBeta, SetRate, Snapshot, Stop
from vae_studio.core.model import all_finite
from vae_studio.core.step import Stepper, rate_factor


def at(step: int, *commands: Command):
    """Say these commands when this step is reported."""

    def tell(event: Event) -> list[Command] | None:
        return list(commands) if isinstance(event, Progress) and event.step == step and len(event.steps) else None

    return tell


def test_stop_ends_the_run_before_the_next_step() -> None:
    events = pull(TINY, tell=at(17, Stop()), clock=eager_clock())
    end = finished(events)
    assert (end.reason, end.step, end.evaluation) == ("stopped", 17, None)
    assert end.message == "Stopped after 17 of 48 steps."
    assert figures(events)[:, 0].tolist() == list(range(1, 18))
    # The model is that of the last step, and the map has shown it.
    assert of_kind(events, Snapshot)[-1].step == 17
    assert digest(of_kind(events, Snapshot)[-1].model) == digest(end.model)
    whole = pull(TINY, clock=eager_clock())
    assert (figures(whole)[:17] == figures(events)).all() and digest(finished(whole).model) != digest(end.model)


@best_of(4)
def test_stop_from_another_thread_ends_the_run_at_once(mnist: Data) -> None:
    commands = train.Commands()
    run = train.train(TINY.with_changes(data=DataConfig(), epochs=10_000), mnist, commands)
    asked: list[float] = []
    timer = Timer(0.3, lambda: (asked.append(time.perf_counter()), commands.put(Stop())))
    while not (isinstance(event := next(run), Progress) and event.step):
        pass
    timer.start()
    *_, end = run
    timer.join()
    assert end.reason == "stopped" and 0 < end.step < end_of_all(mnist)
    assert time.perf_counter() - asked[0] < 0.5


def end_of_all(data: Data) -> int:
    return len(data.train) // TINY.batch_size * 10_000


@pytest.mark.parametrize("during", [False, True], ids=["after the last step", "during training"])
def test_stop_is_heard_while_evaluating(during: bool) -> None:
    """Evaluation goes in batches of 500 with a sign of life after each."""
    config = TINY.with_changes(data=DataConfig(limit=6000), epochs=2)
    asked = []

    def tell(event: Event) -> list[Stop] | None:
        # No steps since the last sign of life: this one comes from within an evaluation.
        if isinstance(event, Progress) and not len(event.steps) and (during or event.step == event.total_steps):
            asked.append(event.step)
            return [Stop()]
        return None

    events = pull(config, tell=tell, clock=eager_clock())
    end = finished(events)
    assert end.reason == "stopped" and end.evaluation is None
    assert end.step == asked[0] and (end.step < 240) == during
    assert not [event for event in of_kind(events, Evaluated) if event.step == end.step]


def test_beta_can_be_turned_while_training() -> None:
    config = TINY.with_changes(epochs=20, kl_warm_up=0.5, schedule="constant", warm_up=0.0)
    events = pull(config, tell=at(300, SetBeta(20.0)), clock=eager_clock())
    untouched = pull(config, clock=eager_clock())
    shown = {event.step: event.beta for event in of_kind(events, Progress)}
    # The warm-up over the first 240 of 480 steps goes on multiplying.
    assert [shown[step] for step in (24, 240, 300, 301, 480)] == pytest.approx([0.1, 1.0, 1.0, 20.0, 20.0])
    kl, kl_untouched = figures(events)[:, 2], figures(untouched)[:, 2]
    assert (kl[:300] == kl_untouched[:300]).all()
    assert kl[-20:].mean() < 0.3 * kl_untouched[-20:].mean()

    early = pull(config, tell=at(12, SetBeta(4.0)), clock=eager_clock())
    shown = {event.step: event.beta for event in of_kind(early, Progress)}
    assert [shown[step] for step in (12, 13, 120, 240)] == pytest.approx([12 / 240, 4 * 13 / 240, 2.0, 4.0])


def test_the_rate_can_be_turned_while_training() -> None:
    events = pull(TINY, tell=at(20, SetRate(1e-4)), clock=eager_clock())
    for event in of_kind(events, Progress):
        peak = TINY.learning_rate if event.step <= 20 else 1e-4
        assert event.learning_rate == pytest.approx(peak * rate_factor(TINY, event.step - 1, 48))
    frozen = pull(TINY, tell=at(20, SetRate(0.0)), clock=eager_clock())
    still = [digest(event.model) for event in of_kind(frozen, Snapshot) if event.step > 20]
    assert len(still) > 1 and len(set(still)) == 1
    moving = [digest(event.model) for event in of_kind(events, Snapshot) if event.step > 20]
    assert len(set(moving)) > 1


def check_not_finite(events: list[Event]) -> Finished:
    end = finished(events)
    assert end.reason == "not_finite" and end.evaluation is None
    assert f"at step {end.step}" in end.message and "infinite or not a number" in end.message
    assert "smaller learning rate" in end.message and end.message.endswith(".")
    assert all_finite(end.model) and all(all_finite(event.model) for event in of_kind(events, Snapshot))
    assert all(torch.tensor(event.evaluation.neg_elbo).isfinite() for event in of_kind(events, Evaluated))
    return end


def test_a_rate_that_is_far_too_high_ends_the_run_with_a_sentence() -> None:
    wild = TINY.with_changes(learning_rate=1.0, schedule="constant", warm_up=0.0, epochs=50)
    end = check_not_finite(pull(wild, tell=at(1, SetRate(1e6)), clock=eager_clock()))
    assert 1 < end.step < 100
    assert "it was 1.0e+06" in end.message


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_highest_rate_allowed_breaks_nothing_but_the_run(precision: str) -> None:
    wild = TINY.with_changes(learning_rate=1.0, schedule="constant", warm_up=0.0, precision=precision)
    end = finished(pull(wild))
    assert end.reason in ("done", "not_finite") and all_finite(end.model)


def test_weights_that_are_not_numbers_give_way_to_the_last_snapshot() -> None:
    events = pull(TINY, tell=at(20, SetRate(float("nan"))), clock=eager_clock())
    end = check_not_finite(events)
    # Step 21 spoils the weights, step 22 notices.
    assert end.step in (21, 22)
    assert digest(end.model) == digest(of_kind(events, Snapshot)[-1].model)


def test_weights_spoiled_by_the_very_last_step_are_noticed() -> None:
    check_not_finite(pull(TINY, tell=at(47, SetRate(float("nan"))), clock=eager_clock()))


def test_a_bound_on_test_images_that_is_not_finite_is_no_figure() -> None:
    end = check_not_finite(pull(TINY, tell=at(47, SetRate(1e30)), clock=eager_clock()))
    assert end.step == 48


def test_a_loss_beyond_all_numbers_is_noticed_though_its_parts_are_finite() -> None:
    events = pull(TINY, tell=at(20, SetBeta(float("inf"))), clock=eager_clock())
    end = check_not_finite(events)
    assert end.step == 21
    assert digest(end.model) == digest(finished(pull(TINY, tell=at(20, Stop()), clock=eager_clock())).model)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
@pytest.mark.parametrize("copies", [True, False], ids=["with room for a copy", "without"])
def test_out_of_memory_in_a_step_keeps_the_weights_before_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception, copies: bool
) -> None:
    def fail(*_: object) -> None:
        raise error

    class Greedy(Stepper):
        taken = 0

        def step(self, images: torch.Tensor, rate: float, beta: float) -> None:
            if self.taken == 30:
                if not copies:
                    monkeypatch.setattr(model.VAE, "frozen", fail)
                fail()
            super().step(images, rate, beta)
            self.taken += 1

    monkeypatch.setattr(train, "Stepper", Greedy)
    events = pull(TINY, clock=eager_clock())
    monkeypatch.undo()
    end = finished(events)
    assert (end.reason, end.step, end.evaluation) == ("out_of_memory", 30, None)
    assert end.message.startswith(f"Memory ran out on {devices.title(torch.device('cpu'))} after 30 of 48 steps.")
    assert "smaller batch (it was 50)" in end.message and end.message.endswith(".")
    if copies:
        assert digest(end.model) == digest(finished(pull(TINY, tell=at(30, Stop()), clock=eager_clock())).model)
    else:
        assert digest(end.model) == digest(of_kind(events, Snapshot)[-1].model)


def test_no_memory_for_the_model_itself_is_a_sentence(monkeypatch: pytest.MonkeyPatch, mnist: Data) -> None:
    def greedy(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(train, "build", greedy)
    with pytest.raises(ConfigError, match="not enough memory for this network") as refused:
        next(train.train(TINY, mnist))
    assert isinstance(refused.value, UserError)


def test_a_network_that_could_not_be_opened_again_is_not_trained(mnist: Data) -> None:
    with pytest.raises(ConfigError, match="more than the 200,000,000 allowed"):
        next(train.train(TINY.with_changes(network=MLPConfig(widths=(8192,) * 8)), mnist))


def test_faults_of_ours_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(Stepper):
        def step(self, images: torch.Tensor, rate: float, beta: float) -> None:
            raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(train, "Stepper", Faulty)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        pull(TINY)


# Runs where memory really ends: the limit is set while training, so that set-up is not what fails.
SCRIPT = """
import gc, json, resource
import torch
torch.set_num_threads(1)
from training import TINY, digest
from vae_studio.core.config import DataConfig
from vae_studio.core.datasets import load
from vae_studio.core.events import Finished, Snapshot, Started
from vae_studio.core.model import all_finite
from vae_studio.core.train import train

def size():
    pages = open("/proc/self/statm").read().split()[0]
    return int(pages) * resource.getpagesize()

data = load(DataConfig())
config = TINY.with_changes(data=DataConfig(), batch_size=20_000, epochs=2)
unlimited = resource.getrlimit(resource.RLIMIT_AS)
for kind in (Started, Snapshot):
    limited = snapshot = None
    for event in train(config, data):
        if isinstance(event, kind) and not limited:
            # A batch of 20,000 as float takes 63 MB, and its logits, losses and gradients as much each.
            limited = size() + 100_000_000
            resource.setrlimit(resource.RLIMIT_AS, (limited, unlimited[1]))
        if isinstance(event, Snapshot):
            snapshot = digest(event.model)
        if isinstance(event, Finished):
            tensors = [item for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
            held = sum(tensor.nbytes for tensor in tensors) - data.train.images.nbytes - data.test.images.nbytes
            resource.setrlimit(resource.RLIMIT_AS, unlimited)
            print(json.dumps({
                "reason": event.reason, "step": event.step, "message": event.message, "finite": all_finite(event.model),
                "same": snapshot in (None, digest(event.model)), "held": held,
            }))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_memory_running_out_for_real_ends_the_run_and_gives_back_what_it_took() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["step"], second["step"]) == (0, 1)
    for end in (first, second):
        assert end["reason"] == "out_of_memory" and "smaller batch (it was 20000)" in end["message"]
        assert end["finite"] and end["same"]
        # When the run is over, nothing holds on to what the failed step had made: 16 MB as bytes, 63 MB as floats.
        assert end["held"] < 10_000_000


def test_a_step_that_no_memory_could_hold_is_refused_before_it_is_tried(mnist: Data) -> None:
    config = TINY.with_changes(data=DataConfig(), samples=1000, batch_size=60_000)
    with pytest.raises(ConfigError, match=r"A step of 60000 images with 1000 samples an image takes about \d{3,} GB"):
        pull(config, mnist)
