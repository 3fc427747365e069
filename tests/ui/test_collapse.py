"""The watch over dying dimensions: evaluations made by hand, and those of real runs that are made to collapse."""

from __future__ import annotations

import queue

import numpy as np
import pytest

from vae_studio.core import datasets
from vae_studio.core.config import DataConfig, MixtureConfig, MLPConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.events import Evaluated, Evaluation, SetBeta, Started
from vae_studio.core.train import train
from vae_studio.ui.collapse import Collapse, CollapseWatch

STEPS = 1000


def look(watch: CollapseWatch, step: int, *active: int, dims: int) -> Collapse | None:
    """What the watch says of an evaluation in which these dimensions, counted from 1, are active."""
    flags = np.isin(np.arange(1, dims + 1), active)
    kl = np.where(flags, 1.5, 0.001).astype(np.float32)
    return watch.look(Evaluated(step, step / 100, Evaluation(1000, 140.0, 135.0, 5.0, kl, flags)))


def test_dimensions_that_were_never_active_are_no_loss():
    watch = CollapseWatch(RunConfig(latent_dims=5), STEPS)
    assert look(watch, 100, 1, 3, dims=5) is None
    assert look(watch, 900, 1, 3, dims=5) is None
    assert look(watch, 1000, 1, 2, 3, dims=5) is None


def test_the_dead_are_named_until_they_come_back():
    watch = CollapseWatch(RunConfig(latent_dims=5), STEPS)
    look(watch, 100, 1, 2, 3, dims=5)
    found = look(watch, 200, 2, dims=5)
    assert found.text.startswith("z₁, z₃ died in this run. Try ")
    assert "z₁ (KL 0.001), z₃ (KL 0.001)" in found.details
    assert not found.total
    assert look(watch, 300, 1, 2, dims=5).text.startswith("z₃ died")
    assert look(watch, 400, 1, 2, 3, dims=5) is None


def test_of_many_a_few_are_named_and_the_rest_counted():
    watch = CollapseWatch(RunConfig(latent_dims=64), STEPS)
    look(watch, 100, *range(1, 65), dims=64)
    found = look(watch, 200, *range(1, 50), dims=64)
    assert found.text.startswith("z₅₀, z₅₁, z₅₂ and 12 more died")
    assert all(f"z{''.join('₀₁₂₃₄₅₆₇₈₉'[int(d)] for d in str(i))} " in found.details for i in range(50, 65))


def test_a_model_has_a_fifth_of_the_run_to_use_its_first_dimension():
    watch = CollapseWatch(RunConfig(), STEPS)
    assert look(watch, 199, dims=2) is None
    found = look(watch, 200, dims=2)
    assert found.total
    assert "no latent dimension is active" in found.text
    assert look(watch, 300, 2, dims=2) is None


def test_a_few_steps_are_too_few_for_a_verdict():
    watch = CollapseWatch(RunConfig(), 5)
    assert look(watch, 5, dims=2) is None


def test_all_dying_is_a_collapse_at_any_time():
    watch = CollapseWatch(RunConfig(), STEPS)
    look(watch, 10, 1, 2, dims=2)
    assert look(watch, 20, dims=2).total


@pytest.mark.parametrize(
    "values, advised, not_advised",
    [
        ({}, ["smaller β", "KL warm-up", "free bits", "initialisation"], ["fewer latent dims"]),
        ({"latent_dims": 20}, ["fewer latent dims"], []),
        ({"kl_warm_up": 0.2, "free_bits": 0.1}, ["smaller β"], ["KL warm-up", "free bits"]),
        ({"bound": "iwae"}, ["KL warm-up"], ["free bits"]),
        ({"prior": MixtureConfig()}, ["smaller β"], ["free bits"]),
        ({"posterior": "full-gaussian"}, ["smaller β"], ["free bits"]),
        (
            {"model": "autoencoder", "likelihood": SquaredErrorConfig(), "weight_decay": 0.1},
            ["smaller rate", "less weight decay"],
            ["β", "KL", "free bits"],
        ),
    ],
)
def test_what_to_try_makes_sense_for_the_settings(values, advised, not_advised):
    config = RunConfig(**values)
    watch = CollapseWatch(config, STEPS)
    look(watch, 10, 1, 2, dims=config.latent_dims)
    text = look(watch, 20, 1, dims=config.latent_dims).text
    assert all(words in text for words in advised)
    assert not any(words in text for words in not_advised)


def test_a_real_run_collapses_when_beta_is_turned_up():
    config = RunConfig(
        data=DataConfig(limit=1000),
        network=MLPConfig(widths=(64,), activation="relu"),
        latent_dims=4,
        beta=0.1,
        learning_rate=3e-3,
        schedule="constant",
        batch_size=100,
        epochs=90,
        device="cpu",
    )
    commands: queue.SimpleQueue = queue.SimpleQueue()
    said: list[Collapse | None] = []
    for event in train(config, datasets.load(config.data, 0), commands):
        if isinstance(event, Started):
            watch = CollapseWatch(config, event.total_steps)
        elif isinstance(event, Evaluated):
            said.append(watch.look(event))
            if len(said) == 1:
                commands.put(SetBeta(100.0))
            elif not event.evaluation.active.any():
                break
    assert said[0] is None, "at first it lives"
    assert said[-1].total
    assert not any(found.total for found in said[1:-1] if found)
