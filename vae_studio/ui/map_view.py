"""The geometry of the latent map: which latent coordinates lie at which pixels. Plain arithmetic, no widgets.

Latent coordinates are (u, v), v upwards; pixels are logical widget pixels, y downwards. Units are square: one latent
unit is as long across as it is up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vae_studio.core.latent import Region
from vae_studio.core.scene import View

# What a fitted view shows at least, unless there is more: 3σ of the prior across, 2σ up and down.
HOME = Region(-3.4, 3.4, -2.1, 2.1)
MIN_SPAN, MAX_SPAN = 1e-3, 400.0  # latent units across the canvas, at the deepest and the widest zoom
MAX_CENTRE = 200.0  # panning further from the prior shows nothing anybody could want


@dataclass(frozen=True, slots=True)
class MapView:
    """A canvas at pixel (`x`, `y`), `width` × `height` pixels, with latent (`u`, `v`) at its centre.

    `scale` is in latent units per pixel.
    """

    u: float
    v: float
    scale: float
    x: int
    y: int
    width: int
    height: int

    @classmethod
    def fitted(cls, x: int, y: int, width: int, height: int, home: Region = HOME) -> MapView:
        """The view in which just all of this rectangle is visible, within the limits."""
        return cls(0.0, 0.0, 1.0, x, y, width, height).showing(home)

    def to_pixel(self, u: float, v: float) -> tuple[float, float]:
        return (
            self.x + self.width / 2 + (u - self.u) / self.scale,
            self.y + self.height / 2 - (v - self.v) / self.scale,
        )

    def to_latent(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.u + (x - self.x - self.width / 2) * self.scale,
            self.v - (y - self.y - self.height / 2) * self.scale,
        )

    def region(self) -> View:
        """What is visible, as the renderer is asked for it."""
        left, top = self.to_latent(self.x, self.y)
        right, bottom = self.to_latent(self.x + self.width, self.y + self.height)
        return View(left, right, bottom, top, self.width, self.height)

    def contains(self, x: float, y: float) -> bool:
        """Whether a pixel lies on the canvas."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height

    def resized(self, x: int, y: int, width: int, height: int) -> MapView:
        """The same centre and scale on another canvas."""
        return replace(self, x=x, y=y, width=width, height=height)

    def showing(self, region: Region, finest: float = 0.0) -> MapView:
        """The view in which just all of this rectangle is visible, within the limits, of which `finest` may be one."""
        wanted = max((region.right - region.left) / self.width, (region.top - region.bottom) / self.height)
        return replace(
            self,
            scale=_clamp(wanted, self._least(finest), MAX_SPAN / self.width),
            u=_clamp((region.left + region.right) / 2, -MAX_CENTRE, MAX_CENTRE),
            v=_clamp((region.bottom + region.top) / 2, -MAX_CENTRE, MAX_CENTRE),
        )

    def zoomed(self, factor: float, x: float, y: float, finest: float = 0.0) -> MapView:
        """Magnified by `factor`, within the limits, while the latent point at this pixel stays there.

        `finest` is the least scale that it is to have, unless it has a lesser one already.
        """
        u, v = self.to_latent(x, y)
        scale = _clamp(self.scale / factor, self._least(finest), MAX_SPAN / self.width)
        return replace(self, scale=scale).with_latent_at(u, v, x, y)

    def _least(self, finest: float) -> float:
        return max(MIN_SPAN / self.width, min(finest, self.scale))

    @property
    def is_deepest(self) -> bool:
        """Whether single precision allows no further zoom."""
        return self.scale <= MIN_SPAN / self.width * (1 + 1e-9)

    def with_latent_at(self, u: float, v: float, x: float, y: float) -> MapView:
        """Panned, within the limits, so that latent (u, v) lies at pixel (x, y)."""
        return replace(
            self,
            u=_clamp(u - (x - self.x - self.width / 2) * self.scale, -MAX_CENTRE, MAX_CENTRE),
            v=_clamp(v + (y - self.y - self.height / 2) * self.scale, -MAX_CENTRE, MAX_CENTRE),
        )

    def revealing(self, u: float, v: float, margin: int) -> MapView:
        """Panned as little as brings latent (u, v) onto the canvas, `margin` pixels from its edge; or this view."""
        x, y = self.to_pixel(u, v)
        wanted_x = _clamp(x, self.x + margin, self.x + self.width - margin)
        wanted_y = _clamp(y, self.y + margin, self.y + self.height - margin)
        if (x, y) == (wanted_x, wanted_y):
            return self
        return self.with_latent_at(u, v, wanted_x, wanted_y)


def nice_step(least: float) -> tuple[float, int]:
    """The smallest of 1, 2, 5 × 10ⁿ that is at least `least`, and the decimals that its multiples need."""
    exponent = math.floor(math.log10(least))
    for mantissa, more in ((1, 0), (2, 0), (5, 0), (1, 1)):
        step = mantissa * 10.0 ** (exponent + more)
        if step >= least * (1 - 1e-9):
            break
    return step, max(0, -(exponent + more))


def ticks(low: float, high: float, least: float) -> list[tuple[float, str]]:
    """Round values in [low, high], at least `least` apart, with their labels."""
    step, decimals = nice_step(least)
    values = [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [(value, f"{value:.{decimals}f}".replace("-", "−")) for value in values]


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
