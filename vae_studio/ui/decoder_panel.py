"""The right column: the decoder's image at the current point, and a slider for each of its coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QRect, QSize, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.ui.controls import chip, label, show_tip
from vae_studio.ui.image_view import ImageView
from vae_studio.ui.latent_sliders import LatentSliders
from vae_studio.ui.theme import DARK, Theme

_MARGIN = 12
_GAP = 8
_SIDE = 240  # the image keeps this much when sliders compete for the height
_SMALLEST_SIDE = 160
_COPIED_MS = 1200
_MEAN = "Show the mean of p(x|z): the expected image at the point."
_SAMPLE = "Show one draw from p(x|z), a random value for every pixel. Press it again for another draw."
_NO_DRAWS = "An auto-encoder has no p(x|z) to draw from: its decoder gives one image for each z."
_RANDOM = {
    "standard-normal": "the prior N(0, I)",
    "gaussian-mixture": "the prior, a learned mixture of Gaussians",
    "laplace": "the prior, independent Laplace distributions",
}
_CUT_OFF = "Values beyond 0 and 1 are shown as black and white."
_DRAWN = {"bernoulli": "Every pixel is black or white.", "continuous-bernoulli": "Pixel values lie between 0 and 1."}
_CODES = "N(0, I): an auto-encoder has no prior, but its codes have mean 0 and standard deviation 1"


class DecoderPanel(QFrame):
    """Shows p(x|z) at the current point z, its mean or a draw, ‖z‖, and the point's coordinates.

    Signals: `point_changed(tuple of floats)` when the user moves a slider or types a value, `mean_requested()`,
    `sample_requested()` for a draw or another one, `random_requested()`, `reset_requested()`.
    """

    point_changed = Signal(object)
    mean_requested = Signal()
    sample_requested = Signal()
    random_requested = Signal()
    reset_requested = Signal()

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("decoder_panel")
        self.setProperty("panel", True)
        self.setMaximumWidth(320)
        self._title = label("", "title")
        self._mean = chip("mean", _MEAN)
        self._sample = chip("sample", _SAMPLE, checked=False)
        self._heading = self._make_heading()
        self.view = ImageView(theme, self)
        self.view.setObjectName("decoder_view")
        self._norm = label("", "muted")
        self._norm.setParent(self)
        self._norm.setObjectName("point_norm")
        self.sliders = LatentSliders(self)
        self.sliders.set_dims(2)  # before the buttons, so that they come after it in the tab order
        self._buttons = QWidget(self)
        self._random = self._button("random_button", "Random", "")
        self._reset = self._button("reset_button", "Reset", "Move to z = 0, the middle of the map.")
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
        self._mean.clicked.connect(self.mean_requested)
        self._sample.clicked.connect(self.sample_requested)
        self._random.clicked.connect(self.random_requested)
        self._reset.clicked.connect(self.reset_requested)
        self._copy.clicked.connect(self.copy_point)
        self.sliders.changed.connect(self._slider_moved)
        self.sliders.resized.connect(self._make_room)
        self.set_config(RunConfig())

    def sizeHint(self) -> QSize:
        """As high as it must be: what room there is it gets as the first card of a column."""
        return QSize(296, self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        least = self.sliders.least_height()
        return QSize(240, 2 * _MARGIN + self._fixed_height() + _SMALLEST_SIDE + least)

    def set_dims(self, dims: int, kl_per_dim: Sequence[float] | None = None) -> None:
        """Show a point with this many coordinates, at the origin."""
        self.sliders.set_dims(dims, kl_per_dim)
        self._show_norm()

    def gesture(self) -> tuple[int, int]:
        """What belongs together of that which `point_changed` has told."""
        return self.sliders.gesture()

    def set_sampled(self, sampled: bool) -> None:
        """Whether it is a draw that is shown, without announcing it."""
        (self._sample if sampled else self._mean).setChecked(True)

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is; an auto-encoder's image is always the one that its decoder gives."""
        self._config = config
        vae = config.model == "vae"
        self._words = "Decoder p(x|z)" if vae else "Decoder g(z)"
        self._sample.setEnabled(vae)
        show_tip(self._sample, _SAMPLE if vae else _NO_DRAWS)
        show_tip(self._mean, _MEAN if vae else "The image that the decoder gives at the point.")
        show_tip(self._random, f"Move to a random point, drawn from {_RANDOM[config.prior.kind] if vae else _CODES}.")
        if not vae:
            self._mean.setChecked(True)
        self._say_what_is_shown(sampled=self._sample.isChecked())
        self._show_norm()
        self._place()

    def set_kl_per_dim(self, kl_per_dim: Sequence[float] | None) -> None:
        """The KL of each dimension in nats per image, or None when it is not known."""
        self.sliders.set_kl_per_dim(kl_per_dim)

    def set_point(self, point: Sequence[float]) -> None:
        """Show this point without announcing it."""
        self.sliders.set_point(point)
        self._show_norm()

    def set_image(self, array: np.ndarray, *, sampled: bool = False) -> None:
        """Show this image, the mean of p(x|z) or a draw from it; the array must not be written to afterwards."""
        self.view.set_image(array)
        self._say_what_is_shown(sampled=sampled)

    def set_theme(self, theme: Theme) -> None:
        self.view.set_theme(theme)
        self.sliders.set_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def event(self, event: QEvent) -> bool:
        # Fonts and the stylesheet change how high title and buttons are.
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self._place()
        return super().event(event)

    def _make_heading(self) -> QWidget:
        heading = QWidget(self)
        row = QHBoxLayout(heading)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(_GAP)
        row.addWidget(self._title)
        row.addStretch(1)
        group = QButtonGroup(heading)
        for button in (self._mean, self._sample):
            button.setObjectName(f"decoder_{button.text()}_chip")
            group.addButton(button)
            row.addWidget(button)
        return heading

    def _button(self, name: str, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        show_tip(button, tooltip)
        button.setAccessibleName(text)
        return button

    def _make_room(self) -> None:
        """There are more sliders now, or fewer."""
        self.updateGeometry()
        self._place()

    def _fixed_height(self) -> int:
        """What heading, norm, buttons and the gaps between the five parts take."""
        parts = (self._heading, self._norm, self._buttons)
        return sum(part.sizeHint().height() for part in parts) + 4 * _GAP

    def _place(self) -> None:
        """Stack the parts. The image is square and takes what the sliders leave, down to 240 px; then they scroll.

        Done by hand: a box layout cannot weigh a square against a list that may scroll.
        """
        width = max(0, self.width() - 2 * _MARGIN)
        self._fit_title(width)
        free = max(0, self.height() - 2 * _MARGIN - self._fixed_height())
        wanted = self.sliders.content_height()
        at_most = max(0, free - min(wanted, self.sliders.least_height()))
        side = min(width, at_most, max(_SIDE, free - wanted))
        top = _MARGIN
        # Of a fixed size: a label that has none makes the whole column be laid out anew at each new text.
        self._norm.setFixedSize(width, self._norm.sizeHint().height())
        for part, height in (
            (self._heading, self._heading.sizeHint().height()),
            (self.view, side),
            (self._norm, self._norm.sizeHint().height()),
            (self.sliders, min(wanted, free - side)),
            (self._buttons, self._buttons.sizeHint().height()),
        ):
            part.setGeometry(QRect(_MARGIN, top, width, height))
            top += height + _GAP

    def _fit_title(self, width: int) -> None:
        """Leave the first word out where there is no room for it beside the chips."""
        room = width - 2 * _GAP - self._mean.sizeHint().width() - self._sample.sizeHint().width()
        fits = self._title.fontMetrics().horizontalAdvance(self._words) <= room
        text = self._words if fits else self._words.partition(" ")[2]
        if text != self._title.text():
            self._title.setText(text)

    def _slider_moved(self, point: tuple[float, ...]) -> None:
        self._show_norm()
        self.point_changed.emit(point)

    def _say_what_is_shown(self, *, sampled: bool) -> None:
        if self._config.model != "vae":
            what, more = "Decoded image", "The image that the decoder gives at the current point."
        elif sampled:
            more = f"One draw from p(x|z) at the current point. {_DRAWN.get(self._config.likelihood.kind, _CUT_OFF)}"
            what = "Sample of p(x|z)"
        else:
            what, more = "Mean of p(x|z)", "The mean of p(x|z) at the current point: pixel values from 0 to 1."
        if what != self.view.accessibleName():
            self.view.setAccessibleName(what)
        show_tip(self.view, more)

    def _show_norm(self) -> None:
        point = self.sliders.point()
        norm = math.hypot(*point)
        text = f"‖z‖ = {norm:.3f}"
        tooltip = "The distance of the point from z = 0."
        if len(point) > 2:
            text += f"    ‖z‖/√d = {norm / math.sqrt(len(point)):.3f}"
            if self._config.model != "vae":
                tooltip += "\n‖z‖/√d, with d latent dimensions, is about 1 for the codes of images."
            elif self._config.prior.kind != "gaussian-mixture":
                tooltip += "\n‖z‖/√d, with d latent dimensions, is about 1 for points drawn from the prior."
        self._norm.setText(text)
        show_tip(self._norm, tooltip)

    def copy_point(self) -> None:
        QGuiApplication.clipboard().setText(", ".join(_as_text(value) for value in self.sliders.point()))
        self._copy.setText("Copied")
        self._copied.start()

    def _forget_copied(self) -> None:
        self._copy.setText("Copy z")


def _as_text(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # adding 0.0 turns -0.0 into 0.0
