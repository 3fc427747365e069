"""The training panel under real presses, wheel, drags and hovering; drawn data against plain numpy."""

from __future__ import annotations

import re
import sys
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from vae_studio.core.config import GaussianConfig, MixtureConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.events import Evaluated, Evaluation, Progress, Started
from vae_studio.ui import theme
from vae_studio.ui.following_plot import FollowingPlot
from vae_studio.ui.training_panel import TrainingPanel

STEPS_PER_EPOCH = 240
SPAN = 20  # steps of the moving average: a twelfth of an epoch


@pytest.fixture(autouse=True)
def dark(qapp: QApplication) -> None:
    theme.apply(qapp, theme.DARK)


@pytest.fixture
def panel(qtbot: QtBot) -> TrainingPanel:
    result = TrainingPanel()
    qtbot.addWidget(result)
    result.resize(780, 230)
    result.show()
    qtbot.waitExposed(result)
    return result


def losses(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng, epochs = np.random.default_rng(seed), np.arange(1, count + 1) / STEPS_PER_EPOCH
    reconstruction = 130 + 400 * np.exp(-3 * epochs) + 20 * np.exp(-epochs / 3) + rng.normal(0, 2, count)
    kl = 7 * (1 - np.exp(-epochs)) + np.abs(rng.normal(0, 0.1, count))
    return reconstruction.astype(np.float32), kl.astype(np.float32)


def progress(first: int, reconstruction: np.ndarray, kl: np.ndarray, kl_per_dim: np.ndarray | None = None) -> Progress:
    """Steps first+1, first+2, …"""
    last = first + len(kl)
    with np.errstate(over="ignore", invalid="ignore"):
        objective = reconstruction + kl
    return Progress(
        step=last,
        total_steps=100_000,
        epoch=last / STEPS_PER_EPOCH,
        steps=np.arange(first + 1, last + 1),
        reconstruction=reconstruction,
        kl=kl,
        objective=objective,
        kl_per_dim=np.array([3.5, 3.4]) if kl_per_dim is None else kl_per_dim,
        learning_rate=1e-3,
        beta=1.0,
        steps_per_second=500.0,
        seconds_left=None,
    )


def train(panel: TrainingPanel, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feed `count` steps in pieces; epochs, reconstruction, kl."""
    reconstruction, kl = losses(count)
    panel.begin(Started(100_000, STEPS_PER_EPOCH, 250, 1, "cpu", "float32"), RunConfig())
    for start in range(0, count, 37):
        panel.append(progress(start, reconstruction[start : start + 37], kl[start : start + 37]))
    QApplication.processEvents()
    return np.arange(1, count + 1) / STEPS_PER_EPOCH, reconstruction, kl


def evaluate(panel: TrainingPanel, step: int, neg_elbo: float) -> None:
    evaluation = Evaluation(10_000, neg_elbo, neg_elbo - 7, 7.0, np.array([3.5, 3.5]), np.ones(2, bool))
    panel.add_evaluation(Evaluated(step, step / STEPS_PER_EPOCH, evaluation))


def moving_average(values: np.ndarray) -> np.ndarray:
    average, result = 0.0, []
    for step, value in enumerate(values, 1):
        average += min(1.0, max(1 / SPAN, 10 / step)) * (float(value) - average)
        result.append(average)
    return np.array(result)


def drawn(plot: FollowingPlot, name: str, item: str) -> tuple[np.ndarray, np.ndarray]:
    """What the plot's visible item really draws."""
    curve = next(curve for curve in plot.curves if curve.name == name)
    thing = getattr(curve, item)
    x, y = thing.getData()
    empty = x is None or not thing.isVisible()
    return (np.empty(0), np.empty(0)) if empty else (np.asarray(x), np.asarray(y))


def press(panel: TrainingPanel, name: str) -> None:
    button = panel.findChild(QWidget, name)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def middle(plot: FollowingPlot) -> QPoint:
    return plot.mapFromScene(plot.box.sceneBoundingRect().center())


def wheel(plot: FollowingPlot, notches: int, at: QPoint | None = None) -> None:
    at = at or middle(plot)
    viewport = plot.viewport()
    event = QWheelEvent(
        QPointF(at),
        QPointF(viewport.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, event)
    QApplication.processEvents()


def drag(plot: FollowingPlot, by: QPoint) -> None:
    start, viewport, left = middle(plot), plot.viewport(), Qt.MouseButton.LeftButton
    QTest.mousePress(viewport, left, pos=start)
    for part in range(1, 6):
        QTest.mouseMove(viewport, start + by * part / 5)
        QTest.qWait(15)  # pyqtgraph looks at the mouse 100 times a second
    QTest.mouseRelease(viewport, left, pos=start + by)
    QApplication.processEvents()


def pixel_of(plot: FollowingPlot, x: float) -> int:
    return plot.mapFromScene(plot.box.mapViewToScene(QPointF(x, 0))).x()


def hover(plot: FollowingPlot, x: float) -> list[str]:
    """Move the mouse to position x of the plot; the lines of the read-out."""
    QTest.mouseMove(plot.viewport(), QPoint(pixel_of(plot, x), middle(plot).y()))
    QApplication.processEvents()
    if not plot.note.isVisible():
        return []
    text = plot.note.text().replace("&nbsp;", " ").replace("<br>", "\n")
    return re.sub("<[^>]*>", "", text).splitlines()


def test_raw_and_smoothed_values_are_drawn(panel: TrainingPanel) -> None:
    epochs, reconstruction, kl = train(panel, 500)
    for plot, name, values in (
        (panel.loss_plot, "train", reconstruction + kl),
        (panel.loss_plot, "reconstruction", reconstruction),
        (panel.kl_plot, "kl", kl),
    ):
        x, y = drawn(plot, name, "raw")
        assert y.max() == values.max()
        assert y.min() == values.min()
        assert set(y.tolist()) <= set(values.tolist())
        x, y = drawn(plot, name, "line")
        assert len(x) > 50
        indices = np.round(x * STEPS_PER_EPOCH).astype(int) - 1
        np.testing.assert_allclose(x, epochs[indices])
        np.testing.assert_allclose(y, moving_average(values)[indices], rtol=1e-5)
        assert indices[-1] == 499


def test_long_runs_are_drawn_with_few_points_and_all_extremes(panel: TrainingPanel) -> None:
    count = 30_000
    reconstruction, kl = losses(count)
    reconstruction[[12_345, 23_456]] = 400, 20
    panel.begin(Started(count, STEPS_PER_EPOCH, 250, 1, "cpu", "float32"), RunConfig())
    panel.append(progress(0, reconstruction, kl))
    _, y = drawn(panel.loss_plot, "reconstruction", "raw")
    assert len(y) <= 2 * panel.loss_plot.width()
    assert {20.0, 400.0} <= set(y.tolist())
    assert len(drawn(panel.loss_plot, "train", "line")[0]) <= panel.loss_plot.width()


def test_a_wide_line_has_a_point_of_the_average_at_every_second_pixel(panel: TrainingPanel) -> None:
    _, reconstruction, _ = train(panel, 24_000)
    x, y = drawn(panel.loss_plot, "reconstruction", "line")
    pixels = panel.loss_plot.box.width() * panel.loss_plot.devicePixelRatioF()
    assert len(x) == pytest.approx(pixels / 2, rel=0.06)
    at = np.round(x * STEPS_PER_EPOCH).astype(int) - 1
    np.testing.assert_allclose(y, moving_average(reconstruction)[at], rtol=1e-5)


def test_the_test_curve_passes_through_its_points(panel: TrainingPanel) -> None:
    train(panel, 720)
    for epoch, value in ((1, 180.0), (2, 160.5), (3, 151.25)):
        evaluate(panel, epoch * STEPS_PER_EPOCH, value)
    for item in ("line", "points"):
        x, y = drawn(panel.loss_plot, "test", item)
        assert x.tolist() == [1, 2, 3]
        assert y.tolist() == [180, 160.5, 151.25]


@pytest.mark.parametrize("name", ["train", "test", "reconstruction", "kl"])
def test_pressing_a_legend_entry_hides_and_shows_its_curve(panel: TrainingPanel, name: str) -> None:
    train(panel, 720)
    evaluate(panel, 480, 160.0)
    evaluate(panel, 720, 150.0)
    plot = panel.kl_plot if name == "kl" else panel.loss_plot
    colour = QColor(getattr(theme.DARK, name))

    def pixels(widget: QWidget) -> int:
        image = widget.grab().toImage()
        spots = ((x, y) for x in range(image.width()) for y in range(image.height()))
        seen = (image.pixelColor(*at) for at in spots)
        return sum(abs(c.hsvHue() - colour.hsvHue()) < 4 and c.hsvSaturationF() > 0.4 for c in seen)

    entry = panel.findChild(QWidget, f"legend_{name}")
    before, mark = pixels(plot), pixels(entry)
    press(panel, f"legend_{name}")
    assert len(drawn(plot, name, "line")[0]) == 0
    assert pixels(plot) < before / 20
    assert pixels(entry) < mark / 2
    press(panel, f"legend_{name}")
    assert len(drawn(plot, name, "line")[0]) > 1
    assert pixels(plot) == pytest.approx(before, rel=0.1)


def test_the_range_fits_what_is_shown(panel: TrainingPanel) -> None:
    train(panel, 2400)
    both = panel.loss_plot.box.viewRange()[1]
    press(panel, "legend_reconstruction")
    alone = panel.loss_plot.box.viewRange()[1]
    assert alone[0] > both[0] + 3


def test_smooth_can_be_switched_off(panel: TrainingPanel) -> None:
    train(panel, 500)
    press(panel, "training_smooth")
    assert len(drawn(panel.loss_plot, "train", "line")[0]) == 0
    assert len(drawn(panel.kl_plot, "kl", "line")[0]) == 0
    assert panel.loss_plot.curves[0].raw.opts["pen"].color() == QColor(theme.DARK.train)
    press(panel, "training_smooth")
    assert len(drawn(panel.loss_plot, "train", "line")[0]) > 50


def test_log_axis(panel: TrainingPanel) -> None:
    _, reconstruction, kl = train(panel, 500)
    press(panel, "training_log")
    _, y = drawn(panel.loss_plot, "train", "raw")
    np.testing.assert_allclose(10 ** y.max(), (reconstruction + kl).max(), rtol=1e-6)
    low, high = panel.loss_plot.box.viewRange()[1]
    axis = panel.loss_plot.left
    [(spacing, ticks)] = axis.tickValues(low, high, 150)
    assert len(ticks) >= 3
    for text, value in zip(axis.tickStrings(ticks, 1.0, spacing), ticks, strict=True):
        assert np.log10(float(text)) == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(drawn(panel.kl_plot, "kl", "raw")[1].max(), kl.max())
    press(panel, "training_log")
    assert drawn(panel.loss_plot, "train", "raw")[1].max() == (reconstruction + kl).max()


@pytest.mark.parametrize(("low", "high"), [(120.0, 140.0), (100.0, 600.0), (1.0, 9000.0), (1e-9, 1e9)])
def test_log_ticks_are_few_distinct_and_in_range(panel: TrainingPanel, low: float, high: float) -> None:
    press(panel, "training_log")
    train(panel, 10)
    axis = panel.loss_plot.left
    [(spacing, ticks)] = axis.tickValues(np.log10(low), np.log10(high), 150)
    texts = axis.tickStrings(ticks, 1.0, spacing)
    assert 2 <= len(ticks) <= 12
    assert len(set(texts)) == len(texts)
    assert all(low * 0.999 <= float(text) <= high * 1.001 for text in texts)


def test_the_range_follows_and_ignores_the_first_losses(panel: TrainingPanel) -> None:
    for epochs in (2, 20):
        _, reconstruction, kl = train(panel, epochs * STEPS_PER_EPOCH)
        (left, right), (low, high) = panel.loss_plot.box.viewRange()
        assert -0.03 * epochs <= left <= 0
        assert epochs <= right <= 1.1 * epochs
        total = reconstruction + kl
        settled = len(total) // 10
        assert high < total[0] - 50 * epochs**0.5
        assert low < np.quantile(reconstruction[settled:], 0.02)
        assert high > np.quantile(total[settled:], 0.9)
    assert panel.kl_plot.box.viewRange()[1][0] <= 0


def test_wheel_zooms_at_the_cursor_until_fit_is_pressed(panel: TrainingPanel) -> None:
    train(panel, 2400)
    plot = panel.loss_plot
    followed = plot.box.viewRange()
    assert not panel.fit_button.isEnabled()
    wheel(plot, 5)
    zoomed = plot.box.viewRange()
    for axis in (0, 1):
        assert np.ptp(zoomed[axis]) < 0.8 * np.ptp(followed[axis])
        assert np.mean(zoomed[axis]) == pytest.approx(np.mean(followed[axis]), rel=0.02)
    reconstruction, kl = losses(400)
    panel.append(progress(2400, reconstruction, kl))
    assert plot.box.viewRange() == zoomed
    assert panel.fit_button.isEnabled()
    press(panel, "training_fit")
    assert not panel.fit_button.isEnabled()
    assert plot.box.viewRange()[0][1] >= 2800 / STEPS_PER_EPOCH


def test_zooming_in_shows_every_step_of_the_part_in_view(panel: TrainingPanel) -> None:
    epochs, reconstruction, _ = train(panel, 24_000)
    for _ in range(3):
        wheel(panel.loss_plot, 5)
    left, right = panel.loss_plot.box.viewRange()[0]
    inside = (epochs >= left) & (epochs <= right)
    x, y = drawn(panel.loss_plot, "reconstruction", "raw")
    assert 1 <= inside.sum() < 400
    seen = (x >= left) & (x <= right)
    np.testing.assert_allclose(x[seen], epochs[inside])
    np.testing.assert_array_equal(y[seen], reconstruction[inside])


@pytest.mark.parametrize("name", ["loss_plot", "kl_plot", "kl_bars"])
def test_dragging_pans_and_a_double_click_goes_back(panel: TrainingPanel, name: str) -> None:
    train(panel, 2400)
    plot = getattr(panel, name)
    before = plot.box.viewRange()
    drag(plot, QPoint(40, 0))
    after = plot.box.viewRange()
    expected = 40 / plot.box.width() * np.ptp(before[0])
    assert before[0][0] - after[0][0] == pytest.approx(expected, rel=0.15)
    assert panel.fit_button.isEnabled()
    QTest.mouseDClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=middle(plot))
    QApplication.processEvents()
    np.testing.assert_allclose(plot.box.viewRange(), before, atol=1.0)
    assert not panel.fit_button.isEnabled()


@pytest.mark.parametrize("name", ["loss_plot", "kl_plot", "kl_bars"])
def test_keys_pan_and_zoom_a_plot_and_home_goes_back(panel: TrainingPanel, name: str) -> None:
    train(panel, 500)
    plot = panel.findChild(FollowingPlot, name)
    followed = plot.box.viewRect()
    plot.setFocus()
    for key, right, up in (
        (Qt.Key.Key_Right, 1, 0),
        (Qt.Key.Key_Left, -1, 0),
        (Qt.Key.Key_Up, 0, 1),
        (Qt.Key.Key_Down, 0, -1),
    ):
        before = plot.box.viewRect()
        QTest.keyClick(plot, key)
        moved = plot.box.viewRect().center() - before.center()
        assert moved.x() == pytest.approx(0.1 * right * before.width(), abs=1e-9)
        assert moved.y() == pytest.approx(0.1 * up * before.height(), abs=1e-9)
        assert plot.is_zoomed
    for key, closer in ((Qt.Key.Key_Plus, True), (Qt.Key.Key_Minus, False)):
        before = plot.box.viewRect()
        QTest.keyClick(plot, key)
        after = plot.box.viewRect()
        assert (after.width() < before.width()) == (after.height() < before.height()) == closer
        assert after.center().x() == pytest.approx(before.center().x())
    QTest.keyClick(plot, Qt.Key.Key_Home)
    assert not plot.is_zoomed
    assert plot.box.viewRect().width() == pytest.approx(followed.width(), rel=0.05)


def test_a_right_click_opens_no_menu(panel: TrainingPanel) -> None:
    train(panel, 100)
    for plot in (panel.loss_plot, panel.kl_plot, panel.kl_bars):
        QTest.mouseClick(plot.viewport(), Qt.MouseButton.RightButton, pos=middle(plot))
        QApplication.processEvents()
        assert QApplication.activePopupWidget() is None
        assert not plot.getPlotItem().autoBtn.isVisible()


def test_values_under_the_cursor(panel: TrainingPanel) -> None:
    epochs, reconstruction, kl = train(panel, 1200)
    evaluate(panel, 480, 161.25)
    evaluate(panel, 960, 151.5)
    lines = hover(panel.loss_plot, 3.7)
    at = float(lines[0].removeprefix("epoch "))
    pixel = np.ptp(panel.loss_plot.box.viewRange()[0]) / panel.loss_plot.box.width()
    assert at == pytest.approx(3.7, abs=pixel + 0.01)
    nearby = np.abs(epochs - at) < 0.006
    shown = dict(line.rsplit(" ", 1) for line in lines[1:])
    assert list(shown) == ["−ELBO train", "−ELBO test", "reconstruction"]
    for title, values in (("−ELBO train", reconstruction + kl), ("reconstruction", reconstruction)):
        assert np.abs(moving_average(values)[nearby] - float(shown[title])).min() < 0.01
    assert shown["−ELBO test"] == "151.50"
    press(panel, "legend_test")
    press(panel, "training_smooth")
    shown = dict(line.rsplit(" ", 1) for line in hover(panel.loss_plot, 3.7)[1:])
    assert list(shown) == ["−ELBO train", "reconstruction"]
    assert np.abs(reconstruction[nearby] - float(shown["reconstruction"])).min() < 0.01


def test_the_read_out_stays_inside_and_goes_with_the_mouse(panel: TrainingPanel, qtbot: QtBot) -> None:
    train(panel, 1200)
    for plot in (panel.loss_plot, panel.kl_plot):
        for epoch in (0.1, 2.5, 4.9):
            assert hover(plot, epoch)
            assert plot.rect().contains(plot.note.geometry())
            covered = plot.note.geometry().adjusted(1, 0, -1, 0)
            assert plot is panel.kl_plot or not covered.left() <= pixel_of(plot, epoch) <= covered.right()
    QTest.mouseMove(panel.loss_plot.viewport(), QPoint(3, 3))
    assert not panel.loss_plot.note.isVisible()
    assert hover(panel.kl_plot, 2.0)
    QApplication.sendEvent(panel.kl_plot, QEvent(QEvent.Type.Leave))
    assert not panel.kl_plot.note.isVisible()


def test_bars_are_the_kl_of_each_dimension(panel: TrainingPanel) -> None:
    panel.show_kl_per_dim(np.array([2.5, np.nan, 0.0, 1.25]))
    bars = panel.kl_bars._bars.opts
    assert list(bars["x"]) == [0, 1, 2, 3]
    assert list(bars["height"]) == [2.5, 0, 0, 1.25]
    low, high = panel.kl_bars.box.viewRange()[1]
    assert low < 0 < 2.5 < high < 3
    assert hover(panel.kl_bars, 3.0) == ["z₄ 1.250"]
    colour = QColor(theme.DARK.kl)
    image = panel.kl_bars.grab().toImage()
    heights = []
    for index in range(4):
        x = pixel_of(panel.kl_bars, index + 0.15)
        heights.append(sum(image.pixelColor(x, y) == colour for y in range(image.height())))
    assert heights[1] <= 1
    assert heights[2] <= 1
    assert heights[0] == pytest.approx(2 * heights[3], abs=4)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20, 64, 256])
