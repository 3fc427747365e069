"""A mixture of Gaussians fitted to points by expectation maximisation, in double precision on the CPU.

(Dempster, Laird & Rubin 1977; Bishop 2006, section 9.2.) So that no component shrinks onto a point, where its density
would be infinite, no covariance has an eigenvalue below a floor. Raising those that lie below it to the floor is the
M step under that constraint exactly, so the log-likelihood never falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_studio.core.samples import Mixture, SampleError

_STEPS = 200
_STEPS_A_PIECE = 4
_SETTLED = 1e-4  # nats a point: what a step gains less than is the end
_STARTS = 5
_LLOYD_STEPS = 5
_FLOOR = 1e-4  # of the points' mean variance
_NARROWEST = 1e-3  # latent units: no standard deviation is less
_POINTS_A_DIMENSION = 5  # that a component must have, on average, for a covariance in full
_MOST_IN_FULL = 100  # dimensions
_LARGEST_AUTOMATIC = 3
_FEWEST_POINTS = 2 - 1e-3  # in each of several components: BIC knows nothing of one at a single point; shares are sums


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Weights (K,), means (K, d), lower triangular factors (K, d, d) of the covariances or, if diagonal, (K, d)."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def log_joint(self, points: Tensor) -> Tensor:
        """log wₖ N(x; mₖ, Σₖ) for points (n, d): (n, K)."""
        away = points[None] - self.means[:, None]
        if self.factors.dim() == 3:
            inner = torch.linalg.solve_triangular(self.factors, away.mT, upper=False).square().sum(dim=1)
            log_volume = self.factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        else:
            inner = (away / self.factors[:, None]).square().sum(dim=2)
            log_volume = self.factors.log().sum(dim=1)
        constant = 0.5 * points.shape[1] * math.log(2.0 * math.pi)
        return (self.weights.log() - log_volume - constant)[None] - 0.5 * inner.T

    @property
    def covariances(self) -> Tensor:
        """(K, d, d)"""
        return self.factors @ self.factors.mT if self.factors.dim() == 3 else self.factors.square().diag_embed()


def fit_steps(points: Tensor, components: int | None = None, *, seed: int = 0) -> Iterator[float | Mixture]:
    """Fit `components` Gaussians to points (n, d): yields the fraction done (0 to 1), and the Mixture last.

    None tries one to three, and takes the number with the least BIC = p log n − 2 log L (Schwarz 1978), p the number
    of parameters. Covariances are full where a component has at least five points a dimension, else diagonal. There
    are never more components than different points, nor, where BIC chooses, any with fewer than two. `seed` is that of
    where they begin (k-means++, then k-means). Raises SampleError for points that are not finite.
    """
    points = points.double().cpu()
    if not points.isfinite().all():
        raise SampleError(
            "No Gaussians can be fitted to these encodings, as some are not finite numbers: the training of this model "
            "has diverged. Open another model, or one that was saved earlier."
        )
    numbers = [components] if components else range(1, _LARGEST_AUTOMATIC + 1)
    best, least = None, math.inf
    for done, number in enumerate(numbers):
        for item in _em_steps(points, number, seed):
            if isinstance(item, float):
                yield (done + item) / len(numbers)
                continue
            k, d = item.means.shape
            if best is not None and len(points) * item.weights.min() < _FEWEST_POINTS:
                continue
            free = k - 1 + k * d + k * (d * (d + 1) // 2 if item.full else d)
            bic = free * math.log(len(points)) - 2.0 * len(points) * item.log_likelihood
            if bic < least:
                best, least = item, bic
    yield best


def fit(points: Tensor, components: int | None = None, *, seed: int = 0) -> Mixture:
    """The mixture that `fit_steps` finds."""
    *_, mixture = fit_steps(points, components, seed=seed)
    return mixture


def sample(mixture: Mixture, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
    """z = mₖ + τ Lₖ ε, ε ~ N(0, I) and Lₖ Lₖᵀ = Σₖ, for k drawn by the weights: float32 (count, d), on the CPU."""
    weights, means, covariances = (
        torch.from_numpy(part) for part in (mixture.weights, mixture.means, mixture.covariances)
    )
    chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
    noise = torch.randn((count, means.shape[1]), generator=generator, dtype=torch.float64)
    factors = torch.linalg.cholesky(covariances)
    points = means[chosen]
    for k in range(len(weights)):
        points[chosen == k] += temperature * noise[chosen == k] @ factors[k].T
    return points.float()


def _em_steps(points: Tensor, number: int, seed: int) -> Iterator[float | Mixture]:
    n, d = points.shape
    full = d <= _MOST_IN_FULL and n >= _POINTS_A_DIMENSION * d * number
    floor = max(_NARROWEST**2, _FLOOR * float(points.var(dim=0, correction=0).mean()))
    shares = _first_shares(points, number, torch.Generator().manual_seed(seed))
    before = -math.inf
    for step in range(_STEPS):
        found = _maximised(points, shares, floor, full=full)
        joint = found.log_joint(points)
        each = joint.logsumexp(dim=1)
        now = float(each.mean())
        shares = (joint - each[:, None]).exp()
        if step % _STEPS_A_PIECE == 0:
            yield 1.0 - 0.95**step  # nobody knows how many steps it takes
        if now - before < _SETTLED:
            break
        before = now
    parts = (found.weights, found.means, found.covariances)
    yield Mixture(*(part.numpy() for part in parts), full=full, images=n, log_likelihood=now)


def _maximised(points: Tensor, shares: Tensor, floor: float, *, full: bool) -> _Parameters:
    """The M step: weights, means and covariances by each component's shares (n, K) in the points."""
    totals = shares.sum(dim=0).clamp(min=1e-300)
    means = shares.T @ points / totals[:, None]
    factors = []
    for share, total, mean in zip(shares.T, totals, means, strict=True):
        away = points - mean
        if full:
            factors.append(_factor((away * share[:, None]).T @ away / total, floor))
        else:
            factors.append(((share @ away.square()) / total).clamp(min=floor).sqrt())
    return _Parameters(totals / totals.sum(), means, torch.stack(factors))


