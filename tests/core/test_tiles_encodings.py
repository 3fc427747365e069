"""The spread of q(z|x) around encodings, and the reconstruction of the image at the mouse, against figures by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_models
import torch
from exploring import FIRST, SMALL, all_frames, by_the_call, means_of, scene_of
from small_models import decoded, rounds_to

from vae_studio.core.calls import Limits
from vae_studio.core.config import MLPConfig, RunConfig
from vae_studio.core.model import VAE, build
from vae_studio.core.plane import Plane
from vae_studio.core.scene import EncodingsFrame, GlanceFrame, MapFrame, PointFrame, Version
from vae_studio.core.tiles import Explorer


def of(posterior: str, dims: int = 3, seed: int = 0) -> VAE:
    """A VAE whose posteriors are about as wide as those of a trained one."""
    network = MLPConfig(widths=(32,), activation="tanh")
    model = build(RunConfig(network=network, latent_dims=dims, posterior=posterior, seed=seed), small_models.SHAPE)
    return model.requires_grad_(False).eval()


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def by_hand(model: VAE, pictures: np.ndarray) -> np.ndarray:
    """Each q(z|x)'s covariance in all dimensions, from what the encoder puts out, in a plain loop: (n, d, d)."""
    d, kind = model.latent_dims, model.config.posterior
    with torch.no_grad():
        outputs = model.encoder(torch.from_numpy(pictures[:, None] / np.float32(255))).double().numpy()
    found = []
    for row in outputs:
        if kind == "diagonal-gaussian":
            found.append(np.diag(np.exp(row[d : 2 * d])))
        elif kind == "laplace":
            found.append(np.diag(2.0 * np.exp(row[d : 2 * d]) ** 2))
        else:
            factor, below = np.diag(np.exp(row[d : 2 * d])), iter(row[2 * d :])
            for i in range(d):
                for j in range(i):
                    factor[i, j] = next(below)
            found.append(factor @ factor.T)
    return np.array(found)


def encoded(frames: list) -> list[EncodingsFrame]:
    return [frame for frame in frames if isinstance(frame, EncodingsFrame)]


@pytest.mark.parametrize("kind", ["diagonal-gaussian", "full-gaussian", "laplace"])
def test_covariances_are_those_of_the_coordinates_on_the_plane_and_follow_weights_and_plane(kind: str) -> None:
    model, other, pictures, engine = of(kind), of(kind, seed=1), images(130), Explorer()
    tilted = Plane.through(((1.0, 0.0, 0.0), (0.0, 1.0, 0.5), (0.3, 0.0, 1.0)))
    scene = scene_of(model, view=SMALL, encode=pictures, ellipses=True)
    for now in (
        scene,
        replace(scene, plane=tilted),
        replace(scene, plane=tilted, model=other, version=Version(1, 1)),
        replace(scene, model=other, version=Version(1, 1)),
    ):
        (frame,) = encoded(all_frames(engine, now))
        assert (frame.version, frame.plane) == (now.version, now.plane)
        assert frame.images is pictures
        np.testing.assert_allclose(frame.means, means_of(now.model, pictures), atol=0.02)
        basis = np.array([now.plane.across, now.plane.up])
        wanted = np.array([basis @ full @ basis.T for full in by_hand(now.model, pictures)])
        np.testing.assert_allclose(frame.covariances, wanted, rtol=0.05, atol=0.03 * wanted.max())
    assert all_frames(engine, now) == []
    assert encoded(all_frames(engine, replace(now, point=(0.5, 0.0, 0.0)))) == [], "the point changes none of them"


def test_without_ellipses_there_are_none_and_they_come_when_they_are_wanted_after_point_and_map() -> None:
    model, pictures, engine = of("full-gaussian"), images(130), Explorer()
    scene = scene_of(model, view=SMALL, encode=pictures)
    (bare,) = encoded(all_frames(engine, scene))
    assert bare.plane is bare.covariances is None
    wanted = replace(scene, ellipses=True, point=(1.0, 0.0, 1.0))
    (later,) = encoded(all_frames(engine, wanted))
    assert later.plane == wanted.plane
    frames = all_frames(Explorer(), wanted)
    kinds = [type(frame) for frame in frames]
    assert kinds[0] is PointFrame and kinds[-1] is EncodingsFrame and MapFrame in kinds
    assert frames[-1].covariances.shape == (130, 2, 2)
    assert all_frames(engine, replace(wanted, ellipses=False)) == [], "those that are there need not come again"


def test_they_are_made_piece_by_piece_and_a_newer_scene_loses_none_of_it() -> None:
    model, pictures = of("diagonal-gaussian"), images(400)
    engine = Explorer(limits=Limits(call=1e-9))  # as few images a call as there can be
    scene = scene_of(model, view=None, encode=pictures, ellipses=True)
    steps = engine.frames(scene)
    assert isinstance(next(steps), PointFrame)
    assert [next(steps) for _ in range(30)] == [None] * 30
    later = list(engine.frames(replace(scene, point=(0.0, 0.0, 1.0))))
    assert isinstance(next(frame for frame in later if frame is not None), PointFrame)
    assert later.count(None) <= 10, "the first 300 were not encoded again"
    assert len(encoded(later)) == 1


def test_a_glance_is_the_reconstruction_of_that_image_by_these_weights_and_is_made_once() -> None:
    model, other, pictures, engine = small_models.mlp(), small_models.mlp(seed=1), images(3), Explorer()
    scene = scene_of(model, view=None, glance=pictures[0])
    for now in (
        scene,
        replace(scene, glance=pictures[1]),
        replace(scene, glance=pictures[1], model=other, version=Version(1, 1)),
    ):
        (frame,) = (frame for frame in all_frames(engine, now) if isinstance(frame, GlanceFrame))
        assert frame.version == now.version
        assert frame.image is now.glance
        assert rounds_to(frame.reconstruction[None], decoded(now.model, means_of(now.model, now.glance[None])))
        assert all_frames(engine, now) == []
    first, second = (decoded(model, means_of(model, picture[None])) for picture in pictures[:2])
    assert np.abs(first - second).max() > 9, "else the test sees nothing"
    assert all_frames(engine, replace(now, glance=None)) == []


def test_glances_at_ever_new_images_starve_nothing_and_are_seen() -> None:
    pictures, shown = images(60), []
    engine, scene = by_the_call(), scene_of(small_models.mlp(), view=SMALL, version=FIRST)
    for turn in range(60):
        now = replace(scene, glance=pictures[turn], point=(turn / 60, 0.0))
        shown.append(next(iter(engine.frames(now))))
    kinds = [type(frame) for frame in shown]
    assert kinds.count(GlanceFrame) >= 10 and kinds.count(PointFrame) >= 10
    assert [frame.complete for frame in shown if isinstance(frame, MapFrame)][-1]
