"""How far the map is worth zooming into: down to where neighbouring cells differ by less than a grey level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exploring import all_frames, last_map, scene_of
from small_models import convolutional, decoded, explorer, mlp

from vae_studio.core.model import VAE
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame, View
from vae_studio.core.tile_cache import BASE_CELL, level_for
from vae_studio.core.tiles import Explorer

CENTRE = (-0.9, 0.3)
POINT = (*CENTRE, 0.4, -0.2)


def view_at(scale: float, centre: tuple[float, float] = CENTRE, width: int = 1200, height: int = 800) -> View:
    (u, v), wide, high = centre, scale * width / 2, scale * height / 2
    return View(u - wide, u + wide, v - high, v + high, width, height)


def finest_at(model: VAE, scale: float, centre: tuple[float, float] = CENTRE, **values: object) -> float:
    scene = scene_of(model, view=view_at(scale, centre), **values)
    frames = [f for f in all_frames(Explorer(), scene) if isinstance(f, MapFrame)]
    assert all(frame.finest is None for frame in frames if not frame.complete)
    return last_map(frames).finest


def steps(model: VAE, view: View, plane: Plane, point: tuple[float, ...]) -> float:
    """By how many grey levels neighbours differ at most, of all the cells whose middle is in this view."""
    cell = BASE_CELL * 2.0 ** -level_for(view)
    columns = np.arange(np.ceil(view.left / cell - 0.5), np.floor(view.right / cell - 0.5) + 1)
    rows = np.arange(np.ceil(view.bottom / cell - 0.5), np.floor(view.top / cell - 0.5) + 1)
    places = np.array([((column + 0.5) * cell, (row + 0.5) * cell) for row in rows for column in columns])
    images = decoded(model, plane.embed(point, places)).reshape(len(rows), len(columns), -1)
    return max(np.abs(np.diff(images, axis=axis)).max() for axis in (0, 1))


@pytest.mark.parametrize(
    ("model", "plane", "centre"),
    [
        (explorer, Plane.of_axes((0, 1), 2), CENTRE),
        (explorer, Plane.of_axes((0, 1), 2), (-1.51, 1.82)),
        (lambda: mlp(4), Plane.through((POINT, (1.0, 1.0, 0.0, 0.0), (0.0, 0.5, -1.0, 2.0))), CENTRE),
        (convolutional, Plane.of_axes((0, 1), 2), CENTRE),
    ],
    ids=["explorer", "explorer, a corner", "angle", "convolutional"],
)
def test_it_ends_where_neighbours_differ_by_less_than_a_grey_level_and_not_before(model, plane: Plane, centre) -> None:
    model = model()
    values = {"plane": plane, "point": POINT[: plane.dims]}
    assert finest_at(model, 0.01, centre, **values) == 0.0  # whole digits apart
    finest = finest_at(model, 3e-5, centre, **values)
    for _ in range(8):  # as one zooms in as far as it goes, and what is said there counts
        if finest_at(model, finest, centre, **values) == finest:
            break
        finest = finest_at(model, finest, centre, **values)
    assert 0.35 < steps(model, view_at(finest, centre), plane, values["point"]) < 1.0
    assert steps(model, view_at(2 * finest, centre), plane, values["point"]) >= 0.75
    assert level_for(view_at(finest)) == level_for(view_at(1.99 * finest)) + 1


def test_where_all_images_are_the_same_nothing_finer_is_to_be_seen_at_any_zoom() -> None:
    model = mlp()
    with torch.no_grad():
        model.decoder[0].weight.zero_()
    for scale in (0.03, 0.01, 1e-4):
        assert finest_at(model, scale) >= scale
