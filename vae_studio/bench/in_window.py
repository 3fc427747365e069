"""What runs in the window's process: it opens the real window, uses it as people do, and says what it measured.

`python -m vae_studio.bench.in_window REQUEST`, JSON in and out.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QEventLoop, QObject, QPointF, QSettings, Qt, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QSpinBox, QWidget

from vae_studio import app, cli, paths
from vae_studio.core import events, library
from vae_studio.core.presets import DEFAULT_PRESET
from vae_studio.core.scene import EncodingsFrame, MapFrame, PointFrame
from vae_studio.ui.main_window import MainWindow

_TICK = 0.005
_MOVE = 0.008
_PATIENCE = 120.0
_SETTLING = 2.0
_EPOCHS = 100_000


class Painted(QObject):
    """Calls back at the end of each paint of a widget."""

    def __init__(self, widget: QWidget, then: Callable[[], None]) -> None:
        super().__init__(widget)
        self._then = then
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.Paint:
            return False
        watched.paintEvent(event)
        self._then()
        return True


class Lag(QObject):
    """How late a timer of 5 ms comes, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self._timer = QTimer(self, interval=round(1000 * _TICK), timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._last = time.perf_counter()
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._last - _TICK))
        self._last = now

    def stop(self) -> None:
        self._timer.stop()


class Drag(QObject):
    """Drags the map's point round and round with the mouse, and times each move until its image is painted.

    A move counts from when it was due, so that a busy event loop counts too. Where newer moves overtake it, it is done
    when the image of a newer one is painted.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._map = window.map_panel.map
        self._moves: deque[tuple[tuple[float, float], float]] = deque()  # where to, and when it was due
        self._ready = 0  # how many of them the decoder's view has the image of
        self._angle = 0.0
        self._renderer = window.renderer
        self._session = window.session
        window.renderer.frame.connect(self._take)
        self._painted = Painted(window.decoder.view, self._shown)
        self._timer = QTimer(self, interval=round(1000 * _MOVE), timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._move)

    def start(self) -> None:
        self._send(QEvent.Type.MouseButtonPress, self._map.to_pixel(self._session.scene.point))
        self._due = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        self._send(QEvent.Type.MouseButtonRelease, self._place())
        self._renderer.frame.disconnect(self._take)
        self._map.window().decoder.view.removeEventFilter(self._painted)

    def _place(self) -> QPointF:
        """A point of a loop around the middle of the map."""
        size = min(self._map.width(), self._map.height())
        middle = QPointF(self._map.width() / 2, self._map.height() / 2)
        return middle + QPointF(0.35 * size * math.cos(self._angle), 0.3 * size * math.sin(2 * self._angle))

    def _move(self) -> None:
        due = self._due
        while self._due <= time.perf_counter():
            self._due += _MOVE
            self._angle += 0.015
        self._send(QEvent.Type.MouseMove, self._place())
        self._moves.append((self._session.scene.point, due))

    def _send(self, kind: QEvent.Type, place: QPointF) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        held = none if kind == QEvent.Type.MouseButtonRelease else left
        event = QMouseEvent(
            kind, place, QPointF(self._map.mapToGlobal(place)), button, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(self._map, event)

    def _take(self, frame: object) -> None:
        if isinstance(frame, PointFrame):
            for index, (point, _) in enumerate(self._moves):
                if point == frame.point:
                    self._ready = index + 1

    def _shown(self) -> None:
        now = time.perf_counter()
        for _ in range(self._ready):
            self.seconds.append(now - self._moves.popleft()[1])
        self._ready = 0


class Speed(QObject):
    """Steps and complete maps a second."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self._marks: list[tuple[float, int]] = []
        self._maps = 0
        self._began = time.perf_counter()
        self._window = window
        window.training.said.connect(self._said)
        window.renderer.frame.connect(self._take)

    def _said(self, event: object) -> None:
        if isinstance(event, events.Progress):
            self._marks.append((time.perf_counter(), event.step))

    def _take(self, frame: object) -> None:
        self._maps += isinstance(frame, MapFrame) and frame.complete

    def figures(self) -> dict[str, float]:
        self._window.training.said.disconnect(self._said)
        self._window.renderer.frame.disconnect(self._take)
        if len(self._marks) < 2:
            return {}
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return {"maps": self._maps / (time.perf_counter() - self._began), "speed": (after - before) / (last - first)}


