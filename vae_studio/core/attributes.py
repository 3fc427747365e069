"""What can be measured on an image itself: how thick its strokes are, how slanted it is, how wide. Imports no torch.

With I the brightness of a pixel (an image in colour: the mean of its channels), Σ over all pixels, and the ink's
centre (x̄, ȳ), x to the right and y upwards:

- thickness = 2 Σ I / Σ |∇I|, in pixels: a stroke's area over half its outline, whose length the total variation is.
  It is what a bar of that width has, but for its two ends, and about 2 where strokes are thinner than two pixels; a
  stroke that is twice as bright is not thicker.
- slant = Σ I (x − x̄)(y − ȳ) / Σ I (y − ȳ)²: by how many pixels the ink moves to the right from one row to the one
  above, the tangent of the angle. Shearing an image by s adds s.
- width = √(12 (m − slant² v)), m and v the mean squares of x − x̄ and y − ȳ, in pixels: the width of an upright
  bar whose ink is as far from its middle, once the image's own slant is taken out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ATTRIBUTES: Mapping[str, str] = {"thicker": "stroke thickness", "slanted": "slant", "wider": "width"}
"""Directions that are made of the images themselves, and what is measured for each."""
SHARE = 0.2
"""Of the images, that are the lowest group, and as many the highest."""
_PIECE = 4_000_000  # pixels at a time


def measure(images: np.ndarray) -> dict[str, np.ndarray]:
    """Thickness, slant and width of images uint8 (n, H, W) or (n, H, W, 3): float64 (n,) by the names of `ATTRIBUTES`.

    NaN is what an image has none of: one that is empty, or has no height.
    """
    pixels = max(1, int(np.prod(images.shape[1:])))
    a_piece = max(1, _PIECE // pixels)
    parts = [_measured(images[start : start + a_piece]) for start in range(0, len(images), a_piece)]
    if not parts:
        return {name: np.zeros(0) for name in ATTRIBUTES}
    return {name: np.concatenate([part[name] for part in parts]) for name in ATTRIBUTES}


def extremes(
    values: np.ndarray, labels: np.ndarray, number: int | None = None, share: float = SHARE
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images whose value is among the lowest fifth, and of those among the highest, of class `number`.

    None takes the fifths of every class together: of all images at once, the narrow ones would be the ones, and the
    wide ones zeros. Both groups are equally large, and empty where there are too few images.
    """
    low: list[np.ndarray] = []
    high: list[np.ndarray] = []
    for label in np.unique(labels) if number is None else [number]:
        members = np.flatnonzero((labels == label) & np.isfinite(values))
        count = int(share * len(members))
        ordered = members[np.argsort(values[members], kind="stable")]
        low.append(ordered[:count])
        high.append(ordered[len(ordered) - count :])
    nothing = np.zeros(0, int)
    return np.sort(np.concatenate([nothing, *low])), np.sort(np.concatenate([nothing, *high]))


def _measured(images: np.ndarray) -> dict[str, np.ndarray]:
    ink = images.astype(np.float64) / 255.0
    if ink.ndim == 4:
        ink = ink.mean(axis=3)
    with np.errstate(invalid="ignore", divide="ignore"):
        mass = ink.sum(axis=(1, 2))
        across, up = (np.arange(length, dtype=np.float64) for length in (ink.shape[2], ink.shape[1]))
        up = -up
        columns, rows = ink.sum(axis=1) / mass[:, None], ink.sum(axis=2) / mass[:, None]
        middle, height = columns @ across, rows @ up
        m, v = columns @ across**2 - middle**2, rows @ up**2 - height**2
        mixed = np.einsum("nyx,y,x->n", ink, up, across, optimize=True) / mass - middle * height
        slant = np.where(v > 1e-9, mixed / v, np.nan)
        width = np.sqrt(np.maximum(12.0 * (m - slant**2 * v), 0.0))
        return {"thicker": 2.0 * mass / _variation(ink), "slanted": slant, "wider": width}


def _variation(ink: np.ndarray) -> np.ndarray:
    """Σ |∇I| of images (n, H, W) on black: gradients at the corners between pixels, from the four around each."""
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    below, above = padded[:, 1:], padded[:, :-1]
    across = (below[:, :, 1:] - below[:, :, :-1] + above[:, :, 1:] - above[:, :, :-1]) / 2.0
    up = (above[:, :, 1:] - below[:, :, 1:] + above[:, :, :-1] - below[:, :, :-1]) / 2.0
    return np.hypot(across, up).sum(axis=(1, 2))
