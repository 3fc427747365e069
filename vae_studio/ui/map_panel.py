"""The latent map in its panel: which plane, which layers, which classes, how far in."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.config import LaplacePriorConfig, MixtureConfig, RunConfig
from vae_studio.core.exploration import Layers
from vae_studio.core.scene import View
from vae_studio.ui.controls import chip, label, subscript
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.map_layers import BOTTOM_MARGIN, LEFT_MARGIN
from vae_studio.ui.theme import DARK, Theme
from vae_studio.ui.timings_overlay import TimingsOverlay

W = TypeVar("W", bound=QWidget)


class MapPanel(QFrame):
    """The header over the map, and the map itself as `.map`; in a corner of it, hidden at first, `.timings`.

    `axes_changed((i, j))` when the user chooses which latent dimensions, counted from 0, lie across and up; they are
    always two different ones, but for a model with a single dimension, where both are 0. `layers_changed(Layers)` when
    the user shows or hides a layer or a class.
    """

    axes_changed = Signal(object)
    layers_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("map_panel")
        self.setProperty("panel", True)
        self._axes = (0, 1)
        self.map = LatentMap()
        self._axis_x = _axis_combo("axis_x_combo", "Across", "The latent dimension that runs from left to right")
        self._axis_y = _axis_combo("axis_y_combo", "Up", "The latent dimension that runs from bottom to top")
        self._times = label("×", "muted")
        self._tiles = _named(chip("Tiles", "Show what the decoder draws all over the plane"), "tiles_chip")
        self._encodings = _named(
            chip("Encodings", "Show where the encoder puts test images, coloured by class"), "encodings_chip"
        )
        self._prior = _named(chip("Prior", ""), "prior_chip")
        self._legend = ClassLegend()
        self._zoom = label("1.0×", "muted")
        self._zoom.setObjectName("zoom_label")
        self._zoom.setToolTip("Magnification, relative to the fitted map")
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._zoom.setMinimumWidth(self._zoom.fontMetrics().horizontalAdvance("0.08×") + 4)
        self._fit = _named(QPushButton("Fit"), "fit_button")
        self._fit.setProperty("kind", "chip")
        self._fit.setToolTip("Show the middle of latent space again, ±3.4 across and ±2.1 up (0 or Home on the map)")
        self._fit.setAccessibleName("Fit the map")
        self._header = _Header(self._row(), self._legend, self._tail())

        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 8, 1, 4)
        layout.setSpacing(8)
        layout.addWidget(self._header)
        layout.addWidget(self.map, 1)
        self.timings = TimingsOverlay()
        self.timings.hide()
        over = QVBoxLayout(self.map)
        over.setContentsMargins(LEFT_MARGIN + 8, 8, 8, BOTTOM_MARGIN + 8)
        over.addWidget(self.timings, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)

        self._axis_x.activated.connect(self._x_chosen)
        self._axis_y.activated.connect(self._y_chosen)
        for button in (self._tiles, self._encodings, self._prior):
            button.clicked.connect(self._layers_chosen)
        self._legend.hidden_changed.connect(self._layers_chosen)
        self._fit.clicked.connect(self.map.fit)
        self.map.view_changed.connect(self._show_zoom)
        self.set_dims(2)
        self.set_config(RunConfig())

    @property
    def axes(self) -> tuple[int, int]:
        """The latent dimensions that lie across and up."""
        return self._axes

    def set_dims(self, latent_dims: int) -> None:
        """Offer z₁…z_d. Axes that the model has stay chosen, or become z₁ × z₂; nothing is emitted."""
        names = [subscript(i) for i in range(latent_dims)]
        for combo in (self._axis_x, self._axis_y):
            combo.clear()
            combo.addItems(names)
        for widget in (self._axis_x, self._times, self._axis_y):
            widget.setVisible(latent_dims > 1)
        if latent_dims == 1:
            self.set_axes((0, 0))
        else:
            possible = max(self._axes) < latent_dims and self._axes[0] != self._axes[1]
            self.set_axes(self._axes if possible else (0, 1))

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is: say what the contours on the map are."""
        words = "Prior" if config.model == "vae" else "Spread"
        self._prior.setText(words)
        self._prior.setAccessibleName(words)
        self._prior.setToolTip(f"Show contours: {_contours(config)}")

    def set_axes(self, axes: tuple[int, int]) -> None:
        """Show this choice of latent dimensions without announcing it."""
        self._axes = axes
        self._axis_x.setCurrentIndex(axes[0])
        self._axis_y.setCurrentIndex(axes[1])
        self.map.set_axis_names(subscript(axes[0]), subscript(axes[1]) if axes[0] != axes[1] else None)

    def set_layers(self, layers: Layers) -> None:
        """Show these layers, and all classes but the hidden ones, without announcing it."""
        self._tiles.setChecked(layers.tiles)
        self._encodings.setChecked(layers.encodings)
        self._prior.setChecked(layers.prior)
        self._legend.set_hidden(layers.hidden_classes)
        self._legend.setEnabled(layers.encodings)
        self.map.set_layers(layers.tiles, layers.encodings, layers.prior)
        self.map.set_hidden_classes(layers.hidden_classes)

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """Name the classes in the legend; none for data without labels, "" for a class without images."""
        self._legend.set_names(names)
        self._header.arrange()
        before: QWidget = self._prior  # classes come late, but stand before what follows them
        for item in self._legend.findChildren(ClassChip):
            self.setTabOrder(before, item)
            before = item

    def set_theme(self, theme: Theme) -> None:
        self.map.set_theme(theme)
        self.timings.set_theme(theme)
        self._legend.set_theme(theme)

    def _row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(label("Latent map", "title"))
        row.addSpacing(6)
        for widget in (self._axis_x, self._times, self._axis_y):
            row.addWidget(widget)
        row.addSpacing(8)
        for widget in (self._tiles, self._encodings, self._prior):
            row.addWidget(widget)
        return row

    def _tail(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._zoom)
        row.addWidget(self._fit)
        return row

    def _x_chosen(self, index: int) -> None:
        self._choose((index, self._axes[0] if index == self._axes[1] else self._axes[1]))

    def _y_chosen(self, index: int) -> None:
        self._choose((self._axes[1] if index == self._axes[0] else self._axes[0], index))

    def _choose(self, axes: tuple[int, int]) -> None:
        if axes != self._axes:
            self.set_axes(axes)
            self.axes_changed.emit(axes)

    def _layers_chosen(self) -> None:
        layers = Layers(
            self._tiles.isChecked(), self._encodings.isChecked(), self._prior.isChecked(), self._legend.hidden
        )
        self.set_layers(layers)
        self.layers_changed.emit(layers)

    def _show_zoom(self, view: View) -> None:
        zoom = self.map.zoom_factor()
        self._zoom.setText(f"{zoom:.2f}×" if zoom < 0.95 else f"{zoom:.1f}×" if zoom < 99.5 else f"{zoom:.0f}×")


