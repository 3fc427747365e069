"""Planes of the map in the whole window: chosen, typed, walked on and undone, with real frames, keys and clicks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QPushButton, QSpinBox, QWidget
from sklearn.decomposition import PCA
from small_models import decoded

from vae_studio.core import library
from vae_studio.core.exploration import Pin
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame
from vae_studio.core.session_file import read_session, write_session
from vae_studio.ui.main_window import MainWindow

WAIT = 60_000
LEFT = Qt.MouseButton.LeftButton


class Watched:
    """The window, and the last complete frame of its map."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self.qtbot, self.window, self.map, self.session = qtbot, window, window.map_panel.map, window.session
        self.frame: MapFrame | None = None
        window.renderer.frame.connect(self.take)

    def take(self, frame: object) -> None:
        if isinstance(frame, MapFrame) and frame.complete:
            self.frame = frame

    @property
    def plane(self) -> Plane:
        return self.session.exploration.plane

    def choose(self, kind: str) -> None:
        """From the menu, by the keyboard."""
        menu = self.child(QPushButton, "plane_button").menu()
        menu.popup(QPoint(0, 0))
        action = next(one for one in menu.actions() if one.objectName() == f"plane_{kind}_action")
        assert action.isEnabled()
        while menu.activeAction() is not action:
            QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    def child(self, kind: type, name: str, inside: QWidget | None = None):
        found = (inside or self.window).findChild(kind, name)
        assert found is not None, name
        return found

    def click(self, widget: QWidget) -> None:
        QTest.mouseClick(widget, LEFT)
        QApplication.processEvents()

    def type(self, field: QLineEdit, text: str, key: Qt.Key = Qt.Key.Key_Return) -> None:
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, text)
        QTest.keyClick(field, key)
        QApplication.processEvents()

    def shows(self, places: np.ndarray) -> np.ndarray:
        view = self.map.view()
        u, v = np.asarray(places).T
        return (view.left <= u) & (u <= view.right) & (view.bottom <= v) & (v <= view.top)


