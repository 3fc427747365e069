"""What the encoder makes of many images, kept as plain numbers, for the density of the aggregate posterior."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from vae_studio.core.density import Encoded
from vae_studio.core.distributions import Code, DiagonalLaplace, FullGaussian
from vae_studio.core.model import VAE, to_float
from vae_studio.core.scene import Version

MAX_IMAGES = 10_000
_MOST_NUMBERS = 16_000_000  # of covariances: 64 MB
_AT_A_TIME = 100


@torch.no_grad()
def encode_steps(model: VAE, version: Version, images: torch.Tensor) -> Iterator[float | Encoded]:
    """q(z|x) of images uint8 (n, …): yields the fraction done (0 to 1), and Encoded last.

    Where posteriors have full covariances, only so many of the images are encoded that these fit into 64 MB.
    """
    if model.is_vae and model.config.posterior == "full-gaussian":
        images = images[: max(1, _MOST_NUMBERS // model.latent_dims**2)]
    means, spreads, family = [], [], "gaussian"
    for start in range(0, len(images), _AT_A_TIME):
        posterior = model.encode(to_float(images[start : start + _AT_A_TIME].to(model.device)))
        means.append(posterior.mean.float().cpu().numpy())
        match posterior:
            case Code():
                family = "code"
            case FullGaussian():
                spreads.append((posterior.factor @ posterior.factor.mT).float().cpu().numpy())
            case _:
                family = "laplace" if isinstance(posterior, DiagonalLaplace) else "gaussian"
                spreads.append(posterior.scale.square().float().cpu().numpy())
        yield min(start + _AT_A_TIME, len(images)) / len(images)
    yield Encoded(version, family, np.concatenate(means), np.concatenate(spreads) if spreads else None)
