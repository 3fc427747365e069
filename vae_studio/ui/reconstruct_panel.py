"""The Reconstruct tab: test images above their reconstructions, and a sheet of samples from the prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.scene import Pictures, PicturesFrame
from vae_studio.ui.controls import label
from vae_studio.ui.image_view import to_qimage
from vae_studio.ui.theme import DARK, Theme

_SMALLEST = 56  # an image's side in logical pixels, unless not even one would fit
_GAP = 8
_CAPTION = 16
_PAIR_GAP = 2
_MAX_COLUMNS, _MAX_ROWS = 8, 4
_SAMPLE_AIM = 48
_SAMPLE_GAP = 2
_MAX_SAMPLE_GRID = 10


class ReconstructPanel(QFrame):
    """Shows test images with their reconstructions, and samples from the prior p(z).

    Signal: `request_changed(Pictures)` when other images, another number of them, or new samples are wanted.
    A frame is shown only if it answers the present request (by identity), so that what stands below an image is
    always its own reconstruction.
    """

    request_changed = Signal(object)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("reconstruct_panel")
        self.setProperty("panel", True)
        self._images = np.zeros((0, 1, 1), dtype=np.uint8)
        self._labels = np.zeros(0, dtype=np.uint8)
        self._order = np.zeros(0, dtype=np.int64)  # test images of the chosen class, as they follow each other
        self._random = np.random.default_rng()
        self._seed = 0
        self._chosen: np.ndarray | None = None
        self._request: Pictures | None = None
        self.pairs = PairSheet(theme)
        self.samples = SampleSheet(theme)
        self._class = QComboBox()
        self._index = QSpinBox()
        self._shuffle = QPushButton("Random")
        self._shuffle.setProperty("kind", "chip")
        self._shuffle.setCheckable(True)  # blue while the images are random ones
        self._resample = QPushButton("New samples")
        self._name_controls()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(16)
        title = "Test images and their reconstructions"
        hint = "x above, decoder mean at the posterior mean below"
        layout.addLayout(_half(title, hint, (self._class, self._index, self._shuffle), self.pairs), 3)
        hint = "decoder mean at z ~ N(0, I)"
        layout.addLayout(_half("Samples from the prior", hint, (self._resample,), self.samples), 2)
        self.set_data(self._images, self._labels, ())
        self._class.currentIndexChanged.connect(self._choose_in_order)
        self._index.valueChanged.connect(self._choose_in_order)
        self._index.lineEdit().returnPressed.connect(self._choose_in_order)
        self._shuffle.clicked.connect(self._choose_at_random)
        self._resample.clicked.connect(self._draw_again)
        self.pairs.capacity_changed.connect(self._ask)
        self.samples.capacity_changed.connect(self._ask)

    def request(self) -> Pictures | None:
        """What is wanted now; None before there are images."""
        return self._request

    def set_data(self, images: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
        """The test images, uint8 (N, H, W), their classes, uint8 (N,), and the class names, "" for absent ones."""
        self._images, self._labels = images, labels
        self.pairs.class_names = tuple(class_names)
        self._class.blockSignals(True)
        self._class.clear()
        self._class.addItem("All classes", None)
        for number, name in enumerate(class_names):
            if name:
                self._class.addItem(name, number)
        self._class.blockSignals(False)
        for widget in (self._class, self._index, self._shuffle, self._resample):
            widget.setEnabled(len(images) > 0)
        self._chosen = None
        self._choose_in_order()

    def set_pictures(self, frame: PicturesFrame) -> None:
        """Show this frame's reconstructions and samples, if it answers the present request."""
        if frame.request is self._request:
            self.pairs.set_reconstructions(frame.reconstructions)
            self.samples.set_samples(frame.samples)

    def set_theme(self, theme: Theme) -> None:
        self.pairs.set_theme(theme)
        self.samples.set_theme(theme)

    def _name_controls(self) -> None:
        for widget, name, spoken, tooltip in (
            (self._class, "reconstruct_class_combo", "Class", "Show test images of this class only."),
            (
                self._index,
                "reconstruct_index",
                "First test image",
                "The first test image shown, counted from 0 within the class; the following ones come after it.",
            ),
            (self._shuffle, "reconstruct_random_button", "Random", "Show random test images of the chosen class."),
            (self._resample, "new_samples_button", "New samples", "Draw other points z from the prior N(0, I)."),
        ):
            widget.setObjectName(name)
            widget.setAccessibleName(spoken)
            widget.setToolTip(tooltip)
        self.pairs.setObjectName("reconstruct_pairs")
        self.pairs.setAccessibleName("Test images and their reconstructions")
        self.samples.setObjectName("reconstruct_samples")
        self.samples.setAccessibleName("Samples from the prior")
        self._index.setWrapping(True)
        self._index.setKeyboardTracking(False)
        self._index.setPrefix("from ")
        self._index.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._index.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self._index.setMinimumWidth(84)

    def _of_class(self) -> np.ndarray:
        wanted = self._class.currentData()
        return np.arange(len(self._images)) if wanted is None else np.flatnonzero(self._labels == wanted)

    def _choose_in_order(self) -> None:
        """The images of the class from the chosen one on, as the test set has them."""
        members = self._of_class()
        self._index.blockSignals(True)
        self._index.setRange(0, max(0, len(members) - 1))
        self._index.blockSignals(False)
        self._order = np.roll(members, -self._index.value())
        self._shuffle.setChecked(False)
        self._ask()

    def _choose_at_random(self) -> None:
        self._order = self._random.permutation(self._of_class())
        self._shuffle.setChecked(True)
        self._ask()

    def _draw_again(self) -> None:
        self._seed += 1
        self._ask()

    def _ask(self) -> None:
        """Make a new request, if it would be another than the present one."""
        if not len(self._images):
            self._request = None
            self.pairs.set_originals(self._images, self._order, self._order)
            self.samples.clear()
            return
        chosen = self._order[: self.pairs.capacity()]
        count = self.samples.capacity()
        old = self._request
        same = self._chosen is not None and np.array_equal(chosen, self._chosen)
        if same and old is not None and (old.samples, old.seed) == (count, self._seed):
            return
        if same and old is not None:
            images = old.images  # the reconstructions that are shown stay right
        else:
            images = self._images[chosen]
            self.pairs.set_originals(images, self._labels[chosen], chosen)
        self._chosen = chosen
        self._request = Pictures(images, count, self._seed)
        self.request_changed.emit(self._request)


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
        if self.capacity() != self._capacity:
            self._capacity = self.capacity()
            self.capacity_changed.emit()


