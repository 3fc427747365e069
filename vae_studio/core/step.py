"""One optimisation step, and the schedules of its rate and of β."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vae_studio.core import devices
from vae_studio.core.config import RunConfig
from vae_studio.core.model import VAE, binarise, matrices, to_float
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


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some steps in a row: `rows` int64 (steps, B) are the places of each step's images in `images`, uint8 (n, H, W) or
    (n, H, W, C) on the same device; `rates` and `betas` are what each step takes of the peak rate and of β.
    """

    images: Tensor
    rows: Tensor
    rates: Sequence[float]
    betas: Sequence[float]


class Stepper:
    """Takes optimisation steps with Adam (Kingma & Ba 2015) and remembers each step's figures on the device.

    No figure is read per step: loss, reconstruction, KL and KL per dimension go into a ring on the device that `drain`
    copies to the host in one go. A step whose loss is not finite changes no weight. With `compiled`, the loss and its
    gradient come from `torch.compile`, which needs a compiler, and up to a minute at the first stretch.
    """

    def __init__(self, model: VAE, config: RunConfig, dtype: torch.dtype, *, compiled: bool = False) -> None:
        self._model = model
        self._config = config
        device = model.device
        # An auto-encoder's same code again would be nothing new.
        self._samples = config.samples if model.is_vae else 1
        self._noise = torch.Generator(device).manual_seed(config.seed + 2)
        self._pixels = torch.Generator(device).manual_seed(config.seed + 5)
        self._optimiser = self._make_optimiser(dtype)
        # The fused optimiser skips its update where this is 1; it was made for gradient scalers.
        self._optimiser.grad_scale = None
        self._optimiser.found_inf = torch.zeros((), device=device)
        self._loss = partial(loss_and_figures, config, dtype)
        self._to_compile = compiled
        self._beta = torch.zeros((), device=device)
        self._ring = torch.zeros(_RING, 3 + model.latent_dims, device=device)
        self._filled = 0

    def _make_optimiser(self, dtype: torch.dtype) -> torch.optim.Adam:
        decayed = matrices(self._model)
        known = set(map(id, decayed))
        others = [weight for weight in self._model.parameters() if id(weight) not in known]
        return adam(self._config, decayed, others)

    @property
    def full(self) -> bool:
        """Whether `drain` must come before the next step."""
        return self._filled == _RING

    def begin(self, stretch: Stretch) -> None:
        """Let the next steps be those of a stretch; the one before is done."""
        self._stretch = stretch
        self._taken = 0
        if self._to_compile:
            self._compile(self._model, stretch)

    def _compile(self, model: VAE, stretch: Stretch) -> None:
        """Have the loss and its gradient compiled for this model and batches like the first of a stretch."""
        # The compiler keeps count of models, and would give up after eight.
        torch.compiler.reset()
        # It makes a million objects, and looking through them for garbage would hold up a window for half a second.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._loss = torch.compile(self._loss, dynamic=False)
            x = to_float(stretch.images.index_select(0, stretch.rows[0]))
            noise = model.noise((self._samples, len(x)), torch.Generator(x.device).manual_seed(0))
            loss, _ = self._loss(model, x, noise, self._beta)
            torch.autograd.grad(loss, list(model.parameters()))
        finally:
            if collecting:
                gc.enable()
        self._to_compile = False

    def advance(self, peak_rate: float, beta: float) -> None:
        """The next step of the stretch, with this peak of the learning rate and this full weight of the KL."""
        stretch, number = self._stretch, self._taken
        images = stretch.images.index_select(0, stretch.rows[number])
        self.step(images, peak_rate * stretch.rates[number], beta * stretch.betas[number])
        self._taken += 1

    def step(self, images: Tensor, rate: float, beta: float) -> None:
        """One step on images uint8 (B, H, W) or (B, H, W, C), with this learning rate and this weight of the KL."""
        self._beta.fill_(beta)
        loss, figures = self._loss(self._model, *self._inputs(images), self._beta)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.found_inf.copy_(~loss.detach().isfinite())
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self._ring[self._filled] = figures.detach()
        self._filled += 1

    def _inputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images as float, binarised where the config says so, and noise for the posterior."""
        if self._config.targets == "binarised-fresh":
            images = binarise(images, self._pixels)
        return to_float(images), self._model.noise((self._samples, len(images)), self._noise)

    def drain(self) -> Figures:
        """Figures of the steps since the last call, on the CPU.

        The loss depends on β; wherever it is finite, so are the others, and the step was taken.
        """
        rows = self._ring[: self._filled].cpu().clone()
        self._filled = 0
        return Figures(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:])


def loss_and_figures(
    config: RunConfig, dtype: torch.dtype, model: VAE, x: Tensor, noise: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor]:
    """What is minimised, and beside it (3 + latent_dims,): itself, reconstruction, KL and KL per dimension.

    All are means over the batch. Draws nothing, so that it can be compiled and still agree with itself uncompiled.
    """
    with devices.autocast(x.device, dtype):
        parts = terms(model, x, noise)
    loss = objective(config, parts, beta)
    means = torch.stack([loss, parts.reconstruction.mean(), parts.kl.mean()])
    return loss, torch.cat([means, parts.kl_per_dim.mean(dim=0)])


def adam(
    config: RunConfig,
    decayed: list[nn.Parameter],
    others: list[nn.Parameter],
    rate: Tensor | None = None,
) -> torch.optim.Adam:
    """Adam, with decoupled weight decay (Loshchilov & Hutter 2019) where the config has some: on `decayed` alone.

    A `rate` on the device can be changed between the replays of a captured step.
    """
    how = {
        "lr": config.learning_rate if rate is None else rate,
        "eps": config.adam_eps,
        "fused": True,
        "capturable": rate is not None and rate.is_cuda,
    }
    if not config.weight_decay:
        return torch.optim.Adam([*decayed, *others], **how)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], **how)
