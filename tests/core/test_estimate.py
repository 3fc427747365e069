"""Estimates of log p(x) and of information: their parts by plain loops and closed forms, in pieces, in bounded memory.

That log p(x) itself is right is shown in tests/test_proofs.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as td
from torch.profiler import ProfilerActivity, profile

from vae_studio.core.config import (
    BernoulliConfig,
    ContinuousBernoulliConfig,
    ConvolutionalConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.datasets import Data
from vae_studio.core.estimate import (
    default_images,
    information_steps,
    likelihood_targets,
    log_likelihood_steps,
    naive_steps,
    report_steps,
    subset,
)
from vae_studio.core.evaluate import evaluate, evaluation_seed, fixed_binarisation
from vae_studio.core.figures import EvaluationRequest, Information, LogLikelihood, Naive, Report
from vae_studio.core.model import VAE, binarise, build

NETWORK = MLPConfig(widths=(8,), activation="tanh")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(shape: tuple[int, int, int] = (1, 4, 4), **values: Any) -> VAE:
    """A model whose posteriors are narrower than the prior and differ between images, and whose pictures do too."""
    model = build(RunConfig(**{"network": NETWORK, "likelihood": GaussianConfig(width=0.5)} | values), shape)
    with torch.no_grad():
        for weight in (*model.encoder.parameters(), *model.decoder.parameters()):
            weight.mul_(2.0)
        model.encoder[-1].bias[model.latent_dims :] -= 1.0
    return model.frozen()


def pictures(count: int, shape: tuple[int, ...] = (4, 4), seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, *shape), generator=seeded(seed), dtype=torch.uint8)


def black_and_white(count: int, shape: tuple[int, ...] = (4, 4), seed: int = 0) -> Tensor:
    return binarise(pictures(count, shape, seed), seeded(seed + 1))


def estimated(model: VAE, images: Tensor, samples: int, seed: int = 0, **values: Any) -> LogLikelihood:
    *_, found = log_likelihood_steps(model, images, seeded(seed), samples=samples, **values)
    return found


def informed(model: VAE, images: Tensor, seed: int = 0, **values: Any) -> Information:
    *_, found = information_steps(model, images, seeded(seed), **values)
    return found


KINDS = [
    {"likelihood": BernoulliConfig(), "latent_dims": 3},
    {"likelihood": ContinuousBernoulliConfig(), "posterior": "full-gaussian"},
    {"likelihood": GaussianConfig(width=0.5), "prior": MixtureConfig(components=3)},
    {"likelihood": GaussianConfig(scale="per-pixel", width=0.5), "posterior": "full-gaussian", "latent_dims": 3},
    {"likelihood": LaplaceConfig(width=0.5), "posterior": "laplace", "prior": LaplacePriorConfig()},
    {"likelihood": LaplaceConfig(scale="per-pixel", width=0.5), "latent_dims": 1},
]
NAMES = ["bernoulli", "continuous-bernoulli", "gaussian", "gaussian-per-pixel", "laplace", "laplace-per-pixel"]


@pytest.fixture(params=KINDS, ids=NAMES)
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


# log p(x)


@torch.no_grad()
def flat(model: VAE) -> VAE:
    """The same with pictures that do not depend on z, so that p(x) = p(x|z)."""
    model.decoder[0].weight.zero_()
    return model


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 2)], ids=["grey", "colour"])
@pytest.mark.parametrize("memory", [1, 256 * 2**20])
@torch.no_grad()
def test_where_z_says_nothing_and_is_the_prior_there_is_no_error(shape: tuple[int, int, int], memory: int) -> None:
    model = flat(tiny(shape, likelihood=GaussianConfig(scale="fixed", width=0.3)))
    model.encoder[-1].weight.zero_()
    model.encoder[-1].bias.zero_()
    images = pictures(7, shape[1:] if shape[0] == 1 else (*shape[1:], shape[0]))
    mean = model.decoder(torch.zeros(1, 2)).sigmoid().double()
    x = images.double() / 255
    x = x.unsqueeze(1) if shape[0] == 1 else x.permute(0, 3, 1, 2)
    log_p = td.Normal(mean, 0.3).log_prob(x).sum(dim=(1, 2, 3))

    found = estimated(model, images, samples=20, memory=memory)
    assert found.nll == pytest.approx(-float(log_p.mean()), abs=1e-4)
    assert found.nll_se_samples == pytest.approx(0.0, abs=1e-5)
    assert [bound.value for bound in found.bounds] == [pytest.approx(found.nll, abs=1e-4)] * 3
    # 20 of each image's own, and 20 for each of them that all share, since two dimensions can be covered.
    assert found.ess == pytest.approx(20 + 20 * 20, rel=1e-3)
    assert found.ess_lowest == pytest.approx(20 + 20 * 20, rel=1e-3)

    part = estimated(model, images, samples=20, of_images=100)
    assert (part.images, part.of_images) == (7, 100)
    assert part.nll_se_images == pytest.approx(float(log_p.std()) / math.sqrt(7) * math.sqrt(1 - 7 / 100), rel=1e-4)
    assert part.nll_se == pytest.approx(math.hypot(part.nll_se_images, part.nll_se_samples))
    assert (found.images, found.of_images, found.nll_se_images, found.nll_se) == (7, 7, 0.0, found.nll_se_samples)


def test_of_one_image_among_many_and_of_one_sample_no_error_is_known() -> None:
    model, images = tiny(), pictures(3)
    one = estimated(model, images[:1], samples=20, of_images=3)
    assert math.isnan(one.nll_se_images) and math.isnan(one.nll_se)
    assert math.isfinite(one.nll_se_samples)
    single = estimated(model, images, samples=1)
    assert math.isnan(single.nll_se_samples)
    assert [bound.samples for bound in single.bounds] == [1]
    assert math.isfinite(single.nll) and math.isfinite(single.bounds[0].value)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_weights_are_those_of_a_plain_loop(dims: int) -> None:
    """The balance heuristic (Veach & Guibas 1995): each draw weighs p(x, z) over the mixture that all come from."""
    model, images, samples = tiny(latent_dims=dims), pictures(4), 6
    shared = samples * (20 if dims == 2 else 1)
    found = estimated(model, images, samples, seed=3)

    generator, double = seeded(3), model.frozen().double()
    common = model.sample_prior(shared, generator).double()
    sigma = 1 / 255 + double.log_scale.exp()
    prior = td.Independent(td.Normal(torch.zeros(dims).double(), 1.0), 1)
    noise = model.noise((samples, 4), generator).double()
    nll, ess, bounds, shares = [], [], [], []
    for index, image in enumerate(images.double() / 255):
        outputs = double.encoder(image.view(1, 1, 4, 4))[0]
        posterior = td.Independent(td.Normal(outputs[:dims], (outputs[dims:] / 2).exp()), 1)
        weights, plain = [], []
        for z in (*common, *(posterior.mean + posterior.stddev * noise[:, index])):
            mean = double.decoder(z.unsqueeze(0)).sigmoid()[0, 0]
            joint = float(td.Normal(mean, sigma).log_prob(image).sum() + prior.log_prob(z))
            q, p = float(posterior.log_prob(z).exp()), float(prior.log_prob(z).exp())
            weights.append(math.exp(joint) / ((samples * q + shared * p) / (samples + shared)))
            plain.append(joint - math.log(q))
        plain = np.array(plain[shared:])
        weights = np.array(weights)
        nll.append(-math.log(weights.mean()))
        ess.append(weights.sum() ** 2 / np.square(weights).sum())
        bounds.append([-plain.mean(), -math.log(np.exp(plain).mean())])
        shares.append(weights / weights.sum())
    assert found.nll == pytest.approx(np.mean(nll), abs=1e-4)
    assert found.ess == pytest.approx(np.mean(ess), rel=1e-3)
    assert found.ess_lowest == pytest.approx(min(ess), rel=1e-3)
    assert [bound.samples for bound in found.bounds] == [1, 6]
    assert [bound.value for bound in found.bounds] == pytest.approx(np.mean(bounds, axis=0), abs=1e-4)
    if dims == 3:
        # By the delta method: log Σw errs by the errors of the shares of Σw. Own draws err for each image alone, shared
        # ones for all together. (There are too many of these in two dimensions to be looked at one by one.)
        shares = np.array(shares)
        alone = sum(samples * shares[:, shared:].var(axis=1, ddof=1)) / 4**2
        together = shared * shares[:, :shared].mean(axis=0).var(ddof=1)
        assert found.nll_se_samples == pytest.approx(math.sqrt(alone + together), rel=1e-3)


def test_the_standard_error_is_how_far_estimates_lie_apart(kind: dict[str, Any]) -> None:
    """Also where many images lean on the same points of the prior, so that their errors do not cancel."""
    model = tiny(**kind)
    images = black_and_white(60) if kind["likelihood"].kind == "bernoulli" else pictures(60)
    found = [estimated(model, images, samples=100, seed=seed) for seed in range(24)]
    apart = np.std([each.nll for each in found], ddof=1)
    stated = np.mean([each.nll_se_samples for each in found])
    assert 0.6 < apart / stated < 1.6


@given(samples=st.integers(1, 130), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_more_samples_never_give_a_worse_bound(samples: int, seed: int) -> None:
    found = estimated(tiny(), pictures(2), samples, seed)
    sizes = [bound.samples for bound in found.bounds]
    values = [bound.value for bound in found.bounds]
    assert sizes[0] == 1 and sizes[-1] == samples
    assert all(b % a == 0 and a < b for a, b in pairwise(sizes))
    assert all(b <= a + 1e-9 for a, b in pairwise(values))


def test_the_sizes_of_the_bounds_are_those_that_papers_print() -> None:
    model, images = tiny(), pictures(1)
    assert [bound.samples for bound in estimated(model, images, 5000).bounds] == [1, 5, 50, 500, 5000]
    assert [bound.samples for bound in estimated(model, images, 100).bounds] == [1, 5, 50, 100]


def test_densities_of_all_pairs_are_those_of_each_pair(kind: dict[str, Any]) -> None:
    """Images and points meet in matrix products; one image after another must give the same mean."""
    model = tiny(**kind)
    images = black_and_white(130) if kind["likelihood"].kind == "bernoulli" else pictures(130)
    *_, together = naive_steps(model, images, seeded(), most=100)
    generator, double = seeded(), model.frozen().double()
    z = torch.cat([model.sample_prior(count, generator) for count in (10, 90)])
    for count, point in zip((10, 100), together.points, strict=True):
        log_p = []
        for image in images:
            each = double.decode(z[:count].double()).log_prob(image.double().view(1, 1, 4, 4) / 255)
            log_p.append(float(each.logsumexp(dim=0)) - math.log(count))
        assert point.nll == pytest.approx(-np.mean(log_p), abs=2e-4)


# draws from the prior


def test_naive_estimates_are_those_of_a_plain_loop() -> None:
    model, images = tiny(likelihood=BernoulliConfig()), black_and_white(3)
    *_, found = naive_steps(model, images, seeded(2), most=1000)
    assert isinstance(found, Naive)
    generator, decoder = seeded(2), model.frozen().decoder.double()
    z = torch.cat([model.sample_prior(count, generator) for count in (10, 90, 900)]).double()
    logits = decoder(z)
    assert (found.images, [point.samples for point in found.points]) == (3, [10, 100, 1000])
    assert math.isnan(found.nll)
    for point in found.points:
        nll, ess = [], []
        for image in images.double() / 255:
            p = [float(td.Bernoulli(logits=pixels).log_prob(image).sum().exp()) for pixels in logits[: point.samples]]
            nll.append(-math.log(np.mean(p)))
            ess.append(sum(p) ** 2 / np.square(p).sum())
        assert point.nll == pytest.approx(np.mean(nll), abs=1e-4)
        assert point.ess == pytest.approx(np.mean(ess), rel=1e-3)


# information


@torch.no_grad()
def two_kinds(mean: float, sigma: float) -> tuple[VAE, Tensor]:
    """A model with q(z|x) = N(±mean, σ²) by the colour of the first pixel, and 1000 images, as many of either kind."""
    model = build(RunConfig(network=MLPConfig(widths=()), latent_dims=1), (1, 2, 2))
    last = model.encoder[-1]
    last.weight.zero_()
    last.weight[0, 0] = 2 * mean
    last.bias.copy_(torch.tensor([-mean, 2 * math.log(sigma)]))
    images = torch.zeros(1000, 2, 2, dtype=torch.uint8)
    images[::2, 0, 0] = 255
    return model.frozen(), images


@pytest.mark.parametrize(("mean", "sigma"), [(1.0, 0.7), (0.3, 1.0), (2.0, 0.1)])
def test_information_of_two_kinds_of_images_by_integration(mean: float, sigma: float) -> None:
    model, images = two_kinds(mean, sigma)
    z = torch.linspace(-mean - 12 * sigma, mean + 12 * sigma, 20_001, dtype=torch.float64)
    pair = td.Normal(torch.tensor([[-mean], [mean]], dtype=torch.float64), sigma)
    log_q = pair.log_prob(z).logsumexp(dim=0) - math.log(2)
    entropy = float(torch.trapezoid(-log_q.exp() * log_q, z))
    information = entropy - float(pair.entropy()[0])
    cross = float(torch.trapezoid(-log_q.exp() * td.Normal(0.0, 1.0).log_prob(z), z))
    from_prior = cross - entropy
    found = informed(model, images)
    assert (found.images, found.samples) == (1000, 1000)
    assert found.mutual_information_se < 0.05
    assert found.mutual_information == pytest.approx(information, abs=4 * found.mutual_information_se + 1e-4)
    assert found.aggregate_kl == pytest.approx(from_prior, abs=4 * found.aggregate_kl_se + 1e-4)
    assert not found.at_its_limit


@torch.no_grad()
def test_where_the_posterior_does_not_depend_on_the_image_there_is_no_information() -> None:
    model = tiny()
    model.encoder[-1].weight.zero_()
    model.encoder[-1].bias.copy_(torch.tensor([0.5, -0.2, -1.0, 0.3]))
    found = informed(model, pictures(300))
    assert found.mutual_information == pytest.approx(0.0, abs=1e-5)
    assert found.mutual_information_se == pytest.approx(0.0, abs=1e-5)
    posterior = td.Normal(torch.tensor([0.5, -0.2]), torch.tensor([-0.5, 0.15]).exp())
    kl = float(td.kl_divergence(posterior, td.Normal(0.0, 1.0)).sum())
    assert found.aggregate_kl_se < 0.1
    assert found.aggregate_kl == pytest.approx(kl, abs=4 * found.aggregate_kl_se)


@torch.no_grad()
def test_where_every_posterior_stands_alone_the_information_is_all_that_can_be_seen() -> None:
    model, images = tiny(network=MLPConfig(widths=()), latent_dims=3), pictures(400)
    model.encoder[-1].weight[3:] = 0.0
    model.encoder[-1].bias[3:] = -16.0
    found = informed(model, images, samples=150)
    assert (found.images, found.samples) == (400, 150)
    assert found.mutual_information == pytest.approx(math.log(400), abs=1e-3)
    assert found.limit == math.log(400)
    assert found.at_its_limit


def test_information_is_averaged_over_random_images() -> None:
    """Of two kinds that never meet, one ten times rarer and all at the front, it is their entropy."""
    model, images = two_kinds(2.0, 0.01)
    images[:] = 0
    images[:100, 0, 0] = 255
    found = informed(model, images, samples=300)
    assert 0.01 < found.mutual_information_se < 0.06
    entropy = -0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert found.mutual_information == pytest.approx(entropy, abs=4 * found.mutual_information_se)


def test_information_and_the_aggregate_posteriors_kl_are_the_kl(kind: dict[str, Any]) -> None:
    model = tiny(**kind)
    images = black_and_white(500) if kind["likelihood"].kind == "bernoulli" else pictures(500)
    found = informed(model, images)
    kl = evaluate(model, images, samples=50).kl
    assert kl > 0.05
    error = found.mutual_information_se + found.aggregate_kl_se
    assert found.mutual_information + found.aggregate_kl == pytest.approx(kl, abs=4 * error)
    assert 0.0 < found.mutual_information < found.limit


def test_one_image_tells_nothing() -> None:
    found = informed(tiny(), pictures(1))
    assert (found.images, found.samples) == (1, 1)
    assert found.mutual_information == pytest.approx(0.0, abs=1e-5)
    assert math.isnan(found.mutual_information_se)


# in pieces


def in_pieces(model: VAE, images: Tensor) -> dict[str, Iterator[Any]]:
    # A few hundred bytes are so little that one point after another is looked at.
    settings: dict[str, Any] = {"memory": 500}
    return {
        "log_likelihood": log_likelihood_steps(model, images, seeded(1), samples=12, **settings),
        "naive": naive_steps(model, images, seeded(1), most=100, **settings),
        "information": information_steps(model, images, seeded(1), samples=7, **settings),
    }


@pytest.mark.parametrize("what", ["log_likelihood", "naive", "information"])
def test_the_fraction_done_rises_to_one_and_the_result_comes_last(what: str) -> None:
    *fractions, last = in_pieces(tiny(latent_dims=3), pictures(9))[what]
    assert isinstance(last, (LogLikelihood, Naive, Information))
    assert len(fractions) > 5
    assert all(isinstance(fraction, float) for fraction in fractions)
    assert fractions == sorted(fractions)
    assert fractions[0] > 0.0 and fractions[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("what", ["log_likelihood", "naive", "information"])
def test_work_can_be_given_up_on_the_way(what: str) -> None:
    model = tiny(latent_dims=3)
    before = [weight.clone() for weight in model.state_dict().values()]
    steps = in_pieces(model, pictures(9))[what]
    assert next(steps) < 1.0
    steps.close()
    assert next(steps, "over") == "over"
    assert torch.is_grad_enabled()
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), before, strict=True))
    assert not any(layer._forward_hooks for layer in model.modules())


@pytest.mark.parametrize("what", ["log_likelihood", "naive", "information"])
def test_a_seed_gives_the_same_figures_and_nothing_else_is_drawn_from(what: str) -> None:
    model, images = tiny(latent_dims=3), pictures(9)
    before = torch.random.get_rng_state()
    results = []
    for seed in (5, 5, 6):
        steps = {
            "log_likelihood": log_likelihood_steps(model, images, seeded(seed), samples=12),
            "naive": naive_steps(model, images, seeded(seed), most=100),
            "information": information_steps(model, images, seeded(seed), samples=7),
        }[what]
        *_, result = steps
        results.append(repr(result))  # nan is not equal to itself
    assert results[0] == results[1] != results[2]
    assert torch.equal(torch.random.get_rng_state(), before)


# within a budget


def test_the_budget_changes_nothing_but_the_draws(kind: dict[str, Any]) -> None:
    model = tiny(**kind)
    images = black_and_white(150) if kind["likelihood"].kind == "bernoulli" else pictures(150)
    found = [estimated(model, images, samples=40, memory=memory) for memory in (20_000, 300_000, 256 * 2**20)]
    for one in found[:2]:
        error = math.hypot(one.nll_se_samples, found[2].nll_se_samples)
        assert one.nll == pytest.approx(found[2].nll, abs=4 * error)
        assert one.nll != found[2].nll
        assert one.nll_se_samples == pytest.approx(found[2].nll_se_samples, rel=0.6)
        assert one.bounds[0].value == pytest.approx(found[2].bounds[0].value, rel=0.03)
    # Draws of the prior come one after the other whatever the budget; those of posteriors are made at one go.
    informations = [informed(model, images, samples=150, memory=memory) for memory in (20_000, 256 * 2**20)]
    assert informations[0].mutual_information == pytest.approx(informations[1].mutual_information, abs=1e-5)
    assert informations[0].aggregate_kl_se == pytest.approx(informations[1].aggregate_kl_se, abs=1e-5)


def peak(steps: Iterator[Any], most: int, folder: Path) -> int:
    """The most bytes that tensors took, beyond what there was, in so many pieces of the work."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        for _ in range(most):
            if next(steps, None) is None:
                break
        steps.close()
    profiler.export_chrome_trace(str(folder / "trace.json"))
    events = json.loads((folder / "trace.json").read_text("utf-8"))["traceEvents"]
    events = sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"])
    totals = [event["args"]["Total Allocated"] for event in events]
    return max(totals) - (totals[0] - events[0]["args"]["Bytes"])


