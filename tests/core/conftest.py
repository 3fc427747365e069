"""What tests of the core share: MNIST as the program ships it, and one OpenMP thread."""

from __future__ import annotations

import hypothesis
import pytest
import small_models
import torch

from vae_studio.core import datasets, devices
from vae_studio.core.config import DataConfig
from vae_studio.core.model import VAE

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two OpenMP threads on two cores spin in each other's way; with one, figures are also the same everywhere."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist() -> datasets.Data:
    return datasets.load(DataConfig())


@pytest.fixture(scope="session")
def explorer_2d() -> VAE:
    """The shipped 2-D explorer."""
    return small_models.explorer()


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Screens may be decoded in bf16; layouts are compared with nothing rounded."""
    monkeypatch.setattr(devices, "choose_precision", lambda *_: torch.float32)
