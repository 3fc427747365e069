"""An entry of the curves' legend."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton

from vae_studio.ui.controls import show_tip
from vae_studio.ui.curve_plot import Curve
from vae_studio.ui.theme import DARK, Theme


class LegendEntry(QAbstractButton):
    """A line in the curve's colour and its name; pressing it hides the curve, shown by a hollow, struck-out entry."""

    _LINE, _GAP = 12, 5

    def __init__(self, curve: Curve, tooltip: str) -> None:
        super().__init__()
        self.curve = curve
        self.setObjectName(f"legend_{curve.name}")
        self.rename(curve.title, tooltip)
        self.setCheckable(True)
        self.setChecked(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._theme = DARK
        self._ring = False

    def rename(self, title: str, tooltip: str) -> None:
        """Give the curve another name, here and in the read-out."""
        self.curve.title = title
        self.setText(title)
        self.setAccessibleName(f"Show {title}")
        show_tip(self, f"{tooltip} Press to hide or show.")
        self.updateGeometry()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        self.ensurePolished()
        text = self.fontMetrics().size(0, self.text())
        return QSize(self._LINE + self._GAP + text.width() + 4, max(text.height() + 4, 22))

    minimumSizeHint = sizeHint

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._ring = False
        super().focusOutEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, on = self._theme, self.isChecked()
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            middle = self.height() / 2
            if on:
                painter.setPen(QPen(QColor(getattr(theme, self.curve.colour)), 2.5, c=Qt.PenCapStyle.RoundCap))
                painter.drawLine(3, round(middle), self._LINE, round(middle))
            else:
                painter.setPen(QPen(QColor(theme.faint), 1))
                painter.drawRoundedRect(QRectF(2, middle - 2.5, self._LINE - 1, 5), 2.5, 2.5)
            font = self.font()
            font.setStrikeOut(not on)
            painter.setFont(font)
            painter.setPen(QColor((theme.text if self.underMouse() else theme.muted) if on else theme.faint))
            words = self.rect().adjusted(self._LINE + self._GAP, 0, 0, 0)
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
            if self._ring:
                painter.setPen(QPen(QColor(theme.accent), 1))
                painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
