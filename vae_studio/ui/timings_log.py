"""The window's timings for scripts: a line of figures a second, and a last one of everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer

from vae_studio.ui.timings import Timings

_INTERVAL_MS = 1000
_NAME = "log"


class TimingsLog(QObject):
    """Has the timings measured, and gives `write` those since the line before, once a second until `close`."""

    def __init__(self, timings: Timings, write: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(timings)
        self._timings, self._write = timings, write
        self._last = time.perf_counter()
        self._timer = QTimer(self, interval=_INTERVAL_MS)
        self._timer.timeout.connect(self._say)
        timings.measure(_NAME, True)
        self._timer.start()

    def close(self) -> None:
        """Write what all of it comes to; the window may be closed already."""
        self._timer.stop()
        self._timings.measure(_NAME, False)
        self._write({"event": "totals", **self._timings.totals().as_dict()})

    def _say(self) -> None:
        now = time.perf_counter()
        self._write({"event": "timings", **self._timings.since(self._last).as_dict()})
        self._last = now
