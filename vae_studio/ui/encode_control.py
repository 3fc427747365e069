"""From pixels to z: where an image comes from, its preparation, what it is asked, and what the map shows of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from vae_studio import tasks
from vae_studio.core.probing import (
    KEPT_SIDE,
    MAX_PIXELS,
    Footprint,
    Improvement,
    Judgement,
    Posterior,
    Preparation,
    fits,
)
from vae_studio.core.scene import ProbeFrame, Scene, TestImages, Version
from vae_studio.ui.encode_panel import EncodePanel
from vae_studio.ui.image_dialog import ImageDialog
from vae_studio.ui.settings import Settings
from vae_studio.ui.theme import Theme
from vae_studio.ui.workers import Failure, Job, Jobs

_PATTERN = "Pictures (*.png *.jpg *.jpeg *.bmp *.gif *.webp *.tif *.tiff *.pgm *.ppm *.pbm *.pnm);;All files (*)"
_AT_REST_MS = 300  # after the last change of an image its slow figures are begun
_NEW_WEIGHTS_MS = 3000  # and this long after new weights, which come often while training


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is on the canvas: uint8 (280, 280), 255 is ink."""

    ink: np.ndarray


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture from a file, the clipboard or a drop, uint8 (H, W), (H, W, 3) or (H, W, 4)."""

    pixels: np.ndarray
    name: str


@dataclass(frozen=True, slots=True)
class Test:
    """A test image, which needs no preparation: this index within its class, or of all."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    number: int | None
    index: int


@dataclass(frozen=True, slots=True)
class _Improved:
    """Where Improve is, where it began, and the means on its way."""

    now: Improvement
    first: Improvement
    way: tuple[np.ndarray, ...]


