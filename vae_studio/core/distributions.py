"""Posteriors and likelihoods: what encoder and decoder put out. Log-densities in nats, with all constants.

Latent points and posterior noise are (..., B, d): any number of samples for each of B images. Pixels are
(..., B, C, H, W), likewise, in [0, 1]. Half precision is summed in float32, double stays double.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

_LOG_2PI = math.log(2.0 * math.pi)


class Posterior(Protocol):
    """q(z|x) for B images: what every model can be asked. `mean` and `scale`, its standard deviations, are (B, d)."""

    mean: Tensor

    @property
    def scale(self) -> Tensor: ...

    def sample(self, noise: Tensor) -> Tensor:
        """z (..., B, d), differentiable, from `noise` (..., B, d) as the family's `noise` draws it."""

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) in nats, (..., B)."""

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        """Log-densities of the marginals q(zᵢ|x), (..., B, d); their sum is `log_prob` where q factorises."""


def standard_normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """ε ~ N(0, I)."""
    return torch.randn(shape, generator=generator, device=device)


def standard_laplace(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """ε with density exp(−|ε|) / 2, as the difference of two exponential variables, so that it is never infinite."""
    both = torch.empty((2, *shape), device=device).exponential_(generator=generator)
    return both[0] - both[1]


@dataclass(frozen=True, slots=True)
class DiagonalGaussian:
    """N(mean, diag(exp(log_variance))) over latent points; both (B, d)."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def from_outputs(cls, outputs: Tensor) -> DiagonalGaussian:
        """From an encoder's outputs (B, 2d): the means, then the logarithms of the variances."""
        return cls(*in_full(outputs).chunk(2, dim=-1))

    @property
    def scale(self) -> Tensor:
        """Standard deviations σ = exp(½ log σ²), (B, d)."""
        return (0.5 * self.log_variance).exp()

    def sample(self, noise: Tensor) -> Tensor:
        """μ + σ ε for standard normal `noise` ε: the reparameterisation (Kingma & Welling 2014, §2.4).

        The factor is Σ^½, as in equation 13 of Keng 2017, whose prose in §3.2 has N(0, I)·Σ + μ by mistake.
        """
        return self.mean + self.scale * noise

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        distance = (z - self.mean).square() * (-self.log_variance).exp()
        return -0.5 * (distance + self.log_variance + _LOG_2PI)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_per_dim(z).sum(dim=-1)

    def kl_per_dim(self) -> Tensor:
        """KL(q ‖ N(0, I)) of each latent dimension in nats, (B, d) (Kingma & Welling 2014, appendix B)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance)

    def kl(self) -> Tensor:
        """KL(q ‖ N(0, I)) in nats, (B,)."""
        return self.kl_per_dim().sum(dim=-1)


@dataclass(frozen=True, slots=True)
class FullGaussian:
    """N(mean, L Lᵀ) with L = `factor` (B, d, d) lower triangular, its diagonal exp(`log_diagonal`); `mean` (B, d)."""

    mean: Tensor
    factor: Tensor
    log_diagonal: Tensor

    @classmethod
    def from_outputs(cls, outputs: Tensor) -> FullGaussian:
        """From an encoder's outputs (B, 2d + d(d−1)/2): means, logarithms of L's diagonal, then L below it by rows."""
        outputs = in_full(outputs)
        width = outputs.shape[-1]
        dims = round((math.sqrt(9 + 8 * width) - 3) / 2)
        mean, log_diagonal, below = outputs.split([dims, dims, width - 2 * dims], dim=-1)
        rows, columns = torch.tril_indices(dims, dims, offset=-1, device=outputs.device)
        factor = torch.diag_embed(log_diagonal.exp())
        factor = factor.index_put((torch.arange(len(outputs), device=outputs.device)[:, None], rows, columns), below)
        return cls(mean, factor, log_diagonal)

    @property
    def scale(self) -> Tensor:
        """Standard deviations of the marginals, √Σᵢᵢ, (B, d)."""
        return self.factor.square().sum(dim=-1).sqrt()

    def sample(self, noise: Tensor) -> Tensor:
        """μ + L ε for standard normal `noise` ε: Σ^½ ε with the Cholesky factor as the root."""
        # Autocast would round the product to bf16, which is many σ across a narrow Gaussian.
        with torch.autocast(noise.device.type, enabled=False):
            return self.mean + torch.einsum("bij,...bj->...bi", self.factor, noise)

    def log_prob(self, z: Tensor) -> Tensor:
        # Solved for each image by itself, with its samples as columns.
        away = (z - self.mean).movedim(-2, 0)
        columns = away.flatten(1, -2).mT if away.dim() > 2 else away.unsqueeze(-1)
        solved = torch.linalg.solve_triangular(self.factor, columns, upper=False)
        distance = solved.square().sum(dim=-2).reshape(away.shape[:-1]).movedim(0, -1)
        return -0.5 * (distance + self.mean.shape[-1] * _LOG_2PI) - self.log_diagonal.sum(dim=-1)

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        return _normal(z, self.mean, self.scale)

    def kl_per_dim(self) -> Tensor:
        """KL of each marginal q(zᵢ|x) from N(0, 1), (B, d); they add up to less than the KL by the correlations."""
        variance = self.factor.square().sum(dim=-1)
        return 0.5 * (self.mean.square() + variance - 1.0 - variance.log())

    def kl(self) -> Tensor:
        """KL(q ‖ N(0, I)) = ½ (tr Σ + μᵀμ − d − log det Σ) in nats, (B,) (Keng 2017, equation 14)."""
        trace = self.factor.square().sum(dim=(-2, -1))
        log_determinant = 2.0 * self.log_diagonal.sum(dim=-1)
        return 0.5 * (trace + self.mean.square().sum(dim=-1) - self.mean.shape[-1] - log_determinant)


@dataclass(frozen=True, slots=True)
class DiagonalLaplace:
    """Independent Laplace distributions with density exp(−|z − mean| / b) / 2b, b = exp(log_b); both (B, d)."""

    mean: Tensor
    log_b: Tensor

    @classmethod
    def from_outputs(cls, outputs: Tensor) -> DiagonalLaplace:
        """From an encoder's outputs (B, 2d): the means, then the logarithms of b."""
        return cls(*in_full(outputs).chunk(2, dim=-1))

    @property
    def scale(self) -> Tensor:
        """Standard deviations √2 b, (B, d)."""
        return math.sqrt(2.0) * self.log_b.exp()

    def sample(self, noise: Tensor) -> Tensor:
        """μ + b ε for standard Laplace `noise` ε (Kingma & Welling 2014, §2.4: location-scale families)."""
        return self.mean + self.log_b.exp() * noise

    def log_prob_per_dim(self, z: Tensor) -> Tensor:
        return _laplace(z, self.mean, self.log_b)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_per_dim(z).sum(dim=-1)


