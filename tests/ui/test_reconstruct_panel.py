"""Test images above their own reconstructions, E[g(z)] beside g(E[z]), and samples from the prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QColor, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QSpinBox, QToolTip
from tips import tip

from vae_studio.core.config import RunConfig
from vae_studio.core.scene import Expectation, PicturesFrame, Version
from vae_studio.ui.reconstruct_panel import ReconstructPanel
from vae_studio.ui.theme import DARK, LIGHT

N = 60
# Every image is one grey level of its own, so that a pixel tells which image is seen: image i has level 2·i.
IMAGES = np.repeat(np.arange(N, dtype=np.uint8) * 2, 28 * 28).reshape(N, 28, 28)
LABELS = (np.arange(N) % 3).astype(np.uint8)
NAMES = ("zero", "one", "two")


@pytest.fixture
def panel(qtbot):
    widget = ReconstructPanel(DARK)
    qtbot.addWidget(widget)
    widget.resize(760, 500)
    widget.set_data(IMAGES, LABELS, NAMES)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.fixture
def asked(panel):
    got = []
    panel.request_changed.connect(got.append)
    return got


def control(panel, kind, name):
    return panel.findChild(kind, name)


def click(panel, name):
    QTest.mouseClick(control(panel, QPushButton, name), Qt.MouseButton.LeftButton)


def choose_class(panel, key: str):
    combo = control(panel, QComboBox, "reconstruct_class_combo")
    combo.setFocus()
    QTest.keyClick(combo, key)


def type_index(panel, text: str):
    box = control(panel, QSpinBox, "reconstruct_index")
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, text)
    QTest.keyClick(box, Qt.Key.Key_Return)


def numbers(request) -> list[int]:
    """Which of IMAGES were asked for."""
    return (request.images[:, 0, 0] // 2).tolist()


def answer(request, *, version=0, recon=1, sample=200) -> PicturesFrame:
    """A frame whose reconstructions are the images, a little brighter."""
    samples = np.full((request.samples, 28, 28), sample, dtype=np.uint8)
    return PicturesFrame(Version(0, version), request, request.images + np.uint8(recon), samples)


def whole(request, *, recon=1, expected=60, difference=120, factor=5, mean=3.456) -> PicturesFrame:
    """A frame with an expectation: images of one grey level each."""
    shape = request.images.shape
    images, differences = (np.full(shape, value, np.uint8) for value in (expected, difference))
    return replace(answer(request, recon=recon), expectation=Expectation(images, differences, factor, mean))


def hint(panel) -> str:
    """What the line under the left title says."""
    (line,) = (child for child in panel.findChildren(QLabel) if child.objectName() == "reconstruct_hint")
    assert tip(line) == line.text()
    return line.text()


def level(theme, value: int) -> np.ndarray:
    paper, ink = (np.array(QColor(name).getRgb()[:3], dtype=float) for name in (theme.paper, theme.ink))
    return paper + (ink - paper) * value / 255


def seen(sheet, rect) -> np.ndarray:
    image = sheet.grab().toImage()
    ratio = image.devicePixelRatio()
    centre = QPoint(int(rect.center().x() * ratio), int(rect.center().y() * ratio))
    return np.array(image.pixelColor(centre).getRgb()[:3])


def shows(sheet, rect, colour) -> bool:
    return bool(np.abs(seen(sheet, rect) - colour).max() <= 1)


FIELD = np.array(QColor(DARK.field).getRgb()[:3])


def test_nothing_is_wanted_before_there_are_images(qtbot):
    widget = ReconstructPanel(DARK)
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    assert widget.request() is None
    assert not control(widget, QPushButton, "new_samples_button").isEnabled()
    widget.set_data(IMAGES, LABELS, NAMES)
    assert numbers(widget.request())[:3] == [0, 1, 2]
    assert control(widget, QPushButton, "new_samples_button").isEnabled()


@pytest.mark.parametrize("size", [(500, 330), (560, 400), (860, 560), (1400, 900)])
def test_it_asks_for_as_many_as_fit_at_56_pixels(panel, size):
    panel.resize(*size)
    QApplication.processEvents()
    request = panel.request()
    count = len(request.images)
    sheet = panel.pairs
    rects = [rect(i) for i in range(count) for rect in (sheet.original_rect, sheet.reconstruction_rect)]
    assert all(sheet.rect().contains(rect) for rect in rects)
    assert min(rect.width() for rect in rects) >= 56
    assert all(rect.width() == rect.height() for rect in rects)
    assert not any(a.intersects(b) for i, a in enumerate(rects) for b in rects[i + 1 :])
    assert numbers(request) == list(range(count))
    assert int(request.samples**0.5) ** 2 == request.samples
    assert all(panel.samples.rect().contains(panel.samples.sample_rect(i)) for i in range(request.samples))


def test_more_room_shows_more(panel, asked):
    panel.resize(500, 330)
    QApplication.processEvents()
    few = panel.request()
    panel.resize(1400, 900)
    QApplication.processEvents()
    many = panel.request()
    assert len(few.images) < 12 < len(many.images) <= 32
    assert few.samples < many.samples <= 100
    assert asked[-1] is many
    panel.resize(1401, 900)
    QApplication.processEvents()
    assert panel.request() is many  # nothing else fits: nothing is asked


def test_originals_are_painted_at_once_and_reconstructions_when_they_come(panel):
    sheet = panel.pairs
    for index in range(4):
        assert shows(sheet, sheet.original_rect(index), level(DARK, 2 * index))
        assert shows(sheet, sheet.reconstruction_rect(index), FIELD)
        assert shows(panel.samples, panel.samples.sample_rect(index), FIELD)
    panel.set_pictures(answer(panel.request(), recon=100, sample=222))
    for index in range(4):
        assert shows(sheet, sheet.original_rect(index), level(DARK, 2 * index))
        assert shows(sheet, sheet.reconstruction_rect(index), level(DARK, 2 * index + 100))
        assert shows(panel.samples, panel.samples.sample_rect(index), level(DARK, 222))
    panel.set_pictures(answer(panel.request(), version=1, recon=50))  # the weights have moved on
    assert shows(sheet, sheet.reconstruction_rect(3), level(DARK, 56))


def test_images_are_upright_and_apart(panel):
    images = np.zeros((N, 28, 28), dtype=np.uint8)
    images[:, :14, 14:] = 255  # top right
    panel.set_data(images, LABELS, NAMES)
    request = panel.request()
    frame = PicturesFrame(Version(0, 0), request, 255 - request.images, np.zeros((request.samples, 28, 28), np.uint8))
    panel.set_pictures(frame)
    picture = panel.pairs.grab().toImage()
    ratio = picture.devicePixelRatio()
    for index in (0, len(request.images) - 1):
        for rect, quarters in (
            (panel.pairs.original_rect(index), (0, 255, 0, 0)),
            (panel.pairs.reconstruction_rect(index), (255, 0, 255, 255)),
        ):
            places = [(x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
            for (x, y), value in zip(places, quarters, strict=True):
                at = (rect.left() + rect.width() * x, rect.top() + rect.height() * y)
                got = picture.pixelColor(*(int(v * ratio) for v in at)).getRgb()[:3]
                assert np.abs(got - level(DARK, value)).max() <= 1


def test_a_frame_for_an_older_request_is_not_shown(panel, asked):
    old = panel.request()
    type_index(panel, "20")
    assert panel.request() is asked[-1] is not old
    panel.set_pictures(answer(old, recon=100))
    sheet = panel.pairs
    assert shows(sheet, sheet.original_rect(0), level(DARK, 40))
    assert shows(sheet, sheet.reconstruction_rect(0), FIELD)
    panel.set_pictures(answer(panel.request(), recon=100))
    assert shows(sheet, sheet.reconstruction_rect(0), level(DARK, 140))


def test_an_equal_request_made_elsewhere_is_not_this_one(panel):
    request = panel.request()
    twin = type(request)(request.images.copy(), request.samples, request.seed)
    panel.set_pictures(answer(twin, recon=100))
    assert shows(panel.pairs, panel.pairs.reconstruction_rect(0), FIELD)


def test_other_images_take_their_reconstructions_away(panel):
    panel.set_pictures(answer(panel.request(), recon=100))
    click(panel, "reconstruct_random_button")
    assert shows(panel.pairs, panel.pairs.reconstruction_rect(0), FIELD)


def test_the_random_button_is_on_while_the_images_are_random_ones(panel):
    button = control(panel, QPushButton, "reconstruct_random_button")
    assert not button.isChecked()
    for _ in range(2):
        before = numbers(panel.request())
        click(panel, "reconstruct_random_button")
        assert button.isChecked()
        assert numbers(panel.request()) != before
    type_index(panel, "3")
    assert not button.isChecked()


def test_class_and_index_choose_the_images_of_the_class_in_order(panel, asked):
    choose_class(panel, "o")  # one
    members = [i for i in range(N) if i % 3 == 1]
    shown = numbers(panel.request())
    assert shown == members[: len(shown)]
    type_index(panel, "5")
    assert numbers(panel.request()) == (members[5:] + members[:5])[: len(shown)]
    assert control(panel, QSpinBox, "reconstruct_index").maximum() == 19
    assert len(asked) == 2
    QTest.keyClick(control(panel, QComboBox, "reconstruct_class_combo"), Qt.Key.Key_Home)  # All classes
    assert numbers(panel.request())[:2] == [5, 6]


def test_the_index_wraps(panel):
    box = control(panel, QSpinBox, "reconstruct_index")
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.value() == N - 1
    assert numbers(panel.request())[:3] == [N - 1, 0, 1]
    QTest.keyClick(box, Qt.Key.Key_Up)
    assert numbers(panel.request())[0] == 0


def test_a_class_with_few_images_shows_them_once(panel):
    labels = np.zeros(N, dtype=np.uint8)
    labels[[7, 30]] = 1
    panel.set_data(IMAGES, labels, ("many", "rare"))
    choose_class(panel, "r")
    assert numbers(panel.request()) == [7, 30]
    panel.set_pictures(answer(panel.request(), recon=100))
    assert shows(panel.pairs, panel.pairs.reconstruction_rect(1), level(DARK, 160))


def test_random_picks_from_the_class_and_the_index_brings_the_order_back(panel):
    choose_class(panel, "t")  # two
    picks = []
    for _ in range(4):
        click(panel, "reconstruct_random_button")
        picks.append(tuple(numbers(panel.request())))
    assert len(set(picks)) > 1
    for pick in picks:
        assert len(set(pick)) == len(pick)
        assert {number % 3 for number in pick} == {2}
    type_index(panel, "0")
    assert numbers(panel.request())[:3] == [2, 5, 8]


def test_random_images_stay_when_the_window_grows(panel):
    panel.resize(500, 330)
    QApplication.processEvents()
    click(panel, "reconstruct_random_button")
    few = numbers(panel.request())
    panel.resize(900, 600)
    QApplication.processEvents()
    many = numbers(panel.request())
    assert len(many) > len(few)
    assert many[: len(few)] == few


def test_new_samples_ask_for_another_seed_and_keep_the_pairs(panel, asked):
    panel.set_pictures(answer(panel.request(), recon=100))
    seeds = [panel.request().seed]
    for _ in range(3):
        click(panel, "new_samples_button")
        seeds.append(panel.request().seed)
    assert len(set(seeds)) == 4
    assert len(asked) == 3
    assert asked[-1] is panel.request()
    assert numbers(panel.request())[:3] == [0, 1, 2]
    assert shows(panel.pairs, panel.pairs.reconstruction_rect(2), level(DARK, 104))


def test_colours_follow_the_theme(panel):
    panel.set_pictures(answer(panel.request(), recon=100, sample=255))
    panel.set_theme(LIGHT)
    assert shows(panel.pairs, panel.pairs.original_rect(1), level(LIGHT, 2))
    assert shows(panel.pairs, panel.pairs.reconstruction_rect(1), level(LIGHT, 102))
    assert shows(panel.samples, panel.samples.sample_rect(0), level(LIGHT, 255))


def test_the_class_of_an_image_is_marked_in_its_colour(panel):
    picture = panel.pairs.grab().toImage()
    ratio = picture.devicePixelRatio()
    for index in range(3):
        rect = panel.pairs.original_rect(index)
        strip = {
            picture.pixelColor(int(x * ratio), int(y * ratio)).name()
            for x in range(rect.left(), rect.left() + 10)
            for y in range(rect.top() - 16, rect.top())
        }
        assert DARK.classes[index] in strip


def test_the_images_can_be_taken_away_and_given_again(panel, asked):
    panel.set_data(IMAGES[:0], LABELS[:0], NAMES)
    assert panel.request() is None
    panel.grab()
    panel.set_data(IMAGES, LABELS, NAMES)
    assert asked[-1] is panel.request()
    assert numbers(panel.request())[:2] == [0, 1]


# E[g(z)]


def test_the_expectation_is_asked_for_and_stands_below_in_rows_of_their_own(panel, asked):
    before = panel.request()
    panel.set_pictures(answer(before, recon=100))
    click(panel, "expectation_chip")
    request = panel.request()
    assert request is asked[-1] is not before
    assert (before.expectation, request.expectation) == (False, True)
    sheet = panel.pairs
    assert "200 draws" in hint(panel)
    for rect in (sheet.expectation_rect(0), sheet.difference_rect(0)):
        assert shows(sheet, rect, FIELD)
    panel.set_pictures(answer(request, recon=100))
    assert shows(sheet, sheet.reconstruction_rect(1), level(DARK, 102))
    assert shows(sheet, sheet.expectation_rect(1), FIELD)
    panel.set_pictures(whole(request, recon=100))
    for index in range(len(request.images)):
        assert shows(sheet, sheet.original_rect(index), level(DARK, 2 * index))
        assert shows(sheet, sheet.reconstruction_rect(index), level(DARK, 2 * index + 100))
        assert shows(sheet, sheet.expectation_rect(index), level(DARK, 60))
        assert shows(sheet, sheet.difference_rect(index), level(DARK, 120))
    assert "3.5 of 255 grey levels" in hint(panel)
    assert "× 5" in hint(panel)
    click(panel, "expectation_chip")
    assert not panel.request().expectation
    assert "posterior mean below" in hint(panel)


@pytest.mark.parametrize("size", [(500, 330), (560, 400), (860, 560), (1400, 900)])
def test_four_rows_and_their_names_fit(panel, size):
    panel.resize(*size)
    click(panel, "expectation_chip")
    QApplication.processEvents()
    request, sheet = panel.request(), panel.pairs
    kinds = (sheet.original_rect, sheet.reconstruction_rect, sheet.expectation_rect, sheet.difference_rect)
    rects = [rect(index) for index in range(len(request.images)) for rect in kinds]
    assert len(request.images) == sheet.capacity() >= 3
    assert all(sheet.rect().contains(rect) for rect in rects)
    assert not any(a.intersects(b) for i, a in enumerate(rects) for b in rects[i + 1 :])
    assert min(rect.width() for rect in rects) >= 40
    # The names stand left of the first column, each beside its row.
    picture = sheet.grab().toImage()
    ratio = picture.devicePixelRatio()
    for rect in (kind(0) for kind in kinds):
        beside = {
            picture.pixelColor(int(x * ratio), int(y * ratio)).name()
            for x in range(rect.left())
            for y in range(rect.top(), rect.bottom())
        }
        assert len(beside) > 2


def test_other_images_take_the_expectation_away_and_new_samples_do_not(panel):
    click(panel, "expectation_chip")
    panel.set_pictures(whole(panel.request(), recon=100))
    sheet = panel.pairs
    click(panel, "new_samples_button")
    panel.set_pictures(answer(panel.request(), recon=50, sample=99))
    assert shows(panel.samples, panel.samples.sample_rect(0), level(DARK, 99))
    assert shows(sheet, sheet.expectation_rect(0), level(DARK, 60))
    assert shows(sheet, sheet.reconstruction_rect(0), level(DARK, 100)), "rows that belong together"
    panel.set_pictures(whole(panel.request(), recon=50, expected=90))
    assert shows(sheet, sheet.reconstruction_rect(0), level(DARK, 50))
    assert shows(sheet, sheet.expectation_rect(0), level(DARK, 90))
    click(panel, "reconstruct_random_button")
    assert shows(sheet, sheet.expectation_rect(0), FIELD)
    assert "grey levels" not in hint(panel)


def test_an_auto_encoder_has_no_posterior_and_no_prior(panel, asked):
    click(panel, "expectation_chip")
    chip = control(panel, QPushButton, "expectation_chip")
    panel.set_config(RunConfig(model="autoencoder"))
    assert not chip.isEnabled()
    assert not chip.isChecked()
    assert "no q(z|x)" in tip(chip)
    assert not panel.request().expectation
    said = " ".join(label.text() for label in panel.findChildren(QLabel))
    assert not any(word in said for word in ("prior", "posterior", "mean at"))
    assert "prior" not in control(panel, QPushButton, "new_samples_button").toolTip()
    panel.set_config(RunConfig())
    assert chip.isEnabled()
    assert "posterior mean below" in hint(panel)
    assert "Samples from the prior" in [label.text() for label in panel.findChildren(QLabel)]


def test_hovering_while_comparing_names_each_row(panel, qtbot):
    click(panel, "expectation_chip")
    panel.set_pictures(whole(panel.request()))
    sheet = panel.pairs
    for rect, words in (
        (sheet.original_rect(1), "Test image 1, class one"),
        (sheet.reconstruction_rect(1), "g(E[z]), the decoder's mean at the posterior mean of test image 1"),
        (sheet.expectation_rect(1), "E[g(z)], the mean of the decoder's means over 200 draws of z for test image 1"),
        (sheet.difference_rect(1), "|E[g(z)] − g(E[z])| of test image 1, times 5"),
    ):
        place = rect.center()
        QApplication.sendEvent(sheet, QHelpEvent(QEvent.Type.ToolTip, place, sheet.mapToGlobal(place)))
        qtbot.waitUntil(lambda words=words: tip(QToolTip.text()) == words)
    QToolTip.hideText()


# Colour and other sizes


@pytest.mark.parametrize("shape", [(32, 32, 3), (20, 24)], ids=["colour", "oblong"])
def test_colours_and_other_sizes_are_shown_in_their_proportions(panel, shape):
    height, width, *channels = shape
    images = np.zeros((N, *shape), np.uint8)
    images[:, : height // 2] = (255, 60, 0) if channels else 100
    panel.set_data(images, LABELS, NAMES)
    request = panel.request()
    samples = np.repeat(images[:1], request.samples, axis=0)
    panel.set_pictures(PicturesFrame(Version(0, 0), request, images[: len(request.images)], samples))
    panel.set_theme(LIGHT)
    top = np.array((255, 60, 0)) if channels else level(LIGHT, 100)
    bottom = np.zeros(3) if channels else level(LIGHT, 0)
    for sheet, rect in (
        (panel.pairs, panel.pairs.original_rect(1)),
        (panel.pairs, panel.pairs.reconstruction_rect(2)),
        (panel.samples, panel.samples.sample_rect(3)),
    ):
        shown = rect.height() * height // max(height, width)
        assert shows(sheet, rect.translated(0, -shown // 4), top)
        assert shows(sheet, rect.translated(0, shown // 4), bottom)
        beyond = rect.translated(0, -rect.height() // 2 + 2)  # its centre is just below the upper edge
        assert shows(sheet, beyond, top) is (height == width)


def test_controls_explain_themselves(panel):
    for kind, name in (
        (QComboBox, "reconstruct_class_combo"),
        (QSpinBox, "reconstruct_index"),
        (QPushButton, "reconstruct_random_button"),
        (QPushButton, "expectation_chip"),
        (QPushButton, "new_samples_button"),
    ):
        assert control(panel, kind, name).toolTip()
        assert control(panel, kind, name).accessibleName()
    combo = control(panel, QComboBox, "reconstruct_class_combo")
    assert [combo.itemText(i) for i in range(combo.count())] == ["All classes", *NAMES]


def test_hovering_names_the_image_and_its_reconstruction(panel, qtbot):
    type_index(panel, "7")
    sheet = panel.pairs
    for place, words in (
        (sheet.original_rect(1).center(), "Test image 8, class two"),
        (sheet.reconstruction_rect(2).center(), "Reconstruction of test image 9"),
    ):
        QApplication.sendEvent(sheet, QHelpEvent(QEvent.Type.ToolTip, place, sheet.mapToGlobal(place)))
        qtbot.waitUntil(lambda words=words: tip(QToolTip.text()) == words)
    QToolTip.hideText()
