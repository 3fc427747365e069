"""What the window remembers between starts: geometry, theme, folders and export choices."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QSplitter

from vae_studio.ui.theme import ThemeChoice


class Settings:
    """Typed access to a QSettings store; anything unreadable in it counts as absent."""

    def __init__(self, store: QSettings) -> None:
        self._store = store

    @property
    def theme(self) -> ThemeChoice:
        value = self._store.value("theme", "system")
        return value if value in ("system", "dark", "light") else "system"

    @theme.setter
    def theme(self, choice: ThemeChoice) -> None:
        self._store.setValue("theme", choice)

    @property
    def export_options(self) -> dict[str, Any]:
        return self._read("export/options")

    @export_options.setter
    def export_options(self, options: dict[str, Any]) -> None:
        self._store.setValue("export/options", json.dumps(options))

    @property
    def sliders(self) -> dict[str, Any]:
        """How the sliders of the latent dimensions are ordered, and whether dead ones are left out."""
        return self._read("sliders")

    @sliders.setter
    def sliders(self, choices: dict[str, Any]) -> None:
        self._store.setValue("sliders", json.dumps(choices))

    def folder(self, purpose: str, default: Path) -> Path:
        """The folder last used for a purpose, if it is still there; else the default, else the home folder."""
        for candidate in (Path(str(self._store.value(f"folders/{purpose}", ""))), default):
            # A name that is too long or may not be looked at raises, but is as good as gone.
            with contextlib.suppress(OSError):
                if candidate.is_absolute() and candidate.is_dir():
                    return candidate
        return Path.home()

    def set_folder(self, purpose: str, folder: Path) -> None:
        self._store.setValue(f"folders/{purpose}", str(folder))

    def _read(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._store.value(name, "{}"))
        except (TypeError, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def restore(self, window: QMainWindow, splitters: dict[str, QSplitter], panels: dict[str, QAction]) -> None:
        """Put size, splitters and panels where `keep` found them."""
        geometry = self._store.value("geometry")
        if isinstance(geometry, QByteArray):
            window.restoreGeometry(geometry)
        for name, splitter in splitters.items():
            state = self._store.value(f"splitters/{name}")
            if isinstance(state, QByteArray):
                splitter.restoreState(state)

        for name, action in panels.items():
            kept = self._store.value(f"panels/{name}")
            if kept in ("true", "false"):
                action.setChecked(kept == "true")

    def keep(self, window: QMainWindow, splitters: dict[str, QSplitter], panels: dict[str, QAction]) -> None:
        self._store.setValue("geometry", window.saveGeometry())
        for name, splitter in splitters.items():
            self._store.setValue(f"splitters/{name}", splitter.saveState())
        for name, action in panels.items():
            self._store.setValue(f"panels/{name}", "true" if action.isChecked() else "false")
        self._store.sync()
