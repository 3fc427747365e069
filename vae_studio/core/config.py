"""The validated, serialisable description of a run, and the presets. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vae_studio.core.errors import UserError

MAX_LATENT_DIMS = 256
MAX_FULL_COVARIANCE_DIMS = 64
MAX_WIDTH = 8192
MAX_SAMPLES = 1000

Activation = Literal["relu", "tanh", "gelu", "silu"]
Initialisation = Literal["pytorch", "xavier", "normal"]
ModelKind = Literal["vae", "autoencoder"]
Posterior = Literal["diagonal-gaussian", "full-gaussian", "laplace"]
Targets = Literal["grey", "binarised-fresh", "binarised-once"]
ScaleKind = Literal["fixed", "learned", "per-pixel"]
Precision = Literal["auto", "float32", "bf16"]
Execution = Literal["auto", "eager", "captured", "compiled"]
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


Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Channels = Annotated[int, Field(ge=1, le=1024)]


class MLPConfig(_Frozen):
    """Fully connected encoder with these hidden widths; the decoder mirrors them. No width at all: a linear model."""

    kind: Literal["mlp"] = "mlp"
    widths: Annotated[tuple[Width, ...], Field(max_length=8)] = (512, 256, 128)
    activation: Activation = "gelu"

    @property
    def title(self) -> str:
        return "MLP " + "–".join(map(str, self.widths)) if self.widths else "Linear"


class ConvolutionalConfig(_Frozen):
    """Convolutions that halve the image once a channel count, then dense layers; the decoder mirrors them.

    The dense layers matter: with two latent dimensions they do most of the bending.
    """

    kind: Literal["convolutional"] = "convolutional"
    channels: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=4)] = (32, 64, 64)
    dense: Annotated[tuple[Width, ...], Field(min_length=1, max_length=4)] = (256, 128)
    activation: Activation = "silu"

    @property
    def title(self) -> str:
        return "Conv " + ", ".join("–".join(map(str, widths)) for widths in (self.channels, self.dense))


class ResidualConfig(_Frozen):
    """Like `ConvolutionalConfig`, with `blocks` residual blocks (He et al. 2016, arXiv 1603.05027) after each halving.

    A block is activation, convolution, activation, convolution, added to what went in.
    """

    kind: Literal["residual"] = "residual"
    channels: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=4)] = (32, 64)
    blocks: Annotated[int, Field(ge=1, le=8)] = 1
    dense: Annotated[tuple[Width, ...], Field(min_length=1, max_length=4)] = (256,)
    activation: Activation = "silu"

    @property
    def title(self) -> str:
        widths = ", ".join("–".join(map(str, widths)) for widths in (self.channels, self.dense))
        return f"ResNet {widths}" + (f" × {self.blocks}" if self.blocks > 1 else "")


class LayerConfig(_Frozen):
    """One convolution as Keras counts: with padding *same* a stride divides the size exactly, rounding up.

    `transposed` ones multiply it. `channels` is left out for the last layer of a decoder, whose images have their own.
    """

    channels: Channels | None = None
    kernel: Annotated[int, Field(ge=1, le=11)] = 3
    stride: Annotated[int, Field(ge=1, le=4)] = 1
    padding: Literal["same", "valid"] = "same"
    transposed: bool = False


class LayeredConfig(_Frozen):
    """Encoder and decoder written out layer by layer, for networks published that way, whose halves do not mirror.

    The decoder's dense layers end in `start` channels of an image that is smaller by the product of its strides.
    """

    kind: Literal["layered"] = "layered"
    encoder: Annotated[tuple[LayerConfig, ...], Field(min_length=1, max_length=8)]
    encoder_dense: Annotated[tuple[Width, ...], Field(max_length=4)]
    decoder_dense: Annotated[tuple[Width, ...], Field(max_length=4)]
    start: Channels
    decoder: Annotated[tuple[LayerConfig, ...], Field(min_length=1, max_length=8)]
    activation: Activation = "relu"

    @model_validator(mode="after")
    def _channels_are_said_where_they_are_needed(self) -> LayeredConfig:
        if any(layer.channels is None for layer in (*self.encoder, *self.decoder[:-1])):
            raise ValueError("Every convolution but the decoder's last needs its number of channels: add it")
        if any(layer.transposed for layer in self.encoder):
            raise ValueError("An encoder makes images smaller: leave out the transposed convolutions in it")
        return self

    @property
    def title(self) -> str:
        layers = "–".join(str(layer.channels) for layer in self.encoder)
        return f"Deconv {layers}" + "".join(f", {width}" for width in self.encoder_dense)


NetworkConfig = Annotated[MLPConfig | ConvolutionalConfig | ResidualConfig | LayeredConfig, Field(discriminator="kind")]


class BernoulliConfig(_Frozen):
    """Each pixel is black or white. `targets` says what grey images stand for.

    *grey*: grey values as soft targets; −log p(x|z) is linear in x, so it is the mean over all binarisations.
    *binarised-fresh*: a new draw, white with the grey value as probability, at each use of an image (Burda et al.
    2016). *binarised-once*: one such draw, kept for the whole run.
    """

    kind: Literal["bernoulli"] = "bernoulli"
    targets: Targets = "grey"


class ContinuousBernoulliConfig(_Frozen):
    """Grey pixels in [0, 1] with the density λ^x (1 − λ)^(1−x) C(λ) (Loaiza-Ganem & Cunningham 2019)."""

    kind: Literal["continuous-bernoulli"] = "continuous-bernoulli"


class _ScaledConfig(_Frozen):
    """Grey pixels spread around the decoder's mean.

    `scale`: *fixed* at `width`; *learned*, one number for all pixels that starts there; *per-pixel*, put out by the
    decoder for every pixel of every z (Kingma & Welling 2014, appendix C.2). `mean`: *sigmoid* keeps the mean in
    [0, 1] as pixels are, *linear* leaves it free.
    """

    scale: ScaleKind = "learned"
    width: Annotated[float, Field(ge=0.004, le=10.0)] = 0.1
    mean: Literal["sigmoid", "linear"] = "sigmoid"


class GaussianConfig(_ScaledConfig):
    """Grey pixels spread as N(mean, σ²); `width` is σ."""

    kind: Literal["gaussian"] = "gaussian"


class LaplaceConfig(_ScaledConfig):
    """Grey pixels with the density exp(−|x − mean| / b) / 2b; `width` is b."""

    kind: Literal["laplace"] = "laplace"


class SquaredErrorConfig(_Frozen):
    """For auto-encoders: ‖x − mean‖² summed over pixels. An error, not a density, and not in nats."""

    kind: Literal["squared-error"] = "squared-error"


LikelihoodConfig = Annotated[
    BernoulliConfig | ContinuousBernoulliConfig | GaussianConfig | LaplaceConfig | SquaredErrorConfig,
    Field(discriminator="kind"),
]


class StandardNormalConfig(_Frozen):
    """p(z) = N(0, I)."""

    kind: Literal["standard-normal"] = "standard-normal"


class MixtureConfig(_Frozen):
    """p(z) = Σ wₖ N(mₖ, diag sₖ²) with learned weights, means and scales."""

    kind: Literal["gaussian-mixture"] = "gaussian-mixture"
    components: Annotated[int, Field(ge=1, le=100)] = 10


class LaplacePriorConfig(_Frozen):
    """Independent Laplace distributions with mean 0 and variance 1."""

    kind: Literal["laplace"] = "laplace"


PriorConfig = Annotated[StandardNormalConfig | MixtureConfig | LaplacePriorConfig, Field(discriminator="kind")]


class RunConfig(_Frozen):
    """Everything that determines a training run.

    `model` *autoencoder* is deterministic: it has no posterior, prior, KL or bound, and ignores the settings of these.
    `bound` *elbo* averages over `samples` draws of z an image (L in Kingma & Welling 2014, equation 7); *iwae* is the
    importance-weighted bound with as many (K in Burda et al. 2016, equation 8). `kl` *auto* takes the closed form
    where there is one and the bound allows it, *sampled* always log q(z|x) − log p(z) at the same samples. `beta`
    weighs the KL term (Higgins et al. 2017). β rises linearly from 0 over the share `kl_warm_up` of each of
    `kl_cycles` equal parts of the run (Bowman et al. 2016; more than one: Fu et al. 2019, arXiv 1903.10145).
    `free_bits` is the KL in nats that each latent dimension may have without cost (Kingma et al. 2016, arXiv
    1606.04934). `learning_rate` is the peak of the schedule and `warm_up` the fraction of all steps over which it
    rises; the schedule *burda* goes down by 10^(−1/7) in eight stages, each three times as long as the one before
    (Burda et al. 2016, section 5). `weight_decay` is decoupled (Loshchilov & Hutter 2019) and spares biases.
    `execution` is how steps are taken, and changes no figure but by rounding: *captured* replays a CUDA graph,
    *compiled* has its kernels made by a compiler first, *auto* is *captured* on CUDA and *eager* elsewhere.
    """

    # It becomes part of folder names, so a stranger's file must not smuggle in a path.
    preset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = "explorer-2d"
    data: DataConfig = DataConfig()
    model: ModelKind = "vae"
    network: NetworkConfig = MLPConfig()
    initialisation: Initialisation = "pytorch"
    output_bias: Literal["initialisation", "data-mean"] = "initialisation"
    latent_dims: Annotated[int, Field(ge=1, le=MAX_LATENT_DIMS)] = 2
    posterior: Posterior = "diagonal-gaussian"
    prior: PriorConfig = StandardNormalConfig()
    likelihood: LikelihoodConfig = BernoulliConfig()
    bound: Literal["elbo", "iwae"] = "elbo"
    samples: Annotated[int, Field(ge=1, le=MAX_SAMPLES)] = 1
    kl: Literal["auto", "sampled"] = "auto"
    beta: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    kl_warm_up: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    kl_cycles: Annotated[int, Field(ge=1, le=100)] = 1
    free_bits: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1.5e-3
    schedule: Literal["constant", "cosine", "burda"] = "cosine"
    warm_up: Annotated[float, Field(ge=0.0, le=1.0)] = 0.03
    adam_eps: Annotated[float, Field(ge=1e-12, le=1.0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    batch_size: Annotated[int, Field(ge=1, le=60_000)] = 250
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 100
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: DeviceChoice = "auto"
    precision: Precision = "auto"
    execution: Execution = "auto"

    @model_validator(mode="after")
    def _parts_fit_together(self) -> RunConfig:
        if self.model == "autoencoder":
            if self.likelihood.kind not in ("bernoulli", "squared-error"):
                raise ValueError(
                    "An auto-encoder has no distribution of pixels: choose the Bernoulli (cross-entropy) or the "
                    f"squared error as its likelihood, not “{self.likelihood.kind}”"
                )
            return self
        if self.likelihood.kind == "squared-error":
            raise ValueError(
                "The squared error is no density, so that there is no bound with it: choose the Gaussian likelihood, "
                "or the auto-encoder as the model"
            )
        if self.posterior == "full-gaussian" and self.latent_dims > MAX_FULL_COVARIANCE_DIMS:
            raise ValueError(
                f"A full covariance is possible for at most {MAX_FULL_COVARIANCE_DIMS} latent dims (they were "
                f"{self.latent_dims}): choose fewer, or the diagonal posterior"
            )
        if self.free_bits and self.bound == "iwae":
            raise ValueError(
                "Free bits are a floor under the KL term, and the importance-weighted bound has no such term: choose "
                "the ELBO as the bound, or 0 free bits"
            )
        if self.free_bits and not self.factorised:
            raise ValueError(
                "Free bits count the KL of each latent dimension, which adds up only where posterior and prior are "
                "independent across dimensions, not with a full covariance or a mixture prior: choose others, or 0 "
                "free bits"
            )
        return self

    @property
    def factorised(self) -> bool:
        """Whether the KL is the sum of the KL of each latent dimension."""
        return self.posterior != "full-gaussian" and self.prior.kind != "gaussian-mixture"

    @property
    def closed_form_exists(self) -> bool:
        """Whether KL(q(z|x) ‖ p(z)) is computed in closed form here: of Gaussians from N(0, I).

        Two Laplace distributions have one too; they take the way by samples, like all that is not Gaussian.
        """
        return self.posterior != "laplace" and self.prior.kind == "standard-normal"

    @property
    def closed_form_kl(self) -> bool:
        """Whether the KL that is optimised and reported while training is the closed form."""
        return self.kl == "auto" and self.bound == "elbo" and self.closed_form_exists

    @property
    def targets(self) -> Targets:
        """What the pixels of grey images stand for; grey values for all likelihoods but the Bernoulli."""
        return self.likelihood.targets if self.likelihood.kind == "bernoulli" else "grey"

    @property
    def unit(self) -> str:
        """What −ELBO and its terms mean for these targets: the small print beside every number."""
        if self.likelihood.kind == "squared-error":
            return "squared error per image, summed over pixels"
        if self.likelihood.kind != "bernoulli":
            return "nats per image, density of grey values in [0, 1]"
        if self.targets == "grey":
            return "nats per image, expected over binarisations"
        return "nats per binarised image"

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

    def with_settings(self, settings: Sequence[str], **changes: Any) -> RunConfig:
        """A copy with top-level fields replaced, and then each `name=value`, where names may have dots.

        Values are JSON or plain words. Raises ConfigError in plain words.
        """
        values = self.with_changes(**changes).model_dump(mode="json")
        for setting in settings:
            _apply(values, setting)
        return RunConfig.parse(values)


def _apply(values: dict[str, Any], setting: str) -> None:
    """Put one `name=value` into plain values. A part of one of several kinds can be named by its kind alone."""
    name, equals, text = setting.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"A setting is written name=value, such as bound=iwae (it was “{setting}”).")
    *path, last = name.strip().removesuffix(".kind").split(".")
    place: Any = values
    for part in path:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict) or (not path and last not in values):
        near = get_close_matches(name.strip().replace("-", "_"), values, 1)
        hint = f"Did you mean “{near[0]}”? " if near else ""
        raise ConfigError(f"There is no setting “{name.strip()}”. {hint}`vae-studio settings` lists them all.")
    try:
        value = json.loads(text)
    except ValueError:
        value = text.strip()
    if last in _CHOICES and isinstance(value, str) and not path:
        value = {"kind": value}
    place[last] = value


_CHOICES = {
    "network": ("mlp", "convolutional", "residual", "layered"),
    "likelihood": ("bernoulli", "continuous-bernoulli", "gaussian", "laplace", "squared-error"),
    "prior": ("standard-normal", "gaussian-mixture", "laplace"),
}
# What a stranger's file may make a message long by.
_MOST_SENTENCES = 3
_MOST_LETTERS = 60
_FIELD_WORDS = {
    "latent_dims": "Latent dims",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "kl": "KL",
    "kl_warm_up": "KL warm-up",
    "kl_cycles": "KL cycles",
    "adam_eps": "Adam's epsilon",
    "warm_up": "Warm-up",
    "limit": "Number of training images",
}


def explain(error: ValidationError) -> str:
    """What is wrong in each field and what is allowed, one sentence a field, without pydantic's jargon."""
    items = error.errors()
    # Of a list with a faulty item pydantic also says that it is too short.
    around = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}
    wrong = [item for item in items if item["type"] != "too_short" or item["loc"] not in around]
    sentences = [_sentence(item) for item in wrong[:_MOST_SENTENCES]]
    if len(wrong) > _MOST_SENTENCES:
        sentences.append(f"And {len(wrong) - _MOST_SENTENCES} more.")
    return " ".join(sentences)


