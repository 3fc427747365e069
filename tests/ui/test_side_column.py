"""The column of cards: who gets the room, and that it scrolls without turning anything."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QComboBox, QFrame, QSlider, QSpinBox, QVBoxLayout

from vae_studio.ui.side_column import SideColumn


class Card(QFrame):
    """A card of a least height, with a control of each kind."""

    def __init__(self, height):
        super().__init__()
        self.setMinimumHeight(height)
        self.setMaximumWidth(320)
        layout = QVBoxLayout(self)
        self.controls = QComboBox(), QSpinBox(), QSlider(Qt.Orientation.Horizontal)
        self.controls[0].addItems(["a", "b", "c"])
        for control in self.controls:
            layout.addWidget(control)


@pytest.fixture
def column(qtbot):
    cards = [Card(200), Card(150)]
    cards[1].setSizePolicy(cards[1].sizePolicy().horizontalPolicy(), cards[1].sizePolicy().Policy.Fixed)
    widget = SideColumn(cards)
    widget.cards = cards
    qtbot.addWidget(widget)
    widget.resize(280, 600)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def wheel(widget):
    """A notch of the wheel, towards the user; whether the widget kept it."""
    middle = widget.rect().center()
    event = QWheelEvent(
        QPointF(middle),
        QPointF(widget.mapToGlobal(middle)),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def values(card):
    combo, spin, slider = card.controls
    return combo.currentIndex(), spin.value(), slider.value()


def test_the_first_card_takes_the_room_and_the_column_scrolls_where_there_is_too_little(column):
    first, second = column.cards
    assert second.height() == 150
    assert first.height() == 600 - 150 - 8
    assert column.verticalScrollBar().maximum() == 0
    column.resize(280, 250)
    QApplication.processEvents()
    assert (first.height(), second.height()) == (200, 150)
    assert column.verticalScrollBar().maximum() == 200 + 8 + 150 - 250
    assert second.width() < column.viewport().width()


def test_scrolling_turns_no_control_unless_it_has_the_focus(column):
    column.resize(280, 250)
    QApplication.processEvents()
    card = column.cards[0]
    column.window().focusWidget().clearFocus()  # that a window gives the first control when it is shown
    before = values(card)
    assert not any(wheel(control) for control in card.controls)
    assert values(card) == before
    assert wheel(column.viewport())
    assert column.verticalScrollBar().value() > 0
    card.controls[1].setValue(5)
    card.controls[1].setFocus()
    wheel(card.controls[1])
    assert values(card)[1] == 4


def test_where_nothing_scrolls_the_wheel_turns_controls(column):
    spin = column.cards[0].controls[1]
    spin.setValue(5)
    wheel(spin)
    assert spin.value() == 4


def test_it_is_no_wider_than_its_cards(column):
    assert column.maximumWidth() == 320 + 12
