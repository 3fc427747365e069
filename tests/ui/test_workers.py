"""The three workers, with real threads: what they deliver, in which order, in which thread, and how they end."""

from __future__ import annotations

import gc
import sys
import threading
import time

import pytest
from leftovers import Leftovers
from PySide6.QtCore import QObject, QThread
from PySide6.QtWidgets import QWidget

from vae_studio.core.errors import UserError
from vae_studio.ui.workers import Failure, Jobs, Renderer, Trainer

SECONDS_30 = 30_000


class Listener(QObject):
    """Notes what it is sent and the thread it is sent in."""

    def __init__(self):
        super().__init__()
        self.items, self.threads = [], set()

    def take(self, item):
        self.items.append(item)
        self.threads.add(threading.get_ident())


class Call:
    """A piece of work that waits in the worker's thread until it is let go."""

    def __init__(self):
        self.entered, self.let_go = threading.Event(), threading.Event()

    def __call__(self):
        self.entered.set()
        assert self.let_go.wait(30)


@pytest.fixture
def listen():
    return Listener()


@pytest.fixture
def errors():
    return Listener()


@pytest.fixture
def trainer_of(qtbot, listen, errors):
    made = []

    def make(begin):
        trainer = Trainer(begin)
        trainer.event.connect(listen.take)
        trainer.failed.connect(errors.take)
        made.append(trainer)
        return trainer

    yield make
    for trainer in made:
        trainer.resume()
        assert trainer.wait(30_000)


@pytest.fixture
def renderer_of(qtbot, listen, errors):
    made = []

    def make(produce):
        renderer = Renderer(produce)
        renderer.frame.connect(listen.take)
        renderer.failed.connect(errors.take)
        renderer.start()
        made.append(renderer)
        return renderer

    yield make
    for renderer in made:
        renderer.stop()
        assert renderer.wait(30_000)


@pytest.fixture
def jobs(qtbot):
    jobs = Jobs()
    jobs.start()
    yield jobs
    jobs.stop()
    assert jobs.wait(30_000)


# Trainer


def test_items_come_in_order_to_the_thread_of_the_window(trainer_of, listen, errors, qtbot):
    worker = []

    def items():
        worker.append(threading.get_ident())
        yield from range(500)

    trainer = trainer_of(items)
    with qtbot.waitSignal(trainer.finished, timeout=SECONDS_30):
        trainer.start()
    assert listen.items == list(range(500))
    assert listen.threads == {threading.get_ident()}
    assert worker != [threading.get_ident()]
    assert errors.items == []


def test_pausing_is_not_pulling(trainer_of, listen, qtbot):
    pulls = []

    def items():
        while len(pulls) < 100_000:
            pulls.append(None)
            time.sleep(0.001)
            yield len(pulls)

    trainer = trainer_of(items)
    trainer.start()
    qtbot.waitUntil(lambda: len(listen.items) >= 5, timeout=SECONDS_30)
    assert not trainer.paused
    trainer.pause()
    before = len(pulls)
    assert trainer.paused
    qtbot.wait(300)
    assert len(pulls) <= before + 1, "the one that was begun, and no more"
    trainer.resume()
    qtbot.waitUntil(lambda: len(listen.items) >= before + 5, timeout=SECONDS_30)
    assert listen.items == list(range(1, len(listen.items) + 1))
    pulls += [None] * 100_000


def test_paused_before_it_begins(trainer_of, listen, qtbot):
    trainer = trainer_of(lambda: iter("abc"))
    trainer.pause()
    trainer.start()
    qtbot.waitUntil(lambda: listen.items == ["a"], timeout=SECONDS_30)
    qtbot.wait(100)
    assert listen.items == ["a"]
    with qtbot.waitSignal(trainer.finished, timeout=SECONDS_30):
        trainer.resume()
    assert listen.items == ["a", "b", "c"]


