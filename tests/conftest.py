"""What holds for every test: no display, and the user's own folders out of reach."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports Qt, pyqtgraph or the program. Tests marked x11 start the program in an environment of its own.
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"

# Before anything imports torch. As many processes as there are cores leave each of them one; OpenMP threads that spin
# on a core of another process's slow both down a hundredfold.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

_HOME = Path(tempfile.mkdtemp(prefix="vae-studio-tests-"))
for _name in ("DATA", "CONFIG", "STATE", "CACHE", "RUNTIME", "PICTURES"):
    _folder = _HOME / _name.lower()
    _folder.mkdir(mode=0o700)
    os.environ[f"XDG_{_name}_DIR" if _name in ("RUNTIME", "PICTURES") else f"XDG_{_name}_HOME"] = str(_folder)
if sys.platform == "darwin":
    os.environ["HOME"] = str(_HOME)

from desktop import desktop  # noqa: E402, F401  (a fixture)
from leftovers import Leftovers, clear_theme  # noqa: E402


def pytest_collection_finish() -> None:
    """What was imported stays: to go through it again and again for garbage would take a tenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # or libraries would complain that something of theirs is left
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of the window ends the threads that it started and closes the windows that it opened, or it fails.

    The theme goes with them: Qt styles a window made under an application's stylesheet three times, for half a second.
    """
    if request.path.parent.name != "ui":
        yield
        return
    with Leftovers() as left:
        yield
        names = left.names()
        left.give_up()
    clear_theme()
    assert not names, f"left behind by {request.node.name}: {', '.join(names)}"
