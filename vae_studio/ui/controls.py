"""Small controls that several panels share: a slider with a number that can be typed, chips, labels, cards."""

from __future__ import annotations

import html
import itertools
import math
import re
import time

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QPainter, QPaintEvent, QValidator
from PySide6.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QFrame,
    QGraphicsItem,
    QHBoxLayout,
    QLabel,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QSplitter,
    QWidget,
)

_TICKS = 1000
_TIP_COLUMNS = 70  # more is broken into lines
_TIP_WIDTH = 400  # pixels
_PAUSE = 0.8  # seconds without a key or a turn of the wheel, after which another one is a new gesture
_gestures = itertools.count()


def label(text: str, role: str) -> QLabel:
    """A label of a kind the stylesheet knows: title, muted, faint, number or error. Its text is no markup."""
    result = QLabel(text)
    result.setTextFormat(Qt.TextFormat.PlainText)  # else a file's name could be bold, or load a picture
    result.setProperty("role", role)
    return result


def shrinking_label(name: str, role: str) -> QLabel:
    """A line that does not keep its panel from getting narrow, and ends in “…” where there is no room for all of it."""
    result = _Shrinking()
    result.setTextFormat(Qt.TextFormat.PlainText)
    result.setProperty("role", role)
    result.setObjectName(name)
    result.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return result


class _Shrinking(QLabel):
    def paintEvent(self, _: QPaintEvent) -> None:
        room = self.contentsRect()
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        where = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        with QPainter(self) as painter:
            role = self.foregroundRole()
            self.style().drawItemText(painter, room, where, self.palette(), self.isEnabled(), shown, role)


def card() -> QFrame:
    """A rounded panel."""
    result = QFrame()
    result.setProperty("panel", True)
    return result


def chip(text: str, tooltip: str, *, checked: bool = True) -> QPushButton:
    """A checkable button, blue when on."""
    result = QPushButton(text)
    result.setProperty("kind", "chip")
    result.setCheckable(True)
    result.setChecked(checked)
    show_tip(result, tooltip)
    result.setAccessibleName(text)
    return result


def tip_markup(text: str) -> str:
    """A tooltip that Qt breaks into lines, which it does with markup only; a short text without a tag is as it was."""
    if "<" not in text and max(map(len, text.splitlines()), default=0) <= _TIP_COLUMNS:
        return text
    # Qt would break q(z|x) behind its bar, and make a column of four words.
    words = html.escape(text, quote=False).replace("|", "|&#8288;").replace("\n", "<br>")
    return f'<qt><table width="{_TIP_WIDTH}" cellspacing="0" cellpadding="0"><tr><td>{words}</td></tr></table></qt>'


def show_tip(what: QWidget | QAction | QGraphicsItem | QListWidgetItem, *sentences: str) -> None:
    """Give something its tooltip, each sentence on lines of its own. The text is no markup.

    Screen readers are given it as it is, unless the widget has an accessible description from elsewhere.
    """
    text = "\n".join(filter(None, sentences))
    markup = tip_markup(text)
    if markup == what.toolTip():
        return
    if isinstance(what, QWidget) and what.accessibleDescription() == (what.property("plain_tip") or ""):
        plain = text if markup != text else ""  # without a description Qt takes the tooltip
        what.setAccessibleDescription(plain)
        what.setProperty("plain_tip", plain)
    what.setToolTip(markup)


def splitter(direction: Qt.Orientation, parts: list[tuple[QWidget, int]], sizes: list[int]) -> QSplitter:
    """Widgets side by side, each with its share of new room, at first of these sizes in pixels."""
    result = QSplitter(direction)
    result.setChildrenCollapsible(False)
    result.setHandleWidth(8)
    for index, (widget, stretch) in enumerate(parts):
        result.addWidget(widget)
        result.setStretchFactor(index, stretch)
    result.setSizes(sizes)
    return result


def file_stem(title: str) -> str:
    """A file name, without its ending, from what people read: “2-D explorer · your run” → 2-d-explorer-your-run."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def duration(seconds: float) -> str:
    """3 s, 2 min 5 s, 1 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Gesture:
    """Tells which of a control's changes belong together, so that they are undone together.

    That is what happens while a mouse button is held, and keys and turns of the wheel that follow each other quickly.
    """

    def __init__(self) -> None:
        self._number = next(_gestures)
        self._held = False
        self._last = -math.inf

    def press(self) -> None:
        """A mouse button goes down."""
        self._number, self._held = next(_gestures), True

    def release(self) -> None:
        """It comes up, or what it did is given up."""
        self._number, self._held = next(_gestures), False

    def key(self) -> int:
        """The gesture that a change belongs to which is made now; no other control has a gesture of this number."""
        now = time.monotonic()
        if not self._held and now - self._last > _PAUSE:
            self._number = next(_gestures)
        self._last = now
        return self._number


