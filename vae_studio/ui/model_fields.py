"""The probabilistic model of the next run: posterior, prior, likelihood and what pixels stand for."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from vae_studio.core.config import GaussianConfig, LaplaceConfig, MixtureConfig, RunConfig
from vae_studio.ui.fields import Choice, FieldGroup, Number, spin

_MODELS = (
    ("vae", "VAE", "A variational auto-encoder: a distribution of codes for each image, kept near the prior."),
    (
        "autoencoder",
        "auto-encoder",
        "Deterministic: one code for each image, no sampling, no prior and no KL. Between its codes there are holes.",
    ),
)
_POSTERIORS = (
    ("diagonal-gaussian", "diagonal Gaussian", "q(z|x) = N(μ, diag σ²): a mean and a width for each dimension."),
    ("full-gaussian", "full Gaussian", "q(z|x) = N(μ, Σ): dimensions may be correlated, the ellipse may lie askew."),
    ("laplace", "Laplace", "q(z|x) = Laplace(μ, b): pointed, with heavy tails. Its KL is estimated by samples here."),
)
_PRIORS = (
    ("standard-normal", "N(0, I)", "Every latent dimension is normal with mean 0 and variance 1."),
    ("gaussian-mixture", "Gaussian mixture", "Several Gaussians whose places, widths and weights are learned."),
    ("laplace", "Laplace", "Independent Laplace distributions with mean 0 and variance 1: its contours have corners."),
)
_LIKELIHOODS = (
    ("bernoulli", "Bernoulli", "Each pixel is black or white with the probability that the decoder gives."),
    (
        "continuous-bernoulli",
        "continuous Bernoulli",
        "A density of grey values in [0, 1] (Loaiza-Ganem & Cunningham 2019). Its nats may be negative.",
    ),
    ("gaussian", "Gaussian", "Grey values spread as N(mean, σ²). Its nats are those of a density, may be negative."),
    ("laplace", "Laplace", "Grey values spread as exp(−|x − mean| / b): forgives outliers, gives sharper medians."),
    ("squared-error", "squared error", "‖x − mean‖² summed over pixels: for auto-encoders. No density, no nats."),
)
_TARGETS = (
    ("grey", "grey", "Grey values as soft targets: the mean over all ways of binarising them."),
    (
        "binarised-fresh",
        "binarised freshly",
        "Black or white anew at each use, white with the grey value as probability (Burda et al. 2016).",
    ),
    ("binarised-once", "binarised once", "Black or white by one draw that is kept for the whole run."),
)
_SCALES = (
    ("fixed", "fixed", "It stays at the width below."),
    ("learned", "learned", "One number for all pixels, learned with the weights, that starts at the width below."),
    ("per-pixel", "per pixel", "The decoder puts out one for every pixel of every z (Kingma & Welling 2014)."),
)
_MEANS = (
    ("sigmoid", "[0, 1] (sigmoid)", "The mean stays between black and white, as pixels do."),
    ("linear", "free (linear)", "The mean may be any number, as in factor analysis and probabilistic PCA."),
)
_SCALED = ("gaussian", "laplace")


class ModelFields(FieldGroup):
    """What is modelled. `posterior` and `likelihood` are for the first settings, the rows of `details` are rarer."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Choice("model_combo", "Model", "Whether codes are distributions or points.", _MODELS)
        self.posterior = Choice(
            "posterior_combo", "Posterior", "What the encoder gives for an image: q(z|x).", _POSTERIORS
        )
        self.prior = Choice("prior_combo", "Prior", "What codes are like before any image is seen: p(z).", _PRIORS)
        self.components = spin("prior_components", "Components of the mixture", "How many Gaussians it has.", 1, 100)
        self.likelihood = Choice(
            "likelihood_combo", "Likelihood", "What the decoder says of an image: p(x|z).", _LIKELIHOODS
        )
        self.targets = Choice("targets_combo", "Targets", "What the pixels of grey images stand for.", _TARGETS)
        self.scale = Choice(
            "scale_combo", "Scale of the likelihood", "The spread of pixels around the decoder's mean.", _SCALES
        )
        tip = "σ of the Gaussian or b of the Laplace, in grey values (black 0, white 1; 0.004 to 10)."
        self.width = Number("scale_width", "Width of the likelihood", tip, 0.004, 10.0, 0.01)
        self.mean = Choice(
            "mean_combo", "Mean of the likelihood", "Where the decoder's mean of a pixel may lie.", _MEANS
        )
        self._show_scale(GaussianConfig())
        self.components.setValue(MixtureConfig().components)
        self.rows = [("Likelihood", self.likelihood), ("Posterior", self.posterior)]
        self.details = [
            ("Model", self.model),
            ("Prior", self.prior),
            ("Components", self.components),
            ("Targets", self.targets),
            ("Scale", self.scale),
            ("Width", self.width),
            ("Mean", self.mean),
        ]
        self.choices = {
            self.model: lambda value: {"model": value},
            self.posterior: lambda value: {"posterior": value},
            self.prior: lambda value: {"prior": self._prior(value)},
            self.likelihood: lambda value: {"likelihood": self._likelihood(kind=value)},
            self.targets: lambda value: {"likelihood": self._likelihood(targets=value)},
            self.scale: lambda value: {"likelihood": self._likelihood(scale=value)},
            self.mean: lambda value: {"likelihood": self._likelihood(mean=value)},
        }
        self.components.valueChanged.connect(self.changed)
        self.width.valueChanged.connect(self.changed)

    @property
    def fields(self) -> list[QWidget]:
        return [field for _, field in (*self.rows, *self.details)]

    def show_config(self, config: RunConfig) -> None:
        for choice, value in (
            (self.model, config.model),
            (self.posterior, config.posterior),
            (self.prior, config.prior.kind),
            (self.likelihood, config.likelihood.kind),
            (self.targets, config.targets),
        ):
            choice.show_value(value)
        if isinstance(config.prior, MixtureConfig):
            self.components.setValue(config.prior.components)
        self._show_scale(config.likelihood if config.likelihood.kind in _SCALED else GaussianConfig())

    def changes(self) -> dict[str, Any]:
        return {
            "model": self.model.value(),
            "posterior": self.posterior.value(),
            "prior": self._prior(self.prior.value()),
            "likelihood": self._likelihood(),
        }

    def reasons(self, config: RunConfig) -> dict[QWidget, str]:
        vae = config.model == "vae"
        prior = "" if vae else "An auto-encoder has no prior: nothing says where codes should lie."
        mixture = "" if config.prior.kind == "gaussian-mixture" else "Only a Gaussian mixture has components."
        black_or_white = "" if config.likelihood.kind == "bernoulli" else "Only Bernoulli pixels are black or white."
        spread = "" if config.likelihood.kind in _SCALED else "Only Gaussian and Laplace pixels have a scale."
        centre = "" if config.likelihood.kind in _SCALED else "Only Gaussian and Laplace pixels may have a free mean."
        return {
            self.posterior: "" if vae else "An auto-encoder has no posterior: its code is a point, no distribution.",
            self.prior: prior,
            self.components: prior or mixture,
            self.targets: black_or_white,
            self.scale: spread,
            self.width: spread,
            self.mean: centre,
        }

    def words(self, config: RunConfig) -> str:
        found = []
        if config.model == "autoencoder":
            found.append("auto-encoder")
        elif config.prior.kind == "gaussian-mixture":
            found.append(f"mixture of {config.prior.components}")
        elif config.prior.kind == "laplace":
            found.append("Laplace prior")
        if config.targets != "grey":
            found.append(self.targets.currentText())
        if config.likelihood.kind in _SCALED:
            found.append(f"{self.scale.currentText()} scale")
            if config.likelihood.mean == "linear":
                found.append("free mean")
        return ", ".join(found)

    def _show_scale(self, likelihood: GaussianConfig | LaplaceConfig) -> None:
        self.scale.show_value(likelihood.scale)
        self.width.show_value(likelihood.width)
        self.mean.show_value(likelihood.mean)

    def _prior(self, kind: str) -> dict[str, Any]:
        return {"kind": kind, "components": self.components.value()} if kind == "gaussian-mixture" else {"kind": kind}

    def _likelihood(self, kind: str = "", targets: str = "", scale: str = "", mean: str = "") -> dict[str, Any]:
        """The likelihood as shown, with another kind, targets, scale or mean."""
        kind = kind or self.likelihood.value()
        if kind == "bernoulli":
            return {"kind": kind, "targets": targets or self.targets.value()}
        if kind in _SCALED:
            return {
                "kind": kind,
                "scale": scale or self.scale.value(),
                "width": self.width.exact(),
                "mean": mean or self.mean.value(),
            }
        return {"kind": kind}
