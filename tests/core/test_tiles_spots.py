"""The small pictures of pins, of a path's frames and of the sliders: what they show, and their turn among the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_models
from exploring import FIRST, SMALL, Counter, all_frames, by_the_call, scene_of
from small_models import decoded, rounds_to

from vae_studio.core.scene import MapFrame, PointFrame, SpotsFrame, StripsFrame, TermsFrame, Version
from vae_studio.core.tiles import Explorer


def spots(count: int, dims: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dims))


def only(frames: list, kind: type) -> list:
    return [frame for frame in frames if isinstance(frame, kind)]


@pytest.mark.parametrize(
    "model",
    [
        small_models.mlp(),
        small_models.mlp(latent_dims=20),
        small_models.convolutional(),
        small_models.of(small_models.COLOUR),
        small_models.of(small_models.OBLONG),
    ],
    ids=["mlp", "20-d", "convolutional", "colour", "oblong"],
)
def test_each_is_what_the_decoder_gives_there(model) -> None:
    wanted = spots(70, model.latent_dims)
    (frame,) = only(all_frames(Explorer(), scene_of(model, view=None, spots=wanted)), SpotsFrame)
    assert frame.version == FIRST
    assert frame.spots is wanted
    assert rounds_to(frame.images, decoded(model, wanted))
    assert np.ptp(frame.images) > 100


def test_they_come_after_the_point_and_before_the_map() -> None:
    scene = scene_of(small_models.mlp(), view=SMALL, spots=spots(9), strips=spots(14, seed=1), terms=spots(4, seed=2))
    frames = all_frames(Explorer(), scene)
    assert [type(frame) for frame in frames[:5]] == [PointFrame, SpotsFrame, StripsFrame, TermsFrame, MapFrame]


@pytest.mark.parametrize(("name", "kind"), [("strips", StripsFrame), ("terms", TermsFrame)])
def test_those_of_the_sliders_and_of_what_is_combined_are_what_the_decoder_gives_and_begun_anew_where_they_moved(
    name: str, kind: type
) -> None:
    model, engine = small_models.mlp(latent_dims=20), Explorer()
    here, there = spots(14, 20), spots(14, 20, seed=1)
    scene = scene_of(model, view=None, spots=spots(9, 20), **{name: here})
    for points in (here, there):
        (frame,) = only(all_frames(engine, replace(scene, **{name: points})), kind)
        assert frame.points is points
        assert rounds_to(frame.images, decoded(model, points))
    assert only(all_frames(engine, replace(scene, **{name: there})), SpotsFrame) == [], "each has its own memory"
    assert all_frames(engine, replace(scene, **{name: None})) == []


def test_they_are_decoded_once_and_again_for_new_weights() -> None:
    model, other = small_models.mlp(), small_models.mlp(seed=1)
    engine, wanted = Explorer(), spots(5)
    scene = scene_of(model, view=None, spots=wanted)
    all_frames(engine, scene)
    assert only(all_frames(engine, replace(scene, point=(1.0, 1.0))), SpotsFrame) == []
    (frame,) = only(all_frames(engine, replace(scene, model=other, version=Version(1, 1))), SpotsFrame)
    assert frame.version == Version(1, 1)
    assert rounds_to(frame.images, decoded(other, wanted))


def test_none_are_wanted_and_wanted_again() -> None:
    engine, wanted = Explorer(), spots(5)
    scene = scene_of(small_models.mlp(), view=None, spots=wanted)
    all_frames(engine, scene)
    assert all_frames(engine, replace(scene, spots=None)) == []
    assert len(only(all_frames(engine, scene), SpotsFrame)) == 1


def test_a_drag_that_never_rests_still_sees_pictures() -> None:
    """Other points and other weights at every look, by a reader that drops every generator: some are shown whole."""
    model = small_models.convolutional()
    engine, shown = by_the_call(), []
    for turn in range(80):
        small = {"spots": spots(40, seed=turn), "strips": spots(24, seed=1000 + turn)}
        scene = scene_of(model, version=Version(1, turn), view=SMALL, point=(turn / 80, 0.0), **small)
        shown.append(next(iter(engine.frames(scene))))
    for kind, points in ((SpotsFrame, "spots"), (StripsFrame, "points")):
        frames = only(shown, kind)
        assert len(frames) >= 5
        for frame in frames:
            assert rounds_to(frame.images, decoded(model, getattr(frame, points)))
    assert len(only(shown, PointFrame)) >= 10 and len(only(shown, MapFrame)) >= 10


def test_another_number_of_them_is_begun_anew() -> None:
    model = small_models.convolutional()
    engine = Explorer()
    first, second = spots(40), spots(3, seed=1)
    steps = engine.frames(scene_of(model, view=None, spots=first))
    assert isinstance(next(steps), PointFrame)
    assert next(steps) is None  # of 40 the first few
    counter = Counter(model.decoder)
    (frame,) = only(all_frames(engine, scene_of(model, view=None, spots=second)), SpotsFrame)
    assert frame.spots is second
    assert counter.taken() == 3


def test_pictures_of_one_model_are_not_finished_for_another() -> None:
    first, second = small_models.mlp(), small_models.mlp(seed=3)
    engine, wanted = Explorer(), spots(40)
    steps = engine.frames(scene_of(first, view=None, spots=wanted))
    next(steps), next(steps)
    scene = scene_of(second, version=Version(2, 0), view=None, spots=wanted)
    (frame,) = only(all_frames(engine, scene), SpotsFrame)
    assert frame.version == Version(2, 0)
    assert rounds_to(frame.images, decoded(second, wanted))
