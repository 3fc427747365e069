"""The machine in words, and whether it has anything else to do while it is measured."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch

import vae_studio
from vae_studio.core import devices

_BUSY_SHARE = 0.1
_BUSY_LOAD = 0.5
_WATCHED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when was measured.

    `load` is the load average over one minute at the start, `busy` the share of all cores' time that others took in
    the second before; both None where the system does not say.
    """

    processor: str
    cores: int
    threads: int
    device: str
    memory_gib: float | None
    system: str
    python: str
    torch: str
    vae_studio: str
    date: str
    load: float | None
    busy: float | None

    @property
    def warning(self) -> str | None:
        """What to say where others use the machine: then figures are too high, and ratios unsure."""
        if (self.busy or 0.0) <= _BUSY_SHARE and (self.load or 0.0) <= _BUSY_LOAD * self.cores:
            return None
        share = "" if self.busy is None else f"; other programs took {100 * self.busy:.0f} % of the processor's time"
        load = "" if self.load is None else f" (load average {self.load:.2f})"
        return f"The machine was not idle at the start{load}{share}. Measure again when it is."


def describe(device: torch.device) -> Machine:
    """The machine as it is now; takes a second to watch whether it is idle."""
    return Machine(
        processor=processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        device=devices.title(device),
        memory_gib=_gib("MemTotal"),
        system=platform.platform(terse=True),
        python=platform.python_version(),
        torch=str(torch.__version__),
        vae_studio=vae_studio.__version__,
        date=f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        busy=_busy(),
    )


def available_bytes() -> int:
    """Memory that can be taken without harm; where the system does not say, 2 GiB."""
    found = _gib("MemAvailable")
    return int((2.0 if found is None else found) * 2**30)


def processor() -> str:
    """The processor's name; virtual machines often hide the model, so its family stands beside it."""
    if sys.platform != "linux":
        return platform.processor() or platform.machine()
    known = {}
    for row in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        name, _, value = row.partition(":")
        known.setdefault(name.strip(), value.strip())
    name = known.get("model name") or platform.machine()
    if "cpu family" in known:
        name += f" (family {known['cpu family']}, model {known.get('model', '?')})"
    return name


def _gib(name: str) -> float | None:
    if sys.platform != "linux":
        return None
    for row in Path("/proc/meminfo").read_text().splitlines():
        if row.startswith(f"{name}:"):
            return round(int(row.split()[1]) / 2**20, 1)
    return None


def _busy() -> float | None:
    """The share of all cores' time that is not idle while this process sleeps."""
    if sys.platform != "linux":
        return None
    before = _ticks()
    time.sleep(_WATCHED_SECONDS)
    total, idle = (after - old for after, old in zip(_ticks(), before, strict=True))
    return round(1.0 - idle / total, 3) if total else None


def _ticks() -> tuple[int, int]:
    """All ticks of all cores, and those in which they waited."""
    counts = [int(part) for part in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    return sum(counts), counts[3] + counts[4]
