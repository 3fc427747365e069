"""Combine: A − B + C in pictures, and directions from one group to another. Folded away until it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QImage, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.arithmetic import MAX_NAME, Term
from vae_studio.core.attributes import ATTRIBUTES
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.image_view import centred_in, to_qimage
from vae_studio.ui.section import Section
from vae_studio.ui.theme import DARK, Theme

BETWEEN = "between"
"""The direction from B to A, among those that are offered."""
NONE = Term("none")
LETTERS = "ABC"
_SIDE, _LEAST = 52, 40
_CAPTION = 16
_SMALL = 11
_GAP = 8
_SLOTS = (
    "What is begun with: a point, or the mean of a group.",
    "What is taken away: the mean of this group.",
    "What is added: the mean of this group.",
)
_SEPARATES = (
    "How far apart the means of the two groups are, in latent units, and which share of the encodings lies on its own "
    "group’s side of the middle. Each half of them is judged by the direction that the other half gives."
)
_WAYS = {
    "thicker": "From the encodings of the fifth of the test images with the thinnest strokes to those of the thickest.",
    "slanted": "From the encodings of the fifth that leans furthest to the left to those of the furthest to the right.",
    "wider": "From the encodings of the narrowest fifth of the test images to those of the widest.",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """What A, B and C can be: classes by number, "" for absent ones, pins by number, whether there are selected
    encodings and an image of the user's."""

    classes: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    selection: bool = False
    image: bool = False


