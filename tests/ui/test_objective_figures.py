"""The objective's figures as they are read: labels, units, what is optimised, warnings; fed by real runs too."""

from __future__ import annotations

import math
import re

import pytest
import tips
from PySide6.QtWidgets import QLabel

from vae_studio.core import datasets
from vae_studio.core.config import (
    BernoulliConfig,
    DataConfig,
    GaussianConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.events import Finished, Progress
from vae_studio.core.train import train
from vae_studio.ui.collapse import Collapse
from vae_studio.ui.objective_figures import ObjectiveFigures

AUTOENCODER = RunConfig(model="autoencoder", likelihood=SquaredErrorConfig())


@pytest.fixture
def figures(qtbot):
    figures = ObjectiveFigures(RunConfig())
    qtbot.addWidget(figures)
    figures.resize(240, 240)
    with qtbot.waitExposed(figures):
        figures.show()
    return figures


def text_of(figures, name):
    """What a label says, or nothing while it is not to be seen."""
    found = figures.findChild(QLabel, name)
    return found.text().replace("\u00a0", " ") if found.isVisible() else ""


def show(figures, config=None, reconstruction=132.66, kl=6.86, beta=1.0, which="test", objective=None):
    config = config or RunConfig()
    model = "2-D explorer"
    figures.show_numbers(config, reconstruction, kl, beta=beta, which=which, model=model, objective=objective)


def test_neg_elbo_is_reconstruction_plus_kl_whatever_beta_is(figures):
    show(figures)
    assert text_of(figures, "objective_formula") == "−ELBO = E[−log p(x|z)] + KL(q‖p)"
    assert text_of(figures, "objective_name") == "−ELBO"
    assert text_of(figures, "neg_elbo") == "139.5"
    assert text_of(figures, "elbo_terms") == "= 132.7 + 6.9 nats"
    assert text_of(figures, "optimised_objective") == ""
    show(figures, beta=4.0, which="train", objective=160.1)
    assert text_of(figures, "objective_formula") == "loss = E[−log p(x|z)] + β KL(q‖p)"
    assert text_of(figures, "objective_name") == "−ELBO"
    assert text_of(figures, "neg_elbo") == "139.5"
    assert text_of(figures, "optimised_objective") == "optimised: 160.1 = 132.7 + 4 · 6.9"


@pytest.mark.parametrize(
    "config, unit, tip",
    [
        (RunConfig(), "nats per image, expected over binarisations", "binarised at random"),
        (
            RunConfig(likelihood=BernoulliConfig(targets="binarised-once")),
            "nats per binarised image",
            "black or white",
        ),
        (RunConfig(likelihood=GaussianConfig()), "nats per image, density of grey values in [0, 1]", "negative"),
        (AUTOENCODER, "squared error per image, summed over pixels", "Squared differences"),
        (RunConfig(model="autoencoder"), "nats per image, expected over binarisations", "binarised at random"),
    ],
)
def test_the_small_print_names_whose_numbers_they_are_and_their_unit(figures, config, unit, tip):
    for which, words in (("train", "training images"), ("test", "test images")):
        show(figures, config, which=which)
        assert text_of(figures, "binarisation_note") == f"2-D explorer, {words}: {unit}"
    assert tip in tips.tip(figures.findChild(QLabel, "binarisation_note"))


def test_an_autoencoder_has_an_error_and_no_elbo(figures):
    figures.show_settings(AUTOENCODER)
    show(figures, AUTOENCODER, 28.44, 0.0)
    assert text_of(figures, "objective_name") == "reconstruction error"
    assert text_of(figures, "neg_elbo") == "28.4"
    seen = [label.text() for label in figures.findChildren(QLabel) if label.isVisible()]
    assert not any("ELBO" in text or "nats" in text for text in seen), seen


@pytest.mark.parametrize("terms", [(math.nan, 5.0, None), (100.0, math.inf, None), (100.0, 5.0, math.nan)])
def test_numbers_that_are_none_are_said_to_be(figures, terms):
    reconstruction, kl, objective = terms
    show(figures, None, reconstruction, kl, beta=2.0, which="train", objective=objective)
    assert text_of(figures, "neg_elbo") == "—"
    assert text_of(figures, "elbo_terms") == "not a finite number"
    assert text_of(figures, "optimised_objective") == ""


def test_long_numbers_let_go_of_their_unit_before_they_are_cut(figures, qtbot):
    least = figures.minimumSizeHint().width()
    show(figures, RunConfig(likelihood=GaussianConfig()), -346.0, 6.44)
    assert figures.minimumSizeHint().width() <= max(least, 200), "no reason to widen the panel"
    terms = figures.findChild(QLabel, "elbo_terms")
    figures.resize(400, 240)
    qtbot.waitUntil(lambda: terms.text() == "= −346.0 + 6.4 nats")
    figures.resize(terms.x() + terms.fontMetrics().horizontalAdvance("= −346.0 + 6.4") + 8, 240)
    qtbot.waitUntil(lambda: terms.text() == "= −346.0 + 6.4")


def test_without_numbers_the_formula_is_that_of_the_settings(figures):
    figures.show_settings(RunConfig(bound="iwae", samples=50))
    assert text_of(figures, "objective_formula") == "loss = −log 1/50 Σ p(x,z)/q(z|x)"
    assert text_of(figures, "next_objective") == ""
    assert text_of(figures, "objective_name") == ""


def test_settings_with_another_objective_than_the_numbers_are_said_to_come_next(figures):
    show(figures)
    figures.show_settings(RunConfig(epochs=7))
    assert text_of(figures, "next_objective") == ""
    figures.show_settings(RunConfig(samples=3))
    assert text_of(figures, "objective_formula") == "−ELBO = E[−log p(x|z)] + KL(q‖p)"
    assert text_of(figures, "next_objective") == "next run: −ELBO = 1/3 Σ −log p(x|z) + KL(q‖p)"
    figures.clear()
    assert text_of(figures, "objective_formula") == "−ELBO = 1/3 Σ −log p(x|z) + KL(q‖p)"
    assert text_of(figures, "next_objective") == ""


def test_a_warm_up_that_is_over_leaves_no_next_run_behind(figures):
    config = RunConfig(kl_warm_up=0.2)
    figures.show_settings(config)
    for beta in (0.5, 1.0):
        show(figures, config, beta=beta)
        assert ("β" in text_of(figures, "objective_formula")) == (beta != 1.0)
        assert text_of(figures, "next_objective") == ""


def test_the_symbols_are_explained(figures):
    figures.show_settings(RunConfig(bound="iwae", samples=50))
    lines = tips.tip(figures.findChild(QLabel, "objective_formula")).splitlines()
    assert "1/50 Σ: the mean over 50 samples of z" in lines


def test_a_collapse_is_shown_while_it_lasts(figures):
    assert text_of(figures, "collapse_warning") == ""
    figures.show_collapse(Collapse("z₁ died in this run. Try free bits.", "No longer active: z₁.", False))
    assert text_of(figures, "collapse_warning") == "z₁ died in this run. Try free bits."
    assert figures.findChild(QLabel, "collapse_warning").toolTip() == "No longer active: z₁."
    figures.show_collapse(None)
    assert text_of(figures, "collapse_warning") == ""


def test_cleared_numbers_are_gone(figures):
    show(figures, beta=4.0)
    figures.show_active(1, 2)
    figures.show_collapse(Collapse("z₁ died.", "z₁", False))
    figures.clear()
    assert text_of(figures, "neg_elbo") == "—"
    for name in ("optimised_objective", "binarisation_note", "active_units", "collapse_warning", "elbo_terms"):
        assert text_of(figures, name) == ""


def test_a_real_beta_vae_run_as_it_is_read(figures):
    """The numbers that are read add up, and are those of the run's last steps."""
    config = RunConfig(
        data=DataConfig(limit=500), network=MLPConfig(widths=(40,)), beta=3.0, batch_size=50, epochs=2, device="cpu"
    )
    events = list(train(config, datasets.load(config.data, 0)))
    for event in events:
        if isinstance(event, Progress) and len(event.steps):
            terms = float(event.reconstruction.mean()), float(event.kl.mean())
            show(figures, config, *terms, beta=event.beta, which="train", objective=float(event.objective.mean()))
            total, reconstruction, kl = (
                float(text)
                for name in ("neg_elbo", "elbo_terms")
                for text in re.findall(r"[\d.]+", text_of(figures, name))
            )
            assert total == pytest.approx(reconstruction + kl, abs=0.11)
            value, *_ = map(float, re.findall(r"[\d.]+", text_of(figures, "optimised_objective")))
            assert value == pytest.approx(float((event.reconstruction + 3.0 * event.kl).mean()), abs=0.051)
    final = events[-1].evaluation if isinstance(events[-1], Finished) else None
    show(figures, config, final.reconstruction, final.kl, beta=3.0)
    assert text_of(figures, "neg_elbo") == f"{final.neg_elbo:.1f}"
    assert text_of(figures, "optimised_objective").startswith(
        f"optimised: {final.reconstruction + 3 * final.kl:.1f} = "
    )


@pytest.mark.parametrize(
    "active, total, words",
    [
        (2, 2, "Both latent dimensions are active."),
        (14, 20, "14 of 20 latent dimensions are active."),
        (1, 20, "1 of 20 latent dimensions is active."),
        (20, 20, "All 20 latent dimensions are active."),
        (1, 1, "The latent dimension is active."),
        (0, 64, "No latent dimension is active."),
    ],
)
def test_active_dimensions_in_words(figures, active, total, words):
    figures.show_active(active, total)
    assert text_of(figures, "active_units") == words


def test_which_dimensions_of_an_autoencoder_are_active_is_another_question(figures):
    figures.show_active(2, 2)
    assert "0.01" in figures.findChild(QLabel, "active_units").toolTip()
    figures.show_active(2, 2, vae=False)
    assert "any scale" in figures.findChild(QLabel, "active_units").toolTip()
