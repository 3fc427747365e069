"""One image, as large as fits; and the mapping from grey levels to the theme's paper and ink. Colours stay."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from vae_studio.ui.theme import DARK, Theme


@lru_cache(maxsize=4)
def grey_table(theme: Theme) -> np.ndarray:
    """The colour of every grey level, 0 → paper … 255 → ink: uint32 (256,) as 0xffRRGGBB, not to be written to."""
    paper, ink = (QColor(name) for name in (theme.paper, theme.ink))
    ends = np.array([[c.red(), c.green(), c.blue()] for c in (paper, ink)], dtype=np.float64)
    levels = np.linspace(0.0, 1.0, 256)[:, None]
    red, green, blue = np.rint(ends[0] + levels * (ends[1] - ends[0])).astype(np.uint32).T
    table = np.uint32(0xFF000000) | (red << 16) | (green << 8) | blue
    table.setflags(write=False)
    return table


def colours_of(array: np.ndarray, theme: Theme) -> np.ndarray:
    """Each pixel's colour, uint32 (H, W) as 0xffRRGGBB, C-contiguous.

    Grey ones, uint8 (H, W), are in the theme's paper and ink; those of (H, W, 3) are as they are in any theme.
    """
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise ValueError(f"an image must be uint8 (H, W) or (H, W, 3), not {array.dtype} {array.shape}")
    if array.ndim == 2:
        return np.take(grey_table(theme), array)
    colours = np.full(array.shape[:2], 0xFF000000, np.uint32)
    for channel, shift in enumerate((16, 8, 0)):
        colours |= array[..., channel].astype(np.uint32) << shift
    return colours


def over(colours: np.ndarray) -> QImage:
    """An RGB32 image over these colours, uint32 (H, W), which must live as long as it: a QImage owns no memory."""
    height, width = colours.shape
    return QImage(colours.data, width, height, colours.strides[0], QImage.Format.Format_RGB32)


def to_qimage(array: np.ndarray, theme: Theme) -> QImage:
    """An image in the colours of `colours_of`, which owns its pixels."""
    return over(colours_of(array, theme)).copy()


def centred_in(rect: QRect, height: int, width: int) -> QRect:
    """Where an image of `height` × `width` square pixels fits into `rect`, in its middle, as large as can be."""
    scale = min(rect.width() / width, rect.height() / height)
    size = QSize(max(1, int(width * scale)), max(1, int(height * scale)))
    left, top = (rect.width() - size.width()) // 2, (rect.height() - size.height()) // 2
    return QRect(rect.topLeft() + QPoint(left, top), size)


class ImageView(QWidget):
    """Shows one image, uint8 (H, W) or (H, W, 3): square pixels, scaled smoothly, centred, as large as fits.

    Scaling at each paint costs less than 0.5 ms, so nothing is cached but the image itself.
    """

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._array: np.ndarray | None = None
        self._image: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(28, 28)

    def sizeHint(self) -> QSize:
        return QSize(256, 256)

    def set_image(self, array: np.ndarray) -> None:
        """Show this image; the array must not be written to afterwards."""
        self._array = array
        self._image = to_qimage(array, self._theme)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self._array is not None:
            self._image = to_qimage(self._array, theme)
        self.update()

    def image_rect(self) -> QRect:
        """Where the image is painted, in logical pixels; a centred square before there is one."""
        height, width = self.image_size()
        return centred_in(self.rect(), height, width)

    def image_size(self) -> tuple[int, int]:
        """Height and width of the image in its own pixels, (1, 1) before there is one."""
        return (1, 1) if self._array is None else self._array.shape[:2]

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            rect = self.image_rect()
            if self._image is None:
                painter.fillRect(rect, QColor(self._theme.paper))
                return
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(rect, self._image)
