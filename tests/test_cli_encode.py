"""`vae-studio encode`: the figures of a picture, against the model's own layers; and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from command_line import json_lines, run
from PIL import Image, ImageDraw

from vae_studio.core.checkpoint import save_model
from vae_studio.core.config import SquaredErrorConfig
from vae_studio.core.preprocess import prepare


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A one, dark on light, on a large page."""
    image = Image.new("L", (500, 400), 250)
    ImageDraw.Draw(image).line((260, 90, 240, 310), fill=10, width=26)
    image.save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_the_figures_and_the_pictures_of_an_image(picture: Path, tmp_path: Path) -> None:
    out, prepared = tmp_path / "out.png", tmp_path / "x.png"
    result = run(f"encode explorer-2d {picture} --json --improve --out {out} --prepared {prepared} --device cpu")
    assert result.exit_code == 0
    (line,) = json_lines(result.stdout)
    model = small_models.explorer()
    x = np.asarray(Image.open(prepared))
    assert np.array_equal(x, prepare(np.asarray(Image.open(picture)), (1, 28, 28)))
    with torch.no_grad():
        numbers = model.encoder(torch.from_numpy(x.copy())[None, None].float() / 255)[0]
    assert line["mu"] == pytest.approx(numbers[:2].tolist(), abs=1e-4)
    assert line["sigma"] == pytest.approx((numbers[2:] / 2).exp().tolist(), rel=1e-3)
    assert line["neg_elbo"] == pytest.approx(line["reconstruction"] + line["kl"])
    assert line["neg_elbo"] > line["nll"] - 4 * line["nll_se"]
    assert line["improved"]["neg_elbo"] < line["neg_elbo"] + 0.5
    exact = small_models.decoded(model, np.array([line["improved"]["mu"]]))[0]
    assert np.abs(np.asarray(Image.open(out)) - exact).max() < 0.6


def test_people_read_the_same(picture: Path) -> None:
    result = run(f"encode explorer-2d {picture} --no-scale --no-centre --invert on --device cpu")
    assert result.exit_code == 0
    for words in ("μ = (", "σ = (", "−ELBO", "−log p(x)", "nats", "binarisations"):
        assert words in result.stdout


def test_an_auto_encoder_has_a_code(picture: Path, tmp_path: Path) -> None:
    model = small_models.of(model="autoencoder", likelihood=SquaredErrorConfig())
    save_model(tmp_path / "ae.safetensors", model, {})
    (line,) = json_lines(run(f"encode {tmp_path / 'ae.safetensors'} {picture} --json --device cpu").stdout)
    assert set(line) == {"model", "image", "z", "squared_error"}
    result = run(f"encode {tmp_path / 'ae.safetensors'} {picture} --device cpu")
    assert "no posterior" in result.stdout
    assert run(f"encode {tmp_path / 'ae.safetensors'} {picture} --improve --device cpu").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ("nothing.png", 1, "No such file"),
        ("{0} --out picture.jpg", 2, ".png"),
        ("{0} --invert maybe", 2, "auto, on or off"),
        ("{1}", 1, "no picture that can be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    picture: Path, tmp_path: Path, arguments: str, status: int, words: str
) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    result = run(f"encode explorer-2d {arguments.format(picture, text)} --device cpu")
    assert result.exit_code == status
    assert words in result.stderr.replace("\n", " ")
