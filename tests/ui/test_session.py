"""The session with a real model and the real render thread: what is asked for, and what then is shown."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject

from vae_studio import tasks
from vae_studio.core.config import DataConfig, RunConfig
from vae_studio.core.directions import Direction
from vae_studio.core.exploration import Exploration, Layers, Pin
from vae_studio.core.exploration import Path as Walked
from vae_studio.core.plane import Plane
from vae_studio.core.scene import (
    EncodingsFrame,
    MapFrame,
    Pictures,
    PicturesFrame,
    PointFrame,
    TestImages,
    Version,
    View,
)
from vae_studio.ui.session import Session
from vae_studio.ui.workers import Jobs, Renderer

SECONDS_60 = 60_000
VIEW = View(-3.0, 3.0, -2.0, 2.0, 600, 400)


class Witness(QObject):
    """Notes the session's signals in their order, and the frames that come back, as the window takes them."""

    def __init__(self, session):
        super().__init__()
        self.session = session
        self.said, self.frames, self.placed, self.failures = [], [], [], []
        session.scene_changed.connect(self.note_scene)
        session.model_changed.connect(self.note_model)
        session.point_changed.connect(self.note_point)
        session.encodings_placed.connect(self.note_encodings)

    def note_scene(self, scene):
        self.said.append(("scene", scene))

    def note_model(self, opened):
        self.said.append(("model", opened))

    def note_point(self, scene):
        self.said.append(("point", scene))

    def note_encodings(self, points, labels, strength):
        self.said.append(("encodings", None))
        self.placed.append((points, labels, strength))

    def note_frame(self, frame):
        self.frames.append(frame)
        if isinstance(frame, EncodingsFrame) and frame.version.lineage == self.session.scene.version.lineage:
            self.session.take_encodings(frame)

    def note_failure(self, failure):
        self.failures.append(failure.details)

    def kinds(self):
        """What was said since the last time."""
        kinds, self.said = [kind for kind, _ in self.said], []
        return kinds

    def last(self, kind):
        return next((frame for frame in reversed(self.frames) if isinstance(frame, kind)), None)


@pytest.fixture
def jobs(qtbot):
    jobs = Jobs("point jobs")
    jobs.start()
    yield jobs
    jobs.stop()
    assert jobs.wait(SECONDS_60)


@pytest.fixture
def session(jobs):
    return Session(jobs)


@pytest.fixture
def witness(session):
    return Witness(session)


@pytest.fixture
def drawn(session, witness, qtbot):
    """The session's scenes go to a render thread, as in the window; its failures fail the test."""
    renderer = Renderer(tasks.Frames())
    renderer.frame.connect(witness.note_frame)
    renderer.failed.connect(witness.note_failure)
    session.scene_changed.connect(renderer.submit)
    renderer.start()
    yield witness
    renderer.stop()
    assert renderer.wait(60_000)
    assert witness.failures == []


@pytest.fixture(scope="module")
def explorer():
    """The shipped 2-D explorer, as the window opens it."""
    return next(tasks.open_model("explorer-2d"))


@pytest.fixture(scope="module")
def images():
    return next(tasks.load_test_images(RunConfig()))


def small(latent_dims, seed=0):
    """A little model with random weights, as if opened from a file."""
    from small_models import mlp

    return tasks.OpenedModel(mlp(latent_dims, seed), {}, f"{latent_dims} dimensions", Path("small.safetensors"), "")


def exactly(opened, point):
    """The decoder's mean at a point, 255·p in double precision."""
    from small_models import decoded

    return decoded(opened.model, np.array([point]))[0]


def means_of(opened, pictures):
    """Posterior means by the encoder's layers alone, in double precision: (n, d)."""
    import torch

    x = torch.from_numpy(pictures).double().unsqueeze(1) / 255.0
    with torch.no_grad():
        return opened.model.frozen().cpu().encoder.double()(x)[:, : opened.model.latent_dims].numpy()


def rounds_to(pixels, exact):
    from small_models import rounds_to

    return rounds_to(pixels, exact)


