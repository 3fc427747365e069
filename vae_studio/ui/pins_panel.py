"""Pinned points: a list with thumbnails, where one goes to them, names, colours, copies and removes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QBrush,
    QColor,
    QGuiApplication,
    QIcon,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.exploration import Pin
from vae_studio.core.marks import PIN_COLOURS, point_text
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.image_view import centred_in, to_qimage
from vae_studio.ui.theme import DARK, Theme

_ROW = 36
_PICTURE = 32
_GAP = 8
_DOT = 8
_MOST_ROWS = 4
_COORDINATES = 2  # that are shown beside a name
MAX_NAME = 60
_COLOURS = ("indigo", "cyan", "teal", "green", "olive", "sand", "rose", "wine", "purple", "grey")
_NONE = "No pins yet. Press Ctrl+P, or right-click on the map, to keep a point."


class PinsPanel(QWidget):
    """The pins as a list. All that is done to them is asked for by signals, with numbers of pins counted from 0.

    `pin_requested()` at the current point; `go_requested(int)`; `renamed(int, str)`; `coloured(int, int)`;
    `remove_requested(list)`; `pasted(str)`, text that is to become pins; `path_requested()` through all of them;
    `selected(int)`, or -1; `words_changed(str)`.
    """

    pin_requested = Signal()
    go_requested = Signal(int)
    renamed = Signal(int, str)
    coloured = Signal(int, int)
    remove_requested = Signal(object)
    pasted = Signal(str)
    path_requested = Signal()
    selected = Signal(int)
    words_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pins_panel")
        self._pins: tuple[Pin, ...] = ()
        self._filling = False
        self._hint = label(_NONE, "muted")
        self._hint.setWordWrap(True)
        self._hint.setObjectName("pins_hint")
        self.list = PinList()
        self._pin = _button("pin_button", "Pin", "Keep the current point (Ctrl+P).")
        self._go = _button("pin_go_button", "Go", "Move the point to the selected pin (Enter, or double-click it).")
        self._remove = _button("pin_remove_button", "Remove", "Remove the selected pins (Delete).")
        self._more = _button("pin_more_button", "More", "Rename, colour, copy or paste pins, or walk through them.")
        self._more.setText("More ▾")
        self._more.setMenu(QMenu(self._more))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_GAP)
        layout.addWidget(self._hint)
        layout.addWidget(self.list)
        row = QHBoxLayout()
        row.setSpacing(_GAP // 2)
        for button in (self._pin, self._go, self._remove, self._more):
            row.addWidget(button, 1)
        layout.addLayout(row)
        self._pin.clicked.connect(self.pin_requested)
        self._go.clicked.connect(self._go_to_current)
        self._remove.clicked.connect(self._remove_selected)
        self._more.menu().aboutToShow.connect(lambda: self._fill(self._more.menu()))
        self.list.itemSelectionChanged.connect(self._selection_changed)
        self.list.itemChanged.connect(self._name_edited)
        self.list.itemDoubleClicked.connect(lambda item: self.go_requested.emit(self.list.row(item)))
        self.list.customContextMenuRequested.connect(self._show_menu)
        self.list.go_pressed.connect(self._go_to_current)
        self.list.remove_pressed.connect(self._remove_selected)
        self.list.copy_pressed.connect(self.copy)
        self.list.paste_pressed.connect(self.paste)
        self.set_pins(())

    # Values in

    def set_pins(self, pins: tuple[Pin, ...]) -> None:
        """List these; pictures stay with their points until others come."""
        before, self._pins = self._pins, pins
        self._filling = True
        while self.list.count() > len(pins):
            self.list.takeItem(self.list.count() - 1)
        for row, pin in enumerate(pins):
            item = self.list.item(row)
            if item is None:
                item = QListWidgetItem()
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                self.list.addItem(item)
            if row >= len(before) or before[row] != pin:
                item.setText(pin.name)
                words = f"{pin.name}: z = ({_shortened(pin.point)})"
                show_tip(item, words, "Double-click: go to it. F2: rename it.")
        self._filling = False
        self.list.show_pins(pins)
        self.list.setVisible(bool(pins))
        self._hint.setVisible(not pins)
        if len(pins) > len(before) > 0:
            self.list.setCurrentRow(len(pins) - 1)
        self._selection_changed()
        self.words_changed.emit("none yet" if not pins else "1 pin" if len(pins) == 1 else f"{len(pins)} pins")

    def set_images(self, points: np.ndarray, images: np.ndarray) -> None:
        """Show the images (n, …) at these points (n, latent_dims), the pins' own or where they have just been."""
        self.list.show_images(points, images)

    def select(self, number: int) -> None:
        """Select this pin alone, or with -1 none, without announcing it."""
        self._filling = True
        self.list.clearSelection()
        if 0 <= number < self.list.count():
            self.list.setCurrentRow(number)
        self._filling = False
        self._enable()

    def set_theme(self, theme: Theme) -> None:
        self.list.set_theme(theme)

    # What is done to them

    def copy(self) -> None:
        """The selected pins' points as text, one a line."""
        lines = [point_text(self._pins[row].point) for row in self._chosen()]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))

    def paste(self) -> None:
        self.pasted.emit(QGuiApplication.clipboard().text())

    def _chosen(self) -> list[int]:
        return sorted(self.list.row(item) for item in self.list.selectedItems())

    def _go_to_current(self) -> None:
        chosen = self._chosen()
        if chosen:
            self.go_requested.emit(chosen[0])

    def _remove_selected(self) -> None:
        if chosen := self._chosen():
            self.remove_requested.emit(chosen)

    def _rename(self) -> None:
        if chosen := self._chosen():
            self.list.editItem(self.list.item(chosen[0]))

    def _name_edited(self, item: QListWidgetItem) -> None:
        if self._filling:
            return
        row, name = self.list.row(item), " ".join(item.text().split())[:MAX_NAME]
        self._filling = True
        item.setText(name or self._pins[row].name)
        self._filling = False
        if name and name != self._pins[row].name:
            self.renamed.emit(row, name)

    def _selection_changed(self) -> None:
        self._enable()
        if not self._filling:
            chosen = self._chosen()
            self.selected.emit(chosen[0] if len(chosen) == 1 else -1)

    def _enable(self) -> None:
        count = len(self.list.selectedItems())
        self._go.setEnabled(count == 1)
        self._remove.setEnabled(count > 0)

    # Menu

    def _show_menu(self, pos: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._fill(menu)
        menu.popup(self.list.viewport().mapToGlobal(pos))

    def _fill(self, menu: QMenu) -> None:
        """What can be done to the selected pins, and to all."""
        menu.clear()
        chosen = self._chosen()
        for text, keys, act, possible in (
            ("Go to it", "Return", self._go_to_current, len(chosen) == 1),
            ("Rename", "F2", self._rename, len(chosen) == 1),
            ("Copy z", "Ctrl+C", self.copy, bool(chosen)),
            ("Remove", "Del", self._remove_selected, bool(chosen)),
            (None, "", None, False),
            ("Paste z as a pin", "Ctrl+V", self.paste, True),
            ("Path through all pins", "", self.path_requested.emit, len(self._pins) > 1),
        ):
            if text is None:
                self._add_colours(menu.addMenu("Colour"), chosen)
                menu.addSeparator()
                continue
            action = QAction(text, menu)
            action.setEnabled(possible)
            action.triggered.connect(act)
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)  # shown here; the list itself takes the keys
            menu.addAction(action)

    def _add_colours(self, menu: QMenu, chosen: Sequence[int]) -> None:
        menu.setEnabled(len(chosen) == 1)
        for colour in range(PIN_COLOURS):
            action = QAction(_swatch(QColor(self.list.theme.classes[colour])), _COLOURS[colour], menu)
            if len(chosen) == 1:
                row = chosen[0]
                action.setCheckable(True)
                action.setChecked(self._pins[row].colour == colour)
                action.triggered.connect(lambda _, row=row, colour=colour: self.coloured.emit(row, colour))
            menu.addAction(action)