LARGE = [
    {"network": MLPConfig()},
    {"network": MLPConfig(), "likelihood": LaplaceConfig(scale="per-pixel")},
    {"network": MLPConfig(), "likelihood": GaussianConfig(), "latent_dims": 64},
    {"network": MLPConfig(), "latent_dims": 24, "posterior": "full-gaussian"},
    {"network": ConvolutionalConfig(), "latent_dims": 64, "likelihood": ContinuousBernoulliConfig()},
]


@pytest.mark.parametrize("values", LARGE, ids=["mlp", "pairs", "gaussian", "full", "convolutional"])
def test_memory_stays_within_the_budget(values: dict[str, Any], mnist: Data, tmp_path: Path) -> None:
    """Besides the budget, only the images, in single and double precision, and what the encoder puts out are held."""
    config = RunConfig(**values)
    model = build(config, (1, 28, 28)).frozen()
    images = likelihood_targets(config, mnist.test.images[:1000], "test")
    budget = 32 * 2**20
    held = images.numel() * 4 * 3 + len(images) * model.encoder[-1].out_features * 4 * 3
    for steps in (
        log_likelihood_steps(model, images, seeded(), samples=1000, memory=budget),
        log_likelihood_steps(model, images[:2], seeded(), samples=3000, memory=budget),
        naive_steps(model, images, seeded(), memory=budget),
        information_steps(model, images, seeded(), memory=budget),
    ):
        taken = peak(steps, 4, tmp_path)
        assert taken < budget * 1.1 + held


