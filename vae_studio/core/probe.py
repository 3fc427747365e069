"""What a model makes of one image: its q(z|x), bound and likelihood, its nearest training images, a better q(z|x).

Whatever takes longer than a frame is made in pieces: each `…_steps` yields the fraction done (0 to 1), its result last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vae_studio.core import distributions
from vae_studio.core.datasets import ImageSet
from vae_studio.core.distributions import Code, DiagonalLaplace, FullGaussian
from vae_studio.core.errors import UserError
from vae_studio.core.estimate import log_likelihood_steps
from vae_studio.core.figures import LogLikelihood
from vae_studio.core.model import VAE, binarise, to_float, to_pixels
from vae_studio.core.objective import Terms, terms
from vae_studio.core.probing import Bound, Improvement, Judgement, Likelihood, Neighbours, Posterior

BOUND_SAMPLES = 500
LIKELIHOOD_SAMPLES = 1000
BINARISATIONS = 16
NEIGHBOURS = 8
IMPROVE_STEPS = 300
_OF_ANY = 10**9  # a few binarisations stand for as many as there may be
_OFFSET_SAMPLES = 100
_NOISE = 32  # samples of q(z|x) for a gradient
_JUDGED = 200  # samples of q(z|x), the same each time, that tell how good it is
_JUDGED_EVERY = 5
_RATE = 0.1
_BETAS = (0.9, 0.95)  # the second one lower than usual: gradients shrink a thousandfold on the way
_NARROWEST = 0.01  # latent units
_FRAMES_A_SECOND = 30
_COMPARED = 4000  # training images at a time


class ProbeError(UserError, ValueError):
    """Something was asked of an image that this model has no answer to; the message says why."""


def posterior_of(posterior: distributions.Posterior | Code, index: int = 0) -> Posterior:
    """One image's q(z|x) as plain numbers."""
    mean, scale = (values[index].detach().double().cpu().numpy() for values in (posterior.mean, posterior.scale))
    if isinstance(posterior, Code):
        return Posterior("code", mean, scale)
    if isinstance(posterior, FullGaussian):
        factor = posterior.factor[index].detach().double().cpu().numpy()
        return Posterior("gaussian", mean, scale, factor @ factor.T)
    return Posterior("laplace" if isinstance(posterior, DiagonalLaplace) else "gaussian", mean, scale)


@torch.no_grad()
def reconstruct(model: VAE, image: np.ndarray) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """q(z|x) of an image uint8, its reconstruction g(μ), and their absolute difference, both uint8 like the image."""
    x = to_float(torch.from_numpy(image[None]).to(model.device))
    posterior = model.encode(x)
    return posterior_of(posterior), *_reconstruction(model, posterior.mean, x)


