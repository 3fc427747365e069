"""`--plane` of the command line: a plane through the test images' encodings, or through three points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vae_studio.core.latent import MAX_COORDINATE
from vae_studio.core.plane import Plane, PlaneError
from vae_studio.core.planes import ENCODED, Principal, read_vector, through_class_means, through_points

if TYPE_CHECKING:
    import numpy as np

    from vae_studio.core.datasets import Data
    from vae_studio.core.model import VAE

_OPTION = "--plane"
_FORMS = "components, components:1,3, classes:A,B,C, images:I,J,K or points:z…;z…;z…"
_CALL = 250  # images


def plane_of(model: VAE, text: str) -> Plane:
    """The plane that `--plane` asks for; encodings are those of the first 1000 test images, as in the window.

    Components count from 1, images from 0. Raises PlaneError or DataError.
    """
    kind, _, rest = text.partition(":")
    if model.latent_dims < 2:
        raise PlaneError(f"{_OPTION}: the model has one latent dimension, whose map is a line.")
    match kind:
        case "components":
            first, second = _numbers(rest or "1,2", 2, text)
            return Principal.of(_encodings(model, range(ENCODED))[0]).plane((first - 1, second - 1))
        case "classes":
            means, data = _encodings(model, range(ENCODED))
            labels = data.test.labels[: len(means)].numpy()
            return through_class_means(means, labels, _classes(rest, data.class_names, text), data.class_names)
        case "images":
            return through_points(_encodings(model, _numbers(rest, 3, text))[0].tolist())
        case "points":
            points = _split(rest, ";", 3, text)
            dims = model.latent_dims
            return through_points([read_vector(_OPTION, point, dims, MAX_COORDINATE) for point in points])
    raise PlaneError(f"{_OPTION} takes {_FORMS} (it was {text}).")


def _encodings(model: VAE, wanted: range | list[int]) -> tuple[np.ndarray, Data]:
    """Posterior means (n, latent_dims) of these test images, in float32 on the CPU, and the data they are of."""
    import torch

    from vae_studio.core import datasets
    from vae_studio.core.evaluate import fixed_targets
    from vae_studio.core.model import to_float

    data = datasets.load_fitting(model.config, model.image_shape, "a plane cannot be put through their encodings")
    count = len(data.test)
    if isinstance(wanted, range):
        wanted = list(wanted[:count])
    for index in wanted:
        if not 0 <= index < count:
            raise PlaneError(f"There is no test image {index}: they count from 0 to {count - 1:,}.")
    images = fixed_targets(model.config, data.test.images, "test")[wanted]
    with torch.no_grad():
        means = [model.encode(to_float(part.to(model.device))).mean.cpu() for part in images.split(_CALL)]
    return torch.cat(means).numpy(), data


def _classes(text: str, names: tuple[str, ...], whole: str) -> list[int]:
    wanted = [name.strip() for name in _split(text, ",", 3, whole)]
    for name in wanted:
        if name not in names:
            raise PlaneError(f"There is no class {name}: the classes are {', '.join(names)}.")
    return [names.index(name) for name in wanted]


def _numbers(text: str, count: int, whole: str) -> list[int]:
    try:
        return [int(part) for part in _split(text, ",", count, whole)]
    except ValueError:
        raise PlaneError(f"{_OPTION} takes {_FORMS} (it was {whole}).") from None


def _split(text: str, between: str, count: int, whole: str) -> list[str]:
    parts = text.split(between)
    if len(parts) != count:
        raise PlaneError(f"{_OPTION} takes {_FORMS} (it was {whole}).")
    return parts
