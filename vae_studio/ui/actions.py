"""Menus and shortcuts: every action once, by name. What they do is connected in the main window."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

_MNEMONICS = {
    title.replace("&", ""): title for title in ("&File", "&Edit", "&View", "&Train", "&Image", "E&xplore", "&Help")
}


class Actions(QObject):
    """All actions, as attributes; `menus` fills a menu bar, `groups` lists them for the help page."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layout: list[tuple[str, list[QAction | None]]] = []
        self._names: dict[QAction, str] = {}
        self.open_model = self._make("Open model…", "Ctrl+O")
        self.save_model = self._make("Save model as…", "Ctrl+Shift+S")
        self.open_session = self._make("Open session…", "Ctrl+Shift+O")
        self.save_session = self._make("Save session as…", "Ctrl+S")
        self.export = self._make("Export image grid…", "Ctrl+E")
        self.quit = self._make("Quit", "Ctrl+Q")
        self.undo = self._make("Undo", "Ctrl+Z")
        self.redo = self._make("Redo", "Ctrl+Shift+Z")
        self.explore = self._make("Explore", "Ctrl+1")
        self.reconstruct = self._make("Reconstruct", "Ctrl+2")
        self.evaluate = self._make("Evaluate", "Ctrl+3")
        self.sample = self._make("Sample", "Ctrl+4")
        self.fit = self._make("Fit map", "Ctrl+F")
        self.back = self._make("Previous view of the map", "Alt+Left")
        self.forward = self._make("Next view of the map", "Alt+Right")
        self.plane = self._make("Plane of the map…", "Ctrl+Shift+M")
        self.layers = self._make("Layers of the map, or close them", "Ctrl+Alt+L")
        self.theme = self._make("Switch dark and light", "Ctrl+T", name="theme_action")
        self.system_theme = self._make("Follow the system’s theme", "Ctrl+Shift+T", checkable=True)
        self.setup_panel = self._make("Setup panel", "Ctrl+Alt+1", checkable=True)
        self.decoder_panel = self._make("Decoder panel", "Ctrl+Alt+2", checkable=True)
        self.training_panel = self._make("Training panel", "Ctrl+Alt+3", checkable=True)
        self.strips = self._make("Pictures on the sliders", "Ctrl+Alt+4", checkable=True)
        self.timings = self._make("Timings", "F12", checkable=True)
        self.timings.setChecked(False)
        self.train = self._make("Train", "F5")
        self.pause = self._make("Pause or resume", "F6")
        self.stop = self._make("Stop", "F7")
        self.step = self._make("One step", "F8")
        self.step.setAutoRepeat(False)  # one at each press
        self.random = self._make("Random point", "Ctrl+R")
        self.reset = self._make("Reset point to 0", "Ctrl+0")
        self.to_plane = self._make("Point onto the plane", "Ctrl+Shift+0")
        self.new_samples = self._make("New samples", "Ctrl+N")
        self.copy = self._make("Copy z", "Ctrl+Shift+C")
        self.paste = self._make("Paste z", "Ctrl+Shift+V")
        self.find_slider = self._make("Find a slider", "Ctrl+Shift+F")
        self.pin = self._make("Pin the point", "Ctrl+P")
        self.combine = self._make("Combine points and groups", "Ctrl+K")
        self.start_path = self._make("Start a path at the point", "Ctrl+Shift+L")
        self.add_to_path = self._make("Add the point to the path", "Ctrl+L")
        self.play = self._make("Play the path, or stop", "F9")
        self.go_to_selection = self._make("Go to the mean of the selection", "Ctrl+Shift+G")
        self.pin_selection = self._make("Pin the mean of the selection", "Ctrl+Shift+P")
        self.encode_selected = self._make("Encode the selected image", "Ctrl+Shift+E")
        self.select_none = self._make("Select no encoding", "Ctrl+Shift+A")
        for action in self.of_selection():
            action.setEnabled(False)
        for action in (self.undo, self.redo, self.back, self.forward, self.step, self.play):
            action.setEnabled(False)
        self.show_run_state("idle")
        self.draw = self._make("Draw a digit…", "Ctrl+D")
        self.open_image = self._make("Open image…", "Ctrl+I")
        self.paste_image = self._make("Paste image", "Ctrl+V")
        # The key is shown only: it is for what has the focus, and comes to the window where that has no use for it.
        self.paste_image.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.test_image = self._make("Random test image", "Ctrl+Shift+R")
        self.go_to_mean = self._make("Go to μ", "Ctrl+G")
        self.improve = self._make("Improve q(z|x), or stop", "Ctrl+Shift+I")
        self.help = self._make("Mouse and keys", "F1")
        self.help.setShortcuts([QKeySequence("F1"), QKeySequence("?")])
        self.about = self._make("About VAE Studio", "Shift+F1")
        views = QActionGroup(self)
        for action in self.views():
            action.setCheckable(True)
            views.addAction(action)
        self.explore.setChecked(True)
        self._layout = [
            (
                "File",
                [
                    *(self.open_model, self.save_model, None),
                    *(self.open_session, self.save_session, None),
                    *(self.export, None, self.quit),
                ],
            ),
            ("Edit", [self.undo, self.redo]),
            (
                "View",
                [
                    *(*self.views(), None),
                    *(self.fit, self.back, self.forward, self.plane, self.layers, None),
                    *(*self.panels().values(), None),
                    *(self.theme, self.system_theme),
                ],
            ),
            ("Train", [self.train, self.pause, self.stop, None, self.step]),
            (
                "Image",
                [
                    *(self.draw, self.open_image, self.paste_image, self.test_image, None),
                    *(self.go_to_mean, self.improve),
                ],
            ),
            (
                "Explore",
                [
                    *(self.random, self.reset, self.to_plane, self.copy, self.paste, self.find_slider, None),
                    *(self.new_samples, None),
                    *(self.pin, self.combine, None, self.start_path, self.add_to_path, self.play, None),
                    *self.of_selection(),
                ],
            ),
            ("Help", [self.help, self.about]),
        ]

    def views(self) -> tuple[QAction, ...]:
        """The actions that choose what stands in the middle, in the order of the run bar."""
        return self.explore, self.reconstruct, self.evaluate, self.sample

    def of_selection(self) -> tuple[QAction, ...]:
        """What can be done while encodings are selected on the map."""
        return self.go_to_selection, self.pin_selection, self.encode_selected, self.select_none

    def show_selection(self, count: int) -> None:
        """So many encodings are selected."""
        for action in self.of_selection():
            action.setEnabled(count > 0)

    def show_history(self, undoing: str, redoing: str) -> None:
        """What can be undone and redone, in words; empty for nothing."""
        for action, what in ((self.undo, undoing), (self.redo, redoing)):
            action.setEnabled(bool(what))
            action.setText(f"{self._names[action]}: {what}" if what else self._names[action])

    def show_run_state(self, state: str) -> None:
        """Offer what can be done to a run that is idle, running, paused or ending."""
        self.train.setEnabled(state == "idle")
        self.pause.setEnabled(state in ("running", "paused"))
        self.stop.setEnabled(state in ("running", "paused"))

    def panels(self) -> dict[str, QAction]:
        """The actions that show or hide a panel, the sliders' pictures, or the timings over the map, by its name."""
        return {
            "setup": self.setup_panel,
            "decoder": self.decoder_panel,
            "training": self.training_panel,
            "strips": self.strips,
            "timings": self.timings,
        }

    def fill(self, bar: QMenuBar) -> None:
        """Add every menu to a menu bar."""
        for title, actions in self._layout:
            menu = QMenu(_MNEMONICS[title], bar)
            bar.addMenu(menu)
            for action in actions:
                if action is None:
                    menu.addSeparator()
                else:
                    menu.addAction(action)

    def groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Each menu with its actions' names and shortcuts."""
        native = QKeySequence.SequenceFormat.NativeText
        return [
            (title, [(self._names[a], a.shortcut().toString(native)) for a in actions if a])
            for title, actions in self._layout
        ]

    def _make(self, text: str, shortcut: str, *, checkable: bool = False, name: str = "") -> QAction:
        action = QAction(text, self.parent())
        self._names[action] = text
        action.setShortcut(QKeySequence(shortcut))
        action.setCheckable(checkable)
        action.setChecked(checkable)
        action.setObjectName(name)
        return action
