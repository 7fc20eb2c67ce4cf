"""The published figures, and how they grow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.audits.he.flooding import flooding_bits


@pytest.mark.parametrize(("shared", "statistical_bits", "bits"), [(1, 30, 16.79), (128, 40, 25.29)])
def test_published_values(shared: int, statistical_bits: float, bits: float) -> None:
    assert round(flooding_bits(shared, statistical_bits), 2) == bits


@given(shared=st.integers(1, 10**6), bits=st.floats(0, 500))
def test_it_is_the_logarithm_of_the_formula(shared: int, bits: float) -> None:
    ratio = math.sqrt(12 * shared) * 2 ** (bits / 2)
    assert math.isclose(flooding_bits(shared, bits), math.log2(ratio), abs_tol=1e-9)
    assert math.isclose(flooding_bits(4 * shared, bits), flooding_bits(shared, bits) + 1)


@pytest.mark.parametrize(
    ("shared", "bits", "words"),
    [
        (0, 30, "shared=0 must be >= 1"),
        (1, -1, "statistical_bits=-1 must be >= 0"),
        (1, math.inf, "statistical_bits=inf"),
        (1, math.nan, "statistical_bits=nan"),
    ],
)
def test_impossible_arguments_are_refused(shared: int, bits: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        flooding_bits(shared, bits)
