"""Which function measures which subject."""

from __future__ import annotations

from collections.abc import Callable

from vae_studio.bench import batch, growth, likelihood, quality, training, window
from vae_studio.bench import map as maps
from vae_studio.bench.measure import Plan, Section
from vae_studio.core import datasets
from vae_studio.core.config import DataConfig, RunConfig

_MEASURES: dict[str, Callable[[Plan], Section]] = {
    "quality": quality.quality,
    "batch": batch.batch,
    "presets": training.presets,
    "keras": training.keras,
    "map": maps.decoders,
    "window": window.use,
    "start-up": window.start_up,
    "likelihood": likelihood.likelihood,
    "growth": growth.growth,
}


def measure(name: str, plan: Plan) -> Section:
    """The section of a subject, by its name in `SUBJECTS`.

    What a process loads once, with its first training, is no subject's cost, and comes before.
    """
    training.timed(RunConfig(device=plan.choice), datasets.load(DataConfig(limit=500)), seconds=0.0)
    return _MEASURES[name](plan)
