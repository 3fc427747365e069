"""The frames of a path through latent space as one picture, side by side. Decoded for it in float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vae_studio.core.exploration import Point
from vae_studio.core.export import encode_png, one_thread
from vae_studio.core.files import write_atomically
from vae_studio.core.latent import MAX_SCALE, MAX_SIDE, MAX_SPACING, GridError
from vae_studio.core.marks import MIN_FRAMES
from vae_studio.core.model import VAE, to_pixels
from vae_studio.core.walk import Walk

MAX_STRIP_FRAMES = 400
_CHUNK = 100


class StripError(GridError):
    """A strip was asked for that cannot be made; the message says why."""


def check_layout(frames: int, scale: int, spacing: int) -> None:
    """Raises StripError for what cannot be laid out side by side."""
    for name, value, low, high in (
        ("Frames", frames, MIN_FRAMES, MAX_STRIP_FRAMES),
        ("The scale", scale, 1, MAX_SCALE),
        ("Spacing", spacing, 0, MAX_SPACING),
    ):
        if not low <= value <= high:
            raise StripError(f"{name} must lie between {low} and {high} (it was {value}).")


@dataclass(frozen=True, slots=True)
class StripRequest:
    """`frames` images at equal steps of length along a walk through `points`, two or more.

    `scale` repeats each pixel, `spacing` is the gap between frames in pixels. Raises StripError for what is impossible.
    """

    points: tuple[Point, ...]
    frames: int = 10
    spherical: bool = False
    scale: int = 1
    spacing: int = 0

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise StripError("A path leads through two points or more.")
        check_layout(self.frames, self.scale, self.spacing)

    def walk(self) -> Walk:
        return Walk(self.points, self.spherical)


def strip_steps(model: VAE, request: StripRequest) -> Iterator[float | np.ndarray]:
    """Decode a strip piece by piece: yields the fraction done (0 to 1), and the picture last.

    It is uint8 (H, W), or (H, W, 3) for a model of colour images. Pixels are those of the same points in a grid
    (`export.grid_steps`). Raises StripError if the picture would be too wide.
    """
    yield from beside_steps(model, request.walk().steps(request.frames), request.scale, request.spacing)


def beside_steps(model: VAE, points: np.ndarray, scale: int = 1, spacing: int = 0) -> Iterator[float | np.ndarray]:
    """As `strip_steps`, of any points (n, latent_dims). Raises StripError if the picture would be too wide."""
    channels, height, width = model.image_shape
    high, wide = height * scale, width * scale
    across = len(points) * wide + (len(points) - 1) * spacing
    if max(across, high) > MAX_SIDE:
        raise StripError(
            f"The picture would be {across:,} pixels wide; at most {MAX_SIDE:,} are possible. "
            "Choose fewer frames or a smaller scale."
        )
    model = model.frozen().to("cpu", memory_format=torch.contiguous_format)
    z = torch.from_numpy(points.astype(np.float32))
    picture = np.zeros((high, across) if channels == 1 else (high, across, channels), np.uint8)
    for start in range(0, len(z), _CHUNK):
        with one_thread():
            images = to_pixels(model.decode(z[start : start + _CHUNK]).mean)
        for index, image in enumerate(images, start):
            left = index * (wide + spacing)
            picture[:, left : left + wide] = image.repeat(scale, axis=0).repeat(scale, axis=1)
        yield min(1.0, (start + _CHUNK) / len(z))
    yield picture


def write_strip(path: Path, picture: np.ndarray, model: VAE, request: StripRequest, *, name: str, sha256: str) -> None:
    """Write a strip as PNG with model and path as text metadata. Raises FileError."""
    about = {
        "kind": "path",
        "model": name,
        "model_sha256": sha256,
        "points": request.points,
        "spherical": request.spherical,
        "frames": request.frames,
        "scale": request.scale,
        "spacing": request.spacing,
        "config": model.config.model_dump(mode="json"),
    }
    kind = "spherical" if request.spherical else "straight"
    title = f"{name}: {request.frames} decoded images along a {kind} path"
    write_atomically(path, encode_png(picture, title, about))
