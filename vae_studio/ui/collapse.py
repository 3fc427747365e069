"""Watches a run for latent dimensions that die, and says which and what to try. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vae_studio.core.config import ConfigError, RunConfig
from vae_studio.core.events import Evaluated
from vae_studio.core.plane import subscript

_NAMED = 3
# How long a model may take to use its first dimension: this share of the run, and at least so many steps.
_PATIENCE = 0.2
_FEWEST_STEPS = 200


@dataclass(frozen=True, slots=True)
class Collapse:
    """Some latent dimensions are dead, or all: then `total`. `text` is short, `details` names all of them."""

    text: str
    details: str
    total: bool


class CollapseWatch:
    """Remembers which latent dimensions were ever active in a run of `total_steps` steps."""

    def __init__(self, config: RunConfig, total_steps: int) -> None:
        self._config = config
        self._total_steps = total_steps
        self._ever = np.zeros(config.latent_dims, bool)

    def look(self, evaluated: Evaluated) -> Collapse | None:
        """What is wrong at this evaluation; None while all that was ever active still is."""
        figures = evaluated.evaluation
        active = np.asarray(figures.active, bool)
        dead = self._ever & ~active
        self._ever |= active
        if active.any():
            return self._some(np.flatnonzero(dead), figures.kl_per_dim) if dead.any() else None
        if dead.any() or evaluated.step >= max(_PATIENCE * self._total_steps, _FEWEST_STEPS):
            return self._all()
        return None

    def _some(self, dead: np.ndarray, kl_per_dim: np.ndarray) -> Collapse:
        names = [subscript(int(index)) for index in dead]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        text = f"{', '.join(names[:_NAMED])}{more} died in this run. Try {self._advice(fewer=True)}."
        if self._config.model == "autoencoder":
            listed = ", ".join(names)
        else:
            listed = ", ".join(f"{name} (KL {kl:.3f})" for name, kl in zip(names, kl_per_dim[dead], strict=True))
        return Collapse(text, f"Active earlier in this run, and no longer: {listed}.", False)

    def _all(self) -> Collapse:
        whose = "the code says nothing about the image" if self._config.model == "autoencoder" else "z is ignored"
        text = f"Collapsed: no latent dimension is active, {whose}. Try {self._advice(fewer=False)}."
        return Collapse(text, "Every image has the same code, up to noise; the decoder gives their mean.", True)

    def _advice(self, *, fewer: bool) -> str:
        """What makes sense for this config."""
        config = self._config
        advice = []
        if config.model == "vae":
            advice.append("a smaller β")
            if not config.kl_warm_up:
                advice.append("a KL warm-up")
            if not config.free_bits and _possible(config, free_bits=0.1):
                advice.append("free bits")
        else:
            advice.append("a smaller rate")
            if config.weight_decay:
                advice.append("less weight decay")
        advice.append("another initialisation")
        if fewer and config.latent_dims > 2:
            advice.append("fewer latent dims")
        return f"{', '.join(advice[:-1])} or {advice[-1]}"


def _possible(config: RunConfig, **changes: object) -> bool:
    try:
        config.with_changes(**changes)
    except ConfigError:
        return False
    return True
