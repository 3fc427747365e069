"""The latent map: a plane through latent space, tiled with decoded images, through which a point is dragged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from vae_studio.ui.hover_card import HoverCard, HoverContent
from vae_studio.ui.map_canvas import PAN_MARGIN, MapCanvas
from vae_studio.ui.map_marks import Mark
from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import Theme

_GRAB_RADIUS = 18.0  # pixels around the point in which a press takes hold of it
_CLICK_SLACK = 4.0  # pixels the mouse may move in a click
_LASSO_STEP = 3.0  # pixels between two corners of a lasso
_NOTCH = 1.2  # zoom of one wheel notch
_HELP = (
    "A plane through latent space. Each tile is what the decoder draws from the latent point in its middle; dots are "
    "encodings of test images, coloured by class; dashed lines are contours of the prior. Drag the ring, click, or use "
    "the arrow keys (Shift: larger steps) to move the point. Drag the map to pan, turn the wheel or pinch to zoom at "
    "the cursor, press + and − to zoom at the point, 0 or Home to fit, Esc to cancel a drag. An arrow at the edge "
    "points to the point while that is out of sight: click it to go there. Point at a dot to see its image, what the "
    "decoder makes of it and how far from the map it lies, at right angles to the plane that is shown; click to select "
    "it, double-click to send the point there; Shift-drag a lasso around many (with Ctrl to add them), Esc to select "
    "none; N and Shift+N step through those that are selected, or through all, the nearest to the point first. "
    "Right-click to pin a point or to start a path; drag pins and the path's points, click one to select it, press "
    "Enter to go there and Delete to remove it."
)


@dataclass(frozen=True, slots=True)
class _Drag:
    """What a pressed mouse button is doing. `hold` is the offset of what moves from the mouse, or the place held.

    What moves, from `point`, is the `mark`, or the current point where there is none. A press, on `encoding` if on any,
    becomes a click, or a pan, or with `encircles` a lasso; `adds` says that what it selects is selected besides. The
    point, where it lies on `encoding`, is moved only once the mouse has moved too far for a click.
    """

    kind: Literal["move", "press", "pan", "lasso"]
    pressed: QPointF
    hold: tuple[float, float]
    point: tuple[float, float]
    view: MapView
    fitted: bool
    mark: Mark | None = None
    encoding: int | None = None
    encircles: bool = False
    adds: bool = False


class LatentMap(MapCanvas):
    """The map with all that mouse and keys do on it; all coordinates are latent units (u, v).

    `point_moved((u, v))` when the user moves the point. Pins and the path's points are marks: `mark_moved(Mark, (u,
    v))`, `mark_selected(Mark or None)`, `mark_opened(Mark)` to go there, `mark_removed(Mark)`; `menu_requested(QPoint
    on the screen, (u, v), Mark or None)` by a right click. Encodings by number, in the order of `set_encodings`:
    `encoding_hovered(int or None)`, by the mouse, or shown by `show_encoding`; `encoding_clicked(int, bool)`, to be
    selected alone or besides; `encoding_opened(int)` to go there; `lassoed(list, bool)`, likewise;
    `encoding_stepped(int)`, 1 for the next one and -1 for the one before; `selection_cleared()`.
    """

    point_moved = Signal(object)
    mark_moved = Signal(object, object)
    mark_selected = Signal(object)
    mark_opened = Signal(object)
    mark_removed = Signal(object)
    menu_requested = Signal(object, object, object)
    encoding_hovered = Signal(object)
    encoding_clicked = Signal(int, bool)
    encoding_opened = Signal(int)
    encoding_stepped = Signal(int)
    lassoed = Signal(object, bool)
    selection_cleared = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("latent_map")
        self.setAccessibleName("Latent map")
        self.setAccessibleDescription(_HELP)
        self.setWhatsThis(_HELP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._drag: _Drag | None = None
        self._selection: frozenset[int] = frozenset()
        self._current: int | None = None
        self._mouse: QPointF | None = None  # where it is, while it is over the map
        self._stepped: int | None = None  # the encoding that is shown until the mouse moves
        self._hovered: int | None = None
        self.card = HoverCard(self)

    # Encodings

    def set_selection(self, indices: Iterable[int], current: int | None) -> None:
        """These encodings are selected; `current` is the one among them that Enter is for."""
        self._selection, self._current = frozenset(indices), current
        self._encodings.set_selection(self._selection, current)
        self._repaint()

    def show_encoding(self, index: int) -> None:
        """Show what is known of this encoding, as if the mouse were on it, until the mouse moves."""
        place = self._encodings.place_of(index) if self._layers.encodings else None
        if place is not None:
            self._stepped = index
            self._reveal(place)
            self._rehover()

    def show_card(self, content: HoverContent | None) -> None:
        """Show this beside the encoding it is of, if that is the one that is hovered."""
        place = None if content is None or content.index != self._hovered else self._encodings.place_of(content.index)
        if place is None:
            self.card.hide()
        else:
            self.card.show_content(content, self.to_pixel(place), self._room())

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self.card.set_theme(theme)

    def _repaint(self) -> None:
        super()._repaint()
        self._rehover()

    def _rehover(self) -> None:
        """Find which encoding is hovered, after the mouse or what lies under it has moved."""
        if self._drag is not None and self._drag.kind != "press" and self._drag.encoding is None:
            found = None
        elif self._stepped is not None:
            found = self._stepped if self._layers.encodings and self._encodings.place_of(self._stepped) else None
        else:
            found = None if self._mouse is None else self._encoding_at(self._mouse)
        if found != self._hovered:
            self._hovered = found
            self.card.hide()
            self.encoding_hovered.emit(found)
        elif found is not None and self.card.isVisible():
            self.card.place(self.to_pixel(self._encodings.place_of(found)), self._room())

    def _hush(self) -> None:
        """Nothing is hovered until the mouse moves."""
        self._mouse = self._stepped = None
        self._rehover()

    def _encoding_at(self, pos: QPointF) -> int | None:
        """The encoding at a pixel, unless a mark lies over it."""
        if not self._layers.encodings or not self._view.contains(pos.x(), pos.y()) or self._mark_at(pos) is not None:
            return None
        return self._encodings.at(self._view, pos.x(), pos.y())

    def _room(self) -> QRect:
        """Where the card may lie."""
        return QRect(self._view.x, self._view.y, self._view.width, self._view.height).adjusted(4, 4, -4, -4)

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
        if self._on_pointer(pos):
            self.reveal_point()
            return
        self.gesture.press()
        self._mouse, self._stepped = pos, None
        encircles = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        mark = None if encircles else self._mark_at(pos)
        self._select(mark)
        if mark is not None or (self._on_point(pos) and not encircles):
            place = self._place_of(mark)
            middle = self.to_pixel(place)
            hold = middle.x() - pos.x(), middle.y() - pos.y()
            drag = _Drag("move", pos, hold, place, self._view, self._fitted, mark)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        else:
            drag = _Drag("press", pos, self.to_latent(pos), self._point, self._view, self._fitted)
        adds = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        self._drag = replace(drag, encoding=self._encoding_at(pos), encircles=encircles, adds=adds)
        self._rehover()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        pos, drag = event.position(), self._drag
        self._mouse, self._stepped = pos, None
        if drag is None or not event.buttons() & Qt.MouseButton.LeftButton:
            if drag is not None:
                self._end_drag()
            self._rehover()
            self._show_cursor(pos)
            return
        clicks = _distance(pos, drag.pressed) < _CLICK_SLACK
        if drag.kind == "move" and drag.encoding is not None:
            if clicks:
                return
            drag = self._drag = replace(drag, encoding=None)
            self._rehover()
        if drag.kind == "move":
            # It stops at the edge of the canvas, where it can be taken hold of again.
            x = min(max(pos.x() + drag.hold[0], self._view.x), self._view.x + self._view.width)
            y = min(max(pos.y() + drag.hold[1], self._view.y), self._view.y + self._view.height)
            self._move(drag.mark, *self._view.to_latent(x, y))
            return
        if drag.kind == "press" and not clicks:
            drag = self._drag = replace(drag, kind="lasso" if drag.encircles else "pan", encoding=None)
            self._lasso = [drag.hold] if drag.encircles else []
            self.setCursor(Qt.CursorShape.CrossCursor if drag.encircles else Qt.CursorShape.ClosedHandCursor)
            self._rehover()
        if drag.kind == "lasso":
            self._encircle(pos)
        elif drag.kind == "pan":
            self._choose_view(self._view.with_latent_at(*drag.hold, pos.x(), pos.y()), fitted=False)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag = self._drag
        if event.button() != Qt.MouseButton.LeftButton or drag is None:
            event.ignore()
            return
        corners = np.array(self._lasso)
        if drag.encoding is not None:
            self.encoding_clicked.emit(drag.encoding, drag.adds or drag.encircles)
        elif drag.kind == "press":
            self._move(None, *self.to_latent(event.position()))
        elif drag.kind == "lasso":
            self.lassoed.emit(self._encodings.within(corners) if self._layers.encodings else [], drag.adds)
        self._end_drag()
        self._rehover()
        self._show_cursor(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        pos = event.position()
        if event.button() != Qt.MouseButton.LeftButton:
            super().mouseDoubleClickEvent(event)
        elif (mark := self._mark_at(pos)) is not None:
            self.mark_opened.emit(mark)
        elif (encoding := self._encoding_at(pos)) is not None:
            self.encoding_opened.emit(encoding)
        else:
            super().mouseDoubleClickEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._mouse = None
        self._rehover()
        super().leaveEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Of what is under the mouse; by the keyboard, of what is selected."""
        self._hush()
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
        self._hush()
        self._zoom(_NOTCH**notches, event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._hush()
            self._zoom(max(1.0 + event.value(), 0.1), event.position())
            return True
        return super().event(event)

    def _encircle(self, pos: QPointF) -> None:
        """The lasso leads on to here, or to the edge of the canvas."""
        view = self._view
        x = min(max(pos.x(), view.x), view.x + view.width)
        y = min(max(pos.y(), view.y), view.y + view.height)
        if _distance(QPointF(x, y), self.to_pixel(self._lasso[-1])) >= _LASSO_STEP:
            self._lasso.append(view.to_latent(x, y))
            self.update()

    def _end_drag(self) -> None:
        self._drag = None
        self.gesture.release()
        if self._lasso:
            self._lasso = []
            self.update()

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
            self._hush()
            self._zoom(_NOTCH, self._zoom_centre())
        elif own and key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self._hush()
            self._zoom(1 / _NOTCH, self._zoom_centre())
        elif own and key in (Qt.Key.Key_0, Qt.Key.Key_Home):
            self._hush()
            self.fit_with_point()
        elif own and key == Qt.Key.Key_N:
            self.encoding_stepped.emit(-1 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1)
        elif key == Qt.Key.Key_Escape and self._drag is not None:
            self._cancel_drag(self._drag)
        elif not own or not (self._mark_key(key, self._marks.selected) or self._encoding_key(key)):
            super().keyPressEvent(event)

    def _mark_key(self, key: int, mark: Mark | None) -> bool:
        """Do what a key does to the selected mark; whether there is one, and it does anything."""
        if mark is None:
            return False
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.mark_removed.emit(mark)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.mark_opened.emit(mark)
        elif key == Qt.Key.Key_Escape:
            self._select(None)
        else:
            return False
        return True

    def _encoding_key(self, key: int) -> bool:
        """Do what a key does to the selected encodings; whether it does anything."""
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._current is not None:
            self._hush()
            self.encoding_opened.emit(self._current)
        elif key == Qt.Key.Key_Escape and self._selection:
            self._hush()
            self.selection_cleared.emit()
        else:
            return False
        return True

    def _nudge(self, arrow: tuple[int, int], fraction: int) -> None:
        step = self._view.width * self._view.scale / fraction
        mark = self._marks.selected
        place = self._place_of(mark)
        u, v = place[0] + arrow[0] * step, place[1] + arrow[1] * step
        revealed = self._view.revealing(u, v, PAN_MARGIN)
        if revealed != self._view:
            self._hush()
            self._choose_view(revealed, fitted=False)
        self._move(mark, u, v)

    def _zoom_centre(self) -> QPointF:
        """Keys zoom at the point, or the selected mark, or at the middle while that is out of sight."""
        pos = self.to_pixel(self._place_of(self._marks.selected))
        if self._view.contains(pos.x(), pos.y()):
            return pos
        return QPointF(self._view.x + self._view.width / 2, self._view.y + self._view.height / 2)

    def _cancel_drag(self, drag: _Drag) -> None:
        if drag.kind == "move":
            self._move(drag.mark, *drag.point)
        elif drag.kind == "pan":
            self._choose_view(drag.view, fitted=drag.fitted)
        self._end_drag()
        self._rehover()
        self.unsetCursor()


_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


def _distance(a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y())
