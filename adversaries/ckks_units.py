"""Exact polynomials from ciphertexts with a few slots that nobody handed back.

A slot that is missing leaves an error as large as the number in it, and spread over all
coefficients that error hides their integer parts. A unit of the ring moves it: the product with a
cyclotomic unit that is small in the missing slots and large in the known ones, where precision is
left over, is again an integer polynomial, and its error is below one half everywhere. Rounded, and
divided by the unit modulo a prime, it is the polynomial that was sought.

Units of the subfield of degree d take one value in all slots j = c modulo d, so k missing slots
at the end call for d > k. The unit is found as in short-generator recovery: round in the
logarithmic unit lattice, then improve step by step. Of 4096 slots, about 100 may be missing at
scale 2^26 and 20 at 2^40; beyond, the noise in the missing slots protects the key.

References:
    Cramer, Ducas, Peikert, Regev, Recovering Short Generators of Principal Ideals in Cyclotomic
    Rings (2016), https://eprint.iacr.org/2015/313, on the basis of the logarithmic unit lattice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from .ckks_ring import Ntt, Residues, multiply, power
from .ckks_slots import SLOT_ERROR, coefficient_error

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_SUBFIELD = 512
"""Largest degree d of a subfield: rounding in larger ones costs more than it gains."""

AT_MOST = 0.09
"""Error of a coefficient [root mean square]; five such are still below one half."""

DIGITS = 60
"""Of a product of factors."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """The product of (1 + Y + 1/Y)(Y -> Y^(3^i)) to the power n_i, Y = X^(N / 2d).

    Attributes:
        exponents: n_i, shape (d,), d a power of two.
    """

    exponents: Integers

    @cached_property
    def slots(self) -> Reals:
        """Its values in the first d slots, after which they repeat, right to the last bit or so.

        A relative error would come back as one of the product with large numbers, so the factors
        are multiplied with more digits than a float has.
        """
        with localcontext() as context:
            context.prec = DIGITS
            factors = _factors(len(self.exponents))
            product = np.full(len(factors), Decimal(1), dtype=object)
            for index, exponent in enumerate(self.exponents.tolist()):
                product = product * np.roll(factors, -index) ** exponent
        return product.astype(np.float64)

    def inverse(self, ntt: Ntt) -> Residues:
        """Values of 1 / u modulo a prime, in the order of `ntt`, shape (degree,)."""
        d, q = len(self.exponents), ntt.prime
        stride = ntt.degree // (2 * d)
        monomial = np.zeros(ntt.degree, dtype=np.uint64)
        monomial[stride] = 1
        y = ntt.forward(monomial)[::stride]  # each value of Y once
        above, below = np.ones_like(y), np.ones_like(y)
        for exponent in self.exponents.tolist():
            factor = power((y + y[::-1] + np.uint64(1)) % np.uint64(q), abs(exponent), q)
            if exponent < 0:
                above = multiply(above, factor, q)
            elif exponent > 0:
                below = multiply(below, factor, q)
            y = multiply(multiply(y, y, q), y, q)
        return np.repeat(multiply(above, power(below, -1, q), q), stride)


def balancing_unit(known: Reals, missing: int) -> Unit | None:
    """A unit that leaves every coefficient less than half an integer of error, if one is found.

    Args:
        known: Scaled values of the first slots.
        missing: Slots after them, of which nothing is known but that they are about as large.
    """
    slots = len(known) + missing
    error, unit = _best(missing, slots)
    size = math.sqrt(float(np.mean(np.square(known))))
    return unit if coefficient_error(size * error, 2 * slots) <= AT_MOST else None


@lru_cache(maxsize=4)
def _best(missing: int, slots: int) -> tuple[float, Unit | None]:
    """The best unit for slots of size one, and the error that it leaves in a slot."""
    best: tuple[float, Unit | None] = (math.inf, None)
    degree = 2
    while degree <= min(slots, MAX_SUBFIELD):
        if degree > missing:
            errors = np.full(degree, SLOT_ERROR)
            errors[-missing:] = 1
            best = min(best, _search(errors), key=lambda pair: pair[0])
        degree *= 2
    return best


def _search(errors: Reals) -> tuple[float, Unit]:
    """A unit u with a small root mean square of u_c errors_c, and that value."""
    logs, turns = np.log(errors), _turns(len(errors))
    exponents = _nearest(turns[0], np.mean(logs) - logs)
    moves = np.concatenate([turns, -turns])
    at = turns.T @ exponents + logs
    value = float(_log_rms(at))
    while True:
        values = _log_rms(at + moves)
        step = int(values.argmin())
        if not values[step] < value - 1e-9:
            return math.exp(value), Unit(exponents=exponents)
        value, at = float(values[step]), at + moves[step]
        exponents[step % len(errors)] += 1 if step < len(errors) else -1


def _nearest(logs: Reals, wanted: Reals) -> Integers:
    """Exponents n with sum_i n_i logs_(c + i) close to `wanted`, which sums to 0.

    The system is circulant, and its only kernel are the constants: all factors multiply to one.
    """
    ratio = np.zeros(len(logs), dtype=np.complex128)
    ratio[1:] = np.fft.fft(wanted)[1:] / np.fft.fft(logs)[1:]
    return np.rint(np.fft.ifft(np.conj(ratio)).real).astype(np.int64)


def _factors(d: int) -> npt.NDArray[np.object_]:
    """1 + Y + 1/Y = sin 3x / sin x, a unit, in the slots c = 0 ... d - 1, as decimals."""
    cosine, parts = Decimal(0), 1  # cos(pi / 2)
    while parts < d:
        cosine, parts = ((1 + cosine) / 2).sqrt(), 2 * parts
    cosines = [Decimal(1), cosine]  # cos(pi k / 2d), by Chebyshev's recurrence
    while len(cosines) < 4 * d:
        cosines.append(2 * cosine * cosines[-1] - cosines[-2])
    return np.array([1 + 2 * cosines[pow(3, c, 4 * d)] for c in range(d)], dtype=object)


def _turns(d: int) -> Reals:
    """Logarithms of the d conjugate factors (rows) in the d slots."""
    logs = np.log(np.abs(_factors(d).astype(np.float64)))
    return np.array([np.roll(logs, -i) for i in range(d)])


def _log_rms(logs: Reals) -> Reals:
    top = logs.max(axis=-1, keepdims=True)
    mean = np.mean(np.exp(2 * (logs - top)), axis=-1)
    return np.asarray(top[..., 0] + np.log(mean) / 2)
