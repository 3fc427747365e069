"""A square to draw a digit on, with the mouse or the keyboard."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from vae_studio.core.probing import DRAW_SIDE
from vae_studio.ui.controls import show_tip
from vae_studio.ui.image_view import colours_of, over
from vae_studio.ui.theme import DARK, Theme

PEN_SIZES = (8.0, 48.0)
PEN = 24.0
_SOFT = 0.9  # width of a soft edge, in radii of the pen
_MOST_UNDOS = 100
_STEP, _FINE_STEP = 10.0, 2.0
_HELP = (
    "Draw with the left mouse button, erase with the right one. With the keyboard: the arrow keys move the pen (Shift: "
    "finer), Space puts it down and lifts it."
)


class DrawCanvas(QWidget):
    """Ink on paper: `ink()` is uint8 (280, 280), 0 paper and 255 ink, whatever the theme shows them as.

    Signals: `drawn(ink or None)` whenever the drawing changes, also in the middle of a stroke, None when it is empty;
    `undo_changed(bool)`, whether there is something to take back.
    """

    drawn = Signal(object)
    undo_changed = Signal(bool)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("draw_canvas")
        self.setAccessibleName("Canvas to draw a digit on")
        self.setAccessibleDescription(_HELP)
        show_tip(self, _HELP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(200, 200)
        self._theme = theme
        self._ink = np.zeros((DRAW_SIDE, DRAW_SIDE), np.uint8)
        self._before: list[np.ndarray] = []
        self._size, self._soft = PEN, True
        self._last: tuple[float, float] | None = None  # of the stroke under way
        self._erasing = False
        self._cursor: tuple[float, float] | None = None  # of the keyboard
        self._down = False

    def ink(self) -> np.ndarray:
        """The drawing so far; a copy."""
        return self._ink.copy()

    def is_empty(self) -> bool:
        return not self._ink.any()

    def set_pen(self, size: float, *, soft: bool) -> None:
        """The pen's width in pixels of the drawing, of 280, and whether its edge is soft."""
        self._size, self._soft = size, soft

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def undo(self) -> None:
        """Take the last stroke, or the last clearing, back."""
        if self._before:
            self._end_stroke()
            self._ink = self._before.pop()
            self._say()

    def clear(self) -> None:
        if not self.is_empty():
            self._end_stroke()
            self._remember()
            self._ink = np.zeros_like(self._ink)
            self._say()

    def sizeHint(self) -> QSize:
        return QSize(DRAW_SIDE, DRAW_SIDE)

    # Strokes

    def _begin_stroke(self, at: tuple[float, float], *, erase: bool) -> None:
        self._remember()
        self._erasing, self._last = erase, at
        self._line_to(at)

    def _line_to(self, at: tuple[float, float]) -> None:
        """Ink or paper along the way from the last place, as wide as the pen, and round at its ends."""
        start, self._last = np.array(self._last), at
        stop = np.array(at)
        radius = self._size / 2
        edge = max(1.0, _SOFT * radius) if self._soft else 1.0
        reach = radius + edge
        low = np.clip(np.floor(np.minimum(start, stop) - reach), 0, DRAW_SIDE).astype(int)
        high = np.clip(np.ceil(np.maximum(start, stop) + reach), 0, DRAW_SIDE).astype(int)
        if (low >= high).any():
            return
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        way = stop - start
        length = float(way @ way)
        along = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length, 0.0, 1.0) if length else 0.0
        distance = np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1])
        covered = np.clip((radius - distance) / edge + 0.5, 0.0, 1.0)
        level = np.rint(255 * covered).astype(np.uint8)
        part = self._ink[low[1] : high[1], low[0] : high[0]]
        part[:] = np.minimum(part, 255 - level) if self._erasing else np.maximum(part, level)
        self._say()

    def _end_stroke(self) -> None:
        self._last, self._down = None, False

    def _remember(self) -> None:
        self._before = [*self._before[1 - _MOST_UNDOS :], self._ink.copy()]

    def _say(self) -> None:
        self.update()
        self.undo_changed.emit(bool(self._before))
        self.drawn.emit(None if self.is_empty() else self.ink())

    # Mouse and keyboard

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton) or self._last is not None:
            event.ignore()
            return
        self._cursor = None
        self._begin_stroke(self._place(event.position()), erase=event.button() == Qt.MouseButton.RightButton)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._last is not None and event.buttons():
            self._line_to(self._place(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not event.buttons():
            self._end_stroke()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrow = _ARROWS.get(event.key())
        if arrow is not None and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            fine = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self._move_cursor(arrow, _FINE_STEP if fine else _STEP)
        elif event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._toggle_pen()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._end_stroke()
        self.update()
        super().focusOutEvent(event)

    def _move_cursor(self, arrow: tuple[int, int], step: float) -> None:
        x, y = self._cursor or (DRAW_SIDE / 2, DRAW_SIDE / 2)
        x, y = (min(max(value + step * by, 0.0), float(DRAW_SIDE)) for value, by in zip((x, y), arrow, strict=True))
        self._cursor = (x, y)
        if self._down:
            self._line_to(self._cursor)
        self.update()

    def _toggle_pen(self) -> None:
        if self._down:
            self._end_stroke()
        else:
            self._cursor = self._cursor or (DRAW_SIDE / 2, DRAW_SIDE / 2)
            self._begin_stroke(self._cursor, erase=False)
            self._down = True
        self.update()

    def _place(self, pos: QPointF) -> tuple[float, float]:
        """Where a pixel of this widget is in the drawing."""
        rect = self.paper_rect()
        factor = DRAW_SIDE / rect.width()
        return (pos.x() - rect.left()) * factor, (pos.y() - rect.top()) * factor

    def paper_rect(self) -> QRectF:
        """Where the paper is, in logical pixels: a square in the middle."""
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
            theme, rect = self._theme, self.paper_rect()
            colours = colours_of(self._ink, theme)
            painter.drawImage(rect, over(colours))
            if self.is_empty() and self._last is None:
                painter.setPen(QColor(theme.faint))
                painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, "Draw a digit here")
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.border), 1.0))
            painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))
            if self._cursor is not None and self.hasFocus():
                self._paint_cursor(painter, rect)

    def _paint_cursor(self, painter: QPainter, rect: QRectF) -> None:
        factor = rect.width() / DRAW_SIDE
        at = rect.topLeft() + QPointF(*self._cursor) * factor
        pen = QPen(QColor(self._theme.accent), 1.5)
        pen.setStyle(Qt.PenStyle.SolidLine if self._down else Qt.PenStyle.DotLine)
        painter.setPen(pen)
        painter.drawEllipse(at, self._size / 2 * factor, self._size / 2 * factor)


_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
