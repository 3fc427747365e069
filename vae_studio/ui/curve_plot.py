"""Curves over epochs: raw values faint behind, their moving average on top."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QColor

from vae_studio.ui.curves import Series, extremes, sampled
from vae_studio.ui.following_plot import FollowingPlot, QuietAxis, Range
from vae_studio.ui.plots import pg
from vae_studio.ui.theme import Theme

_COLUMNS = (64, 1800)
# Wide antialiased lines are slow to draw: with a point at every second pixel four times as fast as with one at each.
_PIXELS_A_POINT = 2
_MAX_DOTS = 60
_SETTLING = 0.08  # the first part of the run does not set the range: its huge losses would squash the rest
_X_ROOM, _Y_ROOM = 0.03, 0.06
_NOTHING = (np.empty(0), np.empty(0))

Points = tuple[np.ndarray, np.ndarray]


class Curve:
    """A series and how it is drawn; `colour` is a field of Theme. With `dots`, straight lines between points."""

    def __init__(self, name: str, title: str, colour: str, *, dots: bool = False, raw_strength: float = 0.4) -> None:
        self._raw_strength = raw_strength
        self.name, self.title, self.colour, self.dots = name, title, colour, dots
        self.series = Series()
        self.shown = True
        self.drawn: tuple[Points, Points] = (_NOTHING, _NOTHING)
        # Antialiased and wide, a line is drawn in half the time segment by segment.
        self.line = pg.PlotCurveItem(antialias=True, segmentedLineMode="on")
        self.raw = None if dots else pg.PlotCurveItem()
        self.points = pg.ScatterPlotItem(size=5, pen=None, antialias=True) if dots else None

    @property
    def items(self) -> tuple[pg.GraphicsObject, ...]:
        """From back to front; none that never shows anything, since each takes time at every paint."""
        return (self.line, self.points) if self.dots else (self.raw, self.line)

    def draw(self, span: Range, columns: int, *, smooth: bool, log: bool) -> None:
        """Show what lies within `span` on `columns` pixels; a hidden curve costs nothing."""
        for item in self.items:
            item.setVisible(self.shown)
        if not self.shown:
            return
        series, few = self.series, columns // _PIXELS_A_POINT
        raw, line = _NOTHING, _NOTHING
        if self.dots:
            line = sampled(series.x, series.raw, *span, few)
        else:
            raw = extremes(series.x, series.raw, *span, columns)
            if smooth:
                line = sampled(series.x, series.smooth, *span, few)
        if log:
            raw, line = _decades(*raw), _decades(*line)
        self.drawn = (raw, line)
        self.line.setData(*line)
        if self.dots:
            self.points.setData(*(line if len(line[0]) <= _MAX_DOTS else _NOTHING))
        else:
            self.raw.setData(*raw)

    def set_theme(self, theme: Theme, *, smooth: bool) -> None:
        solid = QColor(getattr(theme, self.colour))
        behind = _mixed(solid, QColor(theme.panel), self._raw_strength) if smooth else solid
        self.line.setPen(pg.mkPen(solid, width=1.6))
        if self.dots:
            self.points.setBrush(solid)
        else:
            self.raw.setPen(pg.mkPen(behind, width=1))


class CurvePlot(FollowingPlot):
    """Curves over epochs (steps divided by steps per epoch), in nats per image.

    Values on the logarithmic axis are positions log₁₀ of the value. `from_zero` keeps 0 at the bottom.
    """

    def __init__(self, name: str, title: str, unit: str, curves: tuple[Curve, ...], *, from_zero: bool = False) -> None:
        super().__init__(name, title, QuietAxis("bottom", "epoch"), QuietAxis("left", unit, thickness=48))
        self.curves = curves
        self._from_zero = from_zero
        self._smooth, self._log = True, False
        self._right = 1.0
        plot = self.getPlotItem()
        for curve in reversed(curves):  # every raw line lies behind every smooth one; the first curve is nearest
            for item in curve.items:
                item.setZValue((curve.raw, curve.line, curve.points).index(item))
                plot.addItem(item, ignoreBounds=True)
        self.set_theme(self._theme)
        self.refresh()

    def set_log(self, on: bool) -> None:
        """A logarithmic value axis; what is not positive cannot be shown on it."""
        self._log = on
        self.left.set_logarithmic(on)
        self.fit()

    def set_smooth(self, on: bool) -> None:
        self._smooth = on
        self.set_theme(self._theme)
        self.refresh()

    def set_shown(self, name: str, on: bool) -> None:
        for curve in self.curves:
            if curve.name == name:
                curve.shown = on
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for curve in self.curves:
            curve.set_theme(theme, smooth=self._smooth)

    def refresh(self) -> None:
        end = max((curve.series.x[-1] for curve in self.curves if len(curve.series)), default=0.0)
        for axis in (self.bottom, self.left):
            axis.set_empty(end == 0)
        span = tuple(self.box.viewRange()[0]) if self.is_zoomed else self._epochs(end)
        columns = int(np.clip(self.box.width() * self.devicePixelRatioF(), *_COLUMNS))
        for curve in self.curves:
            curve.draw(span, columns, smooth=self._smooth, log=self._log)
        self._follow(span, self._value_range(_SETTLING * end))
        super().refresh()

    def reading(self, x: float) -> tuple[float, str] | None:
        found = [(c, s) for c in self.curves if c.shown and (s := c.series.nearest(x)) is not None]
        if not found:
            return None
        at = found[0][1].x
        rows = [f"epoch {at:.2f}"]
        for curve, sample in found:
            value = sample.smooth if self._smooth and not curve.dots else sample.raw
            colour = getattr(self._theme, curve.colour)
            rows.append(f'<span style="color:{colour}">{curve.title}</span>&nbsp;{value:.2f}'.replace("-", "−"))
        return at, "<br>".join(rows)

    def _epochs(self, end: float) -> Range:
        """From 0 to the present epoch with some room, which is used up before the range changes."""
        if not (end <= self._right <= end * (1 + 2 * _X_ROOM)):
            self._right = end * (1 + _X_ROOM) if end > 0 else 1.0
        return -_X_ROOM / 2 * self._right, self._right

    def _value_range(self, settled: float) -> Range:
        """From the lowest values to the high ones, without the first steps and without rare spikes."""
        drawn = [points for curve in self.curves if curve.shown for points in curve.drawn if len(points[0])]
        if not drawn:
            return 0.0, 1.0
        x, y = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        if self._log:  # a logarithm has room for the beginning
            low, high = np.quantile(y, (0.002, 0.998))
        else:
            low, high = np.quantile(y[x >= settled], (0.005, 0.95))
            low = min(low, 0.0) if self._from_zero else low
        room = _Y_ROOM * (high - low) or max(abs(high) * 0.01, 1e-3)
        return low - room, high + room


def _mixed(colour: QColor, ground: QColor, strength: float) -> QColor:
    """As if translucent: real translucency takes half as long again to draw."""
    parts = zip(colour.getRgbF()[:3], ground.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*(strength * a + (1.0 - strength) * b for a, b in parts))


def _decades(x: np.ndarray, y: np.ndarray) -> Points:
    positive = y > 0
    return x[positive], np.log10(y[positive])
