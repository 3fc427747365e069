"""Pictures as users have them, and how they become what an encoder expects. Numpy and Pillow only.

MNIST's images were made so (LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
recognition", section III.A): the digit was scaled, keeping its proportions and with anti-aliasing, into a box of
20 × 20 pixels, and moved so that its centre of mass lay in the middle of 28 × 28. Measured on all 10,000 test images:
the longer side of the box is 20 in 99.97 % of them, and the centre of mass rounds to pixel 14 in all.

Pictures are uint8 (H, W), (H, W, 3) or (H, W, 4) of any size; prepared images uint8 (H, W), or (H, W, C) for C > 1.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from vae_studio.core.errors import UserError
from vae_studio.core.probing import KEPT_SIDE, MAX_PIXELS, Preparation

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MAX_BYTES = 200 * 2**20
_BOX = 20 / 28  # MNIST's box in its image
_INK = 0.4  # what is stronger, as a share of the strongest, belongs to the bounding box
_LIGHT = 0.5  # a border lighter than this is paper
_FAINTEST = 8  # grey levels: what differs by less from the paper is no ink
_FAINT_INK = 24  # grey levels from the paper: what is fainter may be a shadow
_WHITE = 230  # ink that is so strong is white enough, and stays as it is
_PAPER_SIDE = 48  # the size at which the paper under the ink is looked for
_TALLEST = 50  # a picture that is so many times longer than wide is no picture of a thing


class PictureError(UserError, ValueError):
    """A picture cannot be read or used; the message says why and what to do."""


def read_picture(path: Path) -> np.ndarray:
    """The picture in a file, upright, at most 1024 pixels a side. Raises PictureError."""
    try:
        if path.is_dir():
            raise PictureError(f"{path.name} is a folder. Choose a picture in it.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PictureError(f"{path.name} has {size / 2**20:,.0f} MB; pictures of up to 200 MB can be read.")
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path.name} cannot be read: {error.strerror or error}.") from None
    return decode_picture(content, path.name)


def decode_picture(content: bytes, name: str = "The picture") -> np.ndarray:
    """The picture that these bytes of a file hold, upright, at most 1024 pixels a side. Raises PictureError.

    Only FORMATS are tried, and what a file says of its size is looked at before a pixel of it is decoded.
    """
    if not content:
        raise PictureError(f"{name} is empty.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd but can be read, and of sizes, which are checked here
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                _check_size(width, height, name)
                if image.format == "JPEG":
                    image.draft(None, (KEPT_SIDE, KEPT_SIDE))
                image.load()
                upright = ImageOps.exif_transpose(image)
                return _as_array(_reduced(upright))
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"{name} has more pixels than can be read: up to {MAX_PIXELS // 10**6} million.") from None
    except Image.UnidentifiedImageError:
        raise PictureError(
            f"{name} is no picture that can be read. PNG, JPEG, BMP, GIF, WebP, TIFF and PNM files can."
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, struct.error):
        raise PictureError(f"{name} is damaged and cannot be read.") from None


def prepare(picture: np.ndarray, image_shape: tuple[int, int, int], steps: Preparation | None = None) -> np.ndarray:
    """What the encoder gets: an image of the shape (channels, height, width). Raises PictureError for a blank picture.

    Without `steps` all that suits the shape are taken. What is left out: without `scale` the whole picture is fitted
    in, without `centre` the middle of the ink's box, or of the picture, goes to the middle.
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise PictureError("A picture must have 8 bits a channel.")
    steps = Preparation.of(image_shape) if steps is None else steps
    _check_size(picture.shape[1], picture.shape[0], "The picture")
    planes = _planes(picture, image_shape[0])
    if all(int(plane.max()) - int(plane.min()) < _FAINTEST for plane in planes):
        raise PictureError("The picture is blank: all of it has the same colour. Choose one with something on it.")
    if steps.invert == "on" or (steps.invert == "auto" and _border(planes.mean(axis=0)) > 255 * _LIGHT):
        planes = 255.0 - planes
    if steps.paper:
        planes = np.stack([_without_paper(plane) for plane in planes])
        if not planes.any():
            raise PictureError("The picture shows nothing but paper. Choose one with stronger ink.")
    ink = np.abs(planes - _borders(planes)[:, None, None]).max(axis=0)
    return _placed(planes, ink, image_shape, steps)


