"""What a model makes of test images, and of draws from its prior; the outlines of that prior on a plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from vae_studio.core.model import VAE, to_float, to_pixels
from vae_studio.core.plane import Plane
from vae_studio.core.priors import StandardNormal
from vae_studio.core.scene import EXPECTATION_DRAWS, Contour, Expectation, Pictures, PicturesFrame, Version

_IMAGES_A_CALL = 400  # that are decoded
_AMPLIFICATIONS = (1, 2, 5, 10, 20, 50, 100)


def contours_of(model: VAE, plane: Plane) -> tuple[Contour, ...]:
    """The outlines of the model's prior on a plane.

    An auto-encoder has none; its codes are standardised, so that circles show their standard deviations (sd).
    """
    if model.is_vae:
        return model.prior.contours(plane)
    circles = StandardNormal(model.latent_dims).contours(plane)
    return tuple(replace(circle, name=circle.name.replace("σ", " sd")) for circle in circles)


def picture_steps(model: VAE, version: Version, request: Pictures) -> Iterator[PicturesFrame | None]:
    """Reconstructions g(E[z]) at the posterior means, and means of p(x|z) for `samples` draws of z from the prior.

    If it is asked for, a second frame has the expectation E[g(z)] too, the mean of g over 200 draws of z from q(z|x);
    None comes between pieces of the work. Every draw μ + σε has its opposite μ − σε, as likely where a posterior is
    symmetric, as all of ours are: so a linear g shows no difference, and what shows is that g is not linear.
    """
    x = to_float(torch.from_numpy(request.images).to(model.device))
    posterior = model.encode(x)
    at_mean = model.decode(posterior.mean).mean
    z = model.sample_prior(request.samples, torch.Generator().manual_seed(request.seed)).to(model.device)
    frame = PicturesFrame(version, request, to_pixels(at_mean), to_pixels(model.decode(z).mean))
    yield frame
    if not request.expectation:
        return
    generator = torch.Generator().manual_seed(request.seed + 1)
    total, pairs = torch.zeros_like(at_mean), EXPECTATION_DRAWS // 2
    a_call = max(1, _IMAGES_A_CALL // (2 * len(x)))
    for start in range(0, pairs, a_call):
        noise = model.noise((min(a_call, pairs - start), len(x)), generator).to(model.device)
        total += model.decode(posterior.sample(torch.cat([noise, -noise]))).mean.sum(dim=0)
        yield None
    expected = total / (2 * pairs)
    difference = (expected - at_mean).abs()
    mean, largest = (255.0 * torch.stack([difference.mean(), difference.max()])).tolist()
    factor = max((factor for factor in _AMPLIFICATIONS if factor * largest <= 255.0), default=1)
    pixels = to_pixels(expected), to_pixels(factor * difference)
    yield replace(frame, expectation=Expectation(*pixels, factor, mean))