@dataclass(frozen=True, slots=True)
class Code:
    """What the encoder of a deterministic auto-encoder puts out: a point (B, d), not a distribution."""

    mean: Tensor

    @classmethod
    def from_outputs(cls, outputs: Tensor) -> Code:
        return cls(in_full(outputs))

    @property
    def scale(self) -> Tensor:
        """Zeros, (B, d)."""
        return torch.zeros_like(self.mean)

    def sample(self, noise: Tensor) -> Tensor:
        """The code itself, with `noise` giving no more than the shape, (..., B, d)."""
        return self.mean.expand(noise.shape)


class Likelihood(Protocol):
    """p(x|z) for latent points (...,): independent pixels. `mean` is (..., C, H, W)."""

    @property
    def mean(self) -> Tensor: ...

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x|z) in nats summed over pixels, (...), for x in [0, 1] of a shape that broadcasts."""

    def sample(self, generator: torch.Generator) -> Tensor:
        """A draw of the shape of `mean`."""


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Independent Bernoulli pixels with these logits (..., C, H, W).

    Grey values may stand for x: log p is linear in x, so it is then the mean over binarisations of the image.
    """

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """Probabilities in [0, 1]."""
        return in_full(self.logits).sigmoid()

    def log_prob(self, x: Tensor) -> Tensor:
        logits = in_full(self.logits)
        return -_over_pixels(binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none"))

    def sample(self, generator: torch.Generator) -> Tensor:
        """Zeros and ones as float."""
        return torch.bernoulli(self.mean, generator=generator)


@dataclass(frozen=True, slots=True)
class ContinuousBernoulli:
    """Independent pixels in [0, 1] with density η e^(ηx) / (e^η − 1), η the `logits` (..., C, H, W).

    (Loaiza-Ganem & Cunningham 2019, arXiv 1907.06845, with λ = sigmoid(η).) Written with h = η / 2 all is even or odd
    in h and free of differences of large numbers: log p = 2h (x − ½) − log(sinh h / h).
    """

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """E[x] = ½ + ½ (coth h − 1/h), which is not sigmoid(η)."""
        half = 0.5 * in_full(self.logits)
        small = half.abs() < 0.1
        safe = torch.where(small, 1.0, half)
        series = half * (1 / 3 - half.square() * (1 / 45 - half.square() * 2 / 945))
        return 0.5 + 0.5 * torch.where(small, series, 1.0 / safe.tanh() - 1.0 / safe)

    def log_prob(self, x: Tensor) -> Tensor:
        half = 0.5 * in_full(self.logits)
        return _over_pixels(2.0 * half * (x - 0.5) - _log_sinhc(half))

    def sample(self, generator: torch.Generator) -> Tensor:
        """By the inverse of the distribution function, for −|η|, where it loses no digits; mirrored where η > 0."""
        logits = in_full(self.logits)
        uniform = torch.rand(logits.shape, generator=generator, device=logits.device, dtype=logits.dtype)
        size = logits.abs()
        safe = size.clamp(min=1e-4)
        dark = torch.where(size < 1e-4, uniform, -torch.log1p(uniform * torch.expm1(-safe)) / safe).clamp(0.0, 1.0)
        return torch.where(logits > 0, 1.0 - dark, dark)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Independent pixels N(mean, σ²), `log_scale` = log σ; it broadcasts to `mean` (..., C, H, W)."""

    mean: Tensor
    log_scale: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        distance = (x - self.mean).square() * (-2.0 * self.log_scale).exp()
        return -_over_pixels(0.5 * (distance + _LOG_2PI) + self.log_scale)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Values around the mean, which may leave [0, 1]."""
        return self.mean + self.log_scale.exp() * _noise_like(self.mean, generator, standard_normal)


@dataclass(frozen=True, slots=True)
class Laplace:
    """Independent pixels with density exp(−|x − mean| / b) / 2b, `log_scale` = log b; it broadcasts to `mean`."""

    mean: Tensor
    log_scale: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        return _over_pixels(_laplace(x, self.mean, self.log_scale))

    def sample(self, generator: torch.Generator) -> Tensor:
        """Values around the mean, which may leave [0, 1]."""
        return self.mean + self.log_scale.exp() * _noise_like(self.mean, generator, standard_laplace)


@dataclass(frozen=True, slots=True)
class SquaredError:
    """An auto-encoder's output compared by ‖x − mean‖²: no distribution, so `log_prob` is no log-density.

    It is that of N(mean, ½ I) without its constant, which is why minimising either gives the same weights.
    """

    mean: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """−‖x − mean‖² summed over pixels, (...)."""
        return -_over_pixels((x - self.mean).square())

    def sample(self, generator: torch.Generator) -> Tensor:
        """The mean: there is nothing to draw from."""
        return self.mean


def in_full(values: Tensor) -> Tensor:
    """Half precision as float32; others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _over_pixels(values: Tensor) -> Tensor:
    """The sum over (C, H, W)."""
    return values.flatten(-3).sum(dim=-1)


def _normal(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return -0.5 * (((x - mean) / scale).square() + _LOG_2PI) - scale.log()


def _laplace(x: Tensor, mean: Tensor, log_b: Tensor) -> Tensor:
    return -(x - mean).abs() * (-log_b).exp() - log_b - math.log(2.0)


def _log_sinhc(half: Tensor) -> Tensor:
    """log(sinh h / h): a series near 0, elsewhere |h| − log 2|h| + log(1 − e^(−2|h|))."""
    small = half.abs() < 0.1
    size = torch.where(small, 1.0, half.abs())
    # log(1 − e^(−2s)) for s ≥ 0.1; log1p alone would do, but expm1 keeps the digits at the seam.
    large = size - (2.0 * size).log() + (-torch.expm1(-2.0 * size)).log()
    square = half.square()
    series = square * (1 / 6 - square * (1 / 180 - square * (1 / 2835 - square / 37800)))
    return torch.where(small, series, large)


def _noise_like(values: Tensor, generator: torch.Generator, draw: Callable[..., Tensor]) -> Tensor:
    return draw(tuple(values.shape), generator, values.device).to(values.dtype)


def soft_floor(log_scale: Tensor, lowest: float) -> Tensor:
    """Close to `log_scale` where it is well above `lowest`, and never below (after Rybkin et al. 2021, appendix).

    Pixels have 256 grey levels: where they never vary, a density could grow without bound as its scale goes to 0.
    """
    return lowest + softplus(log_scale - lowest)
