"""What the window's workers do, pulled here as a worker does: in a thread of its own where it changes that thread."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import small_models
import torch
from PIL import Image

from vae_studio import paths, tasks
from vae_studio.core import datasets
from vae_studio.core.checkpoint import ModelFileError, load_model, save_model
from vae_studio.core.config import BernoulliConfig, DataConfig, MLPConfig, RunConfig
from vae_studio.core.datasets import DataError
from vae_studio.core.estimate import report_steps
from vae_studio.core.events import Finished, Saved, Started, Stop
from vae_studio.core.export import render_grid
from vae_studio.core.figures import EvaluationRequest, Report
from vae_studio.core.files import FileError
from vae_studio.core.latent import GridError, GridRequest
from vae_studio.core.model import VAE, build
from vae_studio.core.plane import Plane
from vae_studio.core.preprocess import PictureError
from vae_studio.core.probing import Preparation
from vae_studio.core.scene import MapFrame, PointFrame, Scene, TestImages, Version, View

T = TypeVar("T")
EXPLORER = paths.trained_models() / "explorer-2d.safetensors"


def in_a_thread(work: Callable[[], T]) -> T:
    """What `work` returns in a thread of its own; what it raises is raised here."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@pytest.fixture
def model() -> VAE:
    return small_models.mlp(widths=(16,))


def opened(name_or_path: object) -> tasks.OpenedModel:
    (only,) = in_a_thread(lambda: list(tasks.open_model(str(name_or_path))))
    return only


def test_a_shipped_model_opens_by_name_with_its_title() -> None:
    found = opened("explorer-2d")
    assert (found.name, found.path) == ("2-D explorer", EXPLORER)
    assert found.card["preset"] == "explorer-2d"
    assert len(found.sha256) == 64
    assert found.model.device == torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert not any(p.requires_grad for p in found.model.parameters())


def test_files_are_named_after_themselves_and_runs_after_their_folder(model: VAE, tmp_path: Path) -> None:
    run = tmp_path / "2026-11-20-093000-explorer-2d"
    run.mkdir()
    save_model(run / "model.safetensors", model, {"a": 1})
    save_model(tmp_path / "my twos.safetensors", model, {})
    assert opened(run).name == opened(run / "model.safetensors").name == "2026-11-20-093000-explorer-2d"
    assert opened(run).card == {"a": 1}
    assert opened(tmp_path / "my twos.safetensors").name == "my twos"


def test_a_model_that_is_not_there_is_an_expected_error() -> None:
    with pytest.raises(ModelFileError, match="There is no model “nothing”"):
        opened("nothing")


def test_devices_are_offered_best_first_and_the_cpu_always() -> None:
    (found,) = tasks.find_devices()
    assert found[-1][0] == "cpu"
    assert ("cuda" in dict(found)) == torch.cuda.is_available()


def test_test_images_of_some_classes() -> None:
    (found,) = tasks.load_test_images(RunConfig(data=DataConfig(classes=(3, 7))))
    assert isinstance(found, TestImages)
    # 1010 threes and 1028 sevens are among the MNIST test images.
    assert np.bincount(found.labels).tolist() == [0, 0, 0, 1010, 0, 0, 0, 1028]
    assert found.images.shape == (2038, 28, 28)
    assert found.images.dtype == np.uint8
    assert found.class_names == tuple("0123456789")


def test_test_images_are_what_the_encoder_is_meant_to_see() -> None:
    grey = next(tasks.load_test_images(RunConfig())).images
    binarised = RunConfig(likelihood=BernoulliConfig(targets="binarised-fresh"), seed=3)
    one, again = (next(tasks.load_test_images(binarised)).images for _ in range(2))
    assert np.array_equal(one, again)
    assert set(np.unique(one)) == {0, 255}
    # White as often as the pixel is bright: the mean over many images tells.
    error = (one.astype(float) - grey).mean(axis=0)
    spread = np.sqrt((grey * (255.0 - grey)).sum(axis=0)) / len(grey)
    assert (np.abs(error) <= 5 * spread + 1e-9).all()


def test_test_images_of_another_size_than_the_models_are_refused_in_words() -> None:
    assert next(tasks.load_test_images(RunConfig(), (1, 28, 28))).image_shape == (1, 28, 28)
    with pytest.raises(DataError, match=r"32 × 20 pixels in colour, and those of MNIST have 28 × 28"):
        next(tasks.load_test_images(RunConfig(), (3, 20, 32)))