def _reconstruction(model: VAE, mean: Tensor, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    decoded = model.decode(mean).mean
    return to_pixels(decoded)[0], to_pixels((x - decoded).abs())[0]


@torch.no_grad()
def judge_steps(model: VAE, image: np.ndarray, *, seed: int = 0) -> Iterator[float | Judgement]:
    """−ELBO and its parts, then log p(x) by importance sampling, of an image uint8 as the encoder gets it.

    Under a Bernoulli likelihood grey pixels are no values that x can have: −ELBO is then its mean over binarisations of
    the image, which is what it is on grey pixels, and −log p(x) its mean over 16 of them, so that the first bounds the
    second. An auto-encoder has only its reconstruction error.
    """
    generator = torch.Generator(model.device).manual_seed(seed % 2**63)
    pixels = torch.from_numpy(image[None]).to(model.device)
    x = to_float(pixels)
    judgement = Judgement(_bound(model, x, generator))
    yield judgement
    if not model.is_vae:
        return
    grey = model.config.likelihood.kind == "bernoulli" and bool(((pixels != 0) & (pixels != 255)).any())
    settings = {"samples": LIKELIHOOD_SAMPLES}
    if grey:
        pixels = torch.cat([binarise(pixels, generator) for _ in range(BINARISATIONS)])
        settings |= {"of_images": _OF_ANY, "offsets": _offsets(model, x, to_float(pixels), generator)}
    for item in log_likelihood_steps(model, pixels, generator, **settings):
        if isinstance(item, LogLikelihood):
            found = Likelihood(item.nll, item.nll_se, item.ess, item.samples, len(pixels))
            yield judgement.with_likelihood(found)
        else:
            yield item


def _offsets(model: VAE, x: Tensor, binarised: Tensor, generator: torch.Generator) -> Tensor:
    """For each binarisation of an image, how far E log p(x|z) under q(z|x) is from the grey image's: (n,).

    Under a Bernoulli likelihood that is linear in x: its mean over all binarisations is 0, and it takes most of their
    chance away.
    """
    z = model.encode(x).sample(model.noise((_OFFSET_SAMPLES, 1), generator))
    logits = model.decode(z).logits.float().mean(dim=0)
    return ((binarised - x) * logits).flatten(1).sum(dim=1)


def _bound(model: VAE, x: Tensor, generator: torch.Generator) -> Bound:
    """−ELBO by 500 samples, its KL in closed form where there is one."""
    samples = BOUND_SAMPLES if model.is_vae else 1
    return _bound_of(terms(model, x, model.noise((samples, 1), generator), sampled=not model.config.closed_form_exists))


def _bound_of(parts: Terms) -> Bound:
    values = -parts.log_likelihood[:, 0].double()
    if parts.log_ratio is not None:
        values = values + parts.log_ratio[:, 0].double()
    samples = len(values)
    error = float(values.std()) / math.sqrt(samples) if samples > 1 else 0.0
    return Bound(float(parts.reconstruction[0]), float(parts.kl[0]), error, samples)


def neighbour_steps(
    image: np.ndarray, images: ImageSet, class_names: tuple[str, ...], *, count: int = NEIGHBOURS
) -> Iterator[float | Neighbours]:
    """The `count` training images whose pixels are nearest to those of an image uint8, by the Euclidean distance."""
    x = torch.from_numpy(image).flatten().float()
    squares = []
    for start in range(0, len(images), _COMPARED):
        part = images.images[start : start + _COMPARED].flatten(1).float()
        squares.append((part - x).square().mean(dim=1))
        yield min(1.0, (start + _COMPARED) / len(images))
    distances = torch.cat(squares).sqrt()
    nearest = distances.topk(min(count, len(distances)), largest=False)
    chosen = images.select(nearest.indices)
    arrays = (part.numpy() for part in (chosen.images, chosen.labels, nearest.values, nearest.indices))
    yield Neighbours(*arrays, class_names)


def improve_steps(
    model: VAE, image: np.ndarray, *, steps: int = IMPROVE_STEPS, rate: float = _RATE, seed: int = 0
) -> Iterator[Improvement]:
    """Gradient steps on the ELBO of one image uint8, in q(z|x)'s own parameters, from the encoder's answer on.

    What the encoder gives up by serving all images with one network, the amortisation gap (Cremer, Li & Duvenaud 2018,
    arXiv 1801.03558), is what these steps gain. The parameters are those that the encoder puts out: means, logarithms
    of scales, and a full covariance's factor; by Adam, with a rate that falls to 0. The model is not touched. Yields
    where it is about 30 times a second, and last the best of every fifth, the encoder's answer included.
    Raises ProbeError for an auto-encoder.
    """
    if not model.is_vae:
        raise ProbeError("An auto-encoder has no ELBO that could be improved: its encoder gives a code, no q(z|x).")
    x = to_float(torch.from_numpy(image[None]).to(model.device))
    generator = torch.Generator(model.device).manual_seed(seed % 2**63)
    judged = model.noise((_JUDGED, 1), generator)
    with torch.no_grad():
        start = model.encoder(x)
        begun = model.posterior(start)
    moved = torch.zeros_like(start, requires_grad=True)
    optimiser = torch.optim.Adam([moved], lr=rate, betas=_BETAS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best = _improvement(model, x, start, judged, 0, steps)
    yield best
    shown = time.monotonic()
    for step in range(1, steps + 1):
        with torch.enable_grad():
            loss = _parts(model, x, _after(begun, start, moved), model.noise((_NOISE, 1), generator)).neg_elbo.sum()
            (moved.grad,) = torch.autograd.grad(loss, [moved])
        if not moved.grad.isfinite().all():
            break
        optimiser.step()
        schedule.step()
        if step % _JUDGED_EVERY and step < steps:
            continue
        current = _improvement(model, x, _after(begun, start, moved.detach()), judged, step, steps)
        if current.bound.neg_elbo < best.bound.neg_elbo:
            best = current
        if time.monotonic() - shown >= 1 / _FRAMES_A_SECOND:
            shown = time.monotonic()
            yield current
    yield replace(best, last=True)


def _after(begun: distributions.Posterior, start: Tensor, moved: Tensor) -> Tensor:
    """The encoder's outputs `start` (1, n) of the q(z|x) `begun`, moved by so many steps of a suitable length.

    Means move by the standard deviations they had, so that a narrow q(z|x) is not overshot, logarithms by one, and what
    lies below a factor's diagonal by what its row's diagonal is now.
    """
    dims = begun.mean.shape[-1]
    sizes = [dims, dims, start.shape[-1] - 2 * dims]
    (mean, logs, below), (mean_steps, log_steps, below_steps) = start.split(sizes, -1), moved.split(sizes, -1)
    mean, new_logs = mean + begun.scale.clamp(min=_NARROWEST) * mean_steps, logs + log_steps
    if isinstance(begun, FullGaussian):
        rows, _ = torch.tril_indices(dims, dims, offset=-1, device=start.device)
        below = (below / logs.exp()[:, rows] + below_steps) * new_logs.exp()[:, rows]
    return torch.cat([mean, new_logs, below], dim=-1)


def _parts(model: VAE, x: Tensor, outputs: Tensor, noise: Tensor) -> Terms:
    """The terms of −ELBO where q(z|x) has these parameters in place of what the encoder puts out."""
    return terms(model, x, noise, sampled=not model.config.closed_form_exists, posterior=model.posterior(outputs))


@torch.no_grad()
def _improvement(model: VAE, x: Tensor, outputs: Tensor, noise: Tensor, step: int, steps: int) -> Improvement:
    parts = _parts(model, x, outputs, noise)
    pictures = _reconstruction(model, parts.posterior.mean, x)
    return Improvement(step, steps, posterior_of(parts.posterior), _bound_of(parts), *pictures)
