"""The law of a sum of unequal coins, against enumeration of all outcomes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import poisson_binomial

coins = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=8
)


def naive_pmf(probabilities: list[float]) -> list[float]:
    law = [0.0] * (len(probabilities) + 1)
    for wins in itertools.product([0, 1], repeat=len(probabilities)):
        law[sum(wins)] += math.prod(
            p if w else 1 - p for p, w in zip(probabilities, wins, strict=True)
        )
    return law


@given(coins)
def test_pmf_agrees_with_enumeration(probabilities: list[float]) -> None:
    assert poisson_binomial.pmf(probabilities) == pytest.approx(naive_pmf(probabilities), abs=1e-12)


@given(coins)
def test_upper_tails_agree_with_enumeration(probabilities: list[float]) -> None:
    law = naive_pmf(probabilities)
    expected = [sum(law[k:]) for k in range(len(law) + 1)]
    assert poisson_binomial.upper_tails(probabilities) == pytest.approx(expected, abs=1e-12)


def test_small_tails_keep_their_relative_accuracy() -> None:
    tails = poisson_binomial.upper_tails([0.1] * 20 + [0.2] * 20)
    assert tails[40] == pytest.approx(0.1**20 * 0.2**20, rel=1e-9)


def test_equal_coins_are_binomial() -> None:
    expected = stats.binom.pmf(np.arange(301), 300, 0.3)
    assert poisson_binomial.pmf([0.3] * 300) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bad", [[1.1], [-0.1, 0.5]])
def test_refuses_what_is_no_probability(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"probabilities=.* must be in \[0, 1\]"):
        poisson_binomial.pmf(bad)
