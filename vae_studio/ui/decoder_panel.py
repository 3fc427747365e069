"""The right column: the decoder's image at the current point, and a slider for each of its coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QRect, QSize, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from vae_studio.ui.controls import label
from vae_studio.ui.image_view import ImageView
from vae_studio.ui.latent_sliders import ROW_HEIGHT, LatentSliders
from vae_studio.ui.theme import DARK, Theme

_MARGIN = 12
_GAP = 8
_SIDE = 240  # the image keeps this much when sliders compete for the height
_FEWEST_ROWS = 3
_COPIED_MS = 1200


class DecoderPanel(QFrame):
    """Shows p(x|z) at the current point z, ‖z‖, and the point's coordinates.

    Signals: `point_changed(tuple of floats)` when the user moves a slider or types a value, `random_requested()`,
    `reset_requested()`. Coordinates are in standard deviations of the prior.
    """

    point_changed = Signal(object)
    random_requested = Signal()
    reset_requested = Signal()

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("decoder_panel")
        self.setProperty("panel", True)
        self.setMaximumWidth(320)
        self._title = label("Decoder p(x|z)", "title")
        self._title.setParent(self)
        self.view = ImageView(theme, self)
        self.view.setObjectName("decoder_view")
        self.view.setAccessibleName("Decoded image")
        self.view.setToolTip("The decoder's mean image at the current point: grey levels from 0 to 1.")
        self._norm = label("", "muted")
        self._norm.setParent(self)
        self._norm.setObjectName("point_norm")
        self.sliders = LatentSliders(self)
        self.sliders.set_dims(2)  # before the buttons, so that they come after it in the tab order
        self._buttons = QWidget(self)
        self._random = self._button("random_button", "Random", "Move to a random point, drawn from the prior N(0, I).")
        self._reset = self._button("reset_button", "Reset", "Move to z = 0, the mean of the prior.")
        self._copy = self._button("copy_z_button", "Copy z", "Copy the coordinates of the point as text.")
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(_GAP)
        for button in (self._random, self._reset, self._copy):
            row.addWidget(button, 1)
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(_COPIED_MS)
        self._copied.timeout.connect(self._forget_copied)
        self._random.clicked.connect(self.random_requested)
        self._reset.clicked.connect(self.reset_requested)
        self._copy.clicked.connect(self.copy_point)
        self.sliders.changed.connect(self._slider_moved)
        self._show_norm()

    def sizeHint(self) -> QSize:
        return QSize(296, 640)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, 2 * _MARGIN + self._fixed_height() + _SIDE // 2 + _FEWEST_ROWS * ROW_HEIGHT)

    def set_dims(self, dims: int, kl_per_dim: Sequence[float] | None = None) -> None:
        """Show a point with this many coordinates, at the origin."""
        self.sliders.set_dims(dims, kl_per_dim)
        self._show_norm()
        self._place()

    def set_kl_per_dim(self, kl_per_dim: Sequence[float] | None) -> None:
        """The KL of each dimension in nats per image, or None when it is not known."""
        self.sliders.set_kl_per_dim(kl_per_dim)

    def set_point(self, point: Sequence[float]) -> None:
        """Show this point without announcing it."""
        self.sliders.set_point(point)
        self._show_norm()

    def set_image(self, array: np.ndarray) -> None:
        """Show this uint8 (H, W) image; the array must not be written to afterwards."""
        self.view.set_image(array)

    def set_theme(self, theme: Theme) -> None:
        self.view.set_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def event(self, event: QEvent) -> bool:
        # Fonts and the stylesheet change how high title and buttons are.
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self._place()
        return super().event(event)

    def _button(self, name: str, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setToolTip(tooltip)
        button.setAccessibleName(text)
        return button

    def _fixed_height(self) -> int:
        """What title, norm, buttons and the gaps between the five parts take."""
        parts = (self._title, self._norm, self._buttons)
        return sum(part.sizeHint().height() for part in parts) + 4 * _GAP

    def _place(self) -> None:
        """Stack the parts. The image is square and takes what the sliders leave, down to 240 px; then they scroll.

        Done by hand: a box layout cannot weigh a square against a list that may scroll.
        """
        width = max(0, self.width() - 2 * _MARGIN)
        free = max(0, self.height() - 2 * _MARGIN - self._fixed_height())
        wanted = self.sliders.content_height()
        at_most = max(0, free - min(wanted, _FEWEST_ROWS * ROW_HEIGHT))
        side = min(width, at_most, max(_SIDE, free - wanted))
        top = _MARGIN
        for part, height in (
            (self._title, self._title.sizeHint().height()),
            (self.view, side),
            (self._norm, self._norm.sizeHint().height()),
            (self.sliders, min(wanted, free - side)),
            (self._buttons, self._buttons.sizeHint().height()),
        ):
            part.setGeometry(QRect(_MARGIN, top, width, height))
            top += height + _GAP

    def _slider_moved(self, point: tuple[float, ...]) -> None:
        self._show_norm()
        self.point_changed.emit(point)

    def _show_norm(self) -> None:
        point = self.sliders.point()
        norm = math.hypot(*point)
        text = f"‖z‖ = {norm:.3f}"
        tooltip = "The distance of the point from the prior's mean, in standard deviations."
        if len(point) > 2:
            text += f"    ‖z‖/√d = {norm / math.sqrt(len(point)):.3f}"
            tooltip += "\n‖z‖/√d, with d latent dimensions, is about 1 for points drawn from the prior."
        self._norm.setText(text)
        self._norm.setToolTip(tooltip)

    def copy_point(self) -> None:
        QGuiApplication.clipboard().setText(", ".join(_as_text(value) for value in self.sliders.point()))
        self._copy.setText("Copied")
        self._copied.start()

    def _forget_copied(self) -> None:
        self._copy.setText("Copy z")


def _as_text(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # adding 0.0 turns -0.0 into 0.0