def test_without_a_model_nothing_happens(session, witness, images):
    session.move_on_map((1.0, 1.0))
    session.move_point((1.0, 1.0))
    session.choose_axes((0, 1))
    session.random_point()
    session.reset_point()
    session.show_map(VIEW, None)
    session.set_images(images)
    assert witness.said == []
    assert session.scene is None


def test_another_model_is_announced_before_its_first_scene(session, witness, explorer, images):
    session.show_map(VIEW, None)
    session.set_images(images)
    session.look_at(explorer, Version(1, 0))
    announced = witness.said[0]
    assert witness.kinds() == ["model", "encodings", "point", "scene"]
    assert announced == ("model", explorer)
    assert witness.placed == [(None, None, None)]
    scene = session.scene
    assert (scene.model, scene.version) == (explorer.model, Version(1, 0))
    assert (scene.point, scene.plane.axes, scene.view) == ((0.0, 0.0), (0, 1), VIEW)
    assert session.opened is explorer


def test_newer_weights_of_the_same_model_only_ask_for_frames(session, witness, explorer):
    session.look_at(explorer, Version(1, 0))
    session.move_point((0.5, -1.5))
    witness.kinds()
    newer = small(2)
    session.look_at(newer, Version(1, 1))
    assert witness.kinds() == ["scene"]
    assert (session.scene.model, session.scene.version) == (newer.model, Version(1, 1))
    assert session.scene.point == (0.5, -1.5)
    assert session.opened is newer


def test_point_and_axes_stay_if_they_fit(session, witness):
    session.look_at(small(3), Version(1, 0))
    session.choose_axes((2, 0))
    session.move_point((0.1, 0.2, 0.3))
    session.look_at(small(3, seed=1), Version(2, 0))
    assert (session.scene.point, session.scene.plane.axes) == ((0.1, 0.2, 0.3), (2, 0))
    session.look_at(small(4), Version(3, 0))
    assert (session.scene.point, session.scene.plane.axes) == ((0.0,) * 4, (0, 1))
    session.look_at(small(1), Version(4, 0))
    assert (session.scene.point, session.scene.plane.axes) == ((0.0,), (0, 0))


def test_what_was_found_in_one_model_is_not_said_of_another(session, witness):
    session.look_at(small(3), Version(1, 0))
    components = Plane.spanned((0.1, 0.0, 0.2), (1.0, 1.0, 0.0), (0.0, 1.0, 2.0), ("PC 1", "PC 2"), "components")
    session.choose_plane(components)
    session.change(replace(session.exploration, directions=(Direction("thicker", (0.0, 1.0, 0.0)),)))
    session.look_at(small(3, seed=1), Version(1, 1))
    assert (session.exploration.plane, len(session.exploration.directions)) == (components, 1), "newer weights"
    session.look_at(small(3, seed=2), Version(2, 0))
    plane = session.exploration.plane
    assert (plane.origin, plane.across, plane.up) == (components.origin, components.across, components.up)
    assert (plane.kind, plane.names, session.exploration.directions) == ("typed", ("a", "b"), ())
    assert session.scene.plane == plane
    while session.undoing:
        session.undo()
        assert not session.exploration.directions and session.exploration.plane.kind in ("axes", "typed")


def test_no_scene_has_points_of_the_model_before(session):
    """Also not one that is asked for by somebody who hears of the other model."""
    scenes = []
    session.scene_changed.connect(scenes.append)
    session.model_changed.connect(lambda _: session.show_map(VIEW, None))
    session.look_at(small(2), Version(1, 0))
    pins, path = (Pin("here", (1.0, 2.0), 0),), Walked(((0.0, 0.0), (1.0, 1.0)))
    session.change(replace(session.exploration, pins=pins, path=path))
    session.set_strips(np.zeros((7, 2)))
    session.set_terms(np.zeros((3, 2)))
    assert scenes[-1].spots.shape == (10, 2)
    session.look_at(small(20), Version(2, 0))
    session.look_at(small(2), Version(3, 0))
    for scene in scenes:
        for points in (scene.spots, scene.strips, scene.terms):
            assert points is None or points.shape[1] == scene.model.latent_dims


def test_knowing_more_of_a_model_changes_nothing_that_is_seen(session, witness, explorer):
    session.look_at(explorer, Version(1, 0))
    witness.kinds()
    known = replace(explorer, name="now saved")
    session.name_model(known)
    assert session.opened is known
    assert witness.said == []


