"""What makes a long form fit: parts that are folded away, and an area that scrolls where there is too little room."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFocusEvent, QFont, QFontMetrics, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QLayout, QVBoxLayout, QWidget

from vae_studio.ui.controls import ScrollingArea, show_tip


class Section(QWidget):
    """A heading, with a few muted words on what is inside, over a layout that it shows and hides."""

    def __init__(self, name: str, title: str, inside: QLayout) -> None:
        super().__init__()
        self.heading = _Heading(title)
        self.heading.setObjectName(f"{name}_section")
        self.body = QWidget()
        self.body.setLayout(inside)
        inside.setContentsMargins(0, 4, 0, 8)
        self.body.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.heading)
        layout.addWidget(self.body)
        self.heading.toggled.connect(self.body.setVisible)

    def set_words(self, words: str) -> None:
        """Say in the heading what differs from the default inside."""
        self.heading.set_words(words)


class FormArea(ScrollingArea):
    """Rows and sections that scroll up and down; as high as they are where there is room, and no higher."""

    _LEAST = 120
    MARGIN, _MARGIN_BESIDE_BAR = 12, 4  # on the right: the scroll bar takes its room from it, not from the fields

    def __init__(self, rows: QLayout, sections: Iterable[Section]) -> None:
        super().__init__()
        self._unfolded: Section | None = None
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, self.MARGIN, 0)
        layout.setSpacing(4)
        layout.addLayout(rows)
        for section in sections:
            layout.addWidget(section)
            section.heading.toggled.connect(self._toggled)
        layout.addStretch(1)
        self.setWidget(content)
        policy = self.sizePolicy()
        policy.setVerticalPolicy(policy.Policy.Maximum)
        self.setSizePolicy(policy)
        self.setMinimumHeight(self._LEAST)
        self.verticalScrollBar().rangeChanged.connect(self._make_room)

    def sizeHint(self) -> QSize:
        layout = self.widget().layout()
        wanted = layout.sizeHint()
        if layout.hasHeightForWidth():  # there are wrapped lines in it
            wanted.setHeight(layout.totalHeightForWidth(self.viewport().width()))
        return wanted

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.widget() and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.updateGeometry()
        done = super().eventFilter(watched, event)
        if self._unfolded is not None and watched is self.widget() and event.type() == QEvent.Type.Resize:
            # Now there is room for it: bring it into view, its heading before all.
            self.ensureWidgetVisible(self._unfolded.body, 0, 0)
            self.ensureWidgetVisible(self._unfolded.heading, 0, 0)
            self._unfolded = None
        return done

    def _make_room(self, _: int, most: int) -> None:
        right = self._MARGIN_BESIDE_BAR if most > 0 else self.MARGIN
        self.widget().layout().setContentsMargins(0, 0, right, 0)

    def _toggled(self, on: bool) -> None:
        self._unfolded = self.sender().parent() if on else None


class _Heading(QAbstractButton):
    """An arrow, the section's title, and muted words that are cut where there is no room."""

    _ARROW, _GAP, _HEIGHT, _SMALL = 14, 8, 24, 11

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setText(title)
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._words = ""
        self._ring = False
        self.set_words("")

    def set_words(self, words: str) -> None:
        self._words = words
        self.setAccessibleName(f"{self.text()}: {words}" if words else self.text())
        show_tip(self, f"Show or hide this part.\n{self.text()}: {words or 'as usual'}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._ARROW + QFontMetrics(self._bold()).horizontalAdvance(self.text()) + 4, self._HEIGHT)

    minimumSizeHint = sizeHint

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._ring = False
        super().focusOutEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette, middle = self.palette(), self.height() / 2
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            lively = self.underMouse() or self.isChecked()
            colour = palette.color(QPalette.ColorRole.WindowText if lively else QPalette.ColorRole.PlaceholderText)
            painter.setPen(QPen(colour, 1.4, c=Qt.PenCapStyle.RoundCap, j=Qt.PenJoinStyle.RoundJoin))
            right = [QPointF(2, middle - 3.5), QPointF(5.5, middle), QPointF(2, middle + 3.5)]
            down = [QPointF(0.5, middle - 2), QPointF(4, middle + 1.5), QPointF(7.5, middle - 2)]
            painter.drawPolyline(down if self.isChecked() else right)
            font = self._bold()
            painter.setFont(font)
            painter.setPen(palette.color(QPalette.ColorRole.WindowText))
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
            painter.drawText(self.rect().adjusted(self._ARROW, 0, 0, 0), flags, self.text())
            taken = self._ARROW + QFontMetrics(font).horizontalAdvance(self.text()) + self._GAP
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            small = QFont(self.font())
            small.setPixelSize(self._SMALL)
            painter.setFont(small)
            words = QFontMetrics(small).elidedText(self._words, Qt.TextElideMode.ElideRight, self.width() - taken)
            painter.drawText(self.rect().adjusted(taken, 0, 0, 0), flags, words)
            if self._ring:
                painter.setPen(QPen(palette.color(QPalette.ColorRole.Link), 1))
                painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        return font
