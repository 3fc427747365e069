"""log p(x) of models with one or two latent dimensions, by a sum over a fine grid of latent points.

In double precision, with the densities of torch.distributions: nothing of the program but its decoders' layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributions as td

from vae_studio.core.model import VAE


@dataclass(frozen=True)
class Quadrature:
    """log p(x) of n images, float64 (n,); the same by every second point of each axis; and log of the share of p(x)
    that the outermost points have."""

    log_p: Tensor
    coarser: Tensor
    at_the_border: Tensor


@torch.no_grad()
def quadrature(model: VAE, images: Tensor, *, reach: float, points: int) -> Quadrature:
    """Integrate p(x|z) p(z) over [−reach, reach]^d for images uint8, with so many points an axis (an odd number)."""
    dims, double = model.latent_dims, model.frozen().cpu().double()
    axis = torch.linspace(-reach, reach, points, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * dims).reshape(-1, dims)
    prior = _prior(double).log_prob(z)
    log_joint = torch.cat([_log_likelihoods(double, part, images) for part in z.split(5000)]) + prior[:, None]
    on_grid = log_joint.unflatten(0, (points,) * dims)
    cell = dims * math.log(2 * reach / (points - 1))
    coarser = on_grid[::2] if dims == 1 else on_grid[::2, ::2]
    border = axis.abs() == reach
    outermost = border if dims == 1 else border[:, None] | border
    log_p = log_joint.logsumexp(dim=0) + cell
    return Quadrature(
        log_p,
        coarser.flatten(0, dims - 1).logsumexp(dim=0) + cell + dims * math.log(2.0),
        on_grid[outermost].logsumexp(dim=0) + cell - log_p,
    )


def _prior(model: VAE) -> td.Distribution:
    dims = model.latent_dims
    zeros, ones = torch.zeros(dims, dtype=torch.float64), torch.ones(dims, dtype=torch.float64)
    match model.config.prior.kind:
        case "standard-normal":
            return td.Independent(td.Normal(zeros, ones), 1)
        case "laplace":
            return td.Independent(td.Laplace(zeros, ones / math.sqrt(2.0)), 1)
    prior = model.prior
    parts = td.Independent(td.Normal(prior.means, prior.log_scales.exp()), 1)
    return td.MixtureSameFamily(td.Categorical(logits=prior.logits), parts)


def _log_likelihoods(model: VAE, z: Tensor, images: Tensor) -> Tensor:
    """log p(x|z) for points (m, d) and grey images uint8 (n, H, W): (m, n)."""
    x = images.double().flatten(1) / 255
    outputs = model.decoder(z)
    if model.config.likelihood.kind == "bernoulli":
        assert ((x == 0) | (x == 1)).all()
        pixels = td.Bernoulli(logits=outputs.flatten(1))
        black, white = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        return pixels.log_prob(white) @ x.T + pixels.log_prob(black) @ (1 - x).T
    pixels = _pixels(model, outputs)
    return torch.stack([pixels.log_prob(image.view(model.image_shape)).sum(dim=(1, 2, 3)) for image in x], dim=1)


def _pixels(model: VAE, outputs: Tensor) -> td.Distribution:
    config = model.config.likelihood
    if config.kind == "continuous-bernoulli":
        return td.ContinuousBernoulli(logits=outputs)
    # A learned scale s stands for one grey level and e^s more.
    grey = 1 / 255
    match config.scale:
        case "fixed":
            scale = torch.tensor(config.width, dtype=torch.float64)
        case "learned":
            scale = grey + model.log_scale.exp()
        case "per-pixel":
            outputs, raw = outputs.chunk(2, dim=1)
            scale = grey + (config.width - grey) * raw.exp()
    mean = outputs.sigmoid() if config.mean == "sigmoid" else outputs
    return (td.Normal if config.kind == "gaussian" else td.Laplace)(mean, scale)
