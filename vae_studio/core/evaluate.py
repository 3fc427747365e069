"""Figures of a model over a set of images: −ELBO, its parts, KL per dimension, active units."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vae_studio.core import devices
from vae_studio.core.config import RunConfig
from vae_studio.core.events import Evaluation
from vae_studio.core.model import VAE, to_float
from vae_studio.core.objective import terms

ACTIVE_VARIANCE = 0.01
_BATCH = 500


def evaluation_steps(
    model: VAE, images: Tensor, generator: torch.Generator, *, samples: int = 1, dtype: torch.dtype = torch.float32
) -> Iterator[float | Evaluation]:
    """Evaluate in pieces: yields the fraction done (0 to 1) after each batch, and the Evaluation last.

    `images` uint8 (n, H, W) lie on the model's device, as does `generator`, which draws the posterior samples
    (`samples` an image). Active units are dimensions with Var_x(E_q[z]) > 0.01 (Burda et al. 2016,
    arXiv 1509.00519, section 5).
    """
    total = torch.zeros(1 + model.latent_dims, dtype=torch.float64)
    means = []
    for start in range(0, len(images), _BATCH):
        x = to_float(images[start : start + _BATCH])
        with torch.no_grad(), devices.autocast(model.device, dtype):
            for _ in range(samples):
                noise = torch.randn(len(x), model.latent_dims, device=model.device, generator=generator)
                parts = terms(model, x, noise)
                total[0] += parts.reconstruction.cpu().double().sum()
                total[1:] += parts.kl_per_dim.cpu().double().sum(dim=0)
        means.append(parts.posterior.mean.cpu())
        yield min(1.0, (start + _BATCH) / len(images))
    average = total / (len(images) * samples)
    variance = torch.cat(means).var(dim=0, correction=0)
    kl_per_dim = average[1:].float().numpy()
    reconstruction, kl = float(average[0]), float(average[1:].sum())
    yield Evaluation(
        images=len(images),
        neg_elbo=reconstruction + kl,
        reconstruction=reconstruction,
        kl=kl,
        kl_per_dim=kl_per_dim,
        active_units=int((variance > ACTIVE_VARIANCE).sum()),
    )


def evaluation_seed(config: RunConfig) -> int:
    """The seed of the posterior samples at the end of a run, so that an evaluation later gives the same figures."""
    return config.seed + 3


def evaluate(model: VAE, images: Tensor, *, seed: int = 0, samples: int = 1) -> Evaluation:
    """The Evaluation of a model on images uint8 (n, H, W), in float32, with posterior samples from `seed`."""
    generator = torch.Generator(model.device).manual_seed(seed)
    *_, result = evaluation_steps(model, images.to(model.device), generator, samples=samples)
    return result
