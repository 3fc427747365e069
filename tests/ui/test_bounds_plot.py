"""The bounds over the number of samples: what is drawn, named and read off, under real wheel and mouse."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFrame, QVBoxLayout

from vae_studio.core.figures import Bound, LogLikelihood, Naive, NaivePoint
from vae_studio.ui import theme
from vae_studio.ui.bounds_plot import BoundsPlot, samples_words

BOUNDS = {1: 104.0, 5: 102.5, 50: 101.25, 500: 100.75}
NLL = 100.5
NAIVE = {10: 160.0, 100: 125.0, 1000: 104.0, 10_000: 99.5, 100_000: 98.75, 1_000_000: 98.5}


def likelihood(bounds=BOUNDS, nll=NLL):
    found = tuple(Bound(k, value) for k, value in bounds.items())
    return LogLikelihood(500, 10_000, max(bounds), 4096, nll, 1.0, 0.1, 0.9, 100.0, 20.0, found)


def naive(points=NAIVE, nll=98.0):
    return Naive(100, nll, tuple(NaivePoint(m, value, 1.0) for m, value in points.items()))


@pytest.fixture
def plot(qtbot, qapp):
    theme.apply(qapp, theme.DARK)
    around = QFrame()
    qtbot.addWidget(around)
    layout = QVBoxLayout(around)
    plot = BoundsPlot()
    layout.addWidget(plot)
    around.resize(500, 280)
    with qtbot.waitExposed(around):
        around.show()
    yield plot
    qapp.setStyleSheet("")


def drawn(series):
    """Samples: nats, as the line has them; the dots must be the same."""
    x, y = series.line.getData()
    dots = series.points.getData()
    np.testing.assert_array_equal(dots[0], x)
    np.testing.assert_array_equal(dots[1], y)
    return {round(10.0**a): b for a, b in zip(x, y, strict=True)}


def place(plot, x, y):
    """The pixel of (log₁₀ samples, nats)."""
    return plot.mapFromScene(plot.box.mapViewToScene(QPointF(x, y)))


def hover(plot, samples):
    """The lines of the read-out for so many samples."""
    middle = sum(plot.box.viewRange()[1]) / 2
    QTest.mouseMove(plot.viewport(), place(plot, math.log10(samples), middle))
    QApplication.processEvents()
    if not plot.note.isVisible():
        return []
    return re.sub(r"<[^>]*>", "", plot.note.text().replace("<br>", "\n")).split("\n")


def tick_names(plot):
    low, high = plot.bottom.range
    levels = plot.bottom.tickValues(low, high, plot.box.width())
    return [name for spacing, values in levels for name in plot.bottom.tickStrings(values, 1.0, spacing)]


def wheel(plot, steps):
    at = QPointF(plot.mapFromScene(plot.box.sceneBoundingRect().center()))
    for _ in range(abs(steps)):
        event = QWheelEvent(
            at,
            QPointF(plot.mapToGlobal(at.toPoint())),
            QPoint(),
            QPoint(0, 120 if steps > 0 else -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(plot.viewport(), event)
    QApplication.processEvents()


def test_nothing_is_drawn_before_there_are_figures(plot):
    assert drawn(plot.bounds) == drawn(plot.naive) == {}
    assert tick_names(plot) == []
    assert hover(plot, 1) == []


def test_bounds_over_samples_down_to_the_log_likelihood(plot):
    plot.show_figures(likelihood(), None)
    assert drawn(plot.bounds) == BOUNDS
    (left, right), (low, high) = plot.box.viewRange()
    assert left < 0 < math.log10(500) < right
    assert low < NLL < 104 < high
    assert high - low < 2 * (104 - NLL), "the bounds fill the plot"
    image = plot.grab().toImage()
    line = QColor(theme.DARK.test)
    y = place(plot, 0, NLL).y()
    colours = [image.pixelColor(x, y + dy) for x in range(60, image.width() - 20) for dy in (-1, 0, 1)]
    assert sum(colour == line for colour in colours) > 100, "the dashed line stands at −log p(x)"
    dot = image.pixelColor(place(plot, math.log10(50), BOUNDS[50]))
    assert dot == QColor(theme.DARK.train)


def test_the_samples_are_named_in_powers_of_ten(plot):
    plot.show_figures(likelihood(), naive())
    assert tick_names(plot) == ["1", "10", "100", "1000", "10⁴", "10⁵", "10⁶"]
    plot.window().resize(220, 220)
    QApplication.processEvents()
    names = tick_names(plot)
    assert 2 <= len(names) <= 4, "only as many as fit"


@pytest.mark.parametrize(
    ("samples", "words"), [(1, "1"), (50, "50"), (1000, "1000"), (5000, "5000"), (10_000, "10⁴"), (10**6, "10⁶")]
)
def test_words_for_numbers_of_samples(samples, words):
    assert samples_words(samples) == words


def test_the_naive_estimate_ends_where_its_own_log_likelihood_is(plot):
    """It is of other images: what compares is how far each stands above its own −log p(x)."""
    plot.show_figures(likelihood(), naive())
    above = {m: value - 98.0 for m, value in NAIVE.items()}
    assert {m: pytest.approx(y - NLL) for m, y in drawn(plot.naive).items()} == above
    assert plot.moved == pytest.approx(2.5)
    (_, right), (low, high) = plot.box.viewRange()
    assert right > 6
    assert low < NLL
    assert 104 < high < 140, "its first points, far above, would leave no room for the bounds"
    bounds_share = (104 - NLL) / (high - low)
    assert bounds_share > 0.2
    plot.show_figures(likelihood(), None)
    assert drawn(plot.naive) == {}
    assert plot.moved == 0
    assert plot.box.viewRange()[0][1] < 3


def test_a_naive_estimate_that_never_gets_near_is_in_view_all_the_same(plot):
    far = {m: 300.0 - 20 * math.log10(m) for m in NAIVE}
    plot.show_figures(likelihood(), naive(far))
    low, high = plot.box.viewRange()[1]
    assert low < NLL < 104 < drawn(plot.naive)[10**6] < high


def test_what_stands_under_the_cursor(plot):
    plot.show_figures(likelihood(), naive())
    assert hover(plot, 1) == ["−ELBO 104.00", "−log p(x) 100.50"]
    assert hover(plot, 45) == ["−IWAE-50 101.25", "−log p(x) 100.50"]
    assert hover(plot, 10_000) == ["naive, M = 10⁴: 99.50", "−log p(x) 100.50"], "its own value, not where it is drawn"
    both = {1: 104.0, 10: 103.0}
    plot.show_figures(likelihood(both, nll=-100.5), naive())
    assert hover(plot, 10) == [
        "−IWAE-10 103.00",
        "what papers print as NLL(10)",
        "naive, M = 10: 160.00",
        "−log p(x) −100.50",
    ]


def test_the_last_bound_is_what_papers_print(plot):
    plot.show_figures(likelihood(), None)
    assert hover(plot, 500) == ["−IWAE-500 100.75", "what papers print as NLL(500)", "−log p(x) 100.50"]


def test_what_is_not_finite_is_left_out(plot):
    plot.show_figures(likelihood({1: 104.0, 5: math.inf, 50: math.nan}, nll=math.nan), naive())
    assert drawn(plot.bounds) == {1: 104.0}
    assert np.isfinite(plot.box.viewRange()).all()
    assert plot.nll is None


def test_the_wheel_zooms_within_bounds_and_a_double_click_goes_back(plot):
    plot.show_figures(likelihood(), naive())
    before = plot.box.viewRange()
    wheel(plot, 3)
    assert plot.is_zoomed
    assert np.ptp(plot.box.viewRange()[1]) < np.ptp(before[1])
    wheel(plot, -60)
    left, right = plot.box.viewRange()[0]
    assert -1 <= left < right <= 9
    names = tick_names(plot)
    assert names[0] == "1" and names[-1] in ("10⁸", "10⁹")
    QTest.mouseDClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=place(plot, 2, 100))
    QApplication.processEvents()
    np.testing.assert_allclose(plot.box.viewRange(), before, atol=0.5)


def test_new_figures_are_shown_whole(plot):
    plot.show_figures(likelihood(), None)
    wheel(plot, 5)
    plot.show_figures(likelihood({1: 904.0, 5: 903.0}, nll=902.0), None)
    low, high = plot.box.viewRange()[1]
    assert low < 902 and 904 < high < 910


def test_axes_are_named_with_units(plot):
    assert "nats" in plot.left.labelText
    assert "samples" in plot.bottom.labelText
    assert all(a != b for a, b in pairwise((plot.left.labelText, plot.bottom.labelText)))
    plot.set_theme(theme.LIGHT)
    plot.show_figures(likelihood(), naive())
    image = plot.grab().toImage()
    assert image.pixelColor(2, 2) == QColor(theme.LIGHT.panel)