def test_the_map_moves_two_coordinates(session, witness):
    session.look_at(small(4), Version(1, 0))
    session.move_point((0.1, 0.2, 0.3, 0.4))
    session.choose_axes((3, 1))
    witness.kinds()
    session.move_on_map((-2.0, 5.0))
    assert session.scene.point == (0.1, 5.0, 0.3, -2.0)
    assert witness.kinds() == ["point", "scene"]
    session.look_at(small(1), Version(2, 0))
    session.move_on_map((-2.0, 5.0))
    assert session.scene.point == (-2.0,), "of a model with one dimension the map has one axis"


def test_pictures_for_the_sliders_are_asked_for_as_long_as_they_are_of_this_space(session, witness):
    session.set_strips(np.zeros((7, 3)))  # without a model nobody could make them
    session.look_at(small(3), Version(1, 0))
    assert session.scene.strips is None
    points = np.ones((7, 3))
    session.set_strips(points)
    session.move_point((1.0, 2.0, 3.0))
    session.look_at(small(3, seed=1), Version(2, 0))
    assert session.scene.strips is points
    session.set_strips(np.ones((7, 4)))  # asked for just before the model changed
    assert session.scene.strips is points
    session.look_at(small(4), Version(3, 0))
    assert session.scene.strips is None
    session.set_strips(np.ones((7, 4)))
    session.set_strips(None)
    assert session.scene.strips is None
    assert session.undoing == "", "what the sliders show is nothing that could be undone"


def test_random_points_come_from_the_prior(session, explorer):
    session.look_at(explorer, Version(1, 0))
    points = []
    session.point_changed.connect(lambda scene: points.append(scene.point))
    for _ in range(1000):
        session.random_point()
    drawn = np.array(points)
    assert drawn.shape == (1000, 2)
    # Five standard errors of mean, variance and correlation.
    assert np.abs(drawn.mean(axis=0)).max() < 5 / np.sqrt(1000)
    assert np.abs(drawn.var(axis=0) - 1.0).max() < 5 * np.sqrt(2 / 1000)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 5 / np.sqrt(1000)
    session.reset_point()
    assert session.scene.point == (0.0, 0.0)


def mixture():
    """A little model whose prior has two narrow parts, left below and right."""
    from small_models import of

    from vae_studio.core.config import MixtureConfig

    model = of(prior=MixtureConfig(components=2))
    model.prior.means.copy_(model.prior.means.new_tensor([[5.0, 0.0], [-5.0, 9.0]]))
    model.prior.log_scales.fill_(-2.0)
    return tasks.OpenedModel(model, {}, "mixture", Path("mixture.safetensors"), "")


def test_random_points_come_from_the_models_own_prior(session, qtbot):
    session.look_at(mixture(), Version(1, 0))
    points = []
    session.point_changed.connect(lambda scene: points.append(scene.point))
    for _ in range(400):
        with qtbot.waitSignal(session.point_changed, timeout=SECONDS_60):
            session.random_point()
    drawn = np.array(points)
    right = drawn[:, 0] > 0
    assert 140 < right.sum() < 260
    assert np.abs(drawn[right].mean(axis=0) - (5, 0)).max() < 0.06
    assert np.abs(drawn[~right].mean(axis=0) - (-5, 9)).max() < 0.06


def test_a_learned_prior_is_read_by_a_worker_and_no_one_waits_for_it(session, jobs, qtbot):
    begun, go = threading.Event(), threading.Event()

    def busy():
        begun.set()
        assert go.wait(60)
        yield from ()

    jobs.submit(busy, pytest.fail, pytest.fail)
    assert begun.wait(60)
    session.look_at(mixture(), Version(1, 0))
    moves = []
    session.point_changed.connect(lambda scene: moves.append(scene.point))
    for _ in range(50):  # as the key does while it is held
        session.random_point()
    assert moves == [], "the device is busy, the window is not"
    go.set()
    qtbot.waitUntil(lambda: len(moves) == 1, timeout=SECONDS_60)
    assert abs(session.scene.point[0]) > 3
    qtbot.wait(50)
    assert len(moves) == 1, "one draw for all that was asked meanwhile"
    with qtbot.waitSignal(session.point_changed, timeout=SECONDS_60):
        session.random_point()