def _placed(planes: np.ndarray, ink: np.ndarray, image_shape: tuple[int, int, int], steps: Preparation) -> np.ndarray:
    """Scale and move float planes (C, h, w) into an image; what lies beyond them is as their border.

    Ink begins at a whole pixel of the image where it is scaled, and is moved by whole pixels, as MNIST's was, so that
    one of its images stays as it is.
    """
    channels, height, width = image_shape
    if steps.scale:
        left, top, right, bottom = _bounding_box(ink)
        room = round(width * _BOX), round(height * _BOX)
    else:
        left, top, (bottom, right) = 0, 0, ink.shape
        room = width, height
    factor = min(room[0] / (right - left), room[1] / (bottom - top))
    middle = (left + right) / 2, (top + bottom) / 2
    across, down = (max(1, (math.ceil(round(side * factor, 6)))) for side in (right - left, bottom - top))
    start = [(width - across) // 2, (height - down) // 2]  # of the box, in pixels of the image

    def window() -> tuple[float, float, float, float]:
        """The part of the picture that the whole image shows."""
        x, y = middle[0] - (start[0] + across / 2) / factor, middle[1] - (start[1] + down / 2) / factor
        return x, y, x + width / factor, y + height / factor

    if steps.centre:
        shift = _mass_shift(_resized(ink, window(), (width, height), 0.0))
        sides = zip(start, shift, (across, down), (width, height), strict=True)
        start = [_inside(begin + by, side, whole) for begin, by, side, whole in sides]
    paper = _borders(planes)
    result = [
        _resized(plane, window(), (width, height), float(level)) for plane, level in zip(planes, paper, strict=True)
    ]
    levels = np.rint(np.clip(result, 0, 255)).astype(np.uint8)
    return levels[0] if channels == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, -1))


