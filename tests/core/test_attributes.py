"""Thickness, slant and width: of what is drawn to have them, of MNIST changed in known ways, and of decoded images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from vae_studio import paths
from vae_studio.core.arithmetic import direction, groups_by
from vae_studio.core.attributes import ATTRIBUTES, extremes, measure
from vae_studio.core.checkpoint import load_model
from vae_studio.core.model import to_float, to_pixels

FINE = 12  # samples a side of a pixel


def bar(width: float, slope: float = 0.0, turned: float = 0.0, side: int = 64, length: float = 50.0) -> np.ndarray:
    """A bar drawn on a fine grid, upright but for its slope, or turned by an angle: uint8 (side, side)."""
    fine = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    x, y = np.meshgrid(fine, -fine)
    x, y = x * math.cos(turned) + y * math.sin(turned), y * math.cos(turned) - x * math.sin(turned)
    ink = (np.abs(x - slope * y) < width / 2) & (np.abs(y) < length / 2)
    return np.rint(255.0 * ink.reshape(side, FINE, side, FINE).mean(axis=(1, 3))).astype(np.uint8)


def of(image: np.ndarray, attribute: str) -> float:
    return float(measure(image[None])[attribute][0])


@pytest.mark.parametrize("turned", [0.0, 0.4, math.pi / 4])
@pytest.mark.parametrize("width", [2.5, 3.0, 7.25])
def test_a_bar_is_as_thick_as_it_was_drawn_but_for_its_ends(width: float, turned: float) -> None:
    exact = width / (1.0 + width / 50.0)  # twice its area over all of its outline, both ends with it
    image = bar(width, turned=turned)
    assert of(image, "thicker") == pytest.approx(exact, rel=0.06)
    assert of((image // 2).astype(np.uint8), "thicker") == pytest.approx(exact, rel=0.06), "not brighter, thicker"


@pytest.mark.parametrize("slope", [-0.6, 0.0, 0.25])
def test_a_bar_leans_and_is_as_wide_as_it_was_drawn(slope: float) -> None:
    image = bar(9.0, slope)
    assert of(image, "slanted") == pytest.approx(slope, abs=2e-3)
    assert of(image, "wider") == pytest.approx(9.0, abs=0.15)


def test_digits_are_measured_as_by_a_plain_loop(mnist) -> None:
    images = mnist.test.images[:6].numpy()
    found = measure(images)
    assert found.keys() == ATTRIBUTES.keys()
    for index, image in enumerate(images):
        mass = sum_x = sum_y = 0.0
        for (row, column), grey in np.ndenumerate(image.astype(int)):
            mass, sum_x, sum_y = mass + grey, sum_x + grey * column, sum_y - grey * row
        across = up = mixed = 0.0
        for (row, column), grey in np.ndenumerate(image.astype(int)):
            x, y = column - sum_x / mass, -row - sum_y / mass
            across, up, mixed = across + grey * x * x, up + grey * y * y, mixed + grey * x * y
        slant = mixed / up
        assert found["slanted"][index] == pytest.approx(slant, abs=1e-9)
        assert found["wider"][index] == pytest.approx(math.sqrt(12 * (across - slant**2 * up) / mass), abs=1e-6)


def test_changed_digits_measure_as_they_were_changed(mnist) -> None:
    images = mnist.test.images[:200].numpy()
    before = measure(images)
    # Every row goes one pixel further to the right than the one below: a shear by 1, of whole pixels, thus exact.
    sheared = np.zeros((len(images), 28, 56), np.uint8)
    for row in range(28):
        sheared[:, row, 27 - row : 55 - row] = images[:, row]
    after = measure(sheared)
    assert after["slanted"] == pytest.approx(before["slanted"] + 1.0, abs=1e-9)
    assert after["wider"] == pytest.approx(before["wider"], abs=1e-6)
    # A pixel more on all sides of every stroke.
    fat = np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.MaxFilter(3))) for image in images])
    gain = measure(fat)["thicker"] - before["thicker"]
    assert np.median(gain) == pytest.approx(2.0, abs=0.5) and (gain > 0.8).all()
    # Twice as wide: 12 times the variance of a pixel's two halves, a quarter, comes in addition.
    wide = np.sqrt(4.0 * before["wider"] ** 2 + 3.0)
    assert measure(images.repeat(2, axis=2))["wider"] == pytest.approx(wide, abs=1e-6)
    # In colour their mean counts.
    for name, values in measure(np.stack([images] * 3, axis=3)).items():
        assert values == pytest.approx(before[name], nan_ok=True)


def test_what_is_empty_or_flat_has_no_measure_and_is_in_no_group() -> None:
    images = np.zeros((3, 8, 8), np.uint8)
    images[1, 4, 2:6] = 255
    images[2] = 255
    found = measure(images)
    assert [math.isnan(value) for value in found["thicker"]] == [True, False, False]
    assert [math.isnan(value) for value in found["slanted"]] == [True, True, False]
    assert all(not len(values) for values in measure(images[:0]).values())
    values, labels = np.array([3.0, 1.0, np.nan, 2.0, 5.0, 4.0, *range(20, 30)]), np.array([0] * 6 + [1] * 10)
    low, high = extremes(values, labels)
    assert (low.tolist(), high.tolist()) == ([1, 6, 7], [4, 14, 15]), "fifths of each class"
    low, high = extremes(values, labels, 1)
    assert (low.tolist(), high.tolist()) == ([6, 7], [14, 15])
    assert [len(group) for group in extremes(values, labels, 7)] == [0, 0]


@pytest.mark.parametrize("name", ["pytorch-example", "convolutional-64"])
def test_along_its_direction_decoded_images_change_in_what_it_is_called(mnist, name: str) -> None:
    """From 50 points of the prior, 2 latent units to either side: at least 40 change in one sense at every step."""
    model = load_model(paths.trained_models() / f"{name}.safetensors").model
    images, labels = mnist.test.images[:1000], mnist.test.labels[:1000].numpy()
    with torch.no_grad():
        means = model.encode(to_float(images)).mean.numpy()
    starts = np.random.default_rng(5).standard_normal((50, 1, model.latent_dims))
    measured = measure(images.numpy())
    for attribute in ATTRIBUTES:
        found = direction(*groups_by(attribute, measured[attribute], means, labels, None, ""), attribute)
        z = starts + np.linspace(-2.0, 2.0, 5)[:, None] * found.direction.vector
        with torch.no_grad():
            decoded = to_pixels(model.decode(torch.from_numpy(z.reshape(250, -1)).float()).mean)
        along = measure(decoded)[attribute].reshape(50, 5)
        assert (np.diff(along, axis=1) > 0).all(axis=1).sum() >= 40, attribute
        assert found.separated > 0.7
