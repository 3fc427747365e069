"""The presets: named, told apart, each from a text whose numbers it has, and each of them trains."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from training import figures, finished, pull

from vae_studio.core.config import (
    BernoulliConfig,
    ConfigError,
    DataConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    LayerConfig,
    MixtureConfig,
    MLPConfig,
    SquaredErrorConfig,
    StandardNormalConfig,
)
from vae_studio.core.datasets import Data
from vae_studio.core.model import all_finite
from vae_studio.core.presets import DEFAULT_PRESET, PRESETS, find_preset

CONFIGS = {name: preset.config for name, preset in PRESETS.items()}
BURDA = [f"burda-{bound}-{samples}" for bound in ("vae", "iwae") for samples in (1, 5, 50)]


def test_the_presets_are_those_that_were_promised() -> None:
    assert list(CONFIGS) == [
        "explorer-2d",
        "convolutional-2d",
        "pytorch-example",
        "convolutional-64",
        "keras-example",
        "keras-deconvolutional",
        "kingma-welling",
        *BURDA,
        "gaussian-sigma",
        "autoencoder-2d",
        "mixture-2d",
        "laplace-2d",
    ]
    assert DEFAULT_PRESET == "explorer-2d"
    first = list(CONFIGS.values())[:4]
    assert [config.latent_dims for config in first] == [2, 2, 20, 64]
    assert [config.network.kind for config in first] == ["mlp", "convolutional", "mlp", "convolutional"]
    assert CONFIGS["explorer-2d"].network == MLPConfig(widths=(512, 256, 128), activation="gelu")
    for name, preset in PRESETS.items():
        assert preset.name == preset.config.preset == name
        assert preset.config.beta == 1.0 and preset.config.seed == 0 and preset.config.data == DataConfig()
        assert preset.summary.endswith(".") and 40 < len(preset.summary) < 250


def test_each_preset_can_be_told_from_the_others_and_says_where_it_comes_from() -> None:
    for field in ("title", "summary", "name"):
        assert len({getattr(preset, field).lower() for preset in PRESETS.values()}) == len(PRESETS)
    # A title is no other preset's name, so that both can be asked for.
    assert not {preset.title.lower() for preset in PRESETS.values()} & set(PRESETS)
    for preset in PRESETS.values():
        assert len(preset.source) > 20 and preset.source.strip() == preset.source
        assert not preset.source.endswith(".")  # it stands in a sentence
        assert any(word in preset.source for word in (" 20", ".com/", ".io/", "keras-team/"))
    settings = [preset.config.model_dump_json(exclude={"preset"}) for preset in PRESETS.values()]
    assert len(set(settings)) == len(settings)


def test_presets_are_found_by_name_or_title_in_any_case() -> None:
    for preset in PRESETS.values():
        for name in (preset.name, preset.title, preset.title.upper(), f" {preset.name} "):
            assert find_preset(name) is preset
    with pytest.raises(ConfigError, match=r"no preset “vgg”\. Presets: " + ", ".join(PRESETS)):
        find_preset("vgg")


def test_listing_presets_imports_no_torch() -> None:
    code = "import sys\nfrom vae_studio.core import presets\nprint('torch' in sys.modules, len(presets.PRESETS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", str(len(PRESETS))]


def test_the_pytorch_example() -> None:
    """pytorch/examples, vae/main.py: --batch-size 128, fc1 784–400, fc21 and fc22 400–20, Adam with lr=1e-3, ReLU, and
    binary cross-entropy on grey values, summed."""
    config = CONFIGS["pytorch-example"]
    assert config.network == MLPConfig(widths=(400,), activation="relu")
    assert (config.batch_size, config.learning_rate, config.latent_dims) == (128, 1e-3, 20)
    assert config.likelihood == BernoulliConfig(targets="grey") and config.initialisation == "pytorch"


def test_the_keras_example() -> None:
    """keras-io, examples/generative/vae.py: two convolutions of stride 2 with 32 and 64 filters, Dense(16), back with
    Dense(7 · 7 · 64) and three transposed convolutions, ReLU, Adam(), 30 epochs in batches of 128."""
    config = CONFIGS["keras-example"]
    network = config.network
    assert network.encoder == (LayerConfig(channels=32, stride=2), LayerConfig(channels=64, stride=2))
    assert (network.encoder_dense, network.decoder_dense, network.start) == ((16,), (), 64)
    assert [(layer.channels, layer.kernel, layer.stride) for layer in network.decoder] == [
        (64, 3, 2),
        (32, 3, 2),
        (None, 3, 1),
    ]
    assert all(layer.transposed and layer.padding == "same" for layer in network.decoder)
    assert (network.activation, config.latent_dims, config.initialisation) == ("relu", 2, "xavier")
    assert (config.epochs, config.batch_size, config.learning_rate, config.schedule) == (30, 128, 1e-3, "constant")
    assert config.likelihood == BernoulliConfig(targets="grey")


def test_the_keras_deconvolutional_example() -> None:
    """keras-team/keras, examples/variational_autoencoder_deconv.py: 64 filters, kernels of 3 and 2, 128 dense units,
    batches of 100; with Keras's initialisation and a warm-up of the KL, as the summary says."""
    preset = PRESETS["keras-deconvolutional"]
    config, network = preset.config, preset.config.network
    assert [(layer.channels, layer.kernel, layer.stride) for layer in network.encoder] == [
        (1, 2, 1),
        (64, 2, 2),
        (64, 3, 1),
        (64, 3, 1),
    ]
    assert [
        (layer.channels, layer.kernel, layer.stride, layer.padding, layer.transposed) for layer in network.decoder
    ] == [
        (64, 3, 1, "same", True),
        (64, 3, 1, "same", True),
        (64, 3, 2, "valid", True),
        (None, 2, 1, "valid", False),
    ]
    assert (network.encoder_dense, network.decoder_dense, network.start) == ((128,), (128,), 64)
    assert (network.activation, config.latent_dims, config.batch_size) == ("relu", 64, 100)
    assert config.initialisation == "xavier" and config.kl_warm_up > 0
    for words in ("initialisation", "warm-up", "collapses to KL 0"):
        assert words in preset.summary
    assert "Adam in place of RMSprop" in preset.source


