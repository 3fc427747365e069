"""The model as a whole: built from its seed alone, frozen copies, finiteness, and the way between bytes and floats."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae_studio.core import model as models
from vae_studio.core.config import PRESETS, ConfigError, ConvolutionalConfig, MLPConfig, RunConfig
from vae_studio.core.model import VAE, all_finite, build, count_parameters, skeleton, to_float, to_pixels

IMAGE = (1, 28, 28)
SMALL = RunConfig(network=MLPConfig(widths=(16,)), latent_dims=3)
CONVOLUTIONAL = RunConfig(network=ConvolutionalConfig(channels=(3, 4)), latent_dims=3)


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
    assert posterior.mean.shape == posterior.log_variance.shape == (2, config.latent_dims)
    assert likelihood.logits.shape == (2, *IMAGE)
    assert model.convolutional == (config.network.kind == "convolutional")
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
