"""The guessing game: exact size, exact power, valid bounds, unequal candidate sets."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import (
    advantage,
    clopper_pearson_lower,
    clopper_pearson_upper,
    poisson_binomial,
)

alphas = st.sampled_from([1e-6, 0.01, 0.05, 0.25])
slacks = st.sampled_from([0.0, 0.02, 0.3, 0.95])
plays = st.integers(1, 80)
candidate_lists = st.lists(st.integers(2, 12), min_size=1, max_size=40)


@given(n=plays, candidates=st.integers(2, 20), slack=slacks, alpha=alphas)
def test_equal_games_are_the_binomial_test(
    n: int, candidates: int, slack: float, alpha: float
) -> None:
    null = min(1.0, 1 / candidates + slack)
    for correct in {0, n // 2, n}:
        found = advantage(correct, n, candidates=candidates, slack=slack, alpha=alpha)
        expected = stats.binomtest(correct, n, null, alternative="greater").pvalue
        assert found.p_value == pytest.approx(expected, rel=1e-9)
        if not math.isclose(found.p_value, alpha, rel_tol=1e-9):
            assert found.refutes == (found.p_value <= alpha)
            if null < 1:
                assert found.refutes == (found.lower >= null - 1 / candidates)


@given(candidates=candidate_lists, slack=slacks, alpha=alphas)
def test_a_true_claim_is_refuted_with_probability_at_most_alpha(
    candidates: list[int], slack: float, alpha: float
) -> None:
    n = len(candidates)
    critical = advantage(0, n, candidates=candidates, slack=slack, alpha=alpha).critical
    worst = np.minimum(1.0, 1 / np.array(candidates) + slack)
    assert poisson_binomial.pmf(worst)[critical:].sum() <= alpha + 1e-12
    assert poisson_binomial.pmf(worst)[critical - 1 :].sum() > alpha - 1e-12


@settings(max_examples=40)
@given(candidates=candidate_lists, slack=slacks, alpha=alphas)
def test_detectable_has_exactly_the_power(
    candidates: list[int], slack: float, alpha: float
) -> None:
    found = advantage(0, len(candidates), candidates=candidates, slack=slack, alpha=alpha)
    if found.critical > len(candidates):
        assert found.detectable == math.inf
        return
    odds = 1 / np.array(candidates)
    low, high = 0.0, 1.0
    for _ in range(60):  # the common rise of all games that has this mean
        middle = (low + high) / 2
        rises = np.minimum(1, odds + middle).mean() - odds.mean() < found.detectable - 1e-15
        low, high = (middle, high) if rises else (low, middle)
    power = poisson_binomial.pmf(np.minimum(1, odds + high))[found.critical :].sum()
    assert power == pytest.approx(0.9, abs=1e-6)


@settings(max_examples=60)
@given(
    rates=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=30),
    alpha=st.sampled_from([1e-4, 0.01, 0.05, 0.25]),
)
def test_bounds_cover_mean_success_of_unequal_games(rates: list[float], alpha: float) -> None:
    n, mean = len(rates), float(np.mean(rates))
    if not 1 / n <= mean <= 1 - 1 / n:
        return
    law = poisson_binomial.pmf(rates)
    above = [clopper_pearson_lower(k, n, alpha=alpha) > mean for k in range(n + 1)]
    below = [clopper_pearson_upper(k, n, alpha=alpha) < mean for k in range(n + 1)]
    assert law[above].sum() <= alpha + 1e-12
    assert law[below].sum() <= alpha + 1e-12


@given(n=plays, candidates=st.integers(2, 20), alpha=alphas)
def test_ceiling_is_what_a_perfect_adversary_gets(n: int, candidates: int, alpha: float) -> None:
    perfect = advantage(n, n, candidates=candidates, alpha=alpha)
    assert perfect.ceiling == perfect.lower == pytest.approx(alpha ** (1 / n) - 1 / candidates)
    assert advantage(0, n, candidates=candidates, alpha=alpha).ceiling == perfect.ceiling


def test_more_games_detect_less() -> None:
    detectable = [
        advantage(0, n, candidates=6, slack=0.02, alpha=0.01).detectable for n in (40, 400, 4000)
    ]
    assert detectable == sorted(detectable, reverse=True)
    assert detectable[0] < 0.3
    assert detectable[2] < 0.05


def test_estimate_is_success_less_mean_chance() -> None:
    found = advantage(3, 4, candidates=[2, 2, 4, 4], alpha=0.05)
    assert found.chance == 0.375
    assert found.estimate == 0.375
    assert found.lower < found.estimate < found.upper


def test_too_few_games_refute_nothing() -> None:
    found = advantage(3, 3, candidates=2, alpha=0.01)
    assert found.critical == 4
    assert not found.refutes
    assert found.detectable == math.inf


def test_a_thousand_unequal_games_are_quick() -> None:
    sizes = np.tile(np.arange(2, 12), 100)
    found = advantage(500, 1000, candidates=sizes, slack=0.02, alpha=0.01)
    assert found.refutes
    assert 0 < found.detectable < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": 1}, "candidates=1 must be a number >= 2"),
        ({"candidates": [2, 3]}, "candidates=.*shape"),
        ({"slack": 1.0}, r"slack=1.0 must be in \[0, 1\)"),
        ({"alpha": 0.0}, r"alpha=0.0 must be in \(0, 1\)"),
        ({"power": 1.0}, r"power=1.0 must be in \(0, 1\)"),
    ],
)
def test_errors(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        advantage(1, 4, **({"candidates": 2, "alpha": 0.05} | change))
