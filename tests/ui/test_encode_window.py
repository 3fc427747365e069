"""Images of one's own in the whole window: drawn, dropped, pasted, opened, chosen; real workers, real presses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from PIL import Image, ImageDraw
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QSpinBox, QWidget

from vae_studio.core import datasets, library
from vae_studio.core.checkpoint import save_model
from vae_studio.core.config import DataConfig, SquaredErrorConfig
from vae_studio.core.preprocess import prepare, read_picture
from vae_studio.ui.main_window import MainWindow

WAIT = 60_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def open_window(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], MainWindow]]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    windows = []

    def open_on(model: str) -> MainWindow:
        store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
        store.setValue("theme", "dark")
        window = MainWindow(model, [(m.name, m.title) for m in library.shipped_models()], store)
        windows.append(window)
        window.resize(1440, 900)
        window.show()
        qtbot.waitUntil(lambda: window.session.has_images or "cannot be shown" in window.notice.text(), timeout=WAIT)
        return window

    yield open_on
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.fixture
def window(open_window) -> MainWindow:
    return open_window("explorer-2d")


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A seven in dark ink on a light page."""
    image = Image.new("RGB", (400, 500), (250, 248, 240))
    ImageDraw.Draw(image).line([(110, 120), (280, 120), (170, 400)], fill=(20, 20, 60), width=30, joint="curve")
    image.save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def child(window: QWidget, kind: type, name: str):
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def press(window: QWidget, name: str) -> None:
    QTest.mouseClick(child(window, QPushButton, name), LEFT)


def text(window: MainWindow, name: str) -> str:
    return child(window, QLabel, name).text()


def answered(qtbot, window: MainWindow, judged: bool = True) -> None:
    """Wait until what is shown is the answer to the present image, with its slow figures."""
    encode = window.encode

    def done() -> bool:
        answer = encode._answered
        if answer is None or answer.image is not encode.image:
            return False
        return not judged or (encode._judged == answer.version and not encode._asked and encode._near is encode.image)

    qtbot.waitUntil(done, timeout=WAIT)


