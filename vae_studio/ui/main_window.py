"""The window: places the panels, and is the one switchboard between panels, session, training and workers."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QSettings, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence, QPaintEvent
from PySide6.QtWidgets import QMainWindow, QVBoxLayout, QWidget

import vae_studio
from vae_studio import tasks
from vae_studio.core.config import ConfigError
from vae_studio.core.presets import DEFAULT_PRESET
from vae_studio.core.scene import Scene, TestImages
from vae_studio.core.session_file import SavedSession
from vae_studio.ui.actions import Actions
from vae_studio.ui.combine_control import CombineControl
from vae_studio.ui.controls import splitter
from vae_studio.ui.crew import Crew
from vae_studio.ui.decoder_panel import DecoderPanel
from vae_studio.ui.density_control import DensityControl
from vae_studio.ui.encode_control import EncodeControl
from vae_studio.ui.evaluate_control import EvaluateControl
from vae_studio.ui.export_control import ExportControl
from vae_studio.ui.file_dialogs import FileDialogs
from vae_studio.ui.frame_sorter import FrameSorter
from vae_studio.ui.help_control import HelpControl
from vae_studio.ui.incoming import Incoming
from vae_studio.ui.map_panel import MapPanel
from vae_studio.ui.marks_control import MarksControl, pin_mark, pin_number
from vae_studio.ui.marks_panel import MarksPanel
from vae_studio.ui.model_control import ModelControl
from vae_studio.ui.nearness_control import NearnessControl
from vae_studio.ui.notice_bar import NoticeBar
from vae_studio.ui.pages import EVALUATE, EXPLORE, RECONSTRUCT, SAMPLE, Pages
from vae_studio.ui.plane_control import PlaneControl
from vae_studio.ui.reconstruct_panel import ReconstructPanel
from vae_studio.ui.run_bar import RunBar
from vae_studio.ui.run_status import RunStatus
from vae_studio.ui.run_view import RunView
from vae_studio.ui.sample_control import SampleControl
from vae_studio.ui.selection_control import SelectionControl
from vae_studio.ui.session import Session
from vae_studio.ui.session_control import SessionControl
from vae_studio.ui.settings import Settings
from vae_studio.ui.setup_panel import SetupPanel
from vae_studio.ui.side_column import SideColumn
from vae_studio.ui.theme_control import ThemeControl
from vae_studio.ui.timings import Timings
from vae_studio.ui.training_control import TrainingControl
from vae_studio.ui.training_panel import TrainingPanel
from vae_studio.ui.workers import Failure


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
        self._file, self._begun = file, False

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

        self.crew = Crew(self)
        self.renderer = self.crew.renderer
        self.jobs = self.crew.jobs
        self.evaluation_jobs = self.crew.queue("evaluation jobs")
        point_jobs = self.crew.queue("point jobs")  # a random point comes at once, whatever else is to be done
        export_jobs = self.crew.queue("export jobs")  # a long export keeps no model from being opened
        probe_jobs = self.crew.queue("probe jobs")  # a long evaluation keeps no image from being judged

        self.files = FileDialogs(self._settings, self)
        self.theme = ThemeControl(self._settings, self)
        self.help = HelpControl(vae_studio.__version__, self)
        self.incoming = Incoming(self)
        self.session = Session(point_jobs, self)
        self.frames = FrameSorter(self.session, self)
        self.marks = MarksControl(self.session, self)
        self.planes = PlaneControl(self.session, self.map_panel.plane.button, self)
        layer_jobs = self.crew.queue("layer jobs")  # what is worked out of all encodings or images
        self.combine = CombineControl(self.session, layer_jobs, self)
        self.selection = SelectionControl(self.session, self)
        self.training = TrainingControl(self)
        self.models = ModelControl(self.session, self.training, self.jobs, self.files, self)
        self.sessions = SessionControl(self.jobs, self.files, last_session, self)
        self.evaluation = EvaluateControl(self.evaluation_jobs, self)
        self.export = ExportControl(export_jobs, self._settings, self)
        self.encode = EncodeControl(probe_jobs, self._settings, self)
        self.sampling = SampleControl(self.crew.queue("sample jobs"), self)
        self.density = DensityControl(layer_jobs, self)
        self.nearness = NearnessControl(layer_jobs, self)
        self.timings = Timings(self, self.map_panel.map, self.decoder.view)
        panels = (self.status, self.notice, self.training_panel, self.setup.objective)
        self.run_view = RunView(self.training, self.models, *panels, self)
        self.pages = Pages((self.map_panel, self.reconstruct, self.evaluation.panel, self.sampling.panel))
        self._lay_out()
        self._connect()
        self.decoder.sliders.set_choices(self._settings.sliders)
        self._settings.restore(self, self._splitters, self.actions_.panels())
        self.theme.begin()
        self.map_panel.map.setFocus()  # not the first control: there an arrow key would open another model

    # The switchboard

    def _connect(self) -> None:
        self._connect_actions()
        self._connect_run()
        self._connect_models()
        self._connect_exploring()
        self._connect_planes()
        self._connect_marks()
        self._connect_combine()
        self._connect_encode()
        self._connect_sampling()
        self._connect_selection()
        self._connect_layers()
        self.theme.follows_system.connect(self.actions_.system_theme.setChecked)
        middle = (self.map_panel, self.reconstruct, self.evaluation.panel, self.sampling.panel, self.training_panel)
        for panel in (self.bar, self.decoder, self.marks_panel, self.planes, self.combine, self.encode, *middle):
            self.theme.changed.connect(panel.set_theme)
        self.theme.changed.connect(self.selection.panel.set_theme)
        self.timings.refreshed.connect(self.map_panel.timings.show_figures)

    def _connect_actions(self) -> None:
        actions = self.actions_
        actions.open_model.triggered.connect(self.models.ask_for_file)
        actions.save_model.triggered.connect(self.models.save)
        actions.open_session.triggered.connect(self.sessions.ask_for_file)
        actions.save_session.triggered.connect(self._save_session)
        actions.export.triggered.connect(self._show_export)
        actions.quit.triggered.connect(self.close)
        actions.undo.triggered.connect(self.session.undo)
        actions.undo.triggered.connect(self.map_panel.map.reveal_point)
        actions.redo.triggered.connect(self.session.redo)
        actions.redo.triggered.connect(self.map_panel.map.reveal_point)
        actions.explore.triggered.connect(lambda: self.pages.choose(EXPLORE))
        actions.reconstruct.triggered.connect(lambda: self.pages.choose(RECONSTRUCT))
        actions.evaluate.triggered.connect(lambda: self.pages.choose(EVALUATE))
        actions.sample.triggered.connect(lambda: self.pages.choose(SAMPLE))
        actions.fit.triggered.connect(self.map_panel.map.fit_with_point)
        actions.back.triggered.connect(self.map_panel.map.back)
        actions.forward.triggered.connect(self.map_panel.map.forward)
        actions.theme.triggered.connect(self.theme.toggle)
        actions.system_theme.triggered.connect(self.theme.follow_system)
        actions.setup_panel.toggled.connect(self.setup.setVisible)
        actions.decoder_panel.toggled.connect(self._column.setVisible)
        actions.training_panel.toggled.connect(self.training_panel.setVisible)
        actions.strips.toggled.connect(self.decoder.sliders.show_strips)
        actions.timings.toggled.connect(lambda wanted: self.timings.measure("overlay", wanted))
        actions.timings.toggled.connect(self.map_panel.timings.setVisible)
        actions.train.triggered.connect(self._train)
        actions.pause.triggered.connect(self.training.pause_or_resume)
        actions.stop.triggered.connect(self.training.stop)
        actions.step.triggered.connect(self.training.step_once)
        actions.random.triggered.connect(self.session.random_point)
        actions.reset.triggered.connect(self.session.reset_point)
        actions.new_samples.triggered.connect(self.sampling.new_samples)
        actions.new_samples.triggered.connect(lambda: self.pages.choose(SAMPLE))
        actions.copy.triggered.connect(self.decoder.copy_point)
        actions.paste.triggered.connect(self.marks.paste_point)
        actions.find_slider.triggered.connect(self.decoder.sliders.search)
        actions.pin.triggered.connect(self.marks.pin_point)
        actions.combine.triggered.connect(lambda: actions.decoder_panel.setChecked(True))
        actions.combine.triggered.connect(self.combine.open)
        actions.start_path.triggered.connect(self.marks.start_path)
        actions.add_to_path.triggered.connect(self.marks.add_to_path)
        actions.play.triggered.connect(self.marks_panel.path.play_or_pause)
        actions.draw.triggered.connect(self.encode.draw)
        actions.open_image.triggered.connect(self.encode.open_file)
        actions.paste_image.triggered.connect(self.incoming.paste)
        actions.test_image.triggered.connect(self.encode.random_test)
        actions.go_to_mean.triggered.connect(self.encode.go)
        actions.improve.triggered.connect(self.encode.improve)
        actions.help.triggered.connect(lambda: self.help.show_help(actions.groups()))
        actions.about.triggered.connect(self.help.show_about)

    def _connect_run(self) -> None:
        self.bar.train_requested.connect(self._train)
        self.bar.pause_requested.connect(self.training.pause_or_resume)
        self.bar.stop_requested.connect(self.training.stop)
        self.bar.pace.pace_changed.connect(self.training.set_pace)
        self.bar.pace.pace_changed.connect(self._show_can_step)
        self.bar.pace.step_requested.connect(self.training.step_once)
        self.crew.devices_found.connect(self._offer_devices)
        self.crew.failed.connect(self.report)
        self.setup.failed.connect(self.notice.show_notice)
        self.setup.objective.beta_changed.connect(self.training.turn_beta)
        self.setup.objective.rate_changed.connect(self.training.turn_rate)
        # The view goes along with the run before the run's figures are shown.
        self.training.said.connect(self.models.take_event)
        self.training.said.connect(self.run_view.take_event)
        self.training.state_changed.connect(self.bar.set_state)
        self.training.state_changed.connect(lambda state: self.setup.set_running(state != "idle"))
        self.training.state_changed.connect(self.actions_.show_run_state)
        self.training.state_changed.connect(self._show_can_step)
        self.training.state_changed.connect(lambda state: self.timings.set_training(state == "running"))
        self.training.state_changed.connect(self.models.take_state)
        self.training.state_changed.connect(self.run_view.take_state)
        self.training.failed.connect(self.report)
        self.run_view.kl_changed.connect(self.decoder.set_kl_per_dim)
        self.run_view.speed_measured.connect(self.timings.take_speed)
        self.evaluation.failed.connect(self.report)

    def _connect_models(self) -> None:
        self.bar.model_chosen.connect(self.models.choose)
        self.bar.open_requested.connect(self.models.ask_for_file)
        self.models.listed.connect(self.bar.show_model)
        self.models.run_named.connect(self.bar.set_run)
        self.models.looked_at.connect(self.evaluation.look_at)
        self.models.opening.connect(self.run_view.show_opening)
        self.models.opened.connect(self.run_view.show_opened)
        self.models.opened.connect(lambda _, opened: self.setup.offer(opened.model.config))
        self.models.opened.connect(self.sessions.take)
        self.models.not_opened.connect(self.sessions.take_failure)
        self.models.images_loaded.connect(self._show_test_images)
        self.models.run_shown.connect(self.run_view.show_run)
        self.models.saved.connect(self.run_view.show_saved)
        self.models.failed.connect(self.report)
        self.session.model_changed.connect(self._show_model)
        self.sessions.model_wanted.connect(self.models.open)
        self.sessions.model_wanted.connect(self.crew.warm_up)  # once the first model is asked for
        self.sessions.restored.connect(self._restore)
        self.sessions.said.connect(self.notice.show_notice)
        self.sessions.said.connect(self.run_view.show_at_rest)
        self.sessions.saved.connect(self.run_view.show_saved)
        self.sessions.failed.connect(self.report)
        self.incoming.model_given.connect(self.models.open)
        self.incoming.session_given.connect(self.sessions.open)

    def _connect_exploring(self) -> None:
        session, latent_map = self.session, self.map_panel.map
        self.bar.undo_requested.connect(self.actions_.undo.trigger)
        self.bar.redo_requested.connect(self.actions_.redo.trigger)
        self.bar.view_chosen.connect(self.pages.choose)
        self.pages.chosen.connect(self.bar.set_view)
        self.pages.chosen.connect(lambda index: self.actions_.views()[index].setChecked(True))
        self.pages.chosen.connect(lambda index: self.status.show_hints(index == EXPLORE))
        self.pages.chosen.connect(self._show_visible)
        self.bar.export_requested.connect(self._show_export)
        latent_map.point_moved.connect(self._move_on_map)
        latent_map.view_changed.connect(self._show_visible)
        latent_map.view_changed.connect(lambda view: self.export.set_view(view, session.scene))
        latent_map.views_changed.connect(lambda: self.actions_.back.setEnabled(latent_map.can_go_back))
        latent_map.views_changed.connect(lambda: self.actions_.forward.setEnabled(latent_map.can_go_forward))
        self.map_panel.layers_changed.connect(session.choose_layers)
        self.map_panel.opacity_changed.connect(session.choose_layers)
        self.decoder.point_changed.connect(lambda point: session.move_point(point, self.decoder.gesture()))
        self.decoder.sliders.strips_wanted.connect(session.set_strips)
        self.decoder.sliders.choices_changed.connect(lambda choices: setattr(self._settings, "sliders", choices))
        self.decoder.random_requested.connect(session.random_point)
        self.decoder.reset_requested.connect(session.reset_point)
        self.decoder.mean_requested.connect(session.show_mean)
        self.decoder.sample_requested.connect(session.show_sample)
        self.reconstruct.request_changed.connect(self._show_visible)
        session.scene_changed.connect(self.renderer.submit)
        session.point_changed.connect(self._show_point)
        session.layers_changed.connect(self.map_panel.set_layers)
        session.draw_changed.connect(self.decoder.set_sampled)
        session.history_changed.connect(lambda: self.bar.set_history(session.undoing, session.redoing))
        session.history_changed.connect(lambda: self.actions_.show_history(session.undoing, session.redoing))
        session.encodings_placed.connect(latent_map.set_encodings)
        session.failed.connect(self.report)
        self.renderer.frame.connect(self.frames.take)
        self.renderer.failed.connect(self.report)
        self.frames.point.connect(self.timings.take_point)
        self.frames.point.connect(lambda frame: self.decoder.set_image(frame.image, sampled=frame.draw is not None))
        self.frames.strips.connect(lambda frame: self.decoder.sliders.set_strips(frame.points, frame.images))
        self.frames.map.connect(latent_map.set_map)
        self.frames.map_decoded.connect(self.status.show_map_time)
        self.frames.map_decoded.connect(self.timings.take_map)
        self.frames.encodings.connect(session.take_encodings)
        self.frames.pictures.connect(self.reconstruct.set_pictures)

    def _connect_planes(self) -> None:
        panel, latent_map = self.map_panel, self.map_panel.map
        panel.plane.axes_changed.connect(self.session.choose_axes)
        panel.plane.asked.connect(self.planes.ask)
        panel.distance.to_plane_requested.connect(self.planes.go_to_plane)
        latent_map.view_changed.connect(self.planes.set_view)
        self.frames.map.connect(self.planes.take_map)
        self.planes.distance_changed.connect(panel.distance.set_distance)
        self.planes.encodings_known.connect(panel.plane.set_encodings)
        self.planes.home_changed.connect(lambda home, refit: latent_map.set_home(home, refit=refit))
        self.planes.fit_wanted.connect(latent_map.fit)
        self.planes.region_typed.connect(latent_map.choose_region)
        self.planes.refused.connect(self.notice.show_notice)
        self.planes.said.connect(lambda words: self.training.going or self.status.show_text(words))
        self.actions_.plane.triggered.connect(lambda: self.planes.show_card())
        self.actions_.to_plane.triggered.connect(self.planes.go_to_plane)

    def _connect_marks(self) -> None:
        marks, path, pins = self.marks, self.marks_panel.path, self.marks_panel.pins
        latent_map = self.map_panel.map
        latent_map.mark_moved.connect(lambda mark, place: marks.move(mark, place, latent_map.gesture.key()))
        latent_map.mark_opened.connect(marks.go_to)
        latent_map.mark_removed.connect(marks.remove)
        latent_map.mark_selected.connect(lambda mark: pins.select(pin_number(mark)))
        latent_map.menu_requested.connect(marks.show_menu)
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
        pins.selected.connect(lambda number: latent_map.select_mark(pin_mark(number)))
        marks.placed.connect(latent_map.set_marks)
        marks.pictures.connect(pins.set_images)
        marks.film.connect(path.set_images)
        marks.refused.connect(self.notice.show_notice)
        self.session.marks_changed.connect(self.marks_panel.show_marks)
        path.can_play_changed.connect(self.actions_.play.setEnabled)
        self.session.point_changed.connect(lambda scene: path.set_point(scene.point))
        self.incoming.point_given.connect(marks.paste_point)
        self.frames.spots.connect(marks.take)

    def _connect_combine(self) -> None:
        combine, sliders = self.combine, self.decoder.sliders
        combine.point_chosen.connect(self.session.move_point)
        combine.point_chosen.connect(self.map_panel.map.reveal_point)
        combine.panel.unfolded.connect(lambda on: self._column.reveal(combine.panel) if on else None)
        combine.pin_wanted.connect(self.marks.pin)
        combine.refused.connect(self.notice.show_notice)
        combine.failed.connect(self.report)
        self.session.directions_changed.connect(sliders.set_directions)
        sliders.direction_removed.connect(combine.remove_direction)
        self.encode.mean_changed.connect(combine.set_mean)
        self.frames.terms.connect(combine.take)

    def _connect_encode(self) -> None:
        self.encode.image_changed.connect(self.session.set_probe)
        self.encode.point_chosen.connect(self.session.move_point)
        self.encode.point_chosen.connect(self.map_panel.map.reveal_point)
        self.encode.footprint_changed.connect(self.map_panel.map.set_footprint)
        self.encode.panel.unfolded.connect(lambda: self._column.reveal(self.encode.panel))
        self.encode.refused.connect(self.notice.show_notice)
        self.encode.failed.connect(self.report)
        self.session.scene_changed.connect(self.encode.follow)
        self.incoming.picture_given.connect(self.encode.take_mime)
        self.frames.probe.connect(self.encode.take_frame)

    def _connect_sampling(self) -> None:
        self.sampling.point_chosen.connect(self.session.move_point)
        self.sampling.point_chosen.connect(self.map_panel.map.reveal_point)
        self.sampling.failed.connect(self.report)
        self.session.scene_changed.connect(self.sampling.follow)

    def _connect_selection(self) -> None:
        selection, latent_map = self.selection, self.map_panel.map
        latent_map.encoding_hovered.connect(selection.hover)
        latent_map.encoding_clicked.connect(selection.select)
        latent_map.encoding_opened.connect(selection.go_to)
        latent_map.encoding_stepped.connect(selection.step)
        latent_map.lassoed.connect(selection.select_many)
        latent_map.selection_cleared.connect(selection.clear)
        selection.card_changed.connect(latent_map.show_card)
        selection.selected.connect(latent_map.set_selection)
        selection.stepped_to.connect(latent_map.show_encoding)
        selection.selection_changed.connect(lambda _, means: self.combine.set_selection(means))
        selection.selection_changed.connect(lambda _, means: self.planes.set_selected_points(means))
        selection.encode_requested.connect(self.encode.take_test)
        selection.pin_requested.connect(self.marks.pin)
        selection.refused.connect(self.notice.show_notice)
        selection.selection_changed.connect(lambda indices, _: self.actions_.show_selection(len(indices)))
        self.actions_.go_to_selection.triggered.connect(selection.go_to_mean)
        self.actions_.pin_selection.triggered.connect(selection.pin_mean)
        self.actions_.encode_selected.triggered.connect(selection.encode)
        self.actions_.select_none.triggered.connect(selection.clear)
        selection.panel.appeared.connect(lambda: self._column.reveal(selection.panel))
        self.session.ellipses_placed.connect(latent_map.set_ellipses)
        self.frames.glance.connect(selection.take_glance)

    def _connect_layers(self) -> None:
        density, nearness, overlay = self.density, self.nearness, self.map_panel.density
        for control in (density, nearness):
            self.session.scene_changed.connect(control.follow)
            self.session.layers_changed.connect(control.set_layers)
            control.failed.connect(self.report)
        self.actions_.layers.triggered.connect(lambda: self.pages.choose(EXPLORE))
        self.actions_.layers.triggered.connect(self.map_panel.layers.open_or_close)
        self.frames.map.connect(density.take_map)
        self.frames.encodings.connect(nearness.take_encodings)
        self.training.state_changed.connect(lambda state: density.set_training(state == "running"))
        nearness.surroundings_changed.connect(self.map_panel.map.set_surroundings)
        density.density_changed.connect(self.map_panel.map.set_density)
        density.density_changed.connect(overlay.set_density)
        density.busy_changed.connect(overlay.set_busy)
        density.progress.connect(overlay.show_progress)
        density.refused.connect(self.map_panel.layers.refuse_density)
        density.off_requested.connect(self.session.hide_density)
        overlay.cancel_requested.connect(density.cancel)

    # The start

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._begun:
            # The panels are painted first: the workers, which import torch, would take turns with them.
            QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        if self._begun or not self.isVisible():
            return
        self._begun = True
        self.crew.start()
        self.sessions.begin(self._file, DEFAULT_PRESET)

    # Models and sessions

    def _offer_devices(self, found: list[tuple[str, str]]) -> None:
        self.setup.set_devices([("auto", f"Automatic: {found[0][0].upper()}"), *found])
        self.status.show_device(found[0][1])

    def _show_model(self, opened: tasks.OpenedModel) -> None:
        dims = opened.model.latent_dims
        self.decoder.set_dims(dims)
        self.map_panel.set_dims(dims)
        for panel in (self.decoder, self.map_panel, self.reconstruct):
            panel.set_config(opened.model.config)
        if not self.session.has_images:  # those of the model before do not fit
            self.map_panel.set_class_names(())
            self.sampling.set_class_names(())
            self.reconstruct.clear()
            self._show_visible()
        self.encode.look_at(opened.model, has_tests=self.session.has_images)
        self.setWindowTitle(f"{opened.name} — VAE Studio")
        self.bar.set_can_export(True)

    def _show_test_images(self, images: TestImages) -> None:
        names = images.present_names()
        self.map_panel.set_class_names(names)
        self.sampling.set_class_names(names)
        self.reconstruct.set_data(images.images, images.labels, names)
        self.encode.set_tests(images)
        self.session.set_images(images)

    def _save_session(self) -> None:
        opened = self.session.opened
        if opened and (path := self.files.session_to_write(opened.name)):
            self.sessions.save(path, self._saved_session())

    def _saved_session(self) -> SavedSession:
        region = self.map_panel.map.region()
        return tasks.session_of(self.session.opened, self.session.exploration, region, self.pages.page)

    def _restore(self, saved: SavedSession) -> None:
        self.session.restore(saved.exploration)
        self.map_panel.map.show_region(saved.region)
        self.pages.choose_page(saved.page)

    # What is seen

    def _show_visible(self, _: object = None) -> None:
        index = self.pages.currentIndex()
        view = self.map_panel.map.view() if index == EXPLORE else None
        self.session.show_map(view, self.reconstruct.request() if index == RECONSTRUCT else None)

    def _move_on_map(self, position: tuple[float, float]) -> None:
        began = time.perf_counter()
        self.session.move_on_map(position, self.map_panel.map.gesture.key())
        if self.session.scene:
            self.timings.take_move(self.session.scene.point, began)

    def _show_point(self, scene: Scene) -> None:
        self.map_panel.set_plane(scene.plane)
        self.map_panel.map.set_point(*scene.plane.place(scene.point))
        self.decoder.set_point(scene.point)

    # Training

    def _train(self) -> None:
        if self.training.going:
            return
        try:
            config = self.setup.config()
        except ConfigError:
            return  # the panel has said what is wrong
        self.run_view.prepare()
        self.training.start(config, self.models.begin_run())

    def _show_can_step(self) -> None:
        self.bar.pace.set_can_step(self.training.can_step)
        self.actions_.step.setEnabled(self.training.can_step)

    # The window itself

    def report(self, failure: Failure) -> None:
        """Say in the window what went wrong; the details of what we did not expect can be copied."""
        self.notice.show_notice(failure.words, "" if failure.expected else failure.details)
        self.run_view.show_at_rest()

    def _show_export(self) -> None:
        if self.session.opened:
            self.export.show(self.session.opened, self.session.scene, self.map_panel.map.view())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What has the focus had no use for this key."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.incoming.paste()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.incoming.may_drop(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.incoming.drop(event.mimeData())

    def closeEvent(self, event: QCloseEvent) -> None:
        """A training under way is stopped between two steps, and its model kept."""
        self.training.close()
        self.combine.close()
        self.planes.close()
        self.encode.close()
        self.sampling.close()
        self.density.close()
        self.nearness.close()
        self.crew.stop()
        self.timings.stop()
        if self.session.opened:
            self.sessions.keep(self._saved_session())
        self._settings.keep(self, self._splitters, self.actions_.panels())
        super().closeEvent(event)

    def _lay_out(self) -> None:
        middle = splitter(Qt.Orientation.Vertical, [(self.pages, 3), (self.training_panel, 1)], [540, 230])
        cards = [self.decoder, self.selection.panel, self.marks_panel, self.combine.panel, self.encode.panel]
        self._column = SideColumn(cards)
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
