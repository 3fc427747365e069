"""What runs in the window's process to draw curves of many points: it feeds the real training panel, and times updates.

`python -m vae_studio.bench.plotting REQUEST`, JSON in and out.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QApplication

from vae_studio.bench.in_window import opened
from vae_studio.core.config import RunConfig
from vae_studio.core.events import Progress, Started
from vae_studio.ui.main_window import MainWindow

_STEPS_PER_EPOCH = 240
_STEPS = 20  # between two updates
_WARMING = 10


def _progress(first: int, steps: int, generator: np.random.Generator) -> Progress:
    """So many steps after the first ones, with losses that fall as they do."""
    last = first + steps
    epochs = np.arange(first + 1, last + 1) / _STEPS_PER_EPOCH
    kl = (7.0 * (1.0 - np.exp(-epochs)) + 0.1 * generator.standard_normal(steps)).astype(np.float32)
    reconstruction = (130.0 + 400.0 * np.exp(-3.0 * epochs) + 2.0 * generator.standard_normal(steps)).astype(np.float32)
    return Progress(
        step=last,
        total_steps=10 * last,
        epoch=last / _STEPS_PER_EPOCH,
        steps=np.arange(first + 1, last + 1),
        reconstruction=reconstruction,
        kl=kl,
        objective=reconstruction + kl,
        kl_per_dim=np.array([3.5, 3.4]) + 0.1 * generator.standard_normal(2),
        learning_rate=1e-3,
        beta=1.0,
        steps_per_second=400.0,
        seconds_left=None,
    )


def updates(window: MainWindow, points: int, count: int) -> list[float]:
    """Processor seconds of the GUI thread for taking a Progress and painting all plots, with so many points a curve."""
    panel, generator = window.training_panel, np.random.default_rng(0)
    panel.begin(Started(10 * points, _STEPS_PER_EPOCH, 250, 1, "cpu", "float32"), RunConfig())
    panel.append(_progress(0, points, generator))
    seconds = []
    for index in range(_WARMING + count):
        progress = _progress(points + index * _STEPS, _STEPS, generator)
        QApplication.processEvents()
        began = time.thread_time()
        panel.append(progress)
        QApplication.processEvents()
        seconds.append(time.thread_time() - began)
    return seconds[_WARMING:]


def draw(sizes: Sequence[int], count: int) -> dict[str, list[float]]:
    """Processor seconds of so many updates, by number of points."""
    with opened() as window:
        return {str(size): updates(window, size, count) for size in sizes}


def main() -> None:
    request = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(draw(request["sizes"], request["count"])) + "\n")


if __name__ == "__main__":
    main()
