"""What is to be evaluated, put together by keys and clicks."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QSpinBox, QWidget

from vae_studio.core.figures import EvaluationRequest
from vae_studio.ui.evaluate_choices import EvaluateChoices

MNIST = {"test": 10_000, "train": 60_000, "default": 500}


@pytest.fixture
def choices(qtbot):
    choices = EvaluateChoices()
    qtbot.addWidget(choices)
    with qtbot.waitActive(choices):
        choices.show()
        choices.activateWindow()
    return choices


def type_samples(qtbot, choices, text, *, confirm=True):
    field = choices.findChild(QSpinBox, "evaluate_samples")
    field.setFocus()
    line = field.findChild(QLineEdit)
    line.selectAll()
    qtbot.keyClicks(line, text)
    if confirm:
        qtbot.keyClick(line, Qt.Key.Key_Return)


def pick(qtbot, choices, name, key):
    combo = choices.findChild(QComboBox, name)
    combo.setFocus()
    qtbot.keyClick(combo, key)


def tick_naive(qtbot, choices):
    check = choices.findChild(QCheckBox, "evaluate_naive_check")
    qtbot.mouseClick(check, Qt.MouseButton.LeftButton, pos=check.rect().center() * 0.2)


def texts(choices):
    combo = choices.findChild(QComboBox, "evaluate_images_combo")
    return [combo.itemText(i) for i in range(combo.count())]


def test_at_first_what_papers_do(choices):
    assert choices.request() == EvaluationRequest(split="test", samples=5000, images=500, naive=False)
    assert choices.plan() == "log p(x) of 500 random images"


def test_every_choice_gets_into_the_request(choices, qtbot):
    choices.set_counts(**MNIST)
    assert choices.plan() == "log p(x) of 500 of 10,000 images · all 10,000: about 20 × longer"
    pick(qtbot, choices, "evaluate_split_combo", Qt.Key.Key_Down)
    assert choices.plan().startswith("log p(x) of 500 of 60,000 images · ")
    type_samples(qtbot, choices, "123")
    pick(qtbot, choices, "evaluate_images_combo", Qt.Key.Key_End)
    tick_naive(qtbot, choices)
    assert choices.request() == EvaluationRequest(split="train", samples=123, images=None, naive=True)
    assert choices.plan() == "log p(x) of all 60,000 images: about 120 × longer than 500"


@pytest.mark.parametrize(
    ("pace", "few", "all_of_them"),
    [(1e-6, "2 s", "50 s"), (2e-5, "50 s", "17 min"), (2.88e-4, "12 min", "4 h 0 min")],
)
def test_after_an_evaluation_the_time_of_another_is_told(choices, qtbot, pace, few, all_of_them):
    """So many seconds an image and sample, times 5000 samples, times 500 or 10,000 images."""
    choices.set_counts(**MNIST)
    choices.set_pace(pace)
    assert choices.plan() == f"log p(x) of 500 of 10,000 images: about {few} · about {all_of_them} for all 10,000"
    pick(qtbot, choices, "evaluate_images_combo", Qt.Key.Key_End)
    assert choices.plan() == f"log p(x) of all 10,000 images: about {all_of_them}"
    choices.set_pace(None)
    assert choices.plan() == "log p(x) of all 10,000 images: about 20 × longer than 500"


def test_a_number_just_typed_counts(choices, qtbot):
    type_samples(qtbot, choices, "77", confirm=False)
    assert choices.request().samples == 77


def test_without_samples_there_is_no_log_likelihood_at_all(choices, qtbot):
    tick_naive(qtbot, choices)
    type_samples(qtbot, choices, "0")
    assert not choices.images.isEnabled() and not choices.naive.isEnabled()
    assert choices.samples.text() == choices.plan() == "no log p(x)"
    assert (choices.request().samples, choices.request().naive) == (0, False)
    type_samples(qtbot, choices, "10")
    assert choices.images.isEnabled() and choices.naive.isEnabled()
    assert choices.request().naive


def test_an_auto_encoder_leaves_only_the_split_to_choose(choices, qtbot):
    tick_naive(qtbot, choices)
    choices.set_model(has_likelihood=False)
    assert [w.isEnabled() for w in choices.controls()] == [True, False, False, False]
    assert (choices.request().samples, choices.request().naive) == (0, False)
    assert "auto-encoder" in choices.plan()
    choices.set_model(has_likelihood=True)
    assert choices.request() == EvaluationRequest(naive=True)


@pytest.mark.parametrize(("default", "shown"), [(500, "500 of 10,000"), (None, "all 10,000")])
def test_the_number_of_images_is_the_devices_until_the_user_chooses(choices, qtbot, default, shown):
    choices.set_counts(10_000, 60_000, default)
    assert choices.images.currentText() == shown
    pick(qtbot, choices, "evaluate_images_combo", Qt.Key.Key_End if default else Qt.Key.Key_Home)
    chosen = choices.request().images
    assert chosen != default
    choices.set_counts(2000, 3000, default)
    assert choices.request().images == chosen


def test_of_few_images_all_are_taken(choices):
    choices.set_counts(300, 60_000, 500)
    assert texts(choices) == ["all 300"]
    assert choices.request().images is None


def test_nothing_can_be_chosen_while_an_evaluation_goes_on(choices):
    choices.set_running(True)
    assert not any(w.isEnabled() for w in choices.controls())
    choices.set_running(False)
    assert all(w.isEnabled() for w in choices.controls())


def test_changes_are_announced(choices, qtbot):
    for change in (
        lambda: type_samples(qtbot, choices, "9"),
        lambda: tick_naive(qtbot, choices),
        lambda: pick(qtbot, choices, "evaluate_images_combo", Qt.Key.Key_Down),
        lambda: pick(qtbot, choices, "evaluate_split_combo", Qt.Key.Key_Down),
    ):
        with qtbot.waitSignal(choices.changed):
            change()


def test_tab_goes_through_all_and_each_says_what_it_is(choices, qtbot):
    first, *others = choices.controls()
    first.setFocus()
    for widget in others:
        qtbot.keyClick(choices.focusWidget(), Qt.Key.Key_Tab)
        assert widget.hasFocus()
    for widget in choices.controls():
        assert isinstance(widget, QWidget)
        assert widget.toolTip() and widget.accessibleName() and widget.objectName().startswith("evaluate_")
