"""The size of the model and of the run, its seed and its device."""

from __future__ import annotations

from typing import Any

from vae_studio.core.config import MAX_LATENT_DIMS, ConfigError, RunConfig
from vae_studio.ui.fields import Choice, FieldGroup, line, spin


class RunFields(FieldGroup):
    """Latent dims, batch size, epochs, seed and device; which devices there are comes in later."""

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
        self._wanted_device = "auto"
        self.rows = [
            ("Latent dims", self._latent_dims),
            ("Batch size", self._batch_size),
            ("Epochs", self._epochs),
            ("Seed", self._seed),
            ("Device", self.device),
        ]
        for field in (self._latent_dims, self._batch_size, self._epochs):
            field.valueChanged.connect(self.changed)
        self._seed.textChanged.connect(self.changed)
        self.device.activated.connect(self._device_chosen)
        self.device.currentIndexChanged.connect(self.changed)

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these (choice, title), the first being the one for want of the one chosen."""
        self.device.clear()
        for choice, title in devices:
            self.device.add(choice, title, title)
        self.device.show_value(self._wanted_device)

    def show_config(self, config: RunConfig) -> None:
        self._latent_dims.setValue(config.latent_dims)
        self._batch_size.setValue(config.batch_size)
        self._epochs.setValue(config.epochs)
        self._seed.setText(str(config.seed))
        self._wanted_device = config.device
        self.device.show_value(config.device)

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
            "device": self.device.value(),
        }

    def _device_chosen(self) -> None:
        self._wanted_device = self.device.value()