def posterior(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """μ and σ by the 2-D explorer's own layers."""
    with torch.no_grad():
        numbers = small_models.explorer().encoder(torch.from_numpy(image.copy())[None, None].float() / 255)[0].numpy()
    return numbers[:2], np.exp(numbers[2:] / 2)


def in_words(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{round(float(v), 2) + 0.0:.2f}".replace("-", "−") for v in values) + ")"


def draw(window: MainWindow, *strokes: list[tuple[int, int]]) -> None:
    canvas = window.encode.dialog.canvas
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            # In the widget's own pixels, of 280 a side.
            place = QPoint(round(x * canvas.width() / 280), round(y * canvas.height() / 280))
            if index == 0:
                QTest.mousePress(canvas, LEFT, NONE, place)
            else:
                QTest.mouseMove(canvas, place)
                QApplication.processEvents()
        QTest.mouseRelease(canvas, LEFT, NONE, place)


def files(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drop(window: QWidget, data: QMimeData) -> None:
    place = QPointF(window.rect().center())
    actions = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(place.toPoint(), actions, data, LEFT, NONE)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(place, actions, data, LEFT, NONE))


def test_a_drawn_one_is_encoded_while_it_is_drawn_and_judged_after(qtbot, window: MainWindow) -> None:
    images = []
    window.encode.image_changed.connect(images.append)
    press(window, "encode_draw")
    draw(window, [(150, 40), (148, 90), (146, 150), (143, 200), (140, 240)])
    assert len(images) >= 5
    answered(qtbot, window)
    x = window.encode.image
    expected = prepare(window.encode.dialog.canvas.ink(), (1, 28, 28))
    assert np.array_equal(x, expected)
    mean, scale = posterior(x)
    assert text(window, "encode_posterior") == f"μ = {in_words(mean)}  σ = {in_words(scale)}"
    assert "8 of 8 are 1" in text(window, "encode_neighbours_title")
    assert text(window, "encode_bound").startswith("−ELBO ")
    assert text(window, "encode_likelihood").startswith("−log p(x) ≈ ")
    # The map shows its place, and the point goes there.
    assert window.map_panel.map._probe.footprint.centre == pytest.approx(mean, abs=1e-4)
    press(window, "encode_go")
    assert window.session.scene.point == pytest.approx(mean, abs=1e-4)
    window.encode.dialog.canvas.undo()
    qtbot.waitUntil(lambda: window.encode.image is None, timeout=WAIT)
    assert window.map_panel.map._probe.footprint is None
    assert not child(window, QWidget, "encode_content").isVisible()


def test_a_dropped_file_is_prepared_and_its_steps_can_be_switched(qtbot, window: MainWindow, seven: Path) -> None:
    drop(window, files(seven))
    answered(qtbot, window)
    picture = read_picture(seven)
    assert np.array_equal(window.encode.image, prepare(picture, (1, 28, 28)))
    assert text(window, "encode_source") == "seven.png"
    assert "are 7" in text(window, "encode_neighbours_title")
    press(window, "encode_adjust")
    dialog = window.encode.dialog
    for step in ("scale", "centre", "paper"):
        press(dialog, f"step_{step}")
        steps = {"invert": "auto", "scale": True, "centre": True, "paper": True, step: False}
        assert np.array_equal(window.encode.image, prepare(picture, (1, 28, 28), type(dialog._preparation)(**steps)))
        press(dialog, f"step_{step}")
    press(dialog, "step_paper")
    invert = child(dialog, QComboBox, "step_invert")
    invert.setFocus()
    QTest.keyClick(invert, Qt.Key.Key_End)
    assert dialog._preparation.invert == "off"
    assert window.encode.image[0, 0] == window.encode.image.max()
    answered(qtbot, window, judged=False)


def test_a_copied_picture_and_a_copied_file_are_pasted(qtbot, window: MainWindow, seven: Path) -> None:
    clipboard = QGuiApplication.clipboard()
    clipboard.setImage(QImage(str(seven)))
    window.activateWindow()
    window.map_panel.map.setFocus()
    QTest.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    answered(qtbot, window, judged=False)
    pasted = window.encode.image
    assert np.array_equal(pasted, prepare(read_picture(seven), (1, 28, 28)))
    window.encode.clear()
    clipboard.setMimeData(files(seven))
    QTest.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    answered(qtbot, window, judged=False)
    assert np.array_equal(window.encode.image, pasted)
    clipboard.clear()
    QTest.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert "no picture" in window.notice.text()
    assert window.encode.image is not None


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no picture", "is no picture"), (b"", "is empty"), (None, "blank")],
    ids=["text", "empty", "blank"],
)
def test_what_is_no_use_changes_nothing_and_is_said_in_a_sentence(
    qtbot, window: MainWindow, tmp_path: Path, seven: Path, content: bytes | None, words: str
) -> None:
    drop(window, files(seven))
    answered(qtbot, window)
    before, said = window.encode.image, text(window, "encode_bound")
    bad = tmp_path / "bad.png"
    if content is None:
        Image.new("L", (90, 90), 40).save(bad)
    else:
        bad.write_bytes(content)
    drop(window, files(bad))
    qtbot.waitUntil(lambda: words in window.notice.text(), timeout=WAIT)
    assert window.encode.image is before
    assert text(window, "encode_bound") == said
    assert text(window, "encode_source") == "seven.png"


def test_test_images_by_class_by_index_and_at_random(qtbot, window: MainWindow, mnist_test: datasets.ImageSet) -> None:
    press(window, "encode_test")
    answered(qtbot, window, judged=False)
    assert any(np.array_equal(window.encode.image, image) for image in mnist_test.images.numpy())
    classes, index = child(window, QComboBox, "encode_class"), child(window, QSpinBox, "encode_index")
    classes.setFocus()
    QTest.keyClick(classes, "4")
    index.setFocus()
    index.selectAll()
    QTest.keyClicks(index, "17")
    QTest.keyClick(index, Qt.Key.Key_Return)
    fours = mnist_test.images[mnist_test.labels == 4].numpy()
    assert np.array_equal(window.encode.image, fours[17])
    answered(qtbot, window)
    assert "are 4" in text(window, "encode_neighbours_title")
    press(window, "encode_random")
    number = index.value()
    assert np.array_equal(window.encode.image, fours[number])
    assert index.maximum() == len(fours) - 1


