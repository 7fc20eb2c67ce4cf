"""One guess a game: ties are fair, failures are lost, padding is ignored."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentleak.audits.statistics import FAILED, at_most, expected_wins, guesses

tables = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.sampled_from([-math.inf, 0.0, 1.0, 2.0, math.nan, math.inf]),
)


@given(tables, st.integers(0, 2**32 - 1))
def test_guesses_agree_with_a_slow_reference(table: np.ndarray, seed: int) -> None:
    for row, guess in zip(table, guesses(table, rng=np.random.default_rng(seed)), strict=True):
        if any(math.isnan(s) or s == math.inf for s in row):
            assert guess == FAILED
        else:
            assert row[guess] == max(row)


@given(tables)
def test_expected_wins_of_all_candidates_sum_to_one_or_the_game_failed(table: np.ndarray) -> None:
    n, width = table.shape
    total = sum(expected_wins(table, np.full(n, c)) for c in range(width))
    usable = ~(np.isnan(table) | np.isposinf(table)).any(axis=1)
    assert total == pytest.approx(usable.astype(float))


def test_abstaining_is_a_uniform_guess() -> None:
    """Eight counts, each compared at 1e-6 / 8: fails on correct code with probability 1e-6."""
    n, failure = 4000, 1e-6 / 8
    counts = np.bincount(guesses(np.zeros((n, 4)), rng=np.random.default_rng(5)), minlength=4)
    assert counts.max() <= at_most(n, 0.25, failure=failure)
    assert counts.min() >= n - at_most(n, 0.75, failure=failure)
    assert expected_wins(np.zeros((n, 4)), np.zeros(n, int)).mean() == 0.25


def test_padding_is_never_guessed_and_never_fails_a_game() -> None:
    scores = [[0.0, 0.0, math.nan], [math.nan, 1.0, 2.0]]
    for seed in range(20):
        first, second = guesses(scores, rng=np.random.default_rng(seed), candidates=[2, 3])
        assert first in (0, 1)
        assert second == FAILED


def test_impossible_candidates_rank_last() -> None:
    assert guesses([[-math.inf, -5.0]], rng=np.random.default_rng(0)).tolist() == [1]


def test_same_stream_gives_the_same_guesses() -> None:
    one, two = (guesses(np.zeros((50, 3)), rng=np.random.default_rng(9)) for _ in range(2))
    assert (one == two).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_wins([[1.0, 2.0]], [2]), r"truth has shape \(1,\).*\[0, 2\)"),
        (lambda: expected_wins([[1.0, 2.0]], [0, 1]), r"truth has shape \(2,\)"),
        (lambda: expected_wins([1.0, 2.0], [0]), r"scores has shape \(2,\)"),
        (lambda: expected_wins([[1.0, 2.0]], [0], candidates=[3]), r"candidates=\[3\] must be"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
