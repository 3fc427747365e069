"""The terminal: results on standard output, everything else on standard error, bars, interrupts, exit statuses."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vae_studio.core.arithmetic import CombineError
from vae_studio.core.config import ConfigError
from vae_studio.core.errors import UserError
from vae_studio.core.latent import GridError
from vae_studio.core.marks import PointError
from vae_studio.core.plane import PlaneError
from vae_studio.core.samples import SampleError

if TYPE_CHECKING:
    from vae_studio.core.events import Finished

errors = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

_WAITING_LINES = 60
_PATIENCE = 1.0  # seconds

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cuda, mps or cpu.")]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_json(line: dict[str, Any]) -> None:
    say(json.dumps(_without_nan(line), default=str))


class LinePrinter:
    """Prints JSON lines from a thread of its own, so that whoever reads them slowly, or no more, holds up nobody.

    Lines for which no room is left are dropped. `close` gives the last ones a second.
    """

    def __init__(self) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue(_WAITING_LINES)
        self._thread = threading.Thread(target=self._write, name="line printer", daemon=True)
        self._thread.start()

    def print_json(self, line: dict[str, Any]) -> None:
        self._put((json.dumps(_without_nan(line)) + "\n").encode())

    def close(self) -> None:
        self._put(None)
        self._thread.join(_PATIENCE)

    def _put(self, line: bytes | None) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def _write(self) -> None:
        # Past Python's buffer: its lock, held by a thread that waits for a reader, would not let the program end.
        output = sys.stdout.fileno()
        try:
            while (line := self._lines.get()) is not None:
                while line:
                    line = line[os.write(output, line) :]
        except BrokenPipeError:
            return
        except OSError as error:
            errors.print(f"No more timings are written: {error.strerror}.")


def _without_nan(value: Any) -> Any:
    """The value with null for numbers that JSON cannot write: what a diverging training reports."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def progress_bar(*, quiet: bool, transient: bool) -> Progress:
    """A bar with the time left on standard error; disabled where it is not wanted or cannot be drawn."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=errors,
        disable=quiet or not errors.is_terminal,
        transient=transient,
    )


def with_bar(steps: Iterator[Any], what: str, *, quiet: bool) -> Any:
    """The last item of work that yields fractions done on the way, with a bar where people can see it."""
    bar = progress_bar(quiet=quiet, transient=True)
    result = None
    with nullcontext() if bar.disable else bar:
        task = bar.add_task(what, total=1.0)
        for item in steps:
            if isinstance(item, float):
                bar.update(task, completed=item)
            else:
                result = item
    return result


def number_of_images(text: str | None) -> int | None:
    """`--images`: a number, or None for *all* of them."""
    if text == "all":
        return None
    if text is None or not text.isdecimal() or not int(text):
        raise typer.BadParameter(f"give a number of images, or all (it was {text}).", param_hint="--images")
    return int(text)


@contextmanager
def plain_errors() -> Iterator[None]:
    """What users can cause ends in one sentence on standard error: status 1, or 2 for wrong arguments."""
    try:
        yield
    except (CombineError, ConfigError, GridError, PlaneError, PointError, SampleError) as error:
        raise typer.Exit(complain(error, 2)) from None
    except UserError as error:
        raise typer.Exit(complain(error, 1)) from None
    except KeyboardInterrupt:
        raise typer.Exit(complain("Interrupted.", 130)) from None


def complain(error: object, status: int) -> int:
    errors.print(str(error), style="red")
    return status


@contextmanager
def stop_on_interrupt(commands: Any) -> Iterator[None]:
    """Ctrl-C asks the training to stop and keep its model; a second one interrupts at once."""
    from vae_studio.core.events import Stop

    def stop(_signal: int, _frame: object) -> None:
        commands.put(Stop())
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def exit_status(finished: Finished) -> int:
    return {"done": 0, "stopped": 130}.get(finished.reason, 1)
