"""Encodings on the map under real mouse and keys: which one is meant, which ones a lasso holds, what is painted."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage, QPainter, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from vae_studio.core.exploration import Layers
from vae_studio.ui.hover_card import HoverContent
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.map_marks import Mark, PlacedMark, PlacedMarks
from vae_studio.ui.theme import DARK

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
CORNER = QPoint(40, 425)  # nothing lies there


@pytest.fixture
def latent_map(qtbot):
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.resize(708, 460)  # a canvas of 680 × 440: 100 pixels to a unit, 0 in the middle
    widget.show()
    qtbot.waitExposed(widget)
    widget.setFocus()
    QTest.mouseRelease(widget.windowHandle(), LEFT, NONE, CORNER)  # a double-click of a test before may still hold it
    move(widget, CORNER)  # a move to where the mouse was last, in whatever window, is none
    widget.said = []
    for name in ("hovered", "clicked", "opened", "stepped"):
        signal = getattr(widget, f"encoding_{name}")
        signal.connect(lambda *values, name=name: widget.said.append((name, *values)))
    widget.lassoed.connect(lambda *values: widget.said.append(("lassoed", *values)))
    widget.selection_cleared.connect(lambda: widget.said.append(("cleared",)))
    widget.point_moved.connect(lambda place: widget.said.append(("point", place)))
    widget.mark_selected.connect(lambda mark: widget.said.append(("mark", mark)))
    return widget


def taken(widget):
    said, widget.said = widget.said, []
    return said


def done(widget):
    """What was done, without what was only hovered."""
    return [words for words in taken(widget) if words[0] != "hovered"]


def move(widget, pos):
    QTest.mouseMove(widget.windowHandle(), pos)
    QApplication.processEvents()


def drag(widget, *stops, keys=NONE, release=True):
    QTest.mousePress(widget.windowHandle(), LEFT, keys, stops[0])
    for stop in stops[1:]:
        move(widget, stop)
    if release:
        QTest.mouseRelease(widget.windowHandle(), LEFT, keys, stops[-1])


def click(widget, pos, keys=NONE):
    drag(widget, pos, keys=keys)


def at(widget, place):
    return widget.to_pixel(place).toPoint()


def wheel(widget, pos, angle):
    event = QWheelEvent(
        QPointF(pos), QPointF(widget.mapToGlobal(pos)), QPoint(), QPoint(0, angle), Qt.MouseButton.NoButton, NONE,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


class Cloud:
    """Random encodings, some so faint that they are not shown, and a plain search for the one at a pixel."""

    def __init__(self, seed: int, count: int = 500) -> None:
        rng = np.random.default_rng(seed)
        self.points = rng.normal(scale=(1.2, 0.8), size=(count, 2)).astype(np.float32)
        self.points[::50] = np.nan
        self.labels = rng.integers(0, 10, count).astype(np.uint8)
        self.fade = rng.uniform(0.0, 1.0, count).astype(np.float32)
        self.hidden: frozenset[int] = frozenset()
        self.selected: frozenset[int] = frozenset()

    def put_on(self, widget) -> None:
        widget.set_encodings(self.points, self.labels, self.fade)

    def seen(self) -> list[int]:
        """Numbers of those that are shown: in eight steps of opacity at least the first, of a class not hidden."""
        return [
            i
            for i in range(len(self.points))
            if np.isfinite(self.points[i]).all() and self.step(i) > 0 and self.labels[i] not in self.hidden
        ]

    def step(self, index: int) -> int:
        return round(float(np.clip(self.fade[index], 0, 1)) * 8)

    def at(self, widget, pos: QPointF) -> int | None:
        """The dot under the mouse that is painted last, or the nearest within six pixels."""
        found, order = [], None
        for i in self.seen():
            x, y = widget.to_pixel(self.points[i].astype(float).tolist()).toTuple()
            if not (28 <= x < 708 and 0 <= y < 440):
                continue
            away, radius = math.hypot(x - pos.x(), y - pos.y()), (5.5 if i in self.selected else 3.5)
            order = (away > radius, *((-(i in self.selected), -self.step(i), -i) if away <= radius else (away,)))
            found.append((order, i, away))
        if not found:
            return None
        order, index, away = min(found, key=lambda one: one[0])
        return index if not order[0] or away <= 6.0 else None


def inside(u: float, v: float, corners: list[tuple[float, float]]) -> bool:
    """Whether a line to the right crosses the outline an odd number of times."""
    odd = False
    for (a, b), (c, d) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (b > v) != (d > v) and u < a + (v - b) / (d - b) * (c - a):
            odd = not odd
    return odd


@pytest.mark.parametrize("seed", [1, 2])
def test_the_encoding_under_the_mouse_is_the_one_that_lies_there(latent_map, seed):
    cloud, chance = Cloud(seed), np.random.default_rng(seed)
    cloud.put_on(latent_map)

    def check(count=25):
        canvas = latent_map.rect().adjusted(34, 6, -6, -26)
        seen = [i for i in cloud.seen() if canvas.contains(at(latent_map, cloud.points[i].tolist()))]
        for index in chance.choice(seen, count, replace=False):
            pos = at(latent_map, cloud.points[index].tolist()) + QPoint(*chance.integers(-4, 5, 2).tolist())
            move(latent_map, pos)
            wanted = cloud.at(latent_map, QPointF(pos))
            assert latent_map._hovered == wanted
            assert [words for words in taken(latent_map) if words[0] == "hovered"][-1:] in ([], [("hovered", wanted)])

    check()
    latent_map.set_layers(Layers(hidden_classes=frozenset({1, 5})))
    cloud.hidden = frozenset({1, 5})
    check()
    drag(latent_map, CORNER, CORNER + QPoint(60, -20), CORNER + QPoint(140, -50))
    wheel(latent_map, QPoint(340, 200), 600)
    check()
    cloud.selected = frozenset(range(0, 500, 3))
    latent_map.set_selection(cloud.selected, 3)
    check()
    cloud.points = cloud.points[:, ::-1].copy()
    cloud.put_on(latent_map)
    check()
    move(latent_map, QPoint(10, 200))
    assert taken(latent_map)[-1] == ("hovered", None)


def test_what_is_hovered_follows_what_moves_under_a_mouse_at_rest(latent_map):
    points, labels = np.array([[1.0, 0.5], [-1.0, 0.5], [-1.0, -0.5]]), np.array([3, 4, 5])
    latent_map.set_encodings(points, labels)
    move(latent_map, at(latent_map, (1.0, 0.5)))
    latent_map.set_encodings(points[[1, 0, 2]], labels)
    latent_map.set_layers(Layers(hidden_classes=frozenset({4})))
    latent_map.set_layers(Layers())
    latent_map.set_layers(Layers(encodings=False))
    latent_map.set_layers(Layers())
    latent_map.set_encodings(None)
    assert taken(latent_map) == [("hovered", one) for one in (0, 1, None, 1, None, 1, None)]


def test_the_card_is_shown_for_the_hovered_one_only_and_goes_with_it(latent_map):
    latent_map.set_encodings(np.array([[1.0, 0.5], [-1.0, 0.5]]), np.array([3, 4]))
    image = np.zeros((28, 28), np.uint8)
    move(latent_map, at(latent_map, (1.0, 0.5)))
    latent_map.show_card(HoverContent(1, image, 4, "4 · test image 1"))
    assert not latent_map.card.isVisible(), "it is of another encoding"
    latent_map.show_card(HoverContent(0, image, 3, "3 · test image 0"))
    assert latent_map.card.isVisible() and latent_map.card.content.index == 0
    assert not latent_map.card.geometry().contains(at(latent_map, (1.0, 0.5)))
    drag(latent_map, at(latent_map, (1.0, 0.5)), at(latent_map, (1.2, 0.5)), release=False)
    assert not latent_map.card.isVisible(), "while the map is dragged"
    QTest.mouseRelease(latent_map.windowHandle(), LEFT, NONE, at(latent_map, (1.2, 0.5)))


def test_the_card_goes_with_a_zoom_a_menu_and_enter_until_the_mouse_moves(latent_map):
    latent_map.set_encodings(np.array([[1.0, 0.5]]), np.array([3]))
    latent_map.set_selection([0], 0)
    pos = at(latent_map, (1.0, 0.5))
    reason = QContextMenuEvent.Reason.Mouse
    for act in (
        lambda: wheel(latent_map, pos, 120),
        lambda: QTest.keyClick(latent_map, Qt.Key.Key_0),
        lambda: QTest.keyClick(latent_map, Qt.Key.Key_Return),
        lambda: QApplication.sendEvent(latent_map, QContextMenuEvent(reason, pos, latent_map.mapToGlobal(pos))),
    ):
        move(latent_map, CORNER)
        move(latent_map, at(latent_map, (1.0, 0.5)))
        latent_map.show_card(HoverContent(0, np.zeros((28, 28), np.uint8), 3, "3 · test image 0"))
        assert latent_map.card.isVisible()
        act()
        latent_map.set_encodings(np.array([[1.0, 0.5]]), np.array([3]))  # what is painted anew brings it not back
        assert not latent_map.card.isVisible()
        assert [words for words in taken(latent_map) if words[0] == "hovered"][-1] == ("hovered", None)


def test_a_click_selects_and_moves_nothing_and_elsewhere_it_moves_the_point(latent_map):
    latent_map.set_encodings(np.array([[1.0, 0.5], [-1.0, 0.5]]), np.array([3, 4]))
    click(latent_map, at(latent_map, (1.0, 0.5)) + QPoint(3, 2))
    click(latent_map, at(latent_map, (-1.0, 0.5)), keys=CTRL)
    assert done(latent_map) == [("clicked", 0, False), ("clicked", 1, True)]
    click(latent_map, at(latent_map, (1.5, -0.5)))
    assert done(latent_map) == [("point", pytest.approx((1.5, -0.5)))]
    QTest.mouseDClick(latent_map.windowHandle(), LEFT, NONE, at(latent_map, (-1.0, 0.5)))
    assert ("opened", 1) in done(latent_map)


def test_a_drag_from_a_dot_pans(latent_map):
    latent_map.set_encodings(np.array([[1.0, 0.5]]), np.array([3]))
    start = at(latent_map, (1.0, 0.5))
    drag(latent_map, start, start + QPoint(30, 0), start + QPoint(70, 20))
    assert done(latent_map) == []
    assert latent_map.to_pixel((1.0, 0.5)) == QPointF(start + QPoint(70, 20))


def test_the_point_and_marks_come_before_encodings(latent_map):
    latent_map.set_encodings(np.array([[0.05, 0.0], [1.0, 0.5]]), np.array([3, 4]))
    latent_map.set_marks(PlacedMarks(pins=(PlacedMark(Mark("pin", 0), "one", (1.0, 0.5)),)))
    drag(latent_map, at(latent_map, (0.05, 0.0)), at(latent_map, (0.35, 0.0)))
    click(latent_map, at(latent_map, (1.0, 0.5)))
    assert done(latent_map) == [("point", pytest.approx((0.3, 0.0))), ("mark", Mark("pin", 0))]


def test_a_dot_under_the_ring_is_clicked_and_the_ring_is_dragged(latent_map):
    latent_map.set_encodings(np.array([[0.05, 0.0]]), np.array([3]))
    dot = at(latent_map, (0.05, 0.0))
    drag(latent_map, dot, dot + QPoint(2, 1))
    click(latent_map, dot, CTRL)
    assert taken(latent_map) == [("hovered", 0), ("clicked", 0, False), ("clicked", 0, True)]
    assert latent_map.point() == (0.0, 0.0)
    QTest.mouseDClick(latent_map.windowHandle(), LEFT, NONE, dot)
    assert done(latent_map)[-1] == ("opened", 0)
    drag(latent_map, dot, dot + QPoint(2, 0), dot + QPoint(30, 0), dot)  # and back: it has been moved, so no click
    assert taken(latent_map) == [
        ("hovered", None),
        ("point", pytest.approx((0.3, 0.0))),
        ("point", pytest.approx((0.0, 0.0))),
        ("hovered", 0),
    ]


@pytest.mark.parametrize("seed", [3, 4])
def test_a_lasso_holds_what_a_plain_loop_finds_inside_it(latent_map, seed):
    cloud, chance = Cloud(seed), np.random.default_rng(seed)
    cloud.put_on(latent_map)
    cloud.hidden = frozenset({2, 7})
    latent_map.set_layers(Layers(hidden_classes=cloud.hidden))
    view = latent_map.view()
    for keys, adds in ((SHIFT, False), (SHIFT | CTRL, True)):
        stops = [QPoint(int(x), int(y)) for x, y in chance.uniform((40, 10), (690, 430), (9, 2))]  # it crosses itself
        drag(latent_map, *stops, keys=keys)
        corners = [latent_map.to_latent(QPointF(stop)) for stop in stops]
        wanted = [i for i in cloud.seen() if inside(*cloud.points[i].astype(float).tolist(), corners)]
        assert 5 < len(wanted) < 300
        assert done(latent_map) == [("lassoed", wanted, adds)]
    assert latent_map.view() == view and latent_map.point() == (0.0, 0.0)


def test_a_lasso_is_painted_while_it_is_drawn_and_escape_gives_it_up(latent_map):
    Cloud(5).put_on(latent_map)
    latent_map.set_layers(Layers(tiles=False, encodings=False, prior=False))
    before = painted(latent_map)
    drag(latent_map, QPoint(100, 100), QPoint(300, 100), QPoint(300, 300), keys=SHIFT, release=False)
    now = painted(latent_map)
    assert now.pixelColor(200, 100).getRgb()[:3] == QColor(DARK.accent).getRgb()[:3]
    assert now.pixelColor(270, 200) != before.pixelColor(270, 200), "the area is tinted"
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    QTest.mouseRelease(latent_map.windowHandle(), LEFT, SHIFT, QPoint(300, 300))
    assert done(latent_map) == []
    assert painted(latent_map).pixelColor(200, 100) == before.pixelColor(200, 100)


def test_keys_step_open_and_clear(latent_map):
    latent_map.set_encodings(np.array([[1.0, 0.5], [9.0, 0.5]]), np.array([3, 4]))
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape):
        QTest.keyClick(latent_map, key)
    assert done(latent_map) == [], "nothing is selected"
    QTest.keyClick(latent_map, Qt.Key.Key_N)
    QTest.keyClick(latent_map, Qt.Key.Key_N, SHIFT)
    latent_map.set_selection([0, 1], 1)
    QTest.keyClick(latent_map, Qt.Key.Key_Return)
    assert done(latent_map) == [("stepped", 1), ("stepped", -1), ("opened", 1)]
    latent_map.show_encoding(1)
    assert taken(latent_map) == [("hovered", 1)]
    assert latent_map.view().left < 9.0 < latent_map.view().right, "it is brought into sight"
    QTest.keyClick(latent_map, Qt.Key.Key_Escape)
    assert done(latent_map) == [("cleared",)]


def painted(widget):
    image = QImage(widget.size(), QImage.Format.Format_RGB32)
    widget.render(image)
    return image


def is_like(image, pos, colour):
    """Whether a pixel's colour is nearer to this one than to bare paper."""
    found = np.array(image.pixelColor(pos).getRgb()[:3], float)
    wanted, paper = (np.array(QColor(name).getRgb()[:3], float) for name in (colour, DARK.paper))
    return np.linalg.norm(found - wanted) < np.linalg.norm(found - paper)


