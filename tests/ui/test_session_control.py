"""Sessions in the real window: kept when it closes, gone on with at the next start, saved, opened and dropped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path as FilePath

import pytest
import small_models
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QDoubleSpinBox, QFileDialog, QLineEdit, QWidget

from vae_studio.core import library
from vae_studio.core.checkpoint import save_model
from vae_studio.core.exploration import Exploration, Layers, Path, Pin
from vae_studio.core.latent import Region
from vae_studio.core.plane import Plane
from vae_studio.core.session_file import SavedSession, read_session, write_session
from vae_studio.ui.main_window import MainWindow

WAIT = 30_000
Z3 = Exploration(
    (0.5, -0.25, 1.0), Plane.of_axes((2, 0), 3), (Pin("seven", (1.0, 0.0, 0.0), 3),), None, None, Layers(tiles=False)
)


@pytest.fixture
def last(tmp_path: FilePath) -> FilePath:
    return tmp_path / "data" / "last.vaesession"


@pytest.fixture
def three(tmp_path: FilePath) -> FilePath:
    """A file of a small model with three latent dimensions."""
    return small_model(tmp_path / "three.safetensors", latent_dims=3)


def small_model(file: FilePath, latent_dims: int, seed: int = 0) -> FilePath:
    save_model(file, small_models.mlp(latent_dims, seed), {})
    return file


@pytest.fixture
def start(qtbot, tmp_path: FilePath, last: FilePath, monkeypatch) -> Iterator[Callable[..., MainWindow]]:
    """Starts the window, as the program does, and waits until a model is on view; it is closed in the end."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    windows = []
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    store.setValue("folders/session", str(tmp_path))

    def begin(file: FilePath | str | None = None) -> MainWindow:
        shipped = [(model.name, model.title) for model in library.shipped_models()]
        window = MainWindow(str(file) if file else None, shipped, store, last)
        windows.append(window)
        window.resize(1440, 900)
        with qtbot.waitActive(window):
            window.show()
            window.activateWindow()
        qtbot.waitUntil(lambda: window.session.has_images, timeout=WAIT)
        return window

    yield begin
    for window in windows:
        window.close()
        window.deleteLater()


def child(window: QWidget, kind: type, name: str):
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def key(window: MainWindow, code: Qt.Key, *modifiers: str) -> None:
    """A key as the window system sends it, to whatever has the focus."""
    held = Qt.KeyboardModifier.NoModifier
    for name in modifiers:
        held |= getattr(Qt.KeyboardModifier, f"{name}Modifier")
    QTest.keyClick(window.windowHandle(), code, held)
    QApplication.processEvents()


def click(window: MainWindow, name: str) -> None:
    QTest.mouseClick(child(window, QAbstractButton, name), Qt.MouseButton.LeftButton)


def title(window: MainWindow) -> str:
    return window.windowTitle().partition(" — ")[0]


def said(window: MainWindow) -> str:
    return window.notice.text() if window.notice.isVisible() else ""


def in_dialog(qtbot, act: Callable[[], None], name: FilePath) -> None:
    """Do this, which opens a file dialog, and type the name into it."""

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QFileDialog):
            QTimer.singleShot(20, answer)
            return
        child(dialog, QLineEdit, "fileNameEdit").setText(str(name))
        QTimer.singleShot(0, dialog.accept)

    QTimer.singleShot(0, answer)
    act()


def test_the_next_window_goes_on_where_the_last_one_was_closed(qtbot, start, last, three) -> None:
    first = start(three)
    assert not last.exists()
    first.map_panel.map.setFocus()
    QTest.mouseClick(first.map_panel.map, Qt.MouseButton.LeftButton, pos=QPoint(500, 120))
    child(first, QDoubleSpinBox, "latent_value_2").setValue(1.25)
    first.session.choose_axes((2, 1))
    click(first, "prior_chip")
    click(first, "legend_class_4")
    pin = Pin("here", first.session.scene.point, 1)
    path = Path((pin.point, (0.0, 0.0, 0.0)), spherical=True)
    first.session.change(replace(first.session.exploration, pins=(pin,), path=path))
    click(first, "decoder_sample_chip")
    first.map_panel.map.setFocus()
    for _ in range(5):
        key(first, Qt.Key.Key_Plus)
    key(first, Qt.Key.Key_2, "Control")
    left, region = first.session.exploration, first.map_panel.map.region()
    assert left.layers == Layers(prior=False, hidden_classes=frozenset({4}))
    assert left.draw is not None and left.plane.axes == (2, 1)
    first.close()

    second = start()
    assert title(second) == "three"
    assert said(second) == ""
    assert second.session.exploration == left
    assert (second.session.undoing, second.session.redoing) == ("", "")
    assert second.reconstruct.isVisible() and child(second, QAbstractButton, "reconstruct_tab").isChecked()
    assert not child(second, QAbstractButton, "prior_chip").isChecked()
    assert child(second, QAbstractButton, "decoder_sample_chip").isChecked()
    assert not child(second, QAbstractButton, "legend_class_4").isChecked(), "also once the data are there"
    assert child(second, QAbstractButton, "legend_class_3").isChecked()
    assert child(second, QDoubleSpinBox, "latent_value_2").value() == 1.25
    assert second.map_panel.plane.axes == (2, 1)
    # Once it is seen, and its header with the classes has its height, the map shows what it showed.
    key(second, Qt.Key.Key_1, "Control")
    for side in ("left", "right", "bottom", "top"):
        wanted = pytest.approx(getattr(region, side), abs=1e-6)
        qtbot.waitUntil(lambda s=side, w=wanted: getattr(second.map_panel.map.region(), s) == w, timeout=WAIT)