def _mass_shift(weight: np.ndarray) -> tuple[int, int]:
    """By how many pixels, rightwards and downwards, to move an image so that its centre of mass rounds to the middle
    pixel, as that of each of MNIST's does."""
    height, width = weight.shape
    total = float(weight.sum()) or 1.0
    x = float((weight.sum(axis=0) * np.arange(width)).sum()) / total
    y = float((weight.sum(axis=1) * np.arange(height)).sum()) / total
    return math.floor(width // 2 - x + 0.5), math.floor(height // 2 - y + 0.5)


def _inside(start: int, length: int, whole: int) -> int:
    """The nearest start at which all of it is in the image."""
    return min(max(start, 0), whole - length)


def _bounding_box(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is inked, in whole pixels."""
    strong = ink > _INK * ink.max()
    across, down = np.flatnonzero(strong.any(axis=0)), np.flatnonzero(strong.any(axis=1))
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1


def _resized(
    plane: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int], around: float
) -> np.ndarray:
    """A part of a plane, float (h, w), at another size; what lies beyond it is as `around`."""
    height, width = plane.shape
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    inside = plane[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    beyond = ((max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)))
    padded = np.pad(inside, beyond, constant_values=around).astype(np.float32)
    moved = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    # Pixels are means of what they cover, so that whole ones stay as they are; enlarged ones are smoothed between.
    kind = Image.Resampling.BICUBIC if box[2] - box[0] < size[0] else Image.Resampling.BOX
    return np.asarray(Image.fromarray(padded).resize(size, kind, box=moved))


def _planes(picture: np.ndarray, channels: int) -> np.ndarray:
    """Channels of a picture as float32 (C, h, w): its luminance (ITU-R BT.601) for one, else its own or three alike."""
    if picture.ndim == 3 and picture.shape[2] == 4:
        picture = _flattened(picture)
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[..., 0]
    if picture.ndim == 3 and picture.shape[2] != 3:
        raise PictureError(f"A picture of {picture.shape[2]} channels cannot be used: grey and RGB ones can.")
    if channels == 1:
        grey = picture if picture.ndim == 2 else picture @ np.array([0.299, 0.587, 0.114], np.float32)
        return grey[None].astype(np.float32)
    colours = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    return np.moveaxis(colours, -1, 0).astype(np.float32)


def _flattened(picture: np.ndarray) -> np.ndarray:
    """A picture with alpha (h, w, 4) on paper: white under dark ink, black under light ink. uint8 (h, w, 3)."""
    alpha = picture[..., 3:].astype(np.float32) / 255.0
    colours = picture[..., :3].astype(np.float32)
    shown = float(alpha.sum())
    light = shown > 0 and float((colours.mean(axis=2, keepdims=True) * alpha).sum()) / shown > 255 * _LIGHT
    see_through = float(alpha.min()) < 0.5
    paper = 0.0 if light and see_through else 255.0
    return np.rint(colours * alpha + paper * (1.0 - alpha)).astype(np.uint8)


def _border(plane: np.ndarray) -> float:
    """The median of the outermost pixels."""
    edge = (plane[0], plane[-1], plane[1:-1, 0], plane[1:-1, -1])
    return float(np.median(np.concatenate(edge)))


def _borders(planes: np.ndarray) -> np.ndarray:
    return np.array([_border(plane) for plane in planes], np.float32)


def _without_paper(plane: np.ndarray) -> np.ndarray:
    """Light ink on dark, the paper taken away and the strongest ink at 255; float32 (h, w).

    The paper at a place is the darkest around it, so that shadows go as well; strokes must be narrower than a quarter
    of the picture. What is left of the paper's grain is cut off.
    """
    image = Image.fromarray(plane)
    small = image.copy()
    small.thumbnail((_PAPER_SIDE, _PAPER_SIDE), Image.Resampling.BOX)
    reach = max(1, round(max(small.size) / 8))
    levels = Image.fromarray(np.rint(np.asarray(small)).astype(np.uint8))
    dark = levels.filter(ImageFilter.MinFilter(2 * reach + 1)).filter(ImageFilter.GaussianBlur(reach / 2))
    paper = np.asarray(dark.resize(image.size, Image.Resampling.BILINEAR), np.float32)
    ink = np.maximum(plane - paper, 0.0)
    few = max(1, max(ink.shape) // _PAPER_SIDE)
    # Of pixels that are paper, unless the ink covers most of the picture.
    low, usual = np.percentile(ink[::few, ::few], (10, 40))
    grain = usual + 3.0 * (usual - low)
    if grain < 0.5 * ink.max():
        ink = np.maximum(ink - grain, 0.0)
    if ink.max() < _FAINT_INK:
        return np.zeros_like(ink)
    strongest = float(np.percentile(ink[ink > 0.5 * ink.max()], 90))
    if strongest > _WHITE:
        strongest = 255.0
    return np.clip(ink / strongest, 0.0, 1.0) * 255.0


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width:,} × {height:,} pixels; up to {MAX_PIXELS // 10**6} million can be read. Make it "
            "smaller first."
        )
    if min(width, height) < 1:
        raise PictureError(f"{name} has no pixels.")
    if max(width, height) > _TALLEST * min(width, height):
        raise PictureError(f"{name} has {width:,} × {height:,} pixels, which is too narrow to show anything.")


def _reduced(image: Image.Image) -> Image.Image:
    """At most 1024 pixels a side, with 8 bits a channel."""
    image = _in_eight_bits(image)
    if max(image.size) > KEPT_SIDE:
        image.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.BOX)
    return image


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Grey, RGB or RGBA, whatever mode a file has; 16 bits by their full range, other ranges by what they hold."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (float(values.min()), float(values.max()))
        if image.mode == "I" and low >= 0.0 and high <= 65535.0:
            low, high = 0.0, 65535.0
        spread = np.nan_to_num((values - low) / max(high - low, 1e-12))
        return Image.fromarray(np.rint(np.clip(spread, 0.0, 1.0) * 255).astype(np.uint8))
    if image.mode in ("L", "RGB", "RGBA"):
        return image.copy()
    if image.mode == "1":
        return image.convert("L")
    transparent = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _as_array(image: Image.Image) -> np.ndarray:
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert("RGBA")
    return np.asarray(image).copy()
