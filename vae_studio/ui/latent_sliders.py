"""One slider with a typed value for each latent dimension."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from vae_studio.ui.controls import Gesture, ScrollingArea, ValueSlider, label, subscript

ROW_HEIGHT = 28
INACTIVE_BELOW = 0.01  # nats per image
_RANGE = (-4.0, 4.0)
_HARD_RANGE = (-100.0, 100.0)
_AT_ONCE = 24
_CHUNK = 8
_LATE_MS = 100
_NAME_WIDTH = 26


class LatentSliders(ScrollingArea):
    """Rows z₁, z₂, … of a slider from −4 to 4 and a number field; scrolls when there are more than fit.

    `changed(tuple of floats)` carries the whole point when the *user* changes one coordinate; the others keep the
    exact value they were given, whatever the fields round it to. Rows are made a few at a time and used again; of many,
    those out of sight show a point that moves as soon as it rests, or as they are scrolled to.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._point: tuple[float, ...] = ()
        self._rows: list[_Row] = []
        self._kl: tuple[float, ...] | None = None
        self._gesture, self._moved = Gesture(), -1
        self._content = QWidget()
        self._layout = QVBoxLayout(self._content)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self._layout.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setWidget(self._content)
        self.verticalScrollBar().setSingleStep(ROW_HEIGHT)
        self.verticalScrollBar().rangeChanged.connect(self._keep_clear_of_bar)
        self.setObjectName("latent_sliders")
        self.setAccessibleName("Latent point z")
        self._behind: set[int] = set()  # rows that do not show their value yet
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(_LATE_MS)
        self._late.timeout.connect(self._catch_up)
        self.verticalScrollBar().valueChanged.connect(self._catch_up)
        self._builder = QTimer(self)
        self._builder.setInterval(0)
        self._builder.timeout.connect(self._build_more)

    def content_height(self) -> int:
        """The height at which nothing needs to scroll."""
        return len(self._point) * ROW_HEIGHT

    def point(self) -> tuple[float, ...]:
        return self._point

    def gesture(self) -> tuple[int, int]:
        """What belongs together of that which `changed` has told: one drag, or keys that follow each other quickly."""
        return self._moved, self._gesture.key()

    def set_dims(self, dims: int, kl_per_dim: Sequence[float] | None = None) -> None:
        """Show `dims` rows at the origin. Rows that are there already stay."""
        self._point = (0.0,) * dims
        self._content.setMinimumHeight(self.content_height())
        for index, row in enumerate(self._rows):
            row.setVisible(index < dims)
            if index < dims:
                row.show_value(0.0)
        self._behind.clear()
        self._build(min(dims, _AT_ONCE))
        if len(self._rows) < dims:
            self._builder.start()
        self.set_kl_per_dim(kl_per_dim)

    def set_kl_per_dim(self, kl_per_dim: Sequence[float] | None) -> None:
        """The KL of each dimension in nats per image, or None when it is not known; below 0.01 a name is faint."""
        self._kl = None if kl_per_dim is None else tuple(float(value) for value in kl_per_dim)
        for index, row in enumerate(self._rows[: len(self._point)]):
            row.show_kl(self._kl_of(index))

    def set_point(self, point: Sequence[float]) -> None:
        """Show this point, one float per dimension, without announcing it."""
        if len(point) != len(self._point):
            raise ValueError(f"a point of {len(point)} coordinates for {len(self._point)} latent dimensions")
        before, self._point = self._point, tuple(point)
        in_sight = self._in_sight()
        for index, (row, old, new) in enumerate(zip(self._rows, before, self._point, strict=False)):
            if new == old and index not in self._behind:
                continue  # it may be in the middle of being typed into
            if index in in_sight:
                row.show_value(new)
                self._behind.discard(index)
            else:
                self._behind.add(index)
        if self._behind:
            self._late.start()

    def _in_sight(self) -> range:
        """The rows that are shown at once: all, unless there are so many that a point in motion would be held up."""
        if len(self._point) <= _AT_ONCE:
            return range(len(self._rows))
        first = self.verticalScrollBar().value() // ROW_HEIGHT
        return range(first, first + self.viewport().height() // ROW_HEIGHT + 2)

    def _catch_up(self) -> None:
        for index in self._behind:
            self._rows[index].show_value(self._point[index])
        self._behind.clear()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # In a list that scrolls the wheel scrolls: a slider that happens to pass under the mouse must not move.
        # (The scroll area watches its own scroll bars through this filter too: they keep their wheel.)
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(watched, QDoubleSpinBox):
            return self._leave_to_window(watched, event)
        ours = isinstance(watched, QSlider | QDoubleSpinBox)
        if ours and event.type() == QEvent.Type.Wheel and self.verticalScrollBar().maximum() > 0:
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _leave_to_window(self, field: QDoubleSpinBox, event: QKeyEvent) -> bool:
        """A field in which nothing is half typed has nothing to undo: the point has."""
        text = field.lineEdit()
        if (event.matches(QKeySequence.StandardKey.Undo) and not text.isUndoAvailable()) or (
            event.matches(QKeySequence.StandardKey.Redo) and not text.isRedoAvailable()
        ):
            event.ignore()
            return True
        return False

    def _keep_clear_of_bar(self, low: int, high: int) -> None:
        self._layout.setContentsMargins(0, 0, 4 if high > low else 0, 0)

    def _kl_of(self, index: int) -> float | None:
        return self._kl[index] if self._kl is not None and index < len(self._kl) else None

    def _build_more(self) -> None:
        self._build(min(len(self._point), len(self._rows) + _CHUNK))
        if len(self._rows) >= len(self._point):
            self._builder.stop()

    def _build(self, count: int) -> None:
        for index in range(len(self._rows), count):
            row = _Row(index)
            row.show_value(self._point[index])
            row.show_kl(self._kl_of(index))
            row.changed.connect(self._row_changed)
            row.value.slider.sliderPressed.connect(self._gesture.press)
            row.value.slider.sliderReleased.connect(self._gesture.release)
            for control in (row.value.slider, row.value.field):
                control.installEventFilter(self)
            self._layout.addWidget(row)
            if self._rows:  # rows that come late still follow the row above them, not whatever was made meanwhile
                self.setTabOrder(self._rows[-1].value.field, row.value.slider)
                self.setTabOrder(row.value.slider, row.value.field)
            self._rows.append(row)

    def _row_changed(self, index: int, value: float) -> None:
        self._moved = index
        self._behind.discard(index)
        self._point = (*self._point[:index], value, *self._point[index + 1 :])
        self.changed.emit(self._point)


class _Row(QWidget):
    """Name, slider and value of one latent dimension; `changed(index, value)` when the user moves it."""

    changed = Signal(int, float)

    def __init__(self, index: int) -> None:
        super().__init__()
        self._index = index
        self._title = subscript(index)
        self._name = label(self._title, "muted")
        self._name.setMinimumWidth(_NAME_WIDTH)
        self.value = ValueSlider(
            *_RANGE,
            0.0,
            hard_range=_HARD_RANGE,
            name=f"Latent dimension {self._title}",
            tooltip=f"{self._title}, in latent units (standard deviations of N(0, 1)). Double-click the slider: 0.",
        )
        self.value.field.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.value.slider.setObjectName(f"latent_slider_{index}")
        self.value.field.setObjectName(f"latent_value_{index}")
        ticks = self.value.slider.maximum() - self.value.slider.minimum()
        self.value.slider.setSingleStep(ticks // 100)
        self.value.slider.setPageStep(ticks // 8)
        self.value.changed.connect(self._value_changed)
        self.value.field.editingFinished.connect(self._forget_typing)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 1, 0, 1)
        layout.setSpacing(8)
        layout.addWidget(self._name)
        layout.addWidget(self.value, 1)
        self.setFixedHeight(ROW_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _forget_typing(self) -> None:
        """What was typed is the point now, which has a history of its own."""
        text = self.value.field.lineEdit()
        text.setText(text.text())

    def show_value(self, value: float) -> None:
        self.value.set_value(value)

    def show_kl(self, kl: float | None) -> None:
        inactive = kl is not None and kl < INACTIVE_BELOW
        role = "faint" if inactive else "muted"
        if role != self._name.property("role"):
            self._name.setProperty("role", role)
            self._name.style().unpolish(self._name)
            self._name.style().polish(self._name)
        if kl is None:
            text = f"Latent dimension {self._title}"
        elif inactive:
            text = f"{self._title} carries no information (KL = {kl:.3f} nats)"
        else:
            text = f"{self._title}: KL = {kl:.3f} nats per image"
        self._name.setToolTip(text.replace("= -", "= −"))

    def _value_changed(self, value: float) -> None:
        self.changed.emit(self._index, value)
