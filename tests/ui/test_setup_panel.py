"""The setup panel, used as people use it: keys in fields, clicks on chips; configs compared with ones built here."""

from __future__ import annotations

import pytest
import tips
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QWidget,
)

from vae_studio.core.config import (
    BernoulliConfig,
    ConfigError,
    ConvolutionalConfig,
    DataConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.presets import PRESETS
from vae_studio.ui import theme
from vae_studio.ui.fields import Choice
from vae_studio.ui.setup_panel import SetupPanel

EXPECTED = {
    "2-D explorer": RunConfig(preset="explorer-2d"),
    "Convolutional 2-D": RunConfig(
        preset="convolutional-2d", network=ConvolutionalConfig(), learning_rate=0.002, epochs=60
    ),
    "PyTorch example": RunConfig(
        preset="pytorch-example",
        network=MLPConfig(widths=(400,), activation="relu"),
        latent_dims=20,
        learning_rate=0.001,
        batch_size=128,
    ),
    "Convolutional 64": RunConfig(
        preset="convolutional-64",
        network=ConvolutionalConfig(dense=(256,)),
        initialisation="xavier",
        latent_dims=64,
        learning_rate=0.002,
        kl_warm_up=0.1,
        epochs=80,
    ),
}


@pytest.fixture
def panel(qtbot):
    panel = SetupPanel()
    panel.set_devices([("auto", "Automatic: CPU"), ("cpu", "CPU · 2 cores")])
    qtbot.addWidget(panel)
    panel.resize(280, 780)
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


def choose(qtbot, combo, index):
    """Go to an entry of a combo box by keys, from the top."""
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(index):
        qtbot.keyClick(combo, Qt.Key.Key_Down)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def text_of(panel, name):
    """What a label says, or nothing while it is not to be seen."""
    found = panel.findChild(QLabel, name)
    return found.text() if found.isVisible() else ""


def test_starts_with_the_default_preset(panel):
    assert panel.config() == RunConfig()
    assert panel.findChild(QComboBox, "data_combo").currentText() == "MNIST (60 000)"
    assert panel.findChild(QSpinBox, "subset_limit").text() == "all"


@pytest.mark.parametrize("index, title", list(enumerate(EXPECTED)))
def test_a_preset_fills_every_field(panel, qtbot, index, title):
    enter(qtbot, panel.findChild(QSpinBox, "epochs"), "7")
    enter(qtbot, panel.findChild(QLineEdit, "seed"), "5")
    click(qtbot, panel.findChild(QPushButton, "class_chip_4"))
    combo = panel.findChild(QComboBox, "preset_combo")
    choose(qtbot, combo, 3 if index == 0 else 0)
    choose(qtbot, combo, index)
    assert combo.currentText() == title
    assert panel.config() == EXPECTED[title]
    assert panel.findChild(QSpinBox, "epochs").value() == EXPECTED[title].epochs
    assert panel.findChild(QSpinBox, "latent_dims").value() == EXPECTED[title].latent_dims
    assert panel.findChild(QComboBox, "network_combo").currentText() == EXPECTED[title].network.title
    assert panel.findChild(QDoubleSpinBox, "learning_rate").text() == f"{EXPECTED[title].learning_rate * 1e3:g}e-3"


def test_the_summary_tells_what_the_preset_shows_and_where_it_comes_from(panel, qtbot):
    combo = panel.findChild(QComboBox, "preset_combo")
    assert "watch the ten digits" in text_of(panel, "preset_summary")
    choose(qtbot, combo, 2)
    assert "twenty latent dimensions" in text_of(panel, "preset_summary")
    source = panel.findChild(QLabel, "preset_source")
    assert source.text().startswith("github.com/pytorch/examples")
    assert source.fontMetrics().horizontalAdvance(source.text()) <= source.width(), "on one line"
    assert tips.tip(source) == PRESETS["pytorch-example"].source
    for index, preset in enumerate(PRESETS.values()):
        tip = tips.tip(combo.itemData(index, Qt.ItemDataRole.ToolTipRole))
        assert preset.summary in tip
        assert preset.source in tip


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_comes_back_as_it_was(panel, name):
    config = PRESETS[name].config
    panel.set_config(config)
    assert panel.config() == config
    assert text_of(panel, "preset_changed") == ""


def test_every_field_reaches_the_config(panel, qtbot):
    enter(qtbot, panel.findChild(QSpinBox, "subset_limit"), "500")
    choose(qtbot, panel.findChild(QComboBox, "subset_pick_combo"), 1)
    for digit in range(2, 10):
        click(qtbot, panel.findChild(QPushButton, f"class_chip_{digit}"))
    network = panel.findChild(QComboBox, "network_combo")
    choose(qtbot, network, network.findText("MLP 400–200"))
    enter(qtbot, panel.findChild(QSpinBox, "latent_dims"), "17")
    enter(qtbot, panel.findChild(QSpinBox, "batch_size"), "64")
    enter(qtbot, panel.findChild(QSpinBox, "epochs"), "12")
    enter(qtbot, panel.findChild(QLineEdit, "seed"), "9223372036854775807")
    choose(qtbot, panel.findChild(QComboBox, "device_combo"), 1)
    enter(qtbot, panel.findChild(QDoubleSpinBox, "beta_value"), "4")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "learning_rate"), "2.5e-4")
    assert panel.config() == RunConfig(
        preset="explorer-2d",
        data=DataConfig(limit=500, pick="random", classes=(0, 1)),
        network=MLPConfig(widths=(400, 200), activation="relu"),
        latent_dims=17,
        batch_size=64,
        epochs=12,
        seed=2**63 - 1,
        device="cpu",
        beta=4.0,
        learning_rate=2.5e-4,
    )


