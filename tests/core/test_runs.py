"""A run leaves a model and its card; what is in the way is said before any work is done."""

from __future__ import annotations

import json
import queue
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import vae_studio
from vae_studio.core.checkpoint import load_model
from vae_studio.core.config import (
    BernoulliConfig,
    DataConfig,
    GaussianConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.datasets import Data
from vae_studio.core.devices import DeviceError
from vae_studio.core.errors import UserError
from vae_studio.core.events import Event, Finished, Progress, Saved, SetRate, Started, Stop
from vae_studio.core.files import FileError
from vae_studio.core.model import VAE
from vae_studio.core.runs import record

CONFIG = RunConfig(
    preset="pytorch-example",
    network=MLPConfig(widths=(16,), activation="relu"),
    latent_dims=3,
    batch_size=100,
    epochs=3,
    learning_rate=5e-3,
    seed=11,
    device="cpu",
    precision="float32",
)
FIGURES = ("neg_elbo", "reconstruction", "kl", "kl_per_dim", "active_units", "active")


@pytest.fixture(scope="module")
def data(mnist: Data) -> Data:
    """The first 1000 training images and 700 test images."""
    train, test = mnist.train.select(torch.arange(1000)), mnist.test.select(torch.arange(700))
    return Data("mnist", "MNIST", train, test, mnist.class_names)


def ran(
    data: Data, folder: Path, tell: Callable[[Event], list] = lambda _: [], config: RunConfig = CONFIG
) -> list[Event]:
    """All events of a run; `tell` may answer each with commands."""
    commands: queue.SimpleQueue = queue.SimpleQueue()
    seen = []
    for event in record(config, data, folder, commands, command="vae-studio train --seed 11"):
        seen.append(event)
        for command in tell(event):
            commands.put(command)
    return seen


@pytest.fixture(scope="module")
def finished_run(data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    folder = tmp_path_factory.mktemp("runs") / "new" / "run"
    return ran(data, folder), folder


def test_the_model_is_saved_after_the_end(finished_run: tuple[list[Event], Path]) -> None:
    events, folder = finished_run
    assert isinstance(events[0], Started)
    assert [type(event) for event in events[-2:]] == [Finished, Saved]
    finished, saved = events[-2:]
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    assert saved.path == folder / "model.safetensors"
    loaded = load_model(saved.path)
    assert loaded.sha256 == saved.sha256
    assert loaded.model.config == CONFIG
    for name, tensor in finished.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)


def test_the_card_beside_the_model_is_the_card_within(finished_run: tuple[list[Event], Path]) -> None:
    events, folder = finished_run
    beside = json.loads((folder / "model.json").read_text("utf-8"))
    assert beside == load_model(folder / "model.safetensors").card == events[-1].card


def test_the_card_says_how_the_model_was_made(finished_run: tuple[list[Event], Path], data: Data) -> None:
    events, _ = finished_run
    card = events[-1].card
    finished = events[-2]
    assert card["preset"] == "pytorch-example"
    assert card["command"] == "vae-studio train --seed 11"
    fingerprint = data.fingerprint()
    assert card["data"] == {"name": "MNIST", "train_images": 1000, "test_images": 700, "sha256": fingerprint}
    assert (card["epochs"], card["steps"], card["ended"], card["seed"]) == (3.0, 30, "done", 11)
    assert card["parameters"] == sum(p.numel() for p in finished.model.parameters())
    assert card["parameters"] == 784 * 16 + 16 + 16 * 6 + 6 + 3 * 16 + 16 + 16 * 784 + 784
    assert card["device"].startswith("CPU")
    assert card["threads"] == torch.get_num_threads()
    assert card["precision"] == "float32"
    assert card["versions"]["vae_studio"] == vae_studio.__version__
    assert card["versions"]["torch"] == torch.__version__
    assert card["seconds"] == pytest.approx(finished.seconds, abs=0.06)


def test_the_figures_are_those_of_the_saved_weights(finished_run: tuple[list[Event], Path], data: Data) -> None:
    events, folder = finished_run
    card, model = events[-1].card, load_model(folder / "model.safetensors").model
    x = data.test.images[:, None].double() / 255
    with torch.no_grad():
        mean, log_variance = model.double().encoder(x).chunk(2, dim=1)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=0)
        draws = []
        for seed in range(10):
            z = torch.distributions.Normal(mean, (log_variance / 2).exp())
            torch.manual_seed(seed)
            logits = model.decoder(z.sample())
            draws.append(float(binary_cross_entropy_with_logits(logits, x, reduction="sum")) / len(x))
    assert np.allclose(card["kl_per_dim"], kl, atol=1e-3)
    assert card["kl"] == pytest.approx(float(kl.sum()), abs=1e-3)
    assert card["reconstruction"] == pytest.approx(np.mean(draws), abs=8 * np.std(draws) + 0.01)
    assert card["neg_elbo"] == pytest.approx(card["reconstruction"] + card["kl"], abs=2e-4)
    assert card["active"] == (mean.var(dim=0) > 0.01).tolist()
    assert card["active_units"] == sum(card["active"])
    assert card["unit"] == "nats per image, expected over binarisations"


