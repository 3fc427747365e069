"""Encoder and decoder bodies: shapes at any size, the published layer sizes, and weights from our own generator."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vae_studio.core.config import (
    ConfigError,
    ConvolutionalConfig,
    LayerConfig,
    LayeredConfig,
    MLPConfig,
    ResidualConfig,
)
from vae_studio.core.networks import (
    Crop,
    Network,
    ResidualBlock,
    SizedConv,
    build_decoder,
    build_encoder,
    initialise,
)
from vae_studio.core.presets import PRESETS

STRIDED = LayeredConfig(
    encoder=(LayerConfig(channels=3, stride=2), LayerConfig(channels=4, kernel=2, stride=2)),
    encoder_dense=(6,),
    decoder_dense=(),
    start=4,
    decoder=(
        LayerConfig(channels=3, stride=2, transposed=True),
        LayerConfig(channels=2, kernel=4, stride=2, transposed=True),
        LayerConfig(),
    ),
)
SMALL = [
    MLPConfig(widths=()),
    MLPConfig(widths=(5,)),
    MLPConfig(widths=(6, 4), activation="tanh"),
    ConvolutionalConfig(channels=(3, 4)),
    ConvolutionalConfig(channels=(2, 3, 4), activation="relu"),
    ConvolutionalConfig(channels=(2, 3, 4, 5), activation="gelu"),
    ResidualConfig(channels=(3,), dense=(4,)),
    ResidualConfig(channels=(2, 3, 4), blocks=2, dense=(5, 4), activation="tanh"),
    STRIDED,
    STRIDED.model_copy(
        update={"decoder": (LayerConfig(channels=2, stride=3, padding="valid", transposed=True), LayerConfig())}
    ),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60)
@given(
    config=st.sampled_from(SMALL),
    image_shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    latent_dims=st.integers(1, 256),
    batch=st.integers(1, 3),
    maps=st.integers(1, 2),
)
def test_any_image_size_goes_in_and_comes_out(
    config: Network, image_shape: tuple[int, int, int], latent_dims: int, batch: int, maps: int
) -> None:
    encoder = build_encoder(config, image_shape, 2 * latent_dims)
    decoder = build_decoder(config, image_shape, latent_dims, maps)
    channels, *sides = image_shape
    with torch.no_grad():
        assert encoder(torch.zeros(batch, *image_shape)).shape == (batch, 2 * latent_dims)
        assert decoder(torch.zeros(batch, latent_dims)).shape == (batch, maps * channels, *sides)


@pytest.mark.parametrize("sides", [(1, 1), (5, 7), (8, 8), (28, 28), (29, 31), (32, 32), (45, 28), (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "config",
    [ResidualConfig(), PRESETS["keras-example"].config.network, PRESETS["keras-deconvolutional"].config.network],
    ids=["residual", "keras-example", "keras-deconvolutional"],
)
def test_residual_and_published_networks_take_images_of_any_size(
    config: Network, channels: int, sides: tuple[int, int]
) -> None:
    image_shape = (channels, *sides)
    encoder, decoder = build_encoder(config, image_shape, 4), build_decoder(config, image_shape, 2)
    with torch.no_grad():
        assert encoder(torch.zeros(2, *image_shape)).shape == (2, 4)
        assert decoder(torch.zeros(2, 2)).shape == (2, *image_shape)


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 37, 30)])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_output_depends_on_every_input(preset: str, image_shape: tuple[int, int, int]) -> None:
    """No pixel is dead: each latent number hears of each pixel, and each pixel of each latent number."""
    config, latent_dims = PRESETS[preset].config.network, 3
    if preset == "keras-deconvolutional":
        # All that its published encoder sees goes through one channel, of which a ReLU silences half.
        config = config.model_copy(update={"activation": "silu"})
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


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_keras_example_has_its_published_numbers_of_parameters() -> None:
    """keras.io/examples/generative/vae prints 69,076 for its encoder, with two layers for the posterior, and 65,089."""
    config = PRESETS["keras-example"].config
    assert parameters(build_encoder(config.network, (1, 28, 28), 2 * config.latent_dims)) == 69_076
    assert parameters(build_decoder(config.network, (1, 28, 28), config.latent_dims)) == 65_089


def test_the_deconvolutional_example_has_its_number_of_parameters() -> None:
    """Layer by layer of keras-team/keras, examples/variational_autoencoder_deconv.py, with 64 latent dimensions."""
    convolutions = (1 * 1 * 4 + 1) + (1 * 64 * 4 + 64) + 2 * (64 * 64 * 9 + 64)
    encoder = convolutions + (14 * 14 * 64 * 128 + 128) + 2 * (128 * 64 + 64)
    transposed = 3 * (64 * 64 * 9 + 64) + (64 * 1 * 4 + 1)
    decoder = (64 * 128 + 128) + (128 * 14 * 14 * 64 + 14 * 14 * 64) + transposed
    config = PRESETS["keras-deconvolutional"].config
    assert parameters(build_encoder(config.network, (1, 28, 28), 2 * config.latent_dims)) == encoder
    assert parameters(build_decoder(config.network, (1, 28, 28), config.latent_dims)) == decoder
    assert encoder + decoder == 3_433_990


def test_no_width_makes_a_linear_model() -> None:
    """Encoder and decoder are affine maps: f(a) + f(b) − f(0) = f(a + b)."""
    config = MLPConfig(widths=())
    for network, shape in (
        (build_encoder(config, (3, 5, 4), 6), (3, 5, 4)),
        (build_decoder(config, (3, 5, 4), 3), (3,)),
    ):
        initialise(network, seeded())
        one, other = (torch.randn(2, *shape, generator=seeded(seed), dtype=torch.float64) for seed in (1, 2))
        with torch.no_grad():
            affine = network.double()
            wanted = affine(one) + affine(other) - affine(torch.zeros_like(one))
            torch.testing.assert_close(affine(one + other), wanted, rtol=1e-12, atol=1e-12)
            assert not torch.allclose(affine(one), affine(other))
        assert sum(isinstance(layer, nn.Linear) for layer in network) == 1


def test_the_mlp_decoder_mirrors_the_encoder() -> None:
    config = MLPConfig(widths=(512, 256, 128))
    linear = [
        [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]
        for network in (build_encoder(config, (1, 28, 28), 4), build_decoder(config, (1, 28, 28), 2))
    ]
    assert linear == [[(784, 512), (512, 256), (256, 128), (128, 4)], [(2, 128), (128, 256), (256, 512), (512, 784)]]


@pytest.mark.parametrize(("name", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("gelu", nn.GELU), ("silu", nn.SiLU)])
@pytest.mark.parametrize(
    "config",
    [
        MLPConfig(widths=(5, 4)),
        ConvolutionalConfig(channels=(3, 4)),
        ResidualConfig(channels=(3, 4), blocks=2),
        STRIDED,
    ],
    ids=lambda config: config.kind,
)
def test_the_activation_is_the_one_asked_for_and_none_comes_last(
    config: Network, name: str, kind: type[nn.Module]
) -> None:
    config = config.model_copy(update={"activation": name})
    for network in (build_encoder(config, (1, 28, 28), 4), build_decoder(config, (1, 28, 28), 2)):
        active = [layer for layer in network.modules() if isinstance(layer, (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU))]
        assert active and all(type(layer) is kind for layer in active)
        # A block adds to what it is given, so that there is nothing to bend right after it.
        weighted = [
            index for index, layer in enumerate(network) if isinstance(layer, (nn.Linear, nn.Conv2d, SizedConv))
        ]
        assert not any(type(layer) is kind for layer in network[weighted[-1] :])
        # Between two layers with weights there is an activation, or depth would be for nothing.
        for one, next_one in pairwise(weighted):
            assert any(type(layer) is kind for layer in network[one:next_one].modules())


def test_a_residual_block_adds_to_what_it_is_given() -> None:
    """act, convolution, act, convolution, added to the input; with the last convolution 0 it changes nothing."""
    block = ResidualBlock(3, nn.Tanh)
    initialise(block, seeded())
    features = torch.randn(2, 3, 6, 5, generator=seeded(1))
    first, second = (layer for layer in block.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        inner = torch.conv2d(features.tanh(), first.weight, first.bias, padding=1)
        wanted = features + torch.conv2d(inner.tanh(), second.weight, second.bias, padding=1)
        torch.testing.assert_close(block(features), wanted)
        second.weight.zero_()
        second.bias.zero_()
        assert torch.equal(block(features), features)


@pytest.mark.parametrize("blocks", [1, 3])
def test_residual_blocks_follow_each_halving_and_go_before_each_doubling(blocks: int) -> None:
    config = ResidualConfig(channels=(3, 4), blocks=blocks, dense=(5,))
    encoder, decoder = build_encoder(config, (1, 28, 28), 4), build_decoder(config, (1, 28, 28), 2)
    kinds = [[type(layer) for layer in network] for network in (encoder, decoder)]
    halving = [nn.Conv2d, *[ResidualBlock] * blocks, nn.SiLU]
    assert kinds[0][:-4] == halving * 2 and kinds[0][-4:] == [nn.Flatten, nn.Linear, nn.SiLU, nn.Linear]
    doubling = [*[ResidualBlock] * blocks, nn.Conv2d, nn.PixelShuffle]
    start = kinds[1].index(nn.Unflatten) + 1
    assert kinds[1][start:] == [*doubling, nn.SiLU, *doubling, Crop]
    widths = [
        [layer.branch[1].in_channels for layer in network if isinstance(layer, ResidualBlock)]
        for network in (encoder, decoder)
    ]
    assert widths == [[3] * blocks + [4] * blocks, [4] * blocks + [3] * blocks]


# What Keras documents of the size after a convolution, for sides n, kernel k and stride s.
SIZES = {
    ("same", False): lambda n, k, s: math.ceil(n / s),
    ("valid", False): lambda n, k, s: math.ceil((n - k + 1) / s),
    ("same", True): lambda n, k, s: n * s,
    ("valid", True): lambda n, k, s: n * s + max(k - s, 0),
}


def plain_convolution(images: Tensor, weight: Tensor, stride: int, padding: str) -> Tensor:
    """A convolution without bias by plain loops. With padding *same* there are ⌈n/s⌉ places a side, and the zeros that
    these need are shared out to both sides, the odd one to the end (the guide of TensorFlow's nn module)."""
    batch, _, *sides = images.shape
    outputs, _, kernel, _ = weight.shape
    counts = [SIZES[padding, False](side, kernel, stride) for side in sides]
    short = [max((count - 1) * stride + kernel - side, 0) for count, side in zip(counts, sides, strict=True)]
    before = [total // 2 if padding == "same" else 0 for total in short]
    found = torch.zeros(batch, outputs, *counts, dtype=images.dtype)
    for row in range(counts[0]):
        for column in range(counts[1]):
            for down in range(kernel):
                for right in range(kernel):
                    y, x = row * stride + down - before[0], column * stride + right - before[1]
                    if 0 <= y < sides[0] and 0 <= x < sides[1]:
                        found[:, :, row, column] += images[:, :, y, x] @ weight[:, :, down, right].mT
    return found


geometry = pytest.mark.parametrize(
    ("kernel", "stride", "sides"),
    [
        (1, 1, (3, 4)),
        (2, 1, (4, 5)),
        (3, 1, (5, 4)),
        (2, 2, (5, 6)),
        (3, 2, (7, 6)),
        (4, 2, (6, 5)),
        (5, 3, (8, 7)),
        (1, 2, (5, 4)),
        (2, 3, (7, 6)),
        (1, 4, (6, 9)),
        (4, 4, (9, 8)),
    ],
)


@geometry
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_sized_convolution_is_that_of_plain_loops(
    kernel: int, stride: int, sides: tuple[int, int], padding: str
) -> None:
    layer = SizedConv(LayerConfig(channels=3, kernel=kernel, stride=stride, padding=padding), 2).double()
    images = torch.randn(2, 2, *sides, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        wanted = plain_convolution(images, layer.conv.weight, stride, padding) + layer.conv.bias[:, None, None]
        torch.testing.assert_close(layer(images), wanted, rtol=1e-12, atol=1e-12)


@geometry
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_sized_transposed_convolution_is_the_gradient_of_the_plain_one(
    kernel: int, stride: int, sides: tuple[int, int], padding: str
) -> None:
    """Of that from images of the size that Keras documents for its output, back to images of the size of its input."""
    layer = SizedConv(
        LayerConfig(channels=3, kernel=kernel, stride=stride, padding=padding, transposed=True), 2
    ).double()
    small = torch.randn(2, 2, *sides, generator=seeded(), dtype=torch.float64)
    large = [SIZES[padding, True](side, kernel, stride) for side in sides]
    images = torch.zeros(2, 3, *large, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        weight = layer.conv.weight.clone()
    forward = plain_convolution(images, weight, stride, padding)
    assert forward.shape == small.shape
    (wanted,) = torch.autograd.grad(forward, images, small)
    with torch.no_grad():
        torch.testing.assert_close(layer(small), wanted + layer.conv.bias[:, None, None], rtol=1e-12, atol=1e-12)


@given(
    kernel=st.integers(1, 11),
    stride=st.integers(1, 4),
    padding=st.sampled_from(["same", "valid"]),
    transposed=st.booleans(),
    sides=st.tuples(st.integers(11, 40), st.integers(11, 40)),
)
def test_sizes_are_those_that_keras_documents(
    kernel: int, stride: int, padding: str, transposed: bool, sides: tuple[int, int]
) -> None:
    config = LayerConfig(channels=3, kernel=kernel, stride=stride, padding=padding, transposed=transposed)
    with torch.no_grad():
        found = SizedConv(config, 2)(torch.zeros(1, 2, *sides)).shape
    assert found == (1, 3, *(SIZES[padding, transposed](side, kernel, stride) for side in sides))


def test_layers_that_cannot_make_the_images_are_refused() -> None:
    """Where every halving is undone but one, or the kernels eat the image up."""
    short = STRIDED.model_copy(update={"decoder": (*STRIDED.decoder[:-1], LayerConfig(kernel=3, padding="valid"))})
    with pytest.raises(ConfigError, match=r"makes images of 26 × 30 pixels, and the data have 28 × 32\."):
        build_decoder(short, (1, 32, 28), 2)
    assert build_decoder(short, (1, 30, 26), 2)[-1].height == 30
    eaten = STRIDED.model_copy(update={"encoder": (LayerConfig(channels=2, kernel=5, padding="valid"),) * 2})
    with pytest.raises(ConfigError, match="leave nothing of images this small"):
        build_encoder(eaten, (1, 8, 28), 2)
    assert build_encoder(eaten, (1, 9, 28), 2)[0].conv.kernel_size == (5, 5)


def test_crop_keeps_the_top_left() -> None:
    images = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    assert torch.equal(Crop(5, 7)(images), images[:, :, :5, :7])


every_kind = pytest.mark.parametrize(
    "config",
    [MLPConfig(widths=(300, 200)), ConvolutionalConfig(), ResidualConfig(), PRESETS["keras-example"].config.network],
    ids=lambda config: config.kind,
)


@pytest.mark.parametrize("scheme", ["pytorch", "xavier", "normal"])
@every_kind
def test_weights_come_from_the_generator_alone(config: Network, scheme: str) -> None:
    def weights(seed: int) -> list[Tensor]:
        network = build_encoder(config, (1, 28, 28), 4)
        before = torch.random.get_rng_state()
        initialise(network, seeded(seed), scheme)
        assert torch.equal(torch.random.get_rng_state(), before)
        return [p for p in network.parameters() if p.ndim > 1 or scheme != "xavier"]

    one, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def with_weights(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]


@every_kind
def test_weights_are_distributed_as_pytorch_does_by_default(config: Network) -> None:
    for build in (build_encoder, build_decoder):
        ours = build(config, (1, 28, 28), 40)
        initialise(ours, seeded())
        for layer in with_weights(ours):
            if isinstance(layer, nn.Linear):
                theirs, fan_in = nn.Linear(layer.in_features, layer.out_features), layer.in_features
            else:
                kernel, padding = layer.kernel_size, layer.padding
                theirs = type(layer)(layer.in_channels, layer.out_channels, kernel, layer.stride, padding)
                # Of a transposed convolution PyTorch counts the other end.
                inputs = layer.out_channels if isinstance(layer, nn.ConvTranspose2d) else layer.in_channels
                fan_in = inputs * math.prod(kernel)
            bound = 1.0 / math.sqrt(fan_in)
            for name in ("weight", "bias"):
                mine, default = getattr(layer, name), getattr(theirs, name)
                assert mine.shape == default.shape and mine.abs().max() <= bound
                # Standard deviations of two samples of n agree within a few times σ/√n.
                tolerance = 5.0 * bound / math.sqrt(mine.numel())
                spread = mine.std(correction=0).item()
                assert spread == pytest.approx(bound / math.sqrt(3.0), abs=tolerance)
                assert spread == pytest.approx(default.std(correction=0).item(), abs=2 * tolerance)
                assert mine.mean().item() == pytest.approx(0.0, abs=tolerance)


@every_kind
def test_xavier_weights_have_the_variance_of_glorot_and_bengio(config: Network) -> None:
    """Uniform with variance 2 / (fan_in + fan_out), where a kernel's area counts in both; biases 0."""
    for build in (build_encoder, build_decoder):
        network = build(config, (1, 28, 28), 40)
        initialise(network, seeded(), "xavier")
        for layer in with_weights(network):
            ends, area = layer.weight.shape[:2], math.prod(layer.weight.shape[2:])
            sigma = math.sqrt(2.0 / (sum(ends) * area))
            tolerance = 5.0 * sigma / math.sqrt(layer.weight.numel())
            assert layer.weight.std().item() == pytest.approx(sigma, abs=tolerance)
            assert layer.weight.mean().item() == pytest.approx(0.0, abs=tolerance)
            assert layer.weight.abs().max() <= sigma * math.sqrt(3.0) * (1 + 1e-6)
            assert not layer.bias.any()


@every_kind
def test_normal_weights_and_biases_have_a_standard_deviation_of_a_tenth(config: Network) -> None:
    """N(0, 0.01) of Kingma & Welling 2014: the variance, which makes tails that a uniform distribution has not."""
    for build in (build_encoder, build_decoder):
        network = build(config, (1, 28, 28), 40)
        initialise(network, seeded(), "normal")
        values = torch.cat([p.detach().flatten() for p in network.parameters()])
        assert values.std().item() == pytest.approx(0.1, abs=0.5 / math.sqrt(len(values)))
        assert values.mean().item() == pytest.approx(0.0, abs=0.5 / math.sqrt(len(values)))
        assert (values.abs() > 0.2).float().mean().item() == pytest.approx(0.0455, abs=0.01)
        assert all(p.count_nonzero() == p.numel() for p in network.parameters())


@every_kind
def test_initialising_draws_nothing_from_the_global_generator(config: Network) -> None:
    with torch.device("meta"):
        network = build_decoder(config, (1, 28, 28), 2)
    network = network.to_empty(device="cpu")
    before = torch.random.get_rng_state()
    initialise(network, seeded())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(bool(p.isfinite().all()) and p.count_nonzero() for p in network.parameters())
