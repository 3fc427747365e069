"""The latent map under real presses, drags, wheel turns and keys, and what it paints, pixel by pixel."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QNativeGestureEvent, QPointingDevice, QRegion, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from vae_studio.core.exploration import Layers
from vae_studio.core.scene import Contour, MapFrame, Tile, Version
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.theme import DARK, LIGHT

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def latent_map(qtbot):
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.resize(708, 460)  # a canvas of 680 × 440: 100 pixels to a unit, 0 in the middle
    widget.show()
    qtbot.waitExposed(widget)
    widget.setFocus()
    widget.moved, widget.views = [], []
    widget.point_moved.connect(widget.moved.append)
    widget.view_changed.connect(widget.views.append)
    return widget


def place(widget, u, v):
    return widget.to_pixel((u, v)).toPoint()


def press(widget, pos, button=LEFT):
    QTest.mousePress(widget.windowHandle(), button, NONE, pos)


def move(widget, pos):
    QTest.mouseMove(widget.windowHandle(), pos)
    QApplication.processEvents()


def release(widget, pos, button=LEFT):
    QTest.mouseRelease(widget.windowHandle(), button, NONE, pos)


def drag(widget, start, *stops):
    press(widget, start)
    for stop in stops:
        move(widget, stop)
    release(widget, stops[-1])


def wheel(widget, pos, angle=0, pixels=0, phase=Qt.ScrollPhase.NoScrollPhase):
    event = QWheelEvent(
        QPointF(pos),
        QPointF(widget.mapToGlobal(pos)),
        QPoint(0, pixels),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        NONE,
        phase,
        False,
    )
    QApplication.sendEvent(widget, event)


def pinch(widget, pos, value):
    point = QPointF(pos)
    event = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture,
        QPointingDevice.primaryPointingDevice(),
        2,
        point,
        point,
        QPointF(widget.mapToGlobal(pos)),
        value,
        QPointF(),
    )
    QApplication.sendEvent(widget, event)


def painted(widget):
    """The widget as an image with one pixel to a logical pixel, whatever the screen's scale."""
    image = QImage(widget.size(), QImage.Format.Format_RGB32)
    widget.render(image)
    return image


def colour(widget, pos):
    """The colour painted at a logical pixel, as (red, green, blue)."""
    return painted(widget).pixelColor(int(pos.x()), int(pos.y())).getRgb()[:3]


def rgb(name):
    return QColor(name).getRgb()[:3]


def frame(*tiles, contours=()):
    return MapFrame(Version(0, 0), (0, 1), tiles, True, 0.0, tuple(contours))


def ellipse(name, centre=(0.0, 0.0), radii=(1.0, 1.0)):
    angles = np.linspace(0, 2 * np.pi, 193)
    return Contour(name, np.array(centre) + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii)


CIRCLES = tuple(ellipse(f"{radius}σ", radii=(radius, radius)) for radius in (1, 2, 3))


def bare(widget, **shown):
    """Only the named layers, and the ring out of the way."""
    widget.set_layers(Layers(**({"tiles": False, "encodings": False, "prior": False} | shown)))
    widget.set_point(3.0, -1.9)
    QTest.mouseMove(widget.windowHandle(), QPoint(5, 5))


# Fit and view


def test_it_opens_fitted_with_square_units(latent_map):
    view = latent_map.view()

    assert (view.left, view.right) == pytest.approx((-3.4, 3.4))
    assert (view.bottom, view.top) == pytest.approx((-2.2, 2.2))
    assert (view.width, view.height) == (680, 440)
    assert latent_map.to_pixel((1.0, -1.0)) == QPointF(28 + 340 + 100, 220 + 100)
    assert latent_map.to_latent(QPointF(28, 0)) == pytest.approx((-3.4, 2.2))


def test_resizing_fits_again_until_the_user_has_zoomed(latent_map):
    latent_map.resize(368, 460)
    assert latent_map.views[-1] == latent_map.view()
    assert latent_map.view().right == pytest.approx(3.4)

    wheel(latent_map, QPoint(100, 100), 120)
    before = latent_map.view()
    latent_map.resize(708, 460)
    after = latent_map.views[-1]
    assert after.units_per_pixel == pytest.approx(before.units_per_pixel)
    assert after.left + after.right == pytest.approx(before.left + before.right)
    assert after.width == 680


# Mouse


def test_dragging_the_ring_moves_the_point_without_a_jump(latent_map):
    latent_map.set_point(0.5, 0.5)
    grabbed = place(latent_map, 0.5, 0.5) + QPoint(6, -5)

    drag(latent_map, grabbed, grabbed + QPoint(1, 0), grabbed + QPoint(100, -50))

    assert latent_map.moved[0] == pytest.approx((0.51, 0.5))
    assert latent_map.moved[-1] == pytest.approx((1.5, 1.0))
    assert latent_map.point() == latent_map.moved[-1]
    assert latent_map.views == []


