"""The row under the menus: what can be pressed in which state, and what the list of models says when people choose."""

from __future__ import annotations

import itertools
import re

import pytest
from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QSlider, QWidget
from tips import tip

from vae_studio.ui import theme
from vae_studio.ui.actions import Actions
from vae_studio.ui.run_bar import RunBar

LEFT = Qt.MouseButton.LeftButton
SHIPPED = [("explorer-2d", "2-D explorer"), ("pytorch-example", "PyTorch example")]
REQUESTS = ("open", "train", "pause", "stop", "export")


class Asked(list):
    """What the bar was asked for, in order."""

    def __init__(self, bar):
        super().__init__()
        for name in REQUESTS:
            getattr(bar, f"{name}_requested").connect(lambda *_, name=name: self.append(name))
        bar.model_chosen.connect(lambda model: self.append(("model", model)))
        bar.view_chosen.connect(lambda index: self.append(("view", index)))


def shown_bar(qtbot, models):
    bar = RunBar(models)
    qtbot.addWidget(bar)
    bar.resize(1100, bar.sizeHint().height())
    with qtbot.waitExposed(bar):
        bar.show()
    return bar


@pytest.fixture
def bar(qtbot, qapp):
    theme.apply(qapp, theme.DARK)
    yield shown_bar(qtbot, SHIPPED)
    qapp.setStyleSheet("")


@pytest.fixture
def asked(bar):
    return Asked(bar)


def button(bar, name):
    return bar.findChild(QPushButton, name)


def combo(bar):
    return bar.findChild(QComboBox, "model_combo")


def click(qtbot, bar, name):
    found = button(bar, name)
    assert found.isVisible() and found.isEnabled(), name
    qtbot.mouseClick(found, LEFT)


def pressable(bar):
    """The run's buttons that can be pressed, by what they say."""
    found = [button(bar, f"{name}_button") for name in ("train", "pause", "stop")]
    return [b.text().split()[-1] for b in found if b.isVisible() and b.isEnabled()]


def titles(bar):
    return [combo(bar).itemText(i) for i in range(combo(bar).count()) if combo(bar).itemText(i)]


def choose(qtbot, bar, title):
    """Open the list with the mouse and click an entry."""
    models = combo(bar)
    qtbot.mouseClick(models, LEFT)
    view = models.view()
    qtbot.waitUntil(view.isVisible)
    rect = view.visualRect(models.model().index(models.findText(title), models.modelColumn()))
    # Qt takes no notice of a release shortly after the press that opened the list.
    qtbot.mouseMove(view.viewport(), rect.center())
    qtbot.mouseClick(view.viewport(), LEFT, pos=rect.center())
    if view.isVisible():
        qtbot.wait(400)
        qtbot.mouseClick(view.viewport(), LEFT, pos=rect.center())
    qtbot.waitUntil(lambda: not view.isVisible())


def test_what_can_be_pressed_in_which_state(bar, qtbot, asked):
    assert pressable(bar) == ["Train"]
    assert not button(bar, "pause_button").isVisible()
    click(qtbot, bar, "train_button")

    bar.set_state("running")
    assert pressable(bar) == ["Pause", "Stop"]
    assert not button(bar, "train_button").isVisible()
    click(qtbot, bar, "pause_button")

    bar.set_state("paused")
    assert pressable(bar) == ["Resume", "Stop"]
    assert button(bar, "pause_button").accessibleName() == "Resume"
    click(qtbot, bar, "pause_button")
    click(qtbot, bar, "stop_button")

    bar.set_state("ending")
    assert pressable(bar) == []
    for name in ("pause_button", "stop_button"):
        qtbot.mouseClick(button(bar, name), LEFT)

    bar.set_state("idle")
    assert pressable(bar) == ["Train"]
    qtbot.mouseClick(button(bar, "stop_button"), LEFT)
    assert asked == ["train", "pause", "pause", "stop"]


def test_export_when_there_is_something_to_export(bar, qtbot, asked):
    bar.set_can_export(False)
    qtbot.mouseClick(button(bar, "export_button"), LEFT)
    assert asked == []
    bar.set_can_export(True)
    click(qtbot, bar, "export_button")
    assert asked == ["export"]


def test_the_three_views(bar, qtbot, asked):
    tabs = [button(bar, f"{name}_tab") for name in ("explore", "reconstruct", "evaluate")]

    def on():
        return [tab.isChecked() for tab in tabs]

    assert on() == [True, False, False]
    click(qtbot, bar, "reconstruct_tab")
    assert on() == [False, True, False]
    click(qtbot, bar, "evaluate_tab")
    assert on() == [False, False, True]
    click(qtbot, bar, "explore_tab")
    assert asked == [("view", 1), ("view", 2), ("view", 0)]
    bar.set_view(2)
    assert on() == [False, False, True]
    assert len(asked) == 3, "only people choose"
    click(qtbot, bar, "evaluate_tab")
    assert on() == [False, False, True], "one of them is always on"


def test_before_any_model_is_open(bar, qtbot, asked):
    assert combo(bar).currentText() == ""
    choose(qtbot, bar, "2-D explorer")
    assert asked == [("model", "explorer-2d")]
    assert combo(bar).currentText() == "", "it may turn out to be damaged"


