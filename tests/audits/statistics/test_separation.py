"""The best threshold, and what is left of it once the search is paid for."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import best_advantage

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30)


@given(scores, scores)
def test_estimate_agrees_with_trying_all_thresholds(
    members: list[float], non_members: list[float]
) -> None:
    def gap(t: float) -> float:
        return float(np.mean(np.array(members) > t) - np.mean(np.array(non_members) > t))

    best = best_advantage(members, non_members, alpha=0.05)
    assert best.estimate == pytest.approx(max(map(gap, [-math.inf, *members, *non_members])))
    assert gap(best.threshold) == pytest.approx(best.estimate)


@pytest.mark.parametrize("mu", [0.0, 0.5, 2.0])
def test_gaussian_closed_form(mu: float) -> None:
    """Scores at exact normal quantiles: best advantage 2 Phi(mu / 2) - 1."""
    n = 20_000
    normal = stats.norm.ppf((np.arange(n) + 0.5) / n)
    best, truth = best_advantage(normal + mu, normal, alpha=0.05), 2 * stats.norm.cdf(mu / 2) - 1
    assert best.estimate == pytest.approx(truth, abs=1e-3)
    margin = 2 * math.sqrt(math.log(2 / 0.05) / (2 * n))
    assert best.lower == pytest.approx(max(0.0, best.estimate - margin))


def test_lower_bound_is_valid_by_enumeration() -> None:
    """All outcomes of 20 fair coins a side: the true advantage is 0, a positive bound an error."""
    n, alpha = 20, 0.25
    law = stats.binom.pmf(np.arange(n + 1), n, 0.5)
    wrong = 0.0
    for heads, others in itertools.product(range(n + 1), repeat=2):
        scores = (np.arange(n) < heads, np.arange(n) < others)
        wrong += law[heads] * law[others] * (best_advantage(*scores, alpha=alpha).lower > 0)
    assert 0 < wrong <= alpha


def test_equal_scores_have_no_advantage() -> None:
    best = best_advantage(np.ones(1000), np.ones(1000), alpha=0.05)
    assert (best.estimate, best.lower) == (0.0, 0.0)


def test_failures_never_help() -> None:
    perfect = best_advantage([1.0] * 4, [0.0] * 4, alpha=0.05)
    failed = best_advantage([1.0] * 3 + [math.nan], [0.0] * 3 + [math.nan], alpha=0.05)
    assert (perfect.estimate, failed.estimate) == (1.0, 0.5)
