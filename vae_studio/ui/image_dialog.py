"""Beside the window: a canvas to draw on, or a picture from elsewhere, and how it becomes what the encoder gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.probing import Preparation
from vae_studio.ui.controls import ValueSlider, chip, label, show_tip
from vae_studio.ui.draw_canvas import PEN, PEN_SIZES, DrawCanvas
from vae_studio.ui.image_view import ImageView
from vae_studio.ui.theme import DARK, Theme

_PREVIEW = 140
_SHOWN_SIDE = 560  # of a picture beside the steps: what is larger is drawn from every so manieth pixel
_KNOWN = "The canvas knows its ink and its paper: this is for pictures that you open."
_INVERT = (
    "Make dark ink on light paper light on dark, as MNIST’s images are. Automatic: where the picture’s border is light."
)
_STEPS = {
    "paper": ("Paper", "Take the paper away, with its shadows and grain, and make the strongest ink white."),
    "scale": (
        "Scale",
        "Scale the ink’s bounding box into 20 × 20 of 28 × 28 pixels, keeping its proportions, as MNIST’s was; in "
        "proportion for other sizes. Off: fit the whole picture in.",
    ),
    "centre": ("Centre", "Move the ink’s centre of mass to the middle, as MNIST’s was."),
}


class ImageDialog(QDialog):
    """Stays beside the window while the map follows. `canvas` is what is drawn on.

    Signals: `drawn(ink or None)` while drawing; `preparation_changed(Preparation)`; `open_requested()` for a file;
    `draw_chosen()` when the user turns from a picture to the canvas; `given(QMimeData)`, what was pasted or dropped.
    """

    drawn = Signal(object)
    preparation_changed = Signal(object)
    open_requested = Signal()
    draw_chosen = Signal()
    given = Signal(object)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("image_dialog")
        self.setWindowTitle("Draw or open an image")
        self._preparation = Preparation()
        self.canvas = DrawCanvas(theme)
        self._picture = ImageView(theme)
        self._picture.setObjectName("picture_view")
        self._picture.setAccessibleName("The picture as it was opened")
        self._source = QStackedWidget()
        self._source.addWidget(self.canvas)
        self._source.addWidget(self._picture)
        self._source.setFixedSize(QSize(300, 300))
        self.preview = ImageView(theme)
        self.preview.setObjectName("encoder_preview")
        self.preview.setAccessibleName("What the encoder gets")
        self.preview.setFixedSize(_PREVIEW, _PREVIEW)
        self._size = ValueSlider(
            *PEN_SIZES,
            PEN,
            decimals=0,
            name="Pen size",
            tooltip="The pen’s width, in pixels of a canvas of 280 × 280: ten are one of MNIST’s. Double-click: 24.",
        )
        self._size.slider.setObjectName("pen_size")
        self._soft = chip("Soft edge", "Strokes that fade at their edge, as MNIST’s do.")
        self._undo = self._button("draw_undo", "Undo", "Take the last stroke back (Ctrl+Z).")
        self._clear = self._button("draw_clear", "Clear", "Begin with empty paper (Ctrl+Delete). Undo brings it back.")
        self._open = self._button("draw_open", "Open…", "Open a picture instead. You can also paste or drop one.")
        self._draw = self._button("draw_again", "Draw", "Turn to the canvas.")
        self._invert = QComboBox()
        self._steps = {name: chip(words, tip) for name, (words, tip) in _STEPS.items()}
        self._how, self._note = label("", "faint"), label("", "faint")
        self._how.setObjectName("prepared_how")
        for button in (self._soft, *self._steps.values()):
            button.setAutoDefault(False)  # or Return in the pen's field would press it
        self._lay_out()
        self._connect()
        self._show_undo(False)
        self.setAcceptDrops(True)
        self.set_preparation(Preparation())
        self.show_canvas()

    def set_preparation(self, preparation: Preparation) -> None:
        """Show these steps without announcing them."""
        self._preparation = preparation
        with QSignalBlocker(self._invert):
            self._invert.setCurrentIndex(self._invert.findData(preparation.invert))
        for name, button in self._steps.items():
            with QSignalBlocker(button):
                button.setChecked(getattr(preparation, name))

    def show_canvas(self) -> None:
        """Draw: what a picture has to be asked is known of a drawing."""
        self._source.setCurrentWidget(self.canvas)
        self._show_tools(drawing=True)

    def show_picture(self, picture: np.ndarray) -> None:
        """A picture uint8 (H, W), (H, W, 3) or (H, W, 4), as it was opened, in its own colours."""
        every = max(1, max(picture.shape[:2]) // _SHOWN_SIDE)
        shown = picture[::every, ::every]
        if shown.ndim == 2:
            shown = np.repeat(shown[..., None], 3, axis=2)  # grey as it is, not in the theme's paper and ink
        self._picture.set_image(np.ascontiguousarray(shown[..., :3]))
        self._source.setCurrentWidget(self._picture)
        self._show_tools(drawing=False)

    def set_prepared(self, image: np.ndarray | None, note: str = "") -> None:
        """What the encoder gets, None for nothing yet, and what to say of it."""
        self.preview.set_image(np.zeros((28, 28), np.uint8) if image is None else image)
        self._note.setText(note)
        height, width = self.preview.image_size()
        usual = all(button.isChecked() for button in self._steps.values() if button.isEnabled())
        how = "prepared as MNIST was" if usual else "not prepared as MNIST was"
        self._how.setText(f"{width} × {height} pixels, {how}")

    def set_theme(self, theme: Theme) -> None:
        for view in (self.canvas, self._picture, self.preview):
            view.set_theme(theme)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.given.emit(event.mimeData())

    def _lay_out(self) -> None:
        self._soft.setObjectName("soft_edge")
        self._invert.setObjectName("step_invert")
        self._invert.setAccessibleName("Invert")
        for words, data in (("Invert: automatic", "auto"), ("Invert: yes", "on"), ("Invert: no", "off")):
            self._invert.addItem(words, data)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(self._source)
        pen = QHBoxLayout()
        pen.setSpacing(8)
        self._pen_name = label("Pen", "muted")
        pen.addWidget(self._pen_name)
        pen.addWidget(self._size, 1)
        left.addLayout(pen)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for widget in (self._soft, self._undo, self._clear):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        for widget in (self._draw, self._open):
            buttons.addWidget(widget)
        left.addLayout(buttons)

        right = QVBoxLayout()
        right.setSpacing(8)
        right.addWidget(label("The encoder gets", "title"))
        right.addWidget(self.preview)
        right.addWidget(self._how)
        right.addWidget(self._invert)
        grid = QGridLayout()
        grid.setSpacing(8)
        for index, (name, button) in enumerate(self._steps.items()):
            button.setObjectName(f"step_{name}")
            grid.addWidget(button, index // 2, index % 2)
        right.addLayout(grid)
        self._note.setObjectName("prepared_note")
        for line in (self._how, self._note):
            line.setWordWrap(True)
            line.setFixedWidth(_PREVIEW + 8)
        right.addWidget(self._note)
        right.addStretch(1)

        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(16)
        layout.addLayout(left)
        layout.addLayout(right)
        layout.setSizeConstraint(QHBoxLayout.SizeConstraint.SetFixedSize)

    def _connect(self) -> None:
        self.canvas.drawn.connect(self.drawn)
        self.canvas.undo_changed.connect(self._show_undo)
        self._size.changed.connect(self._set_pen)
        self._soft.toggled.connect(self._set_pen)
        self._undo.clicked.connect(self.canvas.undo)
        self._clear.clicked.connect(self.canvas.clear)
        self._open.clicked.connect(self.open_requested)
        self._draw.clicked.connect(self.draw_chosen)
        self._invert.activated.connect(self._steps_chosen)
        for button in self._steps.values():
            button.toggled.connect(self._steps_chosen)
        for keys, done in (
            ("Ctrl+Z", self.canvas.undo),
            ("Ctrl+Delete", self.canvas.clear),
            ("Ctrl+V", lambda: self.given.emit(QGuiApplication.clipboard().mimeData())),
        ):
            QShortcut(QKeySequence(keys), self, activated=done)

    def _button(self, name: str, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setAccessibleName(text)
        show_tip(button, tooltip)
        button.setAutoDefault(False)
        button.setProperty("kind", "chip")
        return button

    def _show_tools(self, *, drawing: bool) -> None:
        for widget in (self._soft, self._undo, self._clear, self._size, self._pen_name):
            widget.setVisible(drawing)
        self._draw.setVisible(not drawing)
        for widget, tip in ((self._invert, _INVERT), (self._steps["paper"], _STEPS["paper"][1])):
            widget.setEnabled(not drawing)
            show_tip(widget, _KNOWN if drawing else tip)
        if drawing:
            self.canvas.setFocus(Qt.FocusReason.OtherFocusReason)

    def _set_pen(self) -> None:
        self.canvas.set_pen(self._size.value(), soft=self._soft.isChecked())

    def _show_undo(self, possible: bool) -> None:
        self._undo.setEnabled(possible)
        self._clear.setEnabled(not self.canvas.is_empty())

    def _steps_chosen(self) -> None:
        values = {name: button.isChecked() for name, button in self._steps.items()}
        self._preparation = replace(self._preparation, invert=self._invert.currentData(), **values)
        self.preparation_changed.emit(self._preparation)
