"""The session as a file: kept when the window closes, gone on with at the next start, saved and opened on demand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.core.session_file import SUFFIX, SavedSession, is_session
from vae_studio.ui.file_dialogs import FileDialogs
from vae_studio.ui.workers import Failure, Jobs


class SessionControl(QObject):
    """Says which model a session wants, and, once that is open, what to go on with; `last` is the file of the window's
    own last session, if it has one.

    Signals: `model_wanted(str)`, the name or file of a model to open; `restored(SavedSession)` when the model that is
    on view is the session's; `said(str)`, a sentence; `saved(Written)`; `failed(Failure)`.
    """

    model_wanted = Signal(str)
    restored = Signal(object)
    said = Signal(str)
    saved = Signal(object)
    failed = Signal(object)

    def __init__(self, jobs: Jobs, files: FileDialogs, last: Path | None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._files = files
        self._last = last
        self._waiting: SavedSession | None = None  # for its model
        self._otherwise = ""  # the model to open in its place
        self._from_last = False

    def begin(self, file: str | None, otherwise: str) -> None:
        """Go on with this session, open this model, or go on with the last session; what fails opens `otherwise`."""
        self._otherwise = otherwise
        if file and is_session(Path(file)):
            self._open(Path(file), self._refused_at_start)
        elif file:
            self.model_wanted.emit(file)
        elif self._last and self._last.exists():
            self._from_last = True
            self._open(self._last, self._last_is_damaged)
        else:
            self.model_wanted.emit(otherwise)

    def ask_for_file(self) -> None:
        if path := self._files.session_to_open():
            self.open(path)

    def open(self, path: Path) -> None:
        """Go on with the session in this file; where that cannot be, all stays as it is."""
        self._otherwise, self._from_last = "", False
        self._open(path, self.failed.emit)

    def save(self, path: Path, session: SavedSession) -> None:
        """Write a session; one whose model lies in no file yet is refused."""
        if session.sha256:
            path = path if is_session(path) else path.with_name(path.name + SUFFIX)
            self._jobs.submit(lambda: tasks.save_session(path, session), self.saved.emit, self.failed.emit)
        else:
            self.said.emit("Save the session when the training has ended: until then its model lies in no file.")

    def keep(self, session: SavedSession) -> None:
        """Write the last session, at once: the window is closing."""
        if self._last:
            tasks.keep_session(self._last, session)

    def take(self, name: str, opened: tasks.OpenedModel) -> None:
        """A model was opened, by this name; it may be the one that was waited for."""
        session, self._waiting = self._waiting, None
        if session is None or name != session.model:
            return
        same = session.sha256 in (opened.sha256, "")
        if not same or opened.model.latent_dims != len(session.exploration.point):
            changed = f"The model {opened.name} is not what it was when the session was saved: starting anew."
            self.said.emit(changed + self._kept())
        else:
            self.restored.emit(session)

    def take_failure(self, name: str, failure: Failure) -> None:
        """A model could not be opened; the one that was waited for is seen to, of another that is said."""
        session, self._waiting = self._waiting, None
        if session is None or name != session.model:
            self.failed.emit(failure)
            return
        if Path(name).exists():
            self.said.emit(f"The model of the session cannot be opened. {failure.words}{self._kept()}")
        else:
            self.said.emit(f"The model of the session is not there any more: {name}.{self._kept()}")
        if self._otherwise:
            self.model_wanted.emit(self._otherwise)

    def _open(self, path: Path, refused: Callable[[Failure], None]) -> None:
        self._jobs.submit(lambda: tasks.open_session(path), self._opened, refused)

    def _opened(self, session: SavedSession) -> None:
        self._waiting = session
        self.model_wanted.emit(session.model)

    def _refused_at_start(self, failure: Failure) -> None:
        self.model_wanted.emit(self._otherwise)
        self.failed.emit(failure)

    def _last_is_damaged(self, failure: Failure) -> None:
        self.model_wanted.emit(self._otherwise)
        self.said.emit(f"What was explored last could not be read.{self._kept()}")

    def _kept(self) -> str:
        """Put the last session aside, as this one will be written in its place, and say where it is."""
        aside = tasks.set_aside(self._last) if self._from_last else None
        return f" The session is kept as {aside}." if aside else ""