def test_pressing_the_ring_without_moving_leaves_the_point_alone(latent_map):
    pos = place(latent_map, 0, 0) + QPoint(9, 9)

    drag(latent_map, pos, pos)

    assert latent_map.moved == []


def test_the_ring_stops_at_the_edge_of_the_canvas(latent_map):
    drag(latent_map, place(latent_map, 0, 0), QPoint(200, 300), QPoint(2, 455))

    assert latent_map.moved[-1] == pytest.approx((-3.4, -2.2))


def test_a_click_puts_the_point_there_even_if_the_hand_trembles(latent_map):
    pos = place(latent_map, -1.2, 0.7)

    drag(latent_map, pos, pos + QPoint(2, 2), pos)

    assert latent_map.moved == [pytest.approx((-1.2, 0.7))]
    assert latent_map.views == []


def test_dragging_the_empty_map_pans_and_leaves_the_point_alone(latent_map):
    start = place(latent_map, 1.0, 1.0)

    drag(latent_map, start, start + QPoint(20, 10), start + QPoint(-150, 80))

    assert latent_map.moved == []
    assert latent_map.to_pixel((1.0, 1.0)) == QPointF(start + QPoint(-150, 80))
    assert latent_map.views[-1] == latent_map.view()
    assert latent_map.view().left == pytest.approx(-3.4 + 1.5)


@pytest.mark.parametrize("pos", [QPoint(10, 200), QPoint(300, 450)])
def test_a_click_on_the_axes_does_nothing(latent_map, pos):
    drag(latent_map, pos, pos)

    assert latent_map.moved == []


def test_other_buttons_do_nothing(latent_map):
    press(latent_map, QPoint(200, 200), RIGHT)
    move(latent_map, QPoint(300, 250))
    release(latent_map, QPoint(300, 250), RIGHT)

    assert latent_map.moved == []
    assert latent_map.views == []


def test_escape_puts_a_dragged_point_back_and_ends_the_drag(latent_map):
    latent_map.set_point(-1.0, 0.25)
    start = place(latent_map, -1.0, 0.25)
    press(latent_map, start)
    move(latent_map, start + QPoint(90, 30))
    assert latent_map.point() == pytest.approx((-0.1, -0.05))

    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    assert latent_map.moved[-1] == (-1.0, 0.25)
    move(latent_map, start + QPoint(200, 0))
    release(latent_map, start + QPoint(200, 0))

    assert latent_map.point() == (-1.0, 0.25)


def test_escape_takes_back_a_pan(latent_map):
    before = latent_map.view()
    press(latent_map, QPoint(100, 100))
    move(latent_map, QPoint(180, 140))
    assert latent_map.view() != before

    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    release(latent_map, QPoint(180, 140))

    assert latent_map.view() == before
    assert latent_map.moved == []


def test_the_cursor_says_what_a_press_would_do(latent_map):
    shapes = []
    for pos in (QPoint(100, 100), place(latent_map, 0, 0), QPoint(10, 100)):
        move(latent_map, pos)
        shapes.append(latent_map.cursor().shape())
    press(latent_map, place(latent_map, 0, 0))
    shapes.append(latent_map.cursor().shape())
    release(latent_map, place(latent_map, 0, 0))

    assert shapes == [
        Qt.CursorShape.PointingHandCursor,
        Qt.CursorShape.OpenHandCursor,
        Qt.CursorShape.ArrowCursor,
        Qt.CursorShape.ClosedHandCursor,
    ]


# Zoom


def test_the_wheel_zooms_at_the_cursor_and_back(latent_map):
    pos = QPoint(150, 90)
    under = latent_map.to_latent(QPointF(pos))

    wheel(latent_map, pos, 240)
    zoom = latent_map.zoom_factor()
    assert zoom > 1.2
    assert latent_map.to_latent(QPointF(pos)) == pytest.approx(under)
    wheel(latent_map, pos, 120)
    assert latent_map.zoom_factor() == pytest.approx(zoom**1.5)  # equal ratios for equal turns
    wheel(latent_map, pos, -360)

    assert latent_map.zoom_factor() == pytest.approx(1.0)
    assert latent_map.view().left == pytest.approx(-3.4)
    assert len(latent_map.views) == 3


def test_a_touchpad_zooms_by_its_pixels(latent_map):
    pos = QPoint(500, 300)
    under = latent_map.to_latent(QPointF(pos))

    wheel(latent_map, pos, 8, 10, Qt.ScrollPhase.ScrollUpdate)
    once = latent_map.zoom_factor()
    wheel(latent_map, pos, 8, 20, Qt.ScrollPhase.ScrollUpdate)

    assert 1.0 < once < 1.1
    assert latent_map.zoom_factor() == pytest.approx(once**3)
    assert latent_map.to_latent(QPointF(pos)) == pytest.approx(under)


