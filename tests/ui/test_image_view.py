"""Grey levels in the theme's colours, colours as they are, and one image as large as fits."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage

from vae_studio.ui.image_view import ImageView, to_qimage
from vae_studio.ui.theme import DARK, LIGHT, Theme


def colour_of(level: int, theme: Theme) -> tuple[int, int, int]:
    """The colour `level`/255 of the way from paper to ink, channel by channel."""
    paper, ink = theme.paper, theme.ink
    mixed = []
    for at in (1, 3, 5):
        low, high = int(paper[at : at + 2], 16), int(ink[at : at + 2], 16)
        mixed.append(round(low + (high - low) * level / 255))
    return tuple(mixed)


def pixel(image: QImage, x: int, y: int) -> tuple[int, int, int]:
    return image.pixelColor(x, y).getRgb()[:3]


def grabbed(widget, position: QPoint) -> tuple[int, int, int]:
    image = widget.grab().toImage()
    ratio = image.devicePixelRatio()
    return pixel(image, int(position.x() * ratio), int(position.y() * ratio))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_every_grey_level_lies_between_paper_and_ink(theme):
    image = to_qimage(np.arange(256, dtype=np.uint8).reshape(16, 16), theme)
    assert image.format() == QImage.Format.Format_RGB32
    assert pixel(image, 0, 0) == QColor(theme.paper).getRgb()[:3]
    assert pixel(image, 15, 15) == QColor(theme.ink).getRgb()[:3]
    for level in range(256):
        shown = pixel(image, level % 16, level // 16)
        assert np.abs(np.subtract(shown, colour_of(level, theme))).max() <= 1, level


@pytest.mark.parametrize("layout", ["rows", "transposed", "strided"])
def test_rows_and_columns_stay_where_they_are(layout):
    values = np.random.default_rng(0).integers(0, 256, size=(5, 7), dtype=np.uint8)
    array = {
        "rows": values,
        "transposed": np.asfortranarray(values),
        "strided": np.repeat(np.repeat(values, 2, axis=0), 3, axis=1)[::2, ::3],
    }[layout]
    image = to_qimage(array, DARK)
    assert (image.width(), image.height()) == (7, 5)
    for y in range(5):
        for x in range(7):
            assert np.abs(np.subtract(pixel(image, x, y), colour_of(int(values[y, x]), DARK))).max() <= 1


def test_the_image_owns_its_pixels():
    array = np.zeros((4, 4), dtype=np.uint8)
    image = to_qimage(array, DARK)
    array[:] = 255
    assert pixel(image, 2, 2) == QColor(DARK.paper).getRgb()[:3]


@pytest.mark.parametrize("layout", ["rows", "planes", "strided"])
@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_colours_are_shown_as_they_are_in_any_theme(theme, layout):
    values = np.random.default_rng(0).integers(0, 256, size=(5, 7, 3), dtype=np.uint8)
    array = {
        "rows": values,
        "planes": np.ascontiguousarray(values.transpose(2, 0, 1)).transpose(1, 2, 0),
        "strided": np.repeat(values, 2, axis=0)[::2],
    }[layout]
    image = to_qimage(array, theme)
    assert image.format() == QImage.Format.Format_RGB32
    assert [[pixel(image, x, y) for x in range(7)] for y in range(5)] == [
        [tuple(p) for p in row] for row in values.tolist()
    ]


def test_a_colour_image_of_any_size_is_painted_upright(qtbot):
    view = ImageView(DARK)
    qtbot.addWidget(view)
    view.resize(240, 240)
    array = np.zeros((20, 40, 3), dtype=np.uint8)
    array[:10, 20:] = (255, 0, 0)  # top right
    array[10:, :20] = (0, 100, 200)  # bottom left
    view.set_image(array)
    assert view.image_rect() == QRect(0, 60, 240, 120)
    for theme in (DARK, LIGHT):
        view.set_theme(theme)
        assert grabbed(view, QPoint(180, 90)) == (255, 0, 0)
        assert grabbed(view, QPoint(60, 150)) == (0, 100, 200)
        assert grabbed(view, QPoint(60, 90)) == (0, 0, 0)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), np.zeros(4, np.uint8)],
    ids=["float", "four channels", "float colour", "line"],
)
def test_what_is_no_image_is_refused(array):
    with pytest.raises(ValueError, match="uint8"):
        to_qimage(array, DARK)


def test_pixels_are_square_and_the_image_is_centred(qtbot):
    view = ImageView(DARK)
    qtbot.addWidget(view)
    view.resize(300, 200)
    assert view.image_rect() == QRect(50, 0, 200, 200)
    view.set_image(np.zeros((14, 28), dtype=np.uint8))
    assert view.image_rect() == QRect(0, 25, 300, 150)
    view.resize(100, 200)
    assert view.image_rect() == QRect(0, 75, 100, 50)


def test_it_paints_the_image_upright_in_the_colours_of_the_theme(qtbot):
    view = ImageView(DARK)
    qtbot.addWidget(view)
    view.resize(240, 240)
    array = np.zeros((8, 8), dtype=np.uint8)
    array[:4, 4:] = 255  # top right
    view.set_image(array)
    places = {(60, 60): 0, (180, 60): 255, (60, 180): 0, (180, 180): 0}
    for theme in (DARK, LIGHT, DARK):
        view.set_theme(theme)
        for (x, y), level in places.items():
            assert grabbed(view, QPoint(x, y)) == colour_of(level, theme)


def test_a_new_image_replaces_the_old_one(qtbot):
    view = ImageView(LIGHT)
    qtbot.addWidget(view)
    view.resize(100, 100)
    assert grabbed(view, QPoint(50, 50)) == colour_of(0, LIGHT)
    view.set_image(np.full((28, 28), 255, dtype=np.uint8))
    assert grabbed(view, QPoint(50, 50)) == colour_of(255, LIGHT)
    view.set_image(np.full((28, 28), 100, dtype=np.uint8))
    assert np.abs(np.subtract(grabbed(view, QPoint(50, 50)), colour_of(100, LIGHT))).max() <= 1


def test_enlarged_edges_are_soft(qtbot):
    view = ImageView(DARK)
    qtbot.addWidget(view)
    view.resize(200, 200)
    view.set_image(np.array([[0, 255], [0, 255]], dtype=np.uint8))
    across = [grabbed(view, QPoint(x, 100))[0] for x in range(60, 141, 10)]
    assert across == sorted(across)
    assert len(set(across)) >= 6
