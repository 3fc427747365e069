"""What the window's workers do: each a generator for a worker thread, made of calls into `core`.

Importing this module imports no torch; calling a task does, in the worker, after the window has been painted.
Jobs yield numbers between 0 and 1 as progress, and their result last.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_studio import paths
from vae_studio.core.config import RunConfig
from vae_studio.core.density import Density, Encoded
from vae_studio.core.errors import UserError
from vae_studio.core.events import Event
from vae_studio.core.exploration import Exploration
from vae_studio.core.figures import EvaluationRequest, Report
from vae_studio.core.latent import GridRequest, Region
from vae_studio.core.plane import Plane
from vae_studio.core.probing import Improvement, Judgement, Neighbours, Preparation
from vae_studio.core.samples import Mixture, SampleRequest, SampleSheet
from vae_studio.core.scene import Frame, Scene, TestImages, Version
from vae_studio.core.session_file import Page, SavedSession, read_session, write_session

if TYPE_CHECKING:
    import numpy as np

TRAINER_NICENESS = 10
EVALUATION_NICENESS = 15  # an evaluation holds up no training
PREVIEW_TILES = 40


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model to explore: a frozen `core.model.VAE` with its card, its name for people, and where it came from."""

    model: Any
    card: dict[str, Any]
    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """How many images a model can be evaluated on, and over how many of them log p(x) is estimated unless said
    otherwise: None for all."""

    test: int
    train: int
    default: int | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation is complete, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Written:
    """A file was written."""

    path: Path


def find_devices() -> Iterator[list[tuple[str, str]]]:
    """The choices of device, best first, as (choice, title)."""
    from vae_studio.core import devices

    yield [(info.choice, info.title) for info in devices.available()]


def open_model(name_or_path: str) -> Iterator[OpenedModel]:
    """Open a shipped model by name, or a model file, and put it on the best device. Raises ModelFileError."""
    from vae_studio.core import devices, library

    devices.settle_thread()
    loaded = library.open_model(name_or_path)
    title = next((m.title for m in library.shipped_models() if m.path == loaded.path), loaded.path.stem)
    if loaded.path.name == paths.MODEL_FILE:
        title = loaded.path.parent.name
    model = loaded.model.to(devices.for_display(devices.choose("auto")))
    yield OpenedModel(model, loaded.card, title, loaded.path, loaded.sha256)


def load_test_images(config: RunConfig, image_shape: tuple[int, int, int] | None = None) -> Iterator[TestImages]:
    """The test images that go with a training by `config`, for a model of this shape. Raises DataError."""
    from vae_studio.core import datasets

    data = datasets.load_fitting(config, image_shape, "encodings and reconstructions cannot be shown")
    yield _test_images(config, data)


def warm_up() -> Iterator[None]:
    """What torch imports for the first step of an optimiser takes most of a second: done while nobody waits for it."""
    import torch

    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight], fused=True).step()
    yield from ()


def train(config: RunConfig, folder: Path, commands: Any) -> Iterator[Event | TestImages]:
    """Train in this thread, which steps back for the window; the test images come first, then the run's events."""
    from vae_studio.core import datasets, devices, runs

    devices.settle_thread(TRAINER_NICENESS)
    data = datasets.load(config.data, config.seed)
    yield _test_images(config, data)
    yield from runs.record(config, data, folder, commands, command="trained in the window")


class Frames:
    """Makes frames for the render thread; one `core.tiles.Explorer` lives as long as the window."""

    def __init__(self) -> None:
        self._explorer: Any = None

    def __call__(self, scene: Scene) -> Iterator[Frame | None]:
        if self._explorer is None:
            from vae_studio.core import devices
            from vae_studio.core.tiles import Explorer

            devices.settle_thread()
            self._explorer = Explorer()
        return self._explorer.frames(scene)


def random_point(model: Any, seed: int) -> Iterator[tuple[float, ...]]:
    """A draw from a model's prior."""
    from vae_studio.core import devices

    devices.settle_thread()
    yield model.random_point(seed)


