"""How each layer of the latent map is painted. Painters are in logical pixels; the canvas's rectangle is clipped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from vae_studio.core.nearness import Surroundings
from vae_studio.core.scene import Tile, View
from vae_studio.ui.image_view import colours_of, over
from vae_studio.ui.map_view import MapView, ticks
from vae_studio.ui.theme import Theme

_DIMMEST = 0.88  # of a tile quite far from all encodings, the share of paper
LEFT_MARGIN, BOTTOM_MARGIN = 28, 20  # pixels for the numbers on the axes
RING_RADIUS = 10.0
_MOST_CELLS = 10_000  # that are told apart when tiles are dimmed: more would be noticed as a halt
_LEAST_CELL = 20.0  # pixels of one of them; tiles that fit the view have larger ones
_ARROW_MARGIN, ARROW_RADIUS = 14.0, 10.0
_TICK_SPACING = 64  # pixels at least between two numbers on an axis


@dataclass(frozen=True, slots=True)
class _Picture:
    """A tile's array and the QImage over its colours; both arrays are kept, as a QImage owns no memory."""

    source: np.ndarray
    colours: np.ndarray
    image: QImage


@dataclass(frozen=True, slots=True)
class _Veil:
    """A pixel of paper for each cell, the more opaque the further all encodings are.

    `column` and `row` number the cell on the bottom left, counted from the origin of the plane.
    """

    column: int
    row: int
    cell: float
    pixels: np.ndarray
    image: QImage

    @classmethod
    def over(cls, seen: View, cell: float, surroundings: Surroundings, paper: str) -> _Veil:
        """A third wider and higher on each side than what is seen, so that small pans need no other."""
        wide, high = (seen.right - seen.left) / 3, (seen.top - seen.bottom) / 3
        columns = np.arange(math.floor((seen.left - wide) / cell), math.ceil((seen.right + wide) / cell))
        rows = np.arange(math.floor((seen.bottom - high) / cell), math.ceil((seen.top + high) / cell))
        far = surroundings.far((columns + 0.5) * cell, (rows[::-1] + 0.5) * cell)
        alpha = np.rint(255 * _DIMMEST * far).astype(np.uint32)
        pixels = alpha << 24 | np.uint32(QColor(paper).rgb() & 0xFFFFFF)
        image = QImage(pixels.data, len(columns), len(rows), pixels.strides[0], QImage.Format.Format_ARGB32)
        return cls(int(columns[0]), int(rows[0]), cell, pixels, image)

    def covers(self, seen: View, cell: float) -> bool:
        left, bottom = self.column * cell, self.row * cell
        right, top = left + self.image.width() * cell, bottom + self.image.height() * cell
        inside = left <= seen.left and seen.right <= right and bottom <= seen.bottom and seen.top <= top
        return self.cell == cell and inside


class TileLayer:
    """Decoded tiles, grey values mapped from the theme's paper (0) to its ink (255), colours as they are."""

    def __init__(self, theme: Theme) -> None:
        self._tiles: tuple[Tile, ...] = ()
        self._surroundings: Surroundings | None = None
        self._veil: _Veil | None = None
        self._pictures: dict[int, _Picture] = {}
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._pictures = {}
        self._veil = None

    def set_surroundings(self, surroundings: Surroundings | None) -> None:
        """Let tiles fade where these encodings are far; None lets none."""
        self._surroundings, self._veil = surroundings, None

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

    def paint_dimming(self, painter: QPainter, view: MapView) -> None:
        """Paper over the cells that are far from any encoding, the more the further."""
        cell = min(((tile.right - tile.left) / tile.cells for tile in self._tiles if tile.cells), default=None)
        if self._surroundings is None or cell is None:
            return
        seen = view.region()
        cell = _coarse_enough(cell, view)
        if self._veil is None or not self._veil.covers(seen, cell):
            self._veil = _Veil.over(seen, cell, self._surroundings, self._theme.paper)
        veil = self._veil
        left, top = view.to_pixel(veil.column * cell, (veil.row + veil.image.height()) * cell)
        size = QSizeF(veil.image.width() * cell / view.scale, veil.image.height() * cell / view.scale)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(QRectF(QPointF(left, top), size), veil.image, QRectF(veil.image.rect()))

    def _picture(self, tile: Tile) -> QImage:
        picture = self._pictures.get(id(tile.image))
        if picture is None:
            colours = colours_of(tile.image, self._theme)
            if tile.cells:
                colours = _in_squares(colours, tile.cells, QColor(self._theme.paper).rgb())
            picture = self._pictures[id(tile.image)] = _Picture(tile.image, colours, over(colours))
        return picture.image


def _coarse_enough(cell: float, view: MapView) -> float:
    """`cell`, or twice that, or four times and so on, so that the view shows few enough, each of them large enough.

    Tiles at hand may be those of a view that was magnified a thousand times more.
    """
    wide, high = (side * view.scale * 5 / 3 for side in (view.width, view.height))
    while cell < _LEAST_CELL * view.scale or (wide / cell + 2) * (high / cell + 2) > _MOST_CELLS:
        cell *= 2.0
    return cell


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
    painter.setBrush(translucent(theme.paper, 0.6))
    painter.setPen(QPen(QColor(theme.halo), 5.0))
    painter.drawEllipse(centre, RING_RADIUS, RING_RADIUS)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.ring), 2.5))
    painter.drawEllipse(centre, RING_RADIUS, RING_RADIUS)
    painter.setPen(QPen(QColor(theme.accent), 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawLine(centre - QPointF(6, 0), centre + QPointF(6, 0))
    painter.drawLine(centre - QPointF(0, 6), centre + QPointF(0, 6))


def pointer_to(view: MapView, place: tuple[float, float]) -> tuple[QPointF, float] | None:
    """Where an arrow lies that points to a place out of sight, and its angle in degrees, clockwise from the right."""
    x, y = view.to_pixel(*place)
    out = max(view.x - x, x - view.x - view.width, view.y - y, y - view.y - view.height)
    if out <= RING_RADIUS / 2:  # enough of a ring there is seen
        return None
    at_x = min(max(x, view.x + _ARROW_MARGIN), view.x + view.width - _ARROW_MARGIN)
    at_y = min(max(y, view.y + _ARROW_MARGIN), view.y + view.height - _ARROW_MARGIN)
    return QPointF(at_x, at_y), math.degrees(math.atan2(y - at_y, x - at_x))


def paint_pointer(painter: QPainter, centre: QPointF, angle: float, theme: Theme) -> None:
    """An arrow to the current point, in its colours."""
    r = ARROW_RADIUS
    arrow = QPolygonF([QPointF(r, 0), QPointF(-0.7 * r, 0.75 * r), QPointF(-0.3 * r, 0), QPointF(-0.7 * r, -0.75 * r)])
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(centre)
    painter.rotate(angle)
    for colour, width in ((theme.halo, 6.0), (theme.ring, 3.0)):
        painter.setPen(QPen(QColor(colour), width, j=Qt.PenJoinStyle.RoundJoin))
        painter.drawPolygon(arrow)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.accent))
    painter.drawPolygon(arrow)
    painter.restore()


def paint_lasso(painter: QPainter, corners: list[QPointF], theme: Theme) -> None:
    """A lasso as far as it is drawn: its line, and the area that it would enclose."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(translucent(theme.accent, 0.18))
    painter.drawPolygon(QPolygonF(corners))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(translucent(theme.halo, 0.6), 4.0), QPen(QColor(theme.accent), 2.0)):
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF(corners))


def translucent(colour: str, alpha: float) -> QColor:
    result = QColor(colour)
    result.setAlphaF(alpha)
    return result
