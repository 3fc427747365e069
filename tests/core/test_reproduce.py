"""The IWAE paper's table is trained and measured row by row, and what is there already is not done again."""

from __future__ import annotations

import json
import math
import queue
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributions as td

from vae_studio.core.checkpoint import load_model
from vae_studio.core.config import ConfigError
from vae_studio.core.datasets import Data
from vae_studio.core.estimate import subset
from vae_studio.core.evaluate import evaluation_seed, fixed_binarisation
from vae_studio.core.events import Finished, Progress, Saved, Started, Stop
from vae_studio.core.figures import PAPER, RowBegun, RowMeasured
from vae_studio.core.presets import PRESETS
from vae_studio.core.reproduce import RESULTS_FILE, iwae_table
from vae_studio.core.train import Commands


def table(rows: list[str], folder: Path, *, epochs: int = 1, commands: Commands | None = None) -> Iterator[Any]:
    """The table as quickly as it can be had: an epoch for each row, and figures on 20 test images."""
    return iwae_table(rows, folder, epochs=epochs, device="cpu", samples=50, images=20, commands=commands)


def measured(items: list[Any]) -> list[RowMeasured]:
    return [item for item in items if isinstance(item, RowMeasured)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    """What the first call said, and its folder."""
    folder = tmp_path_factory.mktemp("reproduce") / "new" / "table"
    return list(table(["vae-1", "iwae-1"], folder)), folder


@pytest.fixture
def made(first: tuple[list[Any], Path], tmp_path: Path) -> Path:
    """A copy of that folder to play with."""
    return Path(shutil.copytree(first[1], tmp_path / "table"))


def test_a_row_is_trained_then_measured(first: tuple[list[Any], Path]) -> None:
    items, _ = first
    assert items[0] == RowBegun("vae-1", found=False)
    end = next(index for index, item in enumerate(items) if isinstance(item, RowMeasured))
    kinds = [type(item) for item in items[1 : end + 1]]
    saved = kinds.index(Saved)
    assert kinds[0] is Started and kinds[saved - 1] is Finished
    assert {Progress} <= set(kinds[:saved])
    assert set(kinds[saved + 1 : -1]) == {float}
    fractions = items[saved + 2 : end]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)


def test_with_one_sample_both_bounds_are_the_same_and_one_model_serves_both(first: tuple[list[Any], Path]) -> None:
    items, folder = first
    start = items.index(RowBegun("iwae-1", found=True))
    assert {type(item) for item in items[start + 1 : -1]} == {float}
    vae, iwae = measured(items)
    assert asdict(iwae) == asdict(vae) | {"row": "iwae-1", "paper": PAPER["iwae-1"]}
    assert sorted(path.name for path in folder.iterdir()) == ["burda-vae-1", RESULTS_FILE]


def test_the_figures_are_those_of_the_model(first: tuple[list[Any], Path], mnist: Data) -> None:
    """Another 50 draws for each of the same images, in double precision, by torch.distributions."""
    items, folder = first
    row = measured(items)[0]
    assert (row.row, row.images, row.samples, row.epochs, row.paper) == ("vae-1", 20, 50, 1.0, 86.76)
    loaded = load_model(folder / "burda-vae-1" / "model.safetensors")
    assert (row.training_seconds, row.device) == (loaded.card["seconds"], loaded.card["device"])
    config, double = loaded.model.config, loaded.model.frozen().double()
    chosen = subset(10_000, 20, evaluation_seed(config))
    x = fixed_binarisation(config, mnist.test.images, "test")[chosen].double().unsqueeze(1) / 255
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        mean, log_variance = double.encoder(x).chunk(2, dim=1)
        posterior, prior = td.Normal(mean, (log_variance / 2).exp()), td.Normal(torch.zeros_like(mean), 1.0)
        z = posterior.sample((50,))
        logits = double.decoder(z.flatten(0, 1)).view(50, 20, 1, 28, 28)
        log_weights = td.Bernoulli(logits=logits).log_prob(x).sum(dim=(2, 3, 4))
        log_weights += (prior.log_prob(z) - posterior.log_prob(z)).sum(dim=2)
    nll = math.log(50) - log_weights.logsumexp(dim=0)
    assert 90.0 < row.nll < row.neg_elbo - 1.0 < 180.0
    assert row.nll == pytest.approx(float(nll.mean()), abs=1.5)
    assert row.neg_elbo == pytest.approx(-float(log_weights.mean()), abs=1.5)
    assert row.nll_se == pytest.approx(float(nll.std()) / math.sqrt(20), rel=0.2)


def test_results_are_kept_in_the_folder(first: tuple[list[Any], Path]) -> None:
    items, folder = first
    kept = json.loads((folder / RESULTS_FILE).read_text("utf-8"))
    assert kept == {row.row: asdict(row) for row in measured(items)}


