"""The latent map: a plane of two latent coordinates, tiled with decoded images, through which a point is dragged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from vae_studio.core.scene import MapFrame, View
from vae_studio.ui.map_contours import ContourLayer
from vae_studio.ui.map_layers import (
    BOTTOM_MARGIN,
    LEFT_MARGIN,
    EncodingLayer,
    TileLayer,
    paint_axes,
    paint_point,
)
from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import DARK, Theme

_GRAB_RADIUS = 18.0  # pixels around the point in which a press takes hold of it
_CLICK_SLACK = 4.0  # pixels the mouse may move in a click
_NOTCH = 1.2  # zoom of one wheel notch
_PAN_MARGIN = 20  # pixels from the edge at which a nudged point is kept
_HELP = (
    "The plane of two latent dimensions. Each tile is what the decoder draws from the latent coordinates in its "
    "middle; dots are encodings of test images, coloured by class; dashed lines are contours of the prior. "
    "Drag the ring, click, or use the arrow keys (Shift: larger steps) to move the point. Drag the map to pan, turn "
    "the wheel or pinch to zoom at the cursor, press + and − to zoom at the point, 0 or Home to fit, Esc to cancel a "
    "drag."
)


@dataclass(frozen=True, slots=True)
class _Drag:
    """What a pressed mouse button is doing. `hold` is the ring's offset from the mouse, or the latent place held."""

    kind: Literal["point", "press", "pan"]  # a press becomes a click or a pan
    pressed: QPointF
    hold: tuple[float, float]
    point: tuple[float, float]
    view: MapView
    fitted: bool


