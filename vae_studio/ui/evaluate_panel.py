"""The Evaluate tab: figures of the model that is looked at, made on demand."""

from __future__ import annotations

import itertools

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from vae_studio.core.figures import Naive, Report
from vae_studio.ui.bounds_plot import BoundsPlot, samples_words
from vae_studio.ui.controls import duration, label, show_tip, shrinking_label
from vae_studio.ui.evaluate_choices import EvaluateChoices
from vae_studio.ui.evaluate_table import EvaluateTable, Subject, as_text
from vae_studio.ui.kl_bars import KLBars
from vae_studio.ui.theme import DARK, Theme

_SIDE_BY_SIDE = 660  # pixels of width from which the plots stand beside the table
_RIGHT = 8  # pixels for the scroll bar, beside what stands above it too
_INVITATION = "Press Evaluate for the figures of this model."


class EvaluatePanel(QFrame):
    """What to evaluate, how far it is, and the newest figures, which keep the name of the model they are of.

    Signals: `evaluate_requested(EvaluationRequest)`; `cancel_requested()`.
    """

    evaluate_requested = Signal(object)
    cancel_requested = Signal()

    def __init__(self, theme: Theme = DARK, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("evaluate_panel")
        self.setProperty("panel", True)
        self._theme = theme
        self._subject: Subject | None = None
        self._figures: tuple[Subject, Report] | None = None
        self._running = False
        self._found: Report | None = None  # by the evaluation under way
        self._make_controls()
        self._make_results()
        self._lay_out()
        self._choices.changed.connect(self._show_plan)
        self._button.clicked.connect(self._ask)
        self._cancel.clicked.connect(self.cancel_requested)
        self._copy.clicked.connect(self._copy_figures)
        self.set_theme(theme)
        self._show_title()
        self._show_running(False)

    # Values in

    def set_subject(self, subject: Subject) -> None:
        """The model that is looked at; figures of another stay until it is evaluated."""
        self._subject = subject
        self._about.setText(subject.title)
        show_tip(self._about, subject.title)
        self._choices.set_model(subject.config.model == "vae")
        self._button.setEnabled(not self._running)
        self._show_title()

    def set_counts(self, test: int, train: int, default: int | None) -> None:
        """How many images there are of each split, and over how many log p(x) is estimated unless the user has chosen:
        None for all."""
        self._choices.set_counts(test, train, default)

    def set_pace(self, seconds: float | None) -> None:
        """How long log p(x) of one image by one sample takes, as it went last time; None while nobody knows."""
        self._choices.set_pace(seconds)

    def begin(self) -> None:
        """An evaluation is under way."""
        had_focus = self._button.hasFocus()
        self._found = None
        self._progress.setValue(0)
        self._show_running(True)
        if had_focus:
            self._cancel.setFocus()

    def show_progress(self, fraction: float, seconds_left: float | None) -> None:
        """How far it is, 0 to 1, and how long it still takes, None while nobody can tell."""
        self._progress.setValue(round(1000 * fraction))
        self._say(self._part() + ("" if seconds_left is None else f" · {duration(seconds_left)} left"))

    def show_report(self, subject: Subject, report: Report) -> None:
        """What was found so far."""
        self._found = report
        self._figures = subject, report
        is_bound = report.evaluation.is_bound
        self._table.show_report(subject, report)
        self._bars.set_marginal(is_bound and not subject.config.factorised)
        self._bars.show_values(report.evaluation.kl_per_dim if is_bound else np.empty(0), report.evaluation.active)
        self._bounds.show_figures(report.likelihood, report.naive)
        self._copy.setEnabled(True)
        self._show_title()
        self._show_legend()

    def end(self, words: str) -> None:
        """No evaluation is under way any more, and why."""
        had_focus = self._cancel.hasFocus()
        self._show_running(False)
        more = self._choices.whole_set() if self._choices.pace is not None else ""
        self._say(f"{words} · {more}" if more else words)
        if had_focus:
            self._button.setFocus()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._bounds.set_theme(theme)
        self._bars.set_theme(theme)
        self._show_legend()

    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), 200)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= _SIDE_BY_SIDE
        directions = QBoxLayout.Direction
        self._body.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        for plot in (self._bounds, self._bars):  # below the table the wheel is for scrolling past them
            plot.box.setMouseEnabled(wide, wide)

    # What the user does

    def _ask(self) -> None:
        self.evaluate_requested.emit(self._choices.request())

    def _copy_figures(self) -> None:
        QGuiApplication.clipboard().setText(as_text(*self._figures))

    # What is shown

    def _show_running(self, running: bool) -> None:
        self._running = running
        self._button.setEnabled(not running and self._subject is not None)
        self._cancel.setEnabled(running)
        self._progress.setVisible(running)
        self._choices.set_running(running)

    def _show_plan(self) -> None:
        self._say(self._part() if self._running else self._choices.plan())

    def _part(self) -> str:
        """What is being computed."""
        if self._found is None:
            return "bound"
        if self._found.information is None:
            return "mutual information"
        return "log p(x)" if self._found.likelihood is None else "naive estimate"

    def _say(self, words: str) -> None:
        self._status.setText(words)
        show_tip(self._status, words)

    def _show_title(self) -> None:
        """Whose figures these are, and whether that is the model looked at."""
        words = _INVITATION
        if self._figures:
            of = self._figures[0]
            words = f"Figures of {of.title}"
            if self._subject is not None and of.model is not self._subject.model:
                newer = of.name == self._subject.name
                words += " (there is a newer one)" if newer else f" (not of {self._subject.name})"
        self._title.setText(words)
        show_tip(self._title, words)

    def _show_legend(self) -> None:
        theme, naive = self._theme, self._figures[1].naive if self._figures else None
        entries = [("●", theme.train, "−ELBO, −IWAE-K"), ("╍╍", theme.test, "−log p(x)")]
        if naive:
            entries.append(("●", theme.kl, "naive estimate"))
        marks = (f'<span style="color:{colour}">{mark}</span>&nbsp;{words}' for mark, colour, words in entries)
        self._legend.setText(("&nbsp;" * 5).join(marks))
        self._naive_note.setText(_naive_words(naive, self._bounds.moved) if naive else "")
        self._naive_note.setVisible(naive is not None)

    # How it is made

    def _make_controls(self) -> None:
        self._about = shrinking_label("evaluate_subject", "muted")
        self._choices = EvaluateChoices()
        self._button = QPushButton("Evaluate")
        self._button.setProperty("kind", "primary")
        self._cancel = QPushButton("Cancel")
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setRange(0, 1000)
        self._progress.setFixedWidth(120)
        self._status = shrinking_label("evaluate_status", "muted")
        self._copy = QPushButton("Copy")
        self._copy.setEnabled(False)
        for widget, name, spoken, tip in (
            (
                self._button,
                "evaluate_button",
                "Evaluate",
                "Compute the figures, in nats per image, of the model that is looked at. Training and exploring go on.",
            ),
            (self._cancel, "evaluate_cancel_button", "Cancel the evaluation", "Stop here, and keep what was found."),
            (self._progress, "evaluate_progress", "Progress of the evaluation", "Share of the evaluation done"),
            (
                self._copy,
                "evaluate_copy_button",
                "Copy the figures",
                "Put all figures on the clipboard, in nats per image and unrounded, as a table for a spreadsheet.",
            ),
        ):
            widget.setObjectName(name)
            widget.setAccessibleName(spoken)
            show_tip(widget, tip)

    def _make_results(self) -> None:
        self._title = shrinking_label("evaluate_title", "title")
        self._table = EvaluateTable()
        self._table.setMinimumWidth(280)
        self._bounds = BoundsPlot()
        self._bounds.setMinimumHeight(170)
        self._legend = QLabel()
        self._legend.setProperty("role", "faint")
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._naive_note = label("", "faint")
        self._naive_note.setObjectName("evaluate_naive_note")
        self._naive_note.setWordWrap(True)
        self._bars = _Bars("evaluate_kl_bars", largest_first=True)
        self._bars.setMinimumHeight(120)
        self._bars.left.setWidth(self._bounds.left.width())

    def _lay_out(self) -> None:
        line = QFrame()
        line.setFixedHeight(1)
        line.setStyleSheet("background: palette(mid); border: none;")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12 - _RIGHT, 8)
        layout.setSpacing(8)
        layout.addLayout(_row(label("Evaluate", "title"), self._about))
        layout.addLayout(_row(self._choices))
        layout.addLayout(_row(self._button, self._cancel, self._progress, self._status))
        layout.addLayout(_row(line))
        layout.addLayout(_row(self._title, self._copy, stretched=self._title))
        layout.addWidget(self._scrolled_results(), 1)
        for before, after in itertools.pairwise((*self._choices.controls(), self._button, self._cancel, self._copy)):
            QWidget.setTabOrder(before, after)

    def _scrolled_results(self) -> QScrollArea:
        body = QWidget()
        self._body = QBoxLayout(QBoxLayout.Direction.LeftToRight, body)
        self._body.setContentsMargins(0, 0, _RIGHT, 0)
        self._body.setSpacing(16)
        plots = QVBoxLayout()
        plots.setSpacing(2)
        plots.addWidget(self._legend, 0, Qt.AlignmentFlag.AlignRight)
        plots.addWidget(self._bounds, 3)
        plots.addWidget(self._naive_note)
        plots.addWidget(self._bars, 2)
        self._body.addWidget(self._table, 2, Qt.AlignmentFlag.AlignTop)
        self._body.addLayout(plots, 3)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(body)
        return scroll


class _Bars(KLBars):
    """Takes the room that there is, and does not ask for more."""

    def sizeHint(self) -> QSize:
        return self.minimumSize()


def _naive_words(naive: Naive, moved: float) -> str:
    last, drawn = naive.points[-1], ""
    if abs(moved) >= 0.01:
        way = "higher" if moved > 0 else "lower"
        drawn = f" Drawn {abs(moved):.2f} nats {way}, because the bounds are of more images."
    words = (
        f"Naive estimate of {naive.images} images: {last.nll:.2f} with M = {samples_words(last.samples)} samples of "
        f"p(z), effective sample size {last.ess:,.0f}; importance sampling gives {naive.nll:.2f}.{drawn}"
    )
    return words.replace(" -", " −")  # a density's nats may be negative


def _row(*widgets: QWidget, stretched: QWidget | None = None) -> QHBoxLayout:
    """Side by side; one of them, the last unless said otherwise, takes the room that is left."""
    result = QHBoxLayout()
    result.setContentsMargins(0, 0, _RIGHT, 0)
    result.setSpacing(8)
    for widget in widgets:
        result.addWidget(widget, 1 if widget is (stretched or widgets[-1]) else 0)
    return result
