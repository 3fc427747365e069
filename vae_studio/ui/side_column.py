"""The right column: cards one above the other, which scroll where the window is too low for all of them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, QTimer
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QVBoxLayout, QWidget

from vae_studio.ui.controls import ScrollingArea

_BESIDE_BAR = 12  # the scroll bar's width, and a gap


class SideColumn(ScrollingArea):
    """Cards, the first of which takes the room that the others leave; below their least heights it scrolls."""

    def __init__(self, cards: list[QWidget]) -> None:
        super().__init__()
        self.setObjectName("side_column")
        content = QWidget()
        self._layout = QVBoxLayout(content)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        for index, card in enumerate(cards):
            self._layout.addWidget(card, int(index == 0))
        self.setWidget(content)
        for kind in (QComboBox, QAbstractSpinBox, QSlider):
            for control in content.findChildren(kind):
                control.installEventFilter(self)
        self.setMaximumWidth(max(card.maximumWidth() for card in cards) + _BESIDE_BAR)
        self.verticalScrollBar().rangeChanged.connect(self._make_room)

    def sizeHint(self) -> QSize:
        return self.widget().sizeHint()

    def minimumSizeHint(self) -> QSize:
        # With room for the scroll bar, which may come, but not twice for the gap beside it.
        gap = self._layout.contentsMargins().right()
        return QSize(self.widget().minimumSizeHint().width() - gap + _BESIDE_BAR, 200)

    def reveal(self, card: QWidget) -> None:
        """Scroll to all of a card, once it has been laid out with what it shows now."""
        QTimer.singleShot(0, lambda: self._scroll_to(card))

    def _scroll_to(self, card: QWidget) -> None:
        self._layout.activate()
        self.ensureWidgetVisible(card, 0, 0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        scrolls = event.type() == QEvent.Type.Wheel and self.verticalScrollBar().maximum() > 0
        if scrolls and isinstance(watched, QComboBox | QAbstractSpinBox | QSlider) and not watched.hasFocus():
            event.ignore()  # scrolling the column must not turn the controls that pass under the cursor
            return True
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def _make_room(self, _: int, most: int) -> None:
        self._layout.setContentsMargins(0, 0, 4 if most > 0 else 0, 0)
