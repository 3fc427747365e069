"""What was done between two states of exploring, in words."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from vae_studio.core.directions import Direction
from vae_studio.core.exploration import Exploration, Layers, Path, Pin, difference
from vae_studio.core.plane import Plane

PIN, OTHER = Pin("seven", (1.0, 0.0, 0.0), 0), Pin("two", (0.0, 1.0, 0.0), 1)
PATH = Path((PIN.point, OTHER.point))
START = Exploration((0.0, 0.0, 0.0), Plane.of_axes((0, 1), 3), (PIN, OTHER), PATH)


@pytest.mark.parametrize(
    ("changed", "forth", "back"),
    [
        ({"point": (0.5, 0.0, 0.0)}, "move the point", "move the point"),
        ({"point": (0.5, 0.0, 0.0), "plane": Plane.of_axes((0, 2), 3)}, "choose axes", "choose axes"),
        ({"draw": 7}, "draw a sample", "show the mean"),
        ({"layers": Layers(prior=False)}, "choose layers", "choose layers"),
        ({"layers": Layers(hidden_classes=frozenset({3}))}, "choose classes", "choose classes"),
        ({"layers": Layers(density=True)}, "choose layers", "choose layers"),
        ({"layers": Layers(tiles_opacity=0.5, density_opacity=0.0)}, "change an opacity", "change an opacity"),
        ({"layers": Layers(dimmed=True, prior_opacity=0.5)}, "choose layers", "choose layers"),
        ({"pins": (PIN, OTHER, PIN)}, "add a pin", "remove a pin"),
        ({"pins": ()}, "remove 2 pins", "add 2 pins"),
        ({"pins": (OTHER, PIN)}, "reorder pins", "reorder pins"),
        ({"pins": (PIN, replace(OTHER, point=(2.0, 2.0, 2.0)))}, "move a pin", "move a pin"),
        ({"pins": (PIN, replace(OTHER, name="2"))}, "rename a pin", "rename a pin"),
        ({"pins": (PIN, replace(OTHER, colour=5))}, "colour a pin", "colour a pin"),
        ({"directions": (Direction("up", (0.0, 1.0, 0.0)),)}, "add a direction", "remove a direction"),
        ({"path": None}, "remove the path", "make a path"),
        ({"path": replace(PATH, spherical=True)}, "change the path", "change the path"),
    ],
)
def test_a_change_is_named_in_both_directions(changed: dict[str, object], forth: str, back: str) -> None:
    after = replace(START, **changed)
    assert difference(START, after) == forth
    assert difference(after, START) == back


def test_whatever_can_change_has_words_of_its_own() -> None:
    others = {
        "point": (9.0, 9.0, 9.0),
        "plane": Plane.of_axes((2, 1), 3),
        "pins": (PIN,),
        "path": None,
        "draw": 3,
        "layers": Layers(tiles=False),
        "directions": (Direction("up", (0.0, 1.0, 0.0)),),
    }
    assert others.keys() == {field.name for field in fields(Exploration)}
    words = [difference(START, replace(START, **{name: value})) for name, value in others.items()]
    assert len(set(words)) == len(words)