@pytest.mark.parametrize("other", ["moved", "reset", "another model"])
def test_a_random_point_that_comes_too_late_is_let_go(session, jobs, qtbot, other):
    go, after = threading.Event(), []

    def busy():
        assert go.wait(60)
        yield from ()

    jobs.submit(busy, pytest.fail, pytest.fail)
    session.look_at(mixture(), Version(1, 0))
    session.random_point()
    if other == "moved":
        session.move_on_map((0.25, 0.5))
    elif other == "reset":
        session.reset_point()
    else:
        session.look_at(small(2), Version(2, 0))
    wanted = session.scene.point
    go.set()
    jobs.submit(lambda: iter(["free"]), after.append, pytest.fail)
    qtbot.waitUntil(lambda: after == ["free"], timeout=SECONDS_60)
    assert session.scene.point == wanted


def test_a_draw_that_fails_is_told_and_another_can_be_asked_for(session, qtbot):
    opened = mixture()
    opened.model.prior.logits.fill_(float("nan"))  # nothing can be drawn with such weights
    session.look_at(opened, Version(1, 0))
    for _ in range(2):
        with qtbot.waitSignal(session.failed, timeout=SECONDS_60):
            session.random_point()
    assert session.scene.point == (0.0, 0.0)


def test_a_sample_stays_while_the_point_moves_and_is_drawn_anew_on_demand(session, drawn, explorer, qtbot):
    session.look_at(explorer, Version(1, 0))
    seeds = []
    for _ in range(2):
        session.show_sample()
        seeds.append(session.scene.draw)
        qtbot.waitUntil(lambda: [f.draw for f in drawn.frames[-1:]] == seeds[-1:], timeout=SECONDS_60)
        assert set(np.unique(drawn.last(PointFrame).image)) == {0, 255}
    assert seeds[0] != seeds[1]
    session.move_point((0.5, 0.5))
    session.look_at(explorer, Version(1, 1))
    assert session.scene.draw == seeds[1]
    session.show_mean()
    qtbot.waitUntil(lambda: drawn.last(PointFrame).draw is None, timeout=SECONDS_60)
    assert rounds_to(drawn.last(PointFrame).image, exactly(explorer, (0.5, 0.5)))


def test_an_auto_encoder_shows_its_one_image(session):
    from small_models import of

    autoencoder = tasks.OpenedModel(of(model="autoencoder"), {}, "codes", Path("codes.safetensors"), "")
    session.look_at(small(2), Version(1, 0))
    session.show_sample()
    session.look_at(small(2, seed=1), Version(2, 0))
    assert session.scene.draw is not None, "another VAE is sampled on"
    session.look_at(autoencoder, Version(3, 0))
    assert session.scene.draw is None
    session.look_at(small(2), Version(4, 0))
    assert session.scene.draw is None, "as the chips say"


def names_of_steps(session):
    """What there is to undo, newest first; it is undone and done again."""
    names = []
    while session.undoing:
        names.append(session.undoing)
        session.undo()
    for _ in names:
        session.redo()
    return names


def test_everything_that_is_moved_or_set_can_be_undone_and_done_again(session, witness, explorer):
    session.look_at(small(3), Version(1, 0))
    acts = (
        lambda: session.move_point((0.1, 0.2, 0.3)),
        lambda: session.choose_axes((2, 0)),
        lambda: session.move_on_map((1.5, -0.5)),
        session.show_sample,
        session.show_sample,
        session.show_mean,
        lambda: session.choose_layers(Layers(prior=False)),
        lambda: session.change(replace(session.exploration, pins=(Pin("A", session.scene.point, 0),))),
        session.random_point,
        session.reset_point,
    )
    states = [session.exploration]
    for act in acts:
        act()
        states.append(session.exploration)
    assert all(before != after for before, after in itertools.pairwise(states))
    assert [session.undoing, session.redoing] == ["move the point", ""]
    for state in reversed(states[:-1]):
        session.undo()
        assert session.exploration == state
        assert (session.scene.point, session.scene.plane, session.scene.draw) == (state.point, state.plane, state.draw)
    assert (session.undoing, session.redoing) == ("", "move the point")
    session.undo()
    assert session.exploration == states[0], "there is nothing more to undo"
    for state in states[1:]:
        session.redo()
        assert session.exploration == state
    session.redo()
    assert session.exploration == states[-1]


