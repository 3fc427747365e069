"""A list of slider rows that may be long: it has as many rows as can be seen, and binds them anew as it is scrolled."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QDoubleSpinBox, QSlider, QWidget

from vae_studio.ui.controls import Gesture, ScrollingArea
from vae_studio.ui.slider_row import CAPTION_HEIGHT, PLAIN_HEIGHT, STRIP_HEIGHT, SliderRow

_ALL_AT_ONCE = 24  # so many rows are all there, in sight or not
_BESIDE_BAR = 4


class SliderList(ScrollingArea):
    """Rows by their keys, from the top: −1, −2, … are directions, 0, 1, … latent dimensions.

    `bind(row, key)` makes a row show something. Where there are many, a row out of sight is there only while it has
    the focus, and one beyond each edge, for Tab to go on to. Signals: `changed(key, value)` when the user moves one,
    `removed(key)`, `released()` after a drag, `seen()` when others may be in sight.
    """

    changed = Signal(int, float)
    removed = Signal(int)
    released = Signal()
    seen = Signal()

    def __init__(self, bind: Callable[[SliderRow, int], None], before: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bind, self._before = bind, before  # what comes before the rows in the tab order
        self._keys: tuple[int, ...] = ()
        self._index: dict[int, int] = {}
        self._tops: list[int] = [0]
        self._rows: dict[int, SliderRow] = {}
        self._shown: list[int] = []  # keys of those that stand in the list
        self._row_height = PLAIN_HEIGHT
        self.gesture = Gesture()
        self._content = QWidget()
        self.setWidget(self._content)
        self.verticalScrollBar().setSingleStep(PLAIN_HEIGHT)
        self.verticalScrollBar().rangeChanged.connect(self._arrange)
        self.verticalScrollBar().valueChanged.connect(self._arrange)

    def set_keys(self, keys: Sequence[int], *, strips: bool) -> None:
        """Show the rows of these keys, in this order; each is bound anew."""
        self._row_height = STRIP_HEIGHT if strips else PLAIN_HEIGHT
        self.verticalScrollBar().setSingleStep(self._row_height)
        self._keys = tuple(keys)
        self._index = {key: index for index, key in enumerate(keys)}
        self._tops = [0, *accumulate(self.height_of(key) for key in keys)]
        self._shown = []
        self._content.setMinimumHeight(self._tops[-1])
        self._arrange()
        for key in self._shown:
            self._bind(self._rows[key], key)
        focused = self._focused()
        if focused is not None:
            self.ensureWidgetVisible(self._rows[focused], 0, 0)

    def height_of(self, key: int) -> int:
        return self._row_height + (CAPTION_HEIGHT if key < 0 else 0)

    def rows(self) -> Iterable[SliderRow]:
        """Those that are bound to something of the list, from the top."""
        return (self._rows[key] for key in self._shown)

    def row(self, key: int) -> SliderRow:
        """The row of a key, after it has been scrolled to."""
        index = self._index[key]
        bar = self.verticalScrollBar()
        bar.setValue(min(max(bar.value(), self._tops[index + 1] - self.viewport().height()), self._tops[index]))
        return self._rows[key]

    def in_sight(self) -> tuple[int, ...]:
        """The keys of the rows of which something is seen."""
        first, last = self._sight()
        return self._keys[first:last]

    def is_held(self) -> bool:
        """Whether a slider is held by the mouse."""
        return any(row.slider.isSliderDown() for row in self.rows())

    def let_go(self) -> None:
        """Whatever the mouse holds, it holds no longer."""
        for row in self._rows.values():
            row.slider.let_go()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # In a list that scrolls the wheel scrolls: a slider that happens to pass under the mouse must not move.
        # (The scroll area watches its own scroll bars through this filter too: they keep their wheel.)
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(watched, QDoubleSpinBox):
            return self._leave_to_window(watched, event)
        ours = isinstance(watched, QSlider | QDoubleSpinBox)
        if ours and event.type() == QEvent.Type.Wheel and self.verticalScrollBar().maximum() > 0:
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _leave_to_window(self, field: QDoubleSpinBox, event: QKeyEvent) -> bool:
        """A field in which nothing is half typed has nothing to undo: the point has."""
        text = field.lineEdit()
        if (event.matches(QKeySequence.StandardKey.Undo) and not text.isUndoAvailable()) or (
            event.matches(QKeySequence.StandardKey.Redo) and not text.isRedoAvailable()
        ):
            event.ignore()
            return True
        return False

    def _sight(self) -> tuple[int, int]:
        """The first key in sight, and the first below, as indices."""
        top = self.verticalScrollBar().value()
        first = max(bisect_right(self._tops, top) - 1, 0)
        return first, max(bisect_left(self._tops, top + self.viewport().height()), first)

    def _focused(self) -> int | None:
        """The key of the row that has the focus, if it is one of the list's."""
        now = self.window().focusWidget()
        while now is not None and not isinstance(now, SliderRow):
            now = now.parentWidget()
        ours = now is not None and now.key in self._index and self._rows.get(now.key) is now
        return now.key if ours else None

    def _wanted(self) -> list[int]:
        if len(self._keys) <= _ALL_AT_ONCE:
            return list(self._keys)
        first, last = self._sight()
        indices = set(range(max(first - 1, 0), min(last + 1, len(self._keys))))
        focused = self._focused()
        if focused is not None:
            indices.add(self._index[focused])
        return [self._keys[index] for index in sorted(indices)]

    def _arrange(self) -> None:
        """Let the rows that are wanted stand where they belong, and hide others."""
        wanted = self._wanted()
        if wanted != self._shown or not wanted:  # where none is wanted, none may be left over
            self._take_rows(wanted)
        beside = _BESIDE_BAR if self.verticalScrollBar().maximum() > 0 else 0
        width = self.viewport().width() - beside
        for key in wanted:
            top = self._tops[self._index[key]]
            self._rows[key].setGeometry(0, top, width, self.height_of(key))
        self.seen.emit()

    def _take_rows(self, wanted: list[int]) -> None:
        keep = set(wanted)
        spare = [key for key in self._rows if key not in keep]
        newly = set(wanted) - set(self._shown)
        self._shown = wanted
        for key in wanted:
            if key not in self._rows:
                self._rows[key] = self._rows.pop(spare.pop()) if spare else self._make()
                self._bind(self._rows[key], key)
            elif key in newly:
                self._bind(self._rows[key], key)
            self._rows[key].show()
        for key in spare:
            self._rows[key].hide()
        controls = [self._before, *(control for key in wanted for control in self._rows[key].controls())]
        for one, next_ in pairwise(controls):
            self.setTabOrder(one, next_)

    def _make(self) -> SliderRow:
        row = SliderRow()
        row.setParent(self._content)
        row.changed.connect(self.changed)
        row.removed.connect(self.removed)
        row.slider.sliderPressed.connect(self.gesture.press)
        row.slider.sliderReleased.connect(self.gesture.release)
        row.slider.sliderReleased.connect(self.released)
        for control in (row.slider, row.field):
            control.installEventFilter(self)
        return row
