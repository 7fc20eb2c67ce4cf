"""Are scores normal, and equally spread in both worlds? Tests of what a Gaussian bound assumes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtr, fdtrc, log_ndtr

SMALLEST_SAMPLE = 8
"""Scores a side from which the Anderson-Darling p-value holds."""


def normality(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float | None:
    """p-value of "both samples are normal", each with a mean and a variance of its own.

    Anderson-Darling on either side (case 4: both parameters estimated), combined as
    `1 - (1 - min p)^2`, which is exact for independent sides: it does not matter how far apart
    they are. A large p-value does not prove normality, least of all in the tails.

    Returns:
        The p-value, or None where a side has fewer than 8 scores.

    References:
        Stephens (1974), Journal of the American Statistical Association 69(347), 730-737;
        D'Agostino, Stephens (1986), Goodness-of-Fit Techniques, Table 4.9.
    """
    if min(inside.size, outside.size) < SMALLEST_SAMPLE:
        return None
    least = min(anderson_darling(inside), anderson_darling(outside))
    return least * (2 - least)


def anderson_darling(sample: NDArray[np.float64]) -> float:
    """p-value of "the sample is normal", mean and variance estimated; 0 for a constant sample.

    `A^2 = -n - 1/n sum_i (2i - 1) (ln Phi(y_i) + ln Phi(-y_(n+1-i)))`, corrected by
    `1 + 0.75/n + 2.25/n^2`; p-values as fitted by D'Agostino and Stephens, 0 below 1e-24.
    """
    n = sample.size
    centered = sample - sample.mean()
    spread = math.sqrt(float(centered @ centered) / (n - 1))
    if spread == 0:
        return 0.0
    y = np.sort(centered / spread)
    odd = 2 * np.arange(1, n + 1) - 1
    square = -n - float(odd @ (log_ndtr(y) + log_ndtr(-y[::-1]))) / n
    a = square * (1 + 0.75 / n + 2.25 / n**2)
    if a <= 0.2:
        return -math.expm1(-13.436 + 101.14 * a - 223.73 * a * a)
    if a <= 0.34:
        return -math.expm1(-8.318 + 42.796 * a - 59.938 * a * a)
    if a <= 0.6:
        return math.exp(0.9177 - 4.279 * a - 1.38 * a * a)
    return math.exp(1.2937 - 5.709 * a + 0.0186 * a * a) if a <= 10 else 0.0


def equal_variance(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """Two-sided p-value of "the variances are equal": the F test, exact for normal scores."""
    first, second = (float(side.var(ddof=1)) for side in (inside, outside))
    if first == 0 or second == 0:
        return 0.0
    freedom = inside.size - 1, outside.size - 1
    ratio = first / second
    return min(1.0, 2 * min(float(fdtr(*freedom, ratio)), float(fdtrc(*freedom, ratio))))
