"""What membership scores show: area, rates at low false-positive rates, best advantage.

Higher means member. Every number stands with an interval; what n cannot resolve is not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...defenses.seeds import stream
from ..statistics import (
    Auc,
    BestAdvantage,
    TprAtFpr,
    auc_by_pairs,
    auc_delong,
    best_advantage,
    clopper_pearson_lower,
    clopper_pearson_upper,
    tpr_at_fpr,
)
from ..statistics.roc import failures_last

Scores = npt.NDArray[np.float64]

FPRS = (0.01, 0.001)
"""Allowed false-positive rates that every audit of membership states."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Scores of members and non-members, measured.

    Attributes:
        area: Under the ROC curve, DeLong's interval.
        pairs: The same with an interval that is exact for every n.
        points: True-positive rates at `FPRS`, or at others that were asked for.
        best: Largest TPR - FPR, and its lower bound.
        members: How many.
        non_members: How many.
        distinct: Different scores; few of them mean ties.
    """

    area: Auc
    pairs: Auc
    points: tuple[TprAtFpr, ...]
    best: BestAdvantage
    members: int
    non_members: int
    distinct: int


def rates(
    members: Scores,
    non_members: Scores,
    *,
    alpha: float,
    seed: int,
    fprs: Sequence[float] = FPRS,
) -> Rates:
    """Measure scores; each interval misses with probability alpha.

    Args:
        members: Shape (n,), n >= 2.
        non_members: Shape (m,), m >= 2.
        alpha: Of each interval.
        seed: Of the pairing and of coins for ties.
        fprs: Allowed false-positive rates, in (0, 1).

    Raises:
        ValueError: A shape or an argument is out of range.
    """
    return Rates(
        area=auc_delong(members, non_members, alpha=alpha),
        pairs=auc_by_pairs(members, non_members, alpha=alpha, rng=stream(seed, "pairs")),
        points=tuple(tpr_at_fpr(members, non_members, fpr=fpr, alpha=alpha) for fpr in fprs),
        best=best_advantage(members, non_members, alpha=alpha),
        members=len(members),
        non_members=len(non_members),
        distinct=len(np.unique(np.concatenate([members, non_members]))),
    )


@dataclass(frozen=True, kw_only=True)
class SureTpr:
    """A threshold whose true false-positive rate is low enough for sure, and its TPR.

    Attributes:
        threshold: Called a member if strictly above; inf where n allows no false alarm for sure.
        false_alarms: That the threshold was allowed.
        fpr_upper: Upper bound on its true false-positive rate.
        hits: Members above it.
        members: How many there are.
        lower: Lower bound on its true-positive rate.
    """

    threshold: float
    false_alarms: int
    fpr_upper: float
    hits: int
    members: int
    lower: float


def sure_tpr(members: Scores, non_members: Scores, *, fpr: float, alpha: float) -> SureTpr:
    """Lower bound on the best TPR at a *true* false-positive rate of at most `fpr`.

    The false-positive rate above the (k + 1)-th highest of m non-members is stochastically at most
    Beta(k + 1, m - k). k is the largest for which this is at most `fpr` with probability
    1 - alpha / 2: a choice that looks at m alone. At that threshold the true-positive rate is
    binomial. Both bounds hold together with probability 1 - alpha.

    Args:
        members: Shape (n,).
        non_members: Shape (m,).
        fpr: In (0, 1).
        alpha: Probability that the statement is wrong.

    >>> sure = sure_tpr(np.arange(1e4) + 5e3, np.arange(1e4), fpr=0.01, alpha=0.01)
    >>> sure.false_alarms, round(sure.fpr_upper, 4), sure.hits
    (75, 0.0099, 5075)
    """
    positive, negative = failures_last(members, non_members)
    m, low, high = len(negative), -1, len(negative) - 1
    while low < high:  # the upper bound rises with k
        middle = (low + high + 1) // 2
        fits = clopper_pearson_upper(middle, m, alpha=alpha / 2) <= fpr
        low, high = (middle, high) if fits else (low, middle - 1)
    if low < 0:
        upper = clopper_pearson_upper(0, m, alpha=alpha / 2)
        return SureTpr(
            threshold=np.inf,
            false_alarms=0,
            fpr_upper=upper,
            hits=0,
            members=len(positive),
            lower=0.0,
        )
    threshold = float(np.partition(negative, m - 1 - low)[m - 1 - low])
    hits = int((positive > threshold).sum())
    return SureTpr(
        threshold=threshold,
        false_alarms=low,
        fpr_upper=clopper_pearson_upper(low, m, alpha=alpha / 2),
        hits=hits,
        members=len(positive),
        lower=clopper_pearson_lower(hits, len(positive), alpha=alpha / 2),
    )