def test_a_training_says_its_test_images_first_and_leaves_a_model(tmp_path: Path) -> None:
    config = RunConfig(
        data=DataConfig(limit=500, classes=(0, 1)), network=MLPConfig(widths=(8,)), batch_size=50, epochs=1
    )
    niceness = os.getpriority(os.PRIO_PROCESS, 0) if sys.platform == "linux" else 0
    seen = in_a_thread(lambda: list(tasks.train(config, tmp_path / "run", queue.SimpleQueue())))
    assert isinstance(seen[0], TestImages)
    assert set(seen[0].labels.tolist()) == {0, 1}
    assert isinstance(seen[1], Started)
    assert [type(event) for event in seen[-2:]] == [Finished, Saved]
    assert load_model(tmp_path / "run" / "model.safetensors").card["command"] == "trained in the window"
    if sys.platform == "linux":
        assert os.getpriority(os.PRIO_PROCESS, 0) == niceness


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_a_training_steps_back_for_the_window(tmp_path: Path) -> None:
    config = RunConfig(data=DataConfig(limit=100), network=MLPConfig(widths=(4,)), batch_size=50, epochs=1)

    def work() -> set[tuple[int, int]]:
        thread = threading.get_native_id()
        torch.set_num_threads(2)  # where the tests have several processes, threads begin with one
        training = tasks.train(config, tmp_path, queue.SimpleQueue())
        return {(os.getpriority(os.PRIO_PROCESS, thread), torch.get_num_threads()) for _ in training}

    assert in_a_thread(work) == {(tasks.TRAINER_NICENESS, 1)}


def test_a_training_takes_commands(tmp_path: Path) -> None:
    commands: queue.SimpleQueue = queue.SimpleQueue()
    commands.put(Stop())
    config = RunConfig(network=MLPConfig(widths=(4,)), epochs=1000)
    *_, finished, saved = in_a_thread(lambda: list(tasks.train(config, tmp_path, commands)))
    assert (finished.reason, saved.card["ended"]) == ("stopped", "stopped")


def test_frames_come_from_one_engine_that_remembers(model: VAE) -> None:
    frames = tasks.Frames()
    scene = Scene(model, Version(1, 0), (0.0, 0.0), Plane.of_axes((0, 1), 2), View(-1, 1, -1, 1, 200, 200))
    first = in_a_thread(lambda: list(frames(scene)))
    assert [type(frame) for frame in first if frame is not None] == [PointFrame, MapFrame]
    assert in_a_thread(lambda: list(frames(scene))) == []


# Evaluations


def test_an_evaluation_gives_what_the_core_finds_part_after_part_and_ends(model: VAE) -> None:
    request = EvaluationRequest(split="train", samples=3, images=20, naive=False)
    found = in_a_thread(lambda: list(tasks.evaluate(model, request)))
    fractions = [item for item in found if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] == 1
    images = datasets.load(model.config.data).train.images
    expected = in_a_thread(lambda: one_thread(report_steps(model, images, request)))
    assert found[-1].seconds > 0
    got = [item for item in found if isinstance(item, Report)]
    wanted = [item for item in expected if isinstance(item, Report)]
    assert [(r.information, r.likelihood) for r in got] == [(r.information, r.likelihood) for r in wanted]
    assert [r.evaluation.neg_elbo for r in got] == [r.evaluation.neg_elbo for r in wanted]
    assert (got[-1].split, got[-1].evaluation.images, got[-1].likelihood.of_images) == ("train", 60_000, 60_000)


def one_thread(items: Iterator[T]) -> list[T]:
    """All items, made on one OpenMP thread as in the window's workers."""
    torch.set_num_threads(1)
    return list(items)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_an_evaluation_steps_back_for_the_window_and_for_training(model: VAE) -> None:
    def work() -> set[tuple[int, int]]:
        thread = threading.get_native_id()
        torch.set_num_threads(2)  # where the tests have several processes, threads begin with one
        steps = tasks.evaluate(model, EvaluationRequest(samples=0))
        return {(os.getpriority(os.PRIO_PROCESS, thread), torch.get_num_threads()) for _ in steps}

    assert in_a_thread(work) == {(tasks.EVALUATION_NICENESS, 1)}
    assert tasks.EVALUATION_NICENESS > tasks.TRAINER_NICENESS


