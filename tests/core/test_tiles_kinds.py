"""The explorer's engine with every kind of model: colour and other sizes, draws from p(x|z), priors, expectations."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import small_models
import torch
from exploring import (
    FIRST,
    SMALL,
    Counter,
    all_frames,
    by_the_call,
    last_map,
    means_of,
    off_by,
    pictures_frame,
    scene_of,
)
from small_models import COLOUR, OBLONG, decoded, rounds_to
from torch.distributions import Categorical, Independent, Laplace, MixtureSameFamily, MultivariateNormal, Normal

from vae_studio.core.config import (
    BernoulliConfig,
    ConvolutionalConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
)
from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE
from vae_studio.core.scene import EncodingsFrame, MapFrame, Pictures, PicturesFrame, PointFrame, Scene, Version
from vae_studio.core.tiles import Explorer

POINT = (0.3, -0.7)


def point_image(model: VAE, draw: int | None = None, point: tuple[float, ...] = POINT) -> np.ndarray:
    (frame,) = all_frames(Explorer(), scene_of(model, view=None, point=point, draw=draw))
    assert (frame.point, frame.draw) == (point, draw)
    return frame.image


# Colour and other sizes


@pytest.mark.parametrize("shape", [COLOUR, OBLONG], ids=["colour", "oblong"])
@pytest.mark.parametrize(
    "network", [MLPConfig(widths=(32,), activation="tanh"), ConvolutionalConfig(channels=(4, 8), dense=(16,))]
)
def test_every_frame_of_colours_and_other_sizes_is_what_the_decoder_gives(
    float32: None, shape: tuple[int, int, int], network: object
) -> None:
    model = small_models.of(shape, network=network)
    _, height, width = shape
    channels = (3,) if shape[0] == 3 else ()
    images = np.random.default_rng(0).integers(0, 256, (30, height, width, *channels), np.uint8)
    request = Pictures(images[:4], 5, 0, expectation=True)
    frames = all_frames(Explorer(), scene_of(model, view=SMALL, encode=images, pictures=request, point=POINT))
    by_kind = {type(frame): frame for frame in frames}

    point = by_kind[PointFrame].image
    assert point.shape == (height, width, *channels)
    assert rounds_to(point[None], decoded(model, [POINT]))
    tiles = by_kind[MapFrame].tiles
    assert tiles[0].image.shape == (4 * height, 4 * width, *channels)
    assert {tile.cells for tile in tiles} == {4}
    assert all(off_by(tile, model) < 0.51 for tile in tiles)
    assert np.ptp(np.stack([tile.image for tile in tiles])) > 100
    means = means_of(model, images)
    assert np.allclose(by_kind[EncodingsFrame].means, means, atol=1e-5)
    pictures = by_kind[PicturesFrame]
    assert rounds_to(pictures.reconstructions, decoded(model, means[:4]))
    assert pictures.samples.shape == (5, height, width, *channels)
    assert pictures.expectation.images.shape == pictures.expectation.differences.shape == images[:4].shape


# A draw from p(x|z) at the point


def test_draws_of_bernoulli_pixels_are_white_as_often_as_the_mean_says() -> None:
    model = small_models.mlp()
    p = decoded(model, [POINT])[0] / 255
    drawn = np.stack([point_image(model, draw) for draw in range(400)])
    assert set(np.unique(drawn)) == {0, 255}
    error = np.abs((drawn / 255).mean(axis=0) - p) / np.sqrt(p * (1 - p) / 400 + 1e-9)
    assert error.max() < 5
    assert (error > 1).mean() > 0.1, "draws that differ"


@pytest.mark.parametrize(
    ("kind", "deviations"), [(GaussianConfig, 1.0), (LaplaceConfig, math.sqrt(2.0))], ids=["gaussian", "laplace"]
)
def test_draws_of_grey_pixels_are_spread_around_the_mean(kind: type, deviations: float) -> None:
    model = small_models.of(likelihood=kind(scale="fixed", width=0.02))
    mean = decoded(model, [POINT])[0]
    inside = (mean > 60) & (mean < 195)  # where no draw is cut off
    noise = np.stack([point_image(model, draw) for draw in range(100)])[:, inside] - mean[inside]
    assert inside.sum() > 100
    assert abs(noise.mean()) < 5 * noise.std() / math.sqrt(noise.size)
    assert noise.std() == pytest.approx(255 * 0.02 * deviations, rel=0.03)


def test_the_noise_stays_while_the_point_moves() -> None:
    model = small_models.mlp()
    p = decoded(model, [POINT, (0.4, -0.6)])
    here, there = (point_image(model, 7, point) for point in (POINT, (0.4, -0.6)))
    # With the same number at a pixel, it is white wherever its probability is at least as large.
    grown = p[1] >= p[0]
    assert ((here <= there) | ~grown).all()
    assert ((here >= there) | grown).all()
    assert (here != there).any()
    assert (here != point_image(model, 8)).any()


def test_a_draw_is_made_once_and_another_on_demand() -> None:
    model = small_models.mlp()
    engine, scene = Explorer(), scene_of(model, view=None)
    (mean,) = all_frames(engine, scene)
    (first,) = all_frames(engine, replace(scene, draw=1))
    assert all_frames(engine, replace(scene, draw=1)) == []
    (second,) = all_frames(engine, replace(scene, draw=2))
    (again,) = all_frames(engine, scene)
    assert [frame.draw for frame in (mean, first, second, again)] == [None, 1, 2, None]
    assert np.array_equal(mean.image, again.image)
    assert np.array_equal(point_image(model, 1, scene.point), first.image)


# Contours


def contours_at(model: VAE, axes: tuple[int, int]) -> dict[str, np.ndarray]:
    contours = last_map(all_frames(Explorer(), scene_of(model, axes=axes, view=SMALL))).contours
    for contour in contours:
        assert np.allclose(contour.line[0], contour.line[-1]), "closed"
    return {contour.name: contour.line for contour in contours}


@pytest.mark.parametrize(("kind", "name"), [("vae", "σ"), ("autoencoder", " sd")])
def test_the_standard_normal_and_standardised_codes_have_circles(kind: str, name: str) -> None:
    found = contours_at(small_models.of(model=kind, latent_dims=3), (2, 0))
    assert list(found) == [f"{radius}{name}" for radius in (1, 2, 3)]
    for radius, line in enumerate(found.values(), 1):
        assert np.allclose(np.hypot(*line.T), radius)


def test_a_laplace_priors_contours_are_straight_and_hold_what_they_say() -> None:
    model = small_models.of(prior=LaplacePriorConfig())
    torch.manual_seed(0)
    draws = Laplace(0.0, math.sqrt(0.5)).sample((400_000, 2)).abs()
    frame = last_map(all_frames(Explorer(), scene_of(model, view=SMALL)))
    assert [contour.smooth for contour in frame.contours] == [False] * 3
    for contour in frame.contours:
        radius = np.abs(contour.line).sum(axis=1)
        assert np.allclose(radius, radius[0])
        share = (draws.sum(dim=1) < radius[0]).double().mean().item()
        assert share == pytest.approx(float(contour.name.removesuffix(" %")) / 100, abs=0.006)
    line = small_models.of(prior=LaplacePriorConfig(), latent_dims=1)
    for name, ends in contours_at(line, (0, 0)).items():
        share = (draws[:, 0] < ends[:, 0].max()).double().mean().item()
        assert share == pytest.approx(float(name.removesuffix(" %")) / 100, abs=0.006)


def test_a_mixtures_contours_move_with_its_weights_and_are_made_once(float32: None) -> None:
    model = small_models.of(prior=MixtureConfig(components=3), latent_dims=3)
    scene = scene_of(model, axes=(2, 1))
    engine = by_the_call()
    first = [frame for frame in all_frames(engine, scene) if isinstance(frame, MapFrame)]
    assert len(first) > 2
    assert len({id(frame.contours) for frame in first}) == 1
    moved = model.frozen()
    moved.prior.means.add_(1.5)
    second = last_map(all_frames(engine, replace(scene, model=moved, version=Version(1, 1))))
    for frame, prior in ((first[0], model.prior), (second, moved.prior)):
        means, scales = prior.means[:, [2, 1]].numpy(), prior.log_scales.exp()[:, [2, 1]].numpy()
        assert len(frame.contours) == 6
        for index, contour in enumerate(frame.contours):
            away = (contour.line - means[index // 2]) / scales[index // 2]
            assert np.allclose(np.hypot(*away.T), 1 + index % 2, atol=1e-5)


# Samples from the prior


@pytest.mark.parametrize("prior", [LaplacePriorConfig(), MixtureConfig(components=3)], ids=["laplace", "mixture"])
def test_samples_come_from_the_models_own_prior(prior: object) -> None:
    model = small_models.of(prior=prior, latent_dims=2)
    frame = pictures_frame(model, FIRST, Pictures(np.zeros((1, 28, 28), np.uint8), 600, 3))
    if isinstance(prior, MixtureConfig):
        parts = Independent(Normal(model.prior.means, model.prior.log_scales.exp()), 1)
        truth = MixtureSameFamily(Categorical(logits=model.prior.logits), parts)
    else:
        truth = Independent(Laplace(torch.zeros(2), math.sqrt(0.5)), 1)
    torch.manual_seed(0)
    others = decoded(model, truth.sample((4000,)).numpy())
    error = np.abs(frame.samples.mean(axis=0) - others.mean(axis=0))
    assert (error < 5 * others.std(axis=0) / math.sqrt(600) + 0.5).all()
    ordinary = decoded(model, np.random.default_rng(0).standard_normal((4000, 2)))
    wrong = np.abs(frame.samples.mean(axis=0) - ordinary.mean(axis=0))
    assert isinstance(prior, LaplacePriorConfig) or (wrong > 5 * others.std(axis=0) / math.sqrt(600) + 0.5).any()


# E[g(z)] and g(E[z])


def drawn_from_the_posterior(model: VAE, image: np.ndarray, count: int) -> np.ndarray:
    """Draws of z from q(z|x) by torch.distributions, from the encoder's layers in double precision."""
    x = torch.from_numpy(image).double()[None, None] / 255
    outputs = model.frozen().encoder.double()(x)[0]
    d = model.latent_dims
    match model.config.posterior:
        case "full-gaussian":
            factor = torch.zeros(d, d).double()
            factor[tuple(torch.tril_indices(d, d, -1))] = outputs[2 * d :]
            factor += torch.diag(outputs[d : 2 * d].exp())
            q = MultivariateNormal(outputs[:d], scale_tril=factor)
        case "laplace":
            q = Laplace(outputs[:d], outputs[d:].exp())
        case _:
            q = Normal(outputs[:d], (outputs[d:] / 2).exp())
    torch.manual_seed(0)
    return q.sample((count,)).numpy()