def test_a_pinch_zooms_at_the_fingers(latent_map):
    pos = QPoint(500, 300)
    under = latent_map.to_latent(QPointF(pos))

    pinch(latent_map, pos, 0.25)

    assert latent_map.zoom_factor() == pytest.approx(1.25)
    assert latent_map.to_latent(QPointF(pos)) == pytest.approx(under)


def test_zoom_has_limits(latent_map):
    for _ in range(12):
        wheel(latent_map, QPoint(368, 220), 1200)
    assert latent_map.view().right - latent_map.view().left == pytest.approx(1e-3)
    for _ in range(12):
        wheel(latent_map, QPoint(368, 220), -1200)
    assert latent_map.view().right - latent_map.view().left == pytest.approx(400.0)


def test_dragging_stays_right_while_the_wheel_turns(latent_map):
    start = place(latent_map, 0.0, 0.0)
    press(latent_map, start)
    wheel(latent_map, QPoint(500, 300), 240)
    move(latent_map, start + QPoint(30, 30))
    release(latent_map, start + QPoint(30, 30))

    under = latent_map.to_latent(QPointF(start + QPoint(30, 30)))
    assert latent_map.moved[-1] == pytest.approx(under)


# Keys


@pytest.mark.parametrize(
    ("key", "direction"),
    [
        (Qt.Key.Key_Left, (-1, 0)),
        (Qt.Key.Key_Right, (1, 0)),
        (Qt.Key.Key_Up, (0, 1)),
        (Qt.Key.Key_Down, (0, -1)),
    ],
)
def test_arrow_keys_nudge_the_point(latent_map, key, direction):
    QTest.keyClick(latent_map, key)
    assert latent_map.moved == [pytest.approx(tuple(0.068 * d for d in direction))]

    QTest.keyClick(latent_map, key, Qt.KeyboardModifier.ShiftModifier)
    assert latent_map.moved[-1] == pytest.approx(tuple(0.748 * d for d in direction))


def test_a_point_nudged_off_the_map_takes_the_map_along(latent_map):
    latent_map.set_point(3.3, 0.0)

    QTest.keyClick(latent_map, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)

    assert latent_map.point()[0] == pytest.approx(3.98)
    assert latent_map.view().left < 3.98 < latent_map.view().right
    assert latent_map.views == [latent_map.view()]


def test_plus_and_minus_zoom_at_the_point(latent_map):
    latent_map.set_point(1.0, 1.0)
    before = latent_map.to_pixel((1.0, 1.0))

    QTest.keyClick(latent_map, Qt.Key.Key_Plus)
    assert latent_map.zoom_factor() > 1.05
    assert (latent_map.to_pixel((1.0, 1.0)) - before).manhattanLength() < 1e-6
    QTest.keyClick(latent_map, Qt.Key.Key_Minus)
    QTest.keyClick(latent_map, Qt.Key.Key_Minus)

    assert latent_map.zoom_factor() < 0.95
    assert (latent_map.to_pixel((1.0, 1.0)) - before).manhattanLength() < 1e-6


def test_keys_zoom_at_the_middle_while_the_point_is_out_of_sight(latent_map):
    latent_map.set_point(30.0, 0.0)

    QTest.keyClick(latent_map, Qt.Key.Key_Plus)

    assert latent_map.view().left == pytest.approx(-latent_map.view().right)


@pytest.mark.parametrize("key", [Qt.Key.Key_0, Qt.Key.Key_Home])
def test_zero_and_home_fit_the_map(latent_map, key):
    fitted = latent_map.view()
    wheel(latent_map, QPoint(60, 60), 600)
    assert latent_map.view() != fitted

    QTest.keyClick(latent_map, key)

    assert latent_map.view() == fitted
    assert latent_map.views[-1] == fitted


