"""A small card beside an encoding on the map: the image it is of, its reconstruction, its class and number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from vae_studio.ui.image_view import centred_in, to_qimage
from vae_studio.ui.theme import DARK, Theme

_SIDES = (84, 56, 28)  # of a picture in pixels, smaller where there is little room
_MARGIN, _GAP, _LINE = 10, 8, 16
_AWAY = 12  # pixels from the dot
_CORNER = 8


@dataclass(frozen=True, slots=True)
class HoverContent:
    """What the card of the encoding number `index` says; its reconstruction comes later. Images are uint8 (…)."""

    index: int
    image: np.ndarray
    colour: int
    title: str
    detail: str = ""
    reconstruction: np.ndarray | None = None


class HoverCard(QWidget):
    """Lies over its parent, beside a place in it, and lets the mouse through."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("hover_card")
        self.setAccessibleName("Encoding")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._theme = DARK
        self._side = _SIDES[0]
        self.content: HoverContent | None = None
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_content(self, content: HoverContent, at: QPointF, canvas: QRect) -> None:
        """Show this beside the dot at `at`, all of it inside `canvas`; nowhere if there is no room for that."""
        self.content = content
        said = f", {content.detail}" if content.detail else ""
        self.setAccessibleDescription(f"{content.title}{said}")
        self.place(at, canvas)
        self.update()

    def place(self, at: QPointF, canvas: QRect) -> None:
        """The dot is here now."""
        for self._side in _SIDES:
            found = _beside(at, self._size(), canvas)
            if found is not None:
                self.setGeometry(found)
                self.show()
                return
        self.hide()

    def image_rect(self) -> QRect:
        """Where the image is painted, in logical pixels of the card."""
        return QRect(_MARGIN, _MARGIN + _LINE + 4, self._side, self._side)

    def reconstruction_rect(self) -> QRect:
        """Where its reconstruction is painted."""
        return self.image_rect().translated(self._side + _GAP, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        content, theme = self.content, self._theme
        if content is None:
            return
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.border), 1.0))
            painter.setBrush(QColor(theme.panel))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _CORNER, _CORNER)
            inside = self.width() - 2 * _MARGIN
            left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.classes[content.colour % len(theme.classes)]))
            painter.drawEllipse(QPointF(_MARGIN + 4, _MARGIN + _LINE / 2), 4, 4)
            painter.setFont(self._font(12))
            painter.setPen(QColor(theme.text))
            title = QFontMetrics(painter.font()).elidedText(content.title, Qt.TextElideMode.ElideRight, inside - 14)
            painter.drawText(QRect(_MARGIN + 14, _MARGIN, inside - 14, _LINE), left, title)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setFont(self._font(11))
            names = ("x", "reconstruction" if self._side == _SIDES[0] else "g(μ)")
            rects = self.image_rect(), self.reconstruction_rect()
            for rect, image, name in zip(rects, (content.image, content.reconstruction), names, strict=True):
                painter.fillRect(rect, QColor(theme.field if image is None else theme.paper))
                if image is not None:
                    painter.drawImage(centred_in(rect, *image.shape[:2]), to_qimage(image, theme))
                painter.setPen(QColor(theme.muted))
                below = QRect(rect.left(), rect.bottom() + 2, rect.width(), _LINE)
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, name)
            if content.detail:
                line = QRect(_MARGIN, rects[0].bottom() + 2 + _LINE, inside, _LINE)
                detail = painter.fontMetrics().elidedText(content.detail, Qt.TextElideMode.ElideRight, inside)
                painter.drawText(line, left, detail)

    def _font(self, pixels: int) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(pixels)
        return font

    def _size(self) -> QSize:
        lines = 3 if self.content is not None and self.content.detail else 2
        return QSize(2 * _MARGIN + 2 * self._side + _GAP, 2 * _MARGIN + lines * _LINE + 6 + self._side)


def _beside(at: QPointF, size: QSize, canvas: QRect) -> QRect | None:
    """A rectangle of this size within `canvas`, some pixels away from `at`: right of it, left, below or above."""
    width, height = size.width(), size.height()
    x, y = round(at.x()), round(at.y())
    along = _within(y - height // 3, canvas.top(), canvas.bottom() + 1 - height)
    across = _within(x - width // 2, canvas.left(), canvas.right() + 1 - width)
    places = (x + _AWAY, along), (x - _AWAY - width, along), (across, y + _AWAY), (across, y - _AWAY - height)
    for left, top in places:
        found = QRect(left, top, width, height)
        if canvas.contains(found):
            return found
    return None


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
