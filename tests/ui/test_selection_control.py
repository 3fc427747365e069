"""What is said of the encoding that is pointed at, and which are selected, with the real session and frames by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_models

from vae_studio import tasks
from vae_studio.core.exploration import Layers
from vae_studio.core.scene import EncodingsFrame, GlanceFrame, TestImages, Version, View
from vae_studio.ui.frame_sorter import FrameSorter
from vae_studio.ui.selection_control import SelectionControl
from vae_studio.ui.session import Session
from vae_studio.ui.workers import Jobs

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28), np.uint8)
LABELS = np.array([0, 1, 2, 2, 1, 2], np.uint8)
MEANS = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
GREY = np.full((28, 28), 99, np.uint8)


class House:
    def __init__(self, qtbot):
        self.session = Session(Jobs("point jobs"))
        self.sorter = FrameSorter(self.session)
        self.selection = SelectionControl(self.session)
        qtbot.addWidget(self.selection.panel)
        self.cards, self.changes, self.refused = [], [], []
        self.selection.card_changed.connect(self.cards.append)
        self.selection.selection_changed.connect(lambda *values: self.changes.append(values))
        self.selection.refused.connect(self.refused.append)
        self.sorter.glance.connect(self.selection.take_glance)
        self.sorter.encodings.connect(self.session.take_encodings)
        self.session.show_map(View(-1, 1, -1, 1, 10, 10), None)
        self.open(Version(1, 0))
        self.session.set_images(TestImages(IMAGES, LABELS, ("nought", "one", "two")))
        self.encode(MEANS)

    def open(self, version, **settings):
        model = small_models.of(latent_dims=3, **settings)
        self.session.look_at(tasks.OpenedModel(model, {}, "a model", Path("model.safetensors"), ""), version)

    def encode(self, means):
        self.sorter.take(EncodingsFrame(self.session.scene.version, self.session.scene.encode, means))

    def glance(self, image, version=None):
        self.sorter.take(GlanceFrame(version or self.session.scene.version, image, GREY))


@pytest.fixture
def house(qtbot):
    return House(qtbot)


def test_a_card_takes_no_reconstruction_but_that_of_its_own_image_by_a_model_on_view(house):
    house.selection.hover(2)
    before = house.session.scene.glance
    assert np.array_equal(before, IMAGES[2])
    house.selection.hover(4)
    now = house.session.scene.glance
    house.glance(before)
    house.glance(IMAGES[4].copy())
    house.glance(now, Version(0, 7))
    assert house.cards[-1].reconstruction is None
    assert np.array_equal(house.cards[-1].image, IMAGES[4]) and house.cards[-1].title == "one · test image 4"
    house.glance(now)
    assert house.cards[-1].reconstruction is GREY
    house.selection.hover(2)
    assert house.cards[-1].reconstruction is None, "nor is it kept for another"
    house.selection.hover(None)
    house.glance(now)
    assert house.cards[-1] is None and house.session.scene.glance is None


def test_the_distance_is_that_from_the_plane_through_the_point(house):
    house.selection.hover(3)
    assert house.cards[-1].detail == f"{abs(MEANS[3, 2]):.2f} from the map"
    house.session.move_point((5.0, 5.0, 0.7))
    assert house.cards[-1].detail == f"{abs(MEANS[3, 2] - 0.7):.2f} from the map"
    house.session.choose_axes((1, 2))
    assert house.cards[-1].detail == f"{abs(MEANS[3, 0] - 5.0):.2f} from the map"


def test_one_alone_several_besides_each_other_and_none(house):
    selection = house.selection
    selection.select(3)
    selection.select(1, besides=True)
    selection.select_many([5, 3], besides=True)
    assert selection.indices == (1, 3, 5)
    selection.select(3, besides=True)
    assert selection.indices == (1, 5)
    np.testing.assert_array_equal(house.changes[-1][1], MEANS[[1, 5]])
    assert house.session.scene.ellipses, "those of the selected ones are shown"
    selection.select_many([0])
    selection.clear()
    assert selection.indices == () and not house.session.scene.ellipses
    house.session.choose_layers(Layers(encodings=False))
    selection.step(1)
    assert "There are no encodings on the map" in house.refused[-1]


def test_it_outlives_new_weights_and_the_same_images_read_anew_but_no_others(house):
    selection, session = house.selection, house.session
    selection.select_many([1, 4])
    house.encode(2 * MEANS)
    np.testing.assert_array_equal(house.changes[-1][1], 2 * MEANS[[1, 4]])
    house.open(Version(2, 0))
    assert selection.indices == (1, 4) and house.changes[-1][1] is None, "their means are not known yet"
    session.set_images(replace(session.images, images=IMAGES.copy()))
    house.encode(MEANS)
    np.testing.assert_array_equal(house.changes[-1][1], MEANS[[1, 4]])
    session.set_images(replace(session.images, images=IMAGES[::-1].copy()))
    assert selection.indices == () and not selection.panel.isVisible()


def test_an_auto_encoder_has_no_ellipses(house):
    house.open(Version(2, 0), model="autoencoder")
    house.session.choose_layers(Layers(ellipses=True))
    house.selection.select(1)
    assert not house.session.scene.ellipses
