"""Makes the pictures in the README, with the program itself: `python packaging/screenshots.py [FOLDER]`.

Trains the 2-D explorer for a while in the dark window, with a pin and a path; walks through twenty dimensions on a
plane of two principal components; then shows the 2-D explorer's reconstructions in the light window, and its figures.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()

import numpy as np
from PIL import Image
from PySide6.QtCore import QEventLoop, QSettings, QTimer
from PySide6.QtWidgets import QApplication, QCheckBox, QPushButton

from vae_studio.core import library
from vae_studio.core.arithmetic import direction, group_of, with_direction
from vae_studio.core.events import Progress
from vae_studio.core.planes import Principal
from vae_studio.ui.main_window import MainWindow

EPOCHS = 12


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    app = QApplication([])
    store = QSettings(str(folder / "unused.ini"), QSettings.Format.IniFormat)
    store.setValue("theme", "dark")
    window = MainWindow("explorer-2d", [(m.name, m.title) for m in library.shipped_models()], store)
    window.resize(1440, 900)
    window.show()
    wait(lambda: window.session.opened is not None)
    live(3)

    epochs = [0.0]
    window.training.said.connect(lambda said: isinstance(said, Progress) and epochs.append(said.epoch))
    window.findChild(QPushButton, "train_button").click()
    wait(lambda: epochs[-1] > EPOCHS)
    window.session.move_point((-1.6, 0.3))
    window.actions_.start_path.trigger()
    window.session.move_point((1.5, -0.9))
    window.actions_.add_to_path.trigger()
    window.session.move_point((-0.9, 1.6))
    window.actions_.pin.trigger()
    window.session.move_point((0.35, 1.2))
    live(4)
    save(window, folder / "window-dark.png")
    window.training.stop()
    wait(lambda: not window.training.going)
    explore_twenty_dimensions(window)
    save(window, folder / "explorer.png")
    window.selection.clear()

    window.bar.model_chosen.emit("explorer-2d")
    window.actions_.theme.trigger()
    live(4)
    window.actions_.reconstruct.trigger()
    live(3)
    save(window, folder / "reconstruct.png")

    window.actions_.theme.trigger()
    window.actions_.evaluate.trigger()
    window.findChild(QCheckBox, "evaluate_naive_check").click()
    button = window.findChild(QPushButton, "evaluate_button")
    button.click()
    live(1)
    wait(button.isEnabled)
    live(1)
    save(window, folder / "evaluate.png")
    window.close()
    (folder / "unused.ini").unlink(missing_ok=True)
    app.quit()


def explore_twenty_dimensions(window: MainWindow) -> None:
    """A plane of principal components, a selection, and a direction with its slider."""
    window.bar.model_chosen.emit("pytorch-example")
    wait(lambda: window.session.opened.model.latent_dims == 20 and window.session.encodings is not None)
    images, means = window.session.encodings
    window.session.choose_plane(Principal.of(means).plane())
    fours, nines = (group_of(str(digit), means, np.flatnonzero(images.labels == digit)) for digit in (4, 9))
    way = direction(fours, nines, "4 → 9").direction
    window.session.change(with_direction(window.session.exploration, way))
    window.session.choose_layers(replace(window.session.exploration.layers, density=True))
    window.session.move_point(tuple(means[np.flatnonzero(images.labels == 9)[3]].tolist()))
    live(3)
    window.selection.select_many(np.flatnonzero(images.labels == 9)[:24].tolist())
    live(6)


def save(window: MainWindow, path: Path) -> None:
    """In 256 colours, which are enough for a window of greys, and take a quarter of the room."""
    window.grab().save(str(path))
    with Image.open(path) as picture:
        colours = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    colours.save(path, optimize=True)


def wait(condition: Callable[[], bool], seconds: float = 600.0) -> None:
    """Let the window live until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("waited in vain")
        live(0.05)


def live(seconds: float) -> None:
    """Let the window live for a while. (QTest.qWait would keep the worker threads waiting for the interpreter.)"""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
