"""The window's workers together: the renderer and the queues of jobs, begun after the first paint."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.ui.workers import Jobs, Renderer


class Crew(QObject):
    """`renderer` draws the scenes; `jobs` is the queue for what is short. Each queue has a thread of its own, so that
    what is long in one holds up no other.

    Signals: `devices_found(list of (choice, title))`, the best first; `failed(Failure)`.
    """

    devices_found = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.renderer = Renderer(tasks.Frames(), parent)
        self._queues: list[Jobs] = []
        self._warm = False
        self.jobs = self.queue("jobs")

    def queue(self, name: str) -> Jobs:
        """A new queue of jobs, for use from now on; it begins with the others."""
        jobs = Jobs(name, self.parent())
        self._queues.append(jobs)
        return jobs

    def start(self) -> None:
        for worker in (self.renderer, *self._queues):
            worker.start()

    def warm_up(self) -> None:
        """After the first model, do once what later takes no time then."""
        if not self._warm:
            self._warm = True
            self.jobs.submit(tasks.find_devices, self.devices_found.emit, self.failed.emit)
            self.jobs.submit(tasks.warm_up, self.failed.emit, self.failed.emit)

    def stop(self) -> None:
        """End them all, and wait until they have."""
        workers = (self.renderer, *self._queues)
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.wait()
