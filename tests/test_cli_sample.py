"""`vae-studio sample`: the sheet read back, what it says of itself, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from command_line import json_lines, run
from PIL import Image
from small_models import decoded, rounds_to

from vae_studio.core.checkpoint import save_model
from vae_studio.core.config import SquaredErrorConfig
from vae_studio.core.model import to_float


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images_of(path: str, count: int, cols: int, spacing: int = 0) -> np.ndarray:
    """The first `count` images (n, 28, 28) in a picture, row by row."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    rows, pitch = -(-count // cols), 28 + spacing
    assert pixels.shape == (rows * pitch - spacing, cols * pitch - spacing)
    corners = [(row * pitch, col * pitch) for row in range(rows) for col in range(cols)]
    return np.stack([pixels[top : top + 28, left : left + 28] for top, left in corners[:count]])


def test_a_sheet_around_a_point_is_the_decoders_at_its_points(here: Path) -> None:
    options = "--from point:0.3,1.5 --radius 0.4 --temperature 0.5 --count 11 --cols 4 --spacing 3 --seed 7"
    result = run(f"sample explorer-2d --out sheet.png {options} --json")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = json_lines(result.stdout)
    points = np.array(line.pop("points"))
    assert line == {
        "sheet": "sheet.png",
        "width": 121,
        "height": 90,
        "count": 11,
        "seed": 7,
        "temperature": 0.5,
        "draw": False,
        "source": {"kind": "point", "point": [0.3, 1.5], "radius": 0.4},
    }
    noise = torch.randn((11, 2), generator=torch.Generator().manual_seed(7)).numpy()
    assert points == pytest.approx(np.array([0.3, 1.5]) + 0.5 * 0.4 * noise, abs=1e-6)
    assert rounds_to(images_of("sheet.png", 11, 4, 3), decoded(small_models.explorer(), points))
    with Image.open("sheet.png") as image:
        assert image.text["Title"] == "explorer-2d: 11 samples"
        about = json.loads(image.text["vae-studio"])
    assert (about["kind"], about["model"], about["cols"], about["seed"]) == ("samples", "explorer-2d", 4, 7)
    assert about["source"] == line["source"] and about["config"]["latent_dims"] == 2


def test_the_same_seed_gives_the_same_file(here: Path) -> None:
    words = "64 samples from the prior, 224 × 224 pixels, seed"
    assert run("sample explorer-2d --out a.png").stdout == f"a.png: {words} 0\n"
    run("sample explorer-2d --out b.png --seed 0")
    assert run("sample explorer-2d --out c.png --seed 1").stdout == f"c.png: {words} 1\n"
    first, again, other = ((here / f"{name}.png").read_bytes() for name in "abc")
    assert first == again != other


def test_a_class_is_sampled_from_gaussians_fitted_to_it(here: Path) -> None:
    result = run("sample explorer-2d --from class:0 --components 2 --count 100 --out zeros.png --json")
    (line,) = json_lines(result.stdout)
    assert line["source"] == {"kind": "class", "class": 0, "components": 2, "covariances": "full", "images": 3000}
    model, images = small_models.explorer(), images_of("zeros.png", 100, 10)
    with torch.no_grad():
        back = model.encode(to_float(torch.from_numpy(images))).mean.numpy()
    # Zeros lie by themselves: what is drawn there is encoded where it was drawn from.
    away = np.linalg.norm(back - np.array(line["points"]), axis=1)
    assert np.median(away) < 0.2
    words = run("sample explorer-2d --from class:1 --components 1 --count 4 --out ones.png").stdout
    assert (
        words == "ones.png: 4 samples from 1 Gaussian fitted to 3,000 encodings of the class, 56 × 56 pixels, seed 0\n"
    )


def test_a_draw_has_only_black_and_white(here: Path) -> None:
    assert run("sample explorer-2d --draw --count 9 --out draw.png").exit_code == 0
    assert set(np.unique(images_of("draw.png", 9, 3))) == {0, 255}


def test_an_auto_encoder_has_codes(here: Path) -> None:
    save_model(here / "ae.safetensors", small_models.of(model="autoencoder", likelihood=SquaredErrorConfig()), {})
    assert "4 samples at random codes" in run("sample ae.safetensors --count 4 --out a.png").stdout
    result = run("sample ae.safetensors --draw --out b.png")
    assert result.exit_code == 2 and "no p(x|z) to draw from" in result.stderr


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ("--from class:cat", 2, "There is no class cat: the classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9."),
        ("--from class", 2, "--from takes prior, class:NAME or point:z₁,z₂,… (it was class)."),
        ("--from point:1", 2, "--from: There is 1 number, but the model has 2 latent dimensions."),
        ("--radius 1", 2, "Invalid value for --radius: it goes with --from point:…"),
        ("--components 2", 2, "Invalid value for --components: it goes with --from class:…"),
        ("--from point:0,0 --radius -1", 2, "The radius must lie between 0 and 1,000 (it was -1)."),
        ("--temperature -1", 2, "The temperature must lie between 0 and 10"),
        ("--count 0", 2, "The number of samples must lie between 1 and 10,000"),
        ("--count 9 --cols 10", 2, "The number of columns must lie between 1 and 9"),
        ("--count 10000 --scale 16", 2, "The picture would be 44,800 × 44,800 pixels"),
    ],
)
def test_what_is_impossible_is_said_in_a_sentence(here: Path, options: str, status: int, words: str) -> None:
    result = run(f"sample explorer-2d --out a.png {options}")
    assert result.exit_code == status
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == "" and list(here.iterdir()) == []


def test_only_png_is_written(here: Path) -> None:
    result = run("sample explorer-2d --out a.jpg")
    assert result.exit_code == 2 and "must end in .png" in result.stderr
    assert run("sample explorer-2d --out missing/a.png --count 1").exit_code == 1
