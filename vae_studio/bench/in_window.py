"""What runs in the window's process: it opens the real window, uses it as people do, and says what it measured.

`python -m vae_studio.bench.in_window REQUEST`, JSON in and out.
"""

from __future__ import annotations

import gc
import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QEvent, QEventLoop, QObject, QPointF, QSettings, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QSpinBox, QWidget

from vae_studio import app, paths
from vae_studio.bench.gestures import NOTCH, Gesture, Pan, Zoom, mouse, show_cells, wheel
from vae_studio.bench.painted import Painted
from vae_studio.core import events, library
from vae_studio.core.presets import DEFAULT_PRESET
from vae_studio.core.scene import EncodingsFrame, MapFrame, PointFrame
from vae_studio.ui.main_window import MainWindow
from vae_studio.ui.timings import LagMeter

_PATIENCE = 120.0
_SETTLING = 2.0
_EPOCHS = 100_000
_LARGE, _CELLS = (1920, 1200), 1000  # the window in which so many cells of the map are visible
_SLOW = "convolutional-2d"  # a shipped model that takes longer than a frame for its map


class Drag(Gesture):
    """Drags the map's point round and round with the mouse, and times each move until its image is painted.

    A move counts from when it was due, so that a busy event loop counts too. Where newer moves overtake it, it is done
    when the image of a newer one is painted.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window.map_panel.map)
        self.seconds: list[float] = []
        self._moves: deque[tuple[tuple[float, float], float]] = deque()  # where to, and when it was due
        self._ready = 0  # how many of them the decoder's view has the image of
        self._angle = 0.0
        self._renderer = window.renderer
        self._session = window.session
        window.renderer.frame.connect(self._take)
        self._painted = Painted(window.decoder.view, self._shown)

    def begin(self) -> None:
        self.map.reveal_point()  # or there would be nothing to take hold of, where the map was panned away from it
        mouse(self.map, QEvent.Type.MouseButtonPress, self.map.to_pixel(self._session.scene.point))

    def end(self) -> None:
        mouse(self.map, QEvent.Type.MouseButtonRelease, self.place())
        self._renderer.frame.disconnect(self._take)
        self.map.window().decoder.view.removeEventFilter(self._painted)

    def figures(self) -> dict[str, float]:
        return _percentiles("drag", self.seconds)

    def place(self) -> QPointF:
        """A point of a loop around the middle of the map."""
        size = min(self.map.width(), self.map.height())
        middle = QPointF(self.map.width() / 2, self.map.height() / 2)
        return middle + QPointF(0.35 * size * math.cos(self._angle), 0.3 * size * math.sin(2 * self._angle))

    def move(self, due: float, beats: int) -> None:
        self._angle += 0.015 * beats
        mouse(self.map, QEvent.Type.MouseMove, self.place())
        self._moves.append((self._session.scene.point, due))

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


class DragAndZoom(Drag):
    """Drags the point and turns the wheel meanwhile, a notch every tenth of a second, so that the map is never done."""

    def begin(self) -> None:
        super().begin()
        self._notches = 0

    def move(self, due: float, beats: int) -> None:
        super().move(due, beats)
        while due - self.began > 0.1 * self._notches:
            inwards = self._notches % 20 < 10
            self._notches += 1
            wheel(self.map, NOTCH if inwards else -NOTCH, self.place(), Qt.MouseButton.LeftButton)


class Paints(QObject):
    """When a widget had been painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self._widget = widget
        self._times = [time.perf_counter()]
        self._painted = Painted(widget, lambda: self._times.append(time.perf_counter()))

    def figures(self) -> dict[str, float]:
        """Paints a second, and percentiles of the time from one to the next."""
        self._widget.removeEventFilter(self._painted)
        gaps = [later - earlier for earlier, later in pairwise([*self._times, time.perf_counter()])]
        return {"fps": len(gaps) / sum(gaps)} | _percentiles("gap", gaps)


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
        maps = {"maps": self._maps / (time.perf_counter() - self._began)}
        if len(self._marks) < 2:
            return maps
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return {**maps, "speed": (after - before) / (last - first)}


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


def watch(window: MainWindow, seconds: float, gesture: Gesture | None = None) -> dict[str, float]:
    """Figures of the window over so many seconds, in which this is done: percentiles in milliseconds, and rates."""
    late: list[float] = []
    speed, lag = Speed(window), LagMeter(late.append)
    lag.start()
    if gesture:
        gesture.start()
    paints = Paints(window.map_panel.map)
    wait(seconds)
    lag.stop()
    found, shown = _percentiles("lag", late) | speed.figures(), paints.figures()
    if gesture:
        gesture.stop()
        found |= shown | gesture.figures()
    return found


