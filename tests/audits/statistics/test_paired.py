"""Changes of success: exact p-values against enumeration and closed forms."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.audits.statistics.paired import games_to_tell, paired_shift, unpaired_shift


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_games_won_follow_the_binomial_law_of_those_that_changed(
    pairs: list[tuple[bool, bool]],
) -> None:
    before, after = np.array(pairs, dtype=float).T
    up, down = int((after > before).sum()), int((after < before).sum())
    shift = paired_shift(before, after, rng=rng())
    d = up + down
    assert (shift.up, shift.down) == (up, down)
    for found, least in ((shift.rose, up), (shift.fell, down)):
        expected = sum(comb(d, k) for k in range(least, d + 1)) / 2**d
        assert found == pytest.approx(expected, rel=1e-9)


def test_other_outcomes_flip_signs() -> None:
    before, after = np.zeros(6), np.array([0.5, 0.25, -0.125, 1.0, 0.75, 2.0])
    shift = paired_shift(before, after, rng=rng())
    sums = [
        sum(s * x for s, x in zip(signs, after, strict=True))
        for signs in product((-1, 1), repeat=6)
    ]
    observed = after.sum()
    assert shift.rose == sum(total >= observed for total in sums) / 64
    assert shift.fell == sum(total <= observed for total in sums) / 64
    assert shift.test == "sign flips"


@given(st.integers(0, 8), st.integers(0, 12))
def test_two_samples_follow_the_hypergeometric_law(first: int, second: int) -> None:
    before = np.repeat([1.0, 0.0], [first, 8 - first])
    after = np.repeat([1.0, 0.0], [second, 12 - second])
    shift = unpaired_shift(before, after, rng=rng())
    won = first + second
    law = [comb(won, k) * comb(20 - won, 12 - k) / comb(20, 12) for k in range(13)]
    assert shift.rose == pytest.approx(sum(law[second:]), rel=1e-9)
    assert shift.fell == pytest.approx(sum(law[: second + 1]), rel=1e-9)
    assert shift.up is None


def test_samples_of_other_outcomes_are_permuted() -> None:
    shift = unpaired_shift([0.1, 0.2, 0.3], [1.5, 2.5, 3.5], rng=rng())
    assert shift.rose == pytest.approx(1 / 20)
    assert shift.fell == 1.0


def test_as_many_games_as_are_said_to_tell_do() -> None:
    for alpha in (0.05, 0.01, 1e-4):
        k = games_to_tell(alpha)
        rose = [paired_shift(np.zeros(m), np.ones(m), rng=rng()).rose for m in (k - 1, k)]
        assert rose[0] > alpha >= rose[1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="give the same games"):
        paired_shift([0.0], [0.0, 1.0], rng=rng())
    with pytest.raises(ValueError, match="not finite"):
        unpaired_shift([float("nan")], [0.0], rng=rng())
