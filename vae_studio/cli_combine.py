"""`vae-studio combine`: A − B + C with latent points and means of groups, and directions from one group to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from vae_studio.core import library
from vae_studio.core.marks import point_text
from vae_studio.terminal import JsonOption, number_of_images, plain_errors, print_json, say, with_bar

_REACH = 3.0


def combine(
    model: Annotated[str, typer.Argument(help="A model file, a run folder, or a shipped model's name.")],
    formula: Annotated[
        str,
        typer.Argument(
            help="Terms with + and - between them: class:NAME, the mean of its encodings, image:NUMBER, the test image "
            "of this number, counted from 0, z:z₁,z₂,… or 0. With --direction A - B, or thicker, slanted or wider, or "
            "thicker:3 in class 3."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="PNG file for the images of all terms and of the result.")] = None,
    direction: Annotated[
        bool, typer.Option("--direction", help="The direction from B to A, and images along it.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            help="Of --direction: the term in the middle of the strip, such as image:7, test image number 7, counted "
            "from 0; default between A and B."
        ),
    ] = None,
    reach: Annotated[
        float | None, typer.Option(help=f"Of --direction: latent units to either side; default {_REACH:g}.")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Of --direction: images in the strip; default 9.")] = None,
    images: Annotated[
        str, typer.Option(help="How many test images are encoded: a number or all; 1000 as in the window.")
    ] = "1000",
    scale: Annotated[int, typer.Option(help="Each pixel becomes this many squared.")] = 1,
    spacing: Annotated[int, typer.Option(help="Pixels between images.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Add and subtract latent points: means of classes, test images, coordinates.

    Example: vae-studio combine pytorch-example "class:9 - class:4 + class:7" --out row.png

    Example: vae-studio combine pytorch-example "class:9 - class:4" --direction --out strip.png

    Example: vae-studio combine pytorch-example thicker --direction --start image:7 --out strip.png
    """
    with plain_errors():
        if out is not None and out.suffix.lower() != ".png":
            raise typer.BadParameter(f"The file must end in .png (it was {out.name}).", param_hint="--out")
        for value, option in ((start, "--start"), (reach, "--reach"), (frames, "--frames")):
            if value is not None and not direction:
                raise typer.BadParameter("it goes with --direction.", param_hint=option)
        if reach is not None and not 0.0 < reach <= 100.0:
            raise typer.BadParameter(f"it must lie between 0 and 100 (it was {reach:g}).", param_hint="--reach")
        count = number_of_images(images)
        from vae_studio.core import combining
        from vae_studio.core.strip import beside_steps, check_layout

        frames = 9 if frames is None else frames
        check_layout(frames, scale, spacing)
        terms = () if direction else combining.read_formula(formula)
        loaded = library.open_model(model)
        encoded = with_bar(combining.encode_steps(loaded.model, count), "Encoding", quiet=as_json)
        line: dict[str, Any] = {"model": str(loaded.path), "formula": formula, "images": len(encoded.means)}
        if direction:
            found, groups = combining.source_direction(formula, encoded)
            vector = np.array(found.direction.vector)
            middle = combining.source_group(start, encoded) if start else None
            centre = (groups[0].mean + groups[1].mean) / 2.0 if middle is None else middle.mean
            along = np.linspace(-1.0, 1.0, frames)[:, None] * (_REACH if reach is None else reach)
            points = centre + along * vector
            line |= {"name": found.direction.name, "vector": vector.tolist(), "length": found.length}
            line |= {"separated": found.separated, "points": points.tolist()}
            title, said = (
                f"{frames} decoded images along “{found.direction.name}”",
                f"{found.direction.name}: {found.words}",
            )
        else:
            groups = [combining.source_group(term.source, encoded) for term in terms]
            result = combining.total(terms, groups)
            points = np.array([*(group.mean for group in groups), result])
            line |= {
                "terms": [
                    {"sign": term.sign, "source": term.source, "count": len(group.points), "z": group.mean.tolist()}
                    for term, group in zip(terms, groups, strict=True)
                ],
                "z": result.tolist(),
            }
            title, said = f"{formula}, decoded", f"{formula} = ({point_text(result)})"
        if out is not None:
            picture = with_bar(beside_steps(loaded.model, points, scale, spacing), "Decoding", quiet=as_json)
            layout = {"kind": "direction" if direction else "combination", "scale": scale, "spacing": spacing}
            about = {key: value for key, value in line.items() if key != "model"} | layout
            combining.write_row(out, picture, loaded.model, about, title, name=loaded.path.stem, sha256=loaded.sha256)
            height, width = picture.shape[:2]
            line |= {"out": str(out), "width": width, "height": height}
            said += f"\n{out}: {len(points)} images, {width} × {height} pixels"
        if as_json:
            print_json(line)
        else:
            say(said)
