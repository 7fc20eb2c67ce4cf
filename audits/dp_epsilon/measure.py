"""One bound by its name, on scores alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from .counting import clopper_pearson, epsilon_of_rates
from .credible import bayesian
from .dispatch import p_value
from .guesses import guesses_from_scores
from .likelihood_ratio import gaussian_likelihood_ratio
from .looks import Threshold
from .result import Bound
from .scores import Scores
from .single_run import one_run
from .single_run_fdp import one_run_fdp
from .thresholds import look
from .trade_off import gdp

ONE_RUN = ("one_run", "one_run_fdp")
COUNTING = ("clopper_pearson", "gdp", "bayesian")
BOUNDS = (*COUNTING, "gaussian_likelihood_ratio", *ONE_RUN)
"""Methods that scores suffice for."""

GUESSED = 0.05
"""Share of the canaries that one-run bounds guess "in", and share that they guess "out"."""


class Measured(NamedTuple):
    """A bound, and the p-value of the claim where the method has one."""

    bound: Bound
    p_value: float | None


def measure(
    method: str,
    scores: Scores,
    *,
    epsilon: float,
    delta: float,
    alpha: float,
    threshold: Threshold = "split",
    rate: float = 1.0,
) -> Measured:
    """The bound of a method, and its p-value of "epsilon is at most `epsilon`".

    Args:
        method: One of `BOUNDS`.
        scores: One score a game, or a canary for one-run methods.
        epsilon: Of the claim.
        delta: Of the claim.
        alpha: Level of the bound.
        threshold: For methods that count errors; not "bonferroni" for `bayesian`.
        rate: For `gdp`.

    Raises:
        ValueError: An argument is out of range or does not go with the method.
    """
    inside, outside = scores
    level: dict[str, Any] = {"delta": delta, "alpha": alpha}
    promise: dict[str, Any] = {"delta": delta, "epsilon": epsilon}
    if method == "bayesian":
        return Measured(bayesian(**_outcomes(scores, threshold, **level), **level), None)
    if method in ONE_RUN:
        run, counts = one_run if method == "one_run" else one_run_fdp, _guesses(scores)
        return Measured(run(**counts, **level), p_value(method, **counts, **promise))
    if method == "gaussian_likelihood_ratio":
        bound = gaussian_likelihood_ratio(inside, outside, **level)
        return Measured(bound, p_value(method, *scores, **promise))
    options: dict[str, Any] = {"threshold": threshold}
    if method == "gdp":
        options["rate"] = rate
        bound = gdp(inside, outside, **level, **options)
    elif method == "clopper_pearson":
        bound = clopper_pearson(inside, outside, **level, **options)
    else:
        raise ValueError(f"method={method!r} must be one of {', '.join(BOUNDS)}")
    return Measured(bound, p_value(method, *scores, **promise, alpha=alpha, **options))


def _guesses(scores: Scores) -> dict[str, int]:
    canaries = scores.inside.size + scores.outside.size
    each = max(1, round(GUESSED * canaries))
    made = guesses_from_scores(*scores, top=each, bottom=each)
    return {"canaries": canaries, **made._asdict()}


def _outcomes(
    scores: Scores, threshold: Threshold, *, delta: float, alpha: float
) -> dict[str, int]:
    if threshold == "bonferroni":
        raise ValueError("threshold='bonferroni' has no one count for bayesian; give a number")
    looks = look(scores, threshold, alpha=alpha, objective=epsilon_of_rates(delta))
    fp, fn = int(looks.false_positives[0]), int(looks.false_negatives[0])
    return {"tp": looks.inside - fn, "tn": looks.outside - fp, "fp": fp, "fn": fn}
