"""The legend of the map: a chip for each class, by which classes are shown and hidden."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QSizePolicy, QWidget

from vae_studio.ui.controls import show_tip
from vae_studio.ui.theme import DARK, Theme


class ClassLegend(QWidget):
    """A chip for each class. `hidden_changed(frozenset)` says which classes the user does not want to see.

    A click hides or shows a class; a double-click, Ctrl- or Alt-click shows only that class, and again shows all.
    """

    hidden_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_legend")
        self.setAccessibleName("Classes")
        self._theme = DARK
        self._names: tuple[str, ...] = ()
        self._chips: list[ClassChip] = []
        self.hidden: frozenset[int] = frozenset()
        self._hidden_before: frozenset[int] = frozenset()
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_names(self, names: tuple[str, ...]) -> None:
        if names == self._names:
            return
        self._names = names
        for old in self._chips:
            old.setParent(None)
            old.deleteLater()
        self._chips = [ClassChip(index, name) for index, name in enumerate(names)]
        for new in self._chips:
            self._layout.addWidget(new)
            new.setVisible(bool(new.text()))
            new.toggle_asked.connect(self._toggle)
            new.only_asked.connect(self._only)
        self.set_theme(self._theme)
        self.set_hidden(self.hidden)

    def set_hidden(self, hidden: frozenset[int]) -> None:
        """Show all classes but these, without announcing it."""
        self.hidden = hidden
        for index, item in enumerate(self._chips):
            item.setChecked(index not in hidden)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for item in self._chips:
            item.set_theme(theme)

    def _toggle(self, index: int) -> None:
        self._hidden_before = self.hidden
        self._choose(self.hidden ^ {index})

    def _only(self, index: int, second_click: bool) -> None:
        # The first click of a double-click has toggled already: what counts is what was shown before it.
        before = self._hidden_before if second_click else self.hidden
        others = frozenset(range(len(self._chips))) - {index}
        self._choose(frozenset() if before == others else others)

    def _choose(self, hidden: frozenset[int]) -> None:
        self.set_hidden(hidden)
        self.hidden_changed.emit(hidden)


class ClassChip(QAbstractButton):
    """A dot in the class's colour and its name, dimmed while hidden; asks, and is told, whether it is shown.

    `toggle_asked(index)`; `only_asked(index, second_click)`: the latter says that a toggle has just been asked for.
    """

    toggle_asked = Signal(int)
    only_asked = Signal(int, bool)

    def __init__(self, index: int, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._index, self._theme = index, DARK
        self._second_click = False
        self.setObjectName(f"legend_class_{index}")
        self.setText(name)
        self.setCheckable(True)
        self.setChecked(True)
        self.setAccessibleName(f"Class {name}")
        show_tip(self, f"Click to hide or show class {name}. Double-click or Ctrl-click: only this class, or all again")
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(19 + self.fontMetrics().horizontalAdvance(self.text()), 22)

    def nextCheckState(self) -> None:
        # Called for a click or the space bar; the legend answers with setChecked.
        self.toggle_asked.emit(self._index)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._second_click = False
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._second_click = True

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        only = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        if not (only or self._second_click) or not self.isDown():
            super().mouseReleaseEvent(event)
            return
        self.setDown(False)
        self.only_asked.emit(self._index, self._second_click)
        self._second_click = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.only_asked.emit(self._index, False)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, shown = self._theme, self.isChecked()
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
            if self.hasFocus() or self.underMouse():
                painter.setPen(QPen(QColor(theme.accent)) if self.hasFocus() else Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.hover) if self.underMouse() else Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(box, 5, 5)
            painter.setOpacity(1.0 if self.isEnabled() else 0.4)
            colour = QColor(theme.classes[self._index % len(theme.classes)])
            centre = QPointF(8, self.height() / 2)
            if shown:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour)
                painter.drawEllipse(centre, 4, 4)
            else:
                painter.setPen(QPen(QColor(theme.faint), 1.0))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(centre, 3.5, 3.5)
            painter.setPen(QColor(theme.muted if shown else theme.faint))
            painter.drawText(
                box.adjusted(15, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.text()
            )
