"""How quick the window is: against numpy's percentiles, on a real event loop that is really held up, on real paints."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np
import pytest
from patience import best_of
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from vae_studio.core.scene import PointFrame, Version
from vae_studio.ui.timings import SPAN, FrameMeter, LagMeter, Series, Spread, Timings
from vae_studio.ui.timings_log import TimingsLog

KINDS = ("lag_ms", "map_decode_ms", "point_decode_ms", "drag_ms", "paint_ms")


class Slow(QWidget):
    """Takes its time to paint."""

    seconds = 0.02

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), "red")
        time.sleep(self.seconds)


class Window(QWidget):
    """Two slow widgets side by side, and one that is no picture."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.image, self.other = Slow(), Slow(), Slow()
        row = QHBoxLayout(self)
        for part in (self.map, self.image, self.other):
            part.setMinimumSize(40, 40)
            row.addWidget(part)


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    window = Window()
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    qtbot.wait(50)
    return window


@pytest.fixture
def timings(window: Window) -> Iterator[Timings]:
    timings = Timings(window, window.map, window.image)
    yield timings
    timings.stop()


def lognormal(count: int, seed: int = 0) -> list[float]:
    """Durations from tenths of a millisecond to tenths of a second."""
    return np.random.default_rng(seed).lognormal(np.log(5e-3), 1.5, count).tolist()


def frame(point: tuple[float, ...], seconds: float = 1e-3) -> PointFrame:
    return PointFrame(Version(1, 0), point, np.zeros((28, 28), np.uint8), seconds)


# Figures


def test_a_spread_is_that_of_numpy() -> None:
    seconds = lognormal(501)
    found = Spread.of(seconds)
    assert [found.p50, found.p95, found.p99] == pytest.approx(np.percentile(seconds, [50, 95, 99]).tolist())
    assert (found.max, found.count) == (max(seconds), 501)
    assert found.in_ms()["p95"] == pytest.approx(1000 * np.percentile(seconds, 95), abs=5e-4)
    assert Spread.of([]).in_ms() == {"p50": None, "p95": None, "p99": None, "max": None, "count": 0}


def test_totals_keep_the_percentiles_of_all_there_ever_were_in_bounded_memory() -> None:
    series, seconds = Series(), [*lognormal(40_000), *lognormal(20_000, seed=1), 3.21]
    for at, value in enumerate(seconds):
        series.add(float(at), value)
    found = series.total()
    exact = np.percentile(seconds, [50, 95, 99])
    assert [found.p50, found.p95, found.p99] == pytest.approx(exact.tolist(), rel=0.01)
    assert (found.max, found.count) == (max(seconds), len(seconds))
    newest = series.since(-1.0)
    assert len(newest) < 5000
    assert newest == seconds[-len(newest) :]
    assert series.since(float(len(seconds) - 4)) == seconds[-3:]


def test_totals_of_very_short_and_very_long_times() -> None:
    series = Series()
    assert series.total() == Spread()
    for value in (0.0, 0.0, 1e-9, 1e5):
        series.add(0.0, value)
    assert series.total().p50 < 2e-6
    assert series.total().max == 1e5


# The event loop


@best_of(4)
def test_a_blocked_event_loop_shows_as_lag(qtbot: QtBot) -> None:
    late: list[float] = []
    meter = LagMeter(late.append)
    meter.start()
    QTimer.singleShot(30, lambda: time.sleep(0.1))
    qtbot.wait(250)
    meter.stop()
    assert max(late) >= 0.09
    assert sum(one < 0.04 for one in late) > 3
    count = len(late)
    qtbot.wait(30)
    assert len(late) == count


# Painting


def test_a_frame_is_a_paint_of_all_of_a_watched_widget_and_what_is_painted_with_it(
    qtbot: QtBot, window: Window
) -> None:
    frames: list[tuple[float, set[QWidget]]] = []
    meter = FrameMeter(window, [window.map, window.image], lambda *frame: frames.append(frame))
    window.map.update()
    qtbot.wait(50)
    assert frames == [], "it has not been started"
    meter.start()
    window.other.update()
    qtbot.wait(50)
    window.map.update(0, 0, 10, 10)
    qtbot.wait(50)
    assert frames == [], "none of them was painted whole"
    window.map.update()
    window.other.update()
    qtbot.waitUntil(lambda: len(frames) == 1)
    assert frames[0][0] >= 2 * Slow.seconds
    assert frames[0][1] == {window.map}
    window.map.update()
    window.image.update()
    qtbot.waitUntil(lambda: len(frames) == 2)
    assert frames[1][1] == {window.map, window.image}
    assert window.map.grab().toImage().pixelColor(5, 5).name() == "#ff0000"
    assert len(frames) == 2, "a picture of a widget is no frame"
    meter.stop()
    window.map.update()
    qtbot.wait(50)
    assert len(frames) == 2


# All of it


