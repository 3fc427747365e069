"""The real window by keyboard alone: Tab reaches every control, in the order of reading, and shows where it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from PySide6.QtCore import QPoint, QRect, QSettings, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QWidget,
)

from vae_studio.core import library
from vae_studio.core.exploration import Path, Pin
from vae_studio.ui.following_plot import FollowingPlot
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.main_window import EVALUATE, EXPLORE, RECONSTRUCT, SAMPLE, MainWindow

FIELDS = (QComboBox, QAbstractSlider, QAbstractSpinBox, QLineEdit)
KINDS = (*FIELDS, QAbstractButton, QAbstractItemView, LatentMap, FollowingPlot)
WAIT = 60_000


@pytest.fixture
def window(qtbot, tmp_path: FilePath) -> Iterator[MainWindow]:
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow("explorer-2d", [(m.name, m.title) for m in library.shipped_models()], store)
    window.resize(1440, 900)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    qtbot.waitUntil(lambda: window.session.has_images, timeout=WAIT)
    yield window
    window.close()
    window.deleteLater()


def name_of(widget: QWidget) -> str:
    return widget.objectName() or f"{type(widget).__name__} {widget.accessibleName()}"


def controls(window: MainWindow) -> dict[str, QWidget]:
    """What can be pressed, moved or typed into, as it is on the screen; parts of a control are not controls."""
    found = {}
    for widget in window.findChildren(QWidget):
        part = isinstance(widget, QScrollBar) or isinstance(widget.parent(), (QAbstractSpinBox, QComboBox))
        if isinstance(widget, KINDS) and not part and widget.isVisible() and widget.isEnabled():
            found[name_of(widget)] = widget
    return found


def in_turn(window: MainWindow, key: Qt.Key = Qt.Key.Key_Tab) -> list[QWidget]:
    """Where the focus goes with each press of Tab, until it comes round."""
    window.bar.findChild(QComboBox, "model_combo").setFocus()
    stops = [QApplication.focusWidget()]
    for _ in range(400):
        QTest.keyClick(window.windowHandle(), key)
        focus = QApplication.focusWidget()
        if focus is stops[0]:
            return stops
        assert focus not in stops, f"{name_of(focus)} comes a second time"
        stops.append(focus)
    pytest.fail("Tab does not come round")


def by_arrows(window: MainWindow, missed: list[QWidget], stops: list[QWidget]) -> list[str]:
    """Of several buttons of which one is on, Tab goes to that, and arrow keys go on from there."""
    reached = []
    for widget in missed:
        group = widget.group() if isinstance(widget, QAbstractButton) else None
        if group and group.exclusive() and any(button in stops for button in group.buttons()):
            group.checkedButton().setFocus()
            for key in [Qt.Key.Key_Left] * len(group.buttons()) + [Qt.Key.Key_Right] * len(group.buttons()):
                QTest.keyClick(window.windowHandle(), key)
                if QApplication.focusWidget() is widget:
                    reached.append(name_of(widget))
                    break
    return reached


def set_everything_out(window: MainWindow) -> None:
    """Pins, a path, something to undo and to redo, and all sections unfolded: as many controls as there can be."""
    here = window.session.scene.point
    pins = tuple(Pin(name, here, 0) for name in "AB")
    window.session.change(replace(window.session.exploration, pins=pins, path=Path((here, (1.0, 1.0)))))
    window.session.move_point((1.0, 0.0))
    window.session.undo()
    for button in window.findChildren(QAbstractButton):
        if button.objectName().endswith("_section") and not button.isChecked():
            button.click()
    QApplication.processEvents()


def test_tab_reaches_every_control(window: MainWindow) -> None:
    set_everything_out(window)
    for view in (EXPLORE, RECONSTRUCT, EVALUATE, SAMPLE):
        window.actions_.views()[view].trigger()
        stops = in_turn(window)
        wanted = controls(window)
        assert len(wanted) > 60
        missed = [widget for widget in wanted.values() if widget not in stops]
        assert sorted(map(name_of, missed)) == sorted(by_arrows(window, missed, stops))


def test_tab_goes_from_panel_to_panel_and_back_again_the_same_way(window: MainWindow) -> None:
    stops = in_turn(window)
    panels = (window.bar, window.setup, window.map_panel, window.training_panel, window.decoder)
    owners = [next((p for p in panels if p.isAncestorOf(stop)), None) for stop in stops]
    order = [panel for panel, _ in itertools.groupby(owner for owner in owners if owner)]
    assert order == list(panels), "each once, in the order of reading"
    names = [name_of(stop) for stop in stops]
    header = ["axis_x_combo", "axis_y_combo", "tiles_chip", "encodings_chip", "prior_chip"]
    header += ["density_chip", "layers_button"]
    legend = [f"legend_class_{index}" for index in range(10)]
    first = names.index("axis_x_combo")
    assert names[first : first + 19] == [*header, *legend, "fit_button", "latent_map"]
    backwards = in_turn(window, Qt.Key.Key_Backtab)
    assert [name_of(stop) for stop in backwards] == [names[0], *reversed(names[1:])]


def test_the_focus_can_be_seen_wherever_it_is(window: MainWindow) -> None:
    set_everything_out(window)

    def picture(place: QRect) -> QImage:
        QApplication.processEvents()
        return window.grab(place).toImage()

    unseen = []
    for theme, width, height in (("dark", 1440, 900), ("light", 1100, 700)):
        window.theme.choose(theme)
        window.resize(width, height)
        for _ in range(len(in_turn(window))):
            QTest.keyClick(window.windowHandle(), Qt.Key.Key_Tab)  # this brings it into sight, where it scrolls
            stop = QApplication.focusWidget()
            place = QRect(stop.mapTo(window, QPoint()), stop.size()).adjusted(-3, -3, 3, 3)
            focused = picture(place)
            stop.clearFocus()
            if focused == picture(place):
                unseen.append((theme, name_of(stop)))
            stop.setFocus()
    assert unseen == []


def test_the_first_key_moves_the_point_and_opens_nothing(window: MainWindow) -> None:
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Right)
    assert window.session.scene.point[0] > 0
    assert window.windowTitle() == "2-D explorer — VAE Studio"
