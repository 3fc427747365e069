"""The presets: named starting points, each with the text it comes from. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vae_studio.core.config import (
    BernoulliConfig,
    ConfigError,
    ConvolutionalConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    LayerConfig,
    LayeredConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)


@dataclass(frozen=True, slots=True)
class Preset:
    """A named starting point: `name` for the command line, `title` for the window, `summary` says what it shows.

    `source` is where the model, or its recipe, was published, and what differs from it.
    """

    name: str
    title: str
    summary: str
    source: str
    config: RunConfig


def _preset(name: str, title: str, summary: str, source: str, **values: Any) -> Preset:
    return Preset(name, title, summary, source, RunConfig(preset=name, **values))


def _burda(bound: str, samples: int) -> Preset:
    """One row of table 1 of the IWAE paper."""
    name = {"elbo": "VAE", "iwae": "IWAE"}[bound]
    count = "1 sample" if samples == 1 else f"{samples} samples"
    same = " With one sample both bounds are the same." if samples == 1 else ""
    return _preset(
        f"burda-{name.lower()}-{samples}",
        f"Burda et al. {name}, {count}",
        f"The one-layer {name} of the paper on importance weighting, with {count} of z an image.{same}",
        "Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, section 5 and table 1; batches of 100 in place of 20",
        network=MLPConfig(widths=(200, 200), activation="tanh"),
        initialisation="xavier",
        output_bias="data-mean",
        latent_dims=50,
        likelihood=BernoulliConfig(targets="binarised-fresh"),
        bound=bound,
        samples=samples,
        kl="sampled",
        learning_rate=1e-3,
        schedule="burda",
        warm_up=0.0,
        adam_eps=1e-4,
        batch_size=100,
        epochs=3280,
    )


PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        _preset(
            "explorer-2d",
            "2-D explorer",
            "Two latent dimensions: the whole latent space fits on the map, and you can watch the ten digits find "
            "their places.",
            "Kingma & Welling 2014, arXiv 1312.6114, figure 4; network and schedule are ours",
        ),
        _preset(
            "convolutional-2d",
            "Convolutional 2-D",
            "The same two dimensions seen through convolutions: the encoder looks for strokes wherever they are, and "
            "the shapes between the digits are others than the MLP's.",
            "Kingma & Welling 2014, figure 4; pixel shuffle after Shi et al. 2016, arXiv 1609.05158",
            network=ConvolutionalConfig(),
            learning_rate=2e-3,
            epochs=60,
        ),
        _preset(
            "pytorch-example",
            "PyTorch example",
            "The 784–400–20 network of pytorch/examples: twenty latent dimensions reconstruct sharply, but no single "
            "plane shows them all.",
            "github.com/pytorch/examples, folder vae; with a cosine schedule and 100 epochs in place of its 10",
            network=MLPConfig(widths=(400,), activation="relu"),
            latent_dims=20,
            learning_rate=1e-3,
            batch_size=128,
        ),
        _preset(
            "convolutional-64",
            "Convolutional 64",
            "Sixty-four latent dimensions, of which the KL term lets the model use only some: look for the bars at "
            "zero.",
            "Keng 2017, figure 6, samples with 64 latent dimensions; network and schedule are ours",
            # With PyTorch's initialisation and two dense layers all but six dimensions fell silent: 107 nats.
            network=ConvolutionalConfig(dense=(256,)),
            initialisation="xavier",
            latent_dims=64,
            learning_rate=2e-3,
            kl_warm_up=0.1,
            epochs=80,
        ),
        _preset(
            "keras-example",
            "Keras example",
            "The two-dimensional convolutional VAE of keras.io with its published layer sizes: 16 numbers between "
            "convolutions and latent space, transposed convolutions back.",
            "keras.io/examples/generative/vae; trained on the 60,000 training images alone, not on all 70,000",
            network=LayeredConfig(
                encoder=(LayerConfig(channels=32, stride=2), LayerConfig(channels=64, stride=2)),
                encoder_dense=(16,),
                decoder_dense=(),
                start=64,
                decoder=(
                    LayerConfig(channels=64, stride=2, transposed=True),
                    LayerConfig(channels=32, stride=2, transposed=True),
                    LayerConfig(transposed=True),
                ),
            ),
            initialisation="xavier",
            learning_rate=1e-3,
            schedule="constant",
            warm_up=0.0,
            adam_eps=1e-7,
            batch_size=128,
            epochs=30,
        ),
        _preset(
            "keras-deconvolutional",
            "Keras deconvolutional 64",
            "The older Keras example with transposed convolutions and 64 latent dimensions. It needs Keras's own "
            "initialisation and a warm-up of the KL: with PyTorch's initialisation it collapses to KL 0.",
            "keras-team/keras, examples/variational_autoencoder_deconv.py, with 64 dimensions as in Keng 2017, section "
            "4; Adam in place of RMSprop, and the KL warm-up, are ours",
            network=LayeredConfig(
                encoder=(
                    LayerConfig(channels=1, kernel=2),
                    LayerConfig(channels=64, kernel=2, stride=2),
                    LayerConfig(channels=64),
                    LayerConfig(channels=64),
                ),
                encoder_dense=(128,),
                decoder_dense=(128,),
                start=64,
                decoder=(
                    LayerConfig(channels=64, transposed=True),
                    LayerConfig(channels=64, transposed=True),
                    LayerConfig(channels=64, stride=2, padding="valid", transposed=True),
                    LayerConfig(kernel=2, padding="valid"),
                ),
            ),
            initialisation="xavier",
            latent_dims=64,
            learning_rate=1e-3,
            schedule="constant",
            warm_up=0.0,
            adam_eps=1e-7,
            kl_warm_up=0.3,
            batch_size=100,
            epochs=20,
        ),
        _preset(
            "kingma-welling",
            "Kingma & Welling 2014",
            "The network of the paper that introduced the VAE: one hidden layer of 500 tanh units on either side.",
            "Kingma & Welling 2014, arXiv 1312.6114, section 5 (500 units, batches of 100, one sample, weights from "
            "N(0, 0.01), 20 latent dimensions among others); Adam in place of Adagrad",
            network=MLPConfig(widths=(500,), activation="tanh"),
            initialisation="normal",
            latent_dims=20,
            learning_rate=1e-3,
            batch_size=100,
            epochs=60,
        ),
        *(_burda(bound, samples) for bound in ("elbo", "iwae") for samples in (1, 5, 50)),
        _preset(
            "gaussian-sigma",
            "Gaussian, learned σ",
            "Grey values as a Gaussian around the decoder's mean, whose σ is learned with the weights: the model "
            "itself finds how exact a reconstruction is worth how much KL. Its nats are densities and may be negative.",
            "Rybkin, Daniilidis, Levine 2021, arXiv 2006.13202, section 4",
            network=MLPConfig(widths=(512, 256), activation="silu"),
            latent_dims=20,
            likelihood=GaussianConfig(scale="learned", width=0.3),
            epochs=60,
        ),
        _preset(
            "autoencoder-2d",
            "Auto-encoder 2-D",
            "The 2-D explorer's network without sampling and without a KL term. It reconstructs better, and between "
            "its codes there are holes: drag the point there and compare with the VAE.",
            "Hinton & Salakhutdinov 2006, Science 313, on auto-encoders with two code units; the network is ours",
            model="autoencoder",
            likelihood=SquaredErrorConfig(),
            epochs=60,
        ),
        _preset(
            "mixture-2d",
            "Mixture prior 2-D",
            "A prior of ten Gaussians whose places, widths and weights are learned: the encodings no longer have to "
            "share one hill.",
            "Tomczak & Welling 2018, arXiv 1705.07120, section 2, the mixture-of-Gaussians prior",
            prior=MixtureConfig(),
            epochs=60,
        ),
        _preset(
            "laplace-2d",
            "Laplace 2-D",
            "A Laplace prior, a Laplace posterior and Laplace pixels: nothing in a VAE needs Gaussians. Look for the "
            "corners in the cloud of encodings.",
            "Kingma & Welling 2014, section 2.4: reparametrisation for location-scale families",
            posterior="laplace",
            prior=LaplacePriorConfig(),
            likelihood=LaplaceConfig(width=0.1),
            epochs=60,
        ),
    )
}
DEFAULT_PRESET = "explorer-2d"


def find_preset(name: str) -> Preset:
    """The preset with this name or title, in any case. Raises ConfigError naming the presets there are."""
    for preset in PRESETS.values():
        if name.strip().lower() in (preset.name.lower(), preset.title.lower()):
            return preset
    raise ConfigError(f"There is no preset “{name}”. Presets: {', '.join(PRESETS)}.")
