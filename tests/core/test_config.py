"""Configs hold what the user may ask for, refuse the rest in plain words, and survive the trip through JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from vae_studio import paths
from vae_studio.core.config import (
    BernoulliConfig,
    ConfigError,
    ContinuousBernoulliConfig,
    ConvolutionalConfig,
    DataConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    LayerConfig,
    LayeredConfig,
    MixtureConfig,
    MLPConfig,
    ResidualConfig,
    RunConfig,
    SquaredErrorConfig,
    StandardNormalConfig,
)
from vae_studio.core.errors import UserError
from vae_studio.core.model import build, count_parameters, skeleton
from vae_studio.core.presets import PRESETS

LIKELIHOODS = [
    BernoulliConfig(),
    BernoulliConfig(targets="binarised-fresh"),
    BernoulliConfig(targets="binarised-once"),
    ContinuousBernoulliConfig(),
    GaussianConfig(),
    LaplaceConfig(scale="per-pixel", mean="linear"),
]
PRIORS = [StandardNormalConfig(), MixtureConfig(components=3), LaplacePriorConfig()]
POSTERIORS = ["diagonal-gaussian", "full-gaussian", "laplace"]
LAYERED = LayeredConfig(
    encoder=(LayerConfig(channels=2),), encoder_dense=(), decoder_dense=(), start=2, decoder=(LayerConfig(),)
)

activations = st.sampled_from(["relu", "tanh", "gelu", "silu"])
shares = st.floats(0.0, 1.0)
sizes = st.integers(1, 1024)


def some(least: int, most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(sizes, min_size=least, max_size=most).map(tuple)


def layers(transposed: st.SearchStrategy[bool]) -> st.SearchStrategy[tuple[LayerConfig, ...]]:
    layer = st.builds(
        LayerConfig,
        channels=sizes,
        kernel=st.integers(1, 11),
        stride=st.integers(1, 4),
        padding=st.sampled_from(["same", "valid"]),
        transposed=transposed,
    )
    return st.lists(layer, min_size=1, max_size=8).map(tuple)


networks = st.one_of(
    st.builds(MLPConfig, widths=some(0, 8), activation=activations),
    st.builds(ConvolutionalConfig, channels=some(1, 4), dense=some(1, 4), activation=activations),
    st.builds(ResidualConfig, channels=some(1, 4), blocks=st.integers(1, 8), dense=some(1, 4), activation=activations),
    st.builds(
        LayeredConfig,
        encoder=layers(st.just(False)),
        encoder_dense=some(0, 4),
        decoder_dense=some(0, 4),
        start=sizes,
        decoder=layers(st.booleans()).map(lambda found: (*found[:-1], LayerConfig(transposed=True))),
        activation=activations,
    ),
)
scaled = {
    "scale": st.sampled_from(["fixed", "learned", "per-pixel"]),
    "width": st.floats(0.004, 10.0),
    "mean": st.sampled_from(["sigmoid", "linear"]),
}
bernoulli = st.builds(BernoulliConfig, targets=st.sampled_from(["grey", "binarised-fresh", "binarised-once"]))
likelihoods = st.one_of(
    bernoulli,
    st.just(ContinuousBernoulliConfig()),
    st.builds(GaussianConfig, **scaled),
    st.builds(LaplaceConfig, **scaled),
)
priors = st.one_of(
    st.just(StandardNormalConfig()),
    st.builds(MixtureConfig, components=st.integers(1, 100)),
    st.just(LaplacePriorConfig()),
)
data_configs = st.builds(
    DataConfig,
    limit=st.none() | st.integers(1, 10**6),
    pick=st.sampled_from(["first", "random"]),
    classes=st.none() | st.lists(st.integers(0, 9), min_size=1).map(tuple),
)
common = {
    "data": data_configs,
    "network": networks,
    "latent_dims": st.integers(1, 64),
    "prior": priors,
    "posterior": st.sampled_from(POSTERIORS),
    "samples": st.integers(1, 1000),
    "kl": st.sampled_from(["auto", "sampled"]),
    "kl_cycles": st.integers(1, 100),
    "beta": st.floats(0.0, 100.0),
    "kl_warm_up": shares,
    "learning_rate": st.floats(0.0, 1.0, exclude_min=True),
    "initialisation": st.sampled_from(["pytorch", "xavier", "normal"]),
    "output_bias": st.sampled_from(["initialisation", "data-mean"]),
    "schedule": st.sampled_from(["constant", "cosine", "burda"]),
    "warm_up": shares,
    "adam_eps": st.floats(1e-12, 1.0),
    "weight_decay": shares,
    "batch_size": st.integers(1, 60_000),
    "epochs": st.integers(1, 100_000),
    "seed": st.integers(0, 2**63 - 1),
    "device": st.sampled_from(["auto", "cuda", "mps", "cpu"]),
    "precision": st.sampled_from(["auto", "float32", "bf16"]),
}
factorised = {
    "posterior": st.sampled_from(["diagonal-gaussian", "laplace"]),
    "prior": st.just(StandardNormalConfig()) | st.just(LaplacePriorConfig()),
    "latent_dims": st.integers(1, 256),
    "free_bits": st.floats(0.0, 10.0),
}
run_configs = st.one_of(
    st.builds(RunConfig, **common, likelihood=likelihoods, bound=st.sampled_from(["elbo", "iwae"])),
    st.builds(RunConfig, **{**common, **factorised}, likelihood=likelihoods),
    st.builds(
        RunConfig,
        **common,
        model=st.just("autoencoder"),
        likelihood=bernoulli | st.just(SquaredErrorConfig()),
        free_bits=st.floats(0.0, 10.0),
    ),
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


junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([]) | st.just({})


@given(config=run_configs, data=st.data())
def test_a_config_with_one_part_replaced_is_a_config_or_refused_in_a_sentence(
    config: RunConfig, data: st.DataObject
) -> None:
    """A value somewhere in the tree, down to a layer's kernel, becomes something else."""
    values: Any = json.loads(config.model_dump_json())
    place = values
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(junk)
    try:
        assert isinstance(RunConfig.parse(values), RunConfig)
    except ConfigError as error:
        said = str(error)
        assert said.endswith(".") and said[0].isupper() and len(said) < 1000
        for jargon in (
            "Input",
            "Extra inputs",
            "discriminator",
            "Value error",
            "Tuple",
            "validation",
            "Field required",
        ):
            assert jargon not in said


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "too_low", "too_high", "words"),
    [
        ("latent_dims", 1, 256, 0, 257, "Latent dims"),
        ("samples", 1, 1000, 0, 1001, "Samples"),
        ("beta", 0.0, 100.0, -1e-9, 100.1, "Beta"),
        ("kl_warm_up", 0.0, 1.0, -0.1, 1.1, "KL warm-up"),
        ("kl_cycles", 1, 100, 0, 101, "KL cycles"),
        ("free_bits", 0.0, 10.0, -0.1, 10.1, "Free bits"),
        ("warm_up", 0.0, 1.0, -0.1, 1.1, "Warm-up"),
        ("learning_rate", 1e-12, 1.0, 0.0, 1.5, "Learning rate"),
        ("adam_eps", 1e-12, 1.0, 1e-13, 1.1, "Adam's epsilon"),
        ("weight_decay", 0.0, 1.0, -0.1, 1.1, "Weight decay"),
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
        with pytest.raises(ConfigError, match=f"^{words} should be .*\\.$") as refused:
            RunConfig().with_changes(**{name: value})
        assert f"(it was {value!r})" in str(refused.value)


@pytest.mark.parametrize(
    ("part", "name", "lowest", "highest", "too_low", "too_high", "words"),
    [
        ({"likelihood": GaussianConfig()}, "width", 0.004, 10.0, 0.003, 10.1, "Likelihood width"),
        ({"likelihood": LaplaceConfig()}, "width", 0.004, 10.0, 0.003, 10.1, "Likelihood width"),
        ({"prior": MixtureConfig()}, "components", 1, 100, 0, 101, "Prior components"),
        ({"network": ResidualConfig()}, "blocks", 1, 8, 0, 9, "Network blocks"),
        ({"network": LAYERED}, "start", 1, 1024, 0, 1025, "Network start"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_numbers_of_the_parts_have_bounds(
    part: dict[str, BaseModel], name: str, lowest: Any, highest: Any, too_low: Any, too_high: Any, words: str
) -> None:
    ((field, config),) = part.items()

    def changed(value: Any) -> RunConfig:
        return RunConfig().with_changes(**{field: {**config.model_dump(mode="json"), name: value}})

    for value in (lowest, highest):
        assert getattr(getattr(changed(value), field), name) == value
    for value in (too_low, too_high):
        with pytest.raises(ConfigError, match=rf"^{words} should be .* \(it was {value}\)\.$"):
            changed(value)


@pytest.mark.parametrize(
    ("setting", "name", "allowed"),
    [
        ("model", "Model", ["vae", "autoencoder"]),
        ("posterior", "Posterior", POSTERIORS),
        ("bound", "Bound", ["elbo", "iwae"]),
        ("kl", "KL", ["auto", "sampled"]),
        ("schedule", "Schedule", ["constant", "cosine", "burda"]),
        ("initialisation", "Initialisation", ["pytorch", "xavier", "normal"]),
        ("output_bias", "Output bias", ["initialisation", "data-mean"]),
        ("likelihood targets", "Likelihood targets", ["grey", "binarised-fresh", "binarised-once"]),
        ("likelihood scale", "Likelihood scale", ["fixed", "learned", "per-pixel"]),
        ("likelihood mean", "Likelihood mean", ["sigmoid", "linear"]),
        ("network activation", "Network activation", ["relu", "tanh", "gelu", "silu"]),
    ],
)
def test_choices_are_listed_where_another_was_made(setting: str, name: str, allowed: list[str]) -> None:
    *part, field = setting.split()
    kind = {"targets": "bernoulli", "scale": "laplace", "mean": "gaussian", "activation": "residual"}.get(field)

    def chosen(value: Any) -> RunConfig:
        return RunConfig.parse({part[0]: {"kind": kind, field: value}} if part else {field: value})

    for value in allowed:
        if value != "autoencoder":
            config = chosen(value)
            assert getattr(getattr(config, part[0]) if part else config, field) == value
    with pytest.raises(ConfigError) as refused:
        chosen("other")
    listed = [f"'{value}'" for value in allowed]
    assert str(refused.value) == f"{name} should be {', '.join(listed[:-1])} or {listed[-1]} (it was 'other')."


KINDS = {
    "network": "mlp, convolutional, residual, layered",
    "likelihood": "bernoulli, continuous-bernoulli, gaussian, laplace, squared-error",
    "prior": "standard-normal, gaussian-mixture, laplace",
}


@pytest.mark.parametrize("part", KINDS)
def test_kinds_are_listed_where_there_is_no_such_kind(part: str) -> None:
    words = f"{part.capitalize()} needs as its kind one of {KINDS[part]}"
    for value, shown in (({"kind": "spline"}, " (it was 'spline')."), ({}, "."), ({"widths": [3]}, ".")):
        with pytest.raises(ConfigError) as refused:
            RunConfig.parse({part: value})
        assert str(refused.value) == words + shown
    for value, shown in ((5, " (it was 5)"), (None, ""), ("mlp", " (it was 'mlp')")):
        with pytest.raises(ConfigError) as refused:
            RunConfig.parse({part: value})
        assert str(refused.value) == f"{part.capitalize()} should be an object{shown}."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "The settings should be an object"),
        ('{"latent": 3}', "There is no setting “latent”"),
        ('{"mlp": 3}', "There is no setting “mlp”"),
        ('{"data": {"size": 3}}', "There is no setting “data size”"),
        ('{"network": {"kind": "mlp", "wide": 3}}', "The mlp network has no setting “wide”."),
        ('{"network": {"kind": "residual", "residual": 3}}', "The residual network has no setting “residual”."),
        (
            '{"likelihood": {"kind": "gaussian", "targets": "grey"}}',
            "The gaussian likelihood has no setting “targets”.",
        ),
        (
            '{"prior": {"kind": "standard-normal", "components": 3}}',
            "The standard-normal prior has no setting “components”.",
        ),
        ('{"latent_dims": 2.5}', r"Latent dims should be a valid integer \(it was 2.5\)"),
        ('{"latent_dims": "2"}', "Latent dims should be a valid integer"),
        ('{"latent_dims": true}', "Latent dims should be a valid integer"),
        ('{"beta": NaN}', "Beta should be a finite number"),
        ('{"beta": 1e999}', "Beta should be a finite number"),
        ('{"adam_eps": 0}', r"^Adam's epsilon should be greater than or equal to 1e-12 \(it was 0\)\.$"),
        ('{"seed": ' + "9" * 4000 + "}", "Seed should be less than"),
        (
            '{"preset": "../x"}',
            r"^Preset should be at most 64 small letters, digits and hyphens, .*\(it was '../x'\)\.$",
        ),
        ('{"network": {"kind": "mlp", "widths": [3, 99999]}}', "Network widths should be less than or equal to 8192"),
        (
            '{"network": {"kind": "convolutional", "channels": []}}',
            "Network channels should have at least 1 item, not 0",
        ),
        # Not also that the list is too short, which it is without its faulty item.
        (
            '{"network": {"kind": "convolutional", "channels": [2000]}}',
            r"^Network channels should be [^.]*\(it was 2000\)\.$",
        ),
        ('{"network": {"kind": "layered"}}', "^Network encoder is needed and was left out"),
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kernel": 0}, "Network encoder layer 2 kernel should be greater than or equal to 1 (it was 0)."),
        ({"kernel": 12}, "Network encoder layer 2 kernel should be less than or equal to 11 (it was 12)."),
        ({"stride": 5}, "Network encoder layer 2 stride should be less than or equal to 4 (it was 5)."),
        ({"channels": 1025}, "Network encoder layer 2 channels should be less than or equal to 1024 (it was 1025)."),
        ({"padding": "full"}, "Network encoder layer 2 padding should be 'same' or 'valid' (it was 'full')."),
        ({"pading": "same"}, "There is no setting “network encoder layer 2 pading”."),
        ({"channels": None}, "Every convolution but the decoder's last needs its number of channels: add it."),
        ({"transposed": True}, "An encoder makes images smaller: leave out the transposed convolutions in it."),
    ],
)
def test_a_faulty_layer_is_named_and_nothing_else_is_said(change: dict[str, Any], said: str) -> None:
    network = {**LAYERED.model_dump(mode="json"), "encoder": [{"channels": 2}, {"channels": 2, **change}]}
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({"network": network})
    assert str(refused.value) == said


def test_two_bad_settings_give_two_sentences() -> None:
    with pytest.raises(ConfigError, match=r"^Latent dims should .*\. Batch size should .*\.$"):
        RunConfig.parse({"latent_dims": 0, "batch_size": 0})


def test_what_is_said_of_a_strangers_file_stays_short() -> None:
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({f"{'x' * 1000}{index}": 1 for index in range(1000)})
    said = str(refused.value)
    assert said.endswith("…”. And 997 more.") and len(said) < 600


@pytest.mark.parametrize("likelihood", [ContinuousBernoulliConfig(), GaussianConfig(), LaplaceConfig()])
def test_an_auto_encoder_has_no_density(likelihood: BaseModel) -> None:
    with pytest.raises(ConfigError) as refused:
        RunConfig().with_changes(model="autoencoder", likelihood=likelihood)
    assert str(refused.value) == (
        "An auto-encoder has no distribution of pixels: choose the Bernoulli (cross-entropy) or the squared error as "
        f"its likelihood, not “{likelihood.kind}”."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"likelihood": SquaredErrorConfig()},
            "The squared error is no density, so that there is no bound with it: choose the Gaussian likelihood, or "
            "the auto-encoder as the model.",
        ),
        (
            {"posterior": "full-gaussian", "latent_dims": 65},
            "A full covariance is possible for at most 64 latent dims (they were 65): choose fewer, or the diagonal "
            "posterior.",
        ),
        (
            {"free_bits": 0.1, "bound": "iwae", "samples": 5},
            "Free bits are a floor under the KL term, and the importance-weighted bound has no such term: choose the "
            "ELBO as the bound, or 0 free bits.",
        ),
        *(
            (
                {"free_bits": 0.1, **changes},
                "Free bits count the KL of each latent dimension, which adds up only where posterior and prior are "
                "independent across dimensions, not with a full covariance or a mixture prior: choose others, or 0 "
                "free bits.",
            )
            for changes in ({"posterior": "full-gaussian"}, {"prior": MixtureConfig()})
        ),
    ],
)
def test_impossible_combinations_say_why_and_what_to_choose(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        RunConfig().with_changes(**changes)
    assert str(refused.value) == said
    # Built directly, as presets are, they are refused as well.
    with pytest.raises(ValidationError):
        RunConfig(**changes)


def test_combinations_at_the_edge_of_the_impossible_are_taken() -> None:
    for changes in (
        {"posterior": "full-gaussian", "latent_dims": 64},
        {"posterior": "laplace", "latent_dims": 256},
        {"free_bits": 0.5, "posterior": "laplace", "prior": LaplacePriorConfig()},
        {"free_bits": 0.5, "kl": "sampled", "samples": 3},
        {"bound": "iwae", "prior": MixtureConfig(), "posterior": "full-gaussian"},
    ):
        assert RunConfig().with_changes(**changes) == RunConfig(**changes)


def test_an_auto_encoder_ignores_what_it_does_not_have() -> None:
    """Settings of posterior, prior and bound that a VAE could not combine stand in nobody's way."""
    config = RunConfig().with_changes(
        model="autoencoder", likelihood=SquaredErrorConfig(), posterior="full-gaussian", latent_dims=200
    )
    config = config.with_changes(prior=MixtureConfig(), bound="iwae", samples=50, free_bits=2.0)
    assert config.free_bits == 2.0
    with pytest.raises(ConfigError, match="squared error is no density"):
        config.with_changes(model="vae")


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.kind)
@pytest.mark.parametrize("posterior", POSTERIORS)
def test_what_is_known_of_the_kl(posterior: str, prior: Any) -> None:
    """Of the pairs there are, two Gaussians against N(0, I) have a closed form; full covariances and mixtures tie
    dimensions together."""
    config = RunConfig(posterior=posterior, prior=prior)
    assert config.factorised == (posterior != "full-gaussian" and prior.kind != "gaussian-mixture")
    pairs = {("diagonal-gaussian", "standard-normal"), ("full-gaussian", "standard-normal")}
    assert config.closed_form_exists == ((posterior, prior.kind) in pairs)
    assert config.closed_form_kl == config.closed_form_exists
    assert not config.with_changes(kl="sampled").closed_form_kl
    assert not config.with_changes(bound="iwae").closed_form_kl
    assert config.with_changes(bound="iwae").closed_form_exists == config.closed_form_exists


