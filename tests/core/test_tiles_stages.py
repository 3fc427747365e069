"""The explorer's engine with a slow decoder: short calls, coarse tiles first, the point in between, few frames."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import small_models
import torch
from exploring import (
    MEDIUM,
    SMALL,
    all_frames,
    by_the_call,
    expected_tile,
    holes,
    last_map,
    off_by,
    rect,
    scene_of,
)

from vae_studio import paths
from vae_studio.core.calls import Limits
from vae_studio.core.checkpoint import load_model
from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE
from vae_studio.core.scene import EncodingsFrame, MapFrame, PointFrame, Scene, Tile, Version, View
from vae_studio.core.tile_cache import TileCache
from vae_studio.core.tiles import Explorer

# Nothing is shown but what is complete or covers the view, however long it takes: this hangs on no clock.
COVERING = Limits(between=math.inf)
# Whatever comes into view bare is drawn as coarsely as can be, however fast the decoder is.
COARSEST = Limits(bare=0.0, between=math.inf)


class Slowed:
    """Makes a network take so many seconds more for each image, and keeps what it was asked for, call by call."""

    def __init__(self, network: torch.nn.Module, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.calls: list[np.ndarray] = []
        network.register_forward_pre_hook(self._note)

    def _note(self, _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self.calls.append(inputs[0].numpy().copy())
        time.sleep(len(inputs[0]) * self.seconds)

    @property
    def of_map(self) -> list[int]:
        """How many images each call had, but for the point's."""
        return [len(call) for call in self.calls if len(call) > 1]

    def taken(self) -> list[np.ndarray]:
        calls, self.calls = self.calls, []
        return calls


def slow(seconds: float, seed: int = 0) -> tuple[VAE, Slowed]:
    model = small_models.mlp(seed=seed)
    return model, Slowed(model.decoder[0], seconds)


def maps(engine: Explorer, scene: Scene) -> list[MapFrame]:
    return [frame for frame in all_frames(engine, scene) if isinstance(frame, MapFrame)]


def spans(tiles: tuple[Tile, ...]) -> set[float]:
    return {tile.right - tile.left for tile in tiles}


# Calls


def test_a_call_is_short_however_slow_the_decoder_is() -> None:
    model, decoder = slow(0.00025)  # 8 ms are two tiles of 16 images
    all_frames(Explorer(), scene_of(model, view=MEDIUM))
    assert set(decoder.of_map) <= {16, 32}
    assert decoder.of_map[0] == 16
    slower, decoder = slow(0.002)
    all_frames(Explorer(), scene_of(slower, view=SMALL))
    assert set(decoder.of_map) == {16}, "a tile at least"


def test_a_fast_decoder_gets_large_calls() -> None:
    model, decoder = slow(0.0)
    engine = Explorer()
    for number in range(4):
        all_frames(engine, scene_of(model, version=Version(1, number)))
    assert decoder.of_map[0] == 16
    assert max(decoder.of_map) == 256


def test_another_model_may_be_slower() -> None:
    fast, slower = slow(0.0), slow(0.002)
    engine = Explorer()
    all_frames(engine, scene_of(fast[0]))
    all_frames(engine, scene_of(slower[0], version=Version(2, 0), view=SMALL))
    assert max(fast[1].of_map) > 100
    assert max(slower[1].of_map) == 16


def test_images_are_encoded_in_short_calls_too(float32: None, mnist: Data) -> None:
    model = small_models.mlp()
    encoder = Slowed(model.encoder[0], 0.0004)  # 8 ms are 20 images
    frames = all_frames(Explorer(), scene_of(model, view=None, encode=mnist.test.images[:105].numpy()))
    assert isinstance(frames[-1], EncodingsFrame)
    assert encoder.of_map[0] == 10
    assert max(encoder.of_map) <= 20
    assert sum(encoder.of_map) == 105


def test_pixels_are_the_same_whatever_the_size_of_the_call(explorer_2d: VAE) -> None:
    """In bf16 where that is faster, as on the screen."""
    scene = scene_of(explorer_2d, view=MEDIUM)
    large = last_map(all_frames(by_the_call(), scene))
    small = last_map(all_frames(Explorer(limits=Limits(call=0.0)), scene))
    shown = {rect(tile): tile.image.astype(int) for tile in large.tiles}
    assert shown.keys() == {rect(tile) for tile in small.tiles}
    apart = np.abs(np.stack([tile.image - shown[rect(tile)] for tile in small.tiles]))
    # Other kernels may round the last bits otherwise.
    assert (apart == 0).mean() > 0.999
    assert apart.max() <= 3