@pytest.mark.parametrize("posterior", ["diagonal-gaussian", "full-gaussian", "laplace"])
def test_the_expected_image_is_a_plain_monte_carlo_mean(mnist: Data, posterior: str) -> None:
    model = small_models.of(posterior=posterior, network=MLPConfig(widths=(8,), activation="tanh"))
    model.encoder[-1].weight.mul_(0.2)
    images = mnist.test.images[:3].numpy()
    frame = pictures_frame(model, FIRST, Pictures(images, 1, seed=5, expectation=True))
    found, mean_difference = frame.expectation, []
    for index, image in enumerate(images):
        z = drawn_from_the_posterior(model, image, 20_000)
        g = decoded(model, z)
        # Pairs of opposite draws are worth at least half as many independent ones.
        error = np.abs(found.images[index] - g.mean(axis=0))
        assert (error < 5 * g.std(axis=0) / math.sqrt(100) + 0.5).all()
        mean_difference.append(np.abs(g.mean(axis=0) - decoded(model, [means_of(model, images)[index]])[0]).mean())
    assert np.mean(mean_difference) > 3
    assert found.mean_difference == pytest.approx(np.mean(mean_difference), rel=0.15)
    assert found.images.shape == found.differences.shape == images.shape
    exact = np.abs(found.images - frame.reconstructions.astype(float))
    assert np.abs(found.differences - found.amplification * exact).max() <= found.amplification + 0.5
    assert 100 < found.differences.max() <= 255