def test_off_it_has_no_timer_running_and_takes_nothing(qtbot: QtBot, window: Window, timings: Timings) -> None:
    def running() -> list[QTimer]:
        return [timer for timer in timings.findChildren(QTimer) if timer.isActive()]

    assert not timings.on
    assert running() == []
    timings.take_map(0.1)
    timings.take_point(frame((0.0, 0.0)))
    timings.take_move((0.0, 0.0), time.perf_counter())
    window.map.update()
    qtbot.wait(50)
    total = timings.totals()
    assert total.seconds == 0.0
    assert {total.lag, total.map_decode, total.point_decode, total.drag, total.paint} == {Spread()}

    timings.measure("one", True)
    timings.measure("other", True)
    assert len(running()) == 2
    timings.measure("one", False)
    assert len(running()) == 2, "the other still wants it"
    timings.measure("other", False)
    assert running() == []


def test_decoders_frames_and_speed_come_out_under_their_names(qtbot: QtBot, window: Window, timings: Timings) -> None:
    timings.measure("test", True)
    for seconds in (0.002, 0.004, 0.009):
        timings.take_map(seconds)
        timings.take_point(frame((seconds, 0.0), seconds / 10))
    timings.set_training(True)
    timings.take_speed(0.0)
    assert timings.recent().steps_per_second is None, "0 stands for not known"
    timings.take_speed(100.0)
    timings.take_speed(300.0)
    window.map.update()
    qtbot.waitUntil(lambda: timings.recent().paint.count == 1)
    qtbot.waitUntil(lambda: timings.recent().lag.count > 5)
    found = timings.recent()
    assert (found.map_decode.p50, found.map_decode.max, found.map_decode.count) == (0.004, 0.009, 3)
    assert found.point_decode.p50 == pytest.approx(0.0004)
    assert found.paint.max >= Slow.seconds
    assert found.steps_per_second == 300.0
    line = json.loads(json.dumps(found.as_dict()))
    assert list(line) == ["seconds", *KINDS, "frames_per_second", "steps_per_second"]
    assert line["map_decode_ms"]["p50"] == 4.0
    assert all(list(line[kind]) == ["p50", "p95", "p99", "max", "count"] for kind in KINDS)

    timings.set_training(False)
    timings.take_speed(500.0)
    assert timings.recent().steps_per_second is None, "it was on its way when the training was held"
    total = timings.totals()
    assert total.steps_per_second == 200.0
    assert total.frames_per_second == pytest.approx(1 / total.seconds, rel=0.05)
    assert total.map_decode.p50 == pytest.approx(0.004, rel=0.01)
    timings.stop()
    qtbot.wait(30)
    assert timings.totals() == timings.totals()
    assert timings.totals().lag.count >= found.lag.count


def test_a_move_is_timed_to_the_paint_of_its_image_or_of_a_newer_one(
    qtbot: QtBot, window: Window, timings: Timings
) -> None:
    timings.measure("test", True)
    began = time.perf_counter()
    for place in range(3):
        timings.take_move((float(place), 0.0), began)
    timings.take_move((9.0, 0.0), began - SPAN)
    timings.take_point(frame((1.0, 0.0)))
    window.map.update()
    qtbot.waitUntil(lambda: timings.recent().paint.count == 1)
    assert timings.recent().drag.count == 0, "the image has not been painted"
    window.image.update()
    qtbot.waitUntil(lambda: timings.recent().paint.count == 2)
    found = timings.recent().drag
    assert found.count == 2
    assert 2 * Slow.seconds <= found.p50 <= time.perf_counter() - began
    timings.take_point(frame((9.0, 0.0)))
    window.image.update()
    qtbot.waitUntil(lambda: timings.recent().paint.count == 3)
    assert timings.recent().drag.count == 3, "what came for nothing long ago is left out"


def test_figures_come_twice_a_second(qtbot: QtBot, timings: Timings) -> None:
    timings.measure("test", True)
    with qtbot.waitSignal(timings.refreshed, timeout=5000) as first:
        pass
    assert first.args[0].lag.count > 0
    assert 0.4 < first.args[0].seconds < 5.0


def test_the_log_has_a_line_a_second_and_one_of_all_at_the_end(qtbot: QtBot, window: Window, timings: Timings) -> None:
    lines: list[dict] = []
    log = TimingsLog(timings, lines.append)
    window.image.update()
    qtbot.waitUntil(lambda: len(lines) == 1, timeout=5000)
    timings.take_map(0.003)
    qtbot.waitUntil(lambda: len(lines) == 2, timeout=5000)
    timings.stop()  # as the window does when it is closed
    log.close()
    assert [line["event"] for line in lines] == ["timings", "timings", "totals"]
    assert [line["paint_ms"]["count"] for line in lines] == [1, 0, 1]
    assert [line["map_decode_ms"]["count"] for line in lines] == [0, 1, 1]
    assert lines[2]["lag_ms"]["count"] >= lines[0]["lag_ms"]["count"] + lines[1]["lag_ms"]["count"] > 20
    assert lines[2]["seconds"] == pytest.approx(lines[0]["seconds"] + lines[1]["seconds"], abs=0.2)
    qtbot.wait(1100)
    assert len(lines) == 3
