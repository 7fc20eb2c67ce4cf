"""Critical counts and detectable effects, against exact tails."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import critical_count, detectable_mean, detectable_rate

games = st.integers(1, 300)
rates = st.floats(0.001, 0.999)
alphas = st.sampled_from([1e-6, 0.01, 0.05, 0.3])


@given(n=games, p=rates, alpha=alphas)
def test_critical_count_is_the_smallest_that_rejects(n: int, p: float, alpha: float) -> None:
    critical = critical_count(n, p=p, alpha=alpha)
    assert stats.binom.sf(critical - 1, n, p) <= alpha * (1 + 1e-9)
    assert stats.binom.sf(critical - 2, n, p) > alpha * (1 - 1e-9)


@given(n=games, p=rates, alpha=alphas, power=st.sampled_from([0.5, 0.9, 0.99]))
def test_detectable_rate_has_exactly_the_power(
    n: int, p: float, alpha: float, power: float
) -> None:
    critical = critical_count(n, p=p, alpha=alpha)
    rate = detectable_rate(n, p=p, alpha=alpha, power=power)
    if critical > n:
        assert rate == math.inf
    else:
        assert rate > p
        assert stats.binom.sf(critical - 1, n, rate) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize(("n", "accuracy"), [(1000, 0.527), (20_000, 0.5059)])
def test_published_critical_values(n: int, accuracy: float) -> None:
    assert critical_count(n, p=0.5, alpha=0.05) / n == pytest.approx(accuracy, abs=5e-5)


def test_published_detectable_effect() -> None:
    assert detectable_rate(1000, p=0.5, alpha=0.05) == pytest.approx(0.547, abs=5e-4)


@pytest.mark.parametrize("n", [4, 5, 40, 2000])
@pytest.mark.parametrize("alpha", [1e-4, 0.01, 0.05])
def test_detectable_mean_has_exactly_the_power(n: int, alpha: float) -> None:
    values = np.linspace(-1.0, 3.0, n)
    effect = detectable_mean(values, alpha=alpha)
    shift = effect * math.sqrt(n) / values.std(ddof=1)
    power = stats.nct.sf(stats.t.isf(alpha, n - 1), n - 1, shift)
    assert power == pytest.approx(0.9, abs=1e-6)


def test_two_games_at_a_small_level_need_a_huge_effect() -> None:
    """Cauchy tails: `scipy.special.nctdtr` is NaN here."""
    effect = detectable_mean([-1.0, 1.0], alpha=1e-6)
    assert 1e5 < effect < 1e6


def test_detectable_mean_tends_to_the_normal_formula() -> None:
    values = np.tile([-1.0, 1.0], 50_000)
    normal = (stats.norm.isf(0.05) + stats.norm.isf(0.1)) / math.sqrt(values.size)
    assert detectable_mean(values, alpha=0.05) == pytest.approx(normal, rel=1e-3)


def test_detectable_mean_without_spread_is_zero() -> None:
    assert detectable_mean([0.5, 0.5, 0.5], alpha=0.05) == 0.0
