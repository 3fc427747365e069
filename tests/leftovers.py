"""What a test of the window has left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from PySide6.QtCore import QThread
    from PySide6.QtWidgets import QWidget


class Leftovers:
    """Knows the threads started and the windows shown while it watches; `names()` says which are still there."""

    _abandoned: ClassVar[list[object]] = []

    def __init__(self) -> None:
        # Strong references: a running QThread whose last one goes takes the whole process with it.
        self._threads = []

    def __enter__(self) -> Leftovers:
        from PySide6.QtCore import QThread

        self._start = QThread.start

        def start(thread: QThread, *priority: QThread.Priority) -> None:
            self._threads.append(thread)
            self._start(thread, *priority)

        QThread.start = start
        return self

    def __exit__(self, *_: object) -> None:
        from PySide6.QtCore import QThread

        QThread.start = self._start

    def names(self) -> list[str]:
        """Threads that run and top-level widgets that show, by class and objectName."""
        return [f"{type(o).__name__} “{o.objectName()}”" for o in (*self._running(), *self._visible())]

    def give_up(self) -> None:
        """Keep later tests from being blamed for what is still there."""
        self._abandoned += self._running()
        for widget in self._visible():
            widget.hide()

    def _running(self) -> list[QThread]:
        from shiboken6 import isValid

        return [thread for thread in self._threads if isValid(thread) and thread.isRunning()]

    def _visible(self) -> list[QWidget]:
        from PySide6.QtCore import QCoreApplication, QEvent, Qt
        from PySide6.QtWidgets import QApplication

        if QApplication.instance() is None:
            return []
        # A dialog with something to ask may refuse to be closed by pytest-qt, which then deletes it all the same.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        widgets = QApplication.topLevelWidgets()
        return [w for w in widgets if w.isVisible() and w.windowType() != Qt.WindowType.ToolTip]


def clear_theme() -> None:
    """Take the stylesheet from the application, if there are both."""
    from PySide6.QtWidgets import QApplication

    app = QApplication.instance()
    if app is not None and app.styleSheet():
        app.setStyleSheet("")
