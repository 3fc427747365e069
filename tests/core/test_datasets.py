"""MNIST read from its four files, checked against torchvision's reader; damage is named; subsets are what they say."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.datasets import MNIST

from vae_studio import paths
from vae_studio.core import datasets
from vae_studio.core.config import DataConfig
from vae_studio.core.datasets import Data, DataError, ImageSet
from vae_studio.core.errors import UserError

SOURCE = paths.resources() / "mnist"
FILES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_and_labels_are_those_that_torchvision_reads(tmp_path: Path, mnist: Data, split: str) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        raw.joinpath(name).write_bytes(gzip.decompress(SOURCE.joinpath(f"{name}.gz").read_bytes()))
    theirs, ours = MNIST(tmp_path, train=split == "train", download=False), getattr(mnist, split)
    assert ours.images.dtype == ours.labels.dtype == torch.uint8
    assert torch.equal(ours.images, theirs.data)
    assert torch.equal(ours.labels.long(), theirs.targets)
    assert len(ours) == len(theirs)


def test_the_standard_split_with_its_names(mnist: Data) -> None:
    assert mnist.train.images.shape == (60_000, 28, 28) and mnist.test.images.shape == (10_000, 28, 28)
    assert mnist.image_shape == (1, 28, 28)
    assert mnist.class_names == tuple("0123456789")
    assert (mnist.name, mnist.title) == ("mnist", "MNIST")


def copy_of_the_files(folder: Path) -> Path:
    for name in FILES:
        shutil.copyfile(SOURCE / f"{name}.gz", folder / f"{name}.gz")
    return folder


def flip_a_pixel(path: Path) -> None:
    """A valid gzip file, of the right length, with one bit of its last byte turned."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content), compresslevel=1))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_compressed_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {
    "one bit": flip_a_pixel,
    "cut short": cut_short,
    "compressed byte": flip_a_compressed_byte,
    "not gzip": lambda path: path.write_bytes(b"<html>404</html>"),
    "empty": lambda path: path.write_bytes(b""),
    "missing": Path.unlink,
    "folder": put_a_folder_there,
    "other data set": lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_refused(tmp_path: Path, name: str, damage: str) -> None:
    copy_of_the_files(tmp_path)
    DAMAGES[damage](tmp_path / f"{name}.gz")
    with pytest.raises(DataError) as refused:
        datasets.load(DataConfig(), folder=tmp_path)
    message = str(refused.value)
    assert str(tmp_path / f"{name}.gz") in message and isinstance(refused.value, UserError)
    for other in set(FILES) - {name}:
        assert other not in message
    assert ("missing" in message) == (damage == "missing")
    assert "original MNIST files" in message


def test_once_the_file_is_restored_the_folder_loads(tmp_path: Path, mnist: Data) -> None:
    copy_of_the_files(tmp_path)
    labels = tmp_path / f"{FILES[-1]}.gz"
    labels.unlink()
    with pytest.raises(DataError):
        datasets.load(DataConfig(), folder=tmp_path)
    copy_of_the_files(tmp_path)
    assert datasets.load(DataConfig(), folder=tmp_path).fingerprint() == mnist.fingerprint()


@pytest.mark.parametrize("limit", [1, 500, 59_999, 60_000, 10**6])
def test_the_first_n(mnist: Data, limit: int) -> None:
    some = datasets.load(DataConfig(limit=limit))
    assert torch.equal(some.train.images, mnist.train.images[:limit])
    assert torch.equal(some.train.labels, mnist.train.labels[:limit])
    assert torch.equal(some.test.images, mnist.test.images)


def test_a_random_n_depends_on_the_seed_alone(mnist: Data) -> None:
    config = DataConfig(limit=500, pick="random")
    one, again, other = (datasets.load(config, seed) for seed in (3, 3, 4))
    assert torch.equal(one.train.images, again.train.images) and torch.equal(one.train.labels, again.train.labels)
    assert not torch.equal(one.train.images, other.train.images)
    assert not torch.equal(one.train.images, mnist.train.images[:500])
    # Images of the training split, each at most once, with their own labels. (MNIST has no two equal training images.)
    known = {image.numpy().tobytes(): int(label) for image, label in zip(*_tensors(mnist.train), strict=True)}
    picked = [image.numpy().tobytes() for image in one.train.images]
    assert len(set(picked)) == 500
    assert [known[image] for image in picked] == one.train.labels.tolist()
    # From everywhere in the split: 500 uniform draws all below 50,000 have a chance of 1e-40.
    where = {key: index for index, key in enumerate(known)}
    assert min(where[image] for image in picked) < 10_000 and max(where[image] for image in picked) > 50_000
    assert torch.equal(one.test.images, mnist.test.images)


def _tensors(part: ImageSet) -> tuple[torch.Tensor, torch.Tensor]:
    return part.images, part.labels


def test_some_classes_in_both_splits(mnist: Data) -> None:
    some = datasets.load(DataConfig(classes=(0, 1)))
    # The numbers of zeros and ones in MNIST are well known.
    assert (len(some.train), len(some.test)) == (5923 + 6742, 980 + 1135)
    for ours, whole in ((some.train, mnist.train), (some.test, mnist.test)):
        kept = (whole.labels == 0) | (whole.labels == 1)
        assert torch.equal(ours.images, whole.images[kept]) and torch.equal(ours.labels, whole.labels[kept])
    assert some.class_names == mnist.class_names


@pytest.mark.parametrize("pick", ["first", "random"])
def test_the_limit_counts_images_of_the_chosen_classes(pick: str) -> None:
    some = datasets.load(DataConfig(limit=300, pick=pick, classes=(7,)))
    assert some.train.labels.tolist() == [7] * 300
    assert len(some.test) == 1028 and some.test.labels.unique().tolist() == [7]


def test_a_choice_without_images_is_refused(monkeypatch: pytest.MonkeyPatch, mnist: Data) -> None:
    zeros = mnist.train.select((mnist.train.labels == 0).nonzero().squeeze(1))
    monkeypatch.setattr(datasets, "load_mnist", lambda folder: replace(mnist, train=zeros))
    with pytest.raises(DataError, match="leaves no images"):
        datasets.load(DataConfig(classes=(5,)))


def test_the_fingerprint_follows_every_pixel_and_label_and_nothing_else() -> None:
    data = datasets.load(DataConfig(limit=100, classes=(3,)))
    original = data.fingerprint()
    assert len(original) == 64 and int(original, 16)

    def with_train(images: torch.Tensor, labels: torch.Tensor) -> str:
        return replace(data, train=ImageSet(images, labels)).fingerprint()

    images, labels = data.train.images, data.train.labels
    assert with_train(images.clone(), labels.clone()) == original
    one_pixel, one_label = images.clone(), labels.clone()
    one_pixel[50, 14, 14] ^= 1
    one_label[50] = 4
    prints = [
        original,
        with_train(one_pixel, labels),
        with_train(images, one_label),
        with_train(images.flip(0), labels),
        with_train(images[:-1], labels[:-1]),
        with_train(images.reshape(-1, 14, 56), labels),
        replace(data, train=data.test, test=data.train).fingerprint(),
        replace(data, test=ImageSet(data.test.images.flip(0), data.test.labels)).fingerprint(),
    ]
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_is_of_the_pixels_whatever_their_order_in_memory() -> None:
    data = datasets.load(DataConfig(limit=50))
    strided = data.train.images.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    assert replace(data, train=ImageSet(strided, data.train.labels)).fingerprint() == data.fingerprint()
