"""The export dialog: which grid of images, how large, into which file. It decodes and writes nothing."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PySide6.QtCore import QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QImage, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.latent import MAX_GRID, MAX_SCALE, MAX_SPACING, GridError, GridRequest, Quantiles, Region
from vae_studio.core.plane import Plane
from vae_studio.ui.controls import card, file_stem, label, show_tip

_PREVIEW_DELAY_MS = 150
W = TypeVar("W", bound=QWidget)


class ExportDialog(QDialog):
    """Asks for an image grid of the current plane and a PNG file; shows a preview, the progress and the outcome.

    Signals: `preview_requested(GridRequest)`, some 150 ms after what is to be exported has changed;
    `export_requested(GridRequest, str)` with the path to write, which the user has agreed to replace if it existed;
    `cancel_requested()` while an export goes on; `show_file_requested(str)`. Lengths are in pixels of the file.
    """

    preview_requested = Signal(object)
    export_requested = Signal(object, str)
    cancel_requested = Signal()
    show_file_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("export_dialog")
        self.setWindowTitle("Export image grid")
        self._point: tuple[float, ...] | None = None
        self._plane: Plane | None = None
        self._image_size = (28, 28)
        self._region: Region | None = None
        self._suggested = "grid.png"
        self._exporting, self._saved = False, ""
        self._preview_timer = QTimer(self, singleShot=True, interval=_PREVIEW_DELAY_MS)
        self._make_controls()
        self._make_buttons()
        self._lay_out()
        for spin in (*self._numbers.values(), self._mass):
            spin.valueChanged.connect(self._changed)
        for button in (self._by_quantiles, self._show_axes):
            button.toggled.connect(self._changed)
        self._file.textChanged.connect(self._refresh)
        self._preview_timer.timeout.connect(self._ask_for_preview)
        self.set_folder(Path.home())
        self.resize(800, 560)

    def set_source(self, model_name: str, point: tuple[float, ...], plane: Plane, image_size: tuple[int, int]) -> None:
        """The model, the plane (through `point`, parallel to `plane`) and the (height, width) of its images."""
        self._point, self._plane, self._image_size = point, plane, image_size
        self._subject.setText(f"{model_name} · plane {plane.title}")
        name = file_stem(f"{model_name} grid") + ".png"
        path = Path(self._file.text())
        if path.name == self._suggested:
            self._file.setText(str(path.with_name(name)))
        self._suggested = name
        self._show_region()
        self._changed()

    def set_region(self, region: Region) -> None:
        """What the map shows now, in latent units."""
        self._region = region
        self._show_region()
        if self._by_region.isChecked():
            self._changed()

    def set_folder(self, folder: str | Path) -> None:
        """Save into this folder, under the name as it stands."""
        self._file.setText(str(Path(folder) / (Path(self._file.text()).name or self._suggested)))

    def set_preview(self, array: np.ndarray) -> None:
        """Show uint8 (H, W) or (H, W, 3); the array must not be written to afterwards."""
        self._preview.set_image(array)

    def show_progress(self, fraction: float) -> None:
        if self._exporting:
            self._progress.setValue(round(fraction * self._progress.maximum()))

    def show_done(self, path: str) -> None:
        """The file was written."""
        self._end(self._result, f"Saved {path}", saved=path)

    def show_failed(self, message: str) -> None:
        """The export did not succeed: the sentence says why."""
        self._end(self._failure, message)

    def options(self) -> dict[str, Any]:
        """The choices, as plain values to be remembered."""
        return {
            **{name: spin.value() for name, spin in self._numbers.items()},
            "mass": self._mass.value(),
            "span": "region" if self._by_region.isChecked() else "quantiles",
            "show_axes": self._show_axes.isChecked(),
        }

    def set_options(self, options: dict[str, Any]) -> None:
        """Make choices as `options` returned them; what is missing, or of another kind, stays as it is."""
        for name, spin in {**self._numbers, "mass": self._mass}.items():
            value, kind = options.get(name), (int, float) if spin is self._mass else int
            if isinstance(value, kind) and not isinstance(value, bool):
                # A remembered number may be beyond what Qt takes for an int.
                spin.setValue(min(max(value, spin.minimum()), spin.maximum()))
        if isinstance(options.get("show_axes"), bool):
            self._show_axes.setChecked(options["show_axes"])
        if options.get("span") in ("region", "quantiles"):
            (self._by_region if options["span"] == "region" else self._by_quantiles).setChecked(True)

    def _request(self) -> GridRequest:
        """The grid as the controls say. Raises GridError where it cannot be made."""
        if self._point is None:
            raise GridError("There is no model to export from.")
        if self._by_region.isChecked() and self._region is None:
            raise GridError("The map shows no region yet: choose prior quantiles.")
        return GridRequest(
            point=self._point,
            plane=self._plane,
            span=self._region if self._by_region.isChecked() else Quantiles(self._mass.value()),
            show_axes=self._show_axes.isChecked(),
            **{name: spin.value() for name, spin in self._numbers.items()},
        )

    def _target(self) -> Path:
        """The file to write; a name without .png gets it. Raises GridError where there can be no such file."""
        text = self._file.text().strip()
        try:
            path = Path(text).expanduser()
            if not path.is_absolute():
                raise GridError("Name the file with its whole path, or choose it with Browse.")
            if path.is_dir() or text.endswith(("/", "\\")):
                raise GridError(f"{path} is a folder: name a file in it.")
            if path.suffix.lower() != ".png":
                path = path.with_name(path.name + ".png")
            if not path.parent.is_dir():
                raise GridError(f"The folder {path.parent} does not exist.")
            if path.is_dir():
                raise GridError(f"{path} is a folder: choose another name.")
        except (OSError, RuntimeError) as error:
            raise GridError(f"This file name cannot be used: {getattr(error, 'strerror', error)}.") from None
        return path

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._changed()

    def reject(self) -> None:
        """Esc, Cancel and the window's cross end what goes on, an export or a question; otherwise they close."""
        if self._exporting:
            self._end(self._result, "Cancelled.")
            self.cancel_requested.emit()
        elif self._question.isVisible():
            self._refresh()
        else:
            super().reject()

    def _changed(self) -> None:
        """What is to be exported has changed."""
        self._refresh()
        if self.isVisible():
            self._preview_timer.start()

    def _refresh(self) -> None:
        """Show the size of the result, or the sentence that says why there can be none."""
        self._question.hide()
        self._mass.setEnabled(self._by_quantiles.isChecked())
        problem = size = ""
        try:
            request = self._request()
            across, down = (f"{length:,}".replace(",", "\u202f") for length in request.size(*self._image_size))
            axes = ", and the axes" if request.show_axes else ""
            size = f"{request.cols} × {request.rows} tiles · {across} × {down} px{axes}"
            self._target()
        except GridError as error:
            problem = str(error)
        self._size.setText(size)
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        self._export.setEnabled(not problem and not self._exporting)

    def _ask_for_preview(self) -> None:
        try:
            self.preview_requested.emit(self._request())
        except GridError:
            return  # The sentence is shown already.

    def _export_pressed(self) -> None:
        target = self._accepted()
        if target and target.exists():
            self._asked.setText(f"{target.name} exists. Replace it?")
            self._question.show()
            self._export.setEnabled(False)
            self._replace.setFocus()
        elif target:
            self._begin(target)

    def _replace_pressed(self) -> None:
        if target := self._accepted():
            self._begin(target)

    def _keep_pressed(self) -> None:
        if target := self._accepted():
            # The folder is listed rather than each name tried: a name may be too long to try.
            taken = {path.name for path in target.parent.iterdir()}
            names = (f"{target.stem}-{number}{target.suffix}" for number in count(2))
            self._begin(target.with_name(next(name for name in names if name not in taken)))

    def _accepted(self) -> Path | None:
        """The file to write, if all is still well: folders can go while a dialog is open."""
        self._refresh()
        return self._target() if self._export.isEnabled() else None

    def _begin(self, target: Path) -> None:
        self._file.setText(str(target))
        self._progress.setValue(0)
        self._set_exporting(True)
        self.export_requested.emit(self._request(), str(target))

    def _end(self, line: QLabel, words: str, *, saved: str = "") -> None:
        self._saved = saved
        self._set_exporting(False)
        line.setText(words)
        for shown in (line, self._show, self._copy) if saved else (line,):
            shown.show()

    def _set_exporting(self, exporting: bool) -> None:
        self._exporting = exporting
        self._cancel.setText("Cancel" if exporting else "Close")
        for shown in (self._result, self._failure, self._show, self._copy):
            shown.hide()
        self._progress.setVisible(exporting)
        self._refresh()

    def _show_region(self) -> None:
        if (region := self._region) is None or self._plane is None:
            return
        across, down = self._plane.names
        words = f"{across} {region.left:.2f} … {region.right:.2f}, {down} {region.bottom:.2f} … {region.top:.2f}"
        self._region_words.setText(words.replace("-", "−"))

    def _browse_pressed(self) -> None:
        # The window asks before it replaces a file, whichever way the name was given.
        options = QFileDialog.Option.DontConfirmOverwrite
        dialog = QFileDialog(self, "Export image grid", self._file.text(), "PNG image (*.png)", options=options)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.selectFile(Path(self._file.text()).name)
        dialog.fileSelected.connect(self._file.setText)
        dialog.open()

    def _show_pressed(self) -> None:
        self.show_file_requested.emit(self._saved)

    def _copy_pressed(self) -> None:
        QGuiApplication.clipboard().setText(self._saved)

    def _make_controls(self) -> None:
        self._subject = label("", "muted")
        self._numbers = {}
        for name, tooltip, low, high, value in (
            ("rows", "Rows: how many tiles down", 1, MAX_GRID, 20),
            ("cols", "Columns: how many tiles across", 1, MAX_GRID, 20),
            ("scale", "Tile scale: pixels of the file along one pixel of an image", 1, MAX_SCALE, 1),
            ("spacing", "Spacing: the gap between tiles, in pixels of the file", 0, MAX_SPACING, 0),
        ):
            spin = QSpinBox(minimum=low, maximum=high, value=value)
            spin.lineEdit().setTextMargins(6, 0, 6, 0)
            self._numbers[name] = _named(spin, f"grid_{name}", f"{tooltip}, {low} to {high}.")
        quantiles = (
            "Equal shares of the prior's mass between neighbours: Kingma & Welling 2014, figure 4. An auto-encoder has "
            "no prior: of N(0, I), as its codes have mean 0 and standard deviation 1."
        )
        self._by_quantiles = _named(QRadioButton("Prior quantiles", checked=True), "span_quantiles", quantiles)
        self._by_region = _named(QRadioButton("Visible region"), "span_region", "Equal steps over what the map shows.")
        spans = QButtonGroup(self)  # They stand in different rows, and Qt by itself only groups what has one parent.
        spans.addButton(self._by_quantiles)
        spans.addButton(self._by_region)
        self._region_words = _named(label("not known yet", "muted"), "region_label", "What the map shows, in z.")
        mass = f"Prior mass: the central share of it that the grid spans on either axis, between 0 and 1. {quantiles}"
        self._mass = QDoubleSpinBox(decimals=3, minimum=0.0, maximum=1.0, singleStep=0.01, value=0.95)
        self._mass.lineEdit().setTextMargins(6, 0, 6, 0)
        _named(self._mass, "prior_mass", mass)
        self._show_axes = _named(QCheckBox("Show axes"), "show_axes", "Draw the latent coordinates beside the grid.")
        self._size = _named(label("", "muted"), "grid_size", "Tiles, and the size of the picture in pixels.")
        self._preview = _named(_Preview(), "grid_preview", "Preview: what will be exported, scaled to fit.")
        self._file = _named(QLineEdit(self._suggested), "export_file", "File: the PNG to write, with its whole path.")
        self._asked = _named(label("", "title"), "overwrite_question", "The file exists.")
        self._problem = _named(label("", "error"), "export_problem", "Why this cannot be exported.")
        self._result = _named(label("", "muted"), "export_result", "How the export ended.")
        self._failure = _named(label("", "error"), "export_failure", "Why the export failed.")
        for line in (self._asked, self._problem, self._result, self._failure):
            line.setWordWrap(True)
            line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._progress = QProgressBar(textVisible=False, maximum=1000)
        _named(self._progress, "export_progress", "Progress: how much of the grid is done.")

    def _make_buttons(self) -> None:
        for attribute, name, text, tooltip, slot in (
            ("_browse", "browse_button", "Browse…", "Choose the folder and the name.", self._browse_pressed),
            ("_replace", "replace_button", "Replace", "Write over the file.", self._replace_pressed),
            ("_keep", "keep_both_button", "Keep both", "Write beside it, with a number.", self._keep_pressed),
            ("_show", "show_file_button", "Show in folder", "Open the file's folder.", self._show_pressed),
            ("_copy", "copy_path_button", "Copy path", "Put the file's path on the clipboard.", self._copy_pressed),
            ("_cancel", "export_cancel", "Close", "End the export that goes on, or close (Esc).", self.reject),
            ("_export", "export_confirm", "Export", "Decode at full size and write the file.", self._export_pressed),
        ):
            button = _named(QPushButton(text), name, tooltip)
            # Otherwise Enter in any number field would press one.
            button.setAutoDefault(False)
            button.clicked.connect(slot)
            setattr(self, attribute, button)
        self._export.setProperty("kind", "primary")

    def _lay_out(self) -> None:
        choices = QVBoxLayout()
        choices.setSpacing(8)
        for spin in (*self._numbers.values(), self._mass):
            spin.setFixedWidth(88)
            title = self._by_quantiles if spin is self._mass else label(spin.accessibleName(), "muted")
            choices.addWidget(_row(title, spin))
        for widget in (self._by_region, self._region_words, self._show_axes, self._size):
            choices.addWidget(widget)
        choices.addStretch(1)
        panel = card()
        inside = QHBoxLayout(panel)
        inside.setSpacing(16)
        inside.addLayout(choices)
        inside.addWidget(self._preview, 1)
        self._question = _row(self._asked, self._replace, self._keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.addWidget(label("Image grid of the current plane", "title"))
        layout.addWidget(self._subject)
        layout.addWidget(panel, 1)
        layout.addWidget(_row(self._file, self._browse))
        outcome = _row(self._result, self._show, self._copy)
        for line in (self._problem, self._question, self._progress, outcome, self._failure):
            layout.addWidget(line)
        layout.addWidget(_row(QWidget(), self._cancel, self._export))
        self._set_exporting(False)


class _Preview(QWidget):
    """A uint8 (H, W) or (H, W, 3) array as it is, scaled to fit."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self.setMinimumSize(160, 160)

    def set_image(self, array: np.ndarray) -> None:
        pixels = np.ascontiguousarray(array)
        layout = QImage.Format.Format_RGB888 if pixels.ndim == 3 else QImage.Format.Format_Grayscale8
        self._image = QImage(pixels.data, pixels.shape[1], pixels.shape[0], pixels.strides[0], layout).copy()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            place = QRect(QPoint(), self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio))
            place.moveCenter(self.rect().center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self._image)


def _named(widget: W, name: str, tooltip: str) -> W:
    widget.setObjectName(name)
    show_tip(widget, tooltip)
    if not isinstance(widget, (QAbstractButton, QLabel)):  # These are known by what they say.
        widget.setAccessibleName(tooltip.partition(":")[0])
    return widget


def _row(first: QWidget, *others: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(first, 1)
    for widget in others:
        layout.addWidget(widget)
    return row
