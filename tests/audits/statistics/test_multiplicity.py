"""Holm against its definition and R, the split of alpha, and the test quantile."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import at_most, holm, split_alpha

p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def naive_rejections(p_values: list[float], alpha: float) -> list[bool]:
    rejected, m = [False] * len(p_values), len(p_values)
    for step, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        if p_values[i] * (m - step) > alpha:
            break
        rejected[i] = True
    return rejected


def test_published_values() -> None:
    """R: p.adjust(c(.01, .02, .03, .04, .05), "holm") and an example with ties."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.5, 0.5, 0.001]) == pytest.approx([1.0, 1.0, 0.003])


@given(p_lists, st.sampled_from([0.01, 0.05, 0.5]))
def test_adjusted_values_reject_as_the_step_down_procedure(p: list[float], alpha: float) -> None:
    assert (holm(p) <= alpha).tolist() == naive_rejections(p, alpha)


@given(p_lists)
def test_between_the_raw_value_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(st.lists(st.text(), min_size=1, max_size=30, unique=True), st.floats(1e-6, 0.5))
def test_shares_of_alpha_sum_to_alpha(claims: list[str], alpha: float) -> None:
    shares = split_alpha(alpha, claims=claims)
    assert list(shares) == claims
    assert math.fsum(shares.values()) == pytest.approx(alpha)


@given(st.integers(1, 2000), st.floats(0.001, 0.5), st.sampled_from([1e-9, 1e-6, 1e-3]))
def test_at_most_is_the_quantile(n: int, alpha: float, failure: float) -> None:
    count = at_most(n, alpha, failure=failure)
    assert stats.binom.sf(count, n, alpha) <= failure * (1 + 1e-9)
    assert count == 0 or stats.binom.sf(count - 1, n, alpha) > failure * (1 - 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: holm([0.1, float("nan")]), "p_values=.*must be in.*give failed rows 1"),
        (lambda: holm([]), "p_values has shape"),
        (lambda: split_alpha(0.1, claims=[]), r"claims=\[\] must be distinct and not empty"),
        (lambda: split_alpha(0.1, claims=["a", "a"]), "claims=.* must be distinct"),
        (lambda: at_most(10, 0.1, failure=0.0), r"failure=0.0 must be in"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
