"""What dimming may cost whatever is on view, and the arrow to a point that is out of sight."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest

from vae_studio.core.exploration import Layers
from vae_studio.core.latent import Region
from vae_studio.core.nearness import Surroundings
from vae_studio.core.scene import Tile
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.map_layers import TileLayer
from vae_studio.ui.map_view import MAX_SPAN, MIN_SPAN, MapView
from vae_studio.ui.theme import DARK, LIGHT

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Counted(Surroundings):
    """Surroundings that tell how many places they were asked about."""

    asked: list[int] = []  # noqa: RUF012

    def far(self, across, up):
        self.asked.append(len(across) * len(up))
        return super().far(across, up)


@pytest.mark.parametrize("size", [(1, 1), (240, 160), (830, 500), (3800, 2000)])
def test_dimming_looks_at_few_places_whatever_tiles_are_on_view(size):
    Counted.asked.clear()
    tiles, picture = TileLayer(DARK), QImage(8, 8, QImage.Format.Format_RGB32)
    tiles.set_surroundings(Counted(np.zeros((1, 2), np.float32), np.zeros(1, np.float32), 0.5))
    spans = np.geomspace(MIN_SPAN, MAX_SPAN, 9)
    with QPainter(picture) as painter:
        for level, span in itertools.product(range(-8, 17), spans.tolist()):
            side = 2.0**-level
            tiles.set_tiles((Tile(0.0, side, 0.0, side, np.zeros((8, 8), np.uint8), 4),))
            view = MapView(0.3, -0.2, span / size[0], 0, 0, *size)
            tiles.paint_dimming(painter, view)
            cell = tiles._veil.cell
            assert cell >= 20 * view.scale
            assert math.log2(4 * cell / side).is_integer(), "as many tiles' cells as fit in it"
            if 26 * view.scale <= side / 4 and size[0] < 1900:
                assert cell == side / 4, "those that fit the view are taken as they are"
    assert len(Counted.asked) > 100 and max(Counted.asked) <= 10_000


@pytest.fixture(params=[DARK, LIGHT], ids=["dark", "light"])
def latent_map(qtbot, request):
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.set_theme(request.param)
    widget.set_layers(Layers(tiles=False, encodings=False, prior=False))
    widget.resize(708, 460)  # a canvas of 680 × 440: 100 pixels to a unit, 0 in the middle
    widget.show()
    qtbot.waitExposed(widget)
    QTest.mouseRelease(widget.windowHandle(), LEFT, NONE, QPoint(5, 455))
    widget.theme = request.param
    return widget


def accented(widget):
    """The pixels in the accent colour, (n, 2)."""
    image = QImage(widget.size(), QImage.Format.Format_RGB32)
    widget.render(image)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    wanted = QColor(widget.theme.accent)
    near = np.abs(pixels[..., :3].astype(int) - (wanted.blue(), wanted.green(), wanted.red())).max(axis=2) < 12
    return np.argwhere(near)[:, ::-1]


@pytest.mark.parametrize(
    ("place", "edge"),
    [
        ((5.0, 1.0), (708, 120)),
        ((-9.0, -1.0), (28, 320)),
        ((0.5, 4.0), (418, 0)),
        ((1.0, -50.0), (468, 440)),
        ((1e4, 1e4), (708, 0)),
    ],
)
def test_an_arrow_at_the_edge_points_to_a_point_out_of_sight_and_brings_it_back(latent_map, place, edge):
    latent_map.clearFocus()
    latent_map.set_point(*place)
    found = accented(latent_map)
    assert len(found) > 60
    assert np.abs(found - edge).max() < 40, "all of it is at the edge, next to the point"
    middle, target = found.mean(axis=0), np.array(latent_map.to_pixel(place).toTuple())
    way = (target - middle) / np.linalg.norm(target - middle)
    along, across = (found - middle) @ way, (found - middle) @ np.array([-way[1], way[0]])
    tip, tail = across[along > along.max() - 3], across[along < along.min() + 5]
    assert np.ptp(tip) < 0.6 * np.ptp(tail), "it is narrow where it points to"
    assert abs(tip.mean()) < 2.0

    latent_map.set_point(0.0, 0.0)
    assert np.abs(accented(latent_map) - (368, 220)).max() < 12, "the cross alone"
    if abs(place[0]) < 100:
        latent_map.set_point(*place)
        QTest.mouseClick(latent_map, LEFT, NONE, QPoint(*np.rint(middle).astype(int).tolist()))
        view = latent_map.view()
        assert view.left < place[0] < view.right and view.bottom < place[1] < view.top
        assert latent_map.point() == place


def test_fit_shows_home_and_a_point_beyond_it(latent_map):
    home = Region(-3.4, 3.4, -2.1, 2.1)
    for point in ((0.5, 0.5), (6.0, -1.0), (-1.0, 9.0), (-30.0, -20.0)):
        latent_map.set_point(*point)
        latent_map.setFocus()
        QTest.keyClick(latent_map, Qt.Key.Key_0)
        view = latent_map.view()
        for u, v in (point, (home.left, home.bottom), (home.right, home.top)):
            assert view.left - 1e-9 <= u <= view.right + 1e-9 and view.bottom - 1e-9 <= v <= view.top + 1e-9
        pixel = latent_map.to_pixel(point)
        assert min(pixel.x() - 28, 708 - pixel.x(), pixel.y(), 440 - pixel.y()) > 19, "with its ring"
    latent_map.set_point(0.0, 0.0)
    QTest.keyClick(latent_map, Qt.Key.Key_0)
    assert latent_map.region() is None, "the usual one again"
