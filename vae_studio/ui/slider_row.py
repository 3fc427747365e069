"""One row of the sliders: a name, a slider whose track shows what it does, and a number that can be typed."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.plane import subscript
from vae_studio.ui.controls import ValueSlider, label, show_tip
from vae_studio.ui.image_view import to_qimage
from vae_studio.ui.slider_order import is_active
from vae_studio.ui.theme import DARK, Theme

RANGE = (-4.0, 4.0)
PLAIN_HEIGHT, STRIP_HEIGHT, CAPTION_HEIGHT = 28, 40, 20
_HARD_RANGE = (-100.0, 100.0)
_NAME_WIDTH = 26
_GAP = 8
_PICTURE = 22  # a picture's height in logical pixels
_TRACK = 14  # the height of groove and handle, below the pictures
_SAME = 1e-9  # how far along a direction a point is, is a sum, and not exact
_FAINT = 0.4  # how strongly the pictures of a dimension that carries nothing are shown


class StripSlider(QSlider):
    """A slider over a filmstrip: the handle stands below the picture of its value, and a press on a picture goes there.

    The pictures are spread evenly over what the middle of the handle can reach.
    """

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._theme = DARK
        self._shown = False
        self._faint = False
        self._strip: np.ndarray | None = None
        self._developed: QImage | None = None
        self._scaled: QPixmap | None = None
        self._scrubbing = False

    def show_strip(self, strip: np.ndarray | None, theme: Theme) -> None:
        """Show these pictures, (H, n·W) or (H, n·W, 3), or the bare paper that waits for some."""
        self._shown, self._theme = True, theme
        self._strip, self._scaled = strip, None
        self._developed = None if strip is None else to_qimage(strip, theme)
        self.update()

    def hide_strip(self) -> None:
        """Be a plain slider."""
        if self._shown:
            self._shown, self._strip, self._developed, self._scaled = False, None, None, None
            self.update()

    def strip(self) -> np.ndarray | None:
        return self._strip

    def set_faint(self, faint: bool) -> None:
        if faint != self._faint:
            self._faint = faint
            self.update()

    def strip_rect(self) -> QRectF:
        """Where the pictures are painted: as wide as the way of the handle's middle."""
        reach = self._reach()
        return QRectF(reach[0], 1.0, reach[1] - reach[0], _PICTURE)

    def let_go(self) -> None:
        """Follow the mouse no longer, though its button may still be down."""
        self._scrubbing = False
        self.setRepeatAction(QSlider.SliderAction.SliderNoAction)
        self.setSliderDown(False)

    def initStyleOption(self, option: QStyleOptionSlider) -> None:
        super().initStyleOption(option)
        if self._shown:
            # Groove and handle, for the mouse too, take the lower edge.
            option.rect = QRect(0, self.height() - _TRACK, self.width(), _TRACK)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._shown:
            self._paint_strip()
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        option.subControls = QStyle.SubControl.SC_SliderGroove | QStyle.SubControl.SC_SliderHandle
        if self._faint:
            option.state &= ~QStyle.StateFlag.State_Enabled
        with QStylePainter(self) as painter:
            painter.drawComplexControl(QStyle.ComplexControl.CC_Slider, option)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._scaled = None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        on_pictures = self._shown and event.position().y() < self.height() - _TRACK
        if on_pictures and event.button() == Qt.MouseButton.LeftButton:
            self._scrubbing = True
            self.setSliderDown(True)
            self._scrub(event)
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._scrubbing:
            self._scrub(event)
        elif self.isSliderDown():
            super().mouseMoveEvent(event)
        else:
            event.ignore()  # Qt would go on with a handle that was let go of by `let_go`

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._scrubbing and event.button() == Qt.MouseButton.LeftButton:
            self._scrubbing = False
            self.setSliderDown(False)
        else:
            super().mouseReleaseEvent(event)

    def _scrub(self, event: QMouseEvent) -> None:
        left, right = self._reach()
        share = min(max((event.position().x() - left) / max(right - left, 1.0), 0.0), 1.0)
        self.setSliderPosition(self.minimum() + round(share * (self.maximum() - self.minimum())))

    def _reach(self) -> tuple[float, float]:
        """Where the middle of the handle is at the lowest and at the highest value."""
        half = self._handle_width() / 2
        return half, self.width() - half

    def _handle_width(self) -> int:
        option, part = QStyleOptionSlider(), QStyle.SubControl.SC_SliderHandle
        self.initStyleOption(option)
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self).width()

    def _paint_strip(self) -> None:
        rect = self.strip_rect()
        with QPainter(self) as painter:
            painter.fillRect(rect, QColor(self._theme.paper))
            if self._developed is None:
                return
            if self._scaled is None:
                ratio = self.devicePixelRatio()
                size = QSize(round(rect.width() * ratio), round(rect.height() * ratio))
                how = Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
                self._scaled = QPixmap.fromImage(self._developed.scaled(size, *how))
            if self._faint:
                painter.setOpacity(_FAINT)
            painter.drawPixmap(rect, self._scaled, QRectF(self._scaled.rect()))


