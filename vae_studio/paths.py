"""Where the program's own files lie, and where the user's go."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent
_APP = "vae-studio"

MODEL_FILE = "model.safetensors"
"""The model in a run's folder; its card lies beside it, with the ending .json."""


def _beside_package(name: str) -> Path:
    """A folder that a wheel carries inside the package, and that an editable install sees in the repository."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def resources() -> Path:
    return _beside_package("resources")


def trained_models() -> Path:
    return _beside_package("trained_models")


def runs() -> Path:
    """Where trainings started in the window keep their models."""
    return Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "runs"


def new_run_folder(parent: Path, preset: str) -> Path:
    """A folder that does not exist yet, named after the time and the preset: 2026-11-20-093000-explorer-2d."""
    stem = f"{datetime.now():%Y-%m-%d-%H%M%S}-{preset}"
    candidate, count = parent / stem, 1
    # Where this cannot be told, making the folder will say why.
    with contextlib.suppress(OSError):
        while candidate.exists():
            count += 1
            candidate = parent / f"{stem}-{count}"
    return candidate


def settings_file() -> Path:
    """Geometry, theme and remembered folders of the window."""
    return Path(platformdirs.user_config_dir(_APP, appauthor=False)) / "window.ini"


def last_session() -> Path:
    """What was explored when the window was closed last."""
    return Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "last.vaesession"


def documents() -> Path:
    """Where sessions go until the user chooses otherwise."""
    return Path(platformdirs.user_documents_dir())


def pictures() -> Path:
    """Where exports go until the user chooses otherwise."""
    return Path(platformdirs.user_pictures_dir())


def compiled_kernels() -> Path:
    """What a compiler made of training steps, so that it need not be made again at the next start."""
    return Path(platformdirs.user_cache_dir(_APP, appauthor=False)) / "compiled"


def logs() -> Path:
    return Path(platformdirs.user_log_dir(_APP, appauthor=False))