def test_a_file_that_is_named_goes_before_the_last_session(start, last, three, tmp_path) -> None:
    small_model(tmp_path / "other.safetensors", latent_dims=4)
    first = start(three)
    first.session.move_point((1.0, 1.0, 1.0))
    first.close()
    second = start(tmp_path / "other.safetensors")
    assert title(second) == "other"
    assert second.session.scene.point == (0.0,) * 4
    second.close()
    assert read_session(last).model == str(tmp_path / "other.safetensors")


def test_a_model_that_is_gone_is_said_to_be_and_the_usual_one_opened(start, last, three) -> None:
    first = start(three)
    first.close()
    left = read_session(last)
    three.unlink()
    second = start()
    assert title(second) == "2-D explorer"
    aside = last.with_name("last-aside.vaesession")
    gone = f"The model of the session is not there any more: {three}."
    assert said(second) == f"{gone} The session is kept as {aside}."
    assert read_session(aside) == left


@pytest.mark.parametrize("dims", [3, 2])
def test_a_model_that_is_another_by_now_is_opened_anew(start, last, three, dims) -> None:
    first = start(three)
    first.session.move_point((1.0, 1.0, 1.0))
    first.close()
    small_model(three, latent_dims=dims, seed=1)
    second = start()
    assert title(second) == "three"
    assert second.session.exploration.point == (0.0,) * dims
    assert "not what it was" in said(second)
    assert read_session(last.with_name("last-aside.vaesession")).exploration.point == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("content", [b"\x00" * 100, b'{"format": "vae-studio session", "format_version": 1}'])
def test_a_damaged_last_session_is_kept_aside_and_stops_no_start(start, last, content) -> None:
    last.parent.mkdir()
    last.write_bytes(content)
    window = start()
    assert title(window) == "2-D explorer"
    (aside,) = last.parent.iterdir()
    assert aside.read_bytes() == content
    assert str(aside) in said(window)
    window.close()
    assert read_session(last).model == "explorer-2d"
    assert aside.read_bytes() == content


def test_a_session_file_can_be_started_with(qtbot, start, three, tmp_path) -> None:
    file = tmp_path / "mine.vaesession"
    sha256 = library.open_model(str(three)).sha256
    write_session(file, SavedSession(str(three), sha256, Z3, Region(-1.0, 1.0, -1.0, 1.0), "explore"))
    window = start(file)
    assert window.session.exploration == Z3
    assert window.map_panel.map.region() is not None
    assert said(window) == ""


def test_a_damaged_session_file_to_start_with_opens_the_usual_model(start, tmp_path) -> None:
    file = tmp_path / "mine.vaesession"
    file.write_text("{")
    window = start(file)
    assert title(window) == "2-D explorer"
    assert f"{file} is not a session" in said(window)
    assert file.exists(), "a file of the user's own stays where it is"


def test_saving_and_opening_from_the_menu(qtbot, start, three, tmp_path) -> None:
    window = start(three)
    window.session.change(Z3)
    in_dialog(qtbot, lambda: key(window, Qt.Key.Key_S, "Control"), tmp_path / "z 0.5")
    file = tmp_path / "z 0.5.vaesession"
    qtbot.waitUntil(file.exists, timeout=WAIT)
    assert read_session(file).exploration == Z3
    window.session.change(Exploration((0.0, 0.0, 0.0), Plane.of_axes((0, 1), 3)))
    with qtbot.waitActive(window):
        window.activateWindow()
    in_dialog(qtbot, lambda: key(window, Qt.Key.Key_O, "Control", "Shift"), file)
    qtbot.waitUntil(lambda: window.session.exploration == Z3, timeout=WAIT)
    assert said(window) == ""


def drop(window: MainWindow, file: FilePath) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(file))])
    place, action = QPointF(400, 400), Qt.DropAction.CopyAction
    button, held = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(window, QDragEnterEvent(place.toPoint(), action, mime, button, held))
    QApplication.sendEvent(window, QDropEvent(place, action, mime, button, held))


def test_a_session_is_dropped_on_the_window(qtbot, start, three, tmp_path) -> None:
    sha256 = library.open_model(str(three)).sha256
    write_session(tmp_path / "mine.json", SavedSession(str(three), sha256, Z3))
    window = start()
    assert title(window) == "2-D explorer"
    drop(window, tmp_path / "mine.json")
    qtbot.waitUntil(lambda: window.session.exploration == Z3, timeout=WAIT)
    assert title(window) == "three"


