"""The explorer's engine: which tiles come when, and whether every pixel in them is what the decoder gives there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import small_models
import torch
from exploring import (
    COMPARED,
    FIRST,
    MEDIUM,
    SMALL,
    WIDE,
    Counter,
    all_frames,
    by_the_call,
    centres,
    expected_tile,
    holes,
    last_map,
    off_by,
    rect,
    scene_of,
)
from hypothesis import given
from hypothesis import strategies as st
from small_models import decoded

from vae_studio.core import devices
from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE
from vae_studio.core.plane import Plane
from vae_studio.core.scene import (
    EncodingsFrame,
    MapFrame,
    Pictures,
    PicturesFrame,
    PointFrame,
    Tile,
    View,
)
from vae_studio.core.tile_cache import level_for, visible
from vae_studio.core.tiles import Explorer

# What a tile shows


def test_every_cell_is_what_the_decoder_gives_at_its_centre(float32: None) -> None:
    model = small_models.mlp()
    frame = last_map(all_frames(Explorer(), scene_of(model, view=MEDIUM)))
    assert len(frame.tiles) > 40
    assert all(off_by(tile, model) < 0.51 for tile in frame.tiles)
    assert np.ptp(np.stack([tile.image for tile in frame.tiles])) > 200


def test_convolutional_decoders_too(float32: None) -> None:
    model = small_models.convolutional()
    frame = last_map(all_frames(Explorer(), scene_of(model, view=SMALL)))
    assert all(off_by(tile, model) < 0.51 for tile in frame.tiles)
    assert np.ptp(np.stack([tile.image for tile in frame.tiles])) > 100


@pytest.mark.parametrize("span", [8.0, 1.0, 0.01, 0.001])
def test_what_the_screen_shows_is_within_three_grey_levels(explorer_2d: VAE, span: float) -> None:
    """Nearly everywhere, and at every depth of zoom: in bf16 points 0.001 apart would be one point."""
    view = View(1.3 - span / 2, 1.3 + span / 2, 0.7 - span / 4, 0.7 + span / 4, 600, 300)
    frame = last_map(all_frames(Explorer(), scene_of(explorer_2d, view=view)))
    errors = [tile.image - expected_tile(explorer_2d, tile, (0.0, 0.0), (0, 1)) for tile in frame.tiles]
    assert np.quantile(np.abs(errors), 0.999) <= 3
    assert np.abs(errors).mean() < 0.4  # rounding alone makes 0.25 where pixels are grey
    assert np.abs(errors).max() < 15


def test_bf16_does_not_move_the_cells(explorer_2d: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a pixel changes from one edge of the view to the other, it changes along the way, cell by cell."""
    monkeypatch.setattr(devices, "choose_precision", lambda *_: torch.bfloat16)
    view = View(1.3, 1.31, 0.7, 0.705, 600, 300)
    frame = last_map(all_frames(Explorer(), scene_of(explorer_2d, view=view)))
    top = max(tile.top for tile in frame.tiles)
    row = sorted((tile for tile in frame.tiles if tile.top == top), key=lambda tile: tile.left)
    shown = np.concatenate([tile.image[:28].reshape(28, 4, 28).swapaxes(0, 1) for tile in row]).astype(float)
    wanted = [expected_tile(explorer_2d, tile, (0.0, 0.0), (0, 1)) for tile in row]
    exact = np.concatenate([image[:28].reshape(28, 4, 28).swapaxes(0, 1) for image in wanted])
    pixel = np.unravel_index(np.abs(exact[-1] - exact[0]).argmax(), (28, 28))
    assert abs(exact[-1][pixel] - exact[0][pixel]) > 6
    assert np.abs(shown[:, *pixel] - exact[:, *pixel]).max() < 2


def test_one_latent_dimension_repeats_along_the_second_axis(float32: None) -> None:
    model = small_models.mlp(latent_dims=1)
    frame = last_map(all_frames(Explorer(), scene_of(model, view=SMALL)))
    for tile in frame.tiles:
        assert off_by(tile, model, (0.0,), (0, 0)) < 0.51
        rows = tile.image.reshape(4, 28, 112)
        assert (rows == rows[0]).all()


def test_a_plane_through_twenty_dimensions(float32: None) -> None:
    model = small_models.mlp(latent_dims=20)
    point = tuple(np.random.default_rng(2).normal(size=20).tolist())
    frame = last_map(all_frames(Explorer(), scene_of(model, point=point, axes=(3, 7), view=SMALL)))
    assert frame.plane.axes == (3, 7)
    assert all(off_by(tile, model, point, (3, 7)) < 0.51 for tile in frame.tiles)
    turned = last_map(all_frames(Explorer(), scene_of(model, point=point, axes=(7, 3), view=SMALL)))
    assert all(off_by(tile, model, point, (7, 3)) < 0.51 for tile in turned.tiles)


