"""The run: starts, holds, steers and ends the training thread, and keeps the newest model that came out of it."""

from __future__ import annotations

import queue
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from vae_studio import paths, tasks
from vae_studio.core import events
from vae_studio.core.config import RunConfig
from vae_studio.core.presets import PRESETS
from vae_studio.core.scene import TestImages, Version
from vae_studio.ui.collapse import Collapse, CollapseWatch
from vae_studio.ui.workers import Trainer


@dataclass(slots=True)
class Run:
    """One training: its settings, its thread and mailbox, and what came out of it so far.

    `lineage` and `number` version its models; `opened` is the newest, of `step`, None before the first; `progress` and
    `evaluated` are its newest figures, `evaluation` those over all test images at its end. `collapse` says which
    latent dimensions died; `warning` is what the user was told when all had.
    """

    config: RunConfig
    folder: Path
    commands: queue.SimpleQueue[events.Command]
    trainer: Trainer
    lineage: int
    number: int = 0
    step: int = 0
    opened: tasks.OpenedModel | None = None
    images: TestImages | None = None
    progress: events.Progress | None = None
    evaluated: events.Evaluated | None = None
    evaluation: events.Evaluation | None = None
    watch: CollapseWatch | None = None
    collapse: Collapse | None = None
    warning: str = ""
    going: bool = True
    ending: bool = False

    @property
    def preset_title(self) -> str:
        preset = PRESETS.get(self.config.preset)
        return preset.title if preset else self.config.preset

    @property
    def title(self) -> str:
        """What tells it from the shipped model of the same preset."""
        return f"{self.preset_title} · your run"

    @property
    def beta(self) -> float:
        """The weight of the KL as it was last turned."""
        return self.progress.beta if self.progress else self.config.beta

    @property
    def version(self) -> Version:
        return Version(self.lineage, self.number)


class TrainingControl(QObject):
    """At most one run goes on at a time.

    Signals: `said(event)`, each event of the run, once its model is taken note of; `state_changed(str)`, one of idle,
    running, paused, ending; `failed(Failure)`.
    """

    said = Signal(object)
    state_changed = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self._pace: float | None = None

    @property
    def going(self) -> bool:
        return self.run is not None and self.run.going

    @property
    def can_step(self) -> bool:
        """Whether the run waits to be told to take a step."""
        return self._pace == 0 and self.going and not self.run.ending and not self.run.trainer.paused

    def start(self, config: RunConfig, lineage: int) -> None:
        """Begin a run of this config in a folder of its own, at the pace that was set."""
        folder = paths.new_run_folder(paths.runs(), config.preset)
        commands: queue.SimpleQueue[events.Command] = queue.SimpleQueue()
        commands.put(events.SetPace(self._pace))
        trainer = Trainer(lambda: tasks.train(config, folder, commands), self)
        self.run = Run(config, folder, commands, trainer, lineage)
        trainer.event.connect(self._take)
        trainer.failed.connect(self.failed)
        trainer.finished.connect(self._ended)
        self.state_changed.emit("running")
        trainer.start()

    def pause_or_resume(self) -> None:
        if self.going and not self.run.ending:
            trainer = self.run.trainer
            if trainer.paused:
                trainer.resume()
            else:
                trainer.pause()
                # While it waits for its pace it gives nothing to be held at, unless it hears something.
                self.run.commands.put(events.SetPace(self._pace))
            self.state_changed.emit("paused" if trainer.paused else "running")

    def stop(self) -> None:
        """End the run after its current step; its model is kept."""
        if self.going:
            self.run.ending = True
            self.run.commands.put(events.Stop())
            self.run.trainer.resume()
            self.state_changed.emit("ending")

    def turn_beta(self, beta: float) -> None:
        if self.going:
            self.run.commands.put(events.SetBeta(beta))

    def turn_rate(self, rate: float) -> None:
        if self.going:
            self.run.commands.put(events.SetRate(rate))

    def set_pace(self, pace: float | None) -> None:
        """Steps a second of this run and of those to come: None for flat out, 0 for one at each `step_once`."""
        self._pace = pace
        if self.going:
            self.run.commands.put(events.SetPace(pace))

    def step_once(self) -> None:
        if self.can_step:
            self.run.commands.put(events.StepOnce())

    def close(self) -> None:
        """Stop, and wait until the model is written."""
        self.stop()
        if self.run:
            self.run.trainer.wait()

    def _take(self, event: object) -> None:
        run = self.run
        match event:
            case TestImages():
                run.images = event
            case events.Started():
                run.watch = CollapseWatch(run.config, event.total_steps)
            case events.Progress() if len(event.steps):
                run.progress = event
            case events.Evaluated():
                run.evaluated = event
                run.collapse = run.watch.look(event)
            case events.Snapshot() | events.Finished():
                if isinstance(event, events.Finished):
                    run.evaluation = event.evaluation
                run.number, run.step = run.number + 1, event.step
                run.opened = tasks.OpenedModel(event.model, {}, run.title, run.folder / paths.MODEL_FILE, "")
            case events.Saved():
                run.opened = replace(run.opened, card=event.card, path=event.path, sha256=event.sha256)
        self.said.emit(event)

    def _ended(self) -> None:
        self.run.going = False
        self.run.trainer.wait()
        self.state_changed.emit("idle")
