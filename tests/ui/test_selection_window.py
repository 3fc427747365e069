"""Encodings in the whole window, with real workers: the picture shown belongs to the point, whatever was done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from small_models import decoded, rounds_to

from vae_studio.core import library
from vae_studio.core.checkpoint import save_model
from vae_studio.core.config import MLPConfig, RunConfig
from vae_studio.core.model import VAE, build
from vae_studio.core.scene import Version
from vae_studio.ui.main_window import MainWindow

WAIT = 60_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def five(seed: int) -> VAE:
    """A VAE of five dimensions whose encodings are spread about as the prior is."""
    network = MLPConfig(widths=(32,), activation="tanh")
    model = build(RunConfig(network=network, latent_dims=5, seed=seed), small_models.SHAPE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
        last = model.encoder[-1]
        last.weight[:5] *= 0.5
        last.weight[5:] *= 0.1
        last.bias[5:] -= 2.0
    return model.requires_grad_(False).eval()


def truth(model: VAE, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """μ and σ² of q(z|x) of every image, by the encoder's layers in float32."""
    with torch.no_grad():
        outputs = model.encoder(torch.from_numpy(images[:, None].astype(np.float32) / 255)).numpy()
    return outputs[:, : model.latent_dims], np.exp(outputs[:, model.latent_dims :])


