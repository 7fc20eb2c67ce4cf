"""Clopper-Pearson covers at every rate (by enumeration), and golden values of the others."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import (
    Interval,
    binomial_p_value,
    clopper_pearson,
    clopper_pearson_lower,
    clopper_pearson_upper,
    mean_interval,
)

rates = st.floats(0.001, 0.999)
alphas = st.sampled_from([1e-6, 0.01, 0.05, 0.3])
counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(n=st.integers(1, 60), p=rates, alpha=alphas)
def test_two_sided_coverage_is_at_least_one_minus_alpha(n: int, p: float, alpha: float) -> None:
    law = stats.binom.pmf(np.arange(n + 1), n, p)
    missed = sum(law[k] for k in range(n + 1) if not clopper_pearson(k, n, alpha=alpha).covers(p))
    assert missed <= alpha + 1e-12


@given(n=st.integers(1, 60), p=rates, alpha=alphas)
def test_one_sided_coverage_is_at_least_one_minus_alpha(n: int, p: float, alpha: float) -> None:
    law = stats.binom.pmf(np.arange(n + 1), n, p)
    above = [clopper_pearson_lower(k, n, alpha=alpha) > p for k in range(n + 1)]
    below = [clopper_pearson_upper(k, n, alpha=alpha) < p for k in range(n + 1)]
    assert law[above].sum() <= alpha + 1e-12
    assert law[below].sum() <= alpha + 1e-12


@given(kn=counts, p=rates, alpha=alphas)
def test_lower_bound_is_dual_to_the_p_value(kn: tuple[int, int], p: float, alpha: float) -> None:
    p_value = binomial_p_value(*kn, p=p)
    if not math.isclose(p_value, alpha, rel_tol=1e-9):
        assert (clopper_pearson_lower(*kn, alpha=alpha) >= p) == (p_value <= alpha)


@given(kn=counts, alpha=alphas)
def test_agrees_with_scipy(kn: tuple[int, int], alpha: float) -> None:
    theirs = stats.binomtest(*kn).proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson(*kn, alpha=alpha) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(kn=counts, p=rates)
def test_p_value_agrees_with_scipy(kn: tuple[int, int], p: float) -> None:
    theirs = stats.binomtest(*kn, p=p, alternative="greater").pvalue
    assert binomial_p_value(*kn, p=p) == pytest.approx(theirs, rel=1e-9)


def test_closed_forms_at_the_ends() -> None:
    assert clopper_pearson(0, 50, alpha=0.05) == pytest.approx((0, 1 - 0.025 ** (1 / 50)))
    assert clopper_pearson_lower(50, 50, alpha=0.01) == pytest.approx(0.01 ** (1 / 50))
    assert clopper_pearson_upper(50, 50, alpha=0.01) == 1.0
    assert binomial_p_value(0, 5, p=0.0) == 1.0
    assert binomial_p_value(5, 5, p=1.0) == 1.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), alphas)
def test_mean_interval_agrees_with_scipy(values: list[float], alpha: float) -> None:
    spread = float(np.std(values))
    interval = mean_interval(values, alpha=alpha)
    if spread > 1e-6:
        scale = stats.sem(values)
        theirs = stats.t.interval(1 - alpha, len(values) - 1, np.mean(values), scale)
        assert interval == pytest.approx(theirs, rel=1e-6, abs=1e-6)
    assert interval.covers(float(np.mean(values)))


def test_interval_knows_whether_it_is_bounded() -> None:
    assert Interval(0.0, 1.0).bounded
    assert not Interval(0.0, math.inf).bounded


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clopper_pearson(5, 4, alpha=0.1), r"k=5 must be in \[0, n=4\]"),
        (lambda: clopper_pearson(0, 0, alpha=0.1), "n=0 must be >= 1"),
        (lambda: clopper_pearson(1, 4, alpha=1.5), r"alpha=1.5 must be in \(0, 1\)"),
        (lambda: binomial_p_value(1, 4, p=50), r"p=50 must be in \[0, 1\]; divide a percentage"),
        (lambda: mean_interval([1.0, math.nan], alpha=0.1), "values has 1 values that are not fin"),
        (lambda: mean_interval([1.0], alpha=0.1), r"values has shape \(1,\).*n >= 2"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
