"""Live training in the real window: references and memory stay where they are."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QEventLoop, QPoint, QSettings, Qt, QTimer
from PySide6.QtWidgets import QPushButton

from vae_studio.core import library
from vae_studio.core.events import Progress
from vae_studio.ui.main_window import MainWindow

STEADY_AFTER = 0.3  # of the time: caches of fonts, tiles and curves have filled by then


def resident_megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def live(seconds: float) -> None:
    """Let the window live. (QTest.qWait would keep the worker threads waiting for the interpreter.)"""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("seconds", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_live_curves_cost_no_reference_and_no_memory(
    qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow("explorer-2d", [(m.name, m.title) for m in library.shipped_models()], store)
    window.resize(1440, 900)
    window.show()
    qtbot.waitUntil(lambda: window.session.opened is not None, timeout=60_000)
    # Only counted: a kept snapshot is a kept model.
    progresses = 0

    def count(event: object) -> None:
        nonlocal progresses
        progresses += isinstance(event, Progress)

    window.training.said.connect(count)
    qtbot.mouseClick(window.findChild(QPushButton, "train_button"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: progresses > 0, timeout=60_000)
    latent_map = window.map_panel.map
    start = time.monotonic()
    references = memory = None
    moves = 0
    while time.monotonic() - start < seconds:
        # The point is dragged round and round meanwhile.
        moves += 1
        position = QPoint(200 + 7 * moves % 300, 100 + 5 * moves % 200)
        qtbot.mouseClick(latent_map, Qt.MouseButton.LeftButton, pos=position)
        live(0.02)
        if references is None and time.monotonic() - start > STEADY_AFTER * seconds:
            progresses = 0
            references, memory = sys.getrefcount(None), resident_megabytes()
    change, growth = sys.getrefcount(None) - references, resident_megabytes() - memory
    window.close()
    window.deleteLater()
    assert progresses > 3 * seconds, "curves must have been live"
    assert moves > 6 * seconds
    # A binding that drops a reference at each call loses thousands a second, and at zero the interpreter aborts.
    # pyqtgraph's axes gain a handful each time they are drawn anew.
    assert -200 < change < 100 * progresses, f"references to None changed by {change} over {progresses} events"
    assert growth < 40, f"memory grew by {growth:.0f} MB"
