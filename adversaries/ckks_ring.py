"""Arithmetic in Z_q[X] / (X^N + 1), in SEAL's order, with NumPy alone.

Primes have up to 61 bits. A product of two residues then has 122, which no NumPy integer holds;
it is taken in halves whose quotients double precision gives to within one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Residues = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

_HALF = np.uint64(31)
_MASK = np.uint64((1 << 31) - 1)
_BASES = range(2, 66)


def multiply(a: Residues, b: Residues, prime: int) -> Residues:
    """Residues a b, element by element with broadcasting; both reduced, `prime` < 2^61."""
    q = np.uint64(prime)
    if prime < 1 << 31:
        return np.asarray(a * b % q)
    high = _times_short(a, b >> _HALF, q)
    shifted = _times_short(high, np.full_like(high, 1 << 31), q)
    return add(shifted, _times_short(a, b & _MASK, q), prime)


def add(a: Residues, b: Residues, prime: int) -> Residues:
    """Residues a + b."""
    total = a + b
    return np.where(total >= np.uint64(prime), total - np.uint64(prime), total)


def subtract(a: Residues, b: Residues, prime: int) -> Residues:
    """Residues a - b."""
    return np.where(a >= b, a - b, a + (np.uint64(prime) - b))


def power(base: Residues, exponent: int, prime: int) -> Residues:
    """Residues base^exponent; a negative exponent inverts, and 0 stays 0."""
    left = exponent % (prime - 1)
    result = np.ones_like(base)
    while left:
        if left & 1:
            result = multiply(result, base, prime)
        base, left = multiply(base, base, prime), left >> 1
    return result


def reduced(values: Integers, prime: int) -> Residues:
    """Integers as residues."""
    return np.asarray(values % np.int64(prime)).astype(np.uint64)


def centered(values: Residues, prime: int) -> Integers:
    """Residues as integers of least magnitude."""
    signed = values.astype(np.int64)
    return np.where(signed > prime // 2, signed - np.int64(prime), signed)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ntt:
    """Polynomials to their values at the primitive 2N-th roots of unity modulo a prime, and back.

    Value i is that at psi^(2 r(i) + 1), r(i) the bits of i reversed and psi the least primitive
    2N-th root: the order of SEAL. The value at the inverse point then stands at N - 1 - i.

    Attributes:
        degree: N, a power of two.
        prime: 1 modulo 2N, below 2^61.
        roots: psi^r(i), shape (degree,).
    """

    degree: int
    prime: int
    roots: Residues

    @classmethod
    def of(cls, degree: int, prime: int) -> Ntt:
        """The transform of a ring.

        Raises:
            ValueError: `prime` has no primitive 2N-th root of unity.
        """
        psi = least_root(degree, prime)
        order = np.zeros(1, dtype=np.int64)
        while len(order) < degree:
            order = np.concatenate([2 * order, 2 * order + 1])
        return cls(degree=degree, prime=prime, roots=_powers(psi, degree, prime)[order])

    def forward(self, coefficients: Residues) -> Residues:
        """Values of a polynomial, shape (degree,); decimation in time."""
        values, blocks = coefficients, 1
        while blocks < self.degree:
            pairs = values.reshape(blocks, 2, -1)
            twiddles = self.roots[blocks : 2 * blocks, None]
            turned = multiply(pairs[:, 1], np.broadcast_to(twiddles, pairs[:, 1].shape), self.prime)
            values = np.stack(
                [add(pairs[:, 0], turned, self.prime), subtract(pairs[:, 0], turned, self.prime)],
                axis=1,
            )
            blocks *= 2
        return values.reshape(self.degree)

    def inverse(self, values: Residues) -> Residues:
        """The polynomial with these values, shape (degree,)."""
        blocks = self.degree
        while blocks > 1:
            blocks //= 2
            pairs = values.reshape(blocks, 2, -1)
            # psi^r(i) for i in [m, 2m) is minus the inverse of the one mirrored in that range.
            twiddles = self.roots[2 * blocks - 1 : blocks - 1 : -1, None]
            turned = subtract(pairs[:, 1], pairs[:, 0], self.prime)
            values = np.stack(
                [
                    add(pairs[:, 0], pairs[:, 1], self.prime),
                    multiply(turned, np.broadcast_to(twiddles, turned.shape), self.prime),
                ],
                axis=1,
            )
        scale = pow(self.degree, -1, self.prime)
        return multiply(
            values.reshape(self.degree), np.full(self.degree, scale, dtype=np.uint64), self.prime
        )


def least_root(degree: int, prime: int) -> int:
    """The least primitive 2N-th root of unity modulo a prime.

    Raises:
        ValueError: There is none.
    """
    for base in _BASES:
        root = pow(base, (prime - 1) // (2 * degree), prime)
        if pow(root, degree, prime) == prime - 1:
            odd = multiply(
                _powers(root * root % prime, degree, prime),
                np.full(degree, root, dtype=np.uint64),
                prime,
            )
            return int(odd.min())
    raise ValueError(f"prime={prime} must be a prime that is 1 modulo {2 * degree}")


def _powers(base: int, count: int, prime: int) -> Residues:
    """1, base, base^2, ..., `count` of them, a power of two."""
    powers = np.ones(1, dtype=np.uint64)
    while len(powers) < count:
        step = np.full(len(powers), pow(base, len(powers), prime), dtype=np.uint64)
        powers = np.concatenate([powers, multiply(powers, step, prime)])
    return powers


def _times_short(a: Residues, short: Residues, q: np.uint64) -> Residues:
    """Residues a b for b < 2^31: the quotient in double precision is off by at most one."""
    quotient = (a.astype(np.float64) * short.astype(np.float64) / float(q)).astype(np.uint64)
    rest = a * short - quotient * q
    rest = np.where(rest >> np.uint64(63), rest + q, rest)
    return np.where(rest >= q, rest - q, rest)