class ClassLegend(QWidget):
    """A chip for each class. `hidden_changed(frozenset)` says which classes the user does not want to see.

    A click hides or shows a class; a double-click, Ctrl- or Alt-click shows only that class, and again shows all.
    """

    hidden_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_legend")
        self.setAccessibleName("Classes")
        self._theme = DARK
        self._names: tuple[str, ...] = ()
        self._chips: list[ClassChip] = []
        self.hidden: frozenset[int] = frozenset()
        self._hidden_before: frozenset[int] = frozenset()
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_names(self, names: tuple[str, ...]) -> None:
        if names == self._names:
            return
        self._names = names
        for old in self._chips:
            old.setParent(None)
            old.deleteLater()
        self._chips = [ClassChip(index, name) for index, name in enumerate(names)]
        for new in self._chips:
            self._layout.addWidget(new)
            new.setVisible(bool(new.text()))
            new.toggle_asked.connect(self._toggle)
            new.only_asked.connect(self._only)
        self.set_theme(self._theme)
        self.set_hidden(self.hidden)

    def set_hidden(self, hidden: frozenset[int]) -> None:
        """Show all classes but these, without announcing it."""
        self.hidden = hidden
        for index, item in enumerate(self._chips):
            item.setChecked(index not in hidden)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for item in self._chips:
            item.set_theme(theme)

    def _toggle(self, index: int) -> None:
        self._hidden_before = self.hidden
        self._choose(self.hidden ^ {index})

    def _only(self, index: int, second_click: bool) -> None:
        # The first click of a double-click has toggled already: what counts is what was shown before it.
        before = self._hidden_before if second_click else self.hidden
        others = frozenset(range(len(self._chips))) - {index}
        self._choose(frozenset() if before == others else others)

    def _choose(self, hidden: frozenset[int]) -> None:
        self.set_hidden(hidden)
        self.hidden_changed.emit(hidden)


