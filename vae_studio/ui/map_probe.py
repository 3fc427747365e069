"""How q(z|x) of one image lies on the latent map: its outlines and centre, and the way it went while improving."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from vae_studio.core.probing import Footprint
from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import Theme

_CROSS = 4.0  # pixels from the centre to each tip
_HALO = 3.0
_FAR = 1e5  # pixels: what is further away is not painted, lest the painter's numbers overflow


class ProbeLayer:
    """Paints a Footprint: solid outlines and a diagonal cross at the mean; dashed ones where the encoder had put it."""

    def __init__(self) -> None:
        self.footprint: Footprint | None = None

    def paint(self, painter: QPainter, view: MapView, theme: Theme, *, plane: bool) -> None:
        footprint = self.footprint
        if footprint is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for line in footprint.begun:
            _outline(painter, view, line, QPen(QColor(theme.muted), 1.5, Qt.PenStyle.DotLine), plane)
        if footprint.trail is not None and len(footprint.trail) > 1:
            _stroke(painter, view, footprint.trail, _under(theme, 1.5))
            _stroke(painter, view, footprint.trail, QPen(QColor(theme.accent), 1.5))
        for index, line in enumerate(footprint.outlines):
            _outline(painter, view, line, _under(theme, 2.0), plane)
            _outline(painter, view, line, QPen(QColor(theme.accent), 2.0 if index == 0 else 1.25), plane)
        self._cross(painter, QPointF(*view.to_pixel(*footprint.centre)), theme)
        painter.restore()

    def _cross(self, painter: QPainter, at: QPointF, theme: Theme) -> None:
        if not max(abs(at.x()), abs(at.y())) < _FAR:
            return
        for pen in (QPen(QColor(theme.halo), 2.0 + _HALO), QPen(QColor(theme.ring), 2.0)):
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            for across in (_CROSS, -_CROSS):
                painter.drawLine(at + QPointF(-across, -_CROSS), at + QPointF(across, _CROSS))


def _under(theme: Theme, width: float) -> QPen:
    """A dark or light seam under a line, so that it shows on any tile."""
    colour = QColor(theme.halo)
    colour.setAlphaF(0.7)
    return QPen(colour, width + _HALO)


def _outline(painter: QPainter, view: MapView, line: np.ndarray, pen: QPen, plane: bool) -> None:
    if plane:
        _stroke(painter, view, line, pen)
        return
    painter.setPen(pen)
    for u in (line[:, 0].min(), line[:, 0].max()):
        x = view.to_pixel(float(u), 0.0)[0]
        if abs(x) < _FAR:
            painter.drawLine(QPointF(x, view.y), QPointF(x, view.y + view.height))


def _stroke(painter: QPainter, view: MapView, line: np.ndarray, pen: QPen) -> None:
    points = np.array([view.to_pixel(float(u), float(v)) for u, v in line])
    if np.isfinite(points).all() and np.abs(points).max() < _FAR:
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in points.tolist()]))
