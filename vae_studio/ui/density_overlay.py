"""In a corner of the map: the scale of the density that lies over it, and how far the next one is."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from vae_studio.core.density import Density
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.density_layer import shades
from vae_studio.ui.theme import DARK, Theme


class DensityOverlay(QFrame):
    """The legend of a density, and, while one is being made, its progress and a button that cancels it.

    Signals: `cancel_requested()`; `leaving()` when the button goes away and had the focus.
    """

    cancel_requested = Signal()
    leaving = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("density_overlay")
        self.setProperty("panel", True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._bar = QProgressBar()
        self._bar.setObjectName("density_progress")
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(110)
        self._bar.setAccessibleName("Progress of the density")
        show_tip(self._bar, "How much of the density of q(z) is done")
        self._cancel = QPushButton("Cancel")
        self._cancel.setObjectName("density_cancel")
        self._cancel.setProperty("kind", "chip")
        self._cancel.setAccessibleName("Cancel the density")
        show_tip(self._cancel, "Stop, and switch the density off")
        self._cancel.clicked.connect(self.cancel_requested)
        self._scale = _Scale()
        self._words = label("", "faint")
        self._words.setObjectName("density_legend")
        legend = QHBoxLayout()
        legend.setSpacing(8)
        legend.addWidget(self._scale)
        legend.addWidget(self._words)
        self._work = QWidget()
        work = QHBoxLayout(self._work)
        work.setContentsMargins(0, 0, 0, 0)
        work.setSpacing(8)
        for widget in (label("Density", "faint"), self._bar, self._cancel):
            work.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(4)
        layout.addLayout(legend)
        layout.addWidget(self._work)
        self._has_density = self._busy = False
        self._show()

    def set_density(self, density: Density | None) -> None:
        """The scale of this one; None for none."""
        self._has_density = density is not None
        if density is not None:
            self._words.setText(_scale_words(density))
            self._words.setAccessibleName(f"Scale of the density: {self._words.text()}")
            show_tip(self, _what_it_is(density))
        self._show()

    def set_busy(self, busy: bool) -> None:
        """One is being made, and takes a while; or not."""
        if not busy and self.window().focusWidget() is self._cancel:
            self.leaving.emit()
        self._busy = busy
        if not busy:
            self._bar.setValue(0)
        self._show()

    def show_progress(self, fraction: float) -> None:
        self._bar.setValue(round(1000 * fraction))

    def set_theme(self, theme: Theme) -> None:
        self._scale.set_theme(theme)

    def _show(self) -> None:
        for widget in (self._scale, self._words):
            widget.setVisible(self._has_density)
        self._work.setVisible(self._busy)
        self.setVisible(self._has_density or self._busy)
        self.adjustSize()


class _Scale(QWidget):
    """All shades, from none to the strongest."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_theme(DARK)

    def sizeHint(self) -> QSize:
        return QSize(72, 10)

    def set_theme(self, theme: Theme) -> None:
        self._shades = shades(theme)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        row = np.ascontiguousarray(self._shades[None])
        image = QImage(row.data, row.shape[1], 1, row.nbytes, QImage.Format.Format_ARGB32_Premultiplied)
        with QPainter(self) as painter:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawImage(QRectF(self.rect()), image, QRectF(image.rect()))


def _scale_words(density: Density) -> str:
    unit = "unit" if density.plane.is_line else "unit²"
    return f"{'codes' if density.bandwidth else 'q(z)'}  0 … {density.peak:.2g} per {unit}"


def _what_it_is(density: Density) -> str:
    images = f"{density.images:,}".replace(",", "\u202f")
    across = density.plane.title
    if density.bandwidth is not None:
        widths = " × ".join(f"{width:.2g}" for width in density.bandwidth)
        return (
            f"Density of {images} training images' codes over {across}. An auto-encoder has no q(z|x): in its place "
            f"stand Gaussians around the codes with standard deviations {widths}, by which each code is likeliest from "
            "the others."
        )
    taken = " Laplace distributions are taken for Gaussians of the same covariance here." if density.approximate else ""
    return f"The aggregate posterior over {across}: the mean of q(z|x) of {images} training images.{taken}"
