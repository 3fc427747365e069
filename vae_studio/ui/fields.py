"""What the setup panel's fields are made of: choices that explain themselves, numbers that keep their exact value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from vae_studio.core.config import RunConfig
from vae_studio.ui.controls import ScientificField, label, show_tip, tip_markup

# The panel's width is the user's to choose: long titles are no reason to widen it.
NARROW = 48
_LABELS = 78
_SHOWN_ITEMS = 20


class Choice(QComboBox):
    """A combo box whose items each have a value, a title and a sentence that explains them.

    The field's tooltip explains the item that is chosen; an item's own says why it cannot be, where it cannot.
    """

    def __init__(self, name: str, title: str, tip: str, items: Iterable[tuple[Any, str, str]] = ()) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setMinimumWidth(NARROW)
        self.setMaxVisibleItems(_SHOWN_ITEMS)
        self.setProperty("form", True)
        self._explanations: list[str] = []
        self._refusals: list[str] = []
        for item in items:
            self.add(*item)
        self.setProperty("tip", tip)
        self.currentIndexChanged.connect(self._explain_chosen)
        self._explain_chosen()

    def add(self, value: Any, title: str, explanation: str) -> None:
        self._explanations.append(explanation)
        self._refusals.append("")
        self.addItem(title, value)
        self._show_tip(self.count() - 1)

    def replace(self, index: int, title: str, explanation: str) -> None:
        """Write another title and explanation over an item."""
        self.setItemText(index, title)
        self._explanations[index] = explanation
        self._show_tip(index)

    def clear(self) -> None:
        super().clear()
        self._explanations.clear()
        self._refusals.clear()

    def value(self) -> Any:
        return self.currentData()

    def values(self) -> list[Any]:
        return [self.itemData(index) for index in range(self.count())]

    def show_value(self, value: Any) -> None:
        """Choose the item with this value without announcing it; the first for want of it."""
        with QSignalBlocker(self):
            self.setCurrentIndex(max(0, self.findData(value)))
        self._explain_chosen()

    def set_refusals(self, reasons: Sequence[str]) -> None:
        """For each item why it cannot be chosen, or nothing."""
        for index, reason in enumerate(reasons):
            if reason != self._refusals[index]:
                self._refusals[index] = reason
                self.model().item(index).setEnabled(not reason)
                self._show_tip(index)

    def _explain_chosen(self) -> None:
        chosen = self._explanations[self.currentIndex()] if self.currentIndex() >= 0 else ""
        show_tip(self, self.property("tip"), chosen)

    def _show_tip(self, index: int) -> None:
        text = self._refusals[index] or self._explanations[index]
        self.setItemData(index, tip_markup(text), Qt.ItemDataRole.ToolTipRole)

    def set_reason(self, reason: str) -> None:
        """Say in the tooltip why the whole field is of no use now, or, without a reason, what is chosen."""
        if reason:
            show_tip(self, reason)
        else:
            self._explain_chosen()

    def paintEvent(self, event: QPaintEvent) -> None:
        """As usual, but what does not fit is cut in the middle, where titles differ least."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() < 0:
            option.currentText = self.placeholderText()
        with QStylePainter(self) as painter:
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            part = QStyle.SubControl.SC_ComboBoxEditField
            room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - 1
            option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideMiddle, room)
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def showPopup(self) -> None:
        """The list may be wider than the field, so that titles can be read."""
        view = self.view()
        room = view.verticalScrollBar().sizeHint().width() if self.count() > _SHOWN_ITEMS else 0
        view.setMinimumWidth(view.sizeHintForColumn(0) + room + 8)
        super().showPopup()


