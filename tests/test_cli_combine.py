"""`vae-studio combine`: the sums, the pictures, what they say of themselves, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import json_lines, run
from PIL import Image
from small_models import decoded, explorer, rounds_to

from vae_studio.core import datasets
from vae_studio.core.config import DataConfig


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def encoded() -> tuple[np.ndarray, np.ndarray]:
    """Means of q(z|x) of the first 500 test images by the encoder in double precision, and labels."""
    tests = datasets.load(DataConfig()).test
    with torch.no_grad():
        outputs = explorer().frozen().encoder.double()(tests.images[:500, None].double() / 255.0)
    return outputs[:, :2].numpy(), tests.labels[:500].numpy()


def images_in(path: str, count: int, gap: int) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (28, 28 * count + gap * (count - 1))
    return np.stack([pixels[:, (28 + gap) * i : (28 + gap) * i + 28] for i in range(count)])


def test_a_formula_is_summed_and_its_terms_are_shown(here: Path, encoded) -> None:
    means, labels = encoded
    formula = "class:9 - class:4 + image:3 − z:0.5,-0.25"
    result = run(f"combine explorer-2d '{formula}' --images 500 --out row.png --spacing 2 --json")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = json_lines(result.stdout)
    terms = [means[labels == 9].mean(axis=0), means[labels == 4].mean(axis=0), means[3], np.array((0.5, -0.25))]
    total = terms[0] - terms[1] + terms[2] - terms[3]
    assert [term["source"] for term in line["terms"]] == ["class:9", "class:4", "image:3", "z:0.5,-0.25"]
    assert [term["sign"] for term in line["terms"]] == [1, -1, 1, -1]
    assert [term["count"] for term in line["terms"]] == [(labels == 9).sum(), (labels == 4).sum(), 1, 1]
    assert np.array([term["z"] for term in line["terms"]]) == pytest.approx(np.array(terms), abs=1e-5)
    assert line["z"] == pytest.approx(total, abs=1e-5)
    points = [*(term["z"] for term in line["terms"]), line["z"]]
    assert rounds_to(images_in("row.png", 5, 2), decoded(explorer(), points))
    with Image.open("row.png") as image:
        about = json.loads(image.text["vae-studio"])
        assert image.text["Title"] == f"explorer-2d: {formula}, decoded"
    assert (about["kind"], about["model"], about["formula"]) == ("combination", "explorer-2d", formula)
    assert about["z"] == line["z"] and about["config"]["latent_dims"] == 2
    # In words, and without a picture.
    result = run("combine explorer-2d 'z:1,2 - z:0.25,0 + 0' --images 10")
    assert result.stdout == "z:1,2 - z:0.25,0 + 0 = (0.75, 2)\n"


def test_a_direction_leads_from_b_to_a(here: Path, encoded) -> None:
    means, labels = encoded
    options = "--direction --start z:0.1,0.2 --reach 1.5 --frames 3 --images 500 --out strip.png --json"
    (line,) = json_lines(run(f"combine explorer-2d 'class:1 - class:0' {options}").stdout)
    difference = means[labels == 1].mean(axis=0) - means[labels == 0].mean(axis=0)
    length = np.linalg.norm(difference)
    assert line["name"] == "class:0 → class:1"
    assert line["length"] == pytest.approx(length, abs=1e-5)
    assert line["vector"] == pytest.approx(difference / length, abs=1e-5)
    assert line["separated"] == 1.0
    start = np.array((0.1, 0.2))
    expected = [start - 1.5 * difference / length, start, start + 1.5 * difference / length]
    assert np.array(line["points"]) == pytest.approx(np.array(expected), abs=1e-5)
    assert rounds_to(images_in("strip.png", 3, 0), decoded(explorer(), line["points"]))
    result = run("combine explorer-2d slanted:1 --direction --images 500")
    assert result.exit_code == 0 and result.stdout.startswith("slanted 1: ") and "separates" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'class:12 - class:1'", "There is no class 12: the classes are 0, 1, 2"),
        ("'class:1 - '", "is no formula"),
        ("class:9-class:4", "spaces round these"),
        ("'klass:1'", "“klass:1” is no term of a formula"),
        ("'image:10'", "image:10: test images are numbered from 0 to 9."),
        ("'z:1'", "z:1: There is 1 number, but the model has 2 latent dimensions."),
        ("'class:6'", "There are no encodings of class:6"),
        ("'z:1,1 + z:2,2' --direction", "A direction is A - B, from B to A, or one of thicker, slanted, wider"),
        ("'z:1,1 - z:1,1' --direction", "There is no direction from z:1,1 to z:1,1"),
        ("thicker:9 --direction", "There are too few test images of class 9"),
        ("'z:1,1' --reach 2", "it goes with --direction."),
        ("'z:1,1 - 0' --direction --reach 0", "it must lie between 0 and 100"),
        ("'z:1,1 - 0' --direction --frames 1", "Frames must lie between 2 and 400"),
        ("'z:1,1' --out row.jpg", "The file must end in .png"),
        ("'z:1,1' --images few", "give a number of images, or all"),
    ],
)
def test_what_is_impossible_is_said_in_a_sentence(here: Path, arguments: str, words: str) -> None:
    """The first ten test images are of 7 2 1 0 4 1 4 9 5 9."""
    images = "" if "--images" in arguments else "--images 10"
    result = run(f"combine explorer-2d {arguments} {images}")
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == "" and list(here.iterdir()) == []
