"""The card of timings: what stands on it, where it lies, and what it keeps from the map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from vae_studio.ui.map_panel import MapPanel
from vae_studio.ui.theme import DARK, LIGHT, Theme
from vae_studio.ui.timings import Figures, Spread
from vae_studio.ui.timings_overlay import TimingsOverlay

FIGURES = Figures(
    seconds=5.0,
    lag=Spread(0.00012, 0.0021, 0.0123, 0.1234, 990),
    map_decode=Spread(0.0099951, 0.099951, 1.0, 2.0, 5),
    point_decode=Spread(),
    drag=Spread(0.004, 0.005, 0.006, 0.007, 40),
    paint=Spread(0.001, 0.002, 0.003, 0.004, 300),
    frames_per_second=59.6,
    steps_per_second=5912.3,
)


@pytest.fixture
def panel(qtbot: QtBot) -> MapPanel:
    panel = MapPanel()
    qtbot.addWidget(panel)
    panel.resize(560, 420)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


@pytest.fixture
def overlay(panel: MapPanel) -> TimingsOverlay:
    panel.timings.show()
    QApplication.processEvents()
    return panel.timings


def picture(overlay: TimingsOverlay) -> np.ndarray:
    image = overlay.grab().toImage().convertToFormat(overlay.grab().toImage().Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., :3].astype(int)


def test_it_is_hidden_at_first_and_lies_on_the_canvas_clear_of_the_axes(panel: MapPanel) -> None:
    assert not panel.timings.isVisible()
    panel.timings.show()
    for size in ((560, 420), (900, 600)):
        panel.resize(*size)
        QApplication.processEvents()
        card, canvas = panel.timings.geometry(), panel.map.view()
        left = panel.map.to_pixel((canvas.left, 0.0)).x()
        bottom = panel.map.to_pixel((0.0, canvas.bottom)).y()
        assert card.size() == panel.timings.sizeHint()
        assert card.left() > left and card.bottom() < bottom, "numbers and names of the axes stand beyond these"
        assert (card.top(), panel.map.width() - card.left() - card.width()) == (8, 8)


def test_figures_are_written_with_three_digits(overlay: TimingsOverlay) -> None:
    overlay.show_figures(FIGURES)
    assert overlay.accessibleDescription() == (
        "event loop 0.12 2.10 12.3 123; map decode 10.0 100 1000 2000; point decode – – – –; "
        "mouse → image 4.00 5.00 6.00 7.00; painting 1.00 2.00 3.00 4.00; 60 frames/s · 5\u2009912 steps/s"
    )
    overlay.show_figures(replace(FIGURES, frames_per_second=0.0, steps_per_second=None))
    assert overlay.accessibleDescription().endswith("; 0 frames/s")


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_text_stands_out_in_both_themes(panel: MapPanel, overlay: TimingsOverlay, theme: Theme) -> None:
    panel.set_theme(theme)
    before = picture(overlay)
    overlay.show_figures(FIGURES)
    pixels = picture(overlay)
    assert np.abs(pixels - before).max() > 100, "the numbers are on it"
    panel_colour = np.array([int(theme.panel[i : i + 2], 16) for i in (5, 3, 1)])
    text_colour = np.array([int(theme.text[i : i + 2], 16) for i in (5, 3, 1)])
    assert (np.abs(pixels - panel_colour).max(axis=2) < 3).mean() > 0.5
    assert (np.abs(pixels - text_colour).max(axis=2) < 60).sum() > 100


def test_a_refresh_repaints_nothing_of_the_map(qtbot: QtBot, panel: MapPanel, overlay: TimingsOverlay) -> None:
    painted: list[str] = []

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                painted.append(watched.objectName())
            return False

    watch = Watch(panel)
    for widget in (panel.map, overlay):
        widget.installEventFilter(watch)
    overlay.show_figures(FIGURES)
    qtbot.waitUntil(lambda: bool(painted))
    assert painted == ["timings_overlay"]
    panel.map.update()
    qtbot.waitUntil(lambda: "latent_map" in painted)


def test_each_row_says_what_it_is(qtbot: QtBot, overlay: TimingsOverlay) -> None:
    said = []
    rows = 7
    for row in range(rows):
        place = QPoint(20, round((row + 0.5) * overlay.height() / rows))
        QApplication.sendEvent(overlay, QHelpEvent(QEvent.Type.ToolTip, place, overlay.mapToGlobal(place)))
        said.append(QToolTip.text())
    QToolTip.hideText()
    assert len(set(said)) == rows
    for words, text in zip(("median", "timer", "map", "point", "mouse", "paint", "training"), said, strict=True):
        assert words in text


def test_a_click_on_it_does_not_move_the_point_under_it_but_the_wheel_zooms(
    qtbot: QtBot, panel: MapPanel, overlay: TimingsOverlay
) -> None:
    qtbot.mouseClick(overlay, Qt.MouseButton.LeftButton)
    qtbot.mouseDClick(overlay, Qt.MouseButton.LeftButton)
    assert panel.map.point() == (0.0, 0.0)
    before = panel.map.zoom_factor()
    QTest.wheelEvent(panel.windowHandle(), overlay.mapTo(panel, overlay.rect().center()), QPoint(0, 120))
    assert panel.map.zoom_factor() > before
