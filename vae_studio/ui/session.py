"""The session: what the user is looking at. Model, point, plane, images; it asks for frames and places encodings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.core.latent import project
from vae_studio.core.scene import EncodingsFrame, Pictures, Scene, TestImages, Version, View
from vae_studio.ui.workers import Failure, Job, Jobs

ENCODED_IMAGES = 1000


def most_informative(kl_per_dim: Sequence[float]) -> tuple[int, int]:
    """The two latent dimensions with the largest KL, in their order; the first two where they are alike."""
    if len(kl_per_dim) == 1:
        return 0, 0
    first, second = sorted(sorted(range(len(kl_per_dim)), key=lambda i: -kl_per_dim[i])[:2])
    return first, second


class Session(QObject):
    """Holds the scene; every change of it goes through here, and each asks for new frames. `jobs` draws from priors.

    Signals: `scene_changed(Scene)` wants frames; `model_changed(OpenedModel)` when another model (not just newer
    weights of the same) is looked at, before its first scene; `point_changed(Scene)`, the point or the axes moved;
    `encodings_placed(points (n, 2), labels (n,), strength (n,) or None)`, all None when there are none;
    `failed(Failure)`.
    """

    scene_changed = Signal(object)
    model_changed = Signal(object)
    point_changed = Signal(object)
    encodings_placed = Signal(object, object, object)
    failed = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._drawing: Job | None = None  # a random point that is on its way
        self.scene: Scene | None = None
        self.opened: tasks.OpenedModel | None = None
        self._images: TestImages | None = None
        self._means: np.ndarray | None = None
        self._view: View | None = None
        self._pictures: Pictures | None = None
        self._draw: int | None = None  # the seed of the draw from p(x|z) that is shown in place of the mean
        self._chance = random.Random()

    @property
    def has_images(self) -> bool:
        """Whether there are test images that this model can encode."""
        return self._images is not None

    def look_at(self, opened: tasks.OpenedModel, version: Version) -> None:
        """Explore this model. The point and the axes stay where they are if they fit it."""
        before, model = self.scene, opened.model
        self.opened = opened
        if before is not None and before.version.lineage == version.lineage:
            self.scene = replace(before, model=model, version=version)
            self._ask()
            return
        self._forget_draw()
        dims = model.latent_dims
        fits = before is not None and before.model.latent_dims == dims
        axes = before.axes if fits else most_informative(opened.card.get("kl_per_dim") or [0.0] * dims)
        self.scene = Scene(model, version, before.point if fits else (0.0,) * dims, axes)
        self._means = None
        if self._images and self._images.image_shape != tuple(model.image_shape):
            self._images = None
        if not model.is_vae:
            self._draw = None
        self.model_changed.emit(opened)
        self.encodings_placed.emit(None, None, None)
        self.point_changed.emit(self.scene)
        self._ask()

    def name_model(self, opened: tasks.OpenedModel) -> None:
        """The same model, of which more is known now: its file, its card."""
        self.opened = opened

    def set_images(self, images: TestImages) -> None:
        """The test images whose encodings are shown: the first 1000 of them."""
        self._means = None  # of other images: their labels must not be put to these
        self._images = replace(images, images=images.images[:ENCODED_IMAGES], labels=images.labels[:ENCODED_IMAGES])
        self._ask()

    def show_map(self, view: View | None, pictures: Pictures | None) -> None:
        """What is visible: a view of the map, or else pictures for the Reconstruct tab."""
        self._view, self._pictures = view, pictures
        self._ask()

    def move_on_map(self, position: tuple[float, float]) -> None:
        """Put the point at (u, v) of the plane; its other coordinates stay."""
        if self.scene:
            point, (across, up) = list(self.scene.point), self.scene.axes
            point[up] = position[1]
            point[across] = position[0]
            self.move_point(tuple(point))

    def move_point(self, point: tuple[float, ...]) -> None:
        if self.scene is None:
            return
        self._forget_draw()
        self.scene = replace(self.scene, point=tuple(point))
        self.point_changed.emit(self.scene)
        self._ask()
        if len(point) > 2:
            self._place_encodings()

    def choose_axes(self, axes: tuple[int, int]) -> None:
        if self.scene:
            self.scene = replace(self.scene, axes=axes)
            self.point_changed.emit(self.scene)
            self._place_encodings()
            self._ask()

    def random_point(self) -> None:
        """A draw from the model's prior.

        One that is learned has its weights on the device, where reading them may wait for a training: a worker does,
        and its draw is let go of if the point is moved meanwhile.
        """
        if self.scene is None:
            return
        model, seed = self.scene.model, self._new_seed()
        if not (model.is_vae and model.config.prior.kind == "gaussian-mixture"):
            self.move_point(model.random_point(seed))
        elif self._drawing is None:
            self._drawing = self._jobs.submit(
                lambda: tasks.random_point(model, seed), self.move_point, self._fail_to_draw
            )

    def show_mean(self) -> None:
        """The mean of p(x|z) at the point."""
        self._draw = None
        self._ask()

    def show_sample(self) -> None:
        """A draw from p(x|z) at the point, another one each time; the noise stays the same while the point moves."""
        self._draw = self._new_seed()
        self._ask()

    def _fail_to_draw(self, failure: Failure) -> None:
        self._drawing = None
        self.failed.emit(failure)

    def _forget_draw(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None

    def _new_seed(self) -> int:
        return self._chance.getrandbits(63)

    def reset_point(self) -> None:
        """z = 0, the middle of the map."""
        if self.scene:
            self.move_point((0.0,) * len(self.scene.point))

    def take_encodings(self, frame: EncodingsFrame) -> None:
        if self._images and frame.images is self._images.images:
            self._means = frame.means
            self._place_encodings()

    def _place_encodings(self) -> None:
        if self._means is not None:
            points, strength = project(self._means, self.scene.point, self.scene.axes)
            self.encodings_placed.emit(points, self._images.labels, strength)

    def _ask(self) -> None:
        if self.scene is None:
            return
        encode = self._images.images if self._view and self._images else None
        self.scene = replace(self.scene, view=self._view, encode=encode, pictures=self._pictures, draw=self._draw)
        self.scene_changed.emit(self.scene)
