"""How each layer of the latent map is painted. Painters are in logical pixels; the canvas's rectangle is clipped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPixmap
from shiboken6 import wrapInstance

from vae_studio.core.scene import Tile
from vae_studio.ui.image_view import colours_of, over
from vae_studio.ui.map_view import MapView, ticks
from vae_studio.ui.theme import Theme

LEFT_MARGIN, BOTTOM_MARGIN = 28, 20  # pixels for the numbers on the axes
RING_RADIUS = 10.0
DOT_DIAMETER = 5.0
_HALO = 1.0  # pixels around a dot
_FADE_STEPS = 8
_TICK_SPACING = 64  # pixels at least between two numbers on an axis
# Qt's QPainter::PixmapFragment, ten doubles: centre, part of the pixmap, scale, rotation, opacity.
_PLACE, _PART, _LOOK = ("x", "y"), ("left", "top", "width", "height"), ("scale_x", "scale_y", "rotation", "opacity")
_FRAGMENT = np.dtype([(name, np.float64) for name in (*_PLACE, *_PART, *_LOOK)])


@dataclass(frozen=True, slots=True)
class _Picture:
    """A tile's array and the QImage over its colours; both arrays are kept, as a QImage owns no memory."""

    source: np.ndarray
    colours: np.ndarray
    image: QImage


class TileLayer:
    """Decoded tiles, grey values mapped from the theme's paper (0) to its ink (255), colours as they are."""

    def __init__(self, theme: Theme) -> None:
        self._tiles: tuple[Tile, ...] = ()
        self._pictures: dict[int, _Picture] = {}
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._pictures = {}

    def set_tiles(self, tiles: tuple[Tile, ...]) -> None:
        """Show these. Pictures of arrays that stay are kept; each holds its array, so its id cannot be reused."""
        self._tiles = tiles
        ids = {id(tile.image) for tile in tiles}
        self._pictures = {key: picture for key, picture in self._pictures.items() if key in ids}

    def paint(self, painter: QPainter, view: MapView, ratio: float) -> None:
        """Edges are snapped to whole device pixels (`ratio` to a logical one), so that no seams show."""
        seen = view.region()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for tile in self._tiles:
            if tile.right <= seen.left or tile.left >= seen.right or tile.top <= seen.bottom or tile.bottom >= seen.top:
                continue
            left, top = (round(p * ratio) / ratio for p in view.to_pixel(tile.left, tile.top))
            right, bottom = (round(p * ratio) / ratio for p in view.to_pixel(tile.right, tile.bottom))
            image = self._picture(tile)
            painter.drawImage(QRectF(left, top, right - left, bottom - top), image, QRectF(image.rect()))

    def _picture(self, tile: Tile) -> QImage:
        picture = self._pictures.get(id(tile.image))
        if picture is None:
            colours = colours_of(tile.image, self._theme)
            if tile.cells:
                colours = _in_squares(colours, tile.cells, QColor(self._theme.paper).rgb())
            picture = self._pictures[id(tile.image)] = _Picture(tile.image, colours, over(colours))
        return picture.image


