"""The noncentral t distribution, to about 1e-12 for every shift >= 0.

`T = (Z + shift) / S` with Z standard normal and `df S^2` chi-square with df degrees of freedom.
The library functions lose their digits at the shifts of the order of `sqrt(n)` that n scores need;
both integrals below have analytic integrands, for which the trapezoidal rule converges faster than
any power of its step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, ndtr, ndtri

REACH = 700.0
"""Weights below exp(-700) of the largest are left out: tails are good down to 1e-300."""

NORMAL = 30.0
"""Standard deviations of Z on either side."""


def upper_tail(t: float, *, df: int, shift: float) -> float:
    """`P[T >= t]`.

    Args:
        t: Finite.
        df: Degrees of freedom, >= 1.
        shift: Noncentrality, >= 0.

    >>> round(upper_tail(1.812461, df=10, shift=0.0), 6)
    0.05
    """
    if shift > max(NORMAL, math.sqrt(2 * df)):
        return _over_normal(t, df, shift)
    return _over_chi(t, df, shift)


def shift_with_tail(t: float, *, df: int, tail: float) -> float:
    """The `shift >= 0` with `P[T >= t] = tail`; 0 where even shift 0 has a larger tail.

    The tail grows with the shift, so this is the end of the confidence interval that a `T = t`
    gives: the lower end for `tail = alpha`, the upper end for `tail = 1 - alpha`.
    """

    def excess(shift: float) -> float:
        edge = min(max(upper_tail(t, df=df, shift=shift), 1e-300), 1 - 1e-16)
        return float(ndtri(edge)) - float(ndtri(tail))

    if excess(0.0) >= 0:
        return 0.0
    high = max(t, 0.0) + 10.0
    while excess(high) < 0:
        high *= 2
    root: Any = brentq(excess, 0.0, high, xtol=1e-12)
    return float(root)


def _over_chi(t: float, df: int, shift: float) -> float:
    """`E[Phi(shift - t S)]`, over `w = ln S` with density `exp(df (w - e^(2w) / 2))`.

    The step resolves the density, whose width is `1 / sqrt(2 df)`, and Phi, which passes from 0 to
    1 while w moves by about `1 / shift`.
    """
    far = math.sqrt(REACH / df)  # df (w - (e^(2w) - 1) / 2) < -REACH outside [-far - far^2, far]
    step = 0.25 * min(1 / math.sqrt(2 * df), 2 / (shift + 10))
    w = np.arange(-math.ceil((far + far * far) / step), math.ceil(far / step) + 1) * step
    weights = np.exp(df * (w - np.expm1(2 * w) / 2))
    return float(weights @ ndtr(shift - t * np.exp(w)) / weights.sum())


def _over_normal(t: float, df: int, shift: float) -> float:
    """`E[P[S <= (Z + shift) / t]]`, for shifts so large that this is smooth in Z."""
    if t <= 0:
        return 1.0  # but for Phi(-30)
    z = np.linspace(-NORMAL, NORMAL, 301)
    weights = np.exp(-z * z / 2)
    inner = gammainc(df / 2, df / 2 * ((z + shift) / t) ** 2)
    return float(weights @ inner / weights.sum())