class Number(ScientificField):
    """A number that is written with as few digits as it needs; what it was given it gives back to the last bit."""

    def __init__(self, name: str, title: str, tip: str, low: float, high: float, step: float) -> None:
        self._exact = low
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setMinimumWidth(NARROW)
        self.setDecimals(9)
        self.setRange(low, high)
        self.setSingleStep(step)
        self.lineEdit().setTextMargins(6, 0, 6, 0)
        set_tip(self, tip)

    def show_value(self, value: float) -> None:
        """Show this without announcing it."""
        with QSignalBlocker(self):
            self.setValue(value)
        self._exact = value

    def exact(self) -> float:
        """The value as it was given, or as it was typed since."""
        return self._exact if round(self._exact, self.decimals()) == self.value() else self.value()

    def valueFromText(self, text: str) -> float:
        """A text that was not edited stands for the exact value."""
        if text == self.textFromValue(self._exact):
            return round(self._exact, self.decimals())
        return super().valueFromText(text)

    def textFromValue(self, value: float) -> str:
        mantissa, _, exponent = f"{value:.6g}".partition("e")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa


class FieldGroup(QObject):
    """Some settings of a run: their fields, and what they say in a config.

    `rows` are (title, field or layout). `choices` maps each choice to what one of its values changes in the config;
    such an item is offered only if the config with it is possible. `changed` is emitted when the user edits anything
    but a choice.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, QWidget | QHBoxLayout]] = []
        self.choices: dict[Choice, Callable[[Any], dict[str, Any]]] = {}

    @property
    def fields(self) -> list[QWidget]:
        """Every field, in the order of the rows."""
        found = []
        for _, field in self.rows:
            found += [field] if isinstance(field, QWidget) else [field.itemAt(i).widget() for i in range(field.count())]
        return found

    def show_config(self, config: RunConfig) -> None:
        """Show these settings without announcing them."""
        raise NotImplementedError

    def changes(self) -> dict[str, Any]:
        """The settings as shown, as plain values for `RunConfig.with_changes`. Raises ConfigError."""
        raise NotImplementedError

    def show_in_force(self, config: RunConfig) -> None:
        """Show, without announcing it, what this config takes in place of what was chosen."""

    def reasons(self, config: RunConfig) -> dict[QWidget, str]:
        """Why fields have no meaning in this config, for those that have none."""
        return {}

    def words(self, config: RunConfig) -> str:
        """What differs from the default settings, in a few words."""
        return ""


def spin(name: str, title: str, tip: str, low: int, high: int) -> QSpinBox:
    result = QSpinBox()
    result.setObjectName(name)
    result.setAccessibleName(title)
    result.setMinimumWidth(NARROW)
    result.setRange(low, high)
    result.lineEdit().setTextMargins(6, 0, 6, 0)
    set_tip(result, tip)
    return result


def line(name: str, title: str, tip: str) -> QLineEdit:
    result = QLineEdit()
    result.setObjectName(name)
    result.setAccessibleName(title)
    result.setMinimumWidth(NARROW)
    result.setTextMargins(-3, 0, 0, 0)  # as far in as the text of the other fields
    set_tip(result, tip)
    return result


def form(*rows: tuple[str, QWidget | QHBoxLayout]) -> QGridLayout:
    """Titles on the left, fields on the right; a field without a title is as wide as the form."""
    result = QGridLayout()
    result.setContentsMargins(0, 0, 0, 0)
    result.setHorizontalSpacing(8)
    result.setVerticalSpacing(4)
    result.setColumnStretch(1, 1)
    result.setColumnMinimumWidth(0, _LABELS)
    for row, (title, field) in enumerate(rows):
        column, span = (1, 1) if title else (0, 2)
        if isinstance(field, QWidget):
            result.addWidget(field, row, column, 1, span)
        else:
            result.addLayout(field, row, column, 1, span)
        if title:
            words = label(title, "muted")
            words.setBuddy(field if isinstance(field, QWidget) else field.itemAt(0).widget())
            result.addWidget(words, row, 0)
    return result


def set_tip(field: QWidget, tip: str) -> None:
    """Give a field its tooltip, to which `set_reason` goes back."""
    field.setProperty("tip", tip)
    show_tip(field, tip)


def set_reason(field: QWidget, reason: str) -> None:
    """Say in a field's tooltip why it has no meaning now; without a reason, what it is for."""
    if isinstance(field, Choice):
        field.set_reason(reason)
    else:
        show_tip(field, reason or field.property("tip"))
