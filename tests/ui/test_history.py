"""Undo and redo, compared with a plain list and a place in it."""

from __future__ import annotations

import random

import pytest

from vae_studio.ui.history import History


class Plain:
    """The same by other means: all entries in a list, and which of them is the present."""

    def __init__(self, first: int, limit: int) -> None:
        self.entries, self.at, self.limit = [first], 0, limit

    def record(self, value: int) -> None:
        if value != self.entries[self.at]:
            self.entries = [*self.entries[: self.at + 1], value][-self.limit - 1 :]
            self.at = len(self.entries) - 1

    def move(self, by: int) -> bool:
        possible = 0 <= self.at + by < len(self.entries)
        self.at += by if possible else 0
        return possible


def state(history: History[int]) -> tuple[list[int], int, list[int]]:
    return list(history.past), history.present, list(history.future)


@pytest.mark.parametrize("seed", range(50))
def test_any_sequence_agrees_with_a_plain_list(seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.choice((1, 3, 500))
    history, plain = History(0, limit), Plain(0, limit)
    for _ in range(200):
        act = chance.choice(("record", "record", "undo", "redo"))
        if act == "record":
            value = chance.randrange(5)
            history.record(value)
            plain.record(value)
        else:
            assert getattr(history, act)() == plain.move(-1 if act == "undo" else 1)
        assert history.present == plain.entries[plain.at]
        assert [*history.past, history.present, *reversed(history.future)] == plain.entries
        before = state(history)
        if history.undo():
            assert history.redo()
        assert state(history) == before, "undoing and redoing changes nothing"
        if history.redo():
            assert history.undo()
        assert state(history) == before, "nor the other way round"


def test_a_gesture_is_one_entry() -> None:
    history = History(0)
    for value in range(1, 100):
        history.record(value, merge="drag")
    assert state(history) == ([0], 99, [])
    history.record(100, merge="another drag")
    history.record(101, merge="another drag")
    history.record(102)
    history.record(103)
    assert state(history) == ([0, 99, 101, 102], 103, [])


def test_a_gesture_that_ends_where_it_began_is_no_entry() -> None:
    history = History(0)
    history.record(1)
    for value in (2, 3, 1):
        history.record(value, merge=7)
    assert state(history) == ([0], 1, [])
    history.record(4, merge=7)  # it goes on after all
    history.record(5, merge=7)
    assert state(history) == ([0, 1], 5, [])


def test_a_change_drops_what_was_undone_and_begins_an_entry_of_its_own() -> None:
    history = History(0)
    history.record(1, merge="drag")
    history.undo()
    assert state(history) == ([], 0, [1])
    history.record(0)
    assert state(history) == ([], 0, [1]), "nothing was changed"
    history.record(2, merge="drag")
    assert state(history) == ([0], 2, [])
    history.undo()
    history.redo()
    history.record(3, merge="drag")
    assert state(history) == ([0, 2], 3, [])


def test_the_oldest_are_forgotten() -> None:
    history = History(0, limit=10)
    for value in range(1, 1000):
        history.record(value)
    assert list(history.past) == list(range(989, 999))


@pytest.mark.parametrize("seed", range(20))
def test_rewriting_leaves_no_two_neighbours_alike(seed: int) -> None:
    chance = random.Random(seed)
    history = History(0)
    for value in range(1, 30):
        history.record(value)
    for _ in range(chance.randrange(30)):
        history.undo()
    halved = history.present // 4
    history.rewrite(lambda value: value // 4)
    assert history.present == halved
    whole = [*history.past, history.present, *reversed(history.future)]
    assert whole == sorted(set(range(30 // 4 + 1)) & set(whole)) == list(range(8))
