"""The objective in force: its formula, its value with its terms, active dimensions, and a warning when they die."""

from __future__ import annotations

import math
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.ui import formula
from vae_studio.ui.collapse import Collapse
from vae_studio.ui.controls import label, show_tip

_GAP = 6
_ACTIVE_TIP = (
    "A latent dimension is active when the variance of its posterior mean over the test images exceeds 0.01 (Burda et "
    "al. 2016)."
)
_USED_TIP = "An auto-encoder's codes have any scale: a dimension is active when it varies over the test images at all."


class ObjectiveFigures(QWidget):
    """Whatever is optimised, the large number is −ELBO = reconstruction + KL, or an auto-encoder's error.

    What is optimised where that is something else stands on a line of its own. Without numbers the formula is that of
    the settings; with numbers it is theirs, and that of the settings follows below where it is another.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self._settings = config
        self._shown: tuple[RunConfig, float] | None = None
        self._terms_whole = ""
        self._formula = self._line("objective_formula", "muted")
        self._name = self._line("objective_name", "muted")
        self._total = self._line("neg_elbo", "number")
        self._terms = self._line("elbo_terms", "")
        self._optimised = self._line("optimised_objective", "faint")
        self._note = self._line("binarisation_note", "faint")
        self._next = self._line("next_objective", "faint")
        self._warning = self._line("collapse_warning", "warning")
        self._active = self._line("active_units", "muted")
        for wrapped in (self._formula, self._optimised, self._note, self._next, self._warning, self._active):
            wrapped.setWordWrap(True)
        show_tip(self._terms, "Reconstruction term and KL term, means per image.")
        show_tip(
            self._optimised,
            "What training minimises in place of −ELBO. With β below 1 it is no bound on −log p(x).",
        )
        show_tip(self._next, "What the settings as they are now would minimise.")
        self._terms.setMinimumWidth(1)  # long numbers are no reason to widen the panel
        numbers = QHBoxLayout()
        numbers.setSpacing(_GAP)
        for part, stretch in ((self._name, 0), (self._total, 0), (self._terms, 1)):
            numbers.addWidget(part, stretch, Qt.AlignmentFlag.AlignBaseline)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._formula)
        layout.addLayout(numbers)
        for part in (self._optimised, self._note, self._next):
            layout.addWidget(part)
        layout.addStretch(1)
        layout.addWidget(self._warning)
        layout.addWidget(self._active)
        self.clear()

    def show_settings(self, config: RunConfig) -> None:
        """The formula of these settings."""
        self._settings = config
        self._show_formula()

    def show_numbers(
        self,
        config: RunConfig,
        reconstruction: float,
        kl: float,
        *,
        beta: float,
        which: Literal["train", "test"],
        model: str,
        objective: float | None = None,
    ) -> None:
        """Mean terms over train or test images, in the config's unit, whose they are, and the β in force.

        `objective` is the mean of what was minimised over the same images, where it is known.
        """
        self._shown = (config, beta)
        self._show_formula()
        images = {"train": "training", "test": "test"}[which]
        self._note.setText(f"{model}, {images} images: {config.unit}")
        show_tip(self._note, formula.note(config))
        self._note.show()
        self._name.setText(formula.name(config))
        self._name.show()
        total = "−ELBO = reconstruction + KL, in nats per image: an upper bound on −log p(x)."
        show_tip(self._total, total if config.model == "vae" else formula.note(config))
        if not all(map(math.isfinite, (reconstruction, kl, 0.0 if objective is None else objective))):
            self._total.setText("—")
            self._terms_whole = "not a finite number"
            self._fit_terms()
            self._optimised.hide()
            return
        value, terms = formula.numbers(config, reconstruction, kl)
        self._total.setText(value)
        self._terms_whole = terms
        self._fit_terms()
        optimised = formula.optimised(config, reconstruction, kl, beta, objective)
        self._optimised.setText(optimised)
        self._optimised.setVisible(bool(optimised))

    def show_active(self, active: int, total: int, *, vae: bool = True, scale: str = "") -> None:
        """How many of the latent dimensions are active, and the learned scale of pixels in words, if there is one."""
        if active == 0:
            words = "No latent dimension is active."
        elif active == total:
            words = {1: "The latent dimension is active.", 2: "Both latent dimensions are active."}.get(
                total, f"All {total} latent dimensions are active."
            )
        else:
            words = f"{active} of {total} latent dimensions {'is' if active == 1 else 'are'} active."
        self._active.setText(f"{words} {scale}".strip())
        show_tip(self._active, _ACTIVE_TIP if vae else _USED_TIP)
        self._active.show()

    def show_collapse(self, collapse: Collapse | None) -> None:
        """Warn of latent dimensions that died; None: all is well again."""
        self._warning.setVisible(collapse is not None)
        if collapse is not None:
            self._warning.setText(collapse.text)
            show_tip(self._warning, collapse.details)

    def clear(self) -> None:
        """Forget all numbers."""
        self._shown = None
        self._total.setText("—")
        self._terms_whole = ""
        self._terms.setText("")
        for part in (self._name, self._optimised, self._note, self._warning, self._active):
            part.hide()
        self._show_formula()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_terms()

    def _fit_terms(self) -> None:
        """The terms without their unit where there is no room for it: it stands in the small print as well."""
        taken = self._name.sizeHint().width() + self._total.sizeHint().width() + 2 * _GAP
        fits = self._terms.fontMetrics().horizontalAdvance(self._terms_whole) <= self.width() - taken
        self._terms.setText(self._terms_whole if fits else self._terms_whole.removesuffix(" nats"))

    def _show_formula(self) -> None:
        coming = formula.symbols(self._settings)
        shown = self._shown or (self._settings, None)
        text = formula.symbols(*shown)
        self._formula.setText(text)
        show_tip(self._formula, *formula.legend(*shown))
        self._next.setText(f"next run: {coming}")
        self._next.setVisible(coming not in (text, formula.symbols(shown[0])))

    @staticmethod
    def _line(name: str, role: str) -> QLabel:
        result = label("", role)
        result.setObjectName(name)
        return result
