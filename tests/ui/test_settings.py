"""What the window remembers, in a real store on disk, and what it makes of a store that somebody has damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QMainWindow, QSplitter

from vae_studio.ui.settings import Settings

OPTIONS = {"rows": 7, "mass": 0.875, "span": "region", "show_axes": True}
GARBAGE = [
    "",
    "garbage",
    "[1, 2",
    "[1, 2]",
    "null",
    "[" * 100_000,
    "a, b",
    "@Variant(nonsense)",
    "\x00\x01\u2028",
    "/" + "x" * 5000,
    ["a", "list"],
    7,
    True,
    QByteArray(b"\x00\xff" * 40),
]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "window.ini"


def opened(file):
    """The settings as another start of the program would find them."""
    return Settings(QSettings(str(file), QSettings.Format.IniFormat))


def put(file, key, value):
    store = QSettings(str(file), QSettings.Format.IniFormat)
    store.setValue(key, value)
    store.sync()


class Window:
    """A main window with two panels side by side, as the program's window holds its own."""

    def __init__(self, qtbot, size=(500, 400)):
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.panels = QLabel("left"), QLabel("right")
        for panel in self.panels:
            self.splitter.addWidget(panel)
        self.window.setCentralWidget(self.splitter)
        self.window.resize(*size)
        self.splitters = {"across": self.splitter}


def test_nothing_remembered(file, tmp_path):
    settings = opened(file)
    assert settings.theme == "system"
    assert settings.export_options == settings.sliders == {}
    assert settings.folder("export", tmp_path) == tmp_path
    assert settings.folder("export", tmp_path / "missing") == Path.home()


def test_choices_come_back(file, tmp_path, qtbot):
    settings = opened(file)
    settings.theme = "light"
    settings.export_options = OPTIONS
    settings.sliders = {"by_kl": None, "active_only": True}
    settings.set_folder("export", tmp_path)
    settings.set_folder("model", tmp_path / "gone")
    settings.keep(QMainWindow(), {}, {})
    again = opened(file)
    assert again.theme == "light"
    assert again.export_options == OPTIONS
    assert again.sliders == {"by_kl": None, "active_only": True}
    assert again.folder("export", Path.home()) == tmp_path
    assert again.folder("model", tmp_path) == tmp_path, "a folder that has gone is not offered"
    assert file.is_file()


def test_geometry_comes_back(file, qtbot):
    first = Window(qtbot)
    with qtbot.waitExposed(first.window):
        first.window.show()
    first.splitter.setSizes([350, 140])
    first.window.resize(620, 310)
    sizes = first.splitter.sizes()
    opened(file).keep(first.window, first.splitters, {})

    second = Window(qtbot)
    opened(file).restore(second.window, second.splitters, {})
    with qtbot.waitExposed(second.window):
        second.window.show()
    assert (second.window.width(), second.window.height()) == (620, 310)
    assert second.splitter.sizes() == sizes


def test_a_panel_that_was_hidden_comes_back_with_room(file, qtbot):
    first = Window(qtbot)
    first.splitter.setSizes([300, 190])
    first.panels[1].hide()
    with qtbot.waitExposed(first.window):
        first.window.show()
    opened(file).keep(first.window, first.splitters, {})

    second = Window(qtbot)
    opened(file).restore(second.window, second.splitters, {})
    with qtbot.waitExposed(second.window):
        second.window.show()
    assert all(panel.width() > 50 for panel in second.panels)


def test_a_panel_that_nothing_is_remembered_of_is_as_it_was(file, qtbot):
    panels = {name: QAction(name, checkable=True, checked=name == "setup") for name in ("setup", "timings")}
    opened(file).restore(QMainWindow(), {}, panels)
    assert {name: action.isChecked() for name, action in panels.items()} == {"setup": True, "timings": False}


def test_hidden_panels_stay_hidden(file, qtbot):
    first, second = ({name: QAction(name, checkable=True, checked=True) for name in ("setup", "decoder")} for _ in "ab")
    first["decoder"].setChecked(False)
    window = Window(qtbot)
    opened(file).keep(window.window, window.splitters, first)
    opened(file).restore(window.window, window.splitters, second)
    assert {name: action.isChecked() for name, action in second.items()} == {"setup": True, "decoder": False}


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_counts_as_absent(file, tmp_path, garbage, qtbot):
    for key in ("theme", "export/options", "sliders", "folders/export", "geometry", "splitters/across"):
        put(file, key, garbage)
    settings = opened(file)
    assert settings.theme == "system"
    assert settings.export_options == settings.sliders == {}
    assert settings.folder("export", tmp_path) == tmp_path
    plain, restored = Window(qtbot), Window(qtbot)
    settings.restore(restored.window, restored.splitters, {})
    for window in (plain, restored):
        with qtbot.waitExposed(window.window):
            window.window.show()
    assert restored.window.size() == plain.window.size()
    assert restored.splitter.sizes() == plain.splitter.sizes()


def test_options_that_are_no_object_count_as_none(file):
    for text in (json.dumps([1, 2]), json.dumps("rows"), "3"):
        put(file, "export/options", text)
        assert opened(file).export_options == {}


def test_a_file_of_noise(file, tmp_path):
    file.write_bytes(bytes(range(256)) * 50)
    settings = opened(file)
    assert settings.theme == "system"
    settings.theme = "dark"
    assert settings.theme == "dark"
    assert settings.folder("export", tmp_path) == tmp_path


def test_a_relative_folder_is_not_taken(file, tmp_path, monkeypatch):
    """What was relative to the folder of one start means another folder at the next."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    put(file, "folders/export", "here")
    assert opened(file).folder("export", tmp_path) == tmp_path
