"""−ELBO, its two parts and its gradient, against torch.distributions in double precision."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch import distributions as td

from vae_studio.core.config import ConvolutionalConfig, MLPConfig, RunConfig
from vae_studio.core.model import VAE, build
from vae_studio.core.objective import terms

SHAPE = (1, 6, 5)
CONFIGS = [
    RunConfig(network=MLPConfig(widths=(7, 6), activation="tanh"), latent_dims=3),
    RunConfig(network=ConvolutionalConfig(channels=(3, 4), activation="silu"), latent_dims=2),
]
every_network = pytest.mark.parametrize("config", CONFIGS, ids=["mlp", "convolutional"])


def batch(config: RunConfig, n: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(11)
    return torch.rand(n, *SHAPE, generator=generator), torch.randn(n, config.latent_dims, generator=generator)


def reference(model: VAE, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction (B,) and KL (B, d) for a model in double precision, by torch.distributions alone."""
    mean, log_variance = model.encoder(x).tensor_split(2, dim=1)
    posterior = td.Normal(mean, (log_variance / 2).exp())
    z = posterior.mean + posterior.stddev * noise
    pixel = td.Bernoulli(logits=model.decoder(z))
    grey = x * pixel.log_prob(torch.ones_like(x)) + (1 - x) * pixel.log_prob(torch.zeros_like(x))
    return -grey.flatten(1).sum(dim=1), td.kl_divergence(posterior, td.Normal(torch.zeros_like(mean), 1.0))


def doubled(config: RunConfig) -> tuple[VAE, VAE]:
    model = build(config, SHAPE)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)  # away from the flat region where KL is nearly zero
    return model, copy.deepcopy(model).double()


@every_network
def test_both_terms_are_those_of_torch_distributions(config: RunConfig) -> None:
    model, double = doubled(config)
    x, noise = batch(config)
    found = terms(model, x, noise)
    reconstruction, kl = reference(double, x.double(), noise.double())
    assert kl.sum() > 0.1
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found.reconstruction.double(), reconstruction, **close)
    torch.testing.assert_close(found.kl_per_dim.double(), kl, **close)
    torch.testing.assert_close(found.kl.double(), kl.sum(dim=1), **close)
    torch.testing.assert_close(found.neg_elbo.double(), reconstruction + kl.sum(dim=1), **close)


@every_network
def test_terms_are_sums_over_pixels_and_dimensions_for_each_image_alone(config: RunConfig) -> None:
    model, _ = doubled(config)
    x, noise = batch(config)
    together = terms(model, x, noise)
    for index in range(len(x)):
        alone = terms(model, x[index : index + 1], noise[index : index + 1])
        torch.testing.assert_close(alone.neg_elbo[0], together.neg_elbo[index], rtol=1e-5, atol=1e-5)


def test_a_decoder_that_knows_nothing_costs_log_2_a_pixel() -> None:
    model = build(CONFIGS[0], (1, 28, 28))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = terms(model, x, torch.zeros(3, 3))
    torch.testing.assert_close(found.neg_elbo, torch.full((3,), 784 * 0.693147180559945))
    assert found.kl.tolist() == [0.0] * 3


@every_network
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_beta_weighs_the_loss_and_nothing_else(config: RunConfig, beta: float) -> None:
    model, double = doubled(config)
    x, noise = batch(config)
    found = terms(model, x, noise)
    bound = found.neg_elbo.clone()
    reconstruction, kl = reference(double, x.double(), noise.double())
    for weight in (beta, torch.tensor(beta)):
        wanted = reconstruction.mean() + beta * kl.sum(dim=1).mean()
        torch.testing.assert_close(found.loss(weight).double(), wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.neg_elbo, bound)
    if beta == 1.0:
        torch.testing.assert_close(found.loss(beta), bound.mean())


@every_network
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_the_gradient_agrees_with_finite_differences(config: RunConfig, beta: float) -> None:
    """Our gradient in float32 against central differences of the reference in double precision."""
    model, double = doubled(config)
    x, noise = batch(config)
    terms(model, x, noise).loss(beta).backward()

    def loss() -> float:
        with torch.no_grad():
            reconstruction, kl = reference(double, x.double(), noise.double())
            return (reconstruction.mean() + beta * kl.sum(dim=1).mean()).item()

    generator = torch.Generator().manual_seed(5)
    checked = 0
    for ours, theirs in zip(model.parameters(), double.parameters(), strict=True):
        flat = theirs.data.view(-1)
        for index in torch.randperm(len(flat), generator=generator)[:6].tolist():
            kept, tiny = flat[index].item(), 1e-5
            flat[index] = kept + tiny
            above = loss()
            flat[index] = kept - tiny
            slope = (above - loss()) / (2 * tiny)
            flat[index] = kept
            assert ours.grad.view(-1)[index].item() == pytest.approx(slope, rel=2e-3, abs=2e-4)
            checked += abs(slope) > 1e-3
    assert checked > 20
