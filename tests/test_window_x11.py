"""The program as people meet it: started as a process on a real X server, driven by a real mouse and keyboard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import run
from desktop import WAIT, Desktop, Program
from PIL import Image
from PySide6.QtCore import QPointF

from vae_studio import paths
from vae_studio.core.checkpoint import LoadedModel, load_model
from vae_studio.core.config import DataConfig
from vae_studio.core.datasets import load
from vae_studio.ui.latent_map import LatentMap

pytestmark = [pytest.mark.x11, pytest.mark.usefixtures("qapp")]

PROGRAM = [sys.executable, "-m", "vae_studio"]
PAPER, INK = np.array([15.0, 17.0, 20.0]), np.array([255.0, 255.0, 255.0])  # of the dark theme, as the design has it


@pytest.fixture
def explorer() -> LoadedModel:
    return load_model(paths.trained_models() / "explorer-2d.safetensors")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Folders of the user's own for one program, with the dark theme chosen."""
    settings = tmp_path / "config" / "vae-studio" / "window.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[General]\ntheme=dark\n")
    (tmp_path / "pictures").mkdir()
    return {
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_PICTURES_DIR": str(tmp_path / "pictures"),
        "HOME": str(tmp_path),
    }


def start(desktop: Desktop, home: dict[str, str]) -> Program:
    """The window, with the shipped 2-D explorer decoded, its encodings placed, and standing still."""
    started = desktop.launch(PROGRAM, home)
    desktop.wait_for(lambda: {"latent_map", "decoder_view"} <= set(started.rects()), WAIT, "the window")
    # A legend, which leaves less room for the map, comes with the images that are encoded.
    desktop.wait_for(lambda: "legend_class_9" in started.rects(), WAIT, "the test images")
    desktop.settle()
    view = desktop.rect("decoder_view")
    desktop.wait_for(lambda: desktop.screenshot(view).max() > 200, WAIT, "the first decoded image")
    x, y, width, height = desktop.rect("latent_map")
    inside = (x + 5, y + 5, width - 10, height - 10)  # of the frame that says that it has the keyboard
    desktop.wait_for(lambda: (np.ptp(desktop.screenshot(inside), axis=2) > 60).sum() > 5000, WAIT, "encodings")
    desktop.still_screenshot(inside)
    return started


def end(program: Program) -> None:
    program.process.terminate()
    assert program.process.wait(30) == 0, program.output()
    assert "Traceback" not in program.output()


@pytest.fixture
def program(desktop: Desktop, home: dict[str, str]) -> Iterator[Program]:
    started = start(desktop, home)
    yield started
    end(started)


def latent_map(desktop: Desktop) -> tuple[LatentMap, int, int]:
    """The map's own arithmetic at the size it has on the screen, and where it lies there."""
    x, y, width, height = desktop.rect("latent_map")
    twin = LatentMap()
    twin.resize(width, height)
    twin.grab()  # a hidden widget learns its size when it must paint
    return twin, x, y


def class_mean(model: LoadedModel, label: int) -> tuple[float, float]:
    """The mean encoding of a digit's test images."""
    test = load(DataConfig()).test
    x = test.images[test.labels == label].unsqueeze(1).float() / 255
    return tuple(model.model.encoder(x)[:, :2].mean(dim=0).tolist())


def decoded(model: LoadedModel, z: tuple[float, float]) -> np.ndarray:
    """What the decoder's network gives at z, through torch's own sigmoid: float (28, 28) in [0, 1]."""
    return torch.sigmoid(model.model.decoder(torch.tensor([z])))[0, 0].numpy()


def shown_digit(desktop: Desktop) -> np.ndarray:
    """The decoder view on the screen, brought back to 28×28 values in [0, 1]."""
    shot = desktop.still_screenshot(desktop.rect("decoder_view")).astype(float)
    side = min(shot.shape[:2])
    top, left = (shot.shape[0] - side) // 2, (shot.shape[1] - side) // 2
    square = shot[top : top + side, left : left + side]
    ink = ((square - PAPER) / (INK - PAPER)).mean(axis=2).astype(np.float32)
    return np.asarray(Image.fromarray(ink).resize((28, 28), Image.Resampling.BOX))


