"""The bounds on −log p(x) over the number of samples, and how many the naive estimate takes."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor

from vae_studio.core.figures import LogLikelihood, Naive
from vae_studio.ui.following_plot import FollowingPlot, QuietAxis, Range
from vae_studio.ui.plots import pg
from vae_studio.ui.theme import Theme

_ROOM = 0.08
_NAIVE_SHARE = 4.0  # the naive estimate may take the range to so many times what the bounds take
_MOST_POWER = 9
_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


class _SampleAxis(QuietAxis):
    """Numbers of samples: 1, 10, 100, 1000, 10⁴, …"""

    def __init__(self) -> None:
        super().__init__("bottom", "samples: K of q(z|x), M of p(z)")
        self.set_logarithmic(True)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        if not self.style["showValues"] or not high > low:
            return []
        every = max(1, math.ceil((high - low) * 40 / max(size, 1.0)))
        return [
            (1.0, [float(power) for power in range(max(0, math.ceil(low)), math.floor(high) + 1) if power % every == 0])
        ]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [samples_words(10 ** round(value)) for value in values]


class _Series:
    """Points with a line through them, and what to call each; `colour` is a field of Theme."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        self.line = pg.PlotCurveItem(antialias=True)
        self.points = pg.ScatterPlotItem(size=7, pen=None, antialias=True)
        self.x, self.y, self.words = np.empty(0), np.empty(0), []

    def set_points(self, found: list[tuple[int, float, str]]) -> None:
        """(samples, nats, words) each; what is not finite is left out."""
        found = [point for point in found if math.isfinite(point[1])]
        self.x = np.array([math.log10(samples) for samples, _, _ in found])
        self.y = np.array([value for _, value, _ in found])
        self.words = [words for _, _, words in found]
        self.line.setData(self.x, self.y)
        self.points.setData(self.x, self.y)

    def set_theme(self, theme: Theme) -> None:
        colour = QColor(getattr(theme, self.colour))
        self.line.setPen(pg.mkPen(colour, width=1.6))
        self.points.setBrush(colour)


class BoundsPlot(FollowingPlot):
    """−ELBO ≥ −IWAE-5 ≥ … ≥ −log p(x) over the number of samples (logarithmic), in nats per image.

    The naive estimate is of other images, and drawn moved by the difference of their −log p(x): see `moved`.
    """

    def __init__(self) -> None:
        super().__init__(
            "bounds_plot",
            "Bounds on −log p(x) over the number of samples",
            _SampleAxis(),
            QuietAxis("left", "nats per image", thickness=54),
        )
        self.box.setLimits(xMin=-1.0, xMax=float(_MOST_POWER))
        self.bounds, self.naive = _Series("train"), _Series("kl")
        self._limit = pg.InfiniteLine(angle=0, movable=False)
        self._limit.setVisible(False)
        self.nll: float | None = None
        self.moved = 0.0
        plot = self.getPlotItem()
        plot.addItem(self._limit, ignoreBounds=True)
        for series in (self.naive, self.bounds):
            plot.addItem(series.line, ignoreBounds=True)
            plot.addItem(series.points, ignoreBounds=True)
        self.set_theme(self._theme)
        self.refresh()

    def sizeHint(self) -> QSize:
        """It takes the room that there is, and does not ask for more."""
        return self.minimumSize()

    def show_figures(self, found: LogLikelihood | None, naive: Naive | None) -> None:
        """Draw these; None is nothing."""
        self.nll = found.nll if found and math.isfinite(found.nll) else None
        self.moved = self.nll - naive.nll if naive and self.nll is not None else 0.0
        bounds = _of(found)
        words = [f"{b.name} {_nats(b.value)}" for b in bounds]
        if bounds and bounds[-1].samples > 1:
            words[-1] += f"<br>what papers print as NLL({bounds[-1].samples})"
        self.bounds.set_points([(b.samples, b.value, said) for b, said in zip(bounds, words, strict=True)])
        self.naive.set_points(
            [
                (p.samples, p.nll + self.moved, f"naive, M = {samples_words(p.samples)}: {_nats(p.nll)}")
                for p in (naive.points if naive else ())
            ]
        )
        self._limit.setVisible(self.nll is not None)
        if self.nll is not None:
            self._limit.setValue(self.nll)
        self.fit()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for series in (self.bounds, self.naive):
            series.set_theme(theme)
        self._limit.setPen(pg.mkPen(theme.test, width=2, style=Qt.PenStyle.DashLine))

    def refresh(self) -> None:
        empty = not len(self.bounds.x)
        for axis in (self.bottom, self.left):
            axis.set_empty(empty)
        if not empty:
            right = max([1.0, *self.bounds.x, *self.naive.x])
            self._follow((-_ROOM / 2 * right, right * (1 + _ROOM / 2)), self._value_range())
        super().refresh()

    def reading(self, x: float) -> tuple[float, str] | None:
        places = sorted({*self.bounds.x, *self.naive.x}, key=lambda place: abs(place - x))
        if not places:
            return None
        rows = []
        for series in (self.bounds, self.naive):
            colour = getattr(self._theme, series.colour)
            found = [words for place, words in zip(series.x, series.words, strict=True) if place == places[0]]
            rows += [f'<span style="color:{colour}">{words}</span>' for words in found]
        if self.nll is not None:
            rows.append(f'<span style="color:{self._theme.test}">−log p(x) {_nats(self.nll)}</span>')
        return places[0], "<br>".join(rows)

    def _value_range(self) -> Range:
        """All bounds; of the naive estimate, which starts far above them, as much as leaves them to be seen."""
        low, high = min(self.bounds.y), max(self.bounds.y)
        if self.nll is not None:
            low, high = min(low, self.nll), max(high, self.nll)
        if len(self.naive.y):
            low = min(low, *self.naive.y)
            most = max(low + _NAIVE_SHARE * (high - low), low + 1.3 * (self.naive.y[-1] - low))
            high = max(high, min(most, *[max(self.naive.y)]))
        room = _ROOM * (high - low) or 0.5
        return low - room, high + room


def samples_words(samples: int) -> str:
    """1, 10, 100, 1000, and then 10⁴, 10⁵, …; other numbers as they are."""
    power = round(math.log10(samples))
    return f"10{_POWERS[power]}" if 3 < power <= _MOST_POWER and 10**power == samples else str(samples)


def _nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _of(found: LogLikelihood | None) -> tuple:
    return found.bounds if found else ()
