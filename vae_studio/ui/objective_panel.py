"""The objective: β and the learning rate, which can be turned while training, over the objective's figures."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QAbstractSpinBox, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.ui.controls import ValueSlider, label, show_tip
from vae_studio.ui.objective_figures import ObjectiveFigures

_BETA_TIP = (
    "β, the weight of the KL term in what is optimised (no unit, 0 to 100). 1 gives the ELBO; more presses the "
    "posteriors towards the prior (β-VAE, Higgins et al. 2017). Double-click the slider for 1."
)
_RATE_TIP = (
    "Learning rate per step at the peak of the schedule (no unit). Turned while training, it scales the rest of the "
    "schedule. Double-click the slider for the rate of the settings."
)


class ObjectivePanel(QWidget):
    """Sliders of β and the rate; below them `figures`, an ObjectiveFigures.

    Signals, only when the user turns a control: `beta_changed(float)`, `rate_changed(float)`.
    """

    beta_changed = Signal(float)
    rate_changed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("objective_panel")
        # The exact values: the fields show rounded ones.
        self._beta, self._rate = 1.0, 1.5e-3
        self.beta_slider = _BetaSlider(
            0.0,
            10.0,
            self._beta,
            decimals=3,
            hard_range=(0.0, 100.0),
            name="β, weight of the KL term",
            tooltip=_BETA_TIP,
        )
        self.beta_slider.slider.setObjectName("beta_slider")
        self.beta_slider.field.setObjectName("beta_value")
        self.rate_slider = ValueSlider(
            1e-5,
            1e-1,
            self._rate,
            logarithmic=True,
            hard_range=(1e-7, 1.0),
            name="Learning rate",
            tooltip=_RATE_TIP,
        )
        self.rate_slider.slider.setObjectName("learning_rate_slider")
        self.rate_slider.field.setObjectName("learning_rate")
        self.rate_slider.field.setDecimals(9)
        self.rate_slider.field.setRange(1e-7, 1.0)
        self.rate_slider.field.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.beta_slider.changed.connect(self._beta_turned)
        self.rate_slider.changed.connect(self._rate_turned)

        self._hint = label("· turn while training", "muted")
        self._rate_now = label("", "faint")
        self._rate_now.setObjectName("rate_in_force")
        self._rate_now.setAlignment(Qt.AlignmentFlag.AlignRight)
        show_tip(self._rate_now, "The learning rate of the last step: the peak rate times the schedule.")
        self.figures = ObjectiveFigures(RunConfig())
        self._lay_out()
        self.clear_numbers()

    def _lay_out(self) -> None:
        heading = QHBoxLayout()
        heading.setSpacing(4)
        heading.addWidget(label("Objective", "title"))
        heading.addWidget(self._hint)
        heading.addStretch(1)
        heading.addWidget(self._rate_now)
        controls = QGridLayout()
        controls.setHorizontalSpacing(12)
        controls.setVerticalSpacing(4)
        for row, (text, slider) in enumerate((("β", self.beta_slider), ("rate", self.rate_slider))):
            controls.addWidget(label(text, "muted"), row, 0)
            controls.addWidget(slider, row, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(heading)
        layout.addLayout(controls)
        layout.addSpacing(4)
        layout.addWidget(self.figures, 1)

    def beta(self) -> float:
        """β as it is set, a number just typed included."""
        _take_typed(self.beta_slider)
        return self._beta

    def rate(self) -> float:
        """The learning rate as it is set, a number just typed included."""
        _take_typed(self.rate_slider)
        return self._rate

    def set_values(self, beta: float, rate: float) -> None:
        """Show these without announcing them; a double-click on the rate goes back to `rate`."""
        self._beta, self._rate = beta, rate
        self.rate_slider.set_default(rate)
        for slider, value in ((self.beta_slider, beta), (self.rate_slider, rate)):
            slider.set_value(value)
            slider.field.lineEdit().setModified(False)

    def set_beta_reason(self, reason: str) -> None:
        """Why β cannot be turned, or nothing where it can."""
        for part in (self.beta_slider.slider, self.beta_slider.field):
            part.setEnabled(not reason)
            show_tip(part, reason or _BETA_TIP)

    def clear_numbers(self) -> None:
        """Forget the loss, the rate in force and the count of active dimensions."""
        self._rate_now.hide()
        self._hint.show()
        self.figures.clear()

    def show_in_force(self, rate: float, beta: float) -> None:
        """The learning rate of the last step, and its β where a warm-up makes it another than the one set."""
        has_beta = self.beta_slider.slider.isEnabled()
        warming_up = has_beta and not math.isclose(beta, self._beta, rel_tol=1e-3)
        mantissa, exponent = (f"{rate:.1e}" if warming_up else f"{rate:.2e}").split("e")
        short = f"{mantissa}e{int(exponent)}"
        self._rate_now.setText(f"β {beta:.2g}, rate {short} now" if warming_up else f"rate now {short}")
        self._hint.hide()
        self._rate_now.show()

    def _beta_turned(self, beta: float) -> None:
        self._beta = beta
        self.beta_changed.emit(beta)

    def _rate_turned(self, rate: float) -> None:
        self._rate = rate
        self.rate_changed.emit(rate)


class _BetaSlider(ValueSlider):
    """Goes by a power law, so that 0 is on it, 1 is in the middle and small β are as easy to reach as large ones."""

    _POWER = math.log2(10.0)

    def _slider_moved(self, tick: int) -> None:
        with QSignalBlocker(self.field):
            self.field.setValue(self._high * (tick / self.slider.maximum()) ** self._POWER)
        self.changed.emit(self.field.value())

    def _place_slider(self, value: float) -> None:
        fraction = min(max(value, 0.0) / self._high, 1.0) ** (1.0 / self._POWER)
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(fraction * self.slider.maximum()))


def _take_typed(slider: ValueSlider) -> None:
    """Take over a number that was typed and not yet confirmed: a toolbar button takes no focus from the field."""
    line = slider.field.lineEdit()
    if line.isModified():
        slider.field.interpretText()
        line.setModified(False)
