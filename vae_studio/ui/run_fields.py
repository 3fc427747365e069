"""The size of the model and of the run, its seed and its device."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from vae_studio.core.batch_offer import TOLERANCE, BatchOffer, offer, reason_to_stay, training_images
from vae_studio.core.config import MAX_LATENT_DIMS, ConfigError, RunConfig
from vae_studio.ui.fields import Choice, FieldGroup, line, set_tip, spin

_GPUS = ("cuda", "mps")
_LARGER_STYLE = """
QPushButton { padding: 3px 4px; color: palette(link); }
QPushButton:disabled { color: palette(placeholder-text); }
"""
_GPU_GAIN = (
    "On a GPU fewer and larger steps take much less time: on an NVIDIA H200 an epoch of the PyTorch example took 50 ms "
    "at 128 and 10 ms at 1000."
)
_CPU_GAIN = (
    "On a CPU, as is chosen here, they save little: an epoch took two thirds of the time at 1000, whether from 128 or "
    "from 250."
)


_NO_CUDA = "Steps can be captured on CUDA devices only, and none is found or chosen here."
_EXECUTIONS = (
    ("auto", "automatic", "Captured on CUDA devices, eager elsewhere."),
    ("eager", "eager", "Operation by operation. Needs the least memory and no set-up."),
    (
        "captured",
        "captured",
        "The whole step as one CUDA graph, so that the GPU need not wait for Python. Set up in less than a second.",
    ),
    (
        "compiled",
        "compiled",
        "A compiler makes the step's operations for this network first: up to a minute at the first start, a few "
        "seconds later. On a CPU steps of an MLP then took a fifth less time, and those of a convolutional network "
        "more. Needs a C++ compiler.",
    ),
)


class RunFields(FieldGroup):
    """Latent dims, batch size, epochs, seed, device and how steps are taken; which devices there are comes in later.

    Beside the batch size stands the largest that trains as well. `rate_wanted(float)` is emitted when the user takes
    it, just before `changed`.
    """

    rate_wanted = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        tip = f"Number of latent dimensions, 1 to {MAX_LATENT_DIMS}. Two can be seen whole."
        self._latent_dims = spin("latent_dims", "Latent dims", tip, 1, MAX_LATENT_DIMS)
        tip = "Images per optimisation step. Larger: fewer, smoother steps an epoch."
        self._batch_size = spin("batch_size", "Batch size", tip, 1, 60_000)
        tip = "How many times training goes through the images."
        self._epochs = spin("epochs", "Epochs", tip, 1, 100_000)
        tip = "The same seed on the same device gives the same run: a whole number, 0 or more."
        self._seed = line("seed", "Seed", tip)
        self.device = Choice("device_combo", "Device", "The processor to train on.")
        tip = "How steps are taken. It changes how long they take, and figures by rounding only."
        self._execution = Choice("execution_combo", "Steps", tip, _EXECUTIONS)
        self._wanted_device = "auto"
        self._offer: BatchOffer | None = None
        self._larger = QPushButton()
        self._larger.setObjectName("larger_batch_button")
        self._larger.setProperty("kind", "ghost")
        self._larger.setStyleSheet(_LARGER_STYLE)
        self._larger.clicked.connect(self._take_offer)
        batch = QHBoxLayout()
        batch.setSpacing(4)
        batch.addWidget(self._batch_size, 1)
        batch.addWidget(self._larger)
        self.rows = [
            ("Latent dims", self._latent_dims),
            ("Batch size", batch),
            ("Epochs", self._epochs),
            ("Seed", self._seed),
            ("Device", self.device),
        ]
        self.details = [("Steps", self._execution)]
        for field in (self._latent_dims, self._batch_size, self._epochs):
            field.valueChanged.connect(self.changed)
        self._seed.textChanged.connect(self.changed)
        self.device.activated.connect(self._device_chosen)
        self.device.currentIndexChanged.connect(self.changed)
        self._execution.currentIndexChanged.connect(self.changed)
        self._refuse_to_capture()

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these (choice, title), the first being the one for want of the one chosen."""
        self.device.clear()
        for choice, title in devices:
            self.device.add(choice, title, title)
        self.device.show_value(self._wanted_device)
        self._refuse_to_capture()

    def show_config(self, config: RunConfig) -> None:
        self._latent_dims.setValue(config.latent_dims)
        self._batch_size.setValue(config.batch_size)
        self._epochs.setValue(config.epochs)
        self._seed.setText(str(config.seed))
        self._wanted_device = config.device
        self.device.show_value(config.device)
        self._execution.show_value(config.execution)
        self._refuse_to_capture()

    def machine(self) -> dict[str, Any]:
        """What belongs to this machine and to no recipe: the device, and how steps are taken."""
        return {"device": self.device.value(), "execution": self._execution.value()}

    def changes(self) -> dict[str, Any]:
        for field in (self._latent_dims, self._batch_size, self._epochs):
            field.interpretText()
        seed = self._seed.text().strip()
        if not (seed.isascii() and seed.isdecimal()):
            raise ConfigError(f"Seed must be a whole number, 0 or more (it was “{seed}”).")
        return {
            "latent_dims": self._latent_dims.value(),
            "batch_size": self._batch_size.value(),
            "epochs": self._epochs.value(),
            "seed": int(seed),
            **self.machine(),
        }

    def show_in_force(self, config: RunConfig) -> None:
        """Say beside the batch what larger one trains as well, if there is one."""
        self._offer = found = offer(config, training_images(config.data))
        self._larger.setText(f"{found.batch_size} as well" if found else "no larger")
        name = f"Take batch size {found.batch_size}, which trains as well" if found else "No larger batch size"
        self._larger.setAccessibleName(name)
        if found:
            set_tip(self._larger, f"{_taken(found, config)} {_GPU_GAIN if self._on_gpu(config) else _CPU_GAIN}")

    def reasons(self, config: RunConfig) -> dict[QWidget, str]:
        why = "" if self._offer else reason_to_stay(config, training_images(config.data))
        return {self._larger: why}

    def _on_gpu(self, config: RunConfig) -> bool:
        """Whether the chosen device is a GPU; left to choose, the program takes one where there is one."""
        return config.device in _GPUS or (config.device == "auto" and any(gpu in _GPUS for gpu in self.device.values()))

    def _take_offer(self) -> None:
        self.rate_wanted.emit(self._offer.learning_rate)
        self._batch_size.setValue(self._offer.batch_size)

    def _device_chosen(self) -> None:
        self._wanted_device = self.device.value()
        self._refuse_to_capture()

    def _refuse_to_capture(self) -> None:
        """Unless a CUDA device is chosen, or left to be."""
        possible = self.device.value() in ("auto", "cuda", None) and "cuda" in self.device.values()
        reasons = {"captured": "" if possible else _NO_CUDA}
        self._execution.set_refusals([reasons.get(value, "") for value in self._execution.values()])


def _taken(found: BatchOffer, config: RunConfig) -> str:
    """What taking the offer does, and what is known of it."""
    return (
        f"Sets batch size {found.batch_size} and learning rate {found.learning_rate:g}, in place of "
        f"{config.batch_size} and {config.learning_rate:g}: the rate in proportion, so that fewer steps go as far. "
        f"In as many epochs the test −ELBO was worse by no more than {TOLERANCE:g} nats wherever that was measured."
    )
