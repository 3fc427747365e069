"""Devices: what is found, what is chosen, and how a thread is settled. Runs with and without a GPU."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from vae_studio.core import devices
from vae_studio.core.devices import DeviceError
from vae_studio.core.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture
def fresh() -> Iterator[None]:
    """What was found is remembered; these tests change what there is to find."""
    devices.available.cache_clear()
    yield
    devices.available.cache_clear()


def test_the_cpu_is_always_found_and_comes_last() -> None:
    found = devices.available()
    assert found[-1].choice == "cpu" and str(os.cpu_count()) in found[-1].title
    assert ("cuda" in [info.choice for info in found]) == torch.cuda.is_available()
    assert devices.choose("auto").type == found[0].choice
    assert devices.choose("cpu") == CPU
    assert devices.title(CPU) == found[-1].title


@pytest.mark.parametrize("choice", ["cuda", "mps"])
def test_a_device_that_is_there_is_chosen_and_one_that_is_not_is_refused_by_name(choice: str) -> None:
    found = [info.choice for info in devices.available()]
    if choice in found:
        assert devices.choose(choice).type == choice
        return
    with pytest.raises(DeviceError, match=f"no {choice.upper()} device. Found: {', '.join(found)}") as refused:
        devices.choose(choice)
    assert isinstance(refused.value, UserError)


@pytest.mark.usefixtures("fresh")
def test_cuda_comes_before_mps_and_both_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A Fine GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [info.choice for info in devices.available()] == ["cuda", "mps", "cpu"]
    assert devices.choose("auto") == torch.device("cuda")
    assert devices.choose("mps") == torch.device("mps")
    assert "A Fine GPU" in devices.title(torch.device("cuda", 0))


@pytest.mark.usefixtures("fresh")
def test_without_cuda_auto_is_mps_and_asking_for_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.choose("auto") == torch.device("mps")
    with pytest.raises(DeviceError, match=r"no CUDA device. Found: mps, cpu\."):
        devices.choose("cuda")


@pytest.mark.parametrize(
    ("cpuinfo", "has"),
    [
        ("processor : 0\nflags\t: fpu sse4_2 avx512f avx512_bf16\nbugs : none\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("flags : fpu avx2 avx512f\nbugs : avx512_bf16\n", False),
        ("processor : 0\nFeatures : fp asimd bf16\n", False),
    ],
)
def test_bf16_is_looked_for_among_the_flags(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, has: bool) -> None:
    class FakePath:
        def __init__(self, path: str) -> None:
            assert path == "/proc/cpuinfo"

        def read_text(self, errors: str) -> str:
            return cpuinfo

    monkeypatch.setattr(devices, "Path", FakePath)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    assert devices.cpu_has_bf16.__wrapped__() is has


@pytest.mark.parametrize("has_bf16", [True, False])
@pytest.mark.parametrize("faster", [torch.bfloat16, torch.float32])
def test_bf16_is_preferred_where_the_processor_has_it_and_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, faster: torch.dtype
) -> None:
    """A layer of the other type is done thirty times over."""
    layer = torch.nn.functional.linear

    def slowed(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        for _ in range(1 if images.dtype == faster else 30):
            result = layer(images, weights)
        return result

    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has_bf16)
    monkeypatch.setattr(torch.nn.functional, "linear", slowed)
    assert devices.cpu_prefers_bf16.__wrapped__() is (has_bf16 and faster == torch.bfloat16)


@pytest.mark.parametrize("has_bf16", [True, False])
def test_precision(monkeypatch: pytest.MonkeyPatch, has_bf16: bool) -> None:
    monkeypatch.setattr(devices, "cpu_prefers_bf16", lambda: has_bf16)
    cuda, mps = torch.device("cuda"), torch.device("mps")
    for convolutional in (False, True):
        for device in (CPU, cuda, mps):
            assert devices.choose_precision("float32", device, convolutional) == torch.float32
            assert devices.choose_precision("bf16", device, convolutional) == torch.bfloat16
        wanted = torch.bfloat16 if has_bf16 else torch.float32
        assert devices.choose_precision("auto", CPU, convolutional) == wanted
        assert devices.choose_precision("auto", mps, convolutional) == torch.float32
    assert devices.choose_precision("auto", cuda, True) == torch.bfloat16
    assert devices.choose_precision("auto", cuda, False) == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("choice", [info.choice for info in devices.available()])
def test_autocast_multiplies_in_the_precision_and_leaves_weights_alone(choice: str, dtype: torch.dtype) -> None:
    device = devices.choose(choice)
    weights = torch.ones(3, 3, device=device)
    with devices.autocast(device, dtype):
        product = weights @ weights
    assert product.dtype == dtype and weights.dtype == torch.float32


def test_a_settled_thread_has_one_openmp_thread_and_a_lower_priority_of_its_own() -> None:
    seen = {}

    def work(niceness: int) -> None:
        torch.set_num_threads(2)
        devices.settle_thread(niceness)
        seen["threads"] = torch.get_num_threads()
        if sys.platform == "linux":
            seen["niceness"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, "getpriority") else 0
    wanted = min(19, before + 3)
    worker = threading.Thread(target=work, args=(wanted,))
    worker.start()
    worker.join()
    assert seen["threads"] == 1
    if sys.platform == "linux":
        assert seen["niceness"] == wanted
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_running_out_of_memory_for_real_is_recognised() -> None:
    with pytest.raises(RuntimeError) as from_torch:
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(MemoryError) as from_numpy:
        np.empty(1 << 60, np.uint8)
    assert devices.is_out_of_memory(from_torch.value)
    assert devices.is_out_of_memory(from_numpy.value)


@pytest.mark.parametrize(
    ("error", "ran_out"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"), False),
        (ValueError("out of memory"), False),
        (KeyError("x"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error: Exception, ran_out: bool) -> None:
    assert devices.is_out_of_memory(error) is ran_out


@pytest.mark.skipif(sys.platform != "linux", reason="told by /proc")
def test_free_memory_is_what_the_system_says() -> None:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    free = devices.free_memory(torch.device("cpu"))
    assert 0 < free < pages * size
    # What is available is what nobody uses, and caches that would be given up.
    assert free > os.sysconf("SC_AVPHYS_PAGES") * size / 2


def test_work_on_a_stream_of_its_own_gives_the_same() -> None:
    device = devices.choose("auto")
    x = torch.arange(6.0, device=device)
    with devices.own_stream(device):
        doubled = 2 * x
        devices.wait(device)
    assert doubled.tolist() == [0, 2, 4, 6, 8, 10]
