"""Colours and shapes of the window, dark and light: one QPalette, one stylesheet, tokens for what is painted.

`QStyleHints.setColorScheme` does nothing on several platforms, so the palette is our own on top of Fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPalette
from PySide6.QtWidgets import QApplication

from vae_studio import paths

ThemeName = Literal["dark", "light"]
ThemeChoice = Literal["system", "dark", "light"]


@dataclass(frozen=True, slots=True)
class Theme:
    """One set of colours (`#rrggbb`). `paper` and `ink` are what pixel values 0 and 1 are painted in; `accent` is for
    what is active on a panel, `fill` for areas under `on_accent` text."""

    name: ThemeName
    window: str
    panel: str
    field: str
    hover: str
    border: str
    text: str
    muted: str
    faint: str
    accent: str
    fill: str
    on_accent: str
    danger: str
    paper: str
    ink: str
    ring: str
    halo: str
    train: str
    test: str
    reconstruction: str
    kl: str
    path: str
    on_path: str
    classes: tuple[str, ...]


# Class colours after Paul Tol's "muted" scheme (personal.sron.nl/~pault): lightened where dark paper needs it.
DARK = Theme(
    name="dark",
    window="#14161b",
    panel="#1b1e25",
    field="#242831",
    hover="#2d323d",
    border="#2c313b",
    text="#e8eaee",
    muted="#a2a9b5",
    faint="#7f8896",
    accent="#4c8dff",
    fill="#2f6fe4",
    on_accent="#ffffff",
    danger="#ff6b6b",
    paper="#0f1114",
    ink="#ffffff",
    ring="#ffffff",
    halo="#0f1114",
    train="#4c8dff",
    test="#ffb454",
    reconstruction="#3fb59f",
    kl="#d0667a",
    path="#ffb454",
    on_path="#14161b",
    classes=(
        "#8f86f0",
        "#88ccee",
        "#449299",
        "#5cc27d",
        "#b5b54a",
        "#e8d98a",
        "#e08590",
        "#c4517f",
        "#d27bd2",
        "#b4b4b4",
    ),
)
LIGHT = Theme(
    name="light",
    window="#f1f3f6",
    panel="#ffffff",
    field="#f3f4f7",
    hover="#e6e9ef",
    border="#d9dde4",
    text="#14181f",
    muted="#5a6372",
    faint="#6b7484",
    accent="#2563eb",
    fill="#2563eb",
    on_accent="#ffffff",
    danger="#c62828",
    paper="#ffffff",
    ink="#14161b",
    ring="#ffffff",
    halo="#14161b",
    train="#2563eb",
    test="#b45309",
    reconstruction="#2f9e8a",
    kl="#cc5f72",
    path="#b45309",
    on_path="#ffffff",
    classes=(
        "#332288",
        "#56b4e0",
        "#44aa99",
        "#117733",
        "#8a8a2b",
        "#d0b84c",
        "#cc6677",
        "#882255",
        "#aa4499",
        "#7f7787",
    ),
)
THEMES: dict[ThemeName, Theme] = {"dark": DARK, "light": LIGHT}


def resolve(choice: ThemeChoice) -> Theme:
    """The theme for a choice; *system* asks the desktop, and is dark where the desktop does not say."""
    if choice != "system":
        return THEMES[choice]
    return LIGHT if QApplication.styleHints().colorScheme() == Qt.ColorScheme.Light else DARK


def apply(app: QApplication, theme: Theme) -> None:
    """Give the whole program this theme's palette and stylesheet; painted widgets have a `set_theme` of their own."""
    app.setStyle("Fusion")
    app.setPalette(palette(theme))
    icons = (paths.resources() / "icons").as_posix()
    colours = {name: getattr(theme, name) for name in Theme.__slots__ if name != "classes"}
    app.setStyleSheet(_STYLE.substitute(colours, icons=icons))


def icon_named(name: str) -> QIcon:
    """One of our own icons, `resources/icons/NAME.svg`."""
    return QIcon(str(paths.resources() / "icons" / f"{name}.svg"))


def palette(theme: Theme) -> QPalette:
    role = QPalette.ColorRole
    result = QPalette()
    for which, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.field),
        (role.AlternateBase, theme.panel),
        (role.Text, theme.text),
        (role.Button, theme.field),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.danger),
        (role.PlaceholderText, theme.faint),
        (role.ToolTipBase, theme.field),
        (role.ToolTipText, theme.text),
        (role.Highlight, theme.fill),
        (role.HighlightedText, theme.on_accent),
        (role.Link, theme.accent),
        (role.Mid, theme.border),
        (role.Dark, theme.border),
        (role.Shadow, theme.window),
    ):
        result.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, which, QColor(theme.faint))
    return result


