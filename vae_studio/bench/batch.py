"""The batch that the user chose against the largest that trains as well: quality and time, side by side."""

from __future__ import annotations

from vae_studio.bench.measure import Figure, Line, Plan, Section
from vae_studio.bench.training import whole
from vae_studio.core import batch_offer, datasets
from vae_studio.core.config import RunConfig
from vae_studio.core.presets import PRESETS

# Preset and epochs: few, so that even a CPU is done in minutes, but not so few that there is no offer.
CASES = (("explorer-2d", 34), ("pytorch-example", 30))
QUICK_IMAGES = 6_000


def batch(plan: Plan) -> Section:
    """Final test −ELBO and seconds of training at the preset's batch and at the offered one, in as many epochs."""
    lines = []
    for name, epochs in CASES:
        config = PRESETS[name].config.with_changes(device=plan.choice, epochs=epochs)
        lines += _compared(plan, PRESETS[name].title, config)
    remark = f"The offer holds if it is worse by no more than {batch_offer.TOLERANCE:g} nats."
    if plan.quick:
        remark = f"One epoch of {QUICK_IMAGES:,} images: too short to compare quality."
    return Section(
        "batch",
        {
            "neg_elbo": "test −ELBO, nats",
            "worse": "worse by, nats",
            "epoch": "epoch, s",
            "seconds": "training, s",
            "ratio": "times as fast",
        },
        tuple(lines),
        (f"The same epochs and seeds; the rate goes in proportion to the batch. {remark}",),
    )


def _compared(plan: Plan, title: str, config: RunConfig) -> list[Line]:
    """A line for the config's own batch and one for the offer, trained in turn."""
    found = batch_offer.offer(config, batch_offer.training_images(config.data))
    configs = [config, found.applied(config)]
    if plan.quick:
        configs = [one.with_changes(data={"limit": QUICK_IMAGES}, epochs=1) for one in configs]
    data = datasets.load(configs[0].data)
    runs = [[whole(one.with_changes(seed=seed), data) for one in configs] for seed in range(plan.repeats)]
    lines = []
    for index, one in enumerate(configs):
        figures = {
            "neg_elbo": Figure.of([pair[index][1].neg_elbo for pair in runs]),
            "epoch": Figure.of([pair[index][0].epoch for pair in runs]),
            "seconds": Figure.of([pair[index][0].seconds for pair in runs]),
        }
        if index and not plan.quick:
            figures["worse"] = Figure.of([larger[1].neg_elbo - own[1].neg_elbo for own, larger in runs])
            figures["ratio"] = Figure.of([own[0].seconds / larger[0].seconds for own, larger in runs])
        what = "the largest that trains as well" if index else "its own batch"
        remark = f"batch {one.batch_size}, rate {one.learning_rate:g}, {one.schedule}, {one.epochs} epochs"
        lines.append(Line(f"{title}, {what}", figures, remark))
    return lines
