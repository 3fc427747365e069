"""Pins and the path: what can be done to them, and latent points as text. Imports no torch.

Each function gives a new Exploration; numbers of pins and of the path's points count from 0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vae_studio.core.errors import UserError
from vae_studio.core.exploration import Exploration, Path, Pin, Point
from vae_studio.core.walk import Walk

PIN_COLOURS = 10
MAX_PINS = 1000  # and points of a path
MAX_FRAMES = 60
MIN_FRAMES = 2
_DECIMALS = 6
_SHOWN = 40  # characters of what cannot be read that a message repeats


class PointError(UserError, ValueError):
    """Text is not a latent point of this model; the message says why."""


# Pins


def with_pin(before: Exploration, point: Point, name: str = "") -> Exploration:
    """A pin more, at `point`, in the colour that the fewest pins have; without a name it is called Pin 1, 2, …"""
    used = [pin.colour for pin in before.pins]
    colour = min(range(PIN_COLOURS), key=used.count)
    names = {pin.name for pin in before.pins}
    number = next(n for n in range(1, len(names) + 2) if f"Pin {n}" not in names)
    return replace(before, pins=(*before.pins, Pin(name or f"Pin {number}", tuple(point), colour)))


def with_changed_pin(before: Exploration, number: int, **values: Any) -> Exploration:
    """The pin has another name, point or colour."""
    pin = replace(before.pins[number], **values)
    return replace(before, pins=(*before.pins[:number], pin, *before.pins[number + 1 :]))


def without_pins(before: Exploration, numbers: Iterable[int]) -> Exploration:
    gone = set(numbers)
    return replace(before, pins=tuple(pin for number, pin in enumerate(before.pins) if number not in gone))


# The path


def with_path_from(before: Exploration, point: Point) -> Exploration:
    """A path that begins here, in place of any other, in its kind."""
    return _with_path(before, (tuple(point),))


def with_path_to(before: Exploration, point: Point) -> Exploration:
    """The path leads on to here, or begins here where there is none."""
    points = before.path.points if before.path else ()
    return _with_path(before, (*points, tuple(point)))


def with_path_through_pins(before: Exploration) -> Exploration:
    """A path through all pins, in their order."""
    return _with_path(before, tuple(pin.point for pin in before.pins))


def with_path_point(before: Exploration, number: int, point: Point) -> Exploration:
    """The path's point lies here now."""
    points = before.path.points
    return _with_path(before, (*points[:number], tuple(point), *points[number + 1 :]))


def without_path_point(before: Exploration, number: int) -> Exploration:
    """The path leads past this point; without any it is gone."""
    points = before.path.points
    return _with_path(before, points[:number] + points[number + 1 :])


def with_path(before: Exploration, path: Path) -> Exploration:
    return replace(before, path=path)


def without_path(before: Exploration) -> Exploration:
    return replace(before, path=None)


def _with_path(before: Exploration, points: tuple[Point, ...]) -> Exploration:
    path = replace(before.path, points=points) if before.path else Path(points)
    return replace(before, path=path if points else None)


def path_point_name(number: int) -> str:
    """A, B, … Z, AA, AB, … for the path's points."""
    first, last = divmod(number, 26)
    return (path_point_name(first - 1) if first else "") + chr(ord("A") + last)


# Where things are


def at_place(explored: Exploration, place: tuple[float, float], point: Point | None = None) -> Point:
    """This point, or else the current one, moved to (u, v) of the map's plane; its offset from the plane stays."""
    return explored.plane.moved(explored.point if point is None else point, place)


# What is to be decoded


def walk_of(exploration: Exploration) -> Walk | None:
    """The walk along the path, if it leads anywhere."""
    path = exploration.path
    return Walk(path.points, path.spherical) if path and len(path.points) > 1 else None


def spots_of(exploration: Exploration) -> np.ndarray | None:
    """The points beside the current one whose images are wanted, first the pins, then the path's frames.

    float64 (n, latent_dims), or None where there are none.
    """
    walk = walk_of(exploration)
    parts = [np.array([pin.point for pin in exploration.pins], np.float64)] if exploration.pins else []
    if walk:
        parts.append(walk.steps(exploration.path.frames))
    return np.concatenate(parts) if parts else None


# Points as text


def point_text(point: Sequence[float]) -> str:
    """The coordinates, to a millionth, as `read_point` reads them."""
    return ", ".join(f"{round(value, _DECIMALS) + 0.0:.{_DECIMALS}f}".rstrip("0").rstrip(".") for value in point)


def read_point(text: str, dims: int, most: float = math.inf) -> Point:
    """A point from numbers with commas, semicolons, spaces or line ends between them, or from a JSON list.

    Raises PointError where that is not `dims` finite numbers, at most `most` from 0.
    """
    numbers = _numbers(text)
    if len(numbers) != dims:
        counted = "is 1 number" if len(numbers) == 1 else f"are {len(numbers)} numbers"
        wanted = "1 latent dimension" if dims == 1 else f"{dims} latent dimensions"
        raise PointError(f"There {counted}, but the model has {wanted}.")
    for value in numbers:
        if not math.isfinite(value):
            raise PointError("The coordinates of a point must be finite numbers.")
        if abs(value) > most:
            raise PointError(f"Coordinates must lie between −{most:,g} and {most:,g} (one is {value:g}).")
    return tuple(numbers)


def _numbers(text: str) -> list[float]:
    stripped = text.replace("−", "-").strip()
    if stripped.startswith("["):
        try:
            found = json.loads(stripped)
        except (ValueError, RecursionError):
            found = None
        if found and isinstance(found, list) and all(type(x) in (int, float) for x in found):
            return [float(x) if abs(x) < 1e300 else math.inf for x in found]
    parts = [part for part in re.split(r"[,;\s]+", stripped.strip("()[]")) if part]
    if not parts:
        raise PointError("There are no numbers to read.")
    try:
        return [float(part) for part in parts]
    except ValueError:
        shown = text.strip()[:_SHOWN]
        raise PointError(
            f"“{shown}” is no latent point: give its numbers with commas or spaces between them."
        ) from None
