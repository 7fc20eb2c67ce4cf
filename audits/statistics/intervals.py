"""Confidence intervals and exact p-values for one rate or one mean."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _tails, _validate


class Interval(NamedTuple):
    """A closed interval `[low, high]`; infinite ends mean that the games bound nothing there."""

    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def covers(self, value: float) -> bool:
        """Whether `value` lies in the interval, ends included."""
        return self.low <= value <= self.high


def clopper_pearson(k: int, n: int, *, alpha: float) -> Interval:
    """Exact two-sided interval for a rate: `k` successes in `n` games.

    Both ends are one-sided bounds at `alpha / 2`:
    `P[Bin(n, low) >= k] = P[Bin(n, high) <= k] = alpha / 2`. The interval misses the true rate
    with probability at most `alpha`, for every n and every rate.

    Args:
        k: Successes, 0 <= k <= n.
        n: Games, failed ones included.
        alpha: Probability of missing the rate.

    Raises:
        ValueError: `k`, `n` or `alpha` is out of range.

    References:
        Clopper, Pearson (1934), Biometrika 26(4), 404-413.

    >>> [round(end, 4) for end in clopper_pearson(10, 100, alpha=0.05)]
    [0.049, 0.1762]
    """
    _validate.inside_unit(alpha=alpha)
    return Interval(
        clopper_pearson_lower(k, n, alpha=alpha / 2), clopper_pearson_upper(k, n, alpha=alpha / 2)
    )


def clopper_pearson_lower(k: int, n: int, *, alpha: float) -> float:
    """Exact one-sided lower bound on a rate: `P[Bin(n, bound) >= k] = alpha`.

    `bound >= p` holds exactly when `binomial_p_value(k, n, p=p) <= alpha`.

    Raises:
        ValueError: `k`, `n` or `alpha` is out of range.

    >>> round(clopper_pearson_lower(100, 100, alpha=0.05), 4)  # 0.05 ** (1 / 100)
    0.9705
    """
    _validate.count(k, n)
    _validate.inside_unit(alpha=alpha)
    return 0.0 if k == 0 else _tails.rate_with_tail(k, n, alpha)


def clopper_pearson_upper(k: int, n: int, *, alpha: float) -> float:
    """Exact one-sided upper bound on a rate: `P[Bin(n, bound) <= k] = alpha`.

    Raises:
        ValueError: `k`, `n` or `alpha` is out of range.

    >>> round(clopper_pearson_upper(0, 100, alpha=0.05), 4)  # 1 - 0.05 ** (1 / 100)
    0.0295
    """
    _validate.count(k, n)
    return 1.0 - clopper_pearson_lower(n - k, n, alpha=alpha)


def binomial_p_value(k: int, n: int, *, p: float) -> float:
    """Exact one-sided p-value `P[Bin(n, p) >= k]` of "the rate is at most `p`".

    Raises:
        ValueError: `k`, `n` or `p` is out of range.

    >>> round(binomial_p_value(9, 10, p=0.5), 6)  # 11 / 1024
    0.010742
    """
    _validate.count(k, n)
    _validate.probability(p=p)
    return _tails.binomial_tail(k, n, p)


def mean_interval(values: ArrayLike, *, alpha: float) -> Interval:
    """Two-sided Student t interval for a mean.

    `mean +- t(1 - alpha / 2, n - 1) s / sqrt(n)`. Exact for Gaussian values, approximate
    otherwise; for successes and failures use `clopper_pearson`.

    Args:
        values: One number a game, shape `(n,)`, n >= 2, all finite.
        alpha: Probability of missing the mean.

    Raises:
        ValueError: `values` has another shape or holds NaN, or `alpha` is not in (0, 1).

    References:
        Student (1908), Biometrika 6(1), 1-25.

    >>> [round(end, 4) for end in mean_interval([1.0, 2.0, 3.0, 4.0], alpha=0.05)]
    [0.4457, 4.5543]
    """
    x = _validate.vector(values, name="values", minimum=2)
    _validate.inside_unit(alpha=alpha)
    half = _tails.t_edge(alpha / 2, x.size - 1) * float(x.std(ddof=1)) / math.sqrt(x.size)
    mean = float(np.mean(x))
    return Interval(mean - half, mean + half)
