"""The command line. Without a command it opens the window; every command works without a display.

Standard output carries results (with `--json` one JSON object a line), standard error everything else.
Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
"""

from __future__ import annotations

import gc
import io
import json
import os
import shlex
import sys
import textwrap
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table

import vae_studio
from vae_studio import paths
from vae_studio.cli_bench import bench
from vae_studio.cli_combine import combine
from vae_studio.cli_encode import encode
from vae_studio.cli_path import path as path_command
from vae_studio.cli_plane import plane_of
from vae_studio.cli_reproduce import reproduce
from vae_studio.cli_sample import sample
from vae_studio.core import library
from vae_studio.core.batch_offer import offer, reason_to_stay, training_images
from vae_studio.core.config import ConfigError, RunConfig, settings
from vae_studio.core.figures import DEFAULT_SAMPLES, EvaluationRequest
from vae_studio.core.files import FileError, make_folder
from vae_studio.core.latent import GridError, GridRequest, Quantiles, Region
from vae_studio.core.plane import Plane
from vae_studio.core.presets import DEFAULT_PRESET, PRESETS, find_preset
from vae_studio.terminal import (
    DeviceOption,
    JsonOption,
    LinePrinter,
    complain,
    errors,
    exit_status,
    number_of_images,
    plain_errors,
    print_json,
    say,
    stop_on_interrupt,
    with_bar,
)
from vae_studio.wording import event_as_dict, figures_in_words, progress_words, report_as_dict, report_in_words

if TYPE_CHECKING:
    from vae_studio.core.events import Finished, Saved

# libgomp's threads would spin at every barrier and starve whatever else runs; read when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Compiled steps are kept where they outlast the next reboot; torch looks at this as soon as it is imported.
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(paths.compiled_kernels()))