def test_models_are_chosen_by_people_only(bar, qtbot, asked):
    assert titles(bar) == ["2-D explorer", "PyTorch example", "Open model…"]
    bar.show_model("explorer-2d", "2-D explorer")
    bar.show_model("pytorch-example", "PyTorch example")
    assert combo(bar).currentText() == "PyTorch example"
    assert asked == []
    choose(qtbot, bar, "2-D explorer")
    assert asked == [("model", "explorer-2d")]
    assert combo(bar).currentText() == "PyTorch example", "it is shown once it is open"
    bar.show_model("explorer-2d", "2-D explorer")
    assert combo(bar).currentText() == "2-D explorer"
    choose(qtbot, bar, "2-D explorer")
    assert len(asked) == 1, "it is on view already"


def test_the_list_by_keys(bar, qtbot, asked):
    bar.show_model("explorer-2d", "2-D explorer")
    combo(bar).setFocus()
    qtbot.keyClick(combo(bar), Qt.Key.Key_Down)
    assert asked == [("model", "pytorch-example")]


def test_opening_a_file(bar, qtbot, asked):
    bar.show_model("pytorch-example", "PyTorch example")
    choose(qtbot, bar, "Open model…")
    assert asked == ["open"]
    assert combo(bar).currentText() == "PyTorch example", "nothing is open yet"
    bar.show_model("/models/mine.safetensors", "mine")
    assert titles(bar) == ["2-D explorer", "PyTorch example", "mine", "Open model…"]
    assert combo(bar).currentText() == "mine"
    bar.show_model("/models/mine.safetensors", "mine")
    assert titles(bar).count("mine") == 1
    bar.show_model("/other/mine.safetensors", "mine")
    assert titles(bar).count("mine") == 2, "two files may have one name"
    choose(qtbot, bar, "2-D explorer")
    choose(qtbot, bar, "Open model…")
    assert asked == ["open", ("model", "explorer-2d"), "open"]


def test_the_run_stands_on_top(bar, qtbot, asked):
    bar.show_model("explorer-2d", "2-D explorer")
    bar.set_run("2-D explorer · training")
    assert titles(bar)[0] == "2-D explorer · training"
    assert combo(bar).currentText() == "2-D explorer", "what is on view stays on view"
    bar.show_model(RunBar.RUN, "")
    assert combo(bar).currentText() == "2-D explorer · training"
    bar.set_run("2-D explorer, trained")
    assert titles(bar) == ["2-D explorer, trained", "2-D explorer", "PyTorch example", "Open model…"]
    assert combo(bar).currentText() == "2-D explorer, trained"
    choose(qtbot, bar, "PyTorch example")
    bar.show_model("pytorch-example", "PyTorch example")
    choose(qtbot, bar, "2-D explorer, trained")
    assert asked == [("model", "pytorch-example"), ("model", RunBar.RUN)]


def test_with_no_shipped_model(qtbot):
    bar = shown_bar(qtbot, [])
    asked = Asked(bar)
    assert titles(bar) == ["Open model…"]
    choose(qtbot, bar, "Open model…")
    bar.show_model("/models/mine.safetensors", "mine")
    assert titles(bar) == ["mine", "Open model…"]
    assert combo(bar).currentText() == "mine"
    assert asked == ["open"]


def test_tooltips_name_the_shortcuts_that_there_are(bar):
    holder = QObject()
    actions = Actions(holder)
    for name, action in (
        ("train_button", actions.train),
        ("pause_button", actions.pause),
        ("stop_button", actions.stop),
        ("step_button", actions.step),
        ("export_button", actions.export),
        ("undo_button", actions.undo),
        ("redo_button", actions.redo),
        ("explore_tab", actions.explore),
        ("reconstruct_tab", actions.reconstruct),
        ("evaluate_tab", actions.evaluate),
        ("sample_tab", actions.sample),
    ):
        (named,) = re.findall(r"\((.+)\)$", tip(button(bar, name)))
        assert QKeySequence(named) == action.shortcut(), name


@pytest.mark.parametrize("width", [1424, 1084, 944])  # of windows that are 1440, 1100 and, the least, 960 wide
def test_everything_fits_in_every_state(bar, qtbot, width):
    bar.set_run("2-D explorer · training")
    bar.show_model(RunBar.RUN, "")
    for state in ("idle", "running", "paused", "ending"):
        bar.set_state(state)
        for pace in (Qt.Key.Key_Home, Qt.Key.Key_End):
            qtbot.keyClick(bar.findChild(QSlider, "pace_slider"), pace)
            assert bar.minimumSizeHint().width() <= width
            bar.resize(width, bar.height())
            qtbot.wait(1)
            shown = [*bar.findChildren(QPushButton), *bar.findChildren(QSlider), combo(bar), *labels(bar)]
            shown = sorted((w for w in shown if w.isVisible()), key=lambda w: left(bar, w))
            for before, after in itertools.pairwise(shown):
                assert left(bar, before) + before.width() <= left(bar, after), (before, after)
            assert left(bar, shown[-1]) + shown[-1].width() <= width
            for widget in shown:
                if not isinstance(widget, (QSlider, QComboBox)) and widget.text():  # else it is an icon, that fits
                    assert widget.width() >= widget.sizeHint().width(), widget.text()


def labels(bar):
    return bar.pace.findChildren(QLabel)


def left(bar: QWidget, widget: QWidget) -> int:
    return widget.mapTo(bar, QPoint(0, 0)).x()


def test_everything_has_a_name_and_a_tooltip(bar):
    for widget in (combo(bar), *bar.findChildren(QPushButton)):
        assert widget.objectName()
        assert widget.toolTip()
        assert re.search(r"\w", widget.accessibleName())
