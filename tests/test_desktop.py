"""The bench for tests on a real X server works: what is pressed is seen by a program, what it paints is seen by us."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from desktop import Desktop, read_xwd

pytestmark = pytest.mark.x11

_PROGRAM = """
import json, os, sys
from PySide6.QtCore import QTimer, Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QVBoxLayout, QWidget

app = QApplication(sys.argv)
window, button, edit, canvas = QWidget(), QPushButton("Press"), QLineEdit(), QWidget()
window.setWindowTitle("bench")
layout = QVBoxLayout(window)
for name, widget in (("button", button), ("edit", edit), ("canvas", canvas)):
    widget.setObjectName(name)
    layout.addWidget(widget)
canvas.setMinimumSize(200, 100)
canvas.setStyleSheet("background: #0000ff")
canvas.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

def pressed():
    canvas.setStyleSheet("background: #ff8000")
    print("pressed")

button.clicked.connect(pressed)
edit.textChanged.connect(print)
canvas.mouseMoveEvent = lambda event: print("moved", round(event.position().x()))
canvas.wheelEvent = lambda event: print("wheel", event.angleDelta().y())
window.show()

def write():
    rects = {w.objectName(): [*w.mapToGlobal(w.rect().topLeft()).toTuple(), w.width(), w.height()]
             for w in (button, edit, canvas)}
    with open(os.environ["VAE_STUDIO_GEOMETRY"], "w") as file:
        json.dump(rects, file)

timer = QTimer()
timer.timeout.connect(write)
timer.start(50)
app.exec()
"""


def test_real_events_reach_a_program_and_its_pixels_come_back(desktop: Desktop) -> None:
    program = desktop.launch([sys.executable, "-c", _PROGRAM])
    x, y, width, height = desktop.rect("canvas")
    blue = desktop.still_screenshot((x, y, width, height))
    assert blue.shape == (height, width, 3)
    assert np.all(blue == [0, 0, 255])

    desktop.click(*desktop.centre("button"))
    desktop.wait_for(lambda: "pressed" in program.output(), what="the press")
    assert np.all(desktop.still_screenshot((x, y, width, height)) == [255, 128, 0])

    desktop.click(*desktop.centre("edit"))
    desktop.type("z1 = 0.5")
    desktop.key("Home", "Delete")
    desktop.wait_for(lambda: "\n1 = 0.5\n" in program.output(), what="the typed text")

    desktop.drag((x + 10, y + 50), (x + 150, y + 50))
    desktop.wait_for(lambda: "moved 150" in program.output(), what="the end of the drag")
    assert program.output().count("moved") >= 10

    desktop.wheel(x + 50, y + 50, 2)
    desktop.wheel(x + 50, y + 50, -1)
    desktop.wait_for(lambda: "wheel -120" in program.output(), what="the wheel")
    assert program.output().count("wheel 120") == 2


def test_only_its_own_processes_end_with_a_desktop(desktop: Desktop) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        program = desktop.launch([sys.executable, "-c", "import time; time.sleep(60)"])
        desktop.close()
        assert not program.running
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_condition_that_never_holds_fails_and_shows_what_the_program_said(desktop: Desktop) -> None:
    program = desktop.launch([sys.executable, "-c", "print('my last words')"])
    program.process.wait(10)
    with pytest.raises(pytest.fail.Exception, match="my last words"):
        desktop.wait_for(lambda: False, timeout=0.1)


def test_a_dump_of_other_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="32-bit"):
        read_xwd(bytes(200))
