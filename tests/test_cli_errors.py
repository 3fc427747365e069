"""Help, wrong arguments, what fails with a sentence, and what happens without a command."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import small_models
from command_line import COMMANDS, process, run, started
from PIL import Image

from vae_studio import cli, paths
from vae_studio.core.checkpoint import load_model, save_model
from vae_studio.core.latent import GridRequest
from vae_studio.core.presets import PRESETS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# help and errors


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_comes_with_an_example(command: str) -> None:
    result = run(f"{command} --help")
    assert result.exit_code == 0
    assert "Example: vae-studio " in result.stdout
    if command:
        example = result.stdout.partition("Example: ")[2].splitlines()[0]
        assert example.startswith(f"vae-studio {command}")
    else:
        assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train --preset nope", "There is no preset “nope”. Presets: explorer-2d, convolutional-2d, "),
        ("train --epochs 0", "Epochs should be greater than or equal to 1 (it was 0)."),
        ("train --batch-size 0", "Batch size should be greater than or equal to 1 (it was 0)."),
        ("train --latent-dims 257", "Latent dims should be less than or equal to 256 (it was 257)."),
        ("train --beta -1", "Beta should be greater than or equal to 0 (it was -1.0)."),
        ("train --beta nan", "Beta should be a finite number"),
        ("train --learning-rate 0", "Learning rate should be greater than 0 (it was 0.0)."),
        ("train --seed -1", "Seed should be greater than or equal to 0 (it was -1)."),
        ("train --device tpu", "Device should be 'auto', 'cuda', 'mps' or 'cpu' (it was 'tpu')."),
        ("train --data-limit 0", "should be greater than or equal to 1 (it was 0)."),
        ("train --data-pick sideways", "should be 'first' or 'random' (it was 'sideways')."),
        ("train --classes 0,x", "--classes takes numbers separated by commas (it was '0,x')."),
        ("train --classes ''", "--classes takes numbers separated by commas (it was '')."),
        ("train --classes 0,11", "should be less than or equal to 9 (it was 11)."),
        ("grid explorer-2d --out g.png --rows 0", "Rows must lie between 1 and 400 (it was 0)."),
        ("grid explorer-2d --out g.png --cols 400 --scale 16", "at most 16,384 a side are possible"),
        ("grid explorer-2d --out g.png --axes 1", "--axes takes two different dimensions, such as 1,2 (it was 1)."),
        ("grid explorer-2d --out g.png --axes 2,2", "--axes takes two different dimensions, such as 1,2 (it was 2,2)."),
        ("grid explorer-2d --out g.png --axes 1,3", "There is no latent dimension 3: the model has 2."),
        ("grid explorer-2d --out g.png --axes 0,1", "There is no latent dimension 0: the model has 2."),
        ("grid explorer-2d --out g.png --axes x", "--axes takes numbers separated by commas (it was 'x')."),
        ("grid explorer-2d --out g.png --mass 1.5", "The prior mass must lie between 0 and 1 (it was 1.5)."),
        ("grid explorer-2d --out g.png --region 1,2,3", "--region takes four numbers, LEFT,RIGHT,BOTTOM,TOP"),
        ("grid explorer-2d --out g.png --region 2,1,0,1", "The region is empty: left must be less than right"),
        ("grid explorer-2d --out g.png --region 0,1e999,0,1", "The region must have finite coordinates"),
        ("grid explorer-2d --out g.png --point 1", "--point has 1 numbers, but the model has 2 latent dimensions."),
        ("grid explorer-2d --out g.png --point a,b", "--point takes numbers separated by commas (it was 'a,b')."),
        ("grid explorer-2d --out g.png --point nan,0", "The point must have finite coordinates"),
    ],
)
def test_wrong_values_end_in_one_sentence(here: Path, arguments: str, words: str) -> None:
    result = run(arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("--nonsense", "No such option: --nonsense"),
        ("train --epochs many", "'--epochs'"),
        ("train --batch-size many", "--batch-size: give a whole number, or largest (it was many)."),
        ("train --batch-size 1.5", "give a whole number, or largest (it was 1.5)."),
        ("grid", "Missing argument 'model'"),
        ("grid explorer-2d", "Missing option '--out'"),
        ("grid explorer-2d --out g.jpg", "The file must end in .png"),
        ("grid explorer-2d --out g.png --mass 0.5 --region 0,1,0,1", "Give --mass or --region, not both."),
        ("evaluate explorer-2d --split both", "choose test or train"),
        ("evaluate explorer-2d --samples -1", "'--samples'"),
        ("evaluate explorer-2d --posterior-samples 0", "'--posterior-samples'"),
        ("evaluate explorer-2d --samples 0 --naive", "the naive estimate is compared with that by --samples."),
        ("evaluate explorer-2d --images none", "give a number of images, or all (it was none)."),
        ("evaluate explorer-2d --images 0", "give a number of images, or all (it was 0)."),
        ("reproduce nonsense", "No such command 'nonsense'"),
        ("reproduce iwae-table --images some", "give a number of images, or all (it was some)."),
    ],
)
def test_wrong_arguments_are_explained_with_the_usage(here: Path, arguments: str, words: str) -> None:
    result = run(arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words.lower() in " ".join(result.stderr.replace("│", " ").split()).lower()
    assert "Usage: vae-studio" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["grid nothing --out g.png", "evaluate nothing"])
def test_a_model_that_is_not_there_fails_with_a_sentence(here: Path, command: str) -> None:
    result = run(command)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("There is no model “nothing”. Give a file, a run folder, or one of: explorer-2d")
    assert len(result.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_a_damaged_model_fails_with_a_sentence(here: Path) -> None:
    content = bytearray((paths.trained_models() / "explorer-2d.safetensors").read_bytes())
    content[-1] ^= 1
    (here / "m.safetensors").write_bytes(content)
    result = run("evaluate m.safetensors")
    assert result.exit_code == 1
    assert result.stderr == "m.safetensors cannot be opened: it is damaged (its checksum is wrong).\n"


def test_a_picture_that_cannot_be_written_fails_with_a_sentence(here: Path) -> None:
    result = run("grid explorer-2d --out no/g.png --rows 1 --cols 1")
    assert result.exit_code == 1
    assert result.stderr == f"{Path('no/g.png')} was not written: the folder does not exist.\n"
    assert list(here.iterdir()) == []


# Without a command


@pytest.mark.parametrize(
    ("arguments", "window"),
    [
        ([], [(None, False)]),
        (["--json"], [(None, True)]),
        (["gone.safetensors"], [("gone.safetensors", False)]),
        (["my-run"], [("my-run", False)]),
        (["my-run", "--json"], [("my-run", True)]),
        (["--json", "my-run"], [("my-run", True)]),
        (["--json", "presets"], []),
        (["presets"], []),
        (["nonsense"], []),
        (["--help"], []),
    ],
)
def test_no_command_or_a_file_opens_the_window(here: Path, monkeypatch, capsys, arguments, window) -> None:
    opened: list[tuple[str | None, bool]] = []
    monkeypatch.setattr(cli, "_window", lambda file, *, as_json: opened.append((file, as_json)) or 0)
    monkeypatch.setattr(sys, "argv", ["vae-studio", *arguments])
    (here / "my-run").mkdir()
    (here / "presets").mkdir()
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert opened == window
    assert caught.value.code == (2 if arguments in (["nonsense"], ["--json", "presets"]) else 0)
    if arguments == ["--json", "presets"]:
        assert "vae-studio presets --json" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gone.safetensors", "gone.vaesession"])
def test_a_file_that_is_not_there_is_said_before_any_window(tmp_path: Path, name: str) -> None:
    done = process(name, tmp_path, QT_QPA_PLATFORM="offscreen")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"There is no file {name}.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_session_without_a_display_is_not_taken_for_a_model(tmp_path: Path) -> None:
    (tmp_path / "my.vaesession").write_text("{}")
    done = process("my.vaesession", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No display") and "shown in the window only" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_file_without_a_display_is_not_trained_over(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", small_models.mlp(widths=(4,)), {})
    done = process("m.safetensors", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "No display: neither DISPLAY nor WAYLAND_DISPLAY is set. To see the model without a window: "
        "vae-studio grid m.safetensors --out grid.png\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_the_default_model_is_trained_and_both_files_are_named(tmp_path: Path) -> None:
    """Interrupted after a second; the whole training takes minutes."""
    with started("", tmp_path) as running:
        said = [running.stderr.readline() for _ in range(2)]
        # The first report of an evaluation on test images: training is well under way.
        said.append(running.stderr.readline())
        running.send_signal(signal.SIGINT)
        out, rest = running.communicate(timeout=60)
    assert running.returncode == 130, rest
    assert said[0] == (
        "No display: neither DISPLAY nor WAYLAND_DISPLAY is set. "
        "Working without a window: training the default model for 100 epochs.\n"
    )
    config = PRESETS["explorer-2d"].config
    assert f"60,000 images, {240 * config.epochs:,} steps" in said[1]
    assert said[2].startswith("epoch ")
    assert "Traceback" not in rest
    model_line, grid_line = out.splitlines()
    model, grid = Path(model_line.removeprefix("Model: ")), Path(grid_line.removeprefix("Grid:  "))
    assert model.parent == grid.parent
    assert model.is_relative_to(tmp_path / "data" / "vae-studio" / "runs")
    loaded = load_model(model)
    assert loaded.model.config == config
    with Image.open(grid) as image:
        assert image.size == (560, 560)
        tiles = np.asarray(image).reshape(20, 28, 20, 28).swapaxes(1, 2).reshape(400, 28, 28)
        about = json.loads(image.text["vae-studio"])
    assert small_models.rounds_to(tiles, small_models.decoded(loaded.model, GridRequest((0.0, 0.0)).points()))
    assert about["model_sha256"] == loaded.sha256


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_what_is_in_the_way_is_a_sentence_too(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the place of the folder")
    done = process("", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 2
    assert "part of the path is a file, not a folder" in done.stderr
