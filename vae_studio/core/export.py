"""Pictures of latent space as files. What is exported is decoded for the export in float32, never grabbed."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

import vae_studio
from vae_studio.core.files import write_atomically
from vae_studio.core.latent import GridRequest, QuantileFunction, Quantiles
from vae_studio.core.model import VAE, to_pixels
from vae_studio.core.plane import plain
from vae_studio.core.priors import StandardNormal

_CHUNK = 400
_FONT_SIZE = 12
_MOST_LABELS = 20
METADATA_KEY = "vae-studio"


def grid_steps(model: VAE, request: GridRequest) -> Iterator[float | np.ndarray]:
    """Decode a grid piece by piece: yields the fraction done (0 to 1), and the picture last.

    It is uint8 (H, W), or (H, W, 3) for a model of colour images. Quantiles are those of the model's own prior.

    Pixels are 255·p rounded to the nearest, ties to even, decoded in float32 on the CPU by one thread in pieces of
    one size, so that the same request gives the same bytes wherever it comes from. Raises GridError if the picture
    would be too large.
    """
    channels, height, width = model.image_shape
    across, down = request.size(height, width)
    model = model.frozen().to("cpu", memory_format=torch.contiguous_format)
    quantiles = _quantiles(model)
    points = torch.from_numpy(request.points(quantiles))
    picture = np.zeros((down, across) if channels == 1 else (down, across, channels), np.uint8)
    step_down, step_across = (side * request.scale + request.spacing for side in (height, width))
    for start in range(0, len(points), _CHUNK):
        with one_thread():
            tiles = to_pixels(model.decode(points[start : start + _CHUNK]).mean)
        for index, tile in enumerate(tiles, start):
            row, column = divmod(index, request.cols)
            top, left = row * step_down, column * step_across
            enlarged = tile.repeat(request.scale, axis=0).repeat(request.scale, axis=1)
            picture[top : top + enlarged.shape[0], left : left + enlarged.shape[1]] = enlarged
        yield min(1.0, (start + _CHUNK) / len(points))
    if request.show_axes:
        picture = _with_axes(picture, request, request.coordinates(quantiles), (height, width))
    yield picture


def _quantiles(model: VAE) -> QuantileFunction | None:
    """The quantiles of the model's prior; None where they are those of N(0, 1), as for an auto-encoder's codes."""
    return None if not model.is_vae or isinstance(model.prior, StandardNormal) else model.prior.quantiles


def render_grid(model: VAE, request: GridRequest) -> np.ndarray:
    """The picture of a grid; see `grid_steps`."""
    *_, picture = grid_steps(model, request)
    return picture


def write_grid(path: Path, picture: np.ndarray, model: VAE, request: GridRequest, *, name: str, sha256: str) -> None:
    """Write a grid as PNG with what it shows as text metadata. Raises FileError."""
    write_atomically(path, encode_grid(picture, model, request, name=name, sha256=sha256))


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write one image, uint8 (H, W) or (H, W, 3), as PNG. Raises FileError."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())


def encode_grid(picture: np.ndarray, model: VAE, request: GridRequest, *, name: str, sha256: str) -> bytes:
    """A grid as the bytes of a PNG file, with model, plane and region as text metadata."""
    span = {"kind": "quantiles" if isinstance(request.span, Quantiles) else "region", **asdict(request.span)}
    about: dict[str, Any] = {
        "kind": "grid",
        "model": name,
        "model_sha256": sha256,
        "plane": _plane_of(request),
        "region": span,
        "rows": request.rows,
        "cols": request.cols,
        "scale": request.scale,
        "spacing": request.spacing,
        "show_axes": request.show_axes,
        "config": model.config.model_dump(mode="json"),
    }
    return encode_png(picture, f"{name}: {request.rows} × {request.cols} decoded images", about)


def _plane_of(request: GridRequest) -> dict[str, Any]:
    """The plane as numbers: the latent dimensions, counted from 0, or origin and directions."""
    plane = request.plane
    if plane.kind == "axes":
        return {"point": request.point, "axes": plane.axes}
    numbers = {"origin": plane.origin, "across": plane.across, "up": plane.up}
    return {"point": request.point, "kind": plane.kind, "names": plane.names, **numbers}


def encode_png(picture: np.ndarray, title: str, about: dict[str, Any]) -> bytes:
    """A picture as the bytes of a PNG file, with its title and what it shows as text metadata."""
    info = PngInfo()
    info.add_text("Title", title, zip=False)
    info.add_text("Software", f"VAE Studio {vae_studio.__version__}")
    info.add_text(METADATA_KEY, json.dumps(about | {"version": vae_studio.__version__}))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums in another order round otherwise: one thread makes the pixels independent of the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _with_axes(
    picture: np.ndarray, request: GridRequest, coordinates: tuple[np.ndarray, np.ndarray], tile: tuple[int, int]
) -> np.ndarray:
    """The picture with the coordinates of its columns below and of its rows on the left."""
    font = ImageFont.load_default(_FONT_SIZE)
    columns, rows = coordinates
    down, across = picture.shape[:2]
    every_row = _every(len(rows), down, 2 * _FONT_SIZE)
    beside_rows = _labels(rows[::every_row])
    every_column = _every(len(columns), across, 4 * _FONT_SIZE)
    widest = math.ceil(max(map(font.getlength, _labels(columns[::every_column]))))
    every_column = _every(len(columns), across, max(3 * _FONT_SIZE, widest) + _FONT_SIZE)
    below_columns = _labels(columns[::every_column])
    left = max(3 * _FONT_SIZE, math.ceil(max(map(font.getlength, beside_rows)))) + _FONT_SIZE
    above, below = 2 * _FONT_SIZE, 3 * _FONT_SIZE
    bottom = above + down
    tiles = Image.fromarray(picture)
    canvas = Image.new(tiles.mode, (left + across + _FONT_SIZE, bottom + below), 0)
    canvas.paste(tiles, (left, above))
    draw = ImageDraw.Draw(canvas)
    mark, number, name = ((grey,) * len(canvas.getbands()) for grey in (160, 220, 255))
    step_down, step_across = (side * request.scale + request.spacing for side in tile)
    for index, label in enumerate(below_columns):
        middle = left + index * every_column * step_across + tile[1] * request.scale / 2
        draw.line((middle, bottom, middle, bottom + 3), fill=mark)
        draw.text((middle, bottom + 5), label, fill=number, font=font, anchor="mt")
    for index, label in enumerate(beside_rows):
        middle = above + index * every_row * step_down + tile[0] * request.scale / 2
        draw.line((left - 4, middle, left - 1, middle), fill=mark)
        draw.text((left - 6, middle), label, fill=number, font=font, anchor="rm")
    name_x, name_y = map(plain, request.plane.names)
    draw.text((left + across / 2, bottom + below - 4), name_x, fill=name, font=font, anchor="mb")
    if not request.plane.is_line:
        draw.text((left - 6, above / 2 - 4), name_y, fill=name, font=font, anchor="rm")
    return np.asarray(canvas)


def _every(count: int, pixels: int, room: int) -> int:
    """Label every how many tiles, so that labels do not touch."""
    fitting = max(1, min(_MOST_LABELS, pixels // room))
    return -(-count // fitting)


def _labels(values: np.ndarray) -> list[str]:
    """Coordinates with two decimals, or as many more as tell neighbours apart."""
    gap = float(np.abs(np.diff(values)).min()) if len(values) > 1 else 1.0
    decimals = max(2, 1 + math.ceil(-math.log10(max(gap, 1e-6)) - 0.01))
    texts = (f"{value:.{decimals}f}" for value in values)
    return [text if float(text) else "0" for text in texts]
