"""The bound for normal scores: an exact interval on mu from the difference of means."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu
from . import validate
from .noncentral_t import shift_with_tail, upper_tail
from .normality import equal_variance, normality
from .result import Assumed, Bound
from .scores import Scores


class _Test(NamedTuple):
    """Two-sample t with its degrees of freedom; `t` has shift `mu * scale`."""

    t: float
    df: int
    scale: float


def gaussian_likelihood_ratio(
    scores_in: ArrayLike, scores_out: ArrayLike, *, delta: float, alpha: float
) -> Bound:
    """Bounds on epsilon from the difference of means of normal scores with equal variance.

    The likelihood-ratio score of a Gaussian release of known direction is itself normal, with the
    same variance in both worlds and means `mu` standard deviations apart. Then
    `T = (mean_in - mean_out) / (s sqrt(1 / n_in + 1 / n_out))`, s^2 the pooled variance, is
    noncentral t with `n_in + n_out - 2` degrees of freedom and shift
    `mu / sqrt(1 / n_in + 1 / n_out)`; inverting it gives exact one-sided bounds on mu, each at
    alpha, and the conversion of `gaussian_epsilon` those on epsilon.

    Formal guarantee: exact for normal scores of equal variance. The p-values of both assumptions
    are in the result; where either is below `ASSUMPTION_LEVEL`, no verdict may rest on the bound.

    Args:
        scores_in: Scores of releases with the canary, shape `(n_in,)`, n_in >= 2; higher means
            "in". NaN becomes the lowest score of all.
        scores_out: Scores of releases without it, shape `(n_out,)`, n_out >= 2. NaN becomes the
            highest score of all.
        delta: Of the claim, in [0, 1); 0 gives infinity unless mu is 0.
        alpha: Probability that the lower bound is too high, and that the upper one is too low.

    Raises:
        ValueError: A score is infinite, no side has any spread, or an argument is out of range.

    References:
        Johnson, Welch (1940), Biometrika 31, 362-389, for the interval; Dong, Roth, Su (2019),
        Corollary 2.13, https://arxiv.org/abs/1905.02383, for the conversion.

    >>> high, low = np.linspace(0.0, 2.0, 200), np.linspace(-1.0, 1.0, 200)
    >>> bound = gaussian_likelihood_ratio(high, low, delta=1e-5, alpha=0.05)
    >>> round(bound.mu or 0.0, 3), round(bound.epsilon, 3)
    (1.526, 7.196)
    """
    validate.levels(delta=delta, alpha=alpha)
    given = validate.scores(scores_in, scores_out, minimum=2)
    inside, outside = _finite(given)
    t, df, scale = _test(inside, outside)
    low = shift_with_tail(t, df=df, tail=alpha) / scale
    high = shift_with_tail(t, df=df, tail=1 - alpha) / scale
    return Bound(
        method="gaussian_likelihood_ratio",
        epsilon=gaussian_epsilon(low, delta),
        upper=gaussian_epsilon(high, delta),
        mu=low,
        mu_upper=high,
        delta=delta,
        alpha=alpha,
        n=inside.size + outside.size,
        ceiling=math.inf,
        assumptions=(
            Assumed.INDEPENDENT_GAMES.value,
            Assumed.GAUSSIAN_SCORES.value,
            Assumed.EQUAL_VARIANCE.value,
        ),
        failed=given.failed,
        normality=normality(inside, outside),
        equal_variance=equal_variance(inside, outside),
        details={"t": t, "df": df, "shift_per_mu": scale},
    )


def gaussian_likelihood_ratio_p_value(
    scores_in: ArrayLike, scores_out: ArrayLike, *, epsilon: float, delta: float
) -> float:
    """`P[T >= t]` at the largest mu that (epsilon, delta)-DP allows: the exact p-value.

    Raises:
        ValueError: As `gaussian_likelihood_ratio`.

    >>> high, low = np.linspace(0.0, 2.0, 200), np.linspace(-1.0, 1.0, 200)
    >>> round(gaussian_likelihood_ratio_p_value(high, low, epsilon=7.196, delta=1e-5), 3)
    0.05
    """
    validate.levels(delta=delta, alpha=0.5)
    validate.claimed(epsilon)
    t, df, scale = _test(*_finite(validate.scores(scores_in, scores_out, minimum=2)))
    if math.isinf(epsilon):
        return 1.0
    allowed = gaussian_mu(epsilon, delta) if delta > 0 else 0.0
    return upper_tail(t, df=df, shift=allowed * scale)


def gaussian_likelihood_ratio_ceiling(
    *, n_in: int, n_out: int, delta: float, alpha: float
) -> float:
    """Infinite: scores without error may lie as far apart as they like."""
    validate.levels(delta=delta, alpha=alpha)
    validate.sizes(n_in, n_out, minimum=2)
    return math.inf


def _finite(given: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sides, NaN replaced by the worst score of the pool, in units of the largest."""
    pool = np.concatenate(given)
    if np.isinf(pool).any():
        count = int(np.isinf(pool).sum())
        raise ValueError(
            f"scores hold {count} infinite values, a normal score is finite; "
            "use clopper_pearson, which ranks them"
        )
    seen = pool[~np.isnan(pool)]
    if seen.size == 0:
        raise ValueError("scores are all NaN, at least one must be a number; score the games")
    largest = float(np.abs(seen).max()) or 1.0
    inside = np.where(np.isnan(given.inside), seen.min(), given.inside)
    outside = np.where(np.isnan(given.outside), seen.max(), given.outside)
    return inside / largest, outside / largest


def _test(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> _Test:
    sides = inside - inside.mean(), outside - outside.mean()
    df = inside.size + outside.size - 2
    spread = math.sqrt(sum(float(side @ side) for side in sides) / df)
    if spread == 0 or (np.ptp(inside) == 0 and np.ptp(outside) == 0):
        raise ValueError(
            "scores are constant on either side, a normal score varies; a release without noise "
            "is not Gaussian: use clopper_pearson"
        )
    scale = 1 / math.sqrt(1 / inside.size + 1 / outside.size)
    return _Test(float(inside.mean() - outside.mean()) / spread * scale, df, scale)
