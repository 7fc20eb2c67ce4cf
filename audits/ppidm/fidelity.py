"""Is the protected picture as close to the undefended one as is claimed? The median PSNR.

A claim "PSNR at least x" is read as: at least half of all pictures reach x. The median's interval
comes from order statistics: with X_(1) <= ... <= X_(n), [X_(r), X_(n+1-r)] misses the median with
probability 2 P[Bin(n, 1/2) < r], whatever the law of PSNR; r is the largest that keeps this at most
alpha. The mean would need a law, and is infinite as soon as one picture is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..statistics import Interval, binomial_p_value

IDENTICAL = 200.0
"""PSNR [dB] that stands for more: float32 pixels in [0, 1] round at about 150."""


class Median(NamedTuple):
    """A median and its interval.

    Attributes:
        estimate: Of the games.
        interval: Infinite where there are too few games.
    """

    estimate: float
    interval: Interval


def median(values: Sequence[float], *, alpha: float) -> Median:
    """Sample median with its exact interval.

    Args:
        values: At least one, infinite ones included.
        alpha: Probability that the interval misses the median.

    Raises:
        ValueError: If there are no values, or one is NaN.

    >>> median(range(1, 11), alpha=0.05)  # 2 P[Bin(10, 1/2) < 2] = 0.021
    Median(estimate=5.5, interval=Interval(low=2.0, high=9.0))
    """
    ordered = np.minimum(np.sort(np.asarray(values, dtype=np.float64)), IDENTICAL)
    n = ordered.size
    if not n or bool(np.isnan(ordered).any()):
        raise ValueError(f"values={list(values)} must hold at least one number and no NaN")
    rank = 0
    while rank < n and 2 * binomial_p_value(n - rank, n, p=0.5) <= alpha:
        rank += 1
    ends = (ordered[rank - 1], ordered[n - rank]) if rank else (-math.inf, math.inf)
    return Median(float(np.median(ordered)), Interval(float(ends[0]), float(ends[1])))


def games_needed(alpha: float) -> int:
    """Fewest games whose interval is bounded: the least n with 2^(1 - n) <= alpha."""
    return math.ceil(1 - math.log2(alpha))
