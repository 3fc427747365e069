"""KL by latent dimension, as bars."""

from __future__ import annotations

import math

import numpy as np

from vae_studio.core.plane import subscript
from vae_studio.ui.controls import show_tip
from vae_studio.ui.curves import ABSURD
from vae_studio.ui.following_plot import FollowingPlot, QuietAxis
from vae_studio.ui.plots import pg
from vae_studio.ui.theme import Theme

_STRIDES = (1, 2, 5, 10, 20, 50, 100)
_PIXELS_PER_SIGN, _GAP = 6, 8
_MARGINAL = "KL of each marginal; they do not add up to the KL"


class _DimensionAxis(QuietAxis):
    """Names dimensions z₁, z₂, … in `order`; of many, only as many as fit."""

    def __init__(self, title: str) -> None:
        super().__init__("bottom", title, grid=False)
        self.order = np.empty(0, np.int64)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        label = _PIXELS_PER_SIGN * len(subscript(max(len(self.order) - 1, 0))) + _GAP
        fitting = (high - low) * label / max(size, 1.0)
        stride = next((stride for stride in _STRIDES if stride >= fitting), _STRIDES[-1])
        first, last = max(math.ceil(low), 0), min(math.floor(high), len(self.order) - 1)
        return [(float(stride), [float(i) for i in range(first, last + 1) if (i + 1) % stride == 0])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [subscript(int(self.order[round(value)])) for value in values]


class KLBars(FollowingPlot):
    """Mean KL of each latent dimension, in nats; those near 0 are not used by the model.

    In the order of the dimensions, or the `largest_first`.
    """

    def __init__(self, name: str = "kl_bars", *, largest_first: bool = False) -> None:
        self._largest_first = largest_first
        self._dimensions = _DimensionAxis(self._order_words("dimension"))
        super().__init__(
            name, "KL by latent dimension, in nats", self._dimensions, QuietAxis("left", "KL, nats", thickness=42)
        )
        self.marginal = False
        self.values = np.empty(0)
        self._active: np.ndarray | None = None
        self._bars = pg.BarGraphItem(x=[], height=[], width=0.6, pen=None)
        self._bars.setZValue(1)
        self.getPlotItem().addItem(self._bars, ignoreBounds=True)
        self.set_theme(self._theme)
        self.refresh()

    def set_marginal(self, marginal: bool) -> None:
        """Whether the values are KLs of marginals, which do not add up to the KL, as it is where posterior or prior do
        not factorise."""
        self.marginal = marginal
        self._dimensions.set_title(self._order_words("marginal" if marginal else "dimension"))
        show_tip(self.getPlotItem(), _MARGINAL if marginal else "")  # a view shows its items' tooltips, not its own
        self.setAccessibleName(f"KL by latent dimension, in nats{': ' + _MARGINAL if marginal else ''}")

    def show_values(self, values: np.ndarray, active: np.ndarray | None = None) -> None:
        """One bar for each of `values` (latent_dims,); what is not finite or absurd gets none.

        With `active` (latent_dims,), the bars of dimensions that are not are grey.
        """
        values = np.asarray(values, np.float64)
        recolour = active is not None or self._active is not None
        self.values, self._active = np.where(np.abs(values) < ABSURD, values, 0.0), active
        before, count = self._dimensions.order, len(values)
        order = np.argsort(-self.values, kind="stable") if self._largest_first else np.arange(count)
        if not np.array_equal(order, before):
            self._dimensions.order = order
            self._dimensions.picture = None
            self._dimensions.update()
        if recolour:
            self._colour()
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self._colour()

    def _order_words(self, what: str) -> str:
        return f"{what}, largest KL first" if self._largest_first else what

    def _colour(self) -> None:
        theme, active = self._theme, self._active
        if active is None:
            self._bars.setOpts(brush=theme.kl, brushes=None)
        else:
            self._bars.setOpts(brushes=[theme.kl if active[i] else theme.faint for i in self._dimensions.order])

    def refresh(self) -> None:
        count = len(self.values)
        for axis in (self.bottom, self.left):
            axis.set_empty(count == 0)
        heights = self.values[self._dimensions.order]
        self._bars.setOpts(x=np.arange(count), height=heights, width=0.6 if count <= 32 else 0.8)
        margin = 0.6 + 0.01 * count
        top = max(float(self.values.max(initial=0.0)) * 1.08, 0.05)
        bottom = min(float(self.values.min(initial=0.0)) * 1.08, -0.04 * top)  # estimates by samples may be negative
        self._follow((-margin, max(count - 1, 0) + margin), (bottom, top))
        super().refresh()

    def reading(self, x: float) -> tuple[float, str] | None:
        index = round(x)
        if not 0 <= index < len(self.values):
            return None
        dimension = int(self._dimensions.order[index])
        colour = self._theme.kl
        name = f'<span style="color:{colour}">{subscript(dimension)}</span>'
        return float(index), f"{name}&nbsp;{self.values[dimension]:.3f}".replace("-", "−")
