"""The map's geometry: pixels and latent coordinates, zoom, pan, fit, ticks, and circles that cross the canvas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_studio.ui.map_view import MAX_CENTRE, MAX_SPAN, MIN_SPAN, MapView, nice_step, ticks

spans = st.floats(math.log(MIN_SPAN), math.log(MAX_SPAN)).map(math.exp)
fractions = st.floats(0.0, 1.0)


@st.composite
def views(draw, centre=10.0):
    width, height = draw(st.integers(60, 3000)), draw(st.integers(60, 2000))
    coordinate = st.floats(-centre, centre)
    return MapView(draw(coordinate), draw(coordinate), draw(spans) / width, 28, 0, width, height)


def test_a_pixel_is_where_arithmetic_by_hand_puts_it():
    view = MapView(u=1.0, v=2.0, scale=0.01, x=28, y=5, width=200, height=100)

    assert view.to_pixel(1.0, 2.0) == pytest.approx((128, 55))
    assert view.to_pixel(1.5, 2.25) == pytest.approx((178, 30))  # larger v is further up
    assert view.to_latent(28, 5) == pytest.approx((0.0, 2.5))


@given(views(), fractions, fractions)
def test_to_latent_undoes_to_pixel(view, fx, fy):
    x, y = view.x + fx * view.width, view.y + fy * view.height

    assert view.to_pixel(*view.to_latent(x, y)) == pytest.approx((x, y), abs=1e-4)


@given(views(), st.floats(0.01, 100.0), fractions, fractions)
def test_zooming_keeps_the_latent_point_under_the_cursor(view, factor, fx, fy):
    x, y = view.x + fx * view.width, view.y + fy * view.height
    under = view.to_latent(x, y)

    zoomed = view.zoomed(factor, x, y)

    x_after, y_after = zoomed.to_pixel(*under)
    assert abs(zoomed.u) == MAX_CENTRE or abs(x_after - x) < 0.5
    assert abs(zoomed.v) == MAX_CENTRE or abs(y_after - y) < 0.5


@given(views(), st.floats(1e-6, 1e6), fractions, fractions)
def test_zoom_stays_within_its_limits_and_is_otherwise_exact(view, factor, fx, fy):
    zoomed = view.zoomed(factor, view.x + fx * view.width, view.y + fy * view.height)

    expected = min(max(view.scale * view.width / factor, 1e-3), 400.0)
    assert zoomed.scale * zoomed.width == pytest.approx(expected)
    assert abs(zoomed.u) <= MAX_CENTRE
    assert abs(zoomed.v) <= MAX_CENTRE


@given(st.integers(100, 4000), st.integers(100, 4000))
def test_the_fitted_view_is_centred_and_shows_the_bulk_of_the_prior_and_no_more(width, height):
    region = MapView.fitted(28, 0, width, height).region()

    assert region.left == pytest.approx(-region.right)
    assert region.bottom == pytest.approx(-region.top)
    assert region.right >= 3.4 - 1e-9
    assert region.top >= 2.1 - 1e-9
    assert region.right == pytest.approx(3.4) or region.top == pytest.approx(2.1)
    assert (region.right - region.left) / width == pytest.approx((region.top - region.bottom) / height)


@given(views(), fractions, fractions, fractions, fractions)
def test_panning_puts_the_held_point_under_the_mouse(view, fx, fy, gx, gy):
    held = view.to_latent(view.x + fx * view.width, view.y + fy * view.height)
    x, y = view.x + gx * view.width, view.y + gy * view.height

    panned = view.with_latent_at(*held, x, y)

    assert panned.scale == view.scale
    pixel = panned.to_pixel(*held)
    assert abs(panned.u) == MAX_CENTRE or pixel[0] == pytest.approx(x, abs=1e-3)
    assert abs(panned.v) == MAX_CENTRE or pixel[1] == pytest.approx(y, abs=1e-3)


def test_panning_ends_where_there_is_nothing_left_to_see():
    view = MapView.fitted(0, 0, 400, 300)

    assert view.with_latent_at(-1000.0, 1000.0, 200, 150).u == -MAX_CENTRE
    assert view.with_latent_at(-1000.0, 1000.0, 200, 150).v == MAX_CENTRE


def test_revealing_pans_just_enough_and_not_at_all_when_visible():
    view = MapView(0.0, 0.0, 0.01, 0, 0, 400, 300)  # shows ±2 × ±1.5

    assert view.revealing(1.0, -1.0, 20) is view
    moved = view.revealing(2.5, 0.0, 20)
    assert moved.to_pixel(2.5, 0.0) == pytest.approx((380, 150))
    assert moved.v == 0.0


@given(st.floats(1e-6, 1e4))
def test_steps_are_nice_and_hardly_larger_than_asked(least):
    step, decimals = nice_step(least)

    assert least * (1 - 1e-6) <= step <= 2.51 * least
    mantissa = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert any(mantissa == pytest.approx(nice) for nice in (1, 2, 5))
    assert float(f"{step:.{decimals}f}") == pytest.approx(step)


@given(st.floats(-40, 40), spans)
def test_ticks_lie_inside_and_say_where_they_are(low, span):
    found = ticks(low, low + span, span / 8)

    assert 3 <= len(found) <= 9
    for value, text in found:
        assert low - 1e-9 <= value <= low + span + 1e-9
        assert "-" not in text
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=span * 1e-3)
    assert len({text for _, text in found}) == len(found)


def test_ticks_of_the_fitted_map():
    assert [text for _, text in ticks(-3.4, 3.4, 0.6)] == ["−3", "−2", "−1", "0", "1", "2", "3"]
    assert [text for _, text in ticks(-0.3, 0.3, 0.15)] == ["−0.2", "0.0", "0.2"]