def count_images(model: Any) -> Iterator[ImageCounts]:
    """What there is to evaluate a model on. Raises DataError."""
    from vae_studio.core import datasets
    from vae_studio.core.estimate import default_images

    data = datasets.load(model.config.data, model.config.seed)
    yield ImageCounts(len(data.test), len(data.train), default_images(model))


def evaluate(model: Any, request: EvaluationRequest) -> Iterator[float | Report | Evaluated]:
    """Figures of a model on the images that go with it, a Report more after each part. Raises DataError."""
    from vae_studio.core import datasets, devices
    from vae_studio.core.estimate import report_steps

    began = time.monotonic()
    devices.settle_thread(EVALUATION_NICENESS)
    data = datasets.load_fitting(model.config, model.image_shape, "it cannot be evaluated on them")
    images = (data.test if request.split == "test" else data.train).images
    # Of a copy: its layers are measured by hooks, and the renderer may be calling the layers of the original.
    with devices.own_stream(model.device):
        for item in report_steps(model.frozen(), images, request):
            devices.wait(model.device)  # so that progress is true, and little is under way when it is given up
            yield item
    yield Evaluated(time.monotonic() - began)


def read_picture(path: Path) -> Iterator[np.ndarray]:
    """The picture in a file, uint8 (H, W), (H, W, 3) or (H, W, 4). Raises PictureError."""
    from vae_studio.core import preprocess

    yield preprocess.read_picture(path)


def prepare(picture: np.ndarray, image_shape: tuple[int, int, int], steps: Preparation) -> np.ndarray:
    """What the encoder gets of a picture; quick enough to be called while drawing. Raises PictureError."""
    from vae_studio.core import preprocess

    return preprocess.prepare(picture, image_shape, steps)


def judge(model: Any, image: np.ndarray) -> Iterator[float | Judgement]:
    """−ELBO of one image, then its log p(x)."""
    from vae_studio.core import devices, probe

    devices.settle_thread(EVALUATION_NICENESS)
    with devices.own_stream(model.device):
        # Of a copy: its layers are measured by hooks, and the renderer may be calling the layers of the original.
        yield from probe.judge_steps(model.frozen(), image)


def find_neighbours(model: Any, image: np.ndarray) -> Iterator[float | Neighbours]:
    """The training images nearest to this one, of those that the model was trained on. Raises DataError."""
    from vae_studio.core import datasets, devices, probe

    devices.settle_thread(EVALUATION_NICENESS)
    data = datasets.load_fitting(model.config, model.image_shape, "there are none to compare an image with")
    yield from probe.neighbour_steps(image, data.train, data.class_names)


def improve(model: Any, image: np.ndarray) -> Iterator[Improvement]:
    """Gradient steps on the ELBO of this one image. Raises ProbeError."""
    from vae_studio.core import devices, probe

    devices.settle_thread(EVALUATION_NICENESS)
    with devices.own_stream(model.device):
        yield from probe.improve_steps(model.frozen(), image)


def sample(model: Any, request: SampleRequest, fitted: Mixture | None = None) -> Iterator[float | SampleSheet]:
    """A sheet of samples; `fitted` is the class's mixture, where it is known. Raises SampleError or DataError."""
    from vae_studio.core import devices, sampling

    devices.settle_thread()
    with devices.own_stream(model.device):
        for item in sampling.sample_steps(model, request, fitted):
            devices.wait(model.device)  # so that little is under way when it is given up
            yield item