def look_around(window: MainWindow, seconds: float) -> dict[str, dict[str, float]]:
    """Figures while the map is panned and zoomed, in a window where many of its cells are visible."""
    found, latent_map, before = {}, window.map_panel.map, window.size()
    window.resize(*_LARGE)
    wait(_SETTLING)
    for name, gesture in (("panning", Pan), ("zooming", Zoom)):
        show_cells(latent_map, _CELLS)
        wait(_SETTLING / 2)
        found[name] = watch(window, seconds, gesture(latent_map))
    window.resize(before)
    latent_map.fit()
    wait(_SETTLING)
    return found


def with_all_layers(window: MainWindow, seconds: float) -> dict[str, dict[str, float]]:
    """Figures while the point is dragged and the map panned, with every layer of the map shown."""
    session, latent_map, drawn = window.session, window.map_panel.map, []
    before = session.exploration.layers
    window.density.density_changed.connect(lambda density: drawn.append(density) if density else None)
    session.choose_layers(replace(before, density=True, dimmed=True, ellipses=True))
    wait_until(lambda: bool(drawn), "the density", window)
    found = {
        "all layers, dragging": watch(window, seconds, Drag(window)),
        "all layers, panning": watch(window, seconds, Pan(latent_map)),
    }
    session.choose_layers(before)
    latent_map.fit()
    wait(_SETTLING)
    return found


def drag_with_slow_decoder(window: MainWindow, seconds: float) -> dict[str, float]:
    """Figures while the point of a convolutional model is dragged and its map zoomed."""
    before, drawn = window.session.scene.version.lineage, []

    def take(frame: object) -> None:
        if isinstance(frame, MapFrame) and frame.version.lineage > before and frame.complete:
            drawn.append(frame)

    window.renderer.frame.connect(take)
    box = window.findChild(QComboBox, "model_combo")
    box.setCurrentIndex(box.findData(_SLOW))
    box.activated.emit(box.currentIndex())
    wait_until(lambda: bool(drawn), "the map of the convolutional model", window)
    window.renderer.frame.disconnect(take)
    wait(_SETTLING)
    found = watch(window, seconds, DragAndZoom(window))
    window.map_panel.map.fit()
    return found


def _percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    # measure.py imports torch, which the window is to import by itself, when it wants it.
    from vae_studio.bench.measure import percentiles

    return {f"{name}_{key}": 1000.0 * value for key, value in percentiles(seconds).items()}


@contextmanager
def opened() -> Iterator[MainWindow]:
    """The real window, when its first map has been drawn; closed at the end."""
    application = QApplication(sys.argv[:1])
    shipped = [(model.name, model.title) for model in library.shipped_models()]
    store = QSettings(str(paths.settings_file()), QSettings.Format.IniFormat)
    window = MainWindow(DEFAULT_PRESET, shipped, store)
    try:
        frames: list[type] = []
        window.renderer.frame.connect(lambda frame: frames.append(type(frame)))
        window.show()
        wait_until(lambda: {MapFrame, EncodingsFrame, PointFrame} <= set(frames), "the first map", window)
        wait(_SETTLING)
        app.collect_garbage()
        yield window
    finally:
        window.close()
        application.processEvents()
        gc.unfreeze()


def use(request: dict[str, Any]) -> dict[str, Any]:
    """Open the window, look at a model, train one; drag the point, pan and zoom in both states."""
    with opened() as window:
        return _use(window, request)


def _use(window: MainWindow, request: dict[str, Any]) -> dict[str, Any]:
    found = {
        "idle": watch(window, request["short"]),
        "idle, dragging": watch(window, request["short"], Drag(window)),
    }
    found |= look_around(window, request["short"])
    device = window.findChild(QWidget, "device_combo")
    device.setCurrentIndex(max(0, device.findData(request["device"])))
    window.findChild(QSpinBox, "epochs").setValue(_EPOCHS)
    QTest.mouseClick(window.findChild(QWidget, "train_button"), Qt.MouseButton.LeftButton)
    training = window.training
    wait_until(lambda: training.going and training.run.progress is not None, "the first steps", window)
    if training.run.config.preset != DEFAULT_PRESET:
        raise RuntimeError(f"The window trains {training.run.config.preset}, not {DEFAULT_PRESET}.")
    wait(_SETTLING)
    found["training"] = watch(window, request["short"])
    found["training, dragging"] = watch(window, request["long"], Drag(window))
    more = look_around(window, request["short"]) | with_all_layers(window, request["short"])
    found |= {f"training, {name}": figures for name, figures in more.items()}
    if not training.going:
        raise RuntimeError("The training ended before it was measured.")
    QTest.mouseClick(window.findChild(QWidget, "stop_button"), Qt.MouseButton.LeftButton)
    wait_until(lambda: not training.going, "the end of the training", window)
    # Last, since Setup takes over the settings of a model that is opened, and would train another one.
    found["convolutional, dragging and zooming"] = drag_with_slow_decoder(window, request["short"])
    return found


def main() -> None:
    sys.stdout.write(json.dumps(use(json.loads(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