class ScrollingArea(QScrollArea):
    """Scrolls up and down to the control that has the focus, also when Tab comes from outside, where Qt does not.

    It takes no focus itself.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        QApplication.instance().focusChanged.connect(self._follow)

    def _follow(self, _: QWidget | None, now: QWidget | None) -> None:
        # Under a mouse button nothing must move away.
        if now is not None and self.isAncestorOf(now) and not QGuiApplication.mouseButtons():
            self.ensureWidgetVisible(now, 0, 4)


class ValueSlider(QWidget):
    """A slider and a number field for one float; both show the value, either sets it; double-click resets.

    `changed(float)` is emitted when the *user* changes the value, not by `set_value`. With `logarithmic` the slider
    moves in equal ratios. Values typed beyond the slider's range are kept, up to `hard_range`. It can be given a
    horizontal `slider` of another make.
    """

    changed = Signal(float)

    def __init__(
        self,
        low: float,
        high: float,
        value: float,
        *,
        decimals: int = 3,
        logarithmic: bool = False,
        hard_range: tuple[float, float] | None = None,
        name: str = "",
        tooltip: str = "",
        slider: QSlider | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._low, self._high, self._logarithmic, self._default = low, high, logarithmic, value
        self.slider = QSlider(Qt.Orientation.Horizontal) if slider is None else slider
        self.slider.setRange(0, _TICKS)
        self.field = ScientificField() if logarithmic else NumberField()
        self.field.setDecimals(6 if logarithmic else decimals)
        self.field.setRange(*(hard_range or (low, high)))
        self.field.setSingleStep((high - low) / 100)
        self.field.setKeyboardTracking(False)
        self.field.setFixedWidth(64)
        self.field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.field.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.field)
        for widget in (self.slider, self.field):
            show_tip(widget, tooltip)
            widget.setAccessibleName(name)
        self.setFocusProxy(self.slider)
        self.slider.installEventFilter(self)
        self.set_value(value)
        self.slider.valueChanged.connect(self._slider_moved)
        self.field.valueChanged.connect(self._field_typed)

    def value(self) -> float:
        return self.field.value()

    def set_value(self, value: float) -> None:
        """Show `value` without announcing it."""
        with QSignalBlocker(self.field):
            self.field.setValue(value)
        self._place_slider(value)

    def set_default(self, value: float) -> None:
        """The value that a double-click goes back to."""
        self._default = value

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.slider and event.type() == QEvent.Type.MouseButtonDblClick:
            self.field.setValue(self._default)
            return True
        return super().eventFilter(watched, event)

    def _slider_moved(self, tick: int) -> None:
        fraction = tick / _TICKS
        if self._logarithmic:
            value = self._low * (self._high / self._low) ** fraction
        else:
            value = self._low + (self._high - self._low) * fraction
        with QSignalBlocker(self.field):
            self.field.setValue(value)
        self.changed.emit(self.field.value())

    def _field_typed(self, value: float) -> None:
        self._place_slider(value)
        self.changed.emit(value)

    def _place_slider(self, value: float) -> None:
        if self._logarithmic:
            fraction = math.log(max(value, self._low) / self._low) / math.log(self._high / self._low)
        else:
            fraction = (value - self._low) / (self._high - self._low)
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(min(max(fraction, 0.0), 1.0) * _TICKS))


class NumberField(QDoubleSpinBox):
    """A number field that keeps its value where a text is no number."""

    def valueFromText(self, text: str) -> float:
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return self.value()


class ScientificField(NumberField):
    """A number field that writes small numbers as people write rates: 1.5e-3.

    Others are made without it: at each new value Qt would call Python, and give the interpreter's lock away.
    """

    def textFromValue(self, value: float) -> str:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"

    def validate(self, text: str, position: int) -> object:
        if not set(text) <= set("0123456789.,eE+-"):
            return QValidator.State.Invalid, text, position
        try:
            done = math.isfinite(float(text.replace(",", ".")))
        except ValueError:
            done = False
        return (QValidator.State.Acceptable if done else QValidator.State.Intermediate), text, position
