"""Samples of latent space: what is asked for, and what comes of it. Imports no torch.

An image is uint8, (H, W) in grey or (H, W, 3) in colour; (n, …) stands for n of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vae_studio.core.errors import UserError
from vae_studio.core.exploration import Point
from vae_studio.core.latent import MAX_COORDINATE, MAX_SCALE, MAX_SIDE, MAX_SPACING

MAX_SAMPLES = 10_000
MAX_TEMPERATURE = 10.0
MAX_RADIUS = 1000.0
MAX_COMPONENTS = 20
MAX_SEED = 999_999
RADIUS = 0.5


class SampleError(UserError, ValueError):
    """Samples were asked for that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Prior:
    """z ~ p(z). An auto-encoder has none: its codes are standardised, so that N(0, I) stands for their spread."""


@dataclass(frozen=True, slots=True)
class Around:
    """z ~ N(point, r² I), `radius` r in latent units."""

    point: Point
    radius: float = RADIUS


@dataclass(frozen=True, slots=True)
class OfClass:
    """z from a mixture of Gaussians fitted to the encodings of the training images of class `number`.

    `components` None leaves their number to the data.
    """

    number: int
    components: int | None = None


Source = Prior | Around | OfClass


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """`count` points from a source, and their images: means of p(x|z), or with `draw` a draw from each.

    The temperature τ multiplies the source's standard deviations: 1 leaves them, 0 gives means only. Two requests that
    differ in nothing but τ or the radius have the same noise. Raises SampleError for values outside the limits.
    """

    source: Source = Prior()
    temperature: float = 1.0
    count: int = 60
    draw: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        source = self.source
        checks = [
            ("The number of samples", self.count, 1, MAX_SAMPLES),
            ("The temperature", self.temperature, 0.0, MAX_TEMPERATURE),
            ("The seed", self.seed, 0, MAX_SEED),
        ]
        if isinstance(source, Around):
            checks.append(("The radius", source.radius, 0.0, MAX_RADIUS))
            if not all(abs(value) <= MAX_COORDINATE for value in source.point):
                raise SampleError(f"The point must have finite coordinates, at most {MAX_COORDINATE:,.0f} from 0.")
        elif isinstance(source, OfClass) and source.components is not None:
            checks.append(("The number of components", source.components, 1, MAX_COMPONENTS))
        for name, value, low, high in checks:
            if not (math.isfinite(value) and low <= value <= high):
                raise SampleError(f"{name} must lie between {low:g} and {high:,g} (it was {value:g}).")


@dataclass(frozen=True, slots=True)
class Mixture:
    """Σ wₖ N(mₖ, Σₖ): float64 `weights` (K,), `means` (K, d) and `covariances` (K, d, d), diagonal unless `full`.

    Fitted to so many `images`; `log_likelihood` is their mean log-density in nats.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    full: bool
    images: int
    log_likelihood: float


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """The points that were drawn, float32 (n, latent_dims), and of each its image: uint8 (n, …).

    `mixture` is what the class was fitted by, None for other sources.
    """

    request: SampleRequest
    points: np.ndarray
    images: np.ndarray
    mixture: Mixture | None = None


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """A sheet as one picture: `cols` images across, `scale` repeats each pixel, `spacing` pixels between images."""

    cols: int
    scale: int = 1
    spacing: int = 0

    def size(self, count: int, height: int, width: int) -> tuple[int, int]:
        """Width and height in pixels of so many images. Raises SampleError for what is impossible or too large."""
        for name, value, low, high in (
            ("The number of columns", self.cols, 1, count),
            ("The scale", self.scale, 1, MAX_SCALE),
            ("Spacing", self.spacing, 0, MAX_SPACING),
        ):
            if not low <= value <= high:
                raise SampleError(f"{name} must lie between {low} and {high} (it was {value}).")
        rows = -(-count // self.cols)
        across = self.cols * width * self.scale + (self.cols - 1) * self.spacing
        down = rows * height * self.scale + (rows - 1) * self.spacing
        if max(across, down) > MAX_SIDE:
            raise SampleError(
                f"The picture would be {across:,} × {down:,} pixels; at most {MAX_SIDE:,} a side are possible. "
                "Choose fewer samples, another number of columns or a smaller scale."
            )
        return across, down