class LatentMap(QWidget):
    """Shows tiles, encodings, prior contours and the current point; all coordinates are latent units (u, v).

    `point_moved((u, v))` when the user moves the point; `view_changed(View)` when the visible region or its size
    in pixels changes. While nobody has zoomed or panned, a resize fits the view again.
    """

    point_moved = Signal(object)
    view_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("latent_map")
        self.setAccessibleName("Latent map")
        self.setAccessibleDescription(_HELP)
        self.setWhatsThis(_HELP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(240, 160)
        self._theme = DARK
        self._tiles, self._encodings, self._contours = TileLayer(DARK), EncodingLayer(DARK), ContourLayer()
        self._layers = (True, True, True)
        self._x_name: str = "z₁"
        self._y_name: str | None = "z₂"
        self._point = (0.0, 0.0)
        self._view = MapView.fitted(*self._canvas())
        self._fitted = True
        self._drag: _Drag | None = None

    # Values in

    def set_point(self, u: float, v: float) -> None:
        """Show the point here; `point_moved` is for what the user does, and stays silent."""
        self._point = (u, v)
        self.update()

    def set_map(self, frame: MapFrame | None) -> None:
        """Show this frame's tiles and contours until the next one; None shows bare paper."""
        self._tiles.set_tiles(() if frame is None else frame.tiles)
        self._contours.set_contours(() if frame is None else frame.contours)
        self.update()

    def set_encodings(
        self, points: np.ndarray | None, labels: np.ndarray | None = None, fade: np.ndarray | None = None
    ) -> None:
        """Show dots at points (n, 2) in the colours of labels (n,) with opacities `fade` (n,); None shows none."""
        if points is None or labels is None:
            points, labels, fade = np.zeros((0, 2), np.float32), np.zeros(0, np.uint8), None
        self._encodings.set_points(points, labels, fade)
        self.update()

    def set_layers(self, tiles: bool, encodings: bool, prior: bool) -> None:
        self._layers = (tiles, encodings, prior)
        self.update()

    def set_hidden_classes(self, classes: frozenset[int]) -> None:
        self._encodings.set_hidden(classes)
        self.update()

    def set_axis_names(self, x: str, y: str | None) -> None:
        """Name the axes; no second name means that the model has one dimension."""
        self._x_name, self._y_name = x, y
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._tiles.set_theme(theme)
        self._encodings.set_theme(theme)
        self.update()

    def fit(self) -> None:
        """Show the prior's bulk, centred; later resizes fit again until the user zooms or pans."""
        self._set_view(MapView.fitted(*self._canvas()), fitted=True)

    # Values out

    def point(self) -> tuple[float, float]:
        return self._point

    def view(self) -> View:
        """The visible region of the plane, and the canvas's size."""
        return self._view.region()

    def zoom_factor(self) -> float:
        """Magnification relative to the fitted view."""
        return MapView.fitted(*self._canvas()).scale / self._view.scale

    def to_pixel(self, z: tuple[float, float]) -> QPointF:
        """Where latent (u, v) lies in this widget, in logical pixels."""
        return QPointF(*self._view.to_pixel(*z))

    def to_latent(self, pos: QPointF) -> tuple[float, float]:
        """Latent (u, v) at this widget's pixel."""
        return self._view.to_latent(pos.x(), pos.y())

    def sizeHint(self) -> QSize:
        return QSize(830, 500)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        view, theme = self._view, self._theme
        ratio = painter.deviceTransform().m11()  # device pixels to a logical one, also when rendered into an image
        tiles, encodings, prior = self._layers
        canvas = QRectF(view.x, view.y, view.width, view.height)
        paint_axes(painter, view, theme, self._x_name, self._y_name)
        painter.setClipRect(canvas)
        painter.fillRect(canvas, QColor(theme.paper))
        if tiles:
            self._tiles.paint(painter, view, ratio)
        if prior:
            self._contours.paint(painter, view, theme, plane=self._y_name is not None)
        if encodings:
            self._encodings.paint(painter, view, ratio)
        if prior:
            self._contours.paint_names(painter, view, theme, plane=self._y_name is not None)
        paint_point(painter, self.to_pixel(self._point), theme)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(QColor(theme.accent), 1.0))
            painter.drawRect(canvas.adjusted(0, 0, -1, -1))

    def resizeEvent(self, event: QResizeEvent) -> None:
        canvas = self._canvas()
        self._set_view(MapView.fitted(*canvas) if self._fitted else self._view.resized(*canvas), fitted=self._fitted)

    def _canvas(self) -> tuple[int, int, int, int]:
        return LEFT_MARGIN, 0, max(self.width() - LEFT_MARGIN, 1), max(self.height() - BOTTOM_MARGIN, 1)

    def _set_view(self, view: MapView, *, fitted: bool) -> None:
        changed = view != self._view
        self._view, self._fitted = view, fitted
        if changed:
            self.update()
            self.view_changed.emit(view.region())

    def _zoom(self, factor: float, pos: QPointF) -> None:
        self._set_view(self._view.zoomed(factor, pos.x(), pos.y()), fitted=False)

    def _move_point(self, u: float, v: float) -> None:
        if (u, v) != self._point:
            self.set_point(u, v)
            self.point_moved.emit(self._point)

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        pos = event.position()
        if event.button() != Qt.MouseButton.LeftButton or not self._view.contains(pos.x(), pos.y()):
            event.ignore()
            return
        if self._on_point(pos):
            ring = self.to_pixel(self._point)
            hold = ring.x() - pos.x(), ring.y() - pos.y()
            self._drag = _Drag("point", pos, hold, self._point, self._view, self._fitted)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        else:
            self._drag = _Drag("press", pos, self.to_latent(pos), self._point, self._view, self._fitted)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        pos, drag = event.position(), self._drag
        if drag is None or not event.buttons() & Qt.MouseButton.LeftButton:
            self._drag = None
            self._show_cursor(pos)
            return
        if drag.kind == "point":
            # The ring stops at the edge of the canvas, where it can be taken hold of again.
            x = min(max(pos.x() + drag.hold[0], self._view.x), self._view.x + self._view.width)
            y = min(max(pos.y() + drag.hold[1], self._view.y), self._view.y + self._view.height)
            self._move_point(*self._view.to_latent(x, y))
            return
        if drag.kind == "press" and _distance(pos, drag.pressed) >= _CLICK_SLACK:
            drag = self._drag = replace(drag, kind="pan")
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        if drag.kind == "pan":
            self._set_view(self._view.with_latent_at(*drag.hold, pos.x(), pos.y()), fitted=False)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag = self._drag
        if event.button() != Qt.MouseButton.LeftButton or drag is None:
            event.ignore()
            return
        self._drag = None
        if drag.kind == "press":
            self._move_point(*self.to_latent(event.position()))
        self._show_cursor(event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        # Touchpads report a phase, and pixels that are finer than their angles; X11's pixels have neither.
        touchpad = event.phase() != Qt.ScrollPhase.NoScrollPhase and not event.pixelDelta().isNull()
        notches = event.pixelDelta().y() / 50 if touchpad else event.angleDelta().y() / 120
        if notches == 0.0:
            event.ignore()
            return
        self._zoom(_NOTCH**notches, event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._zoom(max(1.0 + event.value(), 0.1), event.position())
            return True
        return super().event(event)

    def _on_point(self, pos: QPointF) -> bool:
        return _distance(pos, self.to_pixel(self._point)) <= _GRAB_RADIUS

    def _show_cursor(self, pos: QPointF) -> None:
        if not self._view.contains(pos.x(), pos.y()):
            shape = Qt.CursorShape.ArrowCursor
        elif self._on_point(pos):
            shape = Qt.CursorShape.OpenHandCursor
        else:
            shape = Qt.CursorShape.PointingHandCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    # Keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, modifiers = event.key(), event.modifiers()
        # Combinations with Ctrl, Alt and Meta are the window's shortcuts.
        own = not modifiers & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
        arrow = _ARROWS.get(key)
        if own and arrow is not None:
            self._nudge(arrow, 10 if modifiers & Qt.KeyboardModifier.ShiftModifier else 100)
        elif own and key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self._zoom(_NOTCH, self._zoom_centre())
        elif own and key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self._zoom(1 / _NOTCH, self._zoom_centre())
        elif own and key in (Qt.Key.Key_0, Qt.Key.Key_Home):
            self.fit()
        elif key == Qt.Key.Key_Escape and self._drag is not None:
            self._cancel_drag(self._drag)
        else:
            super().keyPressEvent(event)

    def _nudge(self, arrow: tuple[int, int], fraction: int) -> None:
        step = self._view.width * self._view.scale / fraction
        u, v = self._point[0] + arrow[0] * step, self._point[1] + arrow[1] * step
        revealed = self._view.revealing(u, v, _PAN_MARGIN)
        self._set_view(revealed, fitted=self._fitted and revealed == self._view)
        self._move_point(u, v)

    def _zoom_centre(self) -> QPointF:
        """Keys zoom at the point, or at the middle while the point is out of sight."""
        pos = self.to_pixel(self._point)
        if self._view.contains(pos.x(), pos.y()):
            return pos
        return QPointF(self._view.x + self._view.width / 2, self._view.y + self._view.height / 2)

    def _cancel_drag(self, drag: _Drag) -> None:
        self._drag = None
        if drag.kind == "point":
            self._move_point(*drag.point)
        elif drag.kind == "pan":
            self._set_view(drag.view, fitted=drag.fitted)
        self.unsetCursor()


_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


def _distance(a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y())
