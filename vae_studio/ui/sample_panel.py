"""The Sample tab: images at points drawn from the prior, around the current point or of a class; a click goes there."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.core.exploration import Point
from vae_studio.core.samples import Around, Mixture, OfClass, SampleRequest, SampleSheet
from vae_studio.ui.controls import show_tip, shrinking_label
from vae_studio.ui.sample_choices import SampleChoices
from vae_studio.ui.sample_grid import SampleGrid
from vae_studio.ui.theme import DARK, Theme

_STANDARD = {"standard-normal": "N(0, {0}I)", "laplace": "the Laplace prior{1}", "gaussian-mixture": "the mixture{1}"}


class SamplePanel(QFrame):
    """Shows a sheet, says what it is of, and lets another be asked for.

    Signals: `request_changed()`; `cancel_requested()`; `point_chosen(tuple of floats)`, the point of the image that was
    clicked; `appeared()` when the panel comes to be seen.
    """

    request_changed = Signal()
    cancel_requested = Signal()
    point_chosen = Signal(object)
    appeared = Signal()

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sample_panel")
        self.setProperty("panel", True)
        self._config = RunConfig()
        self._class_names: tuple[str, ...] = ()
        self._image_size = (28, 28)
        self._sheet: SampleSheet | None = None
        self._point: np.ndarray | None = None
        self.choices = SampleChoices()
        self.grid = SampleGrid(theme)
        self.grid.setObjectName("sample_grid")
        self.grid.setAccessibleName("Samples")
        self._title, self._about = shrinking_label("sample_title", "title"), shrinking_label("sample_about", "faint")
        self._progress = QProgressBar()
        self._cancel = QPushButton("Cancel")
        self._lay_out()
        self.clear()
        self.choices.changed.connect(self.request_changed)
        self.grid.chosen.connect(self._choose)
        self._cancel.clicked.connect(self.cancel_requested)

    # Values in

    def set_model(self, config: RunConfig, height: int, width: int) -> None:
        """Another model is looked at, of images of this size; samples of the one before are gone."""
        self._config, self._image_size = config, (height, width)
        self.choices.set_config(config)
        self.clear()

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """The classes by number, "" for absent ones."""
        self._class_names = tuple(names)
        self.choices.set_class_names(self._class_names)
        self._show_title()

    def set_point(self, point: Point) -> None:
        """The current point: the image that belongs to it is outlined."""
        self._point = np.asarray(point, np.float32)
        self._show_outline()

    def request(self, point: Point) -> SampleRequest:
        return self.choices.request(point)

    def begin(self) -> None:
        """A sheet is being made that takes a while."""
        self._progress.setValue(0)
        self._show_running(True)

    def show_progress(self, fraction: float) -> None:
        self._progress.setValue(round(1000 * fraction))

    def show_sheet(self, sheet: SampleSheet) -> None:
        """Show these samples."""
        self._sheet = sheet
        norms = np.linalg.norm(sheet.points.astype(np.float64), axis=1)
        count = len(norms)
        words = (f"Sample {n} of {count} · ‖z‖ = {norm:.3f}" for n, norm in enumerate(norms.tolist(), start=1))
        self.grid.set_images(sheet.images, tuple(f"{line}\nClick: the current point goes there." for line in words))
        self._show_outline()
        self._describe()

    def end(self, words: str = "") -> None:
        """Nothing is being made any more, and why, where there is a reason."""
        had_focus = self._cancel.hasFocus()
        self._show_running(False)
        self._describe(words)
        if had_focus:
            self.grid.setFocus()

    def clear(self) -> None:
        """No samples."""
        self._sheet = None
        self.grid.clear(self.choices.request((0.0,)).count, *self._image_size)
        self._describe()

    def set_theme(self, theme: Theme) -> None:
        self.grid.set_theme(theme)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.appeared.emit()

    # What is shown

    def _choose(self, index: int) -> None:
        self.point_chosen.emit(tuple(self._sheet.points[index].tolist()))

    def _show_outline(self) -> None:
        """Exactly the point that an image is of, or none."""
        found = ()
        if self._sheet is not None and self._point is not None and self._sheet.points.shape[1] == len(self._point):
            found = np.flatnonzero((self._sheet.points == self._point).all(axis=1))
        self.grid.outline(int(found[0]) if len(found) else None)

    def _describe(self, words: str = "") -> None:
        """What the sheet that is shown is of."""
        about = ""
        if self._sheet is not None:
            request, vae = self._sheet.request, self._config.model == "vae"
            what = ("a draw from p(x|z)" if request.draw else "mean of p(x|z)") if vae else "decoder output"
            about = f"{what} at z ~ {_distribution(request, self._config, self._sheet.mixture)}"
        self._show_title()
        _say(self._about, " · ".join(part for part in (words, about) if part))

    def _show_title(self) -> None:
        vae, sheet = self._config.model == "vae", self._sheet
        _say(self._title, "Samples" if sheet is None else _title(sheet.request, self._class_names, vae=vae))

    def _show_running(self, running: bool) -> None:
        self._progress.setVisible(running)
        self._cancel.setVisible(running)

    def _lay_out(self) -> None:
        self._progress.setObjectName("sample_progress")
        self._progress.setAccessibleName("Progress of the samples")
        show_tip(self._progress, "Share of the work done")
        self._progress.setTextVisible(False)
        self._progress.setRange(0, 1000)
        self._progress.setFixedWidth(100)
        self._cancel.setObjectName("sample_cancel_button")
        self._cancel.setAccessibleName("Cancel the samples")
        show_tip(self._cancel, "Stop here; the samples that are shown stay.")
        lines = QVBoxLayout()
        lines.setSpacing(2)
        lines.addWidget(self._title)
        lines.addWidget(self._about)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addLayout(lines, 1)
        head.addWidget(self._progress)
        head.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(self.choices)
        layout.addWidget(self.grid, 1)
        self._show_running(False)
        QWidget.setTabOrder(self._cancel, self.choices.controls()[0])
        QWidget.setTabOrder(self.choices.controls()[-1], self.grid)


def _title(request: SampleRequest, class_names: tuple[str, ...], *, vae: bool) -> str:
    match request.source:
        case Around():
            return "Samples around the point"
        case OfClass(number):
            return f"Samples of class {class_names[number] if number < len(class_names) else number}"
    return "Samples from the prior" if vae else "Images at random codes"


def _distribution(request: SampleRequest, config: RunConfig, fitted: Mixture | None) -> str:
    """What the points are drawn from, in few words."""
    heat = request.temperature
    scaled = "" if heat == 1 else f", standard deviations × {heat:g}"
    match request.source:
        case Around(_, radius):
            return f"N(point, {heat * radius:g}² I)"
        case OfClass():
            number = len(fitted.weights)
            gaussians = "a Gaussian" if number == 1 else f"{number} Gaussians"
            kind = "full" if fitted.full else "diagonal"
            codes = "means μ(x)" if config.model == "vae" else "codes"
            return f"{gaussians} ({kind} covariance) fitted to the {codes} of {fitted.images:,} training images{scaled}"
    if config.model != "vae":
        return f"N(0, {'' if heat == 1 else f'{heat:g}² '}I), since an auto-encoder has no prior"
    return _STANDARD[config.prior.kind].format("" if heat == 1 else f"{heat:g}² ", scaled)


def _say(line: QLabel, words: str) -> None:
    """What may be cut off in a narrow panel is in the tooltip too."""
    line.setText(words)
    show_tip(line, words)
