"""The figures of an evaluation: as a table with their units and errors, and as text to copy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from vae_studio.core.config import RunConfig
from vae_studio.core.figures import Information, LogLikelihood, Report
from vae_studio.core.plane import subscript
from vae_studio.ui.controls import label, show_tip

_NOTHING = "—"
_FEW = 10  # an effective sample size below this says that a few samples have nearly all the weight

# Key, name, unit, whether it stands under the figure above it, and what it is.
_ROWS = (
    ("neg_elbo", "−ELBO", "nats", False, "Negative evidence lower bound: an upper bound on −log p(x)."),
    (
        "reconstruction",
        "= reconstruction",
        "nats",
        True,
        "−log p(x|z), averaged over z from the posterior q(z|x) of each image.",
    ),
    ("kl", "+ KL", "nats", True, "KL(q(z|x) ‖ p(z)) from posterior to prior, averaged over images."),
    (
        "mutual_information",
        "KL ≈ mutual information",
        "nats",
        False,
        "I(x; z): how much z tells of which image x is. Together with the aggregate posterior’s KL it is the KL "
        "(Hoffman & Johnson 2016). Estimated with q(z) as the mixture of the posteriors of all images.",
    ),
    (
        "aggregate_kl",
        "+ KL(q(z) ‖ p(z))",
        "nats",
        True,
        "How far the aggregate posterior q(z), the mixture of the posteriors of all images, is from the prior p(z): "
        "the mean of log q(z) − log p(z) over draws from it.",
    ),
    (
        "active_units",
        "active units",
        "",
        False,
        "Latent dimensions whose posterior mean varies over the images with a variance above 0.01 (Burda et al. "
        "2016): Cov(E[z]) > 0.01. Of an auto-encoder, whose codes have any scale: those that vary at all.",
    ),
    (
        "nll",
        "−log p(x)",
        "nats",
        False,
        "Negative log-likelihood, by importance sampling with K samples of each image’s posterior q(z|x), and draws "
        "of the prior p(z) that all images share. It may be lower than what papers print: an encoder that settles on "
        "one of several explanations of an image misses the others, and draws of the prior find them.",
    ),
    (
        "bound",
        "−IWAE-K",
        "nats",
        True,
        "What papers print as NLL(K): −log of the mean importance weight of K samples of q(z|x), without draws of the "
        "prior (Burda et al. 2016). An upper bound on −log p(x).",
    ),
    (
        "ess",
        "effective samples, mean",
        "",
        True,
        "Effective sample size (Σw)² / Σw² of the importance weights w: as good as so many equally weighted samples. "
        "Mean over images.",
    ),
    (
        "ess_lowest",
        "effective samples, lowest",
        "",
        True,
        "The effective sample size of the image for which it is the smallest. Below 10 the estimate of that image "
        "rests on a few samples.",
    ),
)
_HEADINGS = {
    "neg_elbo": "Bound",
    "mutual_information": "What z tells of x",
    "nll": "Log-likelihood",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A frozen `core.model.VAE` as its figures name it; `step` is that of a snapshot whose run goes on, else None."""

    model: Any
    name: str
    step: int | None = None

    @property
    def config(self) -> RunConfig:
        return self.model.config

    @property
    def title(self) -> str:
        return self.name if self.step is None else f"{self.name}, snapshot at step {self.step:,}"


