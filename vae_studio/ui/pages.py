"""What stands in the middle of the window: one page at a time."""

from __future__ import annotations

from typing import get_args

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from vae_studio.core.session_file import Page

EXPLORE, RECONSTRUCT, EVALUATE, SAMPLE = range(4)
_NAMES = get_args(Page)  # in that order


class Pages(QStackedWidget):
    """Signal: `chosen(int)`, which page is to be seen, be it the same as before."""

    chosen = Signal(int)

    def __init__(self, pages: tuple[QWidget, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for page in pages:
            self.addWidget(page)

    @property
    def page(self) -> Page:
        """The one that is seen, as session files name it."""
        return _NAMES[self.currentIndex()]

    def choose(self, index: int) -> None:
        self.setCurrentIndex(index)
        self.chosen.emit(index)

    def choose_page(self, page: Page) -> None:
        self.choose(_NAMES.index(page))
