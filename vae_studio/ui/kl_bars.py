"""KL by latent dimension, as bars."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg

from vae_studio.ui.controls import subscript
from vae_studio.ui.curves import ABSURD
from vae_studio.ui.following_plot import FollowingPlot, QuietAxis
from vae_studio.ui.theme import Theme

_STRIDES = (1, 2, 5, 10, 20, 50, 100)
_PIXELS_PER_SIGN, _GAP = 6, 8


class _DimensionAxis(QuietAxis):
    """Names dimensions z₁, z₂, …; of many, only as many as fit."""

    def __init__(self) -> None:
        super().__init__("bottom", "dimension", grid=False)
        self.count = 0

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        label = _PIXELS_PER_SIGN * len(subscript(max(self.count - 1, 0))) + _GAP
        fitting = (high - low) * label / max(size, 1.0)
        stride = next((stride for stride in _STRIDES if stride >= fitting), _STRIDES[-1])
        first, last = max(math.ceil(low), 0), min(math.floor(high), self.count - 1)
        return [(float(stride), [float(i) for i in range(first, last + 1) if (i + 1) % stride == 0])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [subscript(round(value)) for value in values]


class KLBars(FollowingPlot):
    """Mean KL of each latent dimension, in nats; those near 0 are not used by the model."""

    def __init__(self) -> None:
        self._dimensions = _DimensionAxis()
        super().__init__(
            "kl_bars", "KL by latent dimension, in nats", self._dimensions, QuietAxis("left", "KL, nats", thickness=42)
        )
        self.values = np.empty(0)
        self._bars = pg.BarGraphItem(x=[], height=[], width=0.6, pen=None)
        self._bars.setZValue(1)
        self.getPlotItem().addItem(self._bars, ignoreBounds=True)
        self.set_theme(self._theme)
        self.refresh()

    def show_values(self, values: np.ndarray) -> None:
        """One bar for each of `values` (latent_dims,); what is not finite or absurd gets none."""
        values = np.asarray(values, np.float64)
        if len(values) != len(self.values):
            self._dimensions.count = len(values)
            self._dimensions.picture = None
        self.values = np.where(np.abs(values) < ABSURD, values, 0.0)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self._bars.setOpts(brush=theme.kl)

    def refresh(self) -> None:
        count = len(self.values)
        for axis in (self.bottom, self.left):
            axis.set_empty(count == 0)
        self._bars.setOpts(x=np.arange(count), height=self.values, width=0.6 if count <= 32 else 0.8)
        margin = 0.6 + 0.01 * count
        top = max(float(self.values.max(initial=0.0)) * 1.08, 0.05)
        self._follow((-margin, max(count - 1, 0) + margin), (-0.04 * top, top))
        super().refresh()

    def reading(self, x: float) -> tuple[float, str] | None:
        index = round(x)
        if not 0 <= index < len(self.values):
            return None
        colour = self._theme.kl
        return float(index), f'<span style="color:{colour}">{subscript(index)}</span>&nbsp;{self.values[index]:.3f}'
