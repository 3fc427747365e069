"""Dark, light, or as the system has it: what was chosen, and what that is now."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from vae_studio.ui import theme as themes
from vae_studio.ui.settings import Settings


class ThemeControl(QObject):
    """Gives the whole program its theme, and keeps the choice.

    Signals: `changed(Theme)` for what paints itself; `follows_system(bool)`.
    """

    changed = Signal(object)
    follows_system = Signal(bool)

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._theme = themes.DARK
        QApplication.styleHints().colorSchemeChanged.connect(self._follow)

    def begin(self) -> None:
        """Take up what was chosen last."""
        self.choose(self._settings.theme)

    def choose(self, choice: themes.ThemeChoice) -> None:
        self._settings.theme = choice
        self._theme = themes.resolve(choice)
        themes.apply(QApplication.instance(), self._theme)
        self.follows_system.emit(choice == "system")
        self.changed.emit(self._theme)

    def toggle(self) -> None:
        self.choose("light" if self._theme.name == "dark" else "dark")

    def follow_system(self, follow: bool) -> None:
        """Be as the system is, or stay as it was until now."""
        self.choose("system" if follow else self._theme.name)

    def _follow(self) -> None:
        if self._settings.theme == "system":
            self.choose("system")
