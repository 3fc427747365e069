"""Over the map: how far what it shows is from the plane that was chosen, and the way back to it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from vae_studio.core.plane import Plane
from vae_studio.ui.controls import label, show_tip

NOTHING = 5e-4  # latent units, less than which is no distance


class PlaneBadge(QFrame):
    """The distance, with a button; seen while there is any.

    Signals: `to_plane_requested()`; `leaving()` when it goes away and had the focus.
    """

    to_plane_requested = Signal()
    leaving = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plane_badge")
        self.setProperty("panel", True)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._shown: tuple[str, Plane | None] = ("", None)
        self._words = label("", "muted")
        self._words.setObjectName("plane_distance")
        self._button = QPushButton("To the plane")
        self._button.setObjectName("to_plane_button")
        self._button.setProperty("kind", "chip")
        self._button.setAccessibleName("To the plane")
        show_tip(
            self._button,
            "Move the point straight onto the plane: its place on the map stays, the offset becomes 0 (Ctrl+Shift+0).",
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 3, 4, 3)
        layout.setSpacing(8)
        layout.addWidget(self._words)
        layout.addWidget(self._button)
        self._button.clicked.connect(self.to_plane_requested)
        self.hide()

    def set_distance(self, plane: Plane, distance: float) -> None:
        """The point lies so far, in latent units, from this plane."""
        words = f"{distance_text(distance)} from the plane"
        if (words, plane) == self._shown:
            return
        self._shown = words, plane
        self._words.setText(words)
        what = "the length of the coordinates that are not on the map" if plane.kind == "axes" else "its offset"
        show_tip(
            self._words,
            f"How far the point is from the plane {plane.title}, at right angles to it: {what}. The map shows the "
            "parallel plane through the point; the sliders move it.",
        )
        self._words.setAccessibleName(f"Distance: {words}")
        self.setVisible(distance >= NOTHING)

    def hideEvent(self, event: QHideEvent) -> None:
        if self._button.hasFocus():
            self.leaving.emit()
        super().hideEvent(event)


def distance_text(distance: float) -> str:
    """In latent units: 1.84, or with another digit below 0.1."""
    return f"{distance:.2f}" if distance >= 0.1 or distance < NOTHING else f"{distance:.3f}"
