"""The latent map in its panel: which plane, which layers, which classes, how far in."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.core.exploration import Layers
from vae_studio.core.plane import Plane
from vae_studio.core.scene import View
from vae_studio.ui.class_legend import ClassChip, ClassLegend
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.density_overlay import DensityOverlay
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.layers_menu import LayerBar
from vae_studio.ui.map_layers import BOTTOM_MARGIN, LEFT_MARGIN
from vae_studio.ui.map_notice import MapNotice
from vae_studio.ui.plane_badge import PlaneBadge
from vae_studio.ui.plane_bar import PlaneBar
from vae_studio.ui.theme import Theme
from vae_studio.ui.timings_overlay import TimingsOverlay

W = TypeVar("W", bound=QWidget)
_SIDE, _GAP = 11, 8  # pixels of the header


class MapPanel(QFrame):
    """The header over the map, with `.plane` to choose what it is a map of, and the map itself as `.map`.

    Over the map, where they have something to say, `.distance`, `.timings` and `.density`. `layers_changed(Layers)`
    when the user shows or hides a layer or a class; `opacity_changed(Layers, gesture)` when an opacity is turned.
    """

    layers_changed = Signal(object)
    opacity_changed = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("map_panel")
        self.setProperty("panel", True)
        self.map = LatentMap()
        self.plane = PlaneBar()
        self.layers = LayerBar()
        self._legend = ClassLegend()
        self._zoom = label("1.0×", "muted")
        self._zoom.setObjectName("zoom_label")
        show_tip(self._zoom, "Magnification, relative to the fitted map")
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._zoom.setMinimumWidth(self._zoom.fontMetrics().horizontalAdvance("0.08×") + 4)
        self._fit = _named(QPushButton("Fit"), "fit_button")
        self._fit.setProperty("kind", "chip")
        show_tip(self._fit, "Show the prior, the encodings and the point on this plane again (0 or Home on the map)")
        self._fit.setAccessibleName("Fit the map")
        self._header = _Header(label("Latent map", "title"), self._row(), self.layers, self._legend, self._tail())

        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 8, 1, 4)
        layout.setSpacing(8)
        layout.addWidget(self._header)
        layout.addWidget(self.map, 1)
        self.distance = PlaneBadge()
        self.distance.leaving.connect(self.map.setFocus)
        self.timings = TimingsOverlay()
        self.timings.hide()
        self.density = DensityOverlay()
        self.density.leaving.connect(self.map.setFocus)
        self._end = MapNotice()
        over = QGridLayout(self.map)
        over.setContentsMargins(LEFT_MARGIN + 8, 8, 8, BOTTOM_MARGIN + 8)
        over.setRowStretch(0, 1)
        over.setColumnStretch(0, 1)
        over.addWidget(self.distance, 0, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        over.addWidget(self.timings, 0, 1, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        over.addWidget(self._end, 1, 0, 1, 2, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft)
        over.addWidget(self.density, 2, 0, 1, 2, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight)
        self.layers.menu.setParent(self)  # over the map, next to the button that opens it
        self.layers.menu.hide()

        self.layers.layers_changed.connect(self._choose_layers)
        self.layers.opacity_changed.connect(self._turn_opacity)
        self._legend.hidden_changed.connect(self._hide_classes)
        self.map.end_changed.connect(self._end.show_words)
        self.plane.axes_changed.connect(self._name_axes)
        self._fit.clicked.connect(self.map.fit_with_point)
        self.map.view_changed.connect(self._show_zoom)
        self.set_dims(2)
        self.set_config(RunConfig())

    def set_dims(self, latent_dims: int) -> None:
        """The model has so many latent dimensions; nothing is emitted."""
        self.plane.set_dims(latent_dims)
        self._name_axes()

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is: say what the contours on the map are."""
        self.layers.set_config(config)

    def set_plane(self, plane: Plane) -> None:
        """Show which plane it is, without announcing it."""
        self.plane.set_plane(plane)
        self.layers.set_plane(plane)
        self._name_axes()

    def set_layers(self, layers: Layers) -> None:
        """Show these layers, and all classes but the hidden ones, without announcing it."""
        self.layers.set_layers(layers)
        self._legend.set_hidden(layers.hidden_classes)
        self._legend.setEnabled(layers.encodings)
        self.map.set_layers(layers)

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """Name the classes in the legend; none for data without labels, "" for a class without images."""
        self._legend.set_names(names)
        self._header.arrange()
        before: QWidget = self.layers.last  # classes come late, but stand before what follows them
        for item in self._legend.findChildren(ClassChip):
            self.setTabOrder(before, item)
            before = item

    def set_theme(self, theme: Theme) -> None:
        self.map.set_theme(theme)
        self.timings.set_theme(theme)
        self.density.set_theme(theme)
        self._legend.set_theme(theme)

    def _row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.plane)
        row.addSpacing(8)
        row.addWidget(self.layers)
        return row

    def _tail(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._zoom)
        row.addWidget(self._fit)
        return row

    def _name_axes(self) -> None:
        self.map.set_axis_names(*self.plane.names)

    def _hide_classes(self, classes: frozenset[int]) -> None:
        self._choose_layers(replace(self.layers.layers, hidden_classes=classes))

    def _choose_layers(self, layers: Layers) -> None:
        self.set_layers(layers)
        self.layers_changed.emit(layers)

    def _turn_opacity(self, layers: Layers, gesture: int) -> None:
        self.set_layers(layers)
        self.opacity_changed.emit(layers, gesture)

    def _show_zoom(self, view: View) -> None:
        zoom = self.map.zoom_factor()
        self._zoom.setText(f"{zoom:.2f}×" if zoom < 0.95 else f"{zoom:.1f}×" if zoom < 99.5 else f"{zoom:.0f}×")


