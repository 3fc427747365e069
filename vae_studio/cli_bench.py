"""`vae-studio bench`: how fast the program is on this machine, side by side with the usual script."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from vae_studio.bench import SUBJECTS
from vae_studio.core.config import RunConfig
from vae_studio.core.errors import UserError
from vae_studio.terminal import DeviceOption, JsonOption, complain, errors, plain_errors, print_json, say

_REPEATS = 3


def bench(
    only: Annotated[str | None, typer.Option(help=f"Some subjects: {', '.join(SUBJECTS)}.")] = None,
    repeats: Annotated[
        int | None, typer.Option(help=f"How often each is measured; default {_REPEATS}, quick 1.", min=1, max=100)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Done in two minutes: rough, and without ratios.")] = False,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option(help="Write FILE.json, and the tables beside it as FILE.md.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure training, map, window and start-up on this machine, and print tables.

    Example: vae-studio bench --only map,window --out bench.json

    The machine should have nothing else to do. Nothing is left behind but the files of --out.
    """
    with plain_errors():
        names = list(SUBJECTS) if only is None else [name.strip() for name in only.split(",")]
        unknown = [name for name in names if name not in SUBJECTS]
        if unknown:
            raise typer.BadParameter(
                f"choose from {', '.join(SUBJECTS)} (it was {', '.join(unknown)}).", param_hint="--only"
            )
        if out is not None and out.suffix != ".json":
            raise typer.BadParameter(f"the file must end in .json (it was {out.name}).", param_hint="--out")
        chosen = RunConfig().with_changes(device=device or "auto").device

        from vae_studio.bench import machine, measure, report, subjects
        from vae_studio.core import devices

        plan = measure.Plan(devices.choose(chosen), repeats or (1 if quick else _REPEATS), quick)
        settings = {"repeats": plan.repeats, "quick": plan.quick, "device": plan.choice}
        found = machine.describe(plan.device)
        if found.warning:
            errors.print(found.warning, style="yellow")
        if as_json:
            print_json({"machine": report.machine_as_dict(found), "settings": settings})
        else:
            say(report.heading(found))
        sections, status = [], 0
        for name in sorted(set(names), key=list(SUBJECTS).index):
            errors.print(f"Measuring: {SUBJECTS[name]} …")
            began = time.perf_counter()
            try:
                section = subjects.measure(name, plan)
            except UserError as error:
                status = complain(error, 1)  # the others can be measured all the same
                continue
            errors.print(f"{time.perf_counter() - began:.0f} s")
            sections.append(section)
            if as_json:
                print_json(report.as_dict(section))
            else:
                say(report.table(section))
            if out is not None:  # after each, so that an interrupted run keeps what it had
                report.write(out, found, settings, sections)
        if out is not None and sections:
            errors.print(f"Written: {out}, {report.tables_beside(out)}")
        if status:
            raise typer.Exit(status)
