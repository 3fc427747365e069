"""The processors there are, chosen once a run: what to call them, how many threads, which precision."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from vae_studio.core.config import DeviceChoice, Execution, Precision, RunConfig
from vae_studio.core.errors import UserError

# What plain RuntimeErrors say: CPU on Linux and macOS, CPU on Windows, C++ itself, GPUs, cuBLAS and cuDNN.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory", "ALLOC_FAILED")


class DeviceError(UserError, ValueError):
    """A device was asked for that this machine does not have."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A choice of device, as configs write it, and its name for people."""

    choice: DeviceChoice
    title: str


@cache
def available() -> tuple[DeviceInfo, ...]:
    """Devices found, best first; the CPU is always among them."""
    found = []
    if torch.cuda.is_available():
        # cuDNN would round float32 convolutions to TF32 on its own, and what says float32 here is to be float32.
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        found.append(DeviceInfo("cuda", f"CUDA · {torch.cuda.get_device_name()}"))
    if torch.backends.mps.is_available():
        found.append(DeviceInfo("mps", "MPS · Apple GPU"))
    found.append(DeviceInfo("cpu", f"CPU · {os.cpu_count()} cores"))
    return tuple(found)


def choose(choice: DeviceChoice) -> torch.device:
    """The device for a choice; *auto* is the best found. Raises DeviceError where there is none of the kind."""
    found = [info.choice for info in available()]
    if choice == "auto":
        return torch.device(found[0])
    if choice not in found:
        raise DeviceError(f"This machine has no {choice.upper()} device. Found: {', '.join(found)}.")
    return torch.device(choice)


def for_display(device: torch.device) -> torch.device:
    """Where to decode for the screen while `device` trains: there, but never on MPS.

    PyTorch's MPS backend ends the process when two threads use it at a time (pytorch/pytorch issue 197805).
    """
    return torch.device("cpu") if device.type == "mps" else device


def title(device: torch.device) -> str:
    """The name people know a device by."""
    return next((info.title for info in available() if info.choice == device.type), str(device))


@cache
def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware (on others it is slower than float32)."""
    if sys.platform != "linux":
        return False
    flags = Path("/proc/cpuinfo").read_text(errors="replace").partition("flags")[2].partition("\n")[0].split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


@cache
def cpu_prefers_bf16() -> bool:
    """Whether the processor has bf16 and, timed once on a layer of usual size, is faster with it than in float32."""
    if not cpu_has_bf16():
        return False
    return _seconds_of_a_layer(torch.bfloat16) < _seconds_of_a_layer(torch.float32)


def _seconds_of_a_layer(dtype: torch.dtype) -> float:
    """The best of several tries, so that what else goes on hardly matters."""
    images, weights = torch.ones(128, 784, dtype=dtype), torch.ones(400, 784, dtype=dtype)
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        torch.nn.functional.linear(images, weights)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def choose_precision(precision: Precision, device: torch.device, convolutional: bool) -> torch.dtype:
    """The dtype of matrix products: on *auto* bf16 where it was measured to be faster and as good, else float32."""
    if precision == "float32":
        return torch.float32
    if precision == "bf16":
        return torch.bfloat16
    wins = (device.type == "cpu" and cpu_prefers_bf16()) or (device.type == "cuda" and convolutional)
    return torch.bfloat16 if wins else torch.float32


def may_use_tf32(config: RunConfig, device: torch.device, execution: Execution) -> bool:
    """Whether training may round factors of float32 products to TF32: on CUDA, where the user leaves it open.

    Only in captured steps, whose kernels stay as they were chosen, since the choice holds for all threads. Not with
    full covariances: 10 bits are many σ across a narrow Gaussian.
    """
    exact = config.precision != "auto" or config.posterior == "full-gaussian"
    return device.type == "cuda" and execution == "captured" and not exact


@contextlib.contextmanager
def matrix_products(*, tf32: bool) -> Iterator[None]:
    """On CUDA, float32 products and convolutions with 10 bits of mantissa, or with all 23, in all threads."""
    before = [backend.fp32_precision for backend in _float32_backends()]
    _set_float32(["tf32" if tf32 else "ieee"] * len(before))
    try:
        yield
    finally:
        _set_float32(before)


def _float32_backends() -> tuple[Any, ...]:
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv


def _set_float32(precisions: list[str]) -> None:
    for backend, precision in zip(_float32_backends(), precisions, strict=True):
        backend.fp32_precision = precision


def choose_execution(execution: Execution, device: torch.device) -> Execution:
    """How steps are taken on a device: never *auto*. Raises DeviceError where what is wanted is not possible here."""
    cuda = device.type == "cuda"
    if execution == "auto":
        # A compiled step repays its set-up only in runs longer than most: docs/speed.md has figures.
        return "captured" if cuda else "eager"
    if execution == "captured" and not cuda:
        raise DeviceError(
            f"Steps can be captured on CUDA devices only, and this is {title(device)}. Choose automatic or eager steps."
        )
    if execution == "compiled" and device.type not in ("cuda", "cpu"):
        raise DeviceError(f"Steps cannot be compiled for {title(device)}. Choose automatic or eager steps.")
    if execution == "compiled" and not has_compiler(device):
        raise DeviceError(
            f"Compiled steps need {'a C compiler and Triton' if cuda else 'a C++ compiler'}, and none was found here. "
            "Install g++ or clang, or choose automatic steps."
        )
    return execution


def has_compiler(device: torch.device) -> bool:
    """Whether torch.compile finds what it needs: a C++ compiler for the CPU; a C compiler and Triton for CUDA."""
    if device.type == "cuda":
        names = (os.environ.get("CC"), "cc", "gcc", "clang")
        return importlib.util.find_spec("triton") is not None and _found(names)
    if device.type == "cpu":
        return _found((os.environ.get("CXX"), "c++", "g++", "clang++", "cl"))
    return False


def _found(programs: tuple[str | None, ...]) -> bool:
    return any(name and shutil.which(name) for name in programs)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Matrix products in `dtype`, weights and sums in float32."""
    # The cache of cast weights may outlive an optimiser step inside one region; regions here end before each step.
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def settle_thread(niceness: int = 0) -> None:
    """Make the calling thread a good neighbour of a window: one OpenMP thread, and on Linux a lower priority.

    Two OpenMP threads on two cores spin in each other's way as soon as anything else wants a core: a step of the
    MLP went from 2.6 to over 100 ms beside one busy process. Call it before the thread's first tensor operation.
    """
    torch.set_num_threads(1)
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        # Nobody but root may raise a priority again, so a thread that is nicer already stays so.
        os.setpriority(os.PRIO_PROCESS, thread, max(niceness, os.getpriority(os.PRIO_PROCESS, thread)))


def own_stream(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """On CUDA a stream for this thread's work alone: threads start on the same one, and would wait for each other."""
    return torch.cuda.stream(torch.cuda.Stream(device)) if device.type == "cuda" else contextlib.nullcontext()


def wait(device: torch.device) -> None:
    """Until the work is done that this thread has given to a GPU of CUDA; the CPU's is done already."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def free_memory(device: torch.device) -> int | None:
    """Bytes that a device has to give, where that can be told: on GPUs of CUDA, and of the CPU on Linux."""
    if device.type == "cuda":
        # What torch keeps for itself, to give it out again, counts as free.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type != "cpu" or sys.platform != "linux":
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(errors="replace"), re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
