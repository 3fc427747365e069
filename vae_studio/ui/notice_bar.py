"""A line across the window for what went wrong or came to an end, in words, with details to copy."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from vae_studio.ui.controls import label, show_tip


class NoticeBar(QFrame):
    """Hidden until there is something to say; stays until closed or replaced."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice_bar")
        self.setProperty("panel", True)
        self._text: QLabel = label("", "error")
        self._text.setObjectName("notice_text")
        self._text.setWordWrap(True)
        self._details = ""
        self._copy = QPushButton("Copy details")
        self._copy.setObjectName("notice_copy")
        show_tip(self._copy, "Put the message and its technical details on the clipboard")
        self._close = QPushButton("Close")
        self._close.setObjectName("notice_close")
        show_tip(self._close, "Hide this message")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._copy)
        layout.addWidget(self._close)
        self._copy.clicked.connect(self._copy_details)
        self._close.clicked.connect(self.hide)
        self.hide()

    def show_notice(self, text: str, details: str = "") -> None:
        self._text.setText(text)
        self._details = details
        self._copy.setVisible(bool(details))
        self.show()

    def text(self) -> str:
        return self._text.text()

    def _copy_details(self) -> None:
        QGuiApplication.clipboard().setText(f"{self._text.text()}\n\n{self._details}")
