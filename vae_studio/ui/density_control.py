"""The density of the aggregate posterior in the window: made in a queue of jobs for what is visible of the map."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from vae_studio import tasks
from vae_studio.core.density import Density, Encoded
from vae_studio.core.exploration import Layers
from vae_studio.core.latent import Region
from vae_studio.core.plane import Plane
from vae_studio.core.scene import MapFrame, Scene, View
from vae_studio.ui.workers import Failure, Job, Jobs

_AT_REST_MS = 300  # after the last move, or the last tile of a map that is not complete
_LONGEST_WAIT = 3.0  # seconds that the tiles may keep it waiting
_SHORT_MS = 200  # what takes longer shows its progress
_SHARE = 0.1  # of the time, at most, goes into densities for new weights alone
_LEAST_PAUSE = 2.0  # seconds between two of these
_IMAGES, _IMAGES_OF_A_RUN = 10_000, 2_500  # encoded; fewer while training
_STEP = 4  # pixels a cell
_MARGIN = 0.25  # beyond each edge of the view, as a share of it, so that small pans need no other


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is being made, or was made: the density by this model over a region of a plane."""

    model: Any
    images: int
    plane: Plane
    view: View

    @property
    def region(self) -> Region:
        view = self.view
        wide, high = _MARGIN * (view.right - view.left), _MARGIN * (view.top - view.bottom)
        return Region(view.left - wide, view.right + wide, view.bottom - high, view.top + high)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return tuple(math.ceil(side * (1 + 2 * _MARGIN) / _STEP) for side in (self.view.width, self.view.height))

    def serves(self, other: _Asked) -> bool:
        """Whether it shows all that the other is to show, as finely."""
        same = self.model is other.model and self.images >= other.images and self.plane == other.plane
        region, view, finer = self.region, other.view, self.view.units_per_pixel / other.view.units_per_pixel
        inside = region.left <= view.left and view.right <= region.right
        inside = inside and region.bottom <= view.bottom and view.top <= region.top
        return same and inside and 0.75 <= finer <= 1.3


class DensityControl(QObject):
    """Keeps the density on the map that of the scene, while its layer is shown. `jobs` make it.

    It comes last: when the view rests and its tiles are there. New weights alone, as they come while training, renew it
    so rarely, and from so few images, that it takes a tenth of the time.
    Signals: `density_changed(Density or None)`; `busy_changed(bool)`, one that takes a while is being made, with its
    `progress(float)`; `refused(str)`, why there is none for this model, or "" where there may be one;
    `off_requested()`, the layer is to go: it was cancelled, or it `failed(Failure)`.
    """

    density_changed = Signal(object)
    busy_changed = Signal(bool)
    progress = Signal(float)
    refused = Signal(str)
    off_requested = Signal()
    failed = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._wanted = self._training = self._refusal = False
        self._scene: Scene | None = None
        self._encoded: tuple[Any, int, Encoded] | None = None  # by which model, how many were asked for
        self._made: _Asked | None = None
        self._making: _Asked | None = None
        self._job: Job | None = None
        self._began = self._moved = 0.0
        self._rest = QTimer(self, singleShot=True, interval=_AT_REST_MS)
        self._rest.timeout.connect(self._refresh)
        self._pause = QTimer(self, singleShot=True)
        self._pause.timeout.connect(self._refresh)
        self._long = QTimer(self, singleShot=True, interval=_SHORT_MS)
        self._long.timeout.connect(lambda: self.busy_changed.emit(True))

    # Values in

    def set_layers(self, layers: Layers) -> None:
        """The layer is shown, or not."""
        if layers.density == self._wanted:
            return
        self._wanted = layers.density
        if not self._wanted:
            self._forget()
            return
        if self._refusal:  # it is tried again
            self._refusal = False
            self.refused.emit("")
        self._refresh()

    def follow(self, scene: Scene) -> None:
        """The scene has changed: its model, its weights, its plane, its view, or nothing that matters here."""
        before, self._scene = self._scene, scene
        if before is None or before.version.lineage != scene.version.lineage:
            self._forget()
            self._encoded, self._refusal = None, False
            self.refused.emit("")
        elif before.plane != scene.plane:
            self._forget()
        if before is None or (before.plane, before.view) != (scene.plane, scene.view):
            self._moved = time.monotonic()
            self._wait()
        elif before.model is not scene.model and not (self._job or self._pause.isActive() or self._rest.isActive()):
            self._refresh()

    def take_map(self, frame: MapFrame) -> None:
        """Tiles come first: as long as some are missing, this waits."""
        if not frame.complete and self._rest.isActive() and time.monotonic() - self._moved < _LONGEST_WAIT:
            self._wait()

    def set_training(self, training: bool) -> None:
        """Weights come often now; or no more, and the last ones are worth all the images."""
        self._training = training
        if not training:
            self._wait()

    def cancel(self) -> None:
        """Make no more of it: the layer goes."""
        self._forget()
        self.off_requested.emit()

    def close(self) -> None:
        """The window closes."""
        for timer in (self._rest, self._pause, self._long):
            timer.stop()

    # What is to be made

    def _wait(self) -> None:
        if self._wanted:
            self._rest.start()

    def _refresh(self) -> None:
        """Make the density that is wanted now, unless it is there; what is under way for another is given up."""
        scene = self._scene
        if not self._wanted or self._refusal or scene is None or scene.view is None:
            return
        images = _IMAGES_OF_A_RUN if self._training else _IMAGES
        wanted = _Asked(scene.model, images, scene.plane, scene.view)
        if self._made is not None and self._made.serves(wanted):
            return
        if self._making is not None:
            if self._making.serves(wanted) or (self._making.model is not wanted.model and self._training):
                return  # its end asks again
            self._job.cancel()
        self._begin(wanted)

    def _begin(self, wanted: _Asked) -> None:
        self._making, self._began = wanted, time.monotonic()
        encoded = None
        if self._encoded is not None and self._encoded[0] is wanted.model and self._encoded[1] >= wanted.images:
            encoded = self._encoded[2]
        version, model = self._scene.version, wanted.model
        self._job = self._jobs.submit(
            lambda: tasks.density(model, version, wanted.plane, wanted.region, wanted.size, wanted.images, encoded),
            lambda item: self._take(wanted, item),
            self._fail,
            self.progress.emit,
        )
        if not self._long.isActive():
            self._long.start()

    def _take(self, made: _Asked, item: Encoded | Density) -> None:
        if isinstance(item, Encoded):
            self._encoded = made.model, made.images, item
            return
        taken = time.monotonic() - self._began
        self._made = made
        self.density_changed.emit(item)
        self._end()
        self._pause.start(round(1000 * max(_LEAST_PAUSE, taken * (1 / _SHARE - 1))))
        if made.model is self._scene.model and not self._rest.isActive():
            self._refresh()  # the view is another by now

    def _fail(self, failure: Failure) -> None:
        self._forget()
        if failure.expected:
            self._refusal = True
            self.refused.emit(failure.words)
        else:  # it would fail again at every move
            self.failed.emit(failure)
            self.off_requested.emit()

    def _end(self) -> None:
        self._job = self._making = None
        self._long.stop()
        self.busy_changed.emit(False)

    def _forget(self) -> None:
        """There is none to show."""
        if self._job is not None:
            self._job.cancel()
            self._end()
        self._rest.stop()
        self._pause.stop()
        if self._made is not None:
            self._made = None
            self.density_changed.emit(None)
