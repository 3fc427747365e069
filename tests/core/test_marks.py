"""What can be done to pins and the path, and points as text."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_studio.core import marks
from vae_studio.core.exploration import Exploration, Path, Pin
from vae_studio.core.marks import PointError, point_text, read_point
from vae_studio.core.plane import Plane

NO_POINT = "is no latent point: give its numbers with commas or spaces between them."
START = Exploration((0.0, 0.0), Plane.of_axes((0, 1), 2))


def pinned(*points: tuple[float, float]) -> Exploration:
    result = START
    for point in points:
        result = marks.with_pin(result, point)
    return result


# Pins


def test_pins_are_numbered_and_each_has_a_colour_of_its_own_while_there_are_any() -> None:
    explored = pinned(*((float(i), 0.0) for i in range(12)))
    assert [pin.name for pin in explored.pins] == [f"Pin {i}" for i in range(1, 13)]
    assert [pin.colour for pin in explored.pins] == [*range(10), 0, 1]
    assert [pin.point for pin in explored.pins] == [(float(i), 0.0) for i in range(12)]
    assert START.pins == ()


def test_a_removed_pin_leaves_its_name_and_colour_to_the_next() -> None:
    explored = marks.without_pins(pinned((0, 0), (1, 0), (2, 0)), [1])
    assert [pin.name for pin in explored.pins] == ["Pin 1", "Pin 3"]
    again = marks.with_pin(explored, (5.0, 5.0))
    assert again.pins[-1] == Pin("Pin 2", (5.0, 5.0), 1)
    assert marks.with_pin(explored, (5.0, 5.0), "a seven").pins[-1].name == "a seven"


def test_a_pin_is_changed_in_its_place() -> None:
    explored = marks.with_changed_pin(pinned((0, 0), (1, 0), (2, 0)), 1, name="mine", point=(9.0, 8.0))
    assert [pin.name for pin in explored.pins] == ["Pin 1", "mine", "Pin 3"]
    assert explored.pins[1] == Pin("mine", (9.0, 8.0), 1)


# The path


def test_a_path_grows_point_by_point_and_shrinks_to_none() -> None:
    explored = marks.with_path_to(START, (1.0, 2.0))
    assert explored.path == Path(((1.0, 2.0),))
    assert marks.walk_of(explored) is None
    explored = marks.with_path_to(marks.with_path_to(explored, (3.0, 4.0)), (5.0, 6.0))
    assert explored.path.points == ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
    moved = marks.with_path_point(explored, 1, (0.0, 0.0))
    assert moved.path.points == ((1.0, 2.0), (0.0, 0.0), (5.0, 6.0))
    fewer = marks.without_path_point(moved, 0)
    assert fewer.path.points == ((0.0, 0.0), (5.0, 6.0))
    assert marks.without_path_point(marks.without_path_point(fewer, 0), 0).path is None
    assert marks.without_path(moved).path is None


def test_another_path_is_of_the_same_kind() -> None:
    explored = Exploration(
        (0.0, 0.0), Plane.of_axes((0, 1), 2), path=Path(((1.0, 2.0), (3.0, 4.0)), spherical=True, frames=20)
    )
    assert marks.with_path_from(explored, (7.0, 7.0)).path == Path(((7.0, 7.0),), spherical=True, frames=20)
    through = marks.with_path_through_pins(marks.with_pin(marks.with_pin(explored, (0.0, 1.0)), (2.0, 0.0)))
    assert through.path == Path(((0.0, 1.0), (2.0, 0.0)), spherical=True, frames=20)


def test_the_points_of_a_path_are_called_by_letters() -> None:
    names = [marks.path_point_name(i) for i in range(26 * 27 + 1)]
    assert names[:3] == ["A", "B", "C"]
    assert (names[25], names[26], names[27], names[51], names[52], names[-2:]) == (
        *("Z", "AA", "AB", "AZ", "BA"),
        ["ZZ", "AAA"],
    )
    assert len(set(names)) == len(names)


def test_the_spots_are_the_pins_and_then_the_frames() -> None:
    assert marks.spots_of(START) is None
    explored = pinned((3.0, 3.0))
    assert marks.spots_of(explored).tolist() == [[3.0, 3.0]]
    begun = marks.with_path_to(explored, (1.0, 0.0))
    assert marks.spots_of(begun).tolist() == [[3.0, 3.0]]
    spots = marks.spots_of(marks.with_path_to(begun, (1.0, 4.0)))
    assert spots.dtype == np.float64
    assert spots.tolist() == [[3.0, 3.0], *([1.0, 0.5 * i] for i in range(9))]
    round_ = Exploration(
        (0.0, 0.0), Plane.of_axes((0, 1), 2), path=Path(((2.0, 0.0), (0.0, 2.0)), spherical=True, frames=3)
    )
    assert marks.spots_of(round_)[1] == pytest.approx((math.sqrt(2.0), math.sqrt(2.0)))


# Points as text


@given(st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=256))
def test_text_is_read_back_to_a_millionth(point: list[float]) -> None:
    text = point_text(point)
    assert "-0," not in f"{text},"
    assert read_point(text, len(point)) == pytest.approx(point, abs=5.1e-7)


@given(st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=20), st.sampled_from([",", ", ", " ", "\t", "\n", ";"]))
def test_numbers_are_read_whatever_stands_between_them(point: list[float], between: str) -> None:
    assert read_point(between.join(map(repr, point)), len(point)) == tuple(point)
    assert read_point(json.dumps(point), len(point)) == tuple(point)
    assert read_point(f"  ({between.join(map(repr, point))})\n", len(point)) == tuple(point)


def test_numbers_of_other_programs_are_read() -> None:
    assert read_point("[0.5 -1.25]", 2) == (0.5, -1.25)  # as numpy prints
    assert read_point("−0.5, 1e-3", 2) == (-0.5, 0.001)
    assert read_point("[1, 2.5]", 2) == (1.0, 2.5)


@pytest.mark.parametrize(
    ("text", "dims", "words"),
    [
        ("1, 2, 3", 2, "There are 3 numbers, but the model has 2 latent dimensions."),
        ("1", 2, "There is 1 number, but the model has 2 latent dimensions."),
        ("1 2", 1, "There are 2 numbers, but the model has 1 latent dimension."),
        ("[]", 2, "There are no numbers to read."),
        (" \n", 2, "There are no numbers to read."),
        ("hello", 2, f"“hello” {NO_POINT}"),
        ("1, nan", 2, "The coordinates of a point must be finite numbers."),
        ("[1, 1e999]", 2, "The coordinates of a point must be finite numbers."),
        ("1, 101", 2, "Coordinates must lie between −100 and 100 (one is 101)."),
        ('["1", "2"]', 2, f'“["1", "2"]” {NO_POINT}'),
        ("[true, false]", 2, f"“[true, false]” {NO_POINT}"),
    ],
)
def test_what_is_no_point_is_said_in_a_sentence(text: str, dims: int, words: str) -> None:
    with pytest.raises(PointError) as raised:
        read_point(text, dims, 100.0)
    assert str(raised.value) == words


@given(st.text(max_size=200))
def test_any_text_is_a_point_or_is_refused_in_words(text: str) -> None:
    try:
        point = read_point(text, 2, 100.0)
    except PointError as error:
        assert str(error).endswith(".")
    else:
        assert len(point) == 2


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 100_000, "[" + "9" * 10_000 + "]"])
def test_hostile_text_is_refused_too(text: str) -> None:
    with pytest.raises(PointError):
        read_point(text, 2, 100.0)
