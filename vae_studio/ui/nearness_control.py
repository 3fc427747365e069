"""Which encodings are near which tile: what the map needs to dim those far from all."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from vae_studio import tasks
from vae_studio.core.exploration import Layers
from vae_studio.core.nearness import Surroundings
from vae_studio.core.plane import Seen
from vae_studio.core.scene import EncodingsFrame, Scene
from vae_studio.ui.workers import Failure, Job, Jobs

_PAUSE_MS = 1000  # between two measurements of what is near, as weights change


class NearnessControl(QObject):
    """Keeps the surroundings of the map those of the latest encodings, while tiles are to be dimmed.

    What counts as near, `jobs` find out. Signals: `surroundings_changed(Surroundings or None)`; `failed(Failure)`.
    """

    surroundings_changed = Signal(object)
    failed = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._wanted = False
        self._scene: Scene | None = None
        self._means: np.ndarray | None = None
        self._measured: np.ndarray | None = None  # the means that `_near` is of
        self._near: float | None = None
        self._seen: tuple[np.ndarray | None, Seen | None] = (None, None)  # which means, and from the plane of the map
        self._job: Job | None = None
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._measure)

    def set_layers(self, layers: Layers) -> None:
        """Tiles are to be dimmed, or not."""
        if layers.dimmed != self._wanted:
            self._wanted = layers.dimmed
            self._measure()
            self._tell()

    def follow(self, scene: Scene) -> None:
        """The scene has changed: its model, the plane, the point beside it, or nothing that matters here."""
        before, self._scene = self._scene, scene
        if before is not None and before.version.lineage != scene.version.lineage:
            self._forget()
            self._tell()
        elif self._wanted and before is not None and not _same_plane(before, scene):
            self._tell()

    def take_encodings(self, frame: EncodingsFrame) -> None:
        if frame.version.lineage != self._scene.version.lineage:
            return  # by the model before
        self._means = frame.means
        if not self._pause.isActive():
            self._measure()
        self._tell()

    def close(self) -> None:
        """The window closes."""
        self._pause.stop()

    def _forget(self) -> None:
        """What is known, or being measured, is of another model."""
        if self._job is not None:
            self._job.cancel()
        self._means = self._measured = self._near = self._job = None
        self._seen = (None, None)
        self._pause.stop()

    def _measure(self) -> None:
        means = self._means
        if self._wanted and means is not None and means is not self._measured and self._job is None:
            self._measured = means
            self._job = self._jobs.submit(lambda: tasks.spacing(means), self._take, self._fail)

    def _take(self, near: tuple[float]) -> None:
        self._job = None
        self._near = near[0]
        self._tell()
        self._pause.start()

    def _fail(self, failure: Failure) -> None:
        self._job = None
        self.failed.emit(failure)

    def _tell(self) -> None:
        if not self._wanted or self._means is None or self._near is None:
            self.surroundings_changed.emit(None)
            return
        plane, point = self._scene.plane, self._scene.point
        means, seen = self._seen
        if means is not self._means or seen.plane != plane:
            seen = Seen.of(plane, self._means)
            self._seen = self._means, seen
        self.surroundings_changed.emit(Surroundings.seen_from(seen, point, self._near))


def _same_plane(before: Scene, scene: Scene) -> bool:
    """Whether both maps show the same points."""
    if before.plane != scene.plane or before.point is scene.point:
        return before.plane == scene.plane
    return scene.plane.has_one_parallel(before.point, scene.point)
