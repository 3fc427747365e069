"""Priors p(z): modules, since some have weights that are learned. Log-densities in nats.

Latent points are (..., d). Each prior knows what the window and the grids need of it: a draw, the quantiles of its
marginals, and contours to draw on the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vae_studio.core.config import LaplacePriorConfig, MixtureConfig, PriorConfig
from vae_studio.core.distributions import standard_laplace, standard_normal
from vae_studio.core.scene import Contour

_LOG_2PI = math.log(2.0 * math.pi)
_NARROWEST = 1e-9  # a learned scale may underflow to 0, which has no quantiles
_TURNS = 192  # corners of a drawn circle; cubic pieces between them are exact to a pixel at the deepest zoom


class Prior(Protocol):
    """p(z) over `dims` latent dimensions."""

    dims: int

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (...)."""

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        """Log-densities of the marginals p(zᵢ), (..., d); their sum is `log_prob` where p factorises."""

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` draws (count, d), on the generator's device."""

    def quantiles(self, axis: int, probabilities: Sequence[float]) -> np.ndarray:
        """Quantiles of the marginal p(z_axis): float64 (n,)."""

    def contours(self, axes: tuple[int, int]) -> tuple[Contour, ...]:
        """Outlines of the marginal over these two axes, for the map."""


class StandardNormal(nn.Module):
    """N(0, I)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + _LOG_2PI)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_per_dim(z).sum(dim=-1)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return standard_normal((count, self.dims), generator, generator.device)

    def quantiles(self, axis: int, probabilities: Sequence[float]) -> np.ndarray:
        normal = NormalDist()
        return np.array([normal.inv_cdf(p) for p in probabilities])

    def contours(self, axes: tuple[int, int]) -> tuple[Contour, ...]:
        """Circles one, two and three standard deviations away from the mean."""
        return tuple(Contour(f"{radius}σ", radius * _circle()) for radius in (1, 2, 3))


class Laplace(nn.Module):
    """Independent Laplace distributions with mean 0 and variance 1: density exp(−|z| / b) / 2b, b = 1/√2."""

    B = math.sqrt(0.5)

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        return -z.abs() / self.B - math.log(2.0 * self.B)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_per_dim(z).sum(dim=-1)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return self.B * standard_laplace((count, self.dims), generator, generator.device)

    def quantiles(self, axis: int, probabilities: Sequence[float]) -> np.ndarray:
        p = np.asarray(probabilities, np.float64)
        return self.B * np.where(p < 0.5, np.log(2.0 * p), -np.log(2.0 * (1.0 - p)))

    def contours(self, axes: tuple[int, int]) -> tuple[Contour, ...]:
        """Level sets of the density, |z₁| + |z₂| = r, that hold as much as a Gaussian's 1σ, 2σ and 3σ circles.

        Where both axes are the same dimension, |z| = r is one.
        """
        dims = len(set(axes))
        corners = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0)])
        found = []
        for sigmas in (1, 2, 3):
            outside = math.exp(-(sigmas**2) / 2)
            # P(|z₁| + |z₂| > b t) = (1 + t) e^(−t) and P(|z| > b t) = e^(−t), solved for t by bisection.
            low, high = 0.0, 50.0
            for _ in range(60):
                middle = (low + high) / 2
                beyond = (1 + middle * (dims - 1)) * math.exp(-middle)
                low, high = (middle, high) if beyond > outside else (low, middle)
            found.append(Contour(f"{100 * (1 - outside):.0f} %", self.B * low * corners, smooth=False))
        return tuple(found)


class GaussianMixture(nn.Module):
    """Σ wₖ N(mₖ, diag sₖ²) with learned weights (as logits), means and log-scales: (K,), (K, d), (K, d)."""

    def __init__(self, dims: int, components: int) -> None:
        super().__init__()
        self.dims = dims
        self.logits = nn.Parameter(torch.empty(components))
        self.means = nn.Parameter(torch.empty(components, dims))
        self.log_scales = nn.Parameter(torch.empty(components, dims))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Equal weights, and means drawn from N(0, I), so that all of them together are about as wide as N(0, I)."""
        self.logits.zero_()
        self.means.normal_(generator=generator)
        self.log_scales.fill_(math.log(0.5))

    def _components_per_dim(self, z: Tensor) -> Tensor:
        """log N(zᵢ; mₖᵢ, sₖᵢ²), (..., K, d)."""
        away = (z.unsqueeze(-2) - self.means) * (-self.log_scales).exp()
        return -0.5 * (away.square() + _LOG_2PI) - self.log_scales

    def log_prob(self, z: Tensor) -> Tensor:
        return (self._components_per_dim(z).sum(dim=-1) + self.logits.log_softmax(dim=0)).logsumexp(dim=-1)

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        return (self._components_per_dim(z) + self.logits.log_softmax(dim=0)[:, None]).logsumexp(dim=-2)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        weights = self.logits.detach().softmax(dim=0).to(generator.device)
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        means, scales = (values.detach().to(generator.device) for values in (self.means, self.log_scales.exp()))
        noise = standard_normal((count, self.dims), generator, generator.device)
        return means[chosen] + scales[chosen] * noise

    def quantiles(self, axis: int, probabilities: Sequence[float]) -> np.ndarray:
        weights, means, scales = self._numbers()
        parts = [NormalDist(m, s) for m, s in zip(means[:, axis], scales[:, axis], strict=True)]
        found = []
        for probability in probabilities:
            edges = [part.inv_cdf(probability) for part in parts]
            low, high = min(edges), max(edges)  # the quantile of a mixture lies between those of its parts
            for _ in range(60):
                middle = (low + high) / 2
                below = sum(w * part.cdf(middle) for w, part in zip(weights, parts, strict=True))
                low, high = (middle, high) if below < probability else (low, middle)
            found.append((low + high) / 2)
        return np.array(found)

    def contours(self, axes: tuple[int, int]) -> tuple[Contour, ...]:
        """Each component's 1σ and 2σ ellipse; the outer ones carry its weight."""
        weights, means, scales = self._numbers()
        chosen = list(axes)
        found = []
        for weight, mean, scale in zip(weights, means[:, chosen], scales[:, chosen], strict=True):
            found.append(Contour("", mean + scale * _circle()))
            found.append(Contour(f"{100 * weight:.0f} %", mean + 2 * scale * _circle()))
        return tuple(found)

    def _numbers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights (K,), means (K, d) and scales (K, d) as float64."""
        values = (self.logits.detach().softmax(dim=0), self.means.detach(), self.log_scales.detach().exp())
        weights, means, scales = (value.double().cpu().numpy() for value in values)
        return weights, means, np.maximum(scales, _NARROWEST)


def build_prior(config: PriorConfig, dims: int) -> StandardNormal | Laplace | GaussianMixture:
    """The prior of a config; learned ones still need `initialise`."""
    match config:
        case MixtureConfig():
            return GaussianMixture(dims, config.components)
        case LaplacePriorConfig():
            return Laplace(dims)
    return StandardNormal(dims)


def _circle() -> np.ndarray:
    """The unit circle as a closed line, (n, 2)."""
    angles = np.linspace(0.0, 2.0 * math.pi, _TURNS + 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
