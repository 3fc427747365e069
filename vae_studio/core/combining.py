"""Combining by the command line: encodings of test images, what a formula names, and pictures with what they show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vae_studio.core import datasets
from vae_studio.core.arithmetic import CombineError, Found, Group, direction, group_of, groups_by
from vae_studio.core.attributes import ATTRIBUTES, measure
from vae_studio.core.evaluate import fixed_targets
from vae_studio.core.export import encode_png, one_thread
from vae_studio.core.files import write_atomically
from vae_studio.core.latent import MAX_COORDINATE
from vae_studio.core.marks import PointError, read_point
from vae_studio.core.model import VAE, to_float
from vae_studio.core.scene import TestImages

MAX_TERMS = 26
_ENCODED = 250  # images at a time
_SIGNS = {"+": 1, "-": -1, "−": -1}
_SOURCES = "class:NAME, image:NUMBER, z:z₁,z₂,… or 0"


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Test images and the means of their q(z|x), or their codes: float64 (n, latent_dims)."""

    tests: TestImages
    means: np.ndarray


@dataclass(frozen=True, slots=True)
class SignedTerm:
    """One term of a formula: its sign, 1 or −1, and what it names, as it was written."""

    sign: int
    source: str


def encode_steps(model: VAE, images: int | None) -> Iterator[float | Encoded]:
    """Encode the first test images, None for all: yields the fraction done (0 to 1), and the Encoded last.

    On the CPU by one thread, so that numbers are the same wherever they come from. Raises DataError.
    """
    data = datasets.load_fitting(model.config, model.image_shape, "there are no encodings to combine")
    pixels = fixed_targets(model.config, data.test.images, "test")[:images]
    model, means = model.frozen().to("cpu", memory_format=torch.contiguous_format), []
    for start in range(0, len(pixels), _ENCODED):
        with torch.no_grad(), one_thread():
            means.append(model.encode(to_float(pixels[start : start + _ENCODED])).mean.double().numpy())
        yield min(1.0, (start + _ENCODED) / len(pixels))
    tests = TestImages(pixels.numpy(), data.test.labels[: len(pixels)].numpy(), data.class_names)
    yield Encoded(tests, np.concatenate(means))


def read_formula(text: str) -> tuple[SignedTerm, ...]:
    """The terms of a formula such as `class:9 - class:4 + class:7`; signs between terms have spaces around them.

    Raises CombineError.
    """
    parts = re.split(r"\s+([-+−])\s+", text.strip())
    sources, signs = parts[::2], [1, *(_SIGNS[sign] for sign in parts[1::2])]
    if not all(sources) or any(re.search(r"\s|[-+−](class|image|z):", source) for source in sources):
        raise CombineError(
            f"“{text}” is no formula: write {_SOURCES}, with + or - between them and spaces round these."
        )
    if len(sources) > MAX_TERMS:
        raise CombineError(f"A formula has {MAX_TERMS} terms at most (it had {len(sources)}).")
    return tuple(SignedTerm(sign, source) for sign, source in zip(signs, sources, strict=True))


def source_group(source: str, encoded: Encoded) -> Group:
    """What a term names. Raises CombineError."""
    kind, _, what = source.partition(":")
    tests, means = encoded.tests, encoded.means
    if source == "0":
        return Group.of(source, (0.0,) * means.shape[1])
    if kind == "z":
        try:
            return Group.of(source, read_point(what, means.shape[1], MAX_COORDINATE))
        except PointError as error:
            raise CombineError(f"{source}: {error}") from None
    if kind == "class":
        return group_of(source, means, tests.labels == _class_number(tests, what))
    if kind == "image":
        if not what.isdecimal() or int(what) >= len(means):
            raise CombineError(f"{source}: test images are numbered from 0 to {len(means) - 1:,}.")
        return Group.of(source, means[int(what)])
    raise CombineError(f"“{source}” is no term of a formula: write {_SOURCES}.")


def source_direction(text: str, encoded: Encoded) -> tuple[Found, tuple[Group, Group]]:
    """The direction from B to A of the formula `A - B`, or an attribute: `thicker`, or `thicker:3` within a class.

    With the groups that it leads from and to. Raises CombineError.
    """
    attribute, _, what = text.strip().partition(":")
    if attribute in ATTRIBUTES:
        tests = encoded.tests
        number = _class_number(tests, what) if what else None
        values = measure(tests.images)[attribute]
        start, end = groups_by(attribute, values, encoded.means, tests.labels, number, what)
        return direction(start, end, text.strip().replace(":", " ")), (start, end)
    terms = read_formula(text)
    if [term.sign for term in terms] != [1, -1]:
        raise CombineError(f"A direction is A - B, from B to A, or one of {', '.join(ATTRIBUTES)} (it was {text}).")
    end, start = (source_group(term.source, encoded) for term in terms)
    return direction(start, end, f"{start.name} → {end.name}"), (start, end)


def write_row(
    path: Path, picture: np.ndarray, model: VAE, about: dict[str, Any], title: str, *, name: str, sha256: str
) -> None:
    """Write pictures side by side as PNG with model and what they are as text metadata. Raises FileError."""
    whole = {**about, "model": name, "model_sha256": sha256, "config": model.config.model_dump(mode="json")}
    write_atomically(path, encode_png(picture, f"{name}: {title}", whole))


def total(terms: Sequence[SignedTerm], groups: Sequence[Group]) -> np.ndarray:
    """The sum of the groups' means, with their signs: float64 (latent_dims,)."""
    return sum((term.sign * group.mean for term, group in zip(terms, groups, strict=True)), np.zeros(()))


def _class_number(tests: TestImages, name: str) -> int:
    if name not in tests.class_names:
        raise CombineError(f"There is no class {name}: the classes are {', '.join(tests.class_names)}.")
    return tests.class_names.index(name)