def test_an_exception_is_data_and_comes_after_the_items(trainer_of, listen, errors, qtbot):
    def items():
        yield "one"
        raise ZeroDivisionError("division by nothing")

    errors.items = listen.items
    trainer = trainer_of(items)
    with qtbot.waitSignal(trainer.finished, timeout=SECONDS_30):
        trainer.start()
    one, failure = listen.items
    assert one == "one"
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, ZeroDivisionError)
    assert errors.threads == {threading.get_ident()}
    assert not failure.expected
    assert "ZeroDivisionError: division by nothing" in failure.words
    assert "in items" in failure.details
    assert failure.details.rstrip().endswith("division by nothing")


def test_what_users_can_mend_is_said_as_it_is(trainer_of, errors, qtbot):
    def begin():
        raise UserError("The disk is full.")

    trainer = trainer_of(begin)
    with qtbot.waitSignal(trainer.finished, timeout=SECONDS_30):
        trainer.start()
    (failure,) = errors.items
    assert failure.expected
    assert failure.words == "The disk is full."


@pytest.mark.parametrize("failing", [True, False])
def test_the_generators_last_words_are_spoken(trainer_of, failing):
    closed = threading.Event()

    def items():
        try:
            yield 1
            if failing:
                raise ValueError("not that")
        finally:
            closed.set()

    trainer = trainer_of(items)
    trainer.start()
    assert trainer.wait(30_000)
    assert closed.is_set()


# Renderer


def test_the_latest_request_wins(renderer_of, listen, qtbot):
    taken, first = [], Call()

    def produce(request):
        taken.append(request)
        if request == 0:
            first()
        yield f"{request}a"
        yield f"{request}b"

    renderer = renderer_of(produce)
    renderer.submit(0)
    assert first.entered.wait(30)
    for request in range(1, 100):
        renderer.submit(request)
    first.let_go.set()
    qtbot.waitUntil(lambda: listen.items[-1:] == ["99b"], timeout=SECONDS_30)
    assert taken == [0, 99], "requests that were overtaken are not even begun"
    assert listen.items == ["0a", "99a", "99b"], "the frame in progress is delivered, the rest of it is not"
    assert listen.threads == {threading.get_ident()}


def test_a_stream_of_requests_is_followed_to_its_end(renderer_of, listen, qtbot):
    def produce(request):
        for part in range(3):
            time.sleep(0.005)
            yield request, part

    renderer = renderer_of(produce)
    for request in range(100):
        renderer.submit(request)
        time.sleep(0.001)
    qtbot.waitUntil(lambda: listen.items[-1:] == [(99, 2)], timeout=SECONDS_30)
    requests = [request for request, _ in listen.items]
    assert requests == sorted(requests), "a frame of an older request never follows one of a newer"
    assert len(set(requests)) < 50
    for request in set(requests) - {99}:
        # One may just have been complete when the next came.
        assert [part for r, part in listen.items if r == request] in ([0], [0, 1], [0, 1, 2])


def test_nothing_to_show_is_not_shown(renderer_of, listen, qtbot):
    def produce(request):
        yield None
        yield request
        yield None

    renderer = renderer_of(produce)
    renderer.submit("x")
    qtbot.waitUntil(lambda: bool(listen.items), timeout=SECONDS_30)
    renderer.submit("y")
    qtbot.waitUntil(lambda: len(listen.items) == 2, timeout=SECONDS_30)
    assert listen.items == ["x", "y"]


def test_a_newer_request_takes_over_where_there_is_nothing_to_show(renderer_of, listen, qtbot):
    began, closed = threading.Event(), threading.Event()

    def produce(request):
        if request == "new":
            yield request
            return
        try:
            while True:
                began.set()
                time.sleep(0.001)
                yield None
        finally:
            closed.set()

    renderer = renderer_of(produce)
    renderer.submit("old")
    assert began.wait(30)
    renderer.submit("new")
    qtbot.waitUntil(lambda: listen.items == ["new"], timeout=SECONDS_30)
    assert closed.is_set()


