"""The training panel: loss curves, KL, and KL by latent dimension, live."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from vae_studio.core.config import RunConfig
from vae_studio.core.events import Evaluated, Progress, Started
from vae_studio.ui.controls import chip, label, show_tip
from vae_studio.ui.curve_legend import LegendEntry
from vae_studio.ui.curve_plot import Curve, CurvePlot
from vae_studio.ui.curves import Series
from vae_studio.ui.kl_bars import KLBars
from vae_studio.ui.theme import DARK, Theme

_INVITATION = "Press Train to see the curves move."
_NO_KL = "an auto-encoder\nhas no KL"
_POSITIVE = ("bernoulli", "squared-error")  # likelihoods of which −log p(x|z), or the error, cannot be negative
_SMOOTHED_EPOCHS = 1 / 12  # the moving average looks back over about this much of an epoch,
_SMOOTHED_STEPS = (5, 100)  # but over this many steps at least and at most


class TrainingPanel(QFrame):
    """Curves of the run under way, in nats per image over epochs: −ELBO train and test, reconstruction, KL, KL by
    dimension; of an auto-encoder its reconstruction error. Values in through `begin`, `append`, `add_evaluation`,
    `show_model` and `show_kl_per_dim`; sends no signals.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.setObjectName("training_panel")
        self._steps_per_epoch = 1
        self._vae = True
        self._has_run = False
        self._train = Curve("train", "", "train")
        self._test = Curve("test", "", "test", dots=True)
        self._reconstruction = Curve("reconstruction", "reconstruction", "reconstruction", raw_strength=0.22)
        self._kl = Curve("kl", "KL", "kl")
        self.loss_plot = CurvePlot(
            "loss_plot", "Losses over epochs", "nats per image", (self._train, self._test, self._reconstruction)
        )
        self.kl_plot = CurvePlot("kl_plot", "KL over epochs", "KL, nats", (self._kl,), from_zero=True)
        self.kl_bars = KLBars()
        self._plots = (self.loss_plot, self.kl_plot, self.kl_bars)
        self._invitation = QLabel(_INVITATION)
        self._no_kl, self._no_bars = QLabel(_NO_KL), QLabel(_NO_KL)
        self._build()
        self._name_curves(RunConfig())
        self.set_theme(DARK)

    def begin(self, started: Started, config: RunConfig, name: str = "") -> None:
        """Clear everything for a run of this name with these settings."""
        self._steps_per_epoch = max(started.steps_per_epoch, 1)
        self._vae, self._has_run = config.model == "vae", True
        self._name_curves(config)
        self._reset()
        self.show_model(config, np.zeros(config.latent_dims))
        self._invitation.hide()
        self._title.setText(f"Training · {name}" if name else "Training")
        self._make_room()

    def append(self, progress: Progress) -> None:
        """Add the losses of the steps since the last Progress."""
        epochs = np.asarray(progress.steps, np.float64) / self._steps_per_epoch
        reconstruction, kl = progress.reconstruction, progress.kl
        with np.errstate(invalid="ignore", over="ignore"):
            self._train.series.append(epochs, reconstruction + kl)
        self._invitation.hide()
        if self._vae:
            self._reconstruction.series.append(epochs, reconstruction)
            self._kl.series.append(epochs, kl)
            self.kl_plot.refresh()
            self.show_kl_per_dim(progress.kl_per_dim)
        self.loss_plot.refresh()

    def add_evaluation(self, evaluated: Evaluated) -> None:
        """Add a point to the test curve."""
        self._test.series.append(
            np.array([evaluated.step / self._steps_per_epoch]), np.array([evaluated.evaluation.neg_elbo])
        )
        self.loss_plot.refresh()

    def show_model(self, config: RunConfig, kl_per_dim: np.ndarray) -> None:
        """Show the KL of each dimension of this model, in nats; before any run the curves have names that fit it."""
        if not self._has_run:
            self._name_curves(config)
        self.kl_bars.set_marginal(config.model == "vae" and not config.factorised)
        self.show_kl_per_dim(kl_per_dim if config.model == "vae" else None)

    def show_kl_per_dim(self, values: np.ndarray | None) -> None:
        """Show the KL of each latent dimension (latent_dims,), in nats, of a run or of a model that is opened.

        None: it is an auto-encoder's, which has none.
        """
        self.kl_bars.show_values(np.empty(0) if values is None else values)
        self._no_bars.setVisible(values is None)

    def set_theme(self, theme: Theme) -> None:
        for part in (*self._plots, *self._legend):
            part.set_theme(theme)
        self._invitation.setStyleSheet(f"color: {theme.muted}; font-size: 13px;")
        for words in (self._no_kl, self._no_bars):
            words.setStyleSheet(f"color: {theme.muted};")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        self._title.setVisible(self.minimumSizeHint().width() + self._title.sizeHint().width() <= self.width())

    def _name_curves(self, config: RunConfig) -> None:
        """Call the curves what they are for this config, and offer a logarithm where there is one."""
        if config.model == "vae":
            name, meaning = "−ELBO", "Negative evidence lower bound"
        else:
            name, meaning = "reconstruction error", "Reconstruction error"
        unit = "squared error" if config.likelihood.kind == "squared-error" else "nats per image"
        train, test, *others = self._legend
        train.rename(f"{name} train", f"{meaning} on the training batches: {config.unit}.")
        test.rename(f"{name} test", f"{meaning} on the test images: {config.unit}.")
        for entry in others:  # an auto-encoder's error is all there is
            entry.setVisible(config.model == "vae")
        self._no_kl.setVisible(config.model != "vae")
        self.loss_plot.left.set_title(unit)
        positive = config.likelihood.kind in _POSITIVE
        self.log_chip.setEnabled(positive)
        show_tip(
            self.log_chip,
            f"Logarithmic axis for the losses ({unit})"
            if positive
            else "No logarithmic axis: the nats of a density may be negative",
        )
        self._set_log()

    def _set_log(self) -> None:
        self.loss_plot.set_log(self.log_chip.isChecked() and self.log_chip.isEnabled())

    def _reset(self) -> None:
        steps = float(np.clip(_SMOOTHED_EPOCHS * self._steps_per_epoch, *_SMOOTHED_STEPS))
        for curve in (self._train, self._test, self._reconstruction, self._kl):
            curve.series = Series(decay=1.0 - 1.0 / steps)
        for plot in self._plots:
            plot.fit()

    def _build(self) -> None:
        self._title = label("Training", "title")
        # The legend matters more than the title where both do not fit.
        self._title.setMinimumWidth(1)
        self._legend = (
            LegendEntry(self._train, ""),
            LegendEntry(self._test, ""),
            LegendEntry(self._reconstruction, "Reconstruction term on the training batches, in nats per image."),
            LegendEntry(self._kl, "KL from the posterior to the prior on the training batches, in nats per image."),
        )
        self.log_chip = chip("log", "", checked=False)
        self.smooth_chip = chip("smooth", "Moving average over about a twelfth of an epoch, raw values faint behind it")
        self.fit_button = QPushButton("Fit")
        self.fit_button.setProperty("kind", "chip")
        show_tip(
            self.fit_button, "Show everything again after zooming (wheel) or panning (drag); so does a double-click"
        )
        self.fit_button.setAccessibleName("Fit the training plots")
        self.fit_button.setEnabled(False)
        for button, name in ((self.log_chip, "log"), (self.smooth_chip, "smooth"), (self.fit_button, "fit")):
            button.setObjectName(f"training_{name}")
        header = QHBoxLayout()
        header.setSpacing(8)
        header.addWidget(self._title)
        header.addStretch(1)
        for entry in self._legend:
            header.addWidget(entry)
            entry.toggled.connect(self._curve_toggled)
        header.addSpacing(4)
        for button in (self.log_chip, self.smooth_chip, self.fit_button):
            header.addWidget(button)
        plots = QGridLayout()
        plots.setSpacing(8)
        for column, (plot, share) in enumerate(zip(self._plots, (52, 24, 24), strict=True)):
            plots.addWidget(plot, 0, column)
            plots.setColumnStretch(column, share)
            plot.zoomed.connect(self._zoom_changed)
        for column, words in enumerate((self._invitation, self._no_kl, self._no_bars)):
            words.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            words.setContentsMargins(52, 0, 0, 36)
            words.setAlignment(Qt.AlignmentFlag.AlignCenter)
            words.setVisible(column == 0)
            plots.addWidget(words, 0, column, *([Qt.AlignmentFlag.AlignCenter] if column == 0 else []))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 4)
        layout.setSpacing(4)
        layout.addLayout(header)
        layout.addLayout(plots, 1)
        self.log_chip.toggled.connect(self._set_log)
        self.smooth_chip.toggled.connect(self.loss_plot.set_smooth)
        self.smooth_chip.toggled.connect(self.kl_plot.set_smooth)
        self.fit_button.clicked.connect(self._fit)

    def _curve_toggled(self, on: bool) -> None:
        curve = self.sender().curve
        for plot in (self.loss_plot, self.kl_plot):
            plot.set_shown(curve.name, on)

    def _zoom_changed(self, _: bool) -> None:
        self.fit_button.setEnabled(any(plot.is_zoomed for plot in self._plots))

    def _fit(self) -> None:
        for plot in self._plots:
            plot.fit()
