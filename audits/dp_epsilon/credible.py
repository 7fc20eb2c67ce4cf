"""A credible interval for epsilon: what a prior on error rates makes of counts."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, betaln, expit, log_expit

from . import validate
from .result import Assumed, Bound

PRIOR = 0.5
"""Pseudo-counts of either outcome (Jeffreys)."""

LEFT_OUT = 1e-18
"""Posterior probability that is not integrated, on either side."""

PANELS, NODES = 16, 32
"""Gauss-Legendre panels between two kinks of the integrand, and nodes of each."""


@dataclass(frozen=True)
class _Rate:
    """The posterior Beta(a, b) of one error rate."""

    a: float
    b: float

    @property
    def width(self) -> float:
        """Standard deviation of the log-odds, about."""
        return math.sqrt(1 / self.a + 1 / self.b)

    @property
    def reach(self) -> tuple[float, float]:
        """Log-odds between which the posterior lies."""
        low = float(betaincinv(self.a, self.b, LEFT_OUT))
        high = float(betaincinv(self.b, self.a, LEFT_OUT))
        return math.log(low) - math.log1p(-low), math.log1p(-high) - math.log(high)

    def below(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """`P[rate <= x]`, 0 below 0 and 1 above 1."""
        return np.asarray(betainc(self.a, self.b, np.clip(x, 0.0, 1.0)), dtype=np.float64)

    def density(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density of the log-odds."""
        log = self.a * log_expit(odds) + self.b * log_expit(-odds) - betaln(self.a, self.b)
        return np.asarray(np.exp(log), dtype=np.float64)


def bayesian(*, tp: int, tn: int, fp: int, fn: int, delta: float, alpha: float) -> Bound:
    """Equal-tailed credible interval for epsilon: no frequentist guarantee, never a verdict.

    `FPR ~ Beta(fp + 1/2, tn + 1/2)`, `FNR ~ Beta(fn + 1/2, tp + 1/2)`, independent; epsilon is the
    largest of `ln((1 - FNR - delta) / FPR)`, `ln((1 - FPR - delta) / FNR)`,
    `ln((FPR - delta) / (1 - FNR))` and `ln((FNR - delta) / (1 - FPR))`. The interval leaves
    alpha / 2 of its posterior on either side, by quadrature.

    The largest of four numbers that scatter around 0 is positive: without any leak the lower end
    lies above 0 far more often than alpha.

    Args:
        tp: Right guesses with the canary.
        tn: Right guesses without it.
        fp: Wrong guesses without it.
        fn: Wrong guesses with it.
        delta: Of the claim, in [0, 1).
        alpha: Posterior probability outside the interval.

    Raises:
        ValueError: An argument is out of range, or a world has no game.

    References:
        Zanella-Beguelin et al. (2023), Section 4, https://arxiv.org/abs/2206.05199.

    >>> bound = bayesian(tp=90, tn=95, fp=5, fn=10, delta=0.0, alpha=0.1)
    >>> round(bound.epsilon, 3), round(bound.upper or 0.0, 3), bound.guarantee
    (2.29, 3.658, False)
    """
    validate.levels(delta=delta, alpha=alpha)
    hits, quiet, alarms, missed = validate.counts(tp=tp, tn=tn, fp=fp, fn=fn)
    n_in, n_out = hits + missed, quiet + alarms
    validate.sizes(n_in, n_out)
    outcomes = alarms, quiet, missed, hits
    low, high = (_quantile(*outcomes, delta, p) for p in (alpha / 2, 1 - alpha / 2))
    return Bound(
        method="bayesian",
        epsilon=low,
        upper=high,
        delta=delta,
        alpha=alpha,
        n=n_in + n_out,
        ceiling=bayesian_ceiling(n_in=n_in, n_out=n_out, delta=delta, alpha=alpha),
        assumptions=(Assumed.INDEPENDENT_GAMES.value, Assumed.PRIOR_ON_RATES.value),
        guarantee=False,
        details={"tp": hits, "tn": quiet, "fp": alarms, "fn": missed},
    )


def bayesian_ceiling(*, n_in: int, n_out: int, delta: float, alpha: float) -> float:
    """The lower end of `bayesian` where no error is made."""
    validate.levels(delta=delta, alpha=alpha)
    validate.sizes(n_in, n_out)
    return _quantile(0, n_out, 0, n_in, delta, alpha / 2)


def _quantile(fp: int, tn: int, fn: int, tp: int, delta: float, level: float) -> float:
    """The epsilon below which the posterior has probability `level`, at least 0."""
    rates = _Rate(fp + PRIOR, tn + PRIOR), _Rate(fn + PRIOR, tp + PRIOR)
    inner, outer = sorted(rates, key=lambda rate: -rate.width)

    def excess(epsilon: float) -> float:
        return _probability(epsilon, outer, inner, delta) - level

    if excess(0.0) >= 0:
        return 0.0
    high = 1.0
    while excess(high) < 0:
        high *= 2
    root: Any = brentq(excess, 0.0, high, xtol=1e-10)
    return float(root)


def _probability(epsilon: float, outer: _Rate, inner: _Rate, delta: float) -> float:
    """Posterior probability that no log-ratio exceeds epsilon.

    The region is symmetric in the two rates. For a value x of the one with the narrower posterior
    the other lies between `max(1 - delta - e^eps x, e^-eps (1 - delta - x))` and
    `min(1 - e^-eps (x - delta), delta + e^eps (1 - x))`; panels end where these change course.
    """
    grow, shrink = math.exp(epsilon), math.exp(-epsilon)
    kinks = [
        delta,
        shrink * (1 - delta),
        (1 - delta) / (grow + 1),
        (grow + delta) / (grow + 1),
        1 - shrink * (1 - delta),
        1 - delta,
    ]
    low, high = outer.reach
    inside = [math.log(k) - math.log1p(-k) for k in kinks if 0 < k < 1]
    edges = np.array(sorted({low, high, *(k for k in inside if low < k < high)}))
    odds, weights = _panels(edges)
    x = expit(odds)
    least = np.maximum(1 - delta - grow * x, shrink * (1 - delta - x))
    most = np.minimum(1 - shrink * (x - delta), delta + grow * expit(-odds))
    chance = inner.below(most) - inner.below(least)
    return float(weights @ (outer.density(odds) * chance))


def _panels(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of composite Gauss-Legendre quadrature."""
    nodes, weights = _gauss_legendre()
    steps = np.arange(PANELS) / PANELS
    starts = (edges[:-1, None] + np.diff(edges)[:, None] * steps).ravel()
    half = np.repeat(np.diff(edges), PANELS)[:, None] / (2 * PANELS)
    points = starts[:, None] + half * (nodes + 1)
    return points.ravel(), (half * weights).ravel()


@functools.cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights
