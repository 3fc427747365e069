"""The explorer's engine while weights, images and views change: nothing starves, nothing stale is called new."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest
import small_models
import torch
from exploring import (
    COMPARED,
    FIRST,
    MEDIUM,
    SMALL,
    Counter,
    all_frames,
    by_the_call,
    holes,
    last_map,
    means_of,
    off_by,
    pictures_frame,
    rect,
    scene_of,
)
from small_models import decoded

from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE
from vae_studio.core.plane import Plane
from vae_studio.core.scene import (
    EncodingsFrame,
    MapFrame,
    Pictures,
    PicturesFrame,
    PointFrame,
    Scene,
    Version,
)
from vae_studio.core.tile_cache import CACHE_BYTES, Slot, TileCache
from vae_studio.core.tiles import Explorer

# New weights


def test_stale_tiles_stay_until_their_successors_come(float32: None) -> None:
    old, new = small_models.mlp(), small_models.mlp(seed=1)
    engine = by_the_call()
    before = last_map(all_frames(engine, scene_of(old)))
    frames = all_frames(engine, scene_of(new, version=Version(1, 1)))
    assert isinstance(frames[0], PointFrame)
    old_images = {rect(tile): tile.image for tile in before.tiles}
    stale = []
    for frame in frames[1:]:
        assert frame.version == Version(1, 1)
        assert {rect(tile) for tile in frame.tiles} == set(old_images)
        stale.append(sum(tile.image is old_images[rect(tile)] for tile in frame.tiles))
        assert frame.complete == (stale[-1] == 0)
    assert stale[0] > 0
    assert stale == sorted(stale, reverse=True)
    assert all(off_by(tile, new) < 0.51 for tile in frames[-1].tiles[::7])


def test_another_lineage_starts_with_an_empty_map(float32: None) -> None:
    old, new = small_models.mlp(), small_models.mlp(seed=1)
    engine = by_the_call()
    all_frames(engine, scene_of(old))
    first, *_ = (f for f in engine.frames(scene_of(new, version=Version(2, 0))) if isinstance(f, MapFrame))
    assert 0 < len(first.tiles) <= 25
    assert not first.complete
    assert all(off_by(tile, new) < 0.51 for tile in first.tiles[::5])


def test_a_model_with_more_dimensions_takes_over(float32: None) -> None:
    engine = Explorer()
    all_frames(engine, scene_of(small_models.mlp(), view=SMALL))
    model = small_models.mlp(latent_dims=5)
    frame = last_map(all_frames(engine, scene_of(model, version=Version(2, 0), axes=(4, 2), view=SMALL)))
    assert all(off_by(tile, model, (0.0,) * 5, (4, 2)) < 0.51 for tile in frame.tiles)


def test_other_axes_start_with_an_empty_map_and_going_back_is_right(float32: None) -> None:
    model = small_models.mlp(latent_dims=3)
    engine = Explorer()
    for axes in ((0, 1), (0, 2), (0, 1)):
        frames = all_frames(engine, scene_of(model, axes=axes, view=SMALL))
        assert all(frame.plane.axes == axes for frame in frames if isinstance(frame, MapFrame))
        assert all(off_by(tile, model, (0.0,) * 3, axes) < 0.51 for tile in last_map(frames).tiles)


def test_a_plane_seen_before_is_there_at_once(float32: None) -> None:
    model = small_models.mlp(latent_dims=3)
    engine, counter = by_the_call(), Counter(model.decoder[0])
    slanted = Plane.through(((0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    first = last_map(all_frames(engine, scene_of(model, view=SMALL)))
    all_frames(engine, scene_of(model, plane=slanted, view=SMALL))
    counter.taken()
    again = all_frames(engine, scene_of(model, view=SMALL))
    assert not counter.taken()
    assert [tile.image is other.image for tile, other in zip(last_map(again).tiles, first.tiles, strict=True)]
    # Within a plane at an angle the point's offset from it changes by rounding errors only: nothing is drawn anew.
    for step in range(20):
        point = slanted.moved((0.0, 0.0, 0.0), (0.1 * step, -0.07 * step))
        all_frames(engine, scene_of(model, point=point, plane=slanted, view=SMALL))
    assert counter.taken() == 19  # the points but for the first, which was shown


def test_moving_within_the_plane_decodes_one_image_and_off_the_plane_all(float32: None) -> None:
    model = small_models.mlp(latent_dims=20)
    point = [0.1 * i for i in range(20)]
    scene = scene_of(model, point=tuple(point), axes=(3, 7), view=SMALL)
    engine, counter = by_the_call(), Counter(model.decoder[0])
    tiles = len(last_map(all_frames(engine, scene)).tiles)
    counter.taken()
    point[3], point[7] = -1.0, 2.0
    all_frames(engine, replace(scene, point=tuple(point)))
    assert counter.taken() == 1
    point[12] = -2.0
    frame = last_map(all_frames(engine, replace(scene, point=tuple(point))))
    assert counter.taken() == 1 + 16 * tiles + COMPARED
    assert all(off_by(tile, model, tuple(point), (3, 7)) < 0.51 for tile in frame.tiles)


def newer_and_newer(
    scene: Scene, models: list[VAE], engine: Explorer, frames_each: int, scenes: int
) -> Iterator[tuple[Scene, object]]:
    """Frames of an engine that gets a scene with new weights after every `frames_each` frames."""
    for number in range(scenes):
        now = replace(scene, model=models[number % len(models)], version=Version(1, number), point=(number * 0.01, 0.0))
        for frame in islice(engine.frames(now), frames_each):
            yield now, frame


@pytest.mark.parametrize("frames_each", [1, 2])
def test_new_weights_after_every_frame_starve_nothing(float32: None, mnist: Data, frames_each: int) -> None:
    models = [small_models.mlp(seed=seed) for seed in range(5)]
    images = mnist.test.images[:450].numpy()
    scene = scene_of(models[0], view=MEDIUM, encode=images, pictures=Pictures(images[:3], 2, 0))
    complete, encoded, points, pictures = [], [], [], []
    engine = by_the_call()
    for now, frame in newer_and_newer(scene, models, engine, frames_each, 200 // frames_each):
        match frame:
            case PointFrame():
                points.append(now.version.number)
                assert (frame.version, frame.point) == (now.version, now.point)
                assert small_models.rounds_to(frame.image[None], decoded(now.model, [now.point]))
            case PicturesFrame():
                pictures.append(now.version.number)
                assert frame.version == now.version
            case MapFrame() if frame.complete:
                complete.append(frame.version.number)
                model = models[frame.version.number % len(models)]
                assert all(off_by(tile, model) < 0.51 for tile in frame.tiles[:: len(frame.tiles) // 8])
            case EncodingsFrame():
                encoded.append(frame.version.number)
                model = models[frame.version.number % len(models)]
                assert np.allclose(frame.means, means_of(model, images), atol=1e-4)
    # A pass is two pieces of the map and five of the encodings, and every kind has its turn.
    assert len(complete) >= 5
    assert len(encoded) >= 5
    assert complete == sorted(set(complete))
    assert encoded == sorted(set(encoded))
    assert complete[: len(encoded)] == encoded
    for kind in (points, pictures):
        assert max(np.diff(kind)) <= 3


def test_dragging_while_training_keeps_the_point_alive(float32: None) -> None:
    """The last frame of each dropped generator is shown, so at least every second one must be the point's."""
    models = [small_models.mlp(seed=seed) for seed in range(3)]
    kinds = [type(frame) for _, frame in newer_and_newer(scene_of(models[0]), models, by_the_call(), 1, 40)]
    assert kinds[0] is PointFrame
    assert kinds.count(PointFrame) == 20
    assert kinds.count(MapFrame) == 20


