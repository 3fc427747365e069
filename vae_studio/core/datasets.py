"""A name becomes uint8 tensors of images and their labels, with the standard split into train and test."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from vae_studio import paths
from vae_studio.core.config import DataConfig, RunConfig
from vae_studio.core.errors import UserError

# MD5 of the decompressed files, so that damage is found whatever compressed them.
_MNIST = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_IDX_UBYTE = 0x08


class DataError(UserError, ValueError):
    """A data file is missing or damaged, or a selection leaves no images; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images, uint8 (n, H, W) in grey or (n, H, W, C), and their labels, uint8 (n,), on the CPU."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def select(self, indices: torch.Tensor) -> ImageSet:
        return ImageSet(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class Data:
    """A data set as it is trained on: both splits, class names, and a fingerprint of exactly these images."""

    name: str
    title: str
    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        height, width, *channels = self.train.images.shape[1:]
        return (*channels, height, width) if channels else (1, height, width)

    def fingerprint(self) -> str:
        """SHA-256 over the pixels and labels of both splits, as hexadecimal."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            for tensor in (part.images, part.labels):
                digest.update(repr(tuple(tensor.shape)).encode())
                digest.update(tensor.contiguous().numpy())
        return digest.hexdigest()


def load(config: DataConfig, seed: int = 0, folder: Path | None = None) -> Data:
    """The images a config asks for; `seed` matters only where a random subset is chosen.

    Raises DataError when a file is missing or damaged, or when the selection leaves no image.
    """
    whole = load_mnist(folder or paths.resources() / "mnist")
    train, test = whole.train, whole.test
    if config.classes is not None:
        train, test = (part.select(_of_classes(part, config.classes)) for part in (train, test))
    if config.limit is not None and config.limit < len(train):
        if config.pick == "random":
            generator = torch.Generator().manual_seed(seed)
            chosen = torch.randperm(len(train), generator=generator)[: config.limit].sort().values
        else:
            chosen = torch.arange(config.limit)
        train = train.select(chosen)
    if not len(train) or not len(test):
        raise DataError("This choice of classes leaves no images.")
    return Data(whole.name, whole.title, train, test, whole.class_names)


def load_fitting(config: RunConfig, image_shape: tuple[int, int, int] | None, consequence: str) -> Data:
    """The data that goes with a training by `config`.

    Raises DataError, naming the consequence, if a model of this shape (C, H, W) does not fit it.
    """
    data = load(config.data, config.seed)
    if image_shape not in (None, data.image_shape):
        (channels, height, width), (_, its_height, its_width) = image_shape, data.image_shape
        raise DataError(
            f"This model makes images of {width} × {height} pixels{' in colour' if channels > 1 else ''}, and those of "
            f"{data.title} have {its_width} × {its_height}: {consequence}."
        )
    return data


def _of_classes(part: ImageSet, classes: tuple[int, ...]) -> torch.Tensor:
    return torch.isin(part.labels, torch.tensor(classes, dtype=torch.uint8)).nonzero().squeeze(1)


@lru_cache(maxsize=2)
def load_mnist(folder: Path) -> Data:
    """MNIST (LeCun, Cortes, Burges) from its four original files: 60,000 and 10,000 images of 28×28 pixels."""
    arrays = {name: read_idx(folder / f"{name}.gz", md5) for name, md5 in _MNIST.items()}
    train, test = (
        ImageSet(
            torch.from_numpy(arrays[f"{part}-images-idx3-ubyte"]), torch.from_numpy(arrays[f"{part}-labels-idx1-ubyte"])
        )
        for part in ("train", "t10k")
    )
    return Data("mnist", "MNIST", train, test, tuple("0123456789"))


def read_idx(path: Path, md5: str) -> np.ndarray:
    """The uint8 array in a gzipped IDX file, checked against the MD5 of its decompressed bytes.

    Raises DataError naming the file when it is missing, cannot be decompressed or has other bytes than it should.
    """
    again = f"Restore it from a fresh copy of the program, or from the original MNIST files, in {path.parent}."
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"The data file {path} is missing. {again}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"The data file {path} cannot be read ({error}). {again}") from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise DataError(f"The data file {path} is damaged: its checksum is wrong. {again}")
    zero, kind, rank = struct.unpack_from(">HBB", content)
    if zero or kind != _IDX_UBYTE:
        raise DataError(f"The data file {path} is not an IDX file of bytes. {again}")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    # A copy, since tensors must own writable memory.
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()
