"""The evidence lower bound and what is minimised in its place."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vae_studio.core.distributions import DiagonalGaussian
from vae_studio.core.model import VAE


@dataclass(frozen=True, slots=True)
class Terms:
    """The two parts of −ELBO for each image, in nats: `reconstruction` = −log p(x|z) (B,) at a sample z of q(z|x),
    and `kl_per_dim` = KL(q(z|x) ‖ p(z)) in closed form (B, latent_dims), for the `posterior` q(z|x)."""

    posterior: DiagonalGaussian
    reconstruction: Tensor
    kl_per_dim: Tensor

    @property
    def kl(self) -> Tensor:
        """KL summed over latent dimensions, (B,)."""
        return self.kl_per_dim.sum(dim=1)

    @property
    def neg_elbo(self) -> Tensor:
        """−ELBO, (B,): the bound itself, whatever β training uses."""
        return self.reconstruction + self.kl

    def loss(self, beta: Tensor | float) -> Tensor:
        """What training minimises: reconstruction + β · KL, mean over images (Higgins et al. 2017; β = 1: −ELBO)."""
        return self.reconstruction.mean() + beta * self.kl.mean()


def terms(model: VAE, x: Tensor, noise: Tensor) -> Terms:
    """Both parts of −ELBO for images x (B, C, H, W) in [0, 1] and standard normal `noise` (B, latent_dims).

    One sample of the posterior an image (Kingma & Welling 2014, equation 7).
    """
    posterior = model.encode(x)
    likelihood = model.decode(posterior.sample(noise))
    return Terms(posterior, -likelihood.log_prob(x), posterior.kl_per_dim())
