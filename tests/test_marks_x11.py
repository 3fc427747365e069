"""A path made and dragged with a real mouse on a real X server: its strip shows what the decoder gives along it."""

from __future__ import annotations

import numpy as np
import pytest
from desktop import WAIT, Desktop, Program
from PIL import Image
from PySide6.QtCore import QPointF
from small_models import decoded
from test_window_x11 import INK, PAPER, class_mean, explorer, home, latent_map, program  # noqa: F401  (fixtures)

from vae_studio.core.checkpoint import LoadedModel

pytestmark = [pytest.mark.x11, pytest.mark.usefixtures("qapp")]
FRAMES = 9
EDGE = 2  # pixels around the strip's images


def strip_on_screen(desktop: Desktop) -> np.ndarray:
    """The frames as they are painted, brought to 14×14 values in [0, 1]."""
    shot = desktop.still_screenshot(desktop.rect("path_strip")).astype(float)
    side = (shot.shape[1] - 2 * EDGE) // FRAMES
    frames = []
    for index in range(FRAMES):
        left = EDGE + index * side
        ink = ((shot[EDGE : EDGE + side, left : left + side] - PAPER) / (INK - PAPER)).mean(axis=2)
        frames.append(np.asarray(Image.fromarray(ink.astype(np.float32)).resize((14, 14), Image.Resampling.BOX)))
    return np.stack(frames)


def test_a_path_from_the_menu_is_shown_and_dragged(
    desktop: Desktop,
    program: Program,  # noqa: F811
    explorer: LoadedModel,  # noqa: F811
) -> None:
    twin, left, top = latent_map(desktop)
    places, points = {}, {}
    for digit in (0, 1, 7):
        pixel = twin.to_pixel(class_mean(explorer, digit))
        places[digit] = (left + round(pixel.x()), top + round(pixel.y()))
        points[digit] = np.array(twin.to_latent(QPointF(round(pixel.x()), round(pixel.y()))))

    def shows_path_to(digit: int) -> bool:
        shares = np.linspace(0.0, 1.0, FRAMES)[:, None]
        exact = decoded(explorer.model, (1 - shares) * points[0] + shares * points[digit]) / 255
        wanted = exact.reshape(FRAMES, 14, 2, 14, 2).mean(axis=(2, 4))
        return bool((np.abs(strip_on_screen(desktop) - wanted).mean(axis=(1, 2)) < 0.06).all())

    desktop.click(*places[0], button=3)
    desktop.wait_for(lambda: "map_menu" in program.rects(), WAIT, "the menu")
    desktop.key("Down", "Down", "Down", "Return")  # Start path here
    desktop.wait_for(lambda: "path_hint" in program.rects(), WAIT, "the path's beginning")
    desktop.click(*places[1], button=3)
    desktop.wait_for(lambda: "map_menu" in program.rects(), WAIT, "the menu")
    desktop.key("Down", "Down", "Down", "Down", "Return")  # Add to path as B
    desktop.wait_for(lambda: "path_strip" in program.rects(), WAIT, "the strip")
    desktop.wait_for(lambda: shows_path_to(1), WAIT, "the images from a zero to a one")
    assert not shows_path_to(7)
    desktop.drag(places[1], places[7])
    desktop.wait_for(lambda: shows_path_to(7), WAIT, "the images from a zero to a seven")
    desktop.key("ctrl+z")
    desktop.wait_for(lambda: shows_path_to(1), WAIT, "the images from a zero to a one again")