def _sentence(item: Any) -> str:
    names = _names(item["loc"])
    words = " ".join(names).replace("_", " ").capitalize() or "The settings"
    if names and names[-1] in _FIELD_WORDS:
        words = _FIELD_WORDS[names[-1]]
    given = item.get("input")
    shown = f" (it was {given!r})" if isinstance(given, (int, float, str)) and len(str(given)) < _MOST_LETTERS else ""
    message = item["msg"].removeprefix("Input ").removeprefix("Tuple ").replace(" after validation, not ", ", not ")
    match item["type"]:
        case "json_invalid":
            return f"The settings are not valid JSON: {item['ctx']['error']}."
        case "extra_forbidden":
            name = " ".join(names)
            if len(item["loc"]) == 3 and names[0] in _CHOICES and len(name) <= _MOST_LETTERS:
                return f"The {item['loc'][1]} {names[0]} has no setting “{names[-1]}”."
            return f"There is no setting “{name if len(name) <= _MOST_LETTERS else name[:_MOST_LETTERS] + '…'}”."
        case "union_tag_invalid" | "union_tag_not_found":
            tag = str(item["ctx"].get("tag", ""))
            shown = f" (it was {tag!r})" if 0 < len(tag) < _MOST_LETTERS else ""
            return f"{words} needs as its kind one of {', '.join(_CHOICES[names[-1]])}{shown}."
        case "value_error":
            return f"{item['ctx']['error']}."
        case "missing":
            return f"{words} is needed and was left out."
        case "string_pattern_mismatch":
            message = "should be at most 64 small letters, digits and hyphens, with no hyphen first"
        case "greater_than_equal" if isinstance(item["ctx"]["ge"], float):
            message = f"should be greater than or equal to {item['ctx']['ge']:g}"
    return f"{words} {message}{shown}."