def test_memory_stays_within_the_budget_for_many_images(tmp_path: Path) -> None:
    """Thousands of points against thousands of images would be many times the budget, however small images are."""
    model, images, budget = tiny(), pictures(4000), 8 * 2**20
    for steps in (
        log_likelihood_steps(model, images, seeded(), samples=100, memory=budget),
        naive_steps(model, images, seeded(), memory=budget),
        information_steps(model, images, seeded(), memory=budget),
    ):
        assert peak(steps, 11, tmp_path) < budget * 1.1 + images.numel() * 4 * 5


# what is looked at


def test_a_subset_is_random_and_the_same_for_a_seed() -> None:
    assert subset(10, None, 0).tolist() == list(range(10))
    assert subset(10, 10, 0).tolist() == subset(10, 11, 0).tolist() == list(range(10))
    chosen = subset(1000, 100, 3)
    assert torch.equal(chosen, subset(1000, 100, 3))
    assert not torch.equal(chosen, subset(1000, 100, 4))
    assert len(set(chosen.tolist())) == 100
    assert 0 <= int(chosen.min()) < 100 and 900 < int(chosen.max()) < 1000
    # The smaller subset is the start of the larger: more images refine a figure, they do not replace it.
    assert torch.equal(subset(1000, 50, 3), chosen[:50])
    counts = torch.bincount(torch.cat([subset(20, 5, seed) for seed in range(400)]), minlength=20)
    assert counts.min() > 60 and counts.max() < 140


