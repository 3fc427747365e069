"""The whole window in one process, offscreen: real workers, real MNIST, real training, real presses."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionSlider,
    QWidget,
)

from vae_studio import app
from vae_studio.core import datasets, library
from vae_studio.core.checkpoint import load_model, save_model
from vae_studio.core.config import (
    BernoulliConfig,
    DataConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.events import Evaluated, Finished, Progress, Snapshot
from vae_studio.core.presets import find_preset
from vae_studio.core.runs import record
from vae_studio.core.scene import EncodingsFrame, MapFrame, PicturesFrame, PointFrame
from vae_studio.ui.main_window import MainWindow
from vae_studio.ui.theme import DARK, LIGHT

WAIT = 60_000


@pytest.fixture
def store(tmp_path: Path) -> QSettings:
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    store.setValue("theme", "dark")
    return store


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def open_window(qtbot, store: QSettings, data_home: Path) -> Iterator[Callable[[str], MainWindow]]:
    """Opens the window at 1440×900 on a model; closes it at the end."""
    windows = []

    def open_on(model: str) -> MainWindow:
        shipped = [(m.name, m.title) for m in library.shipped_models()]
        window = MainWindow(model, shipped, store)
        windows.append(window)
        window.resize(1440, 900)
        window.show()
        return window

    yield open_on
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.fixture
def window(qtbot, open_window) -> MainWindow:
    """The window once the 2-D explorer's map and encodings are drawn."""
    window = open_window("explorer-2d")
    settle(qtbot, window)
    return window


def settle(qtbot, window: MainWindow, act: Callable[[], None] = lambda: None) -> None:
    """Do this, and wait until map, encodings and point show the scene that comes of it."""
    frames: list[object] = []
    window.renderer.frame.connect(frames.append)
    act()

    def done() -> bool:
        current = [f for f in frames if f.version.lineage == window.session.scene.version.lineage]
        kinds = {type(f) for f in current if not isinstance(f, MapFrame) or f.complete}
        return {PointFrame, MapFrame, EncodingsFrame} <= kinds

    qtbot.waitUntil(done, timeout=WAIT)
    window.renderer.frame.disconnect(frames.append)


def child(window: QWidget, kind: type, name: str):
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def press(qtbot, window: QWidget, name: str) -> None:
    qtbot.mouseClick(child(window, QPushButton, name), Qt.MouseButton.LeftButton)


def type_into(qtbot, widget: QWidget, text: str) -> None:
    widget.setFocus()
    widget.selectAll()
    qtbot.keyClicks(widget, text)
    qtbot.keyClick(widget, Qt.Key.Key_Return)


def shown_image(window: MainWindow) -> np.ndarray:
    """The decoder view's pixels, grey, brought to 28×28 by taking the middle of each enlarged pixel."""
    view = window.decoder.view
    picture = view.grab().toImage()
    rect = view.image_rect()
    step = rect.width() / 28
    return np.array(
        [
            [
                picture.pixelColor(int(rect.x() + (j + 0.5) * step), int(rect.y() + (i + 0.5) * step)).green()
                for j in range(28)
            ]
            for i in range(28)
        ],
        float,
    )


def expected_image(window: MainWindow, point: tuple[float, ...]) -> np.ndarray:
    """The decoder's probabilities at a point as the dark theme's greens, by torch's own sigmoid."""
    probabilities = torch.sigmoid(window.session.opened.model.decoder(torch.tensor([point])))[0, 0].numpy()
    paper, ink = (int(colour[3:5], 16) for colour in (DARK.paper, DARK.ink))
    return paper + (ink - paper) * probabilities


def test_it_opens_on_a_trained_model_with_no_training_under_way(qtbot, window: MainWindow) -> None:
    assert np.abs(shown_image(window) - expected_image(window, (0.0, 0.0))).mean() < 6
    assert child(window, QPushButton, "train_button").isVisible()
    assert window.windowTitle().startswith("2-D explorer")
    colours = np.array([picked(window, fraction) for fraction in np.linspace(0.05, 0.95, 60)])
    assert colours.std() > 10, "the map must show digits, not bare paper"


def picked(window: MainWindow, fraction: float) -> tuple[int, int, int]:
    latent_map = window.map_panel.map
    picture = latent_map.grab().toImage()
    colour = picture.pixelColor(int(picture.width() * fraction), int(picture.height() * 0.4))
    return colour.red(), colour.green(), colour.blue()


