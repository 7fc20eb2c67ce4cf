"""Classifier two-sample test: can a classifier tell two kinds of views apart?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .games import advantage


@dataclass(frozen=True, kw_only=True)
class TwoSample:
    """What held-out predictions say about the total variation (TV) between two laws.

    Attributes:
        n: Held-out predictions, failed ones included.
        accuracy: Share that is right.
        estimate: `2 accuracy - 1`.
        tv_lower: Lower bound on the TV at confidence 1 - alpha, at least 0.
        p_value: Exact p-value of "both laws are equal".
        critical: Smallest accuracy that rejects; above 1 where none does.
        detectable: Smallest accuracy found with probability `power`; inf where none is.
        detectable_tv: The TV that goes with it, for a classifier that finds all of it.
        ceiling: The `tv_lower` that a perfect classifier would have got.
    """

    n: int
    accuracy: float
    estimate: float
    tv_lower: float
    p_value: float
    critical: float
    detectable: float
    detectable_tv: float
    ceiling: float


def classifier_two_sample(correct: int, n: int, *, alpha: float, power: float = 0.9) -> TwoSample:
    """Two-sample test from the predictions of a classifier on views it was not trained on.

    With accuracy a on balanced pairs, `TV >= 2 a - 1`; the bound puts the one-sided
    Clopper-Pearson bound in place of a. Labels are fair coins, or exactly balanced (then the
    count varies less than the binomial and the bound stays valid). Training and held-out views
    share no execution, family or seed.

    Args:
        correct: Right predictions on held-out views; see `correct_predictions`.
        n: Held-out views.
        alpha: Level of the test and of `tv_lower`.
        power: Probability with which `detectable` is found.

    Raises:
        ValueError: An argument is out of range.

    References:
        Lopez-Paz, Oquab (2017), Revisiting classifier two-sample tests,
        https://arxiv.org/abs/1610.06545.

    >>> test = classifier_two_sample(560, 1000, alpha=0.05)
    >>> test.critical, round(test.detectable, 3), round(test.tv_lower, 3)
    (0.527, 0.547, 0.067)
    """
    game = advantage(correct, n, candidates=2, alpha=alpha, power=power)
    return TwoSample(
        n=n,
        accuracy=correct / n,
        estimate=2 * game.estimate,
        tv_lower=max(0.0, 2 * game.lower),
        p_value=game.p_value,
        critical=game.critical / n,
        detectable=0.5 + game.detectable,
        detectable_tv=2 * game.detectable,
        ceiling=2 * game.ceiling,
    )


def correct_predictions(predicted: ArrayLike, labels: ArrayLike) -> int:
    """Count right predictions; NaN, a view that the classifier could not score, is wrong.

    Args:
        predicted: Predicted labels, shape `(n,)`.
        labels: True labels, shape `(n,)`.

    Raises:
        ValueError: The shapes differ.

    >>> correct_predictions([0.0, 1.0, float("nan")], [0, 0, 1])
    1
    """
    guess, truth = np.asarray(predicted, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if guess.shape != truth.shape or guess.ndim != 1:
        raise ValueError(
            f"predicted has shape {guess.shape}, must be the shape (n,) of labels, {truth.shape}; "
            "give one prediction a view"
        )
    return int((guess == truth).sum())
