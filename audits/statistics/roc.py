"""Membership scores at a fixed false-positive rate, without help from ties. Higher = member."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _validate
from .intervals import Interval, clopper_pearson, clopper_pearson_upper


@dataclass(frozen=True, kw_only=True)
class TprAtFpr:
    """True-positive rate at an allowed false-positive rate.

    Attributes:
        allowed_fpr: The rate that was asked for.
        fpr: Realized rate, at most the allowed one.
        fpr_upper: Upper bound on the true false-positive rate, at confidence 1 - alpha / 2.
        tpr: Realized true-positive rate; None where the games cannot resolve `allowed_fpr`.
        interval: Clopper-Pearson interval of `tpr`; None with it.
        threshold: A sample is called a member where its score is strictly above; inf where no
            finite threshold keeps the false alarms down.
        hits: Members called members.
        false_alarms: Non-members called members.
        members: Members scored or failed.
        non_members: Non-members scored or failed.
        reason: Why `tpr` is None, else empty.
    """

    allowed_fpr: float
    fpr: float
    fpr_upper: float
    tpr: float | None
    interval: Interval | None
    threshold: float
    hits: int
    false_alarms: int
    members: int
    non_members: int
    reason: str


def tpr_at_fpr(members: ArrayLike, non_members: ArrayLike, *, fpr: float, alpha: float) -> TprAtFpr:
    """Tie-safe true-positive rate at the false-positive rate `fpr`.

    With `k = floor(fpr * n_neg)` allowed false alarms, the threshold is the (k + 1)-th highest
    non-member score and only scores strictly above it count; ties can thus lower both rates but
    never raise the false-positive rate. All scores equal gives 0 and 0.

    The interval is conditional on the threshold, which only the non-members chose. The true
    false-positive rate at that threshold is stochastically at most Beta(k + 1, n_neg - k), whence
    `fpr_upper`.

    Args:
        members: Scores of members, shape `(n_pos,)`. NaN and +inf are failures, ranked lowest.
        non_members: Scores of non-members, shape `(n_neg,)`. NaN and -inf are failures, ranked
            highest: a failure stays in the denominator and never improves a result.
        fpr: Allowed false-positive rate, in (0, 1).
        alpha: Probability that the interval misses.

    Returns:
        The two rates; `tpr` and `interval` are None below `10 / fpr` non-members.

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        Carlini et al. (2022), Membership inference attacks from first principles,
        https://arxiv.org/abs/2112.03570.

    >>> low, high = np.arange(1000.0), np.arange(1000.0) + 500
    >>> point = tpr_at_fpr(high, low, fpr=0.01, alpha=0.05)
    >>> point.tpr, point.fpr, point.threshold
    (0.51, 0.01, 989.0)
    """
    _validate.inside_unit(fpr=fpr, alpha=alpha)
    positive, negative = failures_last(members, non_members)
    n_neg = negative.size
    allowed = math.floor(fpr * n_neg + 1e-9)
    threshold = float(np.partition(negative, n_neg - 1 - allowed)[n_neg - 1 - allowed])
    hits, alarms = int((positive > threshold).sum()), int((negative > threshold).sum())
    resolved = fpr * n_neg >= 10 - 1e-9
    reason = f"{n_neg} non-members cannot resolve FPR {fpr}: {math.ceil(10 / fpr - 1e-9)} needed"
    return TprAtFpr(
        allowed_fpr=fpr,
        fpr=alarms / n_neg,
        fpr_upper=clopper_pearson_upper(allowed, n_neg, alpha=alpha / 2),
        tpr=hits / positive.size if resolved else None,
        interval=clopper_pearson(hits, positive.size, alpha=alpha) if resolved else None,
        threshold=threshold,
        hits=hits,
        false_alarms=alarms,
        members=positive.size,
        non_members=n_neg,
        reason="" if resolved else reason,
    )


def failures_last(
    members: ArrayLike, non_members: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both scores with failures at the rank that helps the adversary least.

    A member without a usable score becomes -inf, a non-member +inf.

    Raises:
        ValueError: A shape does not fit.

    >>> [s.tolist() for s in failures_last([1.0, float("nan")], [2.0, float("nan")])]
    [[1.0, -inf], [2.0, inf]]
    """
    positive = _validate.sized(members, name="members")
    negative = _validate.sized(non_members, name="non_members")
    return (
        np.where(np.isnan(positive) | np.isposinf(positive), -np.inf, positive),
        np.where(np.isnan(negative) | np.isneginf(negative), np.inf, negative),
    )
