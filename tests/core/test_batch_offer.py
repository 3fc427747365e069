"""The larger batch that is offered: its bounds, its rate, and that an offer taken is the last one."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_studio.core import batch_offer, datasets
from vae_studio.core.batch_offer import BatchOffer, offer, reason_to_stay, training_images
from vae_studio.core.config import DataConfig, RunConfig
from vae_studio.core.presets import PRESETS

SCHEDULES = st.sampled_from(["cosine", "constant", "burda"])
CONFIGS = st.builds(
    RunConfig,
    schedule=SCHEDULES,
    batch_size=st.integers(1, 60_000),
    learning_rate=st.floats(1e-7, 1.0),
    epochs=st.integers(1, 100_000),
)
# As people set them: here an offer is usual.
LIKELY = st.builds(
    RunConfig,
    schedule=SCHEDULES,
    batch_size=st.integers(8, 500),
    learning_rate=st.floats(1e-4, 2e-3),
    epochs=st.integers(20, 500),
)
IMAGES = st.integers(1, 60_000)


@given(st.one_of(CONFIGS, LIKELY), IMAGES)
def test_an_offer_is_larger_fits_the_images_and_leaves_steps(config: RunConfig, images: int) -> None:
    found = offer(config, images)
    if found is None:
        return
    assert config.batch_size < found.batch_size <= images
    steps = images // found.batch_size
    # Ten steps an epoch at least: so that no more than a tenth of the images can be left out of it.
    assert steps >= 10
    assert images - steps * found.batch_size <= images / 10
    assert images * config.epochs / found.batch_size >= batch_offer.LEAST_STEPS


@given(st.one_of(CONFIGS, LIKELY), IMAGES)
def test_the_rate_goes_with_the_batch(config: RunConfig, images: int) -> None:
    found = offer(config, images)
    if found is None:
        return
    exact = Fraction(config.learning_rate) * found.batch_size / config.batch_size
    assert abs(Fraction(found.learning_rate) / exact - 1) <= Fraction(1, 200), "given in three digits"
    assert found.learning_rate == float(f"{found.learning_rate:.2e}")
    assert config.learning_rate < found.learning_rate
    # Squared, the law of the square root is one of fractions: no noisier than 8e-3 at 1000, or 2e-3 at 250.
    noise = {"cosine": Fraction(8, 1000) ** 2 / 1000, "constant": Fraction(2, 1000) ** 2 / 250}[config.schedule]
    assert Fraction(found.learning_rate) ** 2 / found.batch_size <= noise * Fraction(102, 100)
    changed = found.applied(config)  # raises where a setting is out of its bounds
    assert changed == config.model_copy(update={"batch_size": found.batch_size, "learning_rate": found.learning_rate})


@given(LIKELY, IMAGES)
def test_who_took_the_offer_gets_no_other(config: RunConfig, images: int) -> None:
    found = offer(config, images)
    if found is not None:
        assert offer(found.applied(config), images) is None


@given(LIKELY, IMAGES, st.integers(1, 500))
def test_more_epochs_never_make_the_offer_smaller(config: RunConfig, images: int, more: int) -> None:
    found = offer(config, images)
    longer = offer(config.with_changes(epochs=config.epochs + more), images)
    if found is not None:
        assert longer is not None
        assert longer.batch_size >= found.batch_size


@given(CONFIGS, IMAGES)
def test_the_reason_to_stay_is_true(config: RunConfig, images: int) -> None:
    """The next larger batch that would be worth it breaks the rule that the sentence names."""
    if offer(config, images) is not None:
        return
    larger = math.ceil(batch_offer.LEAST_GAIN * config.batch_size)
    reason = reason_to_stay(config, images)
    # A round number lies at most half as much below a bound.
    if "steps an epoch" in reason:
        assert images / larger < 1.5 * batch_offer.LEAST_STEPS_AN_EPOCH
    elif "steps" in reason:
        assert images * config.epochs / larger < 1.5 * batch_offer.LEAST_STEPS
    elif "learning rate" in reason:
        rate = config.learning_rate * larger / config.batch_size
        assert rate > batch_offer.highest_rate(config, larger) / math.sqrt(1.5)
    elif "schedule" in reason:
        assert config.schedule == "burda"
    else:
        assert larger * 1.5 > batch_offer.LARGEST_BATCH


@pytest.mark.parametrize(
    "data",
    [
        DataConfig(),
        DataConfig(classes=(0, 1)),
        *(DataConfig(classes=(label,)) for label in range(10)),
        DataConfig(classes=(3, 5, 8), limit=500),
        DataConfig(limit=6000, pick="random"),
        DataConfig(classes=(5,), limit=60_000),
    ],
    ids=str,
)
def test_images_are_counted_as_they_are_loaded(data: DataConfig) -> None:
    assert training_images(data) == len(datasets.load(data).train)


MEASURED = [name for name, preset in PRESETS.items() if not name.startswith(("burda", "keras", "autoencoder", "conv"))]


@pytest.mark.parametrize("name", MEASURED)
def test_a_preset_is_offered_what_its_own_numbers_allow(name: str) -> None:
    """Counted upwards, one round batch after the other, as long as the rule holds."""
    config = PRESETS[name].config
    rounds = sorted(int(digit * 10**size) for digit in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8) for size in range(1, 4))

    def holds(batch: int) -> bool:
        rate = config.learning_rate * batch / config.batch_size
        quiet = rate <= batch_offer.highest_rate(config, batch)
        return quiet and 60_000 * config.epochs / batch >= batch_offer.LEAST_STEPS and batch <= 1000

    *_, largest = takewhile(holds, rounds)
    assert offer(config, 60_000).batch_size == largest


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - MEASURED))
def test_what_was_not_measured_is_not_offered(name: str) -> None:
    config = PRESETS[name].config
    assert offer(config, 60_000) is None
    assert re.search("was not measured|than was measured", reason_to_stay(config, 60_000))


def test_a_rate_that_is_too_high_already_gets_no_offer() -> None:
    config = RunConfig(batch_size=10, learning_rate=0.5)
    assert offer(config, 60_000) is None
    assert "learning rate" in reason_to_stay(config, 60_000)


def test_the_offer_in_numbers() -> None:
    """Four times the batch takes four times the rate."""
    config = RunConfig(batch_size=250, learning_rate=1.5e-3, epochs=1000)
    assert offer(config, 60_000) == BatchOffer(1000, 6e-3)
