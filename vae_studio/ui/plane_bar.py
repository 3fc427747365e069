"""In the header of the map: which plane through latent space it shows."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QPushButton, QWidget

from vae_studio.core.plane import Plane, subscript
from vae_studio.ui.controls import label, show_tip

_TITLE_WIDTH = 124  # pixels: what the two boxes take that it stands in place of
_KINDS = {
    "axes": ("Two dimensions", "Two latent dimensions, as the boxes beside this button say; all others are 0."),
    "components": (
        "Principal components",
        "The plane along which the encodings of the test images vary most, by the weights of now.",
    ),
    "points": ("Through three images…", "Through the encodings of three test images, or through three pins."),
    "classes": ("Through class means…", "Through the mean encodings of three classes of test images."),
    "typed": ("Type…", "Origin, directions and span of any plane, as numbers."),
}
_NO_ENCODINGS = "Needs the encodings of test images, which this model does not have, or not yet."


class PlaneBar(QWidget):
    """A button with the kinds of planes, and either two boxes for the latent dimensions or the plane's title.

    Signals: `axes_changed((i, j))` when the user chooses which latent dimensions, counted from 0, lie across and up,
    always two different ones; `asked(Kind)` for a plane of another kind.
    """

    axes_changed = Signal(object)
    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plane_bar")
        self._axes, self._dims = (0, 1), 2
        self._plane = Plane.of_axes((0, 1), 2)
        self.button = QPushButton("Plane ▾")
        self.button.setObjectName("plane_button")
        self.button.setProperty("kind", "chip")
        self.button.setAccessibleName("Plane")
        self._kinds: dict[str, QAction] = {}
        self.button.setMenu(self._make_menu())
        self._axis_x = _axis_combo("axis_x_combo", "Across", "The latent dimension that runs from left to right")
        self._axis_y = _axis_combo("axis_y_combo", "Up", "The latent dimension that runs from bottom to top")
        self._times = label("×", "muted")
        self._title = label("", "muted")
        self._title.setObjectName("plane_title")
        self._title.setMinimumHeight(self._axis_x.sizeHint().height())  # the map stays as high as it is
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.button, self._axis_x, self._times, self._axis_y, self._title):
            row.addWidget(widget)
        self._axis_x.activated.connect(self._x_chosen)
        self._axis_y.activated.connect(self._y_chosen)
        self.set_encodings(False)
        self.set_dims(2)

    @property
    def axes(self) -> tuple[int, int]:
        """The latent dimensions that lie across and up, or did when there were any."""
        return self._axes

    @property
    def names(self) -> tuple[str, str | None]:
        """Of the map's axes, the second one None in a model with one dimension."""
        return self._plane.names[0], None if self._plane.is_line else self._plane.names[1]

    def set_dims(self, latent_dims: int) -> None:
        """Offer z₁…z_d. Axes that the model has stay chosen, or become z₁ × z₂; nothing is emitted."""
        self._dims = latent_dims
        names = [subscript(i) for i in range(latent_dims)]
        for combo in (self._axis_x, self._axis_y):
            combo.clear()
            combo.addItems(names)
        if latent_dims == 1:
            axes = (0, 0)
        else:
            possible = max(self._axes) < latent_dims and self._axes[0] != self._axes[1]
            axes = self._axes if possible else (0, 1)
        self._show(Plane.of_axes(axes, latent_dims))

    def set_encodings(self, known: bool) -> None:
        """Whether there are encodings, which some planes are made of."""
        for kind in ("components", "classes"):
            self._kinds[kind].setEnabled(known)
            show_tip(self._kinds[kind], _KINDS[kind][1] if known else _NO_ENCODINGS)

    def set_plane(self, plane: Plane) -> None:
        """Show which plane it is, without announcing it."""
        if plane != self._plane:
            self._show(plane)

    def _show(self, plane: Plane) -> None:
        self._plane = plane
        along_axes = plane.kind == "axes"
        if along_axes:
            self._axes = plane.axes
            self._axis_x.setCurrentIndex(plane.axes[0])
            self._axis_y.setCurrentIndex(plane.axes[1])
        for widget in (self._axis_x, self._times, self._axis_y):
            widget.setVisible(along_axes and not plane.is_line)
        self.button.setVisible(not plane.is_line)
        show_tip(
            self.button,
            f"Choose the plane through latent space that the map shows. Now: {plane.title}\nIts numbers: Ctrl+Shift+M",
        )
        self._title.setVisible(not along_axes)
        show_tip(self._title, plane.title)
        shown = self._title.fontMetrics().elidedText(plane.title, Qt.TextElideMode.ElideRight, _TITLE_WIDTH)
        self._title.setText(shown)
        self._kinds[plane.kind].setChecked(True)

    def _make_menu(self) -> QMenu:
        menu = QMenu(self.button)
        menu.setObjectName("plane_menu")
        menu.setToolTipsVisible(True)
        group = QActionGroup(menu)
        for kind, (title, tooltip) in _KINDS.items():
            action = self._kinds[kind] = menu.addAction(title, lambda kind=kind: self._ask(kind))
            action.setObjectName(f"plane_{kind}_action")
            show_tip(action, tooltip)
            action.setCheckable(True)
            group.addAction(action)
        return menu

    def _ask(self, kind: str) -> None:
        self._kinds[self._plane.kind].setChecked(True)  # what is asked for need not come to be
        if kind != "axes":
            self.asked.emit(kind)
        elif self._plane.kind != "axes":
            self.axes_changed.emit(self._axes)

    def _x_chosen(self, index: int) -> None:
        self._choose((index, self._axes[0] if index == self._axes[1] else self._axes[1]))

    def _y_chosen(self, index: int) -> None:
        self._choose((self._axes[1] if index == self._axes[0] else self._axes[0], index))

    def _choose(self, axes: tuple[int, int]) -> None:
        if axes != self._axes:
            self.set_plane(Plane.of_axes(axes, self._dims))
            self.axes_changed.emit(axes)


def _axis_combo(object_name: str, title: str, tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(object_name)
    show_tip(combo, tooltip)
    combo.setAccessibleName(title)
    combo.setMaxVisibleItems(16)
    combo.setMinimumWidth(54)
    return combo
