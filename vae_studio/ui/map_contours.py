"""The prior's outlines on the latent map: which part of them is seen, how they are painted, where their names stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from vae_studio.core.scene import Contour
from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import Theme

_DASHES = (4.0, 4.0)
_LONGEST_PIECE = 24.0  # pixels
# Where a contour's name is tried: parts of it that look well on the fitted map, 30°, 150°, 210° and 330° of a circle,
# else parts of its longest visible run; in one dimension in one of three rows.
_TAG_PARTS = (1 / 12, 5 / 12, 7 / 12, 11 / 12)
_RUN_PARTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)
_TAG_ROWS = 3
_TAG_STEP = 15  # pixels from one row to the next
_GOLDEN = (5**0.5 - 1) / 2  # turns of the hue from one part of a prior to the next, so that no two are alike


class ContourLayer:
    """The prior's outlines, dashed, and their names: closed lines in a plane, upright lines in one dimension."""

    def __init__(self) -> None:
        self._given: tuple[Contour, ...] | None = None
        self.set_contours(())

    def set_contours(self, contours: tuple[Contour, ...]) -> None:
        """Show these; what is given again, as it is with each frame of a map, costs nothing."""
        if contours is self._given:
            return
        self._given = contours
        self._contours = tuple(contour for contour in contours if np.isfinite(contour.line).all())
        self._has_parts = any(contour.part is not None for contour in self._contours)
        self._curves = _Curves(self._contours)
        self._places = self._curves.at(_TAG_PARTS)
        self._drawn: tuple[MapView, list[_Run]] | None = None

    def paint(self, painter: QPainter, view: MapView, theme: Theme, *, plane: bool) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not plane:
            for contour, u in self._ends():
                painter.setPen(_pen(contour, theme))
                x = round(view.to_pixel(u, 0.0)[0]) + 0.5
                painter.drawLine(QPointF(x, view.y), QPointF(x, view.y + view.height))
            return
        for run in self._runs(view):
            pen = _pen(self._contours[run.contour], theme)
            # Dashes are counted from the line's start, or they would crawl along it while the map is panned.
            pen.setDashOffset(run.before % sum(_DASHES))
            painter.setPen(pen)
            painter.drawPolyline(run.points)

    def paint_names(self, painter: QPainter, view: MapView, theme: Theme, *, plane: bool) -> None:
        """At each contour, where it is visible and no other name stands; over the dots, which would bury them."""
        taken: list[QRectF] = []
        for contour, places in self._named_places(view) if plane else self._named_rows(view):
            for x, y in places:
                name = contour.name
                inside = view.x + 12 < x < view.x + view.width - 12 and view.y + 8 < y < view.y + view.height - 8
                box = _tag_box(painter, x, y, name) if inside else None
                if box and not any(box.intersects(other) for other in taken):
                    _paint_tag(painter, box, name, theme, _colour(contour, theme))
                    taken.append(box)
                    break

    def _named_places(self, view: MapView) -> Iterator[tuple[Contour, Iterator[tuple[float, float]]]]:
        """Those with names, and where each name might stand, best first."""
        for index, contour in (
            reversed(list(enumerate(self._contours))) if self._has_parts else enumerate(self._contours)
        ):
            if contour.name and contour.middle is not None:
                x, y = view.to_pixel(*contour.middle)
                yield contour, ((x, y + rows * _TAG_STEP) for rows in (0, -1, 1))
            elif contour.name:
                usual = (view.to_pixel(u, v) for u, v in self._places[index].tolist())
                yield contour, chain(usual, self._along(view, index))

    def _named_rows(self, view: MapView) -> Iterator[tuple[Contour, Iterator[tuple[float, float]]]]:
        for contour, u in self._ends():
            if contour.name:
                x = view.to_pixel(u, 0.0)[0]
                yield contour, ((x, view.y + 12 + _TAG_STEP * row) for row in range(_TAG_ROWS))

    def _along(self, view: MapView, index: int) -> Iterator[tuple[float, float]]:
        runs = [run.points for run in self._runs(view) if run.contour == index]
        longest = max(runs, key=len, default=None)
        for part in _RUN_PARTS if longest else ():
            yield longest[round(part * (len(longest) - 1))].toTuple()

    def _ends(self) -> list[tuple[Contour, float]]:
        """Where each contour begins and ends in one dimension."""
        return [(c, float(u)) for c in self._contours for u in (c.line[:, 0].min(), c.line[:, 0].max())]

    def _runs(self, view: MapView) -> list[_Run]:
        if self._drawn is None or self._drawn[0] != view:
            self._drawn = (view, self._curves.visible(view))
        return self._drawn[1]


@dataclass(frozen=True, slots=True)
class _Run:
    """A visible part of a contour, in pixels, and the length of line `before` it."""

    contour: int
    points: QPolygonF
    before: float