@pytest.mark.parametrize(
    "values",
    [
        {"likelihood": LaplaceConfig(scale="per-pixel", width=0.0123456789, mean="linear"), "posterior": "laplace"},
        {"likelihood": GaussianConfig(scale="fixed", width=0.25), "posterior": "full-gaussian", "latent_dims": 64},
        {"prior": MixtureConfig(components=7), "bound": "iwae", "samples": 50, "adam_eps": 1e-4},
        {"prior": LaplacePriorConfig(), "kl": "sampled", "samples": 8, "free_bits": 0.123456789},
        {"model": "autoencoder", "likelihood": SquaredErrorConfig(), "weight_decay": 1.23456789e-5},
        {"likelihood": BernoulliConfig(targets="binarised-once"), "output_bias": "data-mean"},
        {"kl_cycles": 4, "initialisation": "normal", "warm_up": 0.2, "schedule": "burda"},
    ],
)
def test_models_come_back_as_they_were(panel, qtbot, values):
    config = RunConfig(device="cpu", kl_warm_up=1 / 3, **values)
    with qtbot.assertNotEmitted(panel.config_changed):
        panel.set_config(config)
    assert panel.config() == config


def test_a_config_comes_back_as_it_was(panel, qtbot):
    config = RunConfig(
        preset="somebodys-own",
        data=DataConfig(limit=1000, pick="random", classes=(3, 5, 8)),
        network=MLPConfig(widths=(300, 30), activation="tanh"),
        latent_dims=256,
        beta=0.1234567,
        kl_warm_up=0.25,
        learning_rate=0.00123456789,
        schedule="constant",
        batch_size=333,
        epochs=4,
        seed=2**40,
        device="cpu",
        precision="float32",
    )
    with qtbot.assertNotEmitted(panel.config_changed):
        panel.set_config(config)
    assert panel.config() == config
    assert panel.findChild(QComboBox, "network_combo").currentText() == "MLP 300–30"
    assert panel.findChild(QComboBox, "preset_combo").currentText() == ""


def test_networks_of_one_title_can_be_told_apart(panel):
    panel.set_config(RunConfig(network=MLPConfig(widths=(512, 256, 128), activation="tanh")))
    assert panel.findChild(QComboBox, "network_combo").currentText() == "MLP 512–256–128 tanh"
    assert panel.config().network.activation == "tanh"


def test_a_changed_field_marks_the_preset_and_restore_brings_it_back(panel, qtbot):
    combo, restore = panel.findChild(QComboBox, "preset_combo"), panel.findChild(QPushButton, "preset_restore_button")
    assert not restore.isVisible()
    choose(qtbot, panel.findChild(QComboBox, "device_combo"), 1)
    assert not restore.isVisible(), "the device is no part of a preset"
    enter(qtbot, panel.findChild(QSpinBox, "epochs"), "3")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "beta_value"), "2")
    qtbot.keyClick(panel.findChild(QDoubleSpinBox, "beta_value"), Qt.Key.Key_Return)
    assert combo.currentText() == "2-D explorer *"
    assert text_of(panel, "preset_changed") == "* changed: β, epochs"
    with qtbot.waitSignal(panel.config_changed):
        click(qtbot, restore)
    assert panel.config() == RunConfig(device="cpu")
    assert combo.currentText() == "2-D explorer"
    assert not restore.isVisible()