class CombinePanel(QFrame):
    """Three terms and what they make; under them a direction and its name. All of it is asked for by signals.

    `menu_wanted(slot)` for slot 0 to 2, to be shown with what there is now; `term_chosen(slot, Term)`;
    `go_requested()` to the result, `pin_requested()` there; `way_chosen(str, class number or None)`, BETWEEN or an
    attribute; `add_requested(str)` by this name, "" for the one that is proposed; `unfolded(bool)`.
    """

    menu_wanted = Signal(int)
    term_chosen = Signal(int, object)
    go_requested = Signal()
    pin_requested = Signal()
    way_chosen = Signal(str, object)
    add_requested = Signal(str)
    unfolded = Signal(bool)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("combine_panel")
        self.setProperty("panel", True)
        self.setMaximumWidth(320)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.sources = Sources()
        self.terms = tuple(TermButton(slot) for slot in range(3))
        self.result = TermPicture("combine_result", "A − B + C")
        self.result.set_caption("Result")
        show_tip(self.result, "What A, B and C make together. Press it to move the point there.")
        self._words = _line("combine_words")
        self._go = _button("combine_go", "Go there", "Move the point to the result.")
        self._pin = _button("combine_pin", "Pin", "Keep the result as a pin.")
        self._way, self._among = QComboBox(), QComboBox()
        self._name = QLineEdit()
        self._add = _button("combine_add", "Add as slider", "Put a slider along this direction above those of z.")
        self._found = _line("combine_direction")
        show_tip(self._found, _SEPARATES)
        self.section = Section("combine", "Combine", self._lay_out())
        self.section.set_words("A − B + C")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 4)
        layout.setSpacing(0)
        layout.addWidget(self.section)
        for slot, button in enumerate(self.terms):
            button.clicked.connect(lambda _=False, slot=slot: self.menu_wanted.emit(slot))
        self._go.clicked.connect(self.go_requested)
        self.result.clicked.connect(self.go_requested)
        self._pin.clicked.connect(self.pin_requested)
        self._way.currentIndexChanged.connect(self._choose_way)
        self._among.currentIndexChanged.connect(self._choose_way)
        self._add.clicked.connect(self._ask_to_add)
        self._name.returnPressed.connect(self._add.click)
        self.section.heading.toggled.connect(self.unfolded)
        self.set_sources(Sources())
        self._show_way()
        self.set_theme(theme)

    # Values in

    def set_sources(self, sources: Sources) -> None:
        """What there is to choose from."""
        if sources.classes != self.sources.classes or not self._among.count():
            with QSignalBlocker(self._among):
                chosen = self._among.currentData()
                self._among.clear()
                self._among.addItem("Each class", None)
                for number, name in enumerate(sources.classes):
                    if name:
                        self._among.addItem(f"Class {name}", number)
                self._among.setCurrentIndex(max(0, self._among.findData(chosen)))
        self.sources = sources

    def show_terms(self, names: Sequence[str], words: str, *, possible: bool) -> None:
        """What A, B and C are called, "" for nothing; in words what they make, or why they make nothing."""
        for button, name in zip(self.terms, names, strict=True):
            button.set_caption(name or "—")
            button.setAccessibleName(f"{LETTERS[button.slot]}: {name or 'nothing'}")
        self._words.setText(words)
        show_tip(self._words, words)
        for button in (self._go, self._pin, self.result):
            button.setEnabled(possible)

    def show_pictures(self, images: Sequence[np.ndarray | None]) -> None:
        """The decoder's images of A, B, C and the result, each (H, W) or (H, W, 3), or None."""
        for picture, image in zip((*self.terms, self.result), images, strict=True):
            picture.set_image(image)

    def show_direction(self, name: str, words: str, *, possible: bool) -> None:
        """The name that is proposed for the direction, in words what it is or why there is none."""
        if not (self._name.isModified() and self._name.text().strip()):
            self._name.setText(name)
            self._name.setCursorPosition(0)
        self._found.setText(words)
        self._add.setEnabled(possible)

    def way(self) -> tuple[str, int | None]:
        """Which direction is wanted, and of which class."""
        return self._way.currentData(), self._among.currentData()

    def set_theme(self, theme: Theme) -> None:
        for picture in (*self.terms, self.result):
            picture.set_theme(theme)

    # What is chosen

    def show_menu(self, slot: int) -> None:
        """Ask what A, B or C is to be."""
        self._menu(slot).popup(self.terms[slot].below())

    def _menu(self, slot: int) -> QMenu:
        """What A, B or C can be."""
        menu = QMenu(self.terms[slot])
        menu.setObjectName("combine_menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def offer(into: QMenu, text: str, term: Term, key: str = "") -> None:
            into.addAction(key + text.replace("&", "&&"), lambda: self.term_chosen.emit(slot, term))

        sources = self.sources
        if slot:
            offer(menu, "Nothing", NONE)
        offer(menu, "Point", Term("point"))
        classes = menu.addMenu("Mean of class")
        for number, name in enumerate(sources.classes):
            if name:
                offer(classes, name, Term("class", number), "&")  # its first letter or digit chooses it
        classes.setEnabled(any(sources.classes))
        offer(menu, "Mean of the selection", Term("selection"))
        menu.actions()[-1].setEnabled(sources.selection)
        pins = menu.addMenu("Pin")
        for number, name in enumerate(sources.pins):
            offer(pins, name or f"({number + 1})", Term("pin", number))
        pins.setEnabled(bool(sources.pins))
        offer(menu, "Encoded image", Term("image"))
        menu.actions()[-1].setEnabled(sources.image)
        offer(menu, "z = 0", Term("zero"))
        return menu

    def _choose_way(self) -> None:
        self._name.setModified(False)
        self._show_way()
        self.way_chosen.emit(*self.way())

    def _show_way(self) -> None:
        way, _ = self.way()
        self._among.setVisible(way != BETWEEN)
        show_tip(self._way, _WAYS.get(way, "From the mean of B to the mean of A."))

    def _ask_to_add(self) -> None:
        name = " ".join(self._name.text().split())
        self._name.setModified(False)
        self.add_requested.emit(name)

    # Looks

    def _lay_out(self) -> QVBoxLayout:
        inside = QVBoxLayout()
        inside.setSpacing(_GAP)
        formula = QHBoxLayout()
        formula.setSpacing(2)
        for sign, picture in zip(("", "−", "+", "="), (*self.terms, self.result), strict=True):
            if sign:
                formula.addWidget(_sign(sign), 1)
            formula.addWidget(picture)
        inside.addLayout(formula)
        inside.addWidget(self._words)
        inside.addLayout(_row(self._go, self._pin))
        inside.addWidget(label("Direction", "muted"))
        self._way.addItem("From B to A", BETWEEN)
        for attribute in ATTRIBUTES:
            self._way.addItem(attribute.capitalize(), attribute)
        for combo, name, title, tooltip in (
            (self._way, "combine_way", "Direction", ""),
            (self._among, "combine_among", "Classes", "Whose images are compared: those of each class, or of one."),
        ):
            combo.setObjectName(name)
            combo.setAccessibleName(title)
            show_tip(combo, tooltip)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(5)
        inside.addLayout(_row(self._way, self._among))
        inside.addWidget(self._found)
        self._name.setObjectName("combine_name")
        self._name.setAccessibleName("Name of the direction")
        show_tip(self._name, "What the slider is to be called.")
        self._name.setMaxLength(MAX_NAME)
        inside.addLayout(_row(self._name, self._add))
        return inside


class TermPicture(QAbstractButton):
    """A small picture with a caption under it, to be pressed."""

    def __init__(self, name: str, title: str, letter: str = "") -> None:
        super().__init__()
        self._letter = letter  # where there is no picture
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedHeight(_SIDE + _CAPTION)
        self.setMinimumWidth(_LEAST)
        self.setMaximumWidth(_SIDE)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._theme = DARK
        self._caption = ""
        self._array: np.ndarray | None = None
        self._image: QImage | None = None

    @property
    def caption(self) -> str:
        return self._caption

    @property
    def image(self) -> np.ndarray | None:
        """What is shown."""
        return self._array

    def sizeHint(self) -> QSize:
        return QSize(_SIDE, _SIDE + _CAPTION)

    def set_caption(self, caption: str) -> None:
        self._caption = caption
        self.update()

    def set_image(self, image: np.ndarray | None) -> None:
        self._array = image
        self._image = None if image is None else to_qimage(image, self._theme)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.set_image(self._array)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        with QPainter(self) as painter:
            place = QRect(0, _SIDE - self.width(), self.width(), self.width())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            if self._image is not None:
                painter.fillRect(place, QColor(theme.paper))
                painter.drawImage(centred_in(place, *self._array.shape[:2]), self._image)
            else:
                painter.setPen(QColor(theme.muted))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self._letter)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            lively = self.isEnabled() and self.underMouse()
            edge = theme.accent if self.hasFocus() or lively else theme.border
            painter.setPen(QPen(QColor(edge), 1.5 if self.hasFocus() else 1.0))
            painter.drawRoundedRect(QRectF(place).adjusted(0.75, 0.75, -0.75, -0.75), 3, 3)
            font = QFont(self.font())
            font.setPixelSize(_SMALL)
            painter.setFont(font)
            painter.setPen(QColor(theme.text))
            below = QRect(0, _SIDE + 1, self.width(), _CAPTION)
            words = painter.fontMetrics().elidedText(self._caption, Qt.TextElideMode.ElideRight, below.width())
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, words)


class TermButton(TermPicture):
    """A, B or C: a press, or a key that opens lists, asks what it is to be."""

    def __init__(self, slot: int) -> None:
        super().__init__(f"combine_{LETTERS[slot].lower()}", LETTERS[slot], LETTERS[slot])
        self.slot = slot
        show_tip(self, f"{LETTERS[slot]}. {_SLOTS[slot]}\nPress it to choose another.")

    def below(self) -> QPoint:
        """The corner where its menu opens, on the screen."""
        return self.mapToGlobal(self.rect().bottomLeft())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Down):
            self.click()
        else:
            super().keyPressEvent(event)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(_GAP // 2)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row


def _sign(text: str) -> QLabel:
    sign = label(text, "title")
    sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
    sign.setFixedHeight(_SIDE + _CAPTION)
    sign.setContentsMargins(0, 0, 0, _CAPTION)
    return sign


def _line(name: str) -> QLabel:
    line = label("", "muted")
    line.setObjectName(name)
    line.setWordWrap(True)
    return line


def _button(name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("kind", "chip")
    button.setObjectName(name)
    show_tip(button, tooltip)
    button.setAccessibleName(text)
    return button