class _Header(QWidget):
    """Title, controls, legend and zoom in one row; the legend takes a row of its own where the panel is too narrow.

    Where it is narrower still, the layers are left to their menu, and then the title is left out.
    """

    def __init__(
        self, title: QLabel, row: QHBoxLayout, layers: LayerBar, legend: ClassLegend, tail: QHBoxLayout
    ) -> None:
        super().__init__()
        self._title, self._row, self._layers, self._legend, self._tail = title, row, layers, legend, tail
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(_SIDE, 0, _SIDE, 0)
        self._grid.setHorizontalSpacing(_GAP)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(2, 1)
        self._grid.addWidget(title, 0, 0)
        self._grid.addLayout(row, 0, 1)
        self._grid.addLayout(tail, 0, 4)
        self._wide: bool | None = None
        self.arrange()

    def minimumSizeHint(self) -> QSize:
        least = max(self._base_width() + self._layers.widths()[0], self._legend.sizeHint().width() + 2 * _SIDE)
        return QSize(least, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.arrange()

    def event(self, event: QEvent) -> bool:
        """Widths change when texts, classes or the stylesheet do."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self.arrange()
        return done

    def arrange(self) -> None:
        """Put what there is where there is room for it."""
        alone, chips = self._layers.widths()
        titled = self._base_width() + self._title.sizeHint().width() + _GAP
        self._title.setVisible(self.width() >= titled + alone)
        self._layers.set_compact(self.width() < titled + chips)
        wide = self.width() >= titled + chips + self._legend.sizeHint().width() + 2 * _GAP
        if wide == self._wide:
            return
        self._wide = wide
        self._grid.removeWidget(self._legend)
        if wide:
            self._grid.addWidget(self._legend, 0, 3)
        else:
            self._grid.addWidget(self._legend, 1, 0, 1, 5, Qt.AlignmentFlag.AlignLeft)
        self.updateGeometry()

    def _base_width(self) -> int:
        """Pixels that the row needs without title, layers and legend."""
        row = self._row.minimumSize().width() - self._layers.minimumSizeHint().width()
        return row + self._tail.minimumSize().width() + 3 * _GAP + 2 * _SIDE


def _named(widget: W, object_name: str) -> W:
    widget.setObjectName(object_name)
    return widget
