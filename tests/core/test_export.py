"""Exported pictures, read back by Pillow and compared with the decoder's layers in double precision."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from PIL import Image
from small_models import decoded, rounds_to

import vae_studio
from vae_studio.core import export
from vae_studio.core.config import LaplacePriorConfig, MixtureConfig
from vae_studio.core.export import grid_steps, render_grid, write_grid
from vae_studio.core.files import FileError
from vae_studio.core.latent import GridError, GridRequest, Quantiles, Region
from vae_studio.core.model import VAE
from vae_studio.core.plane import Plane

NAMED = {"name": "2-D explorer", "sha256": "ab" * 32}


@pytest.fixture(scope="module")
def model() -> VAE:
    return small_models.explorer()


def tiles(picture: np.ndarray, request: GridRequest) -> np.ndarray:
    """The images in a grid, cut out in a plain loop, each pixel of an enlarged one checked and taken once."""
    side = 28 * request.scale
    cut = []
    for row in range(request.rows):
        for column in range(request.cols):
            top, left = row * (side + request.spacing), column * (side + request.spacing)
            large = picture[top : top + side, left : left + side]
            assert large.shape == (side, side)
            small = large[:: request.scale, :: request.scale]
            assert (large == np.kron(small, np.ones((request.scale, request.scale), np.uint8))).all()
            cut.append(small)
    return np.stack(cut)


def gaps(picture: np.ndarray, request: GridRequest) -> np.ndarray:
    """All pixels between the tiles."""
    step = 28 * request.scale + request.spacing
    down, across = (np.arange(side) % step >= 28 * request.scale for side in picture.shape)
    return picture[down[:, None] | across]


@pytest.mark.parametrize(
    "request_",
    [
        GridRequest((0.0, 0.0), rows=3, cols=5),
        GridRequest((0.0, 0.0), span=Region(-2.5, -0.5, 1.0, 4.0), rows=4, cols=2, scale=3, spacing=5),
        GridRequest((0.0, 0.0), plane=Plane.of_axes((1, 0), 2), span=Quantiles(0.5), rows=2, cols=3, spacing=1),
        GridRequest((1.5, -0.5), rows=1, cols=1, scale=16, spacing=64),
        GridRequest((0.0, 0.0), rows=21, cols=20),
    ],
    ids=["plain", "region scaled spaced", "axes swapped", "one tile", "more than one piece"],
)
def test_pixels_are_what_the_decoder_gives(model: VAE, request_: GridRequest) -> None:
    picture = render_grid(model, request_)
    width, height = request_.size(28, 28)
    assert picture.shape == (height, width)
    assert picture.dtype == np.uint8
    assert rounds_to(tiles(picture, request_), decoded(model, request_.points()))
    assert not gaps(picture, request_).any()


def test_many_dimensions_and_convolutions() -> None:
    rng = np.random.default_rng(0)
    for model in (small_models.mlp(latent_dims=20), small_models.convolutional(latent_dims=5)):
        point = tuple(rng.normal(size=model.latent_dims).tolist())
        request = GridRequest(point, plane=Plane.of_axes((4, 1), len(point)), rows=5, cols=4)
        picture = render_grid(model, request)
        assert np.ptp(picture) > 100
        assert rounds_to(tiles(picture, request), decoded(model, request.points()))


def test_one_latent_dimension_has_equal_rows() -> None:
    model = small_models.mlp(latent_dims=1)
    request = GridRequest((0.0,), plane=Plane.of_axes((0, 0), 1), rows=3, cols=6)
    cut = tiles(render_grid(model, request), request).reshape(3, 6, 28, 28)
    assert (cut == cut[0]).all()
    assert rounds_to(cut[0], decoded(model, request.points()[:6]))


def test_grids_of_other_priors_are_spaced_by_their_own_quantiles() -> None:
    laplace = small_models.of(prior=LaplacePriorConfig())
    p = torch.linspace(0.05, 0.95, 4, dtype=torch.float64)
    z = torch.distributions.Laplace(torch.tensor(0.0).double(), math.sqrt(0.5)).icdf(p).numpy()
    request = GridRequest((0.0, 0.0), rows=1, cols=4, span=Quantiles(0.9))
    assert rounds_to(tiles(render_grid(laplace, request), request), decoded(laplace, [(x, 0.0) for x in z]))

    mixture = small_models.of(prior=MixtureConfig(components=3))
    prior = mixture.prior
    prior.means.copy_(torch.tensor([[-3.0, 1.0], [0.0, 2.0], [4.0, 5.0]]))
    picture = render_grid(mixture, request)
    parts = torch.distributions.Normal(prior.means[:, 0].double(), prior.log_scales[:, 0].exp().double())
    weights = torch.distributions.Categorical(logits=prior.logits.double())
    marginal = torch.distributions.MixtureSameFamily(weights, parts)
    fine = torch.linspace(-6, 7, 200_001, dtype=torch.float64)
    columns = fine[torch.searchsorted(marginal.cdf(fine), p)].numpy()
    # The median of three equal and equally wide components along the other axis.
    both = torch.distributions.MixtureSameFamily(
        weights, torch.distributions.Normal(prior.means[:, 1].double(), prior.log_scales[:, 1].exp().double())
    )
    middle = fine[torch.searchsorted(both.cdf(fine), 0.5)].item()
    expected = decoded(mixture, [(x, middle) for x in columns])
    assert np.abs(tiles(picture, request) - expected).max() < 0.6
    assert not rounds_to(tiles(picture, request), decoded(mixture, request.points()))


def test_an_auto_encoders_grid_is_that_of_the_standard_normal() -> None:
    model = small_models.of(model="autoencoder")
    request = GridRequest((0.0, 0.0), rows=3, cols=4)
    assert rounds_to(tiles(render_grid(model, request), request), decoded(model, request.points()))


@pytest.mark.parametrize("shape", [small_models.COLOUR, small_models.OBLONG], ids=["colour", "oblong"])
def test_colours_and_other_sizes_are_exported(shape: tuple[int, int, int], tmp_path: Path) -> None:
    model = small_models.of(shape)
    channels, height, width = shape
    request = GridRequest((0.0, 0.0), rows=2, cols=3, scale=2, spacing=3)
    path = tmp_path / "grid.png"
    write_grid(path, render_grid(model, request), model, request, **NAMED)
    with Image.open(path) as image:
        assert image.mode == ("RGB" if channels == 3 else "L")
        read = np.asarray(image)
    assert read.shape[:2] == (2 * 2 * height + 3, 3 * 2 * width + 2 * 3)
    expected = decoded(model, request.points())
    for index, tile in enumerate(expected):
        top, left = (2 * height + 3) * (index // 3), (2 * width + 3) * (index % 3)
        for down in (0, 1):
            for across in (0, 1):
                part = read[top + down : top + 2 * height : 2, left + across : left + 2 * width : 2]
                assert rounds_to(part, tile)
    assert not read[2 * height : 2 * height + 3].any()
    drawn, bare, top, left = with_axes(model, request)
    assert np.array_equal(bare, read)
    beside = drawn[:, : left - 1]
    assert beside.max() >= 200
    if channels == 3:
        assert (beside == beside[..., :1]).all(), "what is written beside the tiles is grey"


def test_pixels_do_not_depend_on_threads_precision_or_memory_layout(model: VAE) -> None:
    """As a window and a command line find the same model: trained weights, another layout, other thread counts."""
    request = GridRequest((0.0, 0.0), rows=15, cols=30)
    plain = small_models.convolutional()
    laid_out = plain.frozen().to(memory_format=torch.channels_last)
    before = torch.get_num_threads()
    try:
        for one, other in ((model, model.frozen().requires_grad_(True).train()), (plain, laid_out)):
            torch.set_num_threads(1)
            expected = render_grid(one, request).tobytes()
            torch.set_num_threads(2)
            assert render_grid(other, request).tobytes() == expected
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_model_itself_is_left_alone() -> None:
    model = small_models.convolutional().to(memory_format=torch.channels_last).requires_grad_(True).train()
    render_grid(model, GridRequest((0.0, 0.0), rows=2, cols=2))
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not all(p.is_contiguous() for p in model.parameters())


def test_progress_rises_to_one_and_the_picture_comes_last(model: VAE) -> None:
    *fractions, picture = grid_steps(model, GridRequest((0.0, 0.0), rows=33, cols=50))
    assert isinstance(picture, np.ndarray)
    assert len(fractions) >= 4
    assert all(isinstance(fraction, float) for fraction in fractions)
    assert all(a < b for a, b in pairwise(fractions))
    assert 0 < fractions[0] < 0.5
    assert fractions[-1] == 1.0


def test_a_picture_too_large_is_refused_before_any_work(model: VAE) -> None:
    fits = GridRequest((0.0, 0.0), rows=1, cols=365, scale=1, spacing=16)
    assert fits.size(28, 28) == (16_044, 28)
    assert render_grid(model, fits).shape == (28, 16_044)
    for values, side in (({"cols": 400, "scale": 2}, "22,400"), ({"rows": 400, "spacing": 64}, "36,736")):
        request = GridRequest((0.0, 0.0), **{"rows": 1, "cols": 1, **values})
        with pytest.raises(GridError, match=r"at most 16,384 a side") as caught:
            next(grid_steps(model, request))
        assert side in str(caught.value)


# The file


def test_the_png_reads_back_with_its_description(model: VAE, tmp_path: Path) -> None:
    request = GridRequest(
        (0.25, -1.0), plane=Plane.of_axes((1, 0), 2), span=Region(-2, 1, -3, 3), rows=3, cols=4, scale=2, spacing=1
    )
    path = tmp_path / "grid.png"
    picture = render_grid(model, request)
    write_grid(path, picture, model, request, **NAMED)
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]
    with Image.open(path) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "L")
        assert np.array_equal(np.asarray(image), picture)
        assert image.text["Title"] == "2-D explorer: 3 × 4 decoded images"
        assert image.text["Software"] == f"VAE Studio {vae_studio.__version__}"
        about = json.loads(image.text["vae-studio"])
    assert about == {
        "kind": "grid",
        "model": "2-D explorer",
        "model_sha256": "ab" * 32,
        "plane": {"point": [0.25, -1.0], "axes": [1, 0]},
        "region": {"kind": "region", "left": -2, "right": 1, "bottom": -3, "top": 3},
        "rows": 3,
        "cols": 4,
        "scale": 2,
        "spacing": 1,
        "show_axes": False,
        "config": model.config.model_dump(mode="json"),
        "version": vae_studio.__version__,
    }


def test_quantiles_and_any_name_are_described(model: VAE, tmp_path: Path) -> None:
    request = GridRequest((0.0, 0.0), span=Quantiles(0.8), rows=1, cols=1)
    write_grid(tmp_path / "g.png", render_grid(model, request), model, request, name="β-VAE “数字”", sha256="")
    with Image.open(tmp_path / "g.png") as image:
        image.load()
        about = json.loads(image.text["vae-studio"])
        assert image.text["Title"].startswith("β-VAE “数字”")
    assert about["model"] == "β-VAE “数字”"
    assert about["region"] == {"kind": "quantiles", "mass": 0.8}


def test_a_file_that_cannot_be_written_leaves_nothing(model: VAE, tmp_path: Path) -> None:
    request = GridRequest((0.0, 0.0), rows=1, cols=1)
    picture = render_grid(model, request)
    with pytest.raises(FileError, match="the folder does not exist"):
        write_grid(tmp_path / "missing" / "g.png", picture, model, request, **NAMED)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileError, match="there is a folder of that name"):
        write_grid(tmp_path / "folder.png", picture, model, request, **NAMED)
    assert [p.name for p in tmp_path.rglob("*")] == ["folder.png"]


# Drawn axes


def with_axes(model: VAE, request: GridRequest) -> tuple[np.ndarray, np.ndarray, int, int]:
    """The picture with axes, the one without, and where the second lies in the first."""
    bare, drawn = render_grid(model, request), render_grid(model, _shown(request))
    height, width = bare.shape[:2]
    places = [
        (top, left)
        for top in range(drawn.shape[0] - height + 1)
        for left in range(drawn.shape[1] - width + 1)
        if np.array_equal(drawn[top, left], bare[0, 0])
        and np.array_equal(drawn[top : top + height, left : left + width], bare)
    ]
    assert len(places) == 1
    return drawn, bare, *places[0]


def _shown(request: GridRequest) -> GridRequest:
    values = {name: getattr(request, name) for name in request.__slots__}
    return GridRequest(**{**values, "show_axes": True})


@pytest.mark.parametrize(
    "request_",
    [
        GridRequest((0.0, 0.0), rows=6, cols=8, scale=2, spacing=2),
        GridRequest((0.0, 0.0), span=Region(-40.1, -39.9, 39.9999, 40), rows=4, cols=5, scale=2),
        GridRequest((0.0, 0.0), rows=40, cols=30),
        GridRequest((0.0, 0.0), rows=1, cols=1),
    ],
    ids=["usual", "deep", "many", "one"],
)
def test_axes_stand_beside_the_tiles_and_change_none(model: VAE, request_: GridRequest) -> None:
    drawn, bare, top, left = with_axes(model, request_)
    height = bare.shape[0]
    below, beside = drawn[top + height :], drawn[:, :left]
    assert below.max() >= 200
    assert beside.max() >= 200
    # Nothing is cut off at the picture's edge.
    for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert not edge.any()
    # A mark at the middle of the first column and of the first row.
    first = (28 * request_.scale) // 2
    assert drawn[top + height + 1, left + first - 1 : left + first + 2].any()
    assert drawn[top + first - 1 : top + first + 2, left - 2].any()


def labels_on_a_line(strip: np.ndarray) -> int:
    """How many words stand in a strip of pixels: runs of inked columns at least 7 empty columns apart."""
    inked = np.flatnonzero(strip.max(axis=0) > 60)
    return 0 if not len(inked) else 1 + int((np.diff(inked) > 7).sum())


@pytest.mark.parametrize(("cols", "scale", "labels"), [(4, 2, 4), (10, 2, 10), (40, 1, 20)])
def test_columns_are_labelled_as_often_as_fits(model: VAE, cols: int, scale: int, labels: int) -> None:
    drawn, bare, top, left = with_axes(model, GridRequest((0.0, 0.0), rows=2, cols=cols, scale=scale))
    bottom = top + bare.shape[0]
    assert labels_on_a_line(drawn[bottom + 5 : bottom + 16, left - 20 :]) == labels


def test_labels_have_the_decimals_that_tell_neighbours_apart() -> None:
    assert export._labels(np.array([-1.5, 0.0, 1.5])) == ["-1.50", "0", "1.50"]
    assert export._labels(np.array([0.2501, 0.2502, 0.2503])) == ["0.25010", "0.25020", "0.25030"]
    assert export._labels(np.array([-0.001])) == ["0"]
    many = np.linspace(39.9999, 40.0001, 30)
    assert len(set(export._labels(many))) == 30
