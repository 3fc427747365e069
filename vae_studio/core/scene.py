"""What the explorer is to show (a frozen Scene) and what it then shows (Frames). Imports no torch.

A Scene carries its frozen model, so weights and points cannot disagree. Whatever a Frame holds is a fresh array
that nobody writes to again, so no locks are needed. An image is uint8, (H, W) in grey or (H, W, 3) in colour; (n, …)
stands for n of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_studio.core.plane import Plane
from vae_studio.core.probing import Posterior

EXPECTATION_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Version:
    """Which weights: `lineage` counts models opened and runs begun, `number` counts snapshots within one."""

    lineage: int
    number: int


@dataclass(frozen=True, slots=True)
class View:
    """The part of the plane that is visible, in latent units, and its size in logical pixels."""

    left: float
    right: float
    bottom: float
    top: float
    width: int
    height: int

    @property
    def units_per_pixel(self) -> float:
        return (self.right - self.left) / self.width


@dataclass(frozen=True, slots=True)
class TestImages:
    """Test images (n, …) as the encoder is meant to see them, labels uint8 (n,), and the names of the classes."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        height, width, *channels = self.images.shape[1:]
        return (*channels, height, width) if channels else (1, height, width)

    def present_names(self) -> tuple[str, ...]:
        """The names by class, empty for a class that no image is of."""
        present = set(np.unique(self.labels).tolist())
        return tuple(name if number in present else "" for number, name in enumerate(self.class_names))


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the Reconstruct tab shows: `images` (n, …) to reconstruct, and `samples` drawn from the prior.

    With `expectation` E[g(z)] stands beside g(E[z]), for z from the posterior and g the decoder's mean.
    """

    images: np.ndarray
    samples: int
    seed: int
    expectation: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that determines what the explorer shows.

    `model` is a frozen `core.model.VAE`. `point` has one float per latent dimension; the map shows what
    lies on the plane through it that is parallel to `plane`. `view` is None when no
    tiles are wanted. `encode` (n, …) are the images whose encodings lie over the map, or None. At the point stands the
    mean of p(x|z), or the draw from it that the seed `draw` gives. `spots` float64 (n, latent_dims) are the points
    beside it, pins and frames of a path, of which small pictures are wanted, or None; they are the array itself.
    `strips`, likewise, are those of the pictures that show what each slider in sight does from here, and `terms` those
    of what is being combined.
    `probe` is one image (…) of the model's shape that is to be encoded, or None. `glance` is another, of which only the
    reconstruction is wanted. With `ellipses` the encodings come with the spread of q(z|x) on the plane.
    """

    model: Any
    version: Version
    point: tuple[float, ...]
    plane: Plane
    view: View | None = None
    encode: np.ndarray | None = None
    pictures: Pictures | None = None
    draw: int | None = None
    spots: np.ndarray | None = None
    probe: np.ndarray | None = None
    strips: np.ndarray | None = None
    terms: np.ndarray | None = None
    glance: np.ndarray | None = None
    ellipses: bool = False


@dataclass(frozen=True, slots=True)
class PointFrame:
    """The image at `point`: the mean of p(x|z), or the draw from it that the seed `draw` gives."""

    version: Version
    point: tuple[float, ...]
    image: np.ndarray
    seconds: float
    draw: int | None = None


@dataclass(frozen=True, slots=True)
class SpotsFrame:
    """The mean of p(x|z) at each of `spots`, a scene's own array, now or just before: uint8 (n, …)."""

    version: Version
    spots: np.ndarray
    images: np.ndarray


@dataclass(frozen=True, slots=True)
class StripsFrame:
    """The mean of p(x|z) at each of `points`, a scene's own `strips`, now or just before: uint8 (n, …)."""

    version: Version
    points: np.ndarray
    images: np.ndarray


@dataclass(frozen=True, slots=True)
class TermsFrame:
    """The mean of p(x|z) at each of `points`, a scene's own `terms`, now or just before: uint8 (n, …)."""

    version: Version
    points: np.ndarray
    images: np.ndarray


@dataclass(frozen=True, slots=True)
class ProbeFrame:
    """What these weights make of `image`, a scene's own `probe`: q(z|x), g(μ), and |x − g(μ)|, uint8 (…)."""

    version: Version
    image: np.ndarray
    posterior: Posterior
    reconstruction: np.ndarray
    error: np.ndarray


@dataclass(frozen=True, slots=True)
class GlanceFrame:
    """What these weights make of `image`, a scene's own `glance`: g(μ), uint8 (…)."""

    version: Version
    image: np.ndarray
    reconstruction: np.ndarray


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of decoded cells: `image`, top row first, covering [left, right] × [bottom, top] of the plane.

    With `cells`, so many images a side make it up, each to be shown in its own proportions; else it is one picture.
    """

    left: float
    right: float
    bottom: float
    top: float
    image: np.ndarray
    cells: int | None = None


@dataclass(frozen=True, slots=True)
class Contour:
    """An outline of the prior on the plane: `line` float64 (n, 2), closed, in latent units, and what to call it.

    A `smooth` one is round between these points, another straight. One of several parts of the prior, counted from 0,
    has the number `part`, and its name stands at their `middle`, if it has one.
    """

    name: str
    line: np.ndarray
    smooth: bool = True
    part: int | None = None
    middle: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class MapFrame:
    """All tiles to paint, in painting order (coarse stand-ins first). `complete` when none is coarse or stale.

    `contours` are those of the prior that goes with these weights and this plane; an auto-encoder's are circles of so
    many standard deviations of its codes. `finest` is the scale, in latent units per pixel, at which neighbouring cells
    differ by less than a grey level: a finer one has nothing new to show. It is 0 where that is too far to tell, and
    None in a frame that is not complete.
    """

    version: Version
    plane: Plane
    tiles: tuple[Tile, ...]
    complete: bool
    seconds: float
    contours: tuple[Contour, ...] = ()
    finest: float | None = None


@dataclass(frozen=True, slots=True)
class EncodingsFrame:
    """Posterior means of `images`, the scene's `encode` itself: float32 (n, latent_dims).

    Where the scene wants ellipses, with the `covariances` float64 (n, 2, 2) of each q(z|x) on `plane`.
    """

    version: Version
    images: np.ndarray
    means: np.ndarray
    plane: Plane | None = None
    covariances: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """E[g(z)] (n, …) of the request's images, g the decoder's mean and z from q(z|x), and how far g(E[z]) is from it.

    It is the mean over 200 draws.
    `differences` (n, …) are |E[g(z)] − g(E[z])| times `amplification`; `mean_difference` is their mean over all pixels
    in grey levels, not amplified.
    """

    images: np.ndarray
    differences: np.ndarray
    amplification: int
    mean_difference: float


@dataclass(frozen=True, slots=True)
class PicturesFrame:
    """Reconstructions (n, …) of `request.images`, g(E[z]): the decoder's mean at the posterior mean; prior samples.

    Where the request wants an `expectation`, it may come later, in another frame.
    """

    version: Version
    request: Pictures
    reconstructions: np.ndarray
    samples: np.ndarray
    expectation: Expectation | None = None


Frame = (
    PointFrame
    | ProbeFrame
    | GlanceFrame
    | SpotsFrame
    | StripsFrame
    | TermsFrame
    | MapFrame
    | EncodingsFrame
    | PicturesFrame
)
