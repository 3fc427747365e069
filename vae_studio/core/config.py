"""The validated, serialisable description of a run, and the presets. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vae_studio.core.errors import UserError

MAX_LATENT_DIMS = 256
MAX_WIDTH = 8192

Activation = Literal["relu", "tanh", "gelu", "silu"]
Initialisation = Literal["pytorch", "xavier"]
Precision = Literal["auto", "float32", "bf16"]
DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]


class ConfigError(UserError, ValueError):
    """A setting has a value that cannot be used; the message says which and what is allowed."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataConfig(_Frozen):
    """Which images to train on. `limit` applies to the training split; `classes` to both splits."""

    name: Literal["mnist"] = "mnist"
    limit: Annotated[int, Field(ge=1)] | None = None
    pick: Literal["first", "random"] = "first"
    classes: tuple[Annotated[int, Field(ge=0, le=9)], ...] | None = None

    @field_validator("classes")
    @classmethod
    def _classes_are_a_set(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is None:
            return None
        if not value:
            raise ValueError("Choose at least one class, or leave classes out to use all")
        return tuple(sorted(set(value)))


class MLPConfig(_Frozen):
    """Fully connected encoder with these hidden widths; the decoder mirrors them."""

    kind: Literal["mlp"] = "mlp"
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_WIDTH)], ...], Field(min_length=1, max_length=8)] = (
        512,
        256,
        128,
    )
    activation: Activation = "gelu"

    @property
    def title(self) -> str:
        return "MLP " + "–".join(map(str, self.widths))


class ConvolutionalConfig(_Frozen):
    """Convolutions that halve the image once a channel count, then dense layers; the decoder mirrors them.

    The dense layers matter: with two latent dimensions they do most of the bending.
    """

    kind: Literal["convolutional"] = "convolutional"
    channels: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1, max_length=4)] = (
        32,
        64,
        64,
    )
    dense: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_WIDTH)], ...], Field(min_length=1, max_length=4)] = (
        256,
        128,
    )
    activation: Activation = "silu"

    @property
    def title(self) -> str:
        return "Conv " + ", ".join("–".join(map(str, widths)) for widths in (self.channels, self.dense))


NetworkConfig = Annotated[MLPConfig | ConvolutionalConfig, Field(discriminator="kind")]


class RunConfig(_Frozen):
    """Everything that determines a training run.

    `beta` weighs the KL term (Higgins et al. 2017); `learning_rate` is the peak of the schedule;
    `warm_up` and `kl_warm_up` are fractions of all steps over which the rate and β rise linearly from 0.
    """

    # It becomes part of folder names, so a stranger's file must not smuggle in a path.
    preset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = "explorer-2d"
    data: DataConfig = DataConfig()
    network: NetworkConfig = MLPConfig()
    initialisation: Initialisation = "pytorch"
    latent_dims: Annotated[int, Field(ge=1, le=MAX_LATENT_DIMS)] = 2
    beta: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    kl_warm_up: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1.5e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warm_up: Annotated[float, Field(ge=0.0, le=1.0)] = 0.03
    batch_size: Annotated[int, Field(ge=1, le=60_000)] = 250
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 100
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: DeviceChoice = "auto"
    precision: Precision = "auto"

    @classmethod
    def parse(cls, values: str | bytes | dict[str, Any]) -> RunConfig:
        """Build a config from JSON text or plain values (lists for tuples). Raises ConfigError in plain words."""
        try:
            text = values if isinstance(values, (str, bytes)) else json.dumps(values)
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(explain(error)) from None
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The settings are not valid JSON: {error}") from None

    def with_changes(self, **changes: Any) -> RunConfig:
        """A copy with top-level fields replaced (plain values or configs). Raises ConfigError in plain words."""
        values = self.model_dump(mode="json")
        for name, value in changes.items():
            values[name] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        return RunConfig.parse(values)


_FIELD_WORDS = {
    "latent_dims": "Latent dims",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "kl_warm_up": "KL warm-up",
    "warm_up": "Warm-up",
    "limit": "Number of training images",
}


def explain(error: ValidationError) -> str:
    """What is wrong in each field and what is allowed, one sentence a field, without pydantic's jargon."""
    return " ".join(_sentence(item) for item in error.errors())


def _sentence(item: Any) -> str:
    names = [part for part in item["loc"] if isinstance(part, str) and part not in ("mlp", "convolutional")]
    words = " ".join(names).replace("_", " ").capitalize() or "The settings"
    if names and names[-1] in _FIELD_WORDS:
        words = _FIELD_WORDS[names[-1]]
    match item["type"]:
        case "json_invalid":
            return f"The settings are not valid JSON: {item['ctx']['error']}."
        case "extra_forbidden":
            return f"There is no setting “{' '.join(names)}”."
        case "union_tag_invalid" | "union_tag_not_found":
            return f"{words} needs as its kind one of mlp and convolutional."
        case "value_error":
            return f"{item['ctx']['error']}."
    message = item["msg"].removeprefix("Input ").removeprefix("Tuple ").replace(" after validation, not ", ", not ")
    given = item.get("input")
    shown = f" (it was {given!r})" if isinstance(given, (int, float, str)) and len(str(given)) < 60 else ""
    return f"{words} {message}{shown}."


@dataclass(frozen=True, slots=True)
class Preset:
    """A named starting point: `name` for the command line, `title` for the window, `summary` says what it shows."""

    name: str
    title: str
    summary: str
    config: RunConfig


def _preset(name: str, title: str, summary: str, **values: Any) -> Preset:
    return Preset(name, title, summary, RunConfig(preset=name, **values))


PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        _preset(
            "explorer-2d",
            "2-D explorer",
            "Two latent dimensions: the whole latent space fits on the map, and you can watch the ten digits find "
            "their places.",
        ),
        _preset(
            "convolutional-2d",
            "Convolutional 2-D",
            "The same two dimensions seen through convolutions: the encoder looks for strokes wherever they are, and "
            "the shapes between the digits are others than the MLP's.",
            network=ConvolutionalConfig(),
            learning_rate=2e-3,
            epochs=60,
        ),
        _preset(
            "pytorch-example",
            "PyTorch example",
            "The 784–400–20 network of pytorch/examples: twenty latent dimensions reconstruct sharply, but no single "
            "plane shows them all.",
            network=MLPConfig(widths=(400,), activation="relu"),
            latent_dims=20,
            learning_rate=1e-3,
            batch_size=128,
        ),
        _preset(
            "convolutional-64",
            "Convolutional 64",
            "Sixty-four latent dimensions, of which the KL term lets the model use only some: look for the bars at "
            "zero.",
            # With PyTorch's initialisation and two dense layers all but six dimensions fell silent: 107 nats.
            network=ConvolutionalConfig(dense=(256,)),
            initialisation="xavier",
            latent_dims=64,
            learning_rate=2e-3,
            kl_warm_up=0.1,
            epochs=80,
        ),
    )
}
DEFAULT_PRESET = "explorer-2d"


def find_preset(name: str) -> Preset:
    """The preset with this name or title, in any case. Raises ConfigError naming the presets there are."""
    for preset in PRESETS.values():
        if name.strip().lower() in (preset.name.lower(), preset.title.lower()):
            return preset
    raise ConfigError(f"There is no preset “{name}”. Presets: {', '.join(PRESETS)}.")
