"""A slider with a typed value for each latent dimension, and for directions of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import mul

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from vae_studio.core.directions import Direction
from vae_studio.ui.controls import label
from vae_studio.ui.slider_list import SliderList
from vae_studio.ui.slider_order import is_active, keys_in_order
from vae_studio.ui.slider_row import RANGE, SliderRow
from vae_studio.ui.slider_tools import SliderTools
from vae_studio.ui.strip_requests import StripRequests, Wanted
from vae_studio.ui.theme import DARK, Theme

_FEWEST_ROWS = 3
_WITHOUT_TOOLS = 3  # so few dimensions need no search and no order
_BY_INDEX = 8  # as many sliders are seen together, and stay where people expect them unless they ask
_GAP = 4
_MOST_ACROSS = 16


class LatentSliders(QWidget):
    """Rows of a slider from −4 to 4 and a number field: directions first, then z₁, z₂, … by KL or by index.

    A direction's value is z · direction, how far the point is along it. Each track shows what its row does from here.
    Signals: `changed(tuple of floats)`, the whole point, when the *user* moves one slider: of a dimension, the others
    keep the exact value they were given, whatever the fields round it to; `direction_removed(index)`;
    `strips_wanted(points float64 (n, latent_dims) or None)`, of which `set_strips` is to bring pictures;
    `choices_changed(dict)`, to be remembered; `resized()`, when `content_height` is another.
    """

    changed = Signal(object)
    direction_removed = Signal(int)
    strips_wanted = Signal(object)
    choices_changed = Signal(object)
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("latent_sliders")
        self.setAccessibleName("Latent point z")
        self._point: tuple[float, ...] = ()
        self._directions: tuple[Direction, ...] = ()
        self._kl: tuple[float, ...] | None = None
        self._by_kl: bool | None = None  # None until someone chooses
        self._active_only = False
        self._sought = ""
        self._strips_shown, self._theme = True, DARK
        self._strips: dict[int, np.ndarray] = {}  # of the rows they came for last
        self._proportion = 1.0  # width by height of a picture
        self._moved = 0
        self._late = False  # whether the rows are to be put in order once a slider is let go of
        self._requests = StripRequests(self._wanted_strips, self)
        self._requests.wanted.connect(self.strips_wanted)
        self.tools = SliderTools()
        self._nothing = label("", "faint")
        self.list = SliderList(self._bind, self.tools.last())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_GAP)
        for widget in (self.tools, self._nothing):
            layout.addWidget(widget)
            widget.hide()
        layout.addWidget(self.list, 1)
        self.tools.searched.connect(self._search)
        self.tools.entered.connect(self._go_to_first)
        self.tools.paged.connect(self._page)
        self.tools.order_chosen.connect(self._choose_order)
        self.tools.active_chosen.connect(self._choose_active)
        self.list.changed.connect(self._row_changed)
        self.list.removed.connect(lambda key: self.direction_removed.emit(-1 - key))
        self.list.released.connect(self._fill_if_late)
        self.list.seen.connect(self._requests.change)

    # Values out

    def content_height(self) -> int:
        """The height at which nothing needs to scroll; that of all rows while one is searched for."""
        return self._tools_height() + sum(map(self.list.height_of, self._keys()))

    def least_height(self) -> int:
        """The height that shows the tools and three rows, or as many as there are."""
        return self._tools_height() + sum(map(self.list.height_of, self._keys()[:_FEWEST_ROWS]))

    def point(self) -> tuple[float, ...]:
        return self._point

    def gesture(self) -> tuple[int, int]:
        """What belongs together of that which `changed` has told: one drag, or keys that follow each other quickly."""
        return self._moved, self.list.gesture.key()

    # Values in

    def set_dims(self, dims: int, kl_per_dim: Sequence[float] | None = None) -> None:
        """Show `dims` rows at the origin; a slider that is held is let go of. Directions of another space go."""
        self.list.let_go()  # while its row still stands for what it stood for
        if dims != len(self._point):
            self._directions = ()
        self._point = (0.0,) * dims
        self._strips.clear()
        self._requests.forget()
        self.tools.search.clear()
        self.tools.setVisible(self._has_tools())
        self.set_kl_per_dim(kl_per_dim)

    def set_kl_per_dim(self, kl_per_dim: Sequence[float] | None) -> None:
        """The KL of each dimension in nats per image, or None when it is not known; below 0.01 a row is faint."""
        self._kl = None if kl_per_dim is None else tuple(float(value) for value in kl_per_dim)
        self._fill()

    def set_directions(self, directions: Sequence[Direction]) -> None:
        """Show a row for each of these above the dimensions. Raises ValueError for one of another space."""
        for direction in directions:
            if len(direction.vector) != len(self._point):
                raise ValueError(f"a direction of {len(direction.vector)} coordinates for {len(self._point)}")
        directions, before = tuple(directions), self._directions
        if directions != before:
            if directions[: len(before)] != before:  # rows are of something else from now on, or of nothing
                self.list.let_go()
            self._directions = directions
            self._strips.clear()
            self._requests.forget()
            self._fill()

    def set_point(self, point: Sequence[float]) -> None:
        """Show this point, one float per dimension, without announcing it."""
        if len(point) != len(self._point):
            raise ValueError(f"a point of {len(point)} coordinates for {len(self._point)} latent dimensions")
        if tuple(point) != self._point:
            self._point = tuple(point)
            self._show_values()

    def set_choices(self, choices: Mapping[str, object]) -> None:
        """How the list was last ordered and whether dead dimensions were left out, as `choices_changed` told."""
        by_kl = choices.get("by_kl")
        self._by_kl = by_kl if isinstance(by_kl, bool) else None
        self._active_only = choices.get("active_only") is True
        self._fill()

    def show_strips(self, shown: bool) -> None:
        """Whether the tracks show what their rows do."""
        self._strips_shown = shown
        self._strips.clear()
        self._requests.forget()
        self._fill()

    def set_strips(self, points: np.ndarray, images: np.ndarray) -> None:
        """Pictures (n, …) at points that `strips_wanted` asked for, the very array; those of others are let go of."""
        keys = self._requests.keys_of(points)
        if not keys or not self._strips_shown:
            return
        strips = images.reshape(len(keys), -1, *images.shape[1:])
        self._strips = {key: np.concatenate(list(strip), axis=1) for key, strip in zip(keys, strips, strict=True)}
        proportion = images.shape[2] / images.shape[1]
        if proportion != self._proportion:
            self._proportion = proportion
            self._requests.change()
        for row in self.list.rows():
            if row.key in self._strips:
                row.slider.show_strip(self._strips[row.key], self._theme)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._fill()

    def search(self) -> None:
        """Put the keyboard into the search, or on the first slider where there are too few to search among."""
        if self.tools.isHidden():
            self._go_to_first()
        else:
            self.tools.search.setFocus()
            self.tools.search.selectAll()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._requests.change()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._requests.change()

    # Which rows there are

    def _has_tools(self) -> bool:
        return len(self._point) > _WITHOUT_TOOLS

    def _orders_by_kl(self) -> bool:
        wanted = len(self._point) > _BY_INDEX if self._by_kl is None else self._by_kl
        return wanted and self._has_tools() and len(self._kl or ()) == len(self._point)

    def _leaves_out(self) -> bool:
        """Whether dead dimensions are left out; what was chosen elsewhere holds only where it can be unchosen."""
        return self._active_only and self._has_tools()

    def _kls(self) -> list[float | None]:
        known = self._kl or ()
        return [known[index] if index < len(known) else None for index in range(len(self._point))]

    def _keys(self, sought: str = "") -> list[int]:
        names = [direction.name for direction in self._directions]
        by_kl, only = self._orders_by_kl(), self._leaves_out()
        return keys_in_order(names, self._kls(), by_kl=by_kl, active_only=only, sought=sought)

    def _fill(self) -> None:
        """Put rows, tools and values in agreement with everything; while a slider is held, once it is let go of."""
        self._late = self.list.is_held()
        if self._late:
            return
        dims, keys = len(self._point), self._keys(self._sought)
        active = None if self._kl is None else sum(map(is_active, self._kls()))
        by_kl, only = self._orders_by_kl(), self._leaves_out()
        self.tools.show_state(by_kl=by_kl, active_only=only, active=active, dims=dims)
        self._nothing.setText("No slider is called so." if self._sought else "No dimension is active.")
        self._nothing.setVisible(not keys)
        self.list.set_keys(keys, strips=self._strips_shown)
        self._requests.change()
        self.resized.emit()

    def _fill_if_late(self) -> None:
        if self._late:
            self._fill()

    def _tools_height(self) -> int:
        return 0 if self.tools.isHidden() else self.tools.sizeHint().height() + _GAP

    def _bind(self, row: SliderRow, key: int) -> None:
        if key < 0:
            row.bind_direction(-1 - key, self._directions[-1 - key].name, self._value(key))
        else:
            row.bind_dimension(key, self._value(key), self._kls()[key])
        if self._strips_shown:
            row.slider.show_strip(self._strips.get(key), self._theme)
        else:
            row.slider.hide_strip()

    # Where the point is

    def _value(self, key: int) -> float:
        return self._point[key] if key >= 0 else sum(map(mul, self._point, self._directions[-1 - key].vector))

    def _show_values(self, moved: int | None = None) -> None:
        for row in self.list.rows():
            if row.key != moved:
                row.show_value(self._value(row.key))
        self._requests.change()

    def _row_changed(self, key: int, value: float) -> None:
        if not -len(self._directions) <= key < len(self._point):
            return  # a number half typed into a row that goes
        self._moved = key
        if key >= 0:
            self._point = (*self._point[:key], value, *self._point[key + 1 :])
        else:
            step, vector = value - self._value(key), self._directions[-1 - key].vector
            self._point = tuple(z + step * along for z, along in zip(self._point, vector, strict=True))
        self._show_values(key)
        self.changed.emit(self._point)

    def _wanted_strips(self) -> Wanted | None:
        """The rows in sight, and where along them pictures are to be made; None while there is nothing to be seen."""
        keys = self.list.in_sight()
        if not (keys and self._strips_shown and self.isVisible()):
            return None
        row = next(row for row in self.list.rows() if row.key == keys[0])
        across = row.slider.strip_rect()
        count = min(max(round(across.width() / (across.height() * self._proportion)), 2), _MOST_ACROSS)
        values = RANGE[0] + (RANGE[1] - RANGE[0]) * (np.arange(count) + 0.5) / count
        points = np.tile(np.array(self._point), (len(keys), count, 1))
        for strip, key in zip(points, keys, strict=True):
            if key >= 0:
                strip[:, key] = values
            else:
                strip += np.outer(values - self._value(key), self._directions[-1 - key].vector)
        return keys, points.reshape(len(keys) * count, -1)

    # What is done above the list

    def _search(self, text: str) -> None:
        self._sought = text.strip()
        self._fill()
        self.list.verticalScrollBar().setValue(0)

    def _go_to_first(self) -> None:
        keys = self._keys(self._sought)
        if keys:
            self.list.row(keys[0]).slider.setFocus()

    def _page(self, pages: int) -> None:
        bar = self.list.verticalScrollBar()
        bar.setValue(bar.value() + pages * bar.pageStep())

    def _choose_order(self, by_kl: bool) -> None:
        self._by_kl = by_kl
        self._chosen()

    def _choose_active(self, only: bool) -> None:
        self._active_only = only
        self._chosen()

    def _chosen(self) -> None:
        self._fill()
        self.list.verticalScrollBar().setValue(0)
        self.choices_changed.emit({"by_kl": self._by_kl, "active_only": self._active_only})
