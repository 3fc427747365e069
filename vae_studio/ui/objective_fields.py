"""What the next run minimises, and how: the bound, its KL, and the optimisation."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from vae_studio.core.config import MAX_SAMPLES, RunConfig
from vae_studio.ui.fields import Choice, FieldGroup, Number, spin

_BOUNDS = (
    ("elbo", "ELBO", "The evidence lower bound, averaged over the samples (Kingma & Welling 2014)."),
    (
        "iwae",
        "IWAE",
        "Importance-weighted: −log of the mean importance weight of the samples (Burda et al. 2016). More of them "
        "make it tighter.",
    ),
)
_KLS = (
    ("auto", "closed form", "The exact KL from q(z|x) to p(z): here for a Gaussian posterior and the prior N(0, I)."),
    (
        "sampled",
        "by samples",
        "log q(z|x) − log p(z) at the same samples of z as the rest: unbiased, noisier.",
    ),
)
_SCHEDULES = (
    ("cosine", "cosine", "The learning rate falls to 0 along half a cosine."),
    ("constant", "constant", "The learning rate stays where it is."),
    (
        "burda",
        "Burda et al.",
        "Eight stages, each three times as long as the one before, the rate going down by 10^(−1/7) at each.",
    ),
)
_INITIALISATIONS = (
    ("pytorch", "PyTorch", "Uniform within ±1/√(inputs), biases as well: PyTorch's default."),
    ("xavier", "Xavier", "Uniform with variance 2/(inputs + outputs), biases 0: Glorot & Bengio 2010, and Keras."),
    ("normal", "N(0, 0.01)", "Weights and biases normal with variance 0.01, as in Kingma & Welling 2014."),
)


class ObjectiveFields(FieldGroup):
    """The bound, the samples of z it takes, and how its KL is computed and brought in."""

    def __init__(self) -> None:
        super().__init__()
        self.bound = Choice("bound_combo", "Bound", "The bound on log p(x) that is optimised.", _BOUNDS)
        tip = "Samples of z for each image and step: L of the ELBO, K of the importance-weighted bound."
        self.samples = spin("samples", "Samples", tip, 1, MAX_SAMPLES)
        self.kl = Choice("kl_combo", "KL", "How the KL in the ELBO is computed.", _KLS)
        self._chosen_kl = self.kl.value()  # what is shown is what is in force, which may be another
        self.kl.currentIndexChanged.connect(self._choose_kl)
        tip = "The share of the run (0 to 1) over which β rises from 0 to its value, so that codes form first."
        self.warm_up = Number("kl_warm_up", "KL warm-up", tip, 0.0, 1.0, 0.05)
        tip = "How often the KL warm-up is repeated in the run (Fu et al. 2019)."
        self.cycles = spin("kl_cycles", "KL cycles", tip, 1, 100)
        tip = (
            "Nats that each latent dimension may have without cost, so that none is given up early (Kingma et al. "
            "2016); 0 to 10."
        )
        self.free_bits = Number("free_bits", "Free bits", tip, 0.0, 10.0, 0.05)
        self.rows = [
            ("Bound", self.bound),
            ("Samples", self.samples),
            ("KL", self.kl),
            ("KL warm-up", self.warm_up),
            ("KL cycles", self.cycles),
            ("Free bits", self.free_bits),
        ]
        self.choices = {
            self.bound: lambda value: {"bound": value},
            self.kl: lambda value: {"kl": value},
        }
        for field in (self.samples, self.warm_up, self.cycles, self.free_bits):
            field.valueChanged.connect(self.changed)

    def show_config(self, config: RunConfig) -> None:
        self.bound.show_value(config.bound)
        self._chosen_kl = config.kl
        self.kl.show_value(config.kl)
        self.samples.setValue(config.samples)
        self.cycles.setValue(config.kl_cycles)
        self.warm_up.show_value(config.kl_warm_up)
        self.free_bits.show_value(config.free_bits)

    def changes(self) -> dict[str, Any]:
        for field in (self.samples, self.cycles, self.warm_up, self.free_bits):
            field.interpretText()
        return {
            "bound": self.bound.value(),
            "samples": self.samples.value(),
            "kl": self._chosen_kl,
            "kl_warm_up": self.warm_up.exact(),
            "kl_cycles": self.cycles.value(),
            "free_bits": self.free_bits.exact(),
        }

    def reasons(self, config: RunConfig) -> dict[QWidget, str]:
        if config.model == "autoencoder":
            no_kl = "An auto-encoder has no KL: nothing draws its codes to a prior."
            found = dict.fromkeys((self.kl, self.warm_up, self.cycles, self.free_bits), no_kl)
            found[self.bound] = "An auto-encoder has no likelihood of images, and so no bound on it."
            found[self.samples] = "An auto-encoder takes no samples: its code is a point."
            return found
        found = {self.cycles: "" if config.kl_warm_up else "There is no KL warm-up to repeat."}
        if config.bound == "iwae":
            found[self.kl] = "The importance-weighted bound has no KL term: its samples do it all."
        elif not config.closed_form_exists:
            found[self.kl] = (
                "The KL is computed in closed form here only for a Gaussian posterior and the prior N(0, I); for "
                "others by the same samples as the rest."
            )
        return found

    def show_in_force(self, config: RunConfig) -> None:
        by_samples = config.model == "vae" and not config.closed_form_kl
        self.kl.show_value("sampled" if by_samples else self._chosen_kl)

    def words(self, config: RunConfig) -> str:
        if config.model == "autoencoder":
            return ""
        samples = f"{config.samples} samples"
        found = []
        if config.bound == "iwae":
            found += ["IWAE", samples if config.samples > 1 else "1 sample"]
        elif config.samples > 1:
            found.append(samples)
        if config.bound == "elbo" and not config.closed_form_kl:
            found.append("KL by samples")
        if config.kl_warm_up:
            found.append("KL cycles" if config.kl_cycles > 1 else "KL warm-up")
        if config.free_bits:
            found.append("free bits")
        return ", ".join(found)

    def _choose_kl(self) -> None:
        self._chosen_kl = self.kl.value()


class OptimisationFields(FieldGroup):
    """The schedule of the learning rate, weight decay, and how weights start."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Choice(
            "schedule_combo", "Schedule", "How the learning rate changes in the run after its warm-up.", _SCHEDULES
        )
        tip = "Decoupled weight decay per unit of the rate (AdamW, Loshchilov & Hutter 2019; 0 to 1), not of biases."
        self.decay = Number("weight_decay", "Weight decay", tip, 0.0, 1.0, 1e-4)
        self.initialisation = Choice(
            "initialisation_combo", "Initialisation", "What the weights are before the first step.", _INITIALISATIONS
        )
        self.rows = [
            ("Schedule", self.schedule),
            ("Weight decay", self.decay),
            ("Initial", self.initialisation),
        ]
        self.choices = {
            self.schedule: lambda value: {"schedule": value},
            self.initialisation: lambda value: {"initialisation": value},
        }
        self.decay.valueChanged.connect(self.changed)

    def show_config(self, config: RunConfig) -> None:
        self.schedule.show_value(config.schedule)
        self.decay.show_value(config.weight_decay)
        self.initialisation.show_value(config.initialisation)

    def changes(self) -> dict[str, Any]:
        self.decay.interpretText()
        return {
            "schedule": self.schedule.value(),
            "weight_decay": self.decay.exact(),
            "initialisation": self.initialisation.value(),
        }

    def words(self, config: RunConfig) -> str:
        found = []
        if config.schedule != "cosine":
            found.append(f"{self.schedule.currentText()} rate" if config.schedule == "constant" else "Burda's schedule")
        if config.weight_decay:
            found.append("weight decay")
        if config.initialisation != "pytorch":
            found.append(self.initialisation.currentText())
        return ", ".join(found)
