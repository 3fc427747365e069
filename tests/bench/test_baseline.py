"""The yardstick is the same model as ours with the same loss, on the same images, and it learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vae_studio.bench import baseline
from vae_studio.bench.measure import Plan
from vae_studio.bench.quality import EXPECTED, why_void
from vae_studio.core import datasets
from vae_studio.core.config import DataConfig, MLPConfig, RunConfig
from vae_studio.core.model import VAE, build, to_float
from vae_studio.core.objective import terms
from vae_studio.core.step import Stepper

CPU = torch.device("cpu")
CONFIG = RunConfig(
    network=MLPConfig(widths=(400,), activation="relu"), latent_dims=20, learning_rate=1e-3, device="cpu"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return baseline.files(tmp_path_factory.mktemp("mnist"))


@pytest.fixture
def images() -> Tensor:
    return datasets.load(DataConfig()).train.images[:128]


def with_weights_of(model: VAE) -> baseline.ExampleVAE:
    """The yardstick with our model's weights: ours has means and log-variances in one layer."""
    example = baseline.ExampleVAE()
    linear = [layer for part in (model.encoder, model.decoder) for layer in part if isinstance(layer, torch.nn.Linear)]
    hidden, both, back, pixels = linear
    pairs = [(example.hidden, hidden), (example.back, back), (example.pixels, pixels)]
    with torch.no_grad():
        for to, of in pairs:
            to.load_state_dict(of.state_dict())
        for to, part in ((example.mean, slice(0, 20)), (example.log_variance, slice(20, 40))):
            to.weight.copy_(both.weight[part])
            to.bias.copy_(both.bias[part])
    return example


def test_its_loss_is_our_elbo_on_the_same_batch_and_noise(images: Tensor) -> None:
    model, x = build(CONFIG, (1, 28, 28)), to_float(images)
    noise = torch.randn(128, 20, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
        ours = terms(model, x, noise).neg_elbo.sum()
        example = with_weights_of(model)
        theirs = baseline.loss_of(x, *example(x, noise))
    assert float(theirs) == pytest.approx(float(ours), rel=1e-5)


def test_its_step_of_adam_is_ours(images: Tensor) -> None:
    """Its loss is the batch's sum and ours the mean: Adam does not care, but for its epsilon."""
    model = build(CONFIG, (1, 28, 28))
    example = with_weights_of(model)
    optimiser = torch.optim.Adam(example.parameters(), lr=baseline.RATE)
    stepper = Stepper(model, CONFIG, torch.float32)
    chance = torch.Generator().manual_seed(CONFIG.seed + 2)  # as the stepper draws its noise
    for part in images.split(32):
        noise = model.noise((1, 32), chance)[0]
        optimiser.zero_grad()
        x = to_float(part)
        loss = baseline.loss_of(x, *example(x, noise))
        loss.backward()
        optimiser.step()
        stepper.step(part, baseline.RATE, 1.0)
    assert float(stepper.drain().loss[-1]) == pytest.approx(float(loss.detach()) / 32, rel=1e-4)


def test_it_reads_our_images_as_torchvision_does(folder: Path) -> None:
    whole = datasets.load(DataConfig())
    for train, part in ((True, whole.train), (False, whole.test)):
        data = baseline.open_data(folder, train=train)
        assert len(data) == len(part)
        for index in (0, 7, len(part) - 1):
            image, label = data[index]
            assert torch.equal(image, to_float(part.images[index : index + 1])[0])
            assert label == part.labels[index]


def test_it_learns_and_counts_its_steps(folder: Path) -> None:
    done = baseline.train(folder, CPU, baseline.Way(threads=1, workers=0), seed=0, epochs=2, steps=15)
    assert done.steps == 29
    assert done.setup > 0
    assert done.seconds > 0
    before, after = (baseline.evaluate(model, folder, CPU) for model in (baseline.ExampleVAE(), done.model))
    # Grey images all over: 784 · ln 2 nats.
    assert before == pytest.approx(543.4, abs=8.0)
    assert 150.0 < after < 300.0


def test_in_a_process_of_its_own_it_comes_as_far(folder: Path) -> None:
    way = baseline.Way(threads=1, workers=0)
    here = baseline.evaluate(baseline.train(folder, CPU, way, seed=3, epochs=1, steps=5).model, folder, CPU)
    jobs = [baseline.Job(way, seed=3, steps=5), baseline.Job(way, steps=5, evaluated=False)]
    there, other = baseline.run(folder, CPU, jobs)
    assert there.neg_elbo == pytest.approx(here, rel=1e-4)
    assert other.neg_elbo is None
    assert there.step == pytest.approx(there.seconds / 4)


def test_a_ratio_needs_a_yardstick_of_the_right_quality(plan: Plan) -> None:
    full = Plan(plan.device, repeats=3, quick=False)
    assert why_void(full, EXPECTED + 0.2, 0.01) is None
    assert "105.81" in why_void(full, EXPECTED + 0.41, 0.01)
    assert "105.01" in why_void(full, EXPECTED - 0.39, 0.01)
    assert "quick" in why_void(plan, EXPECTED, 0.01)