def test_click_arrow_keys_sliders_and_typed_values_all_move_the_same_point(qtbot, window: MainWindow) -> None:
    latent_map = window.map_panel.map
    target = latent_map.to_pixel((-2.5, 1.25)).toPoint()  # where no encoding lies
    z = latent_map.to_latent(QPointF(target))
    qtbot.mouseClick(latent_map, Qt.MouseButton.LeftButton, pos=target)
    values = [child(window, QDoubleSpinBox, f"latent_value_{i}") for i in range(2)]
    assert [v.value() for v in values] == pytest.approx(z, abs=1e-3)
    qtbot.waitUntil(lambda: bool(np.abs(shown_image(window) - expected_image(window, z)).mean() < 6), timeout=WAIT)

    latent_map.setFocus()
    qtbot.keyClick(latent_map, Qt.Key.Key_Right)
    assert values[0].value() > z[0]
    assert values[1].value() == pytest.approx(z[1], abs=1e-3)

    type_into(qtbot, values[1], "-1.5")
    assert latent_map.point()[1] == pytest.approx(-1.5)
    point = latent_map.point()
    qtbot.waitUntil(lambda: bool(np.abs(shown_image(window) - expected_image(window, point)).mean() < 6), timeout=WAIT)
    slider = child(window, QSlider, "latent_slider_0")
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_Home)
    assert latent_map.point()[0] == pytest.approx(-4.0)

    press(qtbot, window, "reset_button")
    assert latent_map.point() == (0.0, 0.0)
    press(qtbot, window, "random_button")
    assert latent_map.point() != (0.0, 0.0)


def test_twenty_dimensions_bring_sliders_axes_and_a_plane_through_the_point(qtbot, window: MainWindow) -> None:
    combo = child(window, QComboBox, "model_combo")
    combo.setFocus()

    def choose() -> None:
        qtbot.keyClicks(combo, "PyTorch")
        qtbot.waitUntil(lambda: window.session.opened.model.latent_dims == 20, timeout=WAIT)

    settle(qtbot, window, choose)
    assert child(window, QSlider, "latent_slider_19") is not None
    axis_x = child(window, QComboBox, "axis_x_combo")
    axis_x.setFocus()
    qtbot.keyClick(axis_x, Qt.Key.Key_End)
    kl = window.session.opened.card["kl_per_dim"]
    best = set(np.argsort(kl)[-2:].tolist())
    across, up = window.session.scene.plane.axes
    assert across == 19
    assert up in best, "the map opens on the two most informative dimensions"

    frames: list[MapFrame] = []
    window.renderer.frame.connect(frames.append)
    type_into(qtbot, child(window, QDoubleSpinBox, "latent_value_4"), "2.5")

    def drawn() -> bool:
        """Whether the newest complete map shows, in the first cell of a tile, what the decoder gives there."""
        complete = [f for f in frames if isinstance(f, MapFrame) and f.complete]
        if not complete:
            return False
        tile = complete[-1].tiles[-1]
        z = torch.zeros(1, 20)
        z[0, 4] = 2.5
        step = (tile.right - tile.left) / 4
        z[0, 19], z[0, up] = tile.left + step / 2, tile.top - step / 2
        cell = 255 * torch.sigmoid(window.session.opened.model.decoder(z))[0, 0].numpy()
        error = np.abs(tile.image[:28, :28] - cell)
        return bool(error.mean() < 1 and error.max() < 12)  # the map may be decoded in bf16

    qtbot.waitUntil(drawn, timeout=WAIT)


def test_reconstruct_tab_shows_test_images_beside_their_reconstructions(qtbot, window: MainWindow) -> None:
    frames: list[PicturesFrame] = []
    window.renderer.frame.connect(frames.append)
    press(qtbot, window, "reconstruct_tab")

    def current() -> list[PicturesFrame]:
        """Those that answer what is asked for now, which is anew where the panel has more room."""
        return [f for f in frames if isinstance(f, PicturesFrame) and f.request is window.reconstruct.request()]

    qtbot.waitUntil(lambda: bool(current()), timeout=WAIT)
    shown = current()[-1]
    model = window.session.opened.model
    x = torch.from_numpy(shown.request.images).unsqueeze(1).float() / 255
    expected = 255 * torch.sigmoid(model.decoder(model.encoder(x)[:, :2]))[:, 0].numpy()
    assert np.abs(shown.reconstructions - expected).max() <= 0.51
    press(qtbot, window, "explore_tab")
    assert window.map_panel.isVisible()


def test_the_decoder_view_shows_a_sample_and_the_mean_again(qtbot, window: MainWindow) -> None:
    def black_and_white() -> bool:
        """Pixels are painted smoothly: what lies between two of them may be grey, their middles are nearly not."""
        image = shown_image(window)
        paper, ink = (int(colour[3:5], 16) for colour in (DARK.paper, DARK.ink))
        return bool(np.minimum(np.abs(image - paper), np.abs(image - ink)).mean() < 12)

    mean = shown_image(window)
    press(qtbot, window, "decoder_sample_chip")
    qtbot.waitUntil(lambda: bool((shown_image(window) != mean).any()) and black_and_white(), timeout=WAIT)
    first = shown_image(window)
    assert window.decoder.view.accessibleName() == "Sample of p(x|z)"
    press(qtbot, window, "decoder_sample_chip")
    qtbot.waitUntil(lambda: bool((shown_image(window) != first).any()), timeout=WAIT)
    press(qtbot, window, "decoder_mean_chip")
    qtbot.waitUntil(lambda: np.array_equal(shown_image(window), mean), timeout=WAIT)


