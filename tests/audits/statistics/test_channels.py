"""Closed-form channels obey the definitions they stand for."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.audits.statistics import (
    dp_total_variation,
    identity,
    intersection_decoys,
    one_time_pad,
    randomized_response,
)


@given(k=st.integers(2, 12), epsilon=st.floats(0, 20))
def test_randomized_response_is_exactly_epsilon_dp(k: int, epsilon: float) -> None:
    channel = randomized_response(k, epsilon=epsilon)
    assert channel.sum(axis=1) == pytest.approx(np.ones(k))
    ratio = (channel[:, None, :] / channel[None, :, :]).max()
    assert math.log(ratio) == pytest.approx(epsilon, abs=1e-6)


@given(epsilon=st.floats(0, 20))
def test_binary_response_reaches_the_largest_total_variation(epsilon: float) -> None:
    rows = randomized_response(2, epsilon=epsilon)
    distance = np.abs(rows[0] - rows[1]).sum() / 2
    assert distance == pytest.approx(dp_total_variation(epsilon), abs=1e-12)


@given(k=st.integers(3, 12), epsilon=st.floats(0, 20))
def test_no_response_exceeds_it(k: int, epsilon: float) -> None:
    rows = randomized_response(k, epsilon=epsilon)
    assert np.abs(rows[0] - rows[1]).sum() / 2 <= dp_total_variation(epsilon) + 1e-12


def test_pad_and_identity() -> None:
    assert (one_time_pad(4) == 0.25).all()
    assert (identity(4) == np.eye(4)).all()


@pytest.mark.parametrize("sessions", [1, 2, 5])
def test_decoys_that_survive(sessions: int) -> None:
    expected = 99 * (4 / 99) ** sessions
    assert intersection_decoys(100, size=5, sessions=sessions) == pytest.approx(expected)
    assert intersection_decoys(100, size=100, sessions=sessions) == 99
    assert intersection_decoys(100, size=1, sessions=sessions) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: randomized_response(1, epsilon=1.0), "k=1 must be >= 2"),
        (lambda: randomized_response(3, epsilon=-1.0), "epsilon=-1.0 must be >= 0"),
        (lambda: dp_total_variation(math.inf), "epsilon=inf must be >= 0 and finite"),
        (lambda: intersection_decoys(5, size=6, sessions=1), "size=6 must be <= pool=5"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
