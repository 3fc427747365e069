"""Evaluation from the window: its panel, and the queue of jobs that computes what it asks for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.core.figures import EvaluationRequest, Report
from vae_studio.ui.controls import duration
from vae_studio.ui.evaluate_panel import EvaluatePanel
from vae_studio.ui.evaluate_table import Subject
from vae_studio.ui.workers import Failure, Job, Jobs

_LOOK_BACK = 6.0  # seconds over which the pace is judged
_TOO_SHORT = 0.5


class EvaluateControl(QObject):
    """Evaluates the model that was looked at when Evaluate was pressed, whatever happens to it meanwhile.

    `panel` is the EvaluatePanel. Signal: `failed(Failure)`.
    """

    failed = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.panel = EvaluatePanel()
        self._jobs = jobs
        self._subject: Subject | None = None
        self._job: Job | None = None  # the one under way
        self._pace = Pace()
        self._reported = 0.0  # when the newest figures came
        self.panel.evaluate_requested.connect(self._start)
        self.panel.cancel_requested.connect(self._cancel)

    def look_at(self, opened: tasks.OpenedModel, step: int | None = None) -> None:
        """This model is looked at; `step` is that of a snapshot whose run goes on."""
        model, before = opened.model, self._subject
        self._subject = Subject(model, opened.name, step)
        self.panel.set_subject(self._subject)
        if before is not None and before.config != model.config:
            self.panel.set_pace(None)
        if before is None or before.config.data != model.config.data:
            self._jobs.submit(
                lambda: tasks.count_images(model),
                lambda counts: self.panel.set_counts(counts.test, counts.train, counts.default),
                self.failed.emit,
            )

    def _start(self, request: EvaluationRequest) -> None:
        subject, self._pace = self._subject, Pace()
        self.panel.begin()
        self._job = self._jobs.submit(
            lambda: tasks.evaluate(subject.model, request),
            lambda found: self._take(subject, found),
            self._fail,
            lambda fraction: self.panel.show_progress(fraction, self._pace.seconds_left(fraction)),
        )

    def _take(self, subject: Subject, found: Report | tasks.Evaluated) -> None:
        if isinstance(found, tasks.Evaluated):
            self._end(f"done in {duration(found.seconds)}")
            return
        self._pace.restart()
        self.panel.show_report(subject, found)
        if found.likelihood and not found.naive and subject.config == self._subject.config:
            taken = time.monotonic() - self._reported
            self.panel.set_pace(taken / (found.likelihood.images * found.likelihood.samples))
        self._reported = time.monotonic()

    def _fail(self, failure: Failure) -> None:
        self._end("not done")
        self.failed.emit(failure)

    def _cancel(self) -> None:
        self._job.cancel()
        self._end("cancelled")

    def _end(self, words: str) -> None:
        self._job = None
        self.panel.end(words)


class Pace:
    """How long the rest takes if it goes as fast as the last few seconds did."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: deque[tuple[float, float]] = deque()

    def restart(self) -> None:
        """What comes now has a pace of its own."""
        self._marks.clear()

    def seconds_left(self, fraction: float) -> float | None:
        """After this fraction, 0 to 1, of it all; None before that can be told."""
        now = self._clock()
        self._marks.append((now, fraction))
        while len(self._marks) > 2 and now - self._marks[1][0] > _LOOK_BACK:
            self._marks.popleft()
        began, before = self._marks[0]
        if now - began < _TOO_SHORT or fraction <= before:
            return None
        return (1.0 - fraction) * (now - began) / (fraction - before)
