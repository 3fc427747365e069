"""What the training plots share: quiet axes, a range that follows the data until the user zooms, a value read-out."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel

from vae_studio.ui.plots import pg
from vae_studio.ui.theme import DARK, Theme

Range = tuple[float, float]
_OVERHANG = 12  # pixels by which the outermost numbers may stick out beyond the axis
_GRID = 40  # opacity of grid lines, of 255
_LOG_STEPS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1,))
_SLACK = 0.02  # a wanted range this close to the present one is not worth redrawing the axes for

_PAN = 0.1  # of the width or height in view, at each press of an arrow key
_PANS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}
_ZOOMS = {
    **dict.fromkeys((Qt.Key.Key_Plus, Qt.Key.Key_Equal), 1 / 1.2),
    **dict.fromkeys((Qt.Key.Key_Minus, Qt.Key.Key_Underscore), 1.2),
}


class QuietAxis(pg.AxisItem):
    """An axis with a name, few round numbers and no minor ticks; logarithmic if asked (positions are then log₁₀)."""

    def __init__(self, side: str, title: str, *, thickness: int = 38, grid: bool = True) -> None:
        super().__init__(side)
        self._title = title
        self._logarithmic = False
        self._pixels_per_tick = 26 if side == "left" else 40
        self.enableAutoSIPrefix(False)
        self._grid = _GRID if grid else False
        self.setStyle(
            tickLength=0,
            tickTextOffset=5,
            autoExpandTextSpace=False,
            autoReduceTextSpace=False,
            hideOverlappingLabels=_OVERHANG,
        )
        font = QFont()
        font.setPixelSize(11)
        self.setTickFont(font)
        # Numbers and grid change less often than the curves before them, and take as long to paint.
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        if side == "left":
            self.setWidth(thickness)
        else:
            self.setHeight(thickness)

    def set_theme(self, theme: Theme) -> None:
        self.setPen(pg.mkPen(theme.faint, width=1))
        self.setTextPen(theme.muted)
        self.setLabel(self._title, **{"color": theme.muted, "font-size": "11px"})

    def set_title(self, title: str) -> None:
        """Give the axis another name."""
        self._title = title
        self.setLabel(title)

    def set_logarithmic(self, on: bool) -> None:
        self._logarithmic = on
        self.picture = None
        self.update()

    def set_empty(self, empty: bool) -> None:
        """Without data there is no scale: a bare line with its name."""
        if self.style["showValues"] == empty:
            self.setStyle(showValues=not empty)
            self.setGrid(False if empty else self._grid)

    def boundingRect(self) -> QRectF:
        """With a grid, pyqtgraph forgets the room for the outermost numbers and then drops them."""
        along = (_OVERHANG, 0) if self.orientation == "bottom" else (0, _OVERHANG)
        return super().boundingRect().adjusted(-along[0], -along[1], *along)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        if not self.style["showValues"] or not high > low:
            return []
        ticks = max(size / self._pixels_per_tick, 2.0)
        if not self._logarithmic:
            step = _round_step((high - low) / ticks)
            return [(step, _multiples(step, low, high))]
        if high - low < 0.3:  # less than a factor of two: numbers at equal steps
            step = _round_step((10.0**high - 10.0**low) / ticks)
            return [(step, [math.log10(v) for v in _multiples(step, 10.0**low, 10.0**high) if v > 0])]
        steps = next((some for some in _LOG_STEPS if (high - low) * len(some) <= ticks), _LOG_STEPS[-1])
        every = max(1, math.ceil((high - low) / ticks))
        decades = range(math.floor(low), math.ceil(high) + 1, every)
        values = [decade + math.log10(step) for decade in decades for step in steps]
        return [(1.0, [v for v in values if low <= v <= high])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self._logarithmic:
            return [f"{10.0**value:.4g}" for value in values]
        decimals = max(0, -math.floor(math.log10(spacing) + 1e-9))
        return [f"{value:.{decimals}f}".replace("-", "−") for value in values]


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough), 10 * power)


def _multiples(step: float, low: float, high: float) -> list[float]:
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


class FollowingPlot(pg.PlotWidget):
    """A plot whose range follows the data until the user zooms (wheel, + −) or pans (drag, arrow keys).

    A double-click or Home follows again.

    Signal `zoomed(bool)`: whether the user has taken over the range. Subclasses draw in `refresh`, propose a range
    with `_follow`, and say in `reading` what stands under the cursor. `note` is the label that shows it.
    """

    zoomed = Signal(bool)

    def __init__(self, name: str, title: str, bottom: QuietAxis, left: QuietAxis) -> None:
        super().__init__(axisItems={"bottom": bottom, "left": left})
        self.bottom, self.left = bottom, left
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setAccessibleDescription(
            "Wheel or + and − zoom, dragging or arrow keys pan, double-click or Home shows everything again."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(88, 80)
        self._theme = DARK
        self._following = True
        self._cursor: QPointF | None = None
        plot = self.getPlotItem()
        plot.setMenuEnabled(False)
        for axis in (bottom, left):
            axis.setZValue(-1)  # grid lines behind the data
        plot.hideButtons()
        plot.layout.setContentsMargins(0, 4, _OVERHANG, 0)
        self.box = plot.getViewBox()
        self.box.disableAutoRange()
        self.box.setLimits(minXRange=1e-4, maxXRange=1e8, minYRange=1e-5, maxYRange=1e8)
        self._marker = pg.InfiniteLine(angle=90, movable=False)
        self._marker.setVisible(False)
        self._marker.setZValue(10)
        plot.addItem(self._marker, ignoreBounds=True)
        self.note = QLabel(self)
        self.note.setTextFormat(Qt.TextFormat.RichText)
        self.note.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.note.hide()
        self.box.sigRangeChangedManually.connect(self._taken_over)
        self.box.sigResized.connect(self._resized)

    @property
    def is_zoomed(self) -> bool:
        return not self._following

    def fit(self) -> None:
        """Follow the data again."""
        was_zoomed, self._following = self.is_zoomed, True
        self.refresh()
        if was_zoomed:
            self.zoomed.emit(False)

    def refresh(self) -> None:
        """Draw what is in view; the end of it places the read-out."""
        self._show_note()

    def reading(self, x: float) -> tuple[float, str] | None:
        """What to show for position x: the position of the nearest data, and rich text. None: nothing there."""
        return None

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setBackground(theme.panel)
        self.bottom.set_theme(theme)
        self.left.set_theme(theme)
        self._marker.setPen(pg.mkPen(theme.faint, width=1))
        self.note.setStyleSheet(
            f"background: {theme.field}; color: {theme.text}; border: 1px solid {theme.border};"
            "border-radius: 4px; padding: 2px 5px; font-size: 11px;"
        )

    def _follow(self, x_range: Range, y_range: Range) -> None:
        """Show these ranges unless the user has zoomed, or what is shown is near enough."""
        if self._following:
            wanted, present = (x_range, y_range), self.box.viewRange()
            if any(not _near(*pair) for pair in zip(wanted, present, strict=True)):
                self.box.setRange(xRange=x_range, yRange=y_range, padding=0)

    def _taken_over(self, *_: object) -> None:
        was_following, self._following = self._following, False
        self.refresh()
        if was_following:
            self.zoomed.emit(True)

    def _resized(self, *_: object) -> None:
        self.refresh()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        own = not event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
        across, up = self.box.mouseEnabled() if own else (False, False)
        if key in _PANS and (across or up):
            right, top = _PANS[key]
            view = self.box.viewRect()
            self.box.translateBy(x=right * _PAN * view.width() * across, y=top * _PAN * view.height() * up)
            self._taken_over()
        elif key in _ZOOMS and (across or up):
            factor = _ZOOMS[key]
            self.box.scaleBy(x=factor if across else 1.0, y=factor if up else 1.0)
            self._taken_over()
        elif own and key in (Qt.Key.Key_Home, Qt.Key.Key_0):
            self.fit()
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            with QPainter(self.viewport()) as painter:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.setPen(QPen(QColor(self._theme.accent), 1.0))
                painter.drawRoundedRect(QRectF(self.viewport().rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        self.fit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._cursor = event.position()
        self._show_note()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._cursor = None
        self._show_note()

    def _show_note(self) -> None:
        reading = None
        if self._cursor is not None:
            where = self.mapToScene(self._cursor.toPoint())
            if self.box.sceneBoundingRect().contains(where):
                reading = self.reading(self.box.mapSceneToView(where).x())
        self._marker.setVisible(reading is not None)
        self.note.setVisible(reading is not None)
        if reading is None:
            return
        x, text = reading
        self._marker.setValue(x)
        self.note.setText(text)
        self.note.adjustSize()
        frame = self.mapFromScene(self.box.sceneBoundingRect()).boundingRect()
        at = self.mapFromScene(self.box.mapViewToScene(QPointF(x, 0.0))).x()
        beside = at + 6 if at + 6 + self.note.width() <= frame.right() else at - 6 - self.note.width()
        self.note.move(max(min(beside, self.width() - self.note.width()), 0), frame.top() + 2)


def _near(wanted: Range, present: Range) -> bool:
    slack = _SLACK * (wanted[1] - wanted[0])
    return all(abs(a - b) <= slack for a, b in zip(wanted, present, strict=True))
