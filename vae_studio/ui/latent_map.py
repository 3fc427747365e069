"""The latent map: a plane of two latent coordinates, tiled with decoded images, through which a point is dragged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from vae_studio.core.latent import Region
from vae_studio.core.probing import Footprint
from vae_studio.core.scene import MapFrame, View
from vae_studio.ui.controls import Gesture
from vae_studio.ui.history import History
from vae_studio.ui.map_contours import ContourLayer
from vae_studio.ui.map_layers import (
    BOTTOM_MARGIN,
    LEFT_MARGIN,
    EncodingLayer,
    TileLayer,
    paint_axes,
    paint_point,
    place_of_point,
)
from vae_studio.ui.map_marks import Mark, MarkLayer, PlacedMarks
from vae_studio.ui.map_probe import ProbeLayer
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
    "drag. Right-click to pin a point or to start a path; drag pins and the path's points, click one to select it, "
    "press Enter to go there and Delete to remove it."
)


@dataclass(frozen=True, slots=True)
class _Drag:
    """What a pressed mouse button is doing. `hold` is the offset of what moves from the mouse, or the place held.

    What moves, from `point`, is the `mark`, or the current point where there is none.
    """

    kind: Literal["move", "press", "pan"]  # a press becomes a click or a pan
    pressed: QPointF
    hold: tuple[float, float]
    point: tuple[float, float]
    view: MapView
    fitted: bool
    mark: Mark | None = None


_Place = tuple[float, float, float] | None  # centre and scale of a view, None for the fitted one


class LatentMap(QWidget):
    """Shows tiles, encodings, prior contours and the current point; all coordinates are latent units (u, v).

    `point_moved((u, v))` when the user moves the point; `view_changed(View)` when the visible region or its size
    in pixels changes. While nobody has zoomed or panned, a resize fits the view again. `views_changed()` when there may
    be another view to go back or forward to. `gesture` tells which moves and views belong together.
    Pins and the path's points are marks: `mark_moved(Mark, (u, v))`, `mark_selected(Mark or None)`, `mark_opened(Mark)`
    to go there, `mark_removed(Mark)`; `menu_requested(QPoint on the screen, (u, v), Mark or None)` by a right click.
    """

    point_moved = Signal(object)
    view_changed = Signal(object)
    views_changed = Signal()
    mark_moved = Signal(object, object)
    mark_selected = Signal(object)
    mark_opened = Signal(object)
    mark_removed = Signal(object)
    menu_requested = Signal(object, object, object)

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
        self._marks = MarkLayer()
        self._probe = ProbeLayer()
        self._layers = (True, True, True)
        self._x_name: str = "z₁"
        self._y_name: str | None = "z₂"
        self._point = (0.0, 0.0)
        self._view = MapView.fitted(*self._canvas())
        self._fitted = True
        self._drag: _Drag | None = None
        self.gesture = Gesture()
        self._views: History[_Place] = History(None)
        self._picture: QPixmap | None = None  # what is under the point, while it is as it was painted

    # Values in

    def set_point(self, u: float, v: float) -> None:
        """Show the point here; `point_moved` is for what the user does, and stays silent."""
        before, self._point = self._point, (u, v)
        for place in (before, self._point):
            self.update(place_of_point(self.to_pixel(place)))

    def set_map(self, frame: MapFrame | None) -> None:
        """Show this frame's tiles and contours until the next one; None shows bare paper."""
        self._tiles.set_tiles(() if frame is None else frame.tiles)
        self._contours.set_contours(() if frame is None else frame.contours)
        self._repaint()

    def set_encodings(
        self, points: np.ndarray | None, labels: np.ndarray | None = None, fade: np.ndarray | None = None
    ) -> None:
        """Show dots at points (n, 2) in the colours of labels (n,) with opacities `fade` (n,); None shows none."""
        if points is None or labels is None:
            points, labels, fade = np.zeros((0, 2), np.float32), np.zeros(0, np.uint8), None
        self._encodings.set_points(points, labels, fade)
        self._repaint()

    def set_footprint(self, footprint: Footprint | None) -> None:
        """Show where q(z|x) of one image lies, over all else but the point."""
        self._probe.footprint = footprint
        self.update()

    def set_marks(self, marks: PlacedMarks) -> None:
        """Show these pins and this path; a selected one that is gone is selected no longer."""
        self._marks.marks = marks
        if self._marks.place_of(self._marks.selected) is None:
            self._marks.selected = None
        self._repaint()

    def select_mark(self, mark: Mark | None) -> None:
        """Select this mark, without announcing it."""
        if mark != self._marks.selected:
            self._marks.selected = mark
            self._repaint()

    def set_layers(self, tiles: bool, encodings: bool, prior: bool) -> None:
        self._layers = (tiles, encodings, prior)
        self._repaint()

    def set_hidden_classes(self, classes: frozenset[int]) -> None:
        self._encodings.set_hidden(classes)
        self._repaint()

    def set_axis_names(self, x: str, y: str | None) -> None:
        """Name the axes; no second name means that the model has one dimension."""
        if (x, y) != (self._x_name, self._y_name):
            self._x_name, self._y_name = x, y
            self._repaint()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._tiles.set_theme(theme)
        self._encodings.set_theme(theme)
        self._repaint()

    def fit(self) -> None:
        """Show the prior's bulk, centred; later resizes fit again until the user zooms or pans."""
        self._set_view(MapView.fitted(*self._canvas()), fitted=True)
        self._views.record(self._place())
        self.views_changed.emit()

    def show_region(self, region: Region | None) -> None:
        """Show all of this rectangle, or fit the view; the views before are forgotten."""
        view = MapView.fitted(*self._canvas())
        self._set_view(view.showing(region) if region else view, fitted=region is None)
        self._views = History(self._place())
        self.views_changed.emit()

    def reveal_point(self) -> None:
        """Pan as little as brings the point into sight."""
        if not self._view.contains(*self._view.to_pixel(*self._point)):
            self._choose_view(self._view.revealing(*self._point, _PAN_MARGIN), fitted=False)

    def back(self) -> None:
        """Show what was visible before the last zoom or pan."""
        if self._views.undo():
            self._show_place(self._views.present)

    def forward(self) -> None:
        """Show again what was visible before going back."""
        if self._views.redo():
            self._show_place(self._views.present)

    # Values out

    @property
    def can_go_back(self) -> bool:
        return bool(self._views.past)

    @property
    def can_go_forward(self) -> bool:
        return bool(self._views.future)

    def region(self) -> Region | None:
        """The visible rectangle, or None while it is the fitted one."""
        view = self._view.region()
        return None if self._fitted else Region(view.left, view.right, view.bottom, view.top)

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
        """The layers as they were painted last, and the point, which moves more often than they change."""
        painter = QPainter(self)
        theme = self._theme
        ratio = painter.deviceTransform().m11()  # device pixels to a logical one, also when rendered into an image
        if self._picture is None or self._picture.devicePixelRatio() != ratio:
            self._picture = self._paint_layers(ratio)
        painter.drawPixmap(0, 0, self._picture)
        canvas = QRectF(self._view.x, self._view.y, self._view.width, self._view.height)
        painter.setClipRect(canvas)
        self._probe.paint(painter, self._view, theme, plane=self._y_name is not None)
        paint_point(painter, self.to_pixel(self._point), theme)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(QColor(theme.accent), 1.0))
            painter.drawRect(canvas.adjusted(0, 0, -1, -1))

    def _paint_layers(self, ratio: float) -> QPixmap:
        """Everything but the point, at `ratio` device pixels to a logical one."""
        view, theme = self._view, self._theme
        picture = QPixmap((QSizeF(self.size()) * ratio).toSize())
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setFont(self.font())
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
        self._marks.paint(painter, view, theme)
        painter.end()
        return picture

    def _repaint(self) -> None:
        """What is under the point has changed."""
        self._picture = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        canvas = self._canvas()
        self._picture = None
        self._set_view(MapView.fitted(*canvas) if self._fitted else self._view.resized(*canvas), fitted=self._fitted)

    def _canvas(self) -> tuple[int, int, int, int]:
        return LEFT_MARGIN, 0, max(self.width() - LEFT_MARGIN, 1), max(self.height() - BOTTOM_MARGIN, 1)

    def _set_view(self, view: MapView, *, fitted: bool) -> None:
        changed = view != self._view
        self._view, self._fitted = view, fitted
        if changed:
            self._repaint()
            self.view_changed.emit(view.region())

    def _choose_view(self, view: MapView, *, fitted: bool) -> None:
        """A view of the user's choice, to which it is possible to go back."""
        self._set_view(view, fitted=fitted)
        self._views.record(self._place(), self.gesture.key())
        self.views_changed.emit()

    def _place(self) -> _Place:
        return None if self._fitted else (self._view.u, self._view.v, self._view.scale)

    def _show_place(self, place: _Place) -> None:
        if place is None:
            self._set_view(MapView.fitted(*self._canvas()), fitted=True)
        else:
            self._set_view(MapView(*place, *self._canvas()), fitted=False)
        self.views_changed.emit()

    def _zoom(self, factor: float, pos: QPointF) -> None:
        self._choose_view(self._view.zoomed(factor, pos.x(), pos.y()), fitted=False)

    def _move(self, mark: Mark | None, u: float, v: float) -> None:
        """The mark, or the current point, is to be at (u, v)."""
        if mark is not None:
            if (u, v) != self._marks.place_of(mark):
                self.mark_moved.emit(mark, (u, v))
        elif (u, v) != self._point:
            self.set_point(u, v)
            self.point_moved.emit(self._point)

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        pos = event.position()
        if event.button() == Qt.MouseButton.BackButton:
            self.back()
            return
        if event.button() == Qt.MouseButton.ForwardButton:
            self.forward()
            return
        if event.button() != Qt.MouseButton.LeftButton or not self._view.contains(pos.x(), pos.y()):
            event.ignore()
            return
        self.gesture.press()
        mark = self._mark_at(pos)
        self._select(mark)
        if mark is not None or self._on_point(pos):
            place = self._place_of(mark)
            middle = self.to_pixel(place)
            hold = middle.x() - pos.x(), middle.y() - pos.y()
            self._drag = _Drag("move", pos, hold, place, self._view, self._fitted, mark)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        else:
            self._drag = _Drag("press", pos, self.to_latent(pos), self._point, self._view, self._fitted)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        pos, drag = event.position(), self._drag
        if drag is None or not event.buttons() & Qt.MouseButton.LeftButton:
            if drag is not None:
                self._drag = None
                self.gesture.release()
            self._show_cursor(pos)
            return
        if drag.kind == "move":
            # It stops at the edge of the canvas, where it can be taken hold of again.
            x = min(max(pos.x() + drag.hold[0], self._view.x), self._view.x + self._view.width)
            y = min(max(pos.y() + drag.hold[1], self._view.y), self._view.y + self._view.height)
            self._move(drag.mark, *self._view.to_latent(x, y))
            return
        if drag.kind == "press" and _distance(pos, drag.pressed) >= _CLICK_SLACK:
            drag = self._drag = replace(drag, kind="pan")
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        if drag.kind == "pan":
            self._choose_view(self._view.with_latent_at(*drag.hold, pos.x(), pos.y()), fitted=False)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag = self._drag
        if event.button() != Qt.MouseButton.LeftButton or drag is None:
            event.ignore()
            return
        self._drag = None
        if drag.kind == "press":
            self._move(None, *self.to_latent(event.position()))
        self.gesture.release()
        self._show_cursor(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        mark = self._mark_at(event.position()) if event.button() == Qt.MouseButton.LeftButton else None
        if mark is not None:
            self.mark_opened.emit(mark)
        else:
            super().mouseDoubleClickEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Of what is under the mouse; by the keyboard, of what is selected."""
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            mark = self._marks.selected
            place = self._place_of(mark)
            self.menu_requested.emit(self.mapToGlobal(self.to_pixel(place)).toPoint(), place, mark)
            return
        pos = QPointF(event.pos())
        if self._drag is not None or not self._view.contains(pos.x(), pos.y()):
            return
        mark = self._mark_at(pos)
        self._select(mark)
        self.menu_requested.emit(event.globalPos(), self._place_of(mark) if mark else self.to_latent(pos), mark)

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

    def _mark_at(self, pos: QPointF) -> Mark | None:
        """The mark at a pixel, unless the current point is as near."""
        found = self._marks.at(self._view, pos.x(), pos.y())
        if found is None or (self._on_point(pos) and _distance(pos, self.to_pixel(self._point)) <= found[1]):
            return None
        return found[0]

    def _place_of(self, mark: Mark | None) -> tuple[float, float]:
        """Where the mark is, or the current point where there is none."""
        return self._marks.place_of(mark) or self._point

    def _select(self, mark: Mark | None) -> None:
        if mark != self._marks.selected:
            self.select_mark(mark)
            self.mark_selected.emit(mark)

    def _on_point(self, pos: QPointF) -> bool:
        return _distance(pos, self.to_pixel(self._point)) <= _GRAB_RADIUS

    def _show_cursor(self, pos: QPointF) -> None:
        if not self._view.contains(pos.x(), pos.y()):
            shape = Qt.CursorShape.ArrowCursor
        elif self._on_point(pos) or self._mark_at(pos) is not None:
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
        elif self._marks.selected is None or not own or not self._mark_key(key, self._marks.selected):
            super().keyPressEvent(event)

    def _mark_key(self, key: int, mark: Mark) -> bool:
        """Do what a key does to the selected mark; whether it does anything."""
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.mark_removed.emit(mark)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.mark_opened.emit(mark)
        elif key == Qt.Key.Key_Escape:
            self._select(None)
        else:
            return False
        return True

    def _nudge(self, arrow: tuple[int, int], fraction: int) -> None:
        step = self._view.width * self._view.scale / fraction
        mark = self._marks.selected
        place = self._place_of(mark)
        u, v = place[0] + arrow[0] * step, place[1] + arrow[1] * step
        revealed = self._view.revealing(u, v, _PAN_MARGIN)
        if revealed != self._view:
            self._choose_view(revealed, fitted=False)
        self._move(mark, u, v)

    def _zoom_centre(self) -> QPointF:
        """Keys zoom at the point, or the selected mark, or at the middle while that is out of sight."""
        pos = self.to_pixel(self._place_of(self._marks.selected))
        if self._view.contains(pos.x(), pos.y()):
            return pos
        return QPointF(self._view.x + self._view.width / 2, self._view.y + self._view.height / 2)

    def _cancel_drag(self, drag: _Drag) -> None:
        self._drag = None
        if drag.kind == "move":
            self._move(drag.mark, *drag.point)
        elif drag.kind == "pan":
            self._choose_view(drag.view, fitted=drag.fitted)
        self.gesture.release()
        self.unsetCursor()


_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


def _distance(a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y())
