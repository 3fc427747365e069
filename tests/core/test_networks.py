"""Encoder and decoder bodies: shapes at any size, the published layer sizes, and weights from our own generator."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vae_studio.core.config import PRESETS, ConvolutionalConfig, MLPConfig
from vae_studio.core.networks import Crop, build_decoder, build_encoder, initialise

SMALL = [
    MLPConfig(widths=(5,)),
    MLPConfig(widths=(6, 4), activation="tanh"),
    ConvolutionalConfig(channels=(3, 4)),
    ConvolutionalConfig(channels=(2, 3, 4), activation="relu"),
    ConvolutionalConfig(channels=(2, 3, 4, 5), activation="gelu"),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60)
@given(
    config=st.sampled_from(SMALL),
    image_shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    latent_dims=st.integers(1, 256),
    batch=st.integers(1, 3),
)
def test_any_image_size_goes_in_and_comes_out(
    config: MLPConfig | ConvolutionalConfig, image_shape: tuple[int, int, int], latent_dims: int, batch: int
) -> None:
    encoder = build_encoder(config, image_shape, 2 * latent_dims)
    decoder = build_decoder(config, image_shape, latent_dims)
    with torch.no_grad():
        assert encoder(torch.zeros(batch, *image_shape)).shape == (batch, 2 * latent_dims)
        assert decoder(torch.zeros(batch, latent_dims)).shape == (batch, *image_shape)


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 37, 30)])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_output_depends_on_every_input(preset: str, image_shape: tuple[int, int, int]) -> None:
    """No pixel is dead: each latent number hears of each pixel, and each pixel of each latent number."""
    config, latent_dims = PRESETS[preset].config.network, 3
    encoder = build_encoder(config, image_shape, 2 * latent_dims)
    decoder = build_decoder(config, image_shape, latent_dims)
    for index, network in enumerate((encoder, decoder)):
        initialise(network, seeded(index))
    x = torch.rand(1, *image_shape, generator=seeded(), requires_grad=True)
    for output in encoder(x)[0]:
        (slope,) = torch.autograd.grad(output, x, retain_graph=True)
        assert slope.count_nonzero() == slope.numel()
    z = torch.randn(1, latent_dims, generator=seeded())
    for axis in range(latent_dims):
        moved = z.clone()
        moved[0, axis] += 3.0
        with torch.no_grad():
            assert (decoder(moved) != decoder(z)).float().mean() > 0.99


def test_the_published_example_has_its_number_of_parameters() -> None:
    """784–400–20: fc1, fc21, fc22, fc3, fc4 of pytorch/examples/vae/main.py, weights and biases."""
    published = (784 * 400 + 400) + 2 * (400 * 20 + 20) + (20 * 400 + 400) + (400 * 784 + 784)
    config = PRESETS["pytorch-example"].config
    encoder = build_encoder(config.network, (1, 28, 28), 2 * config.latent_dims)
    decoder = build_decoder(config.network, (1, 28, 28), config.latent_dims)
    assert sum(p.numel() for network in (encoder, decoder) for p in network.parameters()) == published == 652_824


def test_the_mlp_decoder_mirrors_the_encoder() -> None:
    config = MLPConfig(widths=(512, 256, 128))
    linear = [
        [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]
        for network in (build_encoder(config, (1, 28, 28), 4), build_decoder(config, (1, 28, 28), 2))
    ]
    assert linear == [[(784, 512), (512, 256), (256, 128), (128, 4)], [(2, 128), (128, 256), (256, 512), (512, 784)]]


@pytest.mark.parametrize(("name", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("gelu", nn.GELU), ("silu", nn.SiLU)])
@pytest.mark.parametrize("config", [MLPConfig(widths=(5, 4)), ConvolutionalConfig(channels=(3, 4))])
def test_the_activation_is_the_one_asked_for_and_none_comes_last(
    config: MLPConfig | ConvolutionalConfig, name: str, kind: type[nn.Module]
) -> None:
    config = config.model_copy(update={"activation": name})
    for network in (build_encoder(config, (1, 28, 28), 4), build_decoder(config, (1, 28, 28), 2)):
        active = [layer for layer in network if isinstance(layer, (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU))]
        assert active and all(type(layer) is kind for layer in active)
        weighted = [index for index, layer in enumerate(network) if isinstance(layer, (nn.Linear, nn.Conv2d))]
        assert not any(type(layer) is kind for layer in network[weighted[-1] :])
        # Between two layers with weights there is an activation, or depth would be for nothing.
        for one, next_one in pairwise(weighted):
            assert any(type(layer) is kind for layer in network[one:next_one])


def test_crop_keeps_the_top_left() -> None:
    images = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    assert torch.equal(Crop(5, 7)(images), images[:, :, :5, :7])


@pytest.mark.parametrize("scheme", ["pytorch", "xavier"])
@pytest.mark.parametrize("config", [MLPConfig(widths=(300, 200)), ConvolutionalConfig()])
def test_weights_come_from_the_generator_alone(config: MLPConfig | ConvolutionalConfig, scheme: str) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        network = build_encoder(config, (1, 28, 28), 4)
        before = torch.random.get_rng_state()
        initialise(network, seeded(seed), scheme)
        assert torch.equal(torch.random.get_rng_state(), before)
        return [p for p in network.parameters() if p.ndim > 1 or scheme == "pytorch"]

    one, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("config", [MLPConfig(widths=(300, 200)), ConvolutionalConfig()])
def test_weights_are_distributed_as_pytorch_does_by_default(config: MLPConfig | ConvolutionalConfig) -> None:
    for build in (build_encoder, build_decoder):
        ours = build(config, (1, 28, 28), 40)
        initialise(ours, seeded())
        for layer in ours:
            if not isinstance(layer, (nn.Linear, nn.Conv2d)):
                continue
            if isinstance(layer, nn.Linear):
                theirs, fan_in = nn.Linear(layer.in_features, layer.out_features), layer.in_features
            else:
                kernel, padding = layer.kernel_size, layer.padding
                theirs = nn.Conv2d(layer.in_channels, layer.out_channels, kernel, layer.stride, padding)
                fan_in = layer.in_channels * math.prod(kernel)
            bound = 1.0 / math.sqrt(fan_in)
            for name in ("weight", "bias"):
                mine, default = getattr(layer, name), getattr(theirs, name)
                assert mine.shape == default.shape and mine.abs().max() <= bound
                # Standard deviations of two samples of n agree within a few times σ/√n.
                tolerance = 5.0 * bound / math.sqrt(mine.numel())
                assert mine.std().item() == pytest.approx(bound / math.sqrt(3.0), abs=tolerance)
                assert mine.std().item() == pytest.approx(default.std().item(), abs=2 * tolerance)
                assert mine.mean().item() == pytest.approx(0.0, abs=tolerance)


@pytest.mark.parametrize("config", [MLPConfig(widths=(300, 200)), ConvolutionalConfig()])
def test_xavier_weights_have_the_variance_of_glorot_and_bengio(config: MLPConfig | ConvolutionalConfig) -> None:
    """Uniform with variance 2 / (fan_in + fan_out), where a kernel's area counts in both; biases 0."""
    for build in (build_encoder, build_decoder):
        network = build(config, (1, 28, 28), 40)
        initialise(network, seeded(), "xavier")
        for layer in network:
            if not isinstance(layer, (nn.Linear, nn.Conv2d)):
                continue
            ends, area = layer.weight.shape[:2], math.prod(layer.weight.shape[2:])
            sigma = math.sqrt(2.0 / (sum(ends) * area))
            tolerance = 5.0 * sigma / math.sqrt(layer.weight.numel())
            assert layer.weight.std().item() == pytest.approx(sigma, abs=tolerance)
            assert layer.weight.mean().item() == pytest.approx(0.0, abs=tolerance)
            assert layer.weight.abs().max() <= sigma * math.sqrt(3.0) * (1 + 1e-6)
            assert not layer.bias.any()


@pytest.mark.parametrize("config", [MLPConfig(), ConvolutionalConfig()])
def test_initialising_draws_nothing_from_the_global_generator(config: MLPConfig | ConvolutionalConfig) -> None:
    with torch.device("meta"):
        network = build_decoder(config, (1, 28, 28), 2)
    network = network.to_empty(device="cpu")
    before = torch.random.get_rng_state()
    initialise(network, seeded())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(bool(p.isfinite().all()) and p.count_nonzero() for p in network.parameters())
