"""Where to cut scores in two: fixed beforehand, chosen on a held-out part, or a grid of ranks.

A threshold that was chosen on the scores it is judged by makes every bound too high. Each way here
pays for its choice, so that the error rates that it hands on can be bounded as if it were fixed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainccinv

from ...defenses.seeds import stream
from .validate import Scores

Threshold = float | Literal["split", "bonferroni"]
"""A number: guess "in" from this score on. `split` and `bonferroni`: see `look`."""

SELECTION = 0.125
"""Share of either side's scores that chooses the threshold of `split`.

Every score spent here is missing from the bound, which loses about `SELECTION` in ln FPR; too few
find the wrong threshold. Between 0.1 and 0.15 the bounds hardly depend on it, from 300 to 20,000
scores a side, for normal, Laplace, two-point and rare-event scores.
"""

RUNG = 1.05
"""Ratio of the ranks that `split` tries, from both ends of both sides: few everywhere, all in the
far tails."""

SPACING = 4
"""Ratio of the ranks in the grid of `bonferroni`: a finer one finds little and costs alpha."""


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


def look(scores: Scores, threshold: Threshold, *, alpha: float, objective: Objective) -> Looks:
    """Count errors by one of three ways.

    - A number: that threshold, known before the scores were.
    - `split`: a random eighth of either side chooses threshold and direction by the largest
      predicted bound; the rest is counted. The permutation is seeded by a digest of the ranks
      of all scores: which of them chooses is independent of their values where they come in
      random order, and as good as random in any other.
    - `bonferroni`: thresholds at ranks of the scores *without* the canary that depend on their
      number alone. The FPR strictly above the r-th highest of n is at most the r-th smallest of n
      uniform variables, whose upper bound is that of r - 1 false positives, ties included; the
      FNR is binomial given the threshold.

    Raises:
        ValueError: `threshold` is none of these, or `split` has fewer than 2 scores a side.
    """
    if threshold == "bonferroni":
        return _grid(scores.ranked())
    if threshold == "split":
        return _split(scores, alpha, objective)
    return _count(scores.ranked(), _fixed(threshold))


def perfect(inside: int, outside: int, threshold: Threshold) -> Looks:
    """What `look` finds where no error is made at all."""
    ranks = grid(outside) if threshold == "bonferroni" else np.ones(1, dtype=np.int64)
    if threshold == "split":
        inside, outside = inside - selected(inside), outside - selected(outside)
    elif threshold != "bonferroni":
        _fixed(threshold)
    none = np.zeros(ranks.size, dtype=np.int64)
    return Looks(np.full(ranks.size, np.nan), 1, ranks - 1, none, outside, inside)


def grid(n: int) -> NDArray[np.int64]:
    """Ranks of `bonferroni`: geometric from either end to the middle.

    >>> grid(1000).tolist()
    [1, 3, 12, 42, 144, 500, 501, 857, 959, 989, 998, 1000]
    """
    steps = max(2, math.ceil(math.log(max(n / 2, 1), SPACING)) + 1)
    ranks = np.rint(np.geomspace(1, max(n / 2, 1), steps)).astype(np.int64)
    return np.unique(np.concatenate([ranks, n + 1 - ranks]))


def selected(n: int) -> int:
    """How many of n scores choose the threshold of `split`.

    Raises:
        ValueError: There are fewer than 2.
    """
    if n < 2:
        raise ValueError(
            "threshold='split' needs 2 scores or more a side; give more, or a fixed threshold"
        )
    return max(1, round(SELECTION * n))


def _fixed(threshold: Threshold) -> float:
    try:
        value = float(threshold)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value):
        raise ValueError(f"threshold={threshold!r} must be 'split', 'bonferroni' or a number")
    return value


def _count(ranked: Scores, threshold: float, direction: int = 1) -> Looks:
    return Looks(
        np.array([threshold]),
        direction,
        np.array([np.count_nonzero(ranked.outside >= threshold)]),
        np.array([np.count_nonzero(ranked.inside < threshold)]),
        ranked.outside.size,
        ranked.inside.size,
    )


def _grid(ranked: Scores) -> Looks:
    ranks = grid(ranked.outside.size)
    thresholds = np.sort(ranked.outside)[::-1][ranks - 1]
    missed = np.searchsorted(np.sort(ranked.inside), thresholds, side="right")
    return Looks(thresholds, 1, ranks - 1, missed, ranked.outside.size, ranked.inside.size)


def _split(scores: Scores, alpha: float, objective: Objective) -> Looks:
    seed = _seed(scores)
    parts = [
        np.split(stream(seed, "dp-epsilon", "split", name).permutation(side), [selected(side.size)])
        for side, name in zip(scores, Scores._fields, strict=True)
    ]
    choosing, counted = (Scores(*halves) for halves in zip(*parts, strict=True))
    sizes = counted.outside.size, counted.inside.size
    found = [
        (*_best(choosing.ranked(direction), sizes, alpha, objective), direction)
        for direction in (1, -1)
    ]
    _, threshold, direction = max(found, key=lambda each: each[0])
    return _count(counted.ranked(direction), threshold, direction)


def _seed(scores: Scores) -> int:
    """A digest of both sides' ranks that does not depend on the order of the scores.

    One seed for all would split scores that come sorted at the same ranks every time, and what
    was counted would no longer be a random sample of them.
    """
    ranks = np.unique(np.concatenate(scores), return_inverse=True)[1]
    digest = hashlib.sha256()
    for side in np.split(ranks, [scores.inside.size]):
        digest.update(np.sort(side).astype(np.int64).tobytes())
    return int.from_bytes(digest.digest()[:8], "big")


def _best(
    chosen: Scores, sizes: tuple[int, int], alpha: float, objective: Objective
) -> tuple[float, float]:
    """Largest predicted bound on `sizes` (outside, inside) scores, and its threshold."""
    outside, inside = np.sort(chosen.outside), np.sort(chosen.inside)
    tried = np.unique(np.concatenate([side[_ladder(side.size)] for side in (outside, inside)]))
    alarms = outside.size - np.searchsorted(outside, tried, side="left")
    missed = np.searchsorted(inside, tried, side="left")
    counts = (alarms, outside.size, sizes[0]), (missed, inside.size, sizes[1])
    predicted = objective.bound(
        *(
            rate_upper(rate_upper(seen, n, objective.caution) * size, size, alpha / 2)
            for seen, n, size in counts
        )
    )
    at = int(np.argmax(predicted))
    return float(predicted[at]), float(tried[at])


def _ladder(n: int) -> NDArray[np.int64]:
    """Places in a sorted vector of n: geometric from either end."""
    steps = np.arange(math.ceil(math.log(n, RUNG)) + 1 if n > 1 else 1)
    rungs = np.minimum(np.power(RUNG, steps).astype(np.int64), n) - 1
    return np.unique(np.concatenate([rungs, n - 1 - rungs]))