def test_undoing_tells_the_window_what_is_different_and_only_that(session, witness, qtbot):
    session.look_at(small(2), Version(1, 0))
    session.move_point((1.0, 1.0))
    session.choose_layers(Layers(tiles=False))
    session.show_sample()
    session.change(replace(session.exploration, pins=(Pin("A", (0.0, 0.0), 0),)))
    told = []
    session.layers_changed.connect(told.append)
    session.draw_changed.connect(told.append)
    session.marks_changed.connect(lambda explored: told.append(explored.pins))
    witness.kinds()
    expected = ([()], [False], [Layers()], [])
    for what in expected:
        told.clear()
        session.undo()
        assert told == what
    assert witness.said[-2:] == [("point", session.scene), ("scene", session.scene)]
    assert session.scene.point == (0.0, 0.0)


def test_changes_of_one_gesture_are_undone_together(session):
    session.look_at(small(2), Version(1, 0))
    announced = []
    session.history_changed.connect(lambda: announced.append((session.undoing, session.redoing)))
    for gesture in (1, 2):
        for step in range(100):
            session.move_on_map((gesture + step / 100, 0.0), merge=gesture)
    assert names_of_steps(session) == ["move the point"] * 2
    assert announced[0] == ("move the point", "")
    session.undo()
    assert session.scene.point == (1.99, 0.0)
    session.undo()
    assert session.scene.point == (0.0, 0.0)


def test_history_goes_along_with_newer_weights_and_with_models_that_fit(session):
    session.look_at(small(3), Version(1, 0))
    session.move_point((0.1, 0.2, 0.3))
    session.show_sample()
    session.look_at(small(3, seed=1), Version(1, 1))
    assert names_of_steps(session) == ["draw a sample", "move the point"]
    session.look_at(small(3, seed=2), Version(2, 0))
    assert names_of_steps(session) == ["draw a sample", "move the point"]
    session.undo()
    session.undo()
    assert session.scene.point == (0.0, 0.0, 0.0)
    session.redo()
    session.choose_layers(Layers(prior=False))
    session.look_at(small(2), Version(3, 0))
    assert names_of_steps(session) == []
    assert session.exploration == Exploration((0.0, 0.0), Plane.of_axes((0, 1), 2), layers=Layers(prior=False))


def test_no_draw_comes_back_for_a_model_that_has_none(session):
    from small_models import of

    session.look_at(small(2), Version(1, 0))
    session.show_sample()
    session.move_point((1.0, 0.0))
    session.show_sample()
    autoencoder = tasks.OpenedModel(of(model="autoencoder"), {}, "codes", Path("codes.safetensors"), "")
    session.look_at(autoencoder, Version(2, 0))
    assert names_of_steps(session) == ["move the point"]
    session.undo()
    assert (session.scene.point, session.scene.draw) == ((0.0, 0.0), None)


def test_classes_that_were_hidden_in_other_data_are_not_hidden_in_these(session, images):
    session.look_at(small(2), Version(1, 0))
    session.set_images(images)
    session.choose_layers(Layers(hidden_classes=frozenset({3})))
    session.choose_layers(Layers(encodings=False, hidden_classes=frozenset({3})))
    session.set_images(images)
    assert session.exploration.layers.hidden_classes == frozenset({3})
    session.set_images(replace(images, class_names=("shirt", "shoe")))
    assert session.exploration.layers == Layers(encodings=False)
    assert names_of_steps(session) == ["choose layers"]


