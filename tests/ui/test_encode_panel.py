"""The Encode panel: pictures pixel by pixel, figures in words, what is greyed and why."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QSpinBox, QToolTip, QWidget

from vae_studio.core.config import RunConfig, SquaredErrorConfig
from vae_studio.core.probing import Bound, Improvement, Judgement, Likelihood, Neighbours, Posterior
from vae_studio.ui.encode_panel import EncodePanel
from vae_studio.ui.theme import DARK

SHADES = [np.full((28, 28), level, np.uint8) for level in (255, 120, 60)]
FOUND = Posterior("gaussian", np.array([0.071, -0.699]), np.array([0.024, 0.012]))
JUDGED = Judgement(Bound(124.04, 7.71, 0.11, 500), Likelihood(129.26, 0.24, 400.0, 1000, 16))


@pytest.fixture
def panel(qtbot):
    widget = EncodePanel(DARK)
    qtbot.addWidget(widget)
    widget.resize(288, 420)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def text(panel, name):
    return panel.findChild(QLabel, name).text()


def role(panel, name):
    return panel.findChild(QLabel, name).property("role")


def answered(panel):
    panel.begin(SHADES[0])
    panel.show_source("test")
    panel.show_answer(FOUND, SHADES[1], SHADES[2])
    QApplication.processEvents()


def neighbours(labels=(3, 3, 5)):
    images = np.stack([np.full((28, 28), 40 * (i + 1), np.uint8) for i in range(len(labels))])
    names = tuple("0123456789")
    return Neighbours(images, np.array(labels), np.arange(len(labels)) + 10.0, np.arange(len(labels)) + 7000, names)


def test_without_an_image_there_is_a_hint_and_little_room_is_taken(panel):
    assert panel.findChild(QLabel, "encode_hint").isVisible()
    small = panel.sizeHint().height()
    answered(panel)
    assert not panel.findChild(QLabel, "encode_hint").isVisible()
    assert panel.sizeHint().height() > small + 150
    panel.clear()
    assert panel.sizeHint().height() == small
    assert not panel.findChild(QWidget, "encode_pictures").isVisible()


def test_x_its_reconstruction_and_the_error_stand_side_by_side(panel):
    answered(panel)
    shown = panel.pictures.grab().toImage()
    table = [QColor(DARK.paper), QColor(DARK.ink)]
    for index, array in enumerate(SHADES):
        middle = panel.pictures.picture_rect(index).center()
        share = array[0, 0] / 255
        expected = round(table[0].green() + share * (table[1].green() - table[0].green()))
        assert shown.pixelColor(middle).green() == pytest.approx(expected, abs=1)


def test_the_figures_are_in_words(panel):
    answered(panel)
    panel.show_judgement(JUDGED)
    panel.show_neighbours(neighbours())
    assert text(panel, "encode_posterior") == "μ = (0.07, −0.70)  σ = (0.02, 0.01)"
    assert text(panel, "encode_bound") == "−ELBO 131.8 = 124.0 + 7.7 nats"
    assert text(panel, "encode_likelihood") == "−log p(x) ≈ 129.3 ± 0.2 nats"
    assert "16" in panel.findChild(QLabel, "encode_likelihood").toolTip()
    assert text(panel, "encode_neighbours_title") == "Nearest in training: 2 of 3 are 3"


def test_many_dimensions_are_all_in_the_tooltip(panel):
    panel.begin(SHADES[0])
    panel.show_answer(Posterior("gaussian", np.arange(20.0), np.full(20, 0.5)), SHADES[1], SHADES[2])
    assert text(panel, "encode_posterior") == "μ = (0.00, 1.00, …)  σ = (0.50, 0.50, …)"
    assert "z₂₀: μ = 19.00, σ = 0.500" in panel.findChild(QLabel, "encode_posterior").toolTip()


def test_what_is_stale_is_grey_until_its_successor_comes(panel):
    answered(panel)
    panel.show_judgement(JUDGED)
    panel.show_neighbours(neighbours())
    assert {role(panel, name) for name in ("encode_bound", "encode_likelihood", "encode_neighbours_title")} == {"muted"}
    panel.set_weights_stale()
    assert role(panel, "encode_bound") == role(panel, "encode_likelihood") == "faint"
    assert role(panel, "encode_neighbours_title") == "muted", "pixels do not depend on weights"
    panel.begin(SHADES[1])
    assert role(panel, "encode_neighbours_title") == "faint"
    assert not panel.neighbours.isEnabled()
    panel.show_judgement(Judgement(JUDGED.bound))
    assert role(panel, "encode_bound") == "muted"
    assert role(panel, "encode_likelihood") == "faint", "it is still on its way"


def test_improving_counts_what_is_gained(panel):
    answered(panel)
    begun = Bound(130.0, 7.0, 0.1, 200)
    panel.show_improving("running")
    panel.show_improvement(Improvement(40, 300, FOUND, Bound(126.0, 8.0, 0.1, 200), *SHADES[1:]), begun)
    assert text(panel, "encode_bound") == "−ELBO 134.0 nats, 3.0 better"
    asked = []
    panel.improve_requested.connect(lambda: asked.append("improve"))
    panel.reset_requested.connect(lambda: asked.append("reset"))
    button = panel.findChild(QPushButton, "encode_improve")
    for state, word, expected in (("running", "Stop", "improve"), ("improved", "Reset", "reset")):
        panel.show_improving(state)
        assert button.text() == word
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        assert asked[-1] == expected


def test_an_auto_encoder_has_a_code_and_says_what_it_has_not(panel):
    panel.set_config(RunConfig(model="autoencoder", likelihood=SquaredErrorConfig()))
    panel.begin(SHADES[0])
    panel.show_answer(Posterior("code", np.array([1.0, -2.0]), np.zeros(2)), SHADES[1], SHADES[2])
    panel.show_judgement(Judgement(Bound(20.5, 0.0, 0.0, 1)))
    assert text(panel, "encode_posterior") == "z = (1.00, −2.00)"
    assert text(panel, "encode_bound") == "squared error 20.50"
    assert "no posterior" in panel.findChild(QLabel, "encode_likelihood").toolTip()
    button = panel.findChild(QPushButton, "encode_improve")
    assert not button.isEnabled()
    assert "no posterior" in button.toolTip()
    assert panel.findChild(QPushButton, "encode_go").text() == "Go to z"


def test_test_images_are_chosen_by_class_index_and_chance(panel):
    panel.set_test_classes(("zero", "", "two"), (5, 0, 3))
    answered(panel)
    chosen, random = [], []
    panel.test_chosen.connect(lambda *found: chosen.append(found))
    panel.random_requested.connect(random.append)
    classes, index = panel.findChild(QComboBox, "encode_class"), panel.findChild(QSpinBox, "encode_index")
    assert [classes.itemText(i) for i in range(classes.count())] == ["All", "zero", "two"]
    assert index.maximum() == 7
    classes.setFocus()
    QTest.keyClick(classes, Qt.Key.Key_End)
    assert chosen[-1][0] == 2
    assert index.maximum() == 2
    index.setFocus()
    QTest.keyClick(index, Qt.Key.Key_Up)
    assert chosen[-1] == (2, 1)
    QTest.mouseClick(panel.findChild(QPushButton, "encode_random"), Qt.MouseButton.LeftButton)
    assert random == [2]
    count = len(chosen)
    panel.show_test_choice(None, 6)
    assert (classes.currentData(), index.value(), len(chosen)) == (None, 6, count)
    panel.set_test_classes((), ())
    assert not panel.findChild(QPushButton, "encode_test").isEnabled()


def test_each_neighbour_says_which_it_is(panel):
    answered(panel)
    panel.show_neighbours(neighbours((3, 3, 5)))
    strip = panel.neighbours
    for place, words in ((QPoint(5, 10), "7,000, class 3"), (QPoint(75, 10), "7,002, class 5")):
        QApplication.sendEvent(strip, QHelpEvent(QHelpEvent.Type.ToolTip, place, strip.mapToGlobal(place)))
        assert words in QToolTip.text()
    QToolTip.hideText()


def test_nothing_is_cut_off_in_a_narrow_column(panel):
    answered(panel)
    panel.show_source("picture", "a picture with a very long name indeed, longer than the column is wide.png")
    panel.resize(250, 420)
    QApplication.processEvents()
    inside = panel.rect()
    for name in ("encode_draw", "encode_open", "encode_test", "encode_adjust", "encode_clear", "encode_improve"):
        button = panel.findChild(QPushButton, name)
        corner = button.mapTo(panel, button.rect().bottomRight())
        assert inside.contains(corner), name
        assert button.width() >= button.sizeHint().width() - 1, name


def test_everything_has_a_name_and_a_tooltip(panel):
    answered(panel)
    for button in panel.findChildren(QPushButton):
        assert button.objectName() and button.toolTip() and button.accessibleName()
