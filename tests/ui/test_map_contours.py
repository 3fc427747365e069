"""Which parts of contours are drawn, and where: every visible part, at its place, and not millions of pixels more."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vae_studio.core.scene import Contour
from vae_studio.ui.map_contours import ContourLayer
from vae_studio.ui.map_view import MAX_SPAN, MIN_SPAN, MapView

ANGLES = np.linspace(0, 2 * math.pi, 193)
UNIT = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
CORNERS = np.array([(2.0, 0.0), (0.0, 2.0), (-2.0, 0.0), (0.0, -2.0), (2.0, 0.0)])


@st.composite
def views(draw, centre=4.0):
    width, height = draw(st.integers(60, 3000)), draw(st.integers(60, 2000))
    span = math.exp(draw(st.floats(math.log(MIN_SPAN), math.log(MAX_SPAN))))
    u, v = (draw(st.floats(-centre, centre)) for _ in range(2))
    return MapView(u, v, span / width, 28, 0, width, height)


def runs(view, *contours):
    layer = ContourLayer()
    layer.set_contours(contours)
    return [(run.contour, np.array([p.toTuple() for p in run.points]), run.before) for run in layer._runs(view)]


def inside(view, x, y):
    return (x > view.x) & (x < view.x + view.width) & (y > view.y) & (y < view.y + view.height)


def distance_to(lines, x, y):
    """From a point to the nearest of these broken lines, in pixels."""
    nearest = math.inf
    for line in lines:
        start, step = line[:-1], np.diff(line, axis=0)
        along = ((np.array([x, y]) - start) * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12)
        foot = start + np.clip(along, 0, 1)[:, None] * step
        nearest = min(nearest, np.hypot(*(foot - (x, y)).T).min())
    return nearest


@given(views(), st.sampled_from([1.0, 2.0, 3.0]), st.floats(-math.pi, math.pi), st.floats(-0.5, 0.5))
@example(MapView(0.0, 0.0, 3.6e-7, 28, 0, 2784, 60), 3.0, 1.0, 0.0)
def test_every_visible_part_of_a_circle_is_drawn_where_it_is(view, radius, angle, aside):
    # Looking at the circle itself: elsewhere a deep view would show nothing of it.
    u, v = radius * math.cos(angle), radius * math.sin(angle)
    view = MapView(u, v + aside * view.height * view.scale, view.scale, view.x, view.y, view.width, view.height)
    lines = [line for _, line, _ in runs(view, Contour("", radius * UNIT))]
    assert max(np.hypot(*np.diff(line, axis=0).T).max() for line in lines) <= 24.0
    reach = min(math.pi, view.width * view.scale / radius)
    for turn in np.linspace(-reach, reach, 60):
        x, y = view.to_pixel(radius * math.cos(angle + turn), radius * math.sin(angle + turn))
        if inside(view, x, y):
            assert distance_to(lines, x, y) < 1.5


@given(views(), st.floats(0.0, 4.0, exclude_max=True), st.floats(-0.5, 0.5))
def test_every_visible_part_of_a_straight_line_is_drawn_where_it_is(view, place, aside):
    side, t = int(place), place % 1
    u, v = CORNERS[side] + t * (CORNERS[side + 1] - CORNERS[side])
    view = MapView(u, v + aside * view.height * view.scale, view.scale, view.x, view.y, view.width, view.height)
    lines = [line for _, line, _ in runs(view, Contour("", CORNERS, smooth=False))]
    for near in np.clip(t + np.linspace(-1, 1, 60) * min(1.0, view.width * view.scale), 0, 1):
        x, y = view.to_pixel(*(CORNERS[side] + near * (CORNERS[side + 1] - CORNERS[side])))
        if inside(view, x, y):
            assert distance_to(lines, x, y) < 0.01


@given(views())
def test_what_is_drawn_is_no_longer_than_what_is_seen(view):
    found = runs(view, *(Contour("", radius * UNIT) for radius in (1, 2, 3)))
    size = 2 * (view.width + view.height)
    for _, line, _ in found:
        assert np.hypot(*np.diff(line, axis=0).T).sum() < 4 * size + 200
        low, high = (view.x - 60, view.y - 60), (view.x + view.width + 60, view.y + view.height + 60)
        assert ((line > low) & (line < high)).all()


def test_contours_elsewhere_are_not_drawn():
    view = MapView(2.0, 0.0, 1e-3 / 800, 0, 0, 800, 480)
    assert {contour for contour, _, _ in runs(view, *(Contour("", radius * UNIT) for radius in (1, 2, 3)))} == {1}
    assert runs(view) == []


def test_runs_are_whole_and_say_how_much_of_the_line_lies_before_them():
    whole = MapView(0.0, 0.0, 0.01, 0, 0, 800, 800)
    ((_, line, before),) = runs(whole, Contour("", 2 * UNIT))
    assert before == 0.0
    assert np.allclose(line[0], (600, 400))
    assert np.allclose(line[0], line[-1])
    assert np.allclose(np.hypot(*(line - 400).T), 200, atol=0.01)
    # Only the upper and the lower part are seen; the lower one begins after three quarters, less half of its length.
    across = MapView(0.0, 0.0, 0.01, 0, 0, 100, 800)
    (_, _, upper), (_, below, lower) = runs(across, Contour("", 2 * UNIT))
    assert upper == pytest.approx(2 * math.pi * 200 / 4 - 50, abs=40)
    start = math.atan2(-(below[0][1] - 400), below[0][0] - 50) % (2 * math.pi)
    assert lower == pytest.approx(200 * start, rel=2e-3)


def test_panning_keeps_the_dashes_where_they_are():
    views = [MapView(1.4, v, 0.001, 0, 0, 800, 480) for v in np.linspace(0.8, 1.8, 9)]
    counts = []
    for view in views:
        for _, line, before in runs(view, Contour("", 2 * UNIT)):
            angles = np.unwrap([math.atan2(*reversed(view.to_latent(x, y))) for x, y in line])
            counts.append((angles[0] % (2 * math.pi), before))
    assert len({round(angle, 3) for angle, _ in counts}) > 3
    for (angle, before), (next_angle, next_before) in pairwise(sorted(counts)):
        assert next_before - before == pytest.approx(2.0 * (next_angle - angle) / 0.001, rel=2e-3, abs=0.01)


def test_what_is_not_finite_is_left_out():
    view = MapView(0.0, 0.0, 0.01, 0, 0, 800, 800)
    broken = Contour("", np.where(UNIT > 0.9, np.nan, UNIT))
    assert len(runs(view, broken, Contour("1σ", UNIT))) == 1
