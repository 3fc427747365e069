"""A run that leaves files: training with its model and card written into a folder."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import vae_studio
from vae_studio import paths
from vae_studio.core import devices
from vae_studio.core.checkpoint import save_model
from vae_studio.core.config import RunConfig
from vae_studio.core.datasets import Data
from vae_studio.core.events import Event, Finished, Saved, Started
from vae_studio.core.files import make_folder, write_atomically
from vae_studio.core.train import Commands, train


def record(
    config: RunConfig, data: Data, folder: Path, commands: Commands | None = None, *, command: str = ""
) -> Iterator[Event]:
    """Train as `core.train.train` does, and write `model.safetensors` and its card `model.json` into `folder`.

    The Saved event comes last, after Finished. Raises FileError if the folder cannot be made (before any work) or
    the files cannot be written (after Finished, so that whoever listens still has the model).
    """
    make_folder(folder)
    started = None
    for event in train(config, data, commands):
        yield event
        if isinstance(event, Started):
            started = event
        elif isinstance(event, Finished):
            path = folder / paths.MODEL_FILE
            made = card(event, started, config, data, command)
            sha256 = save_model(path, event.model, made)
            write_atomically(path.with_suffix(".json"), json.dumps(made, indent=2, ensure_ascii=False).encode() + b"\n")
            yield Saved(path, made, sha256)


def card(finished: Finished, started: Started, config: RunConfig, data: Data, command: str) -> dict[str, Any]:
    """What people want to know of a trained model: how it was made, and its figures on test images in `unit`.

    All figures are None where the run was not evaluated; those of the bound and the KL also where there are none.
    """
    figures = finished.evaluation
    bound = figures if figures and figures.is_bound else None
    return {
        "preset": config.preset,
        "command": command,
        "data": {
            "name": data.title,
            "train_images": len(data.train),
            "test_images": len(data.test),
            "sha256": data.fingerprint(),
        },
        "epochs": round(finished.step / started.steps_per_epoch, 3),
        "steps": finished.step,
        "batch_size": started.batch_size,
        "ended": finished.reason,
        "changes": [{"step": change.step, change.setting: change.value} for change in finished.changes],
        "seed": config.seed,
        "neg_elbo": bound and round(bound.neg_elbo, 4),
        "reconstruction": figures and round(figures.reconstruction, 4),
        "kl": bound and round(bound.kl, 4),
        "kl_per_dim": bound and [round(float(kl), 4) for kl in bound.kl_per_dim],
        "active_units": figures and figures.active_units,
        "scale": figures and figures.scale,
        "active": figures and figures.active.tolist(),
        "unit": config.unit,
        "parameters": started.parameters,
        "seconds": round(finished.seconds, 1),
        "device": started.device,
        "threads": torch.get_num_threads() if devices.choose(config.device).type == "cpu" else None,
        "precision": started.precision,
        "versions": {
            "vae_studio": vae_studio.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }
