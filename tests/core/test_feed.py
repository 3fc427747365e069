"""Images that are resident and images that are streamed are the same ones in the same order."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training import TINY, of_kind

from vae_studio.core.config import DataConfig
from vae_studio.core.datasets import load
from vae_studio.core.events import Finished, Progress
from vae_studio.core.feed import Resident, Streamed, feed
from vae_studio.core.train import train

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def batches(source: Resident | Streamed, order: torch.Tensor) -> torch.Tensor:
    """The images of every step, taken as a stepper would."""
    seen = []
    with closing(source.epoch(order)) as parts:
        for images, rows in parts:
            seen += [images.index_select(0, row).cpu() for row in rows]
    return torch.stack(seen)


def numbered(count: int) -> torch.Tensor:
    """Images 2 × 2 that all differ."""
    numbers = torch.arange(count)
    return torch.stack([numbers % 251, numbers // 251, numbers % 7, numbers % 3], dim=1).view(-1, 2, 2).to(torch.uint8)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 400),
    batch=st.integers(1, 50),
    budget=st.integers(1, 3000),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 5),
)
def test_streamed_batches_are_the_images_in_the_order_asked_for(
    count: int, batch: int, budget: int, epochs: int, seed: int
) -> None:
    batch = min(batch, count)
    images = numbered(count)
    generator = torch.Generator().manual_seed(seed)
    source = Streamed(images, CPU, batch, budget)
    try:
        for _ in range(epochs):
            order = torch.randperm(count, generator=generator)[: count // batch * batch].view(-1, batch)
            assert torch.equal(batches(source, order), images[order])
            # And the other epochs do not disturb one that is given up.
            with closing(source.epoch(order)) as parts:
                images_there, rows = next(parts)
                assert torch.equal(images_there[rows], images[order[: len(rows)]])
    finally:
        source.close()


def test_the_device_holds_no_more_than_the_budget() -> None:
    images = numbered(10_000)
    for budget in (4 * 100 * 3, 4 * 100 * 30, 4 * 100 * 3000):
        with closing(Streamed(images, CPU, 100, budget)) as source:
            held, rows = next(source.epoch(torch.arange(10_000).view(-1, 100)))
            assert held.numel() <= budget and len(rows) == min(64, budget // 1200)


def test_what_fits_is_resident_and_not_copied_on_the_cpu() -> None:
    images = numbered(100)
    whole = feed(images, CPU, 10)
    assert isinstance(whole, Resident)
    (held, rows), *others = whole.epoch(torch.arange(100).view(-1, 10))
    assert held.data_ptr() == images.data_ptr() and rows.shape == (10, 10) and not others
    assert isinstance(feed(images, CPU, 10, budget=images.numel()), Resident)
    with closing(feed(images, CPU, 10, budget=images.numel() - 1)) as source:
        assert isinstance(source, Streamed)


def test_an_error_while_loading_reaches_the_trainer() -> None:
    with closing(Streamed(numbered(100), CPU, 10, 120)) as source:
        order = torch.arange(100).view(-1, 10)
        order[5, 0] = 100_000
        with pytest.raises((IndexError, RuntimeError)):
            batches(source, order)
        good = torch.arange(100).view(-1, 10)
        assert torch.equal(batches(source, good), numbered(100)[good])


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
def test_training_streamed_gives_the_same_figures_and_weights(device: str) -> None:
    config = TINY.with_changes(data=DataConfig(limit=2000), epochs=2, device=device)
    results = []
    for budget in (None, 300_000):
        events = list(train(config, load(config.data), data_budget=budget))
        losses = torch.cat([torch.from_numpy(event.objective) for event in of_kind(events, Progress)])
        (finished,) = of_kind(events, Finished)
        assert finished.reason == "done" and finished.evaluation is not None
        results.append((losses, finished.evaluation.neg_elbo, list(finished.model.parameters())))
    (whole, elbo, weights), (streamed, other_elbo, other_weights) = results
    assert len(whole) and torch.equal(whole, streamed) and elbo == other_elbo
    assert all(torch.equal(*pair) for pair in zip(weights, other_weights, strict=True))


def test_a_run_that_is_dropped_leaves_no_thread() -> None:
    def loaders() -> int:
        return sum(thread.name.startswith("images") for thread in threading.enumerate())

    before = loaders()
    run = train(TINY, load(TINY.data), data_budget=50_000)
    list(islice(run, 6))
    assert loaders() == before + 1
    run.close()
    assert loaders() == before