def test_ellipses_lie_where_their_covariances_put_them(latent_map):
    """Three at an angle, at one standard deviation: a place z on each has (z − μ)ᵀ Σ⁻¹ (z − μ) = 1."""
    points, labels = np.array([[-2.0, 0.8], [1.0, 0.3], [1.5, -1.2]]), np.array([0, 3, 7])
    turned = np.array([[math.cos(0.6), -math.sin(0.6)], [math.sin(0.6), math.cos(0.6)]])
    covariances = np.array([turned @ np.diag(sides) ** 2 @ turned.T for sides in ([0.6, 0.2], [0.3, 0.3], [0.1, 0.5])])
    latent_map.set_layers(Layers(tiles=False, prior=False, ellipses=True))
    latent_map.set_point(-3.2, -2.0)
    latent_map.set_encodings(points, labels)
    assert not any(on_ellipse(latent_map, points, covariances, labels)), "they are not known yet"
    latent_map.set_ellipses(covariances)
    assert all(on_ellipse(latent_map, points, covariances, labels))
    assert not any(on_ellipse(latent_map, points, 0.7 * covariances, labels))
    latent_map.set_layers(Layers(tiles=False, prior=False))
    assert not any(on_ellipse(latent_map, points, covariances, labels))
    latent_map.set_selection([1], 1)
    assert on_ellipse(latent_map, points, covariances, labels) == [False, True, False], "that of the selected one stays"
    latent_map.set_ellipses(covariances[:2])  # of other images
    latent_map.set_layers(Layers(tiles=False, prior=False, ellipses=True))
    assert not any(on_ellipse(latent_map, points, covariances, labels))


