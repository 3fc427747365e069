"""The model as a whole: built from its seed alone, what its parts give out, frozen copies, finiteness, and pixels.

Pixels go from bytes to floats and back, and become black and white.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions as td
from torch import nn

from vae_studio.core import model as models
from vae_studio.core.config import (
    BernoulliConfig,
    ConfigError,
    ContinuousBernoulliConfig,
    ConvolutionalConfig,
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
)
from vae_studio.core.datasets import Data
from vae_studio.core.model import (
    VAE,
    all_finite,
    binarise,
    build,
    count_parameters,
    skeleton,
    standardised,
    to_float,
    to_pixels,
)
from vae_studio.core.presets import PRESETS

IMAGE = (1, 28, 28)
SMALL = RunConfig(network=MLPConfig(widths=(16,)), latent_dims=3)
CONVOLUTIONAL = RunConfig(network=ConvolutionalConfig(channels=(3, 4)), latent_dims=3)


LAYERED = LayeredConfig(
    encoder=(LayerConfig(channels=3, stride=2),),
    encoder_dense=(),
    decoder_dense=(),
    start=4,
    decoder=(LayerConfig(channels=3, stride=2, transposed=True), LayerConfig()),
)
NETWORKS = {
    "mlp": MLPConfig(widths=(16, 8)),
    "linear": MLPConfig(widths=()),
    "convolutional": ConvolutionalConfig(channels=(3, 4), dense=(9,)),
    "residual": ResidualConfig(channels=(3,), dense=(7,)),
    "layered": LAYERED,
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights(model: VAE) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_encodes_and_decodes(preset: str) -> None:
    config = PRESETS[preset].config
    model = build(config, IMAGE)
    x = torch.rand(2, *IMAGE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        posterior = model.encode(x)
        likelihood = model.decode(posterior.mean)
        mean = likelihood.mean
    assert posterior.mean.shape == posterior.scale.shape == (2, config.latent_dims)
    assert bool((posterior.scale > 0).all()) == (config.model == "vae") == model.is_vae
    assert mean.shape == (2, *IMAGE) and mean.min() >= 0.0 and mean.max() <= 1.0
    assert likelihood.log_prob(x).shape == (2,)
    assert model.convolutional == (config.network.kind != "mlp")
    assert all_finite(model) and model.device.type == "cpu"


@pytest.mark.parametrize("latent_dims", [1, 2, 255, 256])
@pytest.mark.parametrize("config", [SMALL, CONVOLUTIONAL], ids=["mlp", "convolutional"])
def test_one_to_256_latent_dimensions(config: RunConfig, latent_dims: int) -> None:
    model = build(config.with_changes(latent_dims=latent_dims), (1, 37, 30))
    with torch.no_grad():
        posterior = model.encode(torch.zeros(2, 1, 37, 30))
        assert posterior.mean.shape == (2, latent_dims)
        assert model.decode(posterior.mean).logits.shape == (2, 1, 37, 30)


@pytest.mark.parametrize("config", [SMALL, CONVOLUTIONAL], ids=["mlp", "convolutional"])
def test_the_seed_alone_makes_the_weights(config: RunConfig) -> None:
    before = torch.random.get_rng_state()
    one = build(config.with_changes(seed=7), IMAGE)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = (build(config.with_changes(seed=seed), IMAGE) for seed in (7, 8))
    torch.random.set_rng_state(before)
    for a, b, c in zip(weights(one), weights(again), weights(other), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
    assert all_finite(build(config.with_changes(seed=2**63 - 1), IMAGE))


def test_the_initialisation_is_the_one_asked_for() -> None:
    default, xavier = (build(SMALL.with_changes(initialisation=scheme), IMAGE) for scheme in ("pytorch", "xavier"))
    assert torch.equal(weights(default)[0], weights(build(SMALL, IMAGE))[0])
    for with_bias, without in zip(default.parameters(), xavier.parameters(), strict=True):
        assert with_bias.any() and bool(without.any()) == (without.ndim > 1)


def test_a_skeleton_has_shapes_and_no_memory() -> None:
    bare = skeleton(RunConfig(network=MLPConfig(widths=(8192,) * 8), latent_dims=256), IMAGE)
    assert all(p.is_meta for p in bare.parameters())
    # Seven square layers in each half alone.
    assert count_parameters(bare) > 14 * 8192**2


def test_a_network_too_large_to_be_opened_again_is_refused_before_memory_is_taken() -> None:
    huge = RunConfig(network=MLPConfig(widths=(8192,) * 8))
    with pytest.raises(ConfigError, match=r"^This network has 9\d\d,\d{3},\d{3} weights, more than the 200,000,000"):
        build(huge, IMAGE)


def test_the_largest_allowed_network_is_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    count = sum(p.numel() for p in build(SMALL, IMAGE).parameters())
    assert count_parameters(skeleton(SMALL, IMAGE)) == count
    monkeypatch.setattr(models, "MAX_PARAMETERS", count)
    build(SMALL, IMAGE)
    monkeypatch.setattr(models, "MAX_PARAMETERS", count - 1)
    with pytest.raises(ConfigError):
        build(SMALL, IMAGE)


@pytest.mark.parametrize("config", [SMALL, CONVOLUTIONAL], ids=["mlp", "convolutional"])
def test_a_frozen_copy_keeps_its_weights_while_the_original_trains(config: RunConfig) -> None:
    model = build(config, IMAGE)
    copy, before = model.frozen(), weights(model)
    assert not copy.training and not any(p.requires_grad for p in copy.parameters())
    assert model.training and all(p.requires_grad for p in model.parameters())
    model.encode(torch.zeros(2, *IMAGE)).mean.sum().backward()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(weights(copy), before, strict=True))
    assert all(p.grad is None for p in copy.parameters())
    # Not made in inference mode: gradients with respect to a latent point still work.
    z = torch.zeros(1, 3, requires_grad=True)
    copy.decode(z).mean.sum().backward()
    assert z.grad.isfinite().all() and z.grad.any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_weight_anywhere_is_found(bad: float) -> None:
    model = build(SMALL, IMAGE)
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        for index in (0, len(flat) // 2, len(flat) - 1):
            kept = flat[index].item()
            flat[index] = bad
            assert not all_finite(model)
            flat[index] = kept
            assert all_finite(model)


def test_two_infinities_do_not_cancel() -> None:
    model = build(SMALL, IMAGE)
    flat = next(model.parameters()).data.view(-1)
    flat[0], flat[1] = float("inf"), -float("inf")
    assert not all_finite(model)


def test_every_grey_level_survives_the_way_to_floats_and_back() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(28 * 28, 1).T.reshape(256, 28, 28)
    floats = to_float(images)
    assert floats.shape == (256, 1, 28, 28) and floats.dtype == torch.float32
    assert floats.min() == 0.0 and floats.max() == 1.0
    np.testing.assert_array_equal(floats[:, 0, 3, 4].numpy(), np.arange(256, dtype=np.float32) / np.float32(255))
    pixels = to_pixels(floats)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, images.numpy())


def test_pixels_are_rounded_to_the_nearest() -> None:
    mean = torch.tensor([0.0, 0.4, 0.6, 1.4, 254.6, 255.0]).div(255.0).reshape(1, 1, 2, 3)
    assert to_pixels(mean).ravel().tolist() == [0, 0, 1, 1, 255, 255]


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 5, 7), (3, 6, 5)])
def test_grey_and_coloured_images_keep_their_shape_and_colours(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    size = (9, height, width) if channels == 1 else (9, height, width, channels)
    images = torch.randint(0, 256, size, generator=seeded(), dtype=torch.uint8)
    floats = to_float(images)
    assert floats.shape == (9, *shape)
    for channel in range(channels):
        plane = images if channels == 1 else images[..., channel]
        assert torch.equal(floats[:, channel] * 255.0, plane.float())
    np.testing.assert_array_equal(to_pixels(floats), images.numpy())


def test_what_lies_outside_the_grey_levels_becomes_black_or_white() -> None:
    mean = torch.tensor([-3.0, -1e-9, 1.0 + 1e-6, 700.0]).reshape(1, 1, 2, 2)
    assert to_pixels(mean).ravel().tolist() == [0, 0, 255, 255]


def test_colour_goes_through_every_network() -> None:
    for network in NETWORKS.values():
        model = build(RunConfig(network=network, latent_dims=3), (3, 12, 10))
        with torch.no_grad():
            mean = model.decode(model.encode(torch.rand(4, 3, 12, 10, generator=seeded())).mean).mean
        assert to_pixels(mean).shape == (4, 12, 10, 3)


# Likelihoods as a config makes them.


@every_network
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [GaussianConfig, LaplaceConfig])
def test_a_new_model_starts_with_the_width_that_was_asked_for(
    network: object, channels: int, kind: type[GaussianConfig | LaplaceConfig]
) -> None:
    """A learned scale is the width at once, one for each pixel where the decoder puts out zeros."""
    for scale in ("fixed", "learned", "per-pixel"):
        for width in (0.004, 0.1, 3.0):
            config = RunConfig(network=network, latent_dims=3, likelihood=kind(scale=scale, width=width))
            model = build(config, (channels, 8, 6))
            outputs = model.decoder(torch.zeros(2, 3))
            assert outputs.shape == (2, channels * (2 if scale == "per-pixel" else 1), 8, 6)
            likelihood = model.likelihood(torch.zeros_like(outputs))
            assert likelihood.mean.shape == (2, channels, 8, 6)
            assert likelihood.log_scale.exp().unique().tolist() == pytest.approx([width], rel=1e-4)
            if scale == "learned":
                assert model.log_scale.requires_grad and model.log_scale in set(model.parameters())


@pytest.mark.parametrize(("kind", "theirs"), [(GaussianConfig, td.Normal), (LaplaceConfig, td.Laplace)])
@pytest.mark.parametrize("mean", ["sigmoid", "linear"])
def test_scales_of_coloured_pixels_come_after_all_means(kind: type, theirs: type[td.Distribution], mean: str) -> None:
    config = SMALL.with_changes(likelihood=kind(scale="per-pixel", width=0.1, mean=mean))
    model = build(config, (3, 4, 5))
    outputs = torch.randn(2, 7, 6, 4, 5, generator=seeded(), dtype=torch.float64)
    x = torch.rand(7, 3, 4, 5, generator=seeded(1), dtype=torch.float64)
    centre = outputs[..., :3, :, :].sigmoid() if mean == "sigmoid" else outputs[..., :3, :, :]
    # Never below one grey level, and the width where the output is 0.
    scale = 1 / 255 + (0.1 - 1 / 255) * outputs[..., 3:, :, :].exp()
    found = model.likelihood(outputs)
    torch.testing.assert_close(found.log_prob(x), theirs(centre, scale).log_prob(x).sum(dim=(-3, -2, -1)))
    assert (model.likelihood(outputs - 100.0).log_scale.exp() >= 1 / 255 - 1e-15).all()


@pytest.mark.parametrize(
    "likelihood",
    [
        BernoulliConfig(),
        ContinuousBernoulliConfig(),
        *(kind(scale=scale) for kind in (GaussianConfig, LaplaceConfig) for scale in ("fixed", "learned", "per-pixel")),
        SquaredErrorConfig(),
    ],
    ids=lambda config: "-".join(map(str, config.model_dump().values())),
)
def test_outputs_in_half_precision_are_summed_in_float32(likelihood: object) -> None:
    kind = "autoencoder" if isinstance(likelihood, SquaredErrorConfig) else "vae"
    model = build(SMALL.with_changes(model=kind, likelihood=likelihood), IMAGE)
    maps = 2 if getattr(likelihood, "scale", "") == "per-pixel" else 1
    half = torch.randn(2, 4, maps, 28, 28, generator=seeded()).bfloat16()
    x = torch.rand(4, *IMAGE, generator=seeded(1))
    with torch.no_grad():
        found, wanted = model.likelihood(half).log_prob(x), model.likelihood(half.float()).log_prob(x)
    assert found.dtype == torch.float32 and torch.equal(found, wanted)


@pytest.mark.parametrize("leading", [(), (5,), (2, 5), (2, 3, 5)])
def test_latent_points_of_any_leading_shape_are_decoded(leading: tuple[int, ...]) -> None:
    for network in (SMALL.network, CONVOLUTIONAL.network):
        model = build(RunConfig(network=network, latent_dims=3), IMAGE)
        z = torch.randn(*leading, 3, generator=seeded())
        with torch.no_grad():
            found = model.decode(z).mean
            assert found.shape == (*leading, *IMAGE)
            one_by_one = torch.stack([model.decode(point[None]).mean[0] for point in z.reshape(-1, 3)])
        torch.testing.assert_close(found.reshape(-1, *IMAGE), one_by_one)


# Noise and draws.


def test_noise_is_of_the_posteriors_family_and_an_auto_encoder_takes_none() -> None:
    """The variance of standard Laplace noise is 2, its kurtosis 6."""
    for posterior, variance, kurtosis in (("diagonal-gaussian", 1, 3), ("full-gaussian", 1, 3), ("laplace", 2, 6)):
        model = build(SMALL.with_changes(posterior=posterior), IMAGE)
        noise = model.noise((400, 100), seeded())
        assert noise.shape == (400, 100, 3)
        assert noise.var().item() == pytest.approx(variance, rel=0.05)
        assert (noise.pow(4).mean() / noise.var().square()).item() == pytest.approx(kurtosis, rel=0.1)
    generator = seeded()
    before = generator.get_state()
    coder = build(SMALL.with_changes(model="autoencoder", likelihood=SquaredErrorConfig()), IMAGE)
    assert torch.equal(coder.noise((2, 5), generator), torch.zeros(2, 5, 3))
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("prior", [None, MixtureConfig(components=4), LaplacePriorConfig()])
def test_a_random_point_is_a_draw_from_the_prior_by_its_seed(prior: object) -> None:
    model = build(SMALL.with_changes(prior=prior) if prior else SMALL, IMAGE)
    before = torch.random.get_rng_state()
    point = model.random_point(5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(point) == 3 and all(type(number) is float for number in point)
    assert point == model.random_point(5) != model.random_point(6)
    assert point == tuple(model.prior.sample(1, seeded(5))[0].tolist())


# Starting at the data's mean.


def without_features(model: VAE) -> torch.Tensor:
    """The likelihood's mean (C, H, W) when no feature reaches the decoder's last layer."""
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    last = [layer for layer in model.decoder.modules() if isinstance(layer, kinds)][-1]
    with torch.no_grad():
        last.weight.zero_()
        return model.decode(torch.randn(1, model.latent_dims, generator=seeded())).mean[0]


MEANS = [
    BernoulliConfig(),
    ContinuousBernoulliConfig(),
    GaussianConfig(scale="per-pixel", width=0.2),
    GaussianConfig(scale="learned", mean="linear"),
    LaplaceConfig(scale="per-pixel", mean="linear"),
    SquaredErrorConfig(),
]


@every_network
@pytest.mark.parametrize("likelihood", MEANS, ids=lambda config: "-".join(map(str, config.model_dump().values())))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_decoder_can_start_at_the_mean_of_the_data(network: object, likelihood: object, channels: int) -> None:
    """Pixel by pixel with a dense last layer, colour by colour with a convolution; scales start as ever."""
    config = RunConfig(
        model="autoencoder" if isinstance(likelihood, SquaredErrorConfig) else "vae",
        network=network,
        latent_dims=3,
        likelihood=likelihood,
        output_bias="data-mean",
        initialisation="xavier",
    )
    shape = (channels, 8, 6)
    data_mean = torch.rand(shape, generator=seeded(2)) * torch.linspace(0.1, 0.9, channels)[:, None, None]
    model = build(config, shape, data_mean)
    wanted = data_mean if isinstance(network, MLPConfig) else data_mean.mean(dim=(1, 2), keepdim=True).expand(shape)
    if getattr(likelihood, "mean", "sigmoid") == "sigmoid":
        wanted = wanted.clamp(0.001, 0.999)
    torch.testing.assert_close(without_features(model), wanted, rtol=1e-4, atol=1e-5)
    if getattr(likelihood, "scale", "") == "per-pixel":
        scales = model.decode(torch.zeros(1, 3)).log_scale.exp()
        torch.testing.assert_close(scales, torch.full_like(scales, likelihood.width))


def test_pixels_that_are_always_black_or_white_start_a_thousandth_away() -> None:
    data_mean = torch.tensor([0.0, 0.0005, 0.5, 0.9999, 1.0, 0.25]).reshape(1, 2, 3)
    for likelihood in (BernoulliConfig(), ContinuousBernoulliConfig()):
        model = build(SMALL.with_changes(output_bias="data-mean", likelihood=likelihood), (1, 2, 3), data_mean)
        wanted = [0.001, 0.001, 0.5, 0.999, 0.999, 0.25]
        assert without_features(model).flatten().tolist() == pytest.approx(wanted, rel=1e-4)
        assert all_finite(model)


def test_the_mean_of_the_data_changes_no_other_weight(mnist: Data) -> None:
    data_mean = to_float(mnist.test.images).mean(dim=0)
    for config in (SMALL, CONVOLUTIONAL):
        plain = build(config, IMAGE, data_mean)
        started = build(config.with_changes(output_bias="data-mean"), IMAGE, data_mean)
        changed = [not torch.equal(a, b) for a, b in zip(weights(plain), weights(started), strict=True)]
        assert changed == [False] * (len(changed) - 1) + [True]
        # Without data, as when a file is opened, it starts as ever.
        alone = build(config.with_changes(output_bias="data-mean"), IMAGE)
        assert all(map(torch.equal, weights(plain), weights(alone)))


# Auto-encoders.


@every_network
@pytest.mark.parametrize("likelihood", [SquaredErrorConfig(), BernoulliConfig()], ids=["squared-error", "bernoulli"])
def test_codes_are_standardised_and_no_reconstruction_changes(network: object, likelihood: object, mnist: Data) -> None:
    images = mnist.test.images[:1100]
    model = build(RunConfig(model="autoencoder", network=network, latent_dims=3, likelihood=likelihood), IMAGE)
    with torch.no_grad():
        spread = model.encode(to_float(images)).mean.std(dim=0)
        model.encoder[-1].weight.mul_((torch.tensor([20.0, 0.2, 1.0]) / spread)[:, None])
        model.encoder[-1].bias.add_(torch.tensor([50.0, -1.0, 0.0]))
        model.decoder[0].weight.mul_(torch.tensor([0.2, 20.0, 4.0]))
    before = weights(model)
    copy = standardised(model, images)
    with torch.no_grad():
        codes, kept = copy.encode(to_float(images)).mean, model.encode(to_float(images)).mean
        assert kept.std(dim=0).tolist() == pytest.approx([20.0, 0.2, 1.0], rel=1e-3)
        assert codes.mean(dim=0).tolist() == pytest.approx([0.0] * 3, abs=1e-5)
        assert codes.std(dim=0, correction=0).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
        # Turned nowhere: each number is still the same one.
        correlations = torch.corrcoef(torch.cat([codes, kept], dim=1).T)[:3, 3:]
        assert correlations.diagonal().tolist() == pytest.approx([1.0] * 3, abs=1e-4)
        torch.testing.assert_close(copy.decode(codes).mean, model.decode(kept).mean, rtol=0.0, atol=1e-5)
    assert all(map(torch.equal, weights(model), before)) and all(p.requires_grad for p in model.parameters())
    assert not copy.training and not any(p.requires_grad for p in copy.parameters())
    # Its draws, from N(0, I), are then where its codes are.
    assert copy.sample_prior(5, seeded()).shape == (5, 3)


def test_a_code_that_hardly_varies_is_left_as_wide_as_it_is(mnist: Data) -> None:
    images = mnist.test.images[:300]
    model = build(SMALL.with_changes(model="autoencoder", likelihood=SquaredErrorConfig()), IMAGE)
    with torch.no_grad():
        spread = model.encode(to_float(images)).mean.std(dim=0)
        model.encoder[-1].weight.mul_((torch.tensor([0.0, 5e-5, 2e-4]) / spread)[:, None])
    copy = standardised(model, images)
    with torch.no_grad():
        codes, kept = copy.encode(to_float(images)).mean, model.encode(to_float(images)).mean
        spread = codes.std(dim=0, correction=0)
        assert spread[0].item() == pytest.approx(0.0, abs=1e-7)
        assert spread[1].item() == pytest.approx(5e-5, rel=0.01)
        assert spread[2].item() == pytest.approx(1.0, abs=1e-3)
        torch.testing.assert_close(copy.decode(codes).mean, model.decode(kept).mean, rtol=0.0, atol=1e-5)
    assert all_finite(copy)


# Black and white.


def test_pixels_become_white_as_often_as_their_grey_value_says() -> None:
    """Each of the 256 grey levels 40,000 times; 0 and 255 always the same."""
    n = 40_000
    images = torch.arange(256, dtype=torch.uint8).expand(n, 256)
    drawn = binarise(images, seeded(1))
    assert drawn.dtype == torch.uint8 and set(drawn.unique().tolist()) == {0, 255}
    shares = (drawn == 255).double().mean(dim=0)
    wanted = torch.arange(256, dtype=torch.float64) / 255
    assert shares[0] == 0.0 and shares[255] == 1.0
    error = (wanted * (1 - wanted) / n).sqrt()
    away = ((shares - wanted) / error)[1:255]
    assert away.abs().max() < 4.5
    # Over all levels the errors are those of fair draws, neither wider nor, as with a fixed pattern, narrower.
    assert away.square().mean().item() == pytest.approx(1.0, abs=5 * math.sqrt(2 / 254))


@settings(max_examples=30)
@given(shape=st.sampled_from([(3, 4, 5), (2, 6, 5, 3), (0, 2, 2), (7,)]), seed=st.integers(0, 2**63 - 1))
def test_binarising_is_reproducible_and_leaves_the_global_random_state_alone(shape: tuple[int, ...], seed: int) -> None:
    images = torch.randint(0, 256, shape, generator=seeded(), dtype=torch.uint8)
    kept, before = images.clone(), torch.random.get_rng_state()
    generator = seeded(seed)
    one, another = binarise(images, generator), binarise(images, generator)
    assert one.shape == images.shape and torch.equal(images, kept)
    assert torch.equal(one, binarise(images, seeded(seed)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert images.numel() < 60 or not torch.equal(one, another)
