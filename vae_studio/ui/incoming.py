"""What is pasted into the window or dropped on it: a model, a session, a point, or else a picture."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Signal
from PySide6.QtGui import QGuiApplication

from vae_studio.core.session_file import is_session


class Incoming(QObject):
    """Tells by its content what something is.

    Signals: `model_given(str)`, a file; `session_given(Path)`; `point_given()`, on the clipboard;
    `picture_given(QMimeData or None)`, whatever is none of these, and may be no picture either.
    """

    model_given = Signal(str)
    session_given = Signal(object)
    point_given = Signal()
    picture_given = Signal(object)

    @staticmethod
    def may_drop(content: QMimeData) -> bool:
        return content.hasUrls() or content.hasImage()

    def drop(self, content: QMimeData) -> None:
        """A model or a session is to be opened, anything else taken for a picture."""
        files = [url.toLocalFile() for url in content.urls() if url.isLocalFile()]
        if files and files[0].endswith(".safetensors"):
            self.model_given.emit(files[0])
        elif files and is_session(Path(files[0])):
            self.session_given.emit(Path(files[0]))
        else:
            self.picture_given.emit(content)

    def paste(self) -> None:
        """Numbers are a point; whatever else there is may be an image."""
        content = QGuiApplication.clipboard().mimeData()
        if content and content.hasText() and not (content.hasImage() or content.hasUrls()):
            self.point_given.emit()
        else:
            self.picture_given.emit(content)
