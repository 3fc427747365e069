"""How results are worded: on one line for people, and under fixed names as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from vae_studio.core import events
from vae_studio.core.config import RunConfig
from vae_studio.core.figures import Information, LogLikelihood, Naive, Report

_MOST_DIMENSIONS = 16
_FEW = 10.0  # effective samples of an image


def event_as_dict(event: events.Event) -> dict[str, Any] | None:
    """An event of a training; None for snapshots, which carry weights and not figures."""
    match event:
        case events.Started():
            line = {
                "total_steps": event.total_steps,
                "steps_per_epoch": event.steps_per_epoch,
                "parameters": event.parameters,
                "device": event.device,
                "precision": event.precision,
                "execution": event.execution,
            }
        case events.Remark():
            line = {"message": event.message}
        case events.Progress() if len(event.steps):
            reconstruction, kl = float(event.reconstruction.mean()), float(event.kl.mean())
            line = {
                "step": event.step,
                "epoch": event.epoch,
                "neg_elbo": reconstruction + kl,
                "reconstruction": reconstruction,
                "kl": kl,
                "objective": float(event.objective.mean()),
                "kl_per_dim": [float(kl) for kl in event.kl_per_dim],
                "learning_rate": event.learning_rate,
                "beta": event.beta,
                "steps_per_second": event.steps_per_second,
            }
        case events.Evaluated():
            line = {"step": event.step, "epoch": event.epoch, **as_dict(event.evaluation)}
        case events.Finished():
            line = {"reason": event.reason, "message": event.message, "step": event.step, "seconds": event.seconds}
            line |= as_dict(event.evaluation) if event.evaluation else {}
        case events.Saved():
            line = {"model": str(event.path)}
        case _:
            return None
    return {"event": type(event).__name__.lower(), **line}


def progress_words(progress: events.Progress, config: RunConfig) -> str:
    """What stands behind the progress bar of a training."""
    left = "" if progress.seconds_left is None else f"{progress.seconds_left:,.0f} s left"
    value = f"{float(progress.reconstruction.mean() + progress.kl.mean()):.1f}".replace("-", "−")
    name = "−ELBO" if config.model == "vae" else "error"
    return f"{name} {value}  {progress.steps_per_second:,.0f} steps/s  {left}"


def figures_in_words(evaluation: events.Evaluation, config: RunConfig) -> str:
    """The figures of an evaluation on one line."""
    if not evaluation.is_bound:
        return f"reconstruction error {_number(evaluation.reconstruction)} ({config.unit})"
    units = "1 active unit" if evaluation.active_units == 1 else f"{evaluation.active_units} active units"
    total, reconstruction, kl = map(_number, (evaluation.neg_elbo, evaluation.reconstruction, evaluation.kl))
    letter = "σ" if config.likelihood.kind == "gaussian" else "b"
    scale = "" if evaluation.scale is None else f", {letter} = {evaluation.scale:.4f}"
    return f"−ELBO {total} = reconstruction {reconstruction} + KL {kl} {config.unit}, {units}{scale}"


def as_dict(evaluation: events.Evaluation) -> dict[str, Any]:
    """An evaluation under the names that everything uses; an auto-encoder has no bound and no KL."""
    bound = evaluation.is_bound
    return {
        "images": evaluation.images,
        "neg_elbo": evaluation.neg_elbo if bound else None,
        "reconstruction": evaluation.reconstruction,
        "kl": evaluation.kl if bound else None,
        "kl_per_dim": [float(kl) for kl in evaluation.kl_per_dim] if bound else None,
        "active_units": evaluation.active_units,
        "scale": evaluation.scale,
    }


def report_as_dict(report: Report, config: RunConfig) -> dict[str, Any]:
    """A whole report as one flat object, with what was estimated in objects of their own."""
    line = {"split": report.split, "unit": config.unit, **as_dict(report.evaluation)}
    line["active"] = report.evaluation.active.tolist()
    if report.information:
        line["information"] = asdict(report.information)
    if report.likelihood:
        found = report.likelihood
        line |= {"nll": found.nll, "nll_se": found.nll_se, "ess": found.ess, "likelihood": asdict(found)}
    if report.naive:
        line["naive"] = asdict(report.naive)
    if report.why_not:
        line["why_not"] = report.why_not
    return line


def report_in_words(report: Report, config: RunConfig) -> str:
    """A whole report, a figure a line."""
    evaluation = report.evaluation
    lines = [figures_in_words(evaluation, config)]
    if evaluation.is_bound:
        lines.append("  " + _kl_per_dim(evaluation, config))
    if report.information:
        lines += ["  " + line for line in _information(report.information)]
    if report.likelihood:
        lines += ["  " + line for line in _likelihood(report.likelihood, config)]
    if report.naive:
        lines += ["  " + line for line in _naive(report.naive)]
    if report.why_not:
        lines.append("  " + report.why_not)
    return "\n".join(lines)


def _kl_per_dim(evaluation: events.Evaluation, config: RunConfig) -> str:
    what = "KL by dimension" if config.factorised else "KL of each dimension's marginal (they do not add up to the KL)"
    order = sorted(range(len(evaluation.kl_per_dim)), key=lambda i: -evaluation.kl_per_dim[i])
    shown = ", ".join(f"z{i + 1} {evaluation.kl_per_dim[i]:.2f}" for i in order[:_MOST_DIMENSIONS])
    more = len(order) - _MOST_DIMENSIONS
    return f"{what}: {shown}" + (f", and {more} smaller ones" if more > 0 else "")


def _information(found: Information) -> list[str]:
    lines = [
        f"KL = mutual information {found.mutual_information:.2f}{_error(found.mutual_information_se)} + KL of the "
        f"aggregate posterior from the prior {found.aggregate_kl:.2f}{_error(found.aggregate_kl_se)} "
        f"(mixture of {found.images:,} posteriors, {found.samples:,} draws)"
    ]
    if found.at_its_limit:
        lines.append(
            f"{found.images:,} images cannot show more than {found.limit:.2f} nats: the mutual information is larger, "
            "and the other part smaller"
        )
    return lines


def _likelihood(found: LogLikelihood, config: RunConfig) -> list[str]:
    images = f"all {found.images:,}" if found.images == found.of_images else f"{found.images:,} random"
    binarised = "binarised " if config.likelihood.kind == "bernoulli" else ""
    bounds = ", ".join(f"{bound.name} {_number(bound.value)}" for bound in found.bounds)
    own = "1 sample" if found.samples == 1 else f"{found.samples:,} samples"
    return [
        f"−log p(x) {_number(found.nll)}{_error(found.nll_se)} nats by importance sampling: {own} of q(z|x) for each "
        f"of {images} {binarised}images, and {found.shared_samples:,} of the prior that all share",
        f"effective sample size {found.ess:,.0f}, lowest {found.ess_lowest:,.1f}{_caution(found)}",
        f"bounds on the same images, from their own samples alone: {bounds} (papers print the last as NLL)",
    ]


def _caution(found: LogLikelihood) -> str:
    return " (so low, −log p(x) may be too high for some images)" if found.ess_lowest < _FEW else ""


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _error(value: float) -> str:
    """A standard error, where there is one."""
    return f" ± {value:.2f}" if math.isfinite(value) else ""


def _naive(found: Naive) -> list[str]:
    return [
        f"naive estimate from M draws of the prior, {found.images:,} images (by importance sampling "
        f"{_number(found.nll)}):",
        *(
            f"  M = {point.samples:>9,}: {_number(point.nll):>8}, effective sample size {point.ess:,.1f}"
            for point in found.points
        ),
    ]
