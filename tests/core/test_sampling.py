"""Sheets of samples: the points against closed forms, the images against the decoder's layers, classes on MNIST."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
import torch
from small_models import decoded, rounds_to

from vae_studio.core import sampling
from vae_studio.core.config import DataConfig, LaplacePriorConfig, MixtureConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.datasets import Data, DataError
from vae_studio.core.model import VAE, to_float
from vae_studio.core.samples import (
    MAX_SAMPLES,
    Around,
    OfClass,
    Prior,
    SampleError,
    SampleRequest,
    SampleSheet,
    SheetLayout,
    Source,
)

MANY = 4000


def sheet_of(model: VAE, *source: Source, **values: object) -> SampleSheet:
    *progress, sheet = sampling.sample_steps(model, SampleRequest(*source, **values))
    assert progress == sorted(progress) and progress[0] >= 0.0 and progress[-1] <= 1.0
    assert (len(sheet.points), len(sheet.images)) == (sheet.request.count,) * 2
    assert (sheet.points.dtype, sheet.images.dtype) == (np.float32, np.uint8)
    return sheet


def is_standard_normal(noise: np.ndarray) -> bool:
    """Whether numbers have N(0, 1)'s first four moments, within five standard errors of so many draws."""
    flat, n = noise.astype(np.float64).ravel(), noise.size
    moments = [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
    return all(abs((flat**k).mean() - mean) < 5 * np.sqrt(variance / n) for k, mean, variance in moments)


@pytest.fixture(scope="module")
def tiny() -> VAE:
    return small_models.of(latent_dims=3)


def test_of_a_standard_normal_prior_the_temperature_is_the_standard_deviation(tiny: VAE) -> None:
    sheet = sheet_of(tiny, count=MANY, temperature=0.5, seed=4)
    assert is_standard_normal(sheet.points / 0.5)
    warm = sheet_of(tiny, count=MANY, seed=4).points
    assert sheet.points == pytest.approx(0.5 * warm), "the same noise"
    assert not np.array_equal(warm, sheet_of(tiny, count=MANY, seed=5).points)
    assert not sheet_of(tiny, count=5, temperature=0.0).points.any()


def test_a_laplace_prior_keeps_its_shape() -> None:
    model = small_models.of(latent_dims=2, prior=LaplacePriorConfig())
    points = sheet_of(model, count=MANY, temperature=0.5).points.astype(np.float64)
    # E|z| = τ b = τ / √2 and E z² = τ² for a Laplace distribution of variance τ².
    assert np.abs(points).mean() == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert np.square(points).mean() == pytest.approx(0.25, rel=0.1)


def test_the_components_of_a_mixture_prior_narrow_about_their_means() -> None:
    model = small_models.of(latent_dims=2, prior=MixtureConfig(components=3))
    means, scales = model.prior.means.numpy(), model.prior.log_scales.exp().numpy()
    warm, cool, cold = (sheet_of(model, count=300, temperature=t).points for t in (1.0, 0.25, 0.0))
    chosen = np.abs(cold[:, None] - means).sum(axis=2).argmin(axis=1)
    assert cold == pytest.approx(means[chosen]) and len(set(chosen.tolist())) == 3
    assert cool - cold == pytest.approx(0.25 * (warm - cold), abs=1e-5)
    assert is_standard_normal((warm - cold) / scales[chosen])


def test_around_a_point_the_radius_and_the_temperature_multiply(tiny: VAE) -> None:
    point = (0.3, -1.5, 2.0)
    sheet = sheet_of(tiny, Around(point, 0.2), count=MANY, temperature=1.5)
    assert is_standard_normal((sheet.points - np.float32(point)) / 0.3)
    assert (sheet_of(tiny, Around(point, 0.0), count=3).points == np.float32(point)).all()
    with pytest.raises(SampleError, match="2 numbers, but the model has 3"):
        sheet_of(tiny, Around((0.0, 0.0), 1.0))


@pytest.mark.parametrize("model", [small_models.mlp(2), small_models.of(small_models.COLOUR, latent_dims=3)])
def test_the_picture_at_i_is_the_decoders_at_point_i(model: VAE) -> None:
    sheet = sheet_of(model, Prior(), count=45, seed=1)
    assert rounds_to(sheet.images, decoded(model, sheet.points))


def test_a_draw_is_black_and_white_with_the_means_as_probabilities(tiny: VAE) -> None:
    sheet = sheet_of(tiny, Around((0.5, 0.5, 0.5), 0.0), count=1500, draw=True)
    assert set(np.unique(sheet.images)) == {0, 255}
    p = decoded(tiny, sheet.points[:1])[0] / 255
    share = sheet.images.mean(axis=0) / 255
    assert (np.abs(share - p) < 6 * np.sqrt(p * (1 - p) / 1500) + 1e-3).all()
    assert np.array_equal(sheet.images, sheet_of(tiny, sheet.request.source, count=1500, draw=True).images)


def test_an_auto_encoder_has_codes_and_no_draws() -> None:
    model = small_models.of(model="autoencoder", likelihood=SquaredErrorConfig(), latent_dims=2)
    assert is_standard_normal(sheet_of(model, count=MANY, seed=2).points)
    with pytest.raises(SampleError, match="one image for each code"):
        sheet_of(model, draw=True)


@pytest.mark.parametrize("number", [0, 4])
def test_samples_of_a_class_are_encoded_among_their_class(explorer_2d: VAE, mnist: Data, number: int) -> None:
    sheet = sheet_of(explorer_2d, OfClass(number), count=100, seed=3)
    members = (mnist.train.labels == number).nonzero().squeeze(1)[: sampling.CLASS_IMAGES]
    with torch.no_grad():
        means = explorer_2d.encode(to_float(mnist.train.images[:5000])).mean
        own = explorer_2d.encode(to_float(mnist.train.images[members])).mean.double()
        back = explorer_2d.encode(to_float(torch.from_numpy(sheet.images))).mean
    mixture = sheet.mixture
    assert mixture.images == len(own) == 3000
    assert mixture.weights @ mixture.means == pytest.approx(own.mean(dim=0).numpy(), abs=1e-4)
    nearest = torch.cdist(back, means).topk(15, largest=False).indices
    of = mnist.train.labels[:5000][nearest].mode(dim=1).values
    assert float((of == number).float().mean()) > 0.75
    # With the mixture at hand nothing is fitted, and the same points come.
    *_, again = sampling.sample_steps(explorer_2d, sheet.request, mixture)
    assert np.array_equal(again.points, sheet.points) and again.mixture is mixture


def test_classes_that_there_are_no_images_of_are_refused() -> None:
    model = small_models.of(data=DataConfig(classes=(0, 1)))
    with pytest.raises(SampleError, match="trained on is of class 7"):
        sheet_of(model, OfClass(7))
    assert sampling.class_number(model, "1") == 1
    with pytest.raises(SampleError, match="There is no class cat: the classes are 0, 1, 2"):
        sampling.class_number(model, "cat")
    with pytest.raises(DataError, match="there are no encodings of a class to fit"):
        sheet_of(small_models.of(small_models.COLOUR), OfClass(1))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": 0}, "number of samples must lie between 1"),
        ({"count": MAX_SAMPLES + 1}, "number of samples"),
        ({"temperature": -0.1}, "temperature must lie between 0 and 10"),
        ({"temperature": float("nan")}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"source": Around((0.0,), -1.0)}, "radius"),
        ({"source": Around((float("inf"),), 1.0)}, "finite coordinates"),
        ({"source": OfClass(1, 0)}, "number of components must lie between 1 and 20"),
    ],
)
def test_impossible_requests_are_refused(values: dict, words: str) -> None:
    with pytest.raises(SampleError, match=words):
        SampleRequest(**values)