def test_dragging_wheel_and_keys_show_what_the_decoder_gives_and_other_parts_of_the_map(
    desktop: Desktop, program: Program, explorer: LoadedModel
) -> None:
    twin, left, top = latent_map(desktop)
    places = {}
    for digit in (0, 1):
        pixel = twin.to_pixel(class_mean(explorer, digit))
        places[digit] = (left + round(pixel.x()), top + round(pixel.y()))
    at = {digit: decoded(explorer, twin.to_latent(QPointF(x - left, y - top))) for digit, (x, y) in places.items()}
    ring = twin.to_pixel((0.0, 0.0))
    desktop.drag((left + round(ring.x()), top + round(ring.y())), places[0])
    desktop.wait_for(lambda: np.abs(shown_digit(desktop) - at[0]).mean() < 0.03, WAIT, "the zero")
    desktop.drag(places[0], places[1])
    desktop.wait_for(lambda: np.abs(shown_digit(desktop) - at[1]).mean() < 0.03, WAIT, "the one")
    assert np.abs(at[0] - at[1]).mean() > 0.1, "the two digits must differ, or the test says nothing"

    x, y, width, height = area = desktop.rect("latent_map")

    def differs(other: np.ndarray) -> float:
        """Grey levels by which the map, once it stands still, differs from another picture of it."""
        return np.abs(desktop.still_screenshot(area).astype(int) - other).mean()

    desktop.move(5, 5)  # away from encodings, whose images would cover the map
    whole = desktop.still_screenshot(area)
    desktop.wheel(x + width // 3, y + height // 3, 4)
    desktop.wait_for(lambda: differs(whole) > 5, WAIT, "the map to zoom")
    zoomed = desktop.still_screenshot(area)
    desktop.drag((x + width // 4, y + height // 4), (x + width // 2, y + height // 2))
    desktop.wait_for(lambda: differs(zoomed) > 5, WAIT, "the map to pan")
    digit = shown_digit(desktop)
    desktop.key(*["Right"] * 30)
    desktop.wait_for(lambda: np.abs(shown_digit(desktop) - digit).mean() > 0.01, WAIT, "another digit")
    desktop.key("0")
    desktop.move(5, 5)
    desktop.wait_for(lambda: differs(whole) < 3, WAIT, "the whole map again, but for the moved point")


def test_the_next_start_goes_on_where_the_window_was_closed(desktop: Desktop, home: dict[str, str]) -> None:
    first = start(desktop, home)
    window = desktop.xdotool("search", "--onlyvisible", "--name", "VAE Studio").split()[0]
    desktop.xdotool("windowsize", "--sync", window, "1180", "760")
    desktop.wait_for(lambda: first.rects()["main_window"][2:] == (1180, 760), WAIT, "the new size")
    desktop.key("ctrl+t")
    corner = (*desktop.rect("setup_panel")[:2], 8, 300)
    desktop.wait_for(lambda: desktop.screenshot(corner).mean() > 200, WAIT, "the light theme")
    desktop.settle()
    x, y, width, height = area = desktop.rect("latent_map")
    whole = desktop.still_screenshot(area)
    desktop.wheel(x + width // 3, y + height // 3, 4)
    desktop.click(x + width // 2, y + height // 4)
    desktop.click(*desktop.centre("layers_button"))
    desktop.click(*desktop.centre("layer_prior"))
    desktop.key("Escape")
    desktop.move(5, 5)
    desktop.wait_for(
        lambda: np.abs(desktop.still_screenshot(area).astype(int) - whole).mean() > 5, WAIT, "the map to zoom"
    )
    left, digit = desktop.still_screenshot(area), shown_digit(desktop)
    desktop.key("ctrl+q")
    assert first.process.wait(30) == 0, first.output()
    second = start(desktop, home)
    assert second.rects()["main_window"][2:] == (1180, 760)
    assert desktop.rect("latent_map") == area
    corner = (*desktop.rect("setup_panel")[:2], 8, 300)
    desktop.wait_for(lambda: desktop.screenshot(corner).mean() > 200, WAIT, "the light theme")

    def is_as_it_was() -> bool:
        return np.abs(desktop.still_screenshot(area).astype(int) - left).mean() < 1

    desktop.wait_for(is_as_it_was, WAIT, "the map as it was left")
    assert np.abs(shown_digit(desktop) - digit).mean() < 0.01
    desktop.key("ctrl+z")
    assert is_as_it_was(), "there is nothing to undo yet"
    desktop.click(x + width // 4, y + height // 2)
    desktop.move(5, 5)
    desktop.wait_for(lambda: np.abs(shown_digit(desktop) - digit).mean() > 0.02, WAIT, "another digit")
    desktop.key("ctrl+z")
    desktop.wait_for(lambda: np.abs(shown_digit(desktop) - digit).mean() < 0.01, WAIT, "the digit before")
    desktop.key("ctrl+shift+z")
    desktop.wait_for(lambda: np.abs(shown_digit(desktop) - digit).mean() > 0.02, WAIT, "the other digit again")
    end(second)


def train(desktop: Desktop) -> None:
    """Press Train, and wait until curves are drawn."""
    curves = desktop.rect("loss_plot")
    empty = desktop.screenshot(curves)
    desktop.click(*desktop.centre("train_button"))
    desktop.wait_for(lambda: np.abs(desktop.screenshot(curves).astype(int) - empty).mean() > 0.3, WAIT, "curves")


def kept(folder: Path) -> set[Path]:
    """The models of all runs."""
    return set((folder / "data").rglob("model.safetensors"))


def test_train_pause_resume_stop_train_and_close_keeps_both_models(
    desktop: Desktop, program: Program, tmp_path: Path
) -> None:
    curves, area = desktop.rect("loss_plot"), desktop.rect("latent_map")
    before = desktop.screenshot(area)
    train(desktop)
    desktop.wait_for(lambda: np.abs(desktop.screenshot(area).astype(int) - before).mean() > 5, WAIT, "the map to move")
    desktop.click(*desktop.centre("pause_button"))
    paused = desktop.still_screenshot(curves, 30)
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(0.5)
    assert np.array_equal(desktop.screenshot(curves), paused), "paused curves stand still"
    desktop.click(*desktop.centre("pause_button"))
    desktop.wait_for(lambda: not np.array_equal(desktop.screenshot(curves), paused), WAIT, "curves to go on")
    desktop.click(*desktop.centre("stop_button"))
    desktop.wait_for(lambda: "train_button" in program.rects(), WAIT, "the end of the run")
    (file,) = kept(tmp_path)
    card = json.loads(file.with_suffix(".json").read_text())
    assert card["ended"] == "stopped"
    assert 0 < card["steps"] < 24_000
    assert load_model(file).model.latent_dims == 2

    train(desktop)
    desktop.key("ctrl+q")
    assert program.process.wait(30) == 0, program.output()
    (other,) = kept(tmp_path) - {file}
    assert load_model(other).card["ended"] == "stopped"


def test_exported_grid_equals_the_command_lines_and_a_signal_while_training_keeps_the_model(
    desktop: Desktop, program: Program, tmp_path: Path
) -> None:
    desktop.key("ctrl+e")
    desktop.click(*desktop.centre("export_confirm"))
    (target,) = desktop.wait_for(lambda: list((tmp_path / "pictures").glob("*.png")), WAIT, "the file")
    desktop.rect("show_file_button")
    other = tmp_path / "by-command.png"
    assert run(f"grid explorer-2d --out '{other}'").exit_code == 0
    with Image.open(target) as a, Image.open(other) as b:
        assert a.size == (560, 560)
        assert a.tobytes() == b.tobytes()
        about = json.loads(a.text["vae-studio"])
    assert about["model_sha256"] == load_model(paths.trained_models() / "explorer-2d.safetensors").sha256

    train(desktop)
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(30) == 0, program.output()
    (file,) = kept(tmp_path)
    assert load_model(file).card["ended"] == "stopped"


def test_a_file_that_is_no_model_is_named_in_the_window(desktop: Desktop, home: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(os.urandom(1000))
    program = desktop.launch([*PROGRAM, str(broken)], home)
    desktop.wait_for(lambda: "notice_text" in program.rects(), WAIT, "the notice")
    desktop.click(*desktop.centre("notice_close"))
    desktop.wait_for(lambda: "notice_text" not in program.rects(), WAIT, "the notice to go")
    assert program.running
