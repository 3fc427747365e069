"""`vae-studio grid --plane`: the planes it names, against the encoder's layers and scikit-learn; its errors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import run
from PIL import Image
from sklearn.decomposition import PCA
from small_models import decoded, rounds_to

from vae_studio import paths
from vae_studio.core import datasets
from vae_studio.core.checkpoint import load_model
from vae_studio.core.config import DataConfig


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model():
    return load_model(paths.trained_models() / "pytorch-example.safetensors").model


@pytest.fixture(scope="module")
def tests():
    return datasets.load(DataConfig()).test


def means_of(model, images: torch.Tensor) -> np.ndarray:
    """The first half of what the encoder's layers put out, in double precision."""
    with torch.no_grad():
        return model.frozen().encoder.double()(images[:, None].double() / 255.0)[:, :20].numpy()


def grid(plane: str, region: tuple[float, ...], more: str = "") -> tuple[np.ndarray, dict]:
    bounds = ",".join(f"{value:.9f}" for value in region)
    result = run(f"grid pytorch-example --out g.png --plane '{plane}' --region={bounds} {more}")
    assert (result.exit_code, result.stderr) == (0, "")
    with Image.open("g.png") as image:
        return np.asarray(image), json.loads(image.text["vae-studio"])["plane"]


def test_images_lie_on_their_plane_where_lengths_and_angles_put_them(here, model, tests) -> None:
    a, b, c = means_of(model, tests.images[[12, 40, 7]])
    along = math.dist(a, b)
    picture, about = grid("images:12,40,7", (along - 0.5, along + 0.5, -0.5, 0.5), "--rows 1 --cols 1")
    assert rounds_to(picture, decoded(model, b[None])[0]), "B is the middle of this only tile"
    np.testing.assert_allclose(about["origin"], a, atol=1e-4)
    np.testing.assert_allclose(about["point"], a, atol=1e-4)
    assert (about["kind"], about["names"]) == ("points", ["A→B", "→C"])
    basis = np.array([about["across"], about["up"]])
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(a + (basis @ (c - a)) @ basis, c, atol=1e-4)


def test_components_and_classes_are_of_the_encodings_that_the_window_has(here, model, tests) -> None:
    means, labels = means_of(model, tests.images[:1000]), tests.labels[:1000].numpy()
    expected = PCA(svd_solver="full").fit(means)
    _, about = grid("components:1,3", (-1, 1, -1, 1), "--rows 1 --cols 1")
    np.testing.assert_allclose(about["origin"], expected.mean_, atol=1e-4)
    for name, number in (("across", 0), ("up", 2)):
        assert abs(np.dot(about[name], expected.components_[number])) == pytest.approx(1.0, abs=1e-4)
    point = ",".join("0.25" for _ in range(20))
    picture, about = grid("classes:3,5,8", (-1, 1, -1, 1), f"--rows 1 --cols 2 --point {point}")
    three, five = (means[labels == number].mean(axis=0) for number in (3, 5))
    np.testing.assert_allclose(about["origin"], three, atol=1e-4)
    np.testing.assert_allclose(about["across"], (five - three) / math.dist(three, five), atol=1e-4)
    # The grid is of the parallel plane through the point.
    basis, away = np.array([about["across"], about["up"]]), 0.25 - np.array(about["origin"])
    offset = away - (basis @ away) @ basis
    points = np.array([about["origin"] + offset + along * basis[0] for along in (-0.5, 0.5)])
    assert rounds_to(np.stack(np.split(picture, 2, axis=1)), decoded(model, points))


@pytest.mark.parametrize(
    ("plane", "words"),
    [
        (
            "sideways",
            "--plane takes components, components:1,3, classes:A,B,C, images:I,J,K or points:z…;z…;z… (it was",
        ),
        ("components:1", "--plane takes components"),
        ("components:1,x", "(it was components:1,x)."),
        ("components:1,3", "There is no principal component 3: the encodings spread in 2 directions."),
        ("classes:3,5,12", "There is no class 12: the classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9."),
        ("classes:3,3,5", "A plane goes through the means of three different classes."),
        ("images:1,2,10000", "There is no test image 10000: they count from 0 to 9,999."),
        ("images:1,2,1", "Two of the three points are the same"),
        ("points:0,0;1,0;2,0", "three points on one line span none."),
        ("points:0,0;1;2,0", "--plane: There is 1 number, but the model has 2 latent dimensions."),
    ],
)
def test_what_is_no_plane_is_a_wrong_argument(here: Path, plane: str, words: str) -> None:
    result = run(f"grid explorer-2d --out g.png --plane '{plane}'")
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_axes_and_a_plane_exclude_each_other(here: Path) -> None:
    result = run("grid explorer-2d --out g.png --plane components --axes 1,2")
    assert result.exit_code == 2
    assert "Give --axes or --plane, not both." in " ".join(result.stderr.replace("│", " ").split())
