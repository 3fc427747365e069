"""Combining in the whole window: A, B and C chosen by keys and mouse, gone to, pinned; directions with sliders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit, QMenu, QSlider
from small_models import decoded

from vae_studio import paths
from vae_studio.core import datasets, library
from vae_studio.core.arithmetic import Term
from vae_studio.core.attributes import measure
from vae_studio.core.checkpoint import load_model
from vae_studio.core.config import DataConfig
from vae_studio.core.exploration import Exploration
from vae_studio.core.marks import with_changed_pin, without_pins
from vae_studio.core.session_file import read_session
from vae_studio.ui.main_window import MainWindow

WAIT = 60_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
MODEL = paths.trained_models() / "pytorch-example.safetensors"


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL).model


@pytest.fixture(scope="module")
def class_means(model) -> np.ndarray:
    """Of the first 1000 test images, by the encoder in double precision, class after class: (10, 20)."""
    tests = datasets.load(DataConfig()).test
    with torch.no_grad():
        outputs = model.frozen().encoder.double()(tests.images[:1000, None].double() / 255.0)
    means, labels = outputs[:, :20].numpy(), tests.labels[:1000].numpy()
    of_class = [[mean for mean, label in zip(means, labels, strict=True) if label == number] for number in range(10)]
    return np.array([np.mean(members, axis=0) for members in of_class])


class Combining:
    """The window on a model of 20 dimensions, with the card unfolded."""

    def __init__(self, qtbot, window: MainWindow, kept: Path) -> None:
        self.qtbot, self.window, self.panel, self.kept = qtbot, window, window.combine.panel, kept

    @property
    def explored(self) -> Exploration:
        return self.window.session.exploration

    def wait(self, done: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(lambda: bool(done()), timeout=WAIT)

    def find(self, kind: type, name: str):
        return self.window.findChild(kind, name)

    def press(self, name: str) -> None:
        self.qtbot.mouseClick(self.find(QAbstractButton, name), LEFT)

    def choose(self, slot: str, *words: str) -> None:
        """Open a slot's menu by the key that opens lists, and go through its entries by their names."""
        button = self.find(QAbstractButton, f"combine_{slot}")
        button.setFocus()
        QTest.keyClick(button, Qt.Key.Key_Down)
        self.wait(lambda: isinstance(QApplication.activePopupWidget(), QMenu))
        for depth, word in enumerate(words):
            menu = QApplication.activePopupWidget()
            if menu.title() == "Mean of class":
                QTest.keyClick(menu, word)  # the class is chosen by its name
                break
            for _ in range(20):
                if menu.activeAction() is not None and menu.activeAction().text() == word:
                    break
                QTest.keyClick(menu, Qt.Key.Key_Down)
            assert menu.activeAction().text() == word
            QTest.keyClick(menu, Qt.Key.Key_Return)
            if depth + 1 < len(words):
                self.wait(lambda menu=menu: QApplication.activePopupWidget() is not menu)
        self.wait(lambda: QApplication.activePopupWidget() is None)

    def says(self, name: str) -> str:
        return self.find(QLabel, name).text()


@pytest.fixture
def combining(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Combining]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    kept = tmp_path / "last.vaesession"
    window = MainWindow(str(MODEL), [(m.name, m.title) for m in library.shipped_models()], store, kept)
    window.resize(1440, 900)
    window.show()
    window.actions_.reconstruct.trigger()  # no map is decoded, and what is encoded is so for the card alone
    result = Combining(qtbot, window, kept)
    result.press("combine_section")
    result.wait(lambda: result.panel.sources.classes)
    yield result
    window.close()
    window.deleteLater()


