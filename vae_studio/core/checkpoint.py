"""Model files: one safetensors file that rebuilds its own model, checked by a SHA-256 over all that is in it.

The metadata hold a format version, the config, the image shape and the card (data fingerprint and training summary).
safetensors has no checksum of its own: of 10,000 damaged files a quarter would load with silently changed weights.
Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from vae_studio.core.config import ConfigError, RunConfig
from vae_studio.core.files import FileError, write_atomically
from vae_studio.core.model import MAX_PARAMETERS, VAE, all_finite, count_parameters, skeleton

FORMAT = "vae-studio-model"
FORMAT_VERSION = "1"
_MAX_BYTES = 4 * MAX_PARAMETERS + 10_000_000
_MAX_HEADER = 1_000_000
_MAX_PIXELS = 1 << 16


class ModelFileError(FileError):
    """A model file is missing, damaged, or not one of ours; the message names it and says what is wrong."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model read from a file: frozen, on the CPU, with its card and the SHA-256 that the file carries."""

    path: Path
    model: VAE
    card: dict[str, Any]
    sha256: str


def save_model(path: Path, model: VAE, card: dict[str, Any]) -> str:
    """Write a model file and return its SHA-256. Raises FileError, leaving an older file untouched."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": model.config.model_dump_json(),
        "image_shape": json.dumps(model.image_shape),
        "card": json.dumps(card, sort_keys=True),
    }
    unsigned = safetensors.torch.save(tensors, metadata)
    metadata["sha256"] = _digest(*_split(unsigned))
    write_atomically(path, safetensors.torch.save(tensors, metadata))
    return metadata["sha256"]


def load_model(path: Path) -> LoadedModel:
    """Read a model file, checking it before any memory is taken for its weights. Raises ModelFileError."""
    try:
        found = path.stat()
        # A device or a pipe may give bytes without end, or none for ever.
        if not stat.S_ISREG(found.st_mode):
            raise ModelFileError(f"{path} is not a file.")
        if found.st_size > _MAX_BYTES:
            raise ModelFileError(f"{path} is too large for a model ({found.st_size / 1e6:.0f} MB).")
        # Bytes, not a memory map: a mapped file that is truncated while open kills the process.
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"There is no model file {path}.") from None
    except OSError as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return _rebuild(path, content)
    except ModelFileError as error:
        raise ModelFileError(f"{path} cannot be opened: {error}.") from None


def _rebuild(path: Path, content: bytes) -> LoadedModel:
    header, body = _split(content)
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ModelFileError("it is a safetensors file, but not a VAE Studio model")
    if metadata.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"its format version is {metadata.get('format_version')}, this program reads {FORMAT_VERSION}"
        )
    if _digest(header, body) != metadata.get("sha256"):
        raise ModelFileError("it is damaged (its checksum is wrong)")
    try:
        config = RunConfig.parse(metadata["config"])
        image_shape = tuple(int(n) for n in json.loads(metadata["image_shape"]))
        card = json.loads(metadata["card"])
        if len(image_shape) != 3 or min(image_shape) < 1 or math.prod(image_shape) > _MAX_PIXELS:
            raise ModelFileError(f"its image shape {image_shape} makes no sense")
        if image_shape[0] not in (1, 3):
            raise ModelFileError(f"its images have {image_shape[0]} channels, not 1 (grey) or 3 (colour)")
        if not isinstance(card, dict) or not _figures_make_sense(card, config):
            raise ModelFileError("its card makes no sense")
        model = skeleton(config, image_shape)
    except (ConfigError, KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ModelFileError(f"its description makes no sense ({error})") from None
    if count_parameters(model) > MAX_PARAMETERS:
        raise ModelFileError(f"it has {count_parameters(model):,} parameters, more than the {MAX_PARAMETERS:,} allowed")
    expected = {name: ("F32", list(tensor.shape)) for name, tensor in model.state_dict().items()}
    found = {name: (entry["dtype"], entry["shape"]) for name, entry in _tensors(header).items()}
    if expected != found:
        raise ModelFileError("its weights do not fit its config")
    try:
        model.load_state_dict(safetensors.torch.load(content), assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"it is damaged ({error})") from None
    if not all_finite(model):
        raise ModelFileError("it has weights that are infinite or not numbers")
    return LoadedModel(path, model.requires_grad_(False).eval(), card, metadata["sha256"])


def _figures_make_sense(card: dict[str, Any], config: RunConfig) -> bool:
    """Whether a card's figures are what they should be: all absent, or all finite numbers and of the right count.

    An auto-encoder has no bound and no KL, so that these are absent. Older cards do not say which units are active.
    """
    names = ("reconstruction", "active_units", "active", "neg_elbo", "kl", "kl_per_dim")
    reconstruction, active_units, active, *bound = figures = [card.get(name) for name in names]
    if figures == [None] * len(figures):
        return True
    numbers = [reconstruction]
    if card.get("scale") is not None:
        numbers.append(card["scale"])
    if config.model == "autoencoder":
        if bound != [None] * 3:
            return False
    else:
        neg_elbo, kl, kl_per_dim = bound
        if not isinstance(kl_per_dim, list) or len(kl_per_dim) != config.latent_dims:
            return False
        numbers += [neg_elbo, kl, *kl_per_dim]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        return False
    if type(active_units) is not int or not 0 <= active_units <= config.latent_dims:
        return False
    if active is None:
        return True
    return (
        isinstance(active, list)
        and [type(one) for one in active] == [bool] * config.latent_dims
        and (sum(active) == active_units)
    )


def _split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and tensor bytes of a safetensors file, with every length checked."""
    if len(content) < 8:
        raise ModelFileError("it is empty or cut off")
    (length,) = struct.unpack_from("<Q", content)
    if length > min(_MAX_HEADER, len(content) - 8):
        raise ModelFileError("it is not a safetensors file, or cut off")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        raise ModelFileError("it is not a safetensors file, or damaged") from None
    if not isinstance(header, dict):
        raise ModelFileError("it is not a safetensors file")
    return header, memoryview(content)[8 + length :]


def _tensors(header: dict[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _digest(header: dict[str, Any], body: memoryview) -> str:
    """SHA-256 over names, dtypes, shapes, bytes and all metadata but the digest itself, as hexadecimal."""
    digest = hashlib.sha256()
    metadata = {key: value for key, value in header.get("__metadata__", {}).items() if key != "sha256"}
    digest.update(json.dumps(metadata, sort_keys=True).encode())
    for name, entry in sorted(_tensors(header).items()):
        try:
            start, end = entry["data_offsets"]
            digest.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
            digest.update(body[start:end])
        except (KeyError, TypeError, ValueError):
            raise ModelFileError("its header is damaged") from None
    return digest.hexdigest()
