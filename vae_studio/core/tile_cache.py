"""Where the tiles of a plane are, which of them a view shows, and the decoded ones that are kept. Imports no torch.

A plane is cut into tiles of 4×4 cells; a cell is one decoded image at its centre. Level L has cells of
BASE_CELL · 2⁻ᴸ latent units, and a view asks for the level whose cells are neither cramped nor blurred.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from vae_studio.core.plane import Plane
from vae_studio.core.scene import Tile, View

BASE_CELL = 0.25
CELLS = 4
MIN_CELL_PIXELS = 26.0
CACHE_BYTES = 64 * 2**20
_MARGIN = 0.5  # tiles beyond the edge of the view, as a share of a tile, so that small pans show no gaps


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a tile: column and row counted rightwards and upwards from the origin, at a level."""

    level: int
    column: int
    row: int

    @property
    def span(self) -> float:
        """Width and height in latent units."""
        return CELLS * BASE_CELL * 2.0**-self.level

    def centres(self) -> np.ndarray:
        """Plane coordinates of the cells' centres, row by row from the top left: (16, 2)."""
        cell = self.span / CELLS
        steps = (np.arange(CELLS) + 0.5) * cell
        across, down = np.meshgrid(self.column * self.span + steps, (self.row + 1) * self.span - steps)
        return np.stack([across.ravel(), down.ravel()], axis=1)

    def coarser(self, levels: int) -> Slot:
        """The slot that holds this one, so many levels up."""
        return Slot(self.level - levels, self.column >> levels, self.row >> levels)

    def finer(self) -> list[Slot]:
        """The four slots that this one is made of, one level down."""
        column, row = 2 * self.column, 2 * self.row
        return [Slot(self.level + 1, column + right, row + up) for up in (0, 1) for right in (0, 1)]

    def placed(self, image: np.ndarray) -> Tile:
        left, bottom = self.column * self.span, self.row * self.span
        return Tile(left, left + self.span, bottom, bottom + self.span, image, CELLS)


def level_for(view: View) -> int:
    """The finest level whose cells are at least MIN_CELL_PIXELS wide on the screen."""
    return math.floor(math.log2(BASE_CELL / (MIN_CELL_PIXELS * view.units_per_pixel)))


def visible(view: View, level: int) -> list[Slot]:
    """Slots of a level that the view shows, nearest to its centre first."""
    span = Slot(level, 0, 0).span
    first_column, last_column = (
        math.floor(x / span) for x in (view.left - _MARGIN * span, view.right + _MARGIN * span)
    )
    first_row, last_row = (math.floor(y / span) for y in (view.bottom - _MARGIN * span, view.top + _MARGIN * span))
    middle_x, middle_y = (view.left + view.right) / (2 * span) - 0.5, (view.bottom + view.top) / (2 * span) - 0.5
    slots = [
        Slot(level, column, row)
        for row in range(first_row, last_row + 1)
        for column in range(first_column, last_column + 1)
    ]
    return sorted(slots, key=lambda slot: (slot.column - middle_x) ** 2 + (slot.row - middle_y) ** 2)


class TileCache:
    """The latest decoded image of every slot of every plane, whatever weights it came from, within a bound in bytes.

    Stale images stand in until their successors come, so one image a slot is enough. Slots are those of one plane at a
    time; `turn_to` says which.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._images: OrderedDict[tuple[int, Slot], tuple[object, np.ndarray]] = OrderedDict()
        self._planes: dict[Plane, int] = {}
        self._plane = 0

    def turn_to(self, plane: Plane) -> None:
        """From now on slots are those of this plane."""
        self._plane = self._planes.setdefault(plane, len(self._planes) + 1)

    def __len__(self) -> int:
        return len(self._images)

    def __contains__(self, slot: Slot) -> bool:
        return (self._plane, slot) in self._images

    @property
    def bytes(self) -> int:
        return self._bytes

    def is_fresh(self, slot: Slot, content: object) -> bool:
        entry = self._images.get((self._plane, slot))
        return entry is not None and entry[0] == content

    def image(self, slot: Slot) -> np.ndarray | None:
        entry = self._images.get((self._plane, slot))
        if entry is None:
            return None
        self._images.move_to_end((self._plane, slot))
        return entry[1]

    def put(self, slot: Slot, content: object, image: np.ndarray) -> None:
        place = self._plane, slot
        old = self._images.pop(place, None)
        self._bytes += image.nbytes - (old[1].nbytes if old else 0)
        self._images[place] = (content, image)
        while self._bytes > self._limit and len(self._images) > 1:
            _, (_, dropped) = self._images.popitem(last=False)
            self._bytes -= dropped.nbytes

    def clear(self) -> None:
        """Forget all images and planes."""
        self._images.clear()
        self._planes.clear()
        self._plane = self._bytes = 0
