"""The density of the aggregate posterior over a plane, against mixtures of torch.distributions and plain sums."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from small_models import explorer, of
from torch.distributions import Categorical, Independent, Laplace, MixtureSameFamily, MultivariateNormal, Normal

from vae_studio.core.aggregate import encode_steps
from vae_studio.core.datasets import Data
from vae_studio.core.density import Density, Encoded, density_steps, kernel_widths
from vae_studio.core.latent import Region
from vae_studio.core.model import VAE
from vae_studio.core.plane import Plane
from vae_studio.core.scene import Version

VERSION = Version(1, 0)
COUNT = 40
REGION, SIZE = Region(-1.5, 2.0, -1.0, 1.25), (70, 45)
CELL = 0.05
ANGLED = Plane.through(((0.3, 0.0, -0.2), (1.0, 2.0, 0.0), (-1.0, 0.5, 1.5)))


def encoded(family: str, dims: int, *, full: bool = False, widest: float = 0.4) -> Encoded:
    chance = np.random.default_rng(7)
    means = chance.normal(size=(COUNT, dims)).astype(np.float32)
    spreads = np.square(chance.uniform(0.03, widest, (COUNT, dims))).astype(np.float32)
    if full:
        factors = np.tril(0.3 * chance.normal(size=(COUNT, dims, dims)), -1) + np.stack([np.diag(s) for s in spreads])
        spreads = (factors @ factors.swapaxes(1, 2)).astype(np.float32)
    return Encoded(VERSION, family, means, None if family == "code" else spreads)


def made(given: Encoded, plane: Plane, region: Region = REGION, size: tuple[int, int] = SIZE) -> Density:
    *progress, density = density_steps(given, plane, region, *size)
    assert all(0.0 <= fraction <= 1.0 for fraction in progress) and progress == sorted(progress)
    assert density.values.dtype == np.float32 and density.values.shape == size[::-1]
    assert density.peak >= density.values.max()
    return density


def centres() -> torch.Tensor:
    """The middles of the cells, row by row from the top left: (rows · columns, 2)."""
    across = torch.linspace(-1.475, 1.975, 70, dtype=torch.float64)
    down = torch.linspace(1.225, -0.975, 45, dtype=torch.float64)
    return torch.stack([across.repeat(45), down.repeat_interleave(70)], dim=1)


def mixed(parts: torch.distributions.Distribution) -> torch.distributions.Distribution:
    return MixtureSameFamily(Categorical(torch.ones(COUNT, dtype=torch.float64)), parts)


def agrees(density: Density, exact: torch.Tensor) -> None:
    peak = exact.max().item()
    np.testing.assert_allclose(density.values.ravel(), exact.numpy(), rtol=1e-4, atol=1e-5 * peak)


def test_gaussians_along_two_of_five_axes_are_summed_exactly() -> None:
    given = encoded("gaussian", 5)
    means, variances = (torch.from_numpy(values[:, [3, 1]]).double() for values in (given.means, given.spreads))
    wide = (variances + (CELL / 2) ** 2).sqrt()
    exact = mixed(Independent(Normal(means, wide), 1)).log_prob(centres()).exp()
    agrees(made(given, Plane.of_axes((3, 1), 5)), exact)


@pytest.mark.parametrize("full", [False, True])
def test_at_an_angle_each_is_the_gaussian_that_its_covariance_gives_on_the_plane(full: bool) -> None:
    given = encoded("gaussian", 3, full=full)
    basis = torch.tensor([ANGLED.across, ANGLED.up], dtype=torch.float64)
    spreads = torch.from_numpy(given.spreads).double()
    covariances = basis @ (spreads if full else torch.diag_embed(spreads)) @ basis.T
    places = (torch.from_numpy(given.means).double() - torch.tensor(ANGLED.origin)) @ basis.T
    wide = covariances + (CELL / 2) ** 2 * torch.eye(2, dtype=torch.float64)
    exact = mixed(MultivariateNormal(places, wide)).log_prob(centres()).exp()
    density = made(given, ANGLED)
    agrees(density, exact)
    assert not density.approximate and density.images == COUNT
    laplace = made(Encoded(VERSION, "laplace", given.means, given.spreads), ANGLED)
    assert laplace.approximate
    np.testing.assert_array_equal(laplace.values, density.values)


@pytest.mark.parametrize(
    "plane",
    [Plane.of_axes((0, 2), 4), Plane.spanned((0.3, 1.0, -0.2, 0.0), (5.0, 0.0, 0.0, 0.0), (0.0, 0.0, -1.0, 0.0))],
)
def test_laplace_distributions_along_axes_are_averaged_over_the_cells(plane: Plane) -> None:
    given = encoded("laplace", 4)
    means = torch.from_numpy(given.means.astype(np.float64) - plane.origin)[:, [0, 2]]
    means *= torch.tensor([plane.across[0], plane.up[2]])
    spreads = torch.from_numpy(given.spreads[:, [0, 2]]).double()
    parts = Laplace(means[:, None], (spreads[:, None] / 2).sqrt())
    share = (parts.cdf(centres() + CELL / 2) - parts.cdf(centres() - CELL / 2)).prod(dim=-1)
    density = made(given, plane)
    agrees(density, share.mean(dim=0) / CELL**2)
    assert not density.approximate


@pytest.mark.parametrize("family", ["gaussian", "laplace", "code"])
@pytest.mark.parametrize("plane", [Plane.of_axes((2, 0), 3), ANGLED])
def test_all_of_it_is_one_even_of_what_is_narrower_than_a_cell(family: str, plane: Plane) -> None:
    density = made(encoded(family, 3, widest=0.031), plane, Region(-9.0, 9.0, -8.0, 8.0), (180, 160))
    assert density.values.sum() * 0.1**2 == pytest.approx(1.0, abs=5e-3)
    assert (density.bandwidth is not None) == (family == "code")


@pytest.mark.parametrize(("humps", "halvings"), [(1, 0), (6, 3)])
def test_kernels_are_as_wide_as_makes_each_code_likeliest_from_the_others(humps: int, halvings: int) -> None:
    chance = np.random.default_rng(5)
    centre = chance.uniform(-6, 6, (humps, 2)) if humps > 1 else np.zeros((1, 2))
    places = (centre[np.arange(300) % humps] + chance.normal(size=(300, 2)) * (1.0 if humps == 1 else 0.3)).tolist()
    scott = [float(np.std([place[i] for place in places])) * 300 ** (-1 / 6) for i in (0, 1)]
    scores = []
    for narrower in range(5):
        widths = [width / 2**narrower for width in scott]
        score = 0.0
        for i, (x, y) in enumerate(places):
            density = 0.0
            for j, (u, v) in enumerate(places):
                if i != j:
                    away = ((x - u) / widths[0]) ** 2 + ((y - v) / widths[1]) ** 2
                    density += math.exp(-away / 2) / (widths[0] * widths[1])
            score += math.log(max(density, 1e-280))
        scores.append(score)
    assert scores.index(max(scores)) == halvings
    assert kernel_widths(np.array(places)).tolist() == pytest.approx([width / 2**halvings for width in scott])


def test_codes_become_a_kernel_density() -> None:
    given, plane = encoded("code", 3), Plane.of_axes((0, 1), 3)
    density = made(given, plane)
    widths = kernel_widths(given.means[:, :2].astype(np.float64)).tolist()
    assert density.bandwidth == pytest.approx(widths, rel=1e-5)
    for number in range(0, 70 * 45, 97):
        x, y = centres()[number].tolist()
        total = 0.0
        for mean in given.means.astype(np.float64):
            term = 1.0
            for at, middle, width in ((x, mean[0], widths[0]), (y, mean[1], widths[1])):
                variance = width**2 + (CELL / 2) ** 2
                term *= math.exp(-((at - middle) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
            total += term / COUNT
        assert density.values.ravel()[number] == pytest.approx(total, rel=1e-4, abs=1e-7)


def test_in_one_dimension_it_is_a_row_per_unit_of_length() -> None:
    given = encoded("gaussian", 1)
    density = made(given, Plane.of_axes((0, 0), 1), Region(-1.5, 2.0, -1.0, 1.0), (70, 1))
    means, variances = (torch.from_numpy(values[:, 0]).double() for values in (given.means, given.spreads))
    parts = Normal(means, (variances + (CELL / 2) ** 2).sqrt())
    agrees(density, mixed(parts).log_prob(torch.linspace(-1.475, 1.975, 70, dtype=torch.float64)).exp())


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (explorer, "gaussian"),
        (lambda: of(latent_dims=3, posterior="full-gaussian"), "gaussian"),
        (lambda: of(posterior="laplace"), "laplace"),
        (lambda: of(model="autoencoder", likelihood={"kind": "squared-error"}), "code"),
    ],
    ids=["diagonal", "full", "laplace", "code"],
)
def test_images_are_encoded_in_pieces(model: Callable[[], VAE], family: str, mnist: Data) -> None:
    model, images = model(), mnist.train.images[:230]
    *progress, found = encode_steps(model, VERSION, images)
    assert len(progress) == 3 and progress == sorted(progress) and progress[-1] == 1.0
    posterior = model.encode(images[:, None].float() / 255)
    assert found.family == family and found.version == VERSION
    np.testing.assert_allclose(found.means, posterior.mean.numpy(), rtol=1e-4, atol=1e-5)
    if family == "code":
        assert found.spreads is None
        return
    drawn = posterior.sample(model.noise((4000, len(images)), torch.Generator().manual_seed(1))).double()
    variances = found.spreads if found.spreads.ndim == 2 else np.diagonal(found.spreads, axis1=1, axis2=2)
    np.testing.assert_allclose(drawn.var(dim=0).numpy(), variances, rtol=0.35)
    if found.spreads.ndim == 3:
        away = drawn[:, 0] - drawn[:, 0].mean(dim=0)
        scale = np.sqrt(np.outer(variances[0], variances[0]))
        np.testing.assert_allclose((away.T @ away / 4000).numpy() / scale, found.spreads[0] / scale, atol=0.1)