def test_choosing_the_same_preset_again_brings_it_back(panel, qtbot):
    enter(qtbot, panel.findChild(QSpinBox, "batch_size"), "10")
    combo = panel.findChild(QComboBox, "preset_combo")
    click(qtbot, combo)
    qtbot.keyClick(combo.view(), Qt.Key.Key_Return)
    assert panel.config() == RunConfig()


def test_the_pick_counts_only_with_a_subset(panel, qtbot):
    limit, pick = panel.findChild(QSpinBox, "subset_limit"), panel.findChild(QComboBox, "subset_pick_combo")
    assert not pick.isEnabled()
    enter(qtbot, limit, "100")
    assert pick.isEnabled()
    choose(qtbot, pick, 1)
    enter(qtbot, limit, "0")
    assert not pick.isEnabled()
    assert panel.config().data.limit is None
    assert not panel.findChild(QPushButton, "preset_restore_button").isVisible()


def test_one_class_stays_on(panel, qtbot):
    for digit in range(10):
        click(qtbot, panel.findChild(QPushButton, f"class_chip_{digit}"))
    assert panel.findChild(QPushButton, "class_chip_9").isChecked()
    assert panel.config().data.classes == (9,)


@pytest.mark.parametrize(
    "typed, words",
    [
        ("", "whole number"),
        ("1.5", "whole number"),
        ("-3", "whole number"),
        ("٣", "whole number"),
        (str(2**63), "Seed"),
    ],
)
def test_a_wrong_seed_is_a_sentence_not_a_traceback(panel, qtbot, typed, words):
    seed = panel.findChild(QLineEdit, "seed")
    with qtbot.assertNotEmitted(panel.config_changed):
        seed.setFocus()
        seed.selectAll()
        qtbot.keyClick(seed, Qt.Key.Key_Delete)
        QApplication.clipboard().setText(typed)
        qtbot.keyClick(seed, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert words in text_of(panel, "setup_error")
    with qtbot.waitSignal(panel.failed) as failed, pytest.raises(ConfigError):
        panel.config()
    assert failed.args == [text_of(panel, "setup_error")]
    with qtbot.waitSignal(panel.config_changed):
        enter(qtbot, seed, "8")
    assert text_of(panel, "setup_error") == ""
    assert panel.config().seed == 8


@pytest.mark.parametrize(
    "name, typed, value", [("latent_dims", "0", 2), ("latent_dims", "300", 30), ("batch_size", "0", 250)]
)
def test_numbers_out_of_range_cannot_be_entered(panel, qtbot, name, typed, value):
    field = panel.findChild(QSpinBox, name)
    enter(qtbot, field, typed)
    assert getattr(panel.config(), name) == value
    assert field.text() == str(value), "what is shown is what is used"


def test_a_number_typed_and_not_confirmed_counts(panel, qtbot):
    enter(qtbot, panel.findChild(QSpinBox, "epochs"), "42")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "learning_rate"), "3e-4")
    config = panel.config()
    assert (config.epochs, config.learning_rate) == (42, 3e-4)


def test_while_running_only_the_objective_can_be_turned(panel, qtbot):
    enter(qtbot, panel.findChild(QSpinBox, "subset_limit"), "500")
    panel.set_running(True)
    fields = [
        *panel.findChildren(QPushButton),
        *(panel.findChild(QComboBox, f"{name}_combo") for name in ("data", "preset", "network", "device")),
        *(panel.findChild(QSpinBox, name) for name in ("subset_limit", "latent_dims", "batch_size", "epochs")),
        panel.findChild(QLineEdit, "seed"),
    ]
    assert not any(field.isEnabled() for field in fields)
    beta = panel.findChild(QDoubleSpinBox, "beta_value")
    with qtbot.waitSignal(panel.objective.beta_changed) as turned:
        enter(qtbot, beta, "3")
        qtbot.keyClick(beta, Qt.Key.Key_Return)
    assert turned.args == [3.0]
    assert not panel.findChild(QComboBox, "subset_pick_combo").isEnabled()
    panel.set_running(False)
    # So few images leave no larger batch to offer.
    assert all(field.isEnabled() or field.objectName() == "larger_batch_button" for field in fields)
    assert panel.findChild(QComboBox, "subset_pick_combo").isEnabled()


