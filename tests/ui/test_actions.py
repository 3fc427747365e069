"""Menus and shortcuts: every action can be found, named and pressed."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu

from vae_studio.ui.actions import Actions


@pytest.fixture
def window(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(600, 300)
    return window


@pytest.fixture
def actions(window):
    return Actions(window)


def every(actions):
    return {name: value for name, value in vars(actions).items() if isinstance(value, QAction)}


def is_left_to_the_focus(action):
    """Ctrl+V is shown in the menu, but comes to the window only where what has the focus has no use for it."""
    return action.shortcutContext() == Qt.ShortcutContext.WidgetShortcut and action.text() == "Paste image"


def in_menus(window):
    """The actions of every menu of the bar, by its title."""
    menus = [action.menu() for action in window.menuBar().actions()]
    assert all(isinstance(menu, QMenu) for menu in menus)
    return {
        menu.title().replace("&", ""): [action for action in menu.actions() if not action.isSeparator()]
        for menu in menus
    }


def test_every_action_has_a_text_and_a_shortcut_of_its_own(actions):
    found = every(actions)
    assert len(found) >= 15
    for name, action in found.items():
        assert action.text().strip(), name
        assert not action.shortcut().isEmpty(), name
        assert action.shortcut().toString(), f"{name}: Qt does not know this key"
    texts = [action.text() for action in found.values()]
    assert len(set(texts)) == len(texts)
    shortcuts = [action.shortcut().toString() for action in found.values()]
    assert len(set(shortcuts)) == len(shortcuts)


def test_no_shortcut_is_the_beginning_of_another(actions):
    found = list(every(actions).values())
    for one in found:
        for other in found:
            if one is not other:
                assert one.shortcut().matches(other.shortcut()) == QKeySequence.SequenceMatch.NoMatch


def test_no_shortcut_is_a_key_that_fields_and_the_map_use(actions):
    """Plain letters and digits are typed, arrows nudge the point, Ctrl+C and its kin belong to text fields.

    So does Ctrl+Z, but a text field that has focus takes it before the window does.
    """
    taken = {"Ctrl+A", "Ctrl+C", "Ctrl+V", "Ctrl+X", "Ctrl+Y", "Esc", "Return", "Tab", "Space", "Del"}
    for name, action in every(actions).items():
        shortcut = action.shortcut()
        if is_left_to_the_focus(action):
            continue
        assert shortcut.toString() not in taken, name
        key = shortcut[0]
        function_key = Qt.Key.Key_F1 <= key.key() <= Qt.Key.Key_F35
        modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        assert function_key or key.keyboardModifiers() & modifiers, name


def test_every_action_is_in_one_menu(window, actions):
    actions.fill(window.menuBar())
    menus = in_menus(window)
    assert list(menus) == ["File", "Edit", "View", "Train", "Image", "Explore", "Help"]
    listed = [action for found in menus.values() for action in found]
    assert sorted(map(id, listed)) == sorted(map(id, every(actions).values()))


def test_the_help_page_lists_what_the_menus_show(window, actions):
    actions.fill(window.menuBar())
    shown = [
        (title, [(a.text(), a.shortcut().toString(QKeySequence.SequenceFormat.NativeText)) for a in found])
        for title, found in in_menus(window).items()
    ]
    assert actions.groups() == shown


def test_each_menu_opens_by_a_letter_of_its_own(window, actions, qtbot):
    actions.fill(window.menuBar())
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    for letter, menu in zip("fevtixh", in_menus(window), strict=True):
        qtbot.keyClick(window, letter, Qt.KeyboardModifier.AltModifier)
        opened = QApplication.activePopupWidget()
        assert opened is not None and opened.title().replace("&", "") == menu
        qtbot.keyClick(opened, Qt.Key.Key_Escape)
    taken = {action.shortcut().toString() for action in every(actions).values()}
    assert not taken & {f"Alt+{letter}" for letter in "FEVTIXH"}


def test_no_menu_begins_or_ends_with_a_line(window, actions):
    actions.fill(window.menuBar())
    for bar_action in window.menuBar().actions():
        entries = bar_action.menu().actions()
        separators = [action.isSeparator() for action in entries]
        assert not separators[0] and not separators[-1]
        assert not any(one and other for one, other in itertools.pairwise(separators))


def test_keys_reach_them(window, actions, qtbot):
    actions.fill(window.menuBar())
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    for name, action in every(actions).items():
        if is_left_to_the_focus(action):
            continue
        action.setEnabled(True)
        key = action.shortcut()[0]
        with qtbot.waitSignal(action.triggered, timeout=10_000, raising=False) as pressed:
            qtbot.keyClick(window, key.key(), key.keyboardModifiers())
        assert pressed.signal_triggered, name


def test_undoing_says_what(window, actions):
    actions.fill(window.menuBar())
    named = actions.groups()
    assert not actions.undo.isEnabled() and not actions.redo.isEnabled()
    actions.show_history("move the point", "")
    assert (actions.undo.text(), actions.redo.text()) == ("Undo: move the point", "Redo")
    assert actions.undo.isEnabled() and not actions.redo.isEnabled()
    actions.show_history("", "choose axes")
    assert (actions.undo.text(), actions.redo.text()) == ("Undo", "Redo: choose axes")
    assert actions.groups() == named, "the help page names keys, not what they would do now"


def test_a_key_that_is_held_takes_one_step(actions):
    assert not actions.step.autoRepeat()


def test_one_view_at_a_time(actions):
    assert [action.isChecked() for action in actions.views()] == [True, False, False, False]
    for index, action in enumerate((actions.explore, actions.reconstruct, actions.evaluate, actions.sample)):
        action.trigger()
        assert [other.isChecked() for other in actions.views()] == [i == index for i in range(4)]
    for panel in (actions.setup_panel, actions.decoder_panel, actions.training_panel):
        assert panel.isCheckable() and panel.isChecked()
    assert actions.timings.isCheckable() and not actions.timings.isChecked()


def test_the_name_that_others_rely_on(window, actions):
    assert window.findChild(QAction, "theme_action") is actions.theme
