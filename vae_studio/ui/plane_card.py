"""Beside the map: the plane that it shows as numbers, which can be typed, and what a plane of each kind is made of."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.marks import point_text
from vae_studio.core.plane import Plane
from vae_studio.core.scene import TestImages, View
from vae_studio.ui.controls import label, show_tip
from vae_studio.ui.image_view import ImageView
from vae_studio.ui.theme import DARK, Theme

WIDTH = 440
_THUMBNAIL = 40
_IMAGES, _PINS, _SELECTED = "images", "pins", "selected"
_LETTERS = ("A", "B", "C")
_SIDES = ("left", "right", "bottom", "top")
_WORDS = {
    "axes": "along two latent dimensions",
    "components": "along principal components of the encodings",
    "points": "through three points",
    "classes": "through the means of three classes",
    "typed": "typed",
}


class PlaneCard(QDialog):
    """Stays beside the window while the map follows. Made of: a page for what the plane goes through, and numbers.

    Signals: `components_chosen((i, j))`, counted from 0; `classes_chosen((a, b, c))`; `images_chosen((i, j, k))`, of
    the encoded images; `pins_chosen()` and `selected_chosen()`, the first three of them; `numbers_typed(texts)` of
    origin, across and up, and `span_typed(texts)` of left, right, bottom and top, None for what was not touched.
    """

    components_chosen = Signal(object)
    classes_chosen = Signal(object)
    images_chosen = Signal(object)
    pins_chosen = Signal()
    selected_chosen = Signal()
    numbers_typed = Signal(object)
    span_typed = Signal(object)

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plane_card")
        self.setWindowTitle("Plane of the map")
        self._title, self._kind = label("", "title"), label("", "muted")
        self._title.setObjectName("plane_card_title")
        self._distance = label("", "muted")
        self._distance.setObjectName("plane_card_distance")
        self.components = _Components()
        self.images = _Points(theme)
        self.classes = _Classes()
        self._pages: dict[str, QWidget] = {
            "components": self.components,
            "points": self.images,
            "classes": self.classes,
        }
        self._vectors = {name: _field(f"plane_{name}") for name in ("origin", "across", "up")}
        self._apply = _button(
            "plane_apply_button", "Use numbers", "Show the plane of these numbers (Enter in a field)."
        )
        self._show_span = _button("plane_span_button", "Show span", "Show this part of the plane (Enter in a field).")
        self._span = {name: _field(f"plane_{name}") for name in _SIDES}
        self._note, self._error = label("", "muted"), label("", "error")
        self._note.setObjectName("plane_note")
        self._error.setObjectName("plane_error")
        self._lay_out()
        self._name_fields()
        for field in self._vectors.values():
            field.returnPressed.connect(self._give_numbers)
        self._apply.clicked.connect(self._give_numbers)
        for field in self._span.values():
            field.returnPressed.connect(self._give_span)
        self._show_span.clicked.connect(self._give_span)
        self.components.chosen.connect(self.components_chosen)
        self.classes.chosen.connect(self.classes_chosen)
        self.images.images_chosen.connect(self.images_chosen)
        self.images.pins_chosen.connect(self.pins_chosen)
        self.images.selected_chosen.connect(self.selected_chosen)

    # Values in

    def set_plane(self, plane: Plane, distance: str) -> None:
        """Show this plane, and how far the point is from it; what is being typed is overwritten by another plane."""
        self._title.setText(plane.title)
        self._kind.setText(_WORDS[plane.kind])
        self._distance.setText(distance)
        numbers = {"origin": plane.origin, "across": plane.across, "up": plane.up or ()}
        for name, field in self._vectors.items():
            field.show_text(point_text(numbers[name]))

    def set_distance(self, distance: str) -> None:
        self._distance.setText(distance)

    def set_view(self, view: View) -> None:
        """This part of the plane is visible; what is being typed stays."""
        if not any(field.isModified() for field in self._span.values()):
            self.set_span(view)

    def set_span(self, view: View) -> None:
        """Show which part of the plane is visible."""
        width = view.right - view.left
        decimals = min(max(2 - math.floor(math.log10(width)), 2), 9)
        for field, value in zip(self._span.values(), (view.left, view.right, view.bottom, view.top), strict=True):
            field.show_text(f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−"))

    def show_page(self, kind: str) -> None:
        """What a plane of this kind is made of, above the numbers that every plane has."""
        for name, page in self._pages.items():
            page.setVisible(name == kind)
        self.show_note("")
        self.adjustSize()
        first = self._pages[kind].focusProxy() if kind in self._pages else self._vectors["origin"]
        first.setFocus(Qt.FocusReason.TabFocusReason)

    def show_note(self, words: str) -> None:
        """What was done to the numbers that were typed."""
        self._say(self._note, words)

    def show_error(self, words: str) -> None:
        """Why there is no such plane."""
        self._say(self._error, words)

    def set_theme(self, theme: Theme) -> None:
        self.images.set_theme(theme)

    def sizeHint(self) -> QSize:
        """Long lists of numbers scroll in their fields."""
        return QSize(WIDTH, super().sizeHint().height())

    # What is typed

    def _give_numbers(self) -> None:
        self.numbers_typed.emit(tuple(f.text() if f.isModified() else None for f in self._vectors.values()))

    def _give_span(self) -> None:
        texts = tuple(field.text() if field.isModified() else None for field in self._span.values())
        if any(text is not None for text in texts):
            self.span_typed.emit(texts)

    def _say(self, where: QWidget, words: str) -> None:
        for one in (self._note, self._error):
            one.setText(words if one is where else "")
            one.setVisible(bool(one.text()))

    def _name_fields(self) -> None:
        many = "one number for each latent dimension, with commas or spaces between them"
        tips = {
            "origin": f"The point of the plane that lies at (0, 0) of the map: {many}.",
            "across": f"The direction from left to right: {many}. Any length; it is scaled to 1.",
            "up": f"The direction from bottom to top: {many}. It is turned to be at right angles to across.",
        }
        for name, field in self._vectors.items():
            show_tip(field, tips[name])
            field.setAccessibleName(name.capitalize())
        for name, field in self._span.items():
            show_tip(field, f"The {name} edge of what is visible, in latent units. Alt+← goes back to the view before.")
            field.setAccessibleName(f"Span: {name}")

    def _lay_out(self) -> None:
        heading = QHBoxLayout()
        for widget in (self._title, self._kind):
            heading.addWidget(widget)
        heading.addStretch(1)
        heading.addWidget(self._distance)
        numbers = QGridLayout()
        for row, (name, field) in enumerate(self._vectors.items()):
            numbers.addWidget(label(name.capitalize(), "muted"), row, 0)
            numbers.addWidget(field, row, 1)
        numbers.addWidget(self._apply, 2, 2)
        span = QGridLayout()
        for number, (name, field) in enumerate(self._span.items()):
            row, column = divmod(number, 2)
            span.addWidget(label(name.capitalize(), "muted"), row, 2 * column)
            span.addWidget(field, row, 2 * column + 1)
        span.addWidget(self._show_span, 1, 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.addLayout(heading)
        for page in self._pages.values():
            layout.addWidget(page)
        layout.addLayout(numbers)
        layout.addLayout(span)
        for part in (heading, numbers, span, layout):
            part.setSpacing(8)
        for words in (self._note, self._error):
            words.setWordWrap(True)
            words.hide()
            layout.addWidget(words)
        layout.addStretch(1)
        fields = (*self._vectors.values(), self._apply, *self._span.values(), self._show_span)
        for before, after in itertools.pairwise(fields):
            QWidget.setTabOrder(before, after)


class _Components(QWidget):
    """Which two principal components; they are shown at once."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._across, self._up = QComboBox(), QComboBox()
        self._which = (0, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for combo, name, title in ((self._across, "across", "Across"), (self._up, "up", "Up")):
            combo.setObjectName(f"plane_component_{name}")
            combo.setAccessibleName(f"Principal component {name}")
            show_tip(combo, "Principal components of the encodings, and the share of their variance along each.")
            combo.setMaxVisibleItems(16)
            row.addWidget(label(title, "muted"))
            row.addWidget(combo, 1)
        self.setFocusProxy(self._across)
        self._across.activated.connect(
            lambda i: self._choose((i, self._which[0] if i == self._which[1] else self._which[1]))
        )
        self._up.activated.connect(
            lambda i: self._choose((self._which[1] if i == self._which[0] else self._which[0], i))
        )

    def set_shares(self, shares: Sequence[float]) -> None:
        """The shares of the variance along each."""
        for combo in (self._across, self._up):
            with QSignalBlocker(combo):
                combo.clear()
                combo.addItems([f"PC {number}: {_percent(share)}" for number, share in enumerate(shares, 1)])
        self.set_which(self._which if max(self._which) < len(shares) else (0, 1))

    def set_which(self, which: tuple[int, int]) -> None:
        """Show these as chosen, without announcing it."""
        self._which = which
        self._across.setCurrentIndex(which[0])
        self._up.setCurrentIndex(which[1])

    def _choose(self, which: tuple[int, int]) -> None:
        self.set_which(which)
        self.chosen.emit(which)


class _Classes(QWidget):
    """Three classes, and the button that shows the plane through their means."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(label("Class", "muted"))
        self._names: tuple[str, ...] = ()
        self._combos = [QComboBox() for _ in _LETTERS]
        for letter, combo in zip(_LETTERS, self._combos, strict=True):
            combo.setObjectName(f"plane_class_{letter.lower()}")
            combo.setAccessibleName(f"Class {letter}")
            show_tip(combo, "A class of test images: A lies at the origin, B to the right of it, C above.")
            row.addWidget(label(letter, "muted"))
            row.addWidget(combo, 1)
        self._show = _button(
            "plane_classes_button", "Through these classes", "Show the plane through the means of these classes."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(row)
        layout.addWidget(self._show, alignment=Qt.AlignmentFlag.AlignRight)
        self.setFocusProxy(self._combos[0])
        self._show.setEnabled(False)
        self._show.clicked.connect(lambda: self.chosen.emit(tuple(combo.currentData() for combo in self._combos)))

    def set_names(self, names: Sequence[str]) -> None:
        """The classes by number, "" for absent ones."""
        if tuple(names) == self._names:
            return
        self._names = tuple(names)
        present = [(name, number) for number, name in enumerate(names) if name]
        for index, combo in enumerate(self._combos):
            chosen = combo.currentData()
            with QSignalBlocker(combo):
                combo.clear()
                for name, number in present:
                    combo.addItem(name, number)
                at = combo.findData(chosen)
                combo.setCurrentIndex(at if at >= 0 else min(index, len(present) - 1))
        self._show.setEnabled(len(present) >= 3)


class _Points(QWidget):
    """Three test images, or pins, or selected encodings, and the button that shows the plane through them."""

    images_chosen = Signal(object)
    pins_chosen = Signal()
    selected_chosen = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._rows = [_ImageRow(letter, theme) for letter in _LETTERS]
        self._source = QComboBox()
        self._source.setObjectName("plane_points_source")
        self._source.setAccessibleName("Points of the plane")
        show_tip(self._source, "What the plane goes through. Pins and selected encodings are taken in their order.")
        for title, data in (("Test images", _IMAGES), ("First three pins", _PINS), ("First three selected", _SELECTED)):
            self._source.addItem(title, data)
        self._random = _button("plane_random_button", "Random", "Three test images at random, of the classes chosen.")
        self._show = _button(
            "plane_points_button", "Through these points", "Show the plane through these three points."
        )
        above = QHBoxLayout()
        above.setSpacing(8)
        above.addWidget(self._source, 1)
        above.addWidget(self._random)
        above.addWidget(self._show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(above)
        for row in self._rows:
            layout.addWidget(row)
        self.setFocusProxy(self._source)
        self._source.currentIndexChanged.connect(self._offer)
        self._random.clicked.connect(self._pick)
        self._show.clicked.connect(self._choose)
        self._enough = {_IMAGES: False, _PINS: False, _SELECTED: False}
        self.set_images(None)

    def set_images(self, images: TestImages | None) -> None:
        """The encoded test images."""
        self._enough[_IMAGES] = images is not None and len(images.images) >= 3
        for number, row in enumerate(self._rows):
            row.set_images(images, number)
        self._offer()

    def set_pins(self, count: int) -> None:
        self._enough[_PINS] = count >= 3
        self._offer()

    def set_selected(self, count: int) -> None:
        self._enough[_SELECTED] = count >= 3
        self._offer()

    def set_theme(self, theme: Theme) -> None:
        for row in self._rows:
            row.view.set_theme(theme)

    def _offer(self) -> None:
        model = self._source.model()
        for number in range(self._source.count()):
            model.item(number).setEnabled(self._enough[self._source.itemData(number)])
        source = self._source.currentData()
        self._show.setEnabled(self._enough[source])
        self._random.setEnabled(self._enough[_IMAGES] and source == _IMAGES)
        for row in self._rows:
            row.setEnabled(self._enough[_IMAGES] and source == _IMAGES)

    def _pick(self) -> None:
        for row in self._rows:
            row.pick()

    def _choose(self) -> None:
        match self._source.currentData():
            case "pins":
                self.pins_chosen.emit()
            case "selected":
                self.selected_chosen.emit()
            case _:
                self.images_chosen.emit(tuple(row.index() for row in self._rows))


class _ImageRow(QWidget):
    """One test image, by class and number within it."""

    def __init__(self, letter: str, theme: Theme) -> None:
        super().__init__()
        self._images: TestImages | None = None
        self._members = np.zeros(0, np.int64)
        self.view = ImageView(theme)
        self.view.setObjectName(f"plane_image_{letter.lower()}")
        self.view.setAccessibleName(f"Image {letter}")
        self.view.setFixedSize(QSize(_THUMBNAIL, _THUMBNAIL))
        self._class, self._number = QComboBox(), QSpinBox()
        self._class.setObjectName(f"plane_image_class_{letter.lower()}")
        self._class.setAccessibleName(f"Class of image {letter}")
        show_tip(self._class, "The class that the test image is of.")
        self._number.setObjectName(f"plane_image_number_{letter.lower()}")
        self._number.setAccessibleName(f"Number of image {letter}")
        show_tip(self._number, "The test image, counted from 0 within the class, of those that are encoded.")
        self._number.setKeyboardTracking(False)
        self._number.setWrapping(True)
        self._number.lineEdit().setTextMargins(6, 0, 6, 0)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(label(letter, "muted"))
        row.addWidget(self.view)
        row.addWidget(label("class", "muted"))
        row.addWidget(self._class, 1)
        row.addWidget(label("number", "muted"))
        row.addWidget(self._number, 1)
        self._class.currentIndexChanged.connect(self._choose_class)
        self._number.valueChanged.connect(self._show)

    def set_images(self, images: TestImages | None, first: int) -> None:
        """The encoded images; the first one of the class that stands at `first` is shown."""
        if images is self._images:
            return
        self._images = images
        with QSignalBlocker(self._class):
            self._class.clear()
            self._class.addItem("any class", None)
            for number, name in enumerate(images.present_names() if images else ()):
                if name:
                    self._class.addItem(name, number)
            self._class.setCurrentIndex(min(first + 1, self._class.count() - 1))
        self._choose_class()

    def index(self) -> int:
        """Of the image among all that are encoded."""
        return int(self._members[self._number.value()])

    def pick(self) -> None:
        """Another one, at random."""
        self._number.setValue(random.randrange(max(1, len(self._members))))

    def _choose_class(self) -> None:
        labels = self._images.labels if self._images else np.zeros(0, np.uint8)
        wanted = self._class.currentData()
        self._members = np.flatnonzero(labels == wanted) if wanted is not None else np.arange(len(labels))
        with QSignalBlocker(self._number):
            self._number.setRange(0, max(0, len(self._members) - 1))
            self._number.setValue(0)
        self._show()

    def _show(self) -> None:
        if len(self._members):
            self.view.set_image(np.ascontiguousarray(self._images.images[self.index()]))


class _Field(QLineEdit):
    """Shows a text from its beginning; `isModified` says whether it was typed."""

    def show_text(self, text: str) -> None:
        if text != self.text():
            self.setText(text)
            self.setCursorPosition(0)
        self.setModified(False)


def _field(object_name: str) -> _Field:
    field = _Field()
    field.setObjectName(object_name)
    return field


def _button(object_name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(object_name)
    show_tip(button, tooltip)
    button.setAccessibleName(f"{text}: {tooltip}")
    button.setAutoDefault(False)  # or Return in any field would press it
    return button


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"
