"""The sliders in the whole window: their pictures are of the model on view, follow the point, and can be put away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QSlider
from small_models import decoded, rounds_to

from vae_studio.core import library
from vae_studio.core.scene import StripsFrame
from vae_studio.ui.main_window import MainWindow

WAIT = 60_000
CTRL, SHIFT, ALT = (getattr(Qt.KeyboardModifier, f"{name}Modifier") for name in ("Control", "Shift", "Alt"))


@pytest.fixture
def start(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Starts the program on a model of 20 dimensions; the next start finds what the one before remembered."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    windows = []

    def begin() -> MainWindow:
        store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
        window = MainWindow("pytorch-example", [(m.name, m.title) for m in library.shipped_models()], store)
        windows.append(window)
        window.resize(1440, 900)
        window.show()
        qtbot.waitUntil(lambda: window.session.has_images, timeout=WAIT)
        return window

    yield begin
    for window in windows:
        window.close()
        window.deleteLater()


def test_the_sliders_show_what_they_do_from_where_the_point_is(start, qtbot) -> None:
    window = start()
    sliders, frames = window.decoder.sliders, []
    window.renderer.frame.connect(lambda frame: frames.append(frame) if isinstance(frame, StripsFrame) else None)
    card = window.session.opened.card["kl_per_dim"]
    best = int(np.argmax(card))
    assert sliders.list.in_sight()[0] == best, "the most informative one comes first"

    point = np.random.default_rng(5).normal(size=20)
    window.session.move_point(tuple(point.tolist()))
    model, track = window.session.opened.model, window.findChild(QSlider, f"latent_slider_{best}")

    def shown() -> bool:
        strip = track.strip()
        if strip is None or not frames or not np.array_equal(frames[-1].points[0, :best], point[:best]):
            return False
        count = strip.shape[1] // 28
        z = np.tile(point, (count, 1))
        z[:, best] = -4.0 + 8.0 * (np.arange(count) + 0.5) / count
        return rounds_to(strip.reshape(28, count, 28).swapaxes(0, 1), decoded(model, z))

    qtbot.waitUntil(shown, timeout=WAIT)

    # They can be put away with a key, and found with another; both are remembered.
    with qtbot.waitActive(window):
        window.activateWindow()
    tall = sliders.content_height()
    QTest.keyClick(window, Qt.Key.Key_4, CTRL | ALT)
    assert sliders.content_height() < tall and track.strip() is None
    qtbot.waitUntil(lambda: window.session.scene.strips is None, timeout=WAIT)
    QTest.keyClick(window, Qt.Key.Key_F, CTRL | SHIFT)
    search = window.findChild(QLineEdit, "sliders_search")
    assert QApplication.focusWidget() is search
    QTest.keyClicks(search, "z17")
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert QApplication.focusWidget() is window.findChild(QSlider, "latent_slider_16")
    QTest.keyClick(search, Qt.Key.Key_Escape)
    window.findChild(QPushButton, "sliders_by_kl").click()
    window.close()
    again = start()
    assert again.decoder.sliders.list.in_sight()[:3] == (0, 1, 2)
    assert not again.actions_.strips.isChecked() and again.session.scene.strips is None
