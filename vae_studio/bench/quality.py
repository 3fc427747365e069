"""Time to quality: the yardstick and the program side by side, to the same test −ELBO."""

from __future__ import annotations

import importlib.util
import os
import queue
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from vae_studio.bench import baseline
from vae_studio.bench.machine import processor
from vae_studio.bench.measure import BenchError, Figure, Line, Plan, Section, crossing, thread_counts, threads_in_words
from vae_studio.bench.training import timed
from vae_studio.core import datasets, devices, events
from vae_studio.core.config import DataConfig, MLPConfig, RunConfig
from vae_studio.core.evaluate import evaluate
from vae_studio.core.train import train

# What the yardstick reaches; when it does not, it is not the yardstick.
EXPECTED, TOLERANCE = 105.4, 0.3
# Seconds an epoch that it took on machines where it was measured with care, by a part of the processor's name.
_REFERENCES = {"H200": 2.86, "AMD EPYC": 3.5}
_SLOWER = 1.2
_MNIST_IMAGES = 60_000
_LONGER = 1.6  # times the yardstick's epochs, in which the same recipe must have come as far
_QUICK_STEPS = 60
# The yardstick's network with batch, rate and schedule of our own choice: batch, epochs, peak rate.
_FREE = {"cuda": (1000, 24, 8e-3), "mps": (1000, 24, 8e-3), "cpu": (128, 6, 4e-3)}


@dataclass(frozen=True, slots=True)
class _Run:
    """One training: seconds of set-up, seconds after it to the yardstick's test −ELBO (None: it was not reached), an
    epoch's seconds, and the test −ELBO in nats, the lowest on the way."""

    setup: float
    seconds: float | None
    epoch: float
    neg_elbo: float


@dataclass(frozen=True, slots=True)
class _Ours:
    """A way of ours to train the yardstick's network: its name, settings and best number of threads."""

    name: str
    config: RunConfig
    threads: int


def quality(plan: Plan) -> Section:
    """Seconds from the call to train to the same test −ELBO, the yardstick's after its ten epochs."""
    if importlib.util.find_spec("torchvision") is None:
        raise BenchError("The yardstick reads its images with torchvision, which is missing: pip install torchvision")
    threads = torch.get_num_threads()
    try:
        with tempfile.TemporaryDirectory(prefix="vae-studio-bench-") as folder:
            return _quality(plan, baseline.files(Path(folder)))
    finally:
        torch.set_num_threads(threads)


def _quality(plan: Plan, folder: Path) -> Section:
    counts = thread_counts(plan.device)
    way = baseline.best_way(folder, plan.device, counts)
    ours = [_Ours(name, config, _best_threads(config, counts)) for name, config in _our_configs(plan).items()]
    theirs: list[_Run] = []
    reached: list[list[_Run]] = [[] for _ in ours]
    for repeat in range(plan.repeats):  # in turn, so that what else the machine does meets all alike
        theirs.append(_train_yardstick(plan, folder, way, repeat))
        for runs, our in zip(reached, ours, strict=True):
            torch.set_num_threads(our.threads)
            most = _QUICK_STEPS * baseline.BATCH // our.config.batch_size if plan.quick else None
            runs.append(_reach(our.config.with_changes(seed=repeat), theirs[-1].neg_elbo, most))
    yardstick = _figures(theirs)
    void = why_void(plan, yardstick["neg_elbo"].value, yardstick["epoch"].value)
    workers = "1 loading process" if way.workers else "no loading process"
    long = f"the first {_QUICK_STEPS} steps of an epoch" if plan.quick else f"{baseline.EPOCHS} epochs"
    how = f"{threads_in_words(plan.device, way.threads)}, {workers}, {long}"
    lines = [Line("pytorch/examples VAE", yardstick, how)]
    for runs, our in zip(reached, ours, strict=True):
        lines.append(_our_line(our, threads_in_words(plan.device, our.threads), runs, None if void else theirs))
    return Section(
        "quality",
        {
            "neg_elbo": "test −ELBO, nats",
            "seconds": "to the yardstick's, s",
            "setup": "set-up, s",
            "epoch": "epoch, s",
            "ratio": "times as fast",
            "ratio_setup": "with set-up",
        },
        tuple(lines),
        (
            "Set-up is up to the end of the first step, with reading the data, in a process that has trained before. "
            "The yardstick's time leaves out its testing; ours has all that goes with training. Each side is at its "
            "fastest thread count.",
            *([f"The ratios are void: {void}"] if void else []),
        ),
    )