def _in_squares(colours: np.ndarray, cells: int, paper: int) -> np.ndarray:
    """Each of `cells` × `cells` images, where they are not square, in the middle of a square of paper."""
    height, width = (side // cells for side in colours.shape)
    if height == width:
        return colours
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    squares = np.full((cells, side, cells, side), paper, np.uint32)
    squares[:, top : top + height, :, left : left + width] = colours.reshape(cells, height, cells, width)
    return squares.reshape(cells * side, cells * side)


class EncodingLayer:
    """Encodings as dots in the colours of their classes; classes can be hidden, points can be faded."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._hidden: frozenset[int] = frozenset()
        self._points = np.zeros((0, 2), np.float64)
        self._labels = np.zeros(0, np.intp)
        self._fade = np.zeros(0, np.intp)
        self._sheet: tuple[float, QPixmap] | None = None

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._sheet = None

    def set_hidden(self, classes: frozenset[int]) -> None:
        self._hidden = classes

    def set_points(self, points: np.ndarray, labels: np.ndarray, fade: np.ndarray | None) -> None:
        """Points (n, 2), labels (n,), opacities (n,) from 0 to 1 or None for opaque; what is not finite is left out."""
        opacity = np.ones(len(points)) if fade is None else np.clip(np.nan_to_num(fade), 0.0, 1.0)
        steps = np.rint(opacity * _FADE_STEPS).astype(np.intp)
        kept = np.flatnonzero(np.isfinite(points).all(axis=1) & (steps > 0))
        kept = kept[np.argsort(steps[kept], kind="stable")]  # the nearer to the plane, the further on top
        self._points = points[kept].astype(np.float64)
        self._labels = labels[kept].astype(np.intp)
        self._fade = steps[kept]

    def paint(self, painter: QPainter, view: MapView, ratio: float) -> None:
        """Stamps at whole device pixels: 2000 take a tenth of a millisecond, round-capped points 75 times as long."""
        size = math.ceil((DOT_DIAMETER + 2 * _HALO) * ratio)
        x = (view.x + view.width / 2 + (self._points[:, 0] - view.u) / view.scale) * ratio - size / 2
        y = (view.y + view.height / 2 - (self._points[:, 1] - view.v) / view.scale) * ratio - size / 2
        shown = (x > view.x * ratio - size) & (x < (view.x + view.width) * ratio)
        shown &= (y > view.y * ratio - size) & (y < (view.y + view.height) * ratio)
        for label in self._hidden:
            shown &= self._labels != label
        if not shown.any():
            return
        if self._sheet is None or self._sheet[0] != ratio:
            self._sheet = ratio, self._make_sheet(size, ratio)
        stamps = np.zeros(np.count_nonzero(shown), _FRAGMENT)
        stamps["x"], stamps["y"] = np.rint(x[shown]) + size / 2, np.rint(y[shown]) + size / 2
        stamps["left"] = size * (self._labels[shown] % len(self._theme.classes))
        stamps["top"] = size * (self._fade[shown] - 1)
        stamps["width"] = stamps["height"] = size
        stamps["scale_x"] = stamps["scale_y"] = stamps["opacity"] = 1.0
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        # One call: each call into Qt lets other threads run, and may wait for them as long as painting takes.
        first = wrapInstance(stamps.ctypes.data, QPainter.PixmapFragment)
        painter.drawPixmapFragments(first, len(stamps), self._sheet[1])
        painter.restore()

    def _make_sheet(self, size: int, ratio: float) -> QPixmap:
        """A stamp for each class (column) and opacity (row), of so many device pixels each."""
        classes = self._theme.classes
        sheet = QPixmap(size * len(classes), size * _FADE_STEPS)
        sheet.fill(Qt.GlobalColor.transparent)
        painter = QPainter(sheet)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        radius = DOT_DIAMETER / 2 * ratio
        for row in range(_FADE_STEPS):
            for column, colour in enumerate(classes):
                centre = QPointF((column + 0.5) * size, (row + 0.5) * size)
                painter.setBrush(_translucent(self._theme.paper, 0.75))
                painter.drawEllipse(centre, radius + _HALO * ratio, radius + _HALO * ratio)
                painter.setBrush(QColor(colour))
                painter.drawEllipse(centre, radius, radius)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationIn)
        for row in range(_FADE_STEPS):
            fade = QColor.fromRgbF(0.0, 0.0, 0.0, (row + 1) / _FADE_STEPS)
            painter.fillRect(0, row * size, sheet.width(), size, fade)
        painter.end()
        return sheet


def paint_axes(painter: QPainter, view: MapView, theme: Theme, x_name: str, y_name: str | None) -> None:
    """Numbers and names in the margins left of and below the canvas. Long numbers on the left are turned to fit."""
    font = painter.font()
    font.setPixelSize(10)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    seen, least = view.region(), _TICK_SPACING * view.scale
    right, bottom = view.x + view.width, view.y + view.height
    numbers, names, marks = QPen(QColor(theme.muted)), QPen(QColor(theme.text)), QPen(QColor(theme.faint))

    name = QRectF(right - metrics.horizontalAdvance(x_name) - 4, bottom + 4, metrics.horizontalAdvance(x_name) + 4, 14)
    painter.setPen(names)
    painter.drawText(name, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, x_name)
    for value, text in ticks(seen.left, seen.right, least):
        x = view.to_pixel(value, 0.0)[0]
        painter.setPen(marks)
        painter.drawLine(QPointF(x, bottom), QPointF(x, bottom + 3))
        width = metrics.horizontalAdvance(text)
        box = QRectF(x - width / 2, bottom + 4, width, 14)
        if box.left() > 0 and box.right() + 6 < name.left():
            painter.setPen(numbers)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, text)
    if y_name is None:
        return

    name = QRectF(1, view.y, metrics.horizontalAdvance(y_name), 14)
    painter.setPen(names)
    painter.drawText(name, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, y_name)
    scale = ticks(seen.bottom, seen.top, least)
    turned = any(metrics.horizontalAdvance(text) > LEFT_MARGIN - 5 for _, text in scale)
    for value, text in scale:
        y = view.to_pixel(0.0, value)[1]
        painter.setPen(marks)
        painter.drawLine(QPointF(view.x - 3, y), QPointF(view.x, y))
        across, along = metrics.horizontalAdvance(text), metrics.height()
        wide, high = (along, across) if turned else (across, along)
        box = QRectF(view.x - 4 - wide, y - high / 2, wide, high)
        if box.top() < view.y - 2 or box.bottom() > view.y + view.height + 6 or box.intersects(name):
            continue
        painter.setPen(numbers)
        painter.save()
        painter.translate(box.center())
        painter.rotate(-90 if turned else 0)
        painter.drawText(
            QRectF(-across / 2, -along / 2, across, along),
            Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip,
            text,
        )
        painter.restore()


def place_of_point(centre: QPointF) -> QRect:
    """Where `paint_point` paints."""
    reach = math.ceil(RING_RADIUS + 4.0)
    return QRect(centre.toPoint() - QPoint(reach, reach), QSize(2 * reach + 1, 2 * reach + 1))


def paint_point(painter: QPainter, centre: QPointF, theme: Theme) -> None:
    """The current point: a ring with a dark outline on either side, so that it shows on any tile, and a cross."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(_translucent(theme.paper, 0.6))
    painter.setPen(QPen(QColor(theme.halo), 5.0))
    painter.drawEllipse(centre, RING_RADIUS, RING_RADIUS)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.ring), 2.5))
    painter.drawEllipse(centre, RING_RADIUS, RING_RADIUS)
    painter.setPen(QPen(QColor(theme.accent), 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawLine(centre - QPointF(6, 0), centre + QPointF(6, 0))
    painter.drawLine(centre - QPointF(0, 6), centre + QPointF(0, 6))


def _translucent(colour: str, alpha: float) -> QColor:
    result = QColor(colour)
    result.setAlphaF(alpha)
    return result
