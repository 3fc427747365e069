"""The help page: what the window shows, what the mouse does on the map, and every action with its shortcut."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from vae_studio.ui.controls import card, label

Table = list[tuple[str, str]]

_WHAT_IS_SHOWN = (
    "The map is a plane through the latent space: each tile is what the decoder makes of the point it covers, and "
    "the coloured dots are where the encoder puts test images, one colour a class.",
    "The ring is the current point; the decoder column shows its image and lets you set each latent dimension.",
    "Press Train and all of it follows the weights as they learn; the curves show −ELBO, its reconstruction term "
    "and its KL term in nats per image, or of an auto-encoder its reconstruction error. Less is better.",
)
_MOUSE: Table = [
    ("Move the point", "Drag the ring"),
    ("Put the point there", "Click on the map"),
    ("Move the view", "Drag empty map"),
    ("Zoom at the cursor", "Wheel or pinch"),
    ("Nudge the point", "← → ↑ ↓"),
    ("Nudge it further", "Shift + arrow"),
    ("Zoom in and out", "+ −"),
    ("Show the middle of latent space", "0"),
    ("Cancel a drag", "Esc"),
    ("Hide or show a class", "Click in the legend"),
    ("Show one class only", "Ctrl + click"),
    ("Zoom a curve, and back", "Wheel, double-click"),
    ("Reset a slider", "Double-click"),
]
# Fits both themes: these are colours of the palette.
_KEY_STYLE = "border: 1px solid palette(mid); border-radius: 4px; padding: 1px 6px; background: palette(base);"


class HelpDialog(QDialog):
    """Shows three sentences about the window, the mouse on the map, and actions with their shortcuts by menu.

    `groups` lists (menu, [(action, shortcut)]); an action without a shortcut has an empty one.
    """

    def __init__(self, groups: list[tuple[str, Table]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("help_dialog")
        self.setWindowTitle("Help")
        intro = _section("What you see")
        for sentence in _WHAT_IS_SHOWN:
            paragraph = QLabel(sentence)
            paragraph.setWordWrap(True)
            intro.layout().addWidget(paragraph)
        left, right = QVBoxLayout(), QVBoxLayout()
        left.addWidget(intro)
        left.addWidget(_table("Mouse and keys on the map", _MOUSE))
        for menu, actions in groups:
            right.addWidget(_table(menu, actions))
        columns = QHBoxLayout()
        for column in (left, right):
            column.setSpacing(8)
            column.addStretch(1)
            columns.addLayout(column, 1)
        content = QWidget()
        content.setLayout(columns)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(8)
        scroll = QScrollArea()
        scroll.setObjectName("help_scroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(content)
        # The arrow keys and Page Down scroll at once.
        scroll.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        scroll.setAccessibleName("Help")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.addWidget(scroll)
        self.resize(820, 640)


def _section(title: str) -> QFrame:
    section = card()
    layout = QVBoxLayout(section)
    layout.setContentsMargins(12, 12, 12, 12)
    layout.setSpacing(8)
    layout.addWidget(label(title, "title"))
    return section


def _table(title: str, rows: Table) -> QFrame:
    section = _section(title)
    grid = QGridLayout()
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(0, 1)
    for row, (action, keys) in enumerate(rows):
        words = label(action, "muted")
        words.setWordWrap(True)
        grid.addWidget(words, row, 0)
        if keys:
            key = QLabel(keys)
            key.setStyleSheet(_KEY_STYLE)
            key.setAccessibleName(f"{action}: {keys}")
            grid.addWidget(key, row, 1, Qt.AlignmentFlag.AlignRight)
    section.layout().addLayout(grid)
    return section
