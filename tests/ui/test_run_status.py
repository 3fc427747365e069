"""The status bar: numbers in, words out."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel, QProgressBar

from vae_studio.core.events import Progress
from vae_studio.ui.run_status import RunStatus, duration

THIN_SPACE = "\u2009"


def progress(step, total_steps=24_000, steps_per_epoch=240, speed=5900.4, left=3.2):
    return Progress(
        step=step,
        total_steps=total_steps,
        epoch=step / steps_per_epoch,
        steps=np.array([step]),
        reconstruction=np.array([130.0], np.float32),
        kl=np.array([7.0], np.float32),
        objective=np.array([137.0], np.float32),
        kl_per_dim=np.array([3.5, 3.5], np.float32),
        learning_rate=1e-3,
        beta=1.0,
        steps_per_second=speed,
        seconds_left=left,
    )


@pytest.fixture
def status(qtbot):
    status = RunStatus()
    qtbot.addWidget(status)
    status.resize(1100, 28)
    with qtbot.waitExposed(status):
        status.show()
    return status


def words(status):
    """All that can be read, from left to right."""
    labels = [found for found in status.findChildren(QLabel) if found.isVisible() and found.text()]
    return [found.text() for found in sorted(labels, key=lambda found: found.mapTo(status, found.pos()).x())]


def bar(status):
    return status.findChild(QProgressBar, "progress_bar")


def test_before_anything_runs(status):
    assert words(status) == ["Opening…"]
    assert not bar(status).isVisible()
    status.show_text("Exploring 2-D explorer")
    assert words(status) == ["Exploring 2-D explorer"]


def test_a_hint_on_the_map_is_read_only_while_the_map_is_seen(status):
    status.end_run("Exploring 2-D explorer", "wheel to zoom")
    assert words(status) == ["Exploring 2-D explorer · wheel to zoom"]
    status.show_hints(False)
    assert words(status) == ["Exploring 2-D explorer"]
    status.show_hints(True)
    assert words(status) == ["Exploring 2-D explorer · wheel to zoom"]
    status.show_text("Opening…")
    status.show_hints(True)
    assert words(status) == ["Opening…"]


@pytest.mark.parametrize(
    "step, epoch", [(1, 1), (239, 1), (240, 2), (4799, 20), (4800, 21), (23_999, 100), (24_000, 100)]
)
def test_how_far_the_run_is(status, step, epoch):
    status.show_progress(progress(step))
    assert bar(status).isVisible()
    assert bar(status).value() == round(bar(status).maximum() * step / 24_000)
    assert words(status) == [f"epoch {epoch} of 100", f"5{THIN_SPACE}900 steps/s · 3 s left"]


def test_before_the_first_step(status):
    """A run that is stopped at once reports that it made no step."""
    status.show_text("Preparing…")
    status.show_progress(progress(0, speed=0.0, left=None))
    assert bar(status).isVisible()
    assert bar(status).value() == 0
    assert words(status)[0] == "Preparing…"


def test_before_the_time_left_is_known(status):
    status.show_progress(progress(1, speed=0.0, left=None))
    assert "left" not in " ".join(words(status))


def test_step_by_step_there_is_no_rate(status):
    status.show_progress(progress(1234, speed=0.0, left=None))
    assert words(status) == ["epoch 6 of 100", f"step 1{THIN_SPACE}234"]


def test_the_end_of_a_run(status):
    status.show_progress(progress(500))
    status.end_run("Trained 100 epochs.")
    assert words(status) == ["Trained 100 epochs."]
    assert not bar(status).isVisible()


def test_what_stands_on_the_right(status):
    status.show_map_time(0.00123)
    status.show_device("CPU · 2 cores")
    status.show_saved("model saved", "/runs/1/model.safetensors")
    assert words(status) == ["Opening…", "map 1.2 ms", "CPU · 2 cores", "model saved"]
    saved = next(found for found in status.findChildren(QLabel) if found.text() == "model saved")
    assert saved.toolTip() == "/runs/1/model.safetensors"


@pytest.mark.parametrize(
    "seconds, said",
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3599.7, "1 h 0 min"),
        (4800, "1 h 20 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said
