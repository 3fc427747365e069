"""The views of the benchmark show what they promise."""

from __future__ import annotations

import pytest
import small_models

from vae_studio.bench.map import SIZES, cells, decode_map, untrained, view_of
from vae_studio.bench.measure import Plan
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame, Scene, Version
from vae_studio.core.tiles import Explorer


@pytest.mark.parametrize("name", SIZES)
def test_a_view_has_the_number_of_cells_that_its_name_says(name: str) -> None:
    columns, rows = SIZES[name]
    assert cells(columns, rows) == 16 * columns * rows == pytest.approx(int(name), rel=0.05)


def test_the_explorer_decodes_that_many() -> None:
    frames = Explorer().frames(
        Scene(small_models.mlp(), Version(1, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2), view_of(8, 7))
    )
    last = [frame for frame in frames if isinstance(frame, MapFrame)][-1]
    assert last.complete
    assert sum(tile.cells**2 for tile in last.tiles) == 896


def test_each_repeat_decodes_anew(plan: Plan) -> None:
    seconds = decode_map(untrained("explorer-2d", plan), 5, 5, repeats=3)
    assert len(seconds) == 3
    assert all(value > 0 for value in seconds)