def test_shortcuts_of_the_window_are_left_to_it(latent_map):
    QTest.keyClick(latent_map, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(latent_map, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)

    assert latent_map.moved == []


def test_it_takes_the_focus_by_tab_and_has_a_name(latent_map):
    assert latent_map.focusPolicy() == Qt.FocusPolicy.StrongFocus
    assert latent_map.accessibleName() == "Latent map"
    assert latent_map.toolTip() == ""  # a tooltip would cover the map


# Pixels


def views_to_go_back_to(latent_map):
    count = 0
    while latent_map.can_go_back:
        latent_map.back()
        count += 1
    for _ in range(count):
        latent_map.forward()
    return count


def test_back_and_forward_show_the_views_before_and_after_as_a_browser_does(latent_map, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("vae_studio.ui.controls.time.monotonic", lambda: now[0])
    seen = [latent_map.view()]

    def pause():
        seen.append(latent_map.view())
        now[0] += 5.0

    for _ in range(4):  # a burst of wheel steps
        now[0] += 0.1
        wheel(latent_map, QPoint(300, 200), angle=120)
    pause()
    wheel(latent_map, QPoint(300, 200), angle=120)
    pause()
    drag(latent_map, QPoint(150, 100), QPoint(160, 110), QPoint(200, 150), QPoint(240, 100))
    pause()
    drag(latent_map, QPoint(150, 100), QPoint(160, 110), QPoint(200, 150))  # at once after the other
    drag(latent_map, QPoint(150, 100), QPoint(160, 110), QPoint(200, 150))
    pause()
    QTest.keyClick(latent_map, Qt.Key.Key_0)
    pause()
    assert len(set(seen)) == 5 and seen[-1] == seen[0], "the last is the fitted view again"
    assert views_to_go_back_to(latent_map) == 6
    for view in (seen[4], None, seen[3], seen[2], seen[1], seen[0]):
        latent_map.back()
        assert view is None or latent_map.view() == view
    assert not latent_map.can_go_back and latent_map.can_go_forward
    latent_map.back()
    assert latent_map.view() == seen[0]
    QTest.mouseClick(latent_map.windowHandle(), Qt.MouseButton.ForwardButton, NONE, QPoint(300, 200))
    assert latent_map.view() == seen[1]
    QTest.mouseClick(latent_map.windowHandle(), Qt.MouseButton.BackButton, NONE, QPoint(300, 200))
    assert latent_map.view() == seen[0]
    latent_map.forward()
    wheel(latent_map, QPoint(300, 200), angle=-120)
    assert not latent_map.can_go_forward, "a view of one's own choice drops those that were gone back from"


def test_a_view_that_was_gone_back_to_is_the_fitted_one_at_any_size(latent_map):
    wheel(latent_map, QPoint(300, 200), angle=120)
    latent_map.back()
    latent_map.resize(508, 360)
    QApplication.processEvents()
    twin = LatentMap()
    twin.resize(508, 360)
    twin.grab()
    assert latent_map.view() == twin.view()
    assert latent_map.region() is None


def test_panning_that_is_cancelled_leaves_nothing_to_go_back_to(latent_map):
    press(latent_map, QPoint(150, 100))
    move(latent_map, QPoint(200, 150))
    assert latent_map.can_go_back
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    assert not latent_map.can_go_back
    assert latent_map.region() is None


def test_a_region_is_shown_whole_and_comes_back_exactly(latent_map):
    wheel(latent_map, QPoint(300, 200), angle=360)
    region = latent_map.region()
    before = latent_map.view()
    latent_map.fit()
    latent_map.show_region(region)
    after = latent_map.view()
    for side in ("left", "right", "bottom", "top"):
        assert getattr(after, side) == pytest.approx(getattr(before, side), abs=1e-9)
    assert not latent_map.can_go_back
    latent_map.resize(408, 460)
    latent_map.show_region(region)
    narrow = latent_map.view()
    assert narrow.left <= region.left + 1e-9 and narrow.right >= region.right - 1e-9
    assert narrow.bottom < region.bottom and narrow.top > region.top
    latent_map.show_region(None)
    assert latent_map.region() is None


def test_the_point_is_brought_into_sight_on_demand(latent_map):
    latent_map.set_point(1.0, 1.0)
    latent_map.reveal_point()
    assert latent_map.views == []
    latent_map.set_point(5.0, -1.0)
    latent_map.reveal_point()
    view = latent_map.view()
    assert view.left < 5.0 < view.right and view.bottom < -1.0 < view.top
    assert latent_map.can_go_back


def test_moves_of_one_drag_and_keys_in_quick_succession_are_one_gesture(latent_map, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("vae_studio.ui.controls.time.monotonic", lambda: now[0])
    gestures = []
    latent_map.point_moved.connect(lambda _: gestures.append(latent_map.gesture.key()))

    def one(act):
        gestures.clear()
        act()
        assert len(set(gestures)) == 1, gestures
        return gestures[0], len(gestures)

    def slow_drag():
        press(latent_map, latent_map.to_pixel(latent_map.point()).toPoint())
        for x in (300, 320, 340, 360):
            now[0] += 3.0  # a hand that rests does not end a drag
            move(latent_map, QPoint(x, 200))
        release(latent_map, QPoint(360, 200))

    def keys():
        for _ in range(5):
            now[0] += 0.3
            QTest.keyClick(latent_map, Qt.Key.Key_Right)

    found = [one(slow_drag), one(slow_drag), one(keys)]
    now[0] += 2.0
    found += [one(keys), one(lambda: QTest.mouseClick(latent_map, LEFT, NONE, QPoint(100, 100)))]
    found.append(one(lambda: QTest.mouseClick(latent_map, LEFT, NONE, QPoint(200, 100))))
    assert [count for _, count in found] == [4, 4, 5, 5, 1, 1]
    assert len({number for number, _ in found}) == len(found)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_the_ring_is_painted_where_to_pixel_says(latent_map, theme):
    latent_map.set_theme(theme)
    latent_map.set_layers(Layers(tiles=True, encodings=False, prior=False))
    latent_map.set_point(1.5, -0.5)
    centre = latent_map.to_pixel((1.5, -0.5))

    assert colour(latent_map, centre) == rgb(theme.accent)
    for offset in (QPointF(10, 0), QPointF(-10, 0), QPointF(0, 10), QPointF(0, -10)):
        assert colour(latent_map, centre + offset) == rgb(theme.ring)
    assert colour(latent_map, centre + QPointF(20, 0)) == rgb(theme.paper)


class Regions(QObject):
    """Which parts of a widget are painted."""

    def __init__(self, widget):
        super().__init__(widget)
        self.seen = QRegion()
        widget.installEventFilter(self)

    def eventFilter(self, _, event):
        if event.type() == QEvent.Type.Paint:
            self.seen += event.region()
        return False


@pytest.mark.parametrize(
    ("ratio", "target"), [(1, (1.2, -0.3)), (1.5, (1.2, -0.3)), (2, (1.2, -0.3)), (1, (5.0, -4.0))]
)
def test_a_moving_point_is_painted_anew_with_little_around_it_and_leaves_no_trace(latent_map, ratio, target):
    latent_map.set_map(frame(Tile(-3, 3, -2, 2, np.arange(256, dtype=np.uint8).reshape(16, 16), 4), contours=CIRCLES))
    latent_map.set_encodings(np.array([[-1.0, 0.5], [1.2, -0.3]]), np.array([1, 7]))
    latent_map.set_point(-1.0, 0.5)
    QApplication.processEvents()

    def image():
        result = QImage(latent_map.size() * ratio, QImage.Format.Format_RGB32)
        result.setDevicePixelRatio(ratio)
        latent_map.render(result)
        return result

    before, regions = image(), Regions(latent_map)
    regions.seen = QRegion()
    latent_map.set_point(*target)
    QApplication.processEvents()
    region, after = QRegion(regions.seen), image()
    area = sum(rect.width() * rect.height() for rect in region)
    assert 0 < area < 0.02 * latent_map.width() * latent_map.height()
    changed = [
        QPoint(int(x / ratio), int(y / ratio))
        for x in range(before.width())
        for y in range(before.height())
        if before.pixel(x, y) != after.pixel(x, y)
    ]
    assert len(changed) > 500 * ratio
    assert all(region.contains(place) for place in changed)


def test_set_point_is_silent(latent_map):
    latent_map.set_point(1.0, 1.0)

    assert latent_map.point() == (1.0, 1.0)
    assert latent_map.moved == []


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_a_tile_lies_where_its_coordinates_say_top_row_up(latent_map, theme):
    bare(latent_map, tiles=True)
    latent_map.set_theme(theme)
    image = np.zeros((20, 30), np.uint8)  # width no multiple of 4: rows must not shear
    image[:10, :15] = 255  # top left: ink
    image[10:, 15:] = 128  # bottom right: grey
    latent_map.set_map(frame(Tile(left=0.0, right=1.5, bottom=-1.0, top=1.0, image=image)))

    def at(u, v):
        return colour(latent_map, latent_map.to_pixel((u, v)))

    assert at(0.3, 0.5) == rgb(theme.ink)
    assert at(1.2, 0.5) == rgb(theme.paper)
    assert at(0.3, -0.5) == rgb(theme.paper)
    middle = tuple((a * 127 + b * 128) / 255 for a, b in zip(rgb(theme.paper), rgb(theme.ink), strict=True))
    assert at(1.2, -0.5) == pytest.approx(middle, abs=1)
    assert at(0.03, 0.97) == rgb(theme.ink)  # right up to the corner
    assert at(-0.03, 0.97) == rgb(theme.paper)  # and no further
    assert at(0.03, 1.03) == rgb(theme.paper)


def test_tiles_follow_zoom_and_pan_at_once(latent_map):
    bare(latent_map, tiles=True)
    latent_map.set_map(frame(Tile(1.0, 1.5, 1.0, 1.5, np.full((8, 8), 255, np.uint8))))
    wheel(latent_map, QPoint(400, 200), 240)
    drag(latent_map, QPoint(200, 300), QPoint(180, 320), QPoint(170, 330))

    assert colour(latent_map, latent_map.to_pixel((1.25, 1.25))) == rgb(DARK.ink)
    assert colour(latent_map, latent_map.to_pixel((0.95, 1.25))) == rgb(DARK.paper)


def test_neighbouring_tiles_leave_no_seam_at_any_zoom(latent_map):
    bare(latent_map, tiles=True)
    white = np.full((14, 14), 255, np.uint8)
    edges = np.arange(-4.0, 4.0, 0.4)
    latent_map.set_map(frame(*(Tile(u, u + 0.4, v, v + 0.4, white) for u in edges for v in edges)))
    latent_map.set_point(30.0, 0.0)

    for _ in range(5):
        wheel(latent_map, QPoint(310, 170), 37)
        shown = painted(latent_map).copy(40, 10, 640, 400)
        colours = {shown.pixel(x, y) for x in range(640) for y in (7, 200, 391)}
        colours |= {shown.pixel(x, y) for x in (3, 320, 611) for y in range(400)}
        assert colours == {QColor(DARK.ink).rgb()}


def test_later_tiles_cover_earlier_ones_and_a_new_frame_replaces_all(latent_map):
    bare(latent_map, tiles=True)
    black, white = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    latent_map.set_map(frame(Tile(-1, 1, -1, 1, white), Tile(-0.5, 0.5, -0.5, 0.5, black)))
    middle, rim = latent_map.to_pixel((0.0, 0.0)), latent_map.to_pixel((0.8, 0.0))
    assert (colour(latent_map, middle), colour(latent_map, rim)) == (rgb(DARK.paper), rgb(DARK.ink))

    latent_map.set_map(frame(Tile(-0.5, 0.5, -0.5, 0.5, white), Tile(0.5, 1, -1, 1, black)))
    assert (colour(latent_map, middle), colour(latent_map, rim)) == (rgb(DARK.ink), rgb(DARK.paper))
    latent_map.set_map(None)
    assert colour(latent_map, middle) == rgb(DARK.paper)


def test_arrays_that_come_and_go_never_show_each_others_picture(latent_map):
    # Freed arrays leave their ids to new ones, which a cache keyed by id alone would mistake for them.
    bare(latent_map, tiles=True)
    middle = latent_map.to_pixel((0.0, 0.0))
    for value in (0, 255) * 6:
        latent_map.set_map(None)
        latent_map.set_map(frame(Tile(-1, 1, -1, 1, np.full((4, 4), value, np.uint8))))
        assert colour(latent_map, middle) == (rgb(DARK.ink) if value else rgb(DARK.paper))


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_colours_are_painted_as_they_are(latent_map, theme):
    bare(latent_map, tiles=True)
    latent_map.set_theme(theme)
    image = np.zeros((4 * 8, 4 * 8, 3), np.uint8)
    image[:16, :16] = (255, 0, 0)
    image[16:, 16:] = (10, 200, 90)
    latent_map.set_map(frame(Tile(0.0, 2.0, -1.0, 1.0, image, cells=4)))

    seen = [colour(latent_map, latent_map.to_pixel(z)) for z in ((0.5, 0.5), (1.5, -0.5), (1.5, 0.5))]
    assert seen == [(255, 0, 0), (10, 200, 90), (0, 0, 0)]


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (20, 30, 3)], ids=["wide", "tall", "wide in colour"])
def test_images_that_are_not_square_keep_their_proportions(latent_map, theme, shape):
    bare(latent_map, tiles=True)
    latent_map.set_theme(theme)
    height, width, *channels = shape
    image = np.full((4 * height, 4 * width, *channels), 255, np.uint8)
    latent_map.set_map(frame(Tile(-2.0, 2.0, -2.0, 2.0, image, cells=4)))  # each image has a square of 1 × 1

    white = (255, 255, 255) if channels else rgb(theme.ink)
    for u, v in ((-1.5, 1.5), (0.5, 0.5), (1.5, -1.5)):
        long, short = (0.47, 0.31) if width > height else (0.31, 0.47)
        for du, dv in ((long, 0), (-long, 0), (0, short), (0, -short)):
            assert colour(latent_map, latent_map.to_pixel((u + du, v + dv))) == white
        beyond = (0, 0.36) if width > height else (0.36, 0)
        for sign in (1, -1):
            place = latent_map.to_pixel((u + sign * beyond[0], v + sign * beyond[1]))
            assert colour(latent_map, place) == rgb(theme.paper)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_encodings_are_painted_at_their_place_in_the_colour_of_their_class(latent_map, theme):
    bare(latent_map, encodings=True)
    latent_map.set_theme(theme)
    points = np.array([[-1.0, 1.0], [0.0, 0.0], [2.0, -1.5]], np.float32)
    latent_map.set_encodings(points, np.array([3, 0, 9], np.uint8))

    for (u, v), label in zip(points.tolist(), (3, 0, 9), strict=True):
        centre = latent_map.to_pixel((u, v))
        assert colour(latent_map, centre) == rgb(theme.classes[label])
        assert colour(latent_map, centre + QPointF(6, 0)) == rgb(theme.paper)
        assert colour(latent_map, centre - QPointF(0, 6)) == rgb(theme.paper)


def test_hidden_classes_are_not_painted(latent_map):
    bare(latent_map, encodings=True)
    latent_map.set_encodings(np.array([[-1.0, 1.0], [1.0, 1.0]], np.float32), np.array([2, 7], np.uint8))
    two, seven = latent_map.to_pixel((-1.0, 1.0)), latent_map.to_pixel((1.0, 1.0))

    bare(latent_map, encodings=True, hidden_classes=frozenset({7}))
    assert (colour(latent_map, two), colour(latent_map, seven)) == (rgb(DARK.classes[2]), rgb(DARK.paper))
    bare(latent_map, encodings=True)
    assert colour(latent_map, seven) == rgb(DARK.classes[7])
    latent_map.set_encodings(None)
    assert colour(latent_map, two) == rgb(DARK.paper)


def test_encodings_far_from_the_plane_fade_and_bad_ones_are_left_out(latent_map):
    bare(latent_map, encodings=True)
    points = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [np.nan, 0.0], [1e30, 0.0]], np.float32)
    latent_map.set_encodings(points, np.full(5, 1, np.uint8), np.array([1.0, 0.5, 0.0, 1.0, 1.0]))

    near, half, far = (colour(latent_map, latent_map.to_pixel((u, 0.0))) for u in (-1.0, 0.0, 1.0))
    full, paper = rgb(DARK.classes[1]), rgb(DARK.paper)
    assert near == full
    assert half == pytest.approx(tuple((a + b) / 2 for a, b in zip(full, paper, strict=True)), abs=2)
    assert far == paper


