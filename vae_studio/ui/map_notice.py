"""A line over the map that says why it goes no further, for eyes and for screen readers."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QWidget

from vae_studio.ui.controls import label


class MapNotice(QFrame):
    """Words on a card, or nothing; the mouse goes through it to the map."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._words = label("", "muted")
        self._words.setObjectName("map_notice")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 10, 4)
        layout.addWidget(self._words)
        self.hide()

    def show_words(self, words: str) -> None:
        self._words.setText(words.replace(": ", ":\n"))  # two short lines rather than one that the map has no room for
        self._words.setAccessibleName(words)
        self.setVisible(bool(words))
        if words:
            QAccessible.updateAccessibility(QAccessibleEvent(self._words, QAccessible.Event.Alert))
