"""Path and pins in their folding sections."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton

from vae_studio.core.exploration import Exploration, Path, Pin
from vae_studio.core.plane import Plane
from vae_studio.ui.marks_panel import MarksPanel

NOTHING = Exploration((0.0, 0.0), Plane.of_axes((0, 1), 2))
PIN = Pin("one", (1.0, 0.0), 0)
WITH_PIN = Exploration((0.0, 0.0), Plane.of_axes((0, 1), 2), (PIN,))
WITH_PATH = Exploration((0.0, 0.0), Plane.of_axes((0, 1), 2), (), Path(((0.0, 0.0), (3.0, 4.0))))


@pytest.fixture
def panel(qtbot):
    widget = MarksPanel()
    qtbot.addWidget(widget)
    widget.resize(280, 500)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def heading(panel, name):
    return panel.findChild(QAbstractButton, f"{name}_section")


def test_sections_unfold_when_there_is_a_first_thing_in_them(panel):
    panel.show_marks(NOTHING)
    assert not panel.path.isVisible() and not panel.pins.isVisible()
    panel.show_marks(WITH_PIN)
    assert panel.pins.isVisible() and not panel.path.isVisible()
    panel.show_marks(WITH_PATH)
    assert panel.path.isVisible()


def test_what_the_user_folds_stays_folded_until_there_is_nothing_in_it(qtbot, panel):
    panel.show_marks(WITH_PIN)
    qtbot.mouseClick(heading(panel, "pins"), Qt.MouseButton.LeftButton)
    panel.show_marks(Exploration((0.0, 0.0), Plane.of_axes((0, 1), 2), (PIN, PIN)))
    assert not panel.pins.isVisible()
    panel.show_marks(NOTHING)
    panel.show_marks(WITH_PIN)
    assert panel.pins.isVisible()


def test_headings_say_what_is_inside(panel):
    said = {name: heading(panel, name).accessibleName for name in ("path", "pins")}
    assert (said["path"](), said["pins"]()) == ("Path: none yet", "Pins: none yet")
    panel.show_marks(WITH_PIN)
    assert said["pins"]() == "Pins: 1 pin"
    panel.show_marks(WITH_PATH)
    assert said["path"]() == "Path: A → B · length 5.00"
