"""Estimates of log p(x) and of what z tells of x: slow, so made in pieces that can be watched and given up.

Each `…_steps` yields the fraction done (0 to 1) as it goes, and its result last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vae_studio.core.config import RunConfig
from vae_studio.core.distributions import Bernoulli, ContinuousBernoulli, Gaussian, Laplace
from vae_studio.core.evaluate import evaluation_seed, evaluation_steps, fixed_binarisation, fixed_targets
from vae_studio.core.events import Evaluation
from vae_studio.core.figures import (
    MEMORY,
    NAIVE_IMAGES,
    NAIVE_MOST,
    SUBSET,
    Bound,
    EvaluationRequest,
    Information,
    LogLikelihood,
    Naive,
    NaivePoint,
    Report,
)
from vae_studio.core.model import VAE, to_float
from vae_studio.core.networks import layer_sizes

_BOUNDS = (1, 5, 50, 500, 5000, 50_000)
_SHARED_IN_TWO_DIMENSIONS = 20  # points of the prior for each of an image's own, where so many cover the plane
_GROUPS = 32  # of the shared points, whose differences tell how far these lead all images astray together
_TEMPORARIES = 6  # copies of a decoded image that its log-density takes, and of a weight that its sums take
_ENCODED = 500  # images at a time
_PAIRED = 100  # images that are compared at a time with latent points, where each pair takes many numbers
_MOST_ROWS = 2500  # a processor works fastest on what its cache holds, and more would make cancelling slow


def report_steps(model: VAE, images: Tensor, request: EvaluationRequest) -> Iterator[float | Report]:
    """Everything a request asks for, on grey or colour images uint8 of its split.

    Yields fractions, and a Report each time a part of it is there, the whole one last.
    """
    config = model.config
    seed = evaluation_seed(config) if request.seed is None else request.seed
    images = images.to(model.device)
    targets = fixed_targets(config, images, request.split)
    wants = [1.0, 2.0, 20.0 * bool(request.samples), 10.0 * bool(request.samples and request.naive)]
    wants = wants if model.is_vae else wants[:1]
    ends = [sum(wants[: i + 1]) / sum(wants) for i in range(len(wants))]

    def share(index: int, fraction: float) -> float:
        start = ends[index - 1] if index else 0.0
        return start + fraction * (ends[index] - start)

    report = None
    generator = torch.Generator(model.device).manual_seed(seed)
    for item in evaluation_steps(model, targets, generator, samples=request.posterior_samples):
        if isinstance(item, Evaluation):
            report = Report(request.split, item)
        else:
            yield share(0, item)
    if not model.is_vae:
        yield replace(report, why_not="An auto-encoder has no distribution of images, so that no image has a p(x).")
        return
    yield report
    for item in information_steps(model, targets, _seeded(model, seed + 1), memory=request.memory):
        if isinstance(item, Information):
            report = replace(report, information=item)
            yield report
        else:
            yield share(1, item)
    if not request.samples:
        return
    black_and_white = likelihood_targets(config, images, request.split)
    chosen = subset(len(images), request.images, seed)
    settings = {"samples": request.samples, "memory": request.memory, "of_images": len(images)}
    part = black_and_white[chosen.to(images.device)]
    for item in log_likelihood_steps(model, part, _seeded(model, seed + 2), **settings):
        if isinstance(item, LogLikelihood):
            report = replace(report, likelihood=item)
            yield report
        else:
            yield share(2, item)
    if request.naive:
        part = part[:NAIVE_IMAGES]
        for item in log_likelihood_steps(model, part, _seeded(model, seed + 2), **settings):
            if isinstance(item, LogLikelihood):
                same = item
            else:
                yield share(3, 0.4 * item)
        for item in naive_steps(model, part, _seeded(model, seed + 3), memory=request.memory):
            if isinstance(item, Naive):
                yield replace(report, naive=replace(item, nll=same.nll))
            else:
                yield share(3, 0.4 + 0.6 * item)


def default_images(model: VAE) -> int | None:
    """Over how many images the log-likelihood is estimated unless said otherwise: all on a GPU, 500 elsewhere."""
    return None if model.device.type == "cuda" else SUBSET


def likelihood_targets(config: RunConfig, images: Tensor, split: str) -> Tensor:
    """Images uint8 as the log-likelihood takes them: a Bernoulli's must be black or white, whatever it was trained on.

    For grey targets −log p(x|z) is a mean over binarisations, and the log of a mean is no mean of logs.
    """
    return fixed_binarisation(config, images, split) if config.likelihood.kind == "bernoulli" else images


def subset(count: int, wanted: int | None, seed: int) -> Tensor:
    """Indices of `wanted` random ones of `count` images, or of all in their order."""
    if wanted is None or wanted >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:wanted]


@torch.no_grad()
def log_likelihood_steps(
    model: VAE,
    images: Tensor,
    generator: torch.Generator,
    *,
    samples: int,
    memory: int = MEMORY,
    of_images: int | None = None,
    shared: int | None = None,
    offsets: Tensor | None = None,
) -> Iterator[float | LogLikelihood]:
    """log p(x) by importance sampling for images uint8 on the model's device, in float32.

    K = `samples` points z of each image come from its own q(z|x), and give the bounds log (1/K) Σ p(x|z) p(z) / q(z|x).
    The likelihood takes besides them `shared` points of the prior, the same for all images, weighed against the mixture
    of both (the balance heuristic, Veach & Guibas 1995; Owen & Zhou 2000): an encoder that settles on one of several
    explanations of an image would else leave the others out, and no number of its samples would tell. Left out, it is
    20 K in one and two dimensions, where so many cover the plane, else K, and K / 10 where each pair of a point and an
    image has to be compared pixel by pixel.

    About `memory` bytes are used at a time, by batches of images and, where one image alone needs more, of samples;
    besides that the images, also in double precision, and what the encoder puts out for each. `of_images` says of how
    many images these are a random subset. `offsets` (n,) are added to the images' −log p(x): control variates, whose
    mean over all images is 0.
    """
    shared = _shared_points(model, samples) if shared is None else shared
    task = _Task(model, images, _encoded(model, images), generator, samples, shared, memory)
    from_prior = [_Sums(len(images), images.device) for _ in range(min(_GROUPS, shared))]
    own, bounds = _Sums(len(images), images.device), []
    for fraction in _shared_pass(task, from_prior):
        yield 0.2 * fraction
    start = 0.2 if shared else 0.0
    for fraction in _own_pass(task, own, bounds):
        yield start + (1.0 - start) * fraction
    if offsets is not None:
        offsets = _double(offsets).cpu()
    counts = samples, shared, of_images or len(images)
    yield _log_likelihood(torch.cat(bounds).cpu(), own, from_prior, *counts, offsets=offsets)


def _shared_points(model: VAE, samples: int) -> int:
    if model.latent_dims <= 2:
        return samples * (1 if _by_pixels(model) else _SHARED_IN_TWO_DIMENSIONS)
    return -(-samples // 10) if _by_pixels(model) else samples


@dataclass(frozen=True, slots=True)
class _Task:
    """What both passes of a log-likelihood work on; `outputs` are the encoder's."""

    model: VAE
    images: Tensor
    outputs: Tensor
    generator: torch.Generator
    samples: int
    shared: int
    memory: int

    @property
    def log_shares(self) -> tuple[float, float]:
        """Logarithms of the shares that an image's own points and the shared ones have of all of its points."""
        own = self.samples / (self.samples + self.shared)
        return math.log(own), math.log1p(-own) if self.shared else -math.inf


