"""Units against exact integer polynomials; what they bring back is what was there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries import ckks_ring, ckks_slots
from latentleak.adversaries.ckks_units import AT_MOST, Unit, balancing_unit

DEGREE = 64


def prime_for(degree: int) -> int:
    """The largest prime below 2^60 that is 1 modulo 2N."""
    candidate = (1 << 60) - 2 * degree + 1
    while any(pow(base, candidate - 1, candidate) != 1 for base in (2, 3, 5, 7, 11, 13)):
        candidate -= 2 * degree
    return candidate


def product(a: list[int], b: list[int]) -> list[int]:
    degree = len(a)
    result = [0] * degree
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[(i + j) % degree] += x * y if i + j < degree else -x * y
    return result


def polynomial(exponents: list[int], degree: int) -> list[int]:
    """The unit with these exponents, which must not be negative."""
    result = [1] + [0] * (degree - 1)
    stride = degree // (2 * len(exponents))
    for index, exponent in enumerate(exponents):
        factor = [1] + [0] * (degree - 1)
        for sign in (1, -1):
            power = sign * stride * pow(3, index, 2 * degree) % (2 * degree)
            factor[power % degree] += 1 if power < degree else -1
        for _ in range(exponent):
            result = product(result, factor)
    return result


@given(
    exponents=st.sampled_from([2, 4, 8]).flatmap(
        lambda d: st.lists(st.integers(0, 2), min_size=d, max_size=d)
    )
)
def test_a_unit_is_the_polynomial_that_it_says(exponents: list[int]) -> None:
    prime = prime_for(DEGREE)
    ntt = ckks_ring.Ntt.of(DEGREE, prime)
    exact = polynomial(exponents, DEGREE)
    unit = Unit(exponents=np.array(exponents))
    slots = ckks_slots.decode(np.array(exact, dtype=np.float64), 1.0)
    np.testing.assert_allclose(
        np.resize(unit.slots, DEGREE // 2), slots, atol=1e-12 * np.abs(slots).max()
    )
    values = ntt.forward(np.array([c % prime for c in exact], dtype=np.uint64))
    assert (ckks_ring.multiply(values, unit.inverse(ntt), prime) == 1).all()


def test_negative_exponents_invert() -> None:
    ntt = ckks_ring.Ntt.of(DEGREE, prime_for(DEGREE))
    one, other = (Unit(exponents=sign * np.array([3, -1, 0, 2])) for sign in (1, -1))
    np.testing.assert_allclose(one.slots * other.slots, 1, rtol=1e-14)
    assert (ckks_ring.multiply(one.inverse(ntt), other.inverse(ntt), ntt.prime) == 1).all()


@pytest.mark.parametrize(("bits", "missing"), [(26, 1), (26, 100), (40, 3), (40, 16)])
def test_missing_slots_are_made_up_for(bits: int, missing: int) -> None:
    degree = 8192
    rng = np.random.default_rng(missing)
    half = np.rint(rng.standard_normal(degree // 2 - 1) * 2.0 ** (bits + 1) / np.sqrt(degree))
    exact = np.concatenate([[4.0], half, [0.0], -half[::-1]])
    slots = ckks_slots.decode(exact, 1.0)
    slots[-missing:] = 0
    unit = balancing_unit(slots[:-missing], missing)
    assert unit is not None
    moved = ckks_slots.trace_coefficients(slots * np.resize(unit.slots, degree // 2))
    nearest = np.rint(moved)
    assert np.abs(moved - nearest).max() < 5 * AT_MOST
    ntt = ckks_ring.Ntt.of(degree, prime_for(degree))
    values = ntt.forward(ckks_ring.reduced(nearest.astype(np.int64), ntt.prime))
    trace = ntt.inverse(ckks_ring.multiply(values, unit.inverse(ntt), ntt.prime))
    assert (ckks_ring.centered(trace, ntt.prime) == exact).all()


@pytest.mark.parametrize(("bits", "missing"), [(26, 300), (40, 60), (40, 3000), (52, 1)])
def test_too_many_missing_slots_are_refused(bits: int, missing: int) -> None:
    known = np.random.default_rng(0).standard_normal(4096 - missing) * 2.0 ** (bits + 1)
    assert balancing_unit(known, missing) is None