@pytest.fixture
def window(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    save_model(tmp_path / "five.safetensors", five(0), {})
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    store.setValue("theme", "dark")
    shipped = [(m.name, m.title) for m in library.shipped_models()]
    window = MainWindow(str(tmp_path / "five.safetensors"), shipped, store)
    window.resize(1440, 900)
    window.show()
    qtbot.waitUntil(lambda: window.session.encodings is not None, timeout=WAIT)
    # A double-click of a test before may still hold the button, with which nothing is hovered.
    QTest.mouseRelease(window.windowHandle(), LEFT, NONE, QPoint(2, window.height() - 2))
    yield window
    window.close()
    window.deleteLater()


class Explorer:
    """What a user does in the window, and what must then be seen."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self.qtbot, self.window, self.map = qtbot, window, window.map_panel.map
        self.images, self.labels = window.session.images.images, window.session.images.labels
        self.chance = np.random.default_rng(0)

    def move(self, pos: QPoint) -> None:
        QTest.mouseMove(self.window.windowHandle(), self.map.mapTo(self.window, pos))
        QApplication.processEvents()

    def drag(self, *stops: QPoint, keys: Qt.KeyboardModifier = NONE) -> None:
        places = [self.map.mapTo(self.window, stop) for stop in stops]
        QTest.mousePress(self.window.windowHandle(), LEFT, keys, places[0])
        for stop in stops[1:]:
            self.move(stop)
        QTest.mouseRelease(self.window.windowHandle(), LEFT, keys, places[-1])

    def zoom(self, pos: QPoint, angle: int) -> None:
        where = QPointF(self.map.mapToGlobal(pos))
        none, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(QPointF(pos), where, QPoint(), QPoint(0, angle), none, NONE, phase, False)
        QApplication.sendEvent(self.map, event)

    def places(self) -> np.ndarray:
        """Where every encoding must lie, in the map's pixels, by the model on view and the plane it is shown on."""
        scene = self.window.session.scene
        means = truth(scene.model, self.images)[0].astype(np.float64) - scene.plane.origin
        across, up = means @ scene.plane.across, means @ scene.plane.up
        pixels = [self.map.to_pixel(place) for place in zip(across.tolist(), up.tolist(), strict=True)]
        return np.array([(pixel.x(), pixel.y()) for pixel in pixels])

    def in_sight(self, places: np.ndarray) -> list[int]:
        """Those on the canvas whose class is shown."""
        x, y = places.T
        on_canvas = (x > 40) & (x < self.map.width() - 12) & (y > 12) & (y < self.map.height() - 32)
        hidden = self.window.session.exploration.layers.hidden_classes
        return [i for i in np.flatnonzero(on_canvas).tolist() if self.labels[i] not in hidden]

    def settled(self) -> None:
        """Wait until the encodings are those of the weights on view."""
        means = truth(self.window.session.scene.model, self.images)[0]

        def are_new() -> bool:
            found = self.window.session.encodings
            return found is not None and bool(np.abs(found[1] - means).max() < 0.1)

        self.qtbot.waitUntil(are_new, timeout=WAIT)

    def check_hovering(self, count: int = 5) -> None:
        """At the pixel of an encoding, the card shows an image whose own μ lies there, its label, and its g(μ)."""
        self.settled()
        places, scene, card = self.places(), self.window.session.scene, self.map.card
        means = truth(scene.model, self.images)[0]
        for index in self.chance.choice(self.in_sight(places), count, replace=False).tolist():
            self.move(QPoint(*np.rint(places[index]).astype(int).tolist()))

            def shows_the_answer() -> bool:
                answer = card.content.reconstruction if card.isVisible() else None
                return answer is not None and rounds_to(answer[None], decoded(scene.model, means[[card.content.index]]))

            self.qtbot.waitUntil(shows_the_answer, timeout=WAIT)
            found = card.content
            assert np.array_equal(found.image, self.images[found.index])
            name = self.window.session.images.class_names[self.labels[found.index]]
            assert found.title == f"{name} · test image {found.index}"
            assert found.colour == self.labels[found.index]
            assert self.labels[found.index] not in self.window.session.exploration.layers.hidden_classes
            off = np.abs(places[found.index] - np.rint(places[index])).max()
            assert off <= 8, "its own encoding is under the mouse: 6 pixels of reach, 2 for encoding in half precision"
            offset = means[found.index] - np.array(scene.point) if scene.point else 0.0
            basis = np.array([scene.plane.across, scene.plane.up])
            away = np.linalg.norm(offset - basis.T @ (basis @ offset))
            distance, _, words = found.detail.partition(" ")
            assert abs(float(distance) - away) < 0.02 and words == "from the map"


def test_the_picture_belongs_to_the_point_after_all_that_can_be_done(qtbot, window):
    user = Explorer(qtbot, window)
    session, latent_map = window.session, user.map
    user.check_hovering()
    start = QPoint(60, latent_map.height() - 60)
    user.drag(start, start + QPoint(40, -30), start + QPoint(90, -60))
    user.zoom(QPoint(400, 200), 360)
    user.check_hovering()
    session.choose_layers(replace(session.exploration.layers, hidden_classes=frozenset({1, 4, 7})))
    user.check_hovering()
    session.choose_axes((3, 1))
    session.move_point((0.4, -0.3, 0.9, 0.1, -0.5))
    user.check_hovering()
    version = session.scene.version
    session.look_at(replace(session.opened, model=five(1)), Version(version.lineage, version.number + 1))
    user.check_hovering()
    session.undo()
    session.undo()
    user.check_hovering()
    user.move(QPoint(5, 5))
    assert not latent_map.card.isVisible() and session.scene.glance is None


def test_a_lasso_fills_the_contact_sheet_which_outlives_new_weights_and_ends_with_the_images(qtbot, window):
    user, session, panel = Explorer(qtbot, window), window.session, window.selection.panel
    user.settled()
    heard = []
    window.selection.selection_changed.connect(lambda *values: heard.append(values))
    placed = session.encodings[1].astype(np.float64) - session.scene.plane.origin
    corners = [QPoint(60, 40), QPoint(420, 60), QPoint(500, 300), QPoint(300, 180), QPoint(90, 320)]
    user.drag(*corners, keys=SHIFT)
    outline = [user.map.to_latent(QPointF(corner)) for corner in corners]
    wanted = []
    for i, z in enumerate(placed):
        u, v = float(z @ session.scene.plane.across), float(z @ session.scene.plane.up)
        odd = False
        for (a, b), (c, d) in zip(outline, [*outline[1:], outline[0]], strict=True):
            odd ^= (b > v) != (d > v) and u < a + (v - b) / (d - b) * (c - a)
        wanted += [i] if odd else []
    assert len(wanted) > 30 and window.selection.indices == tuple(wanted)
    assert panel.isVisible()
    assert panel.findChild(QLabel, "selection_title").text() == f"Selection · {len(wanted)} encodings"
    counts = sorted((-int((user.labels[wanted] == c).sum()), c) for c in range(10))
    words = "\u00a0· ".join(f"{c}:\u00a0{-n}" for n, c in counts if n)
    assert panel.findChild(QLabel, "selection_classes").text() == words
    mean_now = session.encodings[1][wanted].mean(axis=0)
    largest = sorted(range(5), key=lambda i: -abs(mean_now[i]))[:3]
    words = ", ".join(f"z{'₁₂₃₄₅'[i]}\u00a0=\u00a0{mean_now[i]:.2f}".replace("-", "−") for i in largest)
    assert panel.findChild(QLabel, "selection_mean").text() == f"mean of μ: {words}, …"

    # The spread of those that are selected, by hand
    qtbot.waitUntil(lambda: user.map._encodings.covariances is not None, timeout=WAIT)
    variances = truth(session.scene.model, user.images)[1]
    basis = np.array([session.scene.plane.across, session.scene.plane.up])
    by_hand = np.array([basis @ np.diag(row) @ basis.T for row in variances])
    np.testing.assert_allclose(user.map._encodings.covariances, by_hand, rtol=0.1, atol=0.01)

    # What is done with them
    def mean() -> np.ndarray:
        return truth(session.scene.model, user.images)[0][wanted].mean(axis=0)

    for name in ("selection_pin", "selection_go"):
        QTest.mouseClick(panel.findChild(QPushButton, name), LEFT)
    np.testing.assert_allclose(session.exploration.point, mean(), atol=0.01)
    pin = session.exploration.pins[-1]
    assert pin.name == f"Mean of {len(wanted)}" and pin.point == session.exploration.point
    QTest.mouseClick(panel.sheet.viewport(), LEFT, pos=panel.sheet.thumbnail_rect(4).center())
    QTest.mouseClick(panel.findChild(QPushButton, "selection_encode"), LEFT)
    assert np.array_equal(window.encode.image, user.images[wanted[4]])
    QTest.mouseDClick(panel.sheet.viewport(), LEFT, pos=panel.sheet.thumbnail_rect(7).center())
    np.testing.assert_allclose(session.exploration.point, truth(five(0), user.images[wanted[7]][None])[0][0], atol=0.03)
    session.undo()
    np.testing.assert_allclose(session.exploration.point, mean(), atol=0.01)

    # New weights, then other images
    version = session.scene.version
    session.look_at(replace(session.opened, model=five(1)), Version(version.lineage, version.number + 1))
    user.settled()
    assert window.selection.indices == tuple(wanted)
    np.testing.assert_allclose(heard[-1][1].mean(axis=0), mean(), atol=0.01)
    assert heard[-1][0].tolist() == wanted
    other = replace(session.images, images=np.ascontiguousarray(session.images.images[::-1]))
    session.set_images(other)
    assert window.selection.indices == () and not panel.isVisible()
    assert heard[-1][0].tolist() == []


def test_keys_step_through_the_nearest_and_go_there(qtbot, window):
    user, session, latent_map = Explorer(qtbot, window), window.session, window.map_panel.map
    user.settled()
    session.choose_layers(replace(session.exploration.layers, hidden_classes=frozenset({3})))
    away = np.linalg.norm(session.encodings[1] - np.array(session.exploration.point), axis=1)
    order = [i for i in np.argsort(away).tolist() if user.labels[i] != 3]
    latent_map.setFocus()
    window.selection.select_many(order[50:60])
    for key, wanted in ((NONE, 50), (NONE, 51), (NONE, 52), (SHIFT, 51), (SHIFT, 50), (SHIFT, 50)):
        QTest.keyClick(latent_map, Qt.Key.Key_N, key)
        assert window.selection.indices == tuple(sorted(order[50:60])), "a selection is kept"
        assert latent_map.card.content.index == order[wanted] and latent_map.card.isVisible()
    window.selection.select_many([i for i in range(len(user.labels)) if user.labels[i] == 3])
    QTest.keyClick(latent_map, Qt.Key.Key_N)
    assert "hidden" in window.notice.findChild(QLabel).text() and len(window.selection.indices) > 1
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    for key, wanted in ((NONE, 0), (NONE, 1), (NONE, 2), (SHIFT, 1)):
        QTest.keyClick(latent_map, Qt.Key.Key_N, key)
        assert window.selection.indices == (order[wanted],)
        assert latent_map.card.content.index == order[wanted] and latent_map.card.isVisible()
    QTest.keyClick(latent_map, Qt.Key.Key_Return)
    assert session.exploration.point == tuple(session.encodings[1][order[1]].tolist())
    assert not latent_map.card.isVisible(), "the point is there now"
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    assert window.selection.indices == () and not window.actions_.select_none.isEnabled()


def test_no_card_makes_the_column_wider_than_a_small_window_has_room_for(qtbot, window):
    window.resize(1100, 700)
    column = window._column
    window.selection.select_many(range(len(window.session.images.labels)))
    window.combine.open()
    window.encode.random_test()
    window.marks.pin_point()
    window.marks.start_path()
    QApplication.processEvents()
    cards = (window.decoder, window.selection.panel, window.marks_panel, window.combine.panel, window.encode.panel)
    assert all(card.isVisible() for card in cards) and column.verticalScrollBar().maximum() > 300
    assert column.horizontalScrollBar().maximum() == 0
    room = column.viewport().width()
    assert all(card.minimumSizeHint().width() <= room and card.geometry().right() < room for card in cards)
    assert column.width() <= 288, "and none takes more from the map than it has at other sizes"
