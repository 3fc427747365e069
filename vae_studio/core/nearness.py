"""Where on the map an encoding is near, and where a decoder draws what no image is encoded as. Imports no torch.

*Near* is taken from the data: no further than all but one in a hundred of the encodings are from their own nearest
neighbour, in the whole latent space. In many dimensions most of a plane is far from any encoding, and that is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vae_studio.core.plane import Seen

_SHARE = 0.99
_SOFT = 0.5  # how much further than near, as a share of it, is quite far
_AT_A_TIME = 512


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Encodings as seen from a plane: `places` float32 (n, 2), `beside` float32 (n,) their squared distances from it.

    `near` is the distance that counts as such, in latent units.
    """

    places: np.ndarray
    beside: np.ndarray
    near: float

    @classmethod
    def seen_from(cls, seen: Seen, point: Sequence[float], near: float) -> Surroundings:
        """Encodings around the plane through `point` that is parallel to the one they are `seen` from."""
        return cls(seen.places.astype(np.float32), seen.beside(point).astype(np.float32), near)

    def distances(self, across: np.ndarray, up: np.ndarray) -> np.ndarray:
        """From the places (across, up), (columns,) and (rows,), to the nearest encoding: float32 (rows, columns)."""
        sideways = np.square(across.astype(np.float32)[:, None] - self.places[:, 0])
        found = np.empty((len(up), len(across)), np.float32)
        for row, v in enumerate(up.astype(np.float32)):
            found[row] = (sideways + (np.square(self.places[:, 1] - v) + self.beside)).min(axis=1)
        return np.sqrt(found)

    def far(self, across: np.ndarray, up: np.ndarray) -> np.ndarray:
        """How far from all encodings these places are: float32 (rows, columns), 0 where one is near, 1 quite far."""
        t = np.clip((self.distances(across, up) / max(self.near, 1e-9) - 1.0) / _SOFT, 0.0, 1.0)
        return t * t * (3.0 - 2.0 * t)


def spacing(means: np.ndarray) -> float:
    """How far 99 % of the points (n, d) at most are from their nearest neighbour; 0 of fewer than two."""
    if len(means) < 2:
        return 0.0
    points = means - means.mean(axis=0)
    squares = np.square(points).sum(axis=1)
    nearest = np.empty(len(points), points.dtype)
    for start in range(0, len(points), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        away = squares[part, None] + squares - 2.0 * points[part] @ points.T
        away[np.arange(len(away)), start + np.arange(len(away))] = np.inf
        nearest[part] = away.min(axis=1)
    return float(np.quantile(np.sqrt(np.maximum(nearest, 0.0)), _SHARE))
