"""The help page shows what it was given, and how the mouse works on the map."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMainWindow, QScrollArea

from vae_studio.ui import theme
from vae_studio.ui.actions import Actions
from vae_studio.ui.help_dialog import HelpDialog

GROUPS = [
    ("File", [("Open model…", "Ctrl+O"), ("Export image grid…", "Ctrl+E"), ("Quit", "Ctrl+Q")]),
    ("View", [("Dark", ""), ("Light", "")]),
    ("Train", [(f"Action {number}", f"Ctrl+{number}") for number in range(40)]),
]


@pytest.fixture
def dialog(qtbot):
    dialog = HelpDialog(GROUPS)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


def row_of(dialog, action):
    """The label in the same row as an action's, to the right of it, or None."""
    labels = dialog.findChildren(QLabel)
    (words,) = (found for found in labels if found.text() == action and found.property("role") == "muted")
    middle = words.mapTo(dialog, words.rect().center())
    same_row = [
        found
        for found in labels
        if found.mapTo(dialog, found.rect().center()).x() > middle.x()
        and abs(found.mapTo(dialog, found.rect().center()).y() - middle.y()) <= 4
        and found.parentWidget() is words.parentWidget()
    ]
    return same_row[0].text() if same_row else None


def test_every_action_stands_beside_its_shortcut(dialog):
    assert not dialog.isModal()
    for menu, actions in GROUPS:
        assert any(found.text() == menu for found in dialog.findChildren(QLabel))
        for action, shortcut in actions:
            assert row_of(dialog, action) == (shortcut or None)


@pytest.mark.parametrize(
    "action, gesture",
    [
        ("Move the point", "Drag the ring"),
        ("Put the point there", "Click on the map"),
        ("Move the view", "Drag empty map"),
        ("Zoom at the cursor", "Wheel or pinch"),
        ("Nudge what is selected, or the point", "← → ↑ ↓"),
        ("Pin a point, begin a path, and more", "Right click"),
        ("Zoom in and out", "+ −"),
        ("Show the prior, the encodings and the point", "0 or Home"),
        ("Show the view before, or after it", "Back, Forward"),
        ("Go to the next control", "Tab"),
        ("Move a slider", "← →"),
        ("Show all of it again", "Double-click, Home"),
        ("Cancel a drag", "Esc"),
    ],
)
def test_the_mouse_on_the_map(dialog, action, gesture):
    assert row_of(dialog, action) == gesture


def test_long_lists_scroll_by_keys_and_nothing_is_cut_off_sideways(dialog, qtbot):
    scroll = dialog.findChild(QScrollArea)
    assert scroll.widget().width() <= scroll.viewport().width()
    assert scroll.verticalScrollBar().maximum() > 0
    scroll.setFocus()
    qtbot.keyClick(scroll, Qt.Key.Key_PageDown)
    assert scroll.verticalScrollBar().value() > 0


def test_the_whole_sheet_fits_the_smallest_usual_window(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    actions = Actions(window)
    dialog = HelpDialog(actions.groups())
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    assert dialog.width() <= 1100 and dialog.height() <= 700
    scroll = dialog.findChild(QScrollArea)
    assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()
    shown = {found.text(): found for found in dialog.findChildren(QLabel) if found.property("role") != "title"}
    for _, listed in actions.groups():
        for action, shortcut in listed:
            assert row_of(dialog, action) == shortcut
            assert shown[action].height() >= shown[action].heightForWidth(shown[action].width())
            assert shown[shortcut].width() >= shown[shortcut].sizeHint().width()
    lowest = [
        max(found.mapTo(scroll.widget(), found.rect().bottomLeft()).y() for found in column)
        for column in columns(dialog)
    ]
    assert len(lowest) == 3
    assert max(lowest) < 1.5 * min(lowest), "the columns are about as high as each other"


def columns(dialog):
    """The labels of each column, by where their cards begin."""
    found = {}
    for text in dialog.findChildren(QLabel):
        found.setdefault(text.parentWidget().x(), []).append(text)
    return [labels for _, labels in sorted(found.items())]


@pytest.mark.parametrize("key", [Qt.Key.Key_F1, Qt.Key.Key_Question])
def test_two_keys_open_it(qtbot, key):
    window = QMainWindow()
    qtbot.addWidget(window)
    actions = Actions(window)
    actions.fill(window.menuBar())
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    with qtbot.waitSignal(actions.help.triggered, timeout=10_000):
        qtbot.keyClick(window, key)


def test_escape_closes(dialog, qtbot):
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


@pytest.mark.parametrize("colours", [theme.DARK, theme.LIGHT], ids=lambda colours: colours.name)
def test_it_wears_the_theme(qapp, dialog, colours):
    theme.apply(qapp, colours)
    try:
        qapp.processEvents()
        corner = dialog.grab().toImage().pixelColor(3, 3)
        assert corner.name() == colours.window
    finally:
        qapp.setStyleSheet("")
