"""The filmstrip of a path: its frames side by side, along which one can run with the mouse or the keys."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from vae_studio.ui.controls import Gesture, tip_markup
from vae_studio.ui.image_view import centred_in, to_qimage
from vae_studio.ui.theme import DARK, Theme

_IN_ONE_ROW, _A_ROW = 12, 10
_LARGEST = 48  # an image's side in logical pixels
_EDGE = 2  # around the images, for the frame that shows the focus


class PathStrip(QWidget):
    """Frames (n, …) in rows, the last row filled from the left; a line stands where the current point is.

    `scrubbed(float)`, a fraction of the path's length, when the user presses, drags or uses keys on it; what belongs
    together `gesture` tells. In between two frames it is in between two images' middles.
    """

    scrubbed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("path_strip")
        self.setAccessibleName("Path, from its first point to its last")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._theme = DARK
        self._count = 2
        self._images: np.ndarray | None = None
        self._film: QImage | None = None
        self._fraction: float | None = None
        self._before: float | None = None  # where it stood when the mouse was pressed
        self._held = False
        self.gesture = Gesture()

    # Values in

    def set_count(self, count: int) -> None:
        """So many frames are to come: at least 2. Those of another number are shown no longer."""
        if count != self._count:
            self._count = count
            self._images = self._film = None
            self.updateGeometry()
            self._fit_height()
            self.update()

    def set_images(self, images: np.ndarray | None) -> None:
        """Show these frames (n, …), or none; the array must not be written to afterwards."""
        if images is not None and len(images) != self._count:
            return
        self._images = images
        self._film = self._developed()
        self.update()

    def set_fraction(self, fraction: float | None) -> None:
        """Where the current point is on the path; None when it is not on it."""
        if fraction != self._fraction:
            self._fraction = fraction
            self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._film = self._developed()
        self.update()

    # Values out

    def fraction(self) -> float | None:
        return self._fraction

    def frame_rect(self, index: int) -> QRect:
        """Where frame number `index` is painted, in logical pixels."""
        columns, side = self._grid()
        row, column = divmod(index, columns)
        return QRect(_EDGE + column * side, _EDGE + row * side, side, side)

    def place_of(self, fraction: float) -> QPointF:
        """The middle of the line that stands at a fraction of the path."""
        columns, side = self._grid()
        place = fraction * (self._count - 1)
        # Halfway from one row's last image to the next row's first the line goes over to the next row.
        row = min(int((place + 0.5) // columns), self._rows() - 1)
        return QPointF(_EDGE + (place - row * columns + 0.5) * side, _EDGE + (row + 0.5) * side)

    def fraction_at(self, pos: QPointF) -> float:
        """The fraction of the path whose line is nearest to a pixel, in the row that is."""
        columns, side = self._grid()
        row = min(max(int((pos.y() - _EDGE) // side), 0), self._rows() - 1)
        along = min(max((pos.x() - _EDGE) / side - 0.5, -0.5 if row else 0.0), columns - 0.5)
        return min(max((row * columns + along) / (self._count - 1), 0.0), 1.0)

    def sizeHint(self) -> QSize:
        return QSize(264, self._height_for(264))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 2 * _EDGE + 12 * self._rows())

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            for index in range(self._count):
                rect = self.frame_rect(index)
                painter.fillRect(rect, QColor(theme.paper))
                if self._film is not None:
                    _, height, width = self._images.shape[:3]
                    source = QRect(0, index * height, width, height)
                    painter.drawImage(centred_in(rect, height, width), self._film, source)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            if self._fraction is not None:
                middle, half = self.place_of(self._fraction), self._grid()[1] / 2
                for pen in (QPen(QColor(theme.paper), 4.0), QPen(QColor(theme.path), 2.0)):
                    painter.setPen(pen)
                    painter.drawLine(middle - QPointF(0, half), middle + QPointF(0, half))
            if self.hasFocus():
                painter.setPen(QPen(QColor(theme.accent), 1.0))
                painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_height()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            here = next((i for i in range(self._count) if self.frame_rect(i).contains(event.pos())), None)
            words = f"Frame {here + 1} of {self._count}. " if here is not None else ""
            words += "Click or drag to move the point along the path."
            QToolTip.showText(event.globalPos(), tip_markup(words), self)
            return True
        return super().event(event)

    def _developed(self) -> QImage | None:
        if self._images is None:
            return None
        _, _, width, *channels = self._images.shape
        return to_qimage(self._images.reshape(-1, width, *channels), self._theme)

    def _columns(self) -> int:
        if self._count <= _IN_ONE_ROW:
            return self._count
        return -(-self._count // -(-self._count // _A_ROW))

    def _rows(self) -> int:
        return -(-self._count // self._columns())

    def _grid(self) -> tuple[int, int]:
        """Columns, and the side of an image."""
        columns = self._columns()
        return columns, max(1, min(_LARGEST, (self.width() - 2 * _EDGE) // columns))

    def _height_for(self, width: int) -> int:
        columns = self._columns()
        return 2 * _EDGE + self._rows() * max(1, min(_LARGEST, (width - 2 * _EDGE) // columns))

    def _fit_height(self) -> None:
        self.setFixedHeight(self._height_for(self.width()))

    # Mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self.gesture.press()
        self._held, self._before = True, self._fraction
        self._scrub(self.fraction_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held and event.buttons() & Qt.MouseButton.LeftButton:
            self._scrub(self.fraction_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._held:
            self._held = False
            self.gesture.release()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        at, step = self._fraction or 0.0, 1.0 / (self._count - 1)
        places = {
            Qt.Key.Key_Left: max(at - step, 0.0),
            Qt.Key.Key_Right: min(at + step, 1.0),
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: 1.0,
        }
        if event.key() in places and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self._scrub(places[event.key()])
        elif event.key() == Qt.Key.Key_Escape and self._held and self._before is not None:
            self._held = False
            self._scrub(self._before)
            self.gesture.release()
        else:
            super().keyPressEvent(event)

    def _scrub(self, fraction: float) -> None:
        self.set_fraction(fraction)
        self.scrubbed.emit(fraction)
