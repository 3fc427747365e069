"""What an evaluation is to compute: which images, how many samples, the naive estimate or not."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QHBoxLayout, QSpinBox, QWidget

from vae_studio.core.figures import DEFAULT_SAMPLES, NAIVE_IMAGES, SUBSET, EvaluationRequest
from vae_studio.ui.controls import duration, show_tip

_MOST_SAMPLES = 100_000


class EvaluateChoices(QWidget):
    """The controls in a row. Signal: `changed()` when another request has been put together."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}
        self._images_chosen = False
        self._running = False
        self._has_likelihood = True
        self.pace: float | None = None
        self.split = QComboBox()
        self.split.addItem("test images", "test")
        self.split.addItem("training images", "train")
        self.samples = QSpinBox()
        self.samples.setRange(0, _MOST_SAMPLES)
        self.samples.setValue(DEFAULT_SAMPLES)
        self.samples.setPrefix("K = ")
        self.samples.setSpecialValueText("no log p(x)")
        self.samples.setGroupSeparatorShown(True)
        self.samples.setKeyboardTracking(False)
        self.samples.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.samples.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.samples.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.samples.setMinimumWidth(96)
        self.images = QComboBox()
        self.images.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.naive = QCheckBox("naive estimate")
        self._name_controls()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in self.controls():
            layout.addWidget(widget)
        layout.addStretch(1)
        for before, after in itertools.pairwise(self.controls()):
            QWidget.setTabOrder(before, after)
        self._offer_images()
        self.split.currentIndexChanged.connect(self._changed)
        self.samples.valueChanged.connect(self._changed)
        self.images.activated.connect(self._choose_images)
        self.images.currentIndexChanged.connect(self._changed)
        self.naive.toggled.connect(self._changed)

    def controls(self) -> tuple[QWidget, ...]:
        """In the order in which Tab goes through them."""
        return self.split, self.samples, self.images, self.naive

    def request(self) -> EvaluationRequest:
        """What is chosen, a number just typed included."""
        self.samples.interpretText()
        samples = self.samples.value() if self._has_likelihood else 0
        return EvaluationRequest(
            split=self.split.currentData(),
            samples=samples,
            images=self.images.currentData(),
            naive=samples > 0 and self.naive.isChecked(),
        )

    def plan(self) -> str:
        """What takes most of the time, in few words."""
        if not self._has_likelihood:
            return "An auto-encoder has no p(x)."
        if not self.samples.value():
            return "no log p(x)"
        words, count = f"log p(x) of {self.images.currentText()} images", self._chosen_count()
        if self.pace is not None and count:
            words += f": about {self._seconds(count)}"
        elif count and count > SUBSET:
            words += f": about {count / SUBSET:.0f} × longer than {SUBSET}"
        return " · ".join(filter(None, (words, self.whole_set())))

    def whole_set(self) -> str:
        """How long log p(x) of all images would take where a subset is chosen, or nothing."""
        every, count = self._counts.get(self.split.currentData()), self._chosen_count()
        if not (self._has_likelihood and self.samples.value() and every and count and count < every):
            return ""
        if self.pace is None:
            return f"all {every:,}: about {every / count:.0f} × longer"
        return f"about {self._seconds(every)} for all {every:,}"

    def set_pace(self, seconds: float | None) -> None:
        """How long log p(x) of one image by one sample took; None: nobody knows for this model."""
        self.pace = seconds
        self._changed()

    def _chosen_count(self) -> int | None:
        """Over how many images log p(x) is averaged, as far as it is known."""
        chosen = self.images.currentData()
        return self._counts.get(self.split.currentData()) if chosen is None else chosen

    def _seconds(self, images: int) -> str:
        return _roughly(self.pace * images * self.samples.value())

    def set_counts(self, test: int, train: int, default: int | None) -> None:
        """How many images there are of each split, and over how many log p(x) is estimated unless the user has chosen:
        None for all."""
        self._counts = {"test": test, "train": train}
        self._offer_images()
        if not self._images_chosen:
            self.images.setCurrentIndex(max(0, self.images.findData(default)))
        self._changed()

    def set_model(self, has_likelihood: bool) -> None:
        """Whether the model has a p(x)."""
        if has_likelihood != self._has_likelihood:
            self._has_likelihood = has_likelihood
            self._changed()

    def set_running(self, running: bool) -> None:
        """While an evaluation is under way nothing can be chosen."""
        self._running = running
        self._changed()

    def _choose_images(self) -> None:
        self._images_chosen = True

    def _changed(self) -> None:
        self._offer_images()
        can = not self._running
        self.split.setEnabled(can)
        self.samples.setEnabled(can and self._has_likelihood)
        for widget in (self.images, self.naive):
            widget.setEnabled(can and self._has_likelihood and self.samples.value() > 0)
        self.changed.emit()

    def _offer_images(self) -> None:
        """Name the choices of images by how many there are in the split."""
        count = self._counts.get(self.split.currentData())
        chosen = self.images.currentData() if self.images.count() else SUBSET
        with QSignalBlocker(self.images):
            self.images.clear()
            if count is None:
                self.images.addItem(f"{SUBSET} random", SUBSET)
                self.images.addItem("all", None)
            else:
                if count > SUBSET:
                    self.images.addItem(f"{SUBSET} of {count:,}", SUBSET)
                self.images.addItem(f"all {count:,}", None)
            self.images.setCurrentIndex(max(0, self.images.findData(chosen)))

    def _name_controls(self) -> None:
        for widget, name, spoken, tip in (
            (self.split, "evaluate_split_combo", "Images", "Evaluate on the test images, or on those trained on."),
            (
                self.samples,
                "evaluate_samples",
                "Importance samples K",
                "K, the samples of q(z|x) for each image by which log p(x) is estimated (0 to 100,000; 0 leaves "
                "log p(x) out). Papers take 5000. The time goes with it.",
            ),
            (
                self.images,
                "evaluate_images_combo",
                "Number of images for log p(x)",
                f"Over how many images log p(x) is averaged: {SUBSET} random ones, or all, which takes as many times "
                "longer. The other figures are always of all images.",
            ),
            (
                self.naive,
                "evaluate_naive_check",
                "Naive estimate",
                f"Also estimate log p(x) of {NAIVE_IMAGES} images from M = 10 to 10⁶ samples of the prior p(z), to "
                "show how many samples that takes.",
            ),
        ):
            widget.setObjectName(name)
            widget.setAccessibleName(spoken)
            show_tip(widget, tip)


def _roughly(seconds: float) -> str:
    """As a duration, from ten minutes on without seconds."""
    return duration(max(seconds, 1.0)) if seconds < 600 else duration(60 * round(seconds / 60)).replace(" 0 s", "")