def test_what_cannot_be_opened_leaves_everything_as_it_is(qtbot, start, three, tmp_path) -> None:
    window = start(three)
    window.session.change(Z3)
    (tmp_path / "bad.vaesession").write_text("[]")
    gone = str(tmp_path / "gone.safetensors")
    write_session(tmp_path / "gone.vaesession", SavedSession(gone, "a" * 64, Z3))
    for name, words in (("bad", "is not a session"), ("gone", f"is not there any more: {gone}")):
        drop(window, tmp_path / f"{name}.vaesession")
        qtbot.waitUntil(lambda words=words: words in said(window), timeout=WAIT)
        assert window.session.exploration == Z3
        assert title(window) == "three"
    drop(window, tmp_path / "nothing.vaesession")
    qtbot.waitUntil(lambda: "no session file" in said(window), timeout=WAIT)


def test_keys_undo_and_redo_what_was_moved_and_set(qtbot, start) -> None:
    window = start()
    latent_map, undo = window.map_panel.map, child(window, QAbstractButton, "undo_button")
    assert not undo.isEnabled() and not child(window, QAbstractButton, "redo_button").isEnabled()
    QTest.mouseClick(latent_map, Qt.MouseButton.LeftButton, pos=QPoint(500, 120))
    moved = window.session.scene.point
    assert undo.isEnabled() and undo.toolTip() == "Undo: move the point (Ctrl+Z)"
    click(window, "prior_chip")
    assert undo.toolTip() == "Undo: choose layers (Ctrl+Z)"
    key(window, Qt.Key.Key_Z, "Control")
    assert child(window, QAbstractButton, "prior_chip").isChecked()
    assert window.session.scene.point == moved
    key(window, Qt.Key.Key_Z, "Control")
    assert window.session.scene.point == (0.0, 0.0)
    assert child(window, QDoubleSpinBox, "latent_value_0").value() == 0.0
    assert not undo.isEnabled()
    key(window, Qt.Key.Key_Z, "Control", "Shift")
    assert window.session.scene.point == moved
    click(window, "redo_button")
    assert not child(window, QAbstractButton, "prior_chip").isChecked()
    click(window, "undo_button")
    assert child(window, QAbstractButton, "prior_chip").isChecked()


def test_a_text_field_undoes_its_own_typing(qtbot, start) -> None:
    window = start()
    window.session.move_point((1.0, 1.0))
    field = child(window, QLineEdit, "seed")
    field.setFocus()
    field.selectAll()
    before = field.text()
    QTest.keyClicks(field, "7")
    assert field.text() != before
    key(window, Qt.Key.Key_Z, "Control")
    assert field.text() == before
    assert window.session.scene.point == (1.0, 1.0)


def test_views_of_the_map_have_keys_of_their_own(start) -> None:
    window = start()
    latent_map = window.map_panel.map
    latent_map.setFocus()
    key(window, Qt.Key.Key_Right)
    before, moved = latent_map.view(), window.session.scene.point
    key(window, Qt.Key.Key_Plus)
    zoomed = latent_map.view()
    assert window.actions_.back.isEnabled()
    key(window, Qt.Key.Key_Left, "Alt")
    assert latent_map.view() == before and window.session.scene.point == moved
    key(window, Qt.Key.Key_Right, "Alt")
    assert latent_map.view() == zoomed
    key(window, Qt.Key.Key_Z, "Control")
    assert window.session.scene.point == (0.0, 0.0)
    assert latent_map.view() == zoomed, "a view is no step of what was explored"


def test_undoing_brings_the_point_into_sight(start) -> None:
    window = start()
    window.session.move_point((3.0, 2.0))
    window.session.move_point((-3.0, -2.0))
    latent_map = window.map_panel.map
    latent_map.show_region(Region(-3.5, -2.5, -2.5, -1.5))
    key(window, Qt.Key.Key_Z, "Control")
    view = latent_map.view()
    assert view.left < 3.0 < view.right and view.bottom < 2.0 < view.top


@pytest.mark.slow
def test_a_run_that_is_closed_is_gone_on_with_as_it_ended(qtbot, start, tmp_path) -> None:
    first = start()
    click(first, "train_button")
    qtbot.waitUntil(lambda: first.session.scene.version.number > 3, timeout=WAIT)
    first.session.move_point((0.75, -0.5))
    in_dialog(qtbot, lambda: QTimer.singleShot(0, first.actions_.save_session.trigger), tmp_path / "early")
    qtbot.waitUntil(lambda: "training has ended" in said(first), timeout=WAIT)
    assert not (tmp_path / "early.vaesession").exists()
    first.close()
    (model,) = tmp_path.glob("data/vae-studio/runs/*/model.safetensors")
    second = start()
    assert title(second) == model.parent.name
    assert second.session.scene.point == (0.75, -0.5)
    assert said(second) == ""


def test_a_last_session_that_cannot_be_written_keeps_no_window_open(start, last) -> None:
    last.parent.write_text("a file where the folder should be")
    window = start()
    assert window.close()
    assert not window.isVisible()
    shutil.rmtree(last.parent, ignore_errors=True)
