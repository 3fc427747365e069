"""What a run shows while it goes on, and in the same places the figures of a model that is merely opened."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal

from vae_studio import tasks
from vae_studio.core import events
from vae_studio.core.scene import TestImages
from vae_studio.ui.formula import learned_scale
from vae_studio.ui.model_control import ModelControl
from vae_studio.ui.notice_bar import NoticeBar
from vae_studio.ui.objective_panel import ObjectivePanel
from vae_studio.ui.run_status import RunStatus
from vae_studio.ui.training_control import TrainingControl
from vae_studio.ui.training_panel import TrainingPanel

_HINT = "drag the ring or click to move the point · drag the map to pan · wheel to zoom"


class RunView(QObject):
    """Puts what a run says into the status bar, the notice, the curves and the objective's figures.

    Signals: `kl_changed(values or None)`, nats per latent dimension of the model on view; `speed_measured(float)`,
    steps a second, 0 where that is not known.
    """

    kl_changed = Signal(object)
    speed_measured = Signal(float)

    def __init__(
        self,
        training: TrainingControl,
        models: ModelControl,
        status: RunStatus,
        notice: NoticeBar,
        curves: TrainingPanel,
        objective: ObjectivePanel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._training, self._models = training, models
        self._status, self._notice, self._curves, self._objective = status, notice, curves, objective

    # Models that no run trains

    def show_opening(self) -> None:
        if not self._training.going:
            self._status.show_text("Opening…")

    def show_opened(self, _: str, opened: tasks.OpenedModel) -> None:
        """A model was opened; while a run goes on the figures stay the run's."""
        self.kl_changed.emit(opened.card.get("kl_per_dim"))
        if not self._training.going:
            self._show_card(opened)

    def show_at_rest(self) -> None:
        """Say in the status bar what is on view, where no run has more to say."""
        opened = self._models.on_view
        if not self._training.going:
            self._status.end_run("Ready" if opened is None else f"Exploring {opened.name}")

    def show_saved(self, written: tasks.Written) -> None:
        """A model or a session is in its file."""
        self._status.show_saved(f"saved {written.path.name}", str(written.path))

    def _show_card(self, opened: tasks.OpenedModel) -> None:
        """The figures of a model that is merely opened, where a run's would be."""
        card, config, objective = opened.card, opened.model.config, self._objective
        vae = config.model == "vae"
        self._curves.show_model(config, np.asarray(card.get("kl_per_dim") or [], np.float32))
        self._status.end_run(f"Exploring {opened.name}", _HINT)
        objective.clear_numbers()
        if card.get("reconstruction") is not None:
            terms = card["reconstruction"], card["kl"] if vae else 0.0
            objective.figures.show_numbers(config, *terms, beta=config.beta, which="test", model=opened.name)
            scale = learned_scale(config, card.get("scale"))
            objective.figures.show_active(card["active_units"], opened.model.latent_dims, vae=vae, scale=scale)

    # The run

    def prepare(self) -> None:
        """A run is about to begin."""
        self._notice.hide()
        self._status.show_text("Preparing…")
        self._status.show_saved("", "")

    def take_state(self, state: str) -> None:
        """The run is in this state, one of TrainingControl's, of which its model knows."""
        self._status.set_paused(state == "paused")
        if state != "idle" or self._models.following:
            return
        # Another model is on view: the figures are that model's again.
        if self._models.on_view:
            self._show_card(self._models.on_view)
        else:
            self._status.end_run("Ready")

    def take_event(self, event: events.Event | TestImages) -> None:
        """The run says this, of which its model knows."""
        match event:
            case events.Started():
                self._begin(event)
            case events.Remark():
                (self._status.show_text if event.passing else self._notice.show_notice)(event.message)
            case events.Progress():
                self._curves.append(event)
                self._status.show_progress(event)
                self.speed_measured.emit(event.steps_per_second)
                self._show_numbers(event)
            case events.Evaluated():
                self._show_evaluation(event)
            case events.Finished():
                self._show_end(event)
            case events.Saved():
                self._status.show_saved("model saved", str(event.path))

    def show_run(self) -> None:
        """The run's newest figures, after those of another model were shown."""
        run = self._training.run
        if run.progress is not None:
            self._objective.clear_numbers()
            self._show_numbers(run.progress)
            self._curves.show_model(run.config, run.progress.kl_per_dim)
        if run.evaluated is not None:
            self._show_active(run.evaluated.evaluation)
            self.kl_changed.emit(run.evaluated.evaluation.kl_per_dim)
        if run.evaluation is not None:
            self._show_final_numbers(run.evaluation)
            self._show_active(run.evaluation)
        if not run.going:
            self._status.end_run(f"Exploring {run.title}")

    def _begin(self, started: events.Started) -> None:
        run = self._training.run
        self._curves.begin(started, run.config, run.title)
        self._status.show_device(started.device)
        self._objective.clear_numbers()
        if self._training.can_step:
            self._status.show_text("Press F8 for the first step")
        if started.batch_size < run.config.batch_size:
            images = f"{started.batch_size} images, all there are,"
            self._notice.show_notice(f"Each step takes {images} though the batch was to be larger.")

    def _show_numbers(self, progress: events.Progress) -> None:
        if len(progress.steps):
            run = self._training.run
            self._objective.figures.show_numbers(
                run.config,
                float(progress.reconstruction.mean()),
                float(progress.kl.mean()),
                beta=progress.beta,
                which="train",
                model=run.title,
                objective=float(progress.objective.mean()),
            )
            self._objective.show_in_force(progress.learning_rate, progress.beta)

    def _show_evaluation(self, evaluated: events.Evaluated) -> None:
        self._curves.add_evaluation(evaluated)
        figures, run = evaluated.evaluation, self._training.run
        self._show_active(figures)
        if run.collapse and run.collapse.total and not run.warning:
            run.warning = run.collapse.text
            self._notice.show_notice(run.warning)
        elif not run.collapse and self._notice.text() == run.warning:
            self._notice.hide()
        if self._models.following:
            self.kl_changed.emit(figures.kl_per_dim)

    def _show_active(self, figures: events.Evaluation) -> None:
        """Which dimensions of the run's model are active, and which died."""
        run, shown = self._training.run, self._objective.figures
        scale = learned_scale(run.config, figures.scale)
        shown.show_active(figures.active_units, len(figures.active), vae=run.config.model == "vae", scale=scale)
        shown.show_collapse(run.collapse)

    def _show_final_numbers(self, figures: events.Evaluation) -> None:
        """The terms of the run's model over all test images."""
        run, shown = self._training.run, self._objective.figures
        terms = figures.reconstruction, figures.kl
        shown.show_numbers(run.config, *terms, beta=run.beta, which="test", model=run.title)

    def _show_end(self, finished: events.Finished) -> None:
        if finished.reason in ("not_finite", "out_of_memory"):
            self._notice.show_notice(finished.message)
        if finished.evaluation:
            self._show_final_numbers(finished.evaluation)
        self._status.end_run(finished.message.partition(":")[0])
