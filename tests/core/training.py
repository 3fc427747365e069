"""Helpers for tests that pull the training generator."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch

from vae_studio.core.config import (
    BernoulliConfig,
    ContinuousBernoulliConfig,
    ConvolutionalConfig,
    DataConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    LayerConfig,
    LayeredConfig,
    MixtureConfig,
    MLPConfig,
    ResidualConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.datasets import Data, load
from vae_studio.core.events import Command, Event, Finished, Progress
from vae_studio.core.train import train

# 24 steps an epoch, a millisecond each.
TINY = RunConfig(
    data=DataConfig(limit=1200),
    network=MLPConfig(widths=(32,)),
    latent_dims=3,
    batch_size=50,
    epochs=2,
    device="cpu",
    precision="float32",
)

# Each posterior, prior, likelihood, network and objective at least once, and a few of their combinations.
_PARTS = {
    "beta": {"beta": 0.5},
    "free bits": {"free_bits": 2.0, "beta": 2.0},
    "free bits, sampled": {"free_bits": 1.0, "kl": "sampled", "samples": 2},
    "several samples": {"samples": 3},
    "sampled KL": {"kl": "sampled", "samples": 2},
    "importance-weighted": {"bound": "iwae", "samples": 5},
    "importance-weighted, tempered": {"bound": "iwae", "samples": 3, "beta": 2.0, "prior": MixtureConfig(components=2)},
    "full covariance": {"posterior": "full-gaussian"},
    "full covariance, mixture": {"posterior": "full-gaussian", "prior": MixtureConfig(components=4), "samples": 2},
    "full covariance, Laplace": {"posterior": "full-gaussian", "prior": LaplacePriorConfig()},
    "mixture": {"prior": MixtureConfig(components=4)},
    "Laplace": {"posterior": "laplace", "prior": LaplacePriorConfig(), "likelihood": LaplaceConfig()},
    "Laplace posterior": {"posterior": "laplace"},
    "Laplace prior": {"prior": LaplacePriorConfig()},
    "Laplace pixels": {"likelihood": LaplaceConfig(scale="per-pixel", mean="linear")},
    "fixed scale": {"likelihood": GaussianConfig(scale="fixed", width=0.3)},
    "learned scale": {"likelihood": GaussianConfig(scale="learned", width=0.3), "output_bias": "data-mean"},
    "scale for each pixel": {"likelihood": GaussianConfig(scale="per-pixel", width=0.3)},
    "linear mean": {"likelihood": GaussianConfig(scale="fixed", width=0.3, mean="linear")},
    "continuous": {"likelihood": ContinuousBernoulliConfig()},
    "binarised fresh": {"likelihood": BernoulliConfig(targets="binarised-fresh"), "output_bias": "data-mean"},
    "binarised once": {"likelihood": BernoulliConfig(targets="binarised-once")},
    "linear network": {"network": MLPConfig(widths=())},
    "convolutional": {"network": ConvolutionalConfig(channels=(4, 8), dense=(16,)), "likelihood": GaussianConfig()},
    "residual": {"network": ResidualConfig(channels=(4,), dense=(16,)), "initialisation": "normal"},
    "layered": {
        "network": LayeredConfig(
            encoder=(LayerConfig(channels=4, stride=2),),
            encoder_dense=(),
            decoder_dense=(8,),
            start=4,
            decoder=(LayerConfig(channels=4, stride=2, transposed=True), LayerConfig()),
        ),
        "likelihood": LaplaceConfig(scale="per-pixel"),
    },
    "decayed": {"weight_decay": 0.1, "adam_eps": 1e-4, "schedule": "burda", "kl_warm_up": 0.5, "kl_cycles": 2},
    "auto-encoder": {"model": "autoencoder", "likelihood": SquaredErrorConfig()},
    "auto-encoder, cross-entropy": {"model": "autoencoder", "network": ConvolutionalConfig(channels=(4,), dense=(16,))},
    "auto-encoder, binarised": {"model": "autoencoder", "likelihood": BernoulliConfig(targets="binarised-once")},
}
KINDS = {name: TINY.with_changes(learning_rate=5e-3, **parts) for name, parts in _PARTS.items()}


class Clock:
    """A clock that runs a millisecond on at each look, and as far as a test likes in between."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 0.001
        return self.time


def eager_clock() -> Callable[[], float]:
    """A clock so fast that a Progress comes after every step."""
    clock = Clock()

    def look() -> float:
        clock.time += 1.0
        return clock.time

    return look


def pull(
    config: RunConfig,
    data: Data | None = None,
    tell: Callable[[Event], list[Command] | None] = lambda event: None,
    clock: Callable[[], float] | None = None,
    most: int = 100_000,
) -> list[Event]:
    """All events of a training; `tell` sees each and may answer with commands."""
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    data = data or load(config.data, config.seed)
    events: list[Event] = []
    for event in islice(train(config, data, commands, **({"clock": clock} if clock else {})), most):
        events.append(event)
        for command in tell(event) or []:
            commands.put(command)
    return events


def of_kind(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def figures(events: list[Event]) -> np.ndarray:
    """Step, reconstruction and KL of every step, (n, 3)."""
    rows = [np.stack([p.steps, p.reconstruction, p.kl], axis=1) for p in of_kind(events, Progress)]
    return np.concatenate(rows)


def finished(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


def digest(model: torch.nn.Module) -> str:
    return hashlib.sha256(weights(model).numpy().tobytes()).hexdigest()


def indices(images: torch.Tensor, known: torch.Tensor) -> Iterator[int]:
    """Which of the known images each image is."""
    where = {image.numpy().tobytes(): index for index, image in enumerate(known)}
    return (where[image.numpy().tobytes()] for image in images.cpu())
