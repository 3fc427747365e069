"""Models for tests: small ones with random weights that decode to pictures with contrast, and the shipped one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vae_studio import paths
from vae_studio.core.checkpoint import load_model
from vae_studio.core.config import ConvolutionalConfig, MLPConfig, RunConfig
from vae_studio.core.model import VAE, build

SHAPE = (1, 28, 28)
COLOUR, OBLONG = (3, 32, 32), (1, 20, 24)


def mlp(latent_dims: int = 2, seed: int = 0, widths: tuple[int, ...] = (64, 32)) -> VAE:
    """A frozen MLP whose weights are three times the usual size, so that its images are not all grey."""
    config = RunConfig(network=MLPConfig(widths=widths, activation="tanh"), latent_dims=latent_dims, seed=seed)
    return vivid(build(config, SHAPE))


def convolutional(latent_dims: int = 2, seed: int = 0) -> VAE:
    network = ConvolutionalConfig(channels=(8, 16), dense=(32,))
    return vivid(build(RunConfig(network=network, latent_dims=latent_dims, seed=seed), SHAPE))


def of(shape: tuple[int, int, int] = SHAPE, **values: Any) -> VAE:
    """A frozen little MLP by these settings, for images of this shape (channels, height, width)."""
    return vivid(build(RunConfig(**{"network": MLPConfig(widths=(32,), activation="tanh"), **values}), shape))


def vivid(model: VAE) -> VAE:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model.requires_grad_(False).eval()


def explorer() -> VAE:
    """The shipped 2-D explorer."""
    return load_model(paths.trained_models() / "explorer-2d.safetensors").model


def decoded(model: VAE, points: np.ndarray) -> np.ndarray:
    """255·p at latent points (n, d) by the decoder's layers alone, in double precision: float64 (n, H, W) or (…, 3)."""
    with torch.no_grad():
        decoder = model.frozen().decoder.double()
        logits = decoder(torch.as_tensor(np.asarray(points), dtype=torch.float64))
    levels = (255.0 / (1.0 + np.exp(-logits.numpy()))).reshape(len(points), *model.image_shape)
    return levels[:, 0] if len(levels[0]) == 1 else np.moveaxis(levels, 1, -1)


def rounds_to(pixels: np.ndarray, exact: np.ndarray) -> bool:
    """Whether uint8 pixels are what double precision values round to, but for those that lie halfway."""
    assert pixels.dtype == np.uint8
    halfway = np.abs(exact - np.floor(exact) - 0.5) < 2e-3
    return bool((np.abs(pixels - exact) <= np.where(halfway, 0.503, 0.5)).all())