def canvas(widget):
    return painted(widget).copy(28, 0, 680, 440)


def other_than_paper(image, points):
    return sum(image.pixelColor(int(x), int(y)).getRgb()[:3] != rgb(DARK.paper) for x, y in points)


def test_prior_contours_are_circles_of_one_two_and_three_sigma(latent_map):
    latent_map.set_map(frame(contours=CIRCLES))
    bare(latent_map, prior=True)
    latent_map.set_point(30.0, 30.0)
    image = canvas(latent_map)
    angles = np.linspace(np.pi + 0.1, np.pi + 0.6, 200)  # upper left, where no label stands
    for radius, share in ((100, 0.35), (200, 0.35), (300, 0.35), (150, 0.0), (250, 0.0)):
        points = [(340 + radius * np.cos(a), 220 - radius * np.sin(a)) for a in -angles]
        painted = other_than_paper(image, points) / len(points)
        assert painted > share if share else painted == 0
    bare(latent_map)
    latent_map.set_point(30.0, 30.0)
    assert other_than_paper(canvas(latent_map), [(x, 220) for x in range(10, 670)]) == 0


def test_no_contours_are_shown_before_they_are_known(latent_map):
    bare(latent_map, prior=True)
    latent_map.set_point(30.0, 30.0)
    points = [(x, y) for x in range(10, 670, 3) for y in (100, 220, 300)]
    assert other_than_paper(canvas(latent_map), points) == 0
    latent_map.set_map(frame(contours=CIRCLES))
    assert other_than_paper(canvas(latent_map), points) > 0
    latent_map.set_map(None)
    assert other_than_paper(canvas(latent_map), points) == 0


