"""The small shared controls, pressed, dragged, typed into and keyed."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QAction
from PySide6.QtWidgets import QApplication, QListWidgetItem, QPushButton, QSlider, QStyle, QStyleOptionSlider
from tips import tip

from vae_studio.core.plane import subscript
from vae_studio.ui.controls import ValueSlider, chip, label, show_tip, shrinking_label

LEFT, KEY = Qt.MouseButton.LeftButton, Qt.Key


def shown(qtbot, control):
    qtbot.addWidget(control)
    control.resize(400, 30)
    with qtbot.waitExposed(control):
        control.show()
    control.heard = []
    control.changed.connect(control.heard.append)
    return control


@pytest.fixture
def linear(qtbot):
    return shown(qtbot, ValueSlider(-4.0, 4.0, 1.0, hard_range=(-20.0, 20.0), name="Number", tooltip="What it does"))


@pytest.fixture
def rate(qtbot):
    return shown(qtbot, ValueSlider(1e-5, 1e-1, 1e-3, logarithmic=True, hard_range=(1e-6, 1.0)))


def handle(control):
    """Where the slider's handle is."""
    slider, option = control.slider, QStyleOptionSlider()
    slider.initStyleOption(option)
    part = QStyle.SubControl.SC_SliderHandle
    return slider.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, slider).center()


def fraction(control):
    """How far along its slider the handle is shown, from 0 to 1."""
    return control.slider.value() / control.slider.maximum()


def enter(qtbot, control, text, key=KEY.Key_Return):
    control.field.setFocus()
    control.field.selectAll()
    qtbot.keyClicks(control.field, text)
    qtbot.keyClick(control.field, key)


