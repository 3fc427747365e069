"""The start of the window: what is painted before what, and what becomes of the garbage collector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from command_line import environment
from PySide6.QtCore import QEvent, QObject, QSettings
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from vae_studio.core import library
from vae_studio.core.presets import DEFAULT_PRESET
from vae_studio.ui.main_window import MainWindow

# The program as its command starts it; it closes itself when it has looked, half a second later.
OPEN_AND_CLOSE = """
import gc, sys
from vae_studio import cli

app = cli.import_app()
while_starting = gc.isenabled()
from PySide6.QtCore import QTimer

app._STARTED_MS = 100
seen = []

class Looking(app.MainWindow):
    def showEvent(self, event):
        super().showEvent(event)
        QTimer.singleShot(500, self.look)

    def look(self):
        seen.extend([gc.isenabled(), gc.get_freeze_count() > 10_000])
        self.close()

app.MainWindow = Looking
status = app.run()
print(while_starting, *seen, gc.get_freeze_count(), status)
"""


class FirstPaints(QObject):
    """Whether a worker ran already when each of these widgets was painted for the first time."""

    def __init__(self, window: MainWindow, widgets: list[QWidget]) -> None:
        super().__init__(window)
        self.found: dict[QObject, bool] = {}
        self._workers = (window.renderer, window.jobs)
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self.found.setdefault(watched, any(worker.isRunning() for worker in self._workers))
        return False


def test_the_whole_window_is_painted_before_any_worker_starts(qtbot: QtBot, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow(DEFAULT_PRESET, [(m.name, m.title) for m in library.shipped_models()], store)
    window.resize(1440, 900)
    panels = [window.bar, window.setup, window.map_panel, window.decoder, window.training_panel, window.status]
    paints = FirstPaints(window, panels)
    assert not window.renderer.isRunning()
    window.show()
    qtbot.waitUntil(lambda: window.renderer.isRunning(), timeout=10_000)
    assert set(paints.found) == set(panels)
    assert not any(paints.found.values())
    window.close()
    window.deleteLater()


def test_garbage_is_not_looked_for_while_starting_and_then_not_in_the_libraries(tmp_path: Path) -> None:
    env = environment(tmp_path, QT_QPA_PLATFORM="offscreen", XDG_CONFIG_HOME=str(tmp_path / "config"))
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AND_CLOSE], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "True", "True", "0", "0"]
    assert "leaked" not in done.stderr
