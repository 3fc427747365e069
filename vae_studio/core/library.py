"""The models that come with the program, and how a name or a path becomes a loaded model. Listing imports no torch."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_studio import paths
from vae_studio.core.presets import PRESETS

if TYPE_CHECKING:
    from vae_studio.core.checkpoint import LoadedModel


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A trained model beside the program: its name (that of its preset), title, file and card."""

    name: str
    title: str
    path: Path
    card: dict[str, Any]


def shipped_models() -> tuple[ShippedModel, ...]:
    """The shipped models in the order of their presets; one whose card is lost or damaged is left out."""
    found = []
    for preset in PRESETS.values():
        path = paths.trained_models() / f"{preset.name}.safetensors"
        with contextlib.suppress(OSError, ValueError):
            card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if path.is_file():
                found.append(ShippedModel(preset.name, preset.title, path, card))
    return tuple(found)


def find_model(name_or_path: str) -> Path:
    """The file of a shipped model by name or title, or else the path itself; a folder means its model.safetensors."""
    for model in shipped_models():
        if name_or_path.lower() in (model.name, model.title.lower()):
            return model.path
    path = Path(name_or_path)
    return path / paths.MODEL_FILE if path.is_dir() else path


def open_model(name_or_path: str) -> LoadedModel:
    """Load a shipped model by name, or a model from a file or run folder. Raises ModelFileError."""
    from vae_studio.core.checkpoint import ModelFileError, load_model

    path = find_model(name_or_path)
    if not path.exists() and path.suffix != ".safetensors":
        names = ", ".join(model.name for model in shipped_models())
        raise ModelFileError(f"There is no model “{name_or_path}”. Give a file, a run folder, or one of: {names}.")
    return load_model(path)
