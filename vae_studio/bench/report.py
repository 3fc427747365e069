"""The report: every section as a table in Markdown, which reads as well in a terminal, and as plain values for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vae_studio.bench import SUBJECTS
from vae_studio.bench.machine import Machine
from vae_studio.bench.measure import Figure, Section
from vae_studio.core.files import make_folder, write_atomically

_HEADLINES = (
    ("quality", "VAE Studio, same batch and rate", "ratio", "as fast as pytorch/examples to its test −ELBO", " times"),
    ("quality", "VAE Studio, the same in float32", "ratio", "the same in float32", " times"),
    ("quality", "VAE Studio, batch and schedule free", "ratio", "the same, batch and schedule free", " times"),
    ("presets", "2-D explorer", "epoch", "an epoch of the 2-D explorer", " s"),
    ("presets", "Convolutional 2-D", "epoch", "an epoch of the convolutional 2-D model", " s"),
    ("keras", "Keras deconvolutional 64", "epoch", "an epoch of the Keras deconvolutional network", " s"),
    ("map", "2-D explorer", "ms_900", "900 cells of the map, MLP", " ms"),
    ("map", "Convolutional 2-D", "ms_900", "900 cells of the map, convolutional", " ms"),
    ("window", "training, dragging", "lag_p99", "event-loop lag while training and dragging, p99", " ms"),
    ("window", "training, dragging", "drag_p95", "mouse move to painted pixels while training, p95", " ms"),
    (
        "window",
        "convolutional, dragging and zooming",
        "drag_p95",
        "the same while a convolutional map fills in",
        " ms",
    ),
    ("window", "training, panning", "fps", "frames/s of the map while panning and training", ""),
    ("window", "training, zooming", "fps", "frames/s of the map while zooming and training", ""),
    ("window", "training", "share", "steps/s in the window against no window", ""),
    ("start-up", "vae-studio", "paint", "start to first paint", " s"),
    ("start-up", "vae-studio", "map", "start to first map", " s"),
    ("start-up", "vae-studio", "memory", "memory then", " MiB"),
    ("likelihood", "PyTorch example, 20 latent dims", "seconds", "−log p(x) of 10,000 images, 5000 samples each", " s"),
    ("growth", "1,000,000 points", "ms", "a curve of a million points made ready to draw", " ms"),
)
"""What people ask for first: section, line and column, in words, with the unit."""


def number(value: float) -> str:
    """A figure in three digits or more, none of them noughts for show."""
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, 2 - size)}f}" if abs(value) < 100 or abs(value) >= 1000 else f"{value:.1f}"


def cell(figure: Figure | None, *, bare: bool = False) -> str:
    """The median, with the lowest and highest value where there are several that differ, unless it is to be bare."""
    if figure is None:
        return ""
    ends = number(figure.low), number(figure.high)
    return number(figure.value) if bare or ends[0] == ends[1] else f"{number(figure.value)} ({ends[0]}–{ends[1]})"


def heading(machine: Machine) -> str:
    """What was measured where and when, in Markdown."""
    device = "" if machine.device.startswith("CPU") else f", {machine.device}"
    memory = "" if machine.memory_gib is None else f", {machine.memory_gib:g} GiB"
    load = "" if machine.load is None else f", load average {machine.load:.2f} at the start"
    threads = "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
    text = (
        f"{machine.processor}, {machine.cores} cores{memory}{device}; {threads}, "
        f"torch {machine.torch}, Python {machine.python}, {machine.system}; VAE Studio {machine.vae_studio}; "
        f"{machine.date}{load}. Medians over repeats, with the lowest and highest in brackets.\n"
    )
    return text + (f"\n**{machine.warning}**\n" if machine.warning else "")


def table(section: Section) -> str:
    """A section in Markdown: title, table, remarks."""
    used = {key: title for key, title in section.columns.items() if any(key in line.figures for line in section.lines)}
    remarks = any(line.remark for line in section.lines)
    rows = [["", *used.values(), *(["how"] if remarks else [])]]
    for line in section.lines:
        cells = [cell(line.figures.get(key), bare=key in section.bare) for key in used]
        rows.append([line.what, *cells, *([line.remark] if remarks else [])])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [0 < column <= len(used) for column in range(len(widths))]
    rows.insert(1, ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)])
    padded = [[t.rjust(w) if r else t.ljust(w) for t, w, r in zip(row, widths, right, strict=True)] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in padded]
    return "\n".join([f"### {SUBJECTS[section.name]}", "", *lines, "", *(f"{r}\n" for r in section.remarks)])


def headlines(sections: Sequence[Section]) -> str:
    """What people ask for first of all that was measured, as one small table."""
    lines = {(section.name, line.what): line for section in sections for line in section.lines}
    rows = ["| | |", "|---|---:|"]
    for name, what, key, words, unit in _HEADLINES:
        line = lines.get((name, what))
        if line is not None and key in line.figures:
            rows.append(f"| {words} | {number(line.figures[key].value)}{unit} |")
    return "\n".join(["### In short", "", *rows, ""]) if len(rows) > 2 else ""


def as_dict(section: Section) -> dict[str, Any]:
    """A section for JSON."""
    values = asdict(section)
    return {"section": values.pop("name"), "title": SUBJECTS[section.name], **values}


def machine_as_dict(machine: Machine) -> dict[str, Any]:
    return {**asdict(machine), "warning": machine.warning}


def tables_beside(path: Path) -> Path:
    """The file of the tables that goes with a JSON file."""
    return path.with_suffix(".md")


def write(path: Path, machine: Machine, settings: dict[str, Any], sections: Sequence[Section]) -> None:
    """Write what is there as JSON to `path`, and as tables beside it. Raises FileError where that cannot be done."""
    make_folder(path.parent)
    whole = {"machine": machine_as_dict(machine), "settings": settings, "sections": [as_dict(s) for s in sections]}
    write_atomically(path, json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    text = "\n".join([heading(machine), headlines(sections), *map(table, sections)])
    write_atomically(tables_beside(path), text.encode())