def test_a_minus_b_plus_c_is_seen_gone_to_and_undone(combining: Combining, model, class_means) -> None:
    combining.choose("a", "Mean of class", "9")
    combining.choose("b", "Mean of class", "4")
    combining.choose("c", "Mean of class", "7")
    combining.wait(lambda: combining.says("combine_words").startswith("9 − 4 + 7"))
    exact = class_means[9] - class_means[4] + class_means[7]
    wanted = [class_means[9], class_means[4], class_means[7], exact]
    pictures = (*combining.panel.terms, combining.panel.result)

    def right() -> bool:
        shown = [picture.image for picture in pictures]
        return all(image is not None for image in shown) and bool(
            (np.abs(np.stack(shown) - decoded(model, wanted)) < 4).all()  # encoded in bf16 where that is faster
        )

    combining.wait(right)
    assert [picture.caption for picture in pictures] == ["9", "4", "7", "Result"]
    combining.press("combine_go")
    assert np.array(combining.explored.point) == pytest.approx(exact, abs=0.02)
    combining.press("combine_pin")
    assert [(pin.name, pin.point) for pin in combining.explored.pins] == [("9 − 4 + 7", combining.explored.point)]
    combining.window.actions_.undo.trigger()
    combining.window.actions_.undo.trigger()
    assert combining.explored.point == (0.0,) * 20 and combining.explored.pins == ()

    # A pin that is moved is taken where it lies now; one that is gone is nothing.
    combining.press("combine_pin")
    combining.choose("b", "Nothing")
    combining.choose("c", "Pin", "9 − 4 + 7")
    combining.window.session.change(with_changed_pin(combining.explored, 0, point=(0.5,) * 20))
    combining.press("combine_go")
    assert np.array(combining.explored.point) == pytest.approx(class_means[9] + 0.5, abs=0.02)
    combining.window.session.change(without_pins(combining.explored, [0]))
    # Without B and C it is the mean of the class alone.
    combining.press("combine_go")
    assert np.array(combining.explored.point) == pytest.approx(class_means[9], abs=0.02)
    # An image of the user's own is its μ.
    combining.window.actions_.test_image.trigger()
    combining.wait(lambda: combining.panel.sources.image)
    combining.choose("b", "Encoded image")
    x = torch.from_numpy(combining.window.encode.image)[None, None].double() / 255.0
    with torch.no_grad():
        mean = model.frozen().encoder.double()(x)[0, :20].numpy()
    combining.press("combine_go")
    assert np.array(combining.explored.point) == pytest.approx(class_means[9] - mean, abs=0.02)
    # What is not there is said.
    combining.window.combine.choose(1, Term("selection"))
    combining.wait(lambda: "Nothing is selected" in combining.says("combine_words"))
    assert not combining.find(QAbstractButton, "combine_go").isEnabled()
    combining.window.combine.set_selection(np.array([[1.0] * 20, [3.0] * 20]))
    combining.wait(lambda: combining.find(QAbstractButton, "combine_go").isEnabled())
    combining.press("combine_go")
    assert np.array(combining.explored.point) == pytest.approx(class_means[9] - 2.0, abs=0.02)


def test_a_direction_gets_a_slider_that_moves_the_point_along_it(combining: Combining, model, class_means) -> None:
    combining.choose("a", "Mean of class", "8")
    combining.choose("b", "Mean of class", "3")
    name = combining.find(QLineEdit, "combine_name")
    combining.wait(lambda: name.text() == "3 → 8")
    assert "separates" in combining.says("combine_direction")
    combining.press("combine_add")
    (added,) = combining.explored.directions
    difference = class_means[8] - class_means[3]
    assert added.name == "3 → 8"
    assert np.array(added.vector) == pytest.approx(difference / np.linalg.norm(difference), abs=0.01)
    assert np.linalg.norm(added.vector) == pytest.approx(1.0, abs=1e-12)

    # Its slider is dragged: the point goes along the vector, in all its coordinates, and back at one undo.
    slider = combining.find(QSlider, "direction_slider_0")
    combining.wait(slider.isVisible)
    before = combining.explored.point
    middle = QPoint(slider.width() // 2, slider.height() - 8)
    QTest.mousePress(slider, LEFT, NONE, middle)
    for step in range(1, 6):
        QTest.mouseMove(slider, middle + QPoint(8 * step, 0))
    QTest.mouseRelease(slider, LEFT, NONE, middle + QPoint(40, 0))
    moved = np.array(combining.explored.point) - before
    length = np.linalg.norm(moved)
    assert 0.5 < length < 4.0
    assert moved == pytest.approx(length * np.array(added.vector), abs=1e-9)
    combining.window.actions_.undo.trigger()
    assert combining.explored.point == before
    assert combining.window.session.undoing == "add a direction"

    # One that is measured on the images, under a name that is typed; what it is called is what it does.
    way = combining.find(QComboBox, "combine_way")
    way.setFocus()
    QTest.keyClick(way, Qt.Key.Key_Down)
    combining.wait(lambda: name.text() == "thicker" and combining.find(QAbstractButton, "combine_add").isEnabled())
    name.setFocus()
    name.selectAll()
    QTest.keyClicks(name, "bold")
    QTest.keyClick(name, Qt.Key.Key_Return)
    bold = combining.explored.directions[1]
    assert bold.name == "bold"
    start = class_means[2][None]
    images = np.rint(decoded(model, start + np.array([[-2.0], [2.0]]) * bold.vector)).astype(np.uint8)
    thin, thick = measure(images)["thicker"]
    assert thick > thin + 1.0

    # The same once more is refused; one is removed, and brought back; and all is in the session that is kept.
    combining.press("combine_add")
    assert "is a slider already" in combining.says("notice_text") and len(combining.explored.directions) == 2
    combining.press("direction_remove_0")
    assert combining.explored.directions == (bold,)
    combining.window.actions_.undo.trigger()
    assert combining.explored.directions == (added, bold)
    combining.window.sessions.keep(combining.window._saved_session())
    saved = read_session(combining.kept)
    assert saved.exploration.directions == (added, bold)
    combining.window.session.restore(Exploration((0.0,) * 20, combining.explored.plane))
    assert combining.explored.directions == ()
    rows = combining.window.decoder.sliders.list.rows
    assert min(row.key for row in rows()) == 0
    combining.window.session.restore(saved.exploration)
    assert min(row.key for row in rows()) == -2
