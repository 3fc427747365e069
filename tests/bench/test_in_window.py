"""The probes of the window, on real widgets and a real event loop."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from vae_studio.bench.painted import Painted


class Red(QWidget):
    """Paints itself red, and takes its time."""

    done = 0.0

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(255, 0, 0))
        time.sleep(0.01)
        self.done = time.perf_counter()


def test_a_paint_is_reported_when_it_is_over_and_is_made_once(qtbot: QtBot) -> None:
    widget, told = Red(), []
    Painted(widget, lambda: told.append((time.perf_counter(), widget.done)))
    qtbot.addWidget(widget)
    widget.resize(20, 20)
    widget.show()
    qtbot.waitUntil(lambda: len(told) > 0)
    assert all(when >= done > 0.0 for when, done in told)
    count = len(told)
    assert widget.grab().toImage().pixelColor(10, 10) == QColor(Qt.GlobalColor.red)
    assert len(told) == count + 1
