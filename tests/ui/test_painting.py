"""What an exception does while something is painted: it is reported, and the window lives on."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

import vae_studio.ui
from vae_studio.core.exploration import Layers
from vae_studio.ui.density_layer import DensityLayer
from vae_studio.ui.latent_map import LatentMap
from vae_studio.ui.theme import DARK

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Faulty(DensityLayer):
    """A layer whose painter gives up."""

    broken, tries = True, 0

    def paint(self, painter, view):
        if self.broken:
            self.tries += 1
            raise RuntimeError("cannot be painted")
        super().paint(painter, view)


def test_a_layer_that_cannot_be_painted_leaves_the_map_alive(qtbot):
    widget = LatentMap()
    qtbot.addWidget(widget)
    widget.resize(708, 460)
    widget.show()
    qtbot.waitExposed(widget)
    widget.set_layers(Layers(density=True))
    widget.clearFocus()
    sound = widget.grab().toImage()
    widget._density = layer = Faulty(DARK)
    handle, start = widget.windowHandle(), widget.to_pixel((0.0, 0.0)).toPoint()
    with qtbot.captureExceptions() as raised:
        for act in (
            lambda: widget.set_density(None),
            lambda: QTest.mousePress(handle, LEFT, NONE, start),
            lambda: QTest.mouseMove(handle, start + QPoint(50, 30)),
            lambda: QTest.mouseRelease(handle, LEFT, NONE, start + QPoint(50, 30)),
        ):
            tries = layer.tries
            with contextlib.suppress(RuntimeError):  # some calls paint before they return, and pass on what was raised
                act()
            widget.update()
            qtbot.waitUntil(lambda tries=tries: layer.tries > tries)
    assert raised and all("cannot be painted" in str(error) for _, error, _ in raised)
    assert widget.point() == pytest.approx((0.5, -0.3))

    layer.broken = False
    widget.set_point(0.0, 0.0)
    widget.clearFocus()  # which the press gave it, and which is painted
    assert widget.grab().toImage() == sound


def test_every_painter_ends_with_its_block():
    """One that an exception leaves active on its widget takes the process down with it."""
    for path in sorted(Path(vae_studio.ui.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
        held = {id(item.context_expr) for block in blocks for item in block.items}
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in held]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert not names & {"QPainter", "QStylePainter"}, path.name
