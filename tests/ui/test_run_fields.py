"""The larger batch that is offered beside the batch size, in the real Setup panel with real keys and clicks."""

import pytest
import tips
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLineEdit, QPushButton, QSpinBox

from vae_studio.core.batch_offer import offer
from vae_studio.core.config import DataConfig, RunConfig
from vae_studio.core.presets import PRESETS
from vae_studio.ui import theme
from vae_studio.ui.setup_panel import SetupPanel


@pytest.fixture
def panel(qtbot):
    panel = SetupPanel()
    panel.set_devices([("auto", "Automatic: CPU"), ("cpu", "CPU · 2 cores")])
    qtbot.addWidget(panel)
    panel.resize(264, 780)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


@pytest.fixture
def themed(qapp):
    theme.apply(qapp, theme.DARK)
    yield
    qapp.setStyleSheet("")


def enter(qtbot, field, text):
    """Replace what is in a field by typing."""
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def button_of(panel):
    return panel.findChild(QPushButton, "larger_batch_button")


def field_of(panel, name):
    return panel.findChild(QSpinBox, name) or panel.findChild(QDoubleSpinBox, name)


def words(widget):
    return tips.tip(widget)


def test_a_click_sets_batch_and_rate(panel, qtbot):
    found = offer(RunConfig(), 60_000)
    before = panel.config()
    button = button_of(panel)
    assert button.isEnabled()
    assert str(found.batch_size) in button.text()
    said = []
    panel.config_changed.connect(lambda: said.append(panel.config()))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert len(said) == 1, "one edit, not one for each field"
    after = before.with_changes(batch_size=found.batch_size, learning_rate=found.learning_rate)
    assert panel.config() == said[0] == after
    assert field_of(panel, "batch_size").text() == str(found.batch_size)
    assert float(field_of(panel, "learning_rate").text()) == found.learning_rate
    assert not button.isEnabled()
    assert words(button), "there is nothing to gain any more, and it says why"
    # Undone by typing what was there.
    enter(qtbot, field_of(panel, "batch_size"), str(before.batch_size))
    enter(qtbot, field_of(panel, "learning_rate"), str(before.learning_rate))
    assert panel.config() == before
    assert button.isEnabled()


def test_by_keys_as_well(panel, qtbot):
    found = offer(RunConfig(), 60_000)
    panel.findChild(QSpinBox, "batch_size").setFocus()
    qtbot.keyClick(panel.focusWidget(), Qt.Key.Key_Tab)
    assert panel.focusWidget() is button_of(panel)
    qtbot.keyClick(panel.focusWidget(), Qt.Key.Key_Space)
    assert panel.config().batch_size == found.batch_size


def test_the_tooltip_says_what_a_click_would_do(panel):
    found = offer(RunConfig(), 60_000)
    for text in (f"batch size {found.batch_size}", f"learning rate {found.learning_rate:g}", "250", "0.0015"):
        assert text in words(button_of(panel))


def test_it_is_honest_about_the_device(panel, qtbot):
    assert "On a CPU, as is chosen here" in words(button_of(panel))
    panel.set_devices([("auto", "Automatic: CUDA"), ("cuda", "CUDA · GPU"), ("cpu", "CPU · 2 cores")])
    assert "On a GPU" in words(button_of(panel))
    panel.set_config(RunConfig(device="cpu"))
    assert "On a CPU, as is chosen here" in words(button_of(panel))


@pytest.mark.parametrize(
    ("name", "text", "config"),
    [
        ("epochs", "300", RunConfig(epochs=300)),
        ("epochs", "1", RunConfig(epochs=1)),
        ("subset_limit", "500", RunConfig(data=DataConfig(limit=500))),
        ("batch_size", "40", RunConfig(batch_size=40)),
        ("batch_size", "60000", RunConfig(batch_size=60_000)),
        ("learning_rate", "1e-4", RunConfig(learning_rate=1e-4)),
        ("learning_rate", "1e-1", RunConfig(learning_rate=0.1)),
    ],
)
def test_it_follows_the_other_fields(panel, qtbot, name, text, config):
    enter(qtbot, field_of(panel, name), text)
    assert panel.config() == config
    check(panel, config, config.data.limit or 60_000)


