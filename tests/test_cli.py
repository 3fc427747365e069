"""The command line: as a process where signals, streams and exit statuses matter, and in this one for the rest."""

from __future__ import annotations

import importlib.metadata
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from command_line import SMALL, json_lines, posix, process, run, started
from patience import best_of
from PIL import Image

from vae_studio import cli, paths, tasks, terminal
from vae_studio.core import estimate
from vae_studio.core.checkpoint import load_model, save_model
from vae_studio.core.config import MLPConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.latent import GridRequest, Region
from vae_studio.core.plane import Plane
from vae_studio.core.presets import PRESETS

# Which precision is faster is timed, and may come out otherwise another time.
EXACT = f"{SMALL} --set precision=float32"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the commands' own processes have it here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("trained")
    return process(f"train {EXACT} --epochs 3 --seed 4 --out 'my run' --json", folder), folder / "my run"


def test_train_writes_json_lines_and_a_model(trained: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, folder = trained
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stdout)
    kinds = [line["event"] for line in lines]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["finished", "saved"]
    assert {"progress", "evaluated"} <= set(kinds)
    assert lines[0]["total_steps"] == 3 * lines[0]["steps_per_epoch"] == 3 * (1500 // 128)
    assert lines[0]["parameters"] == 784 * 400 + 400 + 400 * 40 + 40 + 20 * 400 + 400 + 400 * 784 + 784
    for line in lines[1:-1]:
        assert line["neg_elbo"] == pytest.approx(line["reconstruction"] + line["kl"], rel=1e-5)
        assert len(line["kl_per_dim"]) == 20
        assert line["neg_elbo"] > line["kl"] > 0
        if line["event"] != "progress":
            assert sum(line["kl_per_dim"]) == pytest.approx(line["kl"], rel=1e-4)
            assert 0 <= line["active_units"] <= 20
    for line in lines:
        if line["event"] == "progress":
            assert {"step", "epoch", "learning_rate", "beta", "steps_per_second"} <= set(line)
    finished, saved = lines[-2:]
    assert (finished["reason"], finished["step"], finished["images"]) == ("done", 33, 10_000)
    assert Path(saved["model"]) == Path("my run") / "model.safetensors"
    assert load_model(folder / "model.safetensors").model.config.seed == 4


def test_train_says_everything_else_on_standard_error(
    trained: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = trained
    assert "Training on CPU" in done.stderr
    assert "1,500 images, 33 steps" in done.stderr
    assert "Trained 3 epochs." in done.stderr
    assert "−ELBO" in done.stderr


def test_the_card_carries_the_command_as_one_would_type_it(
    trained: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = trained
    card = json.loads((folder / "model.json").read_text("utf-8"))
    finished = json_lines(done.stdout)[-2]
    assert card["command"] == f"vae-studio train {EXACT} --epochs 3 --seed 4 --out 'my run' --json"
    assert card["neg_elbo"] == pytest.approx(finished["neg_elbo"], abs=1e-4)


def test_a_model_is_not_replaced_unless_that_is_asked_for(here: Path) -> None:
    command = f"train {SMALL} --epochs 1 --out run"
    assert run(command).exit_code == 0
    before = (here / "run" / "model.safetensors").read_bytes()
    again = run(f"{command} --seed 5")
    assert again.exit_code == 1
    assert "holds a model already" in again.stderr and len(again.stderr.splitlines()) == 1
    assert (here / "run" / "model.safetensors").read_bytes() == before
    assert run(f"{command} --seed 5 --replace").exit_code == 0
    assert (here / "run" / "model.safetensors").read_bytes() != before


def test_train_without_json_names_the_model_and_nothing_else(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(here / "data"))
    result = run(f"train {SMALL} --epochs 1 --latent-dims 2 --beta 2 --classes 0,1 --batch-size 100")
    assert result.exit_code == 0, result.stderr
    (folder,) = (here / "data" / "vae-studio" / "runs").iterdir()
    assert folder.name.endswith("-pytorch-example")
    assert result.stdout == f"Model: {folder / 'model.safetensors'}\n"
    config = load_model(folder / "model.safetensors").model.config
    assert (config.latent_dims, config.beta, config.batch_size, config.epochs) == (2, 2.0, 100, 1)
    assert (config.data.limit, config.data.classes) == (1500, (0, 1))
    assert "Test images: −ELBO" in result.stderr


def test_a_batch_that_is_large_enough_is_kept(here: Path) -> None:
    result = run(f"train {SMALL} --epochs 1 --batch-size largest --out run")
    assert result.exit_code == 0, result.stderr
    assert "Batch size 128 is kept. A larger batch leaves fewer than" in result.stderr
    assert load_model(here / "run" / "model.safetensors").model.config.batch_size == 128


@posix
def test_ctrl_c_stops_training_and_keeps_the_model_here_with_the_largest_batch(tmp_path: Path) -> None:
    """Four times the images a step at four times the rate. What was chosen is no result, so that it goes to stderr."""
    command = "train --preset explorer-2d --device cpu --batch-size largest --epochs 1000 --out run --json"
    with started(f"{command} --set network.widths=[8]", tmp_path) as running:
        first = [running.stdout.readline() for _ in range(3)]
        running.send_signal(signal.SIGINT)
        rest, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.startswith("Batch size 1000 and learning rate 0.006, in place of 250 and 0.0015.\n")
    lines = json_lines("".join(first) + rest)
    assert lines[0]["steps_per_epoch"] == 60
    assert [line["event"] for line in lines[-2:]] == ["finished", "saved"]
    assert lines[-2]["reason"] == "stopped"
    assert "Traceback" not in said
    assert f"Stopped after {lines[-2]['step']} of" in said
    loaded = load_model(tmp_path / "run" / "model.safetensors")
    assert (loaded.card["ended"], loaded.card["steps"]) == ("stopped", lines[-2]["step"])
    assert (loaded.model.config.batch_size, loaded.model.config.learning_rate) == (1000, 6e-3)


def test_a_pace_shows_every_step_and_changes_no_figure(
    trained: tuple[subprocess.CompletedProcess[str], Path], here: Path, one_thread: None
) -> None:
    done = run(f"train {EXACT} --epochs 3 --seed 4 --pace 20 --out run --json")
    assert done.exit_code == 0, done.stderr
    lines = json_lines(done.stdout)
    progress = [line for line in lines if line["event"] == "progress"]
    assert [line["step"] for line in progress] == list(range(1, 34))
    assert all(line["steps_per_second"] <= 20 for line in progress)
    flat_out = json_lines(trained[0].stdout)
    assert progress[-1]["step"] == next(line["step"] for line in flat_out if line["event"] == "finished")
    finished = next(line for line in lines if line["event"] == "finished")
    assert finished["neg_elbo"] == next(line["neg_elbo"] for line in flat_out if line["event"] == "finished")
    model, swift = (load_model(folder / "model.safetensors") for folder in (here / "run", trained[1]))
    assert (model.card["changes"], swift.card["changes"]) == ([{"step": 0, "pace": 20}], [])
    for name, weights in swift.model.state_dict().items():
        assert torch.equal(model.model.state_dict()[name], weights)


@posix
@best_of(4)
def test_ctrl_c_stops_a_training_that_waits_for_its_turn(tmp_path: Path) -> None:
    with started(f"train {SMALL} --pace 1 --out run --replace --json", tmp_path) as running:
        while json.loads(running.stdout.readline())["event"] != "progress":
            pass
        time.sleep(0.1)
        asked = time.perf_counter()
        running.send_signal(signal.SIGINT)
        event = ""
        while event != "finished":
            line = json.loads(running.stdout.readline())
            event = line["event"]
        assert time.perf_counter() - asked < 0.6
        running.communicate(timeout=60)
    assert (running.returncode, line["reason"], line["step"]) == (130, "stopped", 1)


@pytest.mark.parametrize("pace", ["0", "1001", "-3", "nan", "fast"])
def test_a_pace_that_is_none_is_refused(here: Path, pace: str) -> None:
    result = run(f"train {SMALL} --pace {pace}")
    assert result.exit_code == 2
    assert "--pace" in result.stderr
    assert not (here / "data").exists()


def test_a_folder_that_cannot_be_is_said_before_training(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "file").write_text("old")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(cli, "_train", never)
    for out in ("file", "file/below"):
        result = run(f"train {SMALL} --out {out}")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert "is a file, not a folder" in result.stderr
    assert (here / "file").read_text() == "old"


def test_a_device_that_is_not_there_fails_with_a_sentence(here: Path) -> None:
    absent = "cuda" if not torch.cuda.is_available() else "mps"
    result = run(f"train --device {absent} --data-limit 100 --epochs 1 --out run")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"This machine has no {absent.upper()} device. Found: ")
    assert len(result.stderr.splitlines()) == 1


# grid


def test_the_command_line_and_the_window_export_the_same_pixels(tmp_path: Path) -> None:
    options = "--rows 7 --cols 11 --region -2.5,1.25,-1,3 --point 0.5,-0.5 --axes 2,1 --scale 2 --spacing 3 --json"
    done = process(f"grid explorer-2d --out grid.png {options}", tmp_path, OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    (line,) = json_lines(done.stdout)
    assert line == {"grid": "grid.png", "width": 11 * 56 + 10 * 3, "height": 7 * 56 + 6 * 3}
    assert done.stderr == ""
    (opened,) = tasks.open_model("explorer-2d")
    request = GridRequest((0.5, -0.5), Plane.of_axes((1, 0), 2), Region(-2.5, 1.25, -1, 3), 7, 11, 2, 3)
    *_, written = tasks.export_grid(opened.model, request, tmp_path / "window.png", opened.name, opened.sha256)
    with Image.open(tmp_path / "grid.png") as ours, Image.open(written.path) as theirs:
        assert ours.size == (line["width"], line["height"])
        assert ours.tobytes() == theirs.tobytes()
        descriptions = [json.loads(image.text["vae-studio"]) for image in (ours, theirs)]
    assert [about.pop("model") for about in descriptions] == ["explorer-2d", "2-D explorer"]
    assert descriptions[0] == descriptions[1]


def test_grid_has_defaults_and_says_what_it_wrote(here: Path) -> None:
    result = run("grid explorer-2d --out grid.png")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "grid.png: 20 × 20 tiles, 560 × 560 pixels\n"
    with Image.open("grid.png") as image:
        about = json.loads(image.text["vae-studio"])
        assert about["region"] == {"kind": "quantiles", "mass": 0.95}
        expected = small_models.decoded(small_models.explorer(), GridRequest((0.0, 0.0)).points())
        tiles = np.asarray(image).reshape(20, 28, 20, 28).swapaxes(1, 2).reshape(400, 28, 28)
        assert small_models.rounds_to(tiles, expected)


def test_grid_with_axes_and_of_one_dimension(here: Path) -> None:
    save_model(here / "line.safetensors", small_models.mlp(latent_dims=1, widths=(8,)), {})
    result = run("grid line.safetensors --out g.png --rows 2 --cols 3 --mass 0.5 --axes-shown")
    assert result.exit_code == 0, result.stderr
    with Image.open("g.png") as image:
        assert image.size > (84, 56)
        assert json.loads(image.text["vae-studio"])["plane"] == {"point": [0.0], "axes": [0, 0]}


# evaluate, models, presets, doctor


def test_evaluate_finds_what_the_card_says(here: Path) -> None:
    result = run("evaluate explorer-2d --samples 0 --json")
    assert result.exit_code == 0, result.stderr
    (line,) = json_lines(result.stdout)
    card = json.loads((paths.trained_models() / "explorer-2d.json").read_text("utf-8"))
    assert (line["split"], line["images"]) == ("test", 10_000)
    assert line["neg_elbo"] == pytest.approx(card["neg_elbo"], abs=0.25)
    assert line["reconstruction"] == pytest.approx(card["reconstruction"], abs=0.25)
    assert line["kl"] == pytest.approx(card["kl"], abs=1e-3)
    assert line["kl_per_dim"] == pytest.approx(card["kl_per_dim"], abs=1e-3)
    assert line["active_units"] == card["active_units"]


def test_evaluate_of_the_models_own_images_in_words(here: Path) -> None:
    config = RunConfig.parse({"data": {"classes": [1], "limit": 50}, "network": {"kind": "mlp", "widths": [8]}})
    save_model(here / "ones.safetensors", small_models.vivid(small_models.build(config, (1, 28, 28))), {})
    said = run("evaluate ones.safetensors --split train --posterior-samples 2 --samples 10").stdout
    assert said.startswith("ones.safetensors on 50 train images: −ELBO ")
    again = "evaluate ones.safetensors --seed 1 --samples 20 --images 30"
    said = run(again).stdout
    assert said.startswith("ones.safetensors on 1,135 test images: −ELBO ")
    for words in (
        "mutual information",
        "20 samples of q(z|x) for each of 30 random binarised images, and 400 of the prior",
        "effective sample size",
    ):
        assert words in said
    assert run(again).stdout == said


@pytest.mark.parametrize("digits", [4, pytest.param(6, marks=pytest.mark.slow)])
def test_evaluate_finds_the_likelihood_and_the_naive_estimate(
    here: Path, monkeypatch: pytest.MonkeyPatch, digits: int
) -> None:
    """Bounds on the same images order themselves, and in one dimension some thousand draws of the prior are enough."""
    if digits < 6:  # the million that is usual takes a quarter of a minute
        monkeypatch.setattr(estimate, "naive_steps", partial(estimate.naive_steps, most=10**digits))
    config = RunConfig(network=MLPConfig(widths=(8,)), latent_dims=1)
    save_model(here / "line.safetensors", small_models.vivid(small_models.build(config, (1, 28, 28))), {})
    result = run("evaluate line.safetensors --samples 500 --images 20 --naive --json")
    assert result.exit_code == 0, result.stderr
    (line,) = json_lines(result.stdout)
    values = [bound["value"] for bound in line["likelihood"]["bounds"]]
    assert [bound["samples"] for bound in line["likelihood"]["bounds"]] == [1, 5, 50, 500]
    assert values == sorted(values, reverse=True)
    assert line["nll"] == line["likelihood"]["nll"] <= values[-1] + 3 * line["likelihood"]["nll_se_samples"]
    assert (line["likelihood"]["images"], line["likelihood"]["of_images"]) == (20, 10_000)
    points = line["naive"]["points"]
    assert [point["samples"] for point in points] == [10**n for n in range(1, digits + 1)]
    assert points[-1]["nll"] == pytest.approx(line["naive"]["nll"], abs=0.1)
    assert 1 <= line["ess"] <= 11 * 500


def test_evaluate_of_an_auto_encoder_says_why_there_is_no_bound(here: Path) -> None:
    config = RunConfig(model="autoencoder", likelihood=SquaredErrorConfig(), network=MLPConfig(widths=(8,)))
    save_model(here / "codes.safetensors", small_models.build(config, (1, 28, 28)), {})
    (line,) = json_lines(run("evaluate codes.safetensors --json").stdout)
    assert line["neg_elbo"] is line["kl"] is line["kl_per_dim"] is None
    assert line["reconstruction"] > 0 and line["unit"].startswith("squared error")
    said = run("evaluate codes.safetensors").stdout
    assert "reconstruction error" in said and "no image has a p(x)" in said and "ELBO" not in said


def test_any_setting_can_be_given_to_a_training(here: Path) -> None:
    settings = (
        "--set likelihood=gaussian --set likelihood.scale=per-pixel --set posterior=full-gaussian --set samples=2"
    )
    result = run(f"train {SMALL} --epochs 1 --latent-dims 3 {settings} --out there --json")
    assert result.exit_code == 0, result.stderr
    config = load_model(here / "there" / "model.safetensors").model.config
    assert (config.likelihood.kind, config.likelihood.scale) == ("gaussian", "per-pixel")
    assert (config.posterior, config.samples, config.latent_dims) == ("full-gaussian", 2, 3)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("bound", "A setting is written name=value"),
        ("colour=red", "There is no setting “colour”. `vae-studio settings` lists them all."),
        ("latent-dims=3", "There is no setting “latent-dims”. Did you mean “latent_dims”?"),
        ("likelihood.scale=fixed", "The bernoulli likelihood has no setting “scale”."),
        ("seed.more=1", "There is no setting “seed.more”."),
        ("likelihood=gausian", "Likelihood needs as its kind one of bernoulli,"),
        ("samples=0", "Samples should be greater than or equal to 1 (it was 0)."),
        ("likelihood=squared-error", "The squared error is no density"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_a_sentence(here: Path, setting: str, words: str) -> None:
    result = run(f"train --set {setting} --out there")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_the_table_of_the_iwae_paper_is_trained_measured_and_printed(here: Path) -> None:
    command = "reproduce iwae-table --rows vae-1,iwae-1 --epochs 1 --images 20 --samples 20 --device cpu --out t"
    result = run(command)
    assert result.exit_code == 0, result.stderr
    assert "vae-1: training" in result.stderr and "iwae-1: found, not trained again" in result.stderr
    assert "86.76" in result.stdout and "20 binarised test images" in result.stdout
    lines = json_lines(run(f"{command} --json").stdout)
    assert [line["row"] for line in lines] == ["vae-1", "iwae-1"]
    assert lines[0]["nll"] == lines[1]["nll"] > 86
    assert json.loads((here / "t" / "iwae-table.json").read_text("utf-8"))["vae-1"] == lines[0]


def test_models_are_listed_with_their_figures(here: Path) -> None:
    shown = run("models").stdout
    for line in json_lines(run("models --json").stdout):
        card = json.loads((paths.trained_models() / f"{line['name']}.json").read_text("utf-8"))
        assert {key: line[key] for key in card} == card
        assert Path(line["path"]).is_file()
        assert line["name"] in shown
        assert f"{card['neg_elbo']:.2f}" in shown
    assert "explorer-2d" in shown
    assert str(paths.trained_models()) in shown


def test_presets_are_listed_with_what_they_show(tmp_path: Path) -> None:
    done = process("presets --json", tmp_path)
    lines = json_lines(done.stdout)
    assert [line["name"] for line in lines] == list(PRESETS)
    for line in lines:
        assert RunConfig.parse(line["config"]) == PRESETS[line["name"]].config
        assert line["summary"] == PRESETS[line["name"]].summary
    table = process("presets", tmp_path, COLUMNS="200")
    assert (table.returncode, table.stderr) == (0, "")
    assert all(name in table.stdout for name in PRESETS)


def test_signs_that_a_terminal_lacks_are_no_reason_to_fail(tmp_path: Path) -> None:
    done = process("presets", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "explorer-2d" in done.stdout
    done = process("presets --json", tmp_path, PYTHONIOENCODING="ascii")
    assert [line["summary"] for line in json_lines(done.stdout)] == [p.summary for p in PRESETS.values()]


def test_doctor_reports(here: Path) -> None:
    (report,) = json_lines(run("doctor --json").stdout)
    assert report["folders"]["runs"] == str(paths.runs())
    assert torch.__version__.startswith(report["versions"]["torch"])
    said = run("doctor")
    assert (said.exit_code, said.stderr) == (0, "")
    assert str(paths.runs()) in said.stdout


def test_figures_that_are_no_numbers_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": -float("inf"), "e": "β"}, "f": None})
    assert json_lines(capsys.readouterr().out) == [{"a": None, "b": [1.5, None], "c": {"d": None, "e": "β"}, "f": None}]


def test_the_version_is_that_of_the_package(here: Path) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout == f"vae-studio {importlib.metadata.version('vae-studio')}\n"


def test_models_of_other_images_are_drawn_and_not_evaluated(here: Path) -> None:
    config = RunConfig(network=MLPConfig(widths=(8,)))
    save_model(here / "colour.safetensors", small_models.build(config, (3, 8, 10)), {})
    result = run("grid colour.safetensors --out g.png --rows 2 --cols 3")
    assert result.exit_code == 0, result.stderr
    assert "30 × 16 pixels" in result.stdout
    with Image.open("g.png") as image:
        assert (image.size, image.mode) == ((30, 16), "RGB")
    result = run("evaluate colour.safetensors")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("This model makes images of 10 × 8 pixels in colour, and those of MNIST have 28")


def test_every_setting_that_is_listed_can_be_set(here: Path) -> None:
    """Each default, given as the list shows it, makes a config; those of written-out layers have none."""
    lines = json_lines(run("settings --json").stdout)
    names = {line["name"] for line in lines}
    assert set(RunConfig.model_fields) <= {name.split(" ")[0].split(".")[0] for name in names}
    assert {"likelihood.scale (gaussian)", "prior.components (gaussian-mixture)", "network.blocks (residual)"} <= names
    for line in lines:
        name, _, kind = line["name"].partition(" ")
        first = [f"{name.split('.')[0]}={kind.strip('()')}"] if kind else []
        if line["default"] is not None and kind != "(layered)":
            RunConfig().with_settings([*first, f"{name}={json.dumps(line['default'])}"])
    said = run("settings").stdout
    assert 'bound: elbo | iwae, default "elbo"' in said
    assert "epochs: whole number from 1 to 100000, default 100" in said