def test_through_a_linear_decoder_both_are_the_same(mnist: Data) -> None:
    linear = GaussianConfig(scale="fixed", width=0.1, mean="linear")
    model = small_models.of(network=MLPConfig(widths=()), likelihood=linear, latent_dims=4)
    model.decoder[0].bias.fill_(0.5)
    images = mnist.test.images[:3].numpy()
    assert model.encode(torch.from_numpy(images)[:, None] / 255).scale.min() > 0.1, "there is something to average"
    frame = pictures_frame(model, FIRST, Pictures(images, 1, seed=5, expectation=True))
    layer = model.decoder[0]
    exact = means_of(model, images).astype(float) @ layer.weight.double().numpy().T + 0.5
    exact = 255 * exact.clip(0, 1).reshape(3, 28, 28)
    assert np.ptp(exact) > 100
    for pixels in (frame.reconstructions, frame.expectation.images):
        assert rounds_to(pixels, exact)
    assert frame.expectation.mean_difference < 0.01
    assert not frame.expectation.differences.any()


def test_the_same_seed_gives_the_same_expectation_and_another_one_hardly_another(mnist: Data) -> None:
    model = small_models.mlp()
    request = Pictures(mnist.test.images[:2].numpy(), 1, seed=5, expectation=True)
    one, same, other = (pictures_frame(model, FIRST, replace(request, seed=seed)).expectation for seed in (5, 5, 6))
    assert np.array_equal(one.images, same.images)
    assert not np.array_equal(one.images, other.images)
    assert np.abs(one.images.astype(float) - other.images).mean() < 5


