"""Real mouse and wheel events on the latent map, as people make them: panning, zooming, and both in a timer's beat."""

from __future__ import annotations

import math
import time

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from vae_studio.ui.latent_map import LatentMap

BEAT = 0.008  # seconds between two events of a mouse
NOTCH = 120  # angle of a wheel's notch, which magnifies the map by 1.2
_CLEAR = 40.0  # pixels from the ring at which the map itself is taken hold of


def mouse(widget: QWidget, kind: QEvent.Type, place: QPointF) -> None:
    """Press, move or release the left button at a place of a widget."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind == QEvent.Type.MouseMove else left
    held = none if kind == QEvent.Type.MouseButtonRelease else left
    event = QMouseEvent(kind, place, QPointF(widget.mapToGlobal(place)), button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, event)


def wheel(widget: QWidget, angle: int, place: QPointF, held: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
    """Turn the wheel over a place of a widget, by so many eighths of a degree."""
    turned, phase = QPoint(0, angle), Qt.ScrollPhase.NoScrollPhase
    none = Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(place, QPointF(widget.mapToGlobal(place)), QPoint(), turned, held, none, phase, False)
    QApplication.sendEvent(widget, event)


def show_cells(latent_map: LatentMap, cells: int) -> None:
    """Fit the map, then turn the wheel until about so many cells, in the size in which it shows them, are visible."""
    latent_map.fit()
    view = latent_map.view()
    wanted = math.sqrt(view.width * view.height / cells)  # pixels of a cell
    factor = wanted * view.units_per_pixel / 0.25
    factor = 2 ** (math.log2(factor) - round(math.log2(factor)))
    wheel(latent_map, round(NOTCH * math.log(factor, 1.2)), QPointF(latent_map.rect().center()))


class Gesture(QObject):
    """Something done with the mouse on the map, an event each beat."""

    def __init__(self, latent_map: LatentMap) -> None:
        super().__init__()
        self.map = latent_map
        self.began = 0.0
        # Wound up for each beat: one that repeats, and was late once, would be as late at every beat from then on.
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._come)

    def start(self) -> None:
        self.began = self._due = time.perf_counter()
        self.begin()
        self._wind_up()

    def stop(self) -> None:
        self._timer.stop()
        self.end()

    def _come(self) -> None:
        due, beats = self._due, 0
        while self._due <= time.perf_counter():
            self._due += BEAT
            beats += 1
        if beats:
            self.move(due, beats)
        self._wind_up()

    def _wind_up(self) -> None:
        self._timer.start(max(0, math.ceil(1000 * (self._due - time.perf_counter()))))

    def begin(self) -> None:
        """Before the first move."""

    def move(self, due: float, beats: int) -> None:
        """A move that was due at this time, and makes up for those missed: one of so many beats."""
        raise NotImplementedError

    def end(self) -> None:
        """After the last move."""

    def figures(self) -> dict[str, float]:
        """What it measured of its own, if it did."""
        return {}


class Pan(Gesture):
    """Drags the map by stroke after stroke, at 600 to 2000 pixels a second, in a circle so wide that all is new."""

    def begin(self) -> None:
        self._take_hold(0.0)

    def move(self, due: float, beats: int) -> None:
        seconds = due - self.began
        speed = 1300.0 - 700.0 * math.cos(2 * math.pi * seconds / 3.0)
        step = speed * BEAT * beats
        self._place += QPointF(step * math.cos(0.3 * seconds), step * math.sin(0.3 * seconds))
        mouse(self.map, QEvent.Type.MouseMove, self._place)
        away = self._place - QPointF(self.map.rect().center())
        if abs(away.x()) > 0.45 * self.map.width() or abs(away.y()) > 0.45 * self.map.height():
            self.end()
            self._take_hold(0.3 * seconds)

    def end(self) -> None:
        mouse(self.map, QEvent.Type.MouseMove, self._place + QPointF(8.0, 0.0))  # or a short stroke were a click
        mouse(self.map, QEvent.Type.MouseButtonRelease, self._place)

    def _take_hold(self, direction: float) -> None:
        """Where a stroke in this direction has the most room, but beside the ring."""
        half = QPointF(0.4 * self.map.width() * math.cos(direction), 0.4 * self.map.height() * math.sin(direction))
        self._place = QPointF(self.map.rect().center()) - half
        ring = self.map.to_pixel(self.map.point()) - self._place
        if math.hypot(ring.x(), ring.y()) < _CLEAR:
            self._place += QPointF(2 * _CLEAR * math.sin(direction), -2 * _CLEAR * math.cos(direction))
        mouse(self.map, QEvent.Type.MouseButtonPress, self._place)


class Zoom(Gesture):
    """Turns the wheel to go in by three octaves and out again, each time at another place of the map."""

    def begin(self) -> None:
        self._turned, self._direction, self._cycle = 0, 1, 0
        self._most = round(NOTCH * math.log(8.0, 1.2))

    def move(self, due: float, beats: int) -> None:
        for _ in range(beats):
            if self._turned > self._most:
                self._direction = -1
            elif self._turned < 0:
                self._direction, self._cycle = 1, self._cycle + 1
            angle = self._direction * NOTCH // 8
            self._turned += angle
            wheel(self.map, angle, self._place())

    def _place(self) -> QPointF:
        turn = 2.4 * self._cycle
        size = QPointF(self.map.width() * math.cos(turn), self.map.height() * math.sin(turn))
        return QPointF(self.map.rect().center()) + 0.3 * size
