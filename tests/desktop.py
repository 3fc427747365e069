"""A desktop of a test's own: an X server in memory, a window manager, a mouse and a keyboard that send real events."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

T = TypeVar("T")
Rect = tuple[int, int, int, int]
"""x, y, width, height in pixels of the screen."""

_TOOLS = ("Xvfb", "openbox", "xdotool")
_DRAG_STEPS = 20
_POLL = 0.03
WAIT = 60.0
"""Seconds that a busy machine is allowed for what takes none."""


class Program:
    """A program under test. Its output is in `output()`; `rect(name)` is where its widget of that objectName lies."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], folder: Path, cwd: Path | None) -> None:
        self.geometry_file = folder / "geometry.json"
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                list(argv),
                env={**env, "VAE_STUDIO_GEOMETRY": str(self.geometry_file)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def rects(self) -> dict[str, Rect]:
        """Rectangles of all named, visible objects; empty until the program has written them."""
        try:
            written = json.loads(self.geometry_file.read_text())
        except (OSError, ValueError):  # not there yet, or half written
            return {}
        return {name: tuple(rect) for name, rect in written.items()}


class Desktop:
    """Starts programs and acts on them as a person would. Ends only the processes that it started."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.folder = folder
        self.width, self.height = width, height
        self.programs: list[Program] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self._frame_file = folder / "Xvfb_screen0"

    def launch(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Program:
        """Start a program on this desktop; `env` adds to the environment."""
        folder = self.folder / f"program-{len(self.programs)}"
        folder.mkdir()
        program = Program(argv, {**self._environment("xcb"), **(env or {})}, folder, cwd)
        self.programs.append(program)
        self._started.append(program.process)
        return program

    def wait_for(self, predicate: Callable[[], T], timeout: float = WAIT, what: str = "the condition") -> T:
        """Poll until `predicate()` is true and return its value; fail the test with the programs' output if not."""
        end = time.monotonic() + timeout
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > end:
                said = "\n".join(f"--- {p.process.args}: {p.process.poll()}\n{p.output()}" for p in self.programs)
                pytest.fail(f"waited {timeout:g} s for {what} in vain\n{said}")
            time.sleep(_POLL)

    def rect(self, name: str, program: Program | None = None, timeout: float = WAIT) -> Rect:
        """Where the object of this name lies, as soon as the program says so and has not moved it for a while."""
        program = program or self.programs[-1]
        before: list[Rect | None] = [None]

        def settled() -> Rect | None:
            rect, before[0] = before[0], program.rects().get(name)
            return before[0] if rect == before[0] else None

        return self.wait_for(settled, timeout, f"a widget named {name!r} (there are {sorted(program.rects())})")

    def settle(self, program: Program | None = None, seconds: float = 0.5) -> None:
        """Wait until no widget has moved for so long: a program says every tenth of a second where they lie."""
        program = program or self.programs[-1]
        before: dict[str, Rect] = {}
        since = time.monotonic()

        def settled() -> bool:
            nonlocal before, since
            rects, now = program.rects(), time.monotonic()
            if rects != before:
                before, since = rects, now
            return bool(rects) and now - since >= seconds

        self.wait_for(settled, what="the widgets to stay where they are")

    def centre(self, name: str, program: Program | None = None) -> tuple[int, int]:
        x, y, width, height = self.rect(name, program)
        return x + width // 2, y + height // 2

    def move(self, x: float, y: float) -> None:
        self.xdotool("mousemove", *_at(x, y))

    def click(self, x: float, y: float, button: int = 1, count: int = 1) -> None:
        self.xdotool("mousemove", *_at(x, y), "click", "--repeat", str(count), "--delay", "40", str(button))

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: int = 1) -> None:
        """Press at `start`, move in small steps, release at `end`."""
        commands = ["mousemove", *_at(*start), "mousedown", str(button)]
        for step in range(1, _DRAG_STEPS + 1):
            at = [a + (b - a) * step / _DRAG_STEPS for a, b in zip(start, end, strict=True)]
            commands += ["mousemove", *_at(*at), "sleep", "0.012"]
        self.xdotool(*commands, "mouseup", str(button))

    def wheel(self, x: float, y: float, notches: int) -> None:
        """Turn the wheel at a place; positive is away from the user."""
        button = "4" if notches > 0 else "5"
        self.xdotool("mousemove", *_at(x, y), "click", "--repeat", str(abs(notches)), "--delay", "20", button)

    def key(self, *names: str) -> None:
        """Press keys by their X names, one after another: `key("ctrl+e", "Escape")`."""
        self.xdotool("key", "--delay", "30", *names)

    def type(self, text: str) -> None:
        self.xdotool("type", "--delay", "20", text)

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments],
            env=self._environment("xcb"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"xdotool {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout

    def screenshot(self, rect: Rect | None = None) -> np.ndarray:
        """The screen, or a part of it, as uint8 (height, width, 3), red green blue. The mouse pointer is not in it."""
        image = read_xwd(self._frame_file.read_bytes())
        if rect is None:
            return image
        x, y, width, height = rect
        return image[y : y + height, x : x + width].copy()

    def still_screenshot(self, rect: Rect | None = None, timeout: float = WAIT) -> np.ndarray:
        """A screenshot once the picture has stopped changing: three in a row, 60 ms apart, agree."""
        shots = [self.screenshot(rect)]

        def still() -> bool:
            time.sleep(0.06)
            shots.append(self.screenshot(rect))
            return len(shots) > 2 and all(np.array_equal(shots[-1], other) for other in shots[-3:-1])

        self.wait_for(still, timeout, "the picture to stand still")
        return shots[-1]

    def close(self) -> None:
        """End the programs, then the window manager, then the server."""
        while self._started:
            process = self._started.pop()
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self) -> None:
        """Start the server, then the window manager, and wait until both are ready."""
        reader, writer = os.pipe()
        log = (self.folder / "server.txt").open("wb")
        with log:
            # The server chooses a free display and writes its number; its screen is a file, an X window dump.
            screen = ["-screen", "0", f"{self.width}x{self.height}x24", "-fbdir", str(self.folder), "-nocursor"]
            server = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writer), *screen, "-nolisten", "tcp", "-noreset"],
                pass_fds=[writer],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        os.close(writer)
        self._started.append(server)
        said = b""
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while not said.endswith(b"\n") and select.select([pipe], [], [], 20)[0] and (more := pipe.read(16)):
                said += more
        if not said.endswith(b"\n"):
            raise RuntimeError("Xvfb did not start: " + (self.folder / "server.txt").read_text(errors="replace"))
        self.display = f":{said.decode().strip()}"
        manager = subprocess.Popen(
            ["openbox", "--sm-disable"],
            env=self._environment("xcb"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(manager)
        self.wait_for(self._is_managed, 10, "the window manager")

    def _is_managed(self) -> bool:
        asked = subprocess.run(
            ["xdotool", "get_num_desktops"], env=self._environment("xcb"), capture_output=True, check=False
        )
        return asked.returncode == 0 and asked.stdout.strip().isdigit()

    def _environment(self, platform: str) -> dict[str, str]:
        # Programs have the threads that they have at their users', also where the tests' processes have one each.
        hidden = ("WAYLAND_DISPLAY", "XAUTHORITY", "OMP_NUM_THREADS")
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        return {**env, "DISPLAY": self.display, "QT_QPA_PLATFORM": platform, "PYTHONUNBUFFERED": "1"}


def read_xwd(dump: bytes) -> np.ndarray:
    """An X window dump of 32-bit pixels as uint8 (height, width, 3): a big-endian header, a colour table, the rows."""
    header = struct.unpack(">25I", dump[:100])
    header_size, width, height, byte_order, bits, stride, colours = (header[i] for i in (0, 4, 5, 7, 11, 12, 19))
    if bits != 32:
        raise ValueError(f"a dump of 32-bit pixels was expected, not {bits}")
    start = header_size + 12 * colours
    rows = np.frombuffer(dump, np.uint8, stride * height, start).reshape(height, stride)[:, : width * 4]
    pixels = rows.reshape(height, width, 4)
    return (pixels[:, :, 2::-1] if byte_order == 0 else pixels[:, :, 1:]).copy()


@contextlib.contextmanager
def open_desktop(width: int = 1600, height: int = 1000) -> Iterator[Desktop]:
    """A desktop for the length of a with block."""
    with tempfile.TemporaryDirectory(prefix="vae-studio-desktop-") as folder:
        opened = Desktop(Path(folder), width, height)
        try:
            opened.start()
            yield opened
        finally:
            opened.close()


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    """A desktop of 1600×1000 pixels; skips where its tools are missing, unless VAE_STUDIO_REQUIRE_X=1 forbids that."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        reason = f"{', '.join(missing)} not installed"
        if os.environ.get("VAE_STUDIO_REQUIRE_X") == "1":
            pytest.fail(f"VAE_STUDIO_REQUIRE_X=1, but {reason}")
        pytest.skip(reason)
    with open_desktop() as opened:
        yield opened


def _at(x: float, y: float) -> tuple[str, str]:
    return str(round(x)), str(round(y))
