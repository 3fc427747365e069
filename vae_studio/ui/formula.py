"""The objective in symbols and in numbers, as text. Knows no Qt.

Terms are means per image in the unit of the config: nats, or for auto-encoders with it a squared error.
"""

from __future__ import annotations

import math

from vae_studio.core.config import RunConfig

# What stands for what, in the order of a formula; a symbol is explained where its first text occurs.
_VAE_SYMBOLS = (
    ("x", "x", "an image"),
    ("z", "z", "its code"),
    ("E[", "E", "the mean over z drawn from q(z|x)"),
    ("1/", "1/{samples} Σ", "the mean over {samples} samples of z"),
    ("p(x|z)", "p(x|z)", "the likelihood, which the decoder gives"),
    ("p(x,z)", "p(x,z)", "likelihood p(x|z) times prior p(z)"),
    ("q/p", "q/p", "posterior over prior, q(z|x)/p(z)"),
    ("p/q", "p/q", "prior over posterior, p(z)/q(z|x)"),
    ("q(z|x)", "q(z|x)", "the posterior, which the encoder gives"),
    ("β", "β", "the weight of the KL"),
    ("KL(q‖p)", "KL(q‖p)", "how far the posterior q(z|x) is from the prior p(z)"),
    ("KLᵢ", "Σ max({free_bits:g}, KLᵢ)", "the sum over latent dimensions of their KL, but at least the free bits each"),
)
_AUTOENCODER_SYMBOLS = (
    ("x", "x", "an image, its pixels in [0, 1]"),
    ("f", "f", "the encoder"),
    ("g", "g", "the decoder"),
    ("Σ", "Σ", "the sum over pixels"),
)


def symbols(config: RunConfig, beta: float | None = None) -> str:
    """What training minimises, as a formula; `beta` is the weight of the KL in force, None in a run to come."""
    if config.model == "autoencoder":
        if config.likelihood.kind == "squared-error":
            return "loss = ‖x − g(f(x))‖²"
        return "loss = −Σ [x log y + (1 − x) log(1 − y)], y = g(f(x))"
    many = f"1/{config.samples} Σ"
    weight = "β " if _weighted(config, beta) else ""
    if config.bound == "iwae":
        ratio = "p(x|z) (p/q)^β" if weight else "p(x,z)/q(z|x)"
        if config.samples > 1:
            return f"loss = −log {many} {ratio}"
        return f"{'loss' if weight else '−ELBO'} = E[−log ({ratio})]"  # with one sample the two bounds are the same
    name = "loss" if weight or config.free_bits else "−ELBO"
    if not (config.closed_form_kl or config.free_bits):
        terms = f"[−log p(x|z) + {weight}log q/p]"
        return f"{name} = E{terms}" if config.samples == 1 else f"{name} = {many} {terms}"
    reconstruction = "E[−log p(x|z)]" if config.samples == 1 else f"{many} −log p(x|z)"
    kl = f"Σ max({config.free_bits:g},\u00a0KLᵢ)" if config.free_bits else "KL(q‖p)"
    return f"{name} = {reconstruction} + {weight}{kl}"


def legend(config: RunConfig, beta: float | None = None) -> list[str]:
    """What the symbols stand for, a line each."""
    text = symbols(config, beta)
    known = _VAE_SYMBOLS if config.model == "vae" else _AUTOENCODER_SYMBOLS
    lines = [f"{symbol}: {meaning}" for needle, symbol, meaning in known if needle in text]
    if config.samples == 1:
        lines = [line for line in lines if "{samples}" not in line]
    return [line.format(samples=config.samples, free_bits=config.free_bits) for line in lines]


def name(config: RunConfig) -> str:
    """What the large number is: the bound itself, whatever is optimised, or an auto-encoder's error."""
    return "−ELBO" if config.model == "vae" else "reconstruction error"


def numbers(config: RunConfig, reconstruction: float, kl: float) -> tuple[str, str]:
    """The value that `name` names, and what it is the sum of."""
    if config.model == "autoencoder":
        return _written(reconstruction)[0], "" if config.likelihood.kind == "squared-error" else "nats"
    total, first, second = _written(reconstruction + kl, reconstruction, kl)
    return total, f"= {first} {_plus(second)} nats"


def optimised(config: RunConfig, reconstruction: float, kl: float, beta: float, objective: float | None = None) -> str:
    """What is minimised in place of −ELBO, with its numbers; nothing where it is −ELBO, or not known.

    `objective` is its value over the same images where it was computed; `beta` the weight in force at their end.
    """
    if config.model == "autoencoder" or (config.bound == "elbo" and beta == 1.0 and not config.free_bits):
        return ""
    if config.bound == "iwae":
        if objective is None or (config.samples == 1 and beta == 1.0):
            return ""
        weights = f"−log 1/{config.samples} Σ w" if config.samples > 1 else "E[−log w]"
        return f"optimised: {_written(objective)[0]} = {weights}" + (f", β {beta:.3g}" if beta != 1.0 else "")
    if config.free_bits:
        if objective is None:
            return ""
        kl = (objective - reconstruction) / beta if beta else kl
    computed = reconstruction + beta * kl
    value = computed if objective is None else objective
    total, first = _written(value, reconstruction)
    second = f"{kl:.2g}" if abs(kl) < 1 < beta else f"{kl:.1f}"  # a large β makes much of a small KL
    weight = "" if beta == 1.0 else f"{beta:.{3 if beta >= 0.1 else 2}g}\u00a0·\u00a0"
    # β may have moved while these steps were taken.
    equals = "=" if math.isclose(value, computed, abs_tol=0.05) else "≈"
    return f"optimised: {total} {equals} {first} + {weight}{second}".replace("-", "−")


def learned_scale(config: RunConfig, scale: float | None) -> str:
    """The σ or b that all pixels share, where it is learned, in grey values from 0 to 1."""
    letter = "σ" if config.likelihood.kind == "gaussian" else "b"
    return "" if scale is None else f"Learned {letter} = {scale:.3f}."


def note(config: RunConfig) -> str:
    """What kind of numbers these are, for people who want to compare them."""
    if config.likelihood.kind == "squared-error":
        return "Squared differences of grey values in [0, 1], summed over the pixels of an image."
    if config.likelihood.kind != "bernoulli":
        return (
            "Grey values have a density here, which may be larger than 1: its nats may be negative, and are not "
            "comparable with those of binarised pixels."
        )
    if config.targets == "grey":
        return (
            "The pixels are grey but the likelihood is Bernoulli. −log p(x|z) is linear in x, so this number bounds "
            "the mean −log-likelihood of images binarised at random with the grey value as probability."
        )
    return "The pixels are black or white, drawn with the grey value as probability of white."


def _weighted(config: RunConfig, beta: float | None) -> bool:
    """Whether β stands in the formula."""
    return config.beta != 1.0 or config.kl_warm_up > 0 if beta is None else beta != 1.0


def _written(*values: float) -> list[str]:
    """All with as many decimals as leave them short."""
    decimals = 1 if max(map(abs, values)) < 999.95 else 0
    return [f"{value:.{decimals}f}".replace("-", "−") for value in values]


def _plus(number: str) -> str:
    return f"− {number[1:]}" if number.startswith("−") else f"+ {number}"