def test_a_mixtures_ellipses_are_painted_and_named(latent_map):
    latent_map.set_map(frame(contours=(ellipse("", (1.0, 0.5), (0.5, 1.0)), ellipse("40 %", (-1.0, 0.0), (1.0, 0.5)))))
    bare(latent_map, prior=True)
    latent_map.set_point(30.0, 0.0)
    image = canvas(latent_map)

    def share(centre, radii, angles):
        """How much of this part of an ellipse is painted."""
        points = [
            (340 + 100 * (centre[0] + radii[0] * np.cos(a)), 220 - 100 * (centre[1] + radii[1] * np.sin(a)))
            for a in angles
        ]
        return other_than_paper(image, points) / len(points)

    everywhere, unnamed = np.linspace(0, 2 * np.pi, 400), np.linspace(np.pi, 2 * np.pi, 200)
    assert 0.35 < share((1.0, 0.5), (0.5, 1.0), everywhere) < 0.8
    assert 0.35 < share((-1.0, 0.0), (1.0, 0.5), unnamed) < 0.8
    assert share((1.0, 0.5), (0.4, 0.9), everywhere) == 0
    assert share((-1.0, 0.0), (0.8, 0.4), everywhere) == 0
    # The name stands at 30°; the ellipse without one has none there.
    for (u, v), named in (((-1.0 + np.cos(np.pi / 6), 0.25), True), ((1.0 + 0.5 * np.cos(np.pi / 6), 1.0), False)):
        box = [(340 + 100 * u + dx, 220 - 100 * v + dy) for dx in range(-12, 13) for dy in range(-4, 5)]
        assert (other_than_paper(image, box) > 80) is named


