"""Path and pins under the decoder's image, each folded away until there is something to see."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QSizePolicy, QVBoxLayout, QWidget

from vae_studio.core.exploration import Exploration
from vae_studio.ui.path_panel import PathPanel
from vae_studio.ui.pins_panel import PinsPanel
from vae_studio.ui.section import Section
from vae_studio.ui.theme import Theme


class MarksPanel(QFrame):
    """Two sections around `path` and `pins`. They unfold by themselves when there is a first point or pin in them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("marks_panel")
        self.setProperty("panel", True)
        self.setMaximumWidth(320)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.path, self.pins = PathPanel(), PinsPanel()
        self._any_path = self._any_pins = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 4)
        layout.setSpacing(0)
        self._sections = {}
        for name, title, panel in (("path", "Path", self.path), ("pins", "Pins", self.pins)):
            inside = QVBoxLayout()
            inside.addWidget(panel)
            section = self._sections[name] = Section(name, title, inside)
            panel.words_changed.connect(section.set_words)
            layout.addWidget(section)
        self.path.set_path(None)
        self.pins.set_pins(())

    def show_marks(self, explored: Exploration) -> None:
        """Show the path and the pins of this exploration."""
        self.path.set_path(explored.path)
        self.pins.set_pins(explored.pins)
        if explored.path and not self._any_path:
            self._sections["path"].heading.setChecked(True)
        if explored.pins and not self._any_pins:
            self._sections["pins"].heading.setChecked(True)
        self._any_path, self._any_pins = explored.path is not None, bool(explored.pins)

    def set_theme(self, theme: Theme) -> None:
        self.path.set_theme(theme)
        self.pins.set_theme(theme)
