"""What one image is asked, and what is found out about it: values only. Imports no torch and reads no files.

Figures are in nats and of this image alone; latent points are float64 (d,). Images are uint8, (H, W) or (H, W, 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vae_studio.core.plane import Plane, covariances_on, ellipse

Family = Literal["gaussian", "laplace", "code"]
Switch = Literal["auto", "on", "off"]
MAX_PIXELS = 64_000_000
"""Of a picture that is read or pasted."""
KEPT_SIDE = 1024
"""Pixels: what is larger is made smaller when it is read, since no encoder sees more."""
DRAW_SIDE = 280
"""Pixels a side of a canvas to draw on: ten for each pixel of an MNIST image."""


def fits(image: np.ndarray, image_shape: tuple[int, int, int]) -> bool:
    """Whether an image is one of a model of this shape (channels, height, width)."""
    channels, height, width = image_shape
    return image.shape == ((height, width) if channels == 1 else (height, width, channels))


@dataclass(frozen=True, slots=True)
class Preparation:
    """The steps from any picture to what an encoder of MNIST's images expects; each can be left out.

    `invert` makes dark ink on light paper light on dark; on *auto* where the picture's border is light. `paper` takes
    the paper away, even where it is lit unevenly, and makes the strongest ink white. `scale` puts the ink's bounding
    box into 20 × 20 of 28 × 28 pixels, in proportion for other sizes. `centre` moves its centre of mass to the middle.
    """

    invert: Switch = "auto"
    paper: bool = True
    scale: bool = True
    centre: bool = True

    @classmethod
    def of(cls, image_shape: tuple[int, int, int]) -> Preparation:
        """What suits images of this shape (channels, height, width): all steps, but for pictures in colour none."""
        return cls() if image_shape[0] == 1 else cls("off", False, False, False)

    def with_values(self, **values: object) -> Preparation:
        """Some steps otherwise."""
        return replace(self, **values)

    def of_a_drawing(self) -> Preparation:
        """The same for a canvas, whose ink and paper are known."""
        return replace(self, invert="off", paper=False)


@dataclass(frozen=True, slots=True)
class Posterior:
    """q(z|x) of one image: `mean` and standard deviations `scale`, float64 (d,); a code's are 0.

    `covariance` (d, d) is None where the dimensions are independent.
    """

    family: Family
    mean: np.ndarray
    scale: np.ndarray
    covariance: np.ndarray | None = None

    def on_plane(self, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
        """Mean (2,) and covariance (2, 2) of the two coordinates; in a model with one dimension, the second is 0."""
        spread = np.square(self.scale) if self.covariance is None else self.covariance
        return plane.coordinates(self.mean[None])[0], covariances_on(plane, spread[None])[0]

    def outlines(self, plane: Plane, corners: int = 96) -> tuple[np.ndarray, ...]:
        """Where q(z|x) lies on a plane: two closed lines float64 (n, 2), the inner one first.

        Of a Gaussian the ellipses one and two standard deviations from the mean; of a Laplace distribution the level
        sets that hold as much as these do, or such ellipses on a plane at an angle to the latent dimensions; of a code
        none.
        """
        if self.family == "code":
            return ()
        mean, covariance = self.on_plane(plane)
        if self.family == "laplace" and plane.along_axes:
            b = np.sqrt(np.diag(covariance) / 2.0)
            unit = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0)])
            return tuple(mean + _laplace_reach(sigmas, 1 if plane.is_line else 2) * b * unit for sigmas in (1, 2))
        return tuple(ellipse(mean, covariance, sigmas, corners) for sigmas in (1, 2))


def _laplace_reach(sigmas: int, dims: int) -> float:
    """t with P(|z₁| + … > b t) = e^(−sigmas²/2) for one or two Laplace variables of scale b, by bisection."""
    outside, low, high = math.exp(-(sigmas**2) / 2), 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        beyond = (1 + middle * (dims - 1)) * math.exp(-middle)
        low, high = (middle, high) if beyond > outside else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class Bound:
    """−ELBO of one image and its parts, as means over `samples` of q(z|x), with the standard error of −ELBO.

    An auto-encoder has only `reconstruction`, its error, and no KL.
    """

    reconstruction: float
    kl: float
    se: float
    samples: int

    @property
    def neg_elbo(self) -> float:
        return self.reconstruction + self.kl


@dataclass(frozen=True, slots=True)
class Likelihood:
    """−log p(x) of one image, estimated with `samples` importance samples of q(z|x), its standard error and ESS.

    Grey pixels under a Bernoulli likelihood stand for probabilities of white: then it is the mean over so many
    `binarisations` of the image, which −ELBO on grey pixels bounds; else there is one, the image itself.
    """

    nll: float
    nll_se: float
    ess: float
    samples: int
    binarisations: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model makes of one image; the likelihood comes later, and never for an auto-encoder."""

    bound: Bound
    likelihood: Likelihood | None = None

    def with_likelihood(self, likelihood: Likelihood) -> Judgement:
        return replace(self, likelihood=likelihood)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The training images nearest to an image, by the distance of their pixels (root of the mean square, grey levels).

    `images` (k, …), nearest first, with `labels` (k,), `distances` (k,) and `indices` (k,) in the training set.
    """

    images: np.ndarray
    labels: np.ndarray
    distances: np.ndarray
    indices: np.ndarray
    class_names: tuple[str, ...]

    def majority(self) -> str:
        """The name of the class that most of them are of; the nearest one's where classes are level."""
        counts = np.bincount(self.labels)
        best = next(int(label) for label in self.labels if counts[label] == counts.max())
        return self.class_names[best]


@dataclass(frozen=True, slots=True)
class Improvement:
    """Where q(z|x) of one image is after some gradient steps on its own ELBO.

    `posterior` has no more of the encoder in it than where it began. −ELBO is over the same noise at every step, so
    that steps can be compared. `reconstruction` is g(μ). The `last` one is the best.
    """

    step: int
    steps: int
    posterior: Posterior
    bound: Bound
    reconstruction: np.ndarray
    error: np.ndarray
    last: bool = False


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the map shows of one image: q(z|x)'s `centre` and `outlines`, float64 (n, 2), on its plane.

    While it is improved, `trail` (n, 2) is the way its centre went, and `begun` are the encoder's outlines.
    """

    centre: tuple[float, float]
    outlines: tuple[np.ndarray, ...]
    begun: tuple[np.ndarray, ...] = ()
    trail: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        plane: Plane,
        begun: Posterior | None = None,
        way: tuple[np.ndarray, ...] = (),
    ) -> Footprint:
        """On this plane; `way` has the means that there were, each (d,)."""
        centre = posterior.on_plane(plane)[0]
        trail = plane.coordinates(np.stack(way)) if way else None
        place = float(centre[0]), float(centre[1])
        return cls(place, posterior.outlines(plane), () if begun is None else begun.outlines(plane), trail)
