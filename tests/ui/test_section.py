"""Folding sections and the area they stand in, with real presses and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLineEdit

from vae_studio.ui.fields import form
from vae_studio.ui.section import FormArea, Section


@pytest.fixture
def area(qtbot):
    """Two sections of ten fields each below a form of two."""
    sections = [
        Section(name, name.title(), form(*((f"{name} {i}", QLineEdit()) for i in range(10))))
        for name in ("first", "last")
    ]
    result = FormArea(form(("a", QLineEdit()), ("b", QLineEdit())), sections)
    result.sections = sections
    qtbot.addWidget(result)
    result.resize(260, 200)
    with qtbot.waitExposed(result):
        result.show()
    return result


def press(qtbot, section):
    qtbot.mouseClick(section.heading, Qt.MouseButton.LeftButton)


def rows_seen(area, widget):
    """How many pixels of a widget lie within the viewport."""
    top = widget.mapTo(area.viewport(), QPoint(0, 0)).y()
    return max(0, min(top + widget.height(), area.viewport().height()) - max(top, 0))


def test_a_section_is_folded_until_it_is_pressed(area, qtbot):
    first, last = area.sections
    assert not first.body.isVisible()
    press(qtbot, first)
    assert first.body.isVisible()
    assert not last.body.isVisible()
    press(qtbot, first)
    assert not first.body.isVisible()


def test_the_space_bar_unfolds(area, qtbot):
    heading = area.sections[0].heading
    heading.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(heading, Qt.Key.Key_Space)
    assert area.sections[0].body.isVisible()


def test_what_is_unfolded_comes_into_view(area, qtbot):
    last = area.sections[1]
    bar = area.verticalScrollBar()
    bar.setValue(0)
    press(qtbot, last)
    qtbot.waitUntil(lambda: bar.value() > 0)
    assert rows_seen(area, last.heading) == last.heading.height()
    assert rows_seen(area, last.body) > 100


def test_words_stand_in_the_heading_and_are_cut_not_wrapped(area, qtbot):
    heading = area.sections[0].heading
    before, height = heading.grab().toImage(), heading.height()
    area.sections[0].set_words("IWAE, 50 samples")
    assert heading.grab().toImage() != before
    assert heading.accessibleName() == "First: IWAE, 50 samples"
    assert "IWAE, 50 samples" in heading.toolTip()
    area.sections[0].set_words("words " * 100)
    assert heading.height() == height
    assert heading.width() <= area.viewport().width()
    area.sections[0].set_words("")
    assert heading.grab().toImage() == before
    assert heading.accessibleName() == "First"


def test_the_area_wants_no_more_room_than_its_rows(area, qtbot):
    low = area.sizeHint().height()
    assert 0 < low < 200
    press(qtbot, area.sections[0])
    qtbot.waitUntil(lambda: area.sizeHint().height() > low + 200)
    press(qtbot, area.sections[0])
    qtbot.waitUntil(lambda: area.sizeHint().height() == low)


def test_fields_keep_their_width_when_the_bar_appears(area, qtbot):
    field = area.widget().findChildren(QLineEdit)[0]
    bar, width = area.verticalScrollBar(), field.width()
    assert bar.maximum() == 0
    press(qtbot, area.sections[0])
    qtbot.waitUntil(lambda: bar.isVisible() and bar.maximum() > 0)
    # The stylesheet's bar has the 8 pixels that the margin gives up; the platform's own may be another width.
    assert field.width() == width + 8 - bar.width()
