"""The models: a VAE with encoder, posterior q(z|x), prior p(z), decoder and likelihood p(x|z), or an auto-encoder."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from vae_studio.core.config import (
    BernoulliConfig,
    ConfigError,
    ContinuousBernoulliConfig,
    GaussianConfig,
    LaplaceConfig,
    MLPConfig,
    RunConfig,
)
from vae_studio.core.distributions import (
    Bernoulli,
    Code,
    ContinuousBernoulli,
    DiagonalGaussian,
    DiagonalLaplace,
    FullGaussian,
    Gaussian,
    Laplace,
    Likelihood,
    Posterior,
    SquaredError,
    in_full,
    soft_floor,
    standard_laplace,
    standard_normal,
)
from vae_studio.core.networks import ImageShape, build_decoder, build_encoder, initialise, layer_sizes
from vae_studio.core.priors import GaussianMixture, build_prior

MAX_PARAMETERS = 200_000_000
# A learned scale of pixels never goes below one grey level.
LOWEST_LOG_SCALE = math.log(1 / 255)
_POSTERIORS = {
    "diagonal-gaussian": DiagonalGaussian,
    "full-gaussian": FullGaussian,
    "laplace": DiagonalLaplace,
}


class VAE(nn.Module):
    """A VAE, or an auto-encoder, as its config says.

    (Kingma & Welling 2014, arXiv 1312.6114; Rezende et al. 2014, arXiv 1401.4082.) Images go in as float
    (B, C, H, W) in [0, 1]; latent points are float (..., latent_dims). A deterministic auto-encoder's codes are
    latent points too, but there is no posterior, prior or KL.
    """

    def __init__(self, config: RunConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.config = config
        self.image_shape = image_shape
        self.latent_dims = dims = config.latent_dims
        likelihood = config.likelihood
        scaled = isinstance(likelihood, (GaussianConfig, LaplaceConfig))
        self.encoder = build_encoder(config.network, image_shape, _posterior_width(config))
        self.decoder = build_decoder(config.network, image_shape, dims, _maps(config))
        if self.is_vae:
            self.prior = build_prior(config.prior, dims)
        if scaled and likelihood.scale == "learned":
            self.log_scale = nn.Parameter(torch.empty(()))

    @property
    def is_vae(self) -> bool:
        return self.config.model == "vae"

    @property
    def convolutional(self) -> bool:
        return not isinstance(self.config.network, MLPConfig)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def encode(self, x: Tensor) -> Posterior | Code:
        """q(z|x) for images x (B, C, H, W); an auto-encoder's code."""
        return self.posterior(self.encoder(x))

    def posterior(self, outputs: Tensor) -> Posterior | Code:
        """q(z|x) from the encoder's outputs (B, …); an auto-encoder's code."""
        return (_POSTERIORS[self.config.posterior] if self.is_vae else Code).from_outputs(outputs)

    def decode(self, z: Tensor) -> Likelihood:
        """p(x|z) for latent points z (..., latent_dims), with pixels (..., C, H, W)."""
        outputs = self.decoder(z.reshape(-1, self.latent_dims))
        return self.likelihood(outputs.reshape(*z.shape[:-1], *outputs.shape[1:]))

    def likelihood(self, outputs: Tensor) -> Likelihood:
        """p(x|z) from the decoder's outputs (..., maps · C, H, W)."""
        match self.config.likelihood:
            case BernoulliConfig():
                return Bernoulli(outputs)
            case ContinuousBernoulliConfig():
                return ContinuousBernoulli(outputs)
            case GaussianConfig() | LaplaceConfig() as config:
                outputs = in_full(outputs)
                if config.scale == "per-pixel":
                    outputs, log_scale = outputs.chunk(2, dim=-3)
                    # Outputs near 0, as they are at the start, mean the config's width.
                    log_scale = soft_floor(log_scale + _raw_scale(config.width), LOWEST_LOG_SCALE)
                elif config.scale == "learned":
                    log_scale = soft_floor(self.log_scale, LOWEST_LOG_SCALE)
                else:
                    log_scale = torch.full((), math.log(config.width), device=outputs.device, dtype=outputs.dtype)
                mean = outputs.sigmoid() if config.mean == "sigmoid" else outputs
                return (Gaussian if isinstance(config, GaussianConfig) else Laplace)(mean, log_scale)
        return SquaredError(in_full(outputs).sigmoid())

    def learned_scale(self) -> float | None:
        """The σ or b that all pixels share, where it is learned, in grey values from 0 to 1."""
        if not hasattr(self, "log_scale"):
            return None
        return float(soft_floor(self.log_scale.detach(), LOWEST_LOG_SCALE).exp())

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """What the posterior's `sample` takes: standard noise (*shape, latent_dims) of its family, on the generator's
        device. An auto-encoder takes zeros, and draws nothing."""
        shape = (*shape, self.latent_dims)
        if not self.is_vae:
            return torch.zeros(shape, device=generator.device)
        draw = standard_laplace if self.config.posterior == "laplace" else standard_normal
        return draw(shape, generator, generator.device)

    def sample_prior(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Draws of z from the prior (count, latent_dims), on the generator's device.

        The temperature multiplies the prior's standard deviations, those of a mixture's components about their means.
        An auto-encoder has none: its draws are from N(0, I), which is where `standardised` puts its codes.
        """
        if self.is_vae:
            return self.prior.sample(count, generator, temperature)
        return temperature * standard_normal((count, self.latent_dims), generator, generator.device)

    def random_point(self, seed: int) -> tuple[float, ...]:
        """One draw from the prior, as plain numbers."""
        return tuple(self.sample_prior(1, torch.Generator().manual_seed(seed))[0].tolist())

    def frozen(self) -> VAE:
        """A copy on the same device that nobody trains: no gradients, evaluation mode."""
        return copy.deepcopy(self).requires_grad_(False).eval()


def _posterior_width(config: RunConfig) -> int:
    """How many numbers the encoder puts out for each image."""
    dims = config.latent_dims
    if config.model == "autoencoder":
        return dims
    return 2 * dims + (dims * (dims - 1) // 2 if config.posterior == "full-gaussian" else 0)


def _maps(config: RunConfig) -> int:
    """How many numbers the decoder puts out for each value of an image: its mean, and perhaps its scale."""
    likelihood = config.likelihood
    return 2 if isinstance(likelihood, (GaussianConfig, LaplaceConfig)) and likelihood.scale == "per-pixel" else 1


def _raw_scale(width: float) -> float:
    """The number that `soft_floor` turns into log(width)."""
    return LOWEST_LOG_SCALE + math.log(math.expm1(math.log(width) - LOWEST_LOG_SCALE))


@torch.no_grad()
def standardised(model: VAE, images: Tensor) -> VAE:
    """An auto-encoder's frozen copy whose codes of these uint8 images have mean 0 and standard deviation 1.

    An auto-encoder's latent coordinates are arbitrary up to an invertible map. Shifting and scaling each in the
    encoder's last layer, and back in the decoder's first, both linear, changes no reconstruction, and lets the same
    map, sliders and grids serve. A dimension whose code hardly varies, not by 0.0001, is left as wide as it is.
    """
    model = model.frozen()
    codes = torch.cat([model.encode(to_float(part)).mean for part in images.split(500)])
    centre, spread = codes.mean(dim=0), codes.std(dim=0, correction=0)
    spread = torch.where(spread > 1e-4, spread, 1.0)
    last, first = model.encoder[-1], model.decoder[0]
    last.weight.div_(spread[:, None])
    last.bias.sub_(centre).div_(spread)
    first.bias.add_(first.weight @ centre)
    first.weight.mul_(spread)
    return model


def skeleton(config: RunConfig, image_shape: ImageShape) -> VAE:
    """The model without memory for its weights, so that even a hostile config costs nothing to look at."""
    with torch.device("meta"):
        return VAE(config, image_shape)


def build(config: RunConfig, image_shape: ImageShape, data_mean: Tensor | None = None) -> VAE:
    """A new model on the CPU with weights drawn from the config's seed. Raises ConfigError if it would be too large.

    `data_mean` (C, H, W) in [0, 1] is the mean of the training images, for configs that start the decoder there.
    """
    bare = skeleton(config, image_shape)
    if count_parameters(bare) > MAX_PARAMETERS:
        raise ConfigError(
            f"This network has {count_parameters(bare):,} weights, more than the {MAX_PARAMETERS:,} allowed. "
            "Choose fewer or narrower layers."
        )
    model = bare.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(config.seed)
    initialise(model, generator, config.initialisation)
    if model.is_vae and isinstance(model.prior, GaussianMixture):
        model.prior.initialise(generator)
    if hasattr(model, "log_scale"):
        nn.init.constant_(model.log_scale, _raw_scale(config.likelihood.width))
    if config.output_bias == "data-mean" and data_mean is not None:
        _start_at(model, data_mean)
    return model


@torch.no_grad()
def _start_at(model: VAE, data_mean: Tensor) -> None:
    """Set the decoder's last bias so that without features its mean is the data's (Burda et al. 2016's code).

    A convolution has one bias a channel for all places, and gets the mean over places.
    """
    last = next(layer for layer in reversed(list(model.decoder.modules())) if getattr(layer, "bias", None) is not None)
    means = last.bias.chunk(_maps(model.config))[0]  # after them come the scales
    if isinstance(last, nn.Linear):
        means.copy_(_outputs_with_mean(model.config, data_mean).flatten())
    else:
        # Before a pixel shuffle four in a row are one channel.
        means.view(len(data_mean), -1).copy_(_outputs_with_mean(model.config, data_mean.mean(dim=(1, 2)))[:, None])


def _outputs_with_mean(config: RunConfig, mean: Tensor) -> Tensor:
    """What the decoder puts out for pixels with this mean; where it cannot be 0 or 1, between 0.001 and 0.999."""
    if getattr(config.likelihood, "mean", None) == "linear":
        return mean
    mean = mean.double().clamp(0.001, 0.999)
    if not isinstance(config.likelihood, ContinuousBernoulliConfig):
        return mean.logit()
    # Its mean rises with the logit, and has no inverse in closed form.
    low, high = torch.full_like(mean, -1001.0), torch.full_like(mean, 1001.0)
    for _ in range(50):
        middle = (low + high) / 2
        below = ContinuousBernoulli(middle).mean < mean
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


def step_memory(config: RunConfig, image_shape: ImageShape, batch: int) -> int:
    """About how many bytes the decoder's layers and the pixels' log-densities take in one training step."""
    samples = config.samples if config.model == "vae" else 1
    bare = skeleton(config, image_shape)
    point = torch.zeros(1, config.latent_dims, device="meta")
    layers = sum(outputs for _, outputs in layer_sizes(bare.decoder, point))
    return 4 * samples * batch * (layers + 2 * math.prod(image_shape))


def matrices(model: VAE) -> list[nn.Parameter]:
    """The weights of encoder and decoder that multiply, of two dimensions or more: what weight decay is for."""
    networks = (*model.encoder.parameters(), *model.decoder.parameters())
    return [weight for weight in networks if weight.dim() > 1]


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def all_finite(model: nn.Module) -> bool:
    """Whether no weight is infinite or not a number; on a GPU this waits for one number."""
    return bool(torch.stack([p.sum() for p in model.parameters()]).sum().isfinite())


def to_float(images: Tensor) -> Tensor:
    """Images uint8 (B, H, W) or (B, H, W, C) as float (B, C, H, W) in [0, 1], on the device they are on."""
    planes = images.unsqueeze(1) if images.dim() == 3 else images.movedim(-1, 1)
    return planes.float() / 255.0


def to_pixels(mean: Tensor) -> np.ndarray:
    """Images (B, C, H, W) as uint8, (B, H, W) or (B, H, W, C) for C > 1: 255·p rounded to the nearest, ties to even.

    What lies outside [0, 1] becomes black or white.
    """
    planes = mean.squeeze(1) if mean.shape[1] == 1 else mean.movedim(1, -1)
    return (planes.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()


def binarise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each pixel white with its grey value as probability, else black: uint8 0 or 255, of the shape of `images`.

    (Salakhutdinov & Murray 2008; Burda et al. 2016.) Grey 0 stays black and 255 white. On the generator's device.
    """
    drawn = torch.randint(0, 255, images.shape, generator=generator, device=images.device, dtype=torch.uint8)
    return (drawn < images).to(torch.uint8) * 255
