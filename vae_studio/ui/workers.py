"""The three workers, all thin: they know threads and mailboxes, and nothing of what they run.

Each runs generators made elsewhere. An exception never ends a worker: it becomes a `failed` signal, as data.
Signals live on the QThread objects, which belong to the GUI thread; only `run` runs in the worker.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from vae_studio.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a worker: the exception, and its traceback as text for those who want it."""

    error: BaseException
    details: str

    @property
    def expected(self) -> bool:
        """Whether it is something that users can cause and mend."""
        return isinstance(self.error, UserError)

    @property
    def words(self) -> str:
        """What to tell people."""
        if self.expected:
            return str(self.error)
        kind = type(self.error).__name__
        return f"Something went wrong inside VAE Studio ({kind}: {self.error}). Nothing you saved is lost."

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        return cls(error, "".join(traceback.format_exception(error)))


class Trainer(QThread):
    """Pulls one long generator to its end. Pausing is not pulling.

    Signals: event(object), each item as it comes; failed(Failure); QThread's own `finished` at the very end.
    """

    event = Signal(object)
    failed = Signal(object)

    def __init__(self, begin: Callable[[], Iterator[Any]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("trainer")
        self._begin = begin
        self._pulling = threading.Event()
        self._pulling.set()

    @property
    def paused(self) -> bool:
        return not self._pulling.is_set()

    def pause(self) -> None:
        self._pulling.clear()

    def resume(self) -> None:
        self._pulling.set()

    def run(self) -> None:
        try:
            for item in self._begin():
                self.event.emit(item)
                self._pulling.wait()
        except Exception as error:
            self.failed.emit(Failure.of(error))


class Renderer(QThread):
    """Turns requests into frames; the latest request wins.

    `produce(request)` gives a generator of frames, or None where there is nothing to show; between two of them a
    newer request takes over. Signals: frame(object), failed(Failure).
    """

    frame = Signal(object)
    failed = Signal(object)

    def __init__(self, produce: Callable[[Any], Iterator[Any]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("renderer")
        self._produce = produce
        self._changed = threading.Condition()
        self._request: Any = None
        self._ending = False

    def submit(self, request: Any) -> None:
        """Ask for frames of this request, in place of any earlier one."""
        with self._changed:
            self._request = request
            self._changed.notify()

    def stop(self) -> None:
        """End after the frame in progress."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def run(self) -> None:
        while (request := self._take()) is not None:
            try:
                for frame in self._produce(request):
                    if frame is not None:
                        self.frame.emit(frame)
                    if self._request is not None or self._ending:
                        break
            except Exception as error:
                self.failed.emit(Failure.of(error))

    def _take(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._request is not None or self._ending)
            request, self._request = self._request, None
            return None if self._ending else request


@dataclass(frozen=True, eq=False)
class Job:
    """Work for the queue: `make()` gives a generator of progress (floats from 0 to 1) and then results.

    `done` is called in the GUI thread with each result, `failed` with a Failure, `progress` with each float.
    """

    make: Callable[[], Iterator[Any]]
    done: Callable[[Any], None]
    failed: Callable[[Failure], None]
    progress: Callable[[float], None] | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.cancelled.set()


class Jobs(QThread):
    """A queue of jobs, one after the other, each cancellable between two pieces of its work."""

    _said = Signal(object, object)

    def __init__(self, name: str = "jobs", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._ending = False
        self._said.connect(self._deliver)

    def submit(
        self,
        make: Callable[[], Iterator[Any]],
        done: Callable[[Any], None],
        failed: Callable[[Failure], None],
        progress: Callable[[float], None] | None = None,
    ) -> Job:
        """Put work into the queue; the callbacks come in the GUI thread."""
        job = Job(make, done, failed, progress)
        self._queue.put(job)
        return job

    def stop(self) -> None:
        """Cancel everything and end; nothing more is delivered, not even what is on its way."""
        self._ending = True
        self._queue.put(None)

    def run(self) -> None:
        while (job := self._queue.get()) is not None and not self._ending:
            try:
                items = iter(()) if job.cancelled.is_set() else job.make()
                for item in items:
                    if job.cancelled.is_set() or self._ending:
                        items.close()
                        break
                    self._said.emit(job, item)
            except Exception as error:
                self._said.emit(job, Failure.of(error))

    def _deliver(self, job: Job, item: Any) -> None:
        if job.cancelled.is_set() or self._ending:
            return
        if isinstance(item, Failure):
            job.failed(item)
        elif isinstance(item, float):
            if job.progress:
                job.progress(item)
        else:
            job.done(item)