def test_the_expected_image_stands_beside_the_image_at_the_mean(qtbot, window: MainWindow) -> None:
    press(qtbot, window, "reconstruct_tab")
    press(qtbot, window, "expectation_chip")
    hint = child(window, QLabel, "reconstruct_hint")
    qtbot.waitUntil(lambda: "grey levels" in hint.text(), timeout=WAIT)
    pairs = window.reconstruct.pairs
    picture = pairs.grab().toImage()
    for rect in (pairs.expectation_rect(0), pairs.difference_rect(0)):
        places = [(x, y) for x in range(rect.left(), rect.right(), 3) for y in range(rect.top(), rect.bottom(), 3)]
        assert np.ptp([picture.pixelColor(x, y).green() for x, y in places]) > 30


def open_by_keys(qtbot, window: MainWindow, name: str) -> None:
    combo = child(window, QComboBox, "model_combo")
    combo.setFocus()
    qtbot.keyClicks(combo, name)


def test_models_of_other_kinds_and_sizes_say_what_they_have_not(qtbot, open_window, tmp_path: Path) -> None:
    path = tmp_path / "colours.safetensors"
    save_model(path, small_models.of(small_models.COLOUR, model="autoencoder"), {})
    window = open_window(str(path))
    failures: list[object] = []
    window.renderer.failed.connect(failures.append)
    qtbot.waitUntil(window.notice.isVisible, timeout=WAIT)
    assert "32 × 32 pixels in colour" in window.notice.text()
    assert not child(window, QPushButton, "decoder_sample_chip").isEnabled()
    assert not child(window, QPushButton, "expectation_chip").isEnabled()
    assert "has no prior" in child(window, QPushButton, "prior_chip").toolTip()

    def colourful() -> bool:
        red, green, blue = np.array([picked(window, part) for part in np.linspace(0.1, 0.9, 40)]).T
        return bool((np.abs(red - green) + np.abs(green - blue)).max() > 60)

    qtbot.waitUntil(colourful, timeout=WAIT)
    open_by_keys(qtbot, window, "2-D")
    settle(qtbot, window)
    assert child(window, QPushButton, "decoder_sample_chip").isEnabled()
    press(qtbot, window, "reconstruct_tab")
    assert len(window.reconstruct.request().images) > 0
    # Images that are on view do not fit the next model.
    lineage = window.session.scene.version.lineage
    window.models.open(str(path))
    qtbot.waitUntil(lambda: window.session.scene.version.lineage > lineage, timeout=WAIT)
    qtbot.waitUntil(lambda: "auto-encoder" in child(window, QPushButton, "random_button").toolTip(), timeout=WAIT)
    assert window.reconstruct.request() is None
    assert window.session.scene.pictures is None
    qtbot.wait(200)
    assert failures == []


@pytest.mark.parametrize("likelihood", [SquaredErrorConfig(), BernoulliConfig()])
def test_an_opened_autoencoder_shows_its_cards_error(qtbot, open_window, tmp_path: Path, likelihood) -> None:
    config = RunConfig(
        model="autoencoder",
        likelihood=likelihood,
        network=MLPConfig(widths=(16,)),
        latent_dims=3,
        data=DataConfig(limit=500),
        epochs=1,
        device="cpu",
    )
    for _ in record(config, datasets.load(config.data, 0), tmp_path):
        pass
    path = tmp_path / "model.safetensors"
    window = open_window(str(path))
    settle(qtbot, window)
    card = window.session.opened.card
    assert text_of(window, "objective_name") == "reconstruction error"
    assert text_of(window, "neg_elbo") == f"{card['reconstruction']:.1f}"
    assert text_of(window, "binarisation_note").endswith(config.unit)
    assert text_of(window, "active_units") == "All 3 latent dimensions are active."
    assert child(window, QPushButton, "prior_chip").text() == "Spread"
    shown = window.findChildren(QLabel) + window.findChildren(QAbstractButton)
    told = [part.text() for part in shown if part.isVisible()]
    assert not any("ELBO" in text for text in told)
    assert "reconstruction error train" in told
    squared = likelihood.kind == "squared-error"
    assert ("squared error" if squared else "nats") in window.training_panel.loss_plot.left.label.toPlainText()


def test_random_draws_from_a_learned_prior(qtbot, open_window, tmp_path: Path) -> None:
    model = small_models.of(prior=MixtureConfig(components=2))
    model.prior.means.copy_(torch.tensor([[2.0, 1.0], [2.0, -1.0]]))
    model.prior.log_scales.fill_(-5.0)
    path = tmp_path / "mixture.safetensors"
    save_model(path, model, {})
    window = open_window(str(path))
    settle(qtbot, window)
    press(qtbot, window, "random_button")
    qtbot.waitUntil(lambda: window.map_panel.map.point() != (0.0, 0.0), timeout=WAIT)
    across, up = window.map_panel.map.point()
    assert abs(across - 2.0) < 0.1 and abs(abs(up) - 1.0) < 0.1


