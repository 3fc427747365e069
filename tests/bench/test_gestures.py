"""What the benchmark does with the mouse, on a real map: it pans, zooms, and leaves the point alone."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import pytest
from patience import best_of
from PySide6.QtCore import QEventLoop, QTimer
from pytestqt.qtbot import QtBot

from vae_studio.bench.gestures import Gesture, Pan, Zoom, show_cells
from vae_studio.bench.in_window import Paints
from vae_studio.core.scene import View
from vae_studio.ui.latent_map import LatentMap


@pytest.fixture
def latent_map(qtbot: QtBot) -> LatentMap:
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.resize(1200, 800)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def watched(latent_map: LatentMap, gesture: Gesture, seconds: float) -> tuple[list[tuple[float, View]], list]:
    """The views that came, each with when, and where the point was moved to."""
    views, points = [(time.perf_counter(), latent_map.view())], []
    latent_map.view_changed.connect(lambda view: views.append((time.perf_counter(), view)))
    latent_map.point_moved.connect(points.append)
    gesture.start()
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()
    gesture.stop()
    return views, points


@pytest.mark.parametrize("size", [(1200, 800), (1360, 740), (860, 520)])
def test_about_so_many_cells_are_visible(latent_map: LatentMap, size: tuple[int, int]) -> None:
    latent_map.resize(*size)
    show_cells(latent_map, 1000 if size[0] > 1000 else 500)
    view = latent_map.view()
    # Cells are powers of two in latent units, and 26 to 52 pixels wide.
    (pixels,) = [p for p in (2.0**k / view.units_per_pixel for k in range(-12, 6)) if 26 <= p < 52]
    cells = view.width * view.height / pixels**2
    assert cells == pytest.approx(1000 if size[0] > 1000 else 500, rel=0.05)


def test_panning_goes_on_to_where_nobody_was(latent_map: LatentMap) -> None:
    views, points = watched(latent_map, Pan(latent_map), 1.5)
    assert points == []
    scale = views[0][1].units_per_pixel
    places = [((view.left + view.right) / 2 / scale, (view.bottom + view.top) / 2 / scale) for _, view in views]
    length = sum(math.dist(a, b) for a, b in pairwise(places))
    assert 500 < length / (views[-1][0] - views[0][0]) < 2100
    assert math.dist(places[0], places[-1]) > 0.8 * length
    assert all(view.units_per_pixel == pytest.approx(scale) for _, view in views)


def test_zooming_goes_three_octaves_in_and_out_again(latent_map: LatentMap) -> None:
    views, points = watched(latent_map, Zoom(latent_map), 1.9)
    assert points == []
    octaves = [math.log2(views[0][1].units_per_pixel / view.units_per_pixel) for _, view in views]
    assert max(octaves) == pytest.approx(3.0, abs=0.1)
    assert min(octaves) == pytest.approx(0.0, abs=0.1)
    deepest = octaves.index(max(octaves))
    assert min(octaves[deepest:]) < 1.0, "and out again"
    assert max(abs(b - a) for a, b in pairwise(octaves)) < 0.05, "smoothly"


@best_of(4)
def test_paints_are_counted_and_so_is_the_time_without_any(latent_map: LatentMap, qtbot: QtBot) -> None:
    paints = Paints(latent_map)
    for _ in range(10):
        latent_map.repaint()
        time.sleep(0.005)
    time.sleep(0.1)
    found = paints.figures()
    assert found["gap_max"] >= 100
    assert 5 <= found["gap_p50"] < 60
    assert 10 < found["fps"] < 75
