"""Audits of one run against a Gaussian trade-off curve."""

from __future__ import annotations

import math
from statistics import NormalDist

from ...defenses.claims import Neighbours
from ...defenses.dp_adaptation.gaussian import gaussian_epsilon, gaussian_mu
from . import validate
from .result import Assumed, Bound
from .search import smallest_level
from .single_run import ASSUMED

PRECISION = 1e-7
"""Relative width of the bracket of mu at which the search ends."""

_QUANTILE = NormalDist().inv_cdf
"""A scalar quantile without the cost of an array: the recursion takes one a step."""


def one_run_fdp(*, canaries: int, guesses: int, correct: int, delta: float, alpha: float) -> Bound:
    """Lower bound on mu from one run, converted to epsilon along the Gaussian curve.

    The largest mu whose curve the run rejects (`rejects`), then `gaussian_epsilon`.

    Formal guarantee: that of `one_run`, if no test of add / remove neighbours beats the curve of
    some mu.

    Args:
        canaries: m, guessed or not.
        guesses: Fixed before the run.
        correct: Right guesses.
        delta: Of the claim, in [0, 1); 0 gives infinity unless mu is 0.
        alpha: Probability that the bound is too high.

    Raises:
        ValueError: An argument is out of range.

    References:
        Mahloujifar, Melis, Chaudhuri (2024), Algorithm 3, https://arxiv.org/abs/2410.22235.

    >>> bound = one_run_fdp(canaries=100, guesses=100, correct=75, delta=1e-5, alpha=0.05)
    >>> round(bound.mu or 0.0, 3), round(bound.epsilon, 3)
    (0.404, 1.574)
    """
    m, g, c = validate.guessing(canaries, guesses, correct)
    validate.levels(delta=delta, alpha=alpha)
    mu = _mu(m, g, c, alpha)
    return Bound(
        method="one_run_fdp",
        epsilon=gaussian_epsilon(mu, delta),
        mu=mu,
        delta=delta,
        alpha=alpha,
        n=m,
        ceiling=gaussian_epsilon(_mu(m, g, g, alpha), delta),
        assumptions=(*ASSUMED, Assumed.GAUSSIAN_TRADE_OFF.value),
        neighbours=Neighbours.ADD_REMOVE,
        details={"guesses": g, "correct": c},
    )


def one_run_fdp_ceiling(
    *, canaries: int, guesses: int | None = None, delta: float, alpha: float
) -> float:
    """What `one_run_fdp` says where every guess is right; by default every canary is guessed."""
    m, g, _ = validate.guessing(canaries, canaries if guesses is None else guesses, 0)
    validate.levels(delta=delta, alpha=alpha)
    return gaussian_epsilon(_mu(m, g, g, alpha), delta)


def one_run_fdp_p_value(
    *, canaries: int, guesses: int, correct: int, epsilon: float, delta: float
) -> float:
    """The smallest level at which `one_run_fdp` exceeds `epsilon`.

    Raises:
        ValueError: An argument is out of range.
    """
    m, g, c = validate.guessing(canaries, guesses, correct)
    validate.levels(delta=delta, alpha=0.5)
    validate.claimed(epsilon)
    if math.isinf(epsilon):
        return 1.0
    mu = gaussian_mu(epsilon, delta) if delta > 0 else 0.0
    return smallest_level(lambda level: float(rejects(mu, m, g, c, level)), above=0.5)


def rejects(mu: float, canaries: int, guesses: int, correct: int, alpha: float) -> bool:
    """Whether a run with so many right guesses rejects the curve of `mu` at level alpha.

    With m canaries, g guesses, c right ones: `R = alpha c / m` and `H = alpha (g - c) / m`; for
    i = c - 1 .. 0, `H' = max(H, Phi(Phi^-1(R) - mu))`, `R = min(R + i / (g - i) (H' - H), 1)`,
    `H = H'`. The curve is rejected if `R + H > g / m`. Neither R nor H ever falls, so the answer
    is known as soon as the sum is large enough, and once H stands still both do for good.

    References:
        Mahloujifar, Melis, Chaudhuri (2024), Algorithm 3, https://arxiv.org/abs/2410.22235.
    """
    r, h = alpha * correct / canaries, alpha * (guesses - correct) / canaries
    enough = guesses / canaries
    for i in range(correct - 1, -1, -1):
        if r + h > enough:
            return True
        risen = _below(r, mu)
        if risen <= h:
            break
        r = min(r + i / (guesses - i) * (risen - h), 1.0)
        h = risen
    return r + h > enough


def _below(rate: float, mu: float) -> float:
    """`Phi(Phi^-1(rate) - mu)`."""
    if not 0 < rate < 1:
        return rate
    return 0.5 * math.erfc((mu - _QUANTILE(rate)) / math.sqrt(2))


def _mu(m: int, g: int, c: int, alpha: float) -> float:
    """The largest mu that is rejected, from below; 0 where none is."""
    low, high = 0.0, 1.0
    if not rejects(0.0, m, g, c, alpha):
        return 0.0
    while rejects(high, m, g, c, alpha):
        low, high = high, 2 * high
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if rejects(middle, m, g, c, alpha) else (low, middle)
    return low
