"""Setup: the settings of the next run as a form, and the objective of the present one."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QFrame, QSlider, QVBoxLayout, QWidget

from vae_studio.core.config import ConfigError, RunConfig
from vae_studio.core.presets import DEFAULT_PRESET, PRESETS
from vae_studio.ui.controls import label
from vae_studio.ui.data_fields import DataFields
from vae_studio.ui.fields import Choice, FieldGroup, form, set_reason
from vae_studio.ui.model_fields import ModelFields
from vae_studio.ui.network_fields import NetworkFields
from vae_studio.ui.objective_fields import ObjectiveFields, OptimisationFields
from vae_studio.ui.objective_panel import ObjectivePanel
from vae_studio.ui.preset_fields import PresetFields
from vae_studio.ui.refusals import Changes, fitted, refusal
from vae_studio.ui.run_fields import RunFields
from vae_studio.ui.section import FormArea, Section

_NO_BETA = "An auto-encoder has no KL that β could weigh."
_NO_FREE_BITS = {"free_bits": 0.0}
_SOME_FREE_BITS = {"free_bits": 0.1}
_SLIDERS = ("beta", "learning_rate")


class SetupPanel(QFrame):
    """The settings of a run as a form; settings it has no field for (Adam's epsilon, say) come from the preset.

    What can be combined RunConfig alone knows: an item is offered where the config with it is possible. `objective` is
    the ObjectivePanel inside. Signals: `config_changed()` when the user has changed a setting and all are valid;
    `failed(str)` when `config()` was asked for and a setting cannot be used: the sentence says which.
    """

    config_changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("setup_panel")
        self.setProperty("panel", True)
        self.setMinimumWidth(256)
        self._base = PRESETS[DEFAULT_PRESET].config
        self._filling = self._running = False
        self._reasons: dict[QWidget, str] = {}
        self._offered_for: dict[str, Any] | None = None
        self._preset = PresetFields()
        self._data, self._network, self._run = DataFields(), NetworkFields(), RunFields()
        self._model, self._bound, self._optimisation = ModelFields(), ObjectiveFields(), OptimisationFields()
        self._groups: tuple[FieldGroup, ...] = (
            *(self._data, self._network, self._run),
            *(self._model, self._bound, self._optimisation),
        )
        # What may be let go of for a choice that is impossible with it: it would have no meaning any more.
        self._remedies: dict[Choice, tuple[Changes, ...]] = {
            self._model.model: (
                _NO_FREE_BITS,
                {"likelihood": {"kind": "squared-error"}},
                {"likelihood": {"kind": "gaussian"}},
                {"posterior": "diagonal-gaussian"},
            ),
            self._model.posterior: (_NO_FREE_BITS,),
            self._model.prior: (_NO_FREE_BITS,),
            self._bound.bound: (_NO_FREE_BITS,),
        }
        self.objective = ObjectivePanel()
        self._error = label("", "error")
        self._error.setObjectName("setup_error")
        self._error.setWordWrap(True)
        self._lay_out()
        self.set_devices([("auto", "Automatic")])
        self.set_config(self._base)
        self._connect()

    def sizeHint(self) -> QSize:
        """Wide enough for the longest network's title."""
        return QSize(288, super().sizeHint().height())

    # Values in

    def set_config(self, config: RunConfig) -> None:
        """Show these settings without announcing them."""
        self._base = config
        self._show(config)
        self._refresh()

    def offer(self, config: RunConfig) -> None:
        """Show the settings of a model that was opened, unless the user has changed something here or a run goes on."""
        if self._error.isHidden() and not self._preset.any_change and not self._running:
            self.set_config(config.with_changes(**self._run.machine()))

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these (choice, title), the first being the one for want of the one chosen."""
        self._filling = True
        self._run.set_devices(devices)
        self._filling = False
        self._refresh()

    def set_running(self, running: bool) -> None:
        """While a run goes on only the objective can be turned."""
        self._running = running
        self._refresh()

    # Values out

    def config(self) -> RunConfig:
        """The settings as shown. Raises ConfigError, after `failed`, where one cannot be used."""
        try:
            return self._read()
        except ConfigError as error:
            self.failed.emit(str(error))
            raise

    def _read(self) -> RunConfig:
        return self._base.with_changes(**self._changes())

    def _changes(self) -> dict[str, Any]:
        """All that there is a field for, as plain values. Raises ConfigError."""
        changes: dict[str, Any] = {"beta": self.objective.beta(), "learning_rate": self.objective.rate()}
        for group in self._groups:
            changes |= group.changes()
        return changes

    # Reactions

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Scrolling the panel must not turn the controls that pass under the cursor."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _edited(self) -> None:
        if not self._filling and self._refresh():
            self.config_changed.emit()

    def _chosen(self) -> None:
        """Take over a choice, and let go of what is impossible with it and has lost its meaning."""
        choice = self.sender()
        if self._filling:
            return
        try:
            changes = self._changes()
            if refusal(self._base, changes):
                self._show(fitted(self._base, changes, self._remedies.get(choice, ())))
        except ConfigError:
            pass  # another field is wrong: `_refresh` says which
        self._edited()

    def _preset_chosen(self) -> None:
        """Fill in the preset: all but what belongs to the machine and not to the recipe."""
        self.set_config(self._preset.preset().config.with_changes(**self._run.machine()))
        self.config_changed.emit()

    def _show(self, config: RunConfig) -> None:
        self._filling = True
        for group in self._groups:
            group.show_config(config)
        self._preset.show_preset(config.preset)
        self.objective.set_values(config.beta, config.learning_rate)
        self._filling = False

    def _refresh(self) -> bool:
        """Show what differs from the preset, what can be chosen, and what is wrong; whether nothing is wrong."""
        self._offer_choices()
        try:
            config = self._read()
        except ConfigError as error:
            self._error.setText(str(error))
            self._error.show()
            self._lock()
            return False
        self._error.hide()
        for group in self._groups:
            group.show_in_force(config)
        self._reasons = {field: why for group in self._groups for field, why in group.reasons(config).items()}
        if not config.free_bits:
            self._reasons.setdefault(self._bound.free_bits, refusal(config, _SOME_FREE_BITS))
        self._lock()
        self._preset.show_changes(self._base.preset, config)
        self.objective.set_beta_reason(_NO_BETA if config.model == "autoencoder" else "")
        if not self._running:
            self.objective.figures.show_settings(config)
        for section, group in self._sections.items():
            section.set_words(group.words(config))
        return True

    def _lock(self) -> None:
        """A field can be used unless there is a reason why not, or a run goes on."""
        for field in (self._preset.choice, self._preset.restore, *(f for group in self._groups for f in group.fields)):
            reason = self._reasons.get(field, "")
            field.setEnabled(not (self._running or reason))
            set_reason(field, reason)

    def _offer_choices(self) -> None:
        """Offer the items whose configs are possible; where none is, the fault lies in another field."""
        try:
            changes = self._changes()
        except ConfigError:
            return
        known = {name: value for name, value in changes.items() if name not in _SLIDERS}
        if known == self._offered_for:
            return  # sliders are dragged while training, which is no time for fifty configs a pixel
        self._offered_for = known
        for group in self._groups:
            for choice, put in group.choices.items():
                remedies = self._remedies.get(choice, ())
                reasons = [refusal(self._base, changes | put(value), remedies) for value in choice.values()]
                choice.set_refusals([""] * len(reasons) if all(reasons) else reasons)

    # Construction

    def _lay_out(self) -> None:
        latent_dims, *run = self._run.rows
        main = form(
            *self._data.rows,
            ("Preset", self._preset.choice),
            ("", self._preset),
            *self._network.rows,
            latent_dims,
            *self._model.rows,
            *run,
        )
        optimisation = (*self._optimisation.rows, *self._run.details)
        self._sections = {
            Section("model", "Model", form(*self._model.details, *self._network.details)): self._model,
            Section("objective", "Objective details", form(*self._bound.rows)): self._bound,
            Section("optimisation", "Optimisation", form(*optimisation)): self._optimisation,
        }
        below = QVBoxLayout()
        below.setContentsMargins(0, 0, FormArea.MARGIN, 0)
        below.setSpacing(8)
        below.addWidget(self._error)
        below.addWidget(self.objective, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(12, 12, 0, 12)
        outer.setSpacing(8)
        outer.addWidget(label("Setup", "title"))
        outer.addWidget(FormArea(main, self._sections))
        outer.addLayout(below, 1)

    def _connect(self) -> None:
        for group in self._groups:
            group.changed.connect(self._edited)
            for choice in group.choices:
                choice.currentIndexChanged.connect(self._chosen)
        self._preset.chosen.connect(self._preset_chosen)
        self._run.rate_wanted.connect(lambda rate: self.objective.set_values(self.objective.beta(), rate))
        self.objective.beta_changed.connect(self._edited)
        self.objective.rate_changed.connect(self._edited)
        for kind in (QComboBox, QAbstractSpinBox, QSlider):
            for control in self.findChildren(kind):
                # With the default policy the wheel itself would give the focus.
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)
