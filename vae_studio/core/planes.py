"""Planes from data: principal components, class means, three points, typed numbers; and what a fitted map shows of one.

Encodings are means of q(z|x), (n, latent_dims). Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vae_studio.core.latent import MAX_COORDINATE, Region
from vae_studio.core.marks import PointError, read_point
from vae_studio.core.plane import Plane, PlaneError, Point, circle, subscript

ENCODED = 1000  # test images, the first ones, whose encodings planes are made of
USUAL = 5.0  # along two dimensions the usual view serves, while nothing of what it would show is further from 0
_FAINTEST_SPREAD = 1e-5  # of the largest, below which a direction is only rounding errors
_OUTSIDE = 0.0025  # share of the encodings beyond each edge of a fitted map, so that 99 % lie within all four
_MARGIN = 0.04  # of the width and the height
_LEAST = 0.05  # latent units a fitted map is wide and high at least
_NAME = 14
_EXACT, _ROUNDING = 1e-6, 1e-12


@dataclass(frozen=True, slots=True)
class Principal:
    """The principal components of encodings: their mean (d,), unit vectors (n, d), and shares of the variance (n,).

    They are in the order of their variances, those left out along which nothing varies.
    """

    centre: np.ndarray
    directions: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, means: np.ndarray) -> Principal:
        """By singular values; the largest coordinate of each component is positive. Raises PlaneError."""
        values = np.asarray(means, np.float64)
        if len(values) < 3:
            raise PlaneError("Principal components need three encodings at least.")
        centre = values.mean(axis=0)
        _, spreads, directions = np.linalg.svd(values - centre, full_matrices=False)
        kept = spreads > max(_FAINTEST_SPREAD * spreads[0], 1e-12)
        if kept.sum() < 2:
            raise PlaneError("The encodings lie on one line, or in one point: they have no two principal components.")
        directions, squares = directions[kept], np.square(spreads[kept])
        largest = directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]
        return cls(centre, directions * np.sign(largest)[:, None], squares / squares.sum())

    def plane(self, which: tuple[int, int] = (0, 1)) -> Plane:
        """Through the mean, along two of the components, counted from 0. Raises PlaneError."""
        if which[0] == which[1]:
            raise PlaneError("A plane takes two different principal components.")
        for number in which:
            if not 0 <= number < len(self.shares):
                count = len(self.shares)
                raise PlaneError(
                    f"There is no principal component {number + 1}: the encodings spread in {count} directions."
                )
        across, up = (self.directions[number] for number in which)
        return Plane.spanned(self.centre, across, up, (f"PC {which[0] + 1}", f"PC {which[1] + 1}"), "components")


def through_class_means(
    means: np.ndarray, labels: np.ndarray, classes: Sequence[int], class_names: Sequence[str]
) -> Plane:
    """Through the mean encodings of three classes: the second lies to the right of the first, the third above.

    Raises PlaneError.
    """
    if len(set(classes)) != 3 or len(classes) != 3:
        raise PlaneError("A plane goes through the means of three different classes.")
    corners = []
    for number in classes:
        members = means[labels == number]
        if not len(members):
            raise PlaneError(f"None of the {len(means):,} encoded images is of class {class_names[number]}.")
        corners.append(np.asarray(members, np.float64).mean(axis=0))
    first, second, third = (_short(class_names[number]) for number in classes)
    return Plane.through(corners, (f"{first}→{second}", f"→{third}"), "classes")


def through_points(points: Sequence[Sequence[float]], names: Sequence[str] = ("A", "B", "C")) -> Plane:
    """Through three points of these names: the second lies to the right of the first, the third above.

    Raises PlaneError.
    """
    if len(points) != 3:
        raise PlaneError(f"A plane goes through three points, not {len(points)}.")
    if len({tuple(point) for point in points}) < 3:
        raise PlaneError("Two of the three points are the same: a plane takes three different ones.")
    first, second, third = map(_short, names)
    return Plane.through(points, (f"{first}→{second}", f"→{third}"), "points")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


# What is typed


def read_vector(what: str, text: str, dims: int, most: float = math.inf) -> Point:
    """One number for each latent dimension. Raises PlaneError, which says of `what`."""
    try:
        return read_point(text, dims, most)
    except PointError as error:
        raise PlaneError(f"{what}: {error}") from None


def read_span(texts: Sequence[str | None], visible: Region) -> Region:
    """What is to be visible, from left, right, bottom and top; a side that is None stays as it is.

    Where nothing is said of a direction, what is visible of that follows from the other. Raises PlaneError.
    """
    sides = []
    shown = (visible.left, visible.right, visible.bottom, visible.top)
    for name, text, now in zip(("Left", "Right", "Bottom", "Top"), texts, shown, strict=True):
        try:
            sides.append(now if text is None else read_point(text, 1, MAX_COORDINATE)[0])
        except PointError:
            raise PlaneError(f"{name}: give one number, at most {MAX_COORDINATE:,.0f} from 0.") from None
    left, right, bottom, top = sides
    if left >= right or bottom >= top:
        raise PlaneError("The span is empty: left must be less than right, and bottom less than top.")
    if texts[2] is texts[3] is None:
        bottom = top = (bottom + top) / 2.0
    elif texts[0] is texts[1] is None:
        left = right = (left + right) / 2.0
    return Region(left, right, bottom, top)


def typed(origin: Point, across: Point, up: Point) -> tuple[Plane, str]:
    """The plane of these numbers, whatever the length of its directions, and what of them was changed, in words.

    One along two latent dimensions is of kind *axes*, or is named after them, where these are its coordinates.
    Raises PlaneError.
    """
    plane = Plane.spanned(origin, across, up)
    if np.allclose(plane.basis(), (across, up), rtol=0.0, atol=_ROUNDING):
        plane = Plane(tuple(origin), tuple(across), tuple(up), plane.names, plane.kind)  # as they are, to the last bit
    changes = []
    for name, given in (("Across", across), ("Up", up)):
        length = math.hypot(*given)
        if abs(length - 1.0) > _EXACT:
            changes.append(f"{name} had length {length:.4g} and was scaled to 1.")
    sine = abs(np.dot(across, up)) / (math.hypot(*across) * math.hypot(*up))
    if sine > _EXACT:
        turned = math.degrees(math.asin(min(sine, 1.0)))
        changes.append(f"Up was turned by {max(turned, 0.1):.1f}° to be at right angles to across.")
    return _named(plane), " ".join(changes)


def _named(plane: Plane) -> Plane:
    """The plane, named after the latent dimensions that its coordinates are."""
    names = list(plane.names)
    for which, direction in enumerate((plane.across, plane.up)):
        axis = plane.axes[which]
        if direction[axis] == 1.0 and not any(direction[:axis] + direction[axis + 1 :]) and plane.origin[axis] == 0.0:
            names[which] = subscript(axis)
    along_two = Plane.of_axes(plane.axes, plane.dims) if plane.axes[0] != plane.axes[1] else None
    if along_two and (plane.origin, plane.across, plane.up) == (along_two.origin, along_two.across, along_two.up):
        return along_two
    return Plane(plane.origin, plane.across, plane.up, (names[0], names[1]), plane.kind)


# What is there


def home(
    plane: Plane,
    places: np.ndarray | None = None,
    outlines: Sequence[np.ndarray] = (),
    corners: np.ndarray | None = None,
) -> Region | None:
    """What a fitted map of a plane shows: the prior's outlines, 99 % of the encodings, and all corners.

    `places` and `corners` are those of encodings, and of points that the plane was put through, (n, 2) each, and
    `outlines` lines (n, 2); without any, the prior is taken for N(0, I), whose 3σ circle it is then. None stands for
    the usual view along two dimensions, which serves there while nothing is further away than USUAL.
    """
    lines = list(outlines) or [plane.coordinates(np.zeros((1, plane.dims))) + 3.0 * circle()]
    if places is not None and len(places):
        lines.append(np.quantile(np.asarray(places, np.float64), (_OUTSIDE, 1.0 - _OUTSIDE), axis=0))
    if corners is not None and len(corners):
        lines.append(np.asarray(corners, np.float64))
    everything = np.concatenate(lines)
    (left, bottom), (right, top) = everything.min(axis=0).tolist(), everything.max(axis=0).tolist()
    if plane.is_line:
        bottom, top = 0.0, 0.0
    if plane.kind == "axes" and max(-left, right, -bottom, top) <= USUAL:
        return None
    wide, high = max(right - left, _LEAST), max(top - bottom, _LEAST)
    more_across, more_up = ((1.0 + 2.0 * _MARGIN) * size / 2.0 for size in (wide, high))
    middle_across, middle_up = (left + right) / 2.0, (bottom + top) / 2.0
    return Region(middle_across - more_across, middle_across + more_across, middle_up - more_up, middle_up + more_up)