def test_a_plane_at_an_angle_shows_what_lies_on_it(float32: None) -> None:
    model = small_models.mlp(latent_dims=20)
    chance = np.random.default_rng(5)
    plane, point = Plane.through(chance.normal(size=(3, 20))), tuple(chance.normal(size=20).tolist())
    frame = last_map(all_frames(Explorer(), scene_of(model, point=point, plane=plane, view=SMALL)))
    assert frame.plane == plane
    across, up, origin = (np.array(values) for values in (plane.across, plane.up, plane.origin))
    away = np.array(point) - origin
    beside = away - (away @ across) * across - (away @ up) * up
    for tile in frame.tiles:
        z = [origin + beside + u * across + v * up for u, v in centres(tile)]
        cells = tile.image.reshape(4, 28, 4, 28).swapaxes(1, 2).reshape(16, 28, 28)
        assert np.abs(cells - decoded(model, z)).max() < 0.51


def test_the_point_is_decoded_in_float32_whatever_the_map_is(explorer_2d: VAE) -> None:
    point = (0.4, -1.1)
    (frame,) = all_frames(Explorer(), scene_of(explorer_2d, point=point, view=None))
    assert isinstance(frame, PointFrame)
    assert (frame.version, frame.point) == (FIRST, point)
    assert small_models.rounds_to(frame.image[None], decoded(explorer_2d, [point]))


# Which tiles


@given(width=st.integers(50, 8000), span=st.floats(1e-3, 80.0), u=st.floats(-40, 40), v=st.floats(-40, 40))
def test_cells_are_26_to_52_pixels_wide_and_tiles_fill_the_view_once(
    width: int, span: float, u: float, v: float
) -> None:
    height = 1 + width // 2
    view = View(u - span / 2, u + span / 2, v - span / 4, v - span / 4 + span * height / width, width, height)
    level = level_for(view)
    slots = visible(view, level)
    cell = slots[0].span / 4 / view.units_per_pixel
    assert 26 * (1 - 1e-9) <= cell < 52 * (1 + 1e-9)
    assert len({(slot.column, slot.row) for slot in slots}) == len(slots)
    tiles = [slot.placed(np.zeros(0)) for slot in slots]
    for corner_u, corner_v in [(view.left, view.bottom), (view.right, view.top), (u, v)]:
        covering = [t for t in tiles if t.left <= corner_u <= t.right and t.bottom <= corner_v <= t.top]
        assert covering
    columns, rows = {slot.column for slot in slots}, {slot.row for slot in slots}
    assert len(slots) == len(columns) * len(rows)
    # A margin of half a tile on each side, and never more than a tile beyond it.
    assert len(columns) <= width / (4 * cell) + 3
    assert len(rows) <= height / (4 * cell) + 3


def test_the_complete_map_covers_the_view_without_overlap() -> None:
    frame = last_map(all_frames(Explorer(), scene_of(small_models.mlp())))
    assert holes(frame.tiles, WIDE, times=1) == []
    across = max(tile.right for tile in frame.tiles) - min(tile.left for tile in frame.tiles)
    assert across <= (WIDE.right - WIDE.left) + 3 * (frame.tiles[0].right - frame.tiles[0].left)


# The order of frames


def test_the_point_comes_first_then_the_nearest_tiles_and_the_complete_map_last() -> None:
    model = small_models.mlp()
    counter = Counter(model.decoder[0])
    frames = all_frames(by_the_call(), scene_of(model))
    assert isinstance(frames[0], PointFrame)
    maps = frames[1:]
    assert len(maps) >= 3
    assert [frame.complete for frame in maps] == [False] * (len(maps) - 1) + [True]
    assert counter.largest <= 400

    def distance(tile: Tile) -> float:
        return math.hypot((tile.left + tile.right) / 2, (tile.bottom + tile.top) / 2)

    everything = {rect(tile): distance(tile) for tile in maps[-1].tiles}
    shown: set = set()
    for frame in maps:
        now = {rect(tile) for tile in frame.tiles}
        assert shown < now
        absent = [everything[r] for r in everything if r not in now]
        assert max(everything[r] for r in now) <= min(absent, default=math.inf) + 1e-9
        shown = now
    assert all(frame.seconds >= 0 for frame in frames)
    assert all(frame.version == FIRST for frame in frames)


