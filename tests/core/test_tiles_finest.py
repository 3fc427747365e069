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
from vae_studio.core.tiles import BASE_CELL, Explorer, level_for

CENTRE = (-0.9, 0.3)
POINT = (*CENTRE, 0.4, -0.2)


def view_at(scale: float, width: int = 600, height: int = 400) -> View:
    (u, v), wide, high = CENTRE, scale * width / 2, scale * height / 2
    return View(u - wide, u + wide, v - high, v + high, width, height)


def finest_at(model: VAE, scale: float, **values: object) -> float:
    frames = [
        f for f in all_frames(Explorer(), scene_of(model, view=view_at(scale), **values)) if isinstance(f, MapFrame)
    ]
    assert all(frame.finest is None for frame in frames if not frame.complete)
    return last_map(frames).finest


def steps(model: VAE, scale: float, plane: Plane, point: tuple[float, ...]) -> float:
    """By how many grey levels neighbours of this view differ at most, at the middle and halfway to its corners."""
    view = view_at(scale)
    cell = BASE_CELL * 2.0 ** -level_for(view)
    wide, high = view.right - view.left, view.top - view.bottom
    found = []
    for across in (0.25, 0.5, 0.75):
        for up in (0.25, 0.5, 0.75):
            u, v = view.left + across * wide, view.bottom + up * high
            here, right, above = decoded(model, plane.embed(point, np.array([(u, v), (u + cell, v), (u, v + cell)])))
            found += [np.abs(right - here).max(), np.abs(above - here).max()]
    return max(found)


@pytest.mark.parametrize(
    ("model", "plane"),
    [
        (explorer, Plane.of_axes((0, 1), 2)),
        (lambda: mlp(4), Plane.through((POINT, (1.0, 1.0, 0.0, 0.0), (0.0, 0.5, -1.0, 2.0)))),
        (convolutional, Plane.of_axes((0, 1), 2)),
    ],
    ids=["explorer", "angle", "convolutional"],
)
def test_it_ends_where_neighbours_differ_by_less_than_a_grey_level_and_not_before(model, plane: Plane) -> None:
    model = model()
    values = {"plane": plane, "point": POINT[: plane.dims]}
    assert finest_at(model, 0.01, **values) == 0.0  # whole digits apart
    finest = finest_at(model, 3e-5, **values)
    for _ in range(8):  # as one zooms in as far as it goes, and what is said there counts
        if finest_at(model, finest, **values) == finest:
            break
        finest = finest_at(model, finest, **values)
    assert steps(model, finest, plane, values["point"]) < 1.0
    assert steps(model, 2 * finest, plane, values["point"]) >= 1.0
    assert level_for(view_at(finest)) == level_for(view_at(1.99 * finest)) + 1


def test_where_all_images_are_the_same_nothing_finer_is_to_be_seen_at_any_zoom() -> None:
    model = mlp()
    with torch.no_grad():
        model.decoder[0].weight.zero_()
    for scale in (0.03, 0.01, 1e-4):
        assert finest_at(model, scale) >= scale
