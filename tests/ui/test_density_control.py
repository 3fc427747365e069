"""A density that cannot be had, with the real queue of jobs: what the user causes, and what we did not expect."""

from __future__ import annotations

from dataclasses import replace

import pytest
import small_models

from vae_studio.core.exploration import Layers
from vae_studio.core.plane import Plane
from vae_studio.core.scene import Scene, Version, View
from vae_studio.ui.density_control import DensityControl
from vae_studio.ui.workers import Jobs

WAIT = 60_000
ON, OFF = Layers(density=True), Layers()


class Shown:
    """The control with its layer as a session has it, and with what it said."""

    def __init__(self, jobs: Jobs) -> None:
        self.control = DensityControl(jobs)
        self.refusals, self.failures, self.layers = [], [], OFF
        self.control.refused.connect(self.refusals.append)
        self.control.failed.connect(self.failures.append)
        self.control.off_requested.connect(lambda: self.choose(OFF))

    def choose(self, layers: Layers) -> None:
        self.layers = layers
        self.control.set_layers(layers)

    def look_at(self, model: object) -> None:
        self.scene = Scene(model, Version(1, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2), View(-3, 3, -2, 2, 600, 400))
        self.control.follow(self.scene)

    def zoom(self) -> None:
        self.scene = replace(self.scene, view=View(-1.5, 1.5, -1, 1, 600, 400))
        self.control.follow(self.scene)
        self.control._rest.stop()
        self.control._refresh()  # the view has rested


@pytest.fixture
def shown(qtbot):
    jobs = Jobs("layer jobs")
    jobs.start()
    shown = Shown(jobs)
    yield shown
    shown.control.close()
    jobs.stop()
    assert jobs.wait(WAIT)


def test_what_a_model_has_not_got_is_refused_once_and_tried_again_when_it_is_switched_on(shown, qtbot):
    shown.look_at(small_models.of(small_models.COLOUR, latent_dims=2))
    shown.choose(ON)
    qtbot.waitUntil(lambda: bool(shown.refusals[-1]), timeout=WAIT)
    assert "density of their encodings cannot be shown" in shown.refusals[-1] and shown.layers == ON
    shown.zoom()
    assert shown.control._job is None and shown.refusals[:-1] == [""]
    shown.choose(OFF)
    shown.choose(ON)
    assert shown.refusals[-1] == ""
    qtbot.waitUntil(lambda: bool(shown.refusals[-1]), timeout=WAIT)
    assert not shown.failures


def test_what_nobody_expected_is_said_and_switches_the_layer_off(shown, qtbot):
    shown.look_at(object())  # which has no config
    for times in (1, 2):
        shown.choose(ON)
        qtbot.waitUntil(lambda times=times: len(shown.failures) == times, timeout=WAIT)
        assert not shown.failures[-1].expected
        assert shown.layers == OFF
        shown.zoom()
        assert shown.control._job is None
    assert shown.refusals == [""]
