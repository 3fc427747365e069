"""A larger batch that trains as well in as many epochs, with the learning rate that goes with it. Imports no torch.

The rule was found by measuring, and holds for what was measured: `docs/speed.md` has it all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vae_studio.core.config import DataConfig, RunConfig

# The test −ELBO in nats that a larger batch may cost.
TOLERANCE = 0.5
LEAST_STEPS = 4000
LARGEST_BATCH = 1000
# By network and schedule the highest rate that was measured, and the batch at which it was.
HIGHEST_RATE = {
    ("mlp", "cosine"): (8e-3, 1000),
    ("mlp", "constant"): (2e-3, 250),
    ("convolutional", "cosine"): (2e-3, 200),
}
# So that an epoch drops no more than a tenth of the images with its last, partial batch.
LEAST_STEPS_AN_EPOCH = 10
# A batch that is hardly larger is not worth another rate.
LEAST_GAIN = 1.6
_ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
# MNIST's training images by class.
_IMAGES_OF_CLASS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)


@dataclass(frozen=True, slots=True)
class BatchOffer:
    """A batch size, and the peak learning rate to go with it."""

    batch_size: int
    learning_rate: float

    def applied(self, config: RunConfig) -> RunConfig:
        """The config with this batch and this rate."""
        return config.with_changes(batch_size=self.batch_size, learning_rate=self.learning_rate)


def training_images(data: DataConfig) -> int:
    """How many images there are to train on, without reading them."""
    classes = range(len(_IMAGES_OF_CLASS)) if data.classes is None else data.classes
    return min(sum(_IMAGES_OF_CLASS[label] for label in classes), data.limit or sum(_IMAGES_OF_CLASS))


def scaled_rate(config: RunConfig, batch: int) -> float:
    """The peak rate that goes with another batch, in three digits: in proportion, so that fewer steps go as far."""
    return float(f"{config.learning_rate * batch / config.batch_size:.3g}")


def highest_rate(config: RunConfig, batch: int) -> float:
    """The peak rate up to which the noise of the gradients was measured to do no harm; 0 where nothing was measured.

    With Adam the rate at which noise has the same effect goes with the square root of the batch (Malladi, Lyu,
    Panigrahi, Arora 2022, arXiv 2205.10287; their rule also scales 1 − β₁ and 1 − β₂ with the batch, and ε).
    """
    rate, measured_at = HIGHEST_RATE.get((config.network.kind, config.schedule), (0.0, 1))
    return rate * math.sqrt(batch / measured_at)


def offer(config: RunConfig, images: int) -> BatchOffer | None:
    """A larger batch that trains on `images` images as well in as many epochs; None if it is large enough already."""
    batch = _rounded(min(bound for bound, _ in _bounds(config, images)))
    if batch < LEAST_GAIN * config.batch_size:
        return None
    return BatchOffer(batch, scaled_rate(config, batch))


def reason_to_stay(config: RunConfig, images: int) -> str:
    """What is wrong with a larger batch, as a sentence; for where there is no offer."""
    return min(_bounds(config, images))[1]


def _bounds(config: RunConfig, images: int) -> list[tuple[float, str]]:
    """How large the batch may become, each bound with its reason.

    A config with an offer taken has the same bounds, so that it gets no other offer.
    """
    unmeasured = "Whether a larger batch trains as well was not measured with this {}."
    if config.model != "vae":
        return [(0, unmeasured.format("model"))]
    if config.samples > 1:
        return [(0, unmeasured.format("number of samples"))]
    # Where the rate in proportion, which rises faster, meets the highest, which goes with the square root.
    meeting = (config.batch_size * highest_rate(config, 1) / config.learning_rate) ** 2
    if not meeting:
        return [(0, unmeasured.format("network and schedule"))]
    return [
        (images * config.epochs / LEAST_STEPS, f"A larger batch leaves fewer than {LEAST_STEPS} steps."),
        (meeting, "A larger batch needs a learning rate higher than was measured."),
        (images / LEAST_STEPS_AN_EPOCH, f"A larger batch leaves fewer than {LEAST_STEPS_AN_EPOCH} steps an epoch."),
        (LARGEST_BATCH, f"Too little was measured of batches above {LARGEST_BATCH}."),
    ]


def _rounded(bound: float) -> int:
    """The largest round number that is no larger; 0 below 1."""
    if bound < 1.0:
        return 0
    size = 10 ** math.floor(math.log10(bound))
    return int(max(digit for digit in _ROUND if digit * size <= bound) * size)