def paste(qtbot, control, text):
    control.field.setFocus()
    control.field.selectAll()
    QApplication.clipboard().setText(text)
    qtbot.keyClick(control.field, KEY.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(control.field, KEY.Key_Return)


def drag(qtbot, control, to):
    slider, start = control.slider, handle(control)
    qtbot.mousePress(slider, LEFT, pos=start)
    for step in range(1, 6):
        qtbot.mouseMove(slider, start + (to - start) * step / 5)
    qtbot.mouseRelease(slider, LEFT, pos=to)


def test_both_show_the_value(linear):
    assert (linear.value(), linear.field.text()) == (1.0, "1.000")
    assert fraction(linear) == 5 / 8
    linear.set_value(-4.0)
    assert (linear.value(), linear.field.text(), fraction(linear)) == (-4.0, "-4.000", 0.0)
    assert linear.heard == [], "only people's changes are announced"


def test_a_value_beyond_the_slider_is_kept(linear):
    linear.set_value(7.5)
    assert (linear.value(), fraction(linear)) == (7.5, 1.0)
    linear.set_value(-9.0)
    assert (linear.value(), fraction(linear)) == (-9.0, 0.0)


def test_dragging(linear, qtbot):
    half = linear.slider.width() // 2
    drag(qtbot, linear, QPoint(half, handle(linear).y()))
    assert len(linear.heard) > 1, "it speaks while it is dragged"
    assert linear.heard == sorted(linear.heard, reverse=True)
    assert abs(linear.value()) < 0.1, "the middle is the middle"
    assert linear.heard[-1] == linear.value() == float(linear.field.text())
    drag(qtbot, linear, QPoint(linear.slider.width() + 500, handle(linear).y()))
    assert linear.heard[-1] == linear.value() == 4.0


def test_pressing_beside_the_handle_moves_it_there_by_a_page(linear, qtbot):
    qtbot.mouseClick(linear.slider, LEFT, pos=QPoint(linear.slider.width() - 4, handle(linear).y()))
    (heard,) = linear.heard
    assert heard == pytest.approx(1.0 + 8.0 * linear.slider.pageStep() / linear.slider.maximum())


def test_keys_on_the_slider(linear, qtbot):
    linear.setFocus()
    assert QApplication.focusWidget() is linear.slider
    step = 8.0 * linear.slider.singleStep() / linear.slider.maximum()
    qtbot.keyClick(linear.slider, KEY.Key_Right)
    assert linear.heard == [pytest.approx(1.0 + step)]
    qtbot.keyClick(linear.slider, KEY.Key_Left)
    assert linear.value() == pytest.approx(1.0)
    qtbot.keyClick(linear.slider, KEY.Key_Home)
    qtbot.keyClick(linear.slider, KEY.Key_End)
    assert linear.heard[-2:] == [-4.0, 4.0]


@pytest.mark.parametrize("key", [KEY.Key_Return, KEY.Key_Tab])
def test_typing(linear, qtbot, key):
    enter(qtbot, linear, "-2.5", key)
    assert linear.heard == [-2.5], "once, when it is done"
    assert linear.value() == -2.5
    assert fraction(linear) == pytest.approx(1.5 / 8, abs=1e-3)


def test_typing_beyond_the_slider(linear, qtbot):
    enter(qtbot, linear, "12.25")
    assert linear.heard == [12.25]
    assert (linear.value(), fraction(linear)) == (12.25, 1.0)


def test_typing_what_is_no_number(linear, rate, qtbot):
    for control in (linear, rate):
        before, text = control.value(), control.field.text()
        for words in ("abc", "-", "", "."):
            enter(qtbot, control, words)
            assert (control.value(), control.field.text()) == (before, text), words
        assert control.heard == []


@pytest.mark.parametrize("words", ["nan", "inf", "-inf", "1e999", "infinity", "0x10", "1_0e-3", "−1e-3", "e", "1e"])
def test_pasting_what_is_no_number(linear, rate, words, qtbot):
    for control in (linear, rate):
        before, text = control.value(), control.field.text()
        paste(qtbot, control, words)
        assert (control.value(), control.field.text()) == (before, text)
        assert control.heard == []


def test_beyond_what_is_possible(linear, rate, qtbot):
    enter(qtbot, linear, "500")
    assert linear.value() <= 20.0
    enter(qtbot, rate, "7")
    assert rate.heard == [1.0]
    enter(qtbot, rate, "-1")
    assert rate.value() == 1e-6


def test_a_double_click_resets(linear, qtbot):
    linear.set_value(-3.0)
    qtbot.mouseDClick(linear.slider, LEFT, pos=handle(linear))
    assert linear.heard == [1.0]
    assert (linear.value(), fraction(linear)) == (1.0, 5 / 8)
    linear.set_default(2.0)
    qtbot.mouseDClick(linear.slider, LEFT, pos=handle(linear))
    assert linear.heard == [1.0, 2.0]


def test_a_logarithmic_slider_goes_by_ratios(rate, qtbot):
    assert fraction(rate) == 0.5, "1e-3 is halfway from 1e-5 to 1e-1"
    rate.setFocus()
    qtbot.keyClick(rate.slider, KEY.Key_Home)
    assert rate.value() == pytest.approx(1e-5)
    qtbot.keyClick(rate.slider, KEY.Key_End)
    assert rate.value() == pytest.approx(1e-1)
    for _ in range(10):
        qtbot.keyClick(rate.slider, KEY.Key_Left)
    assert math.log10(rate.value()) == pytest.approx(-1.0 - 4.0 * 10 / rate.slider.maximum(), abs=1e-4)
    rate.set_value(0.0)
    assert fraction(rate) == 0.0


@pytest.mark.parametrize(
    "typed, value, text",
    [
        ("1.5e-3", 1.5e-3, "1.5e-3"),
        ("0.00125", 1.25e-3, "1.25e-3"),
        ("2E-4", 2e-4, "2e-4"),
        (".01", 1e-2, "1e-2"),
        ("0,05", 5e-2, "5e-2"),
        ("1", 1.0, "1e0"),
        ("+3e-2", 3e-2, "3e-2"),
    ],
)
def test_rates_are_written_as_people_write_them(rate, typed, value, text, qtbot):
    enter(qtbot, rate, typed)
    assert rate.heard == [value]
    assert rate.field.text() == text
    qtbot.keyClick(rate.field, KEY.Key_Return)
    assert rate.heard == [value], "what is shown is what is meant"


def test_names_and_tooltips(linear):
    for part in (linear.slider, linear.field):
        assert part.accessibleName() == "Number"
        assert part.toolTip() == "What it does"


TIPS = (
    "Short.",
    "A sentence that goes on and on, and tells what the thing is for, which is not told in a few words at all.",
    "One line.\nAnother one, R & D, “μ” ± 0.5.",
    "1 < 2, said by <b>somebody</b> & others.png",
    "",
)


@pytest.mark.parametrize("before", TIPS)
@pytest.mark.parametrize("words", TIPS)
def test_a_tooltip_is_read_and_heard_as_it_was_written(qtbot, before, words):
    button, action, item = QPushButton("Press"), QAction("Do"), QListWidgetItem("Entry")
    qtbot.addWidget(button)
    for what in (button, action, item):
        for text in (before, words):
            show_tip(what, text)
    assert tip(button) == tip(item) == words
    assert tip(action) == (words or "Do")  # for want of one Qt gives an action's name
    heard = QAccessible.queryAccessibleInterface(button).text(QAccessible.Text.Description)
    assert heard == words


def test_a_tooltip_leaves_a_description_from_elsewhere(qtbot):
    slider = QSlider()
    qtbot.addWidget(slider)
    show_tip(slider, TIPS[1])
    slider.setAccessibleDescription("3 steps")
    show_tip(slider, TIPS[0], TIPS[1])
    assert tip(slider) == f"{TIPS[0]}\n{TIPS[1]}"
    assert slider.accessibleDescription() == "3 steps"


def looks(line, text):
    line.setText(text)
    return line.grab().toImage()


def test_a_line_without_room_ends_in_an_ellipsis_and_keeps_its_text(qtbot):
    words = "mean of p(x|z) at z ~ 3 Gaussians fitted to the means of 3,000 training images"
    line, plain = shrinking_label("line", "muted"), label("", "muted")
    for widget in (line, plain):
        qtbot.addWidget(widget)
        widget.setFixedHeight(20)
    cut = [words[:length] + "…" for length in range(len(words))]
    for width, possible in ((120, cut), (1000, [words])):
        line.resize(width, 20)
        plain.resize(width, 20)
        seen = [text for text in possible if looks(plain, text) == looks(line, words)]
        assert seen, "what is drawn is an honest beginning of it"
        assert line.fontMetrics().horizontalAdvance(seen[0]) <= width
        assert line.text() == words
    assert line.minimumSizeHint().width() > 120, "else no line would be cut"


def test_subscripts():
    assert [subscript(n) for n in (0, 8, 9, 255)] == ["z₁", "z₉", "z₁₀", "z₂₅₆"]


def test_a_chip_is_switched_by_a_click(qtbot):
    tiles = chip("Tiles", "Show the tiles")
    qtbot.addWidget(tiles)
    with qtbot.waitExposed(tiles):
        tiles.show()
    assert tiles.isChecked()
    qtbot.mouseClick(tiles, LEFT)
    assert not tiles.isChecked()
    assert not chip("Off", "Off at first", checked=False).isChecked()
    assert (tiles.accessibleName(), tiles.toolTip()) == ("Tiles", "Show the tiles")


def test_a_label_shows_every_letter(qtbot):
    plain, marked = label("plain", "muted"), label("<b>plain</b>", "muted")
    assert marked.sizeHint().width() > 1.5 * plain.sizeHint().width()
    assert plain.property("role") == "muted"
