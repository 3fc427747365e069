"""Which images the next run trains on."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QWidget

from vae_studio.core.config import DataConfig, RunConfig
from vae_studio.ui.controls import chip
from vae_studio.ui.fields import Choice, FieldGroup, set_tip, spin

_MNIST_IMAGES = 60_000
_CHIP_STYLE = """
QPushButton { padding: 2px 0; border-radius: 4px; }
QPushButton:disabled { color: palette(mid); }
QPushButton:checked:disabled { background: palette(mid); border-color: palette(mid); color: palette(placeholder-text); }
"""


class DataFields(FieldGroup):
    """The data set, how many of its training images, and which classes."""

    def __init__(self) -> None:
        super().__init__()
        self._data = Choice(
            "data_combo",
            "Data",
            "The data set. Its test images are never trained on.",
            [("mnist", "MNIST (60 000)", "Handwritten digits, 28 × 28 grey pixels, with 10 000 test images.")],
        )
        tip = "How many training images to use; 0 means all. With 500 you can watch overfitting."
        self._limit = spin("subset_limit", "Number of training images", tip, 0, _MNIST_IMAGES)
        self._limit.setSpecialValueText("all")
        self._limit.setSingleStep(500)
        self._pick = Choice(
            "subset_pick_combo",
            "Which images",
            "Which images of the data set to take.",
            [
                ("first", "first", "The first ones of the data set."),
                ("random", "random", "Random ones, chosen by the seed."),
            ],
        )
        self._pick.setMinimumWidth(0)
        self._chips = [chip(str(digit), "") for digit in range(10)]
        for digit, button in enumerate(self._chips):
            button.setObjectName(f"class_chip_{digit}")
            button.setAccessibleName(f"Class {digit}")
            button.setStyleSheet(_CHIP_STYLE)
            set_tip(button, f"Train and test on images of the digit {digit}.")
            button.clicked.connect(self._class_clicked)
        subset, classes = QHBoxLayout(), QHBoxLayout()
        subset.setSpacing(4)
        subset.addWidget(self._limit, 1)
        subset.addWidget(self._pick)
        classes.setSpacing(1)
        for button in self._chips:
            classes.addWidget(button, 1)
        self.rows = [("Data", self._data), ("Subset", subset), ("Classes", classes)]
        self._limit.valueChanged.connect(self.changed)
        self._pick.currentIndexChanged.connect(self.changed)

    def show_config(self, config: RunConfig) -> None:
        data = config.data
        self._limit.setValue(data.limit or 0)
        self._pick.show_value(data.pick)
        for digit, button in enumerate(self._chips):
            button.setChecked(data.classes is None or digit in data.classes)

    def changes(self) -> dict[str, Any]:
        self._limit.interpretText()
        classes = tuple(digit for digit, button in enumerate(self._chips) if button.isChecked())
        data = DataConfig(
            limit=self._limit.value() or None,
            pick=self._pick.value(),
            classes=None if len(classes) == len(self._chips) else classes,
        )
        return {"data": data}

    def reasons(self, config: RunConfig) -> dict[QWidget, str]:
        return {self._pick: "" if config.data.limit else "All images are used: there are none to pick."}

    def _class_clicked(self) -> None:
        if not any(button.isChecked() for button in self._chips):
            self.sender().setChecked(True)
            return
        self.changed.emit()
