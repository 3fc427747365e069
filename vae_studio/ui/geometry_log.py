"""Where every named widget is on the screen, kept in a file for tests that press real keys and buttons."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtWidgets import QApplication, QWidget

_INTERVAL_MS = 100


class GeometryLog(QObject):
    """Writes `{objectName: [x, y, width, height]}`, in physical pixels of the screen, whenever it has changed."""

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._written = ""
        self._timer = QTimer(self, interval=_INTERVAL_MS)
        self._timer.timeout.connect(self._write)
        self._timer.start()

    def _write(self) -> None:
        text = json.dumps(rectangles())
        if text != self._written:
            # A reader sees the old file or the new one, never half of one.
            temporary = self._path.with_suffix(".part")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._path)
            self._written = text


def rectangles() -> dict[str, list[int]]:
    """The rectangles of all named, visible widgets."""
    found = {}
    for window in QApplication.topLevelWidgets():
        for widget in (window, *window.findChildren(QWidget)):
            name = widget.objectName()
            if name and not name.startswith("qt_") and widget.isVisible():
                ratio = widget.devicePixelRatio()
                corner = widget.mapToGlobal(QPoint(0, 0))
                size = widget.size()
                found[name] = [round(n * ratio) for n in (corner.x(), corner.y(), size.width(), size.height())]
    return found