def test_devices_keep_the_choice_while_it_is_there(panel, qtbot):
    device = panel.findChild(QComboBox, "device_combo")
    panel.set_config(RunConfig(device="cuda"))
    assert panel.config().device == "auto", "a device that is not there is not chosen"
    panel.set_devices([("auto", "Automatic: CUDA"), ("cuda", "CUDA · GPU"), ("cpu", "CPU · 2 cores")])
    assert panel.config().device == "cuda"
    choose(qtbot, device, 0)
    panel.set_devices([("auto", "Automatic: CUDA"), ("cuda", "CUDA · GPU"), ("cpu", "CPU · 8 cores")])
    assert panel.config().device == "auto"


def test_the_wheel_turns_only_what_has_the_focus(panel, qtbot):
    spin, slider = panel.findChild(QSpinBox, "epochs"), panel.findChild(QSlider, "beta_slider")
    panel.findChild(QLineEdit, "seed").setFocus()
    roll(spin)
    roll(slider)
    assert (spin.value(), panel.config().beta) == (100, 1.0)
    spin.setFocus()
    roll(spin)
    assert spin.value() > 100


def roll(widget):
    """One notch of the wheel, away from the user."""
    centre = QPointF(widget.rect().center())
    event = QWheelEvent(
        centre,
        QPointF(widget.mapToGlobal(centre)),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def test_scrolls_only_where_there_is_too_little_room(themed, panel, qtbot):
    figures = panel.objective.figures
    figures.show_numbers(RunConfig(), 132.7, 6.9, beta=4.0, which="test", model="2-D explorer")
    panel.objective.show_in_force(1e-3, 1.0)
    figures.show_active(2, 2)
    enter(qtbot, panel.findChild(QSpinBox, "epochs"), "3")
    bar = panel.findChild(QScrollArea).verticalScrollBar()
    panel.resize(258, 830)
    qtbot.waitUntil(lambda: not bar.isVisible() and bar.maximum() == 0)
    panel.resize(258, 560)
    qtbot.waitUntil(lambda: bar.isVisible() and bar.maximum() > 0)
    assert panel.findChild(QLabel, "neg_elbo").visibleRegion().boundingRect().height() > 10, "the numbers stay in view"
    content = panel.findChild(QScrollArea).widget()
    assert content.width() <= panel.findChild(QScrollArea).viewport().width(), "nothing is cut off on the right"


def test_everything_says_what_it_is(panel):
    for kind in (QComboBox, QSpinBox, QDoubleSpinBox, QSlider, QAbstractButton, QLineEdit):
        for control in panel.findChildren(kind):
            if isinstance(control.parent(), QAbstractSpinBox):
                continue
            assert control.toolTip(), control.objectName()
            assert control.objectName()
            assert control.accessibleName() or control.text(), control.objectName()


# What can be combined


def combo_of(panel, name) -> Choice:
    return panel.findChild(Choice, f"{name}_combo")


def unfold(qtbot, panel, *names):
    for name in names:
        click(qtbot, panel.findChild(QAbstractButton, f"{name}_section"))


def pick(qtbot, combo, value):
    """Go to an item by keys, as long as that is possible."""
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(combo.count()):
        if combo.value() == value:
            return
        qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert combo.value() == value, f"{value} cannot be chosen"


def items(combo):
    """(value, whether it can be chosen, tooltip on one line) of each item."""
    for index in range(combo.count()):
        tip = tips.tip(combo.itemData(index, Qt.ItemDataRole.ToolTipRole))
        yield combo.itemData(index), combo.model().item(index).isEnabled(), tip


CHOICES = {
    "model": lambda value: {"model": value},
    "posterior": lambda value: {"posterior": value},
    "bound": lambda value: {"bound": value},
    "kl": lambda value: {"kl": value},
    "schedule": lambda value: {"schedule": value},
    "initialisation": lambda value: {"initialisation": value},
    "likelihood": lambda value: {"likelihood": {"kind": value}},
    "prior": lambda value: {"prior": {"kind": value}},
}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"free_bits": 0.5},
        {"latent_dims": 100},
        {"likelihood": GaussianConfig()},
        {"model": "autoencoder"},
        {"model": "autoencoder", "likelihood": SquaredErrorConfig(), "latent_dims": 100},
        {"posterior": "full-gaussian", "latent_dims": 64},
        {"bound": "iwae", "samples": 5},
        {"prior": MixtureConfig()},
    ],
    ids=str,
)
def test_what_is_offered_is_possible_and_what_is_not_says_why(panel, qtbot, values):
    start = RunConfig(**values)
    panel.set_config(start)
    unfold(qtbot, panel, "model", "objective", "optimisation")
    for name, put in CHOICES.items():
        panel.set_config(start)
        combo = combo_of(panel, name)
        for value, offered, tip in list(items(combo)):
            panel.set_config(start)
            if not offered:
                with pytest.raises(ConfigError) as refused:
                    start.with_changes(**put(value))
                assert tip == str(refused.value)
            elif combo.isEnabled():
                pick(qtbot, combo, value)
                assert text_of(panel, "setup_error") == ""
                got = panel.config().model_dump()[name]
                assert (got["kind"] if isinstance(got, dict) else got) == value


