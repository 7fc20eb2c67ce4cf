"""Permutation tests against Fisher's own numbers and naive enumeration."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import at_most, paired_test, two_sample_test

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
RNG = np.random.default_rng
whole = st.integers(-4, 4).map(float)


def test_fishers_analysis_of_darwins_maize() -> None:
    """Fisher (1935), Section 21: 863 of 32,768 signings in each tail, 5.267 % in both."""
    test = paired_test(DARWIN, rng=RNG(0))
    assert test.exact
    assert test.greater == 863 / 32_768
    assert test.two_sided == pytest.approx(0.05267, abs=5e-6)
    assert test.statistic == pytest.approx(314 / 15)


@given(st.lists(whole, min_size=1, max_size=9))
def test_paired_agrees_with_enumeration(x: list[float]) -> None:
    null = [np.dot(s, x) for s in itertools.product([-1, 1], repeat=len(x))]
    test = paired_test(x, rng=RNG(0))
    assert test.greater == np.mean(np.array(null) >= sum(x))
    assert test.less == np.mean(np.array(null) <= sum(x))
    assert test.arrangements == 2 ** len(x)


@given(st.lists(whole, min_size=1, max_size=5), st.lists(whole, min_size=1, max_size=5))
def test_two_sample_agrees_with_enumeration(first: list[float], second: list[float]) -> None:
    pool, n = np.array(first + second), len(first)
    null = [pool[list(c)].sum() for c in itertools.combinations(range(pool.size), n)]
    test = two_sample_test(first, second, rng=RNG(0))
    assert test.greater == np.mean(np.array(null) >= sum(first))
    assert test.less == np.mean(np.array(null) <= sum(first))
    assert test.arrangements == len(null)
    assert test.statistic == pytest.approx(np.mean(first) - np.mean(second), abs=1e-12)


def test_two_sample_agrees_with_scipy_on_published_data() -> None:
    """Survival of 16 mice, Efron, Tibshirani (1993), Table 2.1: all 11,440 splits."""
    treated = [94.0, 197, 16, 38, 99, 141, 23]
    control = [52.0, 104, 146, 10, 51, 30, 40, 27, 46]
    theirs = stats.permutation_test(
        (treated, control),
        lambda a, b: np.mean(a) - np.mean(b),
        alternative="greater",
        n_resamples=np.inf,
    )
    test = two_sample_test(treated, control, rng=RNG(0))
    assert test.statistic == pytest.approx(30.63, abs=5e-3)
    assert test.greater == pytest.approx(theirs.pvalue)
    assert test.arrangements == 11_440


@settings(max_examples=20)
@given(st.lists(whole, min_size=3, max_size=8))
def test_p_values_are_valid_by_enumeration(sizes: list[float]) -> None:
    """Over all signings, P[p <= u] <= u: no sampling, every level at once."""
    values = np.sort(
        [
            paired_test(np.abs(sizes) * s, rng=RNG(0)).greater
            for s in itertools.product([-1, 1], repeat=len(sizes))
        ]
    )
    assert all(np.mean(values <= u) <= u + 1e-12 for u in values)


@pytest.mark.parametrize("kind", ["paired", "two-sample"])
def test_drawn_p_value_is_near_the_exact_one(kind: str) -> None:
    """The count of extreme draws is binomial: outside both quantiles with probability 1e-6."""
    draws, rng = 20_000, RNG(1)
    if kind == "paired":
        x = np.repeat([1.0, -1.0], [15, 6])  # one game too many to enumerate; tail in closed form
        exact = float(stats.binom.sf(14, 21, 0.5))
        drawn = paired_test(x, rng=rng, draws=draws)
    else:
        first, second = np.repeat([1.0, 0.0], [9, 6]), np.repeat([1.0, 0.0], [5, 10])
        exact = float(stats.hypergeom.sf(8, 30, 14, 15))
        drawn = two_sample_test(first, second, rng=rng, draws=draws)
    assert not drawn.exact
    extreme = round(drawn.greater * (draws + 1)) - 1
    assert extreme <= at_most(draws, exact, failure=5e-7)
    assert draws - extreme <= at_most(draws, 1 - exact, failure=5e-7)


def test_a_drawn_p_value_is_never_zero() -> None:
    test = paired_test(np.ones(40), rng=RNG(0), draws=99)
    assert test.greater == 0.01
    assert test.less == 1.0


def test_draws_in_chunks_are_reproducible() -> None:
    x = np.linspace(-1, 1.2, 400)
    one, two = (paired_test(x, rng=RNG(2), draws=6000) for _ in range(2))
    assert one == two


def test_no_difference_is_no_evidence() -> None:
    assert paired_test(np.zeros(5), rng=RNG(0)).two_sided == 1.0
    assert two_sample_test(np.ones(3), np.ones(4), rng=RNG(0)).two_sided == 1.0


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, float("nan")]])
def test_errors(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="differences has"):
        paired_test(bad, rng=RNG(0))