# The engine while it averages


def pictured(mnist: Data, model: VAE, **values: object) -> tuple[Scene, Pictures]:
    request = Pictures(mnist.test.images[:20].numpy(), 4, 0, expectation=True)
    return scene_of(model, view=None, pictures=request, **values), request


def test_reconstructions_come_first_and_the_expectation_in_pieces(mnist: Data) -> None:
    model = small_models.mlp()
    scene, request = pictured(mnist, model)
    counter = Counter(model.decoder[0])
    engine = Explorer()
    point, part, *pieces, whole = engine.frames(scene)
    assert isinstance(point, PointFrame)
    assert part.expectation is None
    assert pieces == [None] * 10
    assert counter.largest <= 400
    assert counter.taken() == 1 + 20 + 4 + 200 * 20
    assert np.array_equal(part.reconstructions, whole.reconstructions)
    assert np.array_equal(whole.expectation.images, pictures_frame(model, FIRST, request).expectation.images)
    assert all_frames(engine, scene) == []


def test_a_moving_point_delays_the_expectation_but_starts_nothing_again(mnist: Data) -> None:
    model = small_models.mlp()
    scene, request = pictured(mnist, model)
    counter = Counter(model.decoder[0])
    engine, frames, scenes = Explorer(), [], 0
    while not any(isinstance(frame, PicturesFrame) and frame.expectation for frame in frames):
        scenes += 1
        assert scenes < 40
        frames += islice(engine.frames(replace(scene, point=(0.01 * scenes, 0.0))), 2)
    points = [frame for frame in frames if isinstance(frame, PointFrame)]
    assert len(points) == scenes
    assert counter.taken() == scenes + 20 + 4 + 200 * 20
    assert frames[-1].request is request


def test_new_weights_wait_until_what_was_begun_is_shown(mnist: Data) -> None:
    models = [small_models.mlp(seed=seed) for seed in range(4)]
    scene, request = pictured(mnist, models[0])
    engine, pictures = Explorer(), []
    for number in range(60):
        now = replace(scene, model=models[number % 4], version=Version(1, number))
        pictures += [frame for frame in islice(engine.frames(now), 3) if isinstance(frame, PicturesFrame)]
    assert [frame.expectation is None for frame in pictures] == [True] + [False] * (len(pictures) - 1)
    assert len(pictures) >= 5
    versions = [frame.version.number for frame in pictures[1:]]
    assert versions == sorted(set(versions))
    for frame in pictures[1:]:
        expected = pictures_frame(models[frame.version.number % 4], frame.version, request)
        assert np.array_equal(frame.reconstructions, expected.reconstructions)
        assert np.array_equal(frame.expectation.images, expected.expectation.images)
    last = [frame for frame in all_frames(engine, now) if isinstance(frame, PicturesFrame)]
    assert last[-1].version == Version(1, 59)
    assert all_frames(engine, now) == []


def test_another_request_or_model_takes_over_at_once(mnist: Data) -> None:
    scene, request = pictured(mnist, small_models.mlp())
    engine = Explorer()
    assert list(islice(engine.frames(scene), 4))[-1] is None
    other = replace(request, seed=3)
    frames = [frame for frame in all_frames(engine, replace(scene, pictures=other)) if isinstance(frame, PicturesFrame)]
    assert [(frame.request is other, frame.expectation is None) for frame in frames] == [(True, True), (True, False)]
    assert list(islice(engine.frames(scene), 4))[-1] is None
    autoencoder = small_models.of(model="autoencoder", likelihood=BernoulliConfig())
    plain = replace(scene, model=autoencoder, version=Version(2, 0), pictures=replace(request, expectation=False))
    frames = [frame for frame in all_frames(engine, plain) if isinstance(frame, PicturesFrame)]
    assert [(frame.version, frame.expectation) for frame in frames] == [(Version(2, 0), None)]
    assert rounds_to(frames[0].reconstructions, decoded(autoencoder, means_of(autoencoder, request.images)))
