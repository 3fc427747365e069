"""What the user put on the latent map: pins, and a path with its ends. How they are painted, and which lies where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QGuiApplication,
    QPainter,
    QPainterPath,
    QPen,
    QPixmap,
    QPolygonF,
)

from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import Theme

PIN_RADIUS, END_RADIUS = 6.0, 9.0
_FRAME_RADIUS = 3.5
_REACH = 4.0  # pixels around a mark in which a press still takes hold of it
_HALO = 2.0
_FADE_STEPS = 8
_FAR = 1e5  # pixels: what is further away is not painted, lest the painter's numbers overflow
_LONGEST_NAME = 140  # pixels
_NAME_SIZE, _SEAM = 11, 3.0  # pixels
_LEAST_OPACITY = 0.75  # of a name that is set apart
_MOST_NAMES = 50  # of more pins only the selected one is named: their names would hide the map, and take long to paint


@dataclass(frozen=True, slots=True)
class Mark:
    """A pin, or a point of the path, by its number from 0."""

    kind: Literal["pin", "path"]
    number: int


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """Where a mark falls on the plane, its name, the number of its colour, and how strongly to show it, up to 1."""

    mark: Mark
    name: str
    place: tuple[float, float]
    colour: int = 0
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class PlacedMarks:
    """All of them. `line` float64 (n, 2) is the path on the plane and `frames` (k, 2) its frames.

    `strengths` (n,) and `frame_strengths` (k,) say how strongly to show them, up to 1; None is 1 everywhere.
    """

    pins: tuple[PlacedMark, ...] = ()
    ends: tuple[PlacedMark, ...] = ()
    line: np.ndarray | None = None
    strengths: np.ndarray | None = None
    frames: np.ndarray | None = None
    frame_strengths: np.ndarray | None = None


class MarkLayer:
    """Paints marks, the selected one with a ring around it, and finds those under the mouse."""

    def __init__(self) -> None:
        self.marks = PlacedMarks()
        self.selected: Mark | None = None
        self.set_apart = False  # names, from strong colours that lie under them
        self._labels: dict[tuple[str, str, float, bool], QPixmap] = {}

    def place_of(self, mark: Mark | None) -> tuple[float, float] | None:
        """Where a mark is, None for one that is not there."""
        return next((placed.place for placed in self._all() if placed.mark == mark), None)

    def at(self, view: MapView, x: float, y: float) -> tuple[Mark, float] | None:
        """The mark at a pixel that is nearest to it, and how many pixels away it is."""
        found: tuple[Mark, float] | None = None
        for placed in self._all():
            left, top = view.to_pixel(*placed.place)
            away = math.hypot(left - x, top - y)
            radius = PIN_RADIUS if placed.mark.kind == "pin" else END_RADIUS
            if away <= radius + _REACH and (found is None or away <= found[1]):
                found = placed.mark, away
        return found

    def paint(self, painter: QPainter, view: MapView, theme: Theme) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_line(painter, view, theme)
        named = len(self.marks.pins) <= _MOST_NAMES
        for placed in self.marks.pins:
            if view.contains(*view.to_pixel(*placed.place)):
                self._paint_pin(painter, view, theme, placed, named=named)
        for placed in self.marks.ends:
            if view.contains(*view.to_pixel(*placed.place)):
                self._paint_end(painter, view, theme, placed)
        painter.restore()

    def _all(self) -> tuple[PlacedMark, ...]:
        """In the order in which they are painted."""
        return (*self.marks.pins, *self.marks.ends)

    def _paint_line(self, painter: QPainter, view: MapView, theme: Theme) -> None:
        marks = self.marks
        if marks.line is None:
            return
        points = _pixels(view, marks.line)
        for first, last, opacity in _pieces(len(points), marks.strengths):
            piece = points[first : last + 1]
            if np.abs(piece).max() < _FAR:
                polygon = QPolygonF([QPointF(x, y) for x, y in piece.tolist()])
                painter.setOpacity(opacity)
                for pen in (QPen(_translucent(theme.paper, 0.7), 5.0), QPen(QColor(theme.path), 2.5)):
                    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
                    painter.setPen(pen)
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawPolyline(polygon)
        painter.setPen(QPen(QColor(theme.paper), 1.0))
        painter.setBrush(QColor(theme.path))
        frames = _pixels(view, marks.frames)
        for index, (x, y) in enumerate(frames.tolist()):
            if view.contains(x, y):
                painter.setOpacity(1.0 if marks.frame_strengths is None else float(marks.frame_strengths[index]))
                painter.drawEllipse(QPointF(x, y), _FRAME_RADIUS, _FRAME_RADIUS)

    def _paint_pin(self, painter: QPainter, view: MapView, theme: Theme, placed: PlacedMark, *, named: bool) -> None:
        centre = QPointF(*view.to_pixel(*placed.place))
        chosen = placed.mark == self.selected
        painter.setOpacity(1.0 if chosen else placed.strength)
        self._paint_selection(painter, theme, centre, PIN_RADIUS, chosen)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.halo))
        painter.drawEllipse(centre, PIN_RADIUS + _HALO, PIN_RADIUS + _HALO)
        painter.setPen(QPen(QColor(theme.ring), 1.5))
        painter.setBrush(QColor(theme.classes[placed.colour % len(theme.classes)]))
        painter.drawEllipse(centre, PIN_RADIUS, PIN_RADIUS)
        if named or chosen:
            self._paint_name(painter, view, theme, placed.name, centre)

    def _paint_name(self, painter: QPainter, view: MapView, theme: Theme, name: str, centre: QPointF) -> None:
        label = self._label(name, theme, painter.deviceTransform().m11())
        if self.set_apart:
            painter.setOpacity(max(painter.opacity(), _LEAST_OPACITY))
        size, gap = label.deviceIndependentSize(), PIN_RADIUS + _HALO
        # On the left of a pin that is so near to the right edge that its name would be cut off.
        fits = centre.x() + gap + size.width() < view.x + view.width
        left = centre.x() + gap if fits else centre.x() - gap - size.width()
        painter.drawPixmap(QPointF(left, centre.y() - size.height() / 2), label)

    def _label(self, name: str, theme: Theme, ratio: float) -> QPixmap:
        """A name with a seam around its letters, at `ratio` device pixels to a logical one; kept, as it takes long."""
        key = name, theme.name, ratio, self.set_apart
        if key not in self._labels:
            font = QFont(QGuiApplication.font())
            font.setPixelSize(_NAME_SIZE)
            metrics = QFontMetricsF(font)
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, _LONGEST_NAME)
            size = QSizeF(metrics.horizontalAdvance(shown) + 2 * _SEAM, metrics.height() + 2 * _SEAM)
            label = QPixmap((size * ratio).toSize())
            label.setDevicePixelRatio(ratio)
            label.fill(Qt.GlobalColor.transparent)
            letters = QPainterPath()
            letters.addText(QPointF(_SEAM, _SEAM + metrics.ascent()), font, shown)
            with QPainter(label) as painter:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                if self.set_apart:
                    painter.setPen(Qt.PenStyle.NoPen)
                    painter.setBrush(_translucent(theme.paper, 0.85))
                    painter.drawRoundedRect(QRectF(QPointF(0.0, 0.0), size), 2 * _SEAM, 2 * _SEAM)
                painter.strokePath(letters, QPen(_translucent(theme.paper, 0.85), _SEAM, j=Qt.PenJoinStyle.RoundJoin))
                painter.fillPath(letters, QColor(theme.text))
            if len(self._labels) > 4 * _MOST_NAMES:
                self._labels.clear()
            self._labels[key] = label
        return self._labels[key]

    def _paint_end(self, painter: QPainter, view: MapView, theme: Theme, placed: PlacedMark) -> None:
        centre = QPointF(*view.to_pixel(*placed.place))
        chosen = placed.mark == self.selected
        painter.setOpacity(1.0 if chosen else placed.strength)
        self._paint_selection(painter, theme, centre, END_RADIUS, chosen)
        painter.setPen(QPen(_translucent(theme.halo, 0.6), 4.0))
        painter.drawEllipse(centre, END_RADIUS, END_RADIUS)
        painter.setPen(QPen(QColor(theme.ring), 1.5))
        painter.setBrush(QColor(theme.path))
        painter.drawEllipse(centre, END_RADIUS, END_RADIUS)
        font = painter.font()
        font.setPixelSize(11 if len(placed.name) == 1 else 8)
        font.setWeight(QFont.Weight.Bold)
        painter.setFont(font)
        painter.setPen(QColor(theme.on_path))
        box = QRectF(centre.x() - END_RADIUS, centre.y() - END_RADIUS, 2 * END_RADIUS, 2 * END_RADIUS)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, placed.name)

    def _paint_selection(self, painter: QPainter, theme: Theme, centre: QPointF, radius: float, chosen: bool) -> None:
        if chosen:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 2.0))
            painter.drawEllipse(centre, radius + 5, radius + 5)


def _pieces(count: int, strengths: np.ndarray | None) -> list[tuple[int, int, float]]:
    """Pieces of a line of `count` points, (first, last, opacity), that are shown equally strongly, in eight steps."""
    if strengths is None:
        return [(0, count - 1, 1.0)]
    between = np.rint((strengths[1:] + strengths[:-1]) / 2 * _FADE_STEPS).astype(int)
    cuts = [0, *(np.flatnonzero(np.diff(between)) + 1).tolist(), count - 1]
    return [(first, last, max(1, int(between[first])) / _FADE_STEPS) for first, last in pairwise(cuts) if last > first]


def _pixels(view: MapView, points: np.ndarray) -> np.ndarray:
    """Plane coordinates (n, 2) in pixels."""
    x = view.x + view.width / 2 + (points[:, 0] - view.u) / view.scale
    y = view.y + view.height / 2 - (points[:, 1] - view.v) / view.scale
    return np.stack([x, y], axis=1)


def _translucent(colour: str, alpha: float) -> QColor:
    result = QColor(colour)
    result.setAlphaF(alpha)
    return result
