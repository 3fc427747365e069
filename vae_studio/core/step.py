"""One optimisation step, and the schedules of its rate and of β."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_studio.core import devices
from vae_studio.core.config import RunConfig
from vae_studio.core.model import VAE, to_float
from vae_studio.core.objective import terms

_RING = 4096


def rate_factor(config: RunConfig, step: int, total_steps: int) -> float:
    """The learning rate at `step` (from 0) as a share of its peak: linear warm-up, then cosine to 0 or constant."""
    warm_up = config.warm_up * total_steps
    if step < warm_up:
        return (step + 1) / (math.floor(warm_up) + 1)
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1.0, total_steps - warm_up)))


def beta_factor(config: RunConfig, step: int, total_steps: int) -> float:
    """β at `step` (from 0) as a share of its full value: linear KL warm-up, then 1."""
    warm_up = config.kl_warm_up * total_steps
    return min(1.0, (step + 1) / warm_up) if warm_up else 1.0


class Stepper:
    """Takes optimisation steps with Adam (Kingma & Ba 2015) and remembers each step's figures on the device.

    No figure is read per step: loss, reconstruction and KL per dimension go into a ring on the device that `drain`
    copies to the host in one go. A step whose loss is not finite changes no weight.
    """

    def __init__(self, model: VAE, config: RunConfig, dtype: torch.dtype) -> None:
        self._model = model
        self._dtype = dtype
        device = model.device
        self._noise = torch.Generator(device).manual_seed(config.seed + 2)
        self._optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        # The fused optimiser skips its update where this is 1; it was made for gradient scalers.
        self._optimiser.grad_scale = None
        self._optimiser.found_inf = torch.zeros((), device=device)
        self._ring = torch.zeros(_RING, 2 + model.latent_dims, device=device)
        self._filled = 0

    @property
    def full(self) -> bool:
        """Whether `drain` must come before the next step."""
        return self._filled == _RING

    def step(self, images: Tensor, rate: float, beta: float) -> None:
        """One step on images uint8 (B, H, W), with this learning rate and this weight of the KL."""
        x = to_float(images)
        noise = torch.randn(len(x), self._model.latent_dims, device=x.device, generator=self._noise)
        with devices.autocast(x.device, self._dtype):
            parts = terms(self._model, x, noise)
        loss = parts.loss(beta)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.found_inf.copy_(~loss.detach().isfinite())
        self._optimiser.param_groups[0]["lr"] = rate
        self._optimiser.step()
        row = self._ring[self._filled]
        row[0] = loss.detach()
        row[1] = parts.reconstruction.detach().mean()
        row[2:] = parts.kl_per_dim.detach().mean(dim=0)
        self._filled += 1

    def drain(self) -> tuple[Tensor, Tensor, Tensor]:
        """Figures of the steps since the last call, on the CPU: loss and reconstruction (n,), KL per dimension (n, d).

        The loss depends on β; wherever it is finite, so are the others, and the step was taken.
        """
        rows = self._ring[: self._filled].cpu().clone()
        self._filled = 0
        return rows[:, 0], rows[:, 1], rows[:, 2:]
