"""The pace of a training by the real clock: held, changed, step by step; the figures stay what they are flat out."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from patience import best_of
from training import TINY, digest, figures, finished, of_kind, pull

from vae_studio.core import runs
from vae_studio.core.config import RunConfig
from vae_studio.core.datasets import load
from vae_studio.core.events import (
    Change,
    Command,
    Event,
    Finished,
    Progress,
    SetBeta,
    SetPace,
    Snapshot,
    Started,
    StepOnce,
    Stop,
)
from vae_studio.core.presets import DEFAULT_PRESET, PRESETS
from vae_studio.core.train import train

LONG = TINY.with_changes(epochs=1000, schedule="constant", warm_up=0.0)
SOON = 60.0  # seconds that a busy machine is allowed for what takes none


class Run:
    """A training pulled in a thread of its own, as the window pulls it; its events with the moments they came."""

    def __init__(self, config: RunConfig, *commands: Command) -> None:
        self.commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.seen: list[tuple[float, Event]] = []
        for command in commands:
            self.commands.put(command)
        data = load(config.data, config.seed)
        self._thread = threading.Thread(target=self._pull, args=(train(config, data, self.commands),))
        self._thread.start()

    def _pull(self, events: Iterator[Event]) -> None:
        for event in events:
            self.seen.append((time.perf_counter(), event))

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.seen]

    @property
    def step(self) -> int:
        """The last that was said to be taken; −1 before anything was said."""
        return max((event.step for event in of_kind(self.events, Progress)), default=-1)

    def tell(self, *commands: Command) -> None:
        for command in commands:
            self.commands.put(command)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.perf_counter() + SOON
        while not condition():
            assert time.perf_counter() < end
            time.sleep(0.001)

    def end(self) -> Finished:
        self.tell(Stop())
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return finished(self.events)


@pytest.fixture
def started() -> Iterator[Callable[..., Run]]:
    """Starts runs, one after another, and ends them with the test."""
    found: list[Run] = []

    def end() -> None:
        while found:
            found.pop().end()

    def start(config: RunConfig, *commands: Command) -> Run:
        end()
        found.append(Run(config, *commands))
        return found[-1]

    yield start
    end()


def moments(seen: list[tuple[float, Event]]) -> dict[int, float]:
    """When each step was said to be taken."""
    return {event.step: moment for moment, event in seen if isinstance(event, Progress) and len(event.steps)}


def at_each_snapshot(*commands: Command) -> Callable[[Event], list[Command] | None]:
    return lambda event: list(commands) if isinstance(event, Snapshot) else None


def test_the_figures_are_those_of_a_run_flat_out_bit_for_bit() -> None:
    flat_out = pull(TINY)
    pressed = at_each_snapshot(StepOnce())

    def begin(pace: float, then: Callable[[Event], list[Command] | None]) -> Callable[[Event], list[Command] | None]:
        return lambda event: [SetPace(pace)] if isinstance(event, Started) else then(event)

    def turn(event: Event) -> list[Command] | None:
        turned = {5: SetPace(100.0), 10: SetPace(0.0), 30: SetPace(25.0), 34: SetPace(None)}
        if not isinstance(event, Snapshot):
            return None
        return [turned[event.step]] if event.step in turned else [StepOnce()]

    paced = {
        "500 a second": pull(TINY, tell=begin(500.0, lambda event: None)),
        "step by step": pull(TINY, tell=begin(0.0, pressed)),
        "turned": pull(TINY, tell=begin(20.0, turn)),
    }
    for name, events in paced.items():
        assert finished(events).reason == "done", name
        assert figures(events).tobytes() == figures(flat_out).tobytes(), name
        assert digest(finished(events).model) == digest(finished(flat_out).model), name
        assert finished(events).evaluation.neg_elbo == finished(flat_out).evaluation.neg_elbo, name


@pytest.mark.parametrize("pace", [20.0, 30.0])
@best_of(4)
def test_a_pace_that_eyes_can_follow_shows_every_step(started: Callable[..., Run], pace: float) -> None:
    run = started(LONG, SetPace(pace))
    run.until(lambda: run.step >= 30)
    seconds = run.end().seconds
    events = run.events
    stepped = [event for event in of_kind(events, Progress) if len(event.steps)]
    assert all(len(event.steps) == 1 for event in stepped)
    assert [event.step for event in of_kind(events, Snapshot)] == [event.step for event in stepped]
    prints = [digest(event.model) for event in of_kind(events, Snapshot)]
    assert len(set(prints)) == len(prints), "each with the weights of its step"

    when = moments(run.seen)
    assert (when[30] - when[1]) / 29 == pytest.approx(1.0 / pace, rel=0.1)
    # What was waited is in the rate, and not in the seconds of work.
    assert stepped[-1].steps_per_second == pytest.approx(pace, rel=0.1)
    assert stepped[-1].steps_per_second <= pace
    left = (24_000 - stepped[-1].step) / stepped[-1].steps_per_second
    assert stepped[-1].seconds_left == pytest.approx(left)
    assert stepped[0].seconds_left == pytest.approx((24_000 - 1) / pace, rel=0.1), "known from the first step on"
    assert 0 < seconds < 0.6 * (when[30] - when[1])


@best_of(4)
def test_a_fast_pace_is_held_on_average_and_shown_as_often_as_flat_out(started: Callable[..., Run]) -> None:
    run = started(LONG, SetPace(100.0))
    run.until(lambda: run.step >= 150)
    run.end()
    when = moments(run.seen)
    first, last = min(when), max(step for step in when if step <= run.step)
    rate = (last - first) / (when[last] - when[first])
    assert 75 < rate < 105
    shown = len(of_kind(run.events, Progress)) / (when[last] - when[first])
    assert 8 < shown < 25
    assert of_kind(run.events, Progress)[-1].steps_per_second == pytest.approx(rate, rel=0.15)


@best_of(4)
def test_time_that_the_listener_takes_counts_for_the_pace() -> None:
    """A step comes every tenth of a second, though each is listened to for half of it."""
    when: list[float] = []

    def listen(event: Event) -> list[Command] | None:
        if isinstance(event, Progress) and len(event.steps):
            when.append(time.perf_counter())
            time.sleep(0.05)
        return [SetPace(10.0)] if isinstance(event, Started) else [Stop()] if len(when) > 12 else None

    events = pull(LONG, tell=listen)
    assert np.diff(when).mean() == pytest.approx(0.1, rel=0.1)
    assert of_kind(events, Progress)[-2].steps_per_second == pytest.approx(10.0, rel=0.1)


@best_of(4)
def test_after_a_pause_no_steps_are_made_up_for() -> None:
    when: dict[int, float] = {}

    def listen(event: Event) -> list[Command] | None:
        if isinstance(event, Progress) and len(event.steps):
            when[event.step] = time.perf_counter()
            if event.step == 5:
                time.sleep(0.5)
        return [SetPace(20.0)] if isinstance(event, Started) else [Stop()] if len(when) >= 12 else None

    pull(LONG, tell=listen)
    assert when[6] - when[5] > 0.5
    gaps = [when[step + 1] - when[step] for step in range(6, 12)]
    assert sum(gaps) > 0.2, "six steps, of which a slow machine may hurry one or two"


@best_of(4)
def test_a_run_that_is_slowed_down_and_let_go_again(started: Callable[..., Run]) -> None:
    run = started(LONG)
    run.until(lambda: run.step > 50)
    run.tell(SetPace(2.0))
    run.until(lambda: of_kind(run.events, Progress)[-1].steps_per_second == 0.0)
    slowed = run.step
    newest = of_kind(run.events, Progress)[-1]
    assert newest.seconds_left == pytest.approx((24_000 - slowed) / 2.0)
    run.until(lambda: of_kind(run.events, Snapshot)[-1].step == slowed)  # what is seen is where it stands
    run.until(lambda: run.step == slowed + 2)
    when = moments(run.seen)
    assert when[slowed + 2] - when[slowed + 1] == pytest.approx(0.5, rel=0.1)
    assert of_kind(run.events, Progress)[-1].steps_per_second == pytest.approx(2.0, rel=0.1)
    run.tell(SetPace(None))
    run.until(lambda: run.step > slowed + 100)
    assert of_kind(run.events, Progress)[-1].steps_per_second > 20
    assert run.end().changes == (Change(slowed, "pace", 2.0), Change(slowed + 2, "pace", None))
    steps = figures(run.events)[:, 0]
    assert steps.tolist() == list(range(1, len(steps) + 1))


def test_one_step_for_each_time_it_is_asked_for(started: Callable[..., Run]) -> None:
    run = started(LONG, SetPace(0.0))
    run.until(lambda: bool(of_kind(run.events, Snapshot)))
    (untrained,) = of_kind(run.events, Snapshot)
    assert untrained.step == run.step == 0, "the untrained model is there to be looked at"
    for count in (1, 1, 3):
        before = run.step
        run.tell(*[StepOnce()] * count)
        run.until(lambda before=before, count=count: run.step == before + count)
        time.sleep(0.2)
        assert run.step == before + count
    progress = [event for event in of_kind(run.events, Progress) if len(event.steps)]
    assert [event.step for event in progress] == [1, 2, 3, 4, 5]
    assert all((event.steps_per_second, event.seconds_left) == (0.0, None) for event in progress)
    assert [event.step for event in of_kind(run.events, Snapshot)] == [0, 1, 2, 3, 4, 5]
    end = run.end()
    assert (end.reason, end.step) == ("stopped", 5)
    assert end.changes == (Change(0, "pace", 0.0),)
    assert digest(end.model) == digest(of_kind(run.events, Snapshot)[-1].model)


def test_steps_asked_for_at_another_pace_are_not_saved_up(started: Callable[..., Run]) -> None:
    run = started(LONG, SetPace(2.0), *[StepOnce()] * 20)
    run.until(lambda: run.step == 1)
    run.tell(*[StepOnce()] * 20, SetPace(0.0))
    time.sleep(0.2)
    assert run.step == 1
    run.tell(*[StepOnce()] * 4)
    run.until(lambda: run.step == 5)


@pytest.mark.parametrize("pace", [0.0, 1.0])
@best_of(4)
def test_stop_is_heard_at_once_while_waiting(started: Callable[..., Run], pace: float) -> None:
    run = started(LONG, SetPace(pace), StepOnce())
    run.until(lambda: bool(of_kind(run.events, Snapshot)) and run.step == 1)
    time.sleep(0.05)  # it waits, for a second or for ever
    asked = time.perf_counter()
    end = run.end()
    answered, last = run.seen[-1]
    assert last is end and answered - asked < 0.1
    assert (end.reason, end.message) == ("stopped", "Stopped after 1 of 24000 steps.")


def test_a_run_that_was_never_let_step_ends_with_the_model_it_began_with(started: Callable[..., Run]) -> None:
    run = started(LONG, SetPace(0.0))
    run.until(lambda: bool(of_kind(run.events, Snapshot)))
    end = run.end()
    assert (end.reason, end.step) == ("stopped", 0)
    assert digest(end.model) == digest(of_kind(run.events, Snapshot)[0].model)


def test_what_is_turned_while_waiting_holds_for_the_next_step(started: Callable[..., Run]) -> None:
    run = started(LONG, SetPace(0.0))
    run.tell(StepOnce())
    run.until(lambda: run.step == 1)
    said = len(run.events)
    run.tell(SetBeta(7.0))
    run.until(lambda: len(run.events) > said)
    assert isinstance(run.events[-1], Progress) and not len(run.events[-1].steps), "a sign of life, to pause at"
    run.tell(SetPace(0.0), StepOnce())
    run.until(lambda: run.step == 2)
    assert [event.beta for event in of_kind(run.events, Progress) if len(event.steps)] == [1.0, 7.0]
    assert run.end().changes == (Change(0, "pace", 0.0), Change(1, "beta", 7.0)), "the same pace again is no change"


def test_paces_that_were_passed_over_are_not_listed(started: Callable[..., Run]) -> None:
    run = started(LONG, SetPace(0.0))
    run.until(lambda: run.step == 0)
    run.tell(*(SetPace(pace) for pace in (1.0, 5.0, 50.0, 5.0, 0.0)), SetBeta(2.0), StepOnce())
    run.until(lambda: run.step >= 1)
    run.tell(SetPace(2.0), SetPace(3.0), SetPace(4.0))
    run.until(lambda: run.step >= 3)
    changes = run.end().changes
    assert changes == (Change(0, "pace", 0.0), Change(0, "beta", 2.0), Change(1, "pace", 4.0))


def test_the_pace_stands_in_the_card(tmp_path) -> None:
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    commands.put(SetPace(30.0))
    config = TINY.with_changes(epochs=1)
    for event in runs.record(config, load(config.data), tmp_path, commands):
        if isinstance(event, Snapshot) and event.step == 6:
            commands.put(SetPace(None))
    assert event.card["changes"] == [{"step": 0, "pace": 30.0}, {"step": 6, "pace": None}]
    assert event.card["ended"] == "done" and event.card["steps"] == 24


def test_flat_out_the_first_snapshot_comes_at_once() -> None:
    """On all of MNIST with the network that the window offers first; what is imported once does not count."""
    config = PRESETS[DEFAULT_PRESET].config.with_changes(device="cpu")
    pull(TINY, tell=lambda event: [Stop()] if isinstance(event, Snapshot) else None)

    def waits() -> tuple[float, float]:
        """Seconds to the first snapshot, and the longest from one to the next."""
        seen: list[tuple[float, Event]] = []

        def note(event: Event) -> list[Command] | None:
            seen.append((time.perf_counter(), event))
            return [Stop()] if len(of_kind([event for _, event in seen], Snapshot)) >= 8 else None

        pull(config, tell=note)
        began = next(moment for moment, event in seen if isinstance(event, Started))
        snapshots = [moment for moment, event in seen if isinstance(event, Snapshot)]
        return snapshots[0] - began, max(after - before for before, after in pairwise(snapshots[:8]))

    # The best of a few, since other work may come in between.
    firsts, gaps = zip(*(waits() for _ in range(4)), strict=True)
    assert min(firsts) < 0.3
    assert min(gaps) < 0.5
