"""Bounds from counts of errors: valid for scores of any law."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from . import validate
from .looks import Looks, Objective, Threshold
from .result import Assumed, Bound
from .search import smallest_level
from .thresholds import look, perfect


def clopper_pearson(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    *,
    delta: float,
    alpha: float,
    threshold: Threshold = "split",
) -> Bound:
    """Lower bound on epsilon from false-positive and false-negative rates.

    `epsilon >= ln((1 - FNR_ub - delta) / FPR_ub)` and `ln((1 - FPR_ub - delta) / FNR_ub)`, the
    rates bounded from above by Clopper-Pearson at alpha / 2 each.

    Formal guarantee: if the games are independent, the bound exceeds the true epsilon with
    probability at most alpha, whatever the law of the scores. Both formulas need the same two
    events, FPR <= FPR_ub and FNR <= FNR_ub, which hold together with probability 1 - alpha:
    taking the larger one costs nothing more.

    Args:
        scores_in: Scores of releases with the canary, shape `(n_in,)`; higher means "in". NaN
            ranks lowest.
        scores_out: Scores of releases without it, shape `(n_out,)`; NaN ranks highest.
        delta: Of the claim, in [0, 1).
        alpha: Probability that the bound is too high.
        threshold: A number fixed beforehand (guess "in" from it on), "split" (chosen on held-out
            scores, with its direction) or "bonferroni" (a grid of ranks). See `thresholds.look`.

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        Jagielski, Ullman, Oprea (2020), Section 4.2 and Algorithm 2,
        https://arxiv.org/abs/2006.07709; Clopper, Pearson (1934), Biometrika 26(4), 404-413.

    >>> bound = clopper_pearson([1.0] * 500, [0.0] * 500, delta=0.0, alpha=0.05, threshold=0.5)
    >>> round(bound.epsilon, 3), round(bound.ceiling, 3)  # 1 / (1 - 0.025 ** (1 / 500)) - 1
    (4.906, 4.906)
    """
    validate.levels(delta=delta, alpha=alpha)
    given = validate.scores(scores_in, scores_out)
    objective = epsilon_of_rates(delta)
    looks = look(given, threshold, alpha=alpha, objective=objective)
    value, details = strongest(looks, alpha, objective)
    return Bound(
        method="clopper_pearson",
        epsilon=max(0.0, value),
        delta=delta,
        alpha=alpha,
        n=given.inside.size + given.outside.size,
        ceiling=clopper_pearson_ceiling(
            n_in=given.inside.size,
            n_out=given.outside.size,
            delta=delta,
            alpha=alpha,
            threshold=threshold,
        ),
        assumptions=(Assumed.INDEPENDENT_GAMES.value,),
        failed=given.failed,
        details=details,
    )


def clopper_pearson_ceiling(
    *, n_in: int, n_out: int, delta: float, alpha: float, threshold: Threshold = "split"
) -> float:
    """What `clopper_pearson` says where no error is made.

    >>> games = {"n_in": 500, "n_out": 500}
    >>> round(clopper_pearson_ceiling(**games, delta=0.0, alpha=0.05, threshold=0.5), 3)
    4.906
    """
    validate.levels(delta=delta, alpha=alpha)
    validate.sizes(n_in, n_out)
    value, _ = strongest(perfect(n_in, n_out, threshold), alpha, epsilon_of_rates(delta))
    return max(0.0, value)


def clopper_pearson_p_value(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    *,
    epsilon: float,
    delta: float,
    alpha: float = 0.05,
    threshold: Threshold = "split",
) -> float:
    """The smallest level at which `clopper_pearson` exceeds `epsilon`.

    Args:
        scores_in: As there.
        scores_out: As there.
        epsilon: Of the claim, >= 0.
        delta: Of the claim.
        alpha: Level that the threshold of "split" is chosen for; the p-value holds at every level.
        threshold: As there.

    Raises:
        ValueError: A shape or an argument is out of range.
    """
    validate.levels(delta=delta, alpha=alpha)
    objective = epsilon_of_rates(delta)
    given = validate.scores(scores_in, scores_out)
    looks = look(given, threshold, alpha=alpha, objective=objective)
    return smallest_level(lambda level: strongest(looks, level, objective)[0], above=epsilon)


def epsilon_of_rates(delta: float) -> Objective:
    """`max(ln((1 - FNR - delta) / FPR), ln((1 - FPR - delta) / FNR))`, where either is positive.

    Both are exactly where `FPR + FNR < 1 - delta`.
    """

    def epsilon(fpr: NDArray[np.float64], fnr: NDArray[np.float64]) -> NDArray[np.float64]:
        shown = fpr + fnr < 1 - delta
        a, b = np.where(shown, fpr, 0.5), np.where(shown, fnr, 0.5)
        ratios = np.where(shown, np.maximum((1 - b - delta) / a, (1 - a - delta) / b), 1.0)
        return np.where(shown, np.log(ratios), shortfall(fpr, fnr))

    return Objective(epsilon, caution=0.25)


def shortfall(fpr: NDArray[np.float64], fnr: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far rates are from showing anything: at most 0, for the choice between thresholds."""
    return np.asarray(np.minimum(-ndtri(fpr) - ndtri(fnr), 0.0), dtype=np.float64)


def strongest(looks: Looks, alpha: float, objective: Objective) -> tuple[float, dict[str, Any]]:
    """Largest objective over all looks, with the numbers behind it."""
    fpr, fnr = looks.rates(alpha)
    values = objective.bound(fpr, fnr)
    at = int(np.argmax(values))
    details = {
        "threshold": looks.direction * float(looks.thresholds[at]),
        "direction": looks.direction,
        "looks": int(looks.thresholds.size),
        "false_positives": int(looks.false_positives[at]),
        "counted_out": looks.outside,
        "false_negatives": int(looks.false_negatives[at]),
        "counted_in": looks.inside,
        "fpr_upper": float(fpr[at]),
        "fnr_upper": float(fnr[at]),
    }
    return float(values[at]), details