def test_kingma_and_welling() -> None:
    """arXiv 1312.6114, section 5: 500 hidden units for MNIST, M = 100, L = 1, parameters from N(0, 0.01); appendix C:
    tanh units, and a closed form of the KL."""
    config = CONFIGS["kingma-welling"]
    assert config.network == MLPConfig(widths=(500,), activation="tanh")
    assert (config.batch_size, config.samples, config.initialisation, config.latent_dims) == (100, 1, "normal", 20)
    assert config.closed_form_kl and config.prior == StandardNormalConfig()
    assert "Adam in place of Adagrad" in PRESETS["kingma-welling"].source


@pytest.mark.parametrize("name", BURDA)
def test_burda_et_al(name: str) -> None:
    """arXiv 1509.00519, section 5: 784–200–200–50 with tanh, Glorot & Bengio's initialisation, binarised anew at each
    use, Adam with ε = 1e-4, 3^i passes at 0.001 · 10^(−i/7) for i = 0 … 7, 3280 in all, in batches of 20; and their
    program: the same samples for the KL, output biases at the logit of the data's mean."""
    preset = PRESETS[name]
    config = preset.config
    _, bound, samples = name.split("-")
    assert (config.bound, config.samples) == ({"vae": "elbo", "iwae": "iwae"}[bound], int(samples))
    assert config.network == MLPConfig(widths=(200, 200), activation="tanh") and config.latent_dims == 50
    assert (config.initialisation, config.output_bias) == ("xavier", "data-mean")
    assert config.likelihood == BernoulliConfig(targets="binarised-fresh")
    assert not config.closed_form_kl and config.posterior == "diagonal-gaussian"
    assert (config.adam_eps, config.learning_rate, config.schedule, config.warm_up) == (1e-4, 1e-3, "burda", 0.0)
    assert config.epochs == sum(3**i for i in range(8)) == 3280
    assert config.batch_size == 20 or f"batches of {config.batch_size} in place of 20" in preset.source
    assert f"{bound.upper()}" in preset.title and f"{samples} sample" in preset.title


def test_the_other_likelihoods_priors_and_models() -> None:
    gaussian = CONFIGS["gaussian-sigma"]
    assert isinstance(gaussian.likelihood, GaussianConfig) and gaussian.likelihood.scale == "learned"
    plain, ours = CONFIGS["autoencoder-2d"], CONFIGS["explorer-2d"]
    assert plain.model == "autoencoder" and isinstance(plain.likelihood, SquaredErrorConfig)
    assert (plain.network, plain.latent_dims) == (ours.network, ours.latent_dims)
    mixture = CONFIGS["mixture-2d"]
    assert mixture.prior == MixtureConfig(components=10) and mixture.latent_dims == 2
    assert "ten Gaussians" in PRESETS["mixture-2d"].summary
    laplace = CONFIGS["laplace-2d"]
    assert laplace.posterior == "laplace" and laplace.prior == LaplacePriorConfig()
    assert isinstance(laplace.likelihood, LaplaceConfig) and laplace.latent_dims == 2


@pytest.fixture(scope="module")
def few(mnist: Data) -> Data:
    train, test = mnist.train.select(torch.arange(400)), mnist.test.select(torch.arange(100))
    return Data("mnist", "MNIST", train, test, mnist.class_names)


SLOW = "keras-deconvolutional"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == SLOW)) for name in PRESETS])
def test_each_preset_trains_an_epoch(name: str, few: Data) -> None:
    config = CONFIGS[name].with_changes(epochs=1, device="cpu", precision="float32", batch_size=100)
    end = finished(events := pull(config, few))
    assert (end.reason, end.step) == ("done", 4) and all_finite(end.model)
    rows = figures(events)
    assert rows.shape == (4, 3)
    neg_elbo = rows[:, 1] + rows[:, 2]
    assert all(map(math.isfinite, neg_elbo)) and neg_elbo[-1] < neg_elbo[0]
    assert end.evaluation.is_bound == (config.model == "vae")
    assert end.evaluation.neg_elbo < 1.2 * neg_elbo[0]
