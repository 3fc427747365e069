"""How cost grows with images, latent dimensions, cells of the map and points of a curve."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from vae_studio.bench.machine import available_bytes
from vae_studio.bench.map import as_the_window, cells, decode_map, untrained
from vae_studio.bench.measure import Figure, Line, Plan, Section, slope
from vae_studio.bench.training import Timing, timed
from vae_studio.bench.window import run_module
from vae_studio.core import datasets
from vae_studio.core.config import DataConfig, MLPConfig, RunConfig
from vae_studio.ui.curves import Series, extremes, sampled

_IMAGES = (1_000, 4_000, 16_000, 60_000, 250_000, 1_000_000)
_DIMS = (2, 4, 8, 16, 32, 64, 128, 256)
_TILES = ((2, 2), (3, 2), (5, 5), (8, 7), (15, 15), (30, 30))
_POINTS = (1_000, 10_000, 100_000, 1_000_000)
_COLUMNS, _LINE_POINTS = 1800, 900  # what a curve over a wide screen is reduced to
_STREAM_BYTES = 16 * 2**20
_SPARE = 3.0  # times an image set's size that must be free


def growth(plan: Plan) -> Section:
    """One line a size, and the exponent of the power law through each family of them."""
    lines = (*images(plan), *latent_dims(plan), *tiles(plan), *points(plan))
    return Section(
        "growth",
        {
            "epoch": "epoch, s",
            "ms": "ms",
            "reduce": "reduce, ms",
            "setup": "set-up, s",
            "share": "of resident",
            "slope": "log–log slope",
        },
        lines,
        (
            "Images: 784–400–20, batch 128; more than 60,000 are MNIST repeated; epochs extrapolated from some steps. "
            "Latent dims: ms a step, MLP 512–256–128, batch 250. Cells: ms for the map of the 2-D explorer. Points: ms "
            "of the GUI thread to take the newest steps into all training plots and paint them, in the real window of "
            f"1440×900, drawn offscreen; of that, to reduce a curve and its average, here to {_COLUMNS} columns.",
        ),
    )


def _sizes(sizes: Sequence[int], plan: Plan) -> list[int]:
    return [sizes[0], sizes[len(sizes) // 2]] if plan.quick else list(sizes)


def images(plan: Plan) -> list[Line]:
    """Seconds an epoch by number of images."""
    whole = datasets.load(DataConfig())
    network = MLPConfig(widths=(400,), activation="relu")
    config = RunConfig(network=network, latent_dims=20, batch_size=128, device=plan.choice)
    sizes, runs, remark = [], [], ""
    for count in _sizes(_IMAGES, plan):
        if count * whole.train.images[0].numel() * _SPARE > available_bytes():
            remark = f"{count:,} images and more do not fit into memory"
            break
        data = replace(whole, train=repeated(whole.train, count))
        sizes.append(count)
        runs.append([timed(config, data, plan.pick(2.0, 0.4)) for _ in range(plan.repeats)])
    lines = [Line(f"{size:,} images", _training(timings)) for size, timings in zip(sizes, runs, strict=True)]
    streamed = []
    for _ in range(plan.repeats):  # in turn with images in memory, so that what else goes on meets both
        resident = timed(config, data, plan.pick(4.0, 0.4)).step
        streamed.append((resident, timed(config, data, plan.pick(4.0, 0.4), data_budget=_STREAM_BYTES)))
    share = Figure.of([resident / timing.step for resident, timing in streamed])
    figures = {**_training([timing for _, timing in streamed]), "share": share}
    how = f"no more than {_STREAM_BYTES >> 20} MiB of them on the device"
    lines.append(Line(f"{len(data.train):,} images, streamed", figures, how))
    return [*lines, _slope("images", sizes, [line.figures["epoch"] for line in lines[:-1]], remark)]


def repeated(part: datasets.ImageSet, count: int) -> datasets.ImageSet:
    """`count` images: the first ones of these, or all of them again and again."""
    return part.select(torch.arange(count) % len(part))


def _training(timings: list[Timing]) -> dict[str, Figure]:
    return {
        "epoch": Figure.of([timing.epoch for timing in timings]),
        "ms": Figure.of([1000.0 * timing.step for timing in timings]),
        "setup": Figure.of([timing.setup for timing in timings]),
    }


def latent_dims(plan: Plan) -> list[Line]:
    """Milliseconds a step by number of latent dimensions."""
    data = datasets.load(DataConfig())
    sizes, lines = _sizes(_DIMS, plan), []
    for dims in sizes:
        config = RunConfig(latent_dims=dims, device=plan.choice)
        timings = [timed(config, data, plan.pick(2.0, 0.4)) for _ in range(plan.repeats)]
        lines.append(Line(f"{dims} latent dims", _training(timings)))
    return [*lines, _slope("latent dims", sizes, [line.figures["ms"] for line in lines])]


def tiles(plan: Plan) -> list[Line]:
    """Milliseconds for the map by number of cells."""
    model = untrained("explorer-2d", plan)
    shapes = [_TILES[0], _TILES[3]] if plan.quick else list(_TILES)
    repeats = max(plan.repeats, round(plan.pick(10, 2)))
    sizes, lines = [cells(*shape) for shape in shapes], []
    for size, shape in zip(sizes, shapes, strict=True):
        seconds = as_the_window(lambda shape=shape: decode_map(model, *shape, repeats))
        lines.append(Line(f"{size:,} cells", {"ms": Figure.of([1000.0 * value for value in seconds])}))
    return [*lines, _slope("cells", sizes, [line.figures["ms"] for line in lines])]


def points(plan: Plan) -> list[Line]:
    """Milliseconds for an update of all training plots, in the GUI thread, and to reduce a curve, by points of each."""
    sizes, count = _sizes(_POINTS, plan), max(plan.repeats, plan.pick(40, 5))
    updates = run_module("plotting", {"sizes": sizes, "count": int(count)}, plan)
    reduced = [[1000.0 * seconds for seconds in _reduce(size, max(plan.repeats, 5))] for size in sizes]
    drawn = [[1000.0 * seconds for seconds in updates[str(size)]] for size in sizes]
    lines = [
        Line(f"{size:,} points", {"ms": Figure.of(whole), "reduce": Figure.of(part)})
        for size, whole, part in zip(sizes, drawn, reduced, strict=True)
    ]
    return [*lines, _slope("points", sizes, [line.figures["ms"] for line in lines])]


def _reduce(size: int, repeats: int) -> Iterator[float]:
    """Seconds to reduce a curve and its average to what a wide screen can show."""
    series = Series()
    x = np.arange(1, size + 1) / size
    series.append(x, 100.0 + np.random.default_rng(0).standard_normal(size) / np.sqrt(x))
    for _ in range(repeats):
        began = time.perf_counter()
        extremes(series.x, series.raw, 0.0, 1.0, _COLUMNS)
        sampled(series.x, series.smooth, 0.0, 1.0, _LINE_POINTS)
        yield time.perf_counter() - began


def _slope(what: str, sizes: Sequence[int], costs: Sequence[Figure], remark: str = "") -> Line:
    exponent = slope(sizes, [cost.value for cost in costs])
    return Line(f"slope over {what}", {"slope": Figure(exponent, exponent, exponent, 1)}, remark)