class SliderRow(QWidget):
    """The slider of a latent dimension, or of a direction, of which a line above it has the name.

    It is bound to one after the other as a list is scrolled. Its `key` is the dimension's index, or −1 − the index of
    the direction. Signals: `changed(key, value)` when the user moves it; `removed(key)`, a direction is to go.
    """

    changed = Signal(int, float)
    removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.key: int | None = None
        self._shown: float | None = None
        self._name = label("", "muted")
        self._name.setFixedWidth(_NAME_WIDTH)
        self.slider = StripSlider()
        self.value = ValueSlider(*RANGE, 0.0, hard_range=_HARD_RANGE, slider=self.slider)
        self.value.setFocusProxy(None)  # behind the last row in the order of Tab it would lead back to its slider
        self.field = self.value.field
        ticks = self.slider.maximum() - self.slider.minimum()
        self.slider.setSingleStep(ticks // 100)
        self.slider.setPageStep(ticks // 8)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.value.changed.connect(self._value_changed)
        self.field.editingFinished.connect(self._forget_typing)
        self._caption: QWidget | None = None  # of a direction
        self._direction = ""  # its name
        line = QHBoxLayout()
        line.setSpacing(_GAP)
        line.addWidget(self._name)
        line.addWidget(self.value, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 1, 0, 1)
        layout.setSpacing(0)
        layout.addLayout(line, 1)

    def _make_caption(self) -> QWidget:
        """The name of a direction, and the button that removes it."""
        caption = QWidget()
        caption.setFixedHeight(CAPTION_HEIGHT - 1)
        self._title = label("", "muted")
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._remove = QPushButton("×")
        self._remove.setProperty("kind", "ghost")
        self._remove.setStyleSheet("padding: 0; min-height: 0;")
        self._remove.setFixedSize(20, CAPTION_HEIGHT - 2)
        self._remove.clicked.connect(lambda: self.removed.emit(self.key))
        line = QHBoxLayout(caption)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self._title, 1)
        line.addWidget(self._remove)
        return caption

    def controls(self) -> tuple[QWidget, ...]:
        """What takes the focus, in order."""
        return (self._remove, self.slider, self.field) if self.key < 0 else (self.slider, self.field)

    def bind_dimension(self, index: int, value: float, kl: float | None) -> None:
        """Be the row of a latent dimension, at this value."""
        self._bind(index, f"latent_slider_{index}", f"latent_value_{index}", value)
        title = subscript(index)
        self._name.setText(title)
        if self._caption is not None:
            self._caption.hide()
        self._say(f"Latent dimension {title}", "")
        self.show_kl(kl)

    def bind_direction(self, index: int, name: str, value: float) -> None:
        """Be the row of a direction, with the point so far along it."""
        self._bind(-1 - index, f"direction_slider_{index}", f"direction_value_{index}", value)
        self._name.setText("")
        show_tip(self._name, "")
        if self._caption is None:
            self._caption = self._make_caption()
            self.layout().insertWidget(0, self._caption)
        self._remove.setObjectName(f"direction_remove_{index}")
        self._remove.setAccessibleName(f"Remove the direction {name}")
        show_tip(self._remove, f"Remove the direction “{name}”.")
        self._title.setObjectName(f"direction_name_{index}")
        self._direction = name
        show_tip(self._title, name)
        self._caption.show()
        self._fit_title()
        self._set_faint(False)
        self._say(
            f"Direction {name}",
            f"How far the point is along “{name}”, in latent units: z · direction. Moving it adds that much of the "
            "direction to the point, in all its coordinates. Double-click the slider: 0.",
        )

    def show_value(self, value: float) -> None:
        if self._shown is None or abs(value - self._shown) > _SAME:  # else it may be in the middle of being typed into
            self._shown = value
            self.value.set_value(value)

    def show_kl(self, kl: float | None) -> None:
        """Of a dimension, in nats per image, or None where it is not known; below 0.01 the row is faint."""
        title = self._name.text()
        inactive = not is_active(kl)
        self._set_faint(inactive)
        figure = "" if kl is None else f"{kl:.3f}".replace("-", "−")
        words = f"{title}, in latent units (standard deviations of N(0, 1)). Double-click the slider: 0."
        if inactive:
            reason = (
                f"{title} carries no information: its KL is {figure} nats, so q({title}|x) is the prior whatever x is, "
                "and the decoder has learned to ignore it."
            )
            name, words = reason, f"{reason}\n{words}"
        elif kl is not None:
            name = f"{title}: KL = {figure} nats per image"
        else:
            name = f"Latent dimension {title}"
        show_tip(self._name, name)
        for control in (self.slider, self.field):
            show_tip(control, words)

    def _bind(self, key: int, slider: str, field: str, value: float) -> None:
        self.key = key
        self.slider.setObjectName(slider)
        self.field.setObjectName(field)
        self._shown = None
        self.show_value(value)

    def _say(self, name: str, tooltip: str) -> None:
        for control in (self.slider, self.field):
            control.setAccessibleName(name)
            show_tip(control, tooltip)

    def _set_faint(self, faint: bool) -> None:
        self.slider.set_faint(faint)
        for widget, role in ((self._name, "faint" if faint else "muted"), (self.field, "faint" if faint else "")):
            if role != widget.property("role"):
                widget.setProperty("role", role)
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._caption is not None:
            self._fit_title()

    def _fit_title(self) -> None:
        """Cut a long name of a direction."""
        room = self.width() - self._remove.width() - 8
        self._title.setText(self._title.fontMetrics().elidedText(self._direction, Qt.TextElideMode.ElideRight, room))

    def _forget_typing(self) -> None:
        """What was typed is the point now, which has a history of its own."""
        text = self.field.lineEdit()
        text.setText(text.text())

    def _value_changed(self, value: float) -> None:
        self._shown = value
        self.changed.emit(self.key, value)
