"""Searches over one monotone number."""

from __future__ import annotations

import math
from collections.abc import Callable

from . import validate

SMALLEST_LOG = -690.0
"""ln of the smallest level that is looked at (1e-300)."""

HALVINGS = 60
"""Of a bracket of logarithms."""


def smallest_level(bound: Callable[[float], float], *, above: float) -> float:
    """The smallest alpha at which a lower bound exceeds `above`, to 1e-15 from above.

    A valid p-value of "epsilon is at most `above`": `p <= alpha` says what the bound says.

    Args:
        bound: Lower bound as a function of alpha; grows with it.
        above: Epsilon of the claim, >= 0; infinite gives 1.

    Returns:
        A level in [1e-300, 1]; 1 where none suffices.
    """
    validate.claimed(above)
    low, high = SMALLEST_LOG, math.log1p(-1e-12)
    if not bound(math.exp(high)) > above:
        return 1.0
    if bound(math.exp(low)) > above:
        return math.exp(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if bound(math.exp(middle)) > above else (middle, high)
    return math.exp(high)
