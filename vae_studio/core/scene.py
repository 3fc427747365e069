"""What the explorer is to show (a frozen Scene) and what it then shows (Frames). Imports no torch.

A Scene carries its frozen model, so weights and points cannot disagree. Whatever a Frame holds is a fresh array
that nobody writes to again, so no locks are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


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
    """Test images uint8 (n, H, W), their labels uint8 (n,), and the names of the classes."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def present_names(self) -> tuple[str, ...]:
        """The names by class, empty for a class that no image is of."""
        present = set(np.unique(self.labels).tolist())
        return tuple(name if number in present else "" for number, name in enumerate(self.class_names))


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the Reconstruct tab shows: uint8 `images` (n, H, W) to reconstruct, and `samples` drawn from the prior."""

    images: np.ndarray
    samples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that determines what the explorer shows.

    `model` is a frozen `core.model.VAE`. `point` has one float per latent dimension; the map shows the plane
    through it along `axes` (two indices; equal indices mean a model with one dimension). `view` is None when no
    tiles are wanted. `encode` (n, H, W) uint8 are the images whose encodings lie over the map, or None.
    """

    model: Any
    version: Version
    point: tuple[float, ...]
    axes: tuple[int, int]
    view: View | None = None
    encode: np.ndarray | None = None
    pictures: Pictures | None = None


@dataclass(frozen=True, slots=True)
class PointFrame:
    """The decoder's mean image at `point`: uint8 (H, W)."""

    version: Version
    point: tuple[float, ...]
    image: np.ndarray
    seconds: float


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of decoded cells: uint8 `image`, top row first, covering [left, right] × [bottom, top] of the plane."""

    left: float
    right: float
    bottom: float
    top: float
    image: np.ndarray


@dataclass(frozen=True, slots=True)
class MapFrame:
    """All tiles to paint, in painting order (coarse stand-ins first). `complete` when none is coarse or stale."""

    version: Version
    axes: tuple[int, int]
    tiles: tuple[Tile, ...]
    complete: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class EncodingsFrame:
    """Posterior means of `images`, the scene's `encode` itself: float32 (n, latent_dims)."""

    version: Version
    images: np.ndarray
    means: np.ndarray


@dataclass(frozen=True, slots=True)
class PicturesFrame:
    """Reconstructions (n, H, W) of `request.images` (the decoder's mean at the posterior mean), and prior samples."""

    version: Version
    request: Pictures
    reconstructions: np.ndarray
    samples: np.ndarray


Frame = PointFrame | MapFrame | EncodingsFrame | PicturesFrame
