"""`vae-studio encode`: what a model makes of a picture of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_studio.core import library
from vae_studio.core.probing import Judgement, Posterior, Preparation
from vae_studio.terminal import DeviceOption, JsonOption, plain_errors, print_json, say, with_bar

if TYPE_CHECKING:
    import numpy as np

_SHOWN = 10


def encode(
    model: Annotated[str, typer.Argument(help="A model file, a run folder, or a shipped model's name.")],
    image: Annotated[Path, typer.Argument(help="A picture: PNG, JPEG, BMP, GIF, WebP, TIFF or PNM.")],
    out: Annotated[Path | None, typer.Option(help="PNG file for the reconstruction g(μ).")] = None,
    prepared: Annotated[Path | None, typer.Option(help="PNG file for what the encoder got.")] = None,
    invert: Annotated[str | None, typer.Option(help="Dark ink on light paper: auto, on or off.")] = None,
    paper: Annotated[bool | None, typer.Option(help="Take the paper away, with its shadows.")] = None,
    scale: Annotated[bool | None, typer.Option(help="Scale the ink into MNIST's box.")] = None,
    centre: Annotated[bool | None, typer.Option(help="Move the centre of mass to the middle.")] = None,
    improve: Annotated[
        bool, typer.Option("--improve", help="Improve q(z|x) for this image by gradient steps on its ELBO.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of all samples.", min=0, max=2**63 - 1)] = 0,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encode a picture: μ and σ of q(z|x), −ELBO, and −log p(x) by importance sampling, in nats.

    The picture is inverted, cleaned, scaled and centred by mass as MNIST was; for models of colour images it is only
    fitted in. Each step can be switched.

    Example: vae-studio encode explorer-2d my-digit.png --out reconstruction.png --json
    """
    with plain_errors():
        if invert not in (None, "auto", "on", "off"):
            raise typer.BadParameter(f"choose auto, on or off (it was {invert}).", param_hint="--invert")
        for path, option in ((out, "--out"), (prepared, "--prepared")):
            if path is not None and path.suffix.lower() != ".png":
                raise typer.BadParameter(f"The file must end in .png (it was {path.name}).", param_hint=option)
        from vae_studio.core import devices, preprocess, probe
        from vae_studio.core.config import RunConfig
        from vae_studio.core.export import write_picture

        loaded = library.open_model(model)
        chosen = RunConfig().with_changes(device=device or "auto").device
        vae = loaded.model.to(devices.choose(chosen))
        shape = tuple(vae.image_shape)
        given = {"invert": invert, "paper": paper, "scale": scale, "centre": centre}
        steps = Preparation.of(shape).with_values(**{name: value for name, value in given.items() if value is not None})
        x = preprocess.prepare(preprocess.read_picture(image), shape, steps)
        posterior, reconstruction, _ = probe.reconstruct(vae, x)
        judgement = with_bar(probe.judge_steps(vae, x, seed=seed), "Estimating log p(x)", quiet=as_json)
        line = {"model": str(loaded.path), "image": str(image), **_as_dict(posterior), **_figures(judgement)}
        if improve:
            *_, better = probe.improve_steps(vae, x, seed=seed)
            posterior, reconstruction = better.posterior, better.reconstruction
            line["improved"] = {**_as_dict(posterior), "neg_elbo": better.bound.neg_elbo}
        _write(line, out, reconstruction, write_picture, "out")
        _write(line, prepared, x, write_picture, "prepared")
        if as_json:
            print_json(line)
        else:
            say(_in_words(line))


def _write(line: dict[str, Any], path: Path | None, picture: np.ndarray, write: Any, name: str) -> None:
    if path is not None:
        write(path, picture)
        line[name] = str(path)


def _as_dict(posterior: Posterior) -> dict[str, Any]:
    if posterior.family == "code":
        return {"z": posterior.mean.tolist()}
    found: dict[str, Any] = {"mu": posterior.mean.tolist(), "sigma": posterior.scale.tolist()}
    if posterior.covariance is not None:
        found["covariance"] = posterior.covariance.tolist()
    return found


def _figures(judgement: Judgement) -> dict[str, Any]:
    bound, likelihood = judgement.bound, judgement.likelihood
    if likelihood is None:
        return {"squared_error": bound.reconstruction}
    return {
        "neg_elbo": bound.neg_elbo,
        "neg_elbo_se": bound.se,
        "reconstruction": bound.reconstruction,
        "kl": bound.kl,
        "nll": likelihood.nll,
        "nll_se": likelihood.nll_se,
        "ess": likelihood.ess,
        "samples": likelihood.samples,
        "binarisations": likelihood.binarisations,
    }


def _in_words(line: dict[str, Any]) -> str:
    lines = [f"{line['image']} by {line['model']}"]
    if "z" in line:
        lines.append(f"z = {_numbers(line['z'])}")
        lines.append(f"squared error {line['squared_error']:.2f}")
        lines.append("An auto-encoder has no posterior: its encoder gives one code, so there is no σ, ELBO or p(x).")
    else:
        lines += [f"μ = {_numbers(line['mu'])}", f"σ = {_numbers(line['sigma'])}"]
        terms = f"{line['reconstruction']:.2f} (reconstruction) + {line['kl']:.2f} (KL)"
        lines.append(f"−ELBO {line['neg_elbo']:.2f} ± {line['neg_elbo_se']:.2f} nats = {terms}")
        over = f", mean over {line['binarisations']} binarisations" if line["binarisations"] > 1 else ""
        lines.append(f"−log p(x) {line['nll']:.2f} ± {line['nll_se']:.2f} nats{over}")
    if "improved" in line:
        better = line["improved"]
        lines.append(f"improved: −ELBO {better['neg_elbo']:.2f} nats, μ = {_numbers(better['mu'])}")
    lines += [f"{name}: {line[key]}" for key, name in (("out", "Reconstruction"), ("prepared", "x")) if key in line]
    return "\n".join(lines)


def _numbers(values: list[float]) -> str:
    more = ", …" if len(values) > _SHOWN else ""
    return "(" + ", ".join(f"{round(v, 3) + 0.0:.3f}".replace("-", "−") for v in values[:_SHOWN]) + more + ")"
