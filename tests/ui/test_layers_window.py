"""Density and dimming in the whole window: real models, jobs and mouse, undo, and the session file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vae_studio.core import datasets, library
from vae_studio.core.config import DataConfig
from vae_studio.core.density import Density
from vae_studio.core.exploration import Layers
from vae_studio.core.nearness import Surroundings, spacing
from vae_studio.ui.main_window import MainWindow

WAIT = 60_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Watched:
    """The window, with what its layers were given last."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self.qtbot, self.window, self.map = qtbot, window, window.map_panel.map
        self.density: Density | None = None
        self.surroundings: Surroundings | None = None
        window.density.density_changed.connect(self.take_density)
        window.nearness.surroundings_changed.connect(self.take_surroundings)

    def take_density(self, density: Density | None) -> None:
        self.density = density

    def take_surroundings(self, surroundings: Surroundings | None) -> None:
        self.surroundings = surroundings

    @property
    def layers(self) -> Layers:
        return self.window.session.exploration.layers

    def child(self, name: str) -> QWidget:
        return self.window.findChild(QWidget, name)

    def press(self, name: str) -> None:
        self.qtbot.mouseClick(self.window.findChild(QAbstractButton, name), LEFT)

    def wait(self, done: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(lambda: bool(done()), timeout=WAIT)

    def drag(self, start: QPoint, *others: QPoint) -> None:
        handle = self.window.windowHandle()
        QTest.mousePress(handle, LEFT, NONE, start)
        for place in others:
            QTest.mouseMove(handle, place)
            QApplication.processEvents()
        QTest.mouseRelease(handle, LEFT, NONE, others[-1])


@pytest.fixture
def watched(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """At 1440×900 on the 2-D explorer, as soon as it is open."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow("explorer-2d", [(m.name, m.title) for m in library.shipped_models()], store)
    watched = Watched(qtbot, window)
    window.resize(1440, 900)
    window.show()
    qtbot.waitUntil(lambda: window.session.has_images, timeout=WAIT)
    yield watched
    window.close()


def exactly(model, images: torch.Tensor, places: np.ndarray, cell: float) -> np.ndarray:
    """q(z) at places (n, 2) by torch's mixture of what the encoder says of these images."""
    posterior = model.encode(images[:, None].float() / 255)
    wide = (posterior.scale.double().square() + (cell / 2) ** 2).sqrt()
    parts = Independent(Normal(posterior.mean.double(), wide), 1)
    mixture = MixtureSameFamily(Categorical(torch.ones(len(images), dtype=torch.float64)), parts)
    return mixture.log_prob(torch.from_numpy(places)).exp().numpy()


def test_the_density_is_that_of_the_data_follows_the_view_goes_and_is_cancelled(watched: Watched) -> None:
    it, images = watched, datasets.load(DataConfig()).train.images[:10_000]
    it.press("density_chip")
    it.wait(lambda: it.density is not None)
    density, model = it.density, it.window.session.scene.model
    assert density.images == 10_000 and it.child("density_overlay").isVisible()
    rows, columns = density.values.shape
    cell = (density.region.right - density.region.left) / columns
    chosen = np.random.default_rng(1).integers((0, 0), (rows, columns), (60, 2))
    chosen[0] = np.unravel_index(density.values.argmax(), density.values.shape)
    u = density.region.left + (chosen[:, 1] + 0.5) * cell
    v = density.region.top - (chosen[:, 0] + 0.5) * (density.region.top - density.region.bottom) / rows
    exact = exactly(model, images, np.stack([u, v], axis=1), cell)
    found = density.values[chosen[:, 0], chosen[:, 1]]
    np.testing.assert_allclose(found, exact, rtol=0.01, atol=1e-3 * exact.max())

    for _ in range(9):
        QTest.keyClick(it.map, Qt.Key.Key_Plus)
    view = it.map.view()
    it.wait(lambda: it.density is not density and it.density.region.right < view.right + 0.3 * (view.right - view.left))
    region = it.density.region
    assert region.left <= view.left and view.right <= region.right
    assert region.bottom <= view.bottom and view.top <= region.top
    assert 0.99 * density.peak <= it.density.peak < 3 * density.peak  # colours keep their meaning, nearly
    with_density = it.map.grab().toImage()
    it.press("density_chip")
    assert it.density is None and not it.child("density_overlay").isVisible()
    assert it.map.grab().toImage() != with_density

    # The worker has something else to do: it takes long, and is cancelled.
    let_go = threading.Event()

    def busy() -> Iterator[None]:
        let_go.wait(WAIT / 1000)
        yield None

    it.window.density._jobs.submit(busy, lambda _: None, it.window.report)
    try:
        it.press("density_chip")
        it.wait(lambda: it.child("density_cancel").isVisible())
        assert it.child("density_progress").isVisible()
        it.child("density_cancel").setFocus()
        it.press("density_cancel")
        assert it.window.focusWidget() is it.map
        assert not it.layers.density and not it.child("density_chip").isChecked()
        assert not it.child("density_overlay").isVisible()
    finally:
        let_go.set()
    it.window.actions_.undo.trigger()
    assert it.child("density_chip").isChecked()
    it.wait(lambda: it.density is not None)
    assert not it.child("density_cancel").isVisible()


def test_tiles_are_dimmed_by_what_the_encodings_are_and_an_opacity_is_undone_at_once(watched: Watched) -> None:
    it, means = watched, []
    it.window.frames.encodings.connect(lambda frame: means.append(frame.means))
    it.wait(lambda: means)
    it.press("layers_button")
    before = it.map.grab().toImage()
    it.press("layer_dimmed")
    it.wait(lambda: it.surroundings is not None)
    assert it.surroundings.near == pytest.approx(spacing(means[-1]))
    np.testing.assert_allclose(it.surroundings.places, means[-1], atol=1e-6)
    assert it.map.grab().toImage() != before

    slider = it.child("layer_encodings_opacity").slider
    places = [slider.mapTo(it.window, QPoint(x, slider.height() // 2)) for x in (slider.width() - 7, 90, 60, 40)]
    it.drag(*places)
    turned = it.layers.encodings_opacity
    assert turned < 0.6
    assert it.window.session.undoing == "change an opacity"
    it.window.actions_.undo.trigger()
    assert it.layers == Layers(dimmed=True)
    it.window.actions_.redo.trigger()
    assert it.layers == replace(Layers(dimmed=True), encodings_opacity=turned)
    assert slider.value() == pytest.approx(1000 * turned, abs=1)
