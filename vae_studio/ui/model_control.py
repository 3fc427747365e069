"""Which model is on view: a shipped one, that of a file or the run's newest. Models are opened and saved here."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.core import events
from vae_studio.core.scene import TestImages, Version
from vae_studio.ui.file_dialogs import FileDialogs
from vae_studio.ui.run_bar import RunBar
from vae_studio.ui.session import Session
from vae_studio.ui.training_control import TrainingControl
from vae_studio.ui.workers import Failure, Jobs


class ModelControl(QObject):
    """Gives the session its models, each with a version, and goes along with the run while that is on view.

    Signals: `opening()` when a model is asked for; `opened(name, OpenedModel)` when it is on view, or
    `not_opened(name, Failure)`; `run_shown()` when the run's model is on view and another was before;
    `looked_at(OpenedModel, step)`, any model, whatever it is; the step is that of a run that goes on, or None;
    `images_loaded(TestImages)` for the model on view; `listed(name, title)`, what is on view as the list of models
    has it; `run_named(title)`; `saved(Written)`; `failed(Failure)`.
    """

    opening = Signal()
    opened = Signal(str, object)
    not_opened = Signal(str, object)
    run_shown = Signal()
    looked_at = Signal(object, object)
    images_loaded = Signal(object)
    listed = Signal(str, str)
    run_named = Signal(str)
    saved = Signal(object)
    failed = Signal(object)

    def __init__(
        self, session: Session, training: TrainingControl, jobs: Jobs, files: FileDialogs, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._training, self._jobs, self._files = session, training, jobs, files
        self._wanted = ""  # what is to be on view: a shipped model's name, a file, or RunBar.RUN
        self._lineage = 0

    @property
    def on_view(self) -> tasks.OpenedModel | None:
        return self._session.opened

    @property
    def following(self) -> bool:
        """Whether the view goes along with the run."""
        return self._wanted == RunBar.RUN

    # Opening and saving

    def ask_for_file(self) -> None:
        if path := self._files.model_to_open():
            self.open(str(path))

    def choose(self, name: str) -> None:
        """Show what was chosen in the list of models."""
        if name != RunBar.RUN:
            self.open(name)
        elif self._training.run.opened:
            self._follow_run()

    def open(self, name_or_path: str) -> None:
        """Put a shipped model or that of a file on view, once it is read, unless another is asked for meanwhile."""
        self._wanted = name_or_path
        self.opening.emit()
        self._jobs.submit(
            lambda: tasks.open_model(name_or_path),
            lambda opened: self._show(name_or_path, opened),
            lambda failure: self._fail_to_open(name_or_path, failure),
        )

    def save(self) -> None:
        """Ask for a file, and write the model into it that was on view when it was asked."""
        opened = self.on_view
        if opened and (path := self._files.model_to_write(opened.name)):
            self._jobs.submit(
                lambda: tasks.save_model(opened.model, opened.card, path), self.saved.emit, self.failed.emit
            )

    def _show(self, name: str, opened: tasks.OpenedModel) -> None:
        if name != self._wanted:
            return  # meanwhile another model was asked for, or a run began
        self.listed.emit(name, opened.name)
        version = self._new_version()
        self._session.look_at(opened, version)
        self.looked_at.emit(opened, None)
        self.opened.emit(name, opened)
        config, shape = opened.model.config, tuple(opened.model.image_shape)
        self._jobs.submit(
            lambda: tasks.load_test_images(config, shape),
            lambda images: self._take_images(images, version.lineage),
            self.failed.emit,
        )

    def _fail_to_open(self, name: str, failure: Failure) -> None:
        self.not_opened.emit(name, failure)
        if self._training.going and self._training.run.opened:
            self._follow_run()

    def _take_images(self, images: TestImages, lineage: int) -> None:
        if lineage == self._session.scene.version.lineage:  # else they belong to a model that is no longer looked at
            self.images_loaded.emit(images)

    def _new_version(self) -> Version:
        self._lineage += 1
        return Version(self._lineage, 0)

    # The run

    def begin_run(self) -> int:
        """The lineage of a new run, whose models will be on view."""
        self._wanted = RunBar.RUN
        return self._new_version().lineage

    def take_event(self, event: events.Event | TestImages) -> None:
        """The run says this."""
        match event:
            case events.Snapshot() | events.Finished() if self.following:
                self._follow_run()
            case events.Saved() if self.following:
                self._session.name_model(self._training.run.opened)

    def take_state(self, state: str) -> None:
        """The run is in this state; idle is after its end, whatever that was."""
        if state != "idle":
            return
        run = self._training.run
        if run.opened:
            self.run_named.emit(run.title)
            if self.following:
                self.looked_at.emit(run.opened, None)
        elif self.following:  # it failed before it had a model
            self._wanted = ""

    def _follow_run(self) -> None:
        run, scene = self._training.run, self._session.scene
        self._wanted = RunBar.RUN
        self.run_named.emit(f"{run.preset_title} · training" if run.going else run.title)
        self.listed.emit(RunBar.RUN, "")
        newly = scene is None or scene.version.lineage != run.lineage
        self._session.look_at(run.opened, run.version)
        self.looked_at.emit(run.opened, run.step if run.going else None)
        if newly:
            self._take_images(run.images, run.lineage)
            self.run_shown.emit()
