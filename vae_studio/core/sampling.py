"""Sheets of samples: points from the prior, around a point or of a class, and what the decoder makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae_studio.core import datasets, mixture
from vae_studio.core.evaluate import fixed_targets
from vae_studio.core.export import encode_png, one_thread
from vae_studio.core.files import write_atomically
from vae_studio.core.model import VAE, to_float, to_pixels
from vae_studio.core.samples import (
    Around,
    Mixture,
    OfClass,
    Prior,
    SampleError,
    SampleRequest,
    SampleSheet,
    SheetLayout,
)

CLASS_IMAGES = 3000  # of a class, that a mixture is fitted to: the first ones
_ENCODED = 250  # images at a time
_DECODED = 20
_ENCODING, _FITTING = 0.6, 0.35  # shares of the work where a class is fitted


def sample_steps(model: VAE, request: SampleRequest, fitted: Mixture | None = None) -> Iterator[float | SampleSheet]:
    """Draw points and decode them: yields the fraction done (0 to 1), and the SampleSheet last.

    With ε standard noise by the request's seed and τ the temperature, the points are

    - of the prior: z = τ ε for N(0, I) and, with ε of that family, for the Laplace prior; of a mixture prior
      z = mₖ + τ sₖ ε, whose components narrow about their means and keep their places. An auto-encoder's: z = τ ε;
    - around a point: z = point + τ r ε;
    - of a class: z = mₖ + τ Lₖ ε for Gaussians N(mₖ, Lₖ Lₖᵀ) fitted to the means μ(x) of q(z|x), or to the codes, of
      up to 3000 training images of the class. `fitted` is such a mixture, found before with the same weights.

    Images are means of p(x|z) at these points in float32, or draws from it. Raises SampleError for what this model has
    not, and DataError where its images are missing.
    """
    if request.draw and not model.is_vae:
        raise SampleError("An auto-encoder has no p(x|z) to draw from: its decoder gives one image for each code.")
    begun, source, device = 0.0, request.source, model.device
    if isinstance(source, OfClass) and fitted is None:
        begun = _ENCODING + _FITTING
        for item in class_steps(model, source):
            if isinstance(item, float):
                yield begun * item
            else:
                fitted = item
    points = _points(model, request, fitted)
    generator = torch.Generator(device).manual_seed(request.seed)
    images = []
    for start in range(0, len(points), _DECODED):
        with torch.no_grad():
            likelihood = model.decode(points[start : start + _DECODED].to(device))
            images.append(to_pixels(likelihood.sample(generator) if request.draw else likelihood.mean))
        yield begun + (1.0 - begun) * min(1.0, (start + _DECODED) / len(points))
    fitted = fitted if isinstance(source, OfClass) else None
    yield SampleSheet(request, points.numpy(), np.concatenate(images), fitted)


def class_steps(model: VAE, source: OfClass) -> Iterator[float | Mixture]:
    """Fit a class: yields the fraction done (0 to 1), and the Mixture last. Raises SampleError or DataError."""
    data = _data(model)
    members = (data.train.labels == source.number).nonzero().squeeze(1)[:CLASS_IMAGES]
    if not len(members):
        name = data.class_names[source.number]
        raise SampleError(f"None of the images that this model was trained on is of class {name}.")
    images, means = fixed_targets(model.config, data.train.images, "train")[members], []
    encoding = _ENCODING / (_ENCODING + _FITTING)
    for start in range(0, len(images), _ENCODED):
        with torch.no_grad():
            means.append(model.encode(to_float(images[start : start + _ENCODED].to(model.device))).mean.cpu())
        yield encoding * min(1.0, (start + _ENCODED) / len(images))
    for item in mixture.fit_steps(torch.cat(means), source.components):
        yield encoding + (1.0 - encoding) * item if isinstance(item, float) else item


def class_number(model: VAE, name: str) -> int:
    """The class of this name, in the images that a model was trained on. Raises SampleError or DataError."""
    names = _data(model).class_names
    if name not in names:
        raise SampleError(f"There is no class {name}: the classes are {', '.join(names)}.")
    return names.index(name)


def _data(model: VAE) -> datasets.Data:
    return datasets.load_fitting(model.config, model.image_shape, "there are no encodings of a class to fit")


def _points(model: VAE, request: SampleRequest, fitted: Mixture | None) -> Tensor:
    """The points by the request's seed, float32 (count, d), on the CPU: the same on every device."""
    generator = torch.Generator().manual_seed(request.seed)
    count, temperature = request.count, request.temperature
    match request.source:
        case Prior():
            return model.sample_prior(count, generator, temperature)
        case Around(point, radius):
            if len(point) != model.latent_dims:
                raise SampleError(f"The point has {len(point)} numbers, but the model has {model.latent_dims}.")
            noise = torch.randn((count, model.latent_dims), generator=generator)
            return torch.tensor(point) + temperature * radius * noise
        case OfClass():
            return mixture.sample(fitted, count, generator, temperature)


# As files


def sheet_picture(sheet: SampleSheet, layout: SheetLayout) -> np.ndarray:
    """The sheet as one picture, row by row from the top left: uint8 (H, W), or (H, W, 3) in colour.

    Raises SampleError where that is impossible.
    """
    count, height, width, *channels = sheet.images.shape
    across, down = layout.size(count, height, width)
    picture = np.zeros((down, across, *channels), np.uint8)
    high, wide = height * layout.scale, width * layout.scale
    for index, image in enumerate(sheet.images):
        row, column = divmod(index, layout.cols)
        top, left = row * (high + layout.spacing), column * (wide + layout.spacing)
        picture[top : top + high, left : left + wide] = image.repeat(layout.scale, axis=0).repeat(layout.scale, axis=1)
    return picture


def exact_steps(model: VAE, request: SampleRequest) -> Iterator[float | SampleSheet]:
    """As `sample_steps`, on the CPU by one thread, so that a request gives the same pixels wherever it comes from."""
    steps = sample_steps(model.frozen().to("cpu", memory_format=torch.contiguous_format), request)
    while True:
        with one_thread():
            item = next(steps, None)
        if item is None:
            return
        yield item


def source_as_dict(request: SampleRequest, fitted: Mixture | None) -> dict[str, Any]:
    """Where the points are from, for files and JSON."""
    match request.source:
        case Around(point, radius):
            return {"kind": "point", "point": list(point), "radius": radius}
        case OfClass(number):
            return {
                "kind": "class",
                "class": number,
                "components": len(fitted.weights),
                "covariances": "full" if fitted.full else "diagonal",
                "images": fitted.images,
            }
    return {"kind": "prior"}


def write_sheet(
    path: Path, picture: np.ndarray, sheet: SampleSheet, model: VAE, layout: SheetLayout, *, name: str, sha256: str
) -> None:
    """Write a sheet's picture as PNG with model, source and seed as text metadata. Raises FileError."""
    request = sheet.request
    about = {
        "kind": "samples",
        "model": name,
        "model_sha256": sha256,
        "source": source_as_dict(request, sheet.mixture),
        "temperature": request.temperature,
        "draw": request.draw,
        "count": request.count,
        "seed": request.seed,
        **asdict(layout),
        "config": model.config.model_dump(mode="json"),
    }
    write_atomically(path, encode_png(picture, f"{name}: {request.count} samples", about))
