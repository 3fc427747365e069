"""How long the log-likelihood of the test images takes."""

from __future__ import annotations

import torch

from vae_studio.bench.measure import Figure, Line, Plan, Section, now, threads_in_words
from vae_studio.core import datasets, library
from vae_studio.core.estimate import likelihood_targets, log_likelihood_steps
from vae_studio.core.figures import DEFAULT_SAMPLES

_MODEL = "pytorch-example"


def likelihood(plan: Plan) -> Section:
    """−log p(x) with K = 5000 of the shipped model with 20 dimensions: of all images on a GPU, of some on a CPU."""
    loaded = library.open_model(_MODEL)
    model, config = loaded.model.to(plan.device), loaded.model.config
    whole = likelihood_targets(config, datasets.load(config.data, config.seed).test.images, "test")
    count = len(whole) if plan.device.type == "cuda" and not plan.quick else round(plan.pick(100, 5))
    images, seconds, found = whole[:count].to(plan.device), [], []
    for repeat in range(plan.repeats):
        generator = torch.Generator(plan.device).manual_seed(repeat)
        began = now(plan.device)
        *_, result = log_likelihood_steps(model, images, generator, samples=DEFAULT_SAMPLES, of_images=len(whole))
        found.append(result)
        seconds.append(now(plan.device) - began)
    figures = {
        "seconds": Figure.of([value / count * len(whole) for value in seconds]),
        "measured": Figure.of(seconds),
        "nll": Figure.of([item.nll for item in found]),
    }
    where = threads_in_words(plan.device, torch.get_num_threads())
    part = "" if count == len(whole) else f"; {count} images measured, the rest extrapolated"
    return Section(
        "likelihood",
        {"seconds": f"{len(whole):,} images, s", "measured": "measured, s", "nll": "−log p(x), nats"},
        (Line(f"PyTorch example, {model.latent_dims} latent dims", figures, f"{where}{part}"),),
    )
