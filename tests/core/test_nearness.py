"""Which places of a plane are near an encoding, against plain loops over the whole latent space."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vae_studio.core.nearness import Surroundings, spacing
from vae_studio.core.plane import Plane, Seen

CHANCE = np.random.default_rng(3)
MEANS = CHANCE.normal(size=(300, 4)).astype(np.float32)
POINT = (0.3, -0.2, 0.9, 0.1)
PLANES = (
    Plane.of_axes((2, 0), 4),
    Plane.through(((0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 0.0, 0.0), (0.0, 0.5, -1.0, 2.0))),
)


def test_spacing_is_what_99_of_100_are_from_their_nearest_neighbour_at_most() -> None:
    nearest = [min(math.dist(a, b) for j, b in enumerate(MEANS) if i != j) for i, a in enumerate(MEANS.tolist())]
    assert spacing(MEANS) == pytest.approx(float(np.quantile(nearest, 0.99)), rel=1e-4)
    assert spacing(MEANS[:1]) == 0.0
    assert spacing(np.repeat(MEANS[:1], 5, axis=0)) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("plane", PLANES, ids=["axes", "angle"])
def test_distances_are_those_in_the_whole_latent_space_from_the_plane_through_the_point(plane: Plane) -> None:
    across, up = np.linspace(-3, 3, 13), np.linspace(2, -2, 9)
    around = Surroundings.seen_from(Seen.of(plane, MEANS), POINT, 1.0)
    found = around.distances(across, up)
    assert found.shape == (9, 13)
    for row, v in enumerate(up.tolist()):
        for column, u in enumerate(across.tolist()):
            place = plane.embed(POINT, np.array([[u, v]]))[0]
            assert found[row, column] == pytest.approx(min(math.dist(place, mean) for mean in MEANS), rel=1e-4)
    far = around.far(across, up)
    assert (far[found <= 1.0] == 0.0).all() and (far[found >= 1.5] == 1.0).all()
    between = (found > 1.05) & (found < 1.45)
    assert between.any() and ((far > 0.0) & (far < 1.0))[between].all()


def test_all_of_it_is_far_in_many_dimensions_where_the_plane_passes_by_the_encodings() -> None:
    means = CHANCE.normal(size=(500, 64)).astype(np.float32)
    plane = Plane.of_axes((0, 1), 64)
    at, beside = np.linspace(-2, 2, 9), (0.0, 0.0, *(4.0,) * 62)
    near, seen = spacing(means), Seen.of(plane, means)
    assert (Surroundings.seen_from(seen, (0.0,) * 64, near).far(at, at) == 0.0).all()  # N(0, I)'s middle
    assert (Surroundings.seen_from(seen, beside, near).far(at, at) == 1.0).all()
