"""Audits of one run with many canaries, each included by a coin of its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, gammaln, log_expit

from ...defenses.claims import Neighbours
from . import validate
from .result import Assumed, Bound

ASSUMED = (Assumed.COIN_FLIP_CANARIES.value, Assumed.FIXED_GUESSES.value)
"""Of both one-run bounds."""


def one_run_p_value(
    *, canaries: int, guesses: int, correct: int, epsilon: float, delta: float
) -> float:
    """How often so many guesses or more are right in one run of an (epsilon, delta)-DP release.

    `p = P[B >= v] + 2 m delta max_i P[v > B >= v - i] / i` with `B ~ Bin(r, e^eps / (1 + e^eps))`
    for v of r guesses right among m canaries, at most 1.

    Args:
        canaries: m, guessed or not.
        guesses: r, fixed before the run.
        correct: v.
        epsilon: At least 0.
        delta: In [0, 1).

    Raises:
        ValueError: An argument is out of range.

    References:
        Steinke, Nasr, Jagielski (2023), Theorem 5.2, https://arxiv.org/abs/2305.08846.

    >>> p = one_run_p_value(canaries=100, guesses=100, correct=75, epsilon=math.log(3), delta=0.0)
    >>> round(p, 3)
    0.553
    """
    m, r, v = validate.guessing(canaries, guesses, correct)
    validate.levels(delta=delta, alpha=0.5)
    validate.claimed(epsilon)
    return _p_value(_log_choose(r), v, 2 * m * delta, epsilon)


def one_run(*, canaries: int, guesses: int, correct: int, delta: float, alpha: float) -> Bound:
    """Lower bound on epsilon from one run: the largest epsilon with a p-value below alpha.

    Formal guarantee: if each canary was included by an independent fair coin and the number of
    guesses was fixed beforehand, the bound exceeds the epsilon of add / remove neighbours with
    probability at most alpha.

    Args:
        canaries: m, guessed or not.
        guesses: r, fixed before the run.
        correct: v.
        delta: Of the claim, in [0, 1).
        alpha: Probability that the bound is too high.

    Raises:
        ValueError: An argument is out of range.

    References:
        Steinke, Nasr, Jagielski (2023), Theorem 5.2 and Section 6,
        https://arxiv.org/abs/2305.08846.

    >>> round(one_run(canaries=100, guesses=100, correct=75, delta=0.0, alpha=0.05).epsilon, 3)
    0.702
    """
    m, r, v = validate.guessing(canaries, guesses, correct)
    validate.levels(delta=delta, alpha=alpha)
    return Bound(
        method="one_run",
        epsilon=_epsilon(m, r, v, delta, alpha),
        delta=delta,
        alpha=alpha,
        n=m,
        ceiling=_epsilon(m, r, r, delta, alpha),
        assumptions=ASSUMED,
        neighbours=Neighbours.ADD_REMOVE,
        details={"guesses": r, "correct": v},
    )


def one_run_ceiling(
    *, canaries: int, guesses: int | None = None, delta: float, alpha: float
) -> float:
    """What `one_run` says where every guess is right; by default every canary is guessed.

    >>> round(one_run_ceiling(canaries=1000, delta=1e-5, alpha=0.05), 3)
    5.782
    """
    m, r, _ = validate.guessing(canaries, canaries if guesses is None else guesses, 0)
    validate.levels(delta=delta, alpha=alpha)
    return _epsilon(m, r, r, delta, alpha)


def _epsilon(m: int, r: int, v: int, delta: float, alpha: float) -> float:
    log_choose = _log_choose(r)

    def excess(epsilon: float) -> float:
        return _p_value(log_choose, v, 2 * m * delta, epsilon) - alpha

    if excess(0.0) >= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) < 0:
        low, high = high, 2 * high
    root: Any = brentq(excess, low, high, xtol=1e-10)
    return float(root)


def _p_value(log_choose: NDArray[np.float64], v: int, weight: float, epsilon: float) -> float:
    """`log_choose` holds ln C(r, k) for k = 0 .. r; `weight` is 2 m delta."""
    r = log_choose.size - 1
    if v == 0:
        return 1.0
    log_q, log_rest = float(log_expit(epsilon)), float(log_expit(-epsilon))
    tail = float(betainc(v, r - v + 1, math.exp(log_q)))
    if weight == 0:
        return tail
    k = np.arange(v - 1, -1, -1)
    below = np.exp(log_choose[k] + k * log_q + (r - k) * log_rest)
    return min(1.0, tail + weight * float((np.cumsum(below) / np.arange(1, v + 1)).max()))


def _log_choose(r: int) -> NDArray[np.float64]:
    k = np.arange(r + 1)
    return np.asarray(gammaln(r + 1) - gammaln(k + 1) - gammaln(r - k + 1), dtype=np.float64)
