"""Encode q(z|x): one image, what the model makes of it, in numbers and pictures. Under the decoder's column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.config import RunConfig
from vae_studio.core.plane import subscript
from vae_studio.core.probing import Bound, Improvement, Judgement, Likelihood, Neighbours, Posterior
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.encode_pictures import NeighbourStrip, Pictures
from vae_studio.ui.theme import DARK, Theme

_HINT = "Draw a digit, or open, paste or drop an image, and see where the encoder puts it."
_SHOWN_DIMS = 2
_NO_POSTERIOR = (
    "An auto-encoder has no posterior q(z|x): its encoder gives one code z. So there is no σ, no ellipse on the map, "
    "no ELBO, nothing to improve, and no p(x)."
)
_IMPROVE = (
    "Improve q(z|x) for this image alone, by gradient steps on its ELBO from the encoder’s answer on. What they gain "
    "is what the encoder gives up by serving all images. The model stays as it is."
)
_GO = "Move the point to the mean of q(z|x), so that the decoder shows this image’s reconstruction (Ctrl+G)."


class EncodePanel(QFrame):
    """Shows an image x, its reconstruction g(μ), their difference, q(z|x), −ELBO, −log p(x) and the nearest images.

    Signals: `draw_requested()`, `open_requested()`, `adjust_requested()`, `clear_requested()`; `test_chosen(class
    number or None, index)` and `random_requested(class number or None)` for test images; `go_requested()`;
    `improve_requested()` to begin or stop; `reset_requested()` back to the encoder's answer; `unfolded()`, there is an
    image after there was none.
    """

    draw_requested = Signal()
    open_requested = Signal()
    adjust_requested = Signal()
    clear_requested = Signal()
    test_chosen = Signal(object, int)
    random_requested = Signal(object)
    go_requested = Signal()
    improve_requested = Signal()
    reset_requested = Signal()
    unfolded = Signal()

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("encode_panel")
        self.setProperty("panel", True)
        self.setMaximumWidth(320)
        self._is_vae = True
        self._counts: tuple[int, ...] = ()
        self._title = label("Encode q(z|x)", "title")
        self._draw = self._button("encode_draw", "Draw", "Draw a digit, and see it encoded while you do (Ctrl+D).")
        self._open = self._button("encode_open", "Open", "Open a picture (Ctrl+I). You can also paste or drop one.")
        self._test = self._button("encode_test", "Test", "A random test image.")
        self._hint = label(_HINT, "muted")
        self._hint.setWordWrap(True)
        self._hint.setObjectName("encode_hint")
        self._class, self._index = QComboBox(), QSpinBox()
        self._random = self._button("encode_random", "Random", "Another random test image of the class.")
        self._choice = QWidget()
        self.pictures = Pictures(theme)
        self._code = self._line("encode_posterior")
        self._bound = self._line("encode_bound")
        self._likelihood = self._line("encode_likelihood")
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self._progress.setTextVisible(False)
        self._progress.setObjectName("encode_progress")
        self._progress.setAccessibleName("Progress of the estimate")
        self._near_title = self._line("encode_neighbours_title")
        self.neighbours = NeighbourStrip(theme)
        self._go = self._button("encode_go", "Go to μ", _GO)
        self._improve = self._button("encode_improve", "Improve", _IMPROVE)
        self._name = label("", "muted")
        self._name.setObjectName("encode_source")
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._adjust = self._button("encode_adjust", "Adjust…", "See and change how the picture becomes x.")
        self._clear = self._button("encode_clear", "×", "Let go of the image.")
        self._clear.setAccessibleName("Clear")
        self._state: Literal["answered", "running", "improved"] = "answered"
        self._content = QWidget()
        self._content.setObjectName("encode_content")
        self._lay_out()
        self._connect()
        self.set_config(RunConfig())
        self.set_test_classes((), ())
        self.clear()

    # Values in

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is; an auto-encoder has no posterior."""
        self._is_vae = config.model == "vae"
        self._words = "Encode q(z|x)" if self._is_vae else "Encode x"
        self._fit_title()
        self._go.setText("Go to μ" if self._is_vae else "Go to z")
        show_tip(self._go, _GO if self._is_vae else "Move the point to the image’s code (Ctrl+G).")
        self._improve.setEnabled(self._is_vae)
        self.show_improving("answered")

    def set_test_classes(self, names: Sequence[str], counts: Sequence[int]) -> None:
        """The test images there are: a name for each class, "" for an absent one, and how many of each; none of all."""
        self._counts = tuple(counts)
        with QSignalBlocker(self._class):
            self._class.clear()
            self._class.addItem("All", None)
            for number, name in enumerate(names):
                if name:
                    self._class.addItem(name, number)
        there = sum(self._counts) > 0
        self._test.setEnabled(there)
        show_tip(self._test, "A random test image." if there else "There are no test images that fit this model.")
        self._limit_index()

    def show_source(self, kind: str, name: str = "") -> None:
        """Where x comes from: drawing, picture or test, and its name."""
        self._choice.show()
        for widget in (self._class, self._index, self._random):
            widget.setVisible(kind == "test")
        for widget in (self._name, self._adjust):
            widget.setVisible(kind != "test")
        self._name.setText(name)
        show_tip(self._name, name)
        self.pictures.set_name(name)

    def show_test_choice(self, number: int | None, index: int) -> None:
        """This test image is shown: the one of this index within its class, None meaning all."""
        with QSignalBlocker(self._class), QSignalBlocker(self._index):
            self._class.setCurrentIndex(max(0, self._class.findData(number)))
            self._limit_index()
            self._index.setValue(index)

    def begin(self, image: np.ndarray) -> None:
        """Another image x: what is known of the one before is stale."""
        self.pictures.set_image(image)
        self.set_stale(True)
        if self._content.isHidden():
            self._hint.hide()
            self._content.show()
            self.updateGeometry()
            self.unfolded.emit()

    def clear(self) -> None:
        """No image: only how to come by one."""
        self.pictures.clear()
        self.neighbours.clear()
        for line in (self._code, self._bound, self._likelihood, self._near_title):
            line.setText("")
        self._progress.hide()
        self._hint.show()
        self._content.hide()
        self._choice.hide()
        self.show_improving("answered")
        self.updateGeometry()

    def show_answer(self, posterior: Posterior, reconstruction: np.ndarray, error: np.ndarray) -> None:
        """q(z|x), g(μ) and |x − g(μ)|."""
        self.pictures.set_answer(reconstruction, error)
        text, more = _in_words(posterior)
        self._code.setText(text)
        show_tip(self._code, more)
        if not self._is_vae:
            self._likelihood.setText("No posterior: an auto-encoder gives one code.")
            show_tip(self._likelihood, _NO_POSTERIOR)

    def show_judgement(self, judgement: Judgement, *, with_bound: bool = True) -> None:
        """−ELBO, and −log p(x) as soon as it is known."""
        if with_bound:
            self._show_bound(judgement.bound)
        if judgement.likelihood:
            self._show_likelihood(judgement.likelihood)
        _grey(self._bound, False)
        _grey(self._likelihood, judgement.likelihood is None)

    def show_neighbours(self, found: Neighbours) -> None:
        self.neighbours.set_neighbours(found)
        self._near_title.setText(f"Nearest in training: {_majority_in_words(found)}")
        show_tip(
            self._near_title,
            "The training images whose pixels are nearest to x, by the Euclidean distance; nearest first.",
        )
        _grey(self._near_title, False)

    def show_no_neighbours(self, why: str) -> None:
        self.neighbours.clear()
        self._near_title.setText("No training images to compare with")
        show_tip(self._near_title, why)

    def show_progress(self, fraction: float | None) -> None:
        """How much of the estimate is done, None when there is nothing under way."""
        self._progress.setVisible(fraction is not None)
        if fraction is not None:
            self._progress.setValue(round(1000 * fraction))

    def show_improvement(self, now: Improvement, begun: Bound) -> None:
        """A step of Improve, and −ELBO where it began."""
        self.show_answer(now.posterior, now.reconstruction, now.error)
        gain = begun.neg_elbo - now.bound.neg_elbo
        self._bound.setText(f"−ELBO {now.bound.neg_elbo:.1f} nats, {gain:.1f} better")
        show_tip(
            self._bound,
            f"The encoder’s own q(z|x) has {begun.neg_elbo:.2f} nats; after {now.step} of {now.steps} gradient steps "
            f"it is {now.bound.neg_elbo:.2f} = {now.bound.reconstruction:.2f} (reconstruction) + {now.bound.kl:.2f} "
            f"(KL), all over the same {now.bound.samples} samples. The difference is the amortisation gap.",
        )
        _grey(self._bound, False)

    def show_improving(self, state: Literal["answered", "running", "improved"]) -> None:
        """Whether q(z|x) is the encoder's, gradient steps are being taken, or it is another than the encoder's."""
        self._state = state
        words, tip = {
            "answered": ("Improve", _IMPROVE if self._is_vae else _NO_POSTERIOR),
            "running": ("Stop", "Take no more gradient steps."),
            "improved": ("Reset", "Back to the encoder’s own q(z|x)."),
        }[state]
        self._improve.setText(words)
        self._improve.setAccessibleName(words)
        show_tip(self._improve, tip)

    def set_stale(self, stale: bool) -> None:
        """Whether the slow figures are of an earlier image or of earlier weights."""
        for line in (self._bound, self._likelihood, self._near_title):
            _grey(line, stale)
        self.neighbours.setEnabled(not stale)

    def set_weights_stale(self) -> None:
        """Of earlier weights: the nearest images do not depend on them."""
        for line in (self._bound, self._likelihood):
            _grey(line, True)

    def set_theme(self, theme: Theme) -> None:
        self.pictures.set_theme(theme)
        self.neighbours.set_theme(theme)

    def chosen_class(self) -> int | None:
        return self._class.currentData()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_title()

    def _fit_title(self) -> None:
        """Leave the first word out where there is no room for it beside the buttons."""
        buttons = (self._draw, self._open, self._test)
        room = self.width() - 20 - sum(button.sizeHint().width() + 6 for button in buttons)
        fits = self._title.fontMetrics().horizontalAdvance(self._words) <= room
        self._title.setText(self._words if fits else self._words.partition(" ")[2])

    def sizeHint(self) -> QSize:
        heading = self._heading.sizeHint().height()
        if self._content.isHidden():
            return QSize(296, heading + self._hint.heightForWidth(max(self.width() - 24, 200)) + 32)
        choice = self._choice.sizeHint().height() + 6
        return QSize(296, heading + choice + self._content.sizeHint().height() + 34)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, self.sizeHint().height())

    # Inside

    def _lay_out(self) -> None:
        self._heading = QWidget()
        row = QHBoxLayout(self._heading)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self._title)
        row.addStretch(1)
        for button in (self._draw, self._open, self._test):
            row.addWidget(button)
        choice = QHBoxLayout(self._choice)
        choice.setContentsMargins(0, 0, 0, 0)
        choice.setSpacing(6)
        for widget, stretch in ((self._class, 1), (self._index, 1), (self._random, 0), (self._name, 1)):
            choice.addWidget(widget, stretch)
        choice.addWidget(self._adjust)
        choice.addWidget(self._clear)
        self._class.setObjectName("encode_class")
        self._class.setAccessibleName("Class")
        show_tip(self._class, "Test images of this class only.")
        self._index.setObjectName("encode_index")
        self._index.setAccessibleName("Test image")
        show_tip(self._index, "The test image, counted from 0 within the class.")
        self._index.setKeyboardTracking(False)
        self._index.setWrapping(True)
        self._index.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self._index.setAlignment(Qt.AlignmentFlag.AlignCenter)
        content = QVBoxLayout(self._content)
        content.setContentsMargins(0, 0, 4, 0)
        content.setSpacing(4)
        content.addWidget(self.pictures)
        for line in (self._code, self._bound, self._likelihood):
            content.addWidget(line)
        content.addWidget(self._progress)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self._go, self._improve):
            buttons.addWidget(button, 1)
        content.addSpacing(2)
        content.addLayout(buttons)
        content.addSpacing(2)
        content.addWidget(self._near_title)
        content.addWidget(self.neighbours)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 8, 10)
        layout.setSpacing(6)
        layout.addWidget(self._heading)
        layout.addWidget(self._hint)
        layout.addWidget(self._choice)
        layout.addWidget(self._content)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def _connect(self) -> None:
        self._draw.clicked.connect(self.draw_requested)
        self._open.clicked.connect(self.open_requested)
        self._test.clicked.connect(self._ask_at_random)
        self._random.clicked.connect(self._ask_at_random)
        self._class.activated.connect(self._choose_test)
        self._index.valueChanged.connect(self._choose_test)
        self._go.clicked.connect(self.go_requested)
        self._improve.clicked.connect(self._improve_pressed)
        self._adjust.clicked.connect(self.adjust_requested)
        self._clear.clicked.connect(self.clear_requested)

    def _button(self, name: str, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setProperty("kind", "chip")
        button.setAccessibleName(text)
        show_tip(button, tooltip)
        return button

    def _line(self, name: str) -> QLabel:
        line = label("", "muted")
        line.setObjectName(name)
        line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return line

    def _improve_pressed(self) -> None:
        (self.reset_requested if self._state == "improved" else self.improve_requested).emit()

    def _ask_at_random(self) -> None:
        self.random_requested.emit(self.chosen_class())

    def _choose_test(self) -> None:
        with QSignalBlocker(self._index):
            self._limit_index()
        self.test_chosen.emit(self.chosen_class(), self._index.value())

    def _limit_index(self) -> None:
        number = self.chosen_class()
        count = sum(self._counts) if number is None else self._counts[number]
        with QSignalBlocker(self._index):
            self._index.setRange(0, max(0, count - 1))

    def _show_bound(self, bound: Bound) -> None:
        if not self._is_vae:
            self._bound.setText(f"squared error {bound.reconstruction:.2f}")
            show_tip(self._bound, "‖x − g(z)‖², summed over pixels with values from 0 to 1.")
            return
        self._bound.setText(f"−ELBO {bound.neg_elbo:.1f} = {bound.reconstruction:.1f} + {bound.kl:.1f} nats")
        show_tip(
            self._bound,
            f"−ELBO = −E[log p(x|z)] + KL = {bound.reconstruction:.2f} + {bound.kl:.2f} nats, over {bound.samples} "
            f"samples of q(z|x); its standard error is {bound.se:.2f}.",
        )

    def _show_likelihood(self, found: Likelihood) -> None:
        self._likelihood.setText(f"−log p(x) ≈ {found.nll:.1f} ± {found.nll_se:.1f} nats")
        more = (
            f"Estimated with {found.samples:,} importance samples of q(z|x) besides points of the prior; ± is one "
            f"standard error, the effective sample size {found.ess:.0f}."
        )
        if found.binarisations > 1:
            more += (
                f" Grey pixels stand for probabilities of white: like −ELBO it is a mean over binarisations of the "
                f"image, here {found.binarisations}."
            )
        show_tip(self._likelihood, more)


def _grey(line: QLabel, grey: bool) -> None:
    """Faint letters for what is not up to date."""
    role = "faint" if grey else "muted"
    if line.property("role") != role:
        line.setProperty("role", role)
        line.style().unpolish(line)
        line.style().polish(line)


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _in_words(posterior: Posterior) -> tuple[str, str]:
    """A line for q(z|x) or a code, and all of it for the tooltip."""
    shown = slice(0, _SHOWN_DIMS)
    more = ", …" if len(posterior.mean) > _SHOWN_DIMS else ""
    mean = ", ".join(map(_number, posterior.mean[shown])) + more
    if posterior.family == "code":
        lines = [f"{subscript(i)} = {_number(m)}" for i, m in enumerate(posterior.mean)]
        return f"z = ({mean})", "\n".join(lines[:40])
    scale = ", ".join(map(_number, posterior.scale[shown])) + more
    lines = [
        f"{subscript(i)}: μ = {_number(m)}, σ = {s:.3f}"
        for i, (m, s) in enumerate(zip(posterior.mean, posterior.scale, strict=True))
    ]
    tall = ["…"] if len(lines) > 40 else []
    return f"μ = ({mean})  σ = ({scale})", "\n".join([*lines[:40], *tall])


def _majority_in_words(found: Neighbours) -> str:
    name = found.majority()
    count = sum(found.class_names[int(label)] == name for label in found.labels)
    return f"{count} of {len(found.labels)} are {name}"
