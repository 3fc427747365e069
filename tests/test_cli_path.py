"""`vae-studio path`: the picture, what it says of itself, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import small_models
from command_line import json_lines, run
from PIL import Image
from small_models import decoded, rounds_to

from vae_studio.core.checkpoint import save_model
from vae_studio.core.strip import MAX_STRIP_FRAMES


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frames_of(path: str, count: int, spacing: int = 0, scale: int = 1) -> np.ndarray:
    """The frames (n, 28, 28) in a picture, and nothing but black between them."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    side = 28 * scale
    assert pixels.shape == (side, count * side + (count - 1) * spacing)
    lefts = [index * (side + spacing) for index in range(count)]
    for left in lefts[1:]:
        assert not pixels[:, left - spacing : left].any()
    images = np.stack([pixels[:, left : left + side] for left in lefts])
    blocks = images.reshape(count, 28, scale, 28, scale)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    return blocks[:, :, 0, :, 0]


def test_a_straight_path_is_decoded_at_equal_steps(here: Path) -> None:
    result = run("path explorer-2d --from -1.9,0.4 --to '1.7 -0.9' --frames 7 --out strip.png --scale 2 --spacing 3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "strip.png: 7 images, 410 × 56 pixels, length 3.828 (-1.9, 0.4) → (1.7, -0.9)\n"
    shares = np.arange(7)[:, None] / 6
    points = (1 - shares) * (-1.9, 0.4) + shares * (1.7, -0.9)
    assert rounds_to(frames_of("strip.png", 7, 3, 2), decoded(small_models.explorer(), points))


def test_a_spherical_path_keeps_the_norm(here: Path) -> None:
    result = run("path explorer-2d --from 2,0 --to 0,2 --frames 5 --spherical --out strip.png --json")
    assert result.exit_code == 0, result.stderr
    (line,) = json_lines(result.stdout)
    angles = np.linspace(0.0, np.pi / 2, 5)
    points = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert {key: line[key] for key in ("path", "width", "height", "frames", "spherical")} == {
        "path": "strip.png",
        "width": 140,
        "height": 28,
        "frames": 5,
        "spherical": True,
    }
    assert line["length"] == pytest.approx(np.pi)
    assert np.array(line["points"]) == pytest.approx(points, abs=1e-9)
    assert rounds_to(frames_of("strip.png", 5), decoded(small_models.explorer(), points))
    with Image.open("strip.png") as image:
        about = json.loads(image.text["vae-studio"])
        assert image.text["Title"] == "explorer-2d: 5 decoded images along a spherical path"
    assert (about["kind"], about["model"], about["points"]) == ("path", "explorer-2d", [[2.0, 0.0], [0.0, 2.0]])
    assert about["config"]["latent_dims"] == 2


def test_it_leads_through_points_in_between_and_works_in_colour(here: Path) -> None:
    model = small_models.of(small_models.COLOUR, latent_dims=3)
    save_model(here / "colour.safetensors", model, {})
    result = run("path colour.safetensors --from 0,0,0 --via 1,0,0 --via 1,1,0 --to 1,1,2 --frames 5 --out s.png")
    assert result.exit_code == 0, result.stderr
    points = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 1, 2)], float)
    with Image.open("s.png") as image:
        images = np.asarray(image).reshape(32, 5, 32, 3).swapaxes(0, 1)
    assert rounds_to(images, decoded(model, points))


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ("--from 1 --to 1,2 --out a.png", 2, "--from: There is 1 number, but the model has 2 latent dimensions."),
        ("--from 1,2 --via x --to 1,2 --out a.png", 2, "--via: “x” is no latent point"),
        ("--from 1,2 --to 1,1e9 --out a.png", 2, "--to: Coordinates must lie between −1e+06 and 1e+06"),
        ("--from 1,2 --to 1,nan --out a.png", 2, "--to: The coordinates of a point must be finite numbers."),
        ("--from 1,2 --to 1,2 --frames 1 --out a.png", 2, f"Frames must lie between 2 and {MAX_STRIP_FRAMES}"),
        ("--from 1,2 --to 1,2 --frames 400 --scale 16 --out a.png", 2, "The picture would be 179,200 pixels wide"),
        ("--from 1,2 --to 1,2 --out a.jpg", 2, "The file must end in .png"),
        ("--from 1,2 --to 1,2 --out missing/a.png", 1, "the folder does not exist"),
    ],
)
def test_what_is_impossible_is_said_in_a_sentence(here: Path, options: str, status: int, words: str) -> None:
    result = run(f"path explorer-2d {options}")
    assert result.exit_code == status
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""
    assert list(here.iterdir()) == []


def test_two_ends_that_are_one_point_give_one_image(here: Path) -> None:
    result = run("path explorer-2d --from 1,2 --to 1,2 --frames 3 --out s.png --json")
    assert json_lines(result.stdout)[0]["length"] == 0.0
    frames = frames_of("s.png", 3)
    assert (frames == frames[0]).all()