def test_a_missing_model_is_named_and_the_window_lives_on(qtbot, open_window, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.safetensors"
    window = open_window(str(missing))
    qtbot.waitUntil(window.notice.isVisible, timeout=WAIT)
    assert str(missing) in window.notice.text()
    assert "Traceback" not in window.notice.text()
    combo = child(window, QComboBox, "model_combo")
    combo.setFocus()
    qtbot.keyClicks(combo, "2-D")
    qtbot.waitUntil(lambda: window.session.opened is not None, timeout=WAIT)


def test_theme_switches_by_key_and_is_remembered(qtbot, window: MainWindow, store: QSettings) -> None:
    panel = window.setup
    before = panel.grab().toImage().pixelColor(panel.width() // 2, panel.height() - 6).name()
    assert before == DARK.panel
    QTest.keyClick(window, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert panel.grab().toImage().pixelColor(panel.width() // 2, panel.height() - 6).name() == LIGHT.panel
    assert store.value("theme") == "light"


def small_run(qtbot, window: MainWindow, *, epochs: int = 1000) -> None:
    """Settings of a run that is over in no time, or lasts as long as a test needs it to."""
    type_into(qtbot, child(window, QSpinBox, "subset_limit"), "1000")
    type_into(qtbot, child(window, QSpinBox, "epochs"), str(epochs))
    type_into(qtbot, child(window, QSpinBox, "batch_size"), "100")


def collect(window: MainWindow) -> list[object]:
    said: list[object] = []
    window.training.said.connect(said.append)
    return said


def test_training_from_the_window_moves_map_curves_and_numbers_and_saves(
    qtbot, window: MainWindow, data_home: Path
) -> None:
    said, frames = collect(window), []
    window.renderer.frame.connect(frames.append)
    small_run(qtbot, window, epochs=12)
    press(qtbot, window, "train_button")
    assert child(window, QPushButton, "pause_button").isVisible()
    assert not child(window, QSpinBox, "latent_dims").isEnabled()
    with qtbot.waitSignal(window.training.state_changed, timeout=WAIT, check_params_cb=lambda state: state == "idle"):
        pass
    first = next(s for s in said if isinstance(s, Snapshot))
    assert first.step == 1, "the map changes with the very first step"
    lineage = window.training.run.lineage
    drawn = [f for f in frames if isinstance(f, MapFrame) and f.version.lineage == lineage]
    assert len({f.version.number for f in drawn}) > 1, "the map follows training"
    steps = np.concatenate([s.steps for s in said if isinstance(s, Progress)])
    assert steps.tolist() == list(range(1, 121))
    (finished,) = (s for s in said if isinstance(s, Finished))
    (file,) = data_home.rglob("model.safetensors")
    assert load_model(file).card["neg_elbo"] == pytest.approx(finished.evaluation.neg_elbo, abs=1e-3)
    assert window.session.opened.path == file
    assert child(window, QPushButton, "train_button").isVisible()
    assert child(window, QSpinBox, "latent_dims").isEnabled()


def test_pause_holds_resume_goes_on_and_stop_keeps_the_model(qtbot, window: MainWindow, data_home: Path) -> None:
    said = collect(window)
    small_run(qtbot, window)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: sum(isinstance(s, Progress) for s in said) > 3, timeout=WAIT)
    press(qtbot, window, "pause_button")
    held = -1
    while held != len(said):  # what was on its way still comes
        held = len(said)
        qtbot.wait(300)
    qtbot.wait(500)
    assert len(said) == held
    press(qtbot, window, "pause_button")
    qtbot.waitUntil(lambda: len(said) > held + 2, timeout=WAIT)
    beta = child(window, QDoubleSpinBox, "beta_value")
    type_into(qtbot, beta, "4")
    qtbot.waitUntil(lambda: any(isinstance(s, Progress) and s.beta == 4.0 for s in said), timeout=WAIT)
    press(qtbot, window, "stop_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    (file,) = data_home.rglob("model.safetensors")
    assert load_model(file).card["ended"] == "stopped"


def test_closing_while_training_and_while_paused_keeps_a_model(qtbot, window: MainWindow, data_home: Path) -> None:
    said = collect(window)
    small_run(qtbot, window)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Snapshot) for s in said), timeout=WAIT)
    press(qtbot, window, "pause_button")
    window.close()
    assert not window.training.run.trainer.isRunning()
    (file,) = data_home.rglob("model.safetensors")
    assert load_model(file).model.latent_dims == 2


def pull_slider(slider: QSlider, fraction: float) -> None:
    """Take the handle and let go of it at this fraction of the slider's width."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    part = QStyle.SubControl.SC_SliderHandle
    start = slider.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, slider).center()
    end = QPoint(round(slider.width() * fraction), start.y())
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for part in range(1, 11):
        QTest.mouseMove(slider, start + (end - start) * part / 10)
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=end)


def test_one_step_at_each_press_from_the_untrained_map_on(qtbot, window: MainWindow, data_home: Path) -> None:
    said = collect(window)
    small_run(qtbot, window)
    step, action = child(window, QPushButton, "step_button"), window.actions_.step
    pull_slider(child(window, QSlider, "pace_slider"), 0.0)
    assert step.isVisible() and not step.isEnabled() and not action.isEnabled(), "nothing runs"
    qtbot.keyClick(window, Qt.Key.Key_F8)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Snapshot) for s in said), timeout=WAIT)
    assert step.isEnabled() and action.isEnabled()
    assert child(window, QLabel, "status_text").text() == "Press F8 for the first step"

    def shown() -> bool:
        """Whether the decoder view shows the newest weights."""
        return bool(np.abs(shown_image(window) - expected_image(window, (0.0, 0.0))).mean() < 3)

    def steps() -> list[int]:
        return np.concatenate([s.steps for s in said if isinstance(s, Progress)]).tolist()

    qtbot.waitUntil(shown, timeout=WAIT)
    assert np.ptp(shown_image(window)) < 60, "it has learned nothing"
    for count in (1, 2, 3):
        qtbot.keyClick(window, Qt.Key.Key_F8)
        qtbot.waitUntil(lambda count=count: window.training.run.step == count, timeout=WAIT)
        qtbot.wait(150)
        assert steps() == list(range(1, count + 1))
        qtbot.waitUntil(shown, timeout=WAIT)
    press(qtbot, window, "step_button")
    qtbot.waitUntil(lambda: window.training.run.step == 4, timeout=WAIT)
    assert any(label.text() == "step 4" for label in window.status.findChildren(QLabel))

    press(qtbot, window, "pause_button")
    assert not step.isEnabled() and not action.isEnabled()
    press(qtbot, window, "pause_button")
    pull_slider(child(window, QSlider, "pace_slider"), 0.5)
    assert not step.isVisible() and not action.isEnabled()
    qtbot.waitUntil(lambda: window.training.run.step > 8, timeout=WAIT)
    pull_slider(child(window, QSlider, "pace_slider"), 0.0)
    qtbot.waitUntil(step.isEnabled, timeout=WAIT)
    began = time.perf_counter()
    window.close()
    assert time.perf_counter() - began < 5
    assert not window.training.run.trainer.isRunning()
    (file,) = data_home.rglob("model.safetensors")
    card = load_model(file).card
    assert (card["ended"], card["changes"][0]) == ("stopped", {"step": 0, "pace": 0})
    assert steps() == list(range(1, len(steps()) + 1)) and card["steps"] >= steps()[-1] > 8


def test_the_pace_is_kept_for_the_next_run_and_a_new_window_starts_flat_out(qtbot, open_window) -> None:
    window = open_window("explorer-2d")
    settle(qtbot, window)
    said = collect(window)
    small_run(qtbot, window)
    pull_slider(child(window, QSlider, "pace_slider"), 0.42)
    pace = window.bar.pace.pace()
    assert 5 < pace < 50
    for _ in range(2):
        del said[:]
        press(qtbot, window, "train_button")
        qtbot.waitUntil(lambda: sum(isinstance(s, Snapshot) for s in said) > 6, timeout=WAIT)
        last = [s for s in said if isinstance(s, Progress)][-1]
        assert last.step < 50 and 0 < last.steps_per_second <= pace
        press(qtbot, window, "stop_button")
        qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    window.close()
    assert open_window("explorer-2d").bar.pace.pace() is None


def test_a_diverging_run_ends_with_a_sentence_and_finite_weights(qtbot, window: MainWindow, data_home: Path) -> None:
    said = collect(window)
    small_run(qtbot, window, epochs=40)
    type_into(qtbot, child(window, QDoubleSpinBox, "learning_rate"), "1")
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Finished) for s in said), timeout=WAIT)
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    (finished,) = (s for s in said if isinstance(s, Finished))
    assert finished.reason == "not_finite"
    assert window.notice.isVisible()
    assert "smaller learning rate" in window.notice.text()
    (file,) = data_home.rglob("model.safetensors")
    assert all(bool(p.isfinite().all()) for p in load_model(file).model.parameters())


def test_a_wrong_setting_is_named_and_nothing_starts(qtbot, window: MainWindow) -> None:
    type_into(qtbot, child(window, QLineEdit, "seed"), "minus one")
    press(qtbot, window, "train_button")
    assert window.notice.isVisible()
    assert "Seed" in window.notice.text()
    assert not window.training.going


def test_a_folder_that_cannot_be_made_is_named_and_training_can_start_again(
    qtbot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    small_run(qtbot, window, epochs=1)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(window.notice.isVisible, timeout=WAIT)
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    assert str(tmp_path / "file") in window.notice.text()
    assert child(window, QComboBox, "model_combo").currentText() == "2-D explorer", "what is on view is named"
    assert "2-D explorer" in child(window, QLabel, "status_text").text()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    assert list((tmp_path / "data").rglob("model.safetensors"))


def test_opening_another_model_during_training_leaves_the_run_alone(qtbot, window: MainWindow) -> None:
    said = collect(window)
    small_run(qtbot, window)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Snapshot) for s in said), timeout=WAIT)
    combo = child(window, QComboBox, "model_combo")
    combo.setFocus()
    qtbot.keyClicks(combo, "PyTorch")
    qtbot.waitUntil(lambda: window.session.opened.model.latent_dims == 20, timeout=WAIT)
    count = len(said)
    qtbot.waitUntil(lambda: len(said) > count + 20, timeout=WAIT)
    assert window.session.opened.model.latent_dims == 20, "snapshots of the run must not take over"
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: window.session.opened.model.latent_dims == 2, timeout=WAIT)
    press(qtbot, window, "stop_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)


def figure(window: MainWindow, key: str) -> str:
    return child(window, QLabel, f"figure_{key}").text()


def evaluated(window: MainWindow) -> bool:
    return child(window, QLabel, "evaluate_status").text().startswith("done in")


def test_the_model_on_view_is_evaluated_and_exploring_goes_on(qtbot, window: MainWindow) -> None:
    QTest.keyClick(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    assert window.evaluation.panel.isVisible() and not window.map_panel.isVisible()
    assert child(window, QLabel, "evaluate_subject").text() == "2-D explorer"
    images = child(window, QComboBox, "evaluate_images_combo")
    qtbot.waitUntil(lambda: images.currentText() in ("500 of 10,000", "all 10,000"), timeout=WAIT)
    press(qtbot, window, "evaluate_button")  # with K = 5000
    qtbot.waitUntil(lambda: figure(window, "mutual_information") != "—", timeout=WAIT)
    assert figure(window, "neg_elbo") == f"{window.session.opened.card['neg_elbo']:.2f}"
    type_into(qtbot, child(window, QDoubleSpinBox, "latent_value_0"), "1.25")
    qtbot.waitUntil(
        lambda: bool(np.abs(shown_image(window) - expected_image(window, (1.25, 0.0))).mean() < 6), timeout=WAIT
    )
    combo = child(window, QComboBox, "model_combo")
    combo.setFocus()
    qtbot.keyClicks(combo, "PyTorch")
    qtbot.waitUntil(lambda: window.session.opened.model.latent_dims == 20, timeout=WAIT)
    assert child(window, QLabel, "evaluate_title").text() == "Figures of 2-D explorer (not of PyTorch example)"
    assert child(window, QPushButton, "evaluate_cancel_button").isEnabled(), "it is still under way"
    window.close()
    assert not window.evaluation_jobs.isRunning(), "closing does not wait for it"


def test_a_snapshot_is_evaluated_while_training_goes_on(qtbot, window: MainWindow) -> None:
    said = collect(window)
    small_run(qtbot, window)
    press(qtbot, window, "evaluate_tab")
    type_into(qtbot, child(window, QSpinBox, "evaluate_samples"), "5")
    press(qtbot, window, "train_button")
    subject = child(window, QLabel, "evaluate_subject")
    qtbot.waitUntil(lambda: "snapshot at step" in subject.text(), timeout=WAIT)
    press(qtbot, window, "evaluate_button")
    evaluated_one = window.evaluation._subject
    steps = next(s.step for s in reversed(said) if isinstance(s, Snapshot))
    assert subject.text().endswith(f"snapshot at step {steps:,}")
    qtbot.waitUntil(lambda: evaluated(window), timeout=WAIT)
    assert figure(window, "nll") != "—"
    title = child(window, QLabel, "evaluate_title").text()
    assert title.startswith(f"Figures of {evaluated_one.title}")
    at = said[-1].step if isinstance(said[-1], Progress) else 0
    qtbot.waitUntil(lambda: isinstance(said[-1], Progress) and said[-1].step > at + 50, timeout=WAIT)
    assert window.training.going, "training goes on"
    press(qtbot, window, "stop_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    assert subject.text() == window.training.run.title, "it is no snapshot any more"
    press(qtbot, window, "evaluate_button")
    qtbot.waitUntil(lambda: evaluated(window), timeout=WAIT)
    assert child(window, QLabel, "evaluate_title").text() == f"Figures of {window.training.run.title}"


def slowly() -> Iterator[float]:
    """A job that keeps the queue busy for a while."""
    for _ in range(20):
        time.sleep(0.05)
        yield 0.5


def test_a_model_chosen_while_training_comes_even_if_it_has_to_wait(qtbot, window: MainWindow) -> None:
    said = collect(window)
    small_run(qtbot, window)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Snapshot) for s in said), timeout=WAIT)
    window.jobs.submit(slowly, said.append, said.append)
    combo = child(window, QComboBox, "model_combo")
    combo.setFocus()
    qtbot.keyClicks(combo, "PyTorch")
    qtbot.waitUntil(lambda: window.session.opened.model.latent_dims == 20, timeout=WAIT)
    assert window.training.going


def test_figures_are_those_of_the_model_on_view(qtbot, window: MainWindow) -> None:
    def shown() -> tuple[str, str]:
        return child(window, QLabel, "neg_elbo").text(), child(window, QLabel, "binarisation_note").text()

    shipped = shown()
    assert shipped[0] == f"{window.session.opened.card['neg_elbo']:.1f}"
    small_run(qtbot, window, epochs=3)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: not window.training.going and window.session.opened.path.exists(), timeout=WAIT)
    trained = shown()
    assert trained[0] == f"{window.session.opened.card['neg_elbo']:.1f}"
    assert "your run" in trained[1] and "test image" in trained[1]
    combo = child(window, QComboBox, "model_combo")
    # The run stands on top of the list, the shipped 2-D explorer below it.
    for key, expected in ((Qt.Key.Key_Down, shipped), (Qt.Key.Key_Home, trained)):
        combo.setFocus()
        qtbot.keyClick(combo, key)
        qtbot.waitUntil(lambda expected=expected: shown() == expected, timeout=WAIT)


def text_of(window: MainWindow, name: str) -> str:
    """What a label says, or nothing while it is not to be seen."""
    found = child(window, QLabel, name)
    return found.text() if found.isVisible() else ""


def test_an_autoencoder_is_trained_and_its_error_is_called_one(qtbot, window: MainWindow) -> None:
    window.setup.set_config(find_preset("autoencoder-2d").config.with_changes(device="cpu"))
    small_run(qtbot, window, epochs=6)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: window.training.run.evaluation is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    evaluation = window.training.run.evaluation
    assert text_of(window, "objective_name") == "reconstruction error"
    assert text_of(window, "neg_elbo") == f"{evaluation.reconstruction:.1f}"
    assert text_of(window, "binarisation_note").endswith("squared error per image, summed over pixels")
    assert not child(window, QSlider, "beta_slider").isEnabled()
    shown = window.findChildren(QLabel) + window.findChildren(QAbstractButton)
    told = [part.text() for part in shown if part.isVisible()]
    assert not any("ELBO" in text for text in told)
    window.models.open("explorer-2d")
    qtbot.waitUntil(lambda: text_of(window, "objective_name") == "−ELBO", timeout=WAIT)
    assert text_of(window, "next_objective").startswith("next run: loss = ‖x")


def test_what_is_optimised_stands_beside_the_bound_while_training(qtbot, window: MainWindow) -> None:
    said = collect(window)
    window.setup.set_config(RunConfig(bound="iwae", samples=5, device="cpu"))
    small_run(qtbot, window)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: sum(isinstance(s, Progress) for s in said) > 3, timeout=WAIT)
    press(qtbot, window, "pause_button")
    qtbot.wait(500)  # what was on its way still comes
    last = next(s for s in reversed(said) if isinstance(s, Progress) and len(s.steps))
    assert text_of(window, "objective_formula") == "loss = −log 1/5 Σ p(x,z)/q(z|x)"
    assert text_of(window, "optimised_objective") == f"optimised: {last.objective.mean():.1f} = −log 1/5 Σ w"
    assert text_of(window, "neg_elbo") == f"{(last.reconstruction.mean() + last.kl.mean()):.1f}"
    assert text_of(window, "objective_name") == "−ELBO"
    assert last.objective.mean() < last.reconstruction.mean() + last.kl.mean()


def test_a_collapse_is_told_once_and_taken_back(qtbot, window: MainWindow) -> None:
    said = collect(window)
    network = MLPConfig(widths=(32,))
    config = RunConfig(device="cpu", network=network, schedule="constant", warm_up=0.0, beta=0.0, learning_rate=5e-3)
    window.setup.set_config(config)
    small_run(qtbot, window, epochs=100_000)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Evaluated) for s in said), timeout=WAIT)
    assert text_of(window, "collapse_warning") == ""
    type_into(qtbot, child(window, QDoubleSpinBox, "beta_value"), "100")
    qtbot.waitUntil(lambda: window.training.run.warning != "", timeout=WAIT)
    assert text_of(window, "collapse_warning") == window.notice.text()
    assert "smaller β" in window.notice.text()
    assert window.notice.isVisible()
    press(qtbot, window, "notice_close")
    before = sum(isinstance(s, Evaluated) for s in said)
    qtbot.waitUntil(lambda: sum(isinstance(s, Evaluated) for s in said) > before, timeout=WAIT)
    assert not window.notice.isVisible(), "told once"
    assert text_of(window, "collapse_warning") != ""
    press(qtbot, window, "stop_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    window.models.open("explorer-2d")
    qtbot.waitUntil(lambda: text_of(window, "collapse_warning") == "", timeout=WAIT)


def test_a_run_on_two_classes_offers_only_these(qtbot, window: MainWindow) -> None:
    small_run(qtbot, window, epochs=2)
    for digit in range(2, 10):
        press(qtbot, window, f"class_chip_{digit}")
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    legend = [window.findChild(QWidget, f"legend_class_{digit}") for digit in range(10)]
    assert [chip.isVisible() for chip in legend] == [True, True] + [False] * 8
    classes = child(window, QComboBox, "reconstruct_class_combo")
    assert [classes.itemText(i) for i in range(classes.count())] == ["All classes", "0", "1"]


def test_what_is_turned_during_a_run_stands_in_its_card(qtbot, window: MainWindow, data_home: Path) -> None:
    said = collect(window)
    small_run(qtbot, window)
    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: any(isinstance(s, Snapshot) for s in said), timeout=WAIT)
    type_into(qtbot, child(window, QDoubleSpinBox, "beta_value"), "10")
    qtbot.waitUntil(lambda: any(isinstance(s, Progress) and s.beta == 10.0 for s in said), timeout=WAIT)
    press(qtbot, window, "stop_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    (file,) = data_home.rglob("model.safetensors")
    (change,) = load_model(file).card["changes"]
    assert change["beta"] == 10.0
    first = next(s for s in said if isinstance(s, Progress) and s.beta == 10.0)
    assert 0 < change["step"] < first.step


def test_an_error_nobody_caught_reaches_the_window(qtbot, window: MainWindow, capfd) -> None:
    errors = app.UncaughtErrors(window)
    errors.caught.connect(window.report)
    hook = sys.excepthook
    errors.install()
    try:
        thread = threading.Thread(target=lambda: sys.excepthook(*raised()))
        thread.start()
        thread.join()
        qtbot.waitUntil(window.notice.isVisible, timeout=WAIT)
    finally:
        sys.excepthook = hook
    assert "went wrong" in window.notice.text()
    press(qtbot, window, "notice_copy")
    assert "ZeroDivisionError" in QApplication.clipboard().text()
    assert "ZeroDivisionError" in capfd.readouterr().err


def raised() -> tuple[type[BaseException], BaseException, object]:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        return type(error), error, error.__traceback__


def test_a_window_closed_before_it_was_shown_starts_nothing(qtbot, store: QSettings) -> None:
    window = MainWindow("explorer-2d", [], store)
    window.close()
    qtbot.wait(50)
    assert not window.jobs.isRunning()
    window.deleteLater()


def test_every_named_control_of_the_design_is_there(window: MainWindow) -> None:
    names = {w.objectName() for w in window.findChildren(QWidget)}
    wanted = (
        "train_button pause_button stop_button pace_slider step_button preset_combo data_combo network_combo "
        "latent_dims beta_slider learning_rate batch_size epochs seed device_combo loss_plot kl_plot progress_bar "
        "latent_map decoder_view latent_slider_0 latent_slider_1 random_button reset_button export_button "
        "likelihood_combo posterior_combo model_combo prior_combo targets_combo bound_combo samples kl_combo "
        "kl_warm_up kl_cycles free_bits schedule_combo weight_decay network_widths activation_combo"
    )
    assert set(wanted.split()) <= names
    assert window.actions_.theme.objectName() == "theme_action"
    for widget in window.findChildren(QPushButton):
        assert widget.toolTip(), widget.objectName() or widget.text()


def test_shipped_models_are_listed(window: MainWindow) -> None:
    combo = child(window, QComboBox, "model_combo")
    texts = [combo.itemText(i) for i in range(combo.count())]
    assert [m.title for m in library.shipped_models()] == texts[: len(library.shipped_models())]


def test_the_timings_come_and_go_by_their_key_and_are_remembered(qtbot, open_window, store: QSettings) -> None:
    window = open_window("explorer-2d")
    settle(qtbot, window)
    card = child(window, QWidget, "timings_overlay")
    assert not card.isVisible() and not window.timings.on
    qtbot.keyClick(window, Qt.Key.Key_F12)
    assert card.isVisible() and window.timings.on

    latent_map = window.map_panel.map
    for place in ((-2.5, 1.25), (-2.8, -0.6), (2.8, 1.2)):  # where no encodings lie
        target = latent_map.to_pixel(place).toPoint()
        qtbot.mouseClick(latent_map, Qt.MouseButton.LeftButton, pos=target)
        count = window.timings.totals().drag.count
        qtbot.waitUntil(lambda count=count: window.timings.totals().drag.count > count, timeout=WAIT)
    for _ in range(6):  # to finer tiles
        qtbot.keyClick(latent_map, Qt.Key.Key_Plus)
    qtbot.waitUntil(lambda: window.timings.recent().map_decode.count > 0, timeout=WAIT)
    total = window.timings.totals()
    assert total.drag.count == total.point_decode.count == 3
    assert total.point_decode.max < total.drag.max < 5.0
    assert total.paint.count >= 3
    assert "steps/s" not in card.accessibleDescription()
    qtbot.waitUntil(lambda: "mouse → image –" not in card.accessibleDescription(), timeout=WAIT)

    press(qtbot, window, "train_button")
    qtbot.waitUntil(lambda: "steps/s" in card.accessibleDescription(), timeout=WAIT)
    press(qtbot, window, "stop_button")
    qtbot.waitUntil(lambda: not window.training.going, timeout=WAIT)
    qtbot.waitUntil(lambda: "steps/s" not in card.accessibleDescription(), timeout=WAIT)
    window.close()
    assert not window.timings.on

    again = open_window("explorer-2d")
    assert child(again, QWidget, "timings_overlay").isVisible() and again.timings.on
    qtbot.waitUntil(again.isActiveWindow)
    qtbot.keyClick(again, Qt.Key.Key_F12)
    assert not child(again, QWidget, "timings_overlay").isVisible() and not again.timings.on