class EncodeControl(QObject):
    """Holds one image x, and asks the model of the scene about it. `panel` and, once opened, `dialog` show it.

    Quick answers come as frames, with every snapshot of a training; slow ones as jobs, begun when nothing has changed
    for a while. Signals: `image_changed(x or None)` is to be encoded; `footprint_changed(Footprint or None)` for the
    map; `mean_changed(mean (d,) or None)` of q(z|x), as it is shown; `point_chosen(tuple of floats)`; `refused(str)`, a
    sentence on what cannot be used; `failed(Failure)`.
    """

    image_changed = Signal(object)
    footprint_changed = Signal(object)
    mean_changed = Signal(object)
    point_chosen = Signal(object)
    refused = Signal(str)
    failed = Signal(object)

    def __init__(self, jobs: Jobs, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self._jobs, self._settings, self._window = jobs, settings, window
        self.panel = EncodePanel()
        self.dialog: ImageDialog | None = None
        self._theme: Theme | None = None
        self._scene: Scene | None = None
        self._tests: TestImages | None = None
        self._source: Drawing | Opened | Test | None = None
        self._preparations: dict[bool, Preparation] = {}  # for grey models, and for those of colour images
        self._image: np.ndarray | None = None
        self._posterior: Posterior | None = None  # the encoder's
        self._answered: ProbeFrame | None = None
        self._improved: _Improved | None = None
        self._improving: Job | None = None
        self._asked: list[Job] = []
        self._judged: Version | None = None  # the weights that the slow figures are of
        self._judgement: Judgement | None = None
        self._near: np.ndarray | None = None  # the image whose neighbours are shown
        self._chance = random.Random()
        self._rest = QTimer(self, singleShot=True)
        self._rest.timeout.connect(self._ask)
        panel = self.panel
        panel.draw_requested.connect(self.draw)
        panel.open_requested.connect(self.open_file)
        panel.adjust_requested.connect(self._adjust)
        panel.clear_requested.connect(self.clear)
        panel.test_chosen.connect(self._choose_test)
        panel.random_requested.connect(self._choose_random_test)
        panel.go_requested.connect(self.go)
        panel.improve_requested.connect(self.improve)
        panel.reset_requested.connect(self._reset)

    @property
    def image(self) -> np.ndarray | None:
        """What the encoder gets."""
        return self._image

    # Values in

    def look_at(self, model: object, *, has_tests: bool) -> None:
        """Another model is looked at, for which there are test images already, or not yet."""
        self.panel.set_config(model.config)
        self._stop_asking()
        self._judged = self._near = None
        if not has_tests:
            self._tests = None
            self.panel.set_test_classes((), ())
        self._prepare(model)

    def set_tests(self, tests: TestImages) -> None:
        """Test images as the encoder is meant to see them."""
        self._tests = tests
        names = tests.present_names()
        counts = np.bincount(tests.labels, minlength=len(names)) if len(tests.labels) else np.zeros(len(names), int)
        self.panel.set_test_classes(names, counts.tolist())
        if isinstance(self._source, Test):
            self._choose_test(self._source.number, self._source.index)

    def follow(self, scene: Scene) -> None:
        """The scene has changed: its plane, perhaps, or its weights."""
        before, self._scene = self._scene, scene
        if before is not None and before.plane != scene.plane:
            self._show_footprint()

    def take_frame(self, frame: ProbeFrame) -> None:
        """What the model of the scene makes of the image, unless it is an image of before."""
        if frame.image is not self._image:
            return
        new_weights = self._answered is None or self._answered.version != frame.version
        self._answered, self._posterior = frame, frame.posterior
        if new_weights and self._improved:
            self._forget_improvement()
        if self._improved is None:
            self.panel.show_answer(frame.posterior, frame.reconstruction, frame.error)
            self._show_footprint()
        if self._judged is not None and self._judged != frame.version:
            self.panel.set_weights_stale()
            if not self._rest.isActive() and not self._asked:
                self._rest.start(_NEW_WEIGHTS_MS)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.panel.set_theme(theme)
        if self.dialog:
            self.dialog.set_theme(theme)

    def close(self) -> None:
        """The window closes."""
        self._rest.stop()
        if self.dialog:
            self.dialog.close()

    # Where an image comes from

    def draw(self) -> None:
        """Show the canvas, and take what is on it."""
        dialog = self._show_dialog()
        dialog.show_canvas()
        self._take_drawing(None if dialog.canvas.is_empty() else dialog.canvas.ink())

    def open_file(self) -> None:
        folder = self._settings.folder("image", Path.home())
        path, _ = QFileDialog.getOpenFileName(self._window, "Open a picture", str(folder), _PATTERN)
        if path:
            self._settings.set_folder("image", Path(path).parent)
            self.read(Path(path))

    def read(self, path: Path) -> None:
        """Take the picture in a file; what cannot be read changes nothing."""
        self._jobs.submit(
            lambda: tasks.read_picture(path), lambda pixels: self._take(Opened(pixels, path.name)), self._refuse
        )

    def take_mime(self, data: QMimeData | None) -> None:
        """Take the file or the image in what was pasted or dropped; an empty clipboard is None."""
        data = data or QMimeData()
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        if paths:
            self.read(paths[0])
        elif data.hasImage():
            self._take_qimage(QImage(data.imageData()))
        else:
            self.refused.emit("There is no picture in what was pasted or dropped.")

    def clear(self) -> None:
        """Let go of the image."""
        self._source = None
        self._show_image(None)

    def random_test(self) -> None:
        self._choose_random_test(self.panel.chosen_class())

    def take_test(self, index: int) -> None:
        """Look at the test image of this number."""
        self._choose_test(None, index)

    def go(self) -> None:
        """Move the point to the mean of q(z|x), as it is shown."""
        posterior = self._improved.now.posterior if self._improved else self._posterior
        if posterior is not None:
            self.point_chosen.emit(tuple(posterior.mean.tolist()))

    def _take_qimage(self, image: QImage) -> None:
        if image.isNull():
            self.refused.emit("What was pasted is no picture that can be read.")
            return
        if image.width() * image.height() > MAX_PIXELS:
            size = f"{image.width():,} × {image.height():,}"
            self.refused.emit(f"The picture has {size} pixels; up to 64 million can be used. Make it smaller first.")
            return
        if max(image.width(), image.height()) > KEPT_SIDE:
            smooth = Qt.TransformationMode.SmoothTransformation
            image = image.scaled(KEPT_SIDE, KEPT_SIDE, Qt.AspectRatioMode.KeepAspectRatio, smooth)
        image = image.convertToFormat(QImage.Format.Format_RGBA8888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        pixels = rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()
        self._take(Opened(pixels if image.hasAlphaChannel() else pixels[..., :3].copy(), "the clipboard"))

    def _take_drawing(self, ink: np.ndarray | None) -> None:
        if ink is not None:
            self._take(Drawing(ink))
        elif isinstance(self._source, Drawing):
            self.clear()
        else:
            self._show_prepared("Draw, and this is encoded while you do.", None)

    def _choose_random_test(self, number: int | None) -> None:
        count = len(self._of_class(number))
        if count:
            self._choose_test(number, self._chance.randrange(count))
        else:
            self.refused.emit("There are no test images that fit this model.")

    def _choose_test(self, number: int | None, index: int) -> None:
        members = self._of_class(number)
        if not len(members):
            number, members = None, self._of_class(None)
        if len(members):
            index = min(index, len(members) - 1)
            self._take(Test(number, index))
            self.panel.show_test_choice(number, index)

    def _of_class(self, number: int | None) -> np.ndarray:
        if self._tests is None:
            return np.zeros(0, int)
        labels = self._tests.labels
        return np.arange(len(labels)) if number is None else np.flatnonzero(labels == number)

    def _take(self, source: Drawing | Opened | Test) -> None:
        """Show another image, unless it cannot be prepared: then what was shown stays, and a sentence says why."""
        if self._scene is None:
            return
        try:
            image = self._prepared(source, self._scene.model)
        except Exception as error:
            self._refuse(Failure.of(error))
            return
        self._source = source
        self._show_image(image)

    # Preparation

    def _preparation(self, model: object) -> Preparation:
        colour = model.image_shape[0] > 1
        return self._preparations.setdefault(colour, Preparation.of(tuple(model.image_shape)))

    def _prepared(self, source: Drawing | Opened | Test, model: object) -> np.ndarray | None:
        """The image that the encoder is to get; None where there is none for this model. Raises PictureError."""
        shape = tuple(model.image_shape)
        match source:
            case Test(number, index):
                members = self._of_class(number)
                image = self._tests.images[members[index]] if index < len(members) else None
                return image if image is not None and fits(image, shape) else None
            case Drawing(ink):
                return tasks.prepare(ink, shape, self._preparation(model).of_a_drawing())
        return tasks.prepare(source.pixels, shape, self._preparation(model))

    def _prepare(self, model: object) -> None:
        """The same picture, prepared anew: for another model, or by other steps."""
        image = None
        if self._source is not None:
            try:
                image = self._prepared(self._source, model)
            except Exception as error:
                self._refuse(Failure.of(error))
                if self._image is not None and fits(self._image, tuple(model.image_shape)):
                    return
        if self.dialog:
            self.dialog.set_preparation(self._preparation(model))
        self._show_image(image)

    def _steps_chosen(self, steps: Preparation) -> None:
        model = self._scene.model
        self._preparations[model.image_shape[0] > 1] = steps
        self._prepare(model)

    def _show_image(self, image: np.ndarray | None) -> None:
        self._image, self._near = image, None
        self._stop_asking()
        self._forget_improvement()
        self._answered = self._judged = None
        if image is None:
            self._posterior = None
            self._rest.stop()
            self.panel.clear()
            self._show_footprint()
            self._show_prepared("Draw, and this is encoded while you do." if self._source is None else "", None)
        else:
            kind, name = _kind_of(self._source)
            self.panel.begin(image)
            self.panel.show_source(kind, name)
            self._show_prepared("", image)
            self._rest.start(_AT_REST_MS)
        self.image_changed.emit(image)

    # The dialog

    def _show_dialog(self) -> ImageDialog:
        if self.dialog is None:
            dialog = self.dialog = ImageDialog(parent=self._window)
            if self._theme:
                dialog.set_theme(self._theme)
            if self._scene:
                dialog.set_preparation(self._preparation(self._scene.model))
            dialog.drawn.connect(self._take_drawing)
            dialog.draw_chosen.connect(self.draw)
            dialog.open_requested.connect(self.open_file)
            dialog.preparation_changed.connect(self._steps_chosen)
            dialog.given.connect(self.take_mime)
        dialog = self.dialog
        if not dialog.isVisible():
            dialog.show()
            self._place(dialog)
        dialog.raise_()
        dialog.activateWindow()
        return dialog

    def _place(self, dialog: ImageDialog) -> None:
        """At the lower left of the window, where neither the map's middle nor the panel is hidden."""
        inside = self._window.rect()
        corner = self._window.mapToGlobal(inside.bottomLeft())
        room = self._window.screen().availableGeometry()
        x = max(room.left(), corner.x() + 16)
        dialog.move(x, max(room.top(), corner.y() - dialog.sizeHint().height() - 48))

    def _adjust(self) -> None:
        """Show where the image comes from, and the steps of its preparation."""
        dialog = self._show_dialog()
        if isinstance(self._source, Opened):
            dialog.show_picture(self._source.pixels)
        else:
            dialog.show_canvas()
        self._show_prepared("", self._image)

    def _show_prepared(self, note: str, image: np.ndarray | None) -> None:
        if self.dialog is None:
            return
        if isinstance(self._source, Opened):
            self.dialog.show_picture(self._source.pixels)
        elif isinstance(self._source, Drawing):
            self.dialog.show_canvas()
        self.dialog.set_prepared(image, note)

    # Slow answers

    def _ask(self) -> None:
        scene, image = self._scene, self._image
        if scene is None or image is None or not fits(image, tuple(scene.model.image_shape)):
            return
        self._stop_asking()
        model, version = scene.model, scene.version
        if self._near is not image:
            self._asked.append(
                self._jobs.submit(
                    lambda: tasks.find_neighbours(model, image), self._take_neighbours, self._no_neighbours
                )
            )
        self._asked.append(
            self._jobs.submit(
                lambda: tasks.judge(model, image),
                lambda found: self._take_judgement(version, found),
                self._fail_to_judge,
                self.panel.show_progress,
            )
        )

    def _stop_asking(self) -> None:
        for job in self._asked:
            job.cancel()
        self._asked = []
        self.panel.show_progress(None)

    def _take_neighbours(self, found: object) -> None:
        self._near = self._image
        self.panel.show_neighbours(found)

    def _no_neighbours(self, failure: Failure) -> None:
        if failure.expected:
            self._near = self._image
            self.panel.show_no_neighbours(failure.words)
        else:
            self.failed.emit(failure)

    def _take_judgement(self, version: Version, found: Judgement) -> None:
        self._judged, self._judgement = version, found
        self.panel.show_judgement(found, with_bound=self._improved is None)
        if found.likelihood or found.bound.samples == 1:
            self._asked = []
            self.panel.show_progress(None)
        if self._scene.version != version:
            self.panel.set_weights_stale()
            self._rest.start(_NEW_WEIGHTS_MS)

    def _fail_to_judge(self, failure: Failure) -> None:
        self._asked = []
        self.panel.show_progress(None)
        self.failed.emit(failure)

    # Improve

    def improve(self) -> None:
        """Begin gradient steps on this image's ELBO, or stop them where they are."""
        if self._improving is not None:
            self._stop_improving()
            return
        scene, image = self._scene, self._image
        if image is None or not scene.model.is_vae:
            return
        self._forget_improvement()
        self._stop_asking()  # or the steps would wait for the estimate
        model = scene.model
        self._improving = self._jobs.submit(
            lambda: tasks.improve(model, image), self._take_improvement, self._fail_to_improve
        )
        self.panel.show_improving("running")

    def _take_improvement(self, now: Improvement) -> None:
        before = self._improved
        first = before.first if before else now
        way = (*before.way, now.posterior.mean) if before else (now.posterior.mean,)
        self._improved = _Improved(now, first, way)
        self.panel.show_improvement(now, first.bound)
        self._show_footprint()
        if now.last:
            self._stop_improving()
            if self._judged is None:
                self._rest.start(_AT_REST_MS)

    def _stop_improving(self) -> None:
        if self._improving is not None:
            self._improving.cancel()
            self._improving = None
        self.panel.show_improving("answered" if self._improved is None else "improved")

    def _forget_improvement(self) -> None:
        if self._improving is not None or self._improved is not None:
            self._improved = None
            self._stop_improving()

    def _reset(self) -> None:
        """Back to the encoder's answer."""
        self._forget_improvement()
        if self._answered is not None:
            self.panel.show_answer(self._answered.posterior, self._answered.reconstruction, self._answered.error)
        self._show_footprint()
        if self._judged is not None:
            self.panel.show_judgement(self._judgement)
        else:
            self.panel.set_weights_stale()
            self._rest.start(_AT_REST_MS)

    def _fail_to_improve(self, failure: Failure) -> None:
        self._forget_improvement()
        self.failed.emit(failure)

    # The map

    def _show_footprint(self) -> None:
        improved, scene = self._improved, self._scene
        posterior = improved.now.posterior if improved else self._posterior
        # That of a model before may have other dimensions than the plane.
        if self._image is None or posterior is None or len(posterior.mean) != scene.plane.dims:
            self.mean_changed.emit(None)
            self.footprint_changed.emit(None)
            return
        self.mean_changed.emit(posterior.mean)
        if improved:
            self.footprint_changed.emit(Footprint.of(posterior, scene.plane, improved.first.posterior, improved.way))
        else:
            self.footprint_changed.emit(Footprint.of(posterior, scene.plane))

    def _refuse(self, failure: Failure) -> None:
        if failure.expected:
            self.refused.emit(failure.words)
        else:
            self.failed.emit(failure)


def _kind_of(source: Drawing | Opened | Test) -> tuple[str, str]:
    """Its kind as the panel knows it, and its name."""
    match source:
        case Drawing():
            return "drawing", "your drawing"
        case Opened():
            return "picture", source.name
    return "test", "the test images"
