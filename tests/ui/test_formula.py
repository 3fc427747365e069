"""The objective in words and numbers; the numbers of real first steps against sums made here."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vae_studio.core import datasets
from vae_studio.core.config import (
    BernoulliConfig,
    DataConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.events import Progress
from vae_studio.core.presets import PRESETS
from vae_studio.core.train import train
from vae_studio.ui import formula

DATA = DataConfig(limit=200)


@pytest.mark.parametrize(
    "values, expected",
    [
        ({}, "−ELBO = E[−log p(x|z)] + KL(q‖p)"),
        ({"beta": 4.0}, "loss = E[−log p(x|z)] + β KL(q‖p)"),
        ({"kl_warm_up": 0.1}, "loss = E[−log p(x|z)] + β KL(q‖p)"),
        ({"samples": 5}, "−ELBO = 1/5 Σ −log p(x|z) + KL(q‖p)"),
        ({"kl": "sampled"}, "−ELBO = E[−log p(x|z) + log q/p]"),
        ({"kl": "sampled", "samples": 3}, "−ELBO = 1/3 Σ [−log p(x|z) + log q/p]"),
        ({"kl": "sampled", "beta": 2.0}, "loss = E[−log p(x|z) + β log q/p]"),
        ({"prior": MixtureConfig()}, "−ELBO = E[−log p(x|z) + log q/p]"),
        ({"posterior": "laplace", "prior": LaplacePriorConfig()}, "−ELBO = E[−log p(x|z) + log q/p]"),
        ({"free_bits": 0.5}, "loss = E[−log p(x|z)] + Σ max(0.5, KLᵢ)"),
        ({"free_bits": 0.5, "beta": 2.0}, "loss = E[−log p(x|z)] + β Σ max(0.5, KLᵢ)"),
        ({"bound": "iwae", "samples": 50}, "loss = −log 1/50 Σ p(x,z)/q(z|x)"),
        ({"bound": "iwae", "samples": 50, "beta": 2.0}, "loss = −log 1/50 Σ p(x|z) (p/q)^β"),
        ({"bound": "iwae"}, "−ELBO = E[−log (p(x,z)/q(z|x))]"),
        ({"bound": "iwae", "beta": 2.0}, "loss = E[−log (p(x|z) (p/q)^β)]"),
        ({"model": "autoencoder", "likelihood": SquaredErrorConfig()}, "loss = ‖x − g(f(x))‖²"),
        ({"model": "autoencoder", "beta": 3.0}, "loss = −Σ [x log y + (1 − x) log(1 − y)], y = g(f(x))"),
    ],
)
def test_symbols(values, expected):
    assert formula.symbols(RunConfig(**values)).replace("\u00a0", " ") == expected


def test_beta_stands_in_the_formula_while_it_is_in_force():
    warming = RunConfig(kl_warm_up=0.5)
    assert "β" in formula.symbols(warming, 0.3)
    assert formula.symbols(warming, 1.0) == formula.symbols(RunConfig())
    assert "β" in formula.symbols(RunConfig(), 2.0), "turned while training"


@pytest.mark.parametrize("name", PRESETS)
def test_every_symbol_is_explained(name):
    config = PRESETS[name].config
    text, legend = formula.symbols(config), formula.legend(config)
    explained = " ".join(line.partition(":")[0] for line in legend)
    for symbol in ("x", "z", "p(x|z)", "p(x,z)", "q/p", "q(z|x)", "KL(q‖p)", "E", "Σ", "β", "f", "g", "KLᵢ"):
        occurs = rf"(?<![\w(|,]){re.escape(symbol)}(?![\w|,])"
        assert bool(re.search(occurs, text)) <= bool(re.search(occurs, explained)), (symbol, text, legend)


@pytest.mark.parametrize(
    "config, terms, expected",
    [
        (RunConfig(), (133.94, 6.8), ("140.7", "= 133.9 + 6.8 nats")),
        (RunConfig(likelihood=GaussianConfig()), (-812.3, 31.25), ("−781.0", "= −812.3 + 31.2 nats")),
        (RunConfig(likelihood=LaplaceConfig()), (-2001.7, 31.2), ("−1970", "= −2002 + 31 nats")),
        (RunConfig(kl="sampled"), (100.0, -0.2), ("99.8", "= 100.0 − 0.2 nats")),
        (RunConfig(model="autoencoder", likelihood=SquaredErrorConfig()), (28.44, 0.0), ("28.4", "")),
        (RunConfig(model="autoencoder"), (91.0, 0.0), ("91.0", "nats")),
    ],
)
def test_the_large_number_and_its_terms(config, terms, expected):
    assert formula.numbers(config, *terms) == expected


def test_only_a_vae_has_an_elbo():
    for preset in PRESETS.values():
        assert formula.name(preset.config) == ("reconstruction error" if "auto" in preset.name else "−ELBO")
        assert ("−ELBO" in formula.symbols(preset.config)) <= (preset.config.model == "vae")


@pytest.mark.parametrize("values", [{}, {"model": "autoencoder", "beta": 2.0}, {"samples": 8}, {"bound": "iwae"}])
def test_nothing_is_said_to_be_optimised_where_it_is_the_number_above(values):
    config = RunConfig(**values)
    assert formula.optimised(config, 130.0, 7.0, 1.0 if config.model == "vae" else 2.0, 137.0) == ""


@pytest.mark.parametrize(
    "values, beta, objective, expected",
    [
        ({"beta": 4.0}, 4.0, None, "optimised: 160.1 = 132.7 + 4 · 6.9"),
        ({"beta": 4.0}, 4.0, 160.1, "optimised: 160.1 = 132.7 + 4 · 6.9"),
        ({"kl_warm_up": 0.5}, 0.35, 134.0, "optimised: 134.0 ≈ 132.7 + 0.35 · 6.9"),
        ({"kl_warm_up": 0.5}, 0.004444, 132.69, "optimised: 132.7 = 132.7 + 0.0044 · 6.9"),
        ({"beta": 0.0}, 0.0, 132.66, "optimised: 132.7 = 132.7 + 0 · 6.9"),
        ({"free_bits": 0.5}, 1.0, 141.2, "optimised: 141.2 = 132.7 + 8.5"),
        ({"free_bits": 0.5}, 1.0, None, ""),
        ({"bound": "iwae", "samples": 50}, 1.0, 131.2, "optimised: 131.2 = −log 1/50 Σ w"),
        ({"bound": "iwae", "samples": 50}, 0.5, 128.0, "optimised: 128.0 = −log 1/50 Σ w, β 0.5"),
        ({"bound": "iwae", "samples": 50}, 1.0, None, ""),
    ],
)
def test_what_is_optimised(values, beta, objective, expected):
    said = formula.optimised(RunConfig(**values), 132.66, 6.86, beta, objective)
    assert said.replace("\u00a0", " ") == expected


def test_a_small_kl_keeps_its_digits_under_a_large_weight():
    said = formula.optimised(RunConfig(beta=60.0), 204.43, 0.0042, 60.0, 204.68).replace("\u00a0", " ")
    assert said == "optimised: 204.7 = 204.4 + 60 · 0.0042"


def first_step(**values) -> tuple[RunConfig, Progress]:
    """The first Progress of a real run: of one step."""
    config = RunConfig(data=DATA, network=MLPConfig(widths=(30,)), batch_size=50, epochs=1, device="cpu", **values)
    progress = next(event for event in train(config, datasets.load(DATA, 0)) if isinstance(event, Progress))
    assert len(progress.objective) == 1
    return config, progress


def said(config: RunConfig, progress: Progress) -> list[float]:
    """The numbers of the optimised line: the value, and the terms."""
    terms = float(progress.reconstruction[0]), float(progress.kl[0])
    text = formula.optimised(config, *terms, progress.beta, float(progress.objective[0]))
    assert text, "something other than −ELBO is optimised"
    return [float(number) for number in re.findall(r"(?<![\w/])[\d.]+", text)]


def test_the_numbers_of_a_beta_vae_add_up():
    value, reconstruction, beta, kl = said(*first_step(beta=8.0, latent_dims=6))
    assert beta == 8.0
    assert value == pytest.approx(reconstruction + beta * kl, abs=0.5)


def test_the_numbers_of_free_bits_are_the_floored_sum():
    config, progress = first_step(free_bits=0.4, latent_dims=6)
    value, reconstruction, floored = said(config, progress)
    assert floored == pytest.approx(np.maximum(progress.kl_per_dim, 0.4).sum(), abs=0.06)
    assert value == pytest.approx(reconstruction + floored, abs=0.11)


def test_the_importance_weighted_bound_of_one_sample_is_the_elbo_it_is_called():
    config, progress = first_step(bound="iwae", latent_dims=6)
    assert formula.symbols(config).startswith("−ELBO = ")
    assert progress.objective[0] == pytest.approx(progress.reconstruction[0] + progress.kl[0], rel=1e-5)


def test_the_importance_weighted_bound_is_tighter_than_the_elbo_beside_it():
    config, progress = first_step(
        bound="iwae", samples=20, latent_dims=6, likelihood=BernoulliConfig(targets="binarised-fresh")
    )
    value = said(config, progress)[0]
    assert 0 < value < float(progress.reconstruction[0] + progress.kl[0])


def test_a_learned_scale_is_named_by_its_letter():
    assert formula.learned_scale(RunConfig(likelihood=GaussianConfig()), 0.1234) == "Learned σ = 0.123."
    assert formula.learned_scale(RunConfig(likelihood=LaplaceConfig()), 0.05) == "Learned b = 0.050."
    assert formula.learned_scale(RunConfig(), None) == ""