def _train_yardstick(plan: Plan, folder: Path, way: baseline.Way, seed: int) -> _Run:
    epochs, steps = (1, _QUICK_STEPS) if plan.quick else (baseline.EPOCHS, None)
    (done,) = baseline.run(folder, plan.device, [baseline.Job(way, seed, epochs, steps)])
    return _Run(done.setup, done.seconds, done.step * -(-_MNIST_IMAGES // baseline.BATCH), done.neg_elbo)


def _our_configs(plan: Plan) -> dict[str, RunConfig]:
    """Our configs of the yardstick's network by name."""
    network = MLPConfig(widths=(400,), activation="relu")
    base = RunConfig(preset="pytorch-example", network=network, latent_dims=baseline.LATENT_DIMS)
    same = base.with_changes(
        device=plan.choice,
        batch_size=baseline.BATCH,
        learning_rate=baseline.RATE,
        schedule="constant",
        warm_up=0.0,
        epochs=round(_LONGER * baseline.EPOCHS),
    )
    ways = {"VAE Studio, same batch and rate": same}
    if devices.choose_precision("auto", plan.device, convolutional=False) != torch.float32:
        ways["VAE Studio, the same in float32"] = same.with_changes(precision="float32")
    if devices.has_compiler(plan.device) and not plan.quick:
        ways["VAE Studio, the same compiled"] = same.with_changes(execution="compiled")
    batch, epochs, rate = _FREE[plan.device.type]
    free = same.with_changes(batch_size=batch, epochs=epochs, learning_rate=rate, schedule="cosine", warm_up=0.03)
    return {**ways, "VAE Studio, batch and schedule free": free}


def _best_threads(config: RunConfig, counts: tuple[int, ...]) -> int:
    data = datasets.load(DataConfig())

    def cost(count: int) -> float:
        torch.set_num_threads(count)
        return timed(config, data, 0.7).step

    return counts[0] if len(counts) == 1 else min(counts, key=cost)


def _reach(config: RunConfig, target: float, most_steps: int | None) -> _Run:
    """Read the data and train until the test curve is down at the target, or for the whole run, or so many steps."""
    commands: queue.SimpleQueue[events.Command] = queue.SimpleQueue()
    datasets.load_mnist.cache_clear()
    began = time.perf_counter()
    data = datasets.load(config.data)
    first = last = started = None
    when: dict[int, float] = {}
    times: list[float] = []
    values: list[float] = []
    for event in train(config, data, commands):
        match event:
            case events.Started():
                started = event
            case events.Progress() if event.step:
                # Its figures were read from the device, so that what it reports has been done.
                last = time.perf_counter(), event.step
                first = first or last
                # An evaluation goes on after its step was done, and reports that step again.
                when.setdefault(event.step, last[0])
                if most_steps and event.step >= most_steps:
                    commands.put(events.Stop())
            case events.Evaluated():
                # The step itself need not have been reported; then it is the next report that knows of it.
                times.append(when.get(event.step, time.perf_counter()))
                values.append(event.evaluation.neg_elbo)
                if values[-1] <= target:
                    commands.put(events.Stop())
            case events.Finished():
                model = event.model
    if not values:
        values, times = [evaluate(model.to(devices.choose(config.device)), data.test.images).neg_elbo], [last[0]]
    reached = crossing(times, values, target)
    a_step = (last[0] - first[0]) / (last[1] - first[1])
    return _Run(
        first[0] - began,
        None if reached is None else reached - first[0],
        a_step * started.steps_per_epoch,
        min(values),
    )


def _figures(runs: list[_Run]) -> dict[str, Figure]:
    figures = {key: Figure.of([getattr(run, key) for run in runs]) for key in ("neg_elbo", "setup", "epoch")}
    if all(run.seconds is not None for run in runs):
        figures["seconds"] = Figure.of([run.seconds for run in runs])
    return figures


def _our_line(our: _Ours, where: str, runs: list[_Run], theirs: list[_Run] | None) -> Line:
    """Our figures, with ratios where the yardstick was what it should be."""
    config, figures = our.config, _figures(runs)
    remark = f"{where}, batch {config.batch_size}, {config.schedule} rate {config.learning_rate:g}"
    if config.schedule == "cosine":
        remark += f" over {config.epochs} epochs"
    if "seconds" not in figures:
        remark += "; did not come down to the yardstick's −ELBO"
    elif theirs:
        pairs = list(zip(theirs, runs, strict=True))
        figures["ratio"] = Figure.of([their.seconds / run.seconds for their, run in pairs])
        whole = [(their.setup + their.seconds) / (run.setup + run.seconds) for their, run in pairs]
        figures["ratio_setup"] = Figure.of(whole)
    return Line(our.name, figures, remark)


def why_void(plan: Plan, neg_elbo: float, epoch: float) -> str | None:
    """Why a yardstick that reached this −ELBO in nats, in epochs of so many seconds, is none; None if it is one."""
    if plan.quick:
        return "a quick run does not train the yardstick to its quality."
    if abs(neg_elbo - EXPECTED) > TOLERANCE:
        return f"the yardstick reached {neg_elbo:.2f} nats, not {EXPECTED} ± {TOLERANCE}."
    return _slower_than_known(plan.device, epoch)


def _slower_than_known(device: torch.device, epoch: float) -> str | None:
    """Whether the yardstick took longer than on a machine like this one when it had nothing else to do."""
    for part, known in _REFERENCES.items():
        like = part in devices.title(device) if device.type == "cuda" else part in processor() and os.cpu_count() == 2
        if like and epoch > _SLOWER * known:
            return f"the yardstick took {epoch:.2f} s an epoch, and {known} s on a machine like this one when idle."
    return None
