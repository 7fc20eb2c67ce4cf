"""The trade-off between two releases of a noisy mean that the canary joins with probability q.

Antipodal neighbours move the mean of a chosen subset by +-mu / 2 standard deviations, and by
nothing where the canary was not chosen:

    P = (1 - q) N(0, 1) + q N(mu / 2, 1)   against   Q = (1 - q) N(0, 1) + q N(-mu / 2, 1),

with `q = m / n` and `mu = 2 C / (m sigma)`. The likelihood ratio grows with x, so that thresholds
are the best tests, and both directions are one by symmetry. For q = 1 all of this is `gaussian`.
Error rates may be arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from . import validate

HALVINGS = 64
"""Of a bracket of thresholds, until its ends are neighboring floats."""

FARTHEST = 40.0
"""Standard deviations beyond which a normal tail is 0."""


def subsampled_false_negatives(
    fpr: ArrayLike, *, mu: float, rate: float = 1.0
) -> NDArray[np.float64]:
    """The trade-off curve: the least false-negative rate of any test with this FPR.

    Args:
        fpr: False-positive rates in [0, 1].
        mu: Distance of the pair once the canary is chosen, finite and >= 0.
        rate: q, in (0, 1].

    Raises:
        ValueError: `mu` or `rate` is out of range.

    >>> subsampled_false_negatives([0.0, 0.25, 1.0], mu=0.0, rate=0.5).round(9).tolist()
    [1.0, 0.75, 0.0]
    """
    validate.rate(rate)
    _distance(mu)
    a, half = np.asarray(fpr, dtype=np.float64), mu / 2
    low, high = np.full(a.shape, -half - FARTHEST), np.full(a.shape, FARTHEST)
    for _ in range(HALVINGS):
        t = (low + high) / 2
        too_many = _mixture(-t, -t - half, rate) > a
        low, high = np.where(too_many, t, low), np.where(too_many, high, t)
    missed = _mixture(high, high - half, rate)
    return np.where(a <= 0, 1.0, np.where(a >= 1, 0.0, missed))


def subsampled_mu(fpr: ArrayLike, fnr: ArrayLike, *, rate: float = 1.0) -> NDArray[np.float64]:
    """The mu whose trade-off curve passes through (FPR, FNR): every smaller one is excluded.

    For rate 1 it is `Phi^-1(1 - FPR) - Phi^-1(FNR)`. Otherwise the threshold t is searched at
    which `m(t) = -t - Phi^-1((FPR - (1 - q) Phi(-t)) / q)`, the mu / 2 with this FPR, also has this
    FNR. 0 where the point is no better than guessing, infinite where `FPR + FNR < 1 - q`, which no
    mu explains.

    Args:
        fpr: Upper bounds on the false-positive rate.
        fnr: Upper bounds on the false-negative rate, same shape.
        rate: q, in (0, 1].

    Raises:
        ValueError: `rate` is out of range.

    >>> subsampled_mu(0.1587, 0.1587).round(3).item()
    2.0
    """
    validate.rate(rate)
    a, b = (np.asarray(each, dtype=np.float64) for each in (fpr, fnr))
    if rate == 1:
        return np.asarray(np.maximum(-ndtri(a) - ndtri(b), 0.0), dtype=np.float64)
    found = (a + b < 1) & (a + b >= 1 - rate)
    half = _half(np.where(found, a, 0.5), np.where(found, b, 0.4), rate)
    return np.where(found, 2 * half, np.where(a + b < 1 - rate, np.inf, 0.0))


def subsampled_delta(mu: float, epsilon: float, *, rate: float = 1.0) -> float:
    """The smallest delta at which the pair is (epsilon, delta)-indistinguishable.

    `delta = P[X > x] - e^epsilon Q[X > x]` at the x where the likelihood ratio is e^epsilon.

    Args:
        mu: Distance of the pair once the canary is chosen, >= 0.
        epsilon: At least 0.
        rate: q, in (0, 1].

    Raises:
        ValueError: `mu`, `epsilon` or `rate` is out of range.

    >>> round(subsampled_delta(1.0, 1.0), 6)
    0.126937
    """
    validate.rate(rate)
    validate.claimed(epsilon)
    if not mu >= 0:
        raise ValueError(f"mu={mu} must be >= 0")
    if mu == 0 or math.isinf(epsilon):
        return 0.0
    if math.isinf(mu):
        return rate
    x, half = _threshold(epsilon, mu / 2, rate), mu / 2
    above_p = _log_mixture(-x, half - x, rate)
    above_q = epsilon + _log_mixture(-x, -half - x, rate)
    return max(0.0, -math.exp(above_p) * math.expm1(min(above_q - above_p, 0.0)))


def subsampled_epsilon(mu: float, delta: float, *, rate: float = 1.0) -> float:
    """The smallest epsilon at which the pair is (epsilon, delta)-indistinguishable.

    Args:
        mu: Distance of the pair once the canary is chosen; infinite shows the canary whenever it
            is chosen.
        delta: In [0, 1); 0 gives infinity unless `mu` is 0.
        rate: q, in (0, 1].

    Raises:
        ValueError: An argument is out of range.

    >>> round(subsampled_epsilon(1.0, 1e-5), 5)
    4.37718
    """
    validate.levels(delta=delta, alpha=0.5)
    if subsampled_delta(mu, 0.0, rate=rate) <= delta:
        return 0.0
    if delta == 0 or math.isinf(mu):
        return math.inf
    high = 1.0
    while subsampled_delta(mu, high, rate=rate) > delta:
        high *= 2
    root: Any = brentq(lambda e: subsampled_delta(mu, e, rate=rate) - delta, 0.0, high, xtol=1e-12)
    return float(root)


def _half(a: NDArray[np.float64], b: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Bisection over t: along `m(t)`, which is mu / 2, FNR grows from 1 - q - FPR to 1 - FPR."""

    def chosen(t: NDArray[np.float64]) -> NDArray[np.float64]:
        rest = np.clip((a - (1 - rate) * ndtr(-t)) / rate, 0.0, 1.0)
        return np.asarray(np.maximum(-t - ndtri(rest), 0.0), dtype=np.float64)

    low = np.maximum(-ndtri(np.minimum(a / (1 - rate), 1.0)), -FARTHEST)
    high = -ndtri(a)
    for _ in range(HALVINGS):
        t = (low + high) / 2
        too_few = _mixture(t, t - chosen(t), rate) < b
        low, high = np.where(too_few, t, low), np.where(too_few, high, t)
    return chosen(high)