class PairSheet(_Sheet):
    """Original images, each above its reconstruction and under the name of its class."""

    def __init__(self, theme: Theme) -> None:
        self.class_names: tuple[str, ...] = ()
        self._originals: np.ndarray | None = None
        self._reconstructions: np.ndarray | None = None
        self._labels = np.zeros(0, dtype=np.uint8)
        self._numbers = np.zeros(0, dtype=np.int64)
        super().__init__(theme)

    def minimumSizeHint(self) -> QSize:
        return QSize(2 * _SMALLEST + _GAP, _CAPTION + 2 * _SMALLEST + _PAIR_GAP)

    def capacity(self) -> int:
        columns, rows, _ = self._grid()
        return columns * rows

    def set_originals(self, images: np.ndarray, labels: np.ndarray, numbers: np.ndarray) -> None:
        """Show uint8 (n, H, W) `images` with their classes and their numbers in the test set; none reconstructed."""
        self._originals, self._labels, self._numbers = images, labels, numbers
        self._reconstructions = None
        self.update()

    def set_reconstructions(self, images: np.ndarray) -> None:
        self._reconstructions = images
        self.update()

    def original_rect(self, index: int) -> QRect:
        """Where the original number `index` is painted, in logical pixels."""
        columns, _, side = self._grid()
        row, column = divmod(index, columns)
        return QRect(column * (side + _GAP), row * self._pitch(side) + _CAPTION, side, side)

    def reconstruction_rect(self, index: int) -> QRect:
        """Where its reconstruction is painted, in logical pixels."""
        rect = self.original_rect(index)
        return rect.translated(0, rect.height() + _PAIR_GAP)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self._describe(event.pos()), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._originals is None or not len(self._originals):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        count = len(self._originals)
        _draw_images(painter, self._originals, [self.original_rect(i) for i in range(count)], self._theme)
        below = [self.reconstruction_rect(i) for i in range(count)]
        if self._reconstructions is None:
            for rect in below:
                painter.fillRect(rect, QColor(self._theme.field))
        else:
            _draw_images(painter, self._reconstructions, below, self._theme)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
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
            name = f"Test image {number}, class {self._class_name(int(self._labels[index]))}"
            if self.original_rect(index).contains(position):
                return name
            if self.reconstruction_rect(index).contains(position):
                return f"Reconstruction of test image {number}"
        return ""

    @staticmethod
    def _pitch(side: int) -> int:
        return _CAPTION + 2 * side + _PAIR_GAP + _GAP

    def _grid(self) -> tuple[int, int, int]:
        """Columns, rows and the side of an image: as many pairs as fit at 56 px, then as large as these can be."""
        columns = min(_MAX_COLUMNS, max(1, (self.width() + _GAP) // (_SMALLEST + _GAP)))
        rows = min(_MAX_ROWS, max(1, (self.height() + _GAP) // self._pitch(_SMALLEST)))
        across = (self.width() + _GAP) // columns - _GAP
        down = ((self.height() + _GAP) // rows - _CAPTION - _PAIR_GAP - _GAP) // 2
        return columns, rows, max(1, min(across, down))


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
        """Show uint8 (n², H, W) samples, row by row."""
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
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._samples is None:
            for index in range(self.capacity()):
                painter.fillRect(self.sample_rect(index), QColor(self._theme.field))
            return
        count = min(len(self._samples), self.capacity())
        _draw_images(painter, self._samples[:count], [self.sample_rect(i) for i in range(count)], self._theme)

    def _columns(self) -> int:
        return min(_MAX_SAMPLE_GRID, max(3, min(self.width(), self.height()) // _SAMPLE_AIM))


def _draw_images(painter: QPainter, images: np.ndarray, rects: list[QRect], theme: Theme) -> None:
    """Paint uint8 (n, H, W) images into these places, converted in one go as one tall strip."""
    _, height, width = images.shape
    strip: QImage = to_qimage(images.reshape(-1, width), theme)
    for index, rect in enumerate(rects):
        painter.drawImage(rect, strip, QRect(0, index * height, width, height))


def _half(title: str, hint: str, controls: tuple[QWidget, ...], sheet: QWidget) -> QVBoxLayout:
    """Title, hint, a row of controls, and the sheet below them."""
    layout = QVBoxLayout()
    layout.setSpacing(8)
    heading = QVBoxLayout()
    heading.setSpacing(2)
    heading.addWidget(_shrinkable(label(title, "title")))
    heading.addWidget(_shrinkable(label(hint, "faint")))
    layout.addLayout(heading)
    row = QHBoxLayout()
    row.setSpacing(8)
    for control in controls:
        row.addWidget(control)
    row.addStretch(1)
    layout.addLayout(row)
    layout.addWidget(sheet, 1)
    return layout


def _shrinkable(text: QLabel) -> QLabel:
    """A label that does not keep the panel from getting narrow."""
    text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    text.setToolTip(text.text())
    return text
