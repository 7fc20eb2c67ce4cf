"""Bad input is an error that says what to do, never a warning and a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from latentleak.audits.dp_epsilon import (
    METHODS,
    bayesian,
    ceiling,
    clopper_pearson,
    gaussian_likelihood_ratio,
    gdp,
    guesses_from_scores,
    one_run,
    one_run_fdp,
    one_run_p_value,
    p_value,
)

LEVEL: dict[str, Any] = {"delta": 1e-5, "alpha": 0.05}
ON_SCORES = (clopper_pearson, gdp, gaussian_likelihood_ratio)
ON_GUESSES = (one_run, one_run_fdp)
GOOD = [0.0, 1.0, 2.0]
RIGHT: dict[str, Any] = {"canaries": 10, "guesses": 5, "correct": 3}


@pytest.mark.parametrize("method", ON_SCORES)
@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (([], GOOD), r"scores_in has shape \(0,\)"),
        ((GOOD, []), r"scores_out has shape \(0,\)"),
        (([GOOD], GOOD), r"scores_in has shape \(1, 3\)"),
        ((GOOD, 1.0), r"scores_out has shape \(\)"),
        ((["a", "b"], GOOD), "scores_in has dtype <U1"),
        (([1j, 2j], GOOD), "scores_in has dtype complex128"),
    ],
)
def test_scores(method: Callable[..., object], scores: tuple[Any, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        method(*scores, **LEVEL)
    with pytest.raises(ValueError, match=words):
        p_value(method.__name__, *scores, epsilon=1.0, delta=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        *(lambda method=method, **level: method(GOOD, GOOD, **level) for method in ON_SCORES),
        *(lambda method=method, **level: method(**RIGHT, **level) for method in ON_GUESSES),
        lambda **level: bayesian(tp=1, tn=1, fp=1, fn=1, **level),
        *(
            lambda name=name, **level: ceiling(name, n_in=9, n_out=9, **level)
            for name in ("clopper_pearson", "gdp", "gaussian_likelihood_ratio", "bayesian")
        ),
        *(
            lambda name=name, **level: ceiling(name, canaries=9, **level)
            for name in ("one_run", "one_run_fdp")
        ),
    ],
)
@pytest.mark.parametrize(
    ("level", "words"),
    [
        ({"delta": -0.1, "alpha": 0.05}, r"delta=-0.1 must be in \[0, 1\)"),
        ({"delta": 1.0, "alpha": 0.05}, "delta=1.0 must be"),
        ({"delta": math.nan, "alpha": 0.05}, "delta=nan must be"),
        ({"delta": 0.1, "alpha": 0.0}, r"alpha=0.0 must be in \(0, 1\)"),
        ({"delta": 0.1, "alpha": 1.0}, "alpha=1.0 must be"),
        ({"delta": 0.1, "alpha": math.nan}, "alpha=nan must be"),
    ],
)
def test_levels(call: Callable[..., object], level: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(**level)


@pytest.mark.parametrize("method", ON_GUESSES)
@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"canaries": 0, "guesses": 0, "correct": 0}, "canaries=0 must be >= 1"),
        ({"canaries": 5, "guesses": 6, "correct": 1}, "guesses=6 must be <= canaries=5"),
        ({"canaries": 5, "guesses": 4, "correct": 5}, "correct=5 must be <= guesses=4"),
        ({"canaries": 5, "guesses": 4, "correct": -1}, "correct=-1 must be >= 0"),
        ({"canaries": 5, "guesses": 4.5, "correct": 1}, "guesses=4.5 must be a whole number"),
    ],
)
def test_guesses(method: Callable[..., object], counts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        method(**counts, **LEVEL)
    with pytest.raises(ValueError, match=words):
        p_value(method.__name__, **counts, epsilon=1.0, delta=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: guesses_from_scores(GOOD, GOOD, top=4, bottom=3), "top=4 [+] bottom=3 must be"),
        (lambda: guesses_from_scores(GOOD, GOOD, top=-1, bottom=3), "top=-1 must be >= 0"),
        (lambda: guesses_from_scores([], GOOD, top=1, bottom=1), "scores_in has shape"),
        (lambda: bayesian(tp=0, tn=3, fp=1, fn=0, **LEVEL), "n_in=0 must be >= 1"),
        (lambda: bayesian(tp=1, tn=0, fp=0, fn=1, **LEVEL), "n_out=0 must be >= 1"),
        (lambda: bayesian(tp=1, tn=-1, fp=0, fn=1, **LEVEL), "tn=-1 must be >= 0"),
        (lambda: clopper_pearson([1.0], GOOD, **LEVEL), "needs 2 scores or more a side"),
        (lambda: clopper_pearson(GOOD, GOOD, **LEVEL, threshold="best"), "threshold='best' must"),
        (lambda: clopper_pearson(GOOD, GOOD, **LEVEL, threshold=math.nan), "threshold=nan must"),
        (lambda: gdp(GOOD, GOOD, **LEVEL, rate=0.0), r"rate=0.0 must be in \(0, 1\]"),
        (lambda: gdp(GOOD, GOOD, **LEVEL, rate=1.5), "rate=1.5 must be"),
        (lambda: gaussian_likelihood_ratio([1.0], GOOD, **LEVEL), "scores_in has shape"),
        (lambda: gaussian_likelihood_ratio([1.0, math.inf], GOOD, **LEVEL), "1 infinite values"),
        (lambda: gaussian_likelihood_ratio([1.0] * 9, [2.0] * 9, **LEVEL), "are constant"),
        (lambda: gaussian_likelihood_ratio([0.1] * 9, [0.1] * 9, **LEVEL), "are constant"),
        (lambda: gaussian_likelihood_ratio([1.0] * 2, [1e-200, 0.0], **LEVEL), "are constant"),
        (lambda: gaussian_likelihood_ratio([math.nan] * 2, [math.nan] * 2, **LEVEL), "all NaN"),
        (lambda: ceiling("best", **LEVEL, n_in=1, n_out=1), "method='best' must be one of"),
        (lambda: ceiling("gdp", **LEVEL, n_in=0, n_out=1), "n_in=0 must be >= 1"),
        (lambda: ceiling("one_run", **LEVEL, canaries=3, guesses=4), "guesses=4 must be <="),
        (lambda: p_value("bayesian", epsilon=1.0, delta=0.1), "has no p-value"),
        (lambda: p_value("gdp", GOOD, GOOD, epsilon=-1.0, delta=0.1), "epsilon=-1.0 must be >= 0"),
        (lambda: p_value("one_run", **RIGHT, epsilon=math.nan, delta=0.1), "epsilon=nan must be"),
        (lambda: one_run_p_value(**RIGHT, epsilon=1.0, delta=1.0), "delta=1.0 must be in"),
    ],
)
def test_arguments(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_the_answers_at_the_ends() -> None:
    """Delta = 0, an unbounded claim, and claims that nothing refutes."""
    rng = np.random.default_rng(0)
    apart = rng.normal(size=200) + 5, rng.normal(size=200)
    assert gdp(*apart, delta=0.0, alpha=0.05).epsilon == math.inf
    assert gaussian_likelihood_ratio(*apart, delta=0.0, alpha=0.05).epsilon == math.inf
    assert 0 < clopper_pearson(*apart, delta=0.0, alpha=0.05).epsilon < math.inf
    for method in ("clopper_pearson", "gdp", "gaussian_likelihood_ratio"):
        assert p_value(method, *apart, epsilon=math.inf, delta=1e-5) == 1.0
        assert p_value(method, *apart[::-1], epsilon=30.0, delta=1e-5) == pytest.approx(1.0)
    for method in ("one_run", "one_run_fdp"):
        assert p_value(method, **RIGHT, epsilon=math.inf, delta=1e-5) == 1.0
    assert clopper_pearson(*apart, delta=0.999, alpha=0.05).epsilon == 0.0


def test_integers_and_booleans_are_scores() -> None:
    bits = np.array([True] * 50), np.array([False] * 50)
    ones = [1] * 50, [0] * 50
    found = [clopper_pearson(*pair, **LEVEL, threshold=1) for pair in (bits, ones)]
    assert found[0].epsilon == found[1].epsilon > 0
    assert set(METHODS) >= {m.__name__ for m in (*ON_SCORES, *ON_GUESSES, bayesian)}
