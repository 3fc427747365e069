"""How fast training is: for each preset, and for the Keras network whose author reports seconds an epoch."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass

import torch

from vae_studio.bench.measure import BenchError, Figure, Line, Plan, Section, threads_in_words
from vae_studio.core import datasets, devices, events
from vae_studio.core.config import DataConfig, RunConfig
from vae_studio.core.presets import PRESETS
from vae_studio.core.train import train


@dataclass(frozen=True, slots=True)
class Timing:
    """A training that was watched: seconds up to the end of its first step, and seconds of the `steps` after it."""

    setup: float
    steps: int
    seconds: float
    started: events.Started

    @property
    def step(self) -> float:
        """Seconds a step."""
        return self.seconds / self.steps

    @property
    def epoch(self) -> float:
        """Seconds an epoch, extrapolated."""
        return self.step * self.started.steps_per_epoch


_EPOCHS = 100_000
_LEAST_SECONDS = 1.0
# Compiling takes up to a minute each, so not every preset.
_COMPILED = ("explorer-2d", "pytorch-example", "convolutional-2d", "keras-deconvolutional")


def timed(
    config: RunConfig,
    data: datasets.Data,
    seconds: float,
    most_steps: int | None = None,
    data_budget: int | None = None,
) -> Timing:
    """Train as the program does for about so many seconds after the first step, or for one epoch if that is shorter.

    But not for less than a second, where `seconds` is more: on a GPU an epoch may be shorter than what is measured.
    With `data_budget`, in bytes, images are streamed to the device where they are more. All that goes with training
    counts: figures, snapshots, evaluations. A Progress has read its figures from the device, so that what it reports
    has been done.
    """
    commands: queue.SimpleQueue[events.Command] = queue.SimpleQueue()
    began = time.perf_counter()
    started = first = last = None
    for event in train(config.with_changes(epochs=_EPOCHS), data, commands, data_budget=data_budget):
        if isinstance(event, events.Started):
            started = event
        if isinstance(event, events.Progress) and event.step:
            reached = time.perf_counter(), event.step
            first = first or reached
            if last is None and event.step > first[1]:
                passed, most = reached[0] - first[0], most_steps or started.steps_per_epoch
                if passed >= seconds or (event.step - first[1] >= most and passed >= min(seconds, _LEAST_SECONDS)):
                    last = reached
                    commands.put(events.Stop())
    if last is None:
        raise BenchError(f"A run of {config.preset} ended before it could be timed.")
    return Timing(first[0] - began, last[1] - first[1], last[0] - first[0], started)


def presets(plan: Plan) -> Section:
    """Seconds an epoch of every preset, as the command line trains it, and with steps taken in other ways."""
    data, lines = datasets.load(DataConfig()), []
    seconds = plan.pick(3.0, 0.3)
    compiles = not plan.quick and devices.has_compiler(plan.device)
    for name, preset in PRESETS.items():
        config = preset.config.with_changes(device=plan.choice)
        usual = devices.choose_execution("auto", plan.device)
        others = [*(["eager"] if usual != "eager" else []), *(["compiled"] if compiles and name in _COMPILED else [])]
        ways = [usual, *others]
        runs = [[timed(config.with_changes(execution=way), data, seconds) for way in ways] for _ in range(plan.repeats)]
        own, *rest = ([run[index] for run in runs] for index in range(len(ways)))
        line = _training_line(preset.title, own)
        figures = {**line.figures, f"epoch_{usual}": line.figures["epoch"]}
        for way, timings in zip(others, rest, strict=True):
            figures[f"epoch_{way}"] = Figure.of([timing.epoch for timing in timings])
            if way == "compiled":
                figures["setup_compiled"] = Figure.of([timing.setup for timing in timings])
                figures |= _repaid(own, timings)
        lines.append(Line(line.what, figures, line.remark))
    how = f"{threads_in_words(plan.device, torch.get_num_threads())}; from the steps of {seconds:g} s extrapolated"
    columns = {
        **_TRAINING_COLUMNS,
        "epoch_eager": "eager, s",
        "epoch_captured": "captured, s",
        "epoch_compiled": "compiled, s",
        "setup_compiled": "compiling, s",
        "repaid": "repaid after, epochs",
    }
    remarks = (
        f"{how}, or one epoch where that is shorter.",
        "Compiling is the set-up with compiled steps, which is short where an earlier run left its kernels; it is "
        "repaid when epochs are so much shorter that it is made up for.",
    )
    return Section("presets", columns, tuple(lines), remarks if compiles else remarks[:1])


def _repaid(usual: list[Timing], compiled: list[Timing]) -> dict[str, Figure]:
    """After how many epochs the longest set-up of compiled steps is made up for; nothing where it never is."""
    setup = max(timing.setup for timing in compiled) - max(timing.setup for timing in usual)
    gains = [own.epoch - other.epoch for own, other in zip(usual, compiled, strict=True)]
    return {"repaid": Figure.of([max(0.0, setup) / gain for gain in gains])} if min(gains) > 0.0 else {}


_TRAINING_COLUMNS = {"epoch": "epoch, s", "speed": "steps/s", "setup": "set-up, s"}


def _training_line(what: str, runs: list[Timing]) -> Line:
    figures = {
        "epoch": Figure.of([run.epoch for run in runs]),
        "speed": Figure.of([1.0 / run.step for run in runs]),
        "setup": Figure.of([run.setup for run in runs]),
    }
    started = runs[0].started
    steps = " to ".join(str(n) for n in sorted({min(run.steps for run in runs), max(run.steps for run in runs)}))
    return Line(what, figures, f"batch {started.batch_size}, {started.precision}, {steps} steps timed")


def keras(plan: Plan) -> Section:
    """The network whose author reports about 15 s an epoch on a GPU of 2017 and more than 5 minutes on a CPU.

    On a GPU the whole run is made, to see that its latent dimensions are alive; on a CPU some steps.
    """
    data = datasets.load(DataConfig())
    config = PRESETS["keras-deconvolutional"].config.with_changes(device=plan.choice)
    columns = {**_TRAINING_COLUMNS}
    if plan.device.type == "cpu" or plan.quick:
        runs = [timed(config, data, plan.pick(20.0, 2.0)) for _ in range(plan.repeats)]
        remarks = ("Extrapolated from the steps timed. Whether it collapses cannot be seen in so few.",)
        return Section("keras", columns, (_training_line(PRESETS["keras-deconvolutional"].title, runs),), remarks)
    wholes = [whole(config.with_changes(seed=seed), data) for seed in range(plan.repeats)]
    line = _training_line(PRESETS["keras-deconvolutional"].title, [timing for timing, _ in wholes])
    figures = {
        **line.figures,
        "neg_elbo": Figure.of([evaluation.neg_elbo for _, evaluation in wholes]),
        "kl": Figure.of([evaluation.kl for _, evaluation in wholes]),
        "active_units": Figure.of([float(evaluation.active_units) for _, evaluation in wholes]),
    }
    columns |= {"neg_elbo": "test −ELBO, nats", "kl": "KL, nats", "active_units": "active units"}
    return Section("keras", columns, (Line(line.what, figures, line.remark),), (f"{config.epochs} epochs trained.",))


def whole(config: RunConfig, data: datasets.Data) -> tuple[Timing, events.Evaluation]:
    """A run to its end: its timing, and its figures over all test images."""
    began = time.perf_counter()
    started = first = last = finished = None
    for event in train(config, data):
        match event:
            case events.Started():
                started = event
            case events.Progress() if event.step:
                reached = time.perf_counter(), event.step
                first = first or reached
                last = reached if last is None or event.step > last[1] else last
            case events.Finished():
                finished = event
    if finished.evaluation is None:
        raise BenchError(finished.message)
    return Timing(first[0] - began, last[1] - first[1], last[0] - first[0], started), finished.evaluation
