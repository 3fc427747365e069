"""`train` is a generator of events: the only training loop there is. Window, command line and tests pull it."""

from __future__ import annotations

import math
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress

import numpy as np
import torch
from torch import Tensor

from vae_studio.core import devices
from vae_studio.core.captured import CapturedStepper
from vae_studio.core.config import ConfigError, RunConfig
from vae_studio.core.datasets import Data
from vae_studio.core.evaluate import evaluation_seed, evaluation_steps, fixed_targets
from vae_studio.core.events import (
    Change,
    Command,
    Evaluated,
    Evaluation,
    Event,
    Finished,
    Progress,
    Remark,
    SetBeta,
    SetPace,
    SetRate,
    Snapshot,
    Started,
    StepOnce,
    Stop,
)
from vae_studio.core.feed import Resident, Streamed, feed
from vae_studio.core.model import VAE, all_finite, build, count_parameters, standardised, step_memory, to_float
from vae_studio.core.step import Figures, Stepper, Stretch, beta_factor, rate_factor

PROGRESS_SECONDS = 0.05
SNAPSHOT_SECONDS = 0.08
# Copying weights may take this share of the time, evaluating on test images that share of the arithmetic.
SNAPSHOT_SHARE = 0.1
EVALUATION_SHARE = 0.05
# Up to this pace, in steps a second, every step is shown.
FOLLOWED_PACE = 30.0
# A step that is late by no more than this is made up for, so that a pace holds on average where clocks are coarse.
_ARREARS_SECONDS = 0.05

Commands = queue.SimpleQueue[Command]


def train(
    config: RunConfig,
    data: Data,
    commands: Commands | None = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    data_budget: int | None = None,
) -> Iterator[Event]:
    """Train a new model as `config` says on `data`, and say what happens.

    Yields Started, then Progress 10 to 20 times a second by `clock`, a Snapshot after the first step and then as
    often as is cheap, Evaluated by a schedule of steps, and Finished last. Not pulling is pausing. Commands are
    applied between steps, and at once while a pace makes it wait; up to a pace of 30 a second, every step has its
    Progress and Snapshot, and step by step the untrained model has one too. The last partial batch of an epoch is
    dropped. Training images that are more than `data_budget` bytes, by default half of a GPU's free memory, stay with
    the host and are streamed to the device, in the same order. Same config, data, device and thread count: same
    figures at every step, whatever the pace. Raises DeviceError when the config asks for a device that is not there,
    or for steps that are not possible on it, and ConfigError when its network is too large to be made; once there is a
    model, out of memory and figures that are not finite end the run with a Finished that says so and has the last
    finite weights.
    """
    run = _Run(config, data, commands if commands is not None else queue.SimpleQueue(), clock, data_budget)
    try:
        for event in run.events():
            left = clock()
            yield event
            run.away += clock() - left
    finally:
        run.close()


