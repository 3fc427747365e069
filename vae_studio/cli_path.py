"""`vae-studio path`: the images along a path through latent space, side by side in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vae_studio.core import library
from vae_studio.core.latent import MAX_COORDINATE
from vae_studio.core.marks import PointError, point_text, read_point
from vae_studio.terminal import JsonOption, plain_errors, print_json, say, with_bar


def path(
    model: Annotated[str, typer.Argument(help="A model file, a run folder, or a shipped model's name.")],
    start: Annotated[str, typer.Option("--from", help="z₁,z₂,… where the path begins.")],
    end: Annotated[str, typer.Option("--to", help="z₁,z₂,… where it ends.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")],
    via: Annotated[list[str] | None, typer.Option(help="A point in between; as many as you like, in order.")] = None,
    frames: Annotated[int, typer.Option(help="Images, at equal steps of length along the path.")] = 10,
    spherical: Annotated[
        bool, typer.Option("--spherical", help="Along great circles, instead of straight lines.")
    ] = False,
    scale: Annotated[int, typer.Option(help="Each pixel becomes this many squared.")] = 1,
    spacing: Annotated[int, typer.Option(help="Pixels between images.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write the images along a path through latent space as PNG, side by side.

    Example: vae-studio path explorer-2d --from -1.9,0.4 --to 1.7,-0.9 --frames 12 --out strip.png
    """
    with plain_errors():
        if out.suffix.lower() != ".png":
            raise typer.BadParameter(f"The file must end in .png (it was {out.name}).", param_hint="--out")
        from vae_studio.core.strip import StripRequest, strip_steps, write_strip

        loaded = library.open_model(model)
        options = [("--from", start), *(("--via", text) for text in via or ()), ("--to", end)]
        points = tuple(_point(text, loaded.model.latent_dims, option) for option, text in options)
        request = StripRequest(points, frames, spherical, scale, spacing)
        picture = with_bar(strip_steps(loaded.model, request), "Decoding", quiet=as_json)
        write_strip(out, picture, loaded.model, request, name=loaded.path.stem, sha256=loaded.sha256)
        height, width = picture.shape[:2]
        walk = request.walk()
        if as_json:
            about = {"path": str(out), "width": width, "height": height, "frames": frames, "length": walk.length}
            print_json({**about, "spherical": spherical, "points": walk.steps(frames).tolist()})
        else:
            ways = " → ".join(f"({point_text(point)})" for point in points) if loaded.model.latent_dims < 4 else ""
            say(f"{out}: {frames} images, {width} × {height} pixels, length {walk.length:.3f} {ways}".rstrip())


def _point(text: str, dims: int, option: str) -> tuple[float, ...]:
    try:
        return read_point(text, dims, MAX_COORDINATE)
    except PointError as error:
        raise PointError(f"{option}: {error}") from None