class _Curves:
    """Closed curves through the points of contours: cubic pieces where they are smooth, else straight ones.

    A circle's 192 points give a curve that is within 10⁻⁷ radii of it.
    """

    def __init__(self, contours: tuple[Contour, ...]) -> None:
        starts, tangents = [], []
        for contour in contours:
            points = contour.line[:-1]
            following = np.roll(points, -1, axis=0)
            at_start = at_stop = following - points
            if contour.smooth:
                at_start = (following - np.roll(points, 1, axis=0)) / 2
                at_stop = np.roll(at_start, -1, axis=0)
            starts.append(np.stack([points, following]))
            tangents.append(np.stack([at_start, at_stop]))
        counts = [len(contour.line) - 1 for contour in contours]
        self._first = np.cumsum([0, *counts])  # number of each contour's first piece
        self._contour = np.repeat(np.arange(len(contours)), counts)
        self._ends, self._tangents = (
            np.concatenate(parts, axis=1) if parts else np.zeros((2, 0, 2)) for parts in (starts, tangents)
        )
        self._lengths = np.hypot(*(self._ends[1] - self._ends[0]).T)
        before = np.cumsum(self._lengths) - self._lengths
        self._before = before - before[self._first[self._contour]]

    def at(self, parts: tuple[float, ...]) -> np.ndarray:
        """Where each contour is after these parts of its points: (contours, parts, 2)."""
        counts = np.diff(self._first)[:, None]
        places = self._first[:-1, None] + counts * np.array(parts)
        piece = places.astype(int).ravel()
        return self._evaluate(piece, places.ravel() - piece).reshape(*places.shape, 2)

    def visible(self, view: MapView) -> list[_Run]:
        """The visible runs in pixels. Deep in the map a curve is millions of pixels long: what is not seen is left
        out, and the rest divided until it is as round as it looks."""
        piece, start, width = np.arange(len(self._contour)), np.zeros(len(self._contour)), 1.0
        low, high = (view.x, view.y), (view.x + view.width, view.y + view.height)
        while True:
            ends = [_to_pixels(view, self._evaluate(piece, part)) for part in (start, start + width)]
            length = np.hypot(*(ends[1] - ends[0]).T)
            margin = 2.0 + length[:, None] / 4  # a piece is rounder than its chord
            seen = (np.minimum(*ends) - margin < high).all(axis=1) & (np.maximum(*ends) + margin > low).all(axis=1)
            piece, start, length = piece[seen], start[seen], length[seen]
            if not len(piece) or length.max() <= _LONGEST_PIECE:
                break
            width /= 2
            piece, start = np.repeat(piece, 2), np.repeat(start, 2)
            start[1::2] += width
        contour = self._contour[piece]
        breaks = (np.diff(piece + start) != width) | (np.diff(contour) != 0)
        firsts, lasts = (end[seen] for end in ends)
        before = (self._before[piece] + start * self._lengths[piece]) / view.scale
        return [
            _Run(int(contour[run[0]]), _polygon([*firsts[run].tolist(), lasts[run[-1]].tolist()]), before[run[0]])
            for run in np.split(np.arange(len(piece)), np.flatnonzero(breaks) + 1)
            if len(run)
        ]

    def _evaluate(self, piece: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Points at 0 ≤ t ≤ 1 of pieces (n,), by Hermite's cubic: (n, 2)."""
        t = t[:, None]
        (start, stop), (at_start, at_stop) = self._ends[:, piece], self._tangents[:, piece]
        return (1 - t) ** 2 * ((1 + 2 * t) * start + t * at_start) + t**2 * ((3 - 2 * t) * stop + (t - 1) * at_stop)


def _to_pixels(view: MapView, points: np.ndarray) -> np.ndarray:
    centre = np.array([view.x + view.width / 2, view.y + view.height / 2])
    return centre + (points - (view.u, view.v)) * (1 / view.scale, -1 / view.scale)


def _polygon(points: list[list[float]]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points])


def _tag_box(painter: QPainter, x: float, y: float, text: str) -> QRectF:
    font = painter.font()
    font.setPixelSize(10)
    painter.setFont(font)
    width = QFontMetricsF(font).horizontalAdvance(text) + 6
    return QRectF(x - width / 2, y - 7, width, 14)


def _colour(contour: Contour, theme: Theme) -> QColor:
    """A hue of its own for each part of a prior, as light as text is on this paper."""
    if contour.part is None:
        return QColor(theme.muted)
    hue = (0.08 + _GOLDEN * contour.part) % 1.0
    return QColor.fromHslF(hue, 0.75, 0.68 if theme.name == "dark" else 0.36)


def _pen(contour: Contour, theme: Theme) -> QPen:
    """Dashed; the inner outline of a part, which has no name, is drawn through, so that it is known from the outer."""
    colour = _colour(contour, theme)
    pen = QPen(colour, 1.0 if contour.part is None else 1.5)
    if contour.part is None or contour.name:
        pen.setDashPattern(_DASHES)
    return pen


def _paint_tag(painter: QPainter, box: QRectF, text: str, theme: Theme, colour: QColor) -> None:
    """A small label that stays legible over tiles."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    veil = QColor(theme.paper)
    veil.setAlphaF(0.8)
    painter.setBrush(veil)
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(colour)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.setBrush(Qt.BrushStyle.NoBrush)
