"""What runs in the process of a start: it starts the program as its command does, and says when what came.

`python -m vae_studio.bench.starting REQUEST`, JSON in and out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_studio import cli

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vae_studio.ui.main_window import MainWindow


def start_up(began: float) -> dict[str, float]:
    """Seconds from `began`, by the monotonic clock, to the first paint and the first map, and MiB of memory then."""
    app, found = cli.import_app(), {}
    opened = app.MainWindow

    def open_watched(*arguments: Any) -> MainWindow:
        window = opened(*arguments)
        _watch(window, began, found)
        return window

    app.MainWindow = open_watched
    sys.argv = ["vae-studio"]
    try:
        cli.main()
    except SystemExit as ending:
        if ending.code:
            raise
    return found


def _watch(window: MainWindow, began: float, found: dict[str, float]) -> None:
    """Note when every part of the window has been painted, and when its first map has, and close it then."""
    from PySide6.QtCore import QTimer

    from vae_studio.bench.painted import Painted
    from vae_studio.core.scene import MapFrame

    latent_map = window.map_panel.map
    awaited = {window.bar, window.setup, latent_map, window.decoder.view, window.training_panel, window.status}
    frames: list[MapFrame] = []

    def painted(widget: QWidget) -> None:
        now = time.monotonic() - began
        awaited.discard(widget)
        if not awaited and "paint" not in found:
            found["paint"] = now
        if frames and widget is latent_map and "map" not in found:
            found.update(map=now, memory=_resident())
            QTimer.singleShot(0, window.close)

    for widget in tuple(awaited):
        Painted(widget, lambda widget=widget: painted(widget))
    window.renderer.frame.connect(
        lambda frame: frames.append(frame) if isinstance(frame, MapFrame) and frame.complete else None
    )


def _resident() -> float:
    """Resident memory in MiB; where the system does not say what it is now, the most that it was."""
    status = Path("/proc/self/status")
    if status.exists():
        rows = dict(row.split(":", 1) for row in status.read_text().splitlines() if ":" in row)
        return int(rows["VmRSS"].split()[0]) / 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def main() -> None:
    sys.stdout.write(json.dumps(start_up(json.loads(sys.argv[1])["began"])) + "\n")


if __name__ == "__main__":
    main()