@pytest.mark.parametrize("width", [640, 1100])
def test_bars_name_only_as_many_dimensions_as_fit(panel: TrainingPanel, qtbot: QtBot, count: int, width: int) -> None:
    panel.resize(width, 200)
    panel.show_kl_per_dim(np.linspace(0, 1, count))
    QApplication.processEvents()
    plot = panel.kl_bars
    (left, right), size = plot.box.viewRange()[0], plot.box.width()
    [(spacing, ticks)] = plot.bottom.tickValues(left, right, size)
    names = plot.bottom.tickStrings(ticks, 1.0, spacing)
    digits = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
    assert [int(name[1:].translate(digits)) - 1 for name in names] == [int(tick) for tick in ticks]
    assert len(names) >= min(count, 2)
    widths = [plot.fontMetrics().horizontalAdvance(name) for name in names]
    pixels = [(tick - left) / (right - left) * size for tick in ticks]
    for (a, wide_a), (b, wide_b) in pairwise(zip(pixels, widths, strict=True)):
        assert b - a > (wide_a + wide_b) / 2


def test_before_any_training(panel: TrainingPanel) -> None:
    def invitation() -> bool:
        return any("Press Train" in w.text() for w in panel.findChildren(type(panel._invitation)) if w.isVisible())

    panel.show_kl_per_dim(np.array([1.0, 2.0]))
    assert invitation()
    assert len(drawn(panel.loss_plot, "train", "raw")[0]) == 0
    assert hover(panel.loss_plot, 0.5) == []
    train(panel, 100)
    assert not invitation()