def _threshold(epsilon: float, half: float, rate: float) -> float:
    """The x with `P(x) = e^epsilon Q(x)`.

    With `y = e^(half x)` and `c = q e^(-half^2 / 2)` the equation is quadratic,
    `c y^2 - (1 - q)(e^epsilon - 1) y - c e^epsilon = 0`, solved in logarithms.
    """
    log_c = math.log(rate) - half * half / 2
    if rate == 1 or epsilon == 0:
        log_b = -math.inf
    else:
        log_b = math.log1p(-rate) + epsilon + math.log(-math.expm1(-epsilon))
    root = np.logaddexp(2 * log_b, math.log(4) + epsilon + 2 * log_c) / 2
    return float(np.logaddexp(log_b, root) - math.log(2) - log_c) / half


def _mixture(
    without: NDArray[np.float64], chosen: NDArray[np.float64], rate: float
) -> NDArray[np.float64]:
    return np.asarray((1 - rate) * ndtr(without) + rate * ndtr(chosen), dtype=np.float64)


def _log_mixture(without: float, chosen: float, rate: float) -> float:
    log_chosen = math.log(rate) + float(log_ndtr(chosen))
    if rate == 1:
        return log_chosen
    return float(np.logaddexp(math.log1p(-rate) + float(log_ndtr(without)), log_chosen))


def _distance(mu: float) -> None:
    if not 0 <= mu < math.inf:
        raise ValueError(f"mu={mu} must be finite and >= 0")
