"""What stands above a long list of sliders: a search, how they are ordered, and whether dead ones are shown."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from vae_studio.ui.controls import chip, show_tip

_GAP = 4
_LEAST_SEARCH = 64
_ORDER = "Order the sliders by KL, the most informative dimension first; else by their index."
_ACTIVE = "Show only the dimensions whose KL is at least 0.01 nats: the others carry no information."
_UNKNOWN = "The KL of each dimension is not known: an auto-encoder has none, and a run says it after an epoch."


class SliderTools(QWidget):
    """Signals: `searched(str)` as it is typed; `entered()`, to the first row found; `paged(±1)`, so many pages on;
    `order_chosen(bool)`, by KL; `active_chosen(bool)`, only those."""

    searched = Signal(str)
    entered = Signal()
    paged = Signal(int)
    order_chosen = Signal(bool)
    active_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._active, self._dims = 0, 0
        self.search = _Search()
        self.search.textChanged.connect(self.searched)
        self.search.entered.connect(self.entered)
        self.search.paged.connect(self.paged)
        self.by_kl = chip("by KL", _ORDER)
        self.by_kl.setObjectName("sliders_by_kl")
        self.by_kl.clicked.connect(self.order_chosen)
        self.active = chip("active", _ACTIVE)
        self.active.setObjectName("sliders_active_only")
        self.active.clicked.connect(self.active_chosen)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(_GAP)
        row.addWidget(self.search, 1)
        row.addWidget(self.by_kl)
        row.addWidget(self.active)

    def last(self) -> QWidget:
        """What Tab goes on from to the sliders."""
        return self.active

    def show_state(self, *, by_kl: bool, active_only: bool, active: int | None, dims: int) -> None:
        """How the list is ordered, what it leaves out, and how many of `dims` are active, None where it is unknown."""
        known = active is not None
        self._active, self._dims = active or 0, dims if known else 0
        for button, on, words in ((self.by_kl, by_kl, _ORDER), (self.active, active_only, _ACTIVE)):
            button.setChecked(on and known)
            button.setEnabled(known)
            show_tip(button, words if known else _UNKNOWN)
        if known:
            show_tip(self.active, f"{_ACTIVE}\n{active} of {dims} are active.")
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Say no more on the button than leaves room for the search."""
        beside = self.by_kl.sizeHint().width() + 2 * _GAP + _LEAST_SEARCH
        padding = self.active.sizeHint().width() - self.active.fontMetrics().horizontalAdvance(self.active.text())
        counts = [f"active {self._active} of {self._dims}", f"active {self._active}"] if self._dims else []
        room = self.width() - beside - padding
        fitting = (text for text in counts if self.active.fontMetrics().horizontalAdvance(text) <= room)
        text = next(fitting, "active")
        if text != self.active.text():
            self.active.setText(text)
            self.active.setAccessibleName(counts[0] if counts else text)


class _Search(QLineEdit):
    entered = Signal()
    paged = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sliders_search")
        self.setPlaceholderText("find z…")
        self.setAccessibleName("Find a slider")
        show_tip(
            self,
            "The number of a latent dimension (17 or z17), or a part of a direction’s name. Enter goes to the first "
            "slider found, Page Up and Page Down scroll, Esc shows all again.",
        )
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        pages = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Down):
            self.entered.emit()
        elif event.key() in pages:
            self.paged.emit(pages[event.key()])
        else:
            super().keyPressEvent(event)