def test_nothing_is_sent_or_decoded_again_for_what_is_shown(mnist: Data) -> None:
    model = small_models.mlp()
    images = mnist.test.images[:250].numpy()
    scene = scene_of(model, encode=images, pictures=Pictures(images[:2], 3, 0))
    engine, decodes, encodes = Explorer(), Counter(model.decoder[0]), Counter(model.encoder[0])
    kinds = [type(frame) for frame in all_frames(engine, scene)]
    assert kinds.count(PointFrame) == kinds.count(EncodingsFrame) == kinds.count(PicturesFrame) == 1
    assert kinds[:2] == [PointFrame, PicturesFrame]
    decodes.taken(), encodes.taken()
    assert all_frames(engine, replace(scene)) == []
    assert (decodes.taken(), encodes.taken()) == (0, 0)
    (frame,) = all_frames(engine, replace(scene, point=(1.0, 1.0)))
    assert isinstance(frame, PointFrame)
    assert (decodes.taken(), encodes.taken()) == (1, 0)


def test_panning_decodes_only_what_comes_into_view() -> None:
    model = small_models.mlp()
    engine, counter = by_the_call(), Counter(model.decoder[0])
    first = last_map(all_frames(engine, scene_of(model)))
    assert counter.taken() == 1 + 16 * len(first.tiles)
    span = first.tiles[0].right - first.tiles[0].left
    slid = replace(WIDE, left=WIDE.left + 1.25 * span, right=WIDE.right + 1.25 * span)
    second = last_map(all_frames(engine, scene_of(model, view=slid)))
    new = {rect(tile) for tile in second.tiles} - {rect(tile) for tile in first.tiles}
    assert 0 < len(new) < 0.4 * len(second.tiles)
    assert counter.taken() == 16 * len(new) + COMPARED
    kept = {rect(tile): tile.image for tile in first.tiles}
    assert all(tile.image is kept[rect(tile)] for tile in second.tiles if rect(tile) in kept)
    (back,) = all_frames(engine, scene_of(model))
    assert back.complete
    assert counter.taken() == 0


def test_zooming_shows_coarser_tiles_until_the_fine_ones_come(float32: None) -> None:
    model = small_models.mlp()
    engine = by_the_call()
    all_frames(engine, scene_of(model))
    near = View(-1.7, 1.7, -1.05, 1.05, 1500, 927)
    frames = all_frames(engine, scene_of(model, view=near))
    assert len(frames) >= 3
    for frame in frames:
        assert holes(frame.tiles, near) == []
        spans = [tile.right - tile.left for tile in frame.tiles]
        assert spans == sorted(spans, reverse=True)
        assert all(off_by(tile, model) < 0.51 for tile in frame.tiles[::7])
    assert len({tile.right - tile.left for tile in frames[0].tiles}) == 2
    assert len({tile.right - tile.left for tile in frames[-1].tiles}) == 1
    assert [frame.complete for frame in frames] == [False] * (len(frames) - 1) + [True]


def test_zooming_out_shows_finer_tiles_until_the_coarse_ones_come(float32: None) -> None:
    model = small_models.mlp()
    engine = by_the_call()
    all_frames(engine, scene_of(model))
    far = View(-6.8, 6.8, -4.2, 4.2, 1500, 927)
    frames = all_frames(engine, scene_of(model, view=far))
    assert not frames[0].complete
    fine = [tile for tile in frames[0].tiles if tile.right - tile.left == 0.5]
    coarse = [tile for tile in frames[0].tiles if tile.right - tile.left == 1.0]
    assert fine and coarse
    assert len(fine) + len(coarse) == len(frames[0].tiles)
    assert all(off_by(tile, model) < 0.51 for tile in (*fine[::5], *coarse[::5]))
    assert holes(frames[0].tiles, View(-3.4, 3.4, -2.1, 2.1, 1, 1)) == []
    assert {tile.right - tile.left for tile in frames[-1].tiles} == {1.0}
    assert frames[-1].complete


def test_going_back_before_another_view_was_finished_shows_the_first_again() -> None:
    model, engine = small_models.mlp(), by_the_call()
    first, elsewhere = scene_of(model), scene_of(model, view=View(2.0, 8.8, 1.0, 5.2, 1500, 927))
    before = last_map(all_frames(engine, first))
    started = engine.frames(elsewhere)
    assert not next(frame for frame in started if isinstance(frame, MapFrame)).complete
    again = last_map(all_frames(engine, first))
    assert again.complete
    assert {rect(tile) for tile in again.tiles} == {rect(tile) for tile in before.tiles}