# Everything sits on a 4 px grid. Looks are chosen by dynamic property, never by subclass:
#   panel=true   a rounded card          role=title|muted|faint|number|error|warning   kinds of label
#   kind=primary|chip|ghost              kinds of button (a chip is checkable: blue when on)
#   form=true    a combo box in a form, whose arrow takes no room from its text
_STYLE = Template("""
QWidget { color: $text; font-size: 12px; }
QMainWindow, QDialog { background: $window; }
QFrame[panel="true"] { background: $panel; border: 1px solid $border; border-radius: 8px; }
QLabel { background: transparent; }
QLabel[role="title"] { font-size: 13px; font-weight: 600; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="faint"] { color: $faint; font-size: 11px; }
QLabel[role="number"] { font-size: 18px; font-weight: 600; }
QLabel[role="error"] { color: $danger; }
QLabel[role="warning"] { color: $test; }

QPushButton, QToolButton {
    background: $field; border: 1px solid $border; border-radius: 6px; padding: 4px 10px; min-height: 18px;
}
QPushButton:hover, QToolButton:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $border; }
QPushButton:disabled, QToolButton:disabled { color: $faint; background: $panel; }
QPushButton:focus, QToolButton:focus { border-color: $accent; }
QPushButton[kind="primary"] { background: $fill; color: $on_accent; border-color: $fill; font-weight: 600; }
QPushButton[kind="primary"]:disabled { background: $field; color: $faint; border-color: $border; }
QPushButton::menu-indicator { image: none; width: 0; }
QPushButton[kind="chip"] { padding: 2px 8px; }
QPushButton[kind="chip"]:checked { background: $fill; color: $on_accent; border-color: $fill; }
QPushButton[kind="primary"]:focus, QPushButton[kind="chip"]:checked:focus { border-color: $text; }
QPushButton[kind="chip"]:checked:disabled { background: $hover; color: $faint; border-color: $border; }
QPushButton[kind="ghost"], QToolButton[kind="ghost"] { background: transparent; border-color: transparent; }
QPushButton[kind="ghost"]:hover, QToolButton[kind="ghost"]:hover { background: $hover; }

QComboBox, QSpinBox, QDoubleSpinBox, QLineEdit {
    background: $field; border: 1px solid $border; border-radius: 6px; padding: 3px 8px; min-height: 18px;
    selection-background-color: $fill; selection-color: $on_accent;
}
QComboBox:hover, QSpinBox:hover, QDoubleSpinBox:hover, QLineEdit:hover { border-color: $faint; }
QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QLineEdit:focus { border-color: $accent; }
QComboBox:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QLineEdit:disabled {
    color: $faint; background: $panel;
}
QDoubleSpinBox[role="faint"] { color: $faint; }
QComboBox { combobox-popup: 0; }
QComboBox[form="true"] { padding-right: 0; }
QComboBox QAbstractItemView::item { padding: 2px 6px; min-height: 20px; }
QComboBox QAbstractItemView::item:disabled { color: $faint; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow { image: url("$icons/chevron-$name.svg"); width: 12px; height: 12px; }
QSpinBox, QDoubleSpinBox { max-height: 18px; }
QAbstractSpinBox QLineEdit { min-height: 0; padding: 0; border: none; background: transparent; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { subcontrol-origin: border; width: 0; border: none; }
QComboBox QAbstractItemView { background: $field; border: 1px solid $border; selection-background-color: $fill; }

QSlider::groove:horizontal { height: 4px; background: $border; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
    background: $ink; border: 1px solid $border; width: 12px; height: 12px; margin: -5px 0; border-radius: 7px;
}
QSlider::handle:horizontal:focus { border: 2px solid $accent; }
QSlider::sub-page:horizontal:disabled { background: $faint; }

QMenuBar { background: $window; }
QMenuBar::item { padding: 4px 10px; background: transparent; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $panel; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 5px 24px; border-radius: 4px; }
QMenu::item:selected { background: $fill; color: $on_accent; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }

QFileDialog QToolButton { padding: 2px; }
QHeaderView::section { background: $panel; color: $muted; border: none; padding: 4px 8px; }

QToolTip { background: $field; color: $text; border: 1px solid $border; padding: 4px; }
QStatusBar { background: $window; border-top: 1px solid $border; }
QStatusBar::item { border: none; }
QProgressBar { background: $border; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $border; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 8px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 8px; margin: 0; }
QScrollBar::handle { background: $border; border-radius: 4px; min-height: 24px; min-width: 24px; }
QScrollBar::handle:hover { background: $faint; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QCheckBox, QRadioButton { background: transparent; spacing: 6px; }
QCheckBox:disabled, QRadioButton:disabled { color: $faint; }
QCheckBox::indicator, QRadioButton::indicator {
    width: 14px; height: 14px; background: $field; border: 1px solid $faint; border-radius: 4px;
}
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/check.svg"); }
QRadioButton::indicator:checked { background: $ink; border: 4px solid $accent; width: 8px; height: 8px; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: $accent; }
QTextBrowser, QPlainTextEdit { background: $field; border: 1px solid $border; border-radius: 6px; }
""")
