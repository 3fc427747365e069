"""Posteriors and likelihoods: what a VAE's encoder and decoder put out. Densities in nats, with all constants."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class DiagonalGaussian:
    """N(mean, diag(exp(log_variance))) over latent points; both (B, d)."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def from_outputs(cls, outputs: Tensor) -> DiagonalGaussian:
        """From an encoder's outputs (B, 2d): the means, then the logarithms of the variances."""
        mean, log_variance = outputs.float().chunk(2, dim=1)
        return cls(mean, log_variance)

    @property
    def scale(self) -> Tensor:
        """Standard deviations σ = exp(½ log σ²), (B, d)."""
        return (0.5 * self.log_variance).exp()

    def sample(self, noise: Tensor) -> Tensor:
        """μ + σ ε for standard normal `noise` ε (B, d): the reparameterisation (Kingma & Welling 2014, §2.4)."""
        return self.mean + self.scale * noise

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z) in nats, (B,)."""
        distance = (z - self.mean).square() * (-self.log_variance).exp()
        return -0.5 * (distance + self.log_variance + _LOG_2PI).sum(dim=1)

    def kl_per_dim(self) -> Tensor:
        """KL(q ‖ N(0, I)) of each latent dimension in nats, (B, d) (Kingma & Welling 2014, appendix B)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance)


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Independent Bernoulli pixels with these logits (B, C, H, W).

    Grey values may stand for x: log p is linear in x, so it is then the mean over binarisations of the image.
    """

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """Probabilities in [0, 1], (B, C, H, W)."""
        return self.logits.float().sigmoid()

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats summed over pixels, (B,), for x in [0, 1] of the shape of the logits."""
        return -binary_cross_entropy_with_logits(self.logits.float(), x, reduction="none").flatten(1).sum(dim=1)

    def sample(self, generator: torch.Generator) -> Tensor:
        """A draw from p(x), zeros and ones as float, (B, C, H, W)."""
        return torch.bernoulli(self.mean, generator=generator)