class ClassChip(QAbstractButton):
    """A dot in the class's colour and its name, dimmed while hidden; asks, and is told, whether it is shown.

    `toggle_asked(index)`; `only_asked(index, second_click)`: the latter says that a toggle has just been asked for.
    """

    toggle_asked = Signal(int)
    only_asked = Signal(int, bool)

    def __init__(self, index: int, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._index, self._theme = index, DARK
        self._second_click = False
        self.setObjectName(f"legend_class_{index}")
        self.setText(name)
        self.setCheckable(True)
        self.setChecked(True)
        self.setAccessibleName(f"Class {name}")
        self.setToolTip(
            f"Click to hide or show class {name}. Double-click or Ctrl-click: only this class, or all again"
        )
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(19 + self.fontMetrics().horizontalAdvance(self.text()), 22)

    def nextCheckState(self) -> None:
        # Called for a click or the space bar; the legend answers with setChecked.
        self.toggle_asked.emit(self._index)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._second_click = False
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._second_click = True

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        only = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        if not (only or self._second_click) or not self.isDown():
            super().mouseReleaseEvent(event)
            return
        self.setDown(False)
        self.only_asked.emit(self._index, self._second_click)
        self._second_click = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.only_asked.emit(self._index, False)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, shown = self._theme, self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(QColor(theme.accent)) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.hover) if self.underMouse() else Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 5, 5)
        painter.setOpacity(1.0 if self.isEnabled() else 0.4)
        colour = QColor(theme.classes[self._index % len(theme.classes)])
        centre = QPointF(8, self.height() / 2)
        if shown:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(centre, 4, 4)
        else:
            painter.setPen(QPen(QColor(theme.faint), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(centre, 3.5, 3.5)
        painter.setPen(QColor(theme.muted if shown else theme.faint))
        painter.drawText(
            box.adjusted(15, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.text()
        )


class _Header(QWidget):
    """Controls, legend and zoom in one row; the legend takes a row of its own where the panel is too narrow."""

    def __init__(self, row: QHBoxLayout, legend: ClassLegend, tail: QHBoxLayout) -> None:
        super().__init__()
        self._row, self._legend, self._tail = row, legend, tail
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(11, 0, 11, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._grid.addLayout(row, 0, 0)
        self._grid.addLayout(tail, 0, 3)
        self._wide: bool | None = None
        self.arrange()

    def minimumSizeHint(self) -> QSize:
        return QSize(max(self._base_width(), self._legend.sizeHint().width() + 22), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.arrange()

    def event(self, event: QEvent) -> bool:
        """Widths change when texts, classes or the stylesheet do."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self.arrange()
        return done

    def arrange(self) -> None:
        """Put the legend where there is room for it."""
        wide = self.width() >= self._base_width() + self._legend.sizeHint().width() + 16
        if wide == self._wide:
            return
        self._wide = wide
        self._grid.removeWidget(self._legend)
        if wide:
            self._grid.addWidget(self._legend, 0, 2)
        else:
            self._grid.addWidget(self._legend, 1, 0, 1, 4, Qt.AlignmentFlag.AlignLeft)
        self.updateGeometry()

    def _base_width(self) -> int:
        """Pixels that the row needs without the legend."""
        return self._row.minimumSize().width() + self._tail.minimumSize().width() + 3 * 8 + 22


def _contours(config: RunConfig) -> str:
    """What the dashed lines on the map are."""
    if config.model != "vae":
        return "an auto-encoder has no prior: circles at 1, 2, 3 standard deviations of its codes"
    match config.prior:
        case MixtureConfig(components=count):
            return (
                f"the prior, a learned mixture of Gaussians (here {count}): for each the ellipses at 1 and 2 standard "
                "deviations, and its weight in percent"
            )
        case LaplacePriorConfig():
            return (
                "the prior, independent Laplace distributions with variance 1: lines of equal density that hold as "
                "much of it as N(0, I) has within 1σ, 2σ and 3σ"
            )
    return "the prior N(0, I): circles at 1, 2 and 3 standard deviations"


def _axis_combo(object_name: str, title: str, tooltip: str) -> QComboBox:
    combo = _named(QComboBox(), object_name)
    combo.setToolTip(tooltip)
    combo.setAccessibleName(title)
    combo.setMaxVisibleItems(16)
    combo.setMinimumWidth(54)
    return combo


def _named(widget: W, object_name: str) -> W:
    widget.setObjectName(object_name)
    return widget
