"""Random clicks, drags, wheels and keys all over the window: no exception, no Qt warning, and the window lives on."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QPoint, QPointF, QSettings, Qt, QTimer
from PySide6.QtGui import QContextMenuEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from vae_studio.core import library
from vae_studio.ui.main_window import MainWindow

PERIOD_MS = 15
NO, SHIFT, CTRL, ALT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)
LEFT, RIGHT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.NoButton
KEYS = [
    *(Qt.Key(code) for code in range(Qt.Key.Key_0, Qt.Key.Key_9 + 1)),
    *(Qt.Key(code) for code in range(Qt.Key.Key_A, Qt.Key.Key_Z + 1)),
    *(Qt.Key(code) for code in range(Qt.Key.Key_F1, Qt.Key.Key_F12 + 1)),
    *(4 * [Qt.Key.Key_Tab, Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Space]),
    *(2 * [Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Delete, Qt.Key.Key_Home]),
    *(Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_Comma, Qt.Key.Key_Period, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown),
]


class Fuzzer(QObject):
    """Does something at random every few milliseconds, also while a dialog or a menu has a loop of its own."""

    def __init__(self, window: MainWindow, seed: int) -> None:
        super().__init__(window)
        self._window, self._chance = window, random.Random(seed)
        self.done: list[str] = []
        self._stopped = False
        self._beside = 0
        self._act()

    def stop(self) -> None:
        self._stopped = True

    def _act(self) -> None:
        if self._stopped:
            return
        # What opens a dialog comes back only when that is closed: the next event must not wait for it, and one timer
        # is not fired again within its own slot.
        QTimer.singleShot(PERIOD_MS, self._act)
        target = QApplication.activePopupWidget() or QApplication.activeModalWidget() or QApplication.activeWindow()
        target = target or self._window
        self._beside = 0 if target is self._window else self._beside + 1
        if self._beside > 25:  # long enough in a menu or a dialog
            self._beside = 0
            self.done.append("close")
            target.close()
            return
        kind = self._chance.choices(
            ("move", "click", "double", "right", "drag", "wheel", "key"), (10, 12, 2, 3, 10, 10, 14)
        )[0]
        pos = QPoint(self._chance.randrange(target.width()), self._chance.randrange(target.height()))
        self.done.append(f"{kind} {type(target).__name__} {pos.x()},{pos.y()}")
        getattr(self, f"_{kind}")(target, pos)

    def _modifier(self) -> Qt.KeyboardModifier:
        return self._chance.choices((NO, SHIFT, CTRL), (8, 2, 1))[0]

    def _move(self, target: QWidget, pos: QPoint) -> None:
        QTest.mouseMove(target.windowHandle(), pos)

    def _click(self, target: QWidget, pos: QPoint) -> None:
        QTest.mouseClick(target.windowHandle(), LEFT, self._modifier(), pos)

    def _double(self, target: QWidget, pos: QPoint) -> None:
        QTest.mouseDClick(target.windowHandle(), LEFT, NO, pos)

    def _right(self, target: QWidget, pos: QPoint) -> None:
        QTest.mouseClick(target.windowHandle(), RIGHT, NO, pos)
        if isValid(target) and (child := target.childAt(pos)) is not None:
            QApplication.postEvent(child, _context_menu(child, child.mapFrom(target, pos)))

    def _drag(self, target: QWidget, pos: QPoint) -> None:
        handle, modifier, x, y = target.windowHandle(), self._modifier(), pos.x(), pos.y()
        right, bottom = target.width() - 1, target.height() - 1
        QTest.mousePress(handle, LEFT, modifier, pos)
        for _ in range(self._chance.randrange(1, 8)):
            x = min(max(x + self._chance.randrange(-60, 61), 0), right)
            y = min(max(y + self._chance.randrange(-60, 61), 0), bottom)
            if not isValid(handle):  # the press has closed it
                return
            QTest.mouseMove(handle, QPoint(x, y))
        QTest.mouseRelease(handle, LEFT, modifier, QPoint(x, y))

    def _wheel(self, target: QWidget, pos: QPoint) -> None:
        child = target.childAt(pos) or target
        place = QPointF(child.mapFrom(target, pos))
        angle = QPoint(0, self._chance.choice((-240, -120, 120, 120, 240)))
        globally = QPointF(target.mapToGlobal(pos))
        phase = Qt.ScrollPhase.NoScrollPhase
        QApplication.sendEvent(child, QWheelEvent(place, globally, QPoint(), angle, NONE, NO, phase, False))

    def _key(self, target: QWidget, _: QPoint) -> None:
        key, modifier = self._chance.choice(KEYS), self._chance.choices((NO, SHIFT, CTRL, ALT), (8, 2, 3, 1))[0]
        self.done[-1] += f" {key.name} {modifier.name}"
        QTest.keyClick(target.windowHandle(), key, modifier)


def _context_menu(child: QWidget, pos: QPoint) -> QContextMenuEvent:
    return QContextMenuEvent(QContextMenuEvent.Reason.Mouse, pos, child.mapToGlobal(pos))


@pytest.mark.parametrize(
    ("seconds", "seed", "model"),
    [
        (4, 0, "explorer-2d"),
        pytest.param(60, 1, "explorer-2d", marks=pytest.mark.slow),
        pytest.param(60, 2, "pytorch-example", marks=pytest.mark.slow),
    ],
)
def test_random_input_does_no_harm(
    qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, seed: int, model: str
) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow(model, [(m.name, m.title) for m in library.shipped_models()], store, tmp_path / "last.json")
    qtbot.addWidget(window)
    window.actions_.quit.setEnabled(False)
    window.resize(1100, 700)
    window.show()
    qtbot.waitUntil(lambda: window.session.opened is not None, timeout=60_000)
    fuzzer = Fuzzer(window, seed)
    end = time.monotonic() + seconds
    qtbot.waitUntil(lambda: time.monotonic() > end and len(fuzzer.done) > 8 * seconds, timeout=1000 * seconds + 60_000)
    fuzzer.stop()
    print("\n".join(fuzzer.done))  # shown where it fails
    while (other := QApplication.activePopupWidget() or QApplication.activeModalWidget()) is not None:
        other.close()
        qtbot.wait(20)
    assert window.isVisible()
    window.training.stop()
    qtbot.waitUntil(lambda: not window.training.going, timeout=60_000)
    # It still answers: the point goes where it is put, and its image comes.
    window.session.restore(window.session.exploration)
    target = tuple(0.25 for _ in window.session.exploration.point)
    with qtbot.waitSignal(window.renderer.frame, timeout=60_000):
        window.session.move_point(target)
    assert window.session.scene.point == target
    window.close()
