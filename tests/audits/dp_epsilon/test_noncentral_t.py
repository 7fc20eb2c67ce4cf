"""The noncentral t against SciPy where that is right, and against itself beyond."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammainc, ndtr
from scipy.stats import nct

from latentleak.audits.dp_epsilon import noncentral_t
from latentleak.audits.dp_epsilon.noncentral_t import shift_with_tail, upper_tail


@given(df=st.integers(2, 3000), shift=st.floats(0, 25), away=st.floats(-4, 4), low=st.booleans())
def test_against_scipy(df: int, shift: float, away: float, low: bool) -> None:
    t = shift + away * math.sqrt(1 + shift**2 / (2 * df))
    got = upper_tail(t, df=df, shift=shift)
    expected = float(nct.sf(t, df, shift))
    assert got == pytest.approx(expected, rel=1e-7, abs=1e-9)
    if low:
        assert 0 <= got <= 1


@pytest.mark.parametrize("df", [2, 3, 10, 998, 39_998, 1_999_998])
@pytest.mark.parametrize("shift", [31.0, 100.0, 3_000.0])
@pytest.mark.parametrize("away", [-3.0, 0.0, 3.0])
def test_two_integrals_agree(df: int, shift: float, away: float) -> None:
    """Over the chi law and over the normal law; the second on a step of its own."""
    t = shift + away * math.sqrt(1 + shift**2 / (2 * df))
    z = np.linspace(-12, 12, 200_001)
    weights = np.exp(-z * z / 2)
    inner = gammainc(df / 2, df / 2 * (np.maximum(z + shift, 0) / t) ** 2) if t > 0 else 1 + 0 * z
    expected = float(weights @ inner / weights.sum())
    assert noncentral_t._over_chi(t, df, shift) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert upper_tail(t, df=df, shift=shift) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("t", [0.5, 5.0, 20.0])
def test_tails_are_normal_for_many_degrees_of_freedom(t: float) -> None:
    assert upper_tail(t, df=10**9, shift=1.0) == pytest.approx(ndtr(1.0 - t), rel=1e-4)


@given(
    df=st.sampled_from([2, 18, 1998, 1_999_998]),
    t=st.floats(-5, 5000),
    tail=st.sampled_from([1e-9, 0.01, 0.05, 0.5, 0.95]),
)
def test_the_shift_has_the_tail(df: int, t: float, tail: float) -> None:
    shift = shift_with_tail(t, df=df, tail=tail)
    if shift > 0:
        assert upper_tail(t, df=df, shift=shift) == pytest.approx(tail, rel=1e-6)
    else:
        assert upper_tail(t, df=df, shift=0.0) >= tail


def test_the_tail_grows_with_the_shift_across_the_seam() -> None:
    seam = math.sqrt(2 * 1998)
    shifts = np.linspace(seam - 1, seam + 1, 21)
    tails = [upper_tail(64.0, df=1998, shift=float(shift)) for shift in shifts]
    assert all(np.diff(tails) > 0)
    assert np.diff(tails, 2) == pytest.approx(0, abs=5e-3)
