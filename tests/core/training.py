"""Helpers for tests that pull the training generator."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch

from vae_studio.core.config import DataConfig, MLPConfig, RunConfig
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
