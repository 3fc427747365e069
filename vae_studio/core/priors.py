"""Priors p(z): modules, since some have weights that are learned. Log-densities in nats.

Latent points are (..., d). Each prior knows what the window and the grids need of it: a draw, the quantiles of its
marginals, and contours to draw on the map.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vae_studio.core.config import LaplacePriorConfig, MixtureConfig, PriorConfig
from vae_studio.core.distributions import standard_laplace, standard_normal
from vae_studio.core.plane import Plane, circle, covariances_on, ellipse
from vae_studio.core.scene import Contour

_LOG_2PI = math.log(2.0 * math.pi)
_NARROWEST = 1e-9  # a learned scale may underflow to 0, which has no quantiles


class Prior(Protocol):
    """p(z) over `dims` latent dimensions."""

    dims: int

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (...)."""

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        """Log-densities of the marginals p(zᵢ), (..., d); their sum is `log_prob` where p factorises."""

    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """`count` draws (count, d), on the generator's device; the temperature multiplies standard deviations."""

    def quantiles(self, direction: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
        """Quantiles of z·u for z from p(z), u the unit vector `direction` (d,): float64 (n,)."""

    def contours(self, plane: Plane) -> tuple[Contour, ...]:
        """Outlines of the marginal over a plane's two coordinates, for the map."""


class StandardNormal(nn.Module):
    """N(0, I)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + _LOG_2PI)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_per_dim(z).sum(dim=-1)

    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        return temperature * standard_normal((count, self.dims), generator, generator.device)

    def quantiles(self, direction: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
        normal = NormalDist()
        return np.array([normal.inv_cdf(p) for p in probabilities])

    def contours(self, plane: Plane) -> tuple[Contour, ...]:
        """Circles one, two and three standard deviations away from the mean."""
        return _circles(plane)


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

    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        return temperature * self.B * standard_laplace((count, self.dims), generator, generator.device)

    def quantiles(self, direction: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
        """In closed form along a latent dimension; elsewhere from a table of the distribution, to about 10⁻³."""
        p = np.asarray(probabilities, np.float64)
        scales = self.B * np.abs(direction[direction != 0.0])
        if len(scales) == 1:
            return scales[0] * np.where(p < 0.5, np.log(2.0 * p), -np.log(2.0 * (1.0 - p)))
        values, below = _sum_of_laplaces(tuple(scales.tolist()))
        return np.interp(p, below, values)

    def contours(self, plane: Plane) -> tuple[Contour, ...]:
        """Level sets of the density, |z₁| + |z₂| = r, that hold as much as a Gaussian's 1σ, 2σ and 3σ circles.

        In a model with one dimension, |z| = r is one. On a plane at an angle to the latent dimensions, circles of one,
        two and three standard deviations, as the variance is 1 in each direction.
        """
        if not plane.along_axes:
            return _circles(plane)
        centre = plane.coordinates(np.zeros((1, plane.dims)))[0]
        dims = 1 if plane.is_line else 2
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
            found.append(Contour(f"{100 * (1 - outside):.0f} %", centre + self.B * low * corners, smooth=False))
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

    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """The components narrow, or widen, about their means, which stay where they are."""
        weights = self.logits.detach().softmax(dim=0).to(generator.device)
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        means, scales = (values.detach().to(generator.device) for values in (self.means, self.log_scales.exp()))
        noise = standard_normal((count, self.dims), generator, generator.device)
        return means[chosen] + temperature * scales[chosen] * noise

    def quantiles(self, direction: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
        weights, means, scales = self._numbers()
        spreads = np.sqrt(np.square(scales * direction).sum(axis=1))
        parts = [NormalDist(m, s) for m, s in zip(means @ direction, spreads, strict=True)]
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

    def contours(self, plane: Plane) -> tuple[Contour, ...]:
        """Each component's 1σ and 2σ ellipse; at its mean stand its number, from 1, and its weight.

        The weightiest come last, so that they lie on top.
        """
        weights, means, scales = self._numbers()
        places, covariances = plane.coordinates(means), covariances_on(plane, np.square(scales))
        found = []
        for part in np.argsort(weights, kind="stable").tolist():
            name, middle = f"{part + 1}: {100 * weights[part]:.0f} %", (float(places[part, 0]), float(places[part, 1]))
            for sigmas, words in ((1.0, ""), (2.0, name)):
                line = ellipse(places[part], covariances[part], sigmas)
                found.append(Contour(words, line, part=part, middle=middle))
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


def _circles(plane: Plane) -> tuple[Contour, ...]:
    """One, two and three standard deviations from where 0 lies on a plane, for a prior whose covariance is I."""
    centre = plane.coordinates(np.zeros((1, plane.dims)))[0]
    return tuple(Contour(f"{radius}σ", centre + radius * circle()) for radius in (1, 2, 3))


@functools.lru_cache(maxsize=8)
def _sum_of_laplaces(scales: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Values and the probability of less, both (n,), for a sum of independent Laplace variables of these scales b.

    Gil-Pelaez (1951): P(X < x) = ½ + (1/π) ∫ sin(t x) φ(t) / t dt over t > 0, with φ(t) = Π 1 / (1 + b² t²).
    """
    step = 0.05  # repeats beyond |x| = 2π / step, where nothing is left
    t = (np.arange(8000) + 0.5) * step
    weights = np.exp(-sum(np.log1p(np.square(b * t)) for b in scales)) / t * (step / math.pi)
    values = np.linspace(0.0, 12.0, 1201)
    above = 0.5 + np.concatenate([np.sin(np.outer(part, t)) @ weights for part in np.array_split(values, 12)])
    above = np.maximum.accumulate(np.minimum(above, 1.0))
    return np.concatenate([-values[:0:-1], values]), np.concatenate([1.0 - above[:0:-1], above])