@pytest.mark.parametrize(
    ("model", "likelihood", "targets", "unit"),
    [
        ("vae", BernoulliConfig(), "grey", "nats per image, expected over binarisations"),
        ("vae", BernoulliConfig(targets="binarised-fresh"), "binarised-fresh", "nats per binarised image"),
        ("vae", BernoulliConfig(targets="binarised-once"), "binarised-once", "nats per binarised image"),
        ("vae", ContinuousBernoulliConfig(), "grey", "nats per image, density of grey values in [0, 1]"),
        ("vae", GaussianConfig(), "grey", "nats per image, density of grey values in [0, 1]"),
        ("vae", LaplaceConfig(), "grey", "nats per image, density of grey values in [0, 1]"),
        ("autoencoder", BernoulliConfig(), "grey", "nats per image, expected over binarisations"),
        ("autoencoder", SquaredErrorConfig(), "grey", "squared error per image, summed over pixels"),
    ],
)
def test_the_small_print_says_what_the_numbers_mean(model: str, likelihood: Any, targets: str, unit: str) -> None:
    config = RunConfig(model=model, likelihood=likelihood)
    assert (config.targets, config.unit) == (targets, unit)


def test_titles_of_networks() -> None:
    assert MLPConfig().title == "MLP 512–256–128"
    assert MLPConfig(widths=()).title == "Linear"
    assert ConvolutionalConfig().title == "Conv 32–64–64, 256–128"
    assert ResidualConfig().title == "ResNet 32–64, 256"
    assert ResidualConfig(channels=(8, 16), blocks=3, dense=(32, 16)).title == "ResNet 8–16, 32–16 × 3"
    assert PRESETS["keras-deconvolutional"].config.network.title == "Deconv 1–64–64–64, 128"


