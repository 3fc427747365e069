"""The end of the zoom, where nothing finer is to be seen: real wheel, pinch and key events on the real explorer."""

from __future__ import annotations

import pytest
import torch
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QNativeGestureEvent, QPointingDevice, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from small_models import explorer, mlp

from vae_studio.core.latent import Region
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame, Scene, Version
from vae_studio.core.tiles import Explorer
from vae_studio.ui.map_panel import MapPanel

PLANE = Plane.of_axes((0, 1), 2)
NONE = Qt.KeyboardModifier.NoModifier


class Walked:
    """The map of a model, whose frames come at once whenever the view changes."""

    def __init__(self, panel: MapPanel) -> None:
        self.panel, self.map, self.engine = panel, panel.map, Explorer()
        self.notice = panel.findChild(QLabel, "map_notice")
        self.version = 0
        self.map.view_changed.connect(self.draw)

    def look_at(self, model) -> None:
        self.model, self.version = model, self.version + 1
        self.draw()

    def draw(self) -> None:
        scene = Scene(self.model, Version(self.version, 0), (0.0, 0.0), PLANE, self.map.view())
        for frame in self.engine.frames(scene):
            if isinstance(frame, MapFrame):
                self.map.set_map(frame)

    @property
    def scale(self) -> float:
        return self.map.view().units_per_pixel

    def says(self) -> str:
        return self.notice.text().replace("\n", " ") if self.notice.isVisible() else ""

    def wheel(self, notches: int, at: tuple[float, float] = (-0.9, 0.3)) -> None:
        pos = self.map.to_pixel(at)
        buttons, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
        for _ in range(abs(notches)):
            turn = QPoint(0, 120 if notches > 0 else -120)
            event = QWheelEvent(pos, self.map.mapToGlobal(pos), QPoint(), turn, buttons, NONE, phase, False)
            QApplication.sendEvent(self.map, event)

    def pinch(self) -> None:
        pos, device = QPointF(200, 150), QPointingDevice.primaryPointingDevice()
        kind = Qt.NativeGestureType.ZoomNativeGesture
        event = QNativeGestureEvent(kind, device, 2, pos, pos, self.map.mapToGlobal(pos), 0.5, QPointF())
        QApplication.sendEvent(self.map, event)


@pytest.fixture
def walked(qtbot):
    panel = MapPanel()
    qtbot.addWidget(panel)
    panel.resize(700, 400)
    walked = Walked(panel)
    walked.look_at(explorer())
    panel.show()
    qtbot.waitExposed(panel)
    return walked


def test_it_goes_no_deeper_by_wheel_pinch_or_key_and_says_so_until_one_goes_back(walked):
    assert walked.says() == ""
    walked.wheel(25)
    assert walked.says() == "" and walked.map.zoom_factor() == pytest.approx(1.2**25)
    walked.wheel(30)
    deepest, place = walked.scale, walked.map.view()
    assert 200 < walked.map.zoom_factor() < 5000
    assert "differ by less than one grey level" in walked.says()
    assert walked.notice.accessibleName() == walked.says()
    assert walked.notice.width() >= walked.notice.sizeHint().width()
    assert walked.notice.height() >= walked.notice.sizeHint().height()
    walked.wheel(2)
    walked.pinch()
    walked.map.setFocus()
    QTest.keyClick(walked.map, Qt.Key.Key_Plus)
    assert walked.map.view() == place

    walked.wheel(-5)
    assert walked.scale == pytest.approx(deepest * 1.2**5) and walked.says() == ""
    walked.wheel(9)
    assert walked.scale == pytest.approx(deepest) and walked.says() != ""
    middle = place.left + (place.right - place.left) / 2, place.bottom + (place.top - place.bottom) / 2
    inside = Region(middle[0] - deepest, middle[0] + deepest, middle[1] - deepest, middle[1] + deepest)
    walked.map.choose_region(inside)
    assert walked.scale == pytest.approx(deepest) and walked.says() != ""


def test_elsewhere_there_may_be_more_to_see(walked):
    # Far out one cell is much like the next; in the middle digits turn into others.
    walked.wheel(60, at=(14.0, 14.0))
    walked.wheel(60, at=walked.map.to_latent(QPointF(300, 200)))
    far = walked.scale
    assert walked.says() != ""
    region = Region(-0.2 - 300 * far, -0.2 + 300 * far, -150 * far, 150 * far)
    walked.map.show_region(region)
    before = walked.scale
    walked.wheel(3, at=(-0.2, 0.0))
    assert walked.says() == "" and walked.scale == pytest.approx(before / 1.2**3)


def test_where_all_is_the_same_it_ends_at_once_but_says_so_only_when_asked_to_go_on(walked):
    model = mlp()
    with torch.no_grad():
        model.decoder[0].weight.zero_()
    walked.look_at(model)
    assert walked.says() == ""
    fitted = walked.map.view()
    walked.wheel(1)
    assert "nothing finer" in walked.says() and walked.map.view() == fitted
    assert walked.map.region() is None  # still the fitted view, that follows a resize
    walked.wheel(-3)
    assert walked.says() == "" and walked.map.zoom_factor() == pytest.approx(1.2**-3)
    walked.look_at(explorer())
    walked.wheel(6)
    assert walked.says() == "" and walked.map.zoom_factor() == pytest.approx(1.2**3)