def test_a_stopped_run_keeps_its_model(data: Data, tmp_path: Path) -> None:
    events = ran(data, tmp_path, lambda event: [Stop()] if isinstance(event, Progress) else [])
    finished, saved = events[-2:]
    assert finished.reason == "stopped"
    assert 1 <= finished.step < 30
    assert (saved.card["ended"], saved.card["steps"]) == ("stopped", finished.step)
    assert saved.card["epochs"] == round(finished.step / 10, 3)
    assert [saved.card[key] for key in FIGURES] == [None] * 6
    assert_same(load_model(saved.path).model, finished.model)


@pytest.mark.parametrize(
    "likelihood", [SquaredErrorConfig(), BernoulliConfig()], ids=lambda likelihood: likelihood.kind
)
def test_the_card_of_an_auto_encoder_has_an_error_and_no_bound(data: Data, tmp_path: Path, likelihood: object) -> None:
    config = CONFIG.with_changes(model="autoencoder", likelihood=likelihood)
    saved = ran(data, tmp_path, config=config)[-1]
    card = saved.card
    assert [card[key] for key in ("neg_elbo", "kl", "kl_per_dim")] == [None] * 3
    assert card["active"] == [True] * 3 and card["active_units"] == 3
    model = load_model(saved.path).model
    x = data.test.images[:, None].double() / 255
    with torch.no_grad():
        logits = model.double().decoder(model.encoder(x))
    if isinstance(likelihood, SquaredErrorConfig):
        error = (logits.sigmoid() - x).square().sum() / len(x)
        assert card["unit"] == "squared error per image, summed over pixels"
    else:
        error = binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        assert card["unit"] == "nats per image, expected over binarisations"
    assert card["reconstruction"] == pytest.approx(error.item(), rel=1e-4)
    assert json.loads((tmp_path / "model.json").read_text("utf-8")) == card


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({"likelihood": BernoulliConfig(targets="binarised-fresh")}, "nats per binarised image"),
        ({"likelihood": GaussianConfig()}, "nats per image, density of grey values in [0, 1]"),
        (
            {"prior": MixtureConfig(components=3), "posterior": "full-gaussian"},
            "nats per image, expected over binarisations",
        ),
        ({"bound": "iwae", "samples": 4, "beta": 2.0}, "nats per image, expected over binarisations"),
    ],
)
def test_the_card_says_what_its_numbers_mean(data: Data, tmp_path: Path, changes: dict, unit: str) -> None:
    saved = ran(data, tmp_path, config=CONFIG.with_changes(**changes))[-1]
    card = saved.card
    assert card["unit"] == unit
    assert card["neg_elbo"] == pytest.approx(card["reconstruction"] + card["kl"], abs=2e-4)
    assert all(type(active) is bool for active in card["active"]) and len(card["active"]) == 3
    assert load_model(saved.path).card == card


def test_a_diverged_run_keeps_finite_weights(data: Data, tmp_path: Path) -> None:
    events = ran(data, tmp_path, lambda event: [SetRate(1e30)] if isinstance(event, Started) else [])
    finished, saved = events[-2:]
    assert finished.reason == saved.card["ended"] == "not_finite"
    assert_same(load_model(saved.path).model, finished.model)


def assert_same(one: VAE, other: VAE) -> None:
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("inside", ["", "below"])
def test_a_folder_that_cannot_be_made_is_said_before_any_work(data: Data, tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(FileError, match=str(tmp_path / "file")):
        next(record(CONFIG, data, tmp_path / "file" / inside))
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_device_that_is_not_there_is_said(data: Data, tmp_path: Path) -> None:
    absent = "cuda" if not torch.cuda.is_available() else "mps"
    with pytest.raises(DeviceError, match=f"no {absent.upper()} device") as caught:
        next(record(CONFIG.with_changes(device=absent), data, tmp_path))
    assert isinstance(caught.value, UserError)


def test_files_that_cannot_be_written_do_not_take_the_model_away(data: Data, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    seen = []
    with pytest.raises(FileError, match="the folder does not exist"):
        for event in record(CONFIG, data, folder):
            seen.append(event)
            if isinstance(event, Finished):
                shutil.rmtree(folder)
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "done"
    assert seen[-1].model.decode(torch.zeros(1, 3)).mean.isfinite().all()


def test_a_new_run_replaces_the_model_of_an_old_one(data: Data, tmp_path: Path) -> None:
    stop = [Stop()]
    first = ran(data, tmp_path, lambda event: stop if isinstance(event, Progress) else [])[-1]
    later = ran(data, tmp_path, lambda event: stop if isinstance(event, Progress) and event.step > 3 else [])[-1]
    assert later.path == first.path
    assert load_model(later.path).card["steps"] == later.card["steps"] > first.card["steps"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_that_is_dropped_leaves_no_file(data: Data, tmp_path: Path) -> None:
    run = record(CONFIG, data, tmp_path)
    assert len(list(islice(run, 3))) == 3
    run.close()
    assert list(tmp_path.iterdir()) == []


def test_a_selection_of_images_is_in_the_card(tmp_path: Path) -> None:
    from vae_studio.core import datasets

    config = CONFIG.with_changes(data={"limit": 300, "classes": [0, 1]}, epochs=1)
    assert config.data == DataConfig(limit=300, classes=(0, 1))
    chosen = datasets.load(config.data, config.seed)
    *_, saved = record(config, chosen, tmp_path)
    # 980 zeros and 1135 ones are among the test images.
    assert saved.card["data"]["train_images"] == 300
    assert saved.card["data"]["test_images"] == 2115
    assert load_model(saved.path).model.config.data == config.data
