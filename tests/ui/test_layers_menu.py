"""The layers' chips and menu, by mouse and keyboard, and what the map then shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tips
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QPushButton, QSlider, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.core.density import Density
from vae_studio.core.exploration import Layers
from vae_studio.core.latent import Region
from vae_studio.core.nearness import Surroundings
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame, Tile, Version
from vae_studio.ui.map_marks import Mark, PlacedMark, PlacedMarks
from vae_studio.ui.map_panel import MapPanel
from vae_studio.ui.theme import DARK, LIGHT, apply

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
PLANE, FIRST = Plane.of_axes((0, 1), 2), Version(1, 0)
BARE = Layers(tiles=False, encodings=False, prior=False)


@pytest.fixture
def panel(qtbot, qapp):
    apply(qapp, DARK)
    widget = MapPanel()
    qtbot.addWidget(widget)
    widget.resize(900, 560)
    widget.show()
    qtbot.waitExposed(widget)
    widget.activateWindow()
    widget.map.set_point(3.3, -2.0)
    widget.chosen, widget.turned = [], []
    widget.layers_changed.connect(widget.chosen.append)
    widget.opacity_changed.connect(lambda layers, gesture: widget.turned.append((layers, gesture)))
    yield widget
    qapp.setStyleSheet("")


def child(panel, name, kind=QWidget):
    found = panel.findChild(kind, name)
    assert found is not None
    return found


def colour(panel, u, v):
    """What is painted at a latent point, as (r, g, b)."""
    image = QImage(panel.map.size(), QImage.Format.Format_RGB32)
    panel.map.render(image)
    return np.array(image.pixelColor(panel.map.to_pixel((u, v)).toPoint()).getRgb()[:3])


def rgb(name):
    return np.array(QColor(name).getRgb()[:3])


def white_tiles():
    """Four tiles of white cells that cover ±1."""
    ink = np.full((8, 8), 255, np.uint8)
    corners = [(left, bottom) for left in (-1.0, 0.0) for bottom in (-1.0, 0.0)]
    return MapFrame(FIRST, PLANE, tuple(Tile(u, u + 1, v, v + 1, ink, 4) for u, v in corners), True, 0.0)


def test_the_menu_opens_works_and_closes_by_keyboard(panel, qtbot):
    button, menu = child(panel, "layers_button", QPushButton), child(panel, "layers_menu")
    assert not menu.isVisible()
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert menu.isVisible() and panel.rect().contains(menu.geometry())

    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)  # the first box
    assert panel.chosen == [Layers(tiles=False)]
    assert not child(panel, "tiles_chip", QPushButton).isChecked()
    assert not child(panel, "layer_tiles_opacity").isEnabled() and not child(panel, "layer_dimmed").isEnabled()
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)
    reached = []
    while not reached or QApplication.focusWidget() not in reached:
        reached.append(QApplication.focusWidget())
        QTest.keyClick(reached[-1], Qt.Key.Key_Tab)
        if not menu.isAncestorOf(QApplication.focusWidget()):
            break
    boxes = [widget.objectName() for widget in reached if isinstance(widget, QCheckBox)]
    assert boxes == [f"layer_{name}" for name in ("tiles", "dimmed", "encodings", "ellipses", "prior", "density")]
    assert sum(isinstance(widget, QSlider) for widget in reached) == 3  # the density's is off with its layer
    assert all(widget.accessibleName() and widget.toolTip() for widget in reached)

    slider = child(panel, "layer_prior_opacity").slider
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert [layers for layers, _ in panel.turned] == [Layers(prior_opacity=0.0)]
    QTest.keyClick(slider, Qt.Key.Key_Escape)
    assert not menu.isVisible() and not button.isChecked()


def test_its_rows_are_one_below_the_other_at_even_distances(panel):
    child(panel, "layers_button", QPushButton).click()
    fields = "tiles", "dimmed", "encodings", "ellipses", "prior", "density"
    middles = [child(panel, f"layer_{name}").geometry().center().y() for name in fields]
    assert max(np.diff(middles)) - min(np.diff(middles)) <= 1
    for name in ("tiles", "encodings", "prior", "density"):
        box, slider = child(panel, f"layer_{name}"), child(panel, f"layer_{name}_opacity")
        assert abs(box.geometry().center().y() - slider.geometry().center().y()) <= 1


def test_a_drag_of_an_opacity_is_one_gesture_and_shows_at_once(panel):
    panel.set_layers(replace(BARE, tiles=True))
    panel.map.set_map(white_tiles())
    QTest.mouseClick(child(panel, "layers_button"), LEFT)
    np.testing.assert_array_equal(colour(panel, -0.5, -0.5), rgb(DARK.ink))
    slider, handle = child(panel, "layer_tiles_opacity").slider, panel.windowHandle()

    def drag(shares):
        start, *others = (slider.mapTo(panel, QPoint(round(s * (slider.width() - 14)) + 7, 9)) for s in shares)
        QTest.mousePress(handle, LEFT, NONE, start)
        for place in others:
            QTest.mouseMove(handle, place)
            QApplication.processEvents()
        QTest.mouseRelease(handle, LEFT, NONE, others[-1])

    drag((1.0, 0.8, 0.6, 0.5))
    gestures = {gesture for _, gesture in panel.turned}
    opacity = panel.turned[-1][0].tiles_opacity
    assert len(panel.turned) > 1 and len(gestures) == 1 and 0.45 < opacity < 0.55
    expected = opacity * rgb(DARK.ink) + (1 - opacity) * rgb(DARK.paper)
    np.testing.assert_allclose(colour(panel, -0.5, -0.5), expected, atol=2)
    drag((opacity, 0.3, 0.2))
    assert len({gesture for _, gesture in panel.turned}) == 2
    assert panel.chosen == []  # nothing was shown or hidden


def test_what_a_model_has_not_got_cannot_be_chosen_and_says_why(panel):
    panel.set_config(RunConfig(model="autoencoder", likelihood={"kind": "squared-error"}))
    box = child(panel, "layer_ellipses", QCheckBox)
    assert not box.isEnabled() and "there is no q(z|x)" in tips.tip(box)
    panel.layers.refuse_density("The data file is missing.")
    for name in ("density_chip", "layer_density"):
        widget = child(panel, name)
        assert not widget.isEnabled() and widget.toolTip() == "The data file is missing."
    for name in ("density_chip", "layer_density"):  # what is on can be switched off, and then no more on
        panel.layers.set_layers(Layers(density=True))
        assert not child(panel, "layer_density_opacity").isEnabled()
        child(panel, name).click()
        assert panel.chosen.pop() == Layers()
        assert not child(panel, name).isEnabled()
    panel.set_config(RunConfig())
    assert box.isEnabled() and child(panel, "density_chip").isEnabled()
    assert "spread" not in box.toolTip() and "aggregate posterior" in child(panel, "density_chip").toolTip()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_a_density_lies_where_it_is_and_is_the_stronger_the_higher(panel, theme):
    panel.set_theme(theme)
    values = np.zeros((20, 40), np.float32)
    values[:5, 30:] = 0.5  # u > 0.5, v > 0.5
    values[15:, :10] = 0.25
    density = Density(FIRST, PLANE, Region(-1.0, 1.0, -1.0, 1.0), values, 0.5, 100)
    panel.map.set_density(density)
    panel.density.set_density(density)
    panel.set_layers(replace(BARE, density=True, density_opacity=1.0))
    strongest, weaker, none = colour(panel, 0.8, 0.8), colour(panel, -0.8, -0.8), colour(panel, -0.8, 0.8)
    np.testing.assert_array_equal(none, rgb(theme.paper))
    np.testing.assert_array_equal(colour(panel, 1.3, 0.8), rgb(theme.paper))
    np.testing.assert_allclose(strongest, rgb("#fde725" if theme is DARK else "#440154"), atol=1)

    def lightness(pixel):
        return float(pixel @ (0.2126, 0.7152, 0.0722))

    ordered = [lightness(pixel) for pixel in (none, weaker, strongest)]
    assert ordered == sorted(ordered, reverse=theme is LIGHT)
    panel.set_layers(replace(BARE, density=True, density_opacity=0.4))
    np.testing.assert_allclose(colour(panel, 0.8, 0.8), 0.4 * strongest + 0.6 * rgb(theme.paper), atol=2)
    legend = child(panel, "density_legend")
    assert panel.density.isVisible() and legend.text() == "q(z)  0 … 0.5 per unit²"
    assert "100 training images" in panel.density.toolTip()
    panel.map.set_density(None)
    panel.density.set_density(None)
    assert not panel.density.isVisible()
    np.testing.assert_array_equal(colour(panel, 0.8, 0.8), rgb(theme.paper))


def test_the_density_of_a_line_is_upright_bands(panel):
    line = Plane.of_axes((0, 0), 1)
    values = np.repeat(np.float32([[0.0, 1.0]]), 10, axis=1)
    panel.map.set_density(Density(FIRST, line, Region(-2.0, 2.0, -0.1, 0.1), values, 1.0, 10, None))
    panel.map.set_axis_names("z₁", None)
    panel.set_layers(replace(BARE, density=True, density_opacity=1.0))
    for v in (-1.9, 0.5, 1.9):
        np.testing.assert_allclose(colour(panel, 1.0, v), rgb("#fde725"), atol=1)
        np.testing.assert_array_equal(colour(panel, -1.0, v), rgb(DARK.paper))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_dots_and_names_are_set_apart_from_the_density_under_them_while_it_shows(panel, theme):
    panel.set_theme(theme)
    panel.map.set_encodings(np.array([[-0.5, 0.0]]), np.array([2]))
    panel.map.set_marks(PlacedMarks((PlacedMark(Mark("pin", 0), "MMMM", (0.2, 0.0), 0, 0.2),)))
    region = Region(-1.0, 1.0, -1.0, 1.0)
    layers = replace(BARE, encodings=True, density=True, density_opacity=1.0)

    def colours():
        """Around the dot, 1.8 pixels from its edge, and in the corner of what is under the name."""
        pixel, beside = (panel.map.to_pixel(place).toPoint() for place in ((-0.5, 0.0), (0.2, 0.0)))
        image = panel.map.grab().toImage()
        places = [pixel + QPoint(dx, dy) for dx, dy in ((4, 0), (-4, 0), (0, 4), (0, -4))]
        return [image.pixelColor(place).lightness() for place in (*places, beside + QPoint(14, -7))]

    paper, bare = QColor(theme.paper).lightness(), np.full((4, 4), 0.6, np.float32)
    panel.set_layers(layers)
    panel.map.set_density(Density(FIRST, PLANE, region, bare, 1.0, 10))
    apart = [abs(value - paper) for value in colours()]
    under = abs(QColor.fromRgb(*colour(panel, -0.8, 0.8)).lightness() - paper)
    assert under > 60, "the density is far from paper"
    assert max(apart[:4]) < 0.75 * under and apart[4] < 0.6 * under
    panel.set_layers(replace(layers, density=False))
    assert max(abs(value - paper) for value in colours()) < 30, "nothing else is under them"


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_tiles_fade_cell_by_cell_where_no_encoding_is_near(panel, theme):
    panel.set_theme(theme)
    panel.map.set_map(white_tiles())
    place = np.array([[-0.9, 0.9]], np.float32)
    panel.map.set_surroundings(Surroundings(place, np.zeros(1, np.float32), 0.5))
    panel.set_layers(replace(BARE, tiles=True))
    np.testing.assert_array_equal(colour(panel, 0.9, -0.9), rgb(theme.ink))
    panel.set_layers(replace(BARE, tiles=True, dimmed=True))
    np.testing.assert_array_equal(colour(panel, -0.8, 0.8), rgb(theme.ink))
    faded = colour(panel, 0.9, -0.9)
    assert np.abs(faded - rgb(theme.paper)).max() < 0.2 * np.abs(rgb(theme.ink) - rgb(theme.paper)).max()
    # The cell at (−0.125, 0.625) is 0.82 from the encoding, further than 1.5 times near; all of it has faded as much.
    inside = [colour(panel, u, v) for u in (-0.24, -0.13, -0.01) for v in (0.51, 0.62, 0.74)]
    assert all((pixel == faded).all() for pixel in inside)
    panel.map.set_surroundings(None)
    np.testing.assert_array_equal(colour(panel, 0.9, -0.9), rgb(theme.ink))
