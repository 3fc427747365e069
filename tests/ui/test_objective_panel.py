"""The objective panel: β and the rate, turned by mouse and keys."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QSlider, QStyle, QStyleOptionSlider

from vae_studio.core.config import RunConfig
from vae_studio.ui.objective_panel import ObjectivePanel


@pytest.fixture
def panel(qtbot):
    panel = ObjectivePanel()
    qtbot.addWidget(panel)
    panel.resize(240, 320)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


def text_of(panel, name):
    """What a label says, or nothing while it is not to be seen."""
    found = panel.findChild(QLabel, name)
    return found.text() if found.isVisible() else ""


def handle(slider):
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    part = QStyle.SubControl.SC_SliderHandle
    return slider.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, slider).center()


def drag(qtbot, slider, fraction):
    """Take the handle and let it go at a fraction of the slider's width."""
    start, end = handle(slider), QPoint(round(fraction * (slider.width() - 1)), slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 11):
        qtbot.mouseMove(slider, start + (end - start) * step / 10)
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=end)


def type_in(qtbot, field, text):
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def test_beta_one_is_in_the_middle_and_nought_at_the_left_end(panel, qtbot):
    slider, field = panel.findChild(QSlider, "beta_slider"), panel.findChild(QDoubleSpinBox, "beta_value")
    assert (field.value(), slider.value()) == (1.0, slider.maximum() / 2)
    got = []
    panel.beta_changed.connect(got.append)
    drag(qtbot, slider, 0.0)
    assert got[-1] == field.value() == panel.beta() == 0.0
    drag(qtbot, slider, 1.0)
    assert got[-1] == field.value() == panel.beta() == 10.0


def test_beta_follows_its_power_law(panel, qtbot):
    slider, field = panel.findChild(QSlider, "beta_slider"), panel.findChild(QDoubleSpinBox, "beta_value")
    type_in(qtbot, field, "5")
    assert slider.value() / slider.maximum() == pytest.approx(0.5 ** (1 / math.log2(10)), abs=1e-3)
    drag(qtbot, slider, 0.75)
    expected = 10 * (slider.value() / slider.maximum()) ** math.log2(10)
    assert panel.beta() == pytest.approx(expected, abs=5e-4)
    assert 2.5 < panel.beta() < 6.0


@pytest.mark.parametrize("typed, value", [("0", 0.0), ("4", 4.0), ("25", 25.0), ("100", 100.0), ("0.125", 0.125)])
def test_beta_can_be_typed_beyond_the_slider(panel, qtbot, typed, value):
    with qtbot.waitSignal(panel.beta_changed) as changed:
        type_in(qtbot, panel.findChild(QDoubleSpinBox, "beta_value"), typed)
    assert changed.args == [value]
    assert panel.beta() == value


@pytest.mark.parametrize("typed", ["-1", "x", "1000"])
def test_beta_out_of_range_cannot_be_typed(panel, qtbot, typed):
    type_in(qtbot, panel.findChild(QDoubleSpinBox, "beta_value"), typed)
    assert 0.0 <= panel.beta() <= 100.0
    assert panel.beta() == panel.findChild(QDoubleSpinBox, "beta_value").value()


@pytest.mark.parametrize("name, default", [("beta_slider", 1.0), ("learning_rate_slider", 4e-4)])
def test_double_click_resets(panel, qtbot, name, default):
    panel.set_values(7.0, 4e-4)
    slider = panel.findChild(QSlider, name)
    value = panel.beta if name == "beta_slider" else panel.rate
    drag(qtbot, slider, 0.9)
    assert value() != default
    qtbot.mouseDClick(slider, Qt.MouseButton.LeftButton, pos=handle(slider))
    assert value() == default


def test_the_rate_slider_goes_in_equal_ratios(panel, qtbot):
    slider, field = panel.findChild(QSlider, "learning_rate_slider"), panel.findChild(QDoubleSpinBox, "learning_rate")
    got = []
    panel.rate_changed.connect(got.append)
    assert field.text() == "1.5e-3"
    for fraction, value in ((0.0, 1e-5), (1.0, 1e-1)):
        drag(qtbot, slider, fraction)
        assert got[-1] == panel.rate() == pytest.approx(value)
    type_in(qtbot, field, "1e-3")
    assert slider.value() == slider.maximum() / 2
    assert (got[-1], field.text()) == (1e-3, "1e-3")


def test_a_typed_rate_and_its_arrow_keys(panel, qtbot):
    field = panel.findChild(QDoubleSpinBox, "learning_rate")
    type_in(qtbot, field, "2.5e-4")
    assert panel.rate() == 2.5e-4
    qtbot.keyClick(field, Qt.Key.Key_Up)
    assert 2.5e-4 < panel.rate() < 3e-4, "a step is small beside the rate"


@pytest.mark.parametrize("typed", ["0", "-1e-3", "nan", "inf", "e", "5"])
def test_an_impossible_rate_is_not_taken(panel, qtbot, typed):
    type_in(qtbot, panel.findChild(QDoubleSpinBox, "learning_rate"), typed)
    assert 0.0 < panel.rate() <= 1.0


def test_only_the_user_announces(panel, qtbot):
    with qtbot.assertNotEmitted(panel.beta_changed), qtbot.assertNotEmitted(panel.rate_changed):
        panel.set_values(3.0, 1e-4)
    assert (panel.beta(), panel.rate()) == (3.0, 1e-4)


def test_values_are_kept_exactly_though_rounded_when_shown(panel, qtbot):
    panel.set_values(0.1234567, 0.00123456789)
    panel.findChild(QDoubleSpinBox, "beta_value").setFocus()
    panel.findChild(QDoubleSpinBox, "learning_rate").setFocus()
    assert (panel.beta(), panel.rate()) == (0.1234567, 0.00123456789)


def test_cleared_numbers_are_gone(panel):
    panel.figures.show_numbers(RunConfig(), 132.66, 6.86, beta=4.0, which="test", model="2-D explorer")
    panel.show_in_force(1e-3, 1.0)
    panel.figures.show_active(1, 2)
    panel.clear_numbers()
    assert text_of(panel, "neg_elbo") == "—"
    for name in ("optimised_objective", "binarisation_note", "rate_in_force", "active_units"):
        assert text_of(panel, name) == ""


def test_the_rate_in_force(panel):
    panel.show_in_force(0.000123456, 1.0)
    assert text_of(panel, "rate_in_force") == "rate now 1.23e-4"
    panel.show_in_force(0.000123456, 0.05)
    assert text_of(panel, "rate_in_force") == "β 0.05, rate 1.2e-4 now"


def test_beta_can_be_taken_away_and_says_why(panel, qtbot):
    slider, field = panel.findChild(QSlider, "beta_slider"), panel.findChild(QDoubleSpinBox, "beta_value")
    usual = slider.toolTip()
    panel.set_beta_reason("There is no KL.")
    with qtbot.assertNotEmitted(panel.beta_changed):
        drag(qtbot, slider, 0.9)
    assert not field.isEnabled()
    assert slider.toolTip() == field.toolTip() == "There is no KL."
    panel.show_in_force(1e-3, 0.5)
    assert text_of(panel, "rate_in_force") == "rate now 1.00e-3", "a β that weighs nothing is not in force"
    panel.set_beta_reason("")
    assert slider.toolTip() == usual
    drag(qtbot, slider, 1.0)
    assert panel.beta() == 10.0
