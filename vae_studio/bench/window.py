"""The window under measurement: a process of its own, drawn offscreen, with settings and runs in a passing folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from vae_studio.bench.map import as_the_window
from vae_studio.bench.measure import BenchError, Figure, Line, Plan, Section, threads_in_words
from vae_studio.bench.training import timed
from vae_studio.core import datasets
from vae_studio.core.presets import DEFAULT_PRESET, PRESETS

_PATIENCE = 300.0  # seconds beyond what is measured, after which a window is given up


def use(plan: Plan) -> Section:
    """Event-loop lag, mouse move to painted pixels, frames of the map and training speed, in states of the window."""
    short, long = plan.pick(10.0, 1.5), plan.pick(30.0, 2.5)
    request = {"short": short, "long": long, "device": plan.choice}
    runs, alone = [], []
    data = datasets.load(PRESETS[DEFAULT_PRESET].config.data)
    config = PRESETS[DEFAULT_PRESET].config.with_changes(device=plan.choice, epochs=100_000)
    for _ in range(plan.repeats):
        runs.append(run_module("in_window", request, plan))
        watched = as_the_window(lambda: timed(config, data, short, 10**9))
        alone.append(1.0 / watched.step)
    lines = [_state(name, [run[name] for run in runs], alone) for name in runs[0]]
    where = threads_in_words(plan.device, 1)
    lines.append(Line("training, no window", {"speed": Figure.of(alone)}, where))
    columns = {f"lag_{key}": f"lag {key}, ms" for key in ("p50", "p95", "p99", "max")}
    columns |= {f"drag_{key}": f"drag {key}, ms" for key in ("p50", "p95", "p99", "max")}
    columns |= {"fps": "map frames/s"} | {f"gap_{key}": f"frame gap {key}, ms" for key in ("p50", "p95", "p99", "max")}
    columns |= {"maps": "maps/s", "speed": "steps/s", "share": "of no window"}
    return Section(
        "window",
        columns,
        tuple(lines),
        (
            f"1440×900, offscreen, {PRESETS[DEFAULT_PRESET].title}, map and encodings redrawn with every snapshot. Lag "
            "is how late a timer of 5 ms is; drag is from when the mouse moved, 125 times a second, to the end of the "
            "paint of the first image of that or a later place; frame gaps are between paints of the map. The map is "
            "panned at 600 to 2000 pixels a second, and zoomed by three octaves in 0.7 s, in a window of 1920×1200 "
            "with 1000 of its cells visible. All layers means density, dimmed tiles and ellipses too, at 1440×900. "
            f"Dragging while training was watched for {long:g} s, the rest for {short:g} s.",
        ),
    )


def _state(name: str, runs: list[dict[str, float]], alone: list[float]) -> Line:
    figures = {key: Figure.of([run[key] for run in runs]) for key in runs[0]}
    if "speed" in figures:
        shares = [run["speed"] / speed for run, speed in zip(runs, alone, strict=True)]
        figures["share"] = Figure.of(shares)
    return Line(name, figures)


def start_up(plan: Plan) -> Section:
    """Seconds from the start of the process to its first paint and its first map, and its memory then."""
    runs = [run_module("starting", {}, plan) for _ in range(plan.repeats + 1)][1:]  # the first warms the disk's cache
    figures = {key: Figure.of([run[key] for run in runs]) for key in runs[0]}
    return Section(
        "start-up",
        {"paint": "first paint, s", "map": "first map decoded and painted, s", "memory": "resident memory, MiB"},
        (Line("vae-studio", figures, "warm disk, offscreen"),),
    )


def run_module(module: str, request: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """What this module of the benchmark, which opens the window in a process of its own, said when it was done."""
    with tempfile.TemporaryDirectory(prefix="vae-studio-bench-") as folder:
        homes = {f"XDG_{name}_HOME": f"{folder}/{name.lower()}" for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        env = {**os.environ, **homes, "QT_QPA_PLATFORM": "offscreen"}
        if plan.device.type == "cpu":
            env["CUDA_VISIBLE_DEVICES"] = ""
        # Both processes read one clock that does not stop or jump.
        asked = json.dumps({"began": time.monotonic(), **request})
        patience = _PATIENCE + 10 * sum(v for v in request.values() if isinstance(v, float))
        command = [sys.executable, "-m", f"vae_studio.bench.{module}", asked]
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, encoding="utf-8", timeout=patience, check=False
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"The window had not been measured after {patience:.0f} s.") from None
    if done.returncode or not done.stdout.strip():
        raise BenchError(f"The window could not be measured: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])
