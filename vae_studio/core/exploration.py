"""What can be undone while exploring: where the point is, on which plane, what is shown and pinned. No torch.

All of it is frozen: a change makes a new value, and undoing goes back to an old one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vae_studio.core.directions import Direction
from vae_studio.core.plane import Plane, Point


@dataclass(frozen=True, slots=True)
class Pin:
    """A latent point that is kept, with a name and a number from 0 for its colour."""

    name: str
    point: Point
    colour: int


@dataclass(frozen=True, slots=True)
class Path:
    """A walk through these points, straight from each to the next or along great circles, shown in so many `frames`.

    One point is where a path begins that leads nowhere yet.
    """

    points: tuple[Point, ...]
    spherical: bool = False
    frames: int = 9


@dataclass(frozen=True, slots=True)
class Layers:
    """What the map shows, and the classes, counted from 0, whose encodings it does not show.

    `density` is that of the aggregate posterior; with `dimmed`, tiles fade where no encoding is near; with `ellipses`,
    encodings have those of q(z|x). Opacities lie between 0 and 1.
    """

    tiles: bool = True
    encodings: bool = True
    prior: bool = True
    hidden_classes: frozenset[int] = frozenset()
    density: bool = False
    dimmed: bool = False
    ellipses: bool = False
    tiles_opacity: float = 1.0
    encodings_opacity: float = 1.0
    prior_opacity: float = 1.0
    density_opacity: float = 0.7


OPACITIES = ("tiles_opacity", "encodings_opacity", "prior_opacity", "density_opacity")


@dataclass(frozen=True, slots=True)
class Exploration:
    """`point` has one float per latent dimension, as have all others here; the map is parallel to `plane`, through it.

    `draw` is the seed of the draw from p(x|z) that is shown at the point,
    None for the mean. `directions` have sliders of their own.
    """

    point: Point
    plane: Plane
    pins: tuple[Pin, ...] = ()
    path: Path | None = None
    draw: int | None = None
    layers: Layers = Layers()
    directions: tuple[Direction, ...] = ()


def in_another_model(explored: Exploration) -> Exploration:
    """What of it makes sense in another model of as many dimensions.

    A direction that was “thicker” there leads anywhere here, and a plane is only its numbers: whatever principal
    components or class means it was put through, they are others now.
    """
    plane = explored.plane
    if plane.kind not in ("axes", "typed"):
        plane = replace(plane, names=("a", "b"), kind="typed")
    return replace(explored, plane=plane, directions=())


def difference(before: Exploration, after: Exploration) -> str:
    """What was done between the two, in words that complete “Undo: …”; the weightier where there was more than one."""
    if after.pins != before.pins:
        return _difference_of_pins(before.pins, after.pins)
    if after.directions != before.directions:
        return f"{'remove' if len(after.directions) < len(before.directions) else 'add'} a direction"
    if after.path != before.path:
        if before.path is None:
            return "make a path"
        return "remove the path" if after.path is None else "change the path"
    if after.plane != before.plane:
        return "choose axes" if after.plane.kind == "axes" else "choose a plane"
    if after.point != before.point:
        return "move the point"
    if after.draw != before.draw:
        return "show the mean" if after.draw is None else "draw a sample"
    if after.layers.hidden_classes != before.layers.hidden_classes:
        return "choose classes"
    opacities = {name: getattr(after.layers, name) for name in OPACITIES}
    if replace(before.layers, **opacities) == after.layers:
        return "change an opacity"
    return "choose layers"


def _difference_of_pins(before: tuple[Pin, ...], after: tuple[Pin, ...]) -> str:
    if len(after) != len(before):
        change = len(after) - len(before)
        things = "a pin" if abs(change) == 1 else f"{abs(change)} pins"
        return f"{'add' if change > 0 else 'remove'} {things}"
    if sorted(after, key=repr) == sorted(before, key=repr):
        return "reorder pins"
    if [pin.point for pin in after] != [pin.point for pin in before]:
        return "move a pin"
    return "rename a pin" if [pin.name for pin in after] != [pin.name for pin in before] else "colour a pin"
