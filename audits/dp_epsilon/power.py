"""The smallest true leak that an audit of epsilon finds with probability 0.9.

Answers are for one family of releases each, in which a single number (mu, or the shift of a
canary) says how much leaks: noisy means, noisy means over a sample, DP-SGD.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr, ndtri
from scipy.stats import binom

from ...defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu
from .composed import curve, epsilon_of_shift, shift_of_epsilon
from .noncentral_t import upper_tail
from .subsampled import subsampled_epsilon, subsampled_false_negatives

Floats = npt.NDArray[np.float64]
Sizes = tuple[int, int]
"""Games with the record, and without it."""

POWER = 0.9
LARGEST = 8.0
"""Largest leak that is looked at."""

PRECISION = 2e-3
"""Relative error of a leak, upwards."""

ALARMS: Floats = ndtr(np.linspace(-3.0, 2.0, 31))
"""Rates of false alarms at which a threshold may lie."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Releases that differ in one number.

    Attributes:
        misses: From that number and rates of false alarms to the fewest misses of any test.
        epsilon: From that number and delta to epsilon.
        allowed: From epsilon and delta to the largest such number.
    """

    misses: Callable[[float, Floats], Floats]
    epsilon: Callable[[float, float], float]
    allowed: Callable[[float, float], float]

    def advantage(self, leak: float) -> float:
        """Total variation, `max over a of 1 - a - misses(a)`."""
        rates = np.linspace(0.0, 1.0, 401)[1:-1]
        return max(0.0, float((1 - rates - self.misses(leak, rates)).max()))


@lru_cache(maxsize=32)
def family(law: str, rate: float = 1.0, rounds: int = 1) -> Family:
    """The family of a release law (`scenarios.releases.law_of`)."""
    if law == "mixture":
        return _sampled(rate)
    if law == "composed":
        return _composed(rate, rounds)
    return Family(
        misses=lambda mu, alarms: np.asarray(ndtr(ndtri(1 - alarms) - mu)),
        epsilon=gaussian_epsilon,
        allowed=gaussian_mu,
    )


def _sampled(rate: float) -> Family:
    def epsilon(mu: float, delta: float) -> float:
        return subsampled_epsilon(mu, delta, rate=rate)

    return Family(
        misses=lambda mu, alarms: np.asarray(subsampled_false_negatives(alarms, mu=mu, rate=rate)),
        epsilon=epsilon,
        allowed=lambda claimed, delta: _root(lambda mu: epsilon(mu, delta) > claimed, start=0.0),
    )


def _composed(rate: float, rounds: int) -> Family:
    def misses(shift: float, alarms: Floats) -> Floats:
        line = curve(shift, rate, rounds)
        return np.array([line.misses(float(each)) for each in alarms])

    return Family(
        misses=misses,
        epsilon=lambda shift, delta: epsilon_of_shift(shift, delta, rate, rounds),
        allowed=lambda claimed, delta: shift_of_epsilon(claimed, delta, rate, rounds),
    )


@lru_cache(maxsize=64)
def detectable(
    of: Family, sizes: Sizes, *, method: str, epsilon: float, delta: float, alpha: float
) -> float:
    """Smallest leak that shows more than the claimed epsilon with probability 0.9, else infinity.

    Args:
        of: Family of the release.
        sizes: Games in either world.
        method: Name of the bound. Those on counts are taken at the best threshold fixed
            beforehand; the ones that search for it find a little less.
        epsilon: Claimed.
        delta: Claimed.
        alpha: Level of the bound.
    """
    if min(sizes) < 2:
        return math.inf
    start = of.allowed(epsilon, delta)
    if method == "gaussian_likelihood_ratio":
        return _root(_by_means(sizes, start, alpha), start=start)
    if method == "clopper_pearson":
        slope = math.exp(epsilon)

        def edge(alarms: Floats) -> Floats:
            return np.maximum(1 - delta - slope * alarms, (1 - delta - alarms) / slope)

    else:

        def edge(alarms: Floats) -> Floats:
            return of.misses(start, alarms)

    return _root(_by_counts(of, sizes, _most_misses(sizes, edge, alpha)), start=start)


def _by_means(sizes: Sizes, claimed: float, alpha: float) -> Callable[[float], bool]:
    df = sum(sizes) - 2
    scale = 1 / math.sqrt(1 / sizes[0] + 1 / sizes[1])
    far = 40 + claimed * scale
    critical: Any = brentq(lambda t: upper_tail(t, df=df, shift=claimed * scale) - alpha, 0.0, far)
    return lambda mu: upper_tail(critical, df=df, shift=mu * scale) >= POWER


def _by_counts(of: Family, sizes: Sizes, limits: npt.NDArray[np.int64]) -> Callable[[float], bool]:
    alarms = np.arange(len(limits))[:, None]
    seen: Any = binom.pmf(alarms, sizes[1], ALARMS[None, :])

    def found(leak: float) -> bool:
        fewest = of.misses(leak, ALARMS)[None, :]
        missed = binom.cdf(limits[:, None], sizes[0], fewest)
        return float((seen * missed).sum(axis=0).max()) >= POWER

    return found


def _most_misses(
    sizes: Sizes, edge: Callable[[Floats], Floats], alpha: float
) -> npt.NDArray[np.int64]:
    """For each count of false alarms, the most misses below what the claim allows."""
    misses, alarms = (np.arange(n) for n in sizes)
    misses_most = betaincinv(misses + 1, sizes[0] - misses, 1 - alpha / 2)
    alarms_most = betaincinv(alarms + 1, sizes[1] - alarms, 1 - alpha / 2)
    coarse = np.linspace(0.0, 1.0, 2001)[1:-1]  # the curve is smooth, and dear where composed
    room = np.interp(alarms_most, coarse, edge(coarse))
    limits = np.searchsorted(misses_most, room, side="left") - 1
    last = int(np.flatnonzero(limits >= 0).max(initial=-1)) + 1
    return np.asarray(limits[: max(last, 1)], dtype=np.int64)


def _root(found: Callable[[float], bool], *, start: float) -> float:
    """The smallest leak from `start` on that is found, to `PRECISION`."""
    low, high = start, max(2 * start, 0.05)
    while not found(high):
        low, high = high, 2 * high
        if low > LARGEST:
            return math.inf
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high