def measure(images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """What `core.attributes` measures on images (n, …)."""
    from vae_studio.core import attributes

    yield attributes.measure(images)


def density(
    model: Any,
    version: Version,
    plane: Plane,
    region: Region,
    size: tuple[int, int],
    images: int,
    encoded: Encoded | None = None,
) -> Iterator[float | Encoded | Density]:
    """The density of q(z) over a region, in so many columns and rows, from the first `images` training images.

    `encoded` are these images, where they are encoded already; else they come before the density. Raises DataError.
    """
    from vae_studio.core import aggregate, datasets, devices
    from vae_studio.core import density as densities
    from vae_studio.core.evaluate import fixed_targets

    devices.settle_thread(EVALUATION_NICENESS)
    encoding = 0.0 if encoded else 0.7  # of the work
    if encoded is None:
        data = datasets.load_fitting(model.config, model.image_shape, "the density of their encodings cannot be shown")
        targets = fixed_targets(model.config, data.train.images[:images], "train")
        with devices.own_stream(model.device):
            for item in aggregate.encode_steps(model, version, targets):
                yield encoding * item if isinstance(item, float) else item
        encoded = item
    for item in densities.density_steps(encoded, plane, region, *size):
        yield encoding + (1.0 - encoding) * item if isinstance(item, float) else item


def spacing(means: np.ndarray) -> Iterator[tuple[float]]:
    """How far encodings are from their nearest neighbour, as `core.nearness.spacing` says."""
    from vae_studio.core import devices, nearness

    devices.settle_thread(EVALUATION_NICENESS)
    yield (nearness.spacing(means),)


def preview_grid(model: Any, request: GridRequest) -> Iterator[float | np.ndarray]:
    """The picture of a grid with at most 40 × 40 of its tiles, unscaled."""
    from vae_studio.core.export import grid_steps

    rows, cols = min(request.rows, PREVIEW_TILES), min(request.cols, PREVIEW_TILES)
    yield from grid_steps(model, replace(request, rows=rows, cols=cols, scale=1))


def export_grid(
    model: Any, request: GridRequest, path: Path, name: str, sha256: str, keep_in: Path | None = None
) -> Iterator[float | Written]:
    """Decode a grid at full size and write it. Raises GridError or FileError.

    A snapshot that lies in no file yet (`sha256` is empty) is kept in the folder `keep_in`, so that the model that
    the picture names exists.
    """
    import numpy as np

    from vae_studio.core.checkpoint import save_model as write_model
    from vae_studio.core.export import encode_grid, grid_steps
    from vae_studio.core.files import write_atomically

    for item in grid_steps(model, request):
        if isinstance(item, np.ndarray):
            if keep_in is not None and not sha256:
                sha256 = write_model(keep_in / f"exported-{path.stem}.safetensors", model, {})
            content = encode_grid(item, model, request, name=name, sha256=sha256)
            yield 1.0  # the last moment to cancel
            write_atomically(path, content)
            yield Written(path)
        else:
            yield item


def save_model(model: Any, card: dict[str, Any], path: Path) -> Iterator[Written]:
    """Write the model that is shown to a file. Raises FileError."""
    from vae_studio.core.checkpoint import save_model as write

    write(path, model, card)
    yield Written(path)


def session_of(opened: OpenedModel, exploration: Exploration, region: Region | None, page: Page) -> SavedSession:
    """What is looked at, as it is saved: a shipped model goes by its name, wherever the program may be put later."""
    from vae_studio.core import library

    shipped = (model.name for model in library.shipped_models() if model.path == opened.path)
    return SavedSession(next(shipped, str(opened.path.absolute())), opened.sha256, exploration, region, page)


def open_session(path: Path) -> Iterator[SavedSession]:
    """Read a session file. Raises SessionFileError."""
    yield read_session(path)


def save_session(path: Path, session: SavedSession) -> Iterator[Written]:
    """Write a session to a file. Raises FileError or SessionFileError."""
    write_session(path, session)
    yield Written(path)


def keep_session(path: Path, session: SavedSession) -> None:
    """Write a session at once, for the next start; one that cannot be written is let go of."""
    from vae_studio.core.files import make_folder

    with contextlib.suppress(UserError):
        make_folder(path.parent)
        write_session(path, session)


def set_aside(path: Path) -> Path | None:
    """Rename a file that is no use now, so that the next one does not replace it; None where that cannot be done."""
    aside = path.with_name(f"{path.stem}-aside{path.suffix}")
    try:
        return path.replace(aside)
    except OSError:
        return None


def _test_images(config: RunConfig, data: Any) -> TestImages:
    """As the encoder is meant to see them: black and white, the same each time, where it is trained on such."""
    from vae_studio.core.evaluate import fixed_targets

    images = fixed_targets(config, data.test.images, "test")
    return TestImages(images.numpy(), data.test.labels.numpy(), data.class_names)
