"""The table of figures: what stands in it, what is grey, what is said beside it, and what is copied."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel

from vae_studio.core.config import (
    BernoulliConfig,
    GaussianConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.events import Evaluation
from vae_studio.core.figures import Bound, Information, LogLikelihood, Naive, NaivePoint, Report
from vae_studio.core.model import build
from vae_studio.ui.evaluate_table import EvaluateTable, Subject, as_text

SMALL = MLPConfig(widths=(2,))
GREY = RunConfig(network=SMALL, latent_dims=3)
BINARISED = RunConfig(network=SMALL, likelihood=BernoulliConfig(targets="binarised-once"))
GAUSSIAN = RunConfig(network=SMALL, likelihood=GaussianConfig())


def subject(config=GREY, name="a model", step=None):
    return Subject(build(config, (1, 28, 28)).frozen(), name, step)


def evaluation(active=(True, False, True), is_bound=True, reconstruction=120.0):
    kl_per_dim = np.array([3.0, 0.0, 1.5], np.float32)
    return Evaluation(10_000, reconstruction + 4.5, reconstruction, 4.5, kl_per_dim, np.array(active), is_bound)


def likelihood(**changes):
    values = {
        "images": 500,
        "of_images": 10_000,
        "samples": 50,
        "shared_samples": 4096,
        "nll": 118.256,
        "nll_se": 1.5,
        "nll_se_samples": 0.3,
        "nll_se_images": 1.47,
        "ess": 1234.4,
        "ess_lowest": 45.6,
        "bounds": (Bound(1, 124.0), Bound(5, 122.0), Bound(50, 120.5)),
    }
    return LogLikelihood(**values | changes)


@pytest.fixture
def table(qtbot):
    table = EvaluateTable()
    qtbot.addWidget(table)
    table.resize(320, 500)
    with qtbot.waitExposed(table):
        table.show()
    return table


def says(table, name):
    """What a label says; nothing if it is not shown."""
    found = table.findChild(QLabel, name)
    return found.text() if found.isVisible() else ""


def figures(table):
    """Key: (value, what stands after it, whether it is grey)."""
    labels = [w for w in table.findChildren(QLabel) if w.objectName().startswith("figure_")]
    values = {w.objectName().removeprefix("figure_"): w for w in labels if not w.objectName().endswith("_error")}
    return {
        key: (w.text(), says(table, f"figure_{key}_error"), w.property("role") == "muted") for key, w in values.items()
    }


def test_nothing_before_the_first_evaluation(table):
    assert set(figures(table).values()) == {("—", "", True)}


def test_a_whole_report(table):
    information = Information(10_000, 1000, 4.1, 0.04, 0.5, 0.004)
    table.show_report(subject(), Report("test", evaluation(), information, likelihood()))
    assert figures(table) == {
        "neg_elbo": ("124.50", "", False),
        "reconstruction": ("120.00", "", False),
        "kl": ("4.50", "", False),
        "mutual_information": ("4.10", "± 0.04", False),
        "aggregate_kl": ("0.500", "± 0.004", False),
        "active_units": ("2", "of 3", False),
        "nll": ("118.26", "± 1.50", False),
        "bound": ("120.50", "", False),
        "ess": ("1,234", "", False),
        "ess_lowest": ("46", "", False),
    }
    assert says(table, "over_neg_elbo") == "all 10,000 test images"
    assert says(table, "over_nll") == "500 of 10,000, K = 50"
    assert says(table, "evaluate_unit") == "nats per image, expected over binarisations"
    assert says(table, "evaluate_inactive") == "inactive: z₂"
    assert "images binarised once" in says(table, "evaluate_binarised")
    assert says(table, "evaluate_few") == says(table, "evaluate_capped") == says(table, "evaluate_why_not") == ""


def test_parts_that_are_not_there_yet_are_grey_and_old_ones_go(table):
    table.show_report(subject(), Report("test", evaluation(), likelihood=likelihood(ess_lowest=2.0)))
    table.show_report(subject(), Report("train", evaluation()))
    found = figures(table)
    assert {key for key, (_, _, grey) in found.items() if grey} == {
        "mutual_information",
        "aggregate_kl",
        "nll",
        "bound",
        "ess",
        "ess_lowest",
    }
    assert found["nll"] == ("—", "", True)
    assert says(table, "over_neg_elbo") == "all 10,000 training images"
    assert says(table, "evaluate_few") == says(table, "over_nll") == ""


@pytest.mark.parametrize(("lowest", "warned"), [(9.9, True), (10.0, False)])
def test_few_effective_samples_are_warned_of(table, lowest, warned):
    table.show_report(subject(), Report("test", evaluation(), likelihood=likelihood(ess_lowest=lowest)))
    assert ("too high" in says(table, "evaluate_few")) == warned
    assert figures(table)["ess_lowest"][0] == ("9.9" if warned else "10")


@pytest.mark.parametrize(("images", "mutual", "capped"), [(1000, 6.0, True), (1000, 5.8, False)])
def test_no_more_information_than_the_logarithm_of_the_images(table, images, mutual, capped):
    report = Report("test", evaluation(), Information(images, 100, mutual, 0.01, 0.5, 0.01))
    table.show_report(subject(), report)
    words = says(table, "evaluate_capped")
    assert (f"log 1,000 = {math.log(1000):.2f} nats" in words) == capped == bool(words)


@pytest.mark.parametrize(
    ("config", "unit", "noted"),
    [
        (GREY, "nats per image, expected over binarisations", True),
        (
            RunConfig(network=SMALL, likelihood=BernoulliConfig(targets="binarised-once")),
            "nats per binarised image",
            False,
        ),
        (
            RunConfig(network=SMALL, likelihood=GaussianConfig()),
            "nats per image, density of grey values in [0, 1]",
            False,
        ),
    ],
)
def test_what_the_numbers_mean_for_each_likelihood(table, config, unit, noted):
    table.show_report(subject(config), Report("test", evaluation(), likelihood=likelihood()))
    assert says(table, "evaluate_unit") == unit
    assert bool(says(table, "evaluate_binarised")) == noted


def test_densities_may_exceed_1_so_that_nats_are_negative(table):
    report = Report("test", evaluation(reconstruction=-904.5), likelihood=likelihood(nll=-902.125, nll_se=0.0042))
    table.show_report(subject(GAUSSIAN), report)
    assert figures(table)["neg_elbo"][0] == "−900.00"
    assert figures(table)["nll"][:2] == ("−902.125", "± 0.004")


def test_what_is_no_number_is_called_so(table):
    report = Report("test", evaluation(), likelihood=likelihood(nll=math.nan, nll_se=math.nan))
    table.show_report(subject(), report)
    assert figures(table)["nll"][:2] == ("not finite", "")


def test_the_heading_is_the_bound_again_after_an_auto_encoder(table):
    coder = RunConfig(network=SMALL, model="autoencoder", likelihood=SquaredErrorConfig())
    table.show_report(subject(coder), Report("test", evaluation(is_bound=False)))
    table.show_report(subject(), Report("test", evaluation()))
    shown = [w.text() for w in table.findChildren(QLabel) if w.isVisible()]
    assert "Bound" in shown and "Reconstruction" not in shown


def test_whose_samples_they_are_and_which_figure_papers_print(table):
    table.show_report(subject(), Report("test", evaluation(), likelihood=likelihood()))
    assert says(table, "evaluate_drawn") == "K = 50 own samples of q(z|x), 4,096 shared of p(z)"
    name = next(w for w in table.findChildren(QLabel) if w.text().startswith("−IWAE-"))
    assert name.text() == "−IWAE-50, papers’ NLL"
    assert "papers print as NLL(K)" in name.toolTip()
    assert "one of several explanations" in table.findChild(QLabel, "figure_nll").toolTip()
    table.show_report(subject(), Report("test", evaluation()))
    assert says(table, "evaluate_drawn") == ""


def test_an_auto_encoder_has_a_reconstruction_error_and_the_rest_is_grey(table):
    config = RunConfig(network=SMALL, model="autoencoder", likelihood=SquaredErrorConfig())
    why = "There is no p(x)."
    table.show_report(subject(config), Report("test", evaluation(is_bound=False), why_not=why))
    found = figures(table)
    assert found.pop("reconstruction") == ("120.00", "", False)
    assert found.pop("active_units") == ("2", "of 3", False)
    assert set(found.values()) == {("—", "", True)}
    assert says(table, "evaluate_why_not") == why
    shown = [w.text() for w in table.findChildren(QLabel) if w.isVisible()]
    assert "reconstruction error" in shown
    assert "Reconstruction" in shown and "Bound" not in shown
    assert "nats" not in shown, "a squared error is not in nats"
    assert says(table, "evaluate_unit") == "squared error per image, summed over pixels"


@pytest.mark.parametrize(
    ("active", "words"),
    [
        ((True, True), ""),
        ((True, False), "inactive: z₂"),
        ((False, False, True, False), "inactive: z₁, z₂, z₄"),
        ((True, False, False, False, True, False), "inactive: z₂ to z₄, z₆"),
        ((False,) * 64, "inactive: z₁ to z₆₄"),
    ],
)
def test_inactive_dimensions_are_named(table, active, words):
    table.show_report(subject(), Report("test", evaluation(active=active)))
    assert says(table, "evaluate_inactive") == words
    assert figures(table)["active_units"][:2] == (str(sum(active)), f"of {len(active)}")


def test_every_figure_says_what_it_is(table):
    table.show_report(subject(), Report("test", evaluation(), likelihood=likelihood()))
    for widget in table.findChildren(QLabel):
        if widget.objectName().startswith("figure_"):
            assert widget.toolTip()
            assert widget.accessibleName() or widget.objectName().endswith("_error")
    assert "0.300 nats by the samples" in table.findChild(QLabel, "figure_nll_error").toolTip()


def test_all_of_it_as_text_unrounded():
    naive = Naive(100, 118.0, (NaivePoint(10, 300.25, 1.0), NaivePoint(100, 200.125, 1.5)))
    information = Information(10_000, 1000, 1 / 3, 0.04, 0.5, 0.004)
    report = Report("test", evaluation(), information, likelihood(), naive)
    lines = as_text(subject(name="mine", step=1200), report).splitlines()
    rows = dict(line.split("\t", 1) for line in lines)
    assert len(rows) == len(lines)
    assert rows["model"] == "mine, snapshot at step 1,200"
    assert rows["split"] == "test"
    assert rows["unit"] == GREY.unit
    assert [float(rows[key]) for key in ("neg_elbo", "reconstruction", "kl")] == [124.5, 120.0, 4.5]
    assert [float(rows[f"kl_z{i}"]) for i in (1, 2, 3)] == [3.0, 0.0, 1.5]
    assert rows["mutual_information"] == f"{1 / 3}\t0.04"
    assert rows["nll"] == "118.256\t1.5"
    assert (rows["nll_images"], rows["nll_samples"], rows["active_units"]) == ("500", "50", "2")
    assert rows["nll_shared_samples"] == "4096"
    assert [float(rows[f"bound_{k}"]) for k in (1, 5, 50)] == [124.0, 122.0, 120.5]
    assert [float(rows[f"naive_{m}"]) for m in (10, 100)] == [300.25, 200.125]


def test_of_an_auto_encoder_the_error_and_its_dimensions_are_copied():
    config = RunConfig(network=SMALL, model="autoencoder", likelihood=SquaredErrorConfig())
    text = as_text(subject(config), Report("test", evaluation(is_bound=False)))
    assert text.splitlines()[-2:] == ["reconstruction_error\t120.0", "active_units\t2"]
    assert "elbo" not in text and "nats" not in text
