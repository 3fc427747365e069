"""Table 1 of Burda et al. 2016 (arXiv 1509.00519), the rows with one stochastic layer: trained and measured again."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from vae_studio import paths
from vae_studio.core import datasets, devices, runs
from vae_studio.core.checkpoint import LoadedModel, ModelFileError, load_model
from vae_studio.core.config import ConfigError, RunConfig
from vae_studio.core.estimate import likelihood_targets, log_likelihood_steps, subset
from vae_studio.core.evaluate import evaluation_seed
from vae_studio.core.events import Event, Finished
from vae_studio.core.figures import PAPER, LogLikelihood, RowBegun, RowMeasured
from vae_studio.core.files import make_folder, write_atomically
from vae_studio.core.presets import PRESETS
from vae_studio.core.train import Commands

RESULTS_FILE = "iwae-table.json"


def iwae_table(
    rows: Iterable[str],
    folder: Path,
    *,
    epochs: int | None = None,
    schedule: str | None = None,
    seed: int = 0,
    device: str = "auto",
    samples: int = 5000,
    images: int | None = None,
    commands: Commands | None = None,
) -> Iterator[Event | RowBegun | float | RowMeasured]:
    """Train what is not in `folder` yet, row by row, and measure each on the test images.

    Epochs and schedule are the preset's, which are the paper's, unless given. A row whose model lies in the folder
    with the same settings is not trained again. Yields RowBegun, the events of its training, fractions of its
    measuring, and RowMeasured, for each row; ends early where a training was stopped. All results go into the folder's
    iwae-table.json. Raises ConfigError for a row that is not in the table.
    """
    wanted = list(rows)
    for row in wanted:
        if row not in PAPER:
            raise ConfigError(f"The table has no row “{row}”. Rows: {', '.join(PAPER)}.")
    make_folder(folder)
    for row in wanted:
        # With one sample the importance-weighted bound is the ELBO, so that one model serves both rows.
        preset = PRESETS["burda-vae-1" if row == "iwae-1" else f"burda-{row}"]
        changes = {"epochs": epochs, "schedule": schedule}
        changes = {name: value for name, value in changes.items() if value is not None}
        config = preset.config.with_changes(seed=seed, device=device, **changes)
        place = folder / preset.name
        loaded = _trained(place, config)
        yield RowBegun(row, loaded is not None)
        if loaded is None:
            data = datasets.load(config.data, config.seed)
            command = _command(row, folder, config, preset.config)
            for event in runs.record(config, data, place, commands, command=command):
                yield event
                if isinstance(event, Finished) and event.reason != "done":
                    return
            loaded = load_model(place / paths.MODEL_FILE)
        for item in _measured(row, loaded, config, samples, images):
            if isinstance(item, RowMeasured):
                _keep(folder, item)
            yield item


def _command(row: str, folder: Path, config: RunConfig, published: RunConfig) -> str:
    """What trains this row again."""
    words = ["vae-studio", "reproduce", "iwae-table", "--rows", row, "--out", str(folder)]
    for name in ("epochs", "schedule", "seed", "device"):
        if getattr(config, name) != getattr(published, name):
            words += [f"--{name}", str(getattr(config, name))]
    return shlex.join(words)


def _trained(place: Path, config: RunConfig) -> LoadedModel | None:
    """The model that lies there, if it was trained to its end with these settings; the device may be another."""
    try:
        loaded = load_model(place / paths.MODEL_FILE)
    except ModelFileError:
        return None
    same = loaded.model.config.with_changes(device=config.device) == config
    return loaded if same and loaded.card.get("ended") == "done" else None


def _measured(
    row: str, loaded: LoadedModel, config: RunConfig, samples: int, images: int | None
) -> Iterator[float | RowMeasured]:
    device = devices.choose(config.device)
    model = loaded.model.to(device)
    seed = evaluation_seed(config)
    test = likelihood_targets(config, datasets.load(config.data, config.seed).test.images, "test")
    chosen = test[subset(len(test), images, seed)].to(device)
    generator = torch.Generator(device).manual_seed(seed)
    for item in log_likelihood_steps(model, chosen, generator, samples=samples, of_images=len(test), shared=0):
        if isinstance(item, LogLikelihood):
            yield RowMeasured(
                row=row,
                nll=item.bounds[-1].value,
                nll_se=item.nll_se_images,
                neg_elbo=item.bounds[0].value,
                paper=PAPER[row],
                epochs=loaded.card["epochs"],
                images=item.images,
                samples=samples,
                training_seconds=loaded.card["seconds"],
                device=loaded.card["device"],
            )
        else:
            yield item


def _keep(folder: Path, measured: RowMeasured) -> None:
    """Put a row into the folder's results, in place of an older one."""
    path = folder / RESULTS_FILE
    known = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(path.read_text("utf-8")))
    known[measured.row] = asdict(measured)
    write_atomically(path, json.dumps(known, indent=2).encode() + b"\n")