def test_a_new_run_starts_with_nothing_of_the_old(panel: TrainingPanel) -> None:
    train(panel, 2400)
    evaluate(panel, 2400, 150.0)
    wheel(panel.loss_plot, 3)
    panel.begin(Started(1000, 100, 250, 1, "cpu", "float32"), RunConfig(latent_dims=5))
    assert len(panel.kl_bars.values) == 5
    assert not panel.fit_button.isEnabled()
    reconstruction, kl = losses(50)
    panel.append(progress(0, reconstruction, kl))
    x, _ = drawn(panel.loss_plot, "train", "raw")
    assert len(drawn(panel.loss_plot, "test", "line")[0]) == 0
    np.testing.assert_allclose(x, np.arange(1, 51) / 100)
    assert panel.loss_plot.box.viewRange()[0][1] < 0.6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_values_that_are_not_finite_do_no_harm(panel: TrainingPanel, bad: float) -> None:
    train(panel, 480)
    before = panel.loss_plot.box.viewRange()
    panel.append(progress(480, np.array([150, bad, 150], np.float32), np.array([5, bad, 5], np.float32), [bad, 1.0]))
    evaluate(panel, 480, bad)
    for name in ("training_log", "training_log", "training_smooth", "training_smooth"):
        press(panel, name)
        panel.grab()
        assert np.isfinite(panel.loss_plot.box.viewRange()).all()
    if not np.isfinite(bad):
        np.testing.assert_allclose(panel.loss_plot.box.viewRange(), before, rtol=0.2, atol=0.2)


