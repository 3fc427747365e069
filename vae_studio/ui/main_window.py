"""The window: places the panels, and is the one switchboard between panels, session, training and workers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import get_args

import numpy as np
from PySide6.QtCore import QSettings, QSize, Qt, QTimer
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

import vae_studio
from vae_studio import paths, tasks
from vae_studio.core import events
from vae_studio.core.config import ConfigError
from vae_studio.core.presets import DEFAULT_PRESET
from vae_studio.core.scene import (
    EncodingsFrame,
    Frame,
    MapFrame,
    PicturesFrame,
    PointFrame,
    ProbeFrame,
    Scene,
    SpotsFrame,
    TestImages,
    Version,
    View,
)
from vae_studio.core.session_file import SUFFIX, Page, SavedSession, is_session
from vae_studio.ui import theme as themes
from vae_studio.ui.actions import Actions
from vae_studio.ui.controls import file_stem, splitter
from vae_studio.ui.decoder_panel import DecoderPanel
from vae_studio.ui.encode_control import EncodeControl
from vae_studio.ui.evaluate_control import EvaluateControl
from vae_studio.ui.export_control import ExportControl
from vae_studio.ui.formula import learned_scale
from vae_studio.ui.help_dialog import HelpDialog
from vae_studio.ui.map_marks import Mark
from vae_studio.ui.map_panel import MapPanel
from vae_studio.ui.marks_control import MarksControl, pin_mark, pin_number
from vae_studio.ui.marks_panel import MarksPanel
from vae_studio.ui.notice_bar import NoticeBar
from vae_studio.ui.reconstruct_panel import ReconstructPanel
from vae_studio.ui.run_bar import RunBar
from vae_studio.ui.run_status import RunStatus
from vae_studio.ui.session import Session
from vae_studio.ui.session_control import SessionControl
from vae_studio.ui.settings import Settings
from vae_studio.ui.setup_panel import SetupPanel
from vae_studio.ui.side_column import SideColumn
from vae_studio.ui.timings import Timings
from vae_studio.ui.training_control import Run, TrainingControl
from vae_studio.ui.training_panel import TrainingPanel
from vae_studio.ui.workers import Failure, Jobs, Renderer

EXPLORE, RECONSTRUCT, EVALUATE = range(3)
_PAGES = get_args(Page)  # in that order
_SESSION_FILES = f"Sessions (*{SUFFIX} *.json)"
_HINT = "drag the ring or click to move the point · drag the map to pan · wheel to zoom"
_CACHED_SECONDS = 2e-4  # a map drawn faster than this came from the cache and says nothing of the decoder


class MainWindow(QMainWindow):
    """`file` is what to open first: a shipped model's name, a model file or a session file; None for the last session.

    `shipped` lists (name, title) of the shipped models; `store` keeps geometry, theme and choices; `last_session` is
    the file that keeps what is explored, if any does.
    """

    def __init__(
        self, file: str | None, shipped: list[tuple[str, str]], store: QSettings, last_session: Path | None = None
    ) -> None:
        super().__init__()
        self.setObjectName("main_window")
        self.setWindowTitle("VAE Studio")
        self.setMinimumSize(QSize(960, 620))
        self.setAcceptDrops(True)
        self._settings = Settings(store)
        self._wanted = ""  # what is to be on view: a shipped model's name, a file, or RunBar.RUN
        self._lineage = 0
        self._help_dialog: HelpDialog | None = None
        self._file, self._begun, self._warm = file, False, False

        self.actions_ = Actions(self)
        self.bar = RunBar(shipped)
        self.notice = NoticeBar()
        self.setup = SetupPanel()
        self.map_panel = MapPanel()
        self.reconstruct = ReconstructPanel()
        self.decoder = DecoderPanel()
        self.marks_panel = MarksPanel()
        self.training_panel = TrainingPanel()
        self.status = RunStatus()
        self.point_jobs = Jobs("point jobs", self)  # a random point comes at once, whatever else is to be done
        self.session = Session(self.point_jobs, self)
        self.marks = MarksControl(self.session, self)
        self.training = TrainingControl(self)
        self.renderer = Renderer(tasks.Frames(), self)
        self.jobs = Jobs("jobs", self)
        self.export_jobs = Jobs("export jobs", self)  # a long export keeps no model from being opened
        self.evaluation_jobs = Jobs("evaluation jobs", self)
        self.evaluation = EvaluateControl(self.evaluation_jobs, self)
        self.export = ExportControl(self.export_jobs, self._settings, self)
        self.probe_jobs = Jobs("probe jobs", self)  # a long evaluation keeps no image from being judged
        self.encode = EncodeControl(self.probe_jobs, self._settings, self)
        self.sessions = SessionControl(self.jobs, last_session, self)
        self.timings = Timings(self, self.map_panel.map, self.decoder.view)
        queues = (self.jobs, self.export_jobs, self.evaluation_jobs, self.point_jobs, self.probe_jobs)
        self._workers = (self.renderer, *queues)
        self._pages = (self.map_panel, self.reconstruct, self.evaluation.panel)  # in the order of the views
        self._lay_out()
        self._connect()
        self._settings.restore(self, self._splitters, self.actions_.panels())
        self._choose_theme(self._settings.theme)
        self._show_run_state("idle")
        self.map_panel.map.setFocus()  # not the first control: there an arrow key would open another model

    # The switchboard

    def _connect(self) -> None:
        actions = self.actions_
        actions.open_model.triggered.connect(self._ask_for_model)
        actions.save_model.triggered.connect(self._ask_where_to_save)
        actions.open_session.triggered.connect(self._ask_for_session)
        actions.save_session.triggered.connect(self._ask_where_to_save_session)
        actions.export.triggered.connect(self._show_export)
        actions.quit.triggered.connect(self.close)
        actions.undo.triggered.connect(self._undo)
        actions.redo.triggered.connect(self._redo)
        actions.explore.triggered.connect(lambda: self._choose_view(EXPLORE))
        actions.reconstruct.triggered.connect(lambda: self._choose_view(RECONSTRUCT))
        actions.evaluate.triggered.connect(lambda: self._choose_view(EVALUATE))
        actions.fit.triggered.connect(self.map_panel.map.fit)
        actions.back.triggered.connect(self.map_panel.map.back)
        actions.forward.triggered.connect(self.map_panel.map.forward)
        actions.theme.triggered.connect(self._toggle_theme)
        actions.system_theme.triggered.connect(self._follow_system)
        actions.setup_panel.toggled.connect(self.setup.setVisible)
        actions.decoder_panel.toggled.connect(self._column.setVisible)
        actions.training_panel.toggled.connect(self.training_panel.setVisible)
        actions.timings.toggled.connect(self._show_timings)
        actions.train.triggered.connect(self._train)
        actions.pause.triggered.connect(self.training.pause_or_resume)
        actions.stop.triggered.connect(self.training.stop)
        actions.step.triggered.connect(self.training.step_once)
        actions.random.triggered.connect(self.session.random_point)
        actions.reset.triggered.connect(self.session.reset_point)
        actions.copy.triggered.connect(self.decoder.copy_point)
        actions.paste.triggered.connect(self.marks.paste_point)
        actions.pin.triggered.connect(self.marks.pin_point)
        actions.start_path.triggered.connect(self.marks.start_path)
        actions.add_to_path.triggered.connect(self.marks.add_to_path)
        actions.play.triggered.connect(self.marks_panel.path.play_or_pause)
        actions.draw.triggered.connect(self.encode.draw)
        actions.open_image.triggered.connect(self.encode.open_file)
        actions.paste_image.triggered.connect(self._paste)
        actions.test_image.triggered.connect(self.encode.random_test)
        actions.go_to_mean.triggered.connect(self.encode.go)
        actions.improve.triggered.connect(self.encode.improve)
        actions.help.triggered.connect(self._show_help)
        actions.about.triggered.connect(self._show_about)

        self.bar.model_chosen.connect(self._choose_model)
        self.bar.open_requested.connect(self._ask_for_model)
        self.bar.train_requested.connect(self._train)
        self.bar.pause_requested.connect(self.training.pause_or_resume)
        self.bar.stop_requested.connect(self.training.stop)
        self.bar.pace.pace_changed.connect(self._choose_pace)
        self.bar.pace.step_requested.connect(self.training.step_once)
        self.bar.undo_requested.connect(self._undo)
        self.bar.redo_requested.connect(self._redo)
        self.bar.view_chosen.connect(self._choose_view)
        self.bar.export_requested.connect(self._show_export)

        self.setup.failed.connect(self.notice.show_notice)
        self.setup.objective.beta_changed.connect(self.training.turn_beta)
        self.setup.objective.rate_changed.connect(self.training.turn_rate)

        self.map_panel.map.point_moved.connect(self._move_on_map)
        self.map_panel.map.view_changed.connect(self._show_visible)
        self.map_panel.map.view_changed.connect(self.export.set_view)
        self.map_panel.map.views_changed.connect(self._show_can_go_back)
        self.map_panel.axes_changed.connect(self.session.choose_axes)
        self.map_panel.layers_changed.connect(self.session.choose_layers)
        self.decoder.point_changed.connect(lambda point: self.session.move_point(point, self.decoder.gesture()))
        self.decoder.random_requested.connect(self.session.random_point)
        self.decoder.reset_requested.connect(self.session.reset_point)
        self.decoder.mean_requested.connect(self.session.show_mean)
        self.decoder.sample_requested.connect(self.session.show_sample)
        self.reconstruct.request_changed.connect(self._show_visible)

        self._connect_marks()
        self.encode.image_changed.connect(self.session.set_probe)
        self.encode.point_chosen.connect(self._go_to)
        self.encode.footprint_changed.connect(self.map_panel.map.set_footprint)
        self.encode.panel.unfolded.connect(lambda: QTimer.singleShot(0, self._reveal_encode))
        self.encode.refused.connect(self.notice.show_notice)
        self.encode.failed.connect(self.report)

        self.session.scene_changed.connect(self.renderer.submit)
        self.session.scene_changed.connect(self.encode.follow)
        self.session.model_changed.connect(self._show_model)
        self.session.point_changed.connect(self._show_point)
        self.session.layers_changed.connect(self.map_panel.set_layers)
        self.session.draw_changed.connect(self.decoder.set_sampled)
        self.session.history_changed.connect(self._show_history)
        self.session.failed.connect(self.report)
        self.sessions.model_wanted.connect(self._open_for_session)
        self.sessions.restored.connect(self._restore)
        self.sessions.said.connect(self._say)
        self.sessions.saved.connect(self._saved)
        self.sessions.failed.connect(self.report)
        self.session.encodings_placed.connect(self.map_panel.map.set_encodings)
        self.training.said.connect(self._run_said)
        self.training.state_changed.connect(self._show_run_state)
        self.training.failed.connect(self.report)
        self.evaluation.failed.connect(self.report)
        self.renderer.frame.connect(self._show_frame)
        self.renderer.failed.connect(self.report)
        self.timings.refreshed.connect(self.map_panel.timings.show_figures)
        QApplication.styleHints().colorSchemeChanged.connect(self._system_theme_changed)

    def _connect_marks(self) -> None:
        marks, path, pins = self.marks, self.marks_panel.path, self.marks_panel.pins
        self.map_panel.map.mark_moved.connect(self._move_mark)
        self.map_panel.map.mark_opened.connect(marks.go_to)
        self.map_panel.map.mark_removed.connect(marks.remove)
        self.map_panel.map.mark_selected.connect(lambda mark: pins.select(pin_number(mark)))
        self.map_panel.map.menu_requested.connect(marks.show_menu)
        path.point_chosen.connect(lambda point: self.session.move_point(point, path.gesture()))
        path.path_changed.connect(marks.change_path)
        path.start_requested.connect(marks.start_path)
        path.add_requested.connect(marks.add_to_path)
        path.remove_requested.connect(marks.remove_path)
        pins.pin_requested.connect(marks.pin_point)
        pins.go_requested.connect(marks.go_to_pin)
        pins.renamed.connect(marks.rename_pin)
        pins.coloured.connect(marks.colour_pin)
        pins.remove_requested.connect(marks.remove_pins)
        pins.pasted.connect(marks.paste_pins)
        pins.path_requested.connect(marks.path_through_pins)
        pins.selected.connect(lambda number: self.map_panel.map.select_mark(pin_mark(number)))
        marks.placed.connect(self.map_panel.map.set_marks)
        marks.pictures.connect(pins.set_images)
        marks.film.connect(path.set_images)
        marks.refused.connect(self.notice.show_notice)
        self.session.marks_changed.connect(self.marks_panel.show_marks)
        path.can_play_changed.connect(self.actions_.play.setEnabled)
        self.session.point_changed.connect(lambda scene: path.set_point(scene.point))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._begun:
            # The panels are painted first: the workers, which import torch, would take turns with them.
            QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        if self._begun or not self.isVisible():
            return
        self._begun = True
        for worker in self._workers:
            worker.start()
        self.sessions.begin(self._file, DEFAULT_PRESET)

    def _open_for_session(self, name_or_path: str) -> None:
        self._open(name_or_path)
        if not self._warm:
            self._warm = True
            self.jobs.submit(tasks.find_devices, self._show_devices, self.report)
            self.jobs.submit(tasks.warm_up, self.report, self.report)

    def _show_devices(self, found: list[tuple[str, str]]) -> None:
        self.setup.set_devices([("auto", f"Automatic: {found[0][0].upper()}"), *found])
        self.status.show_device(found[0][1])

    # Models

    def _ask_for_model(self) -> None:
        folder = self._settings.folder("model", paths.runs())
        path, _ = QFileDialog.getOpenFileName(self, "Open model", str(folder), "Models (*.safetensors)")
        if path:
            self._settings.set_folder("model", Path(path).parent)
            self._open(path)

    def _open(self, name_or_path: str) -> None:
        self._wanted = name_or_path
        if not self.training.going:
            self.status.show_text("Opening…")
        self.jobs.submit(
            lambda: tasks.open_model(name_or_path),
            lambda opened: self._show_opened(name_or_path, opened),
            lambda failure: self._open_failed(name_or_path, failure),
        )

    def _open_failed(self, name_or_path: str, failure: Failure) -> None:
        if not self.sessions.take_failure(name_or_path, failure):
            self.report(failure)
        if self.training.going and self.training.run.opened:
            self._follow_run()

    def _choose_model(self, name: str) -> None:
        if name != RunBar.RUN:
            self._open(name)
        elif self.training.run.opened:
            self._follow_run()

    def _show_opened(self, name: str, opened: tasks.OpenedModel) -> None:
        if name != self._wanted:
            return  # meanwhile another model was asked for, or a run began
        self.bar.show_model(name, opened.name)
        self.session.look_at(opened, self._new_version())
        self.evaluation.look_at(opened)
        self.decoder.set_kl_per_dim(opened.card.get("kl_per_dim"))
        if not self.training.going:
            self._show_card(opened)
            self.setup.offer(opened.model.config)
        self.sessions.take(name, opened)
        config, lineage = opened.model.config, self._lineage
        self.jobs.submit(
            lambda: tasks.load_test_images(config, tuple(opened.model.image_shape)),
            lambda images: self._show_test_images(images, lineage),
            self.report,
        )

    def _show_card(self, opened: tasks.OpenedModel) -> None:
        """The figures of a model that is merely opened, where a run's would be."""
        card, config, objective = opened.card, opened.model.config, self.setup.objective
        vae = config.model == "vae"
        self.training_panel.show_model(config, np.asarray(card.get("kl_per_dim") or [], np.float32))
        self.status.end_run(f"Exploring {opened.name} · {_HINT}")
        objective.clear_numbers()
        if card.get("reconstruction") is not None:
            terms = card["reconstruction"], card["kl"] if vae else 0.0
            objective.figures.show_numbers(config, *terms, beta=config.beta, which="test", model=opened.name)
            scale = learned_scale(config, card.get("scale"))
            objective.figures.show_active(card["active_units"], opened.model.latent_dims, vae=vae, scale=scale)

    def _new_version(self) -> Version:
        self._lineage += 1
        return Version(self._lineage, 0)

    def _show_model(self, opened: tasks.OpenedModel) -> None:
        dims = opened.model.latent_dims
        self.decoder.set_dims(dims)
        self.map_panel.set_dims(dims)
        for panel in (self.decoder, self.map_panel, self.reconstruct):
            panel.set_config(opened.model.config)
        if not self.session.has_images:  # those of the model before do not fit
            self.map_panel.set_class_names(())
            self.reconstruct.clear()
            self._show_visible()
        self.encode.look_at(opened.model, has_tests=self.session.has_images)
        self.setWindowTitle(f"{opened.name} — VAE Studio")
        self.bar.set_can_export(True)

    def _show_test_images(self, images: TestImages, lineage: int) -> None:
        if lineage != self.session.scene.version.lineage:
            return  # they belong to a model that is no longer looked at
        names = images.present_names()
        self.map_panel.set_class_names(names)
        self.reconstruct.set_data(images.images, images.labels, names)
        self.encode.set_tests(images)
        self.session.set_images(images)

    def _ask_where_to_save(self) -> None:
        opened = self.session.opened
        if opened is None:
            return
        folder = self._settings.folder("model", paths.runs())
        proposed = folder / f"{file_stem(opened.name)}.safetensors"
        path, _ = QFileDialog.getSaveFileName(self, "Save model as", str(proposed), "Models (*.safetensors)")
        if path:
            target = Path(path).with_suffix(".safetensors")
            self._settings.set_folder("model", target.parent)
            self.jobs.submit(lambda: tasks.save_model(opened.model, opened.card, target), self._saved, self.report)

    def _saved(self, written: tasks.Written) -> None:
        self.status.show_saved(f"saved {written.path.name}", str(written.path))

    # Sessions

    def _ask_for_session(self) -> None:
        folder = self._settings.folder("session", paths.documents())
        path, _ = QFileDialog.getOpenFileName(self, "Open session", str(folder), _SESSION_FILES)
        if path:
            self._settings.set_folder("session", Path(path).parent)
            self.sessions.open(Path(path))

    def _ask_where_to_save_session(self) -> None:
        if self.session.opened is None:
            return
        folder = self._settings.folder("session", paths.documents())
        proposed = folder / f"{file_stem(self.session.opened.name)}{SUFFIX}"
        path, _ = QFileDialog.getSaveFileName(self, "Save session as", str(proposed), _SESSION_FILES)
        if path:
            self._settings.set_folder("session", Path(path).parent)
            self.sessions.save(Path(path), self._saved_session())

    def _saved_session(self) -> SavedSession:
        region, page = self.map_panel.map.region(), _PAGES[self._centre.currentIndex()]
        return tasks.session_of(self.session.opened, self.session.exploration, region, page)

    def _restore(self, saved: SavedSession) -> None:
        self.session.restore(saved.exploration)
        self.map_panel.map.show_region(saved.region)
        self._choose_view(_PAGES.index(saved.page))

    # What is seen

    def _choose_view(self, index: int) -> None:
        self._centre.setCurrentIndex(index)
        self.bar.set_view(index)
        self.actions_.views()[index].setChecked(True)
        self._show_visible()

    def _show_visible(self, _: View | object = None) -> None:
        index = self._centre.currentIndex()
        view = self.map_panel.map.view() if index == EXPLORE else None
        self.session.show_map(view, self.reconstruct.request() if index == RECONSTRUCT else None)

    def _paste(self) -> None:
        """Numbers are a point; whatever else there is may be an image."""
        content = QGuiApplication.clipboard().mimeData()
        if content and content.hasText() and not (content.hasImage() or content.hasUrls()):
            self.marks.paste_point()
        else:
            self.encode.take_mime(content)

    def _move_mark(self, mark: Mark, position: tuple[float, float]) -> None:
        self.marks.move(mark, position, self.map_panel.map.gesture.key())

    def _move_on_map(self, position: tuple[float, float]) -> None:
        began = time.perf_counter()
        self.session.move_on_map(position, self.map_panel.map.gesture.key())
        if self.session.scene:
            self.timings.take_move(self.session.scene.point, began)

    def _undo(self) -> None:
        self.session.undo()
        self.map_panel.map.reveal_point()

    def _redo(self) -> None:
        self.session.redo()
        self.map_panel.map.reveal_point()

    def _show_history(self) -> None:
        undoing, redoing = self.session.undoing, self.session.redoing
        self.bar.set_history(undoing, redoing)
        self.actions_.show_history(undoing, redoing)

    def _show_can_go_back(self) -> None:
        self.actions_.back.setEnabled(self.map_panel.map.can_go_back)
        self.actions_.forward.setEnabled(self.map_panel.map.can_go_forward)

    def _reveal_encode(self) -> None:
        """All of the panel, once it has been laid out with the image's figures."""
        self._column.widget().layout().activate()
        self._column.ensureWidgetVisible(self.encode.panel, 0, 0)

    def _go_to(self, point: tuple[float, ...]) -> None:
        self.session.move_point(point)
        self.map_panel.map.reveal_point()

    def _show_point(self, scene: Scene) -> None:
        point, (across, up) = scene.point, scene.axes
        self.map_panel.set_axes(scene.axes)
        self.map_panel.map.set_point(point[across], point[up] if up != across else 0.0)
        self.decoder.set_point(point)

    def _show_frame(self, frame: Frame) -> None:
        scene = self.session.scene
        if frame.version.lineage != scene.version.lineage:
            return
        match frame:
            case PointFrame():
                self.timings.take_point(frame)
                self.decoder.set_image(frame.image, sampled=frame.draw is not None)
            case MapFrame():
                if frame.axes == scene.axes:
                    self.map_panel.map.set_map(frame)
                if frame.complete and frame.seconds > _CACHED_SECONDS:
                    self.status.show_map_time(frame.seconds)
                    self.timings.take_map(frame.seconds)
            case ProbeFrame():
                self.encode.take_frame(frame)
            case SpotsFrame():
                self.marks.take(frame)
            case EncodingsFrame():
                self.session.take_encodings(frame)
            case PicturesFrame():
                self.reconstruct.set_pictures(frame)

    # Training

    @property
    def _following(self) -> bool:
        """Whether the view goes along with the run."""
        return self._wanted == RunBar.RUN

    def _train(self) -> None:
        if self.training.going:
            return
        try:
            config = self.setup.config()
        except ConfigError:
            return  # the panel has said what is wrong
        self.notice.hide()
        self.status.show_text("Preparing…")
        self.status.show_saved("", "")
        self._wanted = RunBar.RUN
        self.training.start(config, self._new_version().lineage)

    def _show_run_figures(self) -> None:
        """The run's newest figures, after those of another model were shown."""
        run, objective = self.training.run, self.setup.objective
        if run.progress is not None:
            objective.clear_numbers()
            self._show_progress_numbers(run.progress)
            self.training_panel.show_model(run.config, run.progress.kl_per_dim)
        if run.evaluated is not None:
            self._show_active(run.evaluated.evaluation)
            self.decoder.set_kl_per_dim(run.evaluated.evaluation.kl_per_dim)
        if run.evaluation is not None:
            self._show_final_numbers(run.evaluation)
            self._show_active(run.evaluation)
        if not run.going:
            self.status.end_run(f"Exploring {run.title}")

    def _run_said(self, event: events.Event | TestImages) -> None:
        run = self.training.run
        match event:
            case events.Started():
                self.training_panel.begin(event, run.config, run.title)
                self.status.show_device(event.device)
                self.setup.objective.clear_numbers()
                if self.training.can_step:
                    self.status.show_text("Press F8 for the first step")
                if event.batch_size < run.config.batch_size:
                    images = f"{event.batch_size} images, all there are,"
                    self.notice.show_notice(f"Each step takes {images} though the batch was to be larger.")
            case events.Remark():
                (self.status.show_text if event.passing else self.notice.show_notice)(event.message)
            case events.Progress():
                self._show_progress(event)
            case events.Evaluated():
                self._show_evaluation(event)
            case events.Snapshot():
                self._show_snapshot()
            case events.Finished():
                self._show_snapshot()
                self._show_end(event)
            case events.Saved():
                self.status.show_saved("model saved", str(event.path))
                if self._following:
                    self.session.name_model(run.opened)

    def _show_progress(self, progress: events.Progress) -> None:
        self.training_panel.append(progress)
        self.status.show_progress(progress)
        self.timings.take_speed(progress.steps_per_second)
        self._show_progress_numbers(progress)

    def _show_progress_numbers(self, progress: events.Progress) -> None:
        if len(progress.steps):
            run, objective = self.training.run, self.setup.objective
            objective.figures.show_numbers(
                run.config,
                float(progress.reconstruction.mean()),
                float(progress.kl.mean()),
                beta=progress.beta,
                which="train",
                model=run.title,
                objective=float(progress.objective.mean()),
            )
            objective.show_in_force(progress.learning_rate, progress.beta)

    def _show_evaluation(self, evaluated: events.Evaluated) -> None:
        self.training_panel.add_evaluation(evaluated)
        figures, run = evaluated.evaluation, self.training.run
        self._show_active(figures)
        if run.collapse and run.collapse.total and not run.warning:
            run.warning = run.collapse.text
            self.notice.show_notice(run.warning)
        elif not run.collapse and self.notice.text() == run.warning:
            self.notice.hide()
        if self._following:
            self.decoder.set_kl_per_dim(figures.kl_per_dim)

    def _show_active(self, figures: events.Evaluation) -> None:
        """Which dimensions of the run's model are active, and which died."""
        run, shown = self.training.run, self.setup.objective.figures
        scale = learned_scale(run.config, figures.scale)
        shown.show_active(figures.active_units, len(figures.active), vae=run.config.model == "vae", scale=scale)
        shown.show_collapse(run.collapse)

    def _show_final_numbers(self, figures: events.Evaluation) -> None:
        """The terms of the run's model over all test images."""
        run, shown = self.training.run, self.setup.objective.figures
        terms = figures.reconstruction, figures.kl
        shown.show_numbers(run.config, *terms, beta=run.beta, which="test", model=run.title)

    def _show_snapshot(self) -> None:
        if self._following:
            self._follow_run()

    def _follow_run(self) -> None:
        run, scene = self.training.run, self.session.scene
        self._wanted = RunBar.RUN
        self.bar.set_run(f"{run.preset_title} · training" if run.going else run.title)
        self.bar.show_model(RunBar.RUN, "")
        newly = scene is None or scene.version.lineage != run.lineage
        self.session.look_at(run.opened, run.version)
        self.evaluation.look_at(run.opened, run.step if run.going else None)
        if newly:
            self._show_test_images(run.images, run.lineage)
            self._show_run_figures()

    def _show_end(self, finished: events.Finished) -> None:
        if finished.reason in ("not_finite", "out_of_memory"):
            self.notice.show_notice(finished.message)
        if finished.evaluation:
            self._show_final_numbers(finished.evaluation)
        self.status.end_run(finished.message.partition(":")[0])

    def _show_run_state(self, state: str) -> None:
        self.bar.set_state(state)
        self.setup.set_running(state != "idle")
        self.actions_.train.setEnabled(state == "idle")
        self.actions_.pause.setEnabled(state in ("running", "paused"))
        self.actions_.stop.setEnabled(state in ("running", "paused"))
        self._show_can_step()
        self.status.set_paused(state == "paused")
        self.timings.set_training(state == "running")
        if state == "idle" and self.training.run:
            self._show_idle(self.training.run)

    def _choose_pace(self, pace: float | None) -> None:
        self.training.set_pace(pace)
        self._show_can_step()

    def _show_can_step(self) -> None:
        possible = self.training.can_step
        self.bar.pace.set_can_step(possible)
        self.actions_.step.setEnabled(possible)

    def _show_idle(self, run: Run) -> None:
        """After a run, however it ended."""
        if run.opened:
            self.bar.set_run(run.title)
        if self._following and run.opened:
            self.evaluation.look_at(run.opened)
            return
        if self._following:  # the run failed before it had a model
            self._wanted = ""
        # Another model is on view: the figures are that model's again.
        if self.session.opened:
            self._show_card(self.session.opened)
        else:
            self.status.end_run("Ready")

    # The window itself

    def report(self, failure: Failure) -> None:
        """Say in the window what went wrong; the details of what we did not expect can be copied."""
        self.notice.show_notice(failure.words, "" if failure.expected else failure.details)
        self._show_at_rest()

    def _show_at_rest(self) -> None:
        if not self.training.going:
            self.status.end_run("Ready" if self.session.opened is None else f"Exploring {self.session.opened.name}")

    def _say(self, sentence: str) -> None:
        self.notice.show_notice(sentence)
        self._show_at_rest()

    def _show_export(self) -> None:
        if self.session.opened:
            self.export.show(self.session.opened, self.session.scene, self.map_panel.map.view())

    def _toggle_theme(self) -> None:
        self._choose_theme("light" if self._theme.name == "dark" else "dark")

    def _follow_system(self, follow: bool) -> None:
        self._choose_theme("system" if follow else self._theme.name)

    def _system_theme_changed(self) -> None:
        if self._settings.theme == "system":
            self._choose_theme("system")

    def _choose_theme(self, choice: themes.ThemeChoice) -> None:
        self._settings.theme = choice
        self._theme = themes.resolve(choice)
        themes.apply(QApplication.instance(), self._theme)
        self.actions_.system_theme.setChecked(choice == "system")
        for panel in (self.bar, self.decoder, self.marks_panel, self.encode, self.training_panel, *self._pages):
            panel.set_theme(self._theme)

    def _show_timings(self, wanted: bool) -> None:
        self.timings.measure("overlay", wanted)
        self.map_panel.timings.setVisible(wanted)

    def _show_help(self) -> None:
        if self._help_dialog is None:
            self._help_dialog = HelpDialog(self.actions_.groups(), self)
        self._help_dialog.show()
        self._help_dialog.raise_()

    def _show_about(self) -> None:
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("About VAE Studio")
        box.setText(
            f"<b>VAE Studio {vae_studio.__version__}</b><p>Train variational auto-encoders, and walk through their "
            "latent space.<p>MNIST: Yann LeCun, Corinna Cortes, Christopher J. C. Burges (CC BY-SA 3.0)."
        )
        box.open()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What has the focus had no use for this key."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self._paste()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """A model or a session is opened, anything else taken for a picture."""
        event.acceptProposedAction()
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files and files[0].endswith(".safetensors"):
            self._open(files[0])
        elif files and is_session(Path(files[0])):
            self.sessions.open(Path(files[0]))
        else:
            self.encode.take_mime(event.mimeData())

    def closeEvent(self, event: QCloseEvent) -> None:
        """A training under way is stopped between two steps, and its model kept."""
        self.training.close()
        self.encode.close()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.wait()
        self.timings.stop()
        if self.session.opened:
            self.sessions.keep(self._saved_session())
        self._settings.keep(self, self._splitters, self.actions_.panels())
        super().closeEvent(event)

    def _lay_out(self) -> None:
        self._centre = QStackedWidget()
        for page in self._pages:
            self._centre.addWidget(page)
        middle = splitter(Qt.Orientation.Vertical, [(self._centre, 3), (self.training_panel, 1)], [540, 230])
        self._column = SideColumn([self.decoder, self.marks_panel, self.encode.panel])
        across = splitter(Qt.Orientation.Horizontal, [(self.setup, 0), (middle, 1), (self._column, 0)], [264, 856, 288])
        self._splitters = {"middle": middle, "across": across}
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.bar)
        layout.addWidget(self.notice)
        layout.addWidget(across, 1)
        self.setCentralWidget(body)
        self.setStatusBar(self.status)
        self.actions_.fill(self.menuBar())
        self.bar.set_can_export(False)
        self.resize(1440, 900)
