"""One optimisation step, and the schedules of its rate and of β."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vae_studio.core import devices
from vae_studio.core.config import RunConfig
from vae_studio.core.model import VAE, binarise, to_float
from vae_studio.core.objective import objective, terms

_RING = 4096
_STAGES = 8  # of the schedule in Burda et al. 2016


def rate_factor(config: RunConfig, step: int, total_steps: int) -> float:
    """The learning rate at `step` (from 0) as a share of its peak: linear warm-up, then as the schedule says."""
    warm_up = config.warm_up * total_steps
    if step < warm_up:
        return (step + 1) / (math.floor(warm_up) + 1)
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "burda":
        # Stage i takes 3^i of the 1 + 3 + … + 3^7 parts of the run, at 10^(−i/7) of the rate.
        parts = (3**_STAGES - 1) // 2
        stage = next(i for i in range(_STAGES) if step * parts < total_steps * (3 ** (i + 1) - 1) // 2 or i == 7)
        return 10.0 ** (-stage / (_STAGES - 1))
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1.0, total_steps - warm_up)))


def beta_factor(config: RunConfig, step: int, total_steps: int) -> float:
    """β at `step` (from 0) as a share of its full value: rising linearly over the warm-up of each cycle, then 1."""
    warm_up = config.kl_warm_up * total_steps / config.kl_cycles
    # In whole numbers, since a cycle may be no whole number of steps.
    into_cycle = step * config.kl_cycles % total_steps / config.kl_cycles
    return min(1.0, (into_cycle + 1) / warm_up) if warm_up else 1.0


class Figures(NamedTuple):
    """Of n steps, means over the batch: `loss` as optimised, `reconstruction` and `kl` in nats, all (n,);
    `kl_per_dim` (n, latent_dims)."""

    loss: Tensor
    reconstruction: Tensor
    kl: Tensor
    kl_per_dim: Tensor


class Stepper:
    """Takes optimisation steps with Adam (Kingma & Ba 2015) and remembers each step's figures on the device.

    No figure is read per step: loss, reconstruction, KL and KL per dimension go into a ring on the device that `drain`
    copies to the host in one go. A step whose loss is not finite changes no weight.
    """

    def __init__(self, model: VAE, config: RunConfig, dtype: torch.dtype) -> None:
        self._model = model
        self._config = config
        self._dtype = dtype
        device = model.device
        self._noise = torch.Generator(device).manual_seed(config.seed + 2)
        self._pixels = torch.Generator(device).manual_seed(config.seed + 5)
        self._optimiser = _optimiser(model, config)
        # The fused optimiser skips its update where this is 1; it was made for gradient scalers.
        self._optimiser.grad_scale = None
        self._optimiser.found_inf = torch.zeros((), device=device)
        self._ring = torch.zeros(_RING, 3 + model.latent_dims, device=device)
        self._filled = 0

    @property
    def full(self) -> bool:
        """Whether `drain` must come before the next step."""
        return self._filled == _RING

    def step(self, images: Tensor, rate: float, beta: float) -> None:
        """One step on images uint8 (B, H, W) or (B, H, W, C), with this learning rate and this weight of the KL."""
        if self._config.targets == "binarised-fresh":
            images = binarise(images, self._pixels)
        x = to_float(images)
        # The same code again would be nothing new.
        samples = self._config.samples if self._model.is_vae else 1
        noise = self._model.noise((samples, len(x)), self._noise)
        with devices.autocast(x.device, self._dtype):
            parts = terms(self._model, x, noise)
        loss = objective(self._config, parts, beta)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.found_inf.copy_(~loss.detach().isfinite())
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        row = self._ring[self._filled]
        row[0] = loss.detach()
        row[1] = parts.reconstruction.detach().mean()
        row[2] = parts.kl.detach().mean()
        row[3:] = parts.kl_per_dim.detach().mean(dim=0)
        self._filled += 1

    def drain(self) -> Figures:
        """Figures of the steps since the last call, on the CPU.

        The loss depends on β; wherever it is finite, so are the others, and the step was taken.
        """
        rows = self._ring[: self._filled].cpu().clone()
        self._filled = 0
        return Figures(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:])


def _optimiser(model: VAE, config: RunConfig) -> torch.optim.Adam:
    """Adam, with decoupled weight decay (Loshchilov & Hutter 2019) where the config has some: on matrices alone."""
    if not config.weight_decay:
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate, eps=config.adam_eps, fused=True)
    networks = [*model.encoder.parameters(), *model.decoder.parameters()]
    decayed = [weight for weight in networks if weight.dim() > 1]
    known = set(map(id, decayed))
    others = [weight for weight in model.parameters() if id(weight) not in known]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, eps=config.adam_eps, fused=True)
