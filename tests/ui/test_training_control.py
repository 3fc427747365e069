"""Runs started, held, steered and ended as the window does it: real training on real MNIST, in the real thread."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
from PySide6.QtCore import QObject

from vae_studio import paths, tasks
from vae_studio.core import events
from vae_studio.core.config import DataConfig, MLPConfig, RunConfig
from vae_studio.core.scene import TestImages, Version
from vae_studio.ui.training_control import TrainingControl

SECONDS_120 = 120_000
SHORT = RunConfig(
    data=DataConfig(limit=1000), network=MLPConfig(widths=(32,)), batch_size=50, epochs=2, device="cpu", seed=5
)
ENDLESS = SHORT.with_changes(epochs=100_000, schedule="constant", warm_up=0.0)


class Witness(QObject):
    """Notes what a control says, in order, and what it knew of the run at that moment."""

    def __init__(self, control):
        super().__init__()
        self.control = control
        self.events, self.states, self.failures, self.opened = [], [], [], []
        control.said.connect(self.note_event)
        control.state_changed.connect(self.note_state)
        control.failed.connect(self.note_failure)

    def note_event(self, event):
        self.events.append(event)
        run = self.control.run
        self.opened.append((run.version, run.opened and run.opened.model))

    def note_state(self, state):
        self.states.append(state)

    def note_failure(self, failure):
        self.failures.append(failure)

    def count(self, kind=object):
        return sum(isinstance(event, kind) for event in self.events)

    def last(self, kind):
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setattr(paths, "runs", lambda: folder)
    return folder


@pytest.fixture
def control(runs, qtbot):
    control = TrainingControl()
    yield control
    control.close()


@pytest.fixture
def witness(control):
    return Witness(control)


def saved_model(event):
    from vae_studio.core.checkpoint import load_model

    return load_model(event.path)


def until(qtbot, condition):
    qtbot.waitUntil(lambda: bool(condition()), timeout=SECONDS_120)


def end(control, witness, qtbot):
    """Stop, and wait until it has ended."""
    control.stop()
    until(qtbot, lambda: witness.states[-1] == "idle")


def test_a_run_from_start_to_end(control, witness, runs, qtbot):
    import torch

    control.start(SHORT, 7)
    assert witness.states == ["running"]
    assert control.going
    assert control.run.version == Version(7, 0)
    assert control.run.title == "2-D explorer · your run"
    until(qtbot, lambda: not control.going)

    assert witness.states == ["running", "idle"]
    assert witness.failures == []
    kinds = [type(event) for event in witness.events]
    assert kinds[:2] == [TestImages, events.Started]
    assert kinds[-2:] == [events.Finished, events.Saved]
    assert control.run.images is witness.events[0]
    assert len(control.run.images.labels) == 10_000
    steps = np.concatenate([event.steps for event in witness.events if isinstance(event, events.Progress)])
    assert steps.tolist() == list(range(1, 41))

    snapshots = witness.count(events.Snapshot) + witness.count(events.Finished)
    assert control.run.version == Version(7, snapshots), "every model has a version of its own"
    for event, (version, model) in zip(witness.events, witness.opened, strict=True):
        if isinstance(event, (events.Snapshot, events.Finished)):
            assert model is event.model, "when it is said, the run holds it already"
            assert version.number > 0

    saved, finished = witness.last(events.Saved), witness.last(events.Finished)
    assert finished.reason == "done"
    opened = control.run.opened
    assert (opened.model, opened.name) == (finished.model, "2-D explorer · your run")
    assert (opened.path, opened.card, opened.sha256) == (saved.path, saved.card, saved.sha256)
    loaded = saved_model(saved)
    assert loaded.sha256 == opened.sha256
    assert loaded.model.config == SHORT
    for name, weights in finished.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weights)
    (folder,) = runs.iterdir()
    assert folder == control.run.folder
    assert json.loads((folder / "model.json").read_text(encoding="utf-8")) == opened.card


def test_paused_nothing_moves_and_resumed_it_goes_on(control, witness, qtbot):
    control.start(ENDLESS, 1)
    until(qtbot, lambda: witness.count(events.Progress) > 3)
    control.pause_or_resume()
    assert witness.states[-1] == "paused"
    before = -1
    while len(witness.events) != before:  # what was on its way arrives; without a pause it would never end
        before = len(witness.events)
        qtbot.wait(300)
        assert before < 200
    qtbot.wait(300)
    assert len(witness.events) == before
    control.pause_or_resume()
    assert witness.states[-1] == "running"
    until(qtbot, lambda: witness.count(events.Progress) > before + 3)
    steps = np.concatenate([event.steps for event in witness.events if isinstance(event, events.Progress)])
    assert np.array_equal(steps, np.arange(1, len(steps) + 1)), "no step was lost or done twice"
    end(control, witness, qtbot)
    assert witness.states == ["running", "paused", "running", "ending", "idle"]


@pytest.mark.parametrize("paused", [False, True])
def test_stopping_keeps_the_model(control, witness, paused, qtbot):
    control.start(ENDLESS, 1)
    until(qtbot, lambda: witness.count(events.Snapshot) > 0)
    if paused:
        control.pause_or_resume()
    control.stop()
    assert witness.states[-1] == "ending"
    until(qtbot, lambda: not control.going)
    assert witness.states[-1] == "idle"
    assert witness.failures == []
    finished = witness.last(events.Finished)
    assert finished.reason == "stopped"
    assert finished.step > 0
    assert saved_model(witness.last(events.Saved)).card["ended"] == "stopped"


def test_stopping_before_the_first_step(control, witness, monkeypatch, qtbot):
    stopped, train = threading.Event(), tasks.train

    def train_late(*args):
        assert stopped.wait(60)
        yield from train(*args)

    monkeypatch.setattr(tasks, "train", train_late)
    control.start(ENDLESS, 1)
    control.stop()
    stopped.set()
    until(qtbot, lambda: not control.going)
    assert witness.failures == []
    assert witness.last(events.Finished).step == 0
    assert saved_model(witness.last(events.Saved)).model.config == ENDLESS


@pytest.mark.parametrize("paused", [False, True])
def test_closing_waits_for_the_model(control, witness, runs, paused, qtbot):
    from vae_studio.core.checkpoint import load_model

    control.start(ENDLESS, 1)
    until(qtbot, lambda: witness.count(events.Progress) > 0)
    if paused:
        control.pause_or_resume()
    control.close()
    assert not control.run.trainer.isRunning()
    (folder,) = runs.iterdir()
    assert load_model(folder / "model.safetensors").card["steps"] > 0, "it is there before the window goes"


def test_closing_without_a_run_and_twice(control, witness, qtbot):
    control.close()
    control.start(SHORT, 1)
    until(qtbot, lambda: not control.going)
    control.close()
    control.close()
    assert witness.states == ["running", "idle"]


def test_beta_and_rate_are_turned_while_training(control, witness, qtbot):
    control.start(ENDLESS, 1)
    until(qtbot, lambda: witness.count(events.Progress) > 0)
    first = witness.last(events.Progress)
    assert (first.beta, first.learning_rate) == (1.0, 1.5e-3)
    control.turn_beta(4.0)
    until(qtbot, lambda: witness.last(events.Progress).beta == 4.0)
    assert witness.last(events.Progress).learning_rate == 1.5e-3
    control.turn_rate(2e-4)
    until(qtbot, lambda: witness.last(events.Progress).learning_rate == 2e-4)
    control.pause_or_resume()
    control.turn_beta(0.5)
    control.pause_or_resume()
    until(qtbot, lambda: witness.last(events.Progress).beta == 0.5)
    end(control, witness, qtbot)
    model = saved_model(witness.last(events.Saved)).model
    assert model.config == ENDLESS, "the config says how the run began"


def taken(witness):
    """The steps of the run that were said to be taken."""
    return sum(len(event.steps) for event in witness.events if isinstance(event, events.Progress))


def test_the_pace_of_a_run_and_of_the_next(control, witness, qtbot):
    control.set_pace(5)
    control.start(ENDLESS, 1)
    until(qtbot, lambda: taken(witness) > 5)
    assert witness.last(events.Progress).steps_per_second == pytest.approx(5, rel=0.1)
    control.set_pace(None)
    until(qtbot, lambda: taken(witness) > 200)
    control.set_pace(0)
    assert control.can_step
    end(control, witness, qtbot)
    first, second, third = witness.last(events.Saved).card["changes"]
    assert (first, second["pace"], third["pace"]) == ({"step": 0, "pace": 5}, None, 0)

    control.start(ENDLESS, 2)
    del witness.events[:]
    until(qtbot, lambda: witness.count(events.Snapshot) > 0)
    assert witness.last(events.Snapshot).step == 0, "the pace stays as it was set"
    end(control, witness, qtbot)


def test_step_by_step(control, witness, qtbot):
    control.set_pace(0)
    control.step_once()
    assert not control.can_step, "there is no run"
    control.start(ENDLESS, 1)
    until(qtbot, lambda: witness.count(events.Snapshot) > 0)
    assert control.run.step == 0
    for count in (1, 2, 3):
        control.step_once()
        until(qtbot, lambda count=count: taken(witness) == count and control.run.step == count)
        qtbot.wait(100)
        assert taken(witness) == count
    control.pause_or_resume()
    assert not control.can_step
    control.step_once()
    control.pause_or_resume()
    assert control.can_step
    qtbot.wait(200)
    assert taken(witness) == 3, "a step asked for in a pause is not taken later"
    control.step_once()
    until(qtbot, lambda: taken(witness) == 4)
    control.set_pace(200)
    assert not control.can_step
    control.step_once()
    until(qtbot, lambda: taken(witness) > 20)
    end(control, witness, qtbot)
    assert witness.states == ["running", "paused", "running", "ending", "idle"]


def test_a_pause_holds_a_run_that_waits_for_its_pace(control, witness, qtbot):
    control.set_pace(1)
    control.start(ENDLESS, 1)
    until(qtbot, lambda: taken(witness) == 1)
    qtbot.wait(100)
    control.pause_or_resume()
    qtbot.wait(1500)
    assert taken(witness) == 1, "the second step would have come by now"
    control.pause_or_resume()
    until(qtbot, lambda: taken(witness) >= 2)
    end(control, witness, qtbot)


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("pace", [0, 0.02])
def test_closing_while_the_run_waits(control, witness, runs, pace, paused, qtbot):
    control.set_pace(pace)
    control.start(ENDLESS, 1)
    control.step_once()
    until(qtbot, lambda: taken(witness) == 1)
    if paused:
        control.pause_or_resume()
    began = time.perf_counter()
    control.close()
    assert time.perf_counter() - began < 25, "a turn that is most of a minute away is not waited for"
    assert not control.run.trainer.isRunning()
    (card,) = (json.loads(path.read_text(encoding="utf-8")) for path in runs.rglob("model.json"))
    assert (card["ended"], card["steps"]) == ("stopped", 1)


def test_turning_knobs_with_no_run_does_nothing(control, witness, qtbot):
    control.turn_beta(2.0)
    control.turn_rate(1e-3)
    control.pause_or_resume()
    control.stop()
    assert (witness.states, witness.events, witness.failures) == ([], [], [])
    control.start(SHORT, 1)
    until(qtbot, lambda: not control.going)
    control.turn_beta(2.0)
    control.pause_or_resume()
    control.stop()
    assert witness.states == ["running", "idle"]


def test_a_collapse_is_noticed(control, witness, qtbot):
    config = SHORT.with_changes(epochs=200, schedule="constant", warm_up=0.0, beta=0.0, learning_rate=5e-3)
    control.start(config, 1)
    until(qtbot, lambda: control.run.evaluated)
    assert control.run.collapse is None, "with β = 0 every dimension is used"
    control.turn_beta(100.0)
    until(qtbot, lambda: control.run.collapse and control.run.collapse.total)
    assert control.run.evaluated.evaluation.active_units == 0
    end(control, witness, qtbot)


def test_a_second_run_has_its_own_folder_and_versions(control, witness, runs, qtbot):
    control.start(SHORT, 1)
    until(qtbot, lambda: not control.going)
    first = control.run
    control.start(SHORT, 2)
    assert control.run.opened is None
    until(qtbot, lambda: not control.going)
    assert control.run.version.lineage == 2
    assert control.run.folder != first.folder
    assert len(list(runs.glob("*/model.safetensors"))) == 2
    assert witness.count(events.Saved) == 2
    assert witness.failures == []


def test_a_folder_that_cannot_be_made(control, witness, tmp_path, monkeypatch, qtbot):
    obstacle = tmp_path / "a file"
    obstacle.write_text("in the way")
    with monkeypatch.context() as changed:
        changed.setattr(paths, "runs", lambda: obstacle / "runs")
        control.start(SHORT, 1)
        until(qtbot, lambda: not control.going)
    assert witness.states == ["running", "idle"]
    (failure,) = witness.failures
    assert failure.expected
    assert str(obstacle) in failure.words
    assert failure.words.endswith(".") and "\n" not in failure.words
    assert witness.count(events.Progress) == 0, "it is found before any work is done"
    assert control.run.opened is None
    control.start(SHORT, 2)
    until(qtbot, lambda: not control.going)
    assert witness.last(events.Saved) is not None, "the next run is none the worse for it"
    assert len(witness.failures) == 1


def test_a_folder_that_goes_while_training(control, witness, qtbot):
    import shutil

    control.start(ENDLESS, 1)
    until(qtbot, lambda: witness.count(events.Snapshot) > 0)
    shutil.rmtree(control.run.folder)
    end(control, witness, qtbot)
    (failure,) = witness.failures
    assert failure.expected
    assert str(control.run.folder) in failure.words
    assert control.run.opened.model is witness.last(events.Finished).model, "the model can be saved elsewhere"


def test_data_that_cannot_be_read(control, witness, tmp_path, monkeypatch, qtbot):
    with monkeypatch.context() as changed:
        changed.setattr(paths, "resources", lambda: tmp_path)
        control.start(SHORT, 1)
        until(qtbot, lambda: not control.going)
    (failure,) = witness.failures
    assert failure.expected
    assert "train-images-idx3-ubyte.gz is missing" in failure.words
    assert witness.states == ["running", "idle"]
