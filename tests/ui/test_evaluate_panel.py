"""The Evaluate tab without its worker: what can be pressed when, whose figures are shown, and how they get out."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QProgressBar, QPushButton, QScrollArea, QToolTip, QWidget

from vae_studio.core.config import GaussianConfig, MixtureConfig, MLPConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.events import Evaluation
from vae_studio.core.figures import Bound, EvaluationRequest, Information, LogLikelihood, Naive, NaivePoint, Report
from vae_studio.core.model import build
from vae_studio.ui import theme
from vae_studio.ui.bounds_plot import BoundsPlot
from vae_studio.ui.evaluate_panel import EvaluatePanel
from vae_studio.ui.evaluate_table import Subject, as_text
from vae_studio.ui.kl_bars import KLBars

KL_PER_DIM = np.array([0.5, 0.0, 2.0, 1.25], np.float32)
EVALUATION = Evaluation(10_000, 123.75, 120.0, 3.75, KL_PER_DIM, np.array([True, False, True, True]))
INFORMATION = Information(10_000, 1000, 3.5, 0.04, 0.25, 0.02)
BOUNDS = (Bound(1, 123.0), Bound(5, 121.0), Bound(50, 120.0))
LIKELIHOOD = LogLikelihood(500, 10_000, 50, 4096, 119.5, 1.5, 0.1, 1.49, 30.0, 12.0, BOUNDS)
NAIVE = Naive(100, 118.5, tuple(NaivePoint(10**n, 118.5 + 80 / 10**n, 10.0**n / 4) for n in range(1, 7)))
REPORT = Report("test", EVALUATION, INFORMATION, LIKELIHOOD)


def subject(name="2-D explorer", step=None, **settings):
    config = RunConfig(network=MLPConfig(widths=(2,)), latent_dims=4, **settings)
    return Subject(build(config, (1, 28, 28)).frozen(), name, step)


@pytest.fixture
def panel(qtbot, qapp):
    theme.apply(qapp, theme.DARK)
    panel = EvaluatePanel(theme.DARK)
    qtbot.addWidget(panel)
    panel.resize(856, 560)
    with qtbot.waitActive(panel):
        panel.show()
        panel.activateWindow()
    yield panel
    qapp.setStyleSheet("")


def find(panel, kind, name):
    found = panel.findChild(kind, name)
    assert found is not None, name
    return found


def says(panel, name):
    found = find(panel, QLabel, name)
    return found.text() if found.isVisible() else ""


def press(qtbot, panel, name):
    button = find(panel, QPushButton, name)
    assert button.isVisible() and button.isEnabled(), name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def pressable(panel):
    return [b.text() for b in panel.findChildren(QPushButton) if b.isEnabled()]


def drawn(plot):
    x, y = plot.bounds.line.getData()
    return {round(10.0**a): b for a, b in zip(x, y, strict=True)}


def test_before_any_model_nothing_can_be_pressed(panel):
    assert pressable(panel) == []
    assert "Press Evaluate" in says(panel, "evaluate_title")
    panel.set_subject(subject())
    assert pressable(panel) == ["Evaluate"]
    assert says(panel, "evaluate_subject") == "2-D explorer"


def test_what_is_chosen_is_asked_for(panel, qtbot):
    panel.set_subject(subject())
    with qtbot.waitSignal(panel.evaluate_requested) as asked:
        press(qtbot, panel, "evaluate_button")
    assert asked.args == [EvaluationRequest()]


def test_how_far_it_is(panel, qtbot):
    bar = find(panel, QProgressBar, "evaluate_progress")
    panel.set_subject(subject())
    panel.set_counts(10_000, 60_000, 500)
    assert not bar.isVisible()
    assert says(panel, "evaluate_status") == "log p(x) of 500 of 10,000 images · all 10,000: about 20 × longer"
    panel.begin()
    assert bar.isVisible()
    assert pressable(panel) == ["Cancel"]
    panel.show_progress(0.0125, None)
    assert says(panel, "evaluate_status") == "bound"
    for report, part in (
        (Report("test", EVALUATION), "mutual information"),
        (Report("test", EVALUATION, INFORMATION), "log p(x)"),
        (REPORT, "naive estimate"),
    ):
        panel.show_report(subject(), report)
        panel.show_progress(0.5, 83.0)
        assert says(panel, "evaluate_status") == f"{part} · 1 min 23 s left"
    assert bar.value() == 0.5 * bar.maximum()
    with qtbot.waitSignal(panel.cancel_requested):
        press(qtbot, panel, "evaluate_cancel_button")
    panel.end("cancelled")
    assert not bar.isVisible()
    assert says(panel, "evaluate_status") == "cancelled"
    assert pressable(panel) == ["Evaluate", "Copy"]
    panel.begin()
    panel.show_progress(0.0, None)
    assert says(panel, "evaluate_status") == "bound", "the next one starts from the beginning"


def test_the_keyboard_stays_with_the_evaluation(panel):
    panel.set_subject(subject())
    evaluate, cancel = (find(panel, QPushButton, f"evaluate_{name}") for name in ("button", "cancel_button"))
    evaluate.setFocus()
    panel.begin()
    assert cancel.hasFocus()
    panel.end("done")
    assert evaluate.hasFocus()
    find(panel, QWidget, "evaluate_samples").setFocus()
    panel.end("done")
    assert not evaluate.hasFocus()


def test_figures_in_table_and_plots(panel):
    panel.show_report(subject(), REPORT)
    assert says(panel, "figure_neg_elbo") == "123.75"
    assert says(panel, "figure_nll") == "119.50"
    assert drawn(find(panel, BoundsPlot, "bounds_plot")) == {1: 123.0, 5: 121.0, 50: 120.0}
    bars = find(panel, KLBars, "evaluate_kl_bars")
    np.testing.assert_array_equal(bars.values, KL_PER_DIM)
    assert says(panel, "evaluate_naive_note") == ""


def test_the_naive_estimate_is_explained(panel):
    panel.show_report(subject(), Report("test", EVALUATION, INFORMATION, LIKELIHOOD, NAIVE))
    words = says(panel, "evaluate_naive_note")
    assert "of 100 images: 118.50 with M = 10⁶" in words
    assert "importance sampling gives 118.50" in words
    assert "Drawn 1.00 nats higher" in words
    panel.show_report(subject(), REPORT)
    assert says(panel, "evaluate_naive_note") == ""


def test_negative_nats_of_the_naive_estimate_have_the_same_minus_as_all_others(panel):
    naive = Naive(100, -930.5, (NaivePoint(10, -300.0, 1.0), NaivePoint(100, -800.25, 2.0)))
    report = Report("test", EVALUATION, INFORMATION, LIKELIHOOD, naive)
    panel.show_report(subject(likelihood=GaussianConfig()), report)
    words = says(panel, "evaluate_naive_note")
    assert "−800.25" in words and "−930.50" in words and "-" not in words


@pytest.mark.parametrize("settings", [{"prior": MixtureConfig(components=2)}, {"posterior": "full-gaussian"}])
def test_bars_of_marginals_say_that_they_do_not_add_up(panel, qtbot, settings):
    bars = find(panel, KLBars, "evaluate_kl_bars")
    panel.show_report(subject(**settings), REPORT)
    assert "marginal" in bars.bottom.label.toPlainText()
    assert tip_of(qtbot, bars) == "KL of each marginal; they do not add up to the KL"
    panel.show_report(subject(), REPORT)
    assert "marginal" not in bars.bottom.label.toPlainText()
    assert tip_of(qtbot, bars) == ""


def tip_of(qtbot, plot):
    """What a tooltip says when the mouse rests on a plot."""
    at = plot.viewport().rect().center()
    QApplication.sendEvent(plot.viewport(), QHelpEvent(QEvent.Type.ToolTip, at, plot.viewport().mapToGlobal(at)))
    text = QToolTip.text()
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.text())
    return text


def test_figures_keep_the_name_of_their_model(panel):
    first = subject(step=1234)
    panel.set_subject(first)
    panel.show_report(first, REPORT)
    assert says(panel, "evaluate_title") == "Figures of 2-D explorer, snapshot at step 1,234"
    panel.set_subject(Subject(first.model, "2-D explorer · your run"))
    assert "not of" not in says(panel, "evaluate_title"), "the same weights under a new name"
    panel.set_subject(subject("PyTorch example"))
    assert says(panel, "evaluate_title").endswith("step 1,234 (not of PyTorch example)")
    panel.set_subject(subject(step=1500))
    assert says(panel, "evaluate_title").endswith("step 1,234 (there is a newer one)")
    assert says(panel, "figure_neg_elbo") == "123.75"
    panel.set_subject(first)
    assert "not of" not in says(panel, "evaluate_title")


def test_copying(panel, qtbot):
    mine = subject("mine")
    panel.set_subject(mine)
    panel.show_report(mine, REPORT)
    panel.set_subject(subject("another"))
    QApplication.clipboard().clear()
    press(qtbot, panel, "evaluate_copy_button")
    assert QApplication.clipboard().text() == as_text(mine, REPORT)


def test_an_auto_encoder_shows_no_bounds_and_no_kl(panel):
    coder = subject(model="autoencoder", likelihood=SquaredErrorConfig())
    panel.set_subject(coder)
    assert "auto-encoder" in says(panel, "evaluate_status")
    panel.show_report(subject(), REPORT)
    evaluation = Evaluation(10_000, 40.0, 40.0, 0.0, np.zeros(4), np.ones(4, bool), is_bound=False)
    panel.show_report(coder, Report("test", evaluation, why_not="There is no p(x)."))
    assert says(panel, "figure_reconstruction") == "40.00"
    assert drawn(find(panel, BoundsPlot, "bounds_plot")) == {}
    assert len(find(panel, KLBars, "evaluate_kl_bars").values) == 0


def test_bars_stand_by_size_under_their_names_and_inactive_ones_are_grey(panel):
    panel.show_report(subject(), REPORT)
    bars = find(panel, KLBars, "evaluate_kl_bars")
    QApplication.processEvents()
    (left, right), size = bars.box.viewRange()[0], bars.box.width()
    [(spacing, ticks)] = bars.bottom.tickValues(left, right, size)
    assert bars.bottom.tickStrings(ticks, 1.0, spacing) == ["z₃", "z₄", "z₁", "z₂"]
    assert list(bars._bars.opts["height"]) == [2.0, 1.25, 0.5, 0.0]
    assert bars.reading(0.2)[1].endswith("2.000") and "z₃" in bars.reading(0.2)[1]
    nothing = Evaluation(10, 123.0, 120.0, 3.0, np.array([0.5, 2.5], np.float32), np.array([True, False]))
    panel.show_report(subject(), Report("test", nothing))
    QApplication.processEvents()
    image = bars.grab().toImage()
    for place, colour in ((0, theme.DARK.faint), (1, theme.DARK.kl)):
        at = bars.mapFromScene(bars.box.mapViewToScene(QPointF(place, 0.2)))
        assert image.pixelColor(at) == QColor(colour)


def test_narrow_panels_stack_and_scroll(panel, qtbot):
    panel.show_report(subject(), REPORT)
    table, plot = find(panel, QWidget, "evaluate_table"), find(panel, BoundsPlot, "bounds_plot")
    QApplication.processEvents()
    assert plot.mapTo(panel, QPoint()).x() > table.mapTo(panel, QPoint()).x() + table.width()
    panel.resize(520, 420)
    QApplication.processEvents()
    assert panel.width() == 520
    assert plot.mapTo(panel, QPoint()).y() > table.mapTo(panel, QPoint()).y() + table.height() - 1
    area = panel.findChild(QScrollArea)
    body = area.widget()
    assert body.width() <= area.viewport().width(), "nothing is cut off at the side"
    assert area.verticalScrollBar().maximum() > 0
    view, at = plot.box.viewRange(), QPointF(plot.viewport().rect().center())
    event = QWheelEvent(
        at,
        QPointF(plot.viewport().mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(plot.viewport(), event)
    assert not event.isAccepted(), "Qt hands it on, to scroll past the plots"
    assert plot.box.viewRange() == view


@pytest.mark.parametrize(("width", "height"), [(856, 560), (520, 420), (1400, 900)])
def test_nothing_overlaps(panel, width, height):
    panel.set_subject(subject(step=123_456))
    panel.show_report(subject(step=123_456), Report("test", EVALUATION, INFORMATION, LIKELIHOOD, NAIVE))
    panel.resize(width, height)
    QApplication.processEvents()
    parts = [w for w in panel.findChildren(QLabel) if w.isVisible() and w.text()]
    parts += [w for w in panel.findChildren(QPushButton) if w.isVisible()]
    plots = [find(panel, BoundsPlot, "bounds_plot"), find(panel, KLBars, "evaluate_kl_bars")]
    parts = [w for w in parts if not any(plot.isAncestorOf(w) for plot in plots)] + plots
    body = panel.findChild(QScrollArea).widget()
    for among in ([w for w in parts if body.isAncestorOf(w)], [w for w in parts if not body.isAncestorOf(w)]):
        rects = [(w, w.rect().translated(w.mapTo(panel, QPoint()))) for w in among]
        for i, (one, its) in enumerate(rects):
            for other, theirs in rects[i + 1 :]:
                common = its.intersected(theirs)
                assert common.width() <= 1 or common.height() <= 1, (one.objectName(), other.objectName())
    for widget in parts:
        if isinstance(widget, QLabel) and widget.wordWrap():
            assert widget.height() >= widget.heightForWidth(widget.width()), widget.objectName()


def test_tab_goes_through_the_controls_in_their_order(panel, qtbot):
    panel.set_subject(subject())
    panel.show_report(subject(), REPORT)
    names = ["split_combo", "samples", "images_combo", "naive_check", "button", "copy_button"]
    find(panel, QWidget, f"evaluate_{names[0]}").setFocus()
    for name in names[1:]:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert QApplication.focusWidget().objectName() == f"evaluate_{name}"


def test_every_control_has_a_name_and_a_tooltip(panel):
    for kind in (QPushButton, QProgressBar):
        for widget in panel.findChildren(kind):
            assert widget.objectName() and widget.toolTip() and widget.accessibleName()
    for plot in (find(panel, BoundsPlot, "bounds_plot"), find(panel, KLBars, "evaluate_kl_bars")):
        assert plot.accessibleName()


def test_themes(panel, qapp):
    panel.show_report(subject(), Report("test", EVALUATION, INFORMATION, LIKELIHOOD, NAIVE))
    for wanted in (theme.LIGHT, theme.DARK):
        theme.apply(qapp, wanted)
        panel.set_theme(wanted)
        QApplication.processEvents()
        for plot in (find(panel, BoundsPlot, "bounds_plot"), find(panel, KLBars, "evaluate_kl_bars")):
            assert plot.grab().toImage().pixelColor(1, 1) == QColor(wanted.panel)
        legend = next(w for w in panel.findChildren(QLabel) if "−IWAE-K" in w.text() and "span" in w.text())
        assert all(colour in legend.text() for colour in (wanted.train, wanted.test, wanted.kl))


def test_a_name_is_no_markup(panel):
    panel.set_subject(subject("<b>bold</b>" + "x" * 300))
    label = find(panel, QLabel, "evaluate_subject")
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert panel.minimumSizeHint().width() < 700
