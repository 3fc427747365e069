"""What a training run says (events) and what it can be told (commands). Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over a set of images, in nats per image; positive is bad. `kl_per_dim` has shape (latent_dims,).

    Of a deterministic auto-encoder only `reconstruction` means something: `is_bound` is False, its KL is 0 and its
    `neg_elbo` the reconstruction error. `active` (latent_dims,) says which dimensions the code uses. `scale` is the
    learned σ or b of all pixels, in grey values from 0 to 1, where there is one.
    """

    images: int
    neg_elbo: float
    reconstruction: float
    kl: float
    kl_per_dim: np.ndarray
    active: np.ndarray
    is_bound: bool = True
    scale: float | None = None

    @property
    def active_units(self) -> int:
        """How many latent dimensions are active."""
        return int(self.active.sum())


@dataclass(frozen=True, slots=True)
class Started:
    """Training is being set up and the first step comes next.

    `batch_size` is never more than there are images. `precision` is that of matrix products: float32, tf32 or bf16.
    `execution` is how steps are taken: eager, captured or compiled.
    """

    total_steps: int
    steps_per_epoch: int
    batch_size: int
    parameters: int
    device: str
    precision: str
    execution: str = "eager"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a run that people should know, in a sentence or two, while it goes on.

    `passing` where it says only what is being done.
    """

    message: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training is. Arrays hold one value per step since the last Progress, means over the batch in nats.

    `steps` (n,) int64 counts from 1; `reconstruction` and `kl` (n,) float32; −ELBO is their sum, whatever is
    optimised; `objective` (n,) is what is.
    `kl_per_dim` (latent_dims,) is the mean over those steps, or of the last steps known when n is 0.
    `learning_rate` and `beta` are the values in force. `steps_per_second` is the rate that the pace leaves, 0 before it
    is known and step by step; `seconds_left` goes by it, and is None where it cannot be told.
    """

    step: int
    total_steps: int
    epoch: float
    steps: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray
    objective: np.ndarray
    kl_per_dim: np.ndarray
    learning_rate: float
    beta: float
    steps_per_second: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation after `step` steps on test images: all of them, or in small runs some, but always the same."""

    step: int
    epoch: float
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frozen copy of the model as it was at `step`; nobody writes to it again. `model` is a `core.model.VAE`."""

    step: int
    model: Any


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that was turned to `value` after `step` steps. Of a pace, as in SetPace, None is flat out."""

    step: int
    setting: Literal["beta", "learning_rate", "pace"]
    value: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Training is over. `model` has the last finite weights; `message` says in a sentence what happened.

    `evaluation` is over all test images in float32; None where the run was stopped before it was made. `changes` lists
    what was turned on the way. `seconds` are those of work: pauses and what was waited for a pace are left out.
    """

    reason: Literal["done", "stopped", "not_finite", "out_of_memory"]
    message: str
    step: int
    seconds: float
    model: Any
    evaluation: Evaluation | None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """The run's model lies in this file, its card (JSON) beside it; `sha256` is the one that the file carries."""

    path: Path
    card: dict[str, Any]
    sha256: str


Event = Started | Remark | Progress | Evaluated | Snapshot | Finished | Saved


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run after the current step and keep its model."""


@dataclass(frozen=True, slots=True)
class SetBeta:
    """Weigh the KL term by `beta` from the next step on (times the warm-up)."""

    beta: float


@dataclass(frozen=True, slots=True)
class SetRate:
    """Take `learning_rate` as the peak of the schedule from the next step on."""

    learning_rate: float


@dataclass(frozen=True, slots=True)
class SetPace:
    """Take at most so many steps a second from now on: None for flat out, 0 for one at each StepOnce."""

    steps_per_second: float | None


@dataclass(frozen=True, slots=True)
class StepOnce:
    """Take one step; where the pace is not 0 this says nothing."""


Command = Stop | SetBeta | SetRate | SetPace | StepOnce
