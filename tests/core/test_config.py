"""Configs hold what the user may ask for, refuse the rest in plain words, and survive the trip through JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vae_studio.core.config import (
    DEFAULT_PRESET,
    PRESETS,
    ConfigError,
    ConvolutionalConfig,
    DataConfig,
    MLPConfig,
    RunConfig,
    find_preset,
)
from vae_studio.core.errors import UserError

activations = st.sampled_from(["relu", "tanh", "gelu", "silu"])
shares = st.floats(0.0, 1.0)
sizes = st.integers(1, 1024)
networks = st.builds(
    MLPConfig, widths=st.lists(sizes, min_size=1, max_size=8).map(tuple), activation=activations
) | st.builds(ConvolutionalConfig, channels=st.lists(sizes, min_size=2, max_size=4).map(tuple), activation=activations)
data_configs = st.builds(
    DataConfig,
    limit=st.none() | st.integers(1, 10**6),
    pick=st.sampled_from(["first", "random"]),
    classes=st.none() | st.lists(st.integers(0, 9), min_size=1).map(tuple),
)
run_configs = st.builds(
    RunConfig,
    data=data_configs,
    network=networks,
    latent_dims=st.integers(1, 256),
    beta=st.floats(0.0, 100.0),
    kl_warm_up=shares,
    learning_rate=st.floats(0.0, 1.0, exclude_min=True),
    initialisation=st.sampled_from(["pytorch", "xavier"]),
    schedule=st.sampled_from(["constant", "cosine"]),
    warm_up=shares,
    batch_size=st.integers(1, 60_000),
    epochs=st.integers(1, 100_000),
    seed=st.integers(0, 2**63 - 1),
    device=st.sampled_from(["auto", "cuda", "mps", "cpu"]),
    precision=st.sampled_from(["auto", "float32", "bf16"]),
)


@given(run_configs)
def test_a_config_is_the_same_after_a_trip_through_json(config: RunConfig) -> None:
    assert RunConfig.parse(config.model_dump_json()) == config
    assert RunConfig.parse(json.loads(config.model_dump_json())) == config


@given(st.text() | st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_the_text_parse_gives_a_config_or_a_config_error(text: str | bytes) -> None:
    try:
        config = RunConfig.parse(text)
    except ConfigError as error:
        assert str(error).strip()
    else:
        assert isinstance(config, RunConfig)


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "too_low", "too_high", "words"),
    [
        ("latent_dims", 1, 256, 0, 257, "Latent dims"),
        ("beta", 0.0, 100.0, -1e-9, 100.1, "Beta"),
        ("kl_warm_up", 0.0, 1.0, -0.1, 1.1, "KL warm-up"),
        ("warm_up", 0.0, 1.0, -0.1, 1.1, "Warm-up"),
        ("learning_rate", 1e-12, 1.0, 0.0, 1.5, "Learning rate"),
        ("batch_size", 1, 60_000, 0, 60_001, "Batch size"),
        ("epochs", 1, 100_000, 0, 100_001, "Epochs"),
        ("seed", 0, 2**63 - 1, -1, 2**63, "Seed"),
    ],
)
def test_numbers_have_bounds_and_the_refusal_names_the_setting(
    name: str, lowest: Any, highest: Any, too_low: Any, too_high: Any, words: str
) -> None:
    for value in (lowest, highest):
        assert getattr(RunConfig().with_changes(**{name: value}), name) == value
    for value in (too_low, too_high):
        with pytest.raises(ConfigError, match=f"^{words} should be .*\\.$"):
            RunConfig().with_changes(**{name: value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "The settings should be an object"),
        ('{"latent": 3}', "There is no setting “latent”"),
        ('{"data": {"size": 3}}', "There is no setting “data size”"),
        ('{"latent_dims": 2.5}', r"Latent dims should be a valid integer \(it was 2.5\)"),
        ('{"latent_dims": "2"}', "Latent dims should be a valid integer"),
        ('{"latent_dims": true}', "Latent dims should be a valid integer"),
        ('{"beta": NaN}', "Beta should be a finite number"),
        ('{"beta": 1e999}', "Beta should be a finite number"),
        ('{"seed": ' + "9" * 4000 + "}", "Seed should be less than"),
        ('{"network": {"kind": "transformer"}}', "Network needs as its kind one of mlp and convolutional"),
        ('{"network": {"widths": [3]}}', "Network needs as its kind one of mlp and convolutional"),
        ('{"network": {"kind": "mlp", "widths": []}}', "Network widths should have at least 1 item, not 0"),
        ('{"network": {"kind": "mlp", "widths": [3, 99999]}}', "Network widths should be less than or equal to 8192"),
        ('{"data": {"classes": []}}', "^Choose at least one class, or leave classes out to use all"),
        ('{"data": {"classes": [10]}}', r"Data classes should be less than or equal to 9 \(it was 10\)"),
        ('{"data": {"limit": 0}}', "^Number of training images should be greater than or equal to 1"),
        ('{"device": "tpu"}', "Device should be 'auto', 'cuda', 'mps' or 'cpu'"),
    ],
)
def test_bad_settings_are_refused_in_plain_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        RunConfig.parse(text)
    message = str(refused.value)
    assert isinstance(refused.value, UserError) and message.endswith(".") and len(message) < 300
    for jargon in ("Input", "Extra inputs", "discriminator", "Value error", "Tuple", "validation", "union"):
        assert jargon not in message


def test_two_bad_settings_give_two_sentences() -> None:
    with pytest.raises(ConfigError, match=r"^Latent dims should .*\. Batch size should .*\.$"):
        RunConfig.parse({"latent_dims": 0, "batch_size": 0})


def test_changes_leave_the_original_and_the_other_settings_alone() -> None:
    config = PRESETS["pytorch-example"].config
    changed = config.with_changes(latent_dims=5, data=DataConfig(limit=500), network={"kind": "convolutional"})
    assert (changed.latent_dims, changed.data.limit, changed.network) == (5, 500, ConvolutionalConfig())
    assert (config.latent_dims, config.data.limit) == (20, None)
    assert changed.batch_size == config.batch_size and changed.preset == config.preset
    with pytest.raises(ValidationError, match="frozen"):
        config.latent_dims = 3
    with pytest.raises(ConfigError, match="There is no setting “size”"):
        config.with_changes(size=3)
    with pytest.raises(ConfigError, match="Learning rate"):
        config.with_changes(learning_rate=float("nan"))


def test_classes_are_a_set() -> None:
    assert DataConfig(classes=(3, 1, 3)).classes == (1, 3)


def test_the_presets_are_those_that_were_promised() -> None:
    found = {name: preset.config for name, preset in PRESETS.items()}
    assert list(found) == ["explorer-2d", "convolutional-2d", "pytorch-example", "convolutional-64"]
    assert DEFAULT_PRESET == "explorer-2d"
    assert [config.latent_dims for config in found.values()] == [2, 2, 20, 64]
    assert [config.network.kind for config in found.values()] == ["mlp", "convolutional", "mlp", "convolutional"]
    assert found["explorer-2d"].network == MLPConfig(widths=(512, 256, 128), activation="gelu")
    published = found["pytorch-example"]
    assert published.network == MLPConfig(widths=(400,), activation="relu")
    assert (published.batch_size, published.learning_rate) == (128, 1e-3)
    for name, preset in PRESETS.items():
        assert preset.name == preset.config.preset == name
        assert preset.config.beta == 1.0 and preset.config.seed == 0 and preset.config.data == DataConfig()
        assert preset.summary.endswith(".") and 40 < len(preset.summary) < 200


def test_presets_are_found_by_name_or_title_in_any_case() -> None:
    for preset in PRESETS.values():
        for name in (preset.name, preset.title, preset.title.upper(), f" {preset.name} "):
            assert find_preset(name) is preset
    with pytest.raises(ConfigError, match=r"no preset “vgg”\. Presets: " + ", ".join(PRESETS)):
        find_preset("vgg")
