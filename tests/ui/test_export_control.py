"""Exports from the window: the real dialog, the real queue of jobs, files read back and decoded independently."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QObject, QPoint, QSettings, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLabel, QLineEdit, QMainWindow, QProgressBar, QPushButton, QRadioButton, QSpinBox, QWidget

from vae_studio import tasks
from vae_studio.core.plane import Plane
from vae_studio.core.scene import Scene, Version, View
from vae_studio.ui.export_control import ExportControl
from vae_studio.ui.export_dialog import ExportDialog
from vae_studio.ui.settings import Settings
from vae_studio.ui.workers import Jobs

SECONDS_60 = 60_000
VIEW = View(-1.5, 2.5, -1.0, 1.0, 800, 400)


class Export:
    """The export dialog as a person finds it: the fields and buttons by name."""

    def __init__(self, window, qtbot):
        self.dialog = window.findChild(ExportDialog)
        self.qtbot = qtbot
        assert self.dialog.isVisible()

    def find(self, name, kind=QWidget):
        found = self.dialog.findChild(kind, name)
        assert found is not None, name
        return found

    def enter(self, name, text):
        field = self.find(name)
        field.setFocus()
        (field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)).selectAll()
        self.qtbot.keyClicks(field, str(text))
        self.qtbot.keyClick(field, Qt.Key.Key_Tab)

    def click(self, name):
        button = self.find(name)
        assert button.isVisible() and button.isEnabled(), name
        at = QPoint(8, button.height() // 2) if isinstance(button, QRadioButton) else button.rect().center()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=at)

    def says(self, name):
        found = self.find(name, QLabel)
        return found.text() if found.isVisible() else ""

    def wait_for(self, name):
        self.qtbot.waitUntil(lambda: bool(self.says(name)), timeout=SECONDS_60)
        return self.says(name)


@pytest.fixture
def jobs(qtbot):
    jobs = Jobs()
    jobs.start()
    yield jobs
    jobs.stop()
    assert jobs.wait(60_000)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "window.ini"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def window(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(400, 300)
    with qtbot.waitExposed(window):
        window.show()
    return window


@pytest.fixture
def control(jobs, store, folder, window):
    settings = Settings(QSettings(str(store), QSettings.Format.IniFormat))
    settings.set_folder("export", folder)
    return ExportControl(jobs, settings, window)


@pytest.fixture(scope="module")
def explorer():
    """The shipped 2-D explorer, as the window opens it."""
    return next(tasks.open_model("explorer-2d"))


@pytest.fixture
def export(control, explorer, window, qtbot):
    control.show(explorer, Scene(explorer.model, Version(1, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2)), VIEW)
    return Export(window, qtbot)


def read(path):
    """The pixels of a PNG, and what it says about itself."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return np.array(image), json.loads(image.text["vae-studio"])


def decoded(model, columns, rows, others=None):
    """The sheet that belongs to these coordinates (z₁ left to right, z₂ top to bottom) in double precision."""
    from small_models import decoded

    points = np.array([[x, y] for y in rows for x in columns])
    if others is not None:
        points = np.concatenate([points, np.tile(others, (len(points), 1))], axis=1)
    tiles = decoded(model, points).reshape(len(rows), len(columns), 28, 28)
    return tiles.transpose(0, 2, 1, 3).reshape(28 * len(rows), 28 * len(columns))


def rounds_to(pixels, exact):
    from small_models import rounds_to

    return rounds_to(pixels, exact)


def quantiles(count, mass):
    """Points of N(0, 1) at equal steps of probability over its central mass, by the inverse error function."""
    import torch

    edge = (1.0 - mass) / 2.0
    p = torch.linspace(edge, 1.0 - edge, count, dtype=torch.float64)
    return (math.sqrt(2.0) * torch.erfinv(2.0 * p - 1.0)).numpy()