def test_when_snapshots_stop_the_newest_weights_are_shown(float32: None) -> None:
    models = [small_models.mlp(seed=seed) for seed in range(3)]
    engine = by_the_call()
    for now, _ in newer_and_newer(scene_of(models[0]), models, engine, 2, 11):
        last = now
    frames = all_frames(engine, last)
    assert last_map(frames).version == Version(1, 10)
    assert all(off_by(tile, models[10 % 3]) < 0.51 for tile in last_map(frames).tiles[::7])
    assert all_frames(engine, last) == []


# Encodings


def test_encodings_are_the_posterior_means(explorer_2d: VAE, mnist: Data) -> None:
    images = mnist.test.images[:330].numpy()
    (frame,) = [f for f in all_frames(Explorer(), scene_of(explorer_2d, encode=images)) if type(f) is EncodingsFrame]
    assert frame.means.shape == (330, 2)
    assert frame.means.dtype == np.float32
    # In bf16, to a pixel or two on the screen.
    assert np.abs(frame.means - means_of(explorer_2d, images)).max() < 0.1
    assert np.abs(frame.means - means_of(explorer_2d, images)).mean() < 0.01


def test_encodings_wait_for_the_map(float32: None, mnist: Data) -> None:
    frames = all_frames(Explorer(), scene_of(small_models.mlp(), encode=mnist.test.images[:10].numpy()))
    assert isinstance(frames[-1], EncodingsFrame)
    assert frames[-2].complete