@pytest.mark.parametrize(
    "values, name, refused",
    [
        ({"latent_dims": 100}, "posterior", {"full-gaussian"}),
        ({}, "likelihood", {"squared-error"}),
        ({"model": "autoencoder"}, "likelihood", {"gaussian", "laplace", "continuous-bernoulli"}),
        ({"free_bits": 0.5}, "posterior", set()),
        ({"free_bits": 0.5}, "bound", set()),
    ],
)
def test_impossible_items_are_refused_and_no_others(panel, values, name, refused):
    panel.set_config(RunConfig(**values))
    assert {value for value, offered, _ in items(combo_of(panel, name)) if not offered} == refused


@pytest.mark.parametrize(
    "name, value", [("posterior", "full-gaussian"), ("prior", "gaussian-mixture"), ("bound", "iwae")]
)
def test_free_bits_are_let_go_where_they_lose_their_meaning(panel, qtbot, name, value):
    unfold(qtbot, panel, "model", "objective")
    bits = panel.findChild(QDoubleSpinBox, "free_bits")
    enter(qtbot, bits, "0.5")
    assert panel.config().free_bits == 0.5
    pick(qtbot, combo_of(panel, name), value)
    assert panel.config().free_bits == 0.0
    assert not bits.isEnabled()
    with pytest.raises(ConfigError) as refused:
        panel.config().with_changes(free_bits=0.5)
    assert tips.tip(bits) == str(refused.value)
    qtbot.keyClick(combo_of(panel, name), Qt.Key.Key_Home)
    assert bits.isEnabled()


def test_an_autoencoder_takes_an_error_with_it_and_a_vae_a_density(panel, qtbot):
    unfold(qtbot, panel, "model")
    pick(qtbot, combo_of(panel, "likelihood"), "laplace")
    pick(qtbot, combo_of(panel, "model"), "autoencoder")
    assert panel.config().likelihood == SquaredErrorConfig()
    pick(qtbot, combo_of(panel, "model"), "vae")
    assert panel.config().likelihood == GaussianConfig()
    pick(qtbot, combo_of(panel, "likelihood"), "bernoulli")
    pick(qtbot, combo_of(panel, "model"), "autoencoder")
    assert panel.config().likelihood == BernoulliConfig(), "that has a meaning for both, and stays"


def test_an_autoencoder_greys_what_it_has_not(panel, qtbot):
    moot = [
        *(combo_of(panel, name) for name in ("posterior", "prior", "bound", "kl")),
        *(panel.findChild(QSpinBox, name) for name in ("samples", "kl_cycles", "prior_components")),
        *(panel.findChild(QDoubleSpinBox, name) for name in ("kl_warm_up", "free_bits", "beta_value")),
        panel.findChild(QSlider, "beta_slider"),
    ]
    panel.set_config(RunConfig(prior=MixtureConfig(), kl_warm_up=0.5))
    usual = {field: field.toolTip() for field in moot}
    panel.set_config(RunConfig(model="autoencoder", prior=MixtureConfig(), kl_warm_up=0.5))
    for field in moot:
        assert not field.isEnabled(), field.objectName()
        assert "auto-encoder" in field.toolTip(), field.objectName()
    panel.set_running(True)
    assert not panel.findChild(QSlider, "beta_slider").isEnabled()
    panel.set_running(False)
    for name in ("learning_rate", "weight_decay"):
        assert panel.findChild(QDoubleSpinBox, name).isEnabled()
    panel.set_config(RunConfig(prior=MixtureConfig(), kl_warm_up=0.5))
    assert {field: field.toolTip() for field in moot} == usual


