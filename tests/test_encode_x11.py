"""Digits drawn with a real mouse on a real X server are encoded among their class."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from desktop import WAIT, Desktop, Program
from PySide6.QtCore import QPointF
from test_window_x11 import PROGRAM, explorer, home, latent_map, program  # noqa: F401  (fixtures)

from vae_studio.core.checkpoint import LoadedModel
from vae_studio.core.config import DataConfig
from vae_studio.core.datasets import load

pytestmark = [pytest.mark.x11, pytest.mark.usefixtures("qapp")]


def stroke(desktop: Desktop, places: list[tuple[float, float]]) -> None:
    """Draw through these places of the canvas, as fractions of its sides."""
    x, y, width, height = desktop.rect("draw_canvas")
    points = [(round(x + u * width), round(y + v * height)) for u, v in places]
    moves = [word for point in points[1:] for word in ("mousemove", *map(str, point), "sleep", "0.01")]
    desktop.xdotool("mousemove", *map(str, points[0]), "sleep", "0.1", "mousedown", "1", *moves, "mouseup", "1")


def map_beside_dialog(desktop: Desktop, shot: np.ndarray) -> np.ndarray:
    """A picture of the map without what the dialog covers of it."""
    left, top, _, _ = desktop.rect("latent_map")
    x, y, width, height = desktop.rect("image_dialog")
    bare = shot.astype(int)
    border = 30  # of the window manager
    bare[max(y - top - border, 0) : max(y - top + height + border, 0), : max(x - left + width + border, 0)] = 0
    return bare


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(after - before).max(axis=2) > 40


def test_a_drawn_one_and_zero_are_encoded_among_their_class(
    desktop: Desktop,
    program: Program,  # noqa: F811
    explorer: LoadedModel,  # noqa: F811
) -> None:
    data = load(DataConfig()).test
    with torch.no_grad():
        means = explorer.model.encoder(data.images[:3000, None].float() / 255)[:, :2].numpy()
    labels = data.labels[:3000].numpy()
    area = desktop.rect("latent_map")
    desktop.key("ctrl+d")
    # Out of the way of most of the map.
    dialog = desktop.xdotool("search", "--sync", "--onlyvisible", "--name", "Draw or open an image").split()[-1]
    desktop.rect("image_dialog")
    desktop.xdotool("windowmove", "--sync", dialog, "0", str(desktop.height - 480))
    desktop.wait_for(lambda: program.rects().get("image_dialog", (1000,))[0] < 20, WAIT, "the dialog to move")
    one = [(0.52, 0.15 + 0.7 * t / 20) for t in range(21)]
    turns = [2 * math.pi * t / 40 for t in range(41)]
    zero = [(0.5 + 0.22 * math.sin(turn), 0.5 - 0.34 * math.cos(turn)) for turn in turns]
    for digit, places in ((1, one), (0, zero)):
        desktop.click(*desktop.centre("draw_clear"))
        desktop.wait_for(lambda: "encode_pictures" not in program.rects(), WAIT, "the empty canvas")
        empty = map_beside_dialog(desktop, desktop.still_screenshot(area))
        stroke(desktop, places)

        def marked(before: np.ndarray = empty) -> np.ndarray:
            return changed(before, map_beside_dialog(desktop, desktop.still_screenshot(area)))

        desktop.wait_for(lambda: marked().sum() > 30, WAIT, "its place on the map")
        rows, columns = np.nonzero(marked())
        twin, _, _ = latent_map(desktop)
        centre = np.array(twin.to_latent(QPointF(float(np.median(columns)), float(np.median(rows)))))
        nearest = np.argsort(((means - centre) ** 2).sum(axis=1))[:25]
        assert (labels[nearest] == digit).mean() > 0.6, f"around the drawn {digit} lie {labels[nearest]}"
