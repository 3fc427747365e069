"""Where q(z|x) is painted on the map: pixels at its outlines, its mean and its way, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage

from vae_studio.core.plane import Plane
from vae_studio.core.probing import Footprint, Posterior
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.theme import DARK

FLAT, LINE = Plane.of_axes((0, 1), 2), Plane.of_axes((0, 0), 1)
ROUND = Posterior("gaussian", np.array([1.0, -0.5]), np.array([0.3, 0.6]))


@pytest.fixture
def latent_map(qtbot):
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.resize(708, 460)  # a canvas of 680 × 440: 100 pixels to a unit, 0 in the middle
    widget.show()
    qtbot.waitExposed(widget)
    widget.set_point(-3.0, 1.9)
    return widget


def changed(widget: LatentMap, footprint: Footprint | None) -> np.ndarray:
    """Which pixels differ from those without it: bool (H, W)."""
    pictures = []
    for value in (None, footprint):
        widget.set_footprint(value)
        image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.width())
        pictures.append(pixels.copy())
    return pictures[0] != pictures[1]


def near(widget: LatentMap, mask: np.ndarray, u: float, v: float) -> bool:
    place = widget.to_pixel((u, v)).toPoint()
    return bool(mask[place.y() - 2 : place.y() + 3, place.x() - 2 : place.x() + 3].any())


def test_one_and_two_standard_deviations_are_outlined(latent_map):
    mask = changed(latent_map, Footprint.of(ROUND, FLAT))
    for sigmas in (1, 2):
        for angle in np.linspace(0, 2 * np.pi, 24):
            assert near(latent_map, mask, 1.0 + 0.3 * sigmas * np.cos(angle), -0.5 + 0.6 * sigmas * np.sin(angle))
    assert near(latent_map, mask, 1.0, -0.5), "the mean"
    assert not near(latent_map, mask, 1.0 + 0.3 * 1.5, -0.5), "between them nothing"
    rows, columns = np.nonzero(mask)
    edge = latent_map.to_pixel((1.6, 0.7)).toPoint()
    assert columns.max() <= edge.x() + 4
    assert rows.min() >= edge.y() - 4


def test_improving_leaves_a_way_and_where_it_began(latent_map):
    begun = Posterior("gaussian", np.array([-1.0, 1.0]), np.array([0.2, 0.2]))
    way = (begun.mean, np.array([0.0, 1.0]), ROUND.mean)
    mask = changed(latent_map, Footprint.of(ROUND, FLAT, begun, way))
    for u, v in ((-0.5, 1.0), (0.0, 1.0), (0.5, 0.25)):
        assert near(latent_map, mask, u, v)
    assert any(near(latent_map, mask, -1.0 + 0.2 * np.cos(a), 1.0 + 0.2 * np.sin(a)) for a in (2.0, 3.0, 4.0))
    assert not near(latent_map, mask, -1.0, -1.0)


def test_a_code_is_its_place_alone(latent_map):
    mask = changed(latent_map, Footprint.of(Posterior("code", np.array([1.0, 1.0]), np.zeros(2)), FLAT))
    rows, columns = np.nonzero(mask)
    assert near(latent_map, mask, 1.0, 1.0)
    assert np.ptp(rows) < 20
    assert np.ptp(columns) < 20


def test_in_one_dimension_outlines_are_upright(latent_map):
    latent_map.set_axis_names("z₁", None)
    mask = changed(latent_map, Footprint.of(Posterior("gaussian", np.array([0.5]), np.array([0.4])), LINE))
    for u in (-0.3, 0.1, 0.9, 1.3):
        assert near(latent_map, mask, u, 1.5)
        assert near(latent_map, mask, u, -1.5)


def test_far_away_or_tiny_it_does_no_harm(latent_map):
    for mean, scale in ((1e7, 1e-9), (0.0, 1e9), (np.nan, 1.0)):
        changed(latent_map, Footprint.of(Posterior("gaussian", np.array([mean, mean]), np.full(2, scale)), FLAT))
    assert latent_map.grab().toImage().pixelColor(300, 200) == QColor(DARK.paper)
