"""The preset of the next run: what it shows, where it comes from, and what was changed since."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.core.presets import PRESETS, Preset
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.fields import Choice, set_tip

_WORDS = {
    "latent_dims": "latent dims",
    "batch_size": "batch size",
    "learning_rate": "rate",
    "beta": "β",
    "kl": "KL",
    "kl_warm_up": "KL warm-up",
    "kl_cycles": "KL cycles",
}


class PresetFields(QWidget):
    """The lines below the preset's field `choice`: summary, source, and what differs from it, with Restore.

    Signal `chosen()` when the user chooses a preset, or asks to go back to it.
    """

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        tip = "A starting point: choosing it fills in every field."
        items = [(p.name, p.title, f"{p.summary} Source: {p.source}.") for p in PRESETS.values()]
        self.choice = Choice("preset_combo", "Preset", tip, items)
        self._summary = label("", "muted")
        self._summary.setObjectName("preset_summary")
        self._source = _OneLine()
        self._changed = label("", "muted")
        self._changed.setObjectName("preset_changed")
        for wrapped in (self._summary, self._changed):
            wrapped.setWordWrap(True)
        self.restore = QPushButton("Restore")
        self.restore.setObjectName("preset_restore_button")
        set_tip(self.restore, "Go back to the preset's settings.")
        self._changed_row = QWidget()
        row = QHBoxLayout(self._changed_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._changed, 1)
        row.addWidget(self.restore, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for part in (self._summary, self._source, self._changed_row):
            layout.addWidget(part)
        self.choice.activated.connect(self.chosen)
        self.restore.clicked.connect(self.chosen)

    @property
    def any_change(self) -> bool:
        """Whether something differs from the preset."""
        return not self._changed_row.isHidden()

    def preset(self) -> Preset:
        """The one that is chosen."""
        return PRESETS[self.choice.value()]

    def show_preset(self, name: str) -> None:
        """Show this preset as chosen; a stranger's name stands in the field as it is."""
        if name in PRESETS:
            self.choice.show_value(name)
        else:
            self.choice.setCurrentIndex(-1)
            self.choice.setPlaceholderText(name)

    def show_changes(self, name: str, config: RunConfig) -> None:
        """Say in what a config that began as this preset differs from it."""
        preset = PRESETS.get(name)
        changed = differences(config, preset.config) if preset else []
        for index, known in enumerate(PRESETS.values()):
            mark = " *" if changed and known is preset else ""
            self.choice.setItemText(index, known.title + mark)
        self._summary.setText(preset.summary if preset else "Settings of their own, from no preset.")
        self._source.set_text(preset.source if preset else "")
        self._changed.setText(f"* changed: {', '.join(changed)}")
        self._changed_row.setVisible(bool(changed))


class _OneLine(QLabel):
    """A faint line that is cut where there is no room; the tooltip has it whole."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("preset_source")
        self.setProperty("role", "faint")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setMinimumWidth(1)
        self._whole = ""

    def set_text(self, text: str) -> None:
        self._whole = text
        show_tip(self, text)
        self.setVisible(bool(text))
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        self.ensurePolished()
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))


def differences(config: RunConfig, preset: RunConfig) -> list[str]:
    """The settings, in words, in which a config differs from its preset; how it runs on this machine is none."""
    changed = []
    for name in RunConfig.model_fields:
        mine, theirs = getattr(config, name), getattr(preset, name)
        if name == "data" and mine.limit is None:
            mine = mine.model_copy(update={"pick": theirs.pick})
        if name not in ("device", "execution") and mine != theirs:
            changed.append(_WORDS.get(name, name.replace("_", " ")))
    return changed