def test_a_renderer_outlives_its_failures(renderer_of, listen, errors, qtbot):
    def produce(request):
        if request == "at once":
            raise UserError("There is no such device.")
        yield request
        if request == "midway":
            raise MemoryError("all gone")

    renderer = renderer_of(produce)
    for count, request in enumerate(("at once", "midway"), 1):
        renderer.submit(request)
        qtbot.waitUntil(lambda count=count: len(errors.items) == count, timeout=SECONDS_30)
    renderer.submit("well")
    qtbot.waitUntil(lambda: listen.items == ["midway", "well"], timeout=SECONDS_30)
    assert [failure.expected for failure in errors.items] == [True, False]
    assert errors.items[0].words == "There is no such device."
    assert "MemoryError: all gone" in errors.items[1].words
    assert errors.threads == {threading.get_ident()}


@pytest.mark.parametrize("busy", [True, False])
def test_a_renderer_stops_at_once(qtbot, busy):
    def produce(_):
        while True:
            time.sleep(0.005)
            yield None

    took = []
    for _ in range(5):
        renderer = Renderer(produce)
        renderer.start()
        if busy:
            renderer.submit("for ever")
            time.sleep(0.02)
        began = time.perf_counter()
        renderer.stop()
        assert renderer.wait(30_000)
        took.append(time.perf_counter() - began)
    # The machine may be busy with other things: once undisturbed is enough.
    assert min(took) < 0.1


def test_a_renderer_with_nothing_to_do_does_nothing(renderer_of, listen, qtbot):
    renderer = renderer_of(iter)
    renderer.submit(["one"])
    qtbot.waitUntil(lambda: bool(listen.items), timeout=SECONDS_30)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


# Jobs


def test_jobs_run_one_after_the_other_and_answer_in_the_window(jobs, qtbot):
    running, said, threads = [], [], []

    def work(name):
        running.append(f"{name} begins")
        yield 0.25
        yield f"{name} first"
        yield 1.0
        yield f"{name} second"
        running.append(f"{name} ends")

    def note(what):
        said.append(what)
        threads.append(threading.get_ident())

    for name in "abc":
        jobs.submit(lambda name=name: work(name), note, note, note if name != "b" else None)
    qtbot.waitUntil(lambda: said[-1:] == ["c second"], timeout=SECONDS_30)
    assert running == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
    assert said[:4] == [0.25, "a first", 1.0, "a second"]
    assert said[4:6] == ["b first", "b second"], "progress that nobody asked for is dropped"
    assert said[6:] == [0.25, "c first", 1.0, "c second"]
    assert set(threads) == {threading.get_ident()}


def test_a_cancelled_job_never_begins(jobs, qtbot):
    said, first, begun = [], Call(), []

    def hold():
        first()
        yield "held"

    def work(name):
        begun.append(name)
        yield name

    jobs.submit(hold, said.append, said.append)
    assert first.entered.wait(30)
    job = jobs.submit(lambda: work("cancelled"), said.append, said.append, said.append)
    jobs.submit(lambda: work("last"), said.append, said.append)
    job.cancel()
    first.let_go.set()
    qtbot.waitUntil(lambda: said[-1:] == ["last"], timeout=SECONDS_30)
    assert said == ["held", "last"]
    assert begun == ["last"]


def test_a_job_cancelled_midway_is_closed_and_says_no_more(jobs, qtbot):
    said, midway, closed = [], Call(), threading.Event()

    def work():
        try:
            yield 0.5
            midway()
            yield 0.75
            pytest.fail("it went on after it was cancelled")
        finally:
            closed.set()

    job = jobs.submit(work, said.append, said.append, said.append)
    assert midway.entered.wait(30)
    # The first progress lies in the queue of the window's thread: it is not delivered any more either.
    job.cancel()
    midway.let_go.set()
    assert closed.wait(30)
    jobs.submit(lambda: iter(["next"]), said.append, said.append)
    qtbot.waitUntil(lambda: said[-1:] == ["next"], timeout=SECONDS_30)
    assert said == ["next"]


