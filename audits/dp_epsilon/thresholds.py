"""Where to cut scores in two: fixed beforehand, chosen on a held-out part, or a grid of ranks.

A threshold that was chosen on the scores it is judged by makes every bound too high. Each way here
pays for its choice, so that the error rates that it hands on can be bounded as if it were fixed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .held_out import choose, selected
from .looks import Looks, Objective, Threshold
from .scores import Scores

SPACING = 4
"""Ratio of the ranks in the grid of `bonferroni`: a finer one finds little and costs alpha."""


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
        chosen = choose(scores, alpha=alpha, objective=objective)
        ranked = chosen.counted.ranked(chosen.direction)
        return _count(ranked, chosen.threshold, chosen.direction)
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
