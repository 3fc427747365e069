"""Pins and a path in the whole window: real keys and mouse, real frames, undo, and the panels beside the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, QSettings, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDoubleSpinBox, QMenu
from small_models import decoded, explorer, rounds_to

from vae_studio.core import library
from vae_studio.core.scene import SpotsFrame
from vae_studio.ui.main_window import MainWindow
from vae_studio.ui.path_panel import ONCE

WAIT = 60_000
LEFT, RIGHT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier
CTRL = Qt.KeyboardModifier.ControlModifier


class Watched:
    """The window, with the latest small pictures."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self.qtbot, self.window, self.map = qtbot, window, window.map_panel.map
        self.frame: SpotsFrame | None = None
        window.renderer.frame.connect(self.take)

    def take(self, frame: object) -> None:
        if isinstance(frame, SpotsFrame):
            self.frame = frame

    @property
    def explored(self):
        return self.window.session.exploration

    def drawn(self) -> None:
        self.wait(lambda: self.frame is not None and self.frame.spots is self.window.session.scene.spots)

    def wait(self, done: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(lambda: bool(done()), timeout=WAIT)

    def pos(self, u: float, v: float) -> QPoint:
        return self.map.mapTo(self.window, self.map.to_pixel((u, v)).toPoint())

    def click(self, u: float, v: float, button: Qt.MouseButton = LEFT) -> None:
        QTest.mouseClick(self.window.windowHandle(), button, NONE, self.pos(u, v))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        handle = self.window.windowHandle()
        QTest.mousePress(handle, LEFT, NONE, self.pos(*start))
        for share in np.linspace(0.2, 1.0, 5):
            u, v = ((1 - share) * a + share * b for a, b in zip(start, end, strict=True))
            QTest.mouseMove(handle, self.pos(u, v))
            QApplication.processEvents()
        QTest.mouseRelease(handle, LEFT, NONE, self.pos(*end))

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.keyClick(self.window.windowHandle(), key, modifiers)

    def press(self, name: str) -> None:
        self.qtbot.mouseClick(self.window.findChild(QAbstractButton, name), LEFT)


@pytest.fixture
def watched(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """At 1440×900 on the 2-D explorer, as soon as it is open."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow("explorer-2d", [(m.name, m.title) for m in library.shipped_models()], store)
    watched = Watched(qtbot, window)
    window.resize(1440, 900)
    window.show()
    qtbot.waitUntil(lambda: window.session.has_images, timeout=WAIT)
    yield watched
    window.close()
    window.deleteLater()


def test_a_path_is_made_walked_dragged_and_undone(watched: Watched) -> None:
    # A click and a key for each end; the strip shows what the decoder gives in between.
    watched.click(-1.9, 0.4)
    watched.key(Qt.Key.Key_L, CTRL | Qt.KeyboardModifier.ShiftModifier)
    watched.click(1.7, -0.9)
    watched.key(Qt.Key.Key_L, CTRL)
    ends = np.array(watched.explored.path.points)
    assert ends == pytest.approx(np.array([(-1.9, 0.4), (1.7, -0.9)]), abs=0.02)
    watched.drawn()
    strip = watched.window.marks_panel.path.strip
    assert strip.isVisible()
    shares = np.arange(9)[:, None] / 8
    assert rounds_to(strip._images, decoded(explorer(), (1 - shares) * ends[0] + shares * ends[1]))

    # Played once it ends at B, and one undo brings the point back to where it was.
    watched.click(-2.5, 1.25)
    before = watched.explored.point
    watched.window.findChild(QDoubleSpinBox, "path_seconds").setValue(0.5)
    watched.window.findChild(QComboBox, "path_mode_combo").setCurrentIndex(ONCE)
    watched.key(Qt.Key.Key_F9)
    watched.wait(lambda: watched.explored.point == tuple(ends[1]))
    watched.wait(lambda: not watched.window.marks_panel.path.playing)
    watched.window.actions_.undo.trigger()
    assert watched.explored.point == before
    assert strip.fraction() is None

    # Scrubbing puts it in the middle.
    middle = strip.mapTo(watched.window, strip.place_of(0.5).toPoint())
    QTest.mouseClick(watched.window.windowHandle(), LEFT, NONE, middle)
    assert watched.explored.point == pytest.approx(tuple(ends.mean(axis=0)), abs=0.1)

    # B is dragged; the strip follows; undone in one.
    watched.click(-2.5, 1.25)
    watched.drag(tuple(ends[1]), (1.0, 1.0))
    assert watched.explored.path.points[1] == pytest.approx((1.0, 1.0), abs=0.02)
    watched.drawn()
    assert rounds_to(strip._images[-1:], decoded(explorer(), [watched.explored.path.points[1]]))
    watched.key(Qt.Key.Key_Z, CTRL)
    assert watched.explored.path.points[1] == tuple(ends[1])


def test_a_pin_is_made_dragged_removed_and_brought_back(watched: Watched) -> None:
    watched.click(-1.0, 1.0)
    watched.key(Qt.Key.Key_P, CTRL)
    pin = watched.explored.pins[0]
    assert pin.point == watched.explored.point
    watched.drawn()
    pins = watched.window.marks_panel.pins
    assert rounds_to(pins.list._images, decoded(explorer(), [pin.point]))

    watched.click(0.5, -0.5)
    watched.drag(pin.point, (1.0, 1.0))
    moved = watched.explored.pins[0].point
    assert moved == pytest.approx((1.0, 1.0), abs=0.02)
    assert [item.text() for item in pins.list.selectedItems()] == ["Pin 1"]
    watched.drawn()
    assert rounds_to(pins.list._images, decoded(explorer(), [moved]))

    watched.key(Qt.Key.Key_Delete)
    assert watched.explored.pins == ()
    assert pins.list.count() == 0
    watched.press("undo_button")
    assert watched.explored.pins[0].point == moved
    watched.drawn()
    watched.window.actions_.undo.trigger()
    assert watched.explored.pins == (pin,)


def test_the_menu_of_the_map_pins_the_place(watched: Watched) -> None:
    watched.click(1.5, 1.5, RIGHT)
    menu = watched.window.findChild(QMenu, "map_menu")
    watched.wait(menu.isVisible)
    for _ in range(2):
        QTest.keyClick(menu, Qt.Key.Key_Down)
    QTest.keyClick(menu, Qt.Key.Key_Return)
    assert watched.explored.pins[0].point == pytest.approx((1.5, 1.5), abs=0.02)
    assert watched.explored.point == (0.0, 0.0)


def test_numbers_are_pasted_as_the_point_and_an_image_is_not(watched: Watched) -> None:
    QGuiApplication.clipboard().setText("[0.5, -1.25]")
    watched.key(Qt.Key.Key_V, CTRL)
    assert watched.explored.point == (0.5, -1.25)
    QGuiApplication.clipboard().setText("1, 2, 3")
    watched.key(Qt.Key.Key_V, CTRL | Qt.KeyboardModifier.ShiftModifier)
    assert watched.explored.point == (0.5, -1.25)
    assert watched.window.notice.text() == (
        "The point was not moved. There are 3 numbers, but the model has 2 latent dimensions."
    )


@pytest.mark.parametrize("size", [(1440, 900), (1100, 700), (960, 620)])
def test_everything_in_the_column_can_be_reached(watched: Watched, size: tuple[int, int]) -> None:
    """Whatever does not fit is scrolled to, and nothing is cut off on the right."""
    watched.window.resize(*size)
    for place in ((1.0, 0.0), (0.0, 1.0)):
        watched.click(*place)
        watched.key(Qt.Key.Key_P, CTRL)
        watched.key(Qt.Key.Key_L, CTRL)
    QApplication.processEvents()
    column = watched.window.findChild(object, "side_column")
    for name in ("decoder_view", "path_strip", "path_play_button", "path_remove_button", "pin_list", "pin_more_button"):
        widget = watched.window.findChild(object, name)
        column.ensureWidgetVisible(widget, 0, 0)
        QApplication.processEvents()
        shown = QRect(widget.mapTo(column.viewport(), QPoint(0, 0)), widget.size())
        assert column.viewport().rect().contains(shown), name
        assert widget.width() >= widget.minimumSizeHint().width(), name
