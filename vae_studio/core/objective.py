"""The evidence lower bound, the importance-weighted bound, and what is minimised in their place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_studio.core.config import RunConfig
from vae_studio.core.distributions import Code, Posterior
from vae_studio.core.model import VAE


@dataclass(frozen=True, slots=True)
class Terms:
    """The parts of −ELBO for each of B images in nats, from S samples z of q(z|x) each.

    `log_likelihood` log p(x|z) is (S, B). `kl` (B,) is KL(q(z|x) ‖ p(z)) in closed form, or the mean over the same
    samples of `log_ratio` = log q(z|x) − log p(z) (S, B), which is None with the closed form. `kl_per_dim`
    (B, latent_dims) has the KL of each marginal q(zᵢ|x) from p(zᵢ): its sum is `kl` where both factorise.
    An auto-encoder has zeros for all that concerns the KL.
    """

    posterior: Posterior | Code
    log_likelihood: Tensor
    log_ratio: Tensor | None
    kl: Tensor
    kl_per_dim: Tensor

    @property
    def reconstruction(self) -> Tensor:
        """−log p(x|z), mean over the samples, (B,)."""
        return -self.log_likelihood.mean(dim=0)

    @property
    def neg_elbo(self) -> Tensor:
        """−ELBO, (B,): the bound itself, whatever is optimised."""
        return self.reconstruction + self.kl

    def loss(self, beta: Tensor | float, free_bits: float = 0.0) -> Tensor:
        """reconstruction + β · KL, mean over images (Higgins et al. 2017; β = 1: −ELBO).

        With free bits λ the KL is Σᵢ max(λ, KLᵢ), KLᵢ the batch's mean (Kingma et al. 2016, arXiv 1606.04934, eq. 15).
        """
        kl = self.kl_per_dim.mean(dim=0).clamp(min=free_bits).sum() if free_bits else self.kl.mean()
        return self.reconstruction.mean() + beta * kl

    def importance_weighted(self, beta: Tensor | float = 1.0) -> Tensor:
        """−log (1/S) Σ p(x|z) p(z) / q(z|x), (B,): the bound with S importance weights (Burda et al. 2016, eq. 8).

        Its gradient weighs samples by their normalised weights (eq. 14). β tempers p(z) / q(z|x).
        """
        log_weights = self.log_likelihood - beta * self.log_ratio
        return math.log(len(log_weights)) - log_weights.logsumexp(dim=0)


def terms(
    model: VAE, x: Tensor, noise: Tensor, *, sampled: bool | None = None, posterior: Posterior | None = None
) -> Terms:
    """The parts of −ELBO for images x (B, C, H, W) in [0, 1] at the samples that `noise` gives.

    `noise` (S, B, latent_dims), or (B, latent_dims) for one sample an image (L = 1 in Kingma & Welling 2014, equation
    7), comes from `model.noise`. `sampled` asks for the KL by the same samples, or, where there is one, for its closed
    form; left out, the config says. `posterior` takes the place of the encoder's q(z|x).
    """
    posterior = model.encode(x) if posterior is None else posterior
    z = posterior.sample(noise if noise.dim() == 3 else noise.unsqueeze(0))
    log_likelihood = model.decode(z).log_prob(x)
    if isinstance(posterior, Code):
        nothing = torch.zeros_like(posterior.mean)
        return Terms(posterior, log_likelihood, None, nothing.sum(dim=-1), nothing)
    if sampled is None:
        sampled = not model.config.closed_form_kl
    if not sampled and model.config.closed_form_exists:
        kl_per_dim = posterior.kl_per_dim()
        kl = kl_per_dim.sum(dim=-1) if model.config.factorised else posterior.kl()
        return Terms(posterior, log_likelihood, None, kl, kl_per_dim)
    ratio_per_dim = posterior.log_prob_per_dim(z) - model.prior.log_prob_per_dim(z)
    if model.config.factorised:
        log_ratio = ratio_per_dim.sum(dim=-1)
    else:
        log_ratio = posterior.log_prob(z) - model.prior.log_prob(z)
    return Terms(posterior, log_likelihood, log_ratio, log_ratio.mean(dim=0), ratio_per_dim.mean(dim=0))


def objective(config: RunConfig, parts: Terms, beta: Tensor | float) -> Tensor:
    """What training minimises, mean over images: the config's bound, with this weight of the KL."""
    if config.model == "vae" and config.bound == "iwae":
        return parts.importance_weighted(beta).mean()
    return parts.loss(beta, config.free_bits if config.model == "vae" else 0.0)
