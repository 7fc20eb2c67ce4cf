"""One-run audits against slow references."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, norm

from latentleak.audits.dp_epsilon import (
    ceiling,
    guesses_from_scores,
    one_run,
    one_run_fdp,
    one_run_p_value,
)
from latentleak.audits.dp_epsilon.single_run_fdp import rejects

COUNTS = st.tuples(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60)).map(sorted)


def slow_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """Theorem 5.2 as it is written."""
    law = binom(r, expit(epsilon))
    beta = float(law.sf(v - 1))
    terms = [float(law.cdf(v - 1) - law.cdf(v - i - 1)) / i for i in range(1, v + 1)]
    return min(1.0, beta + 2 * m * delta * max(terms, default=0.0))


def slow_rejects(mu: float, m: int, g: int, c: int, alpha: float) -> bool:
    """The recursion without stopping early."""
    r, h = alpha * c / m, alpha * (g - c) / m
    for i in range(c - 1, -1, -1):
        risen = max(h, norm.cdf(norm.ppf(r) - mu))
        r, h = min(r + i / (g - i) * (risen - h), 1.0), risen
    return bool(r + h > g / m)


@given(counts=COUNTS, epsilon=st.floats(0, 6), delta=st.sampled_from([0.0, 1e-5, 0.01]))
def test_p_value(counts: list[int], epsilon: float, delta: float) -> None:
    v, r, m = counts
    got = one_run_p_value(canaries=m, guesses=r, correct=v, epsilon=epsilon, delta=delta)
    assert got == pytest.approx(slow_p_value(m, r, v, epsilon, delta), abs=1e-12)


@given(counts=COUNTS, delta=st.sampled_from([0.0, 1e-5, 1e-3]))
def test_the_bound_is_where_the_p_value_reaches_alpha(counts: list[int], delta: float) -> None:
    """Every smaller epsilon is rejected too: the p-value does not fall below the bound."""
    v, r, m = counts
    bound = one_run(canaries=m, guesses=r, correct=v, delta=delta, alpha=0.05).epsilon
    at = [slow_p_value(m, r, v, e, delta) for e in np.linspace(0, bound, 20)]
    if bound > 0:
        assert at[-1] == pytest.approx(0.05, abs=1e-8)
        assert max(at[:-1]) < 0.05
    else:
        assert at[0] >= 0.05


@settings(max_examples=200)
@given(counts=COUNTS, mu=st.floats(0, 4), alpha=st.sampled_from([0.001, 0.05, 0.3]))
def test_the_recursion_may_stop_early(counts: list[int], mu: float, alpha: float) -> None:
    c, g, m = counts
    assert rejects(mu, m, g, c, alpha) == slow_rejects(mu, m, g, c, alpha)


@given(counts=COUNTS)
def test_smaller_curves_are_rejected_too(counts: list[int]) -> None:
    c, g, m = counts
    mu = one_run_fdp(canaries=m, guesses=g, correct=c, delta=1e-5, alpha=0.05).mu or 0.0
    assert all(slow_rejects(each, m, g, c, 0.05) for each in np.linspace(0, mu, 6)[:-1] if mu > 0)
    assert not slow_rejects(mu * (1 + 1e-6) + 1e-9, m, g, c, 0.05)


@pytest.mark.parametrize("method", [one_run, one_run_fdp])
def test_bounds_grow_with_right_guesses_up_to_the_ceiling(method: object) -> None:
    assert callable(method)
    counts = {"canaries": 500, "guesses": 100, "delta": 1e-5, "alpha": 0.05}
    found = [method(**counts, correct=v) for v in range(101)]
    epsilons = [bound.epsilon for bound in found]
    assert epsilons == sorted(epsilons)
    assert epsilons[50] == 0
    assert epsilons[100] == pytest.approx(found[0].ceiling)
    assert epsilons[100] == pytest.approx(ceiling(method.__name__, **counts))


def test_no_guess_shows_nothing() -> None:
    for method in (one_run, one_run_fdp):
        bound = method(canaries=10, guesses=0, correct=0, delta=1e-5, alpha=0.05)
        assert (bound.epsilon, bound.ceiling) == (0.0, 0.0)


def test_the_curve_bound_is_tighter_than_the_plain_one() -> None:
    counts = {"canaries": 2000, "guesses": 200, "correct": 170, "delta": 1e-5, "alpha": 0.05}
    assert one_run_fdp(**counts).epsilon > one_run(**counts).epsilon > 1


def test_forty_of_a_hundred_right_shows_nothing() -> None:
    assert one_run(canaries=100, guesses=100, correct=40, delta=0.0, alpha=0.05).epsilon == 0


SCORES = st.lists(st.sampled_from([0.0, 1.0, 2.0, math.inf, -math.inf]), min_size=1, max_size=4)


@given(inside=SCORES, outside=SCORES, data=st.data())
def test_ties_are_broken_against_the_attack(
    inside: list[float], outside: list[float], data: st.DataObject
) -> None:
    """Among all orders that respect the scores, the one with the fewest right guesses."""
    total = len(inside) + len(outside)
    top = data.draw(st.integers(0, total))
    bottom = data.draw(st.integers(0, total - top))
    made = guesses_from_scores(inside, outside, top=top, bottom=bottom)
    assert made.guesses == top + bottom
    values = sorted(set(inside) | set(outside), reverse=True)
    fewest = total
    for firsts in product([True, False], repeat=len(values)):
        order: list[bool] = []  # whether each canary was included, from the highest score on
        for value, first in zip(values, firsts, strict=True):
            ins, outs = [True] * inside.count(value), [False] * outside.count(value)
            order += ins + outs if first else outs + ins
        right = sum(order[:top]) + sum(not each for each in order[total - bottom :])
        fewest = min(fewest, right)
    assert made.correct == fewest


def test_failures_are_wrong_guesses() -> None:
    made = guesses_from_scores([math.nan, 5.0], [math.nan, 0.0], top=1, bottom=1)
    assert made == (2, 0)


def test_equal_scores_win_nothing() -> None:
    assert guesses_from_scores([1.0] * 50, [1.0] * 50, top=50, bottom=50).correct == 0
