"""What counts as near, with the real queue of jobs: that of the encodings on view, never of another model's."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from vae_studio.core.exploration import Layers
from vae_studio.core.nearness import spacing
from vae_studio.core.plane import Plane
from vae_studio.core.scene import EncodingsFrame, Scene, Version
from vae_studio.ui.nearness_control import NearnessControl
from vae_studio.ui.workers import Jobs

WAIT = 60_000
IMAGES = np.zeros((50, 28, 28), np.uint8)


@pytest.fixture
def jobs(qtbot):
    jobs = Jobs("layer jobs")
    jobs.start()
    yield jobs
    jobs.stop()
    assert jobs.wait(WAIT)


def test_what_is_near_for_one_model_is_never_used_for_another(jobs, qtbot):
    control, said, failures, gate = NearnessControl(jobs), [], [], threading.Event()
    control.surroundings_changed.connect(said.append)
    control.failed.connect(failures.append)
    scene = Scene("a model", Version(0, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2))
    control.follow(scene)

    def show(lineage: int, wide: float) -> np.ndarray:
        means = np.random.default_rng(lineage).normal(size=(50, 2), scale=wide).astype(np.float32)
        control.follow(replace(scene, version=Version(lineage, 0)))
        assert said[-1] is None, "nothing is known of this model"
        control.take_encodings(EncodingsFrame(Version(lineage, 0), IMAGES, means))
        return means

    def is_known(means: np.ndarray) -> bool:
        return said[-1] is not None and np.array_equal(said[-1].places, means)

    try:
        jobs.submit(lambda: iter([gate.wait(WAIT / 1000)]), lambda _: None, failures.append)
        control.set_layers(Layers(dimmed=True))
        show(1, 0.01)  # its measurement waits behind the gate
        second = show(2, 1.0)
        gate.set()
        qtbot.waitUntil(lambda: is_known(second), timeout=WAIT)
        third = show(3, 20.0)  # right after an answer, in the pause between two measurements of the same model
        qtbot.waitUntil(lambda: is_known(third), timeout=WAIT)
        control.set_layers(Layers())
        assert said[-1] is None
        fourth = show(4, 3.0)
        control.take_encodings(EncodingsFrame(Version(3, 1), IMAGES, third))  # a frame that comes late
        control.set_layers(Layers(dimmed=True))
        qtbot.waitUntil(lambda: is_known(fourth), timeout=WAIT)
    finally:
        gate.set()
        control.close()
    for surroundings in filter(None, said):
        assert surroundings.near == pytest.approx(spacing(surroundings.places))
    assert not failures
