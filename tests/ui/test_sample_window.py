"""Samples in the whole window: keys and clicks, the point and its undo, the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox
from small_models import decoded, explorer, rounds_to

from vae_studio.core import library
from vae_studio.core.session_file import read_session
from vae_studio.ui.main_window import MainWindow
from vae_studio.ui.pages import SAMPLE

WAIT = 60_000
LEFT, NONE, CTRL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    """At 1440×900 on the 2-D explorer, as soon as it is open; its session is kept in last.vaesession."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    shipped = [(m.name, m.title) for m in library.shipped_models()]
    window = MainWindow("explorer-2d", shipped, store, tmp_path / "last.vaesession")
    window.resize(1440, 900)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    qtbot.waitUntil(lambda: window.session.has_images, timeout=WAIT)
    yield window
    window.close()
    window.deleteLater()


def test_a_click_sends_a_sample_to_the_point_and_undo_takes_it_back(window, qtbot, tmp_path):
    grid, session = window.sampling.panel.grid, window.session
    before = session.exploration.point
    QTest.keyClick(window, Qt.Key.Key_4, CTRL)
    assert window.pages.currentIndex() == SAMPLE
    assert window.findChild(QAbstractButton, "sample_tab").isChecked() and window.actions_.sample.isChecked()
    qtbot.waitUntil(lambda: grid.count() == 60, timeout=WAIT)
    first = window.sampling.panel._sheet
    QTest.keyClick(window, Qt.Key.Key_N, CTRL)
    qtbot.waitUntil(lambda: window.sampling.panel._sheet.request.seed == 1, timeout=WAIT)
    sheet = window.sampling.panel._sheet
    assert not np.array_equal(sheet.points, first.points)
    assert rounds_to(sheet.images, decoded(explorer(), sheet.points))

    QTest.mouseClick(grid, LEFT, NONE, grid.sample_rect(5).center())
    assert session.exploration.point == tuple(sheet.points[5].tolist())
    assert grid.outlined == 5
    shown = []
    window.frames.point.connect(lambda frame: shown.append(frame.point))
    window.actions_.undo.trigger()
    assert session.exploration.point == before and grid.outlined is None
    window.actions_.redo.trigger()
    assert grid.outlined == 5
    qtbot.waitUntil(lambda: bool(shown) and shown[-1] == tuple(sheet.points[5].tolist()), timeout=WAIT)

    # The classes are those of the images, and another model has samples of its own.
    source = window.findChild(QComboBox, "sample_source")
    assert [source.itemText(i) for i in range(2, source.count())] == [f"Class {n}" for n in range(10)]
    window.models.open("pytorch-example")
    qtbot.waitUntil(lambda: grid.count() and window.sampling.panel._sheet.points.shape[1] == 20, timeout=WAIT)
    window.close()
    assert read_session(tmp_path / "last.vaesession").page == "sample"
