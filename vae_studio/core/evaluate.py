"""Figures of a model over a set of images: −ELBO, its parts, KL per dimension, active units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from vae_studio.core import devices
from vae_studio.core.config import RunConfig
from vae_studio.core.events import Evaluation
from vae_studio.core.model import VAE, binarise, step_memory, to_float
from vae_studio.core.objective import terms

ACTIVE_VARIANCE = 0.01
_STILL = 1e-8
_BATCH, _CUDA_BATCH = 500, 2500
_CUDA_BYTES = 10**9


def evaluation_steps(
    model: VAE, images: Tensor, generator: torch.Generator, *, samples: int = 1, dtype: torch.dtype = torch.float32
) -> Iterator[float | Evaluation]:
    """Evaluate in pieces: yields the fraction done (0 to 1) after each batch, and the Evaluation last.

    `images` uint8 may lie on any device; `generator` lies on the model's, and draws the posterior samples (`samples` an
    image). They are taken as they are: see `fixed_targets`. The KL is the closed form where there is one, whatever was
    optimised. Active units are dimensions with Var_x(E_q[z]) > 0.01 (Burda et al. 2016, arXiv 1509.00519, section 5);
    of an auto-encoder, whose codes have any scale, those that vary at all.
    """
    device = model.device
    batch = _batch(model)
    # Read once, at the end; Apple's GPUs have no double precision.
    total = torch.zeros(2 + model.latent_dims, dtype=torch.float64, device="cpu" if device.type == "mps" else device)
    means = []
    for start in range(0, len(images), batch):
        x = to_float(images[start : start + batch].to(device))
        with torch.no_grad(), devices.autocast(device, dtype):
            for _ in range(samples):
                noise = model.noise((len(x),), generator)
                parts = terms(model, x, noise, sampled=not model.config.closed_form_exists)
                total[0] += parts.reconstruction.to(total.device).double().sum()
                total[1] += parts.kl.to(total.device).double().sum()
                total[2:] += parts.kl_per_dim.to(total.device).double().sum(dim=0)
        means.append(parts.posterior.mean)
        yield min(1.0, (start + batch) / len(images))
    average = (total / (len(images) * samples)).cpu()
    variance = torch.cat(means).cpu().var(dim=0, correction=0)
    reconstruction, kl = float(average[0]), float(average[1])
    yield Evaluation(
        images=len(images),
        neg_elbo=reconstruction + kl,
        reconstruction=reconstruction,
        kl=kl,
        kl_per_dim=average[2:].float().numpy(),
        active=(variance > (ACTIVE_VARIANCE if model.is_vae else _STILL)).numpy(),
        is_bound=model.is_vae,
        scale=model.learned_scale(),
    )


def _batch(model: VAE) -> int:
    """Images a call: on CUDA many, as long as its layers take no more than a gigabyte.

    It depends on the model alone, not on what is free, since it decides which image gets which draw.
    """
    if model.device.type != "cuda":
        return _BATCH
    return max(1, min(_CUDA_BATCH, _CUDA_BYTES // step_memory(model.config, model.image_shape, 1)))


def fixed_targets(config: RunConfig, images: Tensor, split: Literal["train", "test"]) -> Tensor:
    """Images uint8 as they are evaluated: for configs that binarise, one draw by the config's seed, always the same.

    Of training images this is the draw that *binarised-once* trains on.
    """
    return images if config.targets == "grey" else fixed_binarisation(config, images, split)


def fixed_binarisation(config: RunConfig, images: Tensor, split: Literal["train", "test"]) -> Tensor:
    """One draw of black and white for grey uint8 images, by the config's seed, the same on every device."""
    seed = config.seed + {"train": 6, "test": 7}[split]
    return binarise(images.cpu(), torch.Generator().manual_seed(seed)).to(images.device)


def evaluation_seed(config: RunConfig) -> int:
    """The seed of the posterior samples at the end of a run, so that an evaluation later gives the same figures."""
    return config.seed + 3


def evaluate(model: VAE, images: Tensor, *, seed: int = 0, samples: int = 1) -> Evaluation:
    """The Evaluation of a model on images uint8 (n, H, W), in float32, with posterior samples from `seed`."""
    generator = torch.Generator(model.device).manual_seed(seed)
    *_, result = evaluation_steps(model, images, generator, samples=samples)
    return result
