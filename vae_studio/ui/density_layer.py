"""The density of the aggregate posterior on the latent map: a heat that lets tiles show through where it is low."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from vae_studio.core.density import Density
from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import Theme

# Nine colours of matplotlib's viridis (van der Walt & Smith, CC0), in even steps of lightness as people see it.
_VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
_SHADES = 256
_CLEAR = 0.2  # share of the highest density up to which it becomes opaque, from nothing at 0


def shades(theme: Theme) -> np.ndarray:
    """Premultiplied ARGB32 from density 0 to the highest, uint32 (256,): the higher, the further from the paper."""
    dark = theme.name == "dark"
    anchors = np.array([QColor(colour).getRgb()[:3] for colour in (_VIRIDIS[2:] if dark else _VIRIDIS[::-1])], float)
    at = np.linspace(0.0, 1.0, _SHADES)
    alpha = np.minimum(at / _CLEAR, 1.0)
    red, green, blue = (np.interp(at, np.linspace(0.0, 1.0, len(anchors)), values) * alpha for values in anchors.T)
    parts = [np.rint(part).astype(np.uint32) for part in (255.0 * alpha, red, green, blue)]
    return parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3]


class DensityLayer:
    """Paints a Density, its plane's highest value in the strongest colour; in one dimension as upright bands."""

    def __init__(self, theme: Theme) -> None:
        self._density: Density | None = None
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self._shades = shades(theme)
        self._paint_anew()

    def set_density(self, density: Density | None) -> None:
        self._density = density
        self._paint_anew()

    @property
    def is_there(self) -> bool:
        return self._density is not None

    def _paint_anew(self) -> None:
        self._pixels: np.ndarray | None = None
        if self._density is not None:
            values = self._density.values
            steps = values * ((_SHADES - 1) / max(self._density.peak, np.finfo(np.float32).tiny))
            self._pixels = self._shades[np.rint(steps).astype(np.intp)]

    def paint(self, painter: QPainter, view: MapView) -> None:
        if self._density is None or self._pixels is None:
            return
        region, (rows, columns) = self._density.region, self._pixels.shape
        left, top = view.to_pixel(region.left, region.top)
        right, bottom = view.to_pixel(region.right, region.bottom)
        if self._density.plane.is_line:
            top, bottom = view.y, view.y + view.height
        image = QImage(self._pixels.data, columns, rows, 4 * columns, QImage.Format.Format_ARGB32_Premultiplied)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(left, top, right - left, bottom - top), image, QRectF(image.rect()))