def test_progress_without_steps_is_fine(panel: TrainingPanel) -> None:
    panel.begin(Started(100, 10, 250, 1, "cpu", "float32"), RunConfig())
    panel.append(progress(0, np.empty(0, np.float32), np.empty(0, np.float32)))
    evaluate(panel, 0, 544.0)
    panel.grab()
    assert np.isfinite(panel.loss_plot.box.viewRange()).all()


def begin(panel: TrainingPanel, config: RunConfig) -> None:
    panel.begin(Started(100_000, STEPS_PER_EPOCH, 250, 1, "cpu", "float32"), config)


def words(panel: TrainingPanel) -> list[str]:
    """All that can be read on labels and buttons."""
    return [w.text() for kind in (QLabel, QAbstractButton) for w in panel.findChildren(kind) if w.isVisible()]


def test_an_autoencoder_has_one_error_and_no_kl(panel: TrainingPanel) -> None:
    config = RunConfig(model="autoencoder", likelihood=SquaredErrorConfig())
    begin(panel, config)
    reconstruction, kl = losses(300)
    panel.append(progress(0, reconstruction, np.zeros_like(kl), np.zeros(2)))
    evaluate(panel, 240, 40.0)
    QApplication.processEvents()
    assert drawn(panel.loss_plot, "train", "raw")[1].max() == reconstruction.max()
    assert drawn(panel.loss_plot, "test", "line")[1].tolist() == [40.0]
    for plot, name in ((panel.loss_plot, "reconstruction"), (panel.kl_plot, "kl")):
        assert len(drawn(plot, name, "raw")[0]) == 0
    assert len(panel.kl_bars.values) == 0
    seen = words(panel)
    assert "reconstruction error train" in seen
    assert "reconstruction error test" in seen
    assert sum("has no KL" in text for text in seen) == 2, "one in each place where a KL would be"
    assert not any("ELBO" in text or "nats" in text for text in seen)
    assert "squared error" in panel.loss_plot.left.label.toPlainText()
    assert hover(panel.loss_plot, 1.0)[1].startswith("reconstruction error train")
    panel.show_kl_per_dim(np.array([3.0, 2.0]))
    assert sum("has no KL" in text for text in words(panel)) == 1, "a VAE was opened: it has bars, the run no KL"
    begin(panel, RunConfig())
    seen = words(panel)
    assert {"−ELBO train", "−ELBO test", "reconstruction", "KL"} <= set(seen)
    assert not any("has no KL" in text or "error" in text for text in seen)
    assert "nats per image" in panel.loss_plot.left.label.toPlainText()