# The point in between


def moving(engine: Explorer, scene: Scene, decoder: Slowed) -> Iterator[tuple[Scene, list, list[np.ndarray]]]:
    """Scenes with the point ever elsewhere, each dropped after two items, as by a renderer that has a newer one."""
    for step in range(1000):
        now = replace(scene, point=(0.001 * step, 0.0))
        items = list(islice(engine.frames(now), 2))
        yield now, items, decoder.taken()
        if any(isinstance(item, MapFrame) and item.complete for item in items):
            return
    pytest.fail("The map was never done.")


def test_a_moved_point_waits_for_one_call_at_most_and_the_map_goes_on() -> None:
    model, decoder = slow(0.0006)
    scenes = list(moving(Explorer(), scene_of(model, view=MEDIUM), decoder))
    assert 40 < len(scenes) < 80
    for scene, items, calls in scenes:
        assert isinstance(items[0], PointFrame)
        assert items[0].point == scene.point
        assert [len(call) for call in calls] == [1, 16]
    last = scenes[-1][1][-1]
    assert holes(last.tiles, MEDIUM, times=1) == []


def test_nothing_is_decoded_twice_however_often_the_scene_changes() -> None:
    model, decoder = slow(0.0004)
    engine, calls = Explorer(), []
    for _, _, taken in moving(engine, scene_of(model, view=MEDIUM), decoder):
        calls += taken
    assert all_frames(engine, scene_of(model, view=MEDIUM, point=(0.5, 0.5)))
    calls += decoder.taken()
    asked = np.concatenate([call for call in calls if len(call) > 1])
    assert len(asked) > 800
    assert len(np.unique(asked, axis=0)) == len(asked)


# Coarse first


@pytest.mark.parametrize("model", [small_models.mlp(), small_models.convolutional()], ids=["MLP", "convolutional"])
def test_the_first_frame_covers_the_view_coarsely_and_the_last_is_fine(float32: None, model: VAE) -> None:
    decoder = Slowed(model.decoder[0], 0.0003)
    frames = []
    for frame in Explorer(limits=COVERING).frames(scene_of(model, view=MEDIUM)):
        frames += [(frame, sum(decoder.of_map))] if isinstance(frame, MapFrame) else []
    (coarse, needed), (fine, whole) = frames
    assert not coarse.complete
    assert holes(coarse.tiles, MEDIUM) == []
    assert needed < 0.35 * whole
    assert max(spans(coarse.tiles)) >= 2 * min(spans(fine.tiles))
    assert fine.complete
    assert holes(fine.tiles, MEDIUM, times=1) == []
    assert len(spans(fine.tiles)) == 1
    assert all(off_by(tile, model) < 0.51 for tile in (*coarse.tiles, *fine.tiles[::3]))


def test_the_less_time_there_is_the_coarser_are_the_first_tiles() -> None:
    widths = []
    for bare in (0.25, 0.02):
        model, _ = slow(0.0005)
        coarse, fine = maps(Explorer(limits=replace(COVERING, bare=bare)), scene_of(model, view=MEDIUM))
        assert holes(coarse.tiles, MEDIUM) == []
        widths.append(max(spans(coarse.tiles)) / max(spans(fine.tiles)))
    assert 1 < widths[0] < widths[1]


def test_a_fast_map_comes_whole() -> None:
    model, decoder = slow(0.0)
    (frame,) = maps(Explorer(limits=Limits(bare=5.0, between=5.0)), scene_of(model, view=MEDIUM))
    assert frame.complete
    assert sum(decoder.of_map) == 16 * len(frame.tiles)