def _shared_pass(task: _Task, groups: list[_Sums]) -> Iterator[float]:
    """Add the weights of the shared points of the prior to the groups' sums, taking turns, for all images."""
    if not task.shared:
        return
    model, (log_own, log_shared) = task.model, task.log_shares
    pixels, a_time, done = _Pixels.of(task.images), _pair_rows(model, len(task.images), task.memory), 0
    while done < task.shared:
        z = model.sample_prior(min(a_time, task.shared - done), task.generator)
        ratio = model.prior.log_prob(z).unsqueeze(1) - _log_posteriors(model, task.outputs, z)
        # Of p(x|z) p(z) / (share · q + share · p), with p(z) taken out above and below.
        mixture = torch.logaddexp(log_own - ratio, torch.full_like(ratio, log_shared))
        log_weights = _log_likelihoods(model, z, pixels) - _double(mixture)
        for index, group in enumerate(groups):
            group.add(log_weights[(index - done) % len(groups) :: len(groups)])
        done += len(z)
        yield done / task.shared


def _own_pass(task: _Task, sums: _Sums, bounds: list[Tensor]) -> Iterator[float]:
    """Add the weights of K points of each image's own q(z|x) to its sums, and its bounds to `bounds`."""
    model, images, (log_own, log_shared) = task.model, task.images, task.log_shares
    rows = _rows(model, task.memory)
    a_time = max(1, min(len(images), rows // task.samples))
    for start in range(0, len(images), a_time):
        x = to_float(images[start : start + a_time])
        posterior = model.posterior(task.outputs[start : start + a_time])
        weights, of_mixture = [], []
        for done in range(0, task.samples, rows):
            z = posterior.sample(model.noise((min(rows, task.samples - done), len(x)), task.generator))
            ratio = model.prior.log_prob(z) - posterior.log_prob(z)
            weight = _double(model.decode(z).log_prob(x) + ratio)
            mixture = torch.logaddexp(torch.full_like(ratio, log_own), log_shared + ratio)
            weights.append(weight)
            of_mixture.append(weight - _double(mixture))
            yield (start + len(x) * min(1.0, (done + rows) / task.samples)) / len(images)
        sums.add(torch.cat(of_mixture), slice(start, start + a_time))
        bounds.append(_bounds(torch.cat(weights)))


def _encoded(model: VAE, images: Tensor) -> Tensor:
    """What the encoder puts out for images uint8, in float32: (n, …)."""
    outputs = torch.empty(len(images), model.encoder[-1].out_features, device=images.device)
    for start in range(0, len(images), _ENCODED):
        outputs[start : start + _ENCODED] = model.encoder(to_float(images[start : start + _ENCODED]))
    return outputs


class _Sums:
    """Sums of weights and of their squares for each image, as logarithms in double precision."""

    def __init__(self, images: int, device: torch.device) -> None:
        self.first = _double(torch.full((images,), -math.inf, device=device))
        self.second = self.first.clone()

    def add(self, log_weights: Tensor, where: slice = slice(None)) -> None:
        """Add weights (n, images) in double precision, of the images in `where`."""
        self.first[where] = torch.logaddexp(self.first[where], log_weights.logsumexp(dim=0))
        self.second[where] = torch.logaddexp(self.second[where], (2.0 * log_weights).logsumexp(dim=0))


def _sizes(samples: int) -> list[int]:
    """The sizes of the groups of weights that bounds are made of, each dividing the next."""
    return [k for k in _BOUNDS if k < samples and samples % k == 0] + [samples]


def _bounds(log_weights: Tensor) -> Tensor:
    """From log-weights (K, B) the lower bounds of log p(x), for each image and size of groups: (B, sizes)."""
    samples, columns = len(log_weights), []
    for size in _sizes(samples):
        groups = log_weights.unflatten(0, (-1, size))
        columns.append((groups.logsumexp(dim=1) - math.log(size)).mean(dim=0))
    return torch.stack(columns, dim=1)


def _log_likelihood(
    bounds: Tensor,
    own: _Sums,
    groups: list[_Sums],
    samples: int,
    shared: int,
    of_images: int,
    *,
    offsets: Tensor | None,
) -> LogLikelihood:
    first = torch.stack([own.first, *(group.first for group in groups)]).cpu()
    second = torch.stack([own.second, *(group.second for group in groups)]).cpu()
    total = first.logsumexp(dim=0)
    nll, ess = math.log(samples + shared) - total, (2.0 * total - second.logsumexp(dim=0)).exp()
    if offsets is not None:
        nll = nll + offsets
    count = len(nll)
    by_samples = _error_of_samples((first - total).exp(), (second[0] - 2.0 * total).exp(), samples, shared)
    by_images = 0.0
    if count < of_images:
        by_images = float(nll.std()) / math.sqrt(count) * math.sqrt(1.0 - count / of_images) if count > 1 else math.nan
    return LogLikelihood(
        images=count,
        of_images=of_images,
        samples=samples,
        nll=float(nll.mean()),
        nll_se=math.hypot(by_samples, by_images),
        nll_se_samples=by_samples,
        nll_se_images=by_images,
        ess=float(ess.mean()),
        ess_lowest=float(ess.min()),
        shared_samples=shared,
        bounds=tuple(Bound(k, -float(v)) for k, v in zip(_sizes(samples), bounds.mean(dim=0), strict=True)),
    )


def _error_of_samples(shares: Tensor, squares: Tensor, samples: int, shared: int) -> float:
    """The standard error of the mean over images of log Σw, by the delta method; not a number for one sample.

    `shares` (1 + groups, images) of Σw come from an image's own samples and from groups of the shared points,
    `squares` (images,) is the own Σw² over (Σw)². Own samples err for each image by itself, shared ones for all alike.
    """
    if samples == 1:
        return math.nan
    count, groups = shares.shape[1], len(shares) - 1
    own = (squares - shares[0].square() / samples).clamp(min=0.0).sum() * samples / (samples - 1) / count**2
    if groups < 2:
        return math.sqrt(float(own))
    # Points went round the groups, so that the first of these may have one more.
    sizes = torch.tensor([len(range(first, shared, groups)) for first in range(groups)])
    together = shares[1:].mean(dim=1)
    away = together - together.sum() * sizes / shared
    return math.sqrt(float(own + away.square().sum() * groups / (groups - 1)))


@torch.no_grad()
def naive_steps(
    model: VAE, images: Tensor, generator: torch.Generator, *, most: int = NAIVE_MOST, memory: int = MEMORY
) -> Iterator[float | Naive]:
    """log p(x) ≈ log (1/M) Σ p(x|z), z ~ p(z), for M = 10, 100, … `most` (Keng 2017, equation 7).

    The same draws serve all images uint8, and the first of them the smaller M. `nll` of the result is not a number.
    """
    pixels, seen, points, done = _Pixels.of(images), _Sums(len(images), images.device), [], 0
    a_time = _pair_rows(model, len(images), memory)
    for goal in (10**n for n in range(1, 1 + round(math.log10(most)))):
        while done < goal:
            count = min(goal - done, a_time)
            seen.add(_log_likelihoods(model, model.sample_prior(count, generator), pixels))
            done += count
            yield done / most
        ess = (2.0 * seen.first - seen.second).exp()
        points.append(NaivePoint(goal, float((math.log(goal) - seen.first).mean()), float(ess.mean())))
    yield Naive(len(images), math.nan, tuple(points))


@dataclass(frozen=True, slots=True)
class _Pixels:
    """Images uint8 as they are compared with many points: in double precision as columns (pixels, n), too."""

    images: Tensor
    columns: Tensor

    @classmethod
    def of(cls, images: Tensor) -> _Pixels:
        return cls(images, (_double(to_float(images).flatten(1))).T)


def _log_likelihoods(model: VAE, z: Tensor, pixels: _Pixels) -> Tensor:
    """log p(x|z) for every z (M, d) and every one of n images: (M, n), in double precision.

    In most families log p(x|z) − log p(0|z) is a polynomial in x, so that matrix products serve all pairs at once.
    """
    outputs = model.decoder(z)
    likelihood = model.likelihood(outputs)
    match likelihood:
        case Bernoulli(logits) | ContinuousBernoulli(logits):
            logits = _double(logits)
            of_black = type(likelihood)(logits).log_prob(torch.zeros_like(logits))
            return of_black.unsqueeze(1) + logits.flatten(1) @ pixels.columns
        case Gaussian(mean, log_scale):
            mean, log_scale = _double(mean), _double(log_scale)
            of_black = Gaussian(mean, log_scale).log_prob(torch.zeros_like(mean))
            precision = (-2.0 * log_scale).exp().expand_as(mean)
            linear, square = (precision * mean).flatten(1), precision.flatten(1)
            return of_black.unsqueeze(1) + linear @ pixels.columns - 0.5 * square @ pixels.columns.square()
        case Laplace(mean, log_scale) if not log_scale.dim():
            mean, log_scale = _double(mean), _double(log_scale)
            away = torch.cdist(mean.flatten(1), pixels.columns.T, p=1.0)
            return Laplace(mean, log_scale).log_prob(mean).unsqueeze(1) - (-log_scale).exp() * away
    likelihood = model.likelihood(outputs.unsqueeze(1))
    parts = (to_float(part) for part in pixels.images.split(_PAIRED))
    return _double(torch.cat([likelihood.log_prob(x) for x in parts], dim=1))


def _log_posteriors(model: VAE, outputs: Tensor, z: Tensor) -> Tensor:
    """log q(z|x) for every z (M, d) and every image, given what the encoder put out for it: (M, B)."""
    parts = [model.posterior(part).log_prob(z.unsqueeze(1)) for part in outputs.split(_PAIRED)]
    return torch.cat(parts, dim=1)


def _double(values: Tensor) -> Tensor:
    """In double precision; Apple's GPUs have none."""
    return (values.cpu() if values.device.type == "mps" else values).double()


@torch.no_grad()
def information_steps(
    model: VAE, images: Tensor, generator: torch.Generator, *, samples: int = 1000, memory: int = MEMORY
) -> Iterator[float | Information]:
    """Mutual information and the aggregate posterior's KL from the prior, on images uint8; see `Information`."""
    outputs = _encoded(model, images)
    yield 0.3
    samples = min(samples, len(images))
    chosen = torch.randperm(len(images), generator=generator, device=images.device)[:samples]
    own = model.posterior(outputs[chosen])
    z = own.sample(model.noise((samples,), generator))
    a_time = _pair_rows(model, len(images), memory)
    mixture = []
    for start in range(0, samples, a_time):
        each = _double(_log_posteriors(model, outputs, z[start : start + a_time]))
        mixture.append(each.logsumexp(dim=1) - math.log(len(images)))
        yield 0.3 + 0.7 * min(1.0, (start + a_time) / samples)
    aggregate = torch.cat(mixture)
    information = _double(own.log_prob(z)) - aggregate
    divergence = aggregate - _double(model.prior.log_prob(z))
    yield Information(len(images), samples, *_mean_and_error(information), *_mean_and_error(divergence))


def _mean_and_error(values: Tensor) -> tuple[float, float]:
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), error


def _rows(model: VAE, memory: int) -> int:
    """How many latent points can be decoded and compared with an image at a time."""
    return max(1, min(_MOST_ROWS, memory // (4 * _floats_a_row(model))))


def _by_pixels(model: VAE) -> bool:
    """Whether points and images have to be compared pixel by pixel: no matrix product does it for this likelihood."""
    likelihood = model.config.likelihood
    return likelihood.kind == "laplace" and likelihood.scale == "per-pixel"


def _pair_rows(model: VAE, images: int, memory: int) -> int:
    """As `_rows`, where each point and each decoded image is compared with `images` images."""
    paired = math.prod(model.image_shape) if _by_pixels(model) else model.latent_dims
    pairs = 2 * images + min(images, _PAIRED) * paired  # a double takes the room of two floats
    exact = 2 * _TEMPORARIES * math.prod(model.image_shape)
    return max(1, min(_MOST_ROWS, memory // (4 * (_floats_a_row(model) + exact + _TEMPORARIES * pairs))))


def _floats_a_row(model: VAE) -> int:
    """Numbers in memory for one decoded image: its widest layer with what goes in, and temporaries of its pixels."""
    point = torch.zeros(1, model.latent_dims, device=model.device)
    widest = max(inputs + outputs for inputs, outputs in layer_sizes(model.decoder, point))
    return widest + _TEMPORARIES * math.prod(model.image_shape)


def _seeded(model: VAE, seed: int) -> torch.Generator:
    return torch.Generator(model.device).manual_seed(seed % 2**63)
