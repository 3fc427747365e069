"""What the latent map shows: its layers, the current point, and which part of the plane is visible."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from vae_studio.core.density import Density
from vae_studio.core.exploration import Layers
from vae_studio.core.latent import Region
from vae_studio.core.nearness import Surroundings
from vae_studio.core.plane import Plane
from vae_studio.core.probing import Footprint
from vae_studio.core.scene import MapFrame, View
from vae_studio.ui.controls import Gesture
from vae_studio.ui.density_layer import DensityLayer
from vae_studio.ui.history import History
from vae_studio.ui.map_contours import ContourLayer
from vae_studio.ui.map_encodings import EncodingLayer
from vae_studio.ui.map_layers import (
    ARROW_RADIUS,
    BOTTOM_MARGIN,
    LEFT_MARGIN,
    TileLayer,
    paint_axes,
    paint_lasso,
    paint_point,
    paint_pointer,
    place_of_point,
    pointer_to,
)
from vae_studio.ui.map_marks import Mark, MarkLayer, PlacedMarks
from vae_studio.ui.map_probe import ProbeLayer
from vae_studio.ui.map_view import HOME, MapView
from vae_studio.ui.theme import DARK, Theme

NOTHING_FINER = "Neighbouring images here differ by less than one grey level: there is nothing finer to see."
DEEPEST = "The map ends here: closer points can hardly be told apart in single precision."
PAN_MARGIN = 20  # pixels from the edge at which a nudged point is kept
_Place = tuple[float, float, float] | None  # centre and scale of a view, None for the fitted one


class MapCanvas(QWidget):
    """Tiles, density, prior contours, encodings, marks and the current point; all coordinates are latent units (u, v).

    `view_changed(View)` when the visible region or its size in pixels changes. While nobody has zoomed or panned, a
    resize fits the view again. `views_changed()` when there may be another view to go back or forward to.
    `end_changed(str)` says why it goes no deeper here, or "" where it does. `gesture` tells which moves and views
    belong together. What is done to it by mouse and keys, `LatentMap` adds.
    """

    view_changed = Signal(object)
    views_changed = Signal()
    end_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(240, 160)
        self._theme = DARK
        self._tiles, self._encodings, self._contours = TileLayer(DARK), EncodingLayer(DARK), ContourLayer()
        self._marks = MarkLayer()
        self._probe = ProbeLayer()
        self._density = DensityLayer(DARK)
        self._layers = Layers()
        self._finest: tuple[Plane, float] | None = None  # of which plane, below which scale nothing finer is to be seen
        self._refused = False  # whether it was wanted deeper than that
        self._end = ""
        self._x_name: str = "z₁"
        self._y_name: str | None = "z₂"
        self._point = (0.0, 0.0)
        self._home = HOME
        self._view = self._fitted_view()
        self._fitted = True
        self._lasso: list[tuple[float, float]] = []  # its corners, while it is drawn
        self.gesture = Gesture()
        self._views: History[_Place] = History(None)
        self._picture: QPixmap | None = None  # what is under the point, while it is as it was painted

    # Values in

    def set_point(self, u: float, v: float) -> None:
        """Show the point here; `point_moved` is for what the user does, and stays silent."""
        before, self._point = self._point, (u, v)
        for place in (before, self._point):
            pointer = pointer_to(self._view, place)
            self.update(place_of_point(self.to_pixel(place) if pointer is None else pointer[0]))

    def set_map(self, frame: MapFrame | None) -> None:
        """Show this frame's tiles and contours until the next one; None shows bare paper."""
        self._tiles.set_tiles(() if frame is None else frame.tiles)
        self._contours.set_contours(() if frame is None else frame.contours)
        if frame is None or frame.finest is not None or (self._finest and self._finest[0] != frame.plane):
            self._finest = (frame.plane, frame.finest) if frame and frame.finest else None
        self._say_whether_it_ends()
        self._repaint()

    def set_density(self, density: Density | None) -> None:
        """Show this density until the next one, wherever the map is."""
        self._density.set_density(density)
        self._set_apart()
        self._repaint()

    def set_surroundings(self, surroundings: Surroundings | None) -> None:
        """The encodings near which tiles are not dimmed; None dims none."""
        self._tiles.set_surroundings(surroundings)
        self._repaint()

    def set_encodings(
        self, points: np.ndarray | None, labels: np.ndarray | None = None, fade: np.ndarray | None = None
    ) -> None:
        """Show dots at points (n, 2) in the colours of labels (n,) with opacities `fade` (n,); None shows none."""
        if points is None or labels is None:
            points, labels, fade = np.zeros((0, 2), np.float32), np.zeros(0, np.uint8), None
        self._encodings.set_points(points, labels, fade)
        self._repaint()

    def set_ellipses(self, covariances: np.ndarray | None) -> None:
        """The covariances (n, 2, 2) on the plane of q(z|x) of all encodings, in their order; None: not known yet."""
        if covariances is not self._encodings.covariances:
            self._encodings.covariances = covariances
            self._repaint()

    def set_footprint(self, footprint: Footprint | None) -> None:
        """Show where q(z|x) of one image lies, over all else but the point."""
        self._probe.footprint = footprint
        self.update()

    def set_marks(self, marks: PlacedMarks) -> None:
        """Show these pins and this path; a selected one that is gone is selected no longer."""
        self._marks.marks = marks
        if self._marks.place_of(self._marks.selected) is None:
            self._marks.selected = None
        self._repaint()

    def select_mark(self, mark: Mark | None) -> None:
        """Select this mark, without announcing it."""
        if mark != self._marks.selected:
            self._marks.selected = mark
            self._repaint()

    def set_layers(self, layers: Layers) -> None:
        self._layers = layers
        self._encodings.all_ellipses = layers.ellipses
        self._encodings.set_hidden(layers.hidden_classes)
        self._set_apart()
        self._repaint()

    def set_axis_names(self, x: str, y: str | None) -> None:
        """Name the axes; no second name means that the model has one dimension."""
        if (x, y) != (self._x_name, self._y_name):
            self._x_name, self._y_name = x, y
            self._repaint()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._tiles.set_theme(theme)
        self._encodings.set_theme(theme)
        self._density.set_theme(theme)
        self._repaint()

    def set_home(self, home: Region | None, *, refit: bool = True) -> None:
        """What `fit` shows from now on, None for the usual; with `refit` at once, while nobody has zoomed or panned."""
        self._home = HOME if home is None else home
        if refit and self._fitted:
            self._set_view(self._fitted_view(), fitted=True)

    def fit(self) -> None:
        """Show the prior and the encodings; later resizes fit again until the user zooms or pans."""
        self._set_view(self._fitted_view(), fitted=True)
        self._views.record(self._place())
        self.views_changed.emit()

    def fit_with_point(self) -> None:
        """Fit the view; or, where the point would be out of sight, show it as well."""
        fitted, (u, v), home = self._fitted_view(), self._point, self._home
        if fitted.contains(*fitted.to_pixel(u, v)):
            self.fit()
            return
        both = Region(min(home.left, u), max(home.right, u), min(home.bottom, v), max(home.top, v))
        edge = 2 * PAN_MARGIN * fitted.showing(both).scale
        wider = Region(both.left - edge, both.right + edge, both.bottom - edge, both.top + edge)
        self._choose_view(fitted.showing(wider), fitted=False)

    def show_region(self, region: Region | None) -> None:
        """Show all of this rectangle, or fit the view; the views before are forgotten."""
        view = self._fitted_view()
        self._set_view(view.showing(region) if region else view, fitted=region is None)
        self._views = History(self._place())
        self.views_changed.emit()

    def choose_region(self, region: Region) -> None:
        """Show all of this rectangle; it is possible to go back. Within what is seen it goes no deeper than a zoom."""
        seen = self._view.region()
        inside = seen.left <= region.left and region.right <= seen.right
        inside = inside and seen.bottom <= region.bottom and region.top <= seen.top
        finest = self._finest[1] if self._finest and inside else 0.0
        self._choose_view(self._view.showing(region, finest), fitted=False)

    def reveal_point(self) -> None:
        """Pan as little as brings the point into sight."""
        self._reveal(self._point)

    def _on_pointer(self, pos: QPointF) -> bool:
        """Whether the arrow to the point, while that is out of sight, is here."""
        pointer = pointer_to(self._view, self._point)
        return pointer is not None and math.dist(pos.toTuple(), pointer[0].toTuple()) <= ARROW_RADIUS

    def _reveal(self, place: tuple[float, float]) -> None:
        if not self._view.contains(*self._view.to_pixel(*place)):
            self._choose_view(self._view.revealing(*place, PAN_MARGIN), fitted=False)

    def back(self) -> None:
        """Show what was visible before the last zoom or pan."""
        if self._views.undo():
            self._show_place(self._views.present)

    def forward(self) -> None:
        """Show again what was visible before going back."""
        if self._views.redo():
            self._show_place(self._views.present)

    # Values out

    @property
    def can_go_back(self) -> bool:
        return bool(self._views.past)

    @property
    def can_go_forward(self) -> bool:
        return bool(self._views.future)

    def region(self) -> Region | None:
        """The visible rectangle, or None while it is the fitted one."""
        view = self._view.region()
        return None if self._fitted else Region(view.left, view.right, view.bottom, view.top)

    def point(self) -> tuple[float, float]:
        return self._point

    def view(self) -> View:
        """The visible region of the plane, and the canvas's size."""
        return self._view.region()

    def zoom_factor(self) -> float:
        """Magnification relative to the fitted view."""
        return self._fitted_view().scale / self._view.scale

    def to_pixel(self, z: tuple[float, float]) -> QPointF:
        """Where latent (u, v) lies in this widget, in logical pixels."""
        return QPointF(*self._view.to_pixel(*z))

    def to_latent(self, pos: QPointF) -> tuple[float, float]:
        """Latent (u, v) at this widget's pixel."""
        return self._view.to_latent(pos.x(), pos.y())

    def sizeHint(self) -> QSize:
        return QSize(830, 500)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """The layers as they were painted last, and the point, which moves more often than they change."""
        with QPainter(self) as painter:
            theme = self._theme
            ratio = painter.deviceTransform().m11()  # device pixels to a logical one, also when rendered into an image
            if self._picture is None or self._picture.devicePixelRatio() != ratio:
                self._picture = self._paint_layers(ratio)
            painter.drawPixmap(0, 0, self._picture)
            canvas = QRectF(self._view.x, self._view.y, self._view.width, self._view.height)
            painter.setClipRect(canvas)
            if len(self._lasso) > 1:
                paint_lasso(painter, [self.to_pixel(place) for place in self._lasso], theme)
            self._probe.paint(painter, self._view, theme, plane=self._y_name is not None)
            pointer = pointer_to(self._view, self._point)
            if pointer is None:
                paint_point(painter, self.to_pixel(self._point), theme)
            else:
                paint_pointer(painter, *pointer, theme)
            if self.hasFocus():
                painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
                painter.setPen(QPen(QColor(theme.accent), 1.0))
                painter.drawRect(canvas.adjusted(0, 0, -1, -1))

    def _paint_layers(self, ratio: float) -> QPixmap:
        """Everything but the point, at `ratio` device pixels to a logical one."""
        view, theme = self._view, self._theme
        picture = QPixmap((QSizeF(self.size()) * ratio).toSize())
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        with QPainter(picture) as painter:
            painter.setFont(self.font())
            layers, plane = self._layers, self._y_name is not None
            canvas = QRectF(view.x, view.y, view.width, view.height)
            paint_axes(painter, view, theme, self._x_name, self._y_name)
            painter.setClipRect(canvas)
            painter.fillRect(canvas, QColor(theme.paper))
            if layers.tiles:
                painter.setOpacity(layers.tiles_opacity)
                self._tiles.paint(painter, view, ratio)
                if layers.dimmed:
                    painter.setOpacity(1.0)
                    self._tiles.paint_dimming(painter, view)
            if layers.density:
                painter.setOpacity(layers.density_opacity)
                self._density.paint(painter, view)
            if layers.prior:
                painter.setOpacity(layers.prior_opacity)
                self._contours.paint(painter, view, theme, plane=plane)
            if layers.encodings:
                painter.setOpacity(layers.encodings_opacity)
                self._encodings.paint(painter, view, ratio)
            if layers.prior:
                painter.setOpacity(layers.prior_opacity)
                self._contours.paint_names(painter, view, theme, plane=plane)
            painter.setOpacity(1.0)
            self._marks.paint(painter, view, theme)
        return picture

    def _set_apart(self) -> None:
        """Dots and names are set apart from a density that lies under them in colours like theirs."""
        self._encodings.set_apart = self._marks.set_apart = self._layers.density and self._density.is_there

    def _repaint(self) -> None:
        """What is under the point has changed."""
        self._picture = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        canvas = self._canvas()
        self._picture = None
        self._set_view(self._fitted_view() if self._fitted else self._view.resized(*canvas), fitted=self._fitted)

    def _canvas(self) -> tuple[int, int, int, int]:
        return LEFT_MARGIN, 0, max(self.width() - LEFT_MARGIN, 1), max(self.height() - BOTTOM_MARGIN, 1)

    def _fitted_view(self) -> MapView:
        return MapView.fitted(*self._canvas(), self._home)

    def _set_view(self, view: MapView, *, fitted: bool) -> None:
        changed = view != self._view
        self._view, self._fitted = view, fitted
        if changed:
            self._repaint()
            self._say_whether_it_ends()
            self.view_changed.emit(view.region())

    def _choose_view(self, view: MapView, *, fitted: bool) -> None:
        """A view of the user's choice, to which it is possible to go back."""
        self._set_view(view, fitted=fitted)
        self._views.record(self._place(), self.gesture.key())
        self.views_changed.emit()

    def _place(self) -> _Place:
        return None if self._fitted else (self._view.u, self._view.v, self._view.scale)

    def _show_place(self, place: _Place) -> None:
        if place is None:
            self._set_view(self._fitted_view(), fitted=True)
        else:
            self._set_view(MapView(*place, *self._canvas()), fitted=False)
        self.views_changed.emit()

    def _zoom(self, factor: float, pos: QPointF) -> None:
        zoomed = self._view.zoomed(factor, pos.x(), pos.y(), self._finest[1] if self._finest else 0.0)
        self._refused = factor > 1.0 and zoomed.scale == self._view.scale
        self._choose_view(zoomed, fitted=self._fitted and zoomed == self._view)
        self._say_whether_it_ends()

    def _say_whether_it_ends(self) -> None:
        """That nothing finer is to be seen, once somebody has gone as far in, or tried to."""
        fine = self._finest is not None and self._view.scale <= self._finest[1] * (1 + 1e-9)
        words = ""
        if fine and (self._refused or self.zoom_factor() > 1.0 + 1e-9):
            words = NOTHING_FINER
        elif self._view.is_deepest:
            words = DEEPEST
        if words != self._end:
            self._end = words
            self.end_changed.emit(words)