@pytest.mark.parametrize(
    "values, usable, of_no_use",
    [
        ({}, ["targets_combo", "kl_combo"], ["scale_combo", "scale_width", "prior_components", "kl_cycles"]),
        ({"likelihood": GaussianConfig()}, ["scale_combo", "scale_width"], ["targets_combo"]),
        ({"likelihood": LaplaceConfig()}, ["scale_combo", "scale_width"], ["targets_combo"]),
        ({"prior": MixtureConfig()}, ["prior_components"], ["kl_combo", "free_bits"]),
        ({"posterior": "laplace"}, ["free_bits"], ["kl_combo"]),
        ({"kl_warm_up": 0.3}, ["kl_cycles"], []),
        ({"bound": "iwae", "samples": 5}, ["samples"], ["kl_combo", "free_bits"]),
        ({"network": ConvolutionalConfig()}, ["activation_combo"], ["network_widths"]),
    ],
)
def test_fields_without_a_meaning_are_greyed(panel, values, usable, of_no_use):
    panel.set_config(RunConfig(**values))
    for names, expected in ((usable, True), (of_no_use, False)):
        for name in names:
            assert panel.findChild(QWidget, name).isEnabled() == expected, name


def test_too_many_dims_for_a_full_covariance_are_a_sentence_and_leave_all_choices_open(panel, qtbot):
    panel.set_config(RunConfig(posterior="full-gaussian", latent_dims=64))
    enter(qtbot, panel.findChild(QSpinBox, "latent_dims"), "65")
    with pytest.raises(ConfigError) as refused:
        RunConfig(posterior="full-gaussian", latent_dims=64).with_changes(latent_dims=65)
    assert text_of(panel, "setup_error") == str(refused.value)
    assert all(offered for _, offered, _ in items(combo_of(panel, "prior"))), "it is not their fault"
    pick(qtbot, combo_of(panel, "posterior"), "diagonal-gaussian")
    assert text_of(panel, "setup_error") == ""
    assert panel.config().latent_dims == 65


def test_every_new_field_reaches_the_config(panel, qtbot):
    unfold(qtbot, panel, "model", "objective", "optimisation")
    pick(qtbot, combo_of(panel, "likelihood"), "gaussian")
    pick(qtbot, combo_of(panel, "posterior"), "full-gaussian")
    pick(qtbot, combo_of(panel, "prior"), "gaussian-mixture")
    enter(qtbot, panel.findChild(QSpinBox, "prior_components"), "6")
    pick(qtbot, combo_of(panel, "scale"), "per-pixel")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "scale_width"), "0.2")
    enter(qtbot, panel.findChild(QLineEdit, "network_widths"), "40, 30")
    pick(qtbot, combo_of(panel, "bound"), "iwae")
    enter(qtbot, panel.findChild(QSpinBox, "samples"), "9")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "kl_warm_up"), "0.4")
    enter(qtbot, panel.findChild(QSpinBox, "kl_cycles"), "3")
    pick(qtbot, combo_of(panel, "schedule"), "burda")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "weight_decay"), "1e-4")
    pick(qtbot, combo_of(panel, "initialisation"), "xavier")
    assert panel.config() == RunConfig(
        likelihood=GaussianConfig(scale="per-pixel", width=0.2),
        posterior="full-gaussian",
        prior=MixtureConfig(components=6),
        network=MLPConfig(widths=(40, 30)),
        bound="iwae",
        samples=9,
        kl_warm_up=0.4,
        kl_cycles=3,
        schedule="burda",
        weight_decay=1e-4,
        initialisation="xavier",
    )


def test_binarised_targets_and_kl_by_samples_reach_the_config(panel, qtbot):
    unfold(qtbot, panel, "model", "objective")
    pick(qtbot, combo_of(panel, "targets"), "binarised-fresh")
    pick(qtbot, combo_of(panel, "kl"), "sampled")
    enter(qtbot, panel.findChild(QDoubleSpinBox, "free_bits"), "0.25")
    assert panel.config() == RunConfig(
        likelihood=BernoulliConfig(targets="binarised-fresh"), kl="sampled", free_bits=0.25
    )


