"""Leakage in bits from guesses on views that the guesser was not fitted to."""

import math
from dataclasses import dataclass

from . import _validate
from .intervals import clopper_pearson_lower, clopper_pearson_upper


@dataclass(frozen=True, kw_only=True)
class HeldOutLeakage:
    """Min-entropy leakage that one attack extracts, measured on held-out views [bits].

    Attributes:
        n: Held-out views.
        success: Share of right guesses.
        prior: Prior vulnerability, the success of the best guess without a view.
        bits: `log2(success / prior)`, unclipped; -inf without any right guess.
        lower: Lower bound on the channel's min-entropy leakage, at confidence 1 - alpha, >= 0.
        upper: Upper bound on what this attack extracts, at confidence 1 - alpha. Another attack
            may extract more: it bounds the channel only where the attack is the optimum.
        ceiling: The `lower` that a perfect attack would have got from these n views.
    """

    n: int
    success: float
    prior: float
    bits: float
    lower: float
    upper: float
    ceiling: float


def held_out_leakage(correct: int, n: int, *, prior: float, alpha: float) -> HeldOutLeakage:
    """Bits leaked, from `correct` right guesses on `n` held-out views.

    An attack's success on fresh views is at most the posterior vulnerability, so that with the
    one-sided Clopper-Pearson bound `L` on success, `log2(L / prior)` is a valid lower bound on
    min-entropy leakage. An estimate from the views that the attack was fitted to is not: see
    `plug_in_leakage`.

    Args:
        correct: Right guesses; failed games are wrong.
        n: Held-out views.
        prior: Prior vulnerability, 1/N for N equally likely secrets.
        alpha: Level of each one-sided bound.

    Raises:
        ValueError: An argument is out of range.

    References:
        Smith (2009), On the foundations of quantitative information flow, Section 4;
        Clopper, Pearson (1934), Biometrika 26(4), 404-413.

    >>> found = held_out_leakage(300, 400, prior=0.25, alpha=0.01)
    >>> round(found.bits, 3), round(found.lower, 3), round(found.upper, 3)
    (1.585, 1.477, 1.676)
    """
    _validate.count(correct, n)
    _validate.inside_unit(prior=prior, alpha=alpha)
    success = correct / n

    def bits(rate: float) -> float:
        return math.log2(rate / prior) if rate > 0 else -math.inf

    return HeldOutLeakage(
        n=n,
        success=success,
        prior=prior,
        bits=bits(success),
        lower=max(0.0, bits(clopper_pearson_lower(correct, n, alpha=alpha))),
        upper=bits(clopper_pearson_upper(correct, n, alpha=alpha)),
        ceiling=max(0.0, bits(clopper_pearson_lower(n, n, alpha=alpha))),
    )
