"""The export dialog: typed, clicked and keyed; what it asks for is compared with requests built here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QWidget,
)

from vae_studio.core.latent import GridRequest, Quantiles, Region
from vae_studio.core.plane import Plane
from vae_studio.ui.export_dialog import ExportDialog

POINT = (0.5, -1.0, 2.0)
REGION = Region(-2.5, 1.0, -0.5, 3.25)


@pytest.fixture
def dialog(qtbot, tmp_path):
    dialog = ExportDialog()
    qtbot.addWidget(dialog)
    dialog.set_folder(tmp_path)
    dialog.set_source("2-D explorer", POINT, Plane.of_axes((0, 2), 3), (28, 28))
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


def enter(qtbot, field, text):
    """Replace what is in a field by pasting and confirming."""
    field.setFocus()
    field.selectAll()
    QApplication.clipboard().setText(text)
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClick(field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def button(dialog, name):
    return dialog.findChild(QPushButton, name)


def click(qtbot, widget):
    # A radio or check button reacts on its indicator and text, not on the empty rest of its row.
    at = QPoint(8, widget.height() // 2) if isinstance(widget, (QRadioButton, QCheckBox)) else widget.rect().center()
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at)


def text_of(dialog, name):
    """What a label says, or nothing while it is not to be seen."""
    found = dialog.findChild(QLabel, name)
    return found.text() if found.isVisible() else ""


def exported(qtbot, dialog, name="export_confirm"):
    """Press a button and take what is then asked for."""
    with qtbot.waitSignal(dialog.export_requested) as asked:
        click(qtbot, button(dialog, name))
    return asked.args


def test_what_is_asked_for_first(dialog, qtbot, tmp_path):
    assert not dialog.isModal()
    assert text_of(dialog, "grid_size") == "20 × 20 tiles · 560 × 560 px"
    request, path = exported(qtbot, dialog)
    assert request == GridRequest(point=POINT, plane=Plane.of_axes((0, 2), 3), span=Quantiles(0.95), rows=20, cols=20)
    assert path == str(tmp_path / "2-d-explorer-grid.png")


def test_every_choice_reaches_the_request(dialog, qtbot):
    for name, text in (("rows", "3"), ("cols", "40"), ("scale", "2"), ("spacing", "5")):
        enter(qtbot, dialog.findChild(QSpinBox, f"grid_{name}"), text)
    click(qtbot, dialog.findChild(QCheckBox, "show_axes"))
    dialog.set_region(REGION)
    click(qtbot, dialog.findChild(QRadioButton, "span_region"))
    # 40 · 28 · 2 + 39 · 5 across, 3 · 28 · 2 + 2 · 5 down; a narrow space between thousands.
    assert text_of(dialog, "grid_size") == "40 × 3 tiles · 2\u202f435 × 178 px, and the axes"
    request, _ = exported(qtbot, dialog)
    assert request == GridRequest(
        POINT, Plane.of_axes((0, 2), 3), REGION, rows=3, cols=40, scale=2, spacing=5, show_axes=True
    )


def test_the_mass_of_the_prior(dialog, qtbot):
    mass = dialog.findChild(QDoubleSpinBox, "prior_mass")
    assert "2014" in mass.toolTip()
    enter(qtbot, mass, "0.999")
    assert exported(qtbot, dialog)[0].span == Quantiles(0.999)


def test_one_span_at_a_time(dialog, qtbot):
    quantiles, region = (dialog.findChild(QRadioButton, f"span_{name}") for name in ("quantiles", "region"))
    mass = dialog.findChild(QDoubleSpinBox, "prior_mass")
    dialog.set_region(REGION)
    click(qtbot, region)
    assert (quantiles.isChecked(), region.isChecked(), mass.isEnabled()) == (False, True, False)
    click(qtbot, quantiles)
    assert (quantiles.isChecked(), region.isChecked(), mass.isEnabled()) == (True, False, True)


def test_the_region_in_numbers(dialog):
    assert text_of(dialog, "region_label") == "not known yet"
    dialog.set_region(REGION)
    assert text_of(dialog, "region_label") == "z₁ −2.50 … 1.00, z₃ −0.50 … 3.25"


def test_the_visible_region_follows_the_map(dialog, qtbot):
    dialog.set_region(REGION)
    click(qtbot, dialog.findChild(QRadioButton, "span_region"))
    dialog.set_region(Region(0.0, 1.0, 0.0, 1.0))
    assert exported(qtbot, dialog)[0].span == Region(0.0, 1.0, 0.0, 1.0)


def test_a_preview_is_asked_for_once_when_the_typing_rests(dialog, qtbot):
    with qtbot.waitSignal(dialog.preview_requested) as shown:
        pass
    assert shown.args == [GridRequest(point=POINT, plane=Plane.of_axes((0, 2), 3))]
    got = []
    dialog.preview_requested.connect(got.append)
    for rows in ("3", "4", "5"):
        enter(qtbot, dialog.findChild(QSpinBox, "grid_rows"), rows)
    qtbot.waitUntil(lambda: len(got) > 0)
    qtbot.wait(250)
    assert [request.rows for request in got] == [5]


def test_no_preview_while_hidden_or_impossible(dialog, qtbot):
    with qtbot.waitSignal(dialog.preview_requested):
        pass
    with qtbot.assertNotEmitted(dialog.preview_requested, wait=250):
        enter(qtbot, dialog.findChild(QDoubleSpinBox, "prior_mass"), "1")
    with qtbot.waitSignal(dialog.preview_requested):
        enter(qtbot, dialog.findChild(QDoubleSpinBox, "prior_mass"), "0.5")
    dialog.hide()
    with qtbot.assertNotEmitted(dialog.preview_requested, wait=250):
        dialog.set_source("2-D explorer", (9.0, 9.0), Plane.of_axes((0, 1), 2), (28, 28))


@pytest.mark.parametrize("colour", [False, True])
def test_the_preview_shows_the_array_scaled_to_fit(dialog, qtbot, colour):
    array = np.zeros((30, 50), np.uint8)  # 50 is no multiple of 4: rows must not shear
    array[:, 25:] = 255
    if colour:
        array = np.stack([array, 255 - array, np.zeros_like(array)], axis=2)
    dialog.set_preview(array)
    view = dialog.findChild(QWidget, "grid_preview")
    picture = view.grab().toImage()
    scale = min(view.width() / 50, view.height() / 30)
    middle = view.rect().center()
    for fraction, bright in ((-0.4, False), (-0.1, False), (0.1, True), (0.4, True)):
        for down in (-0.4, 0.4):
            at = middle + QPoint(round(fraction * 50 * scale), round(down * 30 * scale))
            pixel = picture.pixelColor(at).getRgb()[:3]
            expected = ((255, 0, 0) if bright else (0, 255, 0)) if colour else (255,) * 3 if bright else (0,) * 3
            assert pixel == expected


@pytest.mark.parametrize("mass", ["0", "1"])
def test_an_impossible_mass_is_a_sentence(dialog, qtbot, mass):
    enter(qtbot, dialog.findChild(QDoubleSpinBox, "prior_mass"), mass)
    assert text_of(dialog, "export_problem") == f"The prior mass must lie between 0 and 1 (it was {mass})."
    assert not button(dialog, "export_confirm").isEnabled()
    enter(qtbot, dialog.findChild(QDoubleSpinBox, "prior_mass"), "0.5")
    assert text_of(dialog, "export_problem") == ""
    assert button(dialog, "export_confirm").isEnabled()


@pytest.mark.parametrize(
    "region, words",
    [
        (None, "no region yet"),
        (Region(1.0, 1.0, 0.0, 1.0), "region is empty"),
        (Region(math.nan, 1.0, 0.0, 1.0), "finite"),
    ],
)
def test_an_impossible_region_is_a_sentence(dialog, qtbot, region, words):
    if region:
        dialog.set_region(region)
    click(qtbot, dialog.findChild(QRadioButton, "span_region"))
    assert words in text_of(dialog, "export_problem")
    assert not button(dialog, "export_confirm").isEnabled()


def test_impossible_points_and_no_model_are_sentences(dialog, qtbot):
    dialog.set_source("m", (math.inf, 0.0), Plane.of_axes((0, 1), 2), (28, 28))
    assert "finite" in text_of(dialog, "export_problem")
    dialog.set_source("m", (0.0,), Plane.of_axes((0, 1), 2), (28, 28))
    assert "The plane lies in 2 latent dimensions, the point in 1." in text_of(dialog, "export_problem")
    empty = ExportDialog()
    qtbot.addWidget(empty)
    empty.show()
    assert "no model" in text_of(empty, "export_problem")
    assert not button(empty, "export_confirm").isEnabled()


@pytest.mark.parametrize(
    "name, words",
    [
        ("", "whole path"),
        ("grid.png", "whole path"),
        (".", "whole path"),
        ("{folder}/missing/grid.png", "missing does not exist"),
        ("{folder}/missing/", "is a folder"),
        ("{folder}", "is a folder"),
        ("{folder}/.", "is a folder"),
        ("/", "is a folder"),
        ("{folder}/taken", "taken.png is a folder"),
        ("~nobody-of-this-name/grid.png", "cannot be used"),
    ],
)
def test_impossible_files_are_sentences(dialog, qtbot, tmp_path, name, words):
    (tmp_path / "taken.png").mkdir()
    enter(qtbot, dialog.findChild(QLineEdit, "export_file"), name.format(folder=tmp_path))
    assert words in text_of(dialog, "export_problem")
    assert not button(dialog, "export_confirm").isEnabled()


def test_a_name_too_long_does_no_harm(dialog, qtbot, tmp_path):
    enter(qtbot, dialog.findChild(QLineEdit, "export_file"), str(tmp_path / ("x" * 300 + ".png")))
    # Newer Pythons leave it to whoever writes the file to find out.
    assert button(dialog, "export_confirm").isEnabled() != ("cannot be used" in text_of(dialog, "export_problem"))


@pytest.mark.parametrize(
    "typed, written", [("a", "a.png"), ("v1.2", "v1.2.png"), ("b.PNG", "b.PNG"), ("c.png", "c.png")]
)
def test_a_name_without_png_gets_it(dialog, qtbot, tmp_path, typed, written):
    enter(qtbot, dialog.findChild(QLineEdit, "export_file"), str(tmp_path / typed))
    assert exported(qtbot, dialog)[1] == str(tmp_path / written)


def test_a_folder_that_goes_is_noticed(dialog, qtbot, tmp_path):
    folder = tmp_path / "soon"
    folder.mkdir()
    dialog.set_folder(folder)
    folder.rmdir()
    with qtbot.assertNotEmitted(dialog.export_requested):
        click(qtbot, button(dialog, "export_confirm"))
    assert "soon does not exist" in text_of(dialog, "export_problem")


def test_nothing_is_overwritten_unasked(dialog, qtbot, tmp_path):
    (tmp_path / "2-d-explorer-grid.png").touch()
    with qtbot.assertNotEmitted(dialog.export_requested):
        click(qtbot, button(dialog, "export_confirm"))
    assert text_of(dialog, "overwrite_question") == "2-d-explorer-grid.png exists. Replace it?"
    assert exported(qtbot, dialog, "replace_button")[1] == str(tmp_path / "2-d-explorer-grid.png")
    assert text_of(dialog, "overwrite_question") == ""


def test_keep_both_takes_the_next_free_number(dialog, qtbot, tmp_path):
    for name in ("2-d-explorer-grid.png", "2-d-explorer-grid-2.png"):
        (tmp_path / name).touch()
    click(qtbot, button(dialog, "export_confirm"))
    path = exported(qtbot, dialog, "keep_both_button")[1]
    assert path == dialog.findChild(QLineEdit, "export_file").text() == str(tmp_path / "2-d-explorer-grid-3.png")


def test_the_question_goes_when_the_answer_would_change(dialog, qtbot, tmp_path):
    (tmp_path / "2-d-explorer-grid.png").touch()
    click(qtbot, button(dialog, "export_confirm"))
    enter(qtbot, dialog.findChild(QLineEdit, "export_file"), str(tmp_path / "other.png"))
    assert text_of(dialog, "overwrite_question") == ""
    dialog.set_folder(tmp_path)
    enter(qtbot, dialog.findChild(QLineEdit, "export_file"), str(tmp_path / "2-d-explorer-grid.png"))
    click(qtbot, button(dialog, "export_confirm"))
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert text_of(dialog, "overwrite_question") == ""
    assert dialog.isVisible()


def test_enter_in_a_field_presses_no_button(dialog, qtbot):
    with qtbot.assertNotEmitted(dialog.export_requested):
        enter(qtbot, dialog.findChild(QSpinBox, "grid_rows"), "7")
        qtbot.keyClick(dialog.findChild(QLineEdit, "export_file"), Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert dialog.findChild(QFileDialog) is None


def test_an_export_from_start_to_end(dialog, qtbot, tmp_path):
    bar = dialog.findChild(QProgressBar)
    dialog.show_progress(0.9)
    assert not bar.isVisible()
    _, path = exported(qtbot, dialog)
    assert bar.isVisible() and bar.value() == 0
    assert not button(dialog, "export_confirm").isEnabled()
    dialog.show_progress(0.25)
    assert bar.value() == bar.maximum() / 4
    dialog.show_done(path)
    assert not bar.isVisible()
    assert text_of(dialog, "export_result") == f"Saved {path}"
    assert button(dialog, "export_confirm").isEnabled()
    with qtbot.waitSignal(dialog.show_file_requested) as show:
        click(qtbot, button(dialog, "show_file_button"))
    assert show.args == [path]
    click(qtbot, button(dialog, "copy_path_button"))
    assert QApplication.clipboard().text() == path


def test_a_failure_is_said_and_does_not_last(dialog, qtbot):
    exported(qtbot, dialog)
    dialog.show_failed("The disk is full.")
    assert text_of(dialog, "export_failure") == "The disk is full."
    assert not button(dialog, "show_file_button").isVisible()
    exported(qtbot, dialog)
    assert text_of(dialog, "export_failure") == ""


@pytest.mark.parametrize("by_key", [False, True])
def test_cancel_ends_the_export_and_then_closes(dialog, qtbot, by_key):
    def leave():
        if by_key:
            qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        else:
            click(qtbot, button(dialog, "export_cancel"))

    exported(qtbot, dialog)
    assert button(dialog, "export_cancel").text() == "Cancel"
    with qtbot.waitSignal(dialog.cancel_requested):
        leave()
    assert dialog.isVisible()
    assert text_of(dialog, "export_result") == "Cancelled."
    assert not button(dialog, "show_file_button").isVisible()
    assert button(dialog, "export_confirm").isEnabled()
    with qtbot.assertNotEmitted(dialog.cancel_requested):
        leave()
    assert not dialog.isVisible()


def test_browse_fills_in_the_file(dialog, qtbot, tmp_path):
    click(qtbot, button(dialog, "browse_button"))
    chooser = dialog.findChild(QFileDialog)
    assert chooser.directory().path() == str(tmp_path)
    assert chooser.selectedFiles() == [str(tmp_path / "2-d-explorer-grid.png")]
    name = chooser.findChild(QLineEdit, "fileNameEdit")
    name.selectAll()
    qtbot.keyClicks(name, "mine")
    click(qtbot, chooser.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save))
    file = dialog.findChild(QLineEdit, "export_file")
    qtbot.waitUntil(lambda: file.text() == str(tmp_path / "mine"))
    assert exported(qtbot, dialog)[1] == str(tmp_path / "mine.png")


def test_the_suggested_name_follows_the_model_until_the_user_names_it(dialog, qtbot, tmp_path):
    file = dialog.findChild(QLineEdit, "export_file")
    dialog.set_source("Convolutional 64 · training", POINT, Plane.of_axes((0, 1), 3), (28, 28))
    assert file.text() == str(tmp_path / "convolutional-64-training-grid.png")
    dialog.set_source("../../etc/passwd", POINT, Plane.of_axes((0, 1), 3), (28, 28))
    assert Path(file.text()) == tmp_path / "etc-passwd-grid.png"
    enter(qtbot, file, str(tmp_path / "mine.png"))
    dialog.set_source("2-D explorer", POINT, Plane.of_axes((0, 1), 3), (28, 28))
    assert file.text() == str(tmp_path / "mine.png")
    dialog.set_folder("/")
    assert file.text() == "/mine.png"


def test_options_come_back_through_json(dialog, qtbot):
    chosen = {"rows": 3, "cols": 30, "mass": 0.5, "span": "region", "scale": 16, "spacing": 64, "show_axes": True}
    dialog.set_options(json.loads(json.dumps(chosen)))
    assert dialog.options() == chosen
    dialog.set_region(REGION)
    request, _ = exported(qtbot, dialog)
    assert (request.rows, request.cols, request.span, request.show_axes) == (3, 30, REGION, True)


def test_a_picture_that_would_be_too_large_is_refused_at_once(dialog, qtbot):
    dialog.set_options({"cols": 400, "scale": 16})
    assert not dialog.findChild(QPushButton, "export_confirm").isEnabled()
    assert any("at most 16,384 a side" in shown.text() for shown in dialog.findChildren(QLabel) if shown.isVisible())
    dialog.set_options({"scale": 1})
    assert dialog.findChild(QPushButton, "export_confirm").isEnabled()


def test_nonsense_among_the_options_is_ignored(dialog):
    before = dialog.options()
    dialog.set_options({"rows": "9", "cols": None, "mass": "x", "span": [], "scale": 1.5, "show_axes": 1, "more": 2})
    assert dialog.options() == before
    dialog.set_options({"rows": 10**30, "spacing": -4, "scale": True})
    assert dialog.options() == {**before, "rows": 400, "spacing": 0}


def test_everything_says_what_it_is(dialog):
    for kind in (QSpinBox, QDoubleSpinBox, QLineEdit, QPushButton, QRadioButton, QCheckBox):
        for control in dialog.findChildren(kind):
            if control.objectName() != "qt_spinbox_lineedit":
                assert control.toolTip() and control.objectName(), control
                assert control.accessibleName() or control.text(), control.objectName()