def test_an_opened_autoencoder_has_no_bars(panel: TrainingPanel) -> None:
    panel.show_kl_per_dim(None)
    assert sum("has no KL" in text for text in words(panel)) == 1
    panel.show_kl_per_dim(np.array([3.0, 2.0]))
    assert not any("has no KL" in text for text in words(panel))


def test_before_any_run_the_curves_are_named_for_the_model_that_is_opened(panel: TrainingPanel) -> None:
    coder = RunConfig(model="autoencoder", likelihood=SquaredErrorConfig())
    panel.show_model(coder, np.empty(0))
    seen = words(panel)
    assert {"reconstruction error train", "reconstruction error test"} <= set(seen)
    assert not any("ELBO" in text or "nats" in text for text in seen)
    assert panel.loss_plot.left.label.toPlainText().strip() == "squared error"
    assert sum("has no KL" in text for text in seen) == 2
    panel.show_model(RunConfig(), np.array([3.0, 2.0]))
    assert {"−ELBO train", "−ELBO test"} <= set(words(panel))
    assert panel.kl_bars.values.tolist() == [3.0, 2.0]
    begin(panel, RunConfig())
    panel.show_model(coder, np.empty(0))
    assert "−ELBO train" in words(panel), "the curves are still those of the run"
    assert sum("has no KL" in text for text in words(panel)) == 1


