"""The network's fields under real keys; networks compared with ones built here."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from vae_studio.core.config import ConfigError, ConvolutionalConfig, MLPConfig, ResidualConfig, RunConfig
from vae_studio.core.presets import PRESETS
from vae_studio.ui.fields import form
from vae_studio.ui.network_fields import NetworkFields


@pytest.fixture
def fields(qtbot) -> NetworkFields:
    result, page = NetworkFields(), QWidget()
    page.setLayout(form(*result.rows, *result.details))
    result.page = page
    qtbot.addWidget(page)
    with qtbot.waitExposed(page):
        page.show()
    result.show_config(RunConfig())
    return result


def network(fields: NetworkFields):
    return fields.changes()["network"]


def field(fields: NetworkFields, name: str) -> QWidget:
    return fields.page.findChild(QWidget, name)


def type_widths(qtbot, fields: NetworkFields, text: str) -> None:
    line = field(fields, "network_widths")
    line.setFocus()
    line.selectAll()
    qtbot.keyClick(line, Qt.Key.Key_Delete)
    qtbot.keyClicks(line, text)


@pytest.mark.parametrize(
    "typed, widths",
    [("300", (300,)), ("512, 256", (512, 256)), ("64 32 16", (64, 32, 16)), ("7,5,", (7, 5)), ("", ()), (" ", ())],
)
def test_widths_can_be_typed(fields, qtbot, typed, widths):
    with qtbot.waitSignal(fields.changed):
        type_widths(qtbot, fields, typed)
    assert network(fields) == MLPConfig(widths=widths, activation="gelu")
    assert field(fields, "network_combo").currentText().startswith(MLPConfig(widths=widths).title)


@pytest.mark.parametrize(
    "typed, words",
    [
        ("512; 256", "whole numbers"),
        ("1.5", "whole numbers"),
        ("0", "greater than or equal to 1"),
        ("9000", "less than or equal to 8192"),
        ("8 8 8 8 8 8 8 8 8", "at most 8"),
    ],
)
def test_wrong_widths_are_a_sentence(fields, qtbot, typed, words):
    type_widths(qtbot, fields, typed)
    with pytest.raises(ConfigError, match=words):
        fields.changes()
    type_widths(qtbot, fields, "20")
    assert network(fields).widths == (20,)


def test_typing_leaves_one_entry_behind_not_one_a_key(fields, qtbot):
    combo = field(fields, "network_combo")
    offered = combo.count()
    type_widths(qtbot, fields, "123, 45")
    type_widths(qtbot, fields, "67, 8")
    assert combo.count() == offered + 1
    assert combo.currentText() == "MLP 67–8"


def test_the_activation_changes_any_network(fields, qtbot):
    activation = field(fields, "activation_combo")
    for config in (MLPConfig(), ConvolutionalConfig(), ResidualConfig()):
        fields.show_config(RunConfig(network=config))
        assert activation.value() == config.activation
        activation.setFocus()
        with qtbot.waitSignal(fields.changed):
            qtbot.keyClick(activation, Qt.Key.Key_Home)
        assert network(fields) == config.model_copy(update={"activation": "relu"})


def test_a_chosen_network_fills_widths_and_activation(fields, qtbot):
    combo, widths = field(fields, "network_combo"), field(fields, "network_widths")
    combo.setFocus()
    while network(fields) != MLPConfig(widths=(400, 200), activation="relu"):
        before = combo.currentIndex()
        qtbot.keyClick(combo, Qt.Key.Key_Down)
        assert combo.currentIndex() > before, "it is offered"
    assert widths.text() == "400, 200"
    assert field(fields, "activation_combo").currentText() == "ReLU"


def test_widths_have_no_meaning_for_other_networks(fields):
    config = RunConfig(network=ConvolutionalConfig())
    fields.show_config(config)
    assert field(fields, "network_widths").text() == ""
    reasons = fields.reasons(config)
    assert "MLP" in reasons[field(fields, "network_widths")]
    assert not any(fields.reasons(RunConfig()).values())


def test_all_kinds_and_those_of_all_presets_are_offered(fields):
    combo = field(fields, "network_combo")
    for preset in PRESETS.values():
        offered = combo.count()
        fields.show_config(preset.config)
        assert network(fields) == preset.config.network
        assert combo.count() == offered, "nothing had to be added for it"
    titles = [combo.itemText(index) for index in range(combo.count())]
    assert len(set(titles)) == len(titles), "they can be told apart"
    for kind in ("MLP", "Linear", "Conv", "ResNet", "Deconv"):
        assert any(title.startswith(kind) for title in titles), kind
