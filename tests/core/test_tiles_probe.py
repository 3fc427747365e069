"""The explorer encodes one image beside the point: with the newest weights, in its turn, and once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_models
from exploring import FIRST, all_frames, by_the_call, scene_of

from vae_studio.core import datasets
from vae_studio.core.scene import MapFrame, PointFrame, ProbeFrame, Version
from vae_studio.core.tiles import Explorer


@pytest.fixture(scope="module")
def digit(mnist: datasets.Data) -> np.ndarray:
    return mnist.test.images[0].numpy()


def probes(frames: list) -> list[ProbeFrame]:
    return [frame for frame in frames if isinstance(frame, ProbeFrame)]


def test_the_image_is_encoded_by_the_scenes_weights(digit: np.ndarray) -> None:
    model = small_models.mlp()
    (frame,) = probes(all_frames(Explorer(), scene_of(model, probe=digit)))
    assert frame.version == FIRST
    assert frame.image is digit
    numbers = model.frozen().encoder(small_models.torch.from_numpy(digit)[None, None].float() / 255)[0].numpy()
    assert frame.posterior.mean == pytest.approx(numbers[:2], rel=1e-4, abs=1e-5)
    assert frame.posterior.scale == pytest.approx(np.exp(numbers[2:] / 2), rel=1e-4)
    exact = small_models.decoded(model, frame.posterior.mean[None])[0]
    assert small_models.rounds_to(frame.reconstruction, exact)
    assert small_models.rounds_to(frame.error, np.abs(digit - exact))


def test_once_for_each_image_and_weights(digit: np.ndarray) -> None:
    engine, model = Explorer(), small_models.mlp()
    scene = scene_of(model, probe=digit)
    assert len(probes(all_frames(engine, scene))) == 1
    assert not probes(all_frames(engine, replace(scene, point=(1.0, 0.0))))
    other = small_models.mlp(seed=1)
    (frame,) = probes(all_frames(engine, replace(scene, model=other, version=Version(1, 1))))
    assert frame.version == Version(1, 1)
    assert len(probes(all_frames(engine, replace(scene, probe=digit.copy())))) == 1
    assert not probes(all_frames(engine, replace(scene, probe=None)))


def test_it_comes_before_the_map_and_takes_turns_with_the_point(digit: np.ndarray) -> None:
    engine, scene = by_the_call(), scene_of(small_models.mlp(), probe=digit)
    kinds = [type(frame) for frame in all_frames(engine, scene)]
    assert kinds[:2] == [PointFrame, ProbeFrame]
    assert MapFrame in kinds
    # Generators that are dropped at the first frame, while everything changes: nothing is left out.
    seen = []
    for number in range(12):
        moved = replace(scene, point=(0.1 * number, 0.0), probe=digit.copy(), version=Version(1, number + 1))
        seen.append(type(next(frame for frame in engine.frames(moved) if frame is not None)))
    assert {PointFrame, ProbeFrame, MapFrame} <= set(seen)
