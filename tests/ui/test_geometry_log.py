"""Where the widgets are, as a file for tests that press real keys: what Qt says, in pixels of the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from vae_studio.ui.geometry_log import GeometryLog, rectangles

SECONDS_10 = 10_000


@pytest.fixture
def window(qtbot):
    window = QWidget()
    window.setObjectName("holder")
    qtbot.addWidget(window)
    layout = QVBoxLayout(window)
    for name in ("first", "second", "", "qt_internal"):
        button = QPushButton(name)
        button.setObjectName(name)
        layout.addWidget(button)
    window.setGeometry(40, 60, 300, 200)
    with qtbot.waitExposed(window):
        window.show()
    return window


@pytest.fixture
def log(tmp_path, window, qtbot):
    log = GeometryLog(tmp_path / "geometry.json", window)
    qtbot.waitUntil((tmp_path / "geometry.json").exists, timeout=SECONDS_10)
    return log


def written(tmp_path):
    return json.loads((tmp_path / "geometry.json").read_text(encoding="utf-8"))


def place(widget):
    corner, ratio = widget.mapToGlobal(QPoint(0, 0)), widget.devicePixelRatio()
    return [round(ratio * n) for n in (corner.x(), corner.y(), widget.width(), widget.height())]


def test_named_visible_widgets_are_there(tmp_path, window, log):
    found = written(tmp_path)
    assert set(found) == {"holder", "first", "second"}
    assert found["holder"] == place(window)
    assert found["holder"][2:] == [300, 200]
    for name in ("first", "second"):
        assert found[name] == place(window.findChild(QPushButton, name))
    assert found["first"][1] + found["first"][3] <= found["second"][1]


def test_it_follows(tmp_path, window, log, qtbot):
    window.findChild(QPushButton, "first").hide()
    qtbot.waitUntil(lambda: set(written(tmp_path)) == {"holder", "second"}, timeout=SECONDS_10)
    window.setGeometry(100, 120, 310, 210)
    qtbot.waitUntil(lambda: written(tmp_path)["holder"] == [100, 120, 310, 210], timeout=SECONDS_10)
    popup = QLabel("popup")
    popup.setObjectName("popup")
    qtbot.addWidget(popup)
    popup.show()
    qtbot.waitUntil(lambda: "popup" in written(tmp_path), timeout=SECONDS_10)
    popup.close()
    qtbot.waitUntil(lambda: "popup" not in written(tmp_path), timeout=SECONDS_10)
    window.hide()
    qtbot.waitUntil(lambda: written(tmp_path) == {}, timeout=SECONDS_10)


def test_it_writes_only_what_is_new_and_leaves_nothing_else(tmp_path, window, log, qtbot):
    before = (tmp_path / "geometry.json").stat().st_mtime_ns
    qtbot.wait(350)
    assert (tmp_path / "geometry.json").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["geometry.json"]
    assert written(tmp_path) == rectangles()


def test_on_a_screen_of_twice_the_pixels():
    script = textwrap.dedent("""
        import json
        from PySide6.QtWidgets import QApplication, QPushButton, QWidget
        from vae_studio.ui.geometry_log import rectangles

        app = QApplication([])
        window = QWidget()
        window.setObjectName("holder")
        button = QPushButton("press", window)
        button.setObjectName("press")
        window.setGeometry(30, 40, 200, 100)
        button.setGeometry(10, 20, 80, 30)
        window.show()
        app.processEvents()
        print(json.dumps(rectangles()))
    """)
    env = {**os.environ, "QT_SCALE_FACTOR": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == {"holder": [60, 80, 400, 200], "press": [80, 120, 160, 60]}