def test_what_is_shown_already_stands_in_and_nothing_coarser_is_drawn(float32: None) -> None:
    model, decoder = slow(0.0003)
    newer, newer_decoder = slow(0.0003, seed=1)
    engine = Explorer(limits=COVERING)
    near = View(-1.7, 1.7, -1.05, 1.05, 1000, 618)
    before = maps(engine, scene_of(model, view=MEDIUM))[-1]
    decoder.taken()
    (zoomed,) = maps(engine, scene_of(model, view=near))
    assert sum(decoder.of_map) == 16 * len(zoomed.tiles), "their parents stood in"
    engine = Explorer(limits=COVERING)
    maps(engine, scene_of(model, view=MEDIUM))
    (renewed,) = maps(engine, scene_of(newer, view=MEDIUM, version=Version(1, 1)))
    assert {rect(tile) for tile in renewed.tiles} == {rect(tile) for tile in before.tiles}
    assert sum(newer_decoder.of_map) == 16 * len(renewed.tiles), "stale ones stood in"
    assert all(off_by(tile, newer) < 0.51 for tile in renewed.tiles[::7])


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_where_nothing_stands_in_the_view_is_covered_again(axes: tuple[int, int]) -> None:
    """Far away, zoomed out far, or along other axes."""
    model, _ = slow(0.0003)
    engine = Explorer(limits=COVERING)
    maps(engine, scene_of(model, view=MEDIUM))
    elsewhere = replace(MEDIUM, left=MEDIUM.left + 20.0, right=MEDIUM.right + 20.0)
    views = (MEDIUM, elsewhere) if axes == (1, 0) else (elsewhere, View(-30.0, 30.0, -18.5, 18.5, 1000, 618))
    for view in views:
        coarse, fine = maps(engine, scene_of(model, view=view, axes=axes))
        assert holes(coarse.tiles, view) == []
        assert len(spans(coarse.tiles)) > 1 or spans(coarse.tiles) != spans(fine.tiles)
        assert fine.complete


def test_a_view_half_of_which_is_new_gets_coarse_tiles_there_only() -> None:
    model, decoder = slow(0.0)
    engine = Explorer(limits=COARSEST)
    before = {rect(tile) for tile in maps(engine, scene_of(model, view=MEDIUM))[-1].tiles}
    decoder.taken()
    half = replace(MEDIUM, left=MEDIUM.left + 6.5, right=MEDIUM.right + 6.5, bottom=0.1, top=4.3)
    *_, fine = maps(engine, scene_of(model, view=half))
    new = {rect(tile) for tile in fine.tiles} - before
    asked = np.concatenate(decoder.taken())
    extra = len(asked) - 16 * len(new)
    assert 0 <= extra <= 16 * 4
    assert len(np.unique(asked, axis=0)) == len(asked)


def test_tiles_of_either_stage_are_within_three_grey_levels() -> None:
    """Of a convolutional model that was trained, decoded as the screen has it."""
    model = load_model(paths.trained_models() / "convolutional-2d.safetensors").model
    frames = maps(Explorer(limits=COARSEST), scene_of(model, view=SMALL))
    tiles = {rect(tile): tile for frame in frames for tile in frame.tiles}.values()
    assert len(spans(tuple(tiles))) == 2
    errors = np.stack([tile.image - expected_tile(model, tile, (0.0, 0.0), (0, 1)) for tile in tiles])
    assert np.quantile(np.abs(errors), 0.999) <= 3
    assert np.abs(errors).mean() < 0.4
    assert np.ptp(np.stack([tile.image for tile in tiles])) > 200


def test_coarse_tiles_count_in_the_cache() -> None:
    model, _ = slow(0.0)
    cache = TileCache(limit=1_500_000)
    engine = Explorer(cache, COARSEST)
    for step in range(10):
        view = replace(MEDIUM, left=MEDIUM.left + 9 * step, right=MEDIUM.right + 9 * step)
        *_, fine = maps(engine, scene_of(model, view=view))
        assert holes(fine.tiles, view, times=1) == []
        assert 0 < cache.bytes <= 1_500_000
    assert cache.bytes == 112 * 112 * len(cache)


# Frames


def test_unfinished_maps_come_at_display_rate_and_none_between_them() -> None:
    model, decoder = slow(0.0002)
    began = time.perf_counter()
    items = list(Explorer().frames(scene_of(model)))
    seconds = time.perf_counter() - began
    frames = [item for item in items if isinstance(item, MapFrame)]
    # One for each sixtieth of a second at most, one more when the view is covered, and the complete one.
    assert 3 < len(frames) <= 60 * seconds + 2
    assert [frame.complete for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert len(items) == 1 + len(decoder.of_map), "after each call it can be seen whether a newer scene waits"
    assert items.count(None) > 10


def test_panning_without_a_pause_shows_the_map_all_the_same() -> None:
    """Scenes that are dropped after one call each: what is decoded is shown within a few of them."""
    model, _ = slow(0.0005)
    engine, shown, since = Explorer(), 0, 0
    for step in range(60):
        view = replace(MEDIUM, left=MEDIUM.left + 0.05 * step, right=MEDIUM.right + 0.05 * step)
        since += 1
        for item in islice(engine.frames(scene_of(model, view=view)), 2):
            if isinstance(item, MapFrame):
                shown, since = shown + 1, 0
        assert since <= 5
    assert shown > 12
