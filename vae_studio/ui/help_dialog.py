"""The help page: what the window shows, what mouse and keys do in it, and every action with its shortcut."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from vae_studio.ui.controls import card, label

Table = list[tuple[str, str]]

_WHAT_IS_SHOWN = (
    "The map is a plane through the latent space: each tile is what the decoder makes of the point it covers, and "
    "the coloured dots are where the encoder puts test images, one colour a class.",
    "The button Plane chooses which plane that is: along two latent dimensions or principal components, or through "
    "three images or class means. The map shows the parallel plane through the point.",
    "The ring is the current point; the decoder column shows its image and lets you set each latent dimension. "
    "Points can be pinned, and joined by a path, whose images stand in a strip: run along it with the mouse, or play "
    "it.",
    "Press Train and all of it follows the weights as they learn; the curves show −ELBO, its reconstruction term "
    "and its KL term in nats per image, or of an auto-encoder its reconstruction error. Less is better.",
)
_TABLES: list[tuple[str, Table]] = [
    (
        "Mouse and keys on the map",
        [
            ("Move the point", "Drag the ring"),
            ("Put the point there", "Click on the map"),
            ("Move the view", "Drag empty map"),
            ("Zoom at the cursor", "Wheel or pinch"),
            ("Pin a point, begin a path, and more", "Right click"),
            ("Move a pin, or a point of the path", "Drag it"),
            ("Select it", "Click it"),
            ("Go there", "Double-click or Enter"),
            ("Remove what is selected", "Delete"),
            ("Nudge what is selected, or the point", "← → ↑ ↓"),
            ("Nudge it further", "Shift + arrow"),
            ("Zoom in and out", "+ −"),
            ("Show the prior, the encodings and the point", "0 or Home"),
            ("Show the view before, or after it", "Back, Forward"),
            ("Cancel a drag", "Esc"),
            ("See the image of a dot", "Point at it"),
            ("Select it; besides others", "Click; Ctrl + click"),
            ("Select many; besides others", "Shift + drag; with Ctrl"),
            ("Next nearest, of those selected or of all; back", "N, Shift + N"),
            ("Select none", "Esc"),
            ("Hide or show a class", "Click or Space"),
            ("Show one class only", "Ctrl + click or Enter"),
        ],
    ),
    (
        "Controls",
        [
            ("Go to the next control", "Tab"),
            ("Go to the one before", "Shift + Tab"),
            ("Press a button, turn it on or off", "Space"),
            ("Choose among buttons of which one is on", "← →"),
            ("Move a slider", "← →"),
            ("Move it further", "Page Up, Page Down"),
            ("Reset a slider", "Double-click"),
            ("Go to the value of a picture on it", "Click the picture"),
            ("Take over a number that was typed", "Enter or Tab"),
            ("Open a list of choices", "Alt + ↓"),
            ("Open the menus, or one", "Alt, Alt + letter"),
            ("Move the pen on the canvas", "← → ↑ ↓"),
            ("Put the pen down, lift it", "Space"),
            ("Erase on the canvas", "Right button"),
            ("Scrub along the path", "← → Home End"),
            ("Rename a pin, remove it, go there", "F2, Delete, Enter"),
            ("Choose what A, B or C is when combining", "Press it, or ↓"),
            ("Send a sample to the point", "Click or Enter"),
            ("Choose among samples", "← → ↑ ↓ Home End"),
        ],
    ),
    (
        "Curves",
        [
            ("Zoom a curve", "Wheel, + −"),
            ("Move along it", "Drag, arrow keys"),
            ("Show all of it again", "Double-click, Home"),
            ("Hide or show a curve", "Click in the legend"),
        ],
    ),
]
_COLUMNS = 3
# Fits both themes: these are colours of the palette.
_KEY_STYLE = "border: 1px solid palette(mid); border-radius: 4px; padding: 1px 6px; background: palette(base);"


class HelpDialog(QDialog):
    """Shows a few sentences about the window, what mouse and keys do, and actions with their shortcuts by menu.

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
        tables = [(title, rows) for title, rows in (*_TABLES, *groups) if rows]
        columns = QHBoxLayout()
        for column in _in_columns(tables):
            stack = QVBoxLayout()
            stack.setSpacing(8)
            for title, rows in column:
                stack.addWidget(_table(title, rows))
            stack.addStretch(1)
            columns.addLayout(stack, 1)
        content = QWidget()
        columns.setSpacing(8)
        page = QVBoxLayout(content)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(8)
        page.addWidget(intro)
        page.addLayout(columns, 1)
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
        self.resize(1040, 640)


def _in_columns(tables: list[tuple[str, Table]]) -> list[list[tuple[str, Table]]]:
    """In their order, in columns about as high as each other."""
    heights = [len(rows) + 2 for _, rows in tables]
    columns: list[list[tuple[str, Table]]] = [[] for _ in range(_COLUMNS)]
    above = 0
    for table, height in zip(tables, heights, strict=True):
        columns[min(int((above + height / 2) * _COLUMNS / sum(heights)), _COLUMNS - 1)].append(table)
        above += height
    return columns


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