def test_a_log_likelihood_is_of_black_and_white_images_only_where_pixels_are(mnist: Data) -> None:
    images = mnist.test.images[:50]
    for targets in ("grey", "binarised-fresh", "binarised-once"):
        config = RunConfig(likelihood=BernoulliConfig(targets=targets))
        found = likelihood_targets(config, images, "test")
        assert set(found.unique().tolist()) == {0, 255}
        assert torch.equal(found, fixed_binarisation(config, images, "test"))
        assert not torch.equal(found, likelihood_targets(config, images, "train"))
    assert likelihood_targets(RunConfig(likelihood=GaussianConfig()), images, "test") is images


def test_a_processor_takes_a_subset_unless_told_otherwise() -> None:
    assert default_images(tiny()) == 500


# all of it


def reported(model: VAE, images: Tensor, request: EvaluationRequest) -> tuple[list[float], list[Report]]:
    items = list(report_steps(model, images, request))
    fractions = [item for item in items if isinstance(item, float)]
    assert isinstance(items[-1], Report)
    return fractions, [item for item in items if isinstance(item, Report)]


@pytest.mark.parametrize(
    ("request_", "parts"),
    [
        (EvaluationRequest(samples=60, images=30, naive=False), ["information", "likelihood"]),
        (EvaluationRequest(samples=0, images=30, naive=True), ["information"]),
        (EvaluationRequest(split="train", samples=0), ["information"]),
    ],
    ids=["likelihood", "nothing to compare with", "plain"],
)
def test_a_report_grows_part_by_part(request_: EvaluationRequest, parts: list[str]) -> None:
    model, images = tiny(), pictures(700)
    fractions, reports = reported(model, images, request_)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert len(reports) == 1 + len(parts)
    for index, report in enumerate(reports):
        assert (report.split, report.why_not) == (request_.split, "")
        for place, part in enumerate(["information", "likelihood", "naive"]):
            assert (getattr(report, part) is not None) == (place < index)
    last, seed = reports[-1], evaluation_seed(model.config)
    alone = evaluate(model, images, seed=seed)
    assert last.evaluation.neg_elbo == alone.neg_elbo
    assert last.information == informed(model, images, seed=seed + 1)
    if last.likelihood:
        assert (last.likelihood.images, last.likelihood.of_images, last.likelihood.samples) == (30, 700, 60)
        chosen = images[subset(700, 30, seed)]
        assert last.likelihood == estimated(model, chosen, 60, seed=seed + 2, of_images=700)


