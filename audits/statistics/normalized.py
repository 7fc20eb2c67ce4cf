"""Normalized leakage: 0 is no better than having seen nothing, 1 as good as without a defense."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _tails, _validate
from .power import detectable_mean
from .ratio import Ratio, fieller, paired


@dataclass(frozen=True, kw_only=True)
class NormalizedLeakage:
    """Leakage on the scale from "saw nothing" (0) to "no defense" (1), tested against a claim.

    Attributes:
        at_most: The claim: true normalized leakage is at most this.
        ratio: Estimate and Fieller interval.
        p_value: One-sided p-value of the claim; 1 where the ratio is unbounded.
        detectable: Smallest true normalized leakage refuted with probability `power`; inf where
            the ratio is unbounded.
    """

    at_most: float
    ratio: Ratio
    p_value: float
    detectable: float


def normalized_leakage(
    score: ArrayLike,
    *,
    prior: ArrayLike,
    undefended: ArrayLike,
    alpha: float,
    at_most: float = 0.05,
    power: float = 0.9,
) -> NormalizedLeakage:
    """Test "(score - prior) / (undefended - prior) is at most `at_most`" over paired games.

    With a = score - prior and b = undefended - prior in each game, the claim is refuted when a
    one-sided t test finds the mean of a - at_most b above 0. Unclipped: below 0 the attack did
    worse than one that saw nothing.

    Args:
        score: The attack against the defense, shape `(n,)`: a bounded score, higher is better for
            the adversary (1 - MSE / MSE_prior, retrieval; never PSNR). Failed games score their
            worst value.
        prior: The same games, attacked without the view, shape `(n,)`.
        undefended: The same games, attacked on the undefended pipeline, shape `(n,)`.
        alpha: Level of the test; the interval misses with probability alpha.
        at_most: The leakage that the claim allows.
        power: Probability with which `detectable` is found.

    Raises:
        ValueError: Shapes differ, a value is not finite, or an argument is out of range.

    References:
        Fieller (1954), Journal of the Royal Statistical Society B 16(2), 175-185.

    >>> full, wave = np.tile([0.8, 1.0], 20), np.tile([0.1, -0.1], 20)
    >>> found = normalized_leakage(0.5 * full + wave, prior=0 * full, undefended=full, alpha=0.01)
    >>> round(found.ratio.estimate, 6), found.p_value < 1e-9, found.ratio.bounded
    (0.5, True, True)
    """
    blind = _validate.vector(prior, name="prior", minimum=2)
    a = paired(score, blind, name="score") - blind
    b = paired(undefended, blind, name="undefended") - blind
    ratio = fieller(a, b, alpha=alpha)
    if not ratio.bounded or b.mean() < 0:
        return NormalizedLeakage(at_most=at_most, ratio=ratio, p_value=1.0, detectable=math.inf)
    excess = a - at_most * b
    effect = detectable_mean(excess, alpha=alpha, power=power) / float(b.mean())
    return NormalizedLeakage(
        at_most=at_most, ratio=ratio, p_value=_t_test(excess), detectable=at_most + effect
    )


def _t_test(values: NDArray[np.float64]) -> float:
    """One-sided p-value of "the mean is at most 0"."""
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return _tails.t_upper(mean / error, values.size - 1)
