"""A contact sheet: many small images in a grid that scrolls, of which only those in sight are painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy, QToolTip, QWidget

from vae_studio.ui.controls import tip_markup
from vae_studio.ui.picture_sheets import draw_images
from vae_studio.ui.theme import DARK, Theme

_SIDE = 28  # pixels: those of MNIST are shown as they are
_GAP = 4
_BAR = 2  # pixels in the colour of the class, under an image
_ROW = _SIDE + _BAR + _GAP
_RIM = 2
_MOST_ROWS = 5


class ContactSheet(QAbstractScrollArea):
    """Shows some of many images, uint8 (n, …), by number, each with a bar in the colour of its class.

    A click or the arrow keys make one the current one, a double-click or Enter asks to go there.
    Signals: `current_chosen(int)` and `opened(int)`, with the image's number.
    """

    current_chosen = Signal(int)
    opened = Signal(int)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("contact_sheet")
        self.setAccessibleName("Selected encodings")
        self._theme = theme
        self._images: np.ndarray | None = None
        self._labels = np.zeros(0, np.uint8)
        self._indices: Sequence[int] = ()
        self._say: Callable[[int], str] = str
        self._current: int | None = None
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.verticalScrollBar().setSingleStep(_ROW)
        self.viewport().setAutoFillBackground(False)  # the card's own ground
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)

    def set_images(
        self, images: np.ndarray, labels: np.ndarray, indices: Sequence[int], say: Callable[[int], str]
    ) -> None:
        """Show the images of these numbers; `say` gives words on one, for its tooltip."""
        other = list(indices) != list(self._indices)
        self._images, self._labels, self._indices, self._say = images, labels, list(indices), say
        self._arrange()
        if other:
            self.verticalScrollBar().setValue(0)
        self.viewport().update()

    def set_current(self, index: int | None) -> None:
        """Outline the image of this number, and bring it into sight."""
        self._current = index
        if index in self._indices:
            self._reveal(self._indices.index(index))
            self.setAccessibleDescription(self._say(index))
        self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.viewport().update()

    def thumbnail_rect(self, position: int) -> QRect:
        """Where the image at this place of the sheet is painted, in the viewport's logical pixels."""
        row, column = divmod(position, self._columns())
        top = row * _ROW - self.verticalScrollBar().value()
        return QRect(_RIM + column * self._pitch(), _RIM + top, _SIDE, _SIDE)

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._images is None or not self._indices:
            return
        with QPainter(self.viewport()) as painter:
            columns, scrolled = self._columns(), self.verticalScrollBar().value()
            first = columns * (scrolled // _ROW)
            last = columns * (-(-(scrolled + self.viewport().height()) // _ROW))
            places = range(first, min(last, len(self._indices)))
            shown = np.asarray([self._indices[place] for place in places])
            if max(self._images.shape[1:3]) > _SIDE:
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            rects = [self.thumbnail_rect(place) for place in places]
            draw_images(painter, self._images[shown], rects, self._theme)
            classes = self._theme.classes
            for rect, index in zip(rects, shown.tolist(), strict=True):
                bar = QRect(rect.left(), rect.bottom() + 1, rect.width(), _BAR)
                painter.fillRect(bar, QColor(classes[self._labels[index] % len(classes)]))
                if index == self._current:
                    pen = QPen(QColor(self._theme.text if self.hasFocus() else self._theme.accent), _RIM)
                    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                    painter.setPen(pen)
                    painter.drawRect(rect.adjusted(-1, -1, 1, _BAR + 1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and place is not None:
            self.current_chosen.emit(self._indices[place])

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        place = self._at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and place is not None:
            self.opened.emit(self._indices[place])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        count, keys = len(self._indices), Qt.Key
        place = self._indices.index(self._current) if self._current in self._indices else 0
        rows = self._columns() * max(1, self.viewport().height() // _ROW)
        steps = {
            keys.Key_Left: -1,
            keys.Key_Right: 1,
            keys.Key_Up: -self._columns(),
            keys.Key_Down: self._columns(),
            keys.Key_PageUp: -rows,
            keys.Key_PageDown: rows,
            keys.Key_Home: -count,
            keys.Key_End: count,
        }
        if not count or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
        elif event.key() in steps:
            self.current_chosen.emit(self._indices[max(0, min(place + steps[event.key()], count - 1))])
        elif event.key() in (keys.Key_Return, keys.Key_Enter):
            self.opened.emit(self._indices[place])
        else:
            super().keyPressEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            place = self._at(event.pos())
            words = "" if place is None else self._say(self._indices[place])
            QToolTip.showText(event.globalPos(), tip_markup(words), self)
            return True
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.viewport().update()
        return super().viewportEvent(event)

    # Where

    def _at(self, position: QPoint) -> int | None:
        """The place whose image, with half the gap around it, is here."""
        column = (position.x() - _RIM + _GAP // 2) // self._pitch()
        row = (position.y() - _RIM + _GAP // 2 + self.verticalScrollBar().value()) // _ROW
        place = row * self._columns() + column
        half = _GAP // 2
        there = 0 <= column < self._columns() and 0 <= place < len(self._indices)
        around = self.thumbnail_rect(place).adjusted(-half, -half, half, _BAR + half)
        return place if there and around.contains(position) else None

    def _columns(self) -> int:
        return max(1, (self.viewport().width() + _GAP - 2 * _RIM) // (_SIDE + _GAP))

    def _pitch(self) -> int:
        """From one column to the next: they share the width."""
        return (self.viewport().width() + _GAP - 2 * _RIM) // self._columns()

    def _arrange(self) -> None:
        rows = -(-len(self._indices) // self._columns())
        self.setFixedHeight(max(1, min(rows, _MOST_ROWS)) * _ROW + _RIM)
        self.verticalScrollBar().setPageStep(self.viewport().height())
        self.verticalScrollBar().setRange(0, max(0, rows * _ROW + _RIM - self.height()))

    def _reveal(self, place: int) -> None:
        bar, row = self.verticalScrollBar(), place // self._columns()
        top = row * _ROW
        bottom = top + _ROW + _RIM - self.height()
        bar.setValue(min(top, max(bottom, bar.value())))