def test_a_report_with_draws_from_the_prior() -> None:
    """To a million draws, and compared with the other estimate over the same images."""
    model, images = tiny(likelihood=BernoulliConfig()), pictures(120)
    request = EvaluationRequest(samples=40, images=None, naive=True, seed=9, posterior_samples=3)
    fractions, reports = reported(model, images, request)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    last = reports[-1]
    assert last.likelihood.images == last.likelihood.of_images == 120
    assert last.evaluation.neg_elbo == evaluate(model, images, seed=9, samples=3).neg_elbo
    assert last.naive.images == 100
    assert [point.samples for point in last.naive.points] == [10**n for n in range(1, 7)]
    black_and_white = likelihood_targets(model.config, images, "test")
    assert last.naive.nll == estimated(model, black_and_white[:100], 40, seed=11).nll
    error = last.likelihood.nll_se_samples * math.sqrt(120 / 100)
    assert last.naive.points[-1].nll == pytest.approx(last.naive.nll, abs=5 * error)


def test_the_same_request_gives_the_same_report_and_its_seed_matters() -> None:
    model, images = tiny(), pictures(100)
    before = torch.random.get_rng_state()
    reports = [
        reported(model, images, EvaluationRequest(samples=20, images=40, seed=seed))[1][-1] for seed in (None, None, 8)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert reports[0].likelihood == reports[1].likelihood != reports[2].likelihood
    assert reports[0].information == reports[1].information != reports[2].information


@pytest.mark.parametrize("likelihood", [SquaredErrorConfig(), BernoulliConfig()])
def test_an_auto_encoder_has_an_error_and_the_reason_why_no_more(likelihood: Any) -> None:
    model = build(RunConfig(model="autoencoder", network=NETWORK, likelihood=likelihood), (1, 4, 4)).frozen()
    images = pictures(1200)
    fractions, reports = reported(model, images, EvaluationRequest(naive=True))
    assert fractions == [pytest.approx(500 / 1200), pytest.approx(1000 / 1200), 1.0]
    (report,) = reports
    assert not report.evaluation.is_bound
    assert report.evaluation.reconstruction == evaluate(model, images).reconstruction
    assert report.information is report.likelihood is report.naive is None
    assert "no distribution" in report.why_not


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(kind: dict[str, Any]) -> None:
    model = tiny(**kind)
    images = black_and_white(40) if kind["likelihood"].kind == "bernoulli" else pictures(40)
    on_cpu = estimated(model, images, samples=500)
    device = model.frozen().cuda()
    *_, on_gpu = log_likelihood_steps(device, images.cuda(), torch.Generator("cuda").manual_seed(0), samples=500)
    error = math.hypot(on_cpu.nll_se_samples, on_gpu.nll_se_samples)
    assert on_gpu.nll == pytest.approx(on_cpu.nll, abs=4 * error)
    assert default_images(device) is None
    *_, information = information_steps(device, images.cuda(), torch.Generator("cuda").manual_seed(0))
    here = informed(model, images)
    error = here.mutual_information_se + information.mutual_information_se
    assert information.mutual_information == pytest.approx(here.mutual_information, abs=4 * error)
