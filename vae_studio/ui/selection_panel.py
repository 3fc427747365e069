"""The encodings that are selected on the map: their images, how many of each class, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from vae_studio.core.plane import subscript
from vae_studio.ui.contact_sheet import ContactSheet
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.theme import DARK, Theme

_KEYS = {"go": "Ctrl+Shift+G", "pin": "Ctrl+Shift+P", "encode": "Ctrl+Shift+E", "clear": "Ctrl+Shift+A"}
_COORDINATES = 3  # of the mean that are shown


@dataclass(frozen=True, slots=True)
class Selected:
    """`indices` among the test images (n, …) and their labels (n,), which is `current`, and words on one by number.

    `classes` says how many are of which class, `mean` float64 (d,) is that of their means, None until it is known.
    """

    images: np.ndarray
    labels: np.ndarray
    indices: tuple[int, ...]
    current: int | None
    say: Callable[[int], str]
    classes: str
    mean: np.ndarray | None


class SelectionPanel(QFrame):
    """A card that is there while something is selected.

    Signals: `current_chosen(int)`, `opened(int)` for one of the images; `mean_requested()` to go there,
    `pin_requested()` to pin it; `encode_requested()` for the current image; `clear_requested()`; `appeared()`.
    """

    current_chosen = Signal(int)
    opened = Signal(int)
    mean_requested = Signal()
    pin_requested = Signal()
    encode_requested = Signal()
    clear_requested = Signal()
    appeared = Signal()

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("selection_panel")
        self.setProperty("panel", True)
        self.setMaximumWidth(320)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.sheet = ContactSheet(theme)
        self._title, self._classes, self._mean = label("", "title"), label("", "muted"), label("", "muted")
        for line, name in ((self._title, "title"), (self._classes, "classes"), (self._mean, "mean")):
            line.setObjectName(f"selection_{name}")
        for line in (self._title, self._classes, self._mean):
            line.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.setSpacing(6)
        heading, row = QHBoxLayout(), QHBoxLayout()
        heading.addWidget(self._title, 1)
        row.setSpacing(4)
        layout.addLayout(heading)
        for widget in (self._classes, self.sheet, self._mean):
            layout.addWidget(widget)
        self._buttons = {}
        for name, text, tip, signal in (
            ("go", "To mean", "Move the point to the mean of the selected encodings", self.mean_requested),
            ("pin", "Pin mean", "Pin the mean of the selected encodings", self.pin_requested),
            ("encode", "Encode", "Look at the outlined image in the Encode panel", self.encode_requested),
            ("clear", "Clear", "Select no encoding: also Esc on the map", self.clear_requested),
        ):
            button = self._buttons[name] = QPushButton(text)
            button.setObjectName(f"selection_{name}")
            show_tip(button, f"{tip} ({_KEYS[name]})")
            button.setAccessibleName(tip)
            button.setProperty("kind", "chip")
            button.clicked.connect(signal)
            (heading if name == "clear" else row).addWidget(button, 0 if name == "clear" else 1)
        layout.addLayout(row)
        self.sheet.current_chosen.connect(self.current_chosen)
        self.sheet.opened.connect(self.opened)
        self.hide()

    def show_selected(self, selected: Selected | None) -> None:
        """Show these, or go away where there are none."""
        if selected is None or not selected.indices:
            self.hide()
            return
        count = len(selected.indices)
        self._title.setText(f"Selection · {count:,} encoding{'' if count == 1 else 's'}")
        self._classes.setText(selected.say(selected.indices[0]) if count == 1 else selected.classes)
        self._show_mean(selected.mean, count)
        self.sheet.set_images(selected.images, selected.labels, selected.indices, selected.say)
        self.sheet.set_current(selected.current)
        for name in ("go", "pin"):
            self._buttons[name].setEnabled(selected.mean is not None)
        self._buttons["encode"].setEnabled(selected.current is not None)
        if self.isHidden():
            self.show()
            self.appeared.emit()

    def set_theme(self, theme: Theme) -> None:
        self.sheet.set_theme(theme)

    def _show_mean(self, mean: np.ndarray | None, count: int) -> None:
        what = "μ" if count == 1 else "mean of μ"
        if mean is None:
            self._mean.setText(f"{what} = …")
            show_tip(self._mean, "Encoding…")
            return
        numbers = [f"{value + 0.0:.2f}".replace("-", "−") for value in mean.round(2).tolist()]
        if len(numbers) > _COORDINATES:  # many may be close to 0 whatever the image
            largest = np.argsort(-np.abs(mean), kind="stable")[:_COORDINATES].tolist()
            told = [f"{subscript(i)} = {numbers[i]}".replace(" ", "\N{NO-BREAK SPACE}") for i in largest]
            self._mean.setText(f"{what}: {', '.join(told)}, …")
        else:
            self._mean.setText(f"{what} = ({', '.join(numbers)})")
        show_tip(self._mean, f"{what}, by the present weights: ({', '.join(numbers)})")