class PinList(QListWidget):
    """Rows of a picture, a dot in the pin's colour, its name, and where it is.

    `go_pressed()`, `remove_pressed()`, `copy_pressed()`, `paste_pressed()` by the keys.
    """

    go_pressed = Signal()
    remove_pressed = Signal()
    copy_pressed = Signal()
    paste_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pin_list")
        self.setAccessibleName("Pins")
        self.theme = DARK
        self.pins: tuple[Pin, ...] = ()
        self._points = np.zeros((0, 0))
        self._images: np.ndarray | None = None
        self._film: QImage | None = None
        self.setItemDelegate(_PinDelegate(self))
        self.setUniformItemSizes(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.verticalScrollBar().setSingleStep(_ROW)

    def show_pins(self, pins: tuple[Pin, ...]) -> None:
        self.pins = pins
        self.setFixedHeight(_ROW * max(1, min(len(pins), _MOST_ROWS)))
        self.viewport().update()

    def show_images(self, points: np.ndarray, images: np.ndarray) -> None:
        self._points, self._images = points, images
        self._film = self._developed()
        self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self._film = self._developed()
        self.viewport().update()

    def picture_of(self, row: int) -> int | None:
        """The number of the picture that shows this pin: that of its own point, or while it moves the last one."""
        if self._images is None or not self._points.size:
            return None
        point = np.asarray(self.pins[row].point)
        if row < len(self._points) and len(self._points) == len(self.pins):
            return row
        same = np.flatnonzero((self._points == point).all(axis=1)) if self._points.shape[1] == len(point) else []
        return int(same[0]) if len(same) else None

    def paint_picture(self, painter: QPainter, rect: QRect, row: int) -> None:
        painter.fillRect(rect, QColor(self.theme.paper))
        number = self.picture_of(row)
        if number is not None and self._film is not None:
            _, height, width = self._images.shape[:3]
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(centred_in(rect, height, width), self._film, QRect(0, number * height, width, height))

    def event(self, event: QEvent) -> bool:
        # These keys are the list's own while it has the focus, whatever they are in the rest of the window.
        if event.type() == QEvent.Type.ShortcutOverride and self._own(event) is not None:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        signal = self._own(event)
        if self.state() == QAbstractItemView.State.EditingState:
            event.accept()  # Return has ended the editing of a name, and the editor lets it pass
        elif signal is not None:
            signal.emit()
        else:
            super().keyPressEvent(event)

    def _own(self, event: QKeyEvent) -> Signal | None:
        if event.matches(QKeySequence.StandardKey.Copy):
            return self.copy_pressed
        if event.matches(QKeySequence.StandardKey.Paste):
            return self.paste_pressed
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return self.go_pressed
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            return self.remove_pressed
        return None

    def _developed(self) -> QImage | None:
        if self._images is None or not len(self._images):
            return None
        _, _, width, *channels = self._images.shape
        return to_qimage(self._images.reshape(-1, width, *channels), self.theme)


class _PinDelegate(QStyledItemDelegate):
    def __init__(self, pins: PinList) -> None:
        super().__init__(pins)
        self._list = pins

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, _ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        theme, rect, pin = self._list.theme, option.rect, self._list.pins[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.fill if chosen else theme.hover))
            painter.drawRoundedRect(QRectF(rect), 4, 4)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(theme.text if chosen else theme.accent), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        picture = QRect(rect.left() + 2, rect.top() + 2, _PICTURE, _PICTURE)
        self._list.paint_picture(painter, picture, index.row())
        painter.setPen(QPen(QColor(theme.ring if chosen else theme.border), 1.0))
        painter.setBrush(QBrush(QColor(theme.classes[pin.colour % len(theme.classes)])))
        left = picture.right() + 1 + _GAP
        painter.drawEllipse(QRectF(left, rect.center().y() - _DOT / 2 + 0.5, _DOT, _DOT))
        words = rect.adjusted(left + _DOT + _GAP - rect.left(), 0, -_GAP, 0)
        where = _shortened(pin.point)
        painter.setPen(QColor(theme.on_accent if chosen else theme.muted))
        room = painter.fontMetrics().horizontalAdvance(where) + _GAP
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(words, middle | Qt.AlignmentFlag.AlignRight, where)
        name = painter.fontMetrics().elidedText(pin.name, Qt.TextElideMode.ElideRight, words.width() - room)
        painter.setPen(QColor(theme.on_accent if chosen else theme.text))
        painter.drawText(words, middle | Qt.AlignmentFlag.AlignLeft, name)
        painter.restore()

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QWidget:
        editor = QLineEdit(parent)
        editor.setObjectName("pin_name")
        editor.setAccessibleName("Name of the pin")
        editor.setMaxLength(MAX_NAME)
        return editor

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        rect = option.rect
        editor.setGeometry(rect.adjusted(_PICTURE + _GAP + _DOT + 2, 4, -2, -4))


def _button(name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("kind", "chip")
    button.setObjectName(name)
    show_tip(button, tooltip)
    button.setAccessibleName(text)
    return button


def _shortened(point: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.2f}".replace("-", "−") for value in point[:_COORDINATES])
    return f"{shown}, …" if len(point) > _COORDINATES else shown


def _swatch(colour: QColor) -> QIcon:
    swatch = QPixmap(12, 12)
    swatch.fill(Qt.GlobalColor.transparent)
    with QPainter(swatch) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(1, 1, 10, 10)
    return QIcon(swatch)
