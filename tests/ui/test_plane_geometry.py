"""Pixels, places on the map and latent points are each other's inverses, at every zoom and on every plane."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPointF

from vae_studio.core.latent import Region
from vae_studio.core.plane import Plane
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.map_view import MAX_SPAN, MIN_SPAN


def test_a_pixel_is_a_point_of_the_plane_and_back(qtbot) -> None:
    latent_map = LatentMap()
    qtbot.addWidget(latent_map)

    @settings(max_examples=80, deadline=None)
    @given(
        st.integers(0, 2**32 - 1),
        st.integers(2, 64),
        st.floats(math.log(MIN_SPAN), math.log(MAX_SPAN)).map(math.exp),
        st.tuples(st.integers(260, 1600), st.integers(180, 1200)),
        st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
        st.booleans(),
    )
    def check(
        seed: int, dims: int, span: float, size: tuple[int, int], share: tuple[float, float], along_axes: bool
    ) -> None:
        rng = np.random.default_rng(seed)
        origin, across, up, start = rng.normal(0.0, 2.0, (4, dims)).tolist()
        plane = Plane.of_axes((dims - 1, 0), dims) if along_axes else Plane.spanned(origin, across, up)
        latent_map.resize(*size)
        u, v = rng.uniform(-20.0, 20.0, 2)
        latent_map.choose_region(Region(u - span / 2, u + span / 2, v - span / 200, v + span / 200))
        view = latent_map.view()
        pixel = QPointF(share[0] * size[0], share[1] * size[1])
        place = latent_map.to_latent(pixel)
        point = plane.moved(start, place)
        back = latent_map.to_pixel(plane.place(point))
        assert math.hypot(back.x() - pixel.x(), back.y() - pixel.y()) < 1e-3
        np.testing.assert_allclose(plane.offset(point), plane.offset(start), atol=1e-9)
        # As the crow flies it is as far as on the map, whose units are square.
        corner = latent_map.to_latent(QPointF(0.0, 0.0))
        pixels = math.hypot(pixel.x(), pixel.y())
        there = plane.moved(start, corner)
        assert math.isclose(math.dist(point, there), pixels * view.units_per_pixel, rel_tol=1e-5, abs_tol=1e-9)

    check()