class EvaluateTable(QWidget):
    """Every figure with its standard error and unit, and in words what they are over and what to mind. Values in, no
    signals."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("evaluate_table")
        self.setAccessibleName("Figures of the evaluation")
        self._cells: dict[str, tuple[QLabel, QLabel, QLabel, QLabel]] = {}
        self._over: dict[str, QLabel] = {}
        self._headings = {key: label(title, "title") for key, title in _HEADINGS.items()}
        self._unit = _note("evaluate_unit")
        self._inactive = _note("evaluate_inactive")
        self._capped = _note("evaluate_capped")
        self._drawn = _note("evaluate_drawn")
        self._few = _note("evaluate_few", role="error")
        self._binarised = _note("evaluate_binarised")
        self._why_not = _note("evaluate_why_not", role="muted")
        self._lay_out()
        self.clear()

    def clear(self) -> None:
        """Nothing has been evaluated."""
        for name, value, error, unit in self._cells.values():
            value.setText(_NOTHING)
            error.setText("")
            for part in (name, value, error, unit):
                _grey(part, True)
        for note in (*self._over.values(), *self._notes()):
            note.setText("")
            note.hide()

    def _notes(self) -> tuple[QLabel, ...]:
        return self._unit, self._inactive, self._capped, self._drawn, self._few, self._binarised, self._why_not

    def show_report(self, subject: Subject, report: Report) -> None:
        """Everything found so far; what is not there yet or never will be is grey."""
        self.clear()
        evaluation, config = report.evaluation, subject.config
        self._name("reconstruction", "= reconstruction" if evaluation.is_bound else "reconstruction error")
        self._headings["neg_elbo"].setText(_HEADINGS["neg_elbo"] if evaluation.is_bound else "Reconstruction")
        _say(self._unit, config.unit)
        _say(self._over["neg_elbo"], f"all {evaluation.images:,} {_split(report)} images")
        self._put("reconstruction", evaluation.reconstruction)
        self._put_text("active_units", f"{evaluation.active_units}", f"of {len(evaluation.active)}")
        _say(self._inactive, _inactive_words(evaluation.active))
        _say(self._why_not, report.why_not)
        for *_, unit in self._cells.values():
            unit.setVisible(config.likelihood.kind != "squared-error")
        if not evaluation.is_bound:
            return
        self._put("neg_elbo", evaluation.neg_elbo)
        self._put("kl", evaluation.kl)
        if report.information:
            self._show_information(report.information)
        if report.likelihood:
            self._show_likelihood(report.likelihood, config)

    def _show_information(self, found: Information) -> None:
        _say(self._over["mutual_information"], f"{found.samples:,} samples of q(z)")
        show_tip(self._over["mutual_information"], _estimator(found))
        self._put("mutual_information", found.mutual_information, found.mutual_information_se)
        self._put("aggregate_kl", found.aggregate_kl, found.aggregate_kl_se)
        if found.at_its_limit:
            _say(
                self._capped,
                f"From {found.images:,} images no more than log {found.images:,} = {found.limit:.2f} nats of mutual "
                "information can be found: there may be more, and less KL(q(z) ‖ p(z)).",
            )

    def _show_likelihood(self, found: LogLikelihood, config: RunConfig) -> None:
        _say(self._over["nll"], f"{_of_images(found)}, K = {found.samples:,}")
        self._put("nll", found.nll, found.nll_se)
        show_tip(self._cells["nll"][2], _error_words(found))
        _say(
            self._drawn,
            f"K = {found.samples:,} own samples of q(z|x), {found.shared_samples:,} shared of p(z)",
        )
        last = found.bounds[-1]
        self._name("bound", f"−IWAE-{last.samples}, papers’ NLL" if last.samples > 1 else "−ELBO")
        self._put("bound", last.value)
        for key, size in (("ess", found.ess), ("ess_lowest", found.ess_lowest)):
            self._put_text(key, f"{size:,.0f}" if size >= _FEW else f"{size:.1f}")
        if found.ess_lowest < _FEW:
            _say(
                self._few,
                f"Of some images a few samples have nearly all the weight (effective sample size {found.ess_lowest:.1f}"
                "): −log p(x) may come out too high for them. More samples help.",
            )
        if config.likelihood.kind == "bernoulli" and config.targets == "grey":
            _say(
                self._binarised,
                "−ELBO is expected over binarisations; −log p(x) and the bounds in the plot are of images binarised "
                "once, so that −ELBO there may differ.",
            )

    def _put(self, key: str, value: float, error: float | None = None) -> None:
        decimals = 3 if error is not None and 0 < error < 0.01 else 2
        shown = f"{value:.{decimals}f}".replace("-", "−") if math.isfinite(value) else "not finite"
        self._put_text(key, shown, "" if error is None or not math.isfinite(error) else f"± {error:.{decimals}f}")

    def _put_text(self, key: str, value: str, error: str = "") -> None:
        cells = self._cells[key]
        cells[1].setText(value)
        cells[2].setText(error)
        for cell in cells:
            _grey(cell, False)

    def _name(self, key: str, name: str) -> None:
        self._cells[key][0].setText(name)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        row = 0
        for key, name, unit, is_term, tip in _ROWS:
            if key in _HEADINGS:
                if row:
                    grid.setRowMinimumHeight(row, 8)
                    row += 1
                row = self._lay_out_heading(grid, row, key)
            cells = label(name, "figure"), label("", "figure"), label("", "figure"), label(unit, "figure")
            cells[0].setIndent(12 if is_term else 0)
            cells[1].setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if key in ("neg_elbo", "nll"):
                cells[1].setStyleSheet("font-weight: 600;")
            cells[1].setObjectName(f"figure_{key}")
            cells[1].setAccessibleName(name.lstrip("=+≈ "))
            cells[2].setObjectName(f"figure_{key}_error")
            for column, cell in enumerate(cells):
                show_tip(cell, tip + (" In nats per image." if unit else ""))
                grid.addWidget(cell, row, column)
            self._cells[key] = cells
            row += 1
            for after, note in (
                ("kl", self._unit),
                ("aggregate_kl", self._capped),
                ("active_units", self._inactive),
                ("bound", self._drawn),
            ):
                if key == after:
                    grid.addWidget(note, row, 0, 1, 4)
                    row += 1
        for note in (self._few, self._binarised, self._why_not):
            grid.addWidget(note, row, 0, 1, 4)
            row += 1
        grid.setRowStretch(row, 1)

    def _lay_out_heading(self, grid: QGridLayout, row: int, key: str) -> int:
        over = label("", "faint")
        over.setObjectName(f"over_{key}")
        over.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        self._over[key] = over
        grid.addWidget(self._headings[key], row, 0)
        grid.addWidget(over, row, 1, 1, 3)
        return row + 1


def as_text(subject: Subject, report: Report) -> str:
    """All figures, unrounded, one a line: name, value, standard error; tabs between them, for a spreadsheet."""
    evaluation, found = report.evaluation, report.likelihood
    rows: list[tuple[object, ...]] = [
        ("model", subject.title),
        ("split", report.split),
        ("images", evaluation.images),
        ("unit", subject.config.unit),
    ]
    if not evaluation.is_bound:
        rows += [("reconstruction_error", evaluation.reconstruction), ("active_units", evaluation.active_units)]
        return _lines(rows)
    rows += [("neg_elbo", evaluation.neg_elbo), ("reconstruction", evaluation.reconstruction), ("kl", evaluation.kl)]
    rows += [(f"kl_z{i + 1}", float(value)) for i, value in enumerate(evaluation.kl_per_dim)]
    rows.append(("active_units", evaluation.active_units))
    if report.information:
        told = report.information
        rows.append(("mutual_information", told.mutual_information, told.mutual_information_se))
        rows.append(("aggregate_kl", told.aggregate_kl, told.aggregate_kl_se))
    if found:
        rows += [("nll", found.nll, found.nll_se), ("nll_images", found.images), ("nll_samples", found.samples)]
        rows.append(("nll_shared_samples", found.shared_samples))
        rows += [("ess", found.ess), ("ess_lowest", found.ess_lowest)]
        rows += [(f"bound_{bound.samples}", bound.value) for bound in found.bounds]
    if report.naive:
        rows += [("naive_images", report.naive.images), ("naive_images_nll", report.naive.nll)]
        rows += [(f"naive_{point.samples}", point.nll) for point in report.naive.points]
    return _lines(rows)


def _lines(rows: list[tuple[object, ...]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _split(report: Report) -> str:
    return {"test": "test", "train": "training"}[report.split]


def _of_images(found: LogLikelihood) -> str:
    if found.images == found.of_images:
        return f"all {found.images:,}"
    return f"{found.images:,} of {found.of_images:,}"


def _inactive_words(active: Iterable[bool]) -> str:
    """Their names, of three and more in a row the first and the last."""
    names = []
    for on, run in itertools.groupby(enumerate(active), key=lambda pair: bool(pair[1])):
        row = [subscript(i) for i, _ in run]
        if not on:
            names += [f"{row[0]} to {row[-1]}"] if len(row) > 2 else row
    return "inactive: " + ", ".join(names) if names else ""


def _estimator(found: Information) -> str:
    return (
        f"q(z) is taken as the mixture of the posteriors of all {found.images:,} images, and log-ratios are averaged "
        f"over {found.samples:,} draws from it. So it cannot find more mutual information than log "
        f"{found.images:,} = {found.limit:.2f} nats."
    )


def _error_words(found: LogLikelihood) -> str:
    words = f"Standard error: {found.nll_se_samples:.3f} nats by the samples"
    if found.images < found.of_images:
        words += f", {found.nll_se_images:.3f} because {found.images:,} images stand for {found.of_images:,}"
    return words + "."


def _note(name: str, role: str = "faint") -> QLabel:
    result = label("", role)
    result.setObjectName(name)
    result.setWordWrap(True)
    result.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return result


def _say(note: QLabel, words: str) -> None:
    note.setText(words)
    note.setVisible(bool(words))


def _grey(part: QLabel, grey: bool) -> None:
    role = "muted" if grey else "figure"
    if part.property("role") != role:
        part.setProperty("role", role)
        part.style().unpolish(part)
        part.style().polish(part)
