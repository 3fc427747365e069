"""The variational auto-encoder: encoder, posterior q(z|x), decoder, likelihood p(x|z), prior N(0, I)."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from vae_studio.core.config import ConfigError, ConvolutionalConfig, RunConfig
from vae_studio.core.distributions import Bernoulli, DiagonalGaussian
from vae_studio.core.networks import ImageShape, build_decoder, build_encoder, initialise

MAX_PARAMETERS = 200_000_000


class VAE(nn.Module):
    """A VAE with Bernoulli likelihood, diagonal Gaussian posterior and standard normal prior.

    (Kingma & Welling 2014, arXiv 1312.6114; Rezende et al. 2014, arXiv 1401.4082.) Images go in as float
    (B, C, H, W) in [0, 1]; latent points are float (B, latent_dims).
    """

    def __init__(self, config: RunConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.config = config
        self.image_shape = image_shape
        self.latent_dims = config.latent_dims
        self.encoder = build_encoder(config.network, image_shape, 2 * config.latent_dims)
        self.decoder = build_decoder(config.network, image_shape, config.latent_dims)

    @property
    def convolutional(self) -> bool:
        return isinstance(self.config.network, ConvolutionalConfig)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def encode(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x) for images x (B, C, H, W)."""
        return DiagonalGaussian.from_outputs(self.encoder(x))

    def decode(self, z: Tensor) -> Bernoulli:
        """p(x|z) for latent points z (B, latent_dims)."""
        return Bernoulli(self.decoder(z))

    def frozen(self) -> VAE:
        """A copy on the same device that nobody trains: no gradients, evaluation mode."""
        return copy.deepcopy(self).requires_grad_(False).eval()


def skeleton(config: RunConfig, image_shape: ImageShape) -> VAE:
    """The model without memory for its weights, so that even a hostile config costs nothing to look at."""
    with torch.device("meta"):
        return VAE(config, image_shape)


def build(config: RunConfig, image_shape: ImageShape) -> VAE:
    """A new model on the CPU with weights drawn from the config's seed. Raises ConfigError if it would be too large."""
    bare = skeleton(config, image_shape)
    if count_parameters(bare) > MAX_PARAMETERS:
        raise ConfigError(
            f"This network has {count_parameters(bare):,} weights, more than the {MAX_PARAMETERS:,} allowed. "
            "Choose fewer or narrower layers."
        )
    model = bare.to_empty(device="cpu")
    initialise(model, torch.Generator().manual_seed(config.seed), config.initialisation)
    return model


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def all_finite(model: nn.Module) -> bool:
    """Whether no weight is infinite or not a number; on a GPU this waits for one number."""
    return bool(torch.stack([p.sum() for p in model.parameters()]).sum().isfinite())


def to_float(images: Tensor) -> Tensor:
    """Images uint8 (B, H, W) as float (B, 1, H, W) in [0, 1], on the device they are on."""
    return images.unsqueeze(1).float() / 255.0


def to_pixels(mean: Tensor) -> np.ndarray:
    """Probabilities (B, 1, H, W) as uint8 (B, H, W): 255·p rounded to the nearest, ties to even."""
    return (mean.squeeze(1) * 255.0).round().to(torch.uint8).cpu().numpy()
