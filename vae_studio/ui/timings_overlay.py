"""The window's timings as a small card over the map: how long things took lately, in milliseconds."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from vae_studio.ui.controls import tip_markup
from vae_studio.ui.theme import DARK, Theme
from vae_studio.ui.timings import SPAN, TICK, Figures, Spread

_PADDING = 8
_FONT_PIXELS = 11
_COLUMNS = ("p50", "p95", "p99", "max")
_HEADER = (
    f"Times of the last {SPAN:g} seconds in milliseconds. p50, the median: half of them are shorter. p95 and p99: of a "
    "hundred, 95 and 99 are shorter. max: the longest."
)
_ROWS = {
    "lag": (
        "event loop",
        f"How late the window comes to a timer that is due every {1000 * TICK:g} ms. For so long it can answer neither "
        "mouse nor keys. Below 16 ms nobody notices.",
    ),
    "map_decode": (
        "map decode",
        "How long the decoder takes to draw what the map lacks, after new weights, a zoom or a pan.",
    ),
    "point_decode": ("point decode", "How long the decoder takes to draw the image at the point."),
    "drag": (
        "mouse → image",
        "From the moment the mouse moves the point on the map until its image, or that of a newer place, is painted.",
    ),
    "paint": (
        "painting",
        "How long the window takes to paint one frame: the map or the decoder’s image, with whatever else has changed. "
        "60 frames a second leave 16.7 ms for each.",
    ),
}
_FOOTER = (
    "Frames: how often the map or the decoder’s image was painted in the last second. Only what changes is painted, so "
    "at rest it is 0. Steps: the speed of the training."
)


class TimingsOverlay(QWidget):
    """A header, a row for each kind of time, and rates below. Values in; the wheel goes to what lies under it.

    It must not be what it measures: opaque, it has nothing under it repainted, and it is drawn into a picture when
    figures come, so that a frame of the map costs no more with it than without.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("timings_overlay")
        self.setAccessibleName("Timings")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._theme = DARK
        self._figures: Figures | None = None
        self._picture: QPixmap | None = None

    def show_figures(self, figures: Figures) -> None:
        self._figures = figures
        self.setAccessibleDescription("; ".join([*map(" ".join, self._cells()), self._rates()]))
        self._renew()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._renew()

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(self._font())
        width = self._label_width(metrics) + len(_COLUMNS) * self._column_width(metrics)
        return QSize(width + 2 * _PADDING, (len(_ROWS) + 2) * self._row_height(metrics) + 2 * _PADDING)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            row = (event.pos().y() - _PADDING) // self._row_height(QFontMetrics(self._font()))
            texts = (_HEADER, *(help_ for _, help_ in _ROWS.values()), _FOOTER)
            QToolTip.showText(event.globalPos(), tip_markup(texts[min(max(row, 0), len(texts) - 1)]), self)
            return True
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
            self._renew()
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        # On the map it would move the point to where it cannot be seen.
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        ratio = self.devicePixelRatioF()
        if self._picture is None or self._picture.devicePixelRatio() != ratio:
            self._picture = self._draw(ratio)
        with QPainter(self) as painter:
            painter.drawPixmap(0, 0, self._picture)

    def _renew(self) -> None:
        self._picture = None
        self.update()

    def _draw(self, ratio: float) -> QPixmap:
        picture = QPixmap(self.sizeHint() * ratio)
        picture.setDevicePixelRatio(ratio)
        theme = self._theme
        picture.fill(QColor(theme.paper))  # beyond the round corners
        with QPainter(picture) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(QColor(theme.panel))
            painter.setPen(QPen(QColor(theme.border), 1.0))
            box = QRectF(0, 0, picture.width() / ratio, picture.height() / ratio)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
            painter.setFont(self._font())
            metrics = QFontMetrics(self._font())
            height, column = self._row_height(metrics), self._column_width(metrics)
            inner = box.adjusted(_PADDING, _PADDING, -_PADDING, -_PADDING)
            for index, (name, *numbers) in enumerate([("ms", *_COLUMNS), *self._cells()]):
                row = QRectF(inner.left(), inner.top() + index * height, inner.width(), height)
                painter.setPen(QColor(theme.muted))
                painter.drawText(row, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
                if index:
                    painter.setPen(QColor(theme.text))
                for place, number in enumerate(reversed(numbers)):
                    cell = row.adjusted(0, 0, -place * column, 0)
                    painter.drawText(cell, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, number)
            last = QRectF(inner.left(), inner.bottom() - height, inner.width(), height)
            painter.setPen(QColor(theme.muted))
            painter.drawText(last, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._rates())
        return picture

    def _cells(self) -> list[tuple[str, ...]]:
        """Each row's name and numbers."""
        spreads = {kind: Spread() if self._figures is None else getattr(self._figures, kind) for kind in _ROWS}
        return [(name, *(_in_ms(getattr(spreads[kind], c)) for c in _COLUMNS)) for kind, (name, _) in _ROWS.items()]

    def _rates(self) -> str:
        if self._figures is None:
            return ""
        speed = self._figures.steps_per_second
        steps = "" if speed is None else f" · {speed:,.0f} steps/s".replace(",", "\u2009")
        return f"{self._figures.frames_per_second:.0f} frames/s{steps}"

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(_FONT_PIXELS)
        return font

    def _row_height(self, metrics: QFontMetrics) -> int:
        return metrics.height() + 3

    def _label_width(self, metrics: QFontMetrics) -> int:
        return max(metrics.horizontalAdvance(name) for name, _ in _ROWS.values())

    def _column_width(self, metrics: QFontMetrics) -> int:
        return metrics.horizontalAdvance("00.00") + 10


def _in_ms(seconds: float | None) -> str:
    """Three figures, whatever the size; a dash for none."""
    if seconds is None:
        return "–"
    value = 1000 * seconds
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
