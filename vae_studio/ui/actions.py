"""Menus and shortcuts: every action once, by name. What they do is connected in the main window."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar


class Actions(QObject):
    """All actions, as attributes; `menus` fills a menu bar, `groups` lists them for the help page."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layout: list[tuple[str, list[QAction | None]]] = []
        self.open_model = self._make("Open model…", "Ctrl+O")
        self.save_model = self._make("Save model as…", "Ctrl+Shift+S")
        self.export = self._make("Export image grid…", "Ctrl+E")
        self.quit = self._make("Quit", "Ctrl+Q")
        self.explore = self._make("Explore", "Ctrl+1")
        self.reconstruct = self._make("Reconstruct", "Ctrl+2")
        self.evaluate = self._make("Evaluate", "Ctrl+3")
        self.fit = self._make("Fit map", "Ctrl+F")
        self.theme = self._make("Switch dark and light", "Ctrl+T", name="theme_action")
        self.system_theme = self._make("Follow the system’s theme", "Ctrl+Shift+T", checkable=True)
        self.setup_panel = self._make("Setup panel", "Ctrl+Alt+1", checkable=True)
        self.decoder_panel = self._make("Decoder panel", "Ctrl+Alt+2", checkable=True)
        self.training_panel = self._make("Training panel", "Ctrl+Alt+3", checkable=True)
        self.train = self._make("Train", "F5")
        self.pause = self._make("Pause or resume", "F6")
        self.stop = self._make("Stop", "F7")
        self.step = self._make("One step", "F8")
        self.step.setAutoRepeat(False)  # one at each press
        self.random = self._make("Random point", "Ctrl+R")
        self.reset = self._make("Reset point to 0", "Ctrl+0")
        self.copy = self._make("Copy z", "Ctrl+Shift+C")
        self.help = self._make("Mouse and keys", "F1")
        self.about = self._make("About VAE Studio", "Shift+F1")
        views = QActionGroup(self)
        for action in self.views():
            action.setCheckable(True)
            views.addAction(action)
        self.explore.setChecked(True)
        self._layout = [
            ("File", [self.open_model, self.save_model, None, self.export, None, self.quit]),
            (
                "View",
                [
                    *(*self.views(), self.fit, None),
                    *(*self.panels().values(), None),
                    *(self.theme, self.system_theme),
                ],
            ),
            ("Train", [self.train, self.pause, self.stop, None, self.step]),
            ("Explore", [self.random, self.reset, self.copy]),
            ("Help", [self.help, self.about]),
        ]

    def views(self) -> tuple[QAction, ...]:
        """The actions that choose what stands in the middle, in the order of the run bar."""
        return self.explore, self.reconstruct, self.evaluate

    def panels(self) -> dict[str, QAction]:
        """The actions that show or hide a panel, by its name."""
        return {"setup": self.setup_panel, "decoder": self.decoder_panel, "training": self.training_panel}

    def fill(self, bar: QMenuBar) -> None:
        """Add every menu to a menu bar."""
        for title, actions in self._layout:
            menu = QMenu(title, bar)
            bar.addMenu(menu)
            for action in actions:
                if action is None:
                    menu.addSeparator()
                else:
                    menu.addAction(action)

    def groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Each menu with its actions' texts and shortcuts."""
        return [
            (title, [(a.text(), a.shortcut().toString(QKeySequence.SequenceFormat.NativeText)) for a in actions if a])
            for title, actions in self._layout
        ]

    def _make(self, text: str, shortcut: str, *, checkable: bool = False, name: str = "") -> QAction:
        action = QAction(text, self.parent())
        action.setShortcut(QKeySequence(shortcut))
        action.setCheckable(checkable)
        action.setChecked(checkable)
        action.setObjectName(name)
        return action
