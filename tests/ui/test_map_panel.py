"""The map's header: axes, layers, classes, zoom; at the narrowest and at a usual width."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QWidget

from vae_studio.core.config import LaplacePriorConfig, MixtureConfig, RunConfig
from vae_studio.core.exploration import Layers
from vae_studio.core.plane import Plane
from vae_studio.ui.class_legend import ClassChip
from vae_studio.ui.map_panel import MapPanel
from vae_studio.ui.theme import DARK, LIGHT, apply

LEFT = Qt.MouseButton.LeftButton
CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
DIGITS = tuple("0123456789")


@pytest.fixture
def panel(qtbot, qapp):
    apply(qapp, DARK)
    widget = MapPanel()
    qtbot.addWidget(widget)
    widget.set_class_names(DIGITS)
    widget.resize(780, 500)
    widget.show()
    qtbot.waitExposed(widget)
    widget.chosen = []
    widget.plane.axes_changed.connect(widget.chosen.append)
    yield widget
    qapp.setStyleSheet("")


def child(panel, name, kind=QWidget):
    found = panel.findChild(kind, name)
    assert found is not None
    return found


def combos(panel):
    return child(panel, "axis_x_combo", QComboBox), child(panel, "axis_y_combo", QComboBox)


def pick(combo, index):
    """Choose an entry with the keyboard, as a user would."""
    combo.setFocus()
    QTest.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(index):
        QTest.keyClick(combo, Qt.Key.Key_Down)


def shown(panel):
    return [button.isChecked() for button in sorted(panel.findChildren(ClassChip), key=lambda c: c.objectName())]


def only(*classes):
    return [c in classes for c in range(10)]


def click(panel, index, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.mouseClick(child(panel, f"legend_class_{index}"), LEFT, modifier)


def double_click(panel, index):
    """Through the window, which sends what a real double-click does: press, release, double-click, release."""
    chip = child(panel, f"legend_class_{index}")
    QTest.mouseDClick(panel.windowHandle(), LEFT, pos=chip.mapTo(panel, chip.rect().center()))


def painted(widget):
    """The widget as an image with one pixel to a logical pixel, whatever the screen's scale."""
    image = QImage(widget.size(), QImage.Format.Format_RGB32)
    widget.render(image)
    return image


def colour(widget, pos):
    return painted(widget).pixelColor(int(pos.x()), int(pos.y())).getRgb()[:3]


# Axes


def test_the_combos_offer_every_dimension(panel):
    panel.set_dims(12)

    for combo in combos(panel):
        assert [combo.itemText(i) for i in (0, 1, 11)] == ["z₁", "z₂", "z₁₂"]
        assert combo.count() == 12
    assert panel.plane.axes == (0, 1)
    assert panel.chosen == []


def test_choosing_a_dimension_announces_the_plane(panel):
    panel.set_dims(20)
    x, y = combos(panel)

    pick(y, 4)
    assert panel.chosen[-1] == (0, 4)
    pick(x, 2)
    assert panel.chosen[-1] == (2, 4)
    assert panel.plane.axes == (2, 4)
    assert (x.currentText(), y.currentText()) == ("z₃", "z₅")
    assert all(i != j for i, j in panel.chosen)


def test_choosing_the_other_axis_swaps_them(panel):
    x, y = combos(panel)
    x.setFocus()

    QTest.keyClick(x, Qt.Key.Key_Down)

    assert panel.chosen == [(1, 0)]
    assert (x.currentText(), y.currentText()) == ("z₂", "z₁")
    y.setFocus()
    QTest.keyClick(y, Qt.Key.Key_Down)
    assert panel.chosen == [(1, 0), (0, 1)]


def test_a_model_with_one_dimension_has_no_plane_to_choose(panel):
    panel.set_dims(1)

    assert panel.plane.axes == (0, 0)
    assert not any(combo.isVisible() for combo in combos(panel))
    panel.set_dims(3)
    assert panel.plane.axes == (0, 1)
    assert all(combo.isVisible() for combo in combos(panel))


def test_axes_that_the_next_model_has_stay_chosen(panel):
    panel.set_dims(20)
    panel.set_plane(Plane.of_axes((7, 3), 20))

    panel.set_dims(10)
    assert panel.plane.axes == (7, 3)
    assert [combo.currentText() for combo in combos(panel)] == ["z₈", "z₄"]
    panel.set_dims(5)
    assert panel.plane.axes == (0, 1)
    assert panel.chosen == []


