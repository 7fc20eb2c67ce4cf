"""Intervals of a ratio: Fieller is the inverted t test, the bootstrap its own enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from latentleak.audits.statistics import bootstrap_ratio, fieller

pairs = hnp.arrays(
    np.float64, st.tuples(st.just(2), st.integers(3, 12)), elements=st.integers(-20, 20).map(float)
)


@given(pairs, st.sampled_from([0.01, 0.05, 0.3]))
def test_ends_are_where_the_t_test_just_rejects(data: np.ndarray, alpha: float) -> None:
    a, b = data[0], data[1] + 25
    ratio = fieller(a, b, alpha=alpha)
    assume(ratio.bounded)
    assert ratio.interval.covers(ratio.estimate)
    for end in ratio.interval:
        rest = a - end * b
        assume(rest.std() > 1e-6)
        assert stats.ttest_1samp(rest, 0).pvalue == pytest.approx(alpha, rel=1e-4)


@given(pairs, st.sampled_from([0.01, 0.05, 0.3]))
def test_unbounded_exactly_where_the_denominator_may_be_zero(
    data: np.ndarray, alpha: float
) -> None:
    a, b = data
    ratio = fieller(a, b, alpha=alpha)
    assume(b.std() > 0)
    p_value = stats.ttest_1samp(b, 0).pvalue
    assume(not math.isclose(p_value, alpha, rel_tol=1e-6))
    assert ratio.bounded == (p_value < alpha)
    assert ratio.denominator.covers(0.0) == (not ratio.bounded)
    if not ratio.bounded:
        assert ratio.interval == (-math.inf, math.inf)


@given(pairs, st.floats(0.1, 9))
def test_scaling_the_numerator_scales_the_ratio(data: np.ndarray, factor: float) -> None:
    a, b = data[0], data[1] + 25
    one, two = fieller(a, b, alpha=0.05), fieller(factor * a, b, alpha=0.05)
    assume(one.bounded)
    assert two.interval == pytest.approx([factor * end for end in one.interval], abs=1e-6)


def test_bootstrap_ends_have_their_share_of_all_resamples() -> None:
    """All 5^5 resamples; both ends within the DKW band that holds with probability 1 - 1e-6."""
    a, b = np.array([0.1, 0.5, 0.2, 0.9, 0.4]), np.array([1.0, 1.2, 0.8, 1.1, 0.9])
    picks = np.array(list(itertools.product(range(5), repeat=5)))
    law = a[picks].mean(axis=1) / b[picks].mean(axis=1)
    draws, alpha = 20_000, 0.2
    ratio = bootstrap_ratio(a, b, alpha=alpha, rng=np.random.default_rng(4), resamples=draws)
    band = math.sqrt(math.log(2 / 1e-6) / (2 * draws)) + 1 / draws
    low, high = ratio.interval
    assert (law < low - 1e-12).mean() - band <= alpha / 2 <= (law <= low + 1e-12).mean() + band
    assert (law > high + 1e-12).mean() - band <= alpha / 2 <= (law >= high - 1e-12).mean() + band


def test_bootstrap_tends_to_fieller() -> None:
    """Deterministic: the stream is fixed. 400 games at normal quantiles."""
    x = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    a, b = 0.3 + 0.2 * x, 1 + 0.3 * np.roll(x, 137)
    one = fieller(a, b, alpha=0.05).interval
    two = bootstrap_ratio(a, b, alpha=0.05, rng=np.random.default_rng(0)).interval
    width = one.high - one.low
    assert two == pytest.approx(one, abs=0.1 * width)


def test_bootstrap_says_unbounded() -> None:
    rng = np.random.default_rng(0)
    ratio = bootstrap_ratio([1.0, 2.0, 3.0], [-1.0, 1.0, 0.5], alpha=0.05, rng=rng)
    assert not ratio.bounded
    assert ratio.estimate == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], "numerator has 2 games, must have 3"),
        ([1.0, math.inf], [1.0, 2.0], "numerator has 1 values that are not finite"),
        ([1.0], [1.0], r"denominator has shape \(1,\)"),
    ],
)
def test_errors(a: list[float], b: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fieller(a, b, alpha=0.05)
