"""What a tooltip says."""

from __future__ import annotations

from PySide6 import QtGui
from PySide6.QtGui import QAction, QTextDocumentFragment
from PySide6.QtWidgets import QGraphicsItem, QListWidgetItem, QWidget


def tip(what: QWidget | QAction | QGraphicsItem | QListWidgetItem | str) -> str:
    """The words of its tooltip, or of a tooltip's text, as Qt shows them: of markup what is to be read."""
    text = what if isinstance(what, str) else what.toolTip()
    if not QtGui.Qt.mightBeRichText(text):
        return text
    return QTextDocumentFragment.fromHtml(text).toPlainText().strip("\n").replace("\u2060", "")  # that forbids a break