app = typer.Typer(
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(reproduce, name="reproduce")
app.command()(path_command)
app.command()(combine)
app.command()(sample)
app.command()(bench)
app.command()(encode)
_LARGEST = "largest"
_JSON = "--json"
ModelArgument = Annotated[str, typer.Argument(help="A model file, a run folder, or a shipped model's name.")]


def main() -> None:
    """Entry point: `vae-studio [FILE]` opens the window, `vae-studio COMMAND …` works without one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A pipe may have an encoding that knows no minus sign; that is no reason to fail.
            stream.reconfigure(errors="replace")
    arguments = sys.argv[1:]
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    file = next((argument for argument in arguments if argument != _JSON), None)
    if file is None or (not file.startswith("-") and file not in commands and _is_file(file)):
        sys.exit(_window(file, as_json=_JSON in arguments))
    app(prog_name="vae-studio")


def _is_file(argument: str) -> bool:
    return Path(argument).exists() or Path(argument).suffix in (".safetensors", ".vaesession")


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"vae-studio {vae_studio.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option(_JSON, help="Of the window: its timings, one JSON object a second, on standard output.")
    ] = False,
) -> None:
    """Train variational auto-encoders and walk through their latent space.

    Without a command: open the window where it was left, or with a FILE on that model or session.

    Example: vae-studio train --preset explorer-2d --out my-run

    Example: vae-studio --json my-run/model.safetensors

    The window's --json says once a second how late the event loop was, how long decoding, painting and the way from the
    mouse to the image took, as percentiles in milliseconds (lag_ms, map_decode_ms, point_decode_ms, paint_ms, drag_ms),
    and the rates frames_per_second and steps_per_second; when the window closes the same of the whole time. F12 shows
    these figures in the window.
    """
    if as_json:
        raise typer.BadParameter(f"Put it behind the command: vae-studio {context.invoked_subcommand} {_JSON}.")


def _window(file: str | None, *, as_json: bool = False) -> int:
    """Open the window; without a display do the same job on the command line."""
    from vae_studio.core import doctor

    if file and not Path(file).exists():
        return complain(f"There is no file {file}.", 1)
    problem = doctor.display_problem()
    if problem and file and Path(file).suffix == ".vaesession":
        return complain(f"{problem} A session is shown in the window only.", 1)
    if problem and file:
        errors.print(f"{problem} To see the model without a window: vae-studio grid {file} --out grid.png")
        return 1
    if problem:
        errors.print(
            f"{problem} Working without a window: training the default model for "
            f"{PRESETS[DEFAULT_PRESET].config.epochs} epochs."
        )
        try:
            with plain_errors():
                return _headless(as_json=as_json)
        except typer.Exit as ending:
            return ending.exit_code
    missing = doctor.blocking_libraries()
    if missing:
        errors.print(doctor.explain_missing(missing))
        return 1
    run = import_app().run
    path = Path(file) if file else None
    if not as_json:
        return run(path)
    printer = LinePrinter()
    try:
        return run(path, printer.print_json)
    finally:
        printer.close()


def import_app() -> ModuleType:
    """The module that opens the window.

    What a start imports is there to stay: to look through it for garbage, again and again while it grew, took a tenth
    of the time to the first paint and a quarter of what torch takes to import. `app.run` goes on with it afterwards.
    """
    gc.disable()
    from vae_studio import app

    return app


def _headless(*, as_json: bool) -> int:
    """Train the default preset, write its model and a grid picture, and name both."""
    from vae_studio.core.export import render_grid, write_grid

    config = PRESETS[DEFAULT_PRESET].config
    folder = make_folder(paths.new_run_folder(paths.runs(), config.preset))
    finished, saved = _train(config, folder, as_json=as_json)
    picture = folder / "grid.png"
    request = GridRequest(point=(0.0,) * config.latent_dims)
    pixels = render_grid(finished.model, request)
    write_grid(picture, pixels, finished.model, request, name=folder.name, sha256=saved.sha256)
    if as_json:
        print_json({"model": str(saved.path), "grid": str(picture)})
    else:
        say(f"Model: {saved.path}")
        say(f"Grid:  {picture}")
    return exit_status(finished)


@app.command()
def train(
    preset: Annotated[str, typer.Option(help="Where to start from; `vae-studio presets` lists them.")] = DEFAULT_PRESET,
    out: Annotated[
        Path | None, typer.Option(help="Folder for model.safetensors and its card; `doctor` names the default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Times through the training images.")] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(
            metavar="<int>|largest",
            help="Images a step, or largest: as many as train as well, with the learning rate scaled.",
        ),
    ] = None,
    latent_dims: Annotated[int | None, typer.Option(help="Dimensions of z, 1 to 256.")] = None,
    beta: Annotated[float | None, typer.Option(help="Weight of the KL term; 1 is the ELBO.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of the learning rate schedule.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same figures.")] = None,
    device: DeviceOption = None,
    data_limit: Annotated[int | None, typer.Option(help="Train on this many images only.")] = None,
    data_pick: Annotated[str | None, typer.Option(help="Which ones: first or random.")] = None,
    classes: Annotated[str | None, typer.Option(help="Some classes only, such as 0,1.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting: bound=iwae, likelihood=gaussian, likelihood.scale=per-pixel, …"),
    ] = None,
    pace: Annotated[
        int | None, typer.Option(help="Steps a second, so that one can watch; default flat out.", min=1, max=1000)
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model that --out holds already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model and write it to a folder. Ctrl-C stops it and keeps the model.

    Example: vae-studio train --preset explorer-2d --epochs 10 --seed 0 --out my-run

    Example: vae-studio train --set posterior=full-gaussian --set likelihood=continuous-bernoulli --out my-run

    `vae-studio settings` lists the names and values that --set takes.
    """
    with plain_errors():
        config = find_preset(preset).config
        data = config.data.model_dump(mode="json")
        data |= {key: value for key, value in {"limit": data_limit, "pick": data_pick}.items() if value is not None}
        if classes is not None:
            data["classes"] = _numbers(classes, int, "--classes")
        given = {
            "epochs": epochs,
            "batch_size": None if batch_size == _LARGEST else _whole_number(batch_size, "--batch-size"),
            "latent_dims": latent_dims,
            "beta": beta,
            "learning_rate": learning_rate,
            "seed": seed,
            "device": device,
        }
        given = {key: value for key, value in given.items() if value is not None}
        config = config.with_settings(changes or [], data=data, **given)
        if batch_size == _LARGEST:
            config = _with_largest_batch(config)
        folder = make_folder(out or paths.new_run_folder(paths.runs(), config.preset))
        if (folder / paths.MODEL_FILE).exists() and not replace:
            raise FileError(f"{folder} holds a model already. Choose another --out, or add --replace.")
        finished, saved = _train(config, folder, pace=pace, as_json=as_json)
        if not as_json:
            say(f"Model: {saved.path}")
    raise typer.Exit(exit_status(finished))


def _whole_number(text: str | None, option: str) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        raise typer.BadParameter(f"give a whole number, or {_LARGEST} (it was {text}).", param_hint=option) from None


def _with_largest_batch(config: RunConfig) -> RunConfig:
    """The config with the largest batch that trains as well, and its rate; says what was chosen."""
    images = training_images(config.data)
    found = offer(config, images)
    if found is None:
        errors.print(f"Batch size {config.batch_size} is kept. {reason_to_stay(config, images)}")
        return config
    errors.print(
        f"Batch size {found.batch_size} and learning rate {found.learning_rate:g}, in place of {config.batch_size} and "
        f"{config.learning_rate:g}."
    )
    return found.applied(config)


def _train(config: RunConfig, folder: Path, *, pace: float | None = None, as_json: bool) -> tuple[Finished, Saved]:
    """Train with a progress bar, or with JSON lines; returns how it ended and what was saved."""
    import queue

    from vae_studio.core import datasets, events, runs

    data = datasets.load(config.data, config.seed)
    commands: queue.SimpleQueue[events.Command] = queue.SimpleQueue()
    commands.put(events.SetPace(pace))
    command = shlex.join(["vae-studio", *sys.argv[1:]])
    finished = saved = None
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[figures]}"),
        console=errors,
        disable=as_json or not errors.is_terminal,
    )
    # A bar that is started where it cannot be drawn leaves an empty line.
    with stop_on_interrupt(commands), nullcontext() if bar.disable else bar:
        task = bar.add_task(PRESETS[config.preset].title if config.preset in PRESETS else "Training", figures="")
        for event in runs.record(config, data, folder, commands, command=command):
            if as_json and (line := event_as_dict(event)):
                print_json(line)
            match event:
                case events.Started():
                    errors.print(
                        f"Training on {event.device}: {len(data.train):,} images, {event.total_steps:,} steps, "
                        f"{event.parameters:,} parameters, {event.precision}, {event.execution} steps.",
                    )
                case events.Remark():
                    errors.print(event.message)
                case events.Progress():
                    bar.update(task, total=event.total_steps, completed=event.step)
                    if len(event.steps):
                        bar.update(task, figures=progress_words(event, config))
                case events.Evaluated() if not (as_json or errors.is_terminal):
                    errors.print(f"epoch {event.epoch:.1f}, test images: {figures_in_words(event.evaluation, config)}")
                case events.Finished():
                    finished = event
                case events.Saved():
                    saved = event
    errors.print(finished.message)
    if finished.evaluation:
        errors.print(f"Test images: {figures_in_words(finished.evaluation, config)}")
    return finished, saved


