"""Samples in the window: what the panel asks for, made in a queue of jobs, and again for newer weights or points."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from vae_studio import tasks
from vae_studio.core.samples import Mixture, OfClass, SampleError, SampleRequest, SampleSheet, Source
from vae_studio.core.scene import Scene
from vae_studio.ui.sample_panel import SamplePanel
from vae_studio.ui.workers import Failure, Job, Jobs

_AT_REST_MS = 300  # after the point's last move samples around it are drawn
_SHARE = 0.25  # of the time, at most, goes into sheets for new weights alone
_SHORT_MS = 200  # what takes longer shows its progress


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is being made, or was made: this request, by this model."""

    model: Any
    request: SampleRequest

    def same_as(self, other: _Asked | None) -> bool:
        return other is not None and self.model is other.model and self.request == other.request


class SampleControl(QObject):
    """Keeps the sheet on `panel` that of the scene, while it is seen. `jobs` make it.

    A request takes over as soon as what is under way ends, at once where a class is being fitted. New weights alone,
    as they come while training, draw the same sheet again, but so rarely that it takes a quarter of the time at most.
    Signals: `point_chosen(tuple of floats)`; `failed(Failure)`.
    """

    point_chosen = Signal(object)
    failed = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.panel = SamplePanel()
        self._scene: Scene | None = None
        self._job: Job | None = None
        self._making: _Asked | None = None
        self._made: _Asked | None = None  # shown, or given up by the user
        self._refused: SampleRequest | None = None  # cancelled or failed: not asked again by new weights alone
        self._fitted: tuple[Any, Source, Mixture] | None = None  # with whose weights, for which class
        self._nameless = False  # the classes of this model have not come yet
        self._began = 0.0
        self._rest = QTimer(self, singleShot=True, interval=_AT_REST_MS)
        self._rest.timeout.connect(self._refresh)
        self._pause = QTimer(self, singleShot=True)  # between sheets for new weights alone
        self._pause.timeout.connect(self._take_weights)
        self._long = QTimer(self, singleShot=True, interval=_SHORT_MS)
        self._long.timeout.connect(self.panel.begin)
        self.panel.request_changed.connect(self._ask)
        self.panel.cancel_requested.connect(self._cancel)
        self.panel.appeared.connect(self._appear)
        self.panel.point_chosen.connect(self.point_chosen)

    # Values in

    def follow(self, scene: Scene) -> None:
        """The scene has changed: its model, its weights, its point, or nothing that matters here."""
        before, self._scene = self._scene, scene
        if before is None or before.version.lineage != scene.version.lineage:
            self._forget()
            self._nameless = True
            self.panel.set_model(scene.model.config, *scene.model.image_shape[1:])
        if before is None or before.point != scene.point:
            self.panel.set_point(scene.point)
            if self.panel.choices.follows_point:
                self._rest.start()
        if before is None or before.model is not scene.model:
            self._take_weights()

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """The classes that there are training images of, by number; "" for absent ones."""
        self._nameless = False
        self.panel.set_class_names(names)
        self._take_weights()  # samples of a class waited for them

    def new_samples(self) -> None:
        """Another sheet, by the next seed."""
        self.panel.choices.next_seed()

    def close(self) -> None:
        """The window closes."""
        for timer in (self._rest, self._pause, self._long):
            timer.stop()

    # What is to be made

    def _ask(self) -> None:
        """The user wants something: at once, and even what was cancelled before, or whatever classes there are."""
        self._nameless = False
        self._appear()

    def _appear(self) -> None:
        self._refused = None
        self._refresh()

    def _take_weights(self) -> None:
        if self._job is None and not (self._pause.isActive() or self._rest.isActive()):
            self._refresh()

    def _refresh(self) -> None:
        """Make the sheet that is wanted now, unless it is there, or something else has to end first."""
        wanted = self._wanted()
        if wanted is None or wanted.same_as(self._made) or wanted.same_as(self._making):
            return
        if wanted.request == self._refused:
            return
        if self._nameless and isinstance(wanted.request.source, OfClass):
            return  # the class chosen for the model before may not be one of this model
        if self._job is not None:
            source = self._making.request.source
            if not isinstance(source, OfClass) or wanted.request.source == source:
                return  # it ends soon, or what it fits is wanted, and then this comes
            self._job.cancel()
        self._begin(wanted)

    def _wanted(self) -> _Asked | None:
        """What the panel is to show; None while it is not seen."""
        if self._scene is None or not self.panel.isVisible():
            return None
        try:
            return _Asked(self._scene.model, self.panel.request(self._scene.point))
        except SampleError as error:
            self.panel.end(str(error))
            return None

    def _begin(self, wanted: _Asked) -> None:
        self._making, self._began = wanted, time.monotonic()
        source, fitted = wanted.request.source, None
        if self._fitted is not None and self._fitted[0] is wanted.model and self._fitted[1] == source:
            fitted = self._fitted[2]
        self._job = self._jobs.submit(
            lambda: tasks.sample(wanted.model, wanted.request, fitted),
            lambda sheet: self._take(wanted, sheet),
            self._fail,
            self.panel.show_progress,
        )
        if not self._long.isActive():
            self._long.start()

    def _take(self, made: _Asked, sheet: SampleSheet) -> None:
        taken = time.monotonic() - self._began
        self._made = made
        if sheet.mixture is not None:
            self._fitted = made.model, made.request.source, sheet.mixture
        self.panel.show_sheet(sheet)
        self._end()
        self._pause.start(round(1000 * taken * (1 / _SHARE - 1)))
        wanted = self._wanted()
        if wanted is not None and wanted.request != made.request and not self._rest.isActive():
            self._refresh()  # asked for meanwhile

    def _fail(self, failure: Failure) -> None:
        self._refused = self._making.request
        self._end("not done")
        self.failed.emit(failure)

    def _cancel(self) -> None:
        if self._job is not None:
            wanted = self._wanted()  # what would come next, too
            self._refused = wanted.request if wanted else None
            self._job.cancel()
            self._end("cancelled")

    def _end(self, words: str = "") -> None:
        self._job = self._making = None
        self._long.stop()
        self.panel.end(words)

    def _forget(self) -> None:
        """Samples of another model."""
        if self._job is not None:
            self._job.cancel()
            self._end()
        self._made = self._refused = self._fitted = None
        self._rest.stop()
        self._pause.stop()