def test_an_evaluation_leaves_the_layers_that_others_use_alone(model: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks hung into them while the renderer goes through them would break it."""
    hooked = []
    register = torch.nn.Module.register_forward_hook

    def watched(layer: torch.nn.Module, hook: Callable[..., None]) -> object:
        hooked.append(layer)
        return register(layer, hook)

    monkeypatch.setattr(torch.nn.Module, "register_forward_hook", watched)
    in_a_thread(lambda: list(tasks.evaluate(model, EvaluationRequest(samples=2, images=20))))
    assert hooked
    assert not set(map(id, hooked)) & set(map(id, model.modules()))


@pytest.mark.parametrize(
    ("config", "test", "train"),
    [(RunConfig(), 10_000, 60_000), (RunConfig(data=DataConfig(classes=(3, 7), limit=500)), 2038, 500)],
)
def test_images_to_evaluate_on_are_counted(config: RunConfig, test: int, train: int) -> None:
    model = build(config.with_changes(network=MLPConfig(widths=(4,))), (1, 28, 28))
    (found,) = tasks.count_images(model)
    assert found == tasks.ImageCounts(test, train, 500)


def test_a_model_for_other_images_cannot_be_evaluated_and_says_why() -> None:
    model = build(RunConfig(network=MLPConfig(widths=(4,))), (3, 20, 32))
    with pytest.raises(DataError, match=r"32 × 20 pixels in colour.*28 × 28: it cannot be evaluated"):
        in_a_thread(lambda: list(tasks.evaluate(model, EvaluationRequest())))


# Exports


@pytest.mark.parametrize(
    ("rows", "cols", "shape"), [(3, 400, (3, 40)), (40, 41, (40, 40)), (400, 2, (40, 2)), (1, 1, (1, 1))]
)
def test_previews_are_small_and_unscaled(model: VAE, rows: int, cols: int, shape: tuple[int, int]) -> None:
    request = GridRequest((0.0, 0.0), rows=rows, cols=cols, scale=16, spacing=2)
    *fractions, picture = tasks.preview_grid(model, request)
    assert all(isinstance(fraction, float) for fraction in fractions)
    assert picture.shape == tuple(30 * count - 2 for count in shape)
    assert np.array_equal(picture, render_grid(model, GridRequest((0.0, 0.0), rows=shape[0], cols=shape[1], spacing=2)))


def test_an_export_says_its_progress_and_then_the_file(model: VAE, tmp_path: Path) -> None:
    request = GridRequest((0.5, 0.5), rows=20, cols=41, spacing=3)
    path = tmp_path / "grid.png"
    *fractions, written = tasks.export_grid(model, request, path, "name", "00")
    assert written == tasks.Written(path)
    assert fractions == sorted(fractions)
    assert len(fractions) >= 3
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), render_grid(model, request))


def test_an_export_dropped_half_way_leaves_nothing(model: VAE, tmp_path: Path) -> None:
    export = tasks.export_grid(model, GridRequest((0.0, 0.0), rows=40, cols=40), tmp_path / "grid.png", "", "")
    assert 0 < next(export) < 1
    export.close()
    assert list(tmp_path.iterdir()) == []


def test_exports_that_cannot_be_are_expected_errors(model: VAE, tmp_path: Path) -> None:
    with pytest.raises(GridError, match="at most"):
        list(tasks.export_grid(model, GridRequest((0.0, 0.0), cols=400, scale=16), tmp_path / "g.png", "", ""))
    with pytest.raises(FileError, match="the folder does not exist"):
        list(tasks.export_grid(model, GridRequest((0.0, 0.0)), tmp_path / "no" / "g.png", "", ""))
    assert list(tmp_path.iterdir()) == []


def test_an_image_is_read_prepared_judged_compared_and_improved(tmp_path: Path) -> None:
    picture = np.zeros((90, 120), np.uint8)
    picture[20:70, 55:65] = 255
    Image.fromarray(255 - picture).save(tmp_path / "one.png")
    (read,) = tasks.read_picture(tmp_path / "one.png")
    assert np.array_equal(read, 255 - picture)
    image = tasks.prepare(read, (1, 28, 28), Preparation())
    assert image.shape == (28, 28)
    explorer = load_model(EXPLORER).model
    *fractions, judgement = in_a_thread(lambda: list(tasks.judge(explorer, image)))
    assert judgement.bound.neg_elbo > judgement.likelihood.nll - 4 * judgement.likelihood.nll_se
    assert any(isinstance(fraction, float) for fraction in fractions)
    *_, near = in_a_thread(lambda: list(tasks.find_neighbours(explorer, image)))
    assert near.majority() == "1"
    *_, last = in_a_thread(lambda: list(tasks.improve(explorer, image)))
    assert last.last
    assert last.bound.neg_elbo < judgement.bound.neg_elbo + 0.5
    with pytest.raises(PictureError, match="No such file"):
        list(tasks.read_picture(tmp_path / "none.png"))
    with pytest.raises(DataError, match="compare an image with"):
        list(tasks.find_neighbours(small_models.of((1, 20, 24)), image))


def test_the_model_that_is_shown_is_saved(model: VAE, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    (written,) = tasks.save_model(model, {"seed": 3}, path)
    assert written == tasks.Written(path)
    loaded = load_model(path)
    assert loaded.card == {"seed": 3}
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), model.parameters(), strict=True))
    with pytest.raises(FileError):
        list(tasks.save_model(model, {}, tmp_path / "no" / "m.safetensors"))
