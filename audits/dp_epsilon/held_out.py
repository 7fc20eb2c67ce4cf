"""A threshold chosen on scores that are not counted."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...defenses.seeds import stream
from .looks import Objective, rate_upper
from .scores import Scores

SELECTION = 0.125
"""Share of either side's scores that chooses the threshold of `split`.

Every score spent here is missing from the bound, which loses about `SELECTION` in ln FPR; too few
find the wrong threshold. Between 0.1 and 0.15 the bounds hardly depend on it, from 300 to 20,000
scores a side, for normal, Laplace, two-point and rare-event scores.
"""

RUNG = 1.05
"""Ratio of the ranks that `split` tries, from both ends of both sides: few everywhere, all in the
far tails."""


class Choice(NamedTuple):
    """A threshold, and the scores that it may be judged by.

    Attributes:
        threshold: In the units of `direction * score`.
        direction: 1 where high scores mean "in", -1 where low ones do.
        counted: The scores that did not choose it.
    """

    threshold: float
    direction: int
    counted: Scores


def choose(scores: Scores, *, alpha: float, objective: Objective) -> Choice:
    """The threshold and direction with the largest predicted bound on a random eighth."""
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
    return Choice(threshold, direction, counted)


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
