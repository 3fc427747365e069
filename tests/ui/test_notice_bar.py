"""The line that says what went wrong: shown, copied, closed."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QVBoxLayout, QWidget

from vae_studio.ui.notice_bar import NoticeBar

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def bar(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(500, 200)
    layout = QVBoxLayout(window)
    bar = NoticeBar()
    layout.addWidget(bar)
    layout.addStretch(1)
    with qtbot.waitExposed(window):
        window.show()
    bar.holder = window
    return bar


def button(bar, name):
    return bar.findChild(QPushButton, name)


def text(bar):
    return bar.findChild(QLabel, "notice_text")


def test_hidden_until_there_is_something_to_say(bar, qtbot):
    assert not bar.isVisible()
    bar.show_notice("The disk is full.")
    assert bar.isVisible()
    assert bar.text() == text(bar).text() == "The disk is full."
    assert not button(bar, "notice_copy").isVisible(), "there are no details"
    qtbot.mouseClick(button(bar, "notice_close"), LEFT)
    assert not bar.isVisible()


def test_details_can_be_copied(bar, qtbot):
    bar.show_notice("Something went wrong.", "Traceback (most recent call last):\n  …\nKeyError: 'x'")
    QApplication.clipboard().clear()
    qtbot.mouseClick(button(bar, "notice_copy"), LEFT)
    copied = QApplication.clipboard().text()
    assert copied.startswith("Something went wrong.\n")
    assert copied.endswith("KeyError: 'x'")
    assert bar.isVisible()


def test_a_newer_message_replaces_an_older_one(bar, qtbot):
    bar.show_notice("First.", "details of the first")
    bar.show_notice("Second.")
    assert bar.text() == "Second."
    assert not button(bar, "notice_copy").isVisible()
    bar.show_notice("Third.", "details of the third")
    qtbot.mouseClick(button(bar, "notice_copy"), LEFT)
    assert QApplication.clipboard().text() == "Third.\n\ndetails of the third"


def test_a_file_name_is_not_markup(bar):
    """File names come from strangers: a bold one, or one that would load a picture, is shown letter by letter."""
    bar.show_notice("plain")
    plain = text(bar).sizeHint().width()
    bar.show_notice("<b>plain</b>")
    assert text(bar).sizeHint().width() > 1.5 * plain


def test_long_messages_wrap_instead_of_widening_the_window(bar, qtbot):
    bar.show_notice("A short one.")
    low = bar.sizeHint().height()
    bar.show_notice("The file could not be written, because " + "the disk is quite full and " * 12 + "nothing helps.")
    qtbot.waitUntil(lambda: bar.height() > 1.5 * low)
    assert bar.holder.width() == 500
    assert bar.rect().contains(button(bar, "notice_close").geometry())