def test_an_interrupted_encoding_goes_on_where_it_was(float32: None, mnist: Data) -> None:
    model = small_models.mlp()
    images = mnist.test.images[:1000].numpy()
    engine, counter = Explorer(), Counter(model.encoder[0])
    for step in count():
        scene = scene_of(model, view=SMALL, encode=images, point=(0.001 * step, 0.0))
        frames = list(islice(engine.frames(scene), 2))
        if isinstance(frames[-1], EncodingsFrame):
            break
        assert step < 100
    assert step >= 5
    assert counter.taken() == 1000
    assert np.allclose(frames[-1].means, means_of(model, images), atol=1e-5)


@pytest.mark.parametrize("finished", [True, False])
def test_other_images_are_encoded_anew(float32: None, mnist: Data, finished: bool) -> None:
    model = small_models.mlp()
    one, other = mnist.test.images[:300].numpy(), mnist.test.images[1000:1250].numpy()
    engine = Explorer()
    if finished:
        all_frames(engine, scene_of(model, view=SMALL, encode=one))
    else:
        assert None in islice(engine.frames(scene_of(model, view=SMALL, encode=one)), 4)
    frames = all_frames(engine, scene_of(model, view=SMALL, encode=other))
    assert isinstance(frames[-1], EncodingsFrame)
    assert np.allclose(frames[-1].means, means_of(model, other), atol=1e-5)


def test_encodings_stay_when_the_axes_change(float32: None, mnist: Data) -> None:
    model = small_models.mlp(latent_dims=3)
    engine, counter = Explorer(), Counter(model.encoder[0])
    scene = scene_of(model, view=SMALL, encode=mnist.test.images[:20].numpy())
    all_frames(engine, scene)
    assert counter.taken() == 20
    assert {type(frame) for frame in all_frames(engine, replace(scene, plane=Plane.of_axes((2, 1), 3)))} == {MapFrame}
    assert counter.taken() == 0


# Pictures


def test_pictures_are_reconstructions_at_the_posterior_mean_and_draws_from_the_prior(mnist: Data) -> None:
    model = small_models.mlp(latent_dims=4)
    request = Pictures(mnist.test.images[:7].numpy(), 600, seed=9)
    frame = pictures_frame(model, FIRST, request)
    assert frame.request is request
    assert small_models.rounds_to(frame.reconstructions, decoded(model, means_of(model, request.images)))
    noise = torch.randn(600, 4, generator=torch.Generator().manual_seed(9)).numpy()
    assert small_models.rounds_to(frame.samples, decoded(model, noise))
    # That these are draws from N(0, I), the pictures' own mean tells: it is that of many other draws.
    others = decoded(model, np.random.default_rng(1).standard_normal((4000, 4)))
    standard_error = others.std(axis=0) / math.sqrt(600)
    assert (np.abs(frame.samples.mean(axis=0) - others.mean(axis=0)) < 5 * standard_error + 0.5).all()


