"""The colours: valid, used, legible, told apart by people who see fewer of them, and painted."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from vae_studio import paths
from vae_studio.ui import theme as themes
from vae_studio.ui.controls import card, label
from vae_studio.ui.theme import DARK, LIGHT, Theme

TOKENS = [field.name for field in fields(Theme) if field.name not in ("name", "classes")]
BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
UI = Path(themes.__file__).parent


def linear(colour):
    """Linear light, red green blue, of an sRGB colour (IEC 61966-2-1)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """Contrast ratio as WCAG 2.2 defines it."""
    brighter, darker = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def lab(light):
    """CIE L*a*b* (D65) of linear light."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratios = to_xyz @ light / (to_xyz @ np.ones(3))
    f = np.where(ratios > 216 / 24389, np.cbrt(ratios), (24389 / 27 * ratios + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# How light is seen without one kind of cone: Machado, Oliveira & Fernandes 2009, severity 1.
SIGHT = {
    "usual": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# Class colours differ by at least this much (ΔE 1976); about 2.3 is just noticeable side by side.
DISTANCE = {"usual": 20.0, "deuteranopia": 9.0}


@BOTH
def test_every_token_is_a_colour(theme):
    for colour in (*(getattr(theme, token) for token in TOKENS), *theme.classes):
        assert re.fullmatch(r"#[0-9a-f]{6}", colour)
        assert QColor(colour).isValid()
    assert len(theme.classes) == 10


def test_every_token_is_used():
    sources = "".join(path.read_text(encoding="utf-8") for path in UI.glob("*.py"))
    for token in {*TOKENS, "classes"}:
        # In the stylesheet, by a painted widget, or by a curve, which is told the name of its colour.
        assert re.search(rf'\${token}\b|heme\.{token}\b|Curve\([^)]*"{token}"', sources), token


@BOTH
def test_the_stylesheet_is_filled_in_and_its_icons_exist(theme, qapp):
    themes.apply(qapp, theme)
    sheet = qapp.styleSheet()
    qapp.setStyleSheet("")
    assert "$" not in sheet
    icons = re.findall(r'url\("([^"]+)"\)', sheet)
    assert len(icons) >= 2
    assert all(Path(icon).is_file() for icon in icons)


def test_every_icon_can_be_drawn(qapp):
    found = sorted((paths.resources() / "icons").glob("*.svg"))
    assert found
    for path in found:
        image = QIcon(str(path)).pixmap(16, 16).toImage()
        opaque = [image.pixelColor(x, y).alpha() > 128 for x in range(image.width()) for y in range(image.height())]
        assert any(opaque) and not all(opaque), path.name


@BOTH
def test_text_can_be_read(theme):
    for text, grounds in (
        ("text", ("window", "panel", "field", "hover")),
        ("muted", ("window", "panel")),
        ("danger", ("window", "panel")),
        ("accent", ("panel",)),
        ("on_accent", ("fill",)),
        ("faint", ("panel",)),
    ):
        for ground in grounds:
            assert contrast(getattr(theme, text), getattr(theme, ground)) >= 4.5, (text, ground)


@BOTH
def test_what_is_large_or_drawn_can_be_seen(theme):
    pairs = [("ring", "halo"), ("ink", "paper")]
    pairs += [(curve, "panel") for curve in ("train", "test", "reconstruction", "kl")]
    for one, other in pairs:
        assert contrast(getattr(theme, one), getattr(theme, other)) >= 3.0, (one, other)


@BOTH
@pytest.mark.parametrize("sight", SIGHT)
def test_class_colours_can_be_told_apart(theme, sight):
    seen = [lab(np.clip(SIGHT[sight] @ linear(colour), 0.0, 1.0)) for colour in theme.classes]
    for (i, one), (j, other) in itertools.combinations(enumerate(seen), 2):
        assert np.linalg.norm(one - other) > DISTANCE[sight], (i, j)


def test_the_yardsticks_themselves():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert lab(linear("#ffffff")) == pytest.approx([100.0, 0.0, 0.0], abs=0.02)
    # Lindbloom's calculator for sRGB red under D65.
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.1)


def test_a_choice_of_theme():
    assert themes.resolve("dark") is DARK
    assert themes.resolve("light") is LIGHT
    says_light = QApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
    assert themes.resolve("system") is (LIGHT if says_light else DARK)


@BOTH
def test_what_is_painted(theme, qapp, qtbot):
    themes.apply(qapp, theme)
    window = QWidget()
    qtbot.addWidget(window)
    layout = QVBoxLayout(window)
    panel, primary = card(), QPushButton("Train")
    primary.setProperty("kind", "primary")
    text = label("Loss", "error")
    for widget in (panel, primary, text):
        layout.addWidget(widget)
    window.resize(300, 200)
    with qtbot.waitExposed(window):
        window.show()
    picture = window.grab().toImage()
    ratio = picture.devicePixelRatio()

    def colour_at(widget, x, y):
        at = widget.mapTo(window, widget.rect().topLeft()) * ratio
        return picture.pixelColor(round(at.x() + x * ratio), round(at.y() + y * ratio)).name()

    def colours_of(widget):
        return {colour_at(widget, x, y) for x in range(widget.width()) for y in range(widget.height())}

    assert isinstance(panel, QFrame) and isinstance(text, QLabel)
    assert colour_at(panel, panel.width() / 2, panel.height() / 2) == theme.panel
    assert colour_at(primary, 12, primary.height() / 2) == theme.fill
    assert theme.on_accent in colours_of(primary)
    assert theme.danger in colours_of(text)
    qapp.setStyleSheet("")


@BOTH
def test_the_palette_serves_what_no_stylesheet_reaches(theme):
    palette = themes.palette(theme)
    assert palette.window().color().name() == theme.window
    assert palette.text().color().name() == theme.text
    assert palette.base().color().name() == theme.field
    assert palette.highlight().color().name() == theme.fill
    assert palette.highlightedText().color().name() == theme.on_accent
    assert palette.color(palette.ColorGroup.Disabled, palette.ColorRole.Text).name() == theme.faint
