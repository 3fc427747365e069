"""The session: what the user is looking at. Model, point, plane, images; it asks for frames and places encodings."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.core.exploration import Exploration, Layers, difference, in_another_model
from vae_studio.core.marks import spots_of
from vae_studio.core.plane import Plane, Seen
from vae_studio.core.planes import ENCODED
from vae_studio.core.probing import fits
from vae_studio.core.scene import EncodingsFrame, Pictures, Scene, TestImages, Version, View
from vae_studio.ui.history import History
from vae_studio.ui.workers import Failure, Job, Jobs


def most_informative(kl_per_dim: Sequence[float]) -> tuple[int, int]:
    """The two latent dimensions with the largest KL, in their order; the first two where they are alike."""
    if len(kl_per_dim) == 1:
        return 0, 0
    first, second = sorted(sorted(range(len(kl_per_dim)), key=lambda i: -kl_per_dim[i])[:2])
    return first, second


class Session(QObject):
    """Holds the scene; every change of it goes through here, and each asks for new frames. `jobs` draws from priors.

    What can be undone is the `exploration`, which `change` alone replaces.

    Signals: `scene_changed(Scene)` wants frames; `model_changed(OpenedModel)` when another model (not just newer
    weights of the same) is looked at, before its first scene; `point_changed(Scene)`, the point or the plane moved;
    `marks_changed(Exploration)`, pins or the path did; `directions_changed(tuple of Direction)`;
    `layers_changed(Layers)`; `draw_changed(bool)`, whether a draw from p(x|z) is shown; `history_changed()`, there is
    something else to undo or redo;
    `encodings_changed()`, other images or other means of their q(z|x), or none until they come;
    `encodings_placed(points (n, 2), labels (n,), strength (n,) or None)`, all None when there are none;
    `ellipses_placed(covariances (n, 2, 2) or None)`, those of q(z|x) on the plane, if known; `failed(Failure)`.
    """

    scene_changed = Signal(object)
    model_changed = Signal(object)
    point_changed = Signal(object)
    marks_changed = Signal(object)
    directions_changed = Signal(object)
    layers_changed = Signal(object)
    draw_changed = Signal(bool)
    history_changed = Signal()
    encodings_changed = Signal()
    encodings_placed = Signal(object, object, object)
    ellipses_placed = Signal(object)
    failed = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._drawing: Job | None = None  # a random point that is on its way
        self.scene: Scene | None = None
        self.opened: tasks.OpenedModel | None = None
        self._images: TestImages | None = None
        self._means: np.ndarray | None = None
        self._seen: tuple[np.ndarray | None, Seen | None] = (None, None)  # which means, and from the plane of the map
        self._view: View | None = None
        self._pictures: Pictures | None = None
        self._spots: np.ndarray | None = None  # of pins and path
        self._strips: np.ndarray | None = None  # of the sliders in sight
        self._terms: np.ndarray | None = None  # of what is combined
        self._encodings_needed = False  # where no map is seen, too
        self._probe: np.ndarray | None = None
        self._glance: np.ndarray | None = None
        self._spread: tuple[Plane | None, np.ndarray | None] = (None, None)  # covariances of encodings, on which plane
        self._ellipses_needed = False  # of those that are selected
        self._history: History[Exploration] | None = None
        self._chance = random.Random()

    @property
    def has_images(self) -> bool:
        """Whether there are test images that this model can encode."""
        return self._images is not None

    @property
    def images(self) -> TestImages | None:
        """The test images whose encodings are shown, if there are any that this model can encode."""
        return self._images

    @property
    def encodings(self) -> tuple[TestImages, np.ndarray] | None:
        """The test images and the means of their q(z|x), float32 (n, latent_dims); None until they are encoded."""
        return None if self._means is None or self._images is None else (self._images, self._means)

    @property
    def exploration(self) -> Exploration | None:
        """What can be undone, as it is; None while there is no model."""
        return self._history.present if self._history else None

    @property
    def undoing(self) -> str:
        """What `undo` would undo, in words; empty when there is nothing."""
        history = self._history
        return difference(history.past[-1], history.present) if history and history.past else ""

    @property
    def redoing(self) -> str:
        """What `redo` would do again, in words; empty when there is nothing."""
        history = self._history
        return difference(history.present, history.future[-1]) if history and history.future else ""

    def look_at(self, opened: tasks.OpenedModel, version: Version) -> None:
        """Explore this model. What was explored stays, with its history, if it fits."""
        before, model = self.scene, opened.model
        self.opened = opened
        if before is not None and before.version.lineage == version.lineage:
            self.scene = replace(before, model=model, version=version)
            self._ask()
            return
        self._forget_draw()
        dims = model.latent_dims
        if self._history is None or len(self._history.present.point) != dims:
            axes = most_informative(opened.card.get("kl_per_dim") or [0.0] * dims)
            layers = self._history.present.layers if self._history else Layers()
            self._history = History(Exploration((0.0,) * dims, Plane.of_axes(axes, dims), layers=layers))
        elif before is not None:
            self._history.rewrite(in_another_model)
        if not model.is_vae:
            self._history.rewrite(lambda one: replace(one, draw=None))
        self._means = self._glance = None
        self._spread = (None, None)
        if self._images and self._images.image_shape != tuple(model.image_shape):
            self._images = None
            self._show_all_classes()
        if self._probe is not None and not fits(self._probe, model.image_shape):
            self._probe = None
        if self._strips is not None and self._strips.shape[1] != dims:
            self._strips = None
        self._terms = None
        now = self._history.present
        self._spots = spots_of(now)  # at once: whoever hears of the model may ask for frames
        self.scene = Scene(model, version, now.point, now.plane)
        self.model_changed.emit(opened)
        self._place_encodings()
        self.encodings_changed.emit()
        self._announce(None, now)

    def change(self, new: Exploration, *, merge: Hashable = None) -> None:
        """Explore this instead: the only way in which what can be undone changes.

        Changes one after the other with the same `merge` (a drag, say) are undone together. Raises ValueError for a
        point that is not one of this model.
        """
        history = self._history
        if history is None:
            return
        if len(new.point) != len(history.present.point):
            raise ValueError(f"a point of {len(new.point)} coordinates for {len(history.present.point)}")
        before, could = history.present, (self.undoing, self.redoing)
        if new.point != before.point:
            self._forget_draw()
        history.record(new, merge)
        self._announce(before, new)
        if (self.undoing, self.redoing) != could:
            self.history_changed.emit()

    def restore(self, exploration: Exploration) -> None:
        """Go on from here, with nothing to undo. Raises ValueError where it is not one of this model."""
        if self.scene is None or len(exploration.point) != self.scene.model.latent_dims:
            raise ValueError("what was explored belongs to a model with other latent dimensions")
        self._forget_draw()
        if not self.scene.model.is_vae:
            exploration = replace(exploration, draw=None)
        self._history = History(exploration)
        self._announce(None, exploration)

    def undo(self) -> None:
        before = self.exploration
        if self._history and self._history.undo():
            self._forget_draw()
            self._announce(before, self._history.present)
            self.history_changed.emit()

    def redo(self) -> None:
        before = self.exploration
        if self._history and self._history.redo():
            self._forget_draw()
            self._announce(before, self._history.present)
            self.history_changed.emit()

    def _announce(self, before: Exploration | None, now: Exploration) -> None:
        """Tell what is not as it was; all of it where there was nothing before."""
        new_plane = before is None or now.plane != before.plane
        moved = new_plane or now.point != before.point
        drawn = before is None or now.draw != before.draw
        if moved or drawn:
            self.scene = replace(self.scene, point=now.point, plane=now.plane, draw=now.draw)
        if moved:
            self.point_changed.emit(self.scene)
        if before is None or (now.draw is None) != (before.draw is None):
            self.draw_changed.emit(now.draw is not None)
        marked = before is None or now.pins != before.pins or now.path != before.path
        if marked:
            self._spots = spots_of(now)
            self.marks_changed.emit(now)
        if before is None or now.directions != before.directions:
            self.directions_changed.emit(now.directions)
        if before is None or now.layers != before.layers:
            self.layers_changed.emit(now.layers)
        if moved or drawn or marked or self._wants_ellipses() != self.scene.ellipses:
            self._ask()
        # Moved within its plane, the point has all encodings where they were, and as strong.
        beside = new_plane or (moved and not now.plane.has_one_parallel(before.point, now.point))
        if beside and self._means is not None:
            self._place_encodings()
        if before is None:
            self.history_changed.emit()

    def name_model(self, opened: tasks.OpenedModel) -> None:
        """The same model, of which more is known now: its file, its card."""
        self.opened = opened

    def set_images(self, images: TestImages) -> None:
        """The test images whose encodings are shown: the first 1000 of them."""
        were_placed = self._means is not None
        self._means = self._glance = None  # of other images: their labels must not be put to these
        self._spread = (None, None)
        if self._images and images.class_names != self._images.class_names:
            self._show_all_classes()
        self._images = replace(images, images=images.images[:ENCODED], labels=images.labels[:ENCODED])
        if were_placed:
            self._place_encodings()
        self.encodings_changed.emit()
        self._ask()

    def set_probe(self, image: np.ndarray | None) -> None:
        """An image of the model's shape to be encoded, now and whenever the weights change; None for none."""
        self._probe = image
        self._ask()

    def set_glance(self, image: np.ndarray | None) -> None:
        """An image of the model's shape whose reconstruction is wanted, by the weights of the day; None for none."""
        if image is not self._glance:
            self._glance = image
            self._ask()

    def need_ellipses(self, needed: bool) -> None:
        """Whether the ellipses of some encodings are wanted, even where those of all are not."""
        self._ellipses_needed = needed
        if self.scene is not None and self._wants_ellipses() != self.scene.ellipses:
            self._ask()

    def set_strips(self, points: np.ndarray | None) -> None:
        """Points (n, latent_dims) of which pictures are wanted on the sliders' tracks, or None."""
        if points is None or (self.scene is not None and points.shape[1] == len(self.scene.point)):
            self._strips = points
            self._ask()

    def set_terms(self, points: np.ndarray | None) -> None:
        """Points (n, latent_dims) of which pictures are wanted beside what is combined, or None."""
        if points is None or (self.scene is not None and points.shape[1] == len(self.scene.point)):
            self._terms = points
            self._ask()

    def need_encodings(self, needed: bool) -> None:
        """Whether the test images are to be encoded where no map is seen, too."""
        if needed != self._encodings_needed:
            self._encodings_needed = needed
            self._ask()

    def show_map(self, view: View | None, pictures: Pictures | None) -> None:
        """What is visible: a view of the map, or else pictures for the Reconstruct tab."""
        self._view, self._pictures = view, pictures
        self._ask()

    def move_on_map(self, position: tuple[float, float], merge: Hashable = None) -> None:
        """Put the point at (u, v) of the plane; its offset from the plane stays."""
        if self.scene:
            self.move_point(self.scene.plane.moved(self.scene.point, position), merge)

    def move_point(self, point: tuple[float, ...], merge: Hashable = None) -> None:
        if self._history:
            self._forget_draw()
            self.change(replace(self._history.present, point=tuple(point)), merge=merge)

    def choose_axes(self, axes: tuple[int, int]) -> None:
        if self._history:
            self.choose_plane(Plane.of_axes(axes, len(self._history.present.point)))

    def choose_plane(self, plane: Plane) -> None:
        """The map is to be parallel to this plane, through the point as it is."""
        if self._history:
            self.change(replace(self._history.present, plane=plane))

    def choose_layers(self, layers: Layers, merge: Hashable = None) -> None:
        if self._history:
            self.change(replace(self._history.present, layers=layers), merge=merge)

    def hide_density(self) -> None:
        """It was given up: the layer goes."""
        if self._history:
            self.choose_layers(replace(self._history.present.layers, density=False))

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
        if self._history:
            self.change(replace(self._history.present, draw=None))

    def show_sample(self) -> None:
        """A draw from p(x|z) at the point, another one each time; the noise stays the same while the point moves."""
        if self._history:
            self.change(replace(self._history.present, draw=self._new_seed()))

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

    def _show_all_classes(self) -> None:
        """Classes of other data are hidden no longer, nor become so by undoing."""
        if self._history:
            self._history.rewrite(lambda one: replace(one, layers=replace(one.layers, hidden_classes=frozenset())))
            self.layers_changed.emit(self._history.present.layers)
            self.history_changed.emit()

    def take_encodings(self, frame: EncodingsFrame) -> None:
        if self._images and frame.images is self._images.images:
            self._means = frame.means
            self._spread = (frame.plane, frame.covariances)
            self._place_encodings()
            self.encodings_changed.emit()

    def _place_encodings(self) -> None:
        """Where they fall on the plane as it is now; covariances on another plane say nothing there."""
        if self._means is None or self._images is None:
            self.encodings_placed.emit(None, None, None)
            self.ellipses_placed.emit(None)
            return
        means, seen = self._seen
        if means is not self._means or seen.plane != self.scene.plane:
            seen = Seen.of(self.scene.plane, self._means)
            self._seen = self._means, seen
        points, strength = seen.places.astype(np.float32), seen.strength(self.scene.point)
        self.encodings_placed.emit(points, self._images.labels, strength)
        self.ellipses_placed.emit(self._spread[1] if self._spread[0] == self.scene.plane else None)

    def _wants_ellipses(self) -> bool:
        """Whether any are seen: those of all encodings, or of the selected ones. An auto-encoder has none."""
        if self.scene is None or not self.scene.model.is_vae:
            return False
        layers = self._history.present.layers
        return layers.encodings and (layers.ellipses or self._ellipses_needed)

    def _ask(self) -> None:
        if self.scene is None:
            return
        seen = self._view is not None or self._encodings_needed
        encode = self._images.images if seen and self._images else None
        wanted = {"encode": encode, "pictures": self._pictures, "probe": self._probe, "spots": self._spots}
        wanted |= {"glance": self._glance, "ellipses": self._wants_ellipses()}
        self.scene = replace(self.scene, view=self._view, strips=self._strips, terms=self._terms, **wanted)
        self.scene_changed.emit(self.scene)