def test_what_is_written_is_what_the_decoder_gives(export, explorer, folder):
    export.enter("grid_rows", 3)
    export.enter("grid_cols", 5)
    export.click("export_confirm")
    target = folder / "2-d-explorer-grid.png"
    assert export.wait_for("export_result") == f"Saved {target}"
    assert list(folder.iterdir()) == [target]
    pixels, about = read(target)
    assert rounds_to(pixels, decoded(explorer.model, quantiles(5, 0.95), quantiles(3, 0.95)[::-1]))
    assert about["model"] == "2-D explorer"
    assert about["model_sha256"] == explorer.sha256
    assert about["plane"] == {"point": [0.0, 0.0], "axes": [0, 1]}
    assert about["region"] == {"kind": "quantiles", "mass": 0.95}
    assert (about["rows"], about["cols"]) == (3, 5)


def test_the_visible_region_is_what_the_map_shows_now(export, control, explorer, folder):
    here = Scene(explorer.model, Version(1, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2))
    control.set_view(View(-2.0, 2.0, -3.0, 1.0, 400, 400), here)
    elsewhere = replace(here, plane=Plane.of_axes((1, 0), 2))
    control.set_view(View(-1.0, 1.0, -1.0, 1.0, 400, 400), elsewhere)  # no region of the plane that is exported
    export.click("span_region")
    export.enter("grid_rows", 2)
    export.enter("grid_cols", 4)
    export.click("export_confirm")
    export.wait_for("export_result")
    (target,) = folder.iterdir()
    pixels, about = read(target)
    # Cells of 1 × 2 latent units, decoded at their centres.
    assert rounds_to(pixels, decoded(explorer.model, [-1.5, -0.5, 0.5, 1.5], [0.0, -2.0]))
    assert about["region"] == {"kind": "region", "left": -2.0, "right": 2.0, "bottom": -3.0, "top": 1.0}


def test_a_plane_through_a_point_of_more_dimensions(control, window, folder, qtbot):
    from small_models import mlp

    opened = tasks.OpenedModel(mlp(3), {}, "three", Path("three.safetensors"), "abc")
    control.show(opened, Scene(opened.model, Version(1, 0), (8.0, 9.0, -0.5), Plane.of_axes((0, 1), 3)), VIEW)
    export = Export(window, qtbot)
    export.enter("grid_rows", 2)
    export.enter("grid_cols", 2)
    export.click("export_confirm")
    export.wait_for("export_result")
    (target,) = folder.iterdir()
    pixels, about = read(target)
    assert rounds_to(pixels, decoded(opened.model, quantiles(2, 0.95), quantiles(2, 0.95)[::-1], [-0.5]))
    assert about["plane"] == {"point": [8.0, 9.0, -0.5], "axes": [0, 1]}


def test_what_is_shown_when_asked_again_is_exported(export, control, explorer, folder, window, qtbot):
    from small_models import mlp

    other = tasks.OpenedModel(mlp(2), {}, "other", Path("other.safetensors"), "def")
    control.show(other, Scene(other.model, Version(2, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2)), VIEW)
    assert len(window.findChildren(ExportDialog)) == 1
    export.enter("grid_rows", 1)
    export.enter("grid_cols", 3)
    export.click("export_confirm")
    export.wait_for("export_result")
    pixels, about = read(folder / "other-grid.png")
    assert (about["model"], about["model_sha256"]) == ("other", "def")
    sheet = quantiles(3, 0.95), [0.0]
    assert rounds_to(pixels, decoded(other.model, *sheet))
    assert not rounds_to(pixels, decoded(explorer.model, *sheet))


def test_the_preview_follows_the_choices(export, qtbot):
    preview = export.find("grid_preview")
    blank = preview.grab().toImage()
    qtbot.waitUntil(lambda: preview.grab().toImage() != blank, timeout=SECONDS_60)
    before = preview.grab().toImage()
    export.enter("grid_rows", 2)
    qtbot.waitUntil(lambda: preview.grab().toImage() not in (blank, before), timeout=SECONDS_60)
    assert export.says("export_failure") == ""


