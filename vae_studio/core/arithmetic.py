"""Arithmetic with latent points: the mean of a group, A − B + C, and the direction from one group to another.

Imports no torch. A group is points that belong together, such as the encodings of a class; one point is a group too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vae_studio.core.attributes import ATTRIBUTES, extremes
from vae_studio.core.directions import Direction
from vae_studio.core.errors import UserError
from vae_studio.core.exploration import Exploration
from vae_studio.core.latent import MAX_COORDINATE
from vae_studio.core.plane import Point

MAX_DIRECTIONS = 64
MAX_NAME = 200
_SHORTEST = 1e-6  # latent units between two means that still have a direction
_FEWEST = 2  # images of a group that an attribute is read off
_CHANCE = 0.6  # separated shares up to here are called hardly better than chance

Kind = Literal["none", "point", "class", "selection", "pin", "image", "zero"]


class CombineError(UserError, ValueError):
    """Latent points cannot be combined in this way; the message says why."""


@dataclass(frozen=True, slots=True)
class Term:
    """What A, B or C is taken from; `number` is that of a class or of a pin, from 0."""

    kind: Kind
    number: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Points float64 (n, latent_dims), n ≥ 1, with a name for people."""

    name: str
    points: np.ndarray

    @classmethod
    def of(cls, name: str, point: Sequence[float]) -> Group:
        """One point."""
        return cls(name, np.array([point], np.float64))

    @property
    def mean(self) -> np.ndarray:
        """float64 (latent_dims,)"""
        return self.points.mean(axis=0)


def group_of(name: str, means: np.ndarray, members: np.ndarray) -> Group:
    """Those encodings of `means` (n, latent_dims) that `members`, indices or a mask, say. Raises CombineError."""
    points = np.asarray(means, np.float64)[members]
    if not len(points):
        raise CombineError(f"There are no encodings of {name}: none of the test images is one.")
    return Group(name, points)


def groups_by(
    attribute: str, values: np.ndarray, means: np.ndarray, labels: np.ndarray, number: int | None, name: str
) -> tuple[Group, Group]:
    """The encodings of the fifth of the images where an attribute is least, and of that where it is most.

    Of class `number`, which is called `name`, or of each class. Raises CombineError where there are too few images.
    """
    groups = extremes(values, labels, number)
    if len(groups[0]) < _FEWEST:
        of = f"of class {name}" if number is not None else "of any class"
        raise CombineError(f"There are too few test images {of} to compare a fifth of them with another: it takes 10.")
    low, high = groups
    what = ATTRIBUTES[attribute]
    return group_of(f"low {what}", means, low), group_of(f"high {what}", means, high)


def combine(a: Group, b: Group | None = None, c: Group | None = None) -> Point:
    """mean(A) − mean(B) + mean(C); what is None is left out. Raises CombineError where that is too far away."""
    total = a.mean
    if b is not None:
        total = total - b.mean
    if c is not None:
        total = total + c.mean
    if np.abs(total).max() > MAX_COORDINATE:
        raise CombineError(f"A − B + C lies more than {MAX_COORDINATE:,.0f} from 0, where there are no points.")
    return tuple(total.tolist())


@dataclass(frozen=True, slots=True)
class Found:
    """A direction from one group to another, and how far it leads: `length` is that between their means.

    `separated` is which share of the two groups' points lies on its group's side of the middle between the means,
    each half of the points (every other one) judged by means and direction of the other half, which it had no part in;
    None where a group is one point.
    """

    direction: Direction
    length: float
    separated: float | None

    @property
    def words(self) -> str:
        """Length and separation in a few words."""
        long = f"{self.length:.2f} long"
        if self.separated is None:
            return long
        share = f"separates {100.0 * self.separated:.0f} %"
        return f"{long}, {share}" + (", hardly better than chance" if self.separated <= _CHANCE else "")


def direction(start: Group, end: Group, name: str) -> Found:
    """The unit vector from the mean of one group to that of another. Raises CombineError where these are the same."""
    difference = end.mean - start.mean
    length = float(np.linalg.norm(difference))
    if length < _SHORTEST:
        raise CombineError(
            f"There is no direction from {start.name} to {end.name}, as both have the same mean: "
            "choose two groups that differ."
        )
    vector = difference / length
    return Found(Direction(name[:MAX_NAME], tuple(vector.tolist())), length, _separated(start.points, end.points))


def _separated(start: np.ndarray, end: np.ndarray) -> float | None:
    if min(len(start), len(end)) < 2:
        return None
    right = 0
    for half in (0, 1):
        first, second = start[half::2].mean(axis=0), end[half::2].mean(axis=0)
        along = second - first
        middle = (first + second) @ along / 2.0
        right += int((start[1 - half :: 2] @ along < middle).sum() + (end[1 - half :: 2] @ along > middle).sum())
    return right / (len(start) + len(end))


# Directions that are kept


def with_direction(before: Exploration, new: Direction) -> Exploration:
    """A direction more, under a name that no other has. Raises CombineError where it is there, or too many are."""
    for one in before.directions:
        if np.allclose(one.vector, new.vector, rtol=0.0, atol=1e-9):
            raise CombineError(f"“{one.name}” is a slider already, and leads the same way.")
    if len(before.directions) >= MAX_DIRECTIONS:
        raise CombineError(f"There are {MAX_DIRECTIONS} directions, which is as many as can be: remove some first.")
    names = {one.name for one in before.directions}
    if new.name in names:
        stem = new.name[: MAX_NAME - 5]
        new = replace(new, name=next(name for n in range(2, len(names) + 3) if (name := f"{stem} ({n})") not in names))
    return replace(before, directions=(*before.directions, new))


def without_direction(before: Exploration, number: int) -> Exploration:
    """The direction, counted from 0, is gone."""
    return replace(before, directions=before.directions[:number] + before.directions[number + 1 :])
