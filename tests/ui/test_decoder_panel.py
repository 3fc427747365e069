"""The decoder column: image, sliders, buttons, and how they share the height."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tips
from PySide6.QtCore import QEvent, QObject, QRect, Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QPushButton, QSlider, QWidget

from vae_studio.core.config import (
    BernoulliConfig,
    GaussianConfig,
    LaplacePriorConfig,
    MixtureConfig,
    RunConfig,
    SquaredErrorConfig,
    StandardNormalConfig,
)
from vae_studio.ui.decoder_panel import DecoderPanel
from vae_studio.ui.theme import DARK, LIGHT, apply


@pytest.fixture
def panel(qtbot):
    widget = DecoderPanel(DARK)
    qtbot.addWidget(widget)
    widget.resize(296, 760)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def click(panel, name):
    QTest.mouseClick(panel.findChild(QPushButton, name), Qt.MouseButton.LeftButton)


def norm(panel) -> QLabel:
    return panel.findChild(QLabel, "point_norm")


def part(panel, name) -> QRect:
    widget = panel.findChild(QWidget, name)
    return QRect(widget.mapTo(panel, widget.rect().topLeft()), widget.size())


def test_random_and_reset_are_asked_for_and_change_nothing_themselves(panel, qtbot):
    panel.set_point((1.0, 2.0))
    moved = []
    panel.point_changed.connect(moved.append)
    with qtbot.waitSignal(panel.random_requested):
        click(panel, "random_button")
    with qtbot.waitSignal(panel.reset_requested):
        click(panel, "reset_button")
    assert moved == []
    assert panel.findChild(QDoubleSpinBox, "latent_value_1").value() == 2.0


AUTOENCODER = RunConfig(model="autoencoder", likelihood=SquaredErrorConfig())


def test_mean_and_sample_are_asked_for_and_a_second_sample_too(panel):
    asked = []
    panel.mean_requested.connect(lambda: asked.append("mean"))
    panel.sample_requested.connect(lambda: asked.append("sample"))
    mean, sample = (panel.findChild(QPushButton, f"decoder_{name}_chip") for name in ("mean", "sample"))
    assert (mean.isChecked(), sample.isChecked()) == (True, False)
    click(panel, "decoder_sample_chip")
    assert (mean.isChecked(), sample.isChecked()) == (False, True)
    click(panel, "decoder_sample_chip")
    assert (mean.isChecked(), sample.isChecked()) == (False, True)
    click(panel, "decoder_mean_chip")
    assert (mean.isChecked(), sample.isChecked()) == (True, False)
    assert asked == ["sample", "sample", "mean"]


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [(BernoulliConfig(), "Every pixel is black or white."), (GaussianConfig(), "Values beyond 0 and 1")],
)
def test_what_is_shown_is_said(panel, likelihood, words):
    panel.set_config(RunConfig(likelihood=likelihood))
    view = panel.findChild(QWidget, "decoder_view")
    image = np.zeros((28, 28), np.uint8)
    panel.set_image(image)
    assert view.accessibleName() == "Mean of p(x|z)"
    assert "mean of p(x|z)" in tips.tip(view)
    panel.set_image(image, sampled=True)
    assert view.accessibleName() == "Sample of p(x|z)"
    assert "One draw from p(x|z)" in tips.tip(view)
    assert words in tips.tip(view)
    panel.set_image(image)
    assert view.accessibleName() == "Mean of p(x|z)"


def test_an_auto_encoder_has_nothing_to_draw_from(panel):
    click(panel, "decoder_sample_chip")
    asked = []
    panel.sample_requested.connect(lambda: asked.append("sample"))
    panel.set_config(AUTOENCODER)
    mean, sample = (panel.findChild(QPushButton, f"decoder_{name}_chip") for name in ("mean", "sample"))
    assert mean.isChecked()
    assert not sample.isEnabled()
    assert "no p(x|z) to draw from" in tips.tip(sample)
    click(panel, "decoder_sample_chip")
    assert asked == []
    assert "p(x|z)" not in tips.tip(panel.findChild(QWidget, "decoder_view"))
    assert not [child.text() for child in panel.findChildren(QLabel) if "p(x|z)" in child.text()]
    panel.set_config(RunConfig())
    assert sample.isEnabled()
    assert mean.isChecked()


def test_where_random_points_come_from_is_said(panel):
    panel.set_dims(20)
    button = panel.findChild(QPushButton, "random_button")
    for config, words in (
        (RunConfig(prior=StandardNormalConfig()), "prior N(0, I)"),
        (RunConfig(prior=MixtureConfig()), "mixture of Gaussians"),
        (RunConfig(prior=LaplacePriorConfig()), "Laplace"),
        (AUTOENCODER, "has no prior"),
    ):
        panel.set_config(config)
        assert words in tips.tip(button)
        # A learned mixture may be of any width.
        assert ("about 1" in norm(panel).toolTip()) is (not isinstance(config.prior, MixtureConfig))
    assert "z = 0" in panel.findChild(QPushButton, "reset_button").toolTip()


@pytest.mark.parametrize("width", [240, 296, 320])
def test_the_heading_fits(panel, qapp, width):
    apply(qapp, DARK)
    panel.resize(width, 700)
    QApplication.processEvents()
    parts = [part(panel, f"decoder_{name}_chip") for name in ("mean", "sample")]
    title = next(child for child in panel.findChildren(QLabel) if child.text().endswith("p(x|z)"))
    assert title.text() == ("Decoder p(x|z)" if width > 240 else "p(x|z)")
    parts.insert(0, QRect(title.mapTo(panel, title.rect().topLeft()), title.size()))
    assert title.width() >= title.fontMetrics().horizontalAdvance(title.text())
    for left, right in itertools.pairwise(parts):
        assert left.right() < right.left()
        assert abs(left.center().y() - right.center().y()) <= 1
    assert parts[-1].right() <= width - 12
    assert parts[-1].bottom() < part(panel, "decoder_view").top()
    qapp.setStyleSheet("")


def test_copy_puts_the_coordinates_on_the_clipboard_as_text(panel, qtbot):
    panel.set_point((0.35, 1.55))
    click(panel, "copy_z_button")
    assert QGuiApplication.clipboard().text() == "0.350, 1.550"
    button = panel.findChild(QPushButton, "copy_z_button")
    assert button.text() == "Copied"
    panel.set_point((-1.23456, -0.0001))
    click(panel, "copy_z_button")
    assert QGuiApplication.clipboard().text() == "-1.235, 0.000"
    qtbot.waitUntil(lambda: button.text() == "Copy z", timeout=3000)


def test_a_slider_announces_the_whole_point_and_the_norm_follows(panel):
    panel.set_point((3.0, 0.0))
    moved = []
    panel.point_changed.connect(moved.append)
    value = panel.findChild(QDoubleSpinBox, "latent_value_1")
    value.setFocus()
    value.selectAll()
    QTest.keyClicks(value, "4")
    QTest.keyClick(value, Qt.Key.Key_Return)
    assert moved == [(3.0, 4.0)]
    assert norm(panel).text() == "‖z‖ = 5.000"


def test_moving_the_point_lays_nothing_out_anew(panel, qtbot):
    """A label that is not of a fixed size would make the whole column find its places again at each new text."""
    panel.set_point((0.0, 0.0))
    QApplication.processEvents()
    asked = Requests(panel)
    for step in range(5):
        panel.set_point((0.1 * step, -3.0 + step))
        QApplication.processEvents()
    assert norm(panel).text() == f"‖z‖ = {math.hypot(0.4, 1.0):.3f}"
    assert asked.count == 0
    panel.set_dims(20)
    panel.set_point((1.0,) * 20)
    qtbot.waitUntil(lambda: asked.count > 0)
    assert norm(panel).width() == panel.sliders.width()


class Requests(QObject):
    """How often a widget was asked to lay itself out."""

    def __init__(self, widget):
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched, event):
        self.count += event.type() == QEvent.Type.LayoutRequest
        return False


def test_in_many_dimensions_the_norm_is_also_given_per_root_of_their_number(panel):
    assert "√d" not in norm(panel).text()
    panel.set_dims(20)
    point = tuple(np.random.default_rng(3).normal(size=20))
    panel.set_point(point)
    length = math.sqrt(sum(value * value for value in point))
    assert norm(panel).text().split() == ["‖z‖", "=", f"{length:.3f}", "‖z‖/√d", "=", f"{length / 20**0.5:.3f}"]
    assert "prior" in norm(panel).toolTip()
    panel.set_dims(2)
    assert norm(panel).text() == "‖z‖ = 0.000"


def test_the_image_is_painted_in_the_colours_of_the_theme(panel):
    array = np.zeros((28, 28), dtype=np.uint8)
    array[14:] = 255
    panel.set_image(array)
    view = part(panel, "decoder_view")
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        image = panel.grab().toImage()
        ratio = image.devicePixelRatio()
        for share, colour in ((0.25, theme.paper), (0.75, theme.ink)):
            x, y = view.center().x(), view.top() + view.height() * share
            assert image.pixelColor(int(x * ratio), int(y * ratio)) == QColor(colour)


@pytest.mark.parametrize("height", [560, 760])
@pytest.mark.parametrize("width", [240, 296, 320])
@pytest.mark.parametrize("dims", [2, 20, 64])
def test_the_parts_share_the_height(panel, dims, width, height):
    panel.set_dims(dims)
    panel.resize(width, height)
    QApplication.processEvents()
    names = ("decoder_view", "point_norm", "latent_sliders", "random_button")
    view, norm_line, sliders, button = (part(panel, name) for name in names)
    order = [view, norm_line, sliders, button]
    for above, below in itertools.pairwise(order):
        assert 0 < below.top() - above.bottom() <= 12
    assert all(panel.rect().adjusted(8, 8, -8, -8).contains(rect) for rect in order)
    if dims == 2:
        assert view.width() == view.height() == width - 24  # nothing else wants the height
        assert sliders.height() == 2 * 40
    else:
        assert view.height() == min(240, width - 24)
        assert sliders.height() >= 4 * 40
        assert panel.height() - button.bottom() <= 14


def test_it_can_shrink_again_to_its_smallest_size(panel):
    panel.set_dims(64)
    panel.resize(panel.minimumSizeHint())
    QApplication.processEvents()
    assert part(panel, "latent_sliders").height() >= 3 * 40
    assert part(panel, "decoder_view").height() >= 100
    assert panel.rect().contains(part(panel, "copy_z_button"))


def test_tab_goes_through_the_sliders_and_then_the_buttons(panel, qtbot):
    panel.set_dims(4)
    panel.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is panel)
    qtbot.waitUntil(panel.findChild(QSlider, "latent_slider_3").isVisible)
    panel.findChild(QSlider, "latent_slider_0").setFocus()
    order = []
    for _ in range(11):
        order.append(QApplication.focusWidget().objectName())
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    rows = [f"latent_{kind}_{index}" for index in range(4) for kind in ("slider", "value")]
    assert order == [*rows, "random_button", "reset_button", "copy_z_button"]


def test_controls_explain_themselves(panel):
    chips = ("decoder_mean_chip", "decoder_sample_chip")
    buttons = ("random_button", "reset_button", "copy_z_button")
    for name in (*chips, *buttons, "latent_slider_0", "latent_value_1", "decoder_view"):
        widget = panel.findChild(QWidget, name)
        assert widget.toolTip(), name
        assert widget.accessibleName(), name


def test_kl_marks_the_dimensions_that_carry_nothing(panel):
    panel.set_dims(3, (1.0, 0.0, 1.0))
    labels = {child.text(): child for child in panel.findChildren(QLabel)}
    assert labels["z₂"].property("role") == "faint"
    panel.set_kl_per_dim((0.0, 1.0, 1.0))
    assert [labels[name].property("role") for name in ("z₁", "z₂", "z₃")] == ["faint", "muted", "muted"]
