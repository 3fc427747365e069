"""All weights of a model in one tensor, so that a step handles them in few operations."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vae_studio.core.model import VAE, matrices

_ALIGNMENT = 64  # numbers


class FlatWeights:
    """Puts a model's weights side by side in `values`, float32 (n,), and their gradients in `gradients`.

    Every parameter of the model becomes a view of `values`, and its `.grad` a view of `gradients`. `working` is the
    model to differentiate: the model itself, or where `dtype` is bf16 a twin whose layers hold their weights in bf16,
    rounded once a step by `refresh`. Autocast would do that with every weight by itself, and its gradient: some sixty
    small operations a step.

    The networks' matrices come first (they are what weight decay is for), then their biases, then the rest, which
    stays in float32: a learned prior and a learned scale. Each weight begins at a multiple of 64 numbers, as the
    fastest kernels want it; the numbers in between stay 0.
    """

    def __init__(self, model: VAE, dtype: torch.dtype) -> None:
        layers = [*model.encoder.parameters(), *model.decoder.parameters()]
        known = set(map(id, layers))
        decayed = matrices(model)
        biases = [weight for weight in layers if weight.dim() == 1]
        order = [*decayed, *biases, *(weight for weight in model.parameters() if id(weight) not in known)]
        self.model = model
        self.decayed = _count(decayed)
        self._layers = _count(layers)
        device = model.device
        self.values = torch.zeros(_count(order), device=device)
        self.gradients = torch.zeros_like(self.values)
        for weight, value, gradient in zip(
            order, _views(self.values, order), _views(self.gradients, order), strict=True
        ):
            value.copy_(weight.detach())
            weight.data, weight.grad = value, gradient
        self._gradient_views = [weight.grad for weight in order]
        self.working, self._rounded = model, None
        if dtype != torch.float32:
            self.working = copy.deepcopy(model)
            self._rounded = torch.empty(self._layers, dtype=dtype, device=device)
            names = {id(weight): name for name, weight in model.named_parameters()}
            twins = dict(self.working.named_parameters())
            rounded = _views(self._rounded, [*decayed, *biases])
            for weight, value in zip(order, [*rounded, *order[len(rounded) :]], strict=True):
                twins[names[id(weight)]].data = value.detach()
            order = [twins[names[id(weight)]] for weight in order]
        self._parameters = order

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the weights to bf16 anew; before each step."""
        if self._rounded is not None:
            self._rounded.copy_(self.values[: self._layers])

    def differentiate(self, loss: Tensor) -> None:
        """Put the gradient of a loss that was computed with `working` into `gradients`."""
        found = torch.autograd.grad(loss, self._parameters)
        with torch.no_grad():
            torch._foreach_copy_(self._gradient_views, found)  # one call of the device, where `copy_` is one a weight

    def pieces(self, length: int | None = None) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """`values` as parameters for an optimiser, with their gradients: those that decay, and the others.

        Of at most `length` numbers each, where it is given; else one each.
        """
        cuts = [0, self.decayed, len(self.values)]
        return tuple(self._parts(*ends, length) for ends in pairwise(cuts))

    def _parts(self, start: int, end: int, length: int | None) -> list[nn.Parameter]:
        if start == end:
            return []
        parts = []
        for values, gradients in zip(
            *(whole[start:end].split(length or end - start) for whole in (self.values, self.gradients)), strict=True
        ):
            part = nn.Parameter(values)
            part.grad = gradients
            parts.append(part)
        return parts


def _count(weights: Sequence[Tensor]) -> int:
    return sum(map(_room, weights))


def _room(weight: Tensor) -> int:
    """Numbers that a weight takes up, those that stay 0 among them."""
    return -(-weight.numel() // _ALIGNMENT) * _ALIGNMENT


def _views(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Consecutive parts of `flat`, of the shapes and orders in memory (channels last, too) of these weights."""
    sizes = [_room(weight) for weight in like]
    parts = flat[: sum(sizes)].split(sizes)
    return [
        part.as_strided(weight.shape, weight.stride(), part.storage_offset())
        for part, weight in zip(parts, like, strict=True)
    ]