def test_another_plane_has_a_title_in_place_of_the_boxes_and_leads_back_to_them(panel):
    panel.set_dims(9)
    panel.set_plane(Plane.of_axes((4, 2), 9))
    title = child(panel, "plane_title", QLabel)
    assert not title.isVisible()
    oblique = Plane.spanned([0.0] * 9, [1.0] * 9, range(9), ("a name that is very long→another", "x"), "classes")
    panel.set_plane(oblique)
    QApplication.processEvents()
    assert title.isVisible() and not any(combo.isVisible() for combo in combos(panel))
    assert title.text().endswith("…") and oblique.title in title.toolTip()
    assert oblique.title in child(panel, "plane_button", QPushButton).toolTip()
    assert panel.minimumSizeHint().width() <= 560
    asked = []
    panel.plane.asked.connect(asked.append)
    actions = {action.objectName(): action for action in child(panel, "plane_button", QPushButton).menu().actions()}
    assert actions["plane_classes_action"].isChecked()
    actions["plane_typed_action"].trigger()
    assert asked == ["typed"] and actions["plane_classes_action"].isChecked(), "it has not come to be yet"
    actions["plane_axes_action"].trigger()
    assert panel.chosen == [(4, 2)], "the dimensions of before"


def test_planes_of_encodings_can_be_asked_for_once_there_are_any(panel):
    actions = {action.objectName(): action for action in child(panel, "plane_button", QPushButton).menu().actions()}
    for known in (False, True):
        panel.plane.set_encodings(known)
        for kind in ("components", "classes"):
            action = actions[f"plane_{kind}_action"]
            assert action.isEnabled() == known and ("Needs the encodings" in action.toolTip()) != known
    panel.set_dims(1)
    assert not child(panel, "plane_button", QPushButton).isVisible()


# Layers


def test_the_encodings_chip_hides_the_dots(panel):
    panel.map.set_encodings(np.array([[1.0, 1.0]], np.float32), np.array([4], np.uint8))
    chip = child(panel, "encodings_chip", QPushButton)
    QTest.mouseClick(child(panel, "prior_chip"), LEFT)
    place = panel.map.to_pixel((1.0, 1.0))
    assert colour(panel.map, place) == QColor(DARK.classes[4]).getRgb()[:3]

    QTest.mouseClick(chip, LEFT)

    assert not chip.isChecked()
    assert colour(panel.map, place) == QColor(DARK.paper).getRgb()[:3]
    assert not child(panel, "legend_class_4").isEnabled()


@pytest.mark.parametrize("name", ["tiles_chip", "prior_chip"])
def test_layer_chips_switch_only_their_own_layer(panel, name, monkeypatch):
    calls = []
    monkeypatch.setattr(panel.map, "set_layers", lambda *layers: calls.append(layers))
    chip = child(panel, name, QPushButton)

    QTest.mouseClick(chip, LEFT)
    QTest.mouseClick(chip, LEFT)

    assert calls == [(Layers(tiles=False) if name == "tiles_chip" else Layers(prior=False),), (Layers(),)]


def test_the_prior_chip_says_what_the_contours_are(panel):
    chip = child(panel, "prior_chip", QPushButton)
    for config, words in (
        (RunConfig(), "N(0, I): circles at 1, 2 and 3"),
        (RunConfig(prior=MixtureConfig(components=7)), "mixture of Gaussians (here 7)"),
        (RunConfig(prior=LaplacePriorConfig()), "Laplace"),
        (RunConfig(model="autoencoder"), "has no prior: circles at 1, 2, 3 standard deviations of its codes"),
    ):
        panel.set_config(config)
        assert words in chip.toolTip()
        assert chip.text() == chip.accessibleName() == ("Prior" if config.model == "vae" else "Spread")
    panel.set_config(RunConfig(prior=LaplacePriorConfig()))
    for across, words in (((0.0, -3.0), "lines of equal density"), ((1.0, 2.0), "circles at 1, 2 and 3")):
        panel.set_plane(Plane.spanned((0.5, 1.0), across, (1.0, 0.0)))
        assert all(words in widget.toolTip() for widget in (chip, child(panel, "layer_prior")))


# Classes


def test_a_click_hides_a_class_and_another_shows_it(panel):
    panel.map.set_encodings(np.array([[1.0, 1.0]], np.float32), np.array([4], np.uint8))
    QTest.mouseClick(child(panel, "prior_chip"), LEFT)
    place = panel.map.to_pixel((1.0, 1.0))

    click(panel, 4)
    assert shown(panel) == [c != 4 for c in range(10)]
    assert colour(panel.map, place) == QColor(DARK.paper).getRgb()[:3]
    click(panel, 4)
    assert shown(panel) == only(*range(10))
    assert colour(panel.map, place) == QColor(DARK.classes[4]).getRgb()[:3]


@pytest.mark.parametrize("modifier", [CTRL, ALT])
def test_a_click_with_ctrl_or_alt_shows_only_that_class_and_again_all(panel, modifier):
    click(panel, 3)
    click(panel, 6, modifier)
    assert shown(panel) == only(6)
    click(panel, 2, modifier)
    assert shown(panel) == only(2)
    click(panel, 2, modifier)
    assert shown(panel) == only(*range(10))


def test_a_double_click_shows_only_that_class_and_again_all(panel):
    double_click(panel, 5)
    assert shown(panel) == only(5)
    double_click(panel, 8)
    assert shown(panel) == only(8)
    double_click(panel, 8)
    assert shown(panel) == only(*range(10))


