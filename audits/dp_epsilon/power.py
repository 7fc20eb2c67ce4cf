"""The smallest true leak that an audit of epsilon finds with probability 0.9.

Answers are for releases that are Gaussian in either world, where mu says everything: it is then
told as epsilon, or as the advantage `2 Phi(mu / 2) - 1` (the total variation) beyond what the
claim allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtr, stdtrit
from scipy.stats import binom, nct

from ...defenses.dp_adaptation.gaussian import gaussian_mu

Sizes = tuple[int, int]
"""Games with the record, and without it."""

POWER = 0.9
LARGEST = 40.0
"""Largest mu that is looked at."""

PRECISION = 1e-3
"""Relative error of mu, upwards."""

THRESHOLDS: npt.NDArray[np.float64] = np.linspace(-3.0, 6.0, 37)
"""Where a threshold may lie [standard deviations above the mean of the games without it]."""


def advantage_beyond(mu: float, *, epsilon: float, delta: float) -> float:
    """Total variation at `mu` less what (epsilon, delta)-DP allows a Gaussian release.

    >>> round(advantage_beyond(0.5, epsilon=1.0, delta=1e-5), 3)
    0.091
    """
    return float(2 * (ndtr(mu / 2) - ndtr(gaussian_mu(epsilon, delta) / 2)))


@lru_cache(maxsize=64)
def detectable_mu(
    sizes: Sizes, *, epsilon: float, delta: float, alpha: float, counts: bool
) -> float:
    """Smallest mu that shows more than the claimed epsilon with probability 0.9, else infinity.

    Args:
        sizes: Games in either world.
        epsilon: Claimed.
        delta: Claimed.
        alpha: Level of the bound.
        counts: Clopper-Pearson at the best threshold fixed beforehand (those that search for one
            find a little less), or the likelihood-ratio bound.
    """
    if min(sizes) < 1 or sum(sizes) < 3:
        return math.inf
    claimed = gaussian_mu(epsilon, delta)
    if not counts:
        return _smallest(_power_of_means(sizes, claimed, alpha), start=claimed)
    limits = _most_misses(sizes, epsilon=epsilon, delta=delta, alpha=alpha)
    return _smallest(_power_of_counts(sizes, limits), start=claimed)


def _power_of_means(sizes: Sizes, claimed: float, alpha: float) -> Callable[[float], float]:
    freedom = sum(sizes) - 2
    scale = 1 / math.sqrt(1 / sizes[0] + 1 / sizes[1])
    edge = float(nct.isf(alpha, freedom, claimed * scale))
    if not math.isfinite(edge):
        edge = claimed * scale - float(stdtrit(freedom, alpha))
    return lambda mu: float(nct.sf(edge, freedom, mu * scale))


def _power_of_counts(sizes: Sizes, limits: npt.NDArray[np.int64]) -> Callable[[float], float]:
    alarms = np.arange(len(limits))[:, None]
    seen: Any = binom.pmf(alarms, sizes[1], ndtr(-THRESHOLDS)[None, :])

    def power(mu: float) -> float:
        found = binom.cdf(limits[:, None], sizes[0], ndtr(THRESHOLDS - mu)[None, :])
        return float((seen * found).sum(axis=0).max())

    return power


def _most_misses(
    sizes: Sizes, *, epsilon: float, delta: float, alpha: float
) -> npt.NDArray[np.int64]:
    """For each count of false alarms, the most misses with which the bound exceeds epsilon."""
    misses, alarms = (np.arange(n) for n in sizes)
    misses_most = betaincinv(misses + 1, sizes[0] - misses, 1 - alpha / 2)
    alarms_most = betaincinv(alarms + 1, sizes[1] - alarms, 1 - alpha / 2)
    room = 1 - delta - math.exp(epsilon) * alarms_most
    limits = np.searchsorted(misses_most, room[room > 0], side="left") - 1
    limits = limits[limits >= 0]
    return limits if len(limits) else np.array([-1], dtype=np.int64)


def _smallest(power: Callable[[float], float], *, start: float) -> float:
    low, high = start, max(2 * start, 0.5)
    while power(high) < POWER:
        low, high = high, 2 * high
        if high > LARGEST:
            return math.inf
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high
