"""Helpers that run the command line: as a process, and in this one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vae_studio import cli

COMMANDS = (
    "train",
    "grid",
    "path",
    "combine",
    "sample",
    "encode",
    "evaluate",
    "reproduce",
    "bench",
    "models",
    "presets",
    "settings",
    "doctor",
)
SMALL = "--preset pytorch-example --data-limit 1500 --device cpu"
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def environment(home: Path, **more: str) -> dict[str, str]:
    """No display, and user folders below `home`."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    # Nobody else's processes and thread pools are in the way of a single thread.
    return {**kept, "XDG_DATA_HOME": str(home / "data"), "OMP_NUM_THREADS": "1", **more}


def process(arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`python -m vae_studio ARGUMENTS`, run in `folder` to its end."""
    argv = [sys.executable, "-m", "vae_studio", *shlex.split(arguments)]
    return subprocess.run(
        argv, cwd=folder, env=environment(folder, **env), capture_output=True, text=True, encoding="utf-8",
        errors="replace", stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip


@contextmanager
def started(arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The same, while it runs."""
    argv = [sys.executable, "-m", "vae_studio", *shlex.split(arguments)]
    pipe = subprocess.PIPE
    running = subprocess.Popen(argv, cwd=folder, env=environment(folder), stdout=pipe, stderr=pipe, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def run(arguments: str) -> Result:
    """A command in this process; what is not an exit is a fault of the program and fails the test."""
    result = CliRunner().invoke(cli.app, shlex.split(arguments), prog_name="vae-studio")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def json_lines(text: str) -> list[dict]:
    """Every line as strict JSON, which knows no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
