"""How fast training goes: flat out, so many steps a second, or one step at each press."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSlider, QWidget

from vae_studio.ui.controls import label, show_tip

STEP_BY_STEP = 0
FLAT_OUT = None
# Round numbers a little more than a third apart from each other, as far as there are such.
_PACES = (STEP_BY_STEP, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, FLAT_OUT)
_TIP = (
    "How fast training goes. Left end: step by step, one at each press of F8. Right end: flat out.\n"
    "Between them: 1 to 1000 steps a second. Double-click for flat out. The figures stay the same."
)


class PaceControl(QWidget):
    """A slider from step by step to flat out, what it says in words, and a button for one step.

    Signals, only when the user asks: `pace_changed`, steps a second, None for flat out and 0 for step by step;
    `step_requested()`.
    """

    pace_changed = Signal(object)
    step_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pace_control")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("pace_slider")
        self.slider.setRange(0, len(_PACES) - 1)
        self.slider.setPageStep(3)
        self.slider.setValue(self.slider.maximum())
        self.slider.setMinimumWidth(56)
        self.slider.setMaximumWidth(104)
        show_tip(self.slider, _TIP)
        self.slider.setAccessibleName("Pace of training")
        self.slider.installEventFilter(self)
        self._words = label("", "muted")
        self._words.setObjectName("pace_value")
        show_tip(self._words, _TIP)
        self._step = QPushButton("Step")
        self._step.setObjectName("step_button")
        show_tip(self._step, "Take one step (F8)")
        self._step.setAccessibleName("One step")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (label("pace", "muted"), self.slider, self._words, self._step):
            layout.addWidget(widget)
        self.slider.valueChanged.connect(self._turned)
        self._step.clicked.connect(self.step_requested)
        self._show()
        self.set_can_step(False)

    def pace(self) -> float | None:
        """Steps a second; None is flat out, 0 step by step."""
        return _PACES[self.slider.value()]

    def set_can_step(self, possible: bool) -> None:
        """Whether a step can be asked for now."""
        self._step.setEnabled(possible)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.slider and event.type() == QEvent.Type.MouseButtonDblClick:
            self.slider.setValue(self.slider.maximum())
            return True
        return super().eventFilter(watched, event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # As wide as the widest of its texts, so that nothing beside it moves.
        metrics = self._words.fontMetrics()
        self._words.setMinimumWidth(max(metrics.horizontalAdvance(_in_words(pace)) for pace in _PACES))

    def _turned(self) -> None:
        self._show()
        self.pace_changed.emit(self.pace())

    def _show(self) -> None:
        words = _in_words(self.pace())
        self._words.setText(words)
        self.slider.setAccessibleDescription(words)
        self._step.setVisible(self.pace() == STEP_BY_STEP)


def _in_words(pace: float | None) -> str:
    if pace is None:
        return "flat out"
    if not pace:
        return "step by step"
    return "1 step/s" if pace == 1 else f"{pace:,} steps/s".replace(",", "\u2009")