def test_bars_of_marginals_say_that_they_do_not_add_up(panel: TrainingPanel) -> None:
    def told() -> bool:
        titled = "marginal" in panel.kl_bars.bottom.label.toPlainText()
        assert ("do not add up to the KL" in panel.kl_bars.getPlotItem().toolTip()) == titled
        return titled

    begin(panel, RunConfig(prior=MixtureConfig(components=3)))
    assert told()
    begin(panel, RunConfig())
    assert not told()
    panel.show_model(RunConfig(posterior="full-gaussian"), np.array([3.0, 2.0]))
    assert told()
    panel.show_model(RunConfig(model="autoencoder", prior=MixtureConfig()), np.empty(0))
    assert not told(), "there are no bars at all"


def test_negative_nats_of_a_density_are_drawn_and_written(panel: TrainingPanel) -> None:
    begin(panel, RunConfig(likelihood=GaussianConfig()))
    epochs = np.arange(1, 1001) / STEPS_PER_EPOCH
    reconstruction = (700 * np.exp(-4 * epochs) - 1100).astype(np.float32)
    kl = np.full(1000, 30, np.float32)
    panel.append(progress(0, reconstruction, kl))
    QApplication.processEvents()
    _, y = drawn(panel.loss_plot, "train", "raw")
    assert y.min() == (reconstruction + kl).min()
    low, high = panel.loss_plot.box.viewRange()[1]
    assert low < -1100 < high, "the end of the run is in view"
    axis = panel.loss_plot.left
    labels = [s for step, values in axis.tickValues(low, high, 150) for s in axis.tickStrings(values, 1, step)]
    assert any(label.startswith("−") for label in labels)
    assert not any("-" in label for label in labels)
    width = max(axis.fontMetrics.horizontalAdvance(label) if hasattr(axis, "fontMetrics") else 0 for label in labels)
    assert width < axis.width()
    assert hover(panel.loss_plot, 4.0)[1].startswith("−ELBO train −10")