def wait(seconds: float) -> None:
    """Let the window live for so long."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], what: str, window: MainWindow) -> None:
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > _PATIENCE:
            said = window.notice.text() or "nothing"
            raise TimeoutError(f"This did not come in {_PATIENCE:g} s: {what}. The window says: {said}")
        wait(0.02)


def watch(window: MainWindow, seconds: float, *, dragging: bool) -> dict[str, float]:
    """Figures of the window over so many seconds: percentiles in milliseconds, and rates."""
    drag = Drag(window) if dragging else None
    speed, lag = Speed(window), Lag()
    if drag:
        drag.start()
    wait(seconds)
    lag.stop()
    found = _percentiles("lag", lag.late) | speed.figures()
    if drag:
        drag.stop()
        found |= _percentiles("drag", drag.seconds)
    return found


def _percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    # measure.py imports torch, which the window is to import by itself, when it wants it.
    from vae_studio.bench.measure import percentiles

    return {f"{name}_{key}": 1000.0 * value for key, value in percentiles(seconds).items()}


def use(request: dict[str, Any]) -> dict[str, Any]:
    """Open the window, look at a model, train one, and drag the point in both states."""
    application = QApplication(sys.argv[:1])
    shipped = [(model.name, model.title) for model in library.shipped_models()]
    store = QSettings(str(paths.settings_file()), QSettings.Format.IniFormat)
    window = MainWindow(DEFAULT_PRESET, shipped, store)
    try:
        return _use(window, request)
    finally:
        window.close()
        application.processEvents()


def _use(window: MainWindow, request: dict[str, Any]) -> dict[str, Any]:
    frames: list[type] = []
    window.renderer.frame.connect(lambda frame: frames.append(type(frame)))
    window.show()
    wait_until(lambda: {MapFrame, EncodingsFrame, PointFrame} <= set(frames), "the first map", window)
    wait(_SETTLING)
    found = {
        "idle": watch(window, request["short"], dragging=False),
        "idle, dragging": watch(window, request["short"], dragging=True),
    }
    device = window.findChild(QWidget, "device_combo")
    device.setCurrentIndex(max(0, device.findData(request["device"])))
    window.findChild(QSpinBox, "epochs").setValue(_EPOCHS)
    QTest.mouseClick(window.findChild(QWidget, "train_button"), Qt.MouseButton.LeftButton)
    training = window.training
    wait_until(lambda: training.going and training.run.progress is not None, "the first steps", window)
    wait(_SETTLING)
    found["training"] = watch(window, request["short"], dragging=False)
    found["training, dragging"] = watch(window, request["long"], dragging=True)
    if not training.going:
        raise RuntimeError("The training ended before it was measured.")
    QTest.mouseClick(window.findChild(QWidget, "stop_button"), Qt.MouseButton.LeftButton)
    wait_until(lambda: not training.going, "the end of the training", window)
    return found


class Starting(MainWindow):
    """The window, which closes when its first map has been painted, and says what came when."""

    found: dict[str, float]
    began: float

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Starting.found = {}
        self._awaited = {self.bar, self.setup, self.map_panel.map, self.decoder.view, self.status}
        for widget in self._awaited:
            Painted(widget, lambda widget=widget: self._painted(widget))
        self._map_is_there = False
        self.renderer.frame.connect(self._take)

    def _take(self, frame: object) -> None:
        self._map_is_there = self._map_is_there or (isinstance(frame, MapFrame) and frame.complete)

    def _painted(self, widget: QWidget) -> None:
        now = time.monotonic() - Starting.began
        self._awaited.discard(widget)
        if not self._awaited and "paint" not in Starting.found:
            Starting.found["paint"] = now
        if self._map_is_there and widget is self.map_panel.map and "map" not in Starting.found:
            Starting.found |= {"map": now, "memory": _resident()}
            QTimer.singleShot(0, self.close)


def start_up(request: dict[str, Any]) -> dict[str, Any]:
    """Start the program as its command does."""
    Starting.began = request["began"]
    app.MainWindow = Starting
    sys.argv = ["vae-studio"]
    try:
        cli.main()
    except SystemExit as ending:
        if ending.code:
            raise
    return Starting.found


def _resident() -> float:
    """Resident memory in MiB; where the system does not say what it is now, the most that it was."""
    status = Path("/proc/self/status")
    if status.exists():
        rows = dict(row.split(":", 1) for row in status.read_text().splitlines() if ":" in row)
        return int(rows["VmRSS"].split()[0]) / 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def main() -> None:
    request = json.loads(sys.argv[1])
    found = {"use": use, "start-up": start_up}[request["what"]](request)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
