"""What an evaluation finds out about a model, and what it is asked. Values in nats per image; imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vae_studio.core.events import Evaluation

DEFAULT_SAMPLES = 5000
SUBSET = 500
NAIVE_IMAGES = 100
NAIVE_MOST = 1_000_000
MEMORY = 256 * 2**20
PAPER = {"vae-1": 86.76, "vae-5": 86.47, "vae-50": 86.35, "iwae-1": 86.76, "iwae-5": 85.54, "iwae-50": 84.78}
"""Table 1 of Burda et al. 2016, one stochastic layer: test NLL in nats by bound and samples trained with."""


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to compute. `samples` is K of the importance-sampled log-likelihood, 0 for none of it.

    `images` is how many random images that is over, None for all; the plain figures are always over all of them.
    `naive` adds the estimate from the prior. `memory` in bytes bounds what is decoded at a time.
    """

    split: Literal["test", "train"] = "test"
    samples: int = DEFAULT_SAMPLES
    images: int | None = SUBSET
    naive: bool = False
    posterior_samples: int = 1
    seed: int | None = None
    memory: int = MEMORY


@dataclass(frozen=True, slots=True)
class Information:
    """How much z tells of x, and how far the aggregate posterior q(z) is from the prior: together they are the KL.

    (Hoffman & Johnson 2016, "ELBO surgery": E_x KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ p(z)).) The estimator takes
    q(z) as the mixture of the posteriors of all `images` and averages log-ratios over `samples` draws from it. It
    cannot find more than log(images) of mutual information: close to that (`at_its_limit`) there is more, and the
    aggregate posterior is nearer to the prior than it says. The `_se` are standard errors over the draws.
    """

    images: int
    samples: int
    mutual_information: float
    mutual_information_se: float
    aggregate_kl: float
    aggregate_kl_se: float

    @property
    def limit(self) -> float:
        """The most mutual information that so many images can show, in nats."""
        return math.log(self.images)

    @property
    def at_its_limit(self) -> bool:
        return self.mutual_information > self.limit - 1.0


@dataclass(frozen=True, slots=True)
class Bound:
    """−log of the mean of `samples` importance weights: −ELBO for one, −IWAE-K for K, −log p(x) in the limit."""

    samples: int
    value: float

    @property
    def name(self) -> str:
        return "−ELBO" if self.samples == 1 else f"−IWAE-{self.samples}"


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """−log p(x) by importance sampling from q(z|x) (Rezende et al. 2014, appendix E; Burda et al. 2016, section 5).

    Over `images` of `of_images`, with `samples` points of each image's q(z|x), and `shared_samples` of the prior that
    all images share.
    `nll_se` is its standard error: that of the samples (`nll_se_samples`, by the delta method, too small where the
    effective sample size is, not a number for one sample) and, where a subset stands for all images, that of the subset
    (`nll_se_images`). `ess` is the effective sample size (Σw)² / Σw², mean over images, and `ess_lowest` the smallest.
    `bounds` are those of the points of q(z|x) alone, in groups of the same weights, so that more samples never give a
    worse one; the last is what Burda et al. 2016 print as NLL.
    """

    images: int
    of_images: int
    samples: int
    shared_samples: int
    nll: float
    nll_se: float
    nll_se_samples: float
    nll_se_images: float
    ess: float
    ess_lowest: float
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class NaivePoint:
    """The estimate with `samples` draws of z from the prior, its effective sample size, mean over images."""

    samples: int
    nll: float
    ess: float


@dataclass(frozen=True, slots=True)
class Naive:
    """−log p(x) as the plain average of p(x|z) over draws from the prior (Keng 2017, equation 7), for ever more draws.

    `nll` is the importance-sampled figure for the same `images`, to compare with.
    """

    images: int
    nll: float
    points: tuple[NaivePoint, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found so far; parts still None come later, or make no sense for the model (`why_not` says why)."""

    split: str
    evaluation: Evaluation
    information: Information | None = None
    likelihood: LogLikelihood | None = None
    naive: Naive | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class RowBegun:
    """The work on this row begins; its model was `found` where an earlier call had trained it already."""

    row: str
    found: bool


@dataclass(frozen=True, slots=True)
class RowMeasured:
    """One row of the table. `nll` is −log p(x) on `images` binarised test images, by `samples` importance samples.

    `nll_se` is the standard error of a random subset of images, 0 for all of them. `paper` is the published figure.
    """

    row: str
    nll: float
    nll_se: float
    neg_elbo: float
    paper: float
    epochs: float
    images: int
    samples: int
    training_seconds: float
    device: str
