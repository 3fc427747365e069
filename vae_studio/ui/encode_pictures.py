"""The pictures of the Encode panel: an image, its reconstruction and the error; and a row of its nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from vae_studio.core.probing import Neighbours
from vae_studio.ui.controls import tip_markup
from vae_studio.ui.image_view import centred_in, to_qimage
from vae_studio.ui.theme import Theme

_CAPTION = 16
_GAP = 8
_LARGEST = 96
_NAMES, _SHORT_NAMES = ("x", "reconstruction", "error"), ("x", "g(μ)", "error")
_NEIGHBOUR = 30


class Pictures(QWidget):
    """x, its reconstruction and the error side by side, with their names below."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("encode_pictures")
        self.setAccessibleName("The image, its reconstruction and the error")
        self._theme = theme
        self._arrays: list[np.ndarray | None] = [None, None, None]
        self._name = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_LARGEST + _CAPTION)

    def sizeHint(self) -> QSize:
        return QSize(240, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setFixedHeight(min(_LARGEST, (self.width() - 2 * _GAP) // 3) + _CAPTION)

    def set_name(self, name: str) -> None:
        """Where the image comes from, for its tooltip."""
        self._name = name

    def set_image(self, image: np.ndarray) -> None:
        """Another x; the other two stay until their successors come."""
        self._arrays[0] = image
        self.update()

    def set_answer(self, reconstruction: np.ndarray, error: np.ndarray) -> None:
        self._arrays[1:] = [reconstruction, error]
        self.update()

    def clear(self) -> None:
        self._arrays = [None, None, None]
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def picture_rect(self, index: int) -> QRect:
        """Where x (0), its reconstruction (1) and the error (2) are painted, in logical pixels."""
        side = min(self.height() - _CAPTION, (self.width() - 2 * _GAP) // 3)
        pitch = (self.width() + _GAP) / 3
        left = round(index * pitch + (pitch - _GAP - side) / 2)
        return QRect(left, 0, side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            for index, (array, name) in enumerate(zip(self._arrays, _NAMES, strict=True)):
                rect = self.picture_rect(index)
                if painter.fontMetrics().horizontalAdvance(name) > rect.width() + _GAP:
                    name = _SHORT_NAMES[index]
                painter.fillRect(rect, QColor(self._theme.paper))
                if array is not None:
                    painter.drawImage(centred_in(rect, *array.shape[:2]), to_qimage(array, self._theme))
                painter.setPen(QColor(self._theme.muted))
                below = QRect(rect.left() - _GAP, rect.bottom() + 1, rect.width() + 2 * _GAP, _CAPTION)
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, name)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            tips = (
                f"x: what the encoder gets{f', from {self._name}' if self._name else ''}.",
                "g(μ): what the decoder makes of the mean of q(z|x).",
                "|x − g(μ)|: where the two differ.",
            )
            place = next((i for i in range(3) if self.picture_rect(i).contains(event.pos())), None)
            QToolTip.showText(event.globalPos(), tip_markup(tips[place]) if place is not None else "")
            return True
        return super().event(event)


@dataclass(frozen=True, slots=True)
class _Near:
    image: np.ndarray
    words: str


class NeighbourStrip(QWidget):
    """The nearest training images in a row, nearest first; each says which it is."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("encode_neighbours")
        self.setAccessibleName("Nearest training images")
        self._theme = theme
        self._near: list[_Near] = []
        self.setFixedHeight(_NEIGHBOUR)

    def set_neighbours(self, found: Neighbours) -> None:
        rows = zip(found.images, found.labels, found.distances, found.indices, strict=True)
        self._near = [
            _Near(
                image,
                f"Training image {index:,}, class {found.class_names[int(number)]}: {distance:.1f} grey levels away "
                "(root mean square)",
            )
            for image, number, distance, index in rows
        ]
        self.setEnabled(True)
        self.setAccessibleDescription("; ".join(near.words for near in self._near))
        self.update()

    def clear(self) -> None:
        self._near = []
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def _rect(self, index: int) -> QRect:
        pitch = min(_NEIGHBOUR + 4, self.width() // max(1, len(self._near)))
        side = min(_NEIGHBOUR, pitch - 2)
        return QRect(QPoint(index * pitch, 0), QSize(side, side))

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setOpacity(1.0 if self.isEnabled() else 0.4)
            for index, near in enumerate(self._near):
                rect = centred_in(self._rect(index), *near.image.shape[:2])
                painter.drawImage(rect, to_qimage(near.image, self._theme))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            words = [near.words for index, near in enumerate(self._near) if self._rect(index).contains(event.pos())]
            QToolTip.showText(event.globalPos(), tip_markup(words[0]) if words else "")
            return True
        return super().event(event)