def _factor(covariance: Tensor, floor: float) -> Tensor:
    """The Cholesky factor of a covariance (d, d), with no eigenvalue below the floor."""
    above = covariance - floor * torch.eye(len(covariance), dtype=covariance.dtype)
    if torch.linalg.cholesky_ex(above).info == 0:
        return torch.linalg.cholesky(covariance)
    values, vectors = torch.linalg.eigh(covariance)
    return torch.linalg.cholesky((vectors * values.clamp(min=floor)) @ vectors.T)


def _first_shares(points: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Each point's nearest of `number` centres, as shares (n, K): fewer where there are fewer different points.

    Of several runs of k-means, each begun by k-means++ (Arthur & Vassilvitskii 2007), the one that is closest.
    """
    best, closest = None, math.inf
    for _ in range(_STARTS if number > 1 else 1):
        centres = _spread(points, number, generator)
        for _ in range(_LLOYD_STEPS):
            nearest = torch.cdist(points, centres).argmin(dim=1)
            shares = torch.nn.functional.one_hot(nearest, len(centres)).double()
            totals = shares.sum(dim=0)[:, None]
            centres = torch.where(totals > 0, shares.T @ points / totals.clamp(min=1.0), centres)
        distance = float((points - centres[nearest]).square().sum())
        if distance < closest:
            best, closest = shares, distance
    return best


def _spread(points: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Points (K, d) far from each other, drawn by the squares of their distances."""
    centres = points[torch.randint(len(points), (1,), generator=generator)]
    while len(centres) < number:
        distances = torch.cdist(points, centres).amin(dim=1).square()
        if not distances.any():
            break
        centres = torch.cat([centres, points[torch.multinomial(distances, 1, generator=generator)]])
    return centres
