"""What combining leaves to the queue of jobs, with the real session and queue."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import small_models
from PySide6.QtWidgets import QComboBox

from vae_studio import tasks
from vae_studio.core import datasets
from vae_studio.core.attributes import measure
from vae_studio.core.config import DataConfig
from vae_studio.core.scene import EncodingsFrame, TestImages, Version
from vae_studio.ui.combine_control import CombineControl
from vae_studio.ui.session import Session
from vae_studio.ui.workers import Jobs

WAIT = 60_000


def test_measuring_images_holds_up_no_random_point_and_is_given_up_when_another_model_comes(qtbot) -> None:
    tests = datasets.load(DataConfig()).test
    point_jobs, layer_jobs = Jobs("point jobs"), Jobs("layer jobs")
    session = Session(point_jobs)
    control, moved, failures, gate = CombineControl(session, layer_jobs), [], [], threading.Event()
    qtbot.addWidget(control.panel)
    session.point_changed.connect(lambda scene: moved.append(scene.point))
    control.failed.connect(failures.append)
    prior = {"kind": "gaussian-mixture", "components": 2}

    def look_at(lineage: int) -> None:
        model = small_models.of(latent_dims=3, prior=prior)
        opened = tasks.OpenedModel(model, {}, "a model", Path("model.safetensors"), "")
        session.look_at(opened, Version(lineage, 0))

    def encode(start: int) -> np.ndarray:
        images, labels = (part[start : start + 300].numpy() for part in (tests.images, tests.labels))
        session.set_images(TestImages(images, labels, tuple("0123456789")))
        means = np.random.default_rng(start).normal(size=(300, 3)).astype(np.float32)
        session.take_encodings(EncodingsFrame(session.scene.version, session.scene.encode, means))
        return images

    layer_jobs.submit(lambda: iter([gate.wait(WAIT / 1000)]), lambda _: None, failures.append)
    for jobs in (point_jobs, layer_jobs):
        jobs.start()
    try:
        look_at(1)
        control.panel.section.heading.setChecked(True)
        encode(0)
        control.panel.findChild(QComboBox, "combine_way").setCurrentIndex(1)
        qtbot.waitUntil(lambda: control._measuring is not None, timeout=WAIT)
        del moved[:]
        session.random_point()
        qtbot.waitUntil(lambda: bool(moved), timeout=WAIT)
        given_up = control._measuring[1]
        look_at(2)
        assert given_up.cancelled.is_set() and control._measuring is None
        images = encode(300)
        gate.set()
        qtbot.waitUntil(lambda: control._measured[0] is not None, timeout=WAIT)
        assert np.array_equal(control._measured[0], images)
        for name, values in measure(images).items():
            np.testing.assert_array_equal(control._measured[1][name], values)
    finally:
        gate.set()
        control.close()
        for jobs in (point_jobs, layer_jobs):
            jobs.stop()
            assert jobs.wait(WAIT)
    assert not failures
