"""The yardstick: the VAE of github.com/pytorch/examples, folder vae, in our own words, with its published recipe.

784–400–20–400–784, ReLU, probabilities and binary cross-entropy, Adam with rate 1e-3, batches of 128 through
torchvision's MNIST, `ToTensor` and a `DataLoader`, ten epochs.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Dataset

from vae_studio import paths
from vae_studio.bench.measure import BenchError, now

BATCH = 128
EPOCHS = 10
RATE = 1e-3
LATENT_DIMS = 20
_PIXELS, _HIDDEN = 784, 400
_TRIAL_STEPS = 150


class ExampleVAE(nn.Module):
    """Encoder 784–400–(20, 20) and decoder 20–400–784 that puts out probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(_PIXELS, _HIDDEN)
        self.mean = nn.Linear(_HIDDEN, LATENT_DIMS)
        self.log_variance = nn.Linear(_HIDDEN, LATENT_DIMS)
        self.back = nn.Linear(LATENT_DIMS, _HIDDEN)
        self.pixels = nn.Linear(_HIDDEN, _PIXELS)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities (B, 784) at one sample an image, posterior means and log-variances (B, 20)."""
        features = F.relu(self.hidden(x.view(-1, _PIXELS)))
        mean, log_variance = self.mean(features), self.log_variance(features)
        deviation = torch.exp(0.5 * log_variance)
        z = mean + deviation * (torch.randn_like(deviation) if noise is None else noise)
        return torch.sigmoid(self.pixels(F.relu(self.back(z)))), mean, log_variance


def loss_of(x: Tensor, probabilities: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """−ELBO in nats, summed over the batch."""
    reconstruction = F.binary_cross_entropy(probabilities, x.view(-1, _PIXELS), reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return reconstruction + kl


@dataclass(frozen=True, slots=True)
class Way:
    """How the yardstick is run: OpenMP threads, and processes that load data."""

    threads: int
    workers: int


@dataclass(frozen=True, slots=True)
class Trained:
    """`setup` are the seconds up to the end of the first step, `seconds` those of the `steps` after it."""

    model: ExampleVAE
    setup: float
    seconds: float
    steps: int


def files(folder: Path) -> Path:
    """Put MNIST into `folder` as torchvision reads it, from the program's own files."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (paths.resources() / "mnist").glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def open_data(folder: Path, *, train: bool) -> Dataset[Any]:
    """torchvision's MNIST with `ToTensor`."""
    from torchvision import datasets, transforms

    return datasets.MNIST(str(folder), train=train, transform=transforms.ToTensor())


def train(folder: Path, device: torch.device, way: Way, *, seed: int, epochs: int, steps: int | None = None) -> Trained:
    """Train for so many epochs, or for the first `steps` of each. Loading is timed, the example's testing is not."""
    torch.manual_seed(seed)
    torch.set_num_threads(way.threads)
    began = now(device)
    data = open_data(folder, train=True)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=way.workers, pin_memory=device.type == "cuda")
    model = ExampleVAE().to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    model.train()
    first, count = began, 0
    for _ in range(epochs):
        total = 0.0
        for x, _ in itertools.islice(loader, steps):
            x = x.to(device)
            optimiser.zero_grad()
            loss = loss_of(x, *model(x))
            loss.backward()
            total += loss.item()
            optimiser.step()
            count += 1
            if count == 1:
                first = now(device)
    return Trained(model, first - began, now(device) - first, count - 1)


@torch.no_grad()
def evaluate(model: ExampleVAE, folder: Path, device: torch.device) -> float:
    """−ELBO in nats an image over the test images, one posterior sample each."""
    torch.manual_seed(0)
    data, total = open_data(folder, train=False), 0.0
    for x, _ in DataLoader(data, batch_size=500):
        x = x.to(device)
        total += loss_of(x, *model(x)).item()
    return total / len(data)


@dataclass(frozen=True, slots=True)
class Job:
    """One training of the yardstick: how, and how much; without `steps` to its end, and then it is evaluated."""

    way: Way
    seed: int = 0
    epochs: int = 1
    steps: int | None = None
    evaluated: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a job: seconds of set-up, seconds a step after it, seconds in all, and −ELBO in nats, if wanted."""

    setup: float
    step: float
    seconds: float
    neg_elbo: float | None


def run(folder: Path, device: torch.device, jobs: list[Job]) -> list[Result]:
    """Do these jobs one after the other in a process of their own, as the example runs.

    There it has OpenMP as it comes: this program tells it to spin less, for the sake of the window, and is slower for
    it by itself. Raises BenchError where the process fails.
    """
    asked = json.dumps({"folder": str(folder), "device": device.type, "jobs": [asdict(job) for job in jobs]})
    env = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-m", "vae_studio.bench.baseline", asked]
    done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise BenchError(f"The yardstick could not be measured: {done.stderr.strip()[-500:]}")
    return [Result(**result) for result in json.loads(done.stdout.splitlines()[-1])]


def best_way(folder: Path, device: torch.device, threads: tuple[int, ...]) -> Way:
    """The fastest of the thread counts, with one loading process, and on the CPU also with none.

    The example itself uses a loading process on a GPU only, so on a CPU it may have whichever is faster.
    """
    ways = [Way(count, workers) for count in threads for workers in ((1, 0) if device.type == "cpu" else (1,))]
    if len(ways) == 1:
        return ways[0]
    results = run(folder, device, [Job(way, steps=_TRIAL_STEPS, evaluated=False) for way in ways])
    return min(zip(results, ways, strict=True), key=lambda pair: pair[0].step)[1]


def _do(folder: Path, device: torch.device, job: Job) -> Result:
    done = train(folder, device, job.way, seed=job.seed, epochs=job.epochs, steps=job.steps)
    neg_elbo = evaluate(done.model, folder, device) if job.evaluated else None
    return Result(done.setup, done.seconds / done.steps, done.seconds, neg_elbo)


def main() -> None:
    """Do the jobs in the first argument, after a training of two steps that loads all that is loaded once."""
    asked = json.loads(sys.argv[1])
    folder, device = Path(asked["folder"]), torch.device(asked["device"])
    jobs = [Job(**{**job, "way": Way(**job["way"])}) for job in asked["jobs"]]
    train(folder, device, jobs[0].way, seed=0, epochs=1, steps=2)
    sys.stdout.write(json.dumps([asdict(_do(folder, device, job)) for job in jobs]) + "\n")


if __name__ == "__main__":
    main()
