"""Intervals for a ratio of means over paired games, infinite where the denominator may be 0."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _tails, _validate
from .intervals import Interval, mean_interval

UNBOUNDED = Interval(-math.inf, math.inf)
CHUNK = 2**20


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio of means.

    Attributes:
        estimate: Ratio of the sample means, unclipped; NaN where the denominator's mean is 0.
        interval: Two-sided interval of the ratio; infinite where the denominator may be 0.
        denominator: Two-sided interval of the denominator's mean.
    """

    estimate: float
    interval: Interval
    denominator: Interval

    @property
    def bounded(self) -> bool:
        """Whether the games say anything: the denominator's interval does not hold 0."""
        return self.interval.bounded


def fieller(numerator: ArrayLike, denominator: ArrayLike, *, alpha: float) -> Ratio:
    """Fieller's interval for a ratio of means over paired games.

    All rho for which a two-sided t test does not reject "the mean of a - rho b is 0": the roots of
    `(A - rho B)^2 = t^2 (s_aa - 2 rho s_ab + rho^2 s_bb) / n`. Exact for Gaussian pairs. Where the
    t interval of the denominator holds 0 that set is unbounded, and so is the interval given.

    Args:
        numerator: a, shape `(n,)`, n >= 2, all finite.
        denominator: b of the same games, shape `(n,)`.
        alpha: Probability that the interval misses the ratio.

    Raises:
        ValueError: Shapes differ, a value is not finite, or `alpha` is not in (0, 1).

    References:
        Fieller (1954), Journal of the Royal Statistical Society B 16(2), 175-185.

    >>> fieller([1.0, 2.0, 3.0], [2.0, 4.0, 6.5], alpha=0.5).interval.covers(0.48)
    True
    >>> fieller([1.0, 2.0, 3.0], [-1.0, 1.0, 0.5], alpha=0.05).bounded
    False
    """
    b = _validate.vector(denominator, name="denominator", minimum=2)
    a = paired(numerator, b, name="numerator")
    bottom = mean_interval(b, alpha=alpha)
    top, base = float(a.mean()), float(b.mean())
    estimate = top / base if base else math.nan
    if bottom.covers(0.0):
        return Ratio(estimate=estimate, interval=UNBOUNDED, denominator=bottom)
    factor = _tails.t_edge(alpha / 2, a.size - 1) ** 2 / a.size
    (s_aa, s_ab), (_, s_bb) = (factor * np.cov(a, b)).tolist()
    curve, middle = base * base - s_bb, top * base - s_ab
    root = math.sqrt(max(0.0, middle * middle - curve * (top * top - s_aa)))
    interval = Interval((middle - root) / curve, (middle + root) / curve)
    return Ratio(estimate=estimate, interval=interval, denominator=bottom)


def bootstrap_ratio(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    alpha: float,
    rng: np.random.Generator,
    resamples: int = 9_999,
) -> Ratio:
    """Paired percentile bootstrap of a ratio of means: games are drawn whole, with replacement.

    Approximate, for large n and far from Gaussian scores. Unbounded where the bootstrap interval
    of the denominator holds 0.

    Args:
        numerator: a, shape `(n,)`, n >= 2, all finite.
        denominator: b of the same games, shape `(n,)`.
        alpha: Probability that the interval misses the ratio.
        rng: Source of the resamples.
        resamples: Resamples drawn; at least 100 / alpha keeps the ends steady.

    Raises:
        ValueError: Shapes differ, a value is not finite, or an argument is out of range.

    References:
        Efron, Tibshirani (1993), An Introduction to the Bootstrap, Section 13.3.

    >>> rng = np.random.default_rng(0)
    >>> bootstrap_ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], alpha=0.1, rng=rng).interval
    Interval(low=0.5, high=0.5)
    """
    b = _validate.vector(denominator, name="denominator", minimum=2)
    a = paired(numerator, b, name="numerator")
    _validate.inside_unit(alpha=alpha)
    _validate.at_least(1, resamples=resamples)
    pairs, rows = np.stack([a, b], axis=1), max(1, CHUNK // a.size)
    means = (
        np.concatenate(
            [
                rng.multinomial(a.size, np.full(a.size, 1 / a.size), size=min(rows, resamples - i))
                @ pairs
                for i in range(0, resamples, rows)
            ]
        )
        / a.size
    )
    ends = [alpha / 2, 1 - alpha / 2]
    bottom = Interval(*np.quantile(means[:, 1], ends).tolist())
    estimate = float(a.mean() / b.mean()) if b.mean() else math.nan
    if bottom.covers(0.0) or not means[:, 1].all():
        return Ratio(estimate=estimate, interval=UNBOUNDED, denominator=bottom)
    interval = Interval(*np.quantile(means[:, 0] / means[:, 1], ends).tolist())
    return Ratio(estimate=estimate, interval=interval, denominator=bottom)


def paired(values: ArrayLike, other: NDArray[np.float64], *, name: str) -> NDArray[np.float64]:
    """Return `values` as a finite vector of the shape of `other`."""
    x = _validate.vector(values, name=name)
    if x.shape != other.shape:
        raise ValueError(f"{name} has {x.size} games, must have {other.size}; pair game by game")
    return x