def on_ellipse(widget, points, covariances, labels):
    """Of each, whether of 40 places on its outline at least 36 are painted in its class's colour."""
    image, found = painted(widget), []
    for point, covariance, label in zip(points, covariances, labels, strict=True):
        root = np.linalg.cholesky(covariance)
        angles = np.linspace(0.1, 2 * math.pi + 0.1, 40, endpoint=False)
        places = [widget.to_pixel(tuple(point + root @ (math.cos(a), math.sin(a)))) for a in angles]
        close = [QPointF(dx, dy) for dx in (-0.7, 0.0, 0.7) for dy in (-0.7, 0.0, 0.7)]
        near = [[(place + step).toPoint() for step in close] for place in places]
        found.append(sum(any(is_like(image, pos, DARK.classes[label]) for pos in around) for around in near) >= 36)
    return found


def test_a_thousand_ellipses_are_painted_in_time(latent_map):
    """Within 8 ms of processor time, in the best of some attempts; 4 ms are usual where σ is about 0.1."""
    cloud = Cloud(6, 1000)
    covariances = np.einsum("ni,ij->nij", np.random.default_rng(0).uniform(0.003, 0.02, (1000, 2)), np.eye(2))
    layer = latent_map._encodings
    layer.set_points(cloud.points, cloud.labels, np.maximum(cloud.fade, 0.15))
    layer.covariances, layer.all_ellipses = covariances, True
    image, best = QImage(708, 460, QImage.Format.Format_ARGB32_Premultiplied), math.inf
    for _ in range(12):
        painter, began = QPainter(image), time.thread_time()
        layer.paint(painter, latent_map._view, 1.0)
        painter.end()
        best = min(best, time.thread_time() - began)
    assert best < 0.008
