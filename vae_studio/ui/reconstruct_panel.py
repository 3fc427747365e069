"""The Reconstruct tab: test images above their reconstructions, E[g(z)] beside g(E[z]), and samples from the prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.config import RunConfig
from vae_studio.core.scene import EXPECTATION_DRAWS, Pictures, PicturesFrame
from vae_studio.ui.controls import chip, label, show_tip
from vae_studio.ui.picture_sheets import PairSheet, SampleSheet
from vae_studio.ui.theme import DARK, Theme

_EXPECTATION = (
    "Compare two images that are not the same unless the decoder is linear: g(E[z]), the decoder's mean at the "
    f"posterior mean, and E[g(z)], the mean of the decoder's means over {EXPECTATION_DRAWS} draws of z from q(z|x), "
    "which come in pairs on opposite sides of the posterior mean."
)
_NO_EXPECTATION = "An auto-encoder has one code for each image, and no q(z|x) to take an expectation over."
_RANDOM_CODES = (
    "Draw other points z from N(0, I). An auto-encoder has nothing better to draw from: its codes have mean 0 and "
    "standard deviation 1 in each dimension, and are not normally distributed."
)


class ReconstructPanel(QFrame):
    """Shows test images with their reconstructions, with E[g(z)] if that is wanted, and samples from the prior p(z).

    Signal: `request_changed(Pictures)` when other images, another number of them, new samples or E[g(z)] are wanted.
    A frame is shown only if it answers the present request (by identity), so that what stands below an image is
    always its own reconstruction.
    """

    request_changed = Signal(object)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("reconstruct_panel")
        self.setProperty("panel", True)
        self._order = np.zeros(0, dtype=np.int64)  # test images of the chosen class, as they follow each other
        self._random = np.random.default_rng()
        self._seed = 0
        self._chosen: np.ndarray | None = None
        self._request: Pictures | None = None
        self.pairs = PairSheet(theme)
        self.samples = SampleSheet(theme)
        self._class = QComboBox()
        self._index = QSpinBox()
        self._shuffle = chip("Random", "", checked=False)  # blue while the images are random ones
        self._expect = chip("E[g(z)]", "", checked=False)
        self._resample = QPushButton("New samples")
        self._pairs_title, self._samples_title = label("", "title"), label("", "title")
        self._pairs_hint, self._samples_hint = label("", "faint"), label("", "faint")
        _say(self._pairs_title, "Test images and their reconstructions")
        self._name_controls()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(16)
        heading = (self._pairs_title, self._pairs_hint)
        layout.addLayout(_half(heading, (self._class, self._index, self._shuffle, self._expect), self.pairs), 3)
        heading = (self._samples_title, self._samples_hint)
        layout.addLayout(_half(heading, (self._resample,), self.samples), 2)
        self.set_config(RunConfig())
        self.clear()
        self._class.currentIndexChanged.connect(self._choose_in_order)
        self._index.valueChanged.connect(self._choose_in_order)
        self._index.lineEdit().returnPressed.connect(self._choose_in_order)
        self._shuffle.clicked.connect(self._choose_at_random)
        self._expect.toggled.connect(self._expectation_chosen)
        self._resample.clicked.connect(self._draw_again)
        self.pairs.capacity_changed.connect(self._ask)
        self.samples.capacity_changed.connect(self._ask)

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is; an auto-encoder has neither a posterior nor a prior."""
        vae = self._is_vae = config.model == "vae"
        if not vae:
            self._expect.setChecked(False)
        self._expect.setEnabled(vae)
        show_tip(self._expect, _EXPECTATION if vae else _NO_EXPECTATION)
        _say(self._samples_title, "Samples from the prior" if vae else "Images at random codes")
        _say(self._samples_hint, "decoder mean at z ~ p(z)" if vae else "decoder output at z ~ N(0, I)")
        show_tip(self._resample, "Draw other points z from the prior." if vae else _RANDOM_CODES)
        self._describe_pairs()

    def request(self) -> Pictures | None:
        """What is wanted now; None before there are images."""
        return self._request

    def set_data(self, images: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
        """The test images (N, …), their classes, uint8 (N,), and the class names, "" for absent ones."""
        self._images, self._labels = images, labels
        self.pairs.class_names = tuple(class_names)
        self._class.blockSignals(True)
        self._class.clear()
        self._class.addItem("All classes", None)
        for number, name in enumerate(class_names):
            if name:
                self._class.addItem(name, number)
        self._class.blockSignals(False)
        for widget in (self._class, self._index, self._shuffle, self._resample):
            widget.setEnabled(len(images) > 0)
        self._chosen = None
        self._choose_in_order()

    def clear(self) -> None:
        """No test images."""
        self.set_data(np.zeros((0, 1, 1), np.uint8), np.zeros(0, np.uint8), ())

    def set_pictures(self, frame: PicturesFrame) -> None:
        """Show this frame's reconstructions and samples, if it answers the present request."""
        if frame.request is not self._request:
            return
        self.samples.set_samples(frame.samples)
        # While E[g(z)] is on its way, the rows that stand there belong together, and stay.
        if frame.expectation is not None or not frame.request.expectation or self.pairs.expectation is None:
            self.pairs.set_reconstructions(frame.reconstructions, frame.expectation)
            self._describe_pairs()

    def set_theme(self, theme: Theme) -> None:
        self.pairs.set_theme(theme)
        self.samples.set_theme(theme)

    def _name_controls(self) -> None:
        for widget, name, spoken, tooltip in (
            (self._class, "reconstruct_class_combo", "Class", "Show test images of this class only."),
            (
                self._index,
                "reconstruct_index",
                "First test image",
                "The first test image shown, counted from 0 within the class; the following ones come after it.",
            ),
            (self._shuffle, "reconstruct_random_button", "Random", "Show random test images of the chosen class."),
            (self._expect, "expectation_chip", "Expected image E[g(z)]", ""),
            (self._resample, "new_samples_button", "New samples", ""),
        ):
            widget.setObjectName(name)
            widget.setAccessibleName(spoken)
            show_tip(widget, tooltip)
        self._pairs_hint.setObjectName("reconstruct_hint")
        self.pairs.setObjectName("reconstruct_pairs")
        self.pairs.setAccessibleName("Test images and their reconstructions")
        self.samples.setObjectName("reconstruct_samples")
        self.samples.setAccessibleName("Samples from the prior")
        self._index.setWrapping(True)
        self._index.setKeyboardTracking(False)
        self._index.setPrefix("from ")
        self._index.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._index.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self._index.setMinimumWidth(84)

    def _of_class(self) -> np.ndarray:
        wanted = self._class.currentData()
        return np.arange(len(self._images)) if wanted is None else np.flatnonzero(self._labels == wanted)

    def _choose_in_order(self) -> None:
        """The images of the class from the chosen one on, as the test set has them."""
        members = self._of_class()
        self._index.blockSignals(True)
        self._index.setRange(0, max(0, len(members) - 1))
        self._index.blockSignals(False)
        self._order = np.roll(members, -self._index.value())
        self._shuffle.setChecked(False)
        self._ask()

    def _choose_at_random(self) -> None:
        self._order = self._random.permutation(self._of_class())
        self._shuffle.setChecked(True)
        self._ask()

    def _expectation_chosen(self, wanted: bool) -> None:
        self.pairs.set_comparing(wanted)
        self._describe_pairs()
        self._ask()

    def _describe_pairs(self) -> None:
        """The line under the title: what stands below each test image."""
        found = self.pairs.expectation
        if not self._is_vae:
            _say(self._pairs_hint, "x above, decoder output at its code below")
        elif not self._expect.isChecked():
            _say(self._pairs_hint, "x above, decoder mean at the posterior mean below")
        elif found is None:
            _say(self._pairs_hint, f"averaging the decoder's mean over {EXPECTATION_DRAWS} draws of z ~ q(z|x) …")
        else:
            levels = f"{found.mean_difference:.2g}" if found.mean_difference >= 0.01 else "less than 0.01"
            _say(
                self._pairs_hint,
                f"mean difference {levels} of 255 grey levels, shown × {found.amplification} · "
                f"{EXPECTATION_DRAWS} draws of z ~ q(z|x)",
            )

    def _draw_again(self) -> None:
        self._seed += 1
        self._ask()

    def _ask(self) -> None:
        """Make a new request, if it would be another than the present one."""
        if not len(self._images):
            self._request = None
            self.pairs.set_originals(self._images, self._order, self._order)
            self.samples.clear()
            return
        chosen = self._order[: self.pairs.capacity()]
        count = self.samples.capacity()
        old = self._request
        same = self._chosen is not None and np.array_equal(chosen, self._chosen)
        wanted = (count, self._seed, self._expect.isChecked())
        if same and old is not None and (old.samples, old.seed, old.expectation) == wanted:
            return
        if same and old is not None:
            images = old.images  # the reconstructions that are shown stay right
        else:
            images = self._images[chosen]
            self.pairs.set_originals(images, self._labels[chosen], chosen)
            self._describe_pairs()
        self._chosen = chosen
        self._request = Pictures(images, *wanted)
        self.request_changed.emit(self._request)


def _half(heading: tuple[QLabel, QLabel], controls: tuple[QWidget, ...], sheet: QWidget) -> QVBoxLayout:
    """Title, hint, a row of controls, and the sheet below them."""
    layout = QVBoxLayout()
    layout.setSpacing(8)
    lines = QVBoxLayout()
    lines.setSpacing(2)
    for line in heading:
        # A label that does not keep the panel from getting narrow.
        line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        lines.addWidget(line)
    layout.addLayout(lines)
    row = QHBoxLayout()
    row.setSpacing(8)
    for control in controls:
        row.addWidget(control)
    row.addStretch(1)
    layout.addLayout(row)
    layout.addWidget(sheet, 1)
    return layout


def _say(line: QLabel, words: str) -> None:
    """What may be cut off in a narrow panel is in the tooltip too."""
    line.setText(words)
    show_tip(line, words)