def _names(place: tuple[int | str, ...]) -> list[str]:
    """The names on the way to an error; of layers, which have settings of their own, also which."""
    names = []
    for index, part in enumerate(place):
        # Where a field is one of several kinds, pydantic puts the kind after its name.
        is_kind = index > 0 and part in _CHOICES.get(place[index - 1], ())
        if isinstance(part, str) and not is_kind:
            names.append(part)
        elif isinstance(part, int) and index + 1 < len(place):
            names.append(f"layer {part + 1}")
    return names


def settings() -> list[tuple[str, str, Any]]:
    """Every setting of a run: its name with dots, what it may be, and its default (None where it has to be given)."""
    schema = RunConfig.model_json_schema()
    return list(_described("", schema, schema["$defs"]))


def _described(prefix: str, part: dict[str, Any], parts: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, field in part["properties"].items():
        if name == "kind":
            continue
        default = field.get("default")
        kinds = field.get("oneOf")
        if kinds is None:
            inner = parts.get(field.get("$ref", "").rpartition("/")[2])
            if inner is None:
                yield prefix + name, _allowed(field), default
            else:
                yield from _described(f"{prefix}{name}.", inner, parts)
            continue
        found = [parts[kind["$ref"].rpartition("/")[2]] for kind in kinds]
        names = [kind["properties"]["kind"]["const"] for kind in found]
        yield prefix + name, " | ".join(names), default and default["kind"]
        for kind, inner in zip(names, found, strict=True):
            for place, allowed, value in _described(f"{prefix}{name}.", inner, parts):
                yield f"{place} ({kind})", allowed, value


def _allowed(field: dict[str, Any]) -> str:
    """What a JSON schema lets a value be, in short."""
    if "anyOf" in field:
        return " | ".join(_allowed(choice) for choice in field["anyOf"])
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    kind = {"integer": "whole number", "number": "number", "array": "list", "null": "null", "boolean": "true | false"}
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum", field.get("exclusiveMaximum"))
    limits = (f" from {low:g}" if low is not None else "") + (f" to {high:g}" if high is not None else "")
    return kind.get(field.get("type", ""), "text") + limits
