"""The parts of the form by themselves: choices with items that cannot be chosen, numbers that keep their value."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QToolTip, QWidget
from tips import tip

from vae_studio.ui import theme
from vae_studio.ui.fields import Choice, Number, form, set_reason, set_tip

ITEMS = (("a", "Apple", "Grows on trees."), ("b", "Bean", "Grows on poles."), ("c", "Carrot", "Grows in the ground."))


@pytest.fixture
def choice(qtbot) -> Choice:
    result = Choice("fruit_combo", "Fruit", "What to eat.", ITEMS)
    qtbot.addWidget(result)
    with qtbot.waitExposed(result):
        result.show()
    return result


@pytest.fixture
def number(qtbot) -> Number:
    result = Number("share", "Share", "Of the cake.", 0.0, 10.0, 0.5)
    qtbot.addWidget(result)
    with qtbot.waitExposed(result):
        result.show()
    return result


def item_tip(choice: Choice, index: int) -> str:
    return choice.itemData(index, Qt.ItemDataRole.ToolTipRole)


def type_into(qtbot, field: Number, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def test_a_choice_explains_each_item_and_the_one_that_is_chosen(choice, qtbot):
    assert [item_tip(choice, index) for index in range(3)] == [explanation for _, _, explanation in ITEMS]
    assert choice.toolTip() == "What to eat.\nGrows on trees."
    qtbot.keyClick(choice, Qt.Key.Key_Down)
    assert choice.value() == "b"
    assert choice.toolTip() == "What to eat.\nGrows on poles."


def test_an_item_that_is_refused_cannot_be_reached_and_says_why(choice, qtbot):
    choice.set_refusals(["", "Beans are out.", ""])
    assert item_tip(choice, 1) == "Beans are out."
    qtbot.keyClick(choice, Qt.Key.Key_Down)
    assert choice.value() == "c", "the refused item is skipped"
    qtbot.keyClicks(choice, "B")
    assert choice.value() != "b"
    choice.set_refusals(["", "", ""])
    assert item_tip(choice, 1) == "Grows on poles."
    qtbot.keyClick(choice, Qt.Key.Key_Up)
    assert choice.value() == "b"


def test_a_refused_item_cannot_be_pressed_in_the_list(choice, qtbot):
    choice.set_refusals(["", "Beans are out.", ""])
    view = choice.view()
    for row, chosen in ((1, "a"), (2, "c")):
        choice.showPopup()
        spot = view.visualRect(choice.model().index(row, 0)).center()
        qtbot.mouseMove(view.viewport(), spot)
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=spot)
        choice.hidePopup()
        assert choice.value() == chosen


def test_values_are_shown_without_being_announced(choice, qtbot):
    with qtbot.assertNotEmitted(choice.currentIndexChanged):
        choice.show_value("c")
        choice.show_value("zucchini")
    assert choice.value() == "a", "the first for want of it"
    assert choice.toolTip().endswith("Grows on trees.")


def test_a_field_that_has_no_meaning_says_why_instead_of_what_it_is(choice, number):
    for field, usual in ((choice, choice.toolTip()), (number, "Of the cake.")):
        set_reason(field, "There is no cake.")
        assert field.toolTip() == "There is no cake."
        set_reason(field, "")
        assert field.toolTip() == usual


def test_items_can_be_renamed_and_cleared(choice):
    choice.replace(1, "Broad bean", "Grows upright.")
    assert (choice.itemText(1), item_tip(choice, 1)) == ("Broad bean", "Grows upright.")
    choice.clear()
    choice.add("x", "Xigua", "A melon.")
    assert choice.values() == ["x"]
    assert choice.toolTip() == "What to eat.\nA melon."


def test_the_list_is_wide_enough_for_its_titles_and_the_field_cuts_them(qapp, choice, qtbot):
    theme.apply(qapp, theme.DARK)
    try:
        choice.add("long", "A title that has no room in a narrow field, number 7", "Long.")
        choice.show_value("long")
        choice.resize(120, choice.height())
        choice.showPopup()
        assert choice.view().width() >= choice.fontMetrics().horizontalAdvance(choice.itemText(3))
        choice.hidePopup()
        long = choice.grab().toImage()
        choice.setItemText(3, "A title that is cut in the middle differs, number 7")
        other = choice.grab().toImage()
        # Both begin and end alike, so that what is seen is the same: the middle has been left out.
        assert long == other
        choice.setItemText(3, "A title that has no room in a narrow field, number 8")
        assert choice.grab().toImage() != other, "its end is seen"
    finally:
        qapp.setStyleSheet("")


@pytest.mark.parametrize(
    "value, text", [(0.1, "0.1"), (1e-5, "1e-5"), (0.0, "0"), (2.0, "2"), (0.3333333333, "0.333333")]
)
def test_a_number_is_written_short_and_kept_whole(number, qtbot, value, text):
    number.show_value(value)
    assert number.text() == text
    assert number.exact() == value
    with qtbot.assertNotEmitted(number.valueChanged):
        number.interpretText()
    number.setFocus()
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert number.exact() == value, "nothing was edited"


@pytest.mark.parametrize(
    "typed, value", [("1e-4", 1e-4), ("0.25", 0.25), ("0,5", 0.5), ("7", 7.0), ("99", 10.0), ("-3", 0.0)]
)
def test_a_number_can_be_typed_as_people_write_it(number, qtbot, typed, value):
    number.show_value(0.1234567890123)
    type_into(qtbot, number, typed)
    assert number.exact() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("typed", ["x", "nan", "", "e"])
def test_what_is_no_number_leaves_the_last(number, qtbot, typed):
    number.show_value(0.25)
    type_into(qtbot, number, typed)
    assert number.exact() == 0.25


def test_a_form_puts_titles_beside_fields_and_wide_fields_below(qtbot):
    page, one, wide = QWidget(), QLineEdit(), QLineEdit()
    qtbot.addWidget(page)
    page.setLayout(form(("One", one), ("", wide)))
    page.resize(300, 100)
    with qtbot.waitExposed(page):
        page.show()
    assert one.x() > 60
    assert wide.x() == 0
    assert wide.width() == page.width()
    assert wide.y() >= one.y() + one.height()


def test_long_tips_are_broken_into_lines(qtbot):
    field = QLineEdit()
    qtbot.addWidget(field)
    sentence = "A sentence that goes on and on, " * 8
    set_tip(field, sentence)
    QToolTip.showText(QPoint(10, 10), field.toolTip(), field)
    (shown,) = (widget for widget in QApplication.topLevelWidgets() if widget.inherits("QTipLabel"))
    assert shown.width() <= 420
    assert shown.height() >= 4 * shown.fontMetrics().height()
    QToolTip.hideText()
    assert tip(field).split() == sentence.split()
    set_tip(field, "short")
    assert field.toolTip() == "short"