@pytest.mark.parametrize("path", sorted(paths.trained_models().glob("*.safetensors")), ids=lambda path: path.stem)
def test_configs_of_models_made_before_are_still_understood(path: Path) -> None:
    """The text in the file itself, which lacks the settings that came later: they have the values that they had."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    text = header["__metadata__"]["config"]
    config = RunConfig.parse(text)
    assert config == PRESETS[path.stem].config
    for name, value in json.loads(text).items():
        assert json.loads(config.model_dump_json())[name] == value


def test_a_config_written_before_there_were_other_models_means_a_vae() -> None:
    config = RunConfig.parse({"network": {"kind": "convolutional", "channels": [8, 16]}, "latent_dims": 5, "beta": 2.0})
    assert (config.model, config.posterior, config.bound, config.samples, config.kl) == (
        "vae",
        "diagonal-gaussian",
        "elbo",
        1,
        "auto",
    )
    assert (config.prior, config.likelihood) == (StandardNormalConfig(), BernoulliConfig(targets="grey"))
    assert (config.free_bits, config.kl_cycles, config.weight_decay, config.adam_eps) == (0.0, 1, 0.0, 1e-8)


HOSTILE = {
    "mlp": MLPConfig(widths=(8192,) * 8),
    "convolutional": ConvolutionalConfig(channels=(1024,) * 4, dense=(8192,) * 4),
    "residual": ResidualConfig(channels=(1024,) * 4, blocks=8, dense=(8192,) * 4),
    "layered": LayeredConfig(
        encoder=(LayerConfig(channels=1024, kernel=11),) * 8,
        encoder_dense=(8192,) * 4,
        decoder_dense=(8192,) * 4,
        start=1024,
        decoder=(LayerConfig(channels=1024, kernel=11, transposed=True),) * 8,
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_network_is_refused_by_its_parameter_count_before_memory_is_taken(kind: str) -> None:
    resource = pytest.importorskip("resource", reason="memory cannot be measured here")
    config = RunConfig(network=HOSTILE[kind], latent_dims=256, prior=MixtureConfig(components=100))
    skeleton(RunConfig(network=LAYERED), (1, 28, 28))  # whatever the first one costs
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(
        ConfigError, match=r"^This network has [\d,]+ weights, more than the 200,000,000 allowed\. Choose"
    ):
        build(config, (1, 28, 28))
    assert time.process_time() - began < 0.5
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (
        1024**2 if sys.platform == "darwin" else 1024
    )
    assert taken < 20  # MB, of the gigabytes that the weights would have taken
    assert 4 * count_parameters(skeleton(config, (1, 28, 28))) > 800e6


def test_a_small_network_with_huge_images_inside_is_refused() -> None:
    """Eight doublings of a doubling cost few weights, and 17 GB for one image."""
    tall = (LayerConfig(channels=1, stride=4, transposed=True),) * 8
    network = LAYERED.model_copy(update={"decoder": tall})
    with pytest.raises(ConfigError, match=r"^One layer of this network puts out [\d,]+ numbers .* 4,194,304 allowed"):
        build(RunConfig(network=network), (1, 28, 28))
    wide = LAYERED.model_copy(update={"encoder": (LayerConfig(channels=1024),)})
    assert build(RunConfig(network=wide), (1, 28, 28)).latent_dims == 2
    for huge in (wide, ConvolutionalConfig(channels=(1024,), dense=(1,))):
        with pytest.raises(ConfigError, match="numbers for each image"):
            build(RunConfig(network=huge), (1, 256, 256))


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


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda likelihood: likelihood.kind)
def test_parts_are_changed_whole(likelihood: BaseModel) -> None:
    changed = RunConfig(prior=MixtureConfig()).with_changes(likelihood=likelihood)
    assert changed.likelihood == likelihood and changed.prior == MixtureConfig()


def test_classes_are_a_set() -> None:
    assert DataConfig(classes=(3, 1, 3)).classes == (1, 3)
