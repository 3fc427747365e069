"""The row under the menus: which model is shown, Train, Pause, Stop, the pace, the four views, Export."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QPushButton, QWidget

from vae_studio.ui.controls import chip, show_tip
from vae_studio.ui.pace_control import PaceControl
from vae_studio.ui.theme import Theme, icon_named


class RunBar(QWidget):
    """Signals: model_chosen(str), a shipped model's name or "run" for the current run; open_requested();
    train_requested(), pause_requested(), stop_requested(), undo_requested(), redo_requested(), export_requested();
    view_chosen(int), 0 Explore, 1 Reconstruct, 2 Evaluate, 3 Sample. `pace` is the PaceControl."""

    model_chosen = Signal(str)
    open_requested = Signal()
    train_requested = Signal()
    pause_requested = Signal()
    stop_requested = Signal()
    export_requested = Signal()
    view_chosen = Signal(int)
    undo_requested = Signal()
    redo_requested = Signal()

    RUN = "run"
    _OPEN = "open"

    def __init__(self, models: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_bar")
        self._shown = ""
        self._models = _ModelCombo()
        self._models.setObjectName("model_combo")
        self._models.setMinimumWidth(80)
        self._models.setAccessibleName("Model shown")
        show_tip(self._models, "The model that the map and the decoder show")
        for name, title in models:
            self._models.addItem(title, name)
        if models:
            self._models.insertSeparator(self._models.count())
        self._models.addItem("Open model…", self._OPEN)
        self._models.setPlaceholderText("No model")
        self._models.setCurrentIndex(-1)
        self._train = _button("train_button", "Train", "Train a new model with these settings (F5)", primary=True)
        self._train.setIcon(icon_named("play"))
        self._pause = _button("pause_button", "Pause", "Hold the training where it is (F6)", primary=True)
        self._stop = _button("stop_button", "Stop", "End the training and keep its model (F7)")
        self._export = _button("export_button", "Export…", "Save an image grid of the current plane (Ctrl+E)")
        self._undo = _button("undo_button", "Undo", "")
        self._redo = _button("redo_button", "Redo", "")
        for button in (self._undo, self._redo):
            button.setText("")
            button.setIconSize(QSize(16, 16))
            button.setProperty("kind", "chip")
            button.setFixedWidth(28)
        self.pace = PaceControl()
        self._views = QButtonGroup(self)
        for index, (text, tip) in enumerate(
            (
                ("Explore", "The latent map (Ctrl+1)"),
                ("Reconstruct", "Test images and samples (Ctrl+2)"),
                ("Evaluate", "Figures of the model, its log-likelihood among them (Ctrl+3)"),
                ("Sample", "Sheets of samples: from the prior, around the point, of a class (Ctrl+4)"),
            )
        ):
            button = chip(text, tip, checked=index == 0)
            button.setObjectName(f"{text.lower()}_tab")
            self._views.addButton(button, index)
        self._lay_out()
        self._models.activated.connect(self._chosen)
        self._train.clicked.connect(self.train_requested)
        self._pause.clicked.connect(self.pause_requested)
        self._stop.clicked.connect(self.stop_requested)
        self._undo.clicked.connect(self.undo_requested)
        self._redo.clicked.connect(self.redo_requested)
        self._export.clicked.connect(self.export_requested)
        self._views.idClicked.connect(self.view_chosen)
        self.set_state("idle")
        self.set_history("", "")

    def set_theme(self, theme: Theme) -> None:
        self._stop.setIcon(icon_named(f"stop-{theme.name}"))
        self._undo.setIcon(icon_named(f"undo-{theme.name}"))
        self._redo.setIcon(icon_named(f"redo-{theme.name}"))

    def set_state(self, state: str) -> None:
        """One of idle, running, paused and ending."""
        self._train.setVisible(state == "idle")
        self._pause.setVisible(state != "idle")
        self._pause.setEnabled(state != "ending")
        words, icon = ("Resume", "play") if state == "paused" else ("Pause", "pause")
        self._pause.setText(_beside_icon(words))
        self._pause.setAccessibleName(words)
        self._pause.setIcon(icon_named(icon))
        self._stop.setEnabled(state in ("running", "paused"))

    def set_view(self, index: int) -> None:
        self._views.button(index).setChecked(True)

    def set_can_export(self, possible: bool) -> None:
        self._export.setEnabled(possible)

    def set_history(self, undoing: str, redoing: str) -> None:
        """What can be undone and redone, in words; empty for nothing."""
        for button, what, keys in ((self._undo, undoing, "Ctrl+Z"), (self._redo, redoing, "Ctrl+Shift+Z")):
            button.setEnabled(bool(what))
            words = button.accessibleName()
            show_tip(button, f"{words}: {what} ({keys})" if what else f"Nothing to {words.lower()} ({keys})")

    def set_run(self, title: str) -> None:
        """Name the run on top of the list of models."""
        if self._models.itemData(0) != self.RUN:
            self._models.insertItem(0, title, self.RUN)
        self._models.setItemText(0, title)

    def show_model(self, name: str, title: str) -> None:
        """Show which model is on view; a file that is not in the list joins it."""
        index = self._models.findData(name)
        if index < 0:
            index = self._models.count() - 1
            self._models.insertItem(index, title, name)
        self._models.setCurrentIndex(index)
        self._shown = name

    def _chosen(self, index: int) -> None:
        name = self._models.itemData(index)
        self._models.setCurrentIndex(self._models.findData(self._shown))
        if name == self._OPEN:
            self.open_requested.emit()
        elif name != self._shown:
            self.model_chosen.emit(name)

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self._models, self._train, self._pause, self._stop, self.pace):
            layout.addWidget(widget)
        layout.addStretch(1)
        views = QHBoxLayout()
        views.setSpacing(2)
        for button in self._views.buttons():
            views.addWidget(button)
        layout.addLayout(views)
        layout.addStretch(1)
        layout.addWidget(self._undo)
        layout.addSpacing(-2)
        layout.addWidget(self._redo)
        layout.addWidget(self._export)


class _ModelCombo(QComboBox):
    """Opening a model is too much for an accidental turn of the wheel. Gives way where the window is narrow."""

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(228, 0))

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def _beside_icon(text: str) -> str:
    """Qt leaves hardly a gap between a button's icon and its text."""
    return f"\u2002{text}"


def _button(name: str, text: str, tooltip: str, *, primary: bool = False) -> QPushButton:
    result = QPushButton(text if name == "export_button" else _beside_icon(text))
    result.setObjectName(name)
    show_tip(result, tooltip)
    result.setAccessibleName(text.strip("…"))
    result.setIconSize(QSize(12, 12))
    if primary:
        result.setProperty("kind", "primary")
        result.setMinimumWidth(100)
    return result