def test_it_follows_the_classes(panel, qtbot):
    panel.set_config(RunConfig(batch_size=20, learning_rate=5e-4, epochs=40))
    for digit in range(2, 10):
        qtbot.mouseClick(panel.findChild(QPushButton, f"class_chip_{digit}"), Qt.MouseButton.LeftButton)
    check(panel, panel.config(), 5923 + 6742)


def check(panel, config, images):
    """The button says what the rule says, or is grey and says why."""
    found, button = offer(config, images), button_of(panel)
    assert button.isEnabled() == (found is not None)
    if found:
        assert str(found.batch_size) in button.text()
        assert f"{found.learning_rate:g}" in words(button)
    else:
        assert "larger batch" in words(button).lower() or "above" in words(button)


def test_a_wrong_field_elsewhere_is_no_hindrance(panel, qtbot):
    found = offer(RunConfig(), 60_000)
    enter(qtbot, panel.findChild(QLineEdit, "seed"), "x")
    qtbot.mouseClick(button_of(panel), Qt.MouseButton.LeftButton)
    assert field_of(panel, "batch_size").value() == found.batch_size
    enter(qtbot, panel.findChild(QLineEdit, "seed"), "0")
    assert panel.config() == found.applied(RunConfig())


def test_it_is_locked_while_a_run_goes_on(panel):
    panel.set_running(True)
    assert not button_of(panel).isEnabled()
    panel.set_running(False)
    assert button_of(panel).isEnabled()


@pytest.mark.parametrize("name", PRESETS)
def test_number_and_offer_are_whole_at_the_least_width(themed, panel, name):
    panel.resize(264, 780)
    panel.set_config(PRESETS[name].config)
    button, field = button_of(panel), field_of(panel, "batch_size")
    assert button.width() >= button.sizeHint().width()
    line = field.lineEdit()
    assert line.fontMetrics().horizontalAdvance("60000") <= line.width() - 2 * 6
    right = button.mapTo(panel, QPoint(button.width(), 0)).x()
    assert right <= panel.width()
    epochs = field_of(panel, "epochs")
    assert right == epochs.mapTo(panel, QPoint(epochs.width(), 0)).x(), "flush with the fields below"


def test_steps_are_chosen_and_captured_ones_only_where_there_is_cuda(panel, qtbot):
    combo = panel.findChild(QComboBox, "execution_combo")
    assert panel.config().execution == "auto" and [combo.itemData(i) for i in range(4)] == [
        "auto",
        "eager",
        "captured",
        "compiled",
    ]

    qtbot.mouseClick(panel.findChild(QAbstractButton, "optimisation_section"), Qt.MouseButton.LeftButton)

    def can_capture():
        return combo.model().item(2).isEnabled()

    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert panel.config().execution == "eager"
    assert not can_capture() and "CUDA devices only" in combo.itemData(2, Qt.ItemDataRole.ToolTipRole)
    qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert panel.config().execution == "compiled", "what cannot be chosen is passed over"
    panel.set_devices([("auto", "Automatic: CUDA"), ("cuda", "CUDA · A Fine GPU"), ("cpu", "CPU · 2 cores")])
    assert can_capture()
    device = panel.findChild(QComboBox, "device_combo")
    device.setFocus()
    qtbot.keyClick(device, Qt.Key.Key_End)
    assert panel.config().device == "cpu" and not can_capture()
    panel.set_config(RunConfig(execution="eager", device="cuda"))
    assert panel.config().execution == "eager" and can_capture()


def test_how_steps_are_taken_is_no_part_of_a_preset(panel, qtbot):
    panel.set_config(RunConfig(execution="compiled"))
    assert not panel.findChild(QPushButton, "preset_restore_button").isVisible()
    panel.offer(PRESETS["pytorch-example"].config)
    assert panel.config() == PRESETS["pytorch-example"].config.with_changes(execution="compiled")
