"""Evaluation from the window: the real panel, the real queue of jobs, the shipped model on MNIST."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import small_models
import torch
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QLineEdit, QProgressBar, QPushButton, QSpinBox

from vae_studio import tasks
from vae_studio.core import datasets
from vae_studio.core.config import DataConfig, MLPConfig, RunConfig, SquaredErrorConfig
from vae_studio.core.estimate import report_steps
from vae_studio.core.figures import EvaluationRequest, Report
from vae_studio.core.model import build
from vae_studio.ui.bounds_plot import BoundsPlot
from vae_studio.ui.evaluate_control import EvaluateControl, Pace
from vae_studio.ui.workers import Jobs

WAIT = 60_000
SAMPLES = 50


class Evaluate:
    """The Evaluate tab as a person finds it."""

    def __init__(self, control, qtbot):
        self.panel, self.qtbot = control.panel, qtbot

    def find(self, kind, name):
        found = self.panel.findChild(kind, name)
        assert found is not None, name
        return found

    def says(self, name):
        found = self.find(QLabel, name)
        return found.text() if found.isVisible() else ""

    def enter_samples(self, number):
        field = self.find(QSpinBox, "evaluate_samples")
        field.setFocus()
        field.selectAll()
        self.qtbot.keyClicks(field.findChild(QLineEdit), str(number))

    def press(self, name):
        button = self.find(QPushButton, name)
        assert button.isVisible() and button.isEnabled(), name
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait_until_done(self):
        self.qtbot.waitUntil(lambda: self.says("evaluate_status").startswith("done in"), timeout=WAIT)

    def copied(self):
        """The copied figures by name, as (value, standard error)."""
        self.press("evaluate_copy_button")
        rows = [line.split("\t") for line in QApplication.clipboard().text().splitlines()]
        return {name: values for name, *values in rows}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in the worker: sums in another order differ in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def jobs(qtbot):
    jobs = Jobs("evaluation jobs")
    jobs.start()
    yield jobs
    jobs.stop()
    assert jobs.wait(WAIT)


@pytest.fixture
def control(jobs, qtbot):
    control = EvaluateControl(jobs)
    qtbot.addWidget(control.panel)
    control.panel.resize(856, 560)
    with qtbot.waitActive(control.panel):
        control.panel.show()
        control.panel.activateWindow()
    return control


@pytest.fixture
def evaluate(control, qtbot):
    return Evaluate(control, qtbot)


@pytest.fixture(scope="module")
def explorer():
    """The shipped 2-D explorer, as the window opens it."""
    return next(tasks.open_model("explorer-2d"))


def opened(model, name="a model"):
    return tasks.OpenedModel(model, {}, name, Path("model.safetensors"), "")


def reports(model, request, data=None):
    """All that the core finds, called directly."""
    found = datasets.load(data or model.config.data, model.config.seed)
    images = (found.test if request.split == "test" else found.train).images
    return [item for item in report_steps(model, images, request) if isinstance(item, Report)]


def free(jobs, qtbot):
    """Seconds until the queue gets to new work."""
    done, began = [], time.monotonic()
    jobs.submit(lambda: iter(["free"]), done.append, done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=WAIT)
    assert done == ["free"]
    return time.monotonic() - began


def test_figures_are_those_of_the_core(control, evaluate, explorer):
    control.look_at(explorer)
    evaluate.enter_samples(SAMPLES)
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    *_, report = reports(explorer.model, EvaluationRequest(samples=SAMPLES))
    figures, told, found = report.evaluation, report.information, report.likelihood
    assert evaluate.says("evaluate_title") == "Figures of 2-D explorer"
    shown = {key: evaluate.says(f"figure_{key}") for key in ("neg_elbo", "reconstruction", "kl", "nll")}
    assert shown == {
        "neg_elbo": f"{figures.neg_elbo:.2f}",
        "reconstruction": f"{figures.reconstruction:.2f}",
        "kl": f"{figures.kl:.2f}",
        "nll": f"{found.nll:.2f}",
    }
    assert shown["neg_elbo"] == f"{explorer.card['neg_elbo']:.2f}", "what the model's card says"
    assert evaluate.says("figure_nll_error") == f"± {found.nll_se:.2f}"
    assert evaluate.says("figure_active_units_error") == "of 2"
    copied = evaluate.copied()
    assert [float(v) for v in copied["mutual_information"]] == [told.mutual_information, told.mutual_information_se]
    assert [float(v) for v in copied["aggregate_kl"]] == [told.aggregate_kl, told.aggregate_kl_se]
    assert [float(v) for v in copied["nll"]] == [found.nll, found.nll_se]
    plot = evaluate.find(BoundsPlot, "bounds_plot")
    assert list(plot.bounds.y) == [bound.value for bound in found.bounds]
    assert {bound.samples for bound in found.bounds} == {1, 5, SAMPLES}


def test_choices_and_images_of_the_data_that_goes_with_the_model(control, evaluate, qtbot):
    data = DataConfig(classes=(0, 1), limit=1000)
    config = RunConfig(network=MLPConfig(widths=(8,)), data=data)
    control.look_at(opened(build(config, (1, 28, 28)).frozen()))
    images = evaluate.find(QComboBox, "evaluate_images_combo")
    # 980 zeros and 1135 ones are among the MNIST test images.
    qtbot.waitUntil(lambda: images.currentText() == "500 of 2,115", timeout=WAIT)
    split = evaluate.find(QComboBox, "evaluate_split_combo")
    split.setFocus()
    qtbot.keyClick(split, Qt.Key.Key_Down)
    assert images.currentText() == "500 of 1,000"
    images.setFocus()
    qtbot.keyClick(images, Qt.Key.Key_Down)
    evaluate.enter_samples(20)
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    assert evaluate.says("over_neg_elbo") == "all 1,000 training images"
    assert evaluate.says("over_nll") == "all 1,000, K = 20"
    *_, report = reports(control._subject.model, EvaluationRequest("train", samples=20, images=None))
    assert float(evaluate.copied()["nll"][0]) == report.likelihood.nll


def test_it_says_how_far_it_is_and_can_be_cancelled_at_once(control, evaluate, explorer, jobs, qtbot):
    control.look_at(explorer)
    evaluate.press("evaluate_button")  # with K = 5000, most of a minute
    bar, seen = evaluate.find(QProgressBar, "evaluate_progress"), []

    def far() -> bool:
        seen.append(bar.value())
        return "left" in evaluate.says("evaluate_status") and evaluate.says("evaluate_status").startswith("log p(x)")

    qtbot.waitUntil(far, timeout=WAIT)
    assert bar.isVisible()
    assert seen == sorted(seen)
    assert 0 < bar.value() < bar.maximum()
    evaluate.press("evaluate_cancel_button")
    assert evaluate.says("evaluate_status") == "cancelled"
    assert free(jobs, qtbot) < 5, "the thread must not finish what nobody wants"
    assert not bar.isVisible()
    assert evaluate.says("figure_neg_elbo") == f"{explorer.card['neg_elbo']:.2f}", "what was found is kept"
    assert evaluate.says("figure_nll") == "—"
    evaluate.enter_samples(5)
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    assert evaluate.says("figure_nll") != "—"


def test_another_model_looked_at_meanwhile_changes_nothing(control, evaluate, explorer):
    other = opened(small_models.mlp(3), "another")
    control.look_at(explorer, 700)
    evaluate.enter_samples(5)
    evaluate.press("evaluate_button")
    control.look_at(other)
    assert evaluate.says("evaluate_subject") == "another"
    evaluate.wait_until_done()
    assert evaluate.says("evaluate_title") == "Figures of 2-D explorer, snapshot at step 700 (not of another)"
    assert evaluate.says("figure_neg_elbo") == f"{explorer.card['neg_elbo']:.2f}"
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    assert evaluate.says("evaluate_title") == "Figures of another"
    assert evaluate.says("figure_active_units_error") == "of 3"


def test_an_auto_encoder_has_a_reconstruction_error_only(control, evaluate):
    config = RunConfig(network=MLPConfig(widths=(8,)), model="autoencoder", likelihood=SquaredErrorConfig())
    model = build(config, (1, 28, 28)).frozen()
    control.look_at(opened(model))
    assert not evaluate.find(QSpinBox, "evaluate_samples").isEnabled()
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    images = datasets.load(config.data).test.images.unsqueeze(1).double() / 255
    double = model.frozen().double()
    error = (double.decoder(double.encoder(images)).sigmoid() - images).square().sum(dim=(1, 2, 3)).mean().item()
    assert evaluate.says("figure_reconstruction") == f"{error:.2f}"
    assert evaluate.says("figure_neg_elbo") == evaluate.says("figure_nll") == "—"
    assert "auto-encoder" in evaluate.says("evaluate_why_not")


def test_what_goes_wrong_is_told_and_another_evaluation_can_begin(control, evaluate, explorer, qtbot):
    config = RunConfig(network=MLPConfig(widths=(4,)))
    control.look_at(opened(build(config, (3, 20, 32)).frozen()))
    with qtbot.waitSignal(control.failed, timeout=WAIT) as failed:
        evaluate.press("evaluate_button")
    assert failed.args[0].expected
    assert "32 × 20 pixels in colour" in failed.args[0].words
    assert "cannot be evaluated" in failed.args[0].words
    assert evaluate.says("evaluate_status") == "not done"
    control.look_at(explorer)
    evaluate.enter_samples(0)
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    assert evaluate.says("figure_neg_elbo") == f"{explorer.card['neg_elbo']:.2f}"
    assert evaluate.says("figure_nll") == "—"


@pytest.mark.slow
def test_the_naive_estimate_needs_many_samples(control, evaluate, explorer, qtbot):
    control.look_at(explorer)
    evaluate.enter_samples(SAMPLES)
    check = evaluate.find(QCheckBox, "evaluate_naive_check")
    qtbot.mouseClick(check, Qt.MouseButton.LeftButton, pos=QPoint(8, check.height() // 2))
    evaluate.press("evaluate_button")
    qtbot.waitUntil(lambda: evaluate.says("evaluate_status").startswith("done in"), timeout=10 * WAIT)
    copied = evaluate.copied()
    estimates = [float(copied[f"naive_{10**n}"][0]) for n in range(1, 7)]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[0] > estimates[-1] + 50
    assert "with M = 10⁶" in evaluate.says("evaluate_naive_note")
    assert len(evaluate.find(BoundsPlot, "bounds_plot").naive.y) == 6


def test_the_time_of_the_whole_set_is_scaled_from_the_last_evaluation(control, evaluate, qtbot):
    control.look_at(opened(small_models.mlp()))
    images = evaluate.find(QComboBox, "evaluate_images_combo")
    qtbot.waitUntil(lambda: "10,000" in images.currentText(), timeout=WAIT)
    images.setFocus()
    qtbot.keyClick(images, Qt.Key.Key_Home)
    assert "all 10,000: about 20 × longer" in evaluate.says("evaluate_status")
    evaluate.enter_samples(40)
    began = time.monotonic()
    evaluate.press("evaluate_button")
    evaluate.wait_until_done()
    at_most = 20 * (time.monotonic() - began)
    found = re.fullmatch(r"done in .* · about (.*) for all 10,000", evaluate.says("evaluate_status"))
    assert found, evaluate.says("evaluate_status")
    words = found[1]
    promised = sum(int(n) * {"s": 1, "min": 60}[unit] for n, unit in re.findall(r"(\d+) (s|min)", words))
    qtbot.keyClick(images, Qt.Key.Key_End)
    assert evaluate.says("evaluate_status") == f"log p(x) of all 10,000 images: about {words}"
    evaluate.press("evaluate_button")
    began = time.process_time()
    evaluate.wait_until_done()
    taken = time.process_time() - began
    assert taken / 4 - 2 < promised < at_most + 2, "the machine may have other things to do"
    control.look_at(opened(small_models.mlp(3), "another"))
    assert "20 × longer" in evaluate.says("evaluate_status"), "another model has a pace of its own"


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_time_left_goes_by_the_last_seconds():
    clock = Clock()
    pace = Pace(clock)
    assert pace.seconds_left(0.0) is None
    clock.now += 0.1
    assert pace.seconds_left(0.01) is None, "too early to tell"
    for _ in range(20):
        clock.now += 1.0
        left = pace.seconds_left(0.01 + 0.02 * (clock.now - 100.1))
    assert left == pytest.approx((1 - 0.41) / 0.02)
    for second in range(1, 21):  # half as fast from now on
        clock.now += 1.0
        left = pace.seconds_left(0.41 + 0.01 * second)
    assert left == pytest.approx((1 - 0.61) / 0.01)
    pace.restart()
    assert pace.seconds_left(0.61) is None
    clock.now += 2.0
    assert pace.seconds_left(0.71) == pytest.approx(0.29 / 0.05)
    clock.now += 20.0
    assert pace.seconds_left(0.71) is None, "it stands still"