def test_a_free_mean_is_seen_and_does_not_outlive_its_model(panel, qtbot):
    unfold(qtbot, panel, "model")
    opened = RunConfig(preset="burda-vae-1", likelihood=GaussianConfig(mean="linear", scale="fixed", width=0.25))
    panel.set_config(opened)
    mean = combo_of(panel, "mean")
    assert (mean.value(), mean.currentText(), mean.isEnabled()) == ("linear", "free (linear)", True)
    assert panel.config() == opened
    choose(qtbot, panel.findChild(QComboBox, "preset_combo"), 0)
    assert panel.config() == PRESETS["explorer-2d"].config
    assert not mean.isEnabled() and "free mean" in mean.toolTip()
    pick(qtbot, combo_of(panel, "likelihood"), "gaussian")
    assert mean.value() == "sigmoid"
    assert panel.config().likelihood == GaussianConfig()
    pick(qtbot, mean, "linear")
    assert panel.config().likelihood == GaussianConfig(mean="linear")
    assert "free mean" in panel.findChild(QAbstractButton, "model_section").accessibleName()


@pytest.mark.parametrize(
    ("name", "value", "usual"),
    [
        ("posterior", "laplace", "diagonal-gaussian"),
        ("prior", "laplace", "standard-normal"),
        ("prior", "gaussian-mixture", "standard-normal"),
        ("bound", "iwae", "elbo"),
    ],
)
def test_the_kl_in_force_is_shown_where_there_is_no_closed_form(panel, qtbot, name, value, usual):
    unfold(qtbot, panel, "model", "objective")
    kl, other = combo_of(panel, "kl"), combo_of(panel, name)
    assert kl.currentText() == "closed form"
    pick(qtbot, other, value)
    assert not panel.config().closed_form_kl
    assert (kl.currentText(), kl.isEnabled()) == ("by samples", False)
    if name != "bound":
        reason = tips.tip(kl)
        assert "closed form here only for a Gaussian posterior and the prior N(0, I)" in reason
    assert panel.config().kl == "auto", "what was chosen is kept"
    pick(qtbot, other, usual)
    assert (kl.currentText(), kl.isEnabled()) == ("closed form", True)
    pick(qtbot, kl, "sampled")
    pick(qtbot, other, value)
    pick(qtbot, other, usual)
    assert (kl.currentText(), panel.config().kl) == ("by samples", "sampled")


def test_the_headings_say_what_is_unusual_inside(panel):
    def words(name):
        return panel.findChild(QAbstractButton, f"{name}_section").accessibleName().partition(": ")[2]

    assert [words(name) for name in ("model", "objective", "optimisation")] == ["", "", ""]
    panel.set_config(PRESETS["burda-iwae-50"].config)
    assert words("model") == "binarised freshly"
    assert words("objective") == "IWAE, 50 samples"
    assert words("optimisation") == "Burda's schedule, Xavier"
    panel.set_config(PRESETS["autoencoder-2d"].config)
    assert (words("model"), words("objective")) == ("auto-encoder", "")
    panel.set_config(RunConfig(prior=MixtureConfig(), likelihood=GaussianConfig(), kl_warm_up=0.2, weight_decay=0.1))
    assert words("model") == "mixture of 10, learned scale"
    assert words("objective") == "KL by samples, KL warm-up"
    assert words("optimisation") == "weight decay"


def test_the_formula_follows_the_settings(panel, qtbot):
    unfold(qtbot, panel, "objective")
    assert text_of(panel, "objective_formula") == "−ELBO = E[−log p(x|z)] + KL(q‖p)"
    pick(qtbot, combo_of(panel, "bound"), "iwae")
    enter(qtbot, panel.findChild(QSpinBox, "samples"), "50")
    assert text_of(panel, "objective_formula") == "loss = −log 1/50 Σ p(x,z)/q(z|x)"


def test_sections_stay_as_they_are_when_a_preset_is_chosen(panel, qtbot):
    unfold(qtbot, panel, "objective")
    choose(qtbot, panel.findChild(QComboBox, "preset_combo"), 5)
    assert panel.findChild(QSpinBox, "samples").isVisible()
    assert not panel.findChild(QWidget, "model_combo").isVisible()
