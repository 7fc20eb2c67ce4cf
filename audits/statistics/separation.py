"""How far apart two laws of scores are at their best threshold."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import _validate
from .roc import failures_last


@dataclass(frozen=True, kw_only=True)
class BestAdvantage:
    """The largest TPR - FPR over all thresholds, and what remains of it after the search.

    Attributes:
        estimate: Largest difference on these scores; optimistic, as the threshold was searched.
        lower: Lower bound on the largest true difference, valid despite the search.
        threshold: Where the estimate is reached: member means strictly above.
    """

    estimate: float
    lower: float
    threshold: float


def best_advantage(members: ArrayLike, non_members: ArrayLike, *, alpha: float) -> BestAdvantage:
    """Largest TPR - FPR over all thresholds, with a lower bound that pays for the search.

    By the Dvoretzky-Kiefer-Wolfowitz inequality each empirical rate is, at all thresholds at once,
    within `sqrt(ln(2 / alpha) / 2n)` of the truth on one side with probability 1 - alpha / 2; the
    bound subtracts both. It also bounds the total variation between the two laws of scores.

    Args:
        members: As in `tpr_at_fpr`.
        non_members: As in `tpr_at_fpr`.
        alpha: Probability that `lower` is above the true value.

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        Massart (1990), Annals of Probability 18(3), 1269-1283, Theorem 1 (one-sided).

    >>> best = best_advantage([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.5, 2.5], alpha=0.05)
    >>> best.estimate, best.lower, best.threshold
    (0.5, 0.0, 1.5)
    """
    _validate.inside_unit(alpha=alpha)
    positive, negative = failures_last(members, non_members)
    thresholds = np.unique(np.concatenate(([-np.inf], positive, negative)))
    above = [
        1 - np.searchsorted(np.sort(s), thresholds, "right") / s.size for s in (positive, negative)
    ]
    gaps = above[0] - above[1]
    best = int(gaps.argmax())
    margin = sum(math.sqrt(math.log(2 / alpha) / (2 * s.size)) for s in (positive, negative))
    estimate = float(gaps[best])
    return BestAdvantage(
        estimate=estimate, lower=max(0.0, estimate - margin), threshold=float(thresholds[best])
    )