def test_straight_contours_have_straight_sides_and_corners(latent_map):
    corners = np.array([(2.0, 0.0), (0.0, 2.0), (-2.0, 0.0), (0.0, -2.0), (2.0, 0.0)])
    latent_map.set_map(frame(contours=(Contour("86 %", corners, smooth=False),)))
    bare(latent_map, prior=True)
    latent_map.set_point(30.0, 0.0)
    image = canvas(latent_map)

    parts = np.linspace(0.05, 0.95, 200)
    lower_left = [(340 - 200 * (1 - t), 220 + 200 * t) for t in parts]
    assert 0.35 < other_than_paper(image, lower_left) / 200 < 0.9
    inside = [(340 - 195 * (1 - t), 220 + 195 * t) for t in parts]
    assert other_than_paper(image, inside) == 0


@pytest.mark.parametrize("turns", [5, 20, 60])
def test_deep_in_the_map_a_contour_is_where_its_circle_is(latent_map, turns):
    angle = 0.7531  # between two points of the line
    latent_map.set_map(frame(contours=CIRCLES))
    bare(latent_map, prior=True)
    target = (2.0 * np.cos(angle), 2.0 * np.sin(angle))
    latent_map.set_point(*target)
    for _ in range(turns):
        QTest.keyClick(latent_map, Qt.Key.Key_Plus)  # at the point, which stays where it is
    latent_map.set_point(30.0, 0.0)
    image, scale = canvas(latent_map), latent_map.view().units_per_pixel
    centre = latent_map.to_pixel(target)
    reach = np.linspace(-150, 150, 301) * scale / 2.0  # the angles of 300 pixels of the circle

    def share(radius):
        places = [latent_map.to_pixel((radius * np.cos(angle + a), radius * np.sin(angle + a))) for a in reach]
        near = [(p.x() - 28, p.y()) for p in places if (p - centre).manhattanLength() > 24]
        on = [(x, y) for x, y in near if 0 <= x < 680 and 0 <= y < 440]
        assert len(on) > 150
        return other_than_paper(image, on) / len(on)

    assert 0.25 < share(2.0) < 1.0
    for off in (-25, 25):
        assert share(2.0 + off * scale) < 0.1  # but for a name


