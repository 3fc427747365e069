"""Which layers the map shows, and how strongly: chips in its header, and a panel with everything there is to choose."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QPushButton, QWidget

from vae_studio.core.config import LaplacePriorConfig, MixtureConfig, RunConfig
from vae_studio.core.exploration import Layers
from vae_studio.core.plane import Plane
from vae_studio.ui.controls import Gesture, ValueSlider, chip, label, show_tip

_GAP = 4  # pixels between the button and what it opens


class _Layer(NamedTuple):
    """A layer: its field in `Layers`, its name, and what it shows."""

    field: str
    title: str
    tooltip: str


_LAYERS = (
    _Layer("tiles", "Tiles", "Show what the decoder draws all over the plane"),
    _Layer("encodings", "Encodings", "Show where the encoder puts test images, coloured by class"),
    _Layer("prior", "Prior", ""),
    _Layer(
        "density",
        "Density",
        "Show the density of the aggregate posterior q(z), the mean of q(z|x) over the first 10 000 training images",
    ),
)
_DIMMED = (
    "Let tiles fade where no test image is encoded nearby, in the whole latent space: further away than 99 % of the "
    "encodings are from their nearest neighbour. In many dimensions most of a plane is far from any encoding"
)
_ELLIPSES = "Show how wide q(z|x) is around each encoding: an ellipse one standard deviation from its mean"


class LayerBar(QWidget):
    """A chip for each layer, and the button that opens `menu`, which has to be given a place over the map.

    `layers_changed(Layers)` when the user shows or hides something; `opacity_changed(Layers, gesture)` when an opacity
    is turned, with the same gesture for what belongs together. With `set_compact` the chips are in the menu only.
    """

    layers_changed = Signal(object)
    opacity_changed = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layers = Layers()
        self._no_density = ""  # why
        self._compact = False
        self._config, self._plane = RunConfig(), Plane.of_axes((0, 1), 2)
        self._chips: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for layer in _LAYERS:
            button = self._chips[layer.field] = chip(layer.title, layer.tooltip)
            button.setObjectName(f"{layer.field}_chip")
            button.clicked.connect(lambda on, field=layer.field: self._choose(field, on))
            row.addWidget(button)
        self._button = QPushButton("Layers ▾")
        self._button.setObjectName("layers_button")
        self._button.setProperty("kind", "chip")
        self._button.setCheckable(True)
        self._button.setAccessibleName("Layers")
        show_tip(self._button, "Choose what the map shows, and how strongly: all layers with their opacities")
        row.addWidget(self._button)
        self.menu = LayersMenu(self._button)
        self.menu.switched.connect(self._choose)
        self.menu.turned.connect(self._turn)
        self.set_config(self._config)
        self.set_layers(self.layers)

    def set_layers(self, layers: Layers) -> None:
        """Show these without announcing it."""
        self.layers = layers
        for field, button in self._chips.items():
            button.setChecked(getattr(layers, field))
        self.menu.set_layers(layers)
        self._show_possible()

    def set_config(self, config: RunConfig) -> None:
        """Which kind of model this is: say what its contours are, and what it has not got."""
        self._config = config
        words = "Prior" if config.model == "vae" else "Spread"
        for widget in (self._chips["prior"], self.menu.boxes["prior"]):
            widget.setText(words)
            widget.setAccessibleName(words)
        self._say_contours()
        if config.model == "vae":
            self.menu.allow("ellipses", "")
        else:
            self.menu.allow("ellipses", "An auto-encoder has codes, points without a spread: there is no q(z|x)")
        self.refuse_density("")

    def set_plane(self, plane: Plane) -> None:
        """Say what the contours are on this plane."""
        if plane != self._plane:
            self._plane = plane
            self._say_contours()

    def _say_contours(self) -> None:
        tooltip = f"Show contours: {_contours(self._config, self._plane)}"
        for widget in (self._chips["prior"], self.menu.boxes["prior"]):
            show_tip(widget, tooltip)

    def refuse_density(self, reason: str) -> None:
        """Say why there is no density; with no reason, there is one. What is on can be switched off all the same."""
        self._no_density = reason
        show_tip(self._chips["density"], reason or _LAYERS[3].tooltip)
        self._show_possible()
        self.menu.allow("density", reason)

    def _show_possible(self) -> None:
        self._chips["density"].setEnabled(self.layers.density or not self._no_density)

    def open_or_close(self) -> None:
        """Open the menu, with the focus in it, or close it."""
        self._button.toggle()

    def set_compact(self, compact: bool) -> None:
        """Show the button alone, where there is no room for the chips."""
        if compact != self._compact:
            self._compact = compact
            for button in self._chips.values():
                button.setVisible(not compact)

    def widths(self) -> tuple[int, int]:
        """Pixels that the button needs, and those that all needs."""
        chips = sum(button.sizeHint().width() + self.layout().spacing() for button in self._chips.values())
        alone = self._button.sizeHint().width()
        return alone, alone + chips

    @property
    def last(self) -> QWidget:
        """The last one in the order of the Tab key."""
        return self._button

    def _choose(self, field: str, on: bool) -> None:
        self.set_layers(replace(self.layers, **{field: on}))
        self.layers_changed.emit(self.layers)

    def _turn(self, field: str, opacity: float, gesture: int) -> None:
        self.set_layers(replace(self.layers, **{field: opacity}))
        self.opacity_changed.emit(self.layers, gesture)


class LayersMenu(QFrame):
    """Every layer with its opacity, under the button that opens and closes it; the map can be used meanwhile.

    `switched(field of Layers, on)`; `turned(field, opacity, gesture)`.
    """

    switched = Signal(str, bool)
    turned = Signal(str, float, int)

    def __init__(self, button: QPushButton, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("layers_menu")
        self.setProperty("panel", True)
        self.setAccessibleName("Layers")
        self.setAutoFillBackground(True)
        self._button = button
        self._gesture = Gesture()
        self.boxes: dict[str, QCheckBox] = {}
        self._sliders: dict[str, ValueSlider] = {}
        self._reasons: dict[str, str] = {}
        self._tooltips: dict[str, str] = {}
        grid = self._grid = QGridLayout(self)
        grid.setContentsMargins(12, 8, 12, 12)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(2)
        grid.addWidget(label("Layer", "faint"), 0, 0)
        grid.addWidget(label("Opacity in %", "faint"), 0, 1)
        defaults = Layers()
        for layer in _LAYERS:
            row = grid.rowCount()
            grid.addWidget(self._box(layer), row, 0)
            default = 100.0 * getattr(defaults, f"{layer.field}_opacity")
            grid.addWidget(self._slider(f"{layer.field}_opacity", layer.title, default), row, 1)
            if layer.field == "tiles":
                grid.addWidget(
                    self._box(_Layer("dimmed", "Dim tiles far from any encoding", _DIMMED)), row + 1, 0, 1, 2
                )
            if layer.field == "encodings":
                grid.addWidget(self._box(_Layer("ellipses", "Ellipses of q(z|x)", _ELLIPSES)), row + 1, 0, 1, 2)
        grid.setColumnStretch(1, 1)
        for field in ("dimmed", "ellipses"):
            self.boxes[field].setStyleSheet("margin-left: 20px")
        self.hide()
        button.toggled.connect(self._open)

    def set_layers(self, layers: Layers) -> None:
        """Show these without announcing it."""
        for field, box in self.boxes.items():
            box.setChecked(getattr(layers, field))
        for field, slider in self._sliders.items():
            slider.set_value(100.0 * getattr(layers, field))
        self._show_possible()

    def allow(self, field: str, reason: str) -> None:
        """A layer can be had; or, with a reason, it cannot."""
        self._reasons[field] = reason
        self._show_possible()

    def _show_possible(self) -> None:
        for field, box in self.boxes.items():
            reason = self._reasons.get(field, "")
            box.setEnabled(box.isChecked() or not reason)
            if field != "prior":
                show_tip(box, reason or self._tooltips[field])
        for part, whole in (("dimmed", "tiles"), ("ellipses", "encodings")):
            self.boxes[part].setEnabled(self.boxes[whole].isChecked() and not self._reasons.get(part))
        for layer in _LAYERS:
            box = self.boxes[layer.field]
            possible = not self._reasons.get(layer.field)
            self._sliders[f"{layer.field}_opacity"].setEnabled(possible and box.isChecked())

    def _box(self, layer: _Layer) -> QCheckBox:
        box = self.boxes[layer.field] = QCheckBox(layer.title)
        box.setObjectName(f"layer_{layer.field}")
        box.setAccessibleName(layer.title)
        self._tooltips[layer.field] = layer.tooltip
        box.clicked.connect(lambda on: self.switched.emit(layer.field, on))
        return box

    def _slider(self, field: str, title: str, default: float) -> ValueSlider:
        slider = self._sliders[field] = ValueSlider(
            0.0,
            100.0,
            default,
            decimals=0,
            name=f"Opacity of {title.lower()}",
            tooltip=f"How strongly the layer shows, from 0 to 100 %; double-click: {default:.0f} %",
        )
        slider.setObjectName(f"layer_{field}")
        slider.setMinimumWidth(170)
        slider.slider.sliderPressed.connect(self._gesture.press)
        slider.slider.sliderReleased.connect(self._gesture.release)
        slider.changed.connect(lambda percent: self.turned.emit(field, percent / 100.0, self._gesture.key()))
        return slider

    def _open(self, wanted: bool) -> None:
        if not wanted:
            if self.isAncestorOf(self.window().focusWidget() or self.window()):
                self._button.setFocus()
            self.hide()
            return
        self.ensurePolished()
        height = max(slider.sizeHint().height() for slider in self._sliders.values())
        for row in range(1, self._grid.rowCount()):
            self._grid.setRowMinimumHeight(row, height)  # with a slider in it or not
        self.adjustSize()
        self._place()
        self.show()
        self.raise_()
        self.boxes["tiles"].setFocus(Qt.FocusReason.TabFocusReason)

    def _place(self) -> None:
        parent = self.parentWidget()
        below = self._button.mapTo(parent, QPoint(0, self._button.height() + _GAP))
        self.move(max(8, min(below.x(), parent.width() - self.width() - 8)), below.y())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.parentWidget().installEventFilter(self)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.parentWidget().removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """It stays under its button when the panel is another size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._place()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._button.setChecked(False)
        else:
            super().keyPressEvent(event)


def _contours(config: RunConfig, plane: Plane) -> str:
    """What the dashed lines on the map of this plane are."""
    if config.model != "vae":
        return "an auto-encoder has no prior: circles at 1, 2, 3 standard deviations of its codes"
    match config.prior:
        case MixtureConfig(components=count):
            return (
                f"the prior, a learned mixture of Gaussians (here {count}): each in a hue of its own, by ellipses at 1 "
                "and 2 standard deviations, its number and its weight in percent at its mean"
            )
        case LaplacePriorConfig():
            lines = "lines of equal density that hold as much of it as N(0, I) has within 1σ, 2σ and 3σ"
            circles = "circles at 1, 2 and 3 standard deviations, as this plane is at an angle to the latent dimensions"
            what = lines if plane.along_axes else circles
            return f"the prior, independent Laplace distributions with variance 1: {what}"
    return "the prior N(0, I): circles at 1, 2 and 3 standard deviations"
