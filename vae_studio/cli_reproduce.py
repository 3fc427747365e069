"""`vae-studio reproduce`: what papers report, trained and measured again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vae_studio.core import events
from vae_studio.core.figures import DEFAULT_SAMPLES, PAPER, RowBegun, RowMeasured
from vae_studio.terminal import (
    DeviceOption,
    JsonOption,
    errors,
    exit_status,
    number_of_images,
    plain_errors,
    print_json,
    progress_bar,
    say,
    stop_on_interrupt,
)

reproduce = typer.Typer(pretty_exceptions_enable=False)


@reproduce.callback()
def _reproduce() -> None:
    """Train and measure again what papers report.

    Example: vae-studio reproduce iwae-table --rows vae-1,iwae-5 --epochs 30 --schedule cosine
    """


@reproduce.command("iwae-table")
def iwae_table(
    rows: Annotated[str, typer.Option(help="Rows of the table, such as vae-1,iwae-50.")] = ",".join(PAPER),
    out: Annotated[
        Path, typer.Option(help="Folder for models and results; models there are not trained again.")
    ] = Path("iwae-table"),
    epochs: Annotated[int | None, typer.Option(help="Instead of the paper's 3280.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Instead of the paper's (burda): cosine or constant.")] = None,
    samples: Annotated[
        int, typer.Option(help="Importance samples of the measurement.", min=1, max=1_000_000)
    ] = DEFAULT_SAMPLES,
    images: Annotated[str, typer.Option(help="Test images to measure on, or all.")] = "all",
    seed: Annotated[int, typer.Option(help="Same seed, same models.", min=0, max=2**63 - 1)] = 0,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Table 1 of the paper on importance-weighted auto-encoders (one stochastic layer): ours beside the paper's.

    Example: vae-studio reproduce iwae-table --rows vae-1,iwae-5 --epochs 30 --schedule cosine --out iwae-table
    """
    with plain_errors():
        import queue

        from vae_studio.core.reproduce import iwae_table as steps

        commands: queue.SimpleQueue[Any] = queue.SimpleQueue()
        work = steps(
            [row.strip() for row in rows.split(",")],
            out,
            epochs=epochs,
            schedule=schedule,
            seed=seed,
            device=device or "auto",
            samples=samples,
            images=number_of_images(images),
            commands=commands,
        )
        measured: list[RowMeasured] = []
        status = _follow_table(work, measured, commands, as_json=as_json)
        if not as_json:
            _print_table(measured)
    raise typer.Exit(status)


def _follow_table(work: Iterator[Any], measured: list[RowMeasured], commands: Any, *, as_json: bool) -> int:
    """Say what goes on, gather the rows, and return the exit status.

    Ctrl-C stops a training, whose model is kept, and interrupts everything else at once.
    """
    status, row = 0, ""
    bar = progress_bar(quiet=as_json, transient=False)
    with nullcontext() if bar.disable else bar, ExitStack() as training:
        task = bar.add_task("", total=1.0)
        for item in work:
            match item:
                case events.Started():
                    training.enter_context(stop_on_interrupt(commands))
                case RowBegun():
                    row = item.row
                    errors.print(f"{row}: " + ("found, not trained again" if item.found else "training"))
                case events.Progress():
                    bar.update(task, description=f"{row} training", total=item.total_steps, completed=item.step)
                case events.Finished():
                    training.close()
                    status = exit_status(item)
                    errors.print(f"{row}: {item.message}")
                case float():
                    bar.update(task, description=f"{row} measuring", total=1.0, completed=item)
                case RowMeasured():
                    measured.append(item)
                    if as_json:
                        print_json(asdict(item))
    return status


def _print_table(measured: list[RowMeasured]) -> None:
    table = Table("model", "samples", "test NLL", "paper", "epochs", "training", "device", box=None)
    for row in measured:
        bound, _, count = row.row.partition("-")
        error = f" ± {row.nll_se:.2f}" if row.nll_se else ""
        seconds = f"{row.training_seconds:,.0f} s"
        table.add_row(
            bound.upper(), count, f"{row.nll:.2f}{error}", f"{row.paper:.2f}", f"{row.epochs:g}", seconds, row.device
        )
    Console().print(table)
    if measured:
        row = measured[0]
        say(f"−log p(x) in nats by {row.samples:,} importance samples, {row.images:,} binarised test images.")
