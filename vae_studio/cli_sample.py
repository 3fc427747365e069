"""`vae-studio sample`: a sheet of images at points drawn from the prior, around a point or of a class."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from vae_studio.core import library
from vae_studio.core.latent import MAX_COORDINATE
from vae_studio.core.marks import PointError, read_point
from vae_studio.core.samples import (
    RADIUS,
    Around,
    OfClass,
    Prior,
    SampleError,
    SampleRequest,
    SampleSheet,
    SheetLayout,
    Source,
)
from vae_studio.terminal import JsonOption, plain_errors, print_json, say, with_bar

_FROM = "--from"


def sample(
    model: Annotated[str, typer.Argument(help="A model file, a run folder, or a shipped model's name.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")],
    source: Annotated[str, typer.Option(_FROM, help="prior, class:NAME, or point:z₁,z₂,….")] = "prior",
    radius: Annotated[
        float | None, typer.Option(help=f"Around a point: the standard deviation, in latent units; default {RADIUS}.")
    ] = None,
    components: Annotated[
        int | None, typer.Option(help="Of a class: Gaussians fitted to its encodings; default 1 to 3, as they need.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="What standard deviations are multiplied by.")] = 1.0,
    draw: Annotated[
        bool, typer.Option("--draw", help="A draw from p(x|z) at each point, instead of its mean.")
    ] = False,
    count: Annotated[int, typer.Option(help="Images.")] = 64,
    cols: Annotated[int | None, typer.Option(help="Images across; default about as many as down.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 0,
    scale: Annotated[int, typer.Option(help="Each pixel becomes this many squared.")] = 1,
    spacing: Annotated[int, typer.Option(help="Pixels between images.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a sheet of samples as PNG: from the prior, around a point, or of a class of the training images.

    Example: vae-studio sample explorer-2d --out sheet.png --temperature 0.8 --count 100

    Example: vae-studio sample explorer-2d --out threes.png --from class:3 --seed 7
    """
    with plain_errors():
        if out.suffix.lower() != ".png":
            raise typer.BadParameter(f"The file must end in .png (it was {out.name}).", param_hint="--out")
        kind, _, text = source.partition(":")
        for value, option, wanted in ((radius, "--radius", "point"), (components, "--components", "class")):
            if value is not None and kind != wanted:
                raise typer.BadParameter(f"it goes with --from {wanted}:…", param_hint=option)
        from vae_studio.core.sampling import class_number, exact_steps, sheet_picture, source_as_dict, write_sheet

        loaded = library.open_model(model)
        vae = loaded.model
        origin: Source
        if source == "prior":
            origin = Prior()
        elif kind == "point":
            origin = Around(_point(text, vae.latent_dims), RADIUS if radius is None else radius)
        elif kind == "class" and text:
            origin = OfClass(class_number(vae, text), components)
        else:
            raise SampleError(f"{_FROM} takes prior, class:NAME or point:z₁,z₂,… (it was {source}).")
        request = SampleRequest(origin, temperature, count, draw, seed)
        layout = SheetLayout(math.ceil(math.sqrt(count)) if cols is None else cols, scale, spacing)
        width, height = layout.size(count, *vae.image_shape[1:])
        sheet = with_bar(exact_steps(vae, request), "Sampling", quiet=as_json)
        picture = sheet_picture(sheet, layout)
        write_sheet(out, picture, sheet, vae, layout, name=loaded.path.stem, sha256=loaded.sha256)
        if as_json:
            about = {"sheet": str(out), "width": width, "height": height, "count": count, "seed": seed}
            about |= {"temperature": temperature, "draw": draw, "source": source_as_dict(request, sheet.mixture)}
            print_json({**about, "points": sheet.points.tolist()})
        else:
            say(f"{out}: {count} samples {_words(sheet, vae.is_vae)}, {width} × {height} pixels, seed {seed}")


def _point(text: str, dims: int) -> tuple[float, ...]:
    try:
        return read_point(text, dims, MAX_COORDINATE)
    except PointError as error:
        raise PointError(f"{_FROM}: {error}") from None


def _words(sheet: SampleSheet, is_vae: bool) -> str:
    if isinstance(sheet.request.source, Around):
        return "around the point"
    if sheet.mixture is None:
        return "from the prior" if is_vae else "at random codes"
    fitted = len(sheet.mixture.weights)
    gaussians = "1 Gaussian" if fitted == 1 else f"{fitted} Gaussians"
    return f"from {gaussians} fitted to {sheet.mixture.images:,} encodings of the class"
