"""How long the whole map takes when the weights are new, by decoder and by number of cells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from vae_studio.bench.measure import Figure, Line, Plan, Section, threads_in_words
from vae_studio.core import devices
from vae_studio.core.model import VAE, build
from vae_studio.core.plane import Plane
from vae_studio.core.presets import PRESETS
from vae_studio.core.scene import MapFrame, Scene, Version, View
from vae_studio.core.tile_cache import BASE_CELL, CELLS, level_for, visible
from vae_studio.core.tiles import Explorer

# Columns and rows of tiles, each of 4×4 cells: as close to 100, 400, 900 and 3600 cells as whole tiles come.
SIZES = {"100": (3, 2), "400": (5, 5), "900": (8, 7), "3600": (15, 15)}
DECODERS = (
    "explorer-2d",
    "pytorch-example",
    "burda-vae-1",
    "convolutional-2d",
    "convolutional-64",
    "keras-example",
    "keras-deconvolutional",
)
_MNIST_SHAPE = (1, 28, 28)
_CELL_PIXELS = 30
_Result = TypeVar("_Result")


def view_of(columns: int, rows: int) -> View:
    """A view over which exactly so many tiles lie, one column of them at least two wide."""
    span = CELLS * BASE_CELL
    # The explorer looks half a tile beyond the edges.
    left, bottom, edge = 0.6 * span, 0.6 * span, 0.6
    right, top = (columns - edge) * span, (rows - edge) * span
    pixels = _CELL_PIXELS / BASE_CELL
    return View(left, right, bottom, top, round((right - left) * pixels), round((top - bottom) * pixels))


def cells(columns: int, rows: int) -> int:
    """Images that such a view takes."""
    view = view_of(columns, rows)
    return len(visible(view, level_for(view))) * CELLS**2


def decode_map(model: VAE, columns: int, rows: int, repeats: int) -> list[float]:
    """Seconds from a scene with new weights to its complete map, on the host, for each repeat.

    What the window does with every snapshot: the point's image, all tiles, the prior's contours. The first, which warms
    up, is left out.
    """
    explorer, view, seconds = Explorer(), view_of(columns, rows), []
    for number in range(repeats + 1):
        scene = Scene(
            model, Version(1, number), (0.0,) * model.latent_dims, Plane.of_axes((0, 1), model.latent_dims), view
        )
        began = time.perf_counter()
        frames = [frame for frame in explorer.frames(scene) if isinstance(frame, MapFrame)]
        seconds.append(time.perf_counter() - began)
        if not frames[-1].complete:
            raise RuntimeError("The last frame of a map must be complete.")
    return seconds[1:]


def as_the_window(work: Callable[[], _Result]) -> _Result:
    """The work's result, done in a thread of its own with as many OpenMP threads as those beside a window have."""
    found: list[_Result] = []

    def run() -> None:
        devices.settle_thread()
        found.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def untrained(preset: str, plan: Plan) -> VAE:
    """The preset's model with its first weights, frozen, where the window would decode: as fast as a trained one."""
    return build(PRESETS[preset].config, _MNIST_SHAPE).frozen().to(devices.for_display(plan.device))


def decoders(plan: Plan) -> Section:
    """Milliseconds and frames a second of the whole map, by decoder and number of cells."""
    lines = []
    repeats = max(plan.repeats, round(plan.pick(10, 2)))
    for preset in DECODERS:
        model = untrained(preset, plan)
        figures = {}
        for name, (columns, rows) in SIZES.items():
            seconds = as_the_window(lambda m=model, c=columns, r=rows: decode_map(m, c, r, repeats))
            figures[f"ms_{name}"] = Figure.of([1000.0 * value for value in seconds])
            figures[f"fps_{name}"] = Figure.of([1.0 / value for value in seconds])
        config = PRESETS[preset].config
        lines.append(Line(PRESETS[preset].title, figures, f"{config.network.title}, {config.latent_dims} latent dims"))
    columns = {}
    for name, size in SIZES.items():
        columns |= {f"ms_{name}": f"{cells(*size)} cells, ms", f"fps_{name}": "frames/s"}
    where = threads_in_words(devices.for_display(plan.device), 1)
    return Section(
        "map",
        columns,
        tuple(lines),
        (f"{where}, as in the window's render thread; {repeats} repeats.",),
        bare=tuple(f"fps_{name}" for name in SIZES),
    )
