"""Bits on held-out views: a valid lower bound, by enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.audits.statistics import held_out_leakage, min_entropy_leakage, randomized_response


@given(
    k=st.integers(2, 8),
    epsilon=st.floats(0, 6),
    n=st.integers(1, 60),
    alpha=st.sampled_from([1e-4, 0.05, 0.3]),
)
def test_bounds_cover_the_leakage_of_a_known_channel(
    k: int, epsilon: float, n: int, alpha: float
) -> None:
    """The optimal guess on randomized response is the view; its wins are binomial, enumerated."""
    channel = randomized_response(k, epsilon=epsilon)
    truth = min_entropy_leakage(channel, prior=np.full(k, 1 / k))
    law = stats.binom.pmf(np.arange(n + 1), n, channel[0, 0])
    found = [held_out_leakage(wins, n, prior=1 / k, alpha=alpha) for wins in range(n + 1)]
    assert law[[f.lower > truth + 1e-9 for f in found]].sum() <= alpha + 1e-12
    assert law[[f.upper < truth - 1e-9 for f in found]].sum() <= alpha + 1e-12


def test_closed_forms() -> None:
    perfect = held_out_leakage(100, 100, prior=1 / 8, alpha=0.05)
    assert (perfect.bits, perfect.upper) == (3.0, 3.0)
    assert perfect.lower == perfect.ceiling == pytest.approx(3 + math.log2(0.05) / 100)
    nothing = held_out_leakage(0, 100, prior=1 / 8, alpha=0.05)
    assert (nothing.bits, nothing.lower) == (-math.inf, 0.0)


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_errors(prior: float) -> None:
    with pytest.raises(ValueError, match="prior="):
        held_out_leakage(1, 2, prior=prior, alpha=0.05)
