"""Changes with remedies, against configs built here."""

from __future__ import annotations

import pytest

from vae_studio.core.config import ConfigError, GaussianConfig, RunConfig, SquaredErrorConfig
from vae_studio.ui.refusals import fitted, refusal

FREE = {"free_bits": 0.0}
ERROR = {"likelihood": {"kind": "squared-error"}}
DENSITY = {"likelihood": {"kind": "gaussian"}}


def test_what_is_possible_needs_no_remedy():
    base = RunConfig(free_bits=0.5)
    assert fitted(base, {"latent_dims": 7}, (FREE, ERROR)) == RunConfig(free_bits=0.5, latent_dims=7)


def test_only_the_remedy_that_helps_is_taken():
    base = RunConfig(free_bits=0.5, likelihood=GaussianConfig())
    assert fitted(base, {"bound": "iwae"}, (ERROR, FREE)) == RunConfig(bound="iwae", likelihood=GaussianConfig())
    expected = RunConfig(model="autoencoder", free_bits=0.5, likelihood=SquaredErrorConfig())
    assert fitted(base, {"model": "autoencoder"}, (FREE, ERROR, DENSITY)) == expected


def test_two_remedies_are_taken_where_one_is_not_enough():
    base = RunConfig(model="autoencoder", likelihood=SquaredErrorConfig(), bound="iwae", free_bits=0.5)
    got = fitted(base, {"model": "vae"}, (FREE, ERROR, DENSITY))
    assert got == RunConfig(bound="iwae", likelihood=GaussianConfig())


def test_where_nothing_helps_the_sentence_is_about_the_change_alone():
    base, changes = RunConfig(latent_dims=100, free_bits=0.5), {"posterior": "full-gaussian"}
    with pytest.raises(ConfigError) as alone:
        base.with_changes(**changes)
    with pytest.raises(ConfigError) as refused:
        fitted(base, changes, (FREE, DENSITY))
    assert str(refused.value) == str(alone.value) == refusal(base, changes, (FREE, DENSITY))
    assert refusal(RunConfig(free_bits=0.5), changes, (FREE,)) == ""