def test_pictures_come_once_for_each_request_and_weights(mnist: Data) -> None:
    model = small_models.mlp()
    request = Pictures(mnist.test.images[:4].numpy(), 5, seed=1)
    scene = scene_of(model, view=None, pictures=request)
    engine = Explorer()
    point, pictures = all_frames(engine, scene)
    assert (type(point), type(pictures)) == (PointFrame, PicturesFrame)
    assert all_frames(engine, scene) == []
    again = all_frames(engine, replace(scene, pictures=replace(request, seed=2)))
    assert [type(frame) for frame in again] == [PicturesFrame]
    assert np.array_equal(again[0].reconstructions, pictures.reconstructions)
    assert not np.array_equal(again[0].samples, pictures.samples)
    newer = all_frames(engine, replace(scene, version=Version(1, 1), model=small_models.mlp(seed=3)))
    assert [type(frame) for frame in newer] == [PointFrame, PicturesFrame]
    assert newer[1].version == Version(1, 1)


# The cache


def image(size: int) -> np.ndarray:
    return np.zeros(size, np.uint8)


def test_the_cache_is_bounded_in_bytes_and_forgets_what_was_used_longest_ago() -> None:
    cache = TileCache(limit=1000)
    slots = [Slot(0, column, 0) for column in range(10)]
    for slot in slots:
        cache.put(slot, "a", image(100))
    assert (cache.bytes, len(cache)) == (1000, 10)
    assert cache.image(slots[0]) is not None
    cache.put(Slot(1, 0, 0), "a", image(150))
    assert cache.bytes <= 1000
    assert [slot.column for slot in slots if cache.image(slot) is None] == [1, 2]


def test_a_slot_holds_its_latest_image_only() -> None:
    cache = TileCache(limit=1000)
    slot = Slot(0, 0, 0)
    cache.put(slot, "old", image(100))
    new = image(300)
    cache.put(slot, "new", new)
    assert (cache.bytes, len(cache)) == (300, 1)
    assert cache.image(slot) is new
    assert cache.is_fresh(slot, "new")
    assert not cache.is_fresh(slot, "old")
    assert not cache.is_fresh(Slot(0, 1, 0), "new")
    cache.clear()
    assert (cache.bytes, len(cache)) == (0, 0)
    assert cache.image(slot) is None


def test_an_image_larger_than_the_bound_is_kept_alone() -> None:
    cache = TileCache(limit=100)
    for column in range(3):
        cache.put(Slot(0, column, 0), "a", image(500))
    assert (cache.bytes, len(cache)) == (500, 1)


def test_long_journeys_stay_within_the_bound(float32: None) -> None:
    model = small_models.mlp(widths=(8,))
    cache = TileCache(limit=2_000_000)
    engine = Explorer(cache)
    for step in range(12):
        view = replace(MEDIUM, left=MEDIUM.left + 3 * step, right=MEDIUM.right + 3 * step)
        frame = last_map(all_frames(engine, scene_of(model, view=view)))
        assert holes(frame.tiles, view, times=1) == []
        # Tiles own their memory: a view into a batch would keep all of it.
        assert all(tile.image.base is None for tile in frame.tiles)
        assert cache.bytes <= 2_000_000
    assert cache.bytes > 1_800_000
    assert CACHE_BYTES <= 80 * 2**20


def test_the_bound_holds_over_all_planes_together() -> None:
    cache = TileCache(limit=1000)
    planes = [Plane.of_axes((0, up), 8) for up in range(1, 7)]
    for plane in planes:
        cache.turn_to(plane)
        for column in range(4):
            cache.put(Slot(0, column, 0), "a", image(100))
        assert cache.bytes <= 1000
    kept = []
    for plane in planes:
        cache.turn_to(plane)
        kept.append(sum(Slot(0, column, 0) in cache for column in range(4)))
    assert kept == [0, 0, 0, 2, 4, 4], "those of the plane that was left longest ago went first"


def test_a_cache_too_small_for_the_view_still_ends_and_takes_new_weights() -> None:
    engine = Explorer(TileCache(limit=10 * 112 * 112))
    models = [small_models.mlp(widths=(8,), seed=seed) for seed in range(3)]
    for number, model in enumerate(models):
        frame = last_map(all_frames(engine, scene_of(model, version=Version(1, number))))
        assert frame.version == Version(1, number)