@pytest.fixture
def watched(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """On a model of 20 latent dimensions, once its encodings are there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    window = MainWindow("pytorch-example", [(m.name, m.title) for m in library.shipped_models()], store)
    window.resize(1440, 900)
    window.show()
    result = Watched(qtbot, window)
    qtbot.waitUntil(lambda: window.session.encodings is not None and result.frame is not None, timeout=WAIT)
    yield result
    window.close()
    window.deleteLater()


def test_a_click_on_an_oblique_plane_goes_where_its_tile_was_decoded(watched: Watched, tmp_path: Path) -> None:
    session, latent_map, panel = watched.session, watched.map, watched.window.map_panel
    axes, usual, means = watched.plane, watched.map.view(), session.encodings[1]
    watched.choose("components")
    expected = PCA(svd_solver="full").fit(means.astype(np.float64))
    for direction, component in zip(watched.plane.basis(), expected.components_, strict=False):
        assert abs(direction @ component) == pytest.approx(1.0, abs=1e-6)
    assert watched.child(QLabel, "plane_title").text() == "PC 1 × PC 2"
    assert not watched.child(QComboBox, "axis_x_combo").isVisible()
    assert watched.plane.distance(session.scene.point) < 1e-9, "the plane that was asked for is what is shown"
    assert watched.shows(watched.plane.coordinates(means)).mean() >= 0.99
    assert latent_map.zoom_factor() == 1.0

    # Off the plane, at an angle to it, everything holds as well.
    session.move_point(tuple(np.linspace(-0.8, 0.9, 20).tolist()))
    offset = watched.plane.offset(session.scene.point)
    badge = watched.child(QLabel, "plane_distance")
    assert badge.isVisible() and badge.text() == f"{np.linalg.norm(offset):.2f} from the plane"
    seen: dict[str, tuple] = {}

    def is_drawn() -> bool:
        """Whether a tile's lower left cell, beside all encodings, is what the decoder gives there: it comes to be."""
        tile = max((t for t in watched.frame.tiles if watched.shows([(t.left, t.bottom)])[0]), key=lambda t: t.left)
        cell = (tile.right - tile.left) / 4
        centre = tile.left + 0.5 * cell, tile.bottom + 0.5 * cell
        exact = np.array(watched.plane.origin) + offset + np.array(centre) @ watched.plane.basis()
        seen["at"] = centre, exact
        return np.abs(tile.image[-28:, :28] - decoded(session.scene.model, exact[None])[0]).max() < 3.0

    watched.qtbot.waitUntil(lambda: watched.frame.plane == watched.plane and is_drawn(), timeout=WAIT)
    centre, exact = seen["at"]
    pixel = latent_map.mapTo(watched.window, latent_map.to_pixel(centre).toPoint())
    QTest.mouseClick(watched.window.windowHandle(), LEFT, pos=pixel)
    assert np.abs(np.array(session.scene.point) - exact).max() < latent_map.view().units_per_pixel
    np.testing.assert_allclose(watched.plane.offset(session.scene.point), offset, atol=1e-9)

    watched.click(watched.child(QPushButton, "to_plane_button"))
    assert watched.plane.distance(session.scene.point) < 1e-9
    assert not badge.isVisible()
    write_session(tmp_path / "s.vaesession", watched.window._saved_session())
    assert read_session(tmp_path / "s.vaesession").exploration == session.exploration

    for wanted in ("move the point", "move the point", "move the point", "choose a plane"):
        assert session.undoing == wanted
        watched.window.actions_.undo.trigger()
    assert (watched.plane, latent_map.view()) == (axes, usual)
    assert panel.plane.axes == axes.axes and watched.child(QComboBox, "axis_x_combo").isVisible()
    session.redo()
    assert watched.plane.kind == "components"
    watched.choose("axes")
    assert watched.plane == axes


def test_planes_are_typed_and_put_through_images_classes_and_pins_in_the_card(watched: Watched) -> None:
    session, latent_map = watched.session, watched.map
    images, means = session.encodings
    watched.choose("points")
    card = watched.child(QWidget, "plane_card")
    assert card.isVisible() and not card.isModal()
    numbers = (17, 3, 40)
    for letter, name, number in zip("abc", "350", numbers, strict=True):
        combo = watched.child(QComboBox, f"plane_image_class_{letter}", card)
        combo.setCurrentText(name)
        watched.child(QSpinBox, f"plane_image_number_{letter}", card).setValue(number)
    said = []
    watched.window.planes.said.connect(said.append)
    session.move_point((0.0,) * 20)
    watched.click(watched.child(QPushButton, "plane_points_button", card))
    assert any("straight onto the plane" in words for words in said)
    chosen = [np.flatnonzero(images.labels == int(d))[n] for d, n in zip("350", numbers, strict=True)]
    corners = means[chosen].astype(np.float64)
    assert all(watched.plane.distance(corner) < 1e-6 for corner in corners)
    places = watched.plane.coordinates(corners)
    np.testing.assert_allclose(places[:2], [(0.0, 0.0), (math.dist(*corners[:2]), 0.0)], atol=1e-6)
    assert watched.shows(places).all()

    watched.choose("classes")
    for letter, name in zip("abc", "358", strict=True):
        watched.child(QComboBox, f"plane_class_{letter}", card).setCurrentText(name)
    watched.click(watched.child(QPushButton, "plane_classes_button", card))
    assert watched.plane.title == "3→5 × →8"
    assert watched.plane.distance(means[images.labels == 8].astype(np.float64).mean(axis=0)) < 1e-6
    error, note = watched.child(QLabel, "plane_error", card), watched.child(QLabel, "plane_note", card)
    watched.child(QComboBox, "plane_class_b", card).setCurrentText("3")
    watched.click(watched.child(QPushButton, "plane_classes_button", card))
    assert error.isVisible() and "three different classes" in error.text()

    watched.choose("components")
    watched.child(QComboBox, "plane_component_up", card).setFocus()
    QTest.keyClick(watched.child(QComboBox, "plane_component_up", card), Qt.Key.Key_Down)
    assert watched.plane.title == "PC 1 × PC 3"
    ratios = PCA(svd_solver="full").fit(means.astype(np.float64)).explained_variance_ratio_
    shown = watched.child(QComboBox, "plane_component_up", card).currentText()
    assert shown == f"PC 3: {100 * ratios[2]:.0f} %"
    session.undo()

    # Typed: what was not touched stays exactly as it is.
    before = watched.plane
    origin, across = (watched.child(QLineEdit, f"plane_{name}", card) for name in ("origin", "across"))
    watched.type(origin, "1 2 3")
    assert "Origin: There are 3 numbers, but the model has 20" in error.text() and watched.plane == before
    watched.type(origin, ", ".join("0.5" for _ in range(20)))
    assert (watched.plane.across, watched.plane.up) == (before.across, before.up)
    assert watched.plane.origin == (0.5,) * 20 and not error.isVisible()
    watched.type(across, "2" + " 0" * 19)
    assert watched.plane.across == (1.0, *[0.0] * 19)
    assert "Across had length 2" in note.text() and "Up was turned by" in note.text()
    assert across.text().startswith("1, 0, 0")
    view = latent_map.view()
    sides = {name: watched.child(QLineEdit, f"plane_{name}", card) for name in ("left", "right", "bottom", "top")}
    watched.type(sides["left"], "-9", Qt.Key.Key_Tab)
    assert latent_map.view() == view, "both ends are typed first"
    latent_map.reveal_point()
    QTest.keyClick(latent_map, Qt.Key.Key_Plus)
    assert sides["left"].text() == "-9", "what is being typed stays"
    latent_map.back()
    watched.type(sides["right"], "one")
    assert "Right: give one number" in error.text()
    watched.type(sides["right"], "1")
    shown = latent_map.view()
    assert (shown.left, shown.right) == pytest.approx((-9.0, 1.0))
    assert shown.bottom + shown.top == pytest.approx(view.bottom + view.top)
    assert sides["left"].text() == "−9.00" and not error.isVisible() and not note.isVisible()
    for name, text in (("left", "-1"), ("right", "1"), ("bottom", "0"), ("top", "9")):
        watched.type(sides[name], text, Qt.Key.Key_Return if name == "top" else Qt.Key.Key_Tab)
    shown = latent_map.view()
    assert (shown.bottom, shown.top, shown.left + shown.right) == pytest.approx((0.0, 9.0, 0.0))
    assert "more than this span is visible" in note.text()
    for name, text in (("left", "500"), ("right", "600"), ("bottom", "0"), ("top", "9")):
        watched.type(sides[name], text, Qt.Key.Key_Return if name == "top" else Qt.Key.Key_Tab)
    assert "The map ends there" in note.text(), "what is shown is not what was asked for"
    while latent_map.can_go_back and latent_map.view() != view:
        latent_map.back()
    assert latent_map.view() == view

    # Enter where nothing was typed changes nothing, also while the point lies beside the plane.
    aside = tuple((np.array(session.exploration.point) + np.random.default_rng(2).normal(size=20)).tolist())
    session.move_point(aside)
    watched.child(QLineEdit, "plane_across", card).setFocus()
    QTest.keyClick(watched.child(QLineEdit, "plane_across", card), Qt.Key.Key_Return)
    assert session.exploration.point == aside

    # Pins, however far away, are on the map of the plane through them.
    points = np.random.default_rng(1).normal(0.0, 9.0, (3, 20))
    pins = tuple(Pin(name, tuple(p), 0) for name, p in zip(("here", "there", "beyond"), points.tolist(), strict=True))
    session.change(session.exploration.__class__(session.exploration.point, watched.plane, pins))
    watched.choose("points")
    watched.child(QComboBox, "plane_points_source", card).setCurrentIndex(1)
    watched.click(watched.child(QPushButton, "plane_points_button", card))
    assert watched.plane.names == ("here→there", "→beyond")
    assert watched.shows(watched.plane.coordinates(points)).all()
    watched.window.planes.set_selected_points(means[:5])
    watched.child(QComboBox, "plane_points_source", card).setCurrentIndex(2)
    watched.click(watched.child(QPushButton, "plane_points_button", card))
    assert max(watched.plane.distance(point) for point in means[:3].astype(np.float64)) < 1e-6
    QTest.keyClick(card, Qt.Key.Key_Escape)
    assert not card.isVisible()


def test_components_of_a_model_before_are_not_asked_of_the_next(watched: Watched, qtbot) -> None:
    watched.choose("components")
    watched.window.planes.show_card("components")
    card = watched.child(QWidget, "plane_card")
    watched.child(QComboBox, "plane_component_up", card).setFocus()
    for _ in range(3):
        QTest.keyClick(watched.child(QComboBox, "plane_component_up", card), Qt.Key.Key_Down)
    assert watched.plane.title == "PC 1 × PC 5"
    watched.window.bar.model_chosen.emit("explorer-2d")
    session = watched.session
    qtbot.waitUntil(lambda: session.opened.model.latent_dims == 2 and session.encodings is not None, timeout=WAIT)
    watched.choose("components")
    assert watched.plane.title == "PC 1 × PC 2"
