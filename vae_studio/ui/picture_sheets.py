"""Sheets of images: test images above their reconstructions, with E[g(z)] if that is wanted; samples from the prior."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from vae_studio.core.scene import EXPECTATION_DRAWS, Expectation
from vae_studio.ui.controls import tip_markup
from vae_studio.ui.image_view import centred_in, to_qimage
from vae_studio.ui.theme import Theme

_SMALLEST = 56  # an image's side in logical pixels, unless not even one would fit
_SMALLEST_COMPARED = 80
_GAP = 8
_CAPTION = 16
_PAIR_GAP = 2
_GUTTER = 56  # for the names of the rows
_MAX_COLUMNS, _MAX_ROWS = 8, 4
_SAMPLE_AIM = 48
_SAMPLE_GAP = 2
_MAX_SAMPLE_GRID = 10


class _Sheet(QWidget):
    """Images in a grid, painted in one widget. `capacity_changed()` when another number of images fits."""

    capacity_changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._capacity = self.capacity()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def capacity(self) -> int:
        """How many images fit now: none on a bare sheet."""
        return 0

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._check_capacity()

    def _check_capacity(self) -> None:
        if self.capacity() != self._capacity:
            self._capacity = self.capacity()
            self.capacity_changed.emit()


class PairSheet(_Sheet):
    """Original images, each above its reconstruction g(E[z]) and under the name of its class.

    While comparing, E[g(z)] and the difference of the two stand below them, and each row has its name on the left.
    """

    def __init__(self, theme: Theme) -> None:
        self.class_names: tuple[str, ...] = ()
        self.expectation: Expectation | None = None
        self._comparing = False
        self._originals: np.ndarray | None = None
        self._reconstructions: np.ndarray | None = None
        self._labels = np.zeros(0, dtype=np.uint8)
        self._numbers = np.zeros(0, dtype=np.int64)
        super().__init__(theme)

    def minimumSizeHint(self) -> QSize:
        return QSize(2 * _SMALLEST + _GAP, self._pitch(_SMALLEST) - _GAP)

    def capacity(self) -> int:
        columns, rows, _ = self._grid()
        return columns * rows

    def set_originals(self, images: np.ndarray, labels: np.ndarray, numbers: np.ndarray) -> None:
        """Show `images` (n, …) with their classes and their numbers in the test set; none reconstructed."""
        self._originals, self._labels, self._numbers = images, labels, numbers
        self._reconstructions = self.expectation = None
        self.update()

    def set_reconstructions(self, images: np.ndarray, expectation: Expectation | None = None) -> None:
        self._reconstructions, self.expectation = images, expectation
        self.update()

    def set_comparing(self, comparing: bool) -> None:
        """Make room for E[g(z)] and the difference, or show pairs again."""
        self._comparing = comparing
        self.updateGeometry()
        self._check_capacity()
        self.update()

    def original_rect(self, index: int) -> QRect:
        """Where the original number `index` is painted, in logical pixels."""
        columns, _, side = self._grid()
        row, column = divmod(index, columns)
        left = self._gutter() + column * (side + _GAP)
        return QRect(left, row * self._pitch(side) + _CAPTION, side, side)

    def reconstruction_rect(self, index: int) -> QRect:
        """Where its reconstruction is painted, in logical pixels."""
        return self._rect(index, 1)

    def expectation_rect(self, index: int) -> QRect:
        """Where its E[g(z)] is painted, in logical pixels, while comparing."""
        return self._rect(index, 2)

    def difference_rect(self, index: int) -> QRect:
        """Where the difference is painted, in logical pixels, while comparing."""
        return self._rect(index, 3)

    def _rect(self, index: int, row: int) -> QRect:
        rect = self.original_rect(index)
        return rect.translated(0, row * (rect.height() + _PAIR_GAP))

    def _rows(self) -> list[tuple[str, np.ndarray | None]]:
        """What stands one above the other in each column, with its name on the left; None is still to come."""
        rows = [("x", self._originals), ("g(E[z])", self._reconstructions)]
        if self._comparing:
            found = self.expectation
            rows += [("E[g(z)]", found.images if found else None)]
            rows += [(f"|Δ| × {found.amplification}" if found else "|Δ|", found.differences if found else None)]
        return rows

    def _gutter(self) -> int:
        return _GUTTER if self._comparing else 0

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), tip_markup(self._describe(event.pos())), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._originals is None or not len(self._originals):
            return
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            count = len(self._originals)
            font = painter.font()
            font.setPixelSize(11)
            painter.setFont(font)
            for row, (name, images) in enumerate(self._rows()):
                places = [self._rect(index, row) for index in range(count)]
                if images is None:
                    for rect in places:
                        painter.fillRect(rect, QColor(self._theme.field))
                else:
                    draw_images(painter, images, places, self._theme)
                painter.setPen(QColor(self._theme.muted))
                for top, height in {(rect.top(), rect.height()) for rect in places if self._comparing}:
                    beside = QRect(0, top, _GUTTER - _GAP, height)
                    painter.drawText(beside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
            for index, number in enumerate(self._labels.tolist()):
                rect = self.original_rect(index)
                caption = QRect(rect.left(), rect.top() - _CAPTION, rect.width(), _CAPTION)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(self._theme.classes[number % len(self._theme.classes)]))
                painter.drawEllipse(QRect(caption.left() + 1, caption.center().y() - 2, 6, 6))
                painter.setPen(QColor(self._theme.muted))
                middle = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
                painter.drawText(caption.adjusted(12, 0, 0, 0), middle, self._class_name(number))

    def _class_name(self, number: int) -> str:
        return self.class_names[number] if number < len(self.class_names) else str(number)

    def _describe(self, position: QPoint) -> str:
        for index, number in enumerate(self._numbers.tolist()):
            of = f"test image {number}"
            words = [f"Test image {number}, class {self._class_name(int(self._labels[index]))}"]
            if self._comparing:
                words.append(f"g(E[z]), the decoder's mean at the posterior mean of {of}")
                words.append(f"E[g(z)], the mean of the decoder's means over {EXPECTATION_DRAWS} draws of z for {of}")
                factor = f", times {self.expectation.amplification}" if self.expectation else ""
                words.append(f"|E[g(z)] − g(E[z])| of {of}{factor}")
            else:
                words.append(f"Reconstruction of {of}")
            for row, said in enumerate(words):
                if self._rect(index, row).contains(position):
                    return said
        return ""

    def _pitch(self, side: int) -> int:
        """The height of one image with all that belongs to it, and of the gap below."""
        count = 4 if self._comparing else 2
        return _CAPTION + count * (side + _PAIR_GAP) - _PAIR_GAP + _GAP

    def _grid(self) -> tuple[int, int, int]:
        """Columns, rows and the side of an image: as many as fit at 56 px, then as large as these can be.

        While comparing, few and large ones, since small differences are looked at.
        """
        width, height = self.width() - self._gutter() + _GAP, self.height() + _GAP
        smallest, count = (_SMALLEST_COMPARED, 4) if self._comparing else (_SMALLEST, 2)
        rows = min(_MAX_ROWS, max(1, height // self._pitch(smallest)))
        down = max(1, (height // rows - self._pitch(0)) // count)
        fitting = round(width / (down + _GAP)) if self._comparing else width // (smallest + _GAP)
        columns = min(_MAX_COLUMNS, max(1, fitting))
        return columns, rows, max(1, min(width // columns - _GAP, down))


class SampleSheet(_Sheet):
    """A square sheet of n × n samples."""

    def __init__(self, theme: Theme) -> None:
        self._samples: np.ndarray | None = None
        super().__init__(theme)

    def minimumSizeHint(self) -> QSize:
        return QSize(3 * _SAMPLE_AIM, 3 * _SAMPLE_AIM)

    def capacity(self) -> int:
        return self._columns() ** 2

    def set_samples(self, images: np.ndarray) -> None:
        """Show n² samples, row by row."""
        self._samples = images
        self.update()

    def clear(self) -> None:
        self._samples = None
        self.update()

    def sample_rect(self, index: int) -> QRect:
        """Where sample number `index` is painted, in logical pixels."""
        columns = self._columns()
        side = max(1, (min(self.width(), self.height()) + _SAMPLE_GAP) // columns - _SAMPLE_GAP)
        row, column = divmod(index, columns)
        return QRect(column * (side + _SAMPLE_GAP), row * (side + _SAMPLE_GAP), side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            if self._samples is None:
                for index in range(self.capacity()):
                    painter.fillRect(self.sample_rect(index), QColor(self._theme.field))
                return
            count = min(len(self._samples), self.capacity())
            draw_images(painter, self._samples[:count], [self.sample_rect(i) for i in range(count)], self._theme)

    def _columns(self) -> int:
        return min(_MAX_SAMPLE_GRID, max(3, min(self.width(), self.height()) // _SAMPLE_AIM))


def draw_images(painter: QPainter, images: np.ndarray, rects: list[QRect], theme: Theme) -> None:
    """Paint images (n, …) into these places, converted in one go as one tall strip."""
    _, height, width, *channels = images.shape
    strip: QImage = to_qimage(images.reshape(-1, width, *channels), theme)
    for index, rect in enumerate(rects):
        painter.drawImage(centred_in(rect, height, width), strip, QRect(0, index * height, width, height))
