"""Starts the window: the Qt application, what it remembers, and what happens to errors nobody caught."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

# pyqtgraph would take another Qt binding if it found one first.
os.environ.setdefault("PYQTGRAPH_QT_LIB", "PySide6")

from PySide6.QtCore import QObject, QSettings, QTimer, Signal
from PySide6.QtWidgets import QApplication

import vae_studio
from vae_studio import paths
from vae_studio.core import library
from vae_studio.ui.geometry_log import GeometryLog
from vae_studio.ui.main_window import MainWindow
from vae_studio.ui.timings_log import TimingsLog
from vae_studio.ui.workers import Failure

GEOMETRY_VARIABLE = "VAE_STUDIO_GEOMETRY"
_SIGNAL_CHECK_MS = 200
_STARTED_MS = 5000  # torch is imported by then, on a warm disk


class UncaughtErrors(QObject):
    """Brings exceptions that nobody caught, from whatever thread, to the window; they also go to standard error."""

    caught = Signal(object)

    def install(self) -> None:
        sys.excepthook = self._handle

    def _handle(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        self.caught.emit(Failure.of(error))


def run(file: Path | None = None, log: Callable[[dict[str, Any]], None] | None = None) -> int:
    """Open the window, with this model or session or the last one, and return the exit status when it is closed.

    `log` is given the window's timings, once a second and at the end.
    """
    app = QApplication(sys.argv[:1])
    app.setApplicationName("VAE Studio")
    app.setApplicationVersion(vae_studio.__version__)
    app.setDesktopFileName("vae-studio")
    store = QSettings(str(paths.settings_file()), QSettings.Format.IniFormat)
    shipped = [(model.name, model.title) for model in library.shipped_models()]
    window = MainWindow(str(file) if file else None, shipped, store, paths.last_session())
    errors = UncaughtErrors(window)
    errors.caught.connect(window.report)
    errors.install()
    if GEOMETRY_VARIABLE in os.environ:
        GeometryLog(Path(os.environ[GEOMETRY_VARIABLE]), window)
    _close_on_signals(window)
    window.show()
    QTimer.singleShot(_STARTED_MS, collect_garbage)
    timings = TimingsLog(window.timings, log) if log else None
    status = app.exec()
    if timings:
        timings.close()
    gc.unfreeze()  # or libraries would complain that something of theirs is left
    return status


def collect_garbage() -> None:
    """Look for garbage among what came after the start, and never in the libraries."""
    gc.freeze()
    gc.enable()


def _close_on_signals(window: MainWindow) -> None:
    """Ctrl-C in the terminal and a polite kill close the window as its own button does, and keep the model."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    # Python handles signals only when it runs: give it a chance while Qt waits.
    timer = QTimer(window, interval=_SIGNAL_CHECK_MS)
    timer.timeout.connect(lambda: None)
    timer.start()