class _Run:
    """The state of one training: what `train` would otherwise keep in twenty local variables."""

    def __init__(
        self, config: RunConfig, data: Data, commands: Commands, clock: Callable[[], float], data_budget: int | None
    ) -> None:
        self.config = config
        self.data = data
        self.commands = commands
        self.clock = clock
        self.away = 0.0  # seconds spent outside the generator, pauses among them
        self.waited = 0.0  # seconds of its own that it spent waiting for the next step's turn
        self.data_budget = data_budget
        self.feed: Resident | Streamed | None = None
        self.device = devices.choose(config.device)
        self.execution = devices.choose_execution(config.execution, self.device)
        self.batch = min(config.batch_size, len(data.train))
        self.steps_per_epoch = len(data.train) // self.batch
        self.total_steps = self.steps_per_epoch * config.epochs
        self.step = 0
        self.beta, self.peak_rate = config.beta, config.learning_rate
        self.beta_in_force = self.rate_in_force = 0.0
        self.pace: float | None = None
        self.turn = -math.inf  # when, by the clock, the last step had its turn
        self.owed = 0  # steps asked for one by one
        self.heard = False  # a command, since the last Progress
        self.shown = -1  # the step of the last snapshot
        self.kl_per_dim = np.zeros(config.latent_dims, np.float32)
        self.marks: deque[tuple[float, int]] = deque(maxlen=40)  # (time, step) of the last Progresses with steps
        self.changes: list[Change] = []
        self.stopping = False
        self.finite = True
        self.evaluation: Evaluation | None = None
        try:
            # By the codes of these an auto-encoder's latent space is scaled.
            self.codes = fixed_targets(config, data.train.images[:: max(1, len(data.train) // 1000)], "train")
            mean = to_float(data.train.images).mean(dim=0) if config.output_bias == "data-mean" else None
            self.model = build(config, data.image_shape, mean)
            self.refuse_what_cannot_fit()
            self.healthy = self.frozen()
        except (RuntimeError, MemoryError) as error:
            if devices.is_out_of_memory(error):
                raise ConfigError("There is not enough memory for this network. Choose a smaller one.") from None
            raise

    def refuse_what_cannot_fit(self) -> None:
        """Where a step plainly needs more than there is: Linux ends programs that take too much without a word."""
        needed = step_memory(self.config, self.data.image_shape, self.batch)
        free = devices.free_memory(self.device)
        if free is not None and needed > free:
            samples = f" with {self.config.samples} samples an image" if self.config.samples > 1 else ""
            raise ConfigError(
                f"A step of {self.batch} images{samples} takes about {needed / 1e9:.0f} GB, and "
                f"{devices.title(self.device)} has {free / 1e9:.0f} GB free. Choose a smaller batch, fewer samples or "
                "a smaller network."
            )

    def close(self) -> None:
        """Let go of what works for the run in other threads."""
        if self.feed:
            self.feed.close()

    def frozen(self) -> VAE:
        """The model as it is now, for others to keep."""
        model = self.model.frozen() if self.model.is_vae else standardised(self.model, self.codes.to(self.model.device))
        return model.to(devices.for_display(self.device))

    def now(self) -> float:
        """Seconds of the clock that this run has had for itself."""
        return self.clock() - self.away

    def events(self) -> Iterator[Event]:
        self.began = self.now()
        self.last_progress = self.next_snapshot = -math.inf
        try:
            yield from self.set_up()
            yield from self.steps()
            yield from self.last_evaluations()
            yield self.finished()
            return
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
        # Out of the handler, so that the exception no longer holds the frames that hold the step's tensors.
        yield self.out_of_memory()

    def set_up(self) -> Iterator[Event]:
        config, data, model = self.config, self.data, self.model
        self.dtype = devices.choose_precision(config.precision, self.device, model.convolutional)
        self.tf32 = devices.may_use_tf32(config, self.device, self.execution)
        yield Started(
            total_steps=self.total_steps,
            steps_per_epoch=self.steps_per_epoch,
            batch_size=self.batch,
            parameters=count_parameters(model),
            device=devices.title(self.device),
            precision="bf16" if self.dtype == torch.bfloat16 else "tf32" if self.tf32 else "float32",
            execution=self.execution,
        )
        model.to(self.device)
        if model.convolutional:
            model.to(memory_format=torch.channels_last)
        self.order = torch.Generator(self.device).manual_seed(config.seed + 1)
        train_images = data.train.images
        if config.targets == "binarised-once":
            train_images = fixed_targets(config, train_images, "train")
        self.feed = feed(train_images, self.device, self.batch, self.data_budget)
        self.test_images = fixed_targets(config, data.test.images, "test")
        if isinstance(self.feed, Resident):
            self.test_images = self.test_images.to(self.device)
        if self.execution == "compiled":
            yield Remark(
                "Compiling the training step. The first time on a machine this takes up to a minute.", passing=True
            )
        self.stepper = self.make_stepper()
        # Small training sets are evaluated on fewer test images, chosen once at random, so that their curves still have
        # many points, all over the same images.
        count = max(1000, len(data.train) // 6)
        self.evaluated_images = self.test_images
        if count < len(self.test_images):
            chosen = torch.randperm(len(self.test_images), generator=torch.Generator().manual_seed(config.seed + 4))
            self.evaluated_images = self.test_images[chosen[:count].to(self.test_images.device)]
        # A training step costs about three forward passes.
        self.evaluate_every = math.ceil(len(self.evaluated_images) / (3 * EVALUATION_SHARE) / self.batch)

    def make_stepper(self) -> Stepper:
        compiled = self.execution == "compiled"
        if self.device.type == "cuda" and self.execution != "eager":
            return CapturedStepper(self.model, self.config, self.dtype, compiled=compiled, tf32=self.tf32)
        return Stepper(self.model, self.config, self.dtype, compiled=compiled)

    def steps(self) -> Iterator[Event]:
        images = len(self.data.train)
        while self.going_on():
            shuffled = torch.randperm(images, device=self.device, generator=self.order)
            order = shuffled[: self.steps_per_epoch * self.batch].view(-1, self.batch)
            with closing(self.feed.epoch(order)) as parts:
                for part in parts:
                    stretch = self.next_stretch(*part)
                    yield from self.begin(stretch)
                    yield from self.take(stretch)
                    if self.ended:
                        break
        if self.step:
            yield from self.report(force=True)

    def next_stretch(self, images: Tensor, rows: Tensor) -> Stretch:
        """The steps of `rows`, which come next."""
        numbers = range(self.step, self.step + len(rows))
        rates = [rate_factor(self.config, number, self.total_steps) for number in numbers]
        betas = [beta_factor(self.config, number, self.total_steps) for number in numbers]
        return Stretch(images, rows, rates, betas)

    def begin(self, stretch: Stretch) -> Iterator[Event]:
        """Let the stepper take the steps of a stretch next; eagerly, where it cannot otherwise."""
        why = ""
        while True:
            try:
                self.stepper.begin(stretch)
                break
            except Exception as error:
                if self.step or self.execution == "eager":
                    raise
                why = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
                if devices.is_out_of_memory(error):
                    why = f"{devices.title(self.device)} has not enough free memory for it"
            # Out of the handler, so that what had been taken is free again. What comes next needs less of everything.
            cuda = self.device.type == "cuda"
            self.execution = "captured" if cuda and self.execution == "compiled" else "eager"
            self.stepper = None
            self.stepper = self.make_stepper()
        if why:
            yield Remark(f"The training step could not be made faster beforehand, so that training is slower: {why}.")

    def take(self, stretch: Stretch) -> Iterator[Event]:
        """Take the steps of a stretch, or fewer if the run ends before."""
        for rate, beta in zip(stretch.rates, stretch.betas, strict=True):
            if not (yield from self.wait_for_turn()):
                break
            self.rate_in_force, self.beta_in_force = self.peak_rate * rate, self.beta * beta
            self.stepper.advance(self.peak_rate, self.beta)
            self.step += 1
            yield from self.report()
            if self.step % self.evaluate_every == 0 and self.step < self.total_steps:
                yield from self.evaluate(self.evaluated_images, self.dtype)

    @property
    def ended(self) -> bool:
        """Whether there is no next step."""
        return not self.finite or self.stopping or self.step >= self.total_steps

    def going_on(self) -> bool:
        """Apply the commands that came in, and say whether there is a next step."""
        while not self.commands.empty():
            self.obey(self.commands.get())
        return not self.ended

    def obey(self, command: Command) -> None:
        self.heard = True
        match command:
            case Stop():
                self.stopping = True
            case SetBeta(beta):
                self.beta = beta
                self.changes.append(Change(self.step, "beta", beta))
            case SetRate(rate):
                self.peak_rate = rate
                self.changes.append(Change(self.step, "learning_rate", rate))
            case SetPace(pace) if pace != self.pace:
                self.set_pace(pace)
            case StepOnce() if self.pace == 0:
                self.owed += 1

    def set_pace(self, pace: float | None) -> None:
        if not self.pace and self.step:
            self.turn = self.clock()
        self.pace, self.owed = pace, 0
        # The rate of the pace before says nothing of this one's.
        self.marks.clear()
        self.marks.append((self.now(), self.step))
        # A pace that was passed over, on the way to another, was in force at no step.
        self.changes = [one for one in self.changes if (one.step, one.setting) != (self.step, "pace")]
        self.changes.append(Change(self.step, "pace", pace))

    def seconds_to_wait(self) -> float:
        """Until the turn of the next step; infinitely many where it comes when asked for."""
        if self.pace is None:
            return 0.0
        if not self.pace:
            return 0.0 if self.owed else math.inf
        return self.turn + 1.0 / self.pace - self.clock()

    def wait_for_turn(self) -> Generator[Event, None, bool]:
        """Wait until the pace allows the next step, obeying what is heard meanwhile; False if there is no next step."""
        while (going := self.going_on()) and (seconds := self.seconds_to_wait()) > 0.0:
            # Whoever pulls can pause the run at a Progress: so every command gets one. And what is shown is up to date
            # where nothing new comes for a while.
            if self.heard or (self.shown < self.step and seconds > PROGRESS_SECONDS):
                yield from self.report(force=True)
                continue
            began = self.now()
            with suppress(queue.Empty):
                self.obey(self.commands.get(timeout=None if math.isinf(seconds) else seconds))
            self.waited += self.now() - began
        if self.pace:
            due, now = self.turn + 1.0 / self.pace, self.clock()
            self.turn = due if now - due < _ARREARS_SECONDS else now
        elif self.owed:
            self.owed -= 1
        return going

    def report(self, *, force: bool = False) -> Iterator[Event]:
        """A Progress and perhaps a Snapshot, where it is time for them."""
        follow = self.pace is not None and self.pace <= FOLLOWED_PACE and self.step > self.shown
        due = force or follow or self.step == 1 or self.stepper.full
        if not due and self.now() - self.last_progress < PROGRESS_SECONDS:
            return
        self.heard = False
        figures = self.stepper.drain()
        self.finite = self.finite and bool(figures.loss.isfinite().all())
        if len(figures.loss):
            self.kl_per_dim = figures.kl_per_dim.mean(dim=0).numpy()
        self.last_progress = self.now()
        if not self.marks or self.marks[-1][1] < self.step:
            self.marks.append((self.last_progress, self.step))
        yield self.progress(figures)
        if self.finite and self.step > self.shown and (force or follow or self.now() >= self.next_snapshot):
            yield from self.snapshot()

    def progress(self, figures: Figures) -> Progress:
        (first_time, first_step), (last_time, last_step) = self.marks[0], self.marks[-1]
        speed = (last_step - first_step) / (last_time - first_time) if last_time > first_time else 0.0
        expected = speed
        if self.pace is not None:
            # What is spent outside counts for the pace, but not in `marks`.
            speed = min(speed, self.pace)
            expected = speed or self.pace
        return Progress(
            step=self.step,
            total_steps=self.total_steps,
            epoch=self.step / self.steps_per_epoch,
            steps=np.arange(self.step - len(figures.loss) + 1, self.step + 1),
            reconstruction=figures.reconstruction.numpy(),
            kl=figures.kl.numpy(),
            objective=figures.loss.numpy(),
            kl_per_dim=self.kl_per_dim,
            learning_rate=self.rate_in_force,
            beta=self.beta_in_force,
            steps_per_second=speed,
            seconds_left=(self.total_steps - self.step) / expected if expected else None,
        )

    def snapshot(self) -> Iterator[Event]:
        began = self.now()
        copy = self.frozen()
        if not all_finite(copy):
            self.finite = False
            return
        self.healthy, self.shown = copy, self.step
        self.next_snapshot = self.now() + max(SNAPSHOT_SECONDS, (self.now() - began) / SNAPSHOT_SHARE)
        yield Snapshot(self.step, copy)

    def last_evaluations(self) -> Iterator[Event]:
        """The last point of the test curve, and the figures over all test images."""
        if self.evaluated_images is not self.test_images:
            yield from self.evaluate(self.evaluated_images, self.dtype)
        yield from self.evaluate(self.test_images, torch.float32)

    def evaluate(self, images: Tensor, dtype: torch.dtype) -> Iterator[Event]:
        """Evaluate on test images, with signs of life; given up when told to stop."""
        if self.stopping or not self.finite:
            return
        noise = torch.Generator(self.device).manual_seed(evaluation_seed(self.config))
        for item in evaluation_steps(self.model, images, noise, dtype=dtype):
            if isinstance(item, Evaluation):
                if not math.isfinite(item.neg_elbo):
                    self.finite = False
                    return
                if images is self.test_images and self.step == self.total_steps:
                    self.evaluation = item
                if images is self.evaluated_images:
                    yield Evaluated(self.step, self.step / self.steps_per_epoch, item)
            else:
                yield from self.report()
                self.going_on()
                if self.stopping:
                    return

    def finished(self) -> Finished:
        if not self.finite:
            message = (
                f"Training stopped at step {self.step}: the loss became infinite or not a number. The model keeps its "
                f"last finite weights. Try a smaller learning rate (it was {self.rate_in_force:.1e})."
            )
            return self.ending("not_finite", message)
        if self.stopping:
            return self.ending("stopped", f"Stopped after {self.step} of {self.total_steps} steps.")
        epochs = "1 epoch" if self.config.epochs == 1 else f"{self.config.epochs} epochs"
        return self.ending("done", f"Trained {epochs}.")

    def out_of_memory(self) -> Finished:
        # What the step had taken is let go, so that the program around it has room again.
        self.close()
        self.stepper = self.feed = self.test_images = self.evaluated_images = None
        self.model.zero_grad()
        self.evaluation = None
        message = (
            f"Memory ran out on {devices.title(self.device)} after {self.step} of {self.total_steps} steps. The model "
            f"keeps its last weights. Try a smaller batch (it was {self.batch}) or a smaller network."
        )
        return self.ending("out_of_memory", message)

    def ending(self, reason: str, message: str) -> Finished:
        try:
            # Before the first step the model may lie half on one device and half on another.
            last = self.frozen() if self.step else self.healthy
        except (RuntimeError, MemoryError):
            last = self.healthy
        model = last if all_finite(last) else self.healthy
        return Finished(
            reason,
            message,
            self.step,
            self.now() - self.began - self.waited,
            model,
            self.evaluation,
            tuple(self.changes),
        )