def test_a_restored_exploration_is_shown_with_nothing_to_undo(session, witness):
    session.look_at(small(3), Version(1, 0))
    session.move_point((9.0, 9.0, 9.0))
    saved = Exploration(
        (0.1, 0.2, 0.3), Plane.of_axes((2, 0), 3), (Pin("A", (1.0, 1.0, 1.0), 0),), None, 5, Layers(prior=False)
    )
    session.restore(saved)
    assert session.exploration == saved
    assert (session.scene.point, session.scene.plane, session.scene.draw) == (saved.point, saved.plane, 5)
    assert witness.said[-1] == ("scene", session.scene)
    assert (session.undoing, session.redoing) == ("", "")
    for wrong in (replace(saved, point=(0.0, 0.0)), replace(saved, point=(0.0,) * 4)):
        with pytest.raises(ValueError, match="latent dimensions"):
            session.restore(wrong)
        with pytest.raises(ValueError, match="coordinates"):
            session.change(wrong)
    assert session.exploration == saved


def test_the_point_is_decoded(session, drawn, explorer, qtbot):
    session.look_at(explorer, Version(1, 0))
    qtbot.waitUntil(lambda: drawn.last(PointFrame) is not None, timeout=SECONDS_60)
    assert rounds_to(drawn.last(PointFrame).image, exactly(explorer, (0.0, 0.0)))
    session.move_on_map((0.75, -1.25))
    qtbot.waitUntil(lambda: drawn.last(PointFrame).point == (0.75, -1.25), timeout=SECONDS_60)
    frame = drawn.last(PointFrame)
    assert rounds_to(frame.image, exactly(explorer, (0.75, -1.25)))
    assert not rounds_to(frame.image, exactly(explorer, (0.0, 0.0)))


def test_the_map_or_the_pictures_are_asked_for(session, drawn, explorer, images, qtbot):
    session.show_map(VIEW, None)
    session.set_images(images)
    session.look_at(explorer, Version(1, 0))
    qtbot.waitUntil(lambda: drawn.last(EncodingsFrame) is not None, timeout=SECONDS_60)
    qtbot.waitUntil(lambda: drawn.last(MapFrame).complete, timeout=SECONDS_60)
    tiles = drawn.last(MapFrame).tiles
    assert min(tile.left for tile in tiles) <= VIEW.left < VIEW.right <= max(tile.right for tile in tiles)
    assert min(tile.bottom for tile in tiles) <= VIEW.bottom < VIEW.top <= max(tile.top for tile in tiles)

    drawn.frames.clear()
    request = Pictures(images.images[:5], 7, 1)
    session.show_map(None, request)
    assert (session.scene.view, session.scene.encode, session.scene.pictures) == (None, None, request)
    qtbot.waitUntil(lambda: drawn.last(PicturesFrame) is not None, timeout=SECONDS_60)
    frame = drawn.last(PicturesFrame)
    assert frame.request is request
    assert len(frame.samples) == 7
    truth = [exactly(explorer, point) for point in means_of(explorer, images.images[:5])]
    # In single precision the encoder may put a pixel on the other side of a half.
    assert np.abs(frame.reconstructions - np.array(truth)).max() < 0.6
    assert drawn.last(MapFrame) is None


def test_encodings_lie_at_the_posterior_means(session, drawn, explorer, images, qtbot):
    session.show_map(VIEW, None)
    session.look_at(explorer, Version(1, 0))
    assert session.scene.encode is None
    session.set_images(images)
    assert len(images.labels) == 10_000
    assert np.array_equal(session.scene.encode, images.images[:1000])
    qtbot.waitUntil(lambda: has_points(drawn), timeout=SECONDS_60)
    points, labels, strength = drawn.placed[-1]
    truth = means_of(explorer, images.images[:1000])
    assert points.shape == truth.shape
    # The screen may be drawn in bfloat16, of 8 bits.
    assert np.median(np.abs(points - truth)) < 0.02
    assert np.abs(points - truth).max() < 0.5
    assert np.array_equal(labels, images.labels[:1000])
    assert strength is None, "in two dimensions all lie in the plane"
    placed = len(drawn.placed)
    session.move_point((1.0, 1.0))
    assert len(drawn.placed) == placed


