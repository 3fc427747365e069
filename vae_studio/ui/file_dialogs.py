"""Asks for the files of models and sessions, and remembers the folders they were in."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from vae_studio import paths
from vae_studio.core.session_file import SUFFIX
from vae_studio.ui.controls import file_stem
from vae_studio.ui.settings import Settings

_MODELS = "Models (*.safetensors)"
_SESSIONS = f"Sessions (*{SUFFIX} *.json)"


class FileDialogs:
    """Every answer is a path, or None where the user has thought better of it."""

    def __init__(self, settings: Settings, window: QWidget) -> None:
        self._settings = settings
        self._window = window

    def model_to_open(self) -> Path | None:
        return self._to_open("model", "Open model", _MODELS, paths.runs())

    def model_to_write(self, name: str) -> Path | None:
        """Where a model is to be saved; `name` is what it is called."""
        path = self._to_write("model", "Save model as", _MODELS, paths.runs(), f"{file_stem(name)}.safetensors")
        return path.with_suffix(".safetensors") if path else None

    def session_to_open(self) -> Path | None:
        return self._to_open("session", "Open session", _SESSIONS, paths.documents())

    def session_to_write(self, name: str) -> Path | None:
        """Where the session of the model of this name is to be saved."""
        return self._to_write("session", "Save session as", _SESSIONS, paths.documents(), f"{file_stem(name)}{SUFFIX}")

    def _to_open(self, purpose: str, title: str, pattern: str, default: Path) -> Path | None:
        folder = self._settings.folder(purpose, default)
        path, _ = QFileDialog.getOpenFileName(self._window, title, str(folder), pattern)
        return self._remembered(purpose, path)

    def _to_write(self, purpose: str, title: str, pattern: str, default: Path, proposed: str) -> Path | None:
        proposal = self._settings.folder(purpose, default) / proposed
        path, _ = QFileDialog.getSaveFileName(self._window, title, str(proposal), pattern)
        return self._remembered(purpose, path)

    def _remembered(self, purpose: str, answer: str) -> Path | None:
        if not answer:
            return None
        self._settings.set_folder(purpose, Path(answer).parent)
        return Path(answer)
