"""The path: its filmstrip, and what makes the point walk along it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.exploration import Path, Point
from vae_studio.core.marks import MAX_FRAMES, MIN_FRAMES, path_point_name
from vae_studio.core.walk import Walk
from vae_studio.ui.controls import Gesture, chip, label, show_tip
from vae_studio.ui.path_strip import PathStrip
from vae_studio.ui.theme import DARK, Theme, icon_named

ONCE, LOOP, TO_AND_FRO = range(3)
_FRAME_MS = 16
_GAP = 4
_NONE = "Start a path at the point, move the point, and add it to the path: or right-click on the map."
_BEGUN = "The path begins at A. Move the point to where it is to lead, and add it."


class PathPanel(QWidget):
    """Strip, play, mode, seconds, kind and number of frames; `words` says in short what the path is.

    Signals: `point_chosen(point)` while it plays and when the strip is used, in gestures of `gesture`;
    `path_changed(Path)` when its kind or its number of frames does; `start_requested()`, `add_requested()`,
    `remove_requested()`; `can_play_changed(bool)`, the path leads somewhere; `words_changed(str)`.
    """

    point_chosen = Signal(object)
    path_changed = Signal(object)
    start_requested = Signal()
    add_requested = Signal()
    remove_requested = Signal()
    can_play_changed = Signal(bool)
    words_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("path_panel")
        self._theme = DARK
        self._path: Path | None = None
        self._walk: Walk | None = None
        self._point: Point | None = None  # that was asked for last
        self._began = 0.0  # when the walk, at its pace, would have left its first point
        self._playing = Gesture()
        self.strip = PathStrip()
        self._hint = label(_NONE, "muted")
        self._hint.setObjectName("path_hint")
        self._hint.setWordWrap(True)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._go_on)
        self._make_controls()
        self._lay_out()
        self.strip.scrubbed.connect(self._scrub)
        self._play.clicked.connect(self.play_or_pause)
        self._mode.currentIndexChanged.connect(self._keep_place)
        self._seconds.valueChanged.connect(self._keep_place)
        self._frames.valueChanged.connect(self._change_frames)
        self._spherical.clicked.connect(lambda: self._change_kind(True))
        self._straight.clicked.connect(lambda: self._change_kind(False))
        self._start.clicked.connect(self.start_requested)
        self._add.clicked.connect(self.add_requested)
        self._remove.clicked.connect(self.remove_requested)
        self.set_path(None)

    # Values in

    def set_path(self, path: Path | None) -> None:
        """Show this path; playing goes on along it, unless it leads nowhere."""
        self._path = path
        self._walk = Walk(path.points, path.spherical) if path and len(path.points) > 1 else None
        leads = self._walk is not None
        if not leads:
            self.pause()
        self._film.setVisible(leads)
        self._hint.setVisible(not leads)
        self._hint.setText(_BEGUN if path else _NONE)
        self._remove.setEnabled(path is not None)
        if path:
            self.strip.set_count(path.frames)
            self._frames.blockSignals(True)
            self._frames.setValue(path.frames)
            self._frames.blockSignals(False)
            (self._spherical if path.spherical else self._straight).setChecked(True)
        if not leads:
            self.strip.set_images(None)
        if not self.playing and not self._is_here():
            self.strip.set_fraction(None)
        self.can_play_changed.emit(leads)
        self.words_changed.emit(self.words())

    def set_images(self, images: np.ndarray) -> None:
        """Show the path's frames (n, …); of another number than it has they are not shown."""
        self.strip.set_images(images)

    def set_point(self, point: Point) -> None:
        """The point is here: it has left the path, unless the path brought it here."""
        if point != self._point:
            self._point = None
            self.pause()
            self.strip.set_fraction(None)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.strip.set_theme(theme)
        self._show_playing()

    # Values out

    @property
    def playing(self) -> bool:
        return self._timer.isActive()

    def gesture(self) -> int:
        """What belongs together of that which `point_chosen` has told: a walk, or a drag along the strip."""
        return self._playing.key() if self.playing else self.strip.gesture.key()

    def words(self) -> str:
        """A → B, and how long the way is."""
        if self._walk is None:
            return "from A" if self._path else "none yet"
        last = path_point_name(len(self._path.points) - 1)
        between = " → … → " if len(self._path.points) > 3 else " → B → " if len(self._path.points) == 3 else " → "
        return f"A{between}{last} · length {self._walk.length:.2f}"

    def _is_here(self) -> bool:
        """Whether the point that was asked for last is still where the strip says."""
        at = self.strip.fraction()
        return self._walk is not None and at is not None and self._at(at) == self._point

    def _at(self, fraction: float) -> Point:
        return tuple(self._walk.at([fraction])[0].tolist())

    # Playing

    def play_or_pause(self) -> None:
        if self.playing:
            self.pause()
        elif self._walk is not None:
            self._play_from(self.strip.fraction() or 0.0)

    def pause(self) -> None:
        if self.playing:
            self._timer.stop()
            self._playing.release()
            self._show_playing()

    def _play_from(self, fraction: float) -> None:
        at_end = fraction >= 1.0 and self._mode.currentIndex() != TO_AND_FRO
        self._began = time.monotonic() - (0.0 if at_end else fraction) * self._seconds.value()
        self._playing.press()
        self._timer.start()
        self._show_playing()

    def _go_on(self) -> None:
        """Where it is goes by the clock: a window that is busy makes larger steps, not a slower walk."""
        walked = (time.monotonic() - self._began) / self._seconds.value()
        mode = self._mode.currentIndex()
        if mode == ONCE:
            self._choose(min(walked, 1.0))
            if walked >= 1.0:
                self.pause()
        elif mode == LOOP:
            self._choose(walked % 1.0)
        else:
            self._choose(1.0 - abs(walked % 2.0 - 1.0))

    def _keep_place(self) -> None:
        """Another pace or mode while it plays: from here, onwards."""
        if self.playing:
            self._began = time.monotonic() - (self.strip.fraction() or 0.0) * self._seconds.value()

    def _scrub(self, fraction: float) -> None:
        self.pause()
        self._choose(fraction)

    def _choose(self, fraction: float) -> None:
        self._point = self._at(fraction)
        self.strip.set_fraction(fraction)
        self.point_chosen.emit(self._point)

    def _show_playing(self) -> None:
        icon, words = ("pause", "Pause") if self.playing else ("play", "Play")
        self._play.setIcon(icon_named(f"{icon}-{self._theme.name}"))
        self._play.setText(f"\N{NO-BREAK SPACE}{words}")  # Qt leaves hardly a gap between icon and text
        self._play.setAccessibleName(f"{words} the path")

    # The path

    def _change_frames(self, frames: int) -> None:
        if self._path:
            self.path_changed.emit(replace(self._path, frames=frames))

    def _change_kind(self, spherical: bool) -> None:
        if self._path and spherical != self._path.spherical:
            self.path_changed.emit(replace(self._path, spherical=spherical))

    # Layout

    def _make_controls(self) -> None:
        self._play = _button("path_play_button", "Play", "Let the point walk along the path, or stop it (F9).")
        self._play.setIconSize(QSize(12, 12))
        self._mode = QComboBox()
        self._mode.setObjectName("path_mode_combo")
        self._mode.addItems(["once", "loop", "to and fro"])
        self._mode.setCurrentIndex(TO_AND_FRO)
        self._mode.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._mode.setMinimumContentsLength(4)
        self._mode.setProperty("form", True)
        self._mode.setAccessibleName("What follows at the end of the path")
        show_tip(self._mode, "At the end of the path: stop, begin again, or go back the same way.")
        self._seconds = QDoubleSpinBox()
        self._seconds.setObjectName("path_seconds")
        self._seconds.setDecimals(1)
        self._seconds.setRange(0.5, 60.0)
        self._seconds.setSingleStep(0.5)
        self._seconds.setValue(4.0)
        self._seconds.setSuffix(" s")
        self._seconds.setKeyboardTracking(False)
        self._seconds.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._seconds.setFixedWidth(58)
        self._seconds.setAccessibleName("Seconds from end to end")
        show_tip(self._seconds, "How long the point takes from one end of the path to the other, in seconds.")
        self._straight = chip("straight", "Straight lines from each point of the path to the next.")
        self._straight.setObjectName("path_straight_chip")
        self._spherical = chip(
            "spherical",
            "Great circles: directions turn evenly, and ‖z‖ goes evenly from one point’s to the next one’s.\n"
            "In many dimensions the prior has its mass in a shell, which straight lines leave.",
            checked=False,
        )
        self._spherical.setObjectName("path_spherical_chip")
        kinds = QButtonGroup(self)
        kinds.addButton(self._straight)
        kinds.addButton(self._spherical)
        self._frames = QSpinBox()
        self._frames.setObjectName("path_frames")
        self._frames.setRange(MIN_FRAMES, MAX_FRAMES)
        self._frames.setKeyboardTracking(False)
        self._frames.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._frames.setSuffix(" frames")
        self._frames.setMinimumWidth(62)
        self._frames.setAccessibleName("Frames of the path")
        show_tip(self._frames, "How many images the strip shows, at equal steps of length along the path.")
        self._start = _button("path_start_button", "Start here", "Begin a new path at the point (Ctrl+Shift+L).")
        self._add = _button("path_add_button", "Add", "Let the path lead on to the point (Ctrl+L).")
        self._remove = _button("path_remove_button", "Remove", "Remove the path.")

    def _lay_out(self) -> None:
        self._film = QWidget()
        film = QVBoxLayout(self._film)
        film.addWidget(self.strip)
        film.addLayout(_row(self._play, self._mode, self._seconds, stretch=1))
        film.addLayout(_row(self._straight, self._spherical, self._frames, stretch=2))
        film.setContentsMargins(0, 0, 0, 0)
        film.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._hint)
        layout.addWidget(self._film)
        buttons = _row(self._start, self._add, self._remove)
        for index in range(3):
            buttons.setStretch(index, 1)
        layout.addLayout(buttons)


def _button(name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("kind", "chip")
    button.setObjectName(name)
    show_tip(button, tooltip)
    button.setAccessibleName(text)
    return button


def _row(*widgets: QWidget, stretch: int | None = None) -> QHBoxLayout:
    """Widgets side by side; the one at `stretch` takes what room there is."""
    row = QHBoxLayout()
    row.setSpacing(_GAP)
    for index, widget in enumerate(widgets):
        row.addWidget(widget, int(index == stretch))
    return row
