"""Guesses of a one-run attack from scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import validate


class Guesses(NamedTuple):
    """How often a one-run attack guessed, and how often it was right."""

    guesses: int
    correct: int


def guesses_from_scores(
    scores_in: ArrayLike, scores_out: ArrayLike, *, top: int, bottom: int
) -> Guesses:
    """Guess "in" for the `top` highest scores, "out" for the `bottom` lowest, nothing between.

    Both numbers must be fixed before the scores are seen. Equal scores are ordered against the
    attack, so that equal scores alone win nothing.

    Args:
        scores_in: Scores of included canaries, shape `(n_in,)`; NaN ranks lowest.
        scores_out: Scores of excluded ones, shape `(n_out,)`; NaN ranks highest.
        top: k+, at least 0.
        bottom: k-, at least 0.

    Raises:
        ValueError: `top + bottom` exceeds the number of canaries, or a shape does not fit.

    References:
        Steinke, Nasr, Jagielski (2023), Algorithm 1, https://arxiv.org/abs/2305.08846.

    >>> guesses_from_scores([3.0, 2.0, 0.0], [1.0, 0.5, 2.0], top=2, bottom=1)
    Guesses(guesses=3, correct=1)
    """
    ranked = validate.scores(scores_in, scores_out).ranked()
    high, low = validate.counts(top=top, bottom=bottom)
    total = ranked.inside.size + ranked.outside.size
    if high + low > total:
        raise ValueError(
            f"top={high} + bottom={low} must be <= {total} canaries; guess each at most once"
        )
    is_in = np.repeat([True, False], [ranked.inside.size, ranked.outside.size])
    descending = np.lexsort((is_in, -np.concatenate(ranked)))  # excluded first among equals
    included = is_in[descending]
    right = np.count_nonzero(included[:high]) + np.count_nonzero(~included[total - low :])
    return Guesses(high + low, int(right))
