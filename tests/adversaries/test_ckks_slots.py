"""Slots and polynomials against their definitions."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries import ckks_slots


def trace(coefficients: np.ndarray) -> np.ndarray:
    """The sum of p and conj(p), conj: X -> 1/X = -X^(N - 1)."""
    mirrored = np.concatenate([coefficients[:1], -coefficients[:0:-1]])
    return coefficients + mirrored


@pytest.mark.parametrize("degree", [4, 32])
def test_slots_are_values_at_powers_of_three(degree: int) -> None:
    p = np.random.default_rng(0).integers(-99, 100, degree).astype(np.float64)
    zeta = cmath.exp(1j * cmath.pi / degree)
    expected = [
        sum(c * zeta ** (pow(3, j, 2 * degree) * k) for k, c in enumerate(p)).real / 8
        for j in range(degree // 2)
    ]
    np.testing.assert_allclose(ckks_slots.decode(p, 8.0), expected, atol=1e-9)


@given(bits=st.integers(1, 9), size=st.integers(0, 40), seed=st.integers(0, 2**32))
def test_the_trace_comes_back_exactly(bits: int, size: int, seed: int) -> None:
    degree = 2**bits * 2
    p = np.random.default_rng(seed).integers(-(2**size), 2**size + 1, degree)
    slots = 2 * ckks_slots.decode(p.astype(np.float64), 1.0)
    expected = trace(p)
    assert (np.rint(ckks_slots.trace_coefficients(slots)) == expected).all()


@pytest.mark.parametrize("degree", [4096, 32768])
def test_the_expected_error_is_that_of_double_precision(degree: int) -> None:
    slots = np.random.default_rng(0).standard_normal(degree // 2) * 2.0**41
    exact = np.rint(ckks_slots.trace_coefficients(slots))
    again = ckks_slots.trace_coefficients(ckks_slots.decode(exact, 1.0))
    error = float(np.sqrt(np.mean(np.square(again - exact))))
    assert 0.2 < error / ckks_slots.rounding_error(slots) < 2.0
    assert ckks_slots.rounding_error(np.zeros(4)) == 0.0


def test_noise_on_slots_reaches_coefficients_as_stated() -> None:
    degree = 8192
    noise = np.random.default_rng(0).standard_normal(degree // 2)
    spread = ckks_slots.trace_coefficients(noise)
    # 4095 free coefficients: their mean square is within 30 % of its mean except with
    # probability below 1e-40 (chi-square, 13 standard deviations).
    ratio = np.mean(np.square(spread[1 : degree // 2]))
    assert 0.7 < ratio / ckks_slots.coefficient_error(1.0, degree) ** 2 < 1.3
