"""The card beside an encoding: where it lies, and which pictures it shows."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRect
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from vae_studio.ui.hover_card import HoverCard, HoverContent
from vae_studio.ui.theme import DARK


@pytest.fixture
def card(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.resize(900, 700)
    widget.show()
    yield HoverCard(widget)


def content(**values):
    image = np.zeros((28, 28), np.uint8)
    image[:14] = 255
    return HoverContent(**{"index": 7, "image": image, "colour": 3, "title": "3 · test image 7", **values})


@pytest.mark.parametrize("canvas", [QRect(28, 0, 828, 600), QRect(28, 0, 212, 140), QRect(10, 5, 330, 170)])
def test_it_is_never_cut_off_and_never_under_the_mouse(card, canvas):
    for x in range(canvas.left(), canvas.right() + 1, 9):
        for y in range(canvas.top(), canvas.bottom() + 1, 7):
            card.show_content(content(detail="0.42 from the map"), QPointF(x, y), canvas)
            assert card.isVisible()
            assert canvas.contains(card.geometry())
            assert not card.geometry().adjusted(-6, -6, 6, 6).contains(x, y)


def test_where_there_is_no_room_at_all_it_is_not_shown(card):
    card.show_content(content(), QPointF(50, 50), QRect(0, 0, 100, 90))
    assert not card.isVisible()


def test_it_shows_the_image_and_then_the_reconstruction(card):
    def levels(rect):
        picture = card.grab().toImage()
        return [picture.pixelColor(rect.center().x(), rect.top() + part).name() for part in (4, rect.height() - 5)]

    card.show_content(content(), QPointF(100, 100), QRect(0, 0, 900, 700))
    assert levels(card.image_rect()) == [DARK.ink, DARK.paper]
    assert levels(card.reconstruction_rect()) == [DARK.field, DARK.field], "there is none yet"
    upside_down = content().image[::-1].copy()
    card.show_content(content(reconstruction=upside_down), QPointF(100, 100), QRect(0, 0, 900, 700))
    assert levels(card.image_rect()) == [DARK.ink, DARK.paper]
    assert levels(card.reconstruction_rect()) == [DARK.paper, DARK.ink]
    assert card.accessibleDescription() == "3 · test image 7"
    colours = {card.grab().toImage().pixelColor(14, y).name() for y in range(10, 26)}
    assert QColor(DARK.classes[3]).name() in colours
