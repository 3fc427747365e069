"""Encodings of test images on the latent map: their dots, the spread of q(z|x) around them, and which lies where.

Encodings are counted as the images are that they are of, whatever the order in which they are painted.
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QByteArray, QDataStream, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap
from shiboken6 import wrapInstance

from vae_studio.ui.map_layers import translucent
from vae_studio.ui.map_view import MapView
from vae_studio.ui.theme import Theme

DOT_DIAMETER, SELECTED_DIAMETER = 5.0, 9.0
_HALO, _WIDE_HALO = 1.0, 2.0  # pixels around a dot, and around one that is set apart
_RING = 1.75  # pixels, of a selected one
_REACH = 6.0  # pixels from the middle of a dot at which the mouse still means it, where it is on none
_FADE_STEPS = 8
_LEAST_RADIUS = 3.5  # pixels: a smaller ellipse lies under its dot
_FAR = 5000.0  # pixels: a larger one is no help to anybody
_ELLIPSE_STEPS = 4  # of opacity
# Qt's QPainter::PixmapFragment, ten doubles: centre, part of the pixmap, scale, rotation, opacity.
_PLACE, _PART, _LOOK = ("x", "y"), ("left", "top", "width", "height"), ("scale_x", "scale_y", "rotation", "opacity")
_FRAGMENT = np.dtype([(name, np.float64) for name in (*_PLACE, *_PART, *_LOOK)])

# The unit circle as Qt makes it, from the right by four Bézier curves. An element of kind 0 begins a line; one of kind
# 2 and two of kind 3 are a curve.
_ELEMENT = np.dtype([("kind", ">i4"), ("x", ">f8"), ("y", ">f8")])
_K = 4.0 / 3.0 * (math.sqrt(2.0) - 1.0)
_CURVE = np.array([(1.0, _K), (_K, 1.0), (0.0, 1.0)])
_QUARTERS = [np.linalg.matrix_power(np.array([(0.0, 1.0), (-1.0, 0.0)]), turns) for turns in range(4)]
_CIRCLE = np.concatenate([[(1.0, 0.0)], *(_CURVE @ turned for turned in _QUARTERS)])
_KINDS = np.array([0, *(2, 3, 3) * 4])


class EncodingLayer:
    """Encodings as dots in the colours of their classes; classes can be hidden, points faded, some are selected.

    Of the selected ones, or with `all_ellipses` of all, the ellipses show one standard deviation of q(z|x).
    """

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._hidden: frozenset[int] = frozenset()
        self._order = np.zeros(0, np.intp)  # numbers of the encodings as they are painted, the last one on top
        self._points = np.zeros((0, 2), np.float64)
        self._labels = np.zeros(0, np.intp)
        self._fade = np.zeros(0, np.intp)
        self._shown = np.zeros(0, bool)
        self._chosen = np.zeros(0, bool)
        self._selection: frozenset[int] = frozenset()
        self._current: int | None = None
        self.covariances: np.ndarray | None = None  # (n, 2, 2) of q(z|x) on the plane; None while not known
        self.all_ellipses = False
        self.set_apart = False  # from colours like theirs that lie under them
        self._sheets: tuple[tuple[float, bool], QPixmap, QPixmap] | None = None

    # Values in

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._sheets = None

    def set_hidden(self, classes: frozenset[int]) -> None:
        self._hidden = classes
        self._shown = ~np.isin(self._labels, list(classes))

    def set_points(self, points: np.ndarray, labels: np.ndarray, fade: np.ndarray | None) -> None:
        """Points (n, 2), labels (n,), opacities (n,) from 0 to 1 or None for opaque; what is not finite is left out."""
        opacity = np.ones(len(points)) if fade is None else np.clip(np.nan_to_num(fade), 0.0, 1.0)
        steps = np.rint(opacity * _FADE_STEPS).astype(np.intp)
        kept = np.flatnonzero(np.isfinite(points).all(axis=1) & (steps > 0))
        kept = kept[np.argsort(steps[kept], kind="stable")]  # the nearer to the plane, the further on top
        self._order = kept
        self._points = points[kept].astype(np.float64)
        self._labels = labels[kept].astype(np.intp)
        self._fade = steps[kept]
        self.set_hidden(self._hidden)
        self.set_selection(self._selection, self._current)

    def set_selection(self, indices: frozenset[int], current: int | None) -> None:
        """These are selected, and `current` is the one among them that keys are for."""
        self._selection, self._current = indices, current
        self._chosen = np.isin(self._order, list(indices))

    # Which lies where

    def place_of(self, index: int) -> tuple[float, float] | None:
        """Where an encoding is, None for one that is not to be seen."""
        found = np.flatnonzero((self._order == index) & self._shown)
        return tuple(self._points[found[0]].tolist()) if len(found) else None

    def at(self, view: MapView, x: float, y: float) -> int | None:
        """The encoding at a pixel: the topmost one whose dot is there, or else the nearest one within a few pixels."""
        across, up = self._pixels(view)
        away = np.hypot(across - x, up - y)
        on_canvas = (across >= view.x) & (across < view.x + view.width) & (up >= view.y) & (up < view.y + view.height)
        away[~(self._shown & on_canvas)] = math.inf
        radii = np.where(self._chosen, SELECTED_DIAMETER / 2, DOT_DIAMETER / 2) + _HALO
        under = np.flatnonzero(away <= radii)
        if len(under):
            chosen = under[self._chosen[under]]
            return int(self._order[(chosen if len(chosen) else under)[-1]])
        nearest = int(np.argmin(away)) if len(away) else None
        return int(self._order[nearest]) if nearest is not None and away[nearest] <= _REACH else None

    def within(self, corners: np.ndarray) -> list[int]:
        """Those to be seen that lie within a polygon, its corners (k, 2) in latent units; in rising order.

        Inside is where a line to the far right crosses the outline an odd number of times.
        """
        u, v = self._points[:, 0], self._points[:, 1]
        inside = np.zeros(len(u), bool)
        for (left, low), (right, high) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            crosses = (low > v) != (high > v)
            if crosses.any():
                inside[crosses] ^= u[crosses] < left + (v[crosses] - low) / (high - low) * (right - left)
        return sorted(self._order[inside & self._shown].tolist())

    # Painting

    def paint(self, painter: QPainter, view: MapView, ratio: float) -> None:
        """Ellipses, dots over them, and those that are selected on top."""
        self._paint_ellipses(painter, view)
        across, up = self._pixels(view)
        margin = SELECTED_DIAMETER
        seen = self._shown & (across > view.x - margin) & (across < view.x + view.width + margin)
        seen &= (up > view.y - margin) & (up < view.y + view.height + margin)
        if not seen.any():
            return
        made_for = ratio, self.set_apart
        if self._sheets is None or self._sheets[0] != made_for:
            self._sheets = made_for, self._make_sheet(ratio, selected=False), self._make_sheet(ratio, selected=True)
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        for some, sheet in ((seen & ~self._chosen, self._sheets[1]), (seen & self._chosen, self._sheets[2])):
            if some.any():
                self._stamp(painter, sheet, across[some] * ratio, up[some] * ratio, some)
        painter.restore()
        current = np.flatnonzero((self._order == self._current) & seen)
        if len(current) and len(self._selection) > 1:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(self._theme.accent), 2.0))
            radius = SELECTED_DIAMETER / 2 + 4.0
            painter.drawEllipse(QPointF(across[current[0]], up[current[0]]), radius, radius)

    def _stamp(self, painter: QPainter, sheet: QPixmap, x: np.ndarray, y: np.ndarray, some: np.ndarray) -> None:
        """Stamps at whole device pixels: 2000 take a tenth of a millisecond, round-capped points 75 times as long."""
        size = sheet.height() // _FADE_STEPS
        stamps = np.zeros(len(x), _FRAGMENT)
        stamps["x"], stamps["y"] = np.rint(x - size / 2) + size / 2, np.rint(y - size / 2) + size / 2
        stamps["left"] = size * (self._labels[some] % len(self._theme.classes))
        stamps["top"] = size * (self._fade[some] - 1)
        stamps["width"] = stamps["height"] = size
        stamps["scale_x"] = stamps["scale_y"] = stamps["opacity"] = 1.0
        # One call: each call into Qt lets other threads run, and may wait for them as long as painting takes.
        first = wrapInstance(stamps.ctypes.data, QPainter.PixmapFragment)
        painter.drawPixmapFragments(first, len(stamps), sheet)

    def _make_sheet(self, ratio: float, *, selected: bool) -> QPixmap:
        """A stamp for each class (column) and opacity (row); selected ones have a ring and do not fade."""
        classes = self._theme.classes
        radius = (SELECTED_DIAMETER if selected else DOT_DIAMETER) / 2 * ratio
        halo = radius + (_WIDE_HALO if self.set_apart else _HALO) * ratio
        size = math.ceil(2 * halo)
        sheet = QPixmap(size * len(classes), size * _FADE_STEPS)
        sheet.fill(Qt.GlobalColor.transparent)
        with QPainter(sheet) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            for row in range(_FADE_STEPS):
                for column, colour in enumerate(classes):
                    centre = QPointF((column + 0.5) * size, (row + 0.5) * size)
                    painter.setBrush(translucent(self._theme.paper, 0.9 if self.set_apart else 0.75))
                    painter.drawEllipse(centre, halo, halo)
                    if selected:
                        painter.setBrush(QColor(self._theme.text))
                        painter.drawEllipse(centre, radius, radius)
                    inner = radius - _RING * ratio if selected else radius
                    painter.setBrush(QColor(colour))
                    painter.drawEllipse(centre, inner, inner)
            if not selected:
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationIn)
                for row in range(_FADE_STEPS):
                    fade = QColor.fromRgbF(0.0, 0.0, 0.0, (row + 1) / _FADE_STEPS)
                    painter.fillRect(0, row * size, sheet.width(), size, fade)
        return sheet

    def _paint_ellipses(self, painter: QPainter, view: MapView) -> None:
        """Thin outlines, of those that reach into the view, as one path for each class and opacity.

        Lines of one device pixel are drawn without outlining them first, which takes a tenth of the time.
        """
        wanted = self._shown if self.all_ellipses else self._shown & self._chosen
        if self.covariances is None or not wanted.any() or self._order.max() >= len(self.covariances):
            return
        some = np.flatnonzero(wanted)
        across, up = self._pixels(view)
        x, y = across[some], up[some]
        roots, radii = _roots(self.covariances[self._order[some]], view.scale)
        reach_x, reach_y = np.linalg.norm(roots, axis=2).T
        inside = (x + reach_x > view.x) & (x - reach_x < view.x + view.width)
        inside &= (y + reach_y > view.y) & (y - reach_y < view.y + view.height)
        inside &= (radii > np.where(self._chosen[some], 0.0, _LEAST_RADIUS)) & (radii < _FAR)
        fade = np.where(self._chosen[some], _FADE_STEPS, self._fade[some])
        steps = -(-fade * _ELLIPSE_STEPS // _FADE_STEPS)
        kinds = (self._labels[some] % len(self._theme.classes)) * (_ELLIPSE_STEPS + 1) + steps
        inside = np.flatnonzero(inside)
        inside = inside[np.argsort(kinds[inside], kind="stable")]
        found, firsts = np.unique(kinds[inside], return_index=True)
        curves = _curves(roots[inside], np.stack([x[inside], y[inside]], axis=1))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for kind, members in zip(found.tolist(), np.split(curves, firsts[1:]), strict=False):
            colour, step = divmod(kind, _ELLIPSE_STEPS + 1)
            pen = QPen(translucent(self._theme.classes[colour], step / _ELLIPSE_STEPS), 1.0)
            pen.setCosmetic(True)
            painter.strokePath(_path(members), pen)
        painter.restore()

    def _pixels(self, view: MapView) -> tuple[np.ndarray, np.ndarray]:
        """Where the dots are, in logical pixels."""
        across = view.x + view.width / 2 + (self._points[:, 0] - view.u) / view.scale
        return across, view.y + view.height / 2 - (self._points[:, 1] - view.v) / view.scale


def _roots(covariances: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """A root R (n, 2, 2) of each covariance, R Rᵀ = Σ, in pixels with y downwards; and its largest radius (n,).

    R takes the unit circle to the ellipse, whichever root it is: this is Cholesky's, of covariances that may be 0.
    """
    xx, xy, yy = covariances[:, 0, 0], covariances[:, 0, 1], covariances[:, 1, 1]
    roots = np.zeros(covariances.shape)
    roots[:, 0, 0] = wide = np.sqrt(xx)
    roots[:, 1, 0] = lean = np.divide(xy, wide, out=np.zeros(len(xx)), where=wide > 0.0)
    roots[:, 1, 1] = np.sqrt(np.maximum(yy - lean**2, 0.0))
    largest = np.sqrt((xx + yy + np.hypot(xx - yy, 2.0 * xy)) / 2.0)
    return roots * np.array([[1.0], [-1.0]]) / scale, largest / scale


def _curves(roots: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Unit circles, taken by R (n, 2, 2) to ellipses around `centres` (n, 2), as elements of paths: (n, 13)."""
    elements = np.zeros((len(roots), len(_CIRCLE)), _ELEMENT)
    elements["kind"] = _KINDS
    points = np.matmul(_CIRCLE, roots.transpose(0, 2, 1)) + centres[:, None]
    elements["x"], elements["y"] = points[..., 0], points[..., 1]
    return elements


def _path(elements: np.ndarray) -> QPainterPath:
    """All these lines as one path.

    It is read in one go, in the form in which Qt writes paths: adding so many to one by one would take ten times as
    long.
    """
    count, ends = np.array([elements.size], ">i4").tobytes(), np.zeros(2, ">i4").tobytes()
    content = QByteArray(count + elements.tobytes() + ends)  # where the last line begins, and how areas are filled
    path, stream = QPainterPath(), QDataStream(content)
    stream >> path
    return path
