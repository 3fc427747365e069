"""Helpers for tests of the explorer's engine: scenes, and what their tiles must show."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import torch
from small_models import decoded

from vae_studio.core.calls import Limits
from vae_studio.core.model import VAE
from vae_studio.core.pictures import picture_steps
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame, Pictures, PicturesFrame, Scene, Tile, Version, View
from vae_studio.core.tiles import Explorer

WIDE = View(-3.4, 3.4, -2.1, 2.1, 1500, 927)
MEDIUM = View(-3.4, 3.4, -2.1, 2.1, 1000, 618)
SMALL = View(-1.0, 1.0, -0.8, 0.8, 300, 240)
FIRST = Version(1, 0)
COMPARED = 27
"""Images by which a complete map of images that are much alike finds out where nothing finer is to be seen."""


def scene_of(model: VAE, axes: tuple[int, int] | None = None, **values: object) -> Scene:
    """Of the plane along these axes, or the first two; or of another `plane`."""
    dims = model.latent_dims
    return Scene(
        **{
            "model": model,
            "version": FIRST,
            "point": (0.0,) * dims,
            "plane": Plane.of_axes(axes or (0, min(1, dims - 1)), dims),
            "view": WIDE,
            **values,
        }
    )


def by_the_call() -> Explorer:
    """Whatever the clock says: calls as large as may be, each with a frame of its own, and nothing coarser first."""
    return Explorer(limits=Limits(call=math.inf, bare=math.inf, between=0.0))


def all_frames(engine: Explorer, scene: Scene) -> list:
    """Frames to the end, without None; an engine that never ends fails."""
    frames = list(islice(engine.frames(scene), 500))
    assert len(frames) < 500
    return [frame for frame in frames if frame is not None]


def pictures_frame(model: VAE, version: Version, request: Pictures) -> PicturesFrame:
    """All that a request asks for, made at once."""
    *_, frame = filter(None, picture_steps(model, version, request))
    return frame


def last_map(frames: list) -> MapFrame:
    return [frame for frame in frames if isinstance(frame, MapFrame)][-1]


def centres(tile: Tile) -> np.ndarray:
    """Where the cells of a tile are, counted from its top left corner in a plain loop."""
    cell = (tile.right - tile.left) / 4
    return np.array([(tile.left + (c + 0.5) * cell, tile.top - (r + 0.5) * cell) for r in range(4) for c in range(4)])


def expected_tile(model: VAE, tile: Tile, point: tuple[float, ...], axes: tuple[int, int]) -> np.ndarray:
    """255·p of every pixel of a tile, by the decoder's layers in double precision, put together in a plain loop."""
    z = np.tile(np.array(point), (16, 1))
    z[:, axes[1]] = centres(tile)[:, 1]
    z[:, axes[0]] = centres(tile)[:, 0]
    cells = decoded(model, z)
    _, height, width, *channels = cells.shape
    image = np.zeros((4 * height, 4 * width, *channels))
    for index, cell in enumerate(cells):
        row, column = divmod(index, 4)
        image[height * row : height * (row + 1), width * column : width * (column + 1)] = cell
    return image


def off_by(tile: Tile, model: VAE, point: tuple[float, ...] = (0.0, 0.0), axes: tuple[int, int] = (0, 1)) -> float:
    """Grey levels by which the worst pixel of a tile differs from what the decoder gives there."""
    expected = expected_tile(model, tile, point, axes)
    assert tile.image.shape == expected.shape
    assert tile.image.dtype == np.uint8
    return float(np.abs(tile.image - expected).max())


def rect(tile: Tile) -> tuple[float, float, float, float]:
    return tile.left, tile.right, tile.bottom, tile.top


def holes(tiles: tuple[Tile, ...], view: View, times: int | None = None) -> list[tuple[float, float]]:
    """Places of the view that no tile covers, or that not exactly `times` of them do."""
    places = np.random.default_rng(0).uniform((view.left, view.bottom), (view.right, view.top), (300, 2))
    covers = [sum(t.left <= u < t.right and t.bottom <= v < t.top for t in tiles) for u, v in places]
    return [tuple(p) for p, n in zip(places, covers, strict=True) if (n < 1 if times is None else n != times)]


class Counter:
    """How many images a network really computes, seen from inside it."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.images = 0
        self.largest = 0
        network.register_forward_pre_hook(self._note)

    def _note(self, _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self.images += len(inputs[0])
        self.largest = max(self.largest, len(inputs[0]))

    def taken(self) -> int:
        images, self.images = self.images, 0
        return images


def means_of(model: VAE, images: np.ndarray) -> np.ndarray:
    """Posterior means: the first half of what the encoder's layers put out for pixels in [0, 1]."""
    planes = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    with torch.no_grad():
        return model.encoder(torch.from_numpy(planes / np.float32(255)))[:, : model.latent_dims].numpy()