def test_cancelling_what_is_done_harms_nobody(jobs, qtbot):
    said = []
    job = jobs.submit(lambda: iter(["one"]), said.append, said.append)
    qtbot.waitUntil(lambda: said == ["one"], timeout=SECONDS_30)
    job.cancel()
    jobs.submit(lambda: iter(["two"]), said.append, said.append)
    qtbot.waitUntil(lambda: said == ["one", "two"], timeout=SECONDS_30)


def test_a_job_that_fails_says_so_and_the_next_one_runs(jobs, qtbot):
    results, failures, threads = [], [], []

    def work():
        yield "half"
        raise UserError("The folder is gone.")

    def broken():
        raise KeyError("nobody")

    def note(failure):
        failures.append(failure)
        threads.append(threading.get_ident())

    jobs.submit(work, results.append, note)
    jobs.submit(broken, results.append, note)
    jobs.submit(lambda: iter(["well"]), results.append, note)
    qtbot.waitUntil(lambda: results[-1:] == ["well"], timeout=SECONDS_30)
    assert results == ["half", "well"]
    assert [failure.expected for failure in failures] == [True, False]
    assert failures[0].words == "The folder is gone."
    assert "broken" in failures[1].details
    assert set(threads) == {threading.get_ident()}


def test_stopping_cancels_everything(qtbot):
    said, midway, closed, begun = [], Call(), threading.Event(), []

    def work():
        try:
            yield "delivered too late"
            midway()
            yield "never"
        finally:
            closed.set()

    def waiting():
        begun.append(True)
        yield "neither"

    jobs = Jobs()
    jobs.start()
    jobs.submit(work, said.append, said.append)
    jobs.submit(waiting, said.append, said.append)
    assert midway.entered.wait(30)
    jobs.stop()
    midway.let_go.set()
    assert jobs.wait(30_000)
    qtbot.wait(50)
    assert closed.is_set()
    assert begun == []
    assert said == [], "nothing is delivered to a window that has gone"


def test_work_handed_in_before_the_start_is_done(qtbot):
    jobs, said = Jobs(), []
    jobs.submit(lambda: iter(["early"]), said.append, said.append)
    jobs.start()
    qtbot.waitUntil(lambda: said == ["early"], timeout=SECONDS_30)
    jobs.stop()
    assert jobs.wait(30_000)


# All of them


def test_none_keeps_its_references(trainer_of, renderer_of, jobs, listen, qtbot):
    """PySide6 6.12.0 under Python 3.11 lost a reference to None with every signal, until the interpreter aborted."""

    def send(count):
        trainer = trainer_of(lambda: iter(range(count)))
        with qtbot.waitSignal(trainer.finished, timeout=SECONDS_30):
            trainer.start()
        renderer = renderer_of(iter)
        before = len(listen.items)
        renderer.submit(range(count))
        qtbot.waitUntil(lambda: len(listen.items) == before + count, timeout=SECONDS_30)
        said = []
        jobs.submit(lambda: iter(range(count)), said.append, said.append)
        qtbot.waitUntil(lambda: len(said) == count, timeout=SECONDS_30)

    send(10)
    gc.collect()
    before = sys.getrefcount(None)
    send(3000)
    gc.collect()
    assert abs(sys.getrefcount(None) - before) < 300


def test_what_a_test_leaves_behind_is_named(qtbot):
    call = Call()

    class Idler(QThread):
        def run(self):
            call()

    with Leftovers() as left:
        assert left.names() == []
        thread, window = Idler(), QWidget()
        thread.setObjectName("idler")
        window.setObjectName("forgotten")
        thread.start()
        with qtbot.waitExposed(window):
            window.show()
        assert left.names() == ["Idler “idler”", "QWidget “forgotten”"]
        window.close()
        call.let_go.set()
        assert thread.wait(30_000)
        assert left.names() == []
