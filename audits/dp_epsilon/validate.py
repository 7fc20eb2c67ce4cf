"""Checks of arguments; every message names the argument, its value, the condition and a remedy."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike

from .scores import Scores

METHODS = (
    "clopper_pearson",
    "gdp",
    "composed_gaussian",
    "gaussian_likelihood_ratio",
    "one_run",
    "one_run_fdp",
    "bayesian",
)


def scores(scores_in: ArrayLike, scores_out: ArrayLike, *, minimum: int = 1) -> Scores:
    """Both worlds' scores as float vectors of shape `(n,)`, n >= `minimum`; NaN is allowed."""
    pair = []
    for name, values in (("scores_in", scores_in), ("scores_out", scores_out)):
        given = np.asarray(values)
        if given.ndim != 1 or given.size < minimum:
            raise ValueError(
                f"{name} has shape {given.shape}, must be (n,) with n >= {minimum}; "
                "give one score a game, and games of both worlds"
            )
        if given.dtype.kind not in "fiub":
            raise ValueError(f"{name} has dtype {given.dtype}, must be real numbers; convert it")
        pair.append(given.astype(np.float64))
    return Scores(*pair)


def levels(*, delta: float, alpha: float) -> None:
    """Require `0 <= delta < 1` and `0 < alpha < 1`."""
    if not 0 <= delta < 1:
        raise ValueError(f"delta={delta} must be in [0, 1); give the delta of the claim")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha} must be in (0, 1); give a probability such as 0.05")


def claimed(epsilon: float) -> None:
    """Require `epsilon >= 0`; infinite promises nothing."""
    if not epsilon >= 0:
        raise ValueError(f"epsilon={epsilon} must be >= 0; give the epsilon of the claim")


def rate(value: float) -> None:
    """Require `0 < rate <= 1`."""
    if not 0 < value <= 1:
        raise ValueError(f"rate={value} must be in (0, 1]; give m / n of the subsample")


def counts(**named: int) -> tuple[int, ...]:
    """Return every keyword as an integer; require whole numbers >= 0."""
    found = []
    for name, value in named.items():
        try:
            whole = operator.index(value)
        except TypeError as error:
            raise ValueError(f"{name}={value!r} must be a whole number; count games") from error
        if whole < 0:
            raise ValueError(f"{name}={whole} must be >= 0; count games")
        found.append(whole)
    return tuple(found)


def sizes(n_in: int, n_out: int, *, minimum: int = 1) -> None:
    """Require `minimum` games or more of either world."""
    for name, value in (("n_in", n_in), ("n_out", n_out)):
        if value < minimum:
            raise ValueError(f"{name}={value} must be >= {minimum}; play games of both worlds")


def guessing(canaries: int, guesses: int, correct: int) -> tuple[int, int, int]:
    """Return the counts; require `1 <= canaries` and `correct <= guesses <= canaries`."""
    m, r, v = counts(canaries=canaries, guesses=guesses, correct=correct)
    if m < 1:
        raise ValueError("canaries=0 must be >= 1; count every canary, included or not")
    if r > m:
        raise ValueError(f"guesses={r} must be <= canaries={m}; guess each canary once")
    if v > r:
        raise ValueError(f"correct={v} must be <= guesses={r}; count right guesses only")
    return m, r, v


def method_name(method: str) -> str:
    """The function's name, for `one-run-fdp` as for `one_run_fdp`."""
    name = method.replace("-", "_")
    if name not in METHODS:
        raise ValueError(f"method={method!r} must be one of {', '.join(METHODS)}")
    return name
