"""Modular arithmetic against Python's integers, the transform against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries import ckks_ring as ring

PRIMES = (97, 2013265921, (1 << 61) - 1)


def residues(values: list[int]) -> ring.Residues:
    return np.array(values, dtype=np.uint64)


@given(prime=st.sampled_from(PRIMES), seed=st.integers(0, 2**32), edge=st.booleans())
def test_arithmetic_is_that_of_integers(prime: int, seed: int, edge: bool) -> None:
    rng = np.random.default_rng(seed)
    low = prime - 9 if edge else 0
    a, b = rng.integers(low, prime, (2, 8), dtype=np.uint64)
    x, y = a.tolist(), b.tolist()
    pairs = list(zip(x, y, strict=True))
    assert ring.multiply(a, b, prime).tolist() == [i * j % prime for i, j in pairs]
    assert ring.add(a, b, prime).tolist() == [(i + j) % prime for i, j in pairs]
    assert ring.subtract(a, b, prime).tolist() == [(i - j) % prime for i, j in pairs]


@given(prime=st.sampled_from(PRIMES), base=st.integers(1, 96), exponent=st.integers(-200, 200))
def test_power_inverts(prime: int, base: int, exponent: int) -> None:
    assert ring.power(residues([base, 0]), exponent, prime)[0] == pow(base, exponent, prime)


@given(values=st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_centered_undoes_reduced(values: list[int]) -> None:
    prime = PRIMES[-1]
    integers = np.array(values, dtype=np.int64)
    assert ring.centered(ring.reduced(integers, prime), prime).tolist() == values


@pytest.mark.parametrize(("degree", "prime"), [(2, 97), (16, 97), (64, 257), (32, 2013265921)])
def test_the_transform_evaluates_in_the_order_of_seal(degree: int, prime: int) -> None:
    roots = [x for x in range(2, 70000) if pow(x, degree, prime) == prime - 1][:1]
    psi = ring.least_root(degree, prime)
    if roots:
        assert psi == roots[0]
    ntt = ring.Ntt.of(degree, prime)
    polynomial = np.random.default_rng(0).integers(0, prime, degree, dtype=np.uint64)
    bits = degree.bit_length() - 1
    expected = []
    for index in range(degree):
        reverse = int(format(index, f"0{bits}b")[::-1], 2)
        point = pow(psi, 2 * reverse + 1, prime)
        terms = (c * pow(point, k, prime) for k, c in enumerate(polynomial.tolist()))
        expected.append(sum(terms) % prime)
    assert ntt.forward(polynomial).tolist() == expected
    assert ntt.inverse(ntt.forward(polynomial)).tolist() == polynomial.tolist()


def test_products_of_values_are_negacyclic_and_reversal_inverts_the_argument() -> None:
    degree, prime = 16, 97
    ntt = ring.Ntt.of(degree, prime)
    a, b = np.random.default_rng(1).integers(0, prime, (2, degree), dtype=np.uint64)
    product = [0] * degree
    for i, x in enumerate(a.tolist()):
        for j, y in enumerate(b.tolist()):
            product[(i + j) % degree] += x * y if i + j < degree else -x * y
    through = ntt.inverse(ring.multiply(ntt.forward(a), ntt.forward(b), prime))
    assert through.tolist() == [value % prime for value in product]
    mirrored = np.concatenate([a[:1], (prime - a[:0:-1]) % np.uint64(prime)])
    assert ntt.forward(a)[::-1].tolist() == ntt.forward(mirrored).tolist()


@pytest.mark.parametrize(("degree", "prime"), [(64, 97), (16, 33)])
def test_a_modulus_without_roots_is_refused(degree: int, prime: int) -> None:
    with pytest.raises(ValueError, match=f"prime={prime} must be"):
        ring.Ntt.of(degree, prime)