def test_encodings_fade_with_their_distance_from_the_plane(session, witness):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(6, 3)).astype(np.float32)
    labels = np.arange(6, dtype=np.uint8)
    session.look_at(small(3), Version(1, 0))
    session.show_map(VIEW, None)
    session.set_images(TestImages(rng.integers(0, 256, (6, 28, 28), np.uint8), labels, tuple("012345")))
    session.take_encodings(EncodingsFrame(Version(1, 0), session.scene.encode, means))

    def check(plane, distance):
        points, shown_labels, strength = witness.placed[-1]
        assert np.array_equal(points, plane)
        assert np.array_equal(shown_labels, labels)
        np.testing.assert_allclose(strength, np.maximum(np.exp(-(distance**2) / 2), 0.15), rtol=1e-5)

    check(means[:, :2], means[:, 2])
    session.move_point((9.0, 9.0, 0.5))
    check(means[:, :2], means[:, 2] - 0.5)
    witness.kinds()
    session.choose_axes((2, 1))
    check(means[:, [2, 1]], means[:, 0] - 9.0)
    assert witness.kinds() == ["point", "scene", "encodings"]


def test_encodings_are_placed_anew_where_the_point_leaves_its_plane_and_not_while_it_stays_in_it(session, witness):
    """In a plane at an angle coordinates of a moved point are rounded, which is no leaving."""
    rng = np.random.default_rng(3)
    session.look_at(small(9), Version(1, 0))
    session.show_map(VIEW, None)
    labels = np.arange(6, dtype=np.uint8)
    session.set_images(TestImages(rng.integers(0, 256, (6, 28, 28), np.uint8), labels, tuple("012345")))
    session.choose_plane(Plane.through(rng.normal(size=(3, 9))))
    session.move_point(tuple(rng.normal(size=9)))
    means = rng.normal(size=(6, 9)).astype(np.float32)
    session.take_encodings(EncodingsFrame(Version(1, 0), session.scene.encode, means))
    before, exact = witness.placed[-1], session.scene.plane.offset(session.scene.point)
    witness.kinds()
    for place in rng.normal(0.0, 3.0, (50, 2)).tolist():
        session.move_on_map(tuple(place))
    assert (session.scene.plane.offset(session.scene.point) != exact).any(), "rounded"
    assert "encodings" not in witness.kinds()
    aside = list(session.scene.point)
    aside[4] += 1e-6
    session.move_point(tuple(aside))
    assert "encodings" in witness.kinds()
    np.testing.assert_allclose(witness.placed[-1][2], before[2], rtol=1e-4)
    again = means[::-1].copy()
    session.take_encodings(EncodingsFrame(Version(1, 1), session.scene.encode, again))
    np.testing.assert_array_equal(witness.placed[-1][0], before[0][::-1])


def test_another_model_has_other_encodings(session, drawn, images, qtbot):
    session.show_map(VIEW, None)
    session.look_at(small(3), Version(1, 0))
    session.set_images(images)
    qtbot.waitUntil(lambda: has_points(drawn), timeout=SECONDS_60)
    other = small(3, seed=1)
    session.look_at(other, Version(2, 0))
    assert drawn.placed[-1] == (None, None, None)
    session.move_point((0.1, 0.1, 0.1))
    assert drawn.placed[-1] == (None, None, None), "the old ones are not this model's"
    qtbot.waitUntil(lambda: has_points(drawn), timeout=SECONDS_60)
    truth = means_of(other, images.images[:1000])[:, :2]
    assert np.median(np.abs(drawn.placed[-1][0] - truth)) < 0.02 * truth.std()


def test_other_images_have_other_encodings(session, drawn, images, qtbot):
    opened = small(3)
    session.show_map(VIEW, None)
    session.look_at(opened, Version(1, 0))
    session.set_images(images)
    qtbot.waitUntil(lambda: has_points(drawn), timeout=SECONDS_60)
    zeros_and_ones = next(tasks.load_test_images(RunConfig(data=DataConfig(classes=(0, 1)))))
    drawn.placed.clear()
    session.set_images(zeros_and_ones)
    session.move_point((0.0, 0.0, 1.0))
    assert drawn.placed == [(None, None, None)], "the old encodings are not coloured by the new labels"
    qtbot.waitUntil(lambda: has_points(drawn), timeout=SECONDS_60)
    points, labels, _ = drawn.placed[-1]
    assert set(labels.tolist()) == {0, 1}
    truth = means_of(opened, zeros_and_ones.images[:1000])[:, :2]
    assert np.median(np.abs(points - truth)) < 0.02 * truth.std()


def has_points(witness):
    return bool(witness.placed) and witness.placed[-1][0] is not None
