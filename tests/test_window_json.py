"""`vae-studio --json`: the window's timings as lines, whoever reads them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import environment, json_lines, posix

from vae_studio.ui.timings import KINDS

PRINT = """
import os, sys, time
from vae_studio.terminal import LinePrinter
printer = LinePrinter()
began = time.monotonic()
for number in range(3000):
    printer.print_json({"number": number, "filling": "x" * 1000})
    if number % 50 == 0:
        time.sleep(0.002)
sys.stderr.write(f"{time.monotonic() - began:.2f}")
printer.print_json({"not finite": float("nan")})
printer.close()
"""


def window(folder: Path, **more: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", "vae_studio", "--json"],
        env={**environment(folder), "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(folder)},
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


@posix
def test_a_line_a_second_and_the_totals_when_the_window_closes(tmp_path: Path) -> None:
    running = window(tmp_path)
    try:
        lines = [running.stdout.readline() for _ in range(2)]
        while not json.loads(lines[-1])["paint_ms"]["count"] and len(lines) < 60:
            lines.append(running.stdout.readline())
        running.send_signal(signal.SIGTERM)
        rest, said = running.communicate(timeout=60)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 0, said
    found = json_lines("".join(lines) + rest)
    assert [line["event"] for line in found[:-1]] == ["timings"] * (len(found) - 1)
    total = found[-1]
    assert total["event"] == "totals"
    for line in found:
        assert line.keys() == {
            *("event", "seconds", "frames_per_second", "steps_per_second"),
            *(f"{kind}_ms" for kind in KINDS),
        }
    assert sum(line["lag_ms"]["count"] for line in found[:-1]) <= total["lag_ms"]["count"]
    assert total["paint_ms"]["count"] >= 1, "the window has been painted"
    assert total["lag_ms"]["max"] >= max(line["lag_ms"]["max"] or 0.0 for line in found) > 0.0
    assert said == ""


@posix
def test_a_reader_that_goes_away_is_no_matter_to_the_window(tmp_path: Path) -> None:
    running = window(tmp_path)
    try:
        assert running.stdout.readline().startswith('{"event": "timings"')
        running.stdout.close()
        time.sleep(1.5)
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert running.stderr.read() == ""
    finally:
        running.kill()
        running.wait()
        running.stderr.close()


def printed(read: bool) -> tuple[str, str]:
    """What a process printed that has much more to print than a pipe holds; nobody reads it before it has ended, or
    somebody always does."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as out:
        running = subprocess.Popen([sys.executable, "-c", PRINT], stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        try:
            text = out.read() if read else b""
            assert running.wait(60) == 0
            return (text or out.read()).decode(), running.stderr.read().decode()
        finally:
            running.kill()
            running.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_lines_come_whole_and_nobody_waits_for_a_reader() -> None:
    text, seconds = printed(read=True)
    lines = json_lines(text)
    assert lines[0] == {"number": 0, "filling": "x" * 1000}
    assert lines[-1] == {"not finite": None}
    assert float(seconds) < 5.0

    text, seconds = printed(read=False)
    assert float(seconds) < 5.0
    whole = text.splitlines()[:-1]
    assert [line["number"] for line in json_lines("\n".join(whole))] == list(range(len(whole)))
    assert 10 < len(whole) < 3000
