"""Area under the ROC curve, `P[member > non-member] + P[tie] / 2`. Higher = member."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _tails, _validate
from .intervals import Interval, clopper_pearson, clopper_pearson_lower, clopper_pearson_upper
from .permutation import PermutationTest, two_sample_test
from .roc import failures_last


@dataclass(frozen=True, kw_only=True)
class Auc:
    """An area under the curve with its interval.

    Attributes:
        estimate: Mann-Whitney estimate, ties counted half.
        interval: Two-sided interval.
        exact: Whether the interval holds for every n and every law of scores.
    """

    estimate: float
    interval: Interval
    exact: bool


def auc_delong(members: ArrayLike, non_members: ArrayLike, *, alpha: float) -> Auc:
    """AUC with the DeLong interval, for large samples.

    `A +- Phi^-1(1 - alpha / 2) sqrt(S10 / n_pos + S01 / n_neg)`, where S10 and S01 are the sample
    variances of the placements: the share of non-members below each member, and of members above
    each non-member. Clipped to [0, 1]. Where both variances are 0 (full separation, or all scores
    equal) the formula would claim certainty; the interval is then Clopper-Pearson on
    `min(n_pos, n_neg)` pairs. Approximate: a verdict on few games uses `auc_by_pairs`.

    Args:
        members: Scores, shape `(n_pos,)`, n_pos >= 2; failures as in `tpr_at_fpr`.
        non_members: Scores, shape `(n_neg,)`, n_neg >= 2; failures as in `tpr_at_fpr`.
        alpha: Probability that the interval misses.

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44(3), 837-845.

    >>> area = auc_delong([2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 0.0], alpha=0.05)
    >>> area.estimate, round(area.interval.low, 3)
    (0.875, 0.63)
    """
    _validate.inside_unit(alpha=alpha)
    positive, negative = failures_last(members, non_members)
    _validate.at_least(2, members=positive.size, non_members=negative.size)
    above, below = _placements(positive, negative), 1 - _placements(negative, positive)
    estimate = float(above.mean())
    variance = float(above.var(ddof=1) / above.size + below.var(ddof=1) / below.size)
    if variance == 0.0:
        pairs = min(above.size, below.size)
        worst = clopper_pearson_lower(math.floor(estimate * pairs), pairs, alpha=alpha / 2)
        best = clopper_pearson_upper(math.ceil(estimate * pairs), pairs, alpha=alpha / 2)
        return Auc(estimate=estimate, interval=Interval(worst, best), exact=False)
    half = _tails.normal_edge(alpha / 2) * math.sqrt(variance)
    interval = Interval(max(0.0, estimate - half), min(1.0, estimate + half))
    return Auc(estimate=estimate, interval=interval, exact=False)


def auc_by_pairs(
    members: ArrayLike, non_members: ArrayLike, *, alpha: float, rng: np.random.Generator
) -> Auc:
    """AUC with an exact interval: Clopper-Pearson on disjoint pairs of a member and a non-member.

    A random pairing gives `min(n_pos, n_neg)` independent games, each won where the member scores
    higher, ties by a fair coin: every game is won with probability AUC, whatever the law of the
    scores. Wider than DeLong's interval, and valid for every n.

    Args:
        members: Scores, shape `(n_pos,)`; failures as in `tpr_at_fpr`.
        non_members: Scores, shape `(n_neg,)`; failures as in `tpr_at_fpr`.
        alpha: Probability that the interval misses.
        rng: Source of the pairing and of the coins.

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        Clopper, Pearson (1934), Biometrika 26(4), 404-413.

    >>> rng = np.random.default_rng(0)
    >>> area = auc_by_pairs([5.0, 6.0, 7.0], [1.0, 2.0, 3.0], alpha=0.05, rng=rng)
    >>> area.estimate, round(area.interval.low, 3)  # 0.025 ** (1 / 3)
    (1.0, 0.292)
    """
    positive, negative = failures_last(members, non_members)
    pairs = min(positive.size, negative.size)
    left, right = (rng.permutation(s)[:pairs] for s in (positive, negative))
    coins = rng.random(pairs) < 0.5
    wins = int(np.where(left == right, coins, left > right).sum())
    estimate = float(_placements(positive, negative).mean())
    return Auc(estimate=estimate, interval=clopper_pearson(wins, pairs, alpha=alpha), exact=True)


def auc_test(
    members: ArrayLike,
    non_members: ArrayLike,
    *,
    rng: np.random.Generator,
    draws: int = 99_999,
) -> PermutationTest:
    """Permutation test of "members and non-members have one law of scores" through the AUC.

    Permutes the placements' midranks, hence exact with ties too: the Wilcoxon-Mann-Whitney test.

    Args:
        members: Scores, shape `(n_pos,)`; failures as in `tpr_at_fpr`.
        non_members: Scores, shape `(n_neg,)`; failures as in `tpr_at_fpr`.
        rng: Used only where the permutations are too many to enumerate.
        draws: Permutations drawn there.

    Returns:
        The test; `greater` is the p-value against AUC > 1/2.

    Raises:
        ValueError: A shape does not fit or `draws` < 1.

    References:
        Mann, Whitney (1947), Annals of Mathematical Statistics 18(1), 50-60.

    >>> test = auc_test([4.0, 5.0, 6.0], [1.0, 2.0, 3.0], rng=np.random.default_rng(0))
    >>> test.greater, test.exact  # one of 20 arrangements
    (0.05, True)
    """
    positive, negative = failures_last(members, non_members)
    pool = np.concatenate([positive, negative])
    ranks = _placements(pool, pool) * pool.size
    return two_sample_test(ranks[: positive.size], ranks[positive.size :], rng=rng, draws=draws)


def _placements(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of `others` below each score, ties counted half; shape of `scores`."""
    ordered = np.sort(others)
    left, right = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    return (left + right) / (2 * others.size)