def test_a_density_has_no_logarithmic_axis_and_the_wish_for_one_is_kept(panel: TrainingPanel) -> None:
    begin(panel, RunConfig())
    press(panel, "training_log")
    chip = panel.findChild(QAbstractButton, "training_log")
    reconstruction, kl = losses(300)
    begin(panel, RunConfig(likelihood=GaussianConfig()))
    panel.append(progress(0, -reconstruction, kl))
    press(panel, "training_log")
    assert not chip.isEnabled()
    assert "negative" in chip.toolTip()
    _, y = drawn(panel.loss_plot, "train", "raw")
    assert y.min() == (kl - reconstruction).min(), "values, not their logarithms"
    begin(panel, RunConfig())
    panel.append(progress(0, reconstruction, kl))
    assert chip.isEnabled()
    _, y = drawn(panel.loss_plot, "train", "raw")
    assert y.max() == pytest.approx(np.log10((reconstruction + kl).max()))


def test_a_kl_that_is_estimated_below_nought_is_seen(panel: TrainingPanel) -> None:
    begin(panel, RunConfig(kl="sampled"))
    reconstruction, kl = losses(100)
    panel.append(progress(0, reconstruction, kl - 8, np.array([2.0, -0.5])))
    QApplication.processEvents()
    assert panel.kl_bars.box.viewRange()[1][0] < -0.5
    assert panel.kl_plot.box.viewRange()[1][0] < (kl - 8).min() + 0.5
    assert hover(panel.kl_bars, 1.0) == ["z₂ −0.500"]