def test_names_of_contours_do_not_cover_each_other(latent_map):
    latent_map.set_map(frame(contours=CIRCLES))
    bare(latent_map, prior=True)
    latent_map.set_point(0.0, 0.0)
    for _ in range(14):
        QTest.keyClick(latent_map, Qt.Key.Key_Minus)  # 1σ, 2σ and 3σ are 8 pixels apart
    latent_map.set_point(40.0, 0.0)
    one = canvas(latent_map)
    latent_map.set_map(frame(contours=(CIRCLES[0], CIRCLES[0])))
    twice = canvas(latent_map)
    latent_map.set_map(frame(contours=(CIRCLES[0],)))
    once = canvas(latent_map)

    def tagged(image):
        return np.array([[image.pixelColor(x, y).lightness() for x in range(270, 410)] for y in range(170, 270)])

    assert (tagged(twice) != tagged(once)).any(), "the same name again stands elsewhere"
    assert (tagged(one) != tagged(once)).any()


def test_a_contour_is_labelled_wherever_it_is_visible(latent_map):
    latent_map.set_map(frame(contours=CIRCLES))
    bare(latent_map, prior=True)
    for _ in range(3):
        wheel(latent_map, place(latent_map, 2.0, 0.0), 600)  # only 2σ is left, and not at its usual angle
    latent_map.set_point(30.0, 0.0)
    image = canvas(latent_map)

    x = latent_map.to_pixel((2.0, 0.0)).x() - 28
    rows = [other_than_paper(image, [(x + dx, y) for dx in range(-12, 13)]) for y in range(440)]
    assert 1 <= sum(count > 5 for count in rows) <= 14  # the height of one label; elsewhere there are only dashes


def test_with_one_dimension_the_contours_are_upright_lines(latent_map):
    latent_map.set_map(frame(contours=CIRCLES))
    bare(latent_map, prior=True)
    latent_map.set_axis_names("z₁", None)
    image = canvas(latent_map)

    for x, painted in ((340 + 100, True), (340 - 300, True), (340 + 150, False), (340, False)):
        assert (other_than_paper(image, [(x, y) for y in range(40, 400)]) > 100) is painted


def test_axis_names_are_painted_in_the_margins(latent_map):
    bare(latent_map)

    def margins():
        image = painted(latent_map)
        return image.copy(0, 0, 14, 14), image.copy(690, 442, 18, 18)

    left, right = margins()
    latent_map.set_axis_names("z₇", "z₂")
    assert margins()[0] == left
    assert margins()[1] != right
    latent_map.set_axis_names("z₁", "z₅")
    assert margins()[0] != left
    assert margins()[1] == right


def test_gestures_other_than_pinching_are_passed_on(latent_map):
    event = QNativeGestureEvent(
        Qt.NativeGestureType.RotateNativeGesture,
        QPointingDevice.primaryPointingDevice(),
        2,
        QPointF(100, 100),
        QPointF(100, 100),
        QPointF(100, 100),
        0.5,
        QPointF(),
    )
    assert event.type() == QEvent.Type.NativeGesture
    QApplication.sendEvent(latent_map, event)

    assert latent_map.zoom_factor() == 1.0
