"""The bound from counts of errors along a Gaussian trade-off curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...defenses.dp_adaptation.gaussian import gaussian_epsilon
from . import validate
from .counting import shortfall, strongest
from .looks import Objective, Threshold
from .normality import normality
from .result import Assumed, Bound
from .scores import Scores
from .search import smallest_level
from .subsampled import subsampled_epsilon, subsampled_mu
from .thresholds import look, perfect


def gdp(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    *,
    delta: float,
    alpha: float,
    threshold: Threshold = "split",
    rate: float = 1.0,
) -> Bound:
    """Lower bound on mu from error rates, converted to epsilon along the trade-off curve.

    `mu >= Phi^-1(1 - FPR_ub) - Phi^-1(FNR_ub)`, the rates bounded as in `clopper_pearson`, then
    `delta = Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2)`. For `rate` < 1
    the curve is that of a canary which joins the release with this probability: see `subsampled`.

    Formal guarantee: that of `clopper_pearson`, if no test of the neighbours beats the curve of
    some mu. Scores need not be normal, any function of the release will do; but the score of a
    Gaussian release along a known direction is, so the result tells whether these are.

    Args:
        scores_in: Scores of releases with the canary, shape `(n_in,)`; higher means "in". NaN
            ranks lowest.
        scores_out: Scores of releases without it, shape `(n_out,)`; NaN ranks highest.
        delta: Of the claim, in [0, 1); 0 gives infinity unless mu is 0.
        alpha: Probability that the bound is too high.
        threshold: As in `clopper_pearson`.
        rate: m / n of the subsample, in (0, 1].

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        Nasr et al. (2023), Section 3.2, https://arxiv.org/abs/2302.07956;
        Dong, Roth, Su (2019), Corollary 2.13, https://arxiv.org/abs/1905.02383.

    >>> bound = gdp([1.0] * 500, [0.0] * 500, delta=1e-5, alpha=0.05, threshold=0.5)
    >>> round(bound.mu or 0.0, 3), round(bound.epsilon, 3)
    (4.879, 31.997)
    """
    validate.levels(delta=delta, alpha=alpha)
    given = validate.scores(scores_in, scores_out)
    objective = mu_of_rates(rate)
    looks = look(given, threshold, alpha=alpha, objective=objective)
    value, details = strongest(looks, alpha, objective)
    mu = max(0.0, value)
    curve = Assumed.GAUSSIAN_TRADE_OFF if rate == 1 else Assumed.SUBSAMPLED_GAUSSIAN_TRADE_OFF
    return Bound(
        method="gdp",
        epsilon=epsilon_of_mu(mu, delta, rate),
        mu=mu,
        delta=delta,
        alpha=alpha,
        n=given.inside.size + given.outside.size,
        ceiling=gdp_ceiling(
            n_in=given.inside.size,
            n_out=given.outside.size,
            delta=delta,
            alpha=alpha,
            threshold=threshold,
            rate=rate,
        ),
        assumptions=(Assumed.INDEPENDENT_GAMES.value, curve.value),
        failed=given.failed,
        normality=_normality(given) if rate == 1 else None,
        details={**details, "rate": rate},
    )


def gdp_ceiling(
    *,
    n_in: int,
    n_out: int,
    delta: float,
    alpha: float,
    threshold: Threshold = "split",
    rate: float = 1.0,
) -> float:
    """What `gdp` says where no error is made.

    >>> round(gdp_ceiling(n_in=500, n_out=500, delta=1e-5, alpha=0.05, threshold=0.5), 3)
    31.997
    """
    validate.levels(delta=delta, alpha=alpha)
    validate.sizes(n_in, n_out)
    value, _ = strongest(perfect(n_in, n_out, threshold), alpha, mu_of_rates(rate))
    return epsilon_of_mu(value, delta, rate)


def gdp_p_value(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    *,
    epsilon: float,
    delta: float,
    alpha: float = 0.05,
    threshold: Threshold = "split",
    rate: float = 1.0,
) -> float:
    """The smallest level at which `gdp` exceeds `epsilon`.

    Arguments as in `clopper_pearson_p_value` and `gdp`.

    Raises:
        ValueError: A shape or an argument is out of range.
    """
    validate.levels(delta=delta, alpha=alpha)
    objective = mu_of_rates(rate)
    given = validate.scores(scores_in, scores_out)
    looks = look(given, threshold, alpha=alpha, objective=objective)

    def bound(level: float) -> float:
        return epsilon_of_mu(strongest(looks, level, objective)[0], delta, rate)

    return smallest_level(bound, above=epsilon)


def mu_of_rates(rate: float) -> Objective:
    """`subsampled_mu`, where it is positive: exactly where `FPR + FNR < 1`."""
    validate.rate(rate)

    def mu(fpr: NDArray[np.float64], fnr: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(fpr + fnr < 1, subsampled_mu(fpr, fnr, rate=rate), shortfall(fpr, fnr))

    return Objective(mu, caution=0.05)


def epsilon_of_mu(mu: float, delta: float, rate: float) -> float:
    """Conversion along the curve of either pair; 0 for a mu below 0."""
    if rate == 1:
        return gaussian_epsilon(max(0.0, mu), delta)
    return subsampled_epsilon(max(0.0, mu), delta, rate=rate)


def _normality(given: Scores) -> float | None:
    finite = all(np.isfinite(side).all() for side in given)
    return normality(given.inside, given.outside) if finite else None