@pytest.mark.parametrize("chosen", [theme.DARK, theme.LIGHT])
def test_themes_paint_the_background_and_curves(panel: TrainingPanel, chosen: theme.Theme) -> None:
    train(panel, 480)
    panel.set_theme(chosen)
    image = panel.loss_plot.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert chosen.panel in colours
    assert chosen.train in colours
    other = theme.LIGHT if chosen is theme.DARK else theme.DARK
    assert other.panel not in colours - {"#ffffff"}


def test_everything_fits_in_the_smallest_window(panel: TrainingPanel) -> None:
    panel.resize(640, 200)
    QApplication.processEvents()
    assert panel.size().width() == 640
    assert panel.size().height() == 200
    parts = [panel.loss_plot, panel.kl_plot, panel.kl_bars, panel.log_chip, panel.smooth_chip, panel.fit_button]
    for part in parts:
        assert panel.rect().contains(part.geometry())
    for plot in parts[:3]:
        assert plot.box.height() > 80
        assert plot.box.width() > 70


def test_controls_explain_themselves(panel: TrainingPanel) -> None:
    names = ["legend_train", "legend_test", "legend_reconstruction", "legend_kl"]
    for name in [*names, "training_log", "training_smooth", "training_fit"]:
        control = panel.findChild(QWidget, name)
        assert len(control.toolTip()) > 10
        assert control.accessibleName()
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
    for name in ("loss_plot", "kl_plot", "kl_bars"):
        plot = panel.findChild(QWidget, name)
        assert plot.bottom.labelText
        assert plot.left.labelText


def test_a_legend_entry_answers_the_keyboard(panel: TrainingPanel) -> None:
    train(panel, 100)
    entry = panel.findChild(QWidget, "legend_train")
    entry.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(entry, Qt.Key.Key_Space)
    assert len(drawn(panel.loss_plot, "train", "raw")[0]) == 0


def test_no_reference_to_none_is_lost_or_leaked(panel: TrainingPanel) -> None:
    train(panel, 2400)
    reconstruction, kl = losses(6_200)
    events = [progress(2400 + i, reconstruction[i : i + 10], kl[i : i + 10]) for i in range(0, 6_200, 10)]

    def change(some: list[Progress]) -> int:
        before = sys.getrefcount(None)
        for event in some:
            panel.append(event)
            QApplication.processEvents()
        return sys.getrefcount(None) - before

    # While the range follows the data the axes are redrawn, and each redraw by pyqtgraph gains six references.
    assert -50 < change(events[:100]) < 100 * 6 * len(panel.findChildren(FollowingPlot)) * 2
    for plot in (panel.loss_plot, panel.kl_plot):
        wheel(plot, 1)
    assert abs(change(events[120:])) < 50
