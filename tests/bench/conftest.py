"""What tests of the benchmark share: one OpenMP thread, and the machine they run on as a plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from vae_studio.bench.measure import Plan


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two OpenMP threads on two cores spin in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def plan() -> Plan:
    return Plan(torch.device("cpu"), repeats=1, quick=True)
