"""How large a call may be, from how long calls took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_studio.core.calls import Cost, Limits

LIMITS = Limits(call=0.008)


def cost_of(*calls: tuple[int, float]) -> Cost:
    cost = Cost(LIMITS)
    for items, seconds in calls:
        cost.note(items, seconds)
    return cost


def test_the_first_call_is_as_small_as_may_be_and_alone_says_little_where_it_was_short() -> None:
    assert Cost(LIMITS).items(16, 400) == 16
    assert not Cost(LIMITS).is_known
    assert not cost_of((16, 0.0005)).is_known
    assert cost_of((16, 0.0005), (16, 0.0005)).is_known
    assert cost_of((16, 0.03)).is_known, "a long one is reason enough to be careful"


@given(
    seconds=st.floats(1e-6, 10.0),
    least=st.integers(1, 50),
    factor=st.floats(1.0, 50.0),
)
def test_a_call_takes_no_longer_than_it_may_unless_it_is_the_least(seconds: float, least: int, factor: float) -> None:
    cost, most = cost_of((16, seconds)), int(factor * least)
    items = cost.items(least, most)
    assert items % least == 0
    assert least <= items <= most
    each = seconds / 16
    assert items == least or items * each <= 0.008 * (1 + 1e-9)
    assert items + least > most or (items + least) * each > 0.008 * (1 - 1e-9), "and no shorter than it need be"


def test_a_call_that_was_held_up_changes_nothing() -> None:
    calls = [(100, 0.0100), (100, 0.0101), (100, 0.0102), (100, 0.0103)]
    steady = cost_of(*calls).seconds(1000)
    for held_up in range(4):
        found = cost_of(*calls[:held_up], (100, 0.9), *calls[held_up:]).seconds(1000)
        assert found == pytest.approx(steady, rel=0.03)
    assert cost_of((16, 0.5), (16, 0.001)).items(16, 400) == 128, "not even the first"


def test_what_becomes_slower_or_faster_is_found_out_in_a_few_calls() -> None:
    cost = cost_of(*[(100, 0.010)] * 20)
    for _ in range(3):
        cost.note(100, 0.050)
    assert cost.seconds(100) == pytest.approx(0.050)
    for _ in range(3):
        cost.note(100, 0.010)
    assert cost.seconds(100) == pytest.approx(0.010)


def test_short_calls_tell_of_less_cost_only() -> None:
    """A tenth of a millisecond that each call takes makes the items of a small one look dear."""
    cost = cost_of((16, 0.00014), (256, 0.0005))
    for _ in range(10):
        cost.note(16, 0.00014)
    assert cost.seconds(256) == pytest.approx(0.0005)
    cost.note(16, 0.00002)
    cost.note(16, 0.00001)
    assert cost.seconds(16) <= 0.00002
