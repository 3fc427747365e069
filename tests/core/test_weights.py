"""All weights in one tensor: views of the model's, gradients in their places, and a twin in bf16."""

from __future__ import annotations

import pytest
import torch

from vae_studio.core import devices
from vae_studio.core.config import (
    ConvolutionalConfig,
    GaussianConfig,
    LayerConfig,
    LayeredConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
)
from vae_studio.core.datasets import Data
from vae_studio.core.model import VAE, build, to_float
from vae_studio.core.objective import objective, terms
from vae_studio.core.weights import FlatWeights

TRANSPOSED = LayeredConfig(
    encoder=(LayerConfig(channels=3, stride=2),),
    encoder_dense=(6,),
    decoder_dense=(),
    start=3,
    decoder=(LayerConfig(channels=4, stride=2, transposed=True), LayerConfig()),
)
CONFIGS = {
    "mlp": RunConfig(network=MLPConfig(widths=(12, 7)), latent_dims=3, seed=4),
    "convolutional": RunConfig(network=ConvolutionalConfig(channels=(3, 5), dense=(9,)), latent_dims=2, seed=4),
    "transposed": RunConfig(network=TRANSPOSED, latent_dims=2, seed=4),
    "learned": RunConfig(
        network=MLPConfig(widths=(9,)), latent_dims=2, prior=MixtureConfig(components=3), likelihood=GaussianConfig()
    ),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
CPU = torch.device("cpu")


def model_of(config: RunConfig) -> VAE:
    model = build(config, (1, 28, 28))
    return model.to(memory_format=torch.channels_last) if model.convolutional else model


def loss_of(config: RunConfig, model: VAE, images: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    noise = torch.randn(1, len(images), config.latent_dims, generator=torch.Generator().manual_seed(1))
    with devices.autocast(CPU, dtype):
        parts = terms(model, to_float(images), noise)
    return objective(config, parts, 1.0)


@every_config
def test_the_weights_are_those_of_before_and_every_one_is_once_in_the_tensor(config: RunConfig) -> None:
    model, twin = model_of(config), model_of(config)
    flat = FlatWeights(model, torch.float32)
    for (name, weight), before in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(weight, before) and weight.stride() == before.stride(), name
    assert flat.values.count_nonzero() == sum(weight.count_nonzero() for weight in twin.parameters())
    assert all(weight.data_ptr() % 256 == flat.values.data_ptr() % 256 for weight in model.parameters())
    flat.values.zero_()
    assert not any(weight.any() for weight in model.parameters())
    # And back: what is written into the model stands in the tensor.
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(1.0)
    assert flat.values.sum() == sum(weight.numel() for weight in twin.parameters())


@every_config
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_gradients_are_those_of_backward_under_autocast(config: RunConfig, dtype: torch.dtype, mnist: Data) -> None:
    images = mnist.train.images[:32]
    model, plain = model_of(config), model_of(config)
    flat = FlatWeights(model, dtype)
    with torch.no_grad():
        for weights in (model, plain):
            weights.encoder[-1].bias.add_(0.1)  # after the twin was made: it must follow
    flat.refresh()
    flat.differentiate(loss_of(config, flat.working, images, dtype))
    loss_of(config, plain, images, dtype).backward()
    for (name, ours), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert theirs.grad.any(), name
        torch.testing.assert_close(
            ours.grad, theirs.grad, rtol=1e-6, atol=1e-7, msg=lambda text, name=name: name + text
        )
    assert flat.gradients.count_nonzero() == sum(weight.grad.count_nonzero() for weight in plain.parameters())


def test_the_twin_holds_the_layers_in_bf16_and_shares_the_rest() -> None:
    model = model_of(CONFIGS["learned"])
    flat = FlatWeights(model, torch.bfloat16)
    twins = dict(flat.working.named_parameters())
    assert flat.working is not model
    for name, weight in model.named_parameters():
        layer = name.startswith(("encoder", "decoder"))
        assert twins[name].dtype == (torch.bfloat16 if layer else torch.float32)
        assert (twins[name].data_ptr() == weight.data_ptr()) == (not layer)
        assert weight.dtype == torch.float32


@every_config
@pytest.mark.parametrize("length", [None, 50])
def test_the_pieces_are_the_tensor_with_the_matrices_in_the_first_list(config: RunConfig, length: int | None) -> None:
    model = model_of(config)
    flat = FlatWeights(model, torch.float32)
    flat.values.copy_(1 + torch.arange(len(flat.values)))
    flat.gradients.copy_(-flat.values)
    decayed, others = flat.pieces(length)
    assert torch.equal(torch.cat([piece.detach() for piece in (*decayed, *others)]), flat.values)
    assert torch.equal(torch.cat([piece.grad for piece in (*decayed, *others)]), flat.gradients)
    assert all(len(piece) <= (length or len(flat.values)) for piece in (*decayed, *others))
    matrices = {
        value
        for part in (model.encoder, model.decoder)
        for weight in part.parameters()
        if weight.dim() > 1
        for value in weight.flatten().tolist()
    }
    assert {value for piece in decayed for value in piece.tolist()} >= matrices
    assert not {value for piece in others for value in piece.tolist()} & matrices
    # An optimiser that moves the pieces moves the model.
    with torch.no_grad():
        for piece in (*decayed, *others):
            piece.zero_()
    assert not any(weight.any() for weight in model.parameters())
