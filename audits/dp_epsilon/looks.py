"""Counts of errors at thresholds, and bounds on the rates behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainccinv

Threshold = float | Literal["split", "bonferroni"]
"""A number: guess "in" from this score on. `split` and `bonferroni`: see `look`."""


class Objective(NamedTuple):
    """What a threshold is chosen for.

    Attributes:
        bound: From upper bounds on FPR and FNR to what is bounded below; falls in both, and is
            negative where they are no better than guessing.
        caution: Level of the rates by which `split` predicts. The largest of many noisy
            predictions is too high; a small level holds that down, and passes over rare events.
    """

    bound: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    caution: float


class Looks(NamedTuple):
    """Error counts at every threshold that was looked at: K of them, each to pay for.

    Attributes:
        thresholds: Shape `(K,)`, in the units of `direction * score`.
        direction: 1 where high scores mean "in", -1 where low ones do.
        false_positives: Scores without the canary that look as if with it, `(K,)`.
        false_negatives: The other way round, `(K,)`.
        outside: Scores without the canary that were counted.
        inside: Scores with it.
    """

    thresholds: NDArray[np.float64]
    direction: int
    false_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]
    outside: int
    inside: int

    def rates(self, alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Upper bounds on FPR and FNR, which all hold together with probability 1 - alpha.

        Union bound over the 2 K of them, each at `alpha / (2 K)`.
        """
        level = alpha / (2 * self.thresholds.size)
        return (
            rate_upper(self.false_positives, self.outside, level),
            rate_upper(self.false_negatives, self.inside, level),
        )


def rate_upper(k: ArrayLike, n: int, level: float) -> NDArray[np.float64]:
    """Clopper-Pearson upper bounds, `P[Bin(n, bound) <= k] = level`; predicted k need not be whole.

    >>> rate_upper([0, 3, 100], 100, 0.025).round(4).tolist()
    [0.0362, 0.0852, 1.0]
    """
    seen = np.asarray(k, dtype=np.float64)
    inner = betainccinv(seen + 1, np.maximum(n - seen, 1e-9), level)
    return np.where(seen >= n, 1.0, inner)