@app.command()
def grid(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="The PNG file to write.")],
    rows: Annotated[int, typer.Option(help="Tiles down.")] = 20,
    cols: Annotated[int, typer.Option(help="Tiles across.")] = 20,
    mass: Annotated[float | None, typer.Option(help="Quantiles over this central share of the prior.")] = None,
    region: Annotated[str | None, typer.Option(help="Instead of quantiles: LEFT,RIGHT,BOTTOM,TOP.")] = None,
    axes: Annotated[str | None, typer.Option(help="The two latent dimensions, counted from 1; default 1,2.")] = None,
    plane: Annotated[
        str | None,
        typer.Option(help="Instead: components[:1,2], classes:A,B,C, images:I,J,K or points:z…;z…;z…."),
    ] = None,
    point: Annotated[
        str | None, typer.Option(help="z₁,z₂,… that the plane passes through; default 0, or the plane’s origin.")
    ] = None,
    scale: Annotated[int, typer.Option(help="Each pixel becomes this many squared.")] = 1,
    spacing: Annotated[int, typer.Option(help="Pixels between tiles.")] = 0,
    show_axes: Annotated[bool, typer.Option("--axes-shown", help="Draw the coordinates beside the tiles.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an image grid of a plane through latent space as PNG.

    Example: vae-studio grid explorer-2d --out grid.png --rows 20 --cols 20

    Example: vae-studio grid pytorch-example --out plane.png --plane classes:3,5,8 --region -2,6,-2,5
    """
    with plain_errors():
        if axes is not None and plane is not None:
            raise typer.BadParameter("Give --axes or --plane, not both.")
        if mass is not None and region is not None:
            raise typer.BadParameter("Give --mass or --region, not both.")
        if out.suffix.lower() != ".png":
            raise typer.BadParameter(f"The file must end in .png (it was {out.name}).", param_hint="--out")
        from vae_studio.core.export import render_grid, write_grid

        loaded = library.open_model(model)
        dims = loaded.model.latent_dims
        of_map = _axes_plane(axes or "1,2", dims) if plane is None else plane_of(loaded.model, plane)
        z = tuple(_numbers(point, float, "--point")) if point else of_map.origin
        if len(z) != dims:
            raise GridError(f"--point has {len(z)} numbers, but the model has {dims} latent dimensions.")
        span: Quantiles | Region = Quantiles() if mass is None else Quantiles(mass)
        if region is not None:
            bounds = _numbers(region, float, "--region")
            if len(bounds) != 4:
                raise GridError(f"--region takes four numbers, LEFT,RIGHT,BOTTOM,TOP (it was {region}).")
            span = Region(*bounds)
        request = GridRequest(z, of_map, span, rows, cols, scale, spacing, show_axes)
        picture = render_grid(loaded.model, request)
        write_grid(out, picture, loaded.model, request, name=loaded.path.stem, sha256=loaded.sha256)
        height, width = picture.shape[:2]
        if as_json:
            print_json({"grid": str(out), "width": width, "height": height})
        else:
            say(f"{out}: {rows} × {cols} tiles, {width} × {height} pixels")


@app.command()
def evaluate(
    model: ModelArgument,
    split: Annotated[str, typer.Option(help="test or train.")] = "test",
    samples: Annotated[
        int, typer.Option(help="Importance samples K for −log p(x); 0 leaves it out.", min=0, max=1_000_000)
    ] = DEFAULT_SAMPLES,
    images: Annotated[
        str | None, typer.Option(help="How many random images −log p(x) is over, or all; default 500, on a GPU all.")
    ] = None,
    naive: Annotated[
        bool, typer.Option("--naive", help="Beside it the estimate from 10 to a million draws of the prior.")
    ] = False,
    posterior_samples: Annotated[int, typer.Option(help="Posterior samples an image for −ELBO.", min=1)] = 1,
    seed: Annotated[
        int | None, typer.Option(help="Of all samples; default: as at the end of training.", min=0, max=2**63 - 1)
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute a model's bound, its parts, and its log-likelihood by importance sampling, in nats per image.

    Example: vae-studio evaluate explorer-2d --samples 5000 --json
    """
    with plain_errors():
        if split not in ("test", "train"):
            raise typer.BadParameter(f"choose test or train (it was {split}).", param_hint="--split")
        if naive and not samples:
            raise typer.BadParameter("the naive estimate is compared with that by --samples.", param_hint="--naive")
        wanted = number_of_images(images) if images else None
        from vae_studio.core import datasets, devices
        from vae_studio.core.estimate import default_images, report_steps

        loaded = library.open_model(model)
        config = loaded.model.config
        chosen = RunConfig().with_changes(device=device or "auto").device
        on_device = loaded.model.to(devices.choose(chosen))
        data = datasets.load_fitting(config, loaded.model.image_shape, "it cannot be evaluated on them")
        request = EvaluationRequest(
            split=split,
            samples=samples,
            images=wanted if images else default_images(on_device),
            naive=naive,
            posterior_samples=posterior_samples,
            seed=seed,
        )
        part = data.test if split == "test" else data.train
        report = with_bar(report_steps(on_device, part.images, request), "Evaluating", quiet=as_json)
        if as_json:
            print_json({"model": str(loaded.path), **report_as_dict(report, config)})
        else:
            count = f"{report.evaluation.images:,}"
            say(f"{loaded.path} on {count} {split} images: {report_in_words(report, config)}")


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List the models that come with the program, with their figures on the MNIST test images.

    Example: vae-studio models
    """
    found = library.shipped_models()
    if as_json:
        for model in found:
            print_json({"name": model.name, "path": str(model.path), **model.card})
        return
    table = Table(Column("name", no_wrap=True), "−ELBO", "reconstruction", "KL", "active units", "epochs", box=None)
    for model in found:
        card = model.card
        values = (card[key] for key in ("neg_elbo", "reconstruction", "kl"))
        figures = ("–" if value is None else f"{value:.2f}" for value in values)
        table.add_row(model.name, *figures, str(card["active_units"]), f"{card['epochs']:g}")
    Console().print(table)
    say(f"Files: {paths.trained_models()}")


@app.command()
def presets(as_json: JsonOption = False) -> None:
    """List the presets and what each shows.

    Example: vae-studio presets --json
    """
    if as_json:
        for preset in PRESETS.values():
            about = {"name": preset.name, "title": preset.title, "summary": preset.summary, "source": preset.source}
            print_json({**about, "config": preset.config.model_dump(mode="json")})
        return
    for preset in PRESETS.values():
        config = preset.config
        dims = f"{config.latent_dims} latent dimensions"
        say(f"{preset.name}: {preset.title}, {config.network.title}, {dims}, {config.epochs} epochs")
        say(textwrap.indent(textwrap.fill(preset.summary, 76), "    "))
        say(textwrap.indent(textwrap.fill(f"After: {preset.source}.", 76), "    "))


@app.command("settings")
def list_settings(as_json: JsonOption = False) -> None:
    """List every setting that `train --set name=value` takes, what it may be, and its default.

    Example: vae-studio settings
    """
    for name, allowed, default in settings():
        if as_json:
            print_json({"name": name, "allowed": allowed, "default": default})
        else:
            shown = "" if default is None else f", default {json.dumps(default, ensure_ascii=False)}"
            say(f"{name}: {allowed}{shown}")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what the program found here: versions, devices, display, system libraries, folders.

    Example: vae-studio doctor
    """
    from dataclasses import asdict

    from vae_studio.core import doctor as examine

    report = examine.report()
    if as_json:
        print_json(asdict(report))
    else:
        say(examine.format_report(report))


def _axes_plane(text: str, dims: int) -> Plane:
    chosen = [axis - 1 for axis in _numbers(text, int, "--axes")]
    if dims == 1:
        chosen = [0, 0]
    if len(chosen) != 2 or (dims > 1 and chosen[0] == chosen[1]):
        raise GridError(f"--axes takes two different dimensions, such as 1,2 (it was {text}).")
    return Plane.of_axes((chosen[0], chosen[1]), dims)


def _numbers(text: str, kind: type, option: str) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option} takes numbers separated by commas (it was {text!r}).") from None


if __name__ == "__main__":
    main()