@pytest.fixture(scope="module")
def mnist_test() -> datasets.ImageSet:
    return datasets.load(DataConfig()).test


def test_improve_moves_over_the_map_and_can_be_reset(qtbot, window: MainWindow) -> None:
    press(window, "encode_test")
    window.encode._choose_test(5, 0)
    answered(qtbot, window)
    began = window.encode._posterior
    prints = []
    window.encode.footprint_changed.connect(prints.append)
    button = child(window, QPushButton, "encode_improve")
    QTest.mouseClick(button, LEFT)
    assert button.text() == "Stop"
    qtbot.waitUntil(lambda: button.text() == "Reset", timeout=WAIT)
    assert "better" in text(window, "encode_bound")
    values = [item.now.bound.neg_elbo for item in [window.encode._improved]]
    assert values[0] < window.encode._improved.first.bound.neg_elbo
    assert len(prints) >= 3
    assert len(prints[-1].trail) == len(prints)
    assert prints[-1].begun
    assert prints[-1].centre != pytest.approx(began.mean, abs=1e-4)
    QTest.mouseClick(button, LEFT)
    assert button.text() == "Improve"
    assert window.map_panel.map._probe.footprint.centre == pytest.approx(began.mean)
    assert not window.map_panel.map._probe.footprint.begun
    answered(qtbot, window)
    assert "better" not in text(window, "encode_bound")


def test_another_model_gets_the_same_drawing(qtbot, window: MainWindow, tmp_path: Path) -> None:
    press(window, "encode_draw")
    draw(window, [(150, 40), (146, 150), (140, 240)])
    answered(qtbot, window)
    model = small_models.of((1, 20, 24), model="autoencoder", likelihood=SquaredErrorConfig())
    save_model(tmp_path / "other.safetensors", model, {})
    drop(window, files(tmp_path / "other.safetensors"))
    qtbot.waitUntil(lambda: window.encode.image is not None and window.encode.image.shape == (20, 24), timeout=WAIT)
    qtbot.waitUntil(lambda: text(window, "encode_posterior").startswith("z = ("), timeout=WAIT)
    assert np.array_equal(window.encode.image, prepare(window.encode.dialog.canvas.ink(), (1, 20, 24)))
    qtbot.waitUntil(lambda: text(window, "encode_bound").startswith("squared error"), timeout=WAIT)
    improve = child(window, QPushButton, "encode_improve")
    assert not improve.isEnabled()
    assert "no posterior" in improve.toolTip()
    assert not child(window, QPushButton, "encode_test").isEnabled()
    qtbot.waitUntil(lambda: "No training images" in text(window, "encode_neighbours_title"), timeout=WAIT)
    window.models.open("explorer-2d")
    qtbot.waitUntil(lambda: text(window, "encode_posterior").startswith("μ = ("), timeout=WAIT)
    assert improve.isEnabled()
    answered(qtbot, window)


@pytest.mark.slow
def test_it_follows_a_training(qtbot, window: MainWindow) -> None:
    press(window, "encode_test")
    answered(qtbot, window)
    frames = []
    window.renderer.frame.connect(lambda f: frames.append(f) if type(f).__name__ == "ProbeFrame" else None)
    window.setup.findChild(QWidget, "epochs").setValue(1)
    QTest.mouseClick(child(window, QPushButton, "train_button"), LEFT)
    qtbot.waitUntil(lambda: len({frame.version for frame in frames}) >= 3, timeout=WAIT)
    assert all(frame.image is window.encode.image for frame in frames[-2:])
    means = [frame.posterior.mean for frame in frames]
    assert not np.allclose(means[0], means[-1])
    window.training.stop()
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    answered(qtbot, window)