def test_a_second_call_trains_nothing(first: tuple[list[Any], Path], made: Path) -> None:
    items = list(table(["iwae-1", "vae-1"], made))
    assert [item for item in items if isinstance(item, RowBegun)] == [RowBegun("iwae-1", True), RowBegun("vae-1", True)]
    assert {type(item) for item in items} == {RowBegun, float, RowMeasured}
    assert measured(items) == measured(first[0])[::-1]


def test_a_model_with_other_settings_is_trained_anew(made: Path) -> None:
    for other in ({"epochs": 2}, {"epochs": 1, "seed": 1}, {"epochs": 1, "schedule": "cosine"}, {}):
        steps = iwae_table(["vae-1"], made, device="cpu", **other)
        assert next(steps) == RowBegun("vae-1", found=False)
        steps.close()
    # Where it was trained is not what makes a model.
    steps = iwae_table(["vae-1"], made, epochs=1, device="auto")
    assert next(steps) == RowBegun("vae-1", found=True)
    steps.close()


def test_a_damaged_model_is_trained_anew(made: Path) -> None:
    path = made / "burda-vae-1" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    steps = table(["vae-1"], made)
    assert next(steps) == RowBegun("vae-1", found=False)
    steps.close()


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"3", b"\xff\xfe", b""])
def test_a_damaged_results_file_is_replaced(first: tuple[list[Any], Path], made: Path, content: bytes) -> None:
    (made / RESULTS_FILE).write_bytes(content)
    list(table(["vae-1"], made))
    assert json.loads((made / RESULTS_FILE).read_text("utf-8")) == {"vae-1": asdict(measured(first[0])[0])}


def test_other_rows_keep_their_results(made: Path) -> None:
    path = made / RESULTS_FILE
    kept = json.loads(path.read_text("utf-8")) | {"iwae-50": {"row": "iwae-50", "nll": 85.0}}
    path.write_text(json.dumps(kept), "utf-8")
    list(table(["vae-1"], made))
    assert json.loads(path.read_text("utf-8")) == kept


def test_an_unknown_row_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    with pytest.raises(ConfigError, match=r"no row “vae-2”.*vae-1, vae-5, vae-50, iwae-1, iwae-5, iwae-50"):
        next(table(["vae-1", "vae-2"], folder))
    assert not folder.exists()


def test_a_stopped_training_ends_the_table(tmp_path: Path) -> None:
    commands: Commands = queue.SimpleQueue()
    items = []
    for item in table(["vae-1", "iwae-1"], tmp_path, commands=commands):
        items.append(item)
        if isinstance(item, Progress):
            commands.put(Stop())
    assert isinstance(items[-1], Finished) and items[-1].reason == "stopped"
    assert not measured(items)
    assert not (tmp_path / RESULTS_FILE).exists()
    # What was stopped is no row of the table.
    steps = table(["vae-1"], tmp_path)
    assert next(steps) == RowBegun("vae-1", found=False)
    steps.close()


def test_the_papers_figures() -> None:
    """Burda et al. 2016, table 1, MNIST, one stochastic layer: NLL for k = 1, 5, 50."""
    assert [PAPER[f"vae-{k}"] for k in (1, 5, 50)] == [86.76, 86.47, 86.35]
    assert [PAPER[f"iwae-{k}"] for k in (1, 5, 50)] == [86.76, 85.54, 84.78]


@pytest.mark.parametrize("row", list(PAPER))
def test_every_row_has_its_preset(row: str) -> None:
    """Section 5 and table 1 of the paper."""
    bound, count = row.split("-")
    config = PRESETS[f"burda-{row}"].config
    assert (config.bound, config.samples) == ("elbo" if bound == "vae" else "iwae", int(count))
    assert (config.network.widths, config.network.activation, config.latent_dims) == ((200, 200), "tanh", 50)
    assert (config.likelihood.targets, config.initialisation) == ("binarised-fresh", "xavier")
    assert (config.adam_eps, config.learning_rate, config.schedule) == (1e-4, 1e-3, "burda")
    assert config.epochs == sum(3**stage for stage in range(8))


@pytest.mark.slow
def test_more_samples_make_better_bounds_and_models(tmp_path: Path) -> None:
    """The paper's trend, as far as a few epochs show it: five importance samples already beat five of the ELBO."""
    rows = measured(
        list(iwae_table(["vae-5", "iwae-5"], tmp_path, epochs=6, schedule="cosine", samples=500, images=300))
    )
    vae, iwae = rows
    assert (vae.row, iwae.row) == ("vae-5", "iwae-5")
    assert iwae.nll < vae.nll
    assert all(row.nll < row.neg_elbo for row in rows)
    assert set(json.loads((tmp_path / RESULTS_FILE).read_text("utf-8"))) == {"vae-5", "iwae-5"}