def test_a_folder_that_goes_meanwhile(export, jobs, folder, qtbot):
    held, let_go = threading.Event(), threading.Event()

    def hold():
        held.set()
        assert let_go.wait(60)
        yield "held"

    said = []
    jobs.submit(hold, said.append, said.append)
    assert held.wait(60)
    export.click("export_confirm")
    folder.rmdir()
    let_go.set()
    words = export.wait_for("export_failure")
    assert str(folder) in words
    assert "the folder does not exist" in words
    assert export.says("export_result") == ""
    folder.mkdir()
    export.click("span_region")
    export.click("export_confirm")
    assert export.wait_for("export_result").startswith("Saved ")
    assert export.says("export_failure") == ""


def test_cancelling_leaves_no_file(export, jobs, folder, qtbot):
    progress = export.find("export_progress", QProgressBar)
    for name in ("grid_rows", "grid_cols"):
        export.enter(name, 400)
    export.click("export_confirm")
    qtbot.waitUntil(lambda: progress.isVisible() and progress.value() > 0, timeout=SECONDS_60)
    assert progress.value() < progress.maximum()
    export.click("export_cancel")
    assert export.says("export_result") == "Cancelled."
    done = []
    jobs.submit(lambda: iter(["after it"]), done.append, done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=SECONDS_60)
    assert done == ["after it"]
    assert list(folder.iterdir()) == []
    assert export.says("export_result") == "Cancelled."


def test_a_file_that_exists_is_asked_for(export, folder):
    export.enter("grid_rows", 2)
    target = Path(export.find("export_file", QLineEdit).text())
    target.write_bytes(b"precious")
    export.click("export_confirm")
    assert export.says("overwrite_question") == f"{target.name} exists. Replace it?"
    export.click("keep_both_button")
    export.wait_for("export_result")
    assert target.read_bytes() == b"precious"
    beside = target.with_name(f"{target.stem}-2.png")
    assert read(beside)[1]["rows"] == 2
    export.enter("export_file", target)
    export.click("export_confirm")
    export.click("replace_button")
    assert export.wait_for("export_result") == f"Saved {target}"
    assert read(target)[1]["rows"] == 2
    assert sorted(folder.iterdir()) == sorted([target, beside])


def test_choices_and_folder_are_remembered(export, control, explorer, store, tmp_path, jobs, window, qtbot):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, value in (("grid_rows", 2), ("grid_cols", 3), ("grid_scale", 2), ("grid_spacing", 5)):
        export.enter(name, value)
    export.click("span_region")
    export.enter("export_file", elsewhere / "mine.png")
    export.click("export_confirm")
    export.wait_for("export_result")
    export.dialog.close()
    export.dialog.deleteLater()

    later = QMainWindow()
    qtbot.addWidget(later)
    again = ExportControl(jobs, Settings(QSettings(str(store), QSettings.Format.IniFormat)), later)
    again.show(explorer, Scene(explorer.model, Version(1, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2)), VIEW)
    dialog = Export(later, qtbot)
    values = [dialog.find(name, QSpinBox).value() for name in ("grid_rows", "grid_cols", "grid_scale", "grid_spacing")]
    assert values == [2, 3, 2, 5]
    assert dialog.find("span_region", QRadioButton).isChecked()
    assert Path(dialog.find("export_file", QLineEdit).text()).parent == elsewhere


class Desktop(QObject):
    """Stands in for the desktop's file manager."""

    def __init__(self):
        super().__init__()
        self.opened = []

    @Slot(QUrl)
    def open(self, url):
        self.opened.append(url.toLocalFile())


def test_the_file_is_shown_in_its_folder(export, folder):
    desktop = Desktop()
    QDesktopServices.setUrlHandler("file", desktop, "open")
    try:
        export.enter("grid_rows", 1)
        export.click("export_confirm")
        export.wait_for("export_result")
        export.click("show_file_button")
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert [Path(path) for path in desktop.opened] == [folder]


def test_exporting_twice_gives_the_same_pixels(export, folder):
    export.enter("grid_rows", 2)
    export.click("export_confirm")
    export.wait_for("export_result")
    first = read(folder / "2-d-explorer-grid.png")[0]
    export.enter("export_file", folder / "again.png")
    export.click("export_confirm")
    export.wait_for("export_result")
    assert np.array_equal(first, read(folder / "again.png")[0])
    assert export.find("export_confirm", QPushButton).isEnabled()