def test_a_sheet_as_one_picture() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None] * 50 + np.array([[0, 1, 2], [3, 4, 5]], np.uint8)
    sheet = SampleSheet(SampleRequest(count=5), np.zeros((5, 2), np.float32), images)
    picture = sampling.sheet_picture(sheet, SheetLayout(3, scale=2, spacing=1))
    assert picture.shape == (2 * 4 + 1, 3 * 6 + 2)
    assert SheetLayout(3, 2, 1).size(5, 2, 3) == (20, 9)
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        part = picture[5 * row : 5 * row + 4, 7 * column : 7 * column + 6]
        assert np.array_equal(part, np.kron(image, np.ones((2, 2), np.uint8)))
    assert not picture[4].any() and not picture[5:, 14:].any()
    with pytest.raises(SampleError, match="28,000 × 28 pixels"):
        SheetLayout(1000).size(1000, 28, 28)


def test_a_request_gives_the_same_pixels_each_time(explorer_2d: VAE) -> None:
    request = SampleRequest(count=30, seed=9)
    first, again = (list(sampling.exact_steps(explorer_2d, request))[-1] for _ in range(2))
    assert np.array_equal(first.images, again.images)
    assert RunConfig().likelihood.kind == "bernoulli" and rounds_to(first.images, decoded(explorer_2d, first.points))