def test_classes_can_be_filtered_from_the_keyboard(panel):
    chip = child(panel, "legend_class_1")
    chip.setFocus()

    QTest.keyClick(chip, Qt.Key.Key_Space)
    assert shown(panel) == [c != 1 for c in range(10)]
    QTest.keyClick(chip, Qt.Key.Key_Return)
    assert shown(panel) == only(1)


def test_layers_are_told_when_the_user_chooses_them_and_shown_when_told(panel, qtbot):
    told = []
    panel.layers_changed.connect(told.append)

    child(panel, "tiles_chip").click()
    click(panel, 2)
    child(panel, "prior_chip").click()

    assert told == [
        Layers(tiles=False),
        Layers(tiles=False, hidden_classes=frozenset({2})),
        Layers(tiles=False, prior=False, hidden_classes=frozenset({2})),
    ]
    before = panel.map.grab().toImage()
    panel.set_layers(Layers())
    assert len(told) == 3, "what the program shows is not the user's choice"
    assert all(child(panel, f"{name}_chip").isChecked() for name in ("tiles", "encodings", "prior"))
    assert child(panel, "legend_class_2").isChecked()
    panel.set_layers(told[-1])
    assert panel.map.grab().toImage() == before


def test_what_is_shown_holds_for_class_names_that_come_later(panel, qtbot):
    panel.set_layers(Layers(hidden_classes=frozenset({1})))

    with qtbot.assertNotEmitted(panel.layers_changed):
        panel.set_class_names(("cat", "dog"))

    assert [chip.text() for chip in panel.findChildren(ClassChip)] == ["cat", "dog"]
    assert [chip.isChecked() for chip in panel.findChildren(ClassChip)] == [True, False]
    panel.map.set_encodings(np.array([[1.0, 1.0]], np.float32), np.array([0], np.uint8))
    place = panel.map.to_pixel((1.0, 1.0))
    assert colour(panel.map, place) == QColor(DARK.classes[0]).getRgb()[:3]


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_a_chip_is_painted_in_its_class_colour_until_hidden(panel, theme):
    panel.set_theme(theme)
    chip = child(panel, "legend_class_2")
    assert colour(chip, QPointF(8, 11)) == QColor(theme.classes[2]).getRgb()[:3]

    click(panel, 2)

    assert colour(chip, QPointF(8, 11)) != QColor(theme.classes[2]).getRgb()[:3]


# Zoom


def test_the_readout_follows_the_zoom_and_fit_resets_it(panel):
    zoom = child(panel, "zoom_label", QLabel)
    assert zoom.text() == "1.0×"
    pos = QPointF(300, 200)
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    for angle, factor in ((480, 1.2**4), (-960, 1.2**-4)):
        where = QPointF(panel.map.mapToGlobal(pos.toPoint()))
        QApplication.sendEvent(panel.map, QWheelEvent(pos, where, QPoint(), QPoint(0, angle), *none, False))
        assert float(zoom.text().rstrip("×")) == pytest.approx(factor, abs=0.05)

    QTest.mouseClick(child(panel, "fit_button"), LEFT)

    assert zoom.text() == "1.0×"
    assert panel.map.zoom_factor() == 1.0


# Room


@pytest.mark.parametrize("width", [560, 600, 640, 700, 780])
def test_nothing_in_the_header_is_cut_or_overlaps(panel, width, qtbot):
    panel.resize(width, 420)
    qtbot.waitUntil(lambda: panel.width() == width)
    QApplication.processEvents()
    names = [
        "plane_button",
        "axis_x_combo",
        "axis_y_combo",
        "tiles_chip",
        "encodings_chip",
        "prior_chip",
        "density_chip",
        "layers_button",
        "zoom_label",
        "fit_button",
    ]
    widgets = [child(panel, name) for name in names] + panel.findChildren(ClassChip)
    assert {child(panel, name).isVisible() for name in names if name.endswith("_chip")} == {width >= 780}
    widgets = [widget for widget in widgets if widget.isVisible()]

    boxes = [widget.rect().translated(widget.mapTo(panel, QPoint())) for widget in widgets]

    assert panel.minimumSizeHint().width() <= 560
    for i, (widget, box) in enumerate(zip(widgets, boxes, strict=True)):
        assert panel.rect().contains(box)
        assert box.width() >= widget.minimumSizeHint().width()
        assert not box.intersects(panel.map.geometry())
        assert not any(box.intersects(other) for other in boxes[i + 1 :])


def test_the_legend_shares_the_row_where_there_is_room(panel):
    # Decided by the widths that this machine's font gives.
    fit, first = child(panel, "fit_button"), child(panel, "legend_class_0")

    def rows():
        QApplication.processEvents()
        return abs(first.mapTo(panel, QPoint()).y() - fit.mapTo(panel, QPoint()).y()) > 15

    panel.resize(1200, 420)
    assert not rows()
    panel.resize(560, 420)
    assert rows()
    panel.resize(1200, 420)
    assert not rows()


def test_every_control_says_what_it_does(panel):
    for kind in (QComboBox, QPushButton, ClassChip):
        for control in panel.findChildren(kind):
            assert control.objectName()
            assert control.toolTip()
            assert control.accessibleName()
