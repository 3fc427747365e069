"""What every subject measures with: clocks that wait for the device, figures over repeats, and their statistics."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vae_studio.core import devices
from vae_studio.core.config import DeviceChoice
from vae_studio.core.errors import UserError


class BenchError(UserError, RuntimeError):
    """Something that a measurement needs is not there, or it failed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure: where, how often each time, and whether to be done soon rather than exact."""

    device: torch.device
    repeats: int
    quick: bool

    @property
    def choice(self) -> DeviceChoice:
        """The device as configs write it."""
        return self.device.type

    def pick(self, full: float, quick: float) -> float:
        """The first, or in a quick run the second."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of a quantity over repeats, its lowest and highest value, and how many repeats there were."""

    value: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured, its figures by column, and a remark on how."""

    what: str
    figures: dict[str, Figure]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A subject's table. `columns` are keys with their headers, which carry the unit; `remarks` hold for all lines.

    Columns named in `bare` follow from others, and the table gives their medians alone.
    """

    name: str
    columns: dict[str, str]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


def now(device: torch.device) -> float:
    """Seconds of the clock once the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The exponent b of the power law y = a·x^b that fits best in logarithms, by least squares; positive values."""
    across, up = np.log(x), np.log(y)
    across = across - across.mean()
    return float(across @ (up - up.mean()) / (across @ across))


def crossing(times: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """When falling `values` first reach `target`, by straight lines between them; None if they do not."""
    before = None
    for time_, value in zip(times, values, strict=True):
        if value <= target:
            if before is None or before[1] == value:
                return time_
            share = (before[1] - target) / (before[1] - value)
            return before[0] + share * (time_ - before[0])
        before = time_, value
    return None


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile and the largest of at least one value."""
    middle, high, higher = np.percentile(values, (50, 95, 99))
    return {"p50": float(middle), "p95": float(high), "p99": float(higher), "max": float(max(values))}


def thread_counts(device: torch.device) -> tuple[int, ...]:
    """Numbers of threads worth trying for training on this device: one, and all there are."""
    most = torch.get_num_threads()
    return (1, most) if device.type == "cpu" and most > 1 else (most,)


def threads_in_words(device: torch.device, threads: int) -> str:
    if device.type != "cpu":
        return devices.title(device)
    return "1 thread" if threads == 1 else f"{threads} threads"
