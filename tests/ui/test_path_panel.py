"""The filmstrip and its controls, with real presses, drags and keys, and by the clock."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDoubleSpinBox, QSpinBox

from vae_studio.core.exploration import Path
from vae_studio.core.walk import Walk
from vae_studio.ui.path_panel import LOOP, ONCE, TO_AND_FRO, PathPanel
from vae_studio.ui.path_strip import PathStrip
from vae_studio.ui.theme import DARK, LIGHT

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
ENDS = ((0.0, 1.0), (4.0, 1.0))


def shown(qtbot, widget, width=264, height=None):
    qtbot.addWidget(widget)
    widget.resize(width, height or widget.sizeHint().height())
    widget.show()
    qtbot.waitExposed(widget)
    QApplication.processEvents()
    return widget


def drag(widget, *stops):
    window = widget.window().windowHandle()
    stops = [widget.mapTo(widget.window(), stop) for stop in stops]
    QTest.mousePress(window, LEFT, NONE, stops[0])
    for stop in stops[1:]:
        QTest.mouseMove(window, stop)
        QApplication.processEvents()
    QTest.mouseRelease(window, LEFT, NONE, stops[-1])


# The strip


@pytest.fixture
def strip(qtbot):
    widget = PathStrip()
    widget.set_count(5)
    shown(qtbot, widget, 5 * 40 + 4)
    widget.said = []
    widget.scrubbed.connect(widget.said.append)
    return widget


def centres(strip, count):
    return [QPointF(strip.frame_rect(i).center()) for i in range(count)]


@pytest.mark.parametrize("count", [2, 5, 9, 12, 13, 20, 25, 60])
def test_frames_lie_side_by_side_and_places_and_fractions_belong_together(strip, count):
    strip.set_count(count)
    strip.resize(264, strip.sizeHint().height())
    rects = [strip.frame_rect(i) for i in range(count)]
    assert all(strip.rect().contains(rect) for rect in rects)
    assert all(not a.intersects(b) for i, a in enumerate(rects) for b in rects[:i])
    assert len({rect.top() for rect in rects}) == (1 if count <= 12 else -(-count // 10))
    assert rects == sorted(rects, key=lambda rect: (rect.top(), rect.left()))
    for index, rect in enumerate(rects):
        middle = QPointF(rect.left() + rect.width() / 2, rect.top() + rect.height() / 2)
        assert strip.fraction_at(middle) == pytest.approx(index / (count - 1))
        assert strip.place_of(index / (count - 1)) == middle
    for fraction in np.linspace(0.0, 1.0, 173):
        assert strip.fraction_at(strip.place_of(fraction)) == pytest.approx(fraction, abs=1e-9)


def test_pressing_and_dragging_scrubs_and_goes_no_further_than_the_ends(strip):
    start, middle, end = (strip.place_of(f).toPoint() for f in (0.25, 0.5, 1.0))
    drag(strip, start, middle, end, QPoint(strip.width() - 1, 20), QPoint(0, 20))
    assert strip.said == pytest.approx([0.25, 0.5, 1.0, 1.0, 0.0], abs=0.02)
    assert strip.fraction() == 0.0


def test_one_drag_is_one_gesture_and_the_next_is_another(strip):
    keys = []
    strip.scrubbed.connect(lambda _: keys.append(strip.gesture.key()))
    a, b = (strip.place_of(f).toPoint() for f in (0.25, 0.5))
    drag(strip, a, b, a)
    drag(strip, b, a)
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]


def test_escape_gives_a_drag_up(strip):
    strip.set_fraction(0.75)
    window = strip.windowHandle()
    QTest.mousePress(window, LEFT, NONE, strip.place_of(0.25).toPoint())
    QTest.keyClick(strip, Qt.Key.Key_Escape)
    assert strip.said == [pytest.approx(0.25, abs=0.02), 0.75]
    QTest.mouseMove(window, strip.place_of(0.5).toPoint())
    QTest.mouseRelease(window, LEFT, NONE, strip.place_of(0.5).toPoint())
    assert len(strip.said) == 2


def test_keys_go_from_frame_to_frame(strip):
    strip.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_End, Qt.Key.Key_Right, Qt.Key.Key_Home):
        QTest.keyClick(strip, key)
    assert strip.said == pytest.approx([0.25, 0.5, 0.25, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_each_frame_is_painted_at_its_place(strip, theme):
    strip.set_theme(theme)
    images = np.repeat(np.arange(5, dtype=np.uint8)[:, None, None] * 60, 28, axis=1).repeat(28, axis=2)
    strip.set_images(images)
    picture = strip.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    ratio = picture.devicePixelRatio()
    greys = [picture.pixelColor((centre * ratio).toPoint()).green() for centre in centres(strip, 5)]
    ends = [QColor(name).green() for name in (theme.paper, theme.ink)]
    assert greys == pytest.approx(np.interp(np.arange(5) * 60, [0, 255], ends), abs=1)


def test_frames_of_another_number_are_not_shown(strip):
    strip.set_images(np.full((4, 28, 28), 255, np.uint8))
    picture = strip.grab().toImage()
    assert picture.pixelColor(strip.frame_rect(0).center()).green() < 30


def test_images_that_are_not_square_and_in_colour_are_painted(strip):
    strip.set_images(np.full((5, 20, 24, 3), (200, 30, 90), np.uint8))
    picture = strip.grab().toImage()
    assert picture.pixelColor(strip.frame_rect(2).center()).getRgb()[:3] == pytest.approx((200, 30, 90), abs=2)
    assert picture.pixelColor(strip.frame_rect(2).topLeft() + QPoint(20, 0)).green() < 30


# The panel


@pytest.fixture
def panel(qtbot):
    widget = PathPanel()
    widget.points, widget.paths = [], []
    widget.point_chosen.connect(widget.points.append)
    widget.path_changed.connect(widget.paths.append)
    # As the session answers.
    widget.point_chosen.connect(widget.set_point)
    widget.path_changed.connect(widget.set_path)
    shown(qtbot, widget)
    yield widget
    widget.pause()


def child(panel, kind, name):
    found = panel.findChild(kind, name)
    assert found is not None, name
    return found


def press(qtbot, panel, name):
    qtbot.mouseClick(child(panel, QAbstractButton, name), LEFT)


def set_pace(panel, seconds, mode):
    child(panel, QDoubleSpinBox, "path_seconds").setValue(seconds)
    child(panel, QComboBox, "path_mode_combo").setCurrentIndex(mode)


def test_what_a_path_needs_is_said_while_there_is_none(panel):
    assert panel.strip.isHidden() or not panel.strip.isVisible()
    assert "Start a path" in panel.findChild(object, "path_hint").text()
    assert panel.words() == "none yet"
    panel.set_path(Path((ENDS[0],)))
    assert panel.words() == "from A"
    assert not panel.strip.isVisible()
    assert child(panel, QAbstractButton, "path_add_button").isEnabled()
    panel.set_path(Path(ENDS))
    assert panel.strip.isVisible()
    assert panel.words() == "A → B · length 4.00"
    panel.set_path(Path((*ENDS, (4.0, 2.0), (0.0, 2.0))))
    assert panel.words() == "A → … → D · length 9.00"


def test_scrubbing_puts_the_point_on_the_path(panel):
    panel.set_path(Path(((2.0, 0.0), (0.0, 2.0)), spherical=True))
    drag(panel.strip, panel.strip.place_of(0.0).toPoint(), panel.strip.place_of(0.5).toPoint())
    assert panel.points[0] == (2.0, 0.0)
    assert panel.points[-1] == pytest.approx((2**0.5, 2**0.5), abs=0.05)
    assert np.linalg.norm(panel.points[-1]) == pytest.approx(2.0)


@pytest.mark.parametrize("dims", [2, 256])
def test_playing_once_goes_from_end_to_end_at_an_even_pace(qtbot, panel, dims):
    points = np.random.default_rng(0).normal(size=(3, dims))
    panel.set_path(Path(tuple(map(tuple, points.tolist()))))
    set_pace(panel, 0.5, ONCE)
    seen = []
    panel.point_chosen.connect(lambda _: seen.append((time.monotonic(), panel.strip.fraction())))
    press(qtbot, panel, "path_play_button")
    assert panel.playing
    qtbot.waitUntil(lambda: not panel.playing, timeout=10_000)
    times, fractions = np.array(seen).T
    assert panel.points[-1] == tuple(points[-1])
    assert np.array(panel.points) == pytest.approx(Walk(points).at(fractions))
    assert len(seen) > 5
    paces = np.diff(fractions)[:-1] / np.diff(times)[:-1]
    assert np.median(paces) == pytest.approx(2.0, rel=0.1)  # of the way in a second
    assert panel.strip.fraction() == 1.0


def fractions(panel):
    return [point[0] / 4.0 for point in panel.points]


def test_a_loop_begins_again_and_back_and_forth_turns_round(qtbot, panel):
    panel.set_path(Path(ENDS))
    set_pace(panel, 0.5, LOOP)
    press(qtbot, panel, "path_play_button")
    qtbot.waitUntil(lambda: any(b < a - 0.5 for a, b in zip(fractions(panel), fractions(panel)[1:], strict=False)))
    press(qtbot, panel, "path_play_button")
    assert not panel.playing
    panel.points.clear()
    panel.strip.set_fraction(0.0)
    set_pace(panel, 0.5, TO_AND_FRO)
    press(qtbot, panel, "path_play_button")
    qtbot.waitUntil(lambda: len(panel.points) > 8 and fractions(panel)[-1] < 0.3 and max(fractions(panel)) > 0.8)
    steps = np.abs(np.diff(fractions(panel)))
    assert np.median(steps) < 0.1


def test_it_goes_on_where_it_was_paused_and_is_one_gesture(qtbot, panel):
    panel.set_path(Path(ENDS))
    set_pace(panel, 5.0, ONCE)
    drag(panel.strip, panel.strip.place_of(0.5).toPoint())
    panel.points.clear()
    keys = []
    panel.point_chosen.connect(lambda _: keys.append(panel.gesture()))
    panel.play_or_pause()
    qtbot.waitUntil(lambda: len(panel.points) > 5)
    panel.play_or_pause()
    assert fractions(panel)[0] == pytest.approx(0.5, abs=0.1)
    assert len(set(keys)) == 1
    first = keys[0]
    panel.play_or_pause()
    qtbot.waitUntil(lambda: keys[-1] != first)
    panel.pause()


def test_moving_the_point_away_ends_playing(qtbot, panel):
    panel.set_path(Path(ENDS))
    panel.play_or_pause()
    qtbot.waitUntil(lambda: len(panel.points) > 1)
    panel.set_point((0.0, 0.0))
    assert not panel.playing
    assert panel.strip.fraction() is None


def test_a_path_that_changes_while_it_plays_is_played_on(qtbot, panel):
    panel.set_path(Path(ENDS))
    panel.play_or_pause()
    qtbot.waitUntil(lambda: len(panel.points) > 1)
    panel.set_path(Path(((0.0, 7.0), (4.0, 7.0))))
    qtbot.waitUntil(lambda: panel.points[-1][1] == 7.0)
    assert panel.playing
    panel.set_path(None)
    assert not panel.playing


def test_a_path_that_moves_away_from_the_resting_point_has_it_no_more(panel):
    panel.set_path(Path(ENDS))
    drag(panel.strip, panel.strip.place_of(0.5).toPoint())
    panel.set_path(Path(ENDS, frames=5))
    assert panel.strip.fraction() == pytest.approx(0.5, abs=0.05)
    panel.set_path(Path(((0.0, 7.0), (4.0, 7.0))))
    assert panel.strip.fraction() is None


def test_kind_and_number_of_frames_are_asked_for(qtbot, panel):
    panel.set_path(Path(ENDS))
    press(qtbot, panel, "path_spherical_chip")
    press(qtbot, panel, "path_spherical_chip")
    field = child(panel, QSpinBox, "path_frames")
    field.selectAll()
    qtbot.keyClicks(field, "14")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    press(qtbot, panel, "path_straight_chip")
    assert panel.paths == [Path(ENDS, True), Path(ENDS, True, 14), Path(ENDS, False, 14)]


def test_buttons_ask_for_what_they_say(qtbot, panel):
    asked = []
    panel.set_path(Path(ENDS))
    for name in ("start", "add", "remove"):
        getattr(panel, f"{name}_requested").connect(lambda name=name: asked.append(name))
        press(qtbot, panel, f"path_{name}_button")
    assert asked == ["start", "add", "remove"]
