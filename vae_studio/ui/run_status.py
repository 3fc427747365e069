"""The status bar: how far the run is, its speed and time left; what the map costs; the device; what was saved."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QStatusBar, QWidget

from vae_studio.core.events import Progress
from vae_studio.ui.controls import duration, label, show_tip


class RunStatus(QStatusBar):
    """Values in, no signals."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_status")
        self.setSizeGripEnabled(False)
        self._where = label("Opening…", "muted")
        self._where.setObjectName("status_text")
        self._bar = QProgressBar()
        self._bar.setObjectName("progress_bar")
        self._bar.setAccessibleName("Training progress")
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(220)
        self._bar.setRange(0, 1000)
        self._pace = label("", "muted")
        self._map = label("", "muted")
        show_tip(self._map, "Milliseconds to decode what is visible of the map, last time")
        self._device = label("", "muted")
        self._device.setObjectName("status_device")
        self._saved = label("", "muted")
        left = QWidget()
        layout = QHBoxLayout(left)
        layout.setContentsMargins(8, 2, 8, 2)
        layout.setSpacing(12)
        for widget in (self._where, self._bar, self._pace):
            layout.addWidget(widget)
        self.addWidget(left)
        for widget in (self._map, self._device, self._saved):
            widget.setContentsMargins(8, 0, 8, 0)
            self.addPermanentWidget(widget)
        self._bar.hide()
        self._paused = False
        self._text, self._hint, self._hints_shown = "Opening…", "", True

    def show_text(self, text: str) -> None:
        """A word on what goes on when no run does."""
        self._say(text)

    def show_hints(self, shown: bool) -> None:
        """Whether hints on the map are in place, as they are while it is seen."""
        self._hints_shown = shown
        self._say(self._text, self._hint)

    def show_progress(self, progress: Progress) -> None:
        self._bar.show()
        done = progress.step / progress.total_steps
        self._bar.setValue(round(1000 * done))
        if not progress.step:  # a run that was stopped at once
            return
        epochs = round(progress.total_steps * progress.epoch / progress.step)
        self._say(f"epoch {min(int(progress.epoch) + 1, epochs)} of {epochs}")
        left = "" if progress.seconds_left is None else f" · {duration(progress.seconds_left)} left"
        # Thin spaces group thousands, as in the Système international.
        speed = progress.steps_per_second  # 0 step by step
        pace = (f"{speed:,.0f} steps/s{left}" if speed else f"step {progress.step:,}").replace(",", "\u2009")
        self._pace.setText("paused" if self._paused else pace)

    def set_paused(self, paused: bool) -> None:
        """Say so; a Progress that was on its way when the run was held does not unsay it."""
        self._paused = paused
        if paused:
            self._pace.setText("paused")

    def end_run(self, text: str, hint: str = "") -> None:
        """No run goes on; the hint says what can be done on the map."""
        self._bar.hide()
        self._pace.setText("")
        self._say(text, hint)

    def show_map_time(self, seconds: float) -> None:
        self._map.setText(f"map {1000 * seconds:.1f} ms")

    def show_device(self, title: str) -> None:
        self._device.setText(title)

    def show_saved(self, text: str, tooltip: str) -> None:
        self._saved.setText(text)
        show_tip(self._saved, tooltip)

    def _say(self, text: str, hint: str = "") -> None:
        self._text, self._hint = text, hint
        self._where.setText(f"{text} · {hint}" if hint and self._hints_shown else text)
