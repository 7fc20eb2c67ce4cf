"""Gaussian differential privacy: mu, epsilon and delta of one Gaussian release.

A release is mu-GDP if telling two neighbouring data sets apart from it is no easier than telling
N(0, 1) from N(mu, 1). For the noise N(0, sigma^2 I) on a statistic of L2 sensitivity D,
`mu = D / sigma`, exactly. Pure NumPy and SciPy.
"""

from __future__ import annotations

import math
from typing import Any

from scipy.optimize import brentq
from scipy.special import log_ndtr

SMALLEST = 1e-300
"""Absolute error of every root, so small that the relative error of a double decides."""


def gaussian_delta(mu: float, epsilon: float) -> float:
    """The smallest delta at which mu-GDP implies (epsilon, delta)-DP.

    `delta = Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2)`.

    Args:
        mu: At least 0; infinite is no privacy.
        epsilon: At least 0.

    Raises:
        ValueError: `mu` or `epsilon` is negative or NaN.

    References:
        Dong, Roth, Su (2019), Corollary 2.13, https://arxiv.org/abs/1905.02383;
        Balle, Wang (2018), Theorem 8, https://arxiv.org/abs/1805.06530.

    >>> round(gaussian_delta(1.0, 1.0), 6)
    0.126937
    """
    _at_least_zero(mu=mu, epsilon=epsilon)
    if mu == 0:
        return 0.0
    if math.isinf(mu):
        return 1.0 if math.isfinite(epsilon) else 0.0
    upper = float(log_ndtr(-epsilon / mu + mu / 2))
    lower = epsilon + float(log_ndtr(-epsilon / mu - mu / 2))
    return max(0.0, -math.exp(upper) * math.expm1(min(lower - upper, 0.0)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon at which mu-GDP implies (epsilon, delta)-DP.

    Args:
        mu: At least 0; infinite gives infinity.
        delta: In [0, 1); 0 gives infinity unless `mu` is 0.

    Raises:
        ValueError: `mu` is negative, or `delta` is outside [0, 1).

    >>> round(gaussian_epsilon(1.0, 1e-5), 5)
    4.37718
    """
    _at_least_zero(mu=mu)
    _delta(delta)
    if mu == 0 or gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    if math.isinf(mu) or delta == 0:
        return math.inf
    # delta <= Phi(-epsilon / mu + mu / 2), so the root lies below mu^2 / 2 + mu z.
    high = mu * (mu / 2 + math.sqrt(2 * math.log(1 / delta)) + 1)
    root: Any = brentq(lambda e: gaussian_delta(mu, e) - delta, 0.0, high, xtol=SMALLEST)
    return float(root)


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The largest mu at which mu-GDP implies (epsilon, delta)-DP.

    Args:
        epsilon: At least 0.
        delta: In (0, 1).

    Raises:
        ValueError: `epsilon` is negative or infinite, or `delta` is outside (0, 1).

    >>> round(gaussian_mu(4.37718, 1e-5), 5)
    1.0
    """
    _at_least_zero(epsilon=epsilon)
    if math.isinf(epsilon):
        raise ValueError("epsilon=inf must be finite; without privacy there is nothing to noise")
    if not 0 < delta < 1:
        raise ValueError(f"delta={delta} must be in (0, 1); Gaussian noise has no pure epsilon")
    low, high = 0.0, 1.0
    while gaussian_delta(high, epsilon) < delta:
        low, high = high, 2 * high
    root: Any = brentq(lambda m: gaussian_delta(m, epsilon) - delta, low, high, xtol=SMALLEST)
    return float(root)


def analytic_sigma(epsilon: float, delta: float, *, sensitivity: float) -> float:
    """The smallest noise of an (epsilon, delta)-DP Gaussian release, at every epsilon.

    Args:
        epsilon: At least 0.
        delta: In (0, 1).
        sensitivity: Largest L2 distance of the statistic between neighbours, > 0.

    References:
        Balle, Wang (2018), Theorem 8 and Algorithm 1, https://arxiv.org/abs/1805.06530.

    >>> round(analytic_sigma(1.0, 1e-5, sensitivity=2 / 47), 3)
    0.159
    """
    if not (math.isfinite(sensitivity) and sensitivity > 0):
        raise ValueError(f"sensitivity={sensitivity} must be finite and > 0; clip the records")
    return sensitivity / gaussian_mu(epsilon, delta)


def _at_least_zero(**named: float) -> None:
    for name, value in named.items():
        if not value >= 0:
            raise ValueError(f"{name}={value} must be >= 0")


def _delta(delta: float) -> None:
    if not 0 <= delta < 1:
        raise ValueError(f"delta={delta} must be in [0, 1)")
