"""A sheet of samples that fills its page: images in a grid, one of which can be chosen by mouse or keys."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from vae_studio.ui.controls import tip_markup
from vae_studio.ui.picture_sheets import draw_images
from vae_studio.ui.theme import DARK, Theme

_GAP = 6
_SMALLEST = 8  # an image's longer side in logical pixels
_WHOLE_ROWS = 0.8  # images may be so much smaller for the last row to be full
_RIM = 2


class SampleGrid(QWidget):
    """Shows images, uint8 (n, …), as large as fit, row by row, with the one outlined whose point is the current one.

    Arrow keys move a frame from image to image, Enter or Space chooses the framed one, a click the one under it.
    Signal: `chosen(int)`.
    """

    chosen = Signal(int)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._images: np.ndarray | None = None
        self._words: tuple[str, ...] = ()
        self._shape = (1, 1, 1)  # how many images of which height and width there are, or are to be
        self._layout = (1, 1, 1, 1)  # columns, rows, and the width and height of an image on the screen
        self._outlined: int | None = None
        self._framed = 0
        self._hovered: int | None = None
        self._pressed: int | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._describe()

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 120)

    def count(self) -> int:
        """How many images there are."""
        return 0 if self._images is None else len(self._images)

    def set_images(self, images: np.ndarray, words: tuple[str, ...]) -> None:
        """Show these images, of each of which something is said under the mouse; the array is not written to again."""
        self._images, self._words = images, words
        self._shape = images.shape[:3]
        self._arrange()
        self._framed = min(self._framed, len(images) - 1)
        self._hovered = self._at(self.mapFromGlobal(self.cursor().pos())) if self.underMouse() else None
        self._describe()
        self.update()

    def clear(self, count: int, height: int, width: int) -> None:
        """Places for so many images of this size."""
        self._images, self._words, self._shape = None, (), (count, height, width)
        self._arrange()
        self._outlined = self._hovered = self._pressed = None
        self._framed = 0
        self._describe()
        self.update()

    def outline(self, index: int | None) -> None:
        """Outline the image whose point is the current one, if any is."""
        if index != self._outlined:
            self._outlined = index
            if index is not None:
                self._framed = index
            self._describe()
            self.update()

    @property
    def outlined(self) -> int | None:
        return self._outlined

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sample_rect(self, index: int) -> QRect:
        """Where image number `index` is painted, in logical pixels."""
        columns, rows, width, height = self._layout
        left = (self.width() - columns * (width + _GAP) + _GAP) // 2
        top = (self.height() - rows * (height + _GAP) + _GAP) // 2
        row, column = divmod(index, columns)
        return QRect(left + column * (width + _GAP), top + row * (height + _GAP), width, height)

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover(self._at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = self._at(event.position().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is not None and pressed == self._at(event.position().toPoint()):
            self._frame(pressed)
            self.chosen.emit(pressed)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        count, columns = self.count(), self._layout[0]
        keys = Qt.Key
        steps = {keys.Key_Left: -1, keys.Key_Right: 1, keys.Key_Up: -columns, keys.Key_Down: columns}
        if not count or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
        elif event.key() in steps:
            wanted = self._framed + steps[event.key()]
            if 0 <= wanted < count:
                self._frame(wanted)
        elif event.key() in (keys.Key_Home, keys.Key_End):
            self._frame(0 if event.key() == keys.Key_Home else count - 1)
        elif event.key() in (keys.Key_Return, keys.Key_Enter, keys.Key_Space):
            self.chosen.emit(self._framed)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            index = self._at(event.pos())
            QToolTip.showText(event.globalPos(), "" if index is None else tip_markup(self._words[index]), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            if self._images is None:
                for index in range(self._shape[0]):
                    painter.fillRect(self.sample_rect(index), QColor(self._theme.field))
                if self.hasFocus():
                    self._draw_rim(painter, 0, self._theme.text)
                return
            places = [self.sample_rect(index) for index in range(len(self._images))]
            draw_images(painter, self._images, places, self._theme)
            if self._hovered is not None:
                self._draw_rim(painter, self._hovered, self._theme.muted)
            if self.hasFocus():
                self._draw_rim(painter, self._framed, self._theme.text)
            if self._outlined is not None:
                self._draw_rim(painter, self._outlined, self._theme.accent)

    def _draw_rim(self, painter: QPainter, index: int, colour: str) -> None:
        """A frame around an image, in the gap beside it."""
        pen = QPen(QColor(colour), _RIM)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(self.sample_rect(index).adjusted(-_RIM, -_RIM, _RIM - 1, _RIM - 1))

    # Where and what

    def _hover(self, index: int | None) -> None:
        if index != self._hovered:
            self._hovered = index
            self.setCursor(Qt.CursorShape.ArrowCursor if index is None else Qt.CursorShape.PointingHandCursor)
            self.update()

    def _frame(self, index: int) -> None:
        self._framed = index
        self._describe()
        self.update()

    def _describe(self) -> None:
        """What a screen reader says of the framed image."""
        words = self._words[self._framed] if self._words else "No samples yet"
        current = ", the current point" if self._words and self._framed == self._outlined else ""
        self.setAccessibleDescription(words.partition("\n")[0] + current)

    def _at(self, position: QPoint) -> int | None:
        """The image there, with half the gap around it."""
        half = _GAP // 2
        for index in range(self.count()):
            if self.sample_rect(index).adjusted(-half, -half, half, half).contains(position):
                return index
        return None

    def _arrange(self) -> None:
        """As large as fit, with full rows where that costs little."""
        count, height, width = self._shape
        sizes = {}
        for columns in range(1, count + 1):
            rows = -(-count // columns)
            across = ((self.width() + _GAP - 4 * _RIM) / columns - _GAP) / width
            down = ((self.height() + _GAP - 4 * _RIM) / rows - _GAP) / height
            sizes[columns] = min(across, down)
        largest = max(sizes.values())
        full = [columns for columns in sizes if count % columns == 0 and sizes[columns] >= _WHOLE_ROWS * largest]
        columns = max(full or sizes, key=sizes.__getitem__)
        scale = max(sizes[columns], _SMALLEST / max(width, height))
        self._layout = columns, -(-count // columns), max(1, int(scale * width)), max(1, int(scale * height))
