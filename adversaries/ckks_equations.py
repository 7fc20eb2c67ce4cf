"""Linear equations for the secret key: what each ciphertext and its decryption say about it."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.seal_format import (
    ParameterMismatchError,
    Parameters,
    read_ciphertext,
)
from ..defenses.he_diffusion.tenseal_format import read_vector
from .ckks_ring import Integers, Ntt, Residues, add, centered, multiply, power, reduced, subtract
from .ckks_slots import rounding_error, trace_coefficients
from .ckks_units import AT_MOST, balancing_unit

Reals = npt.NDArray[np.float64]

EXACT = 0.45
"""Largest distance from an integer of coefficients that count as exact. Of the thousands in a
polynomial, uniform noise leaves none so close with probability below 1e-90."""


class Reason(str, enum.Enum):
    """Why a key was not recovered."""

    TOO_FEW_PAIRS = "too few pairs"
    NOISE = "noise added"
    PARTIAL_SLOTS = "partial slots"
    PARAMETERS = "wrong parameters"
    PRECISION = "precision"
    KEYS = "more than one key"


class KeyNotRecovered(Exception):  # noqa: N818 - it is an outcome, not a mistake
    """The pairs do not give the key away.

    Attributes:
        reason: Why, in a word.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One ciphertext modulo the first prime, and the numbers in its slots.

    Attributes:
        place: Position in its message, slots used, scale: samples alike may be subtracted.
        constant: c_0(z) + c_0(1/z) in the first half of the points, shape (N / 2,).
        linear: c_1 in all points, shape (N,).
        slots: Twice scale times number, shape (used,).
    """

    place: tuple[int, int, float]
    constant: Residues
    linear: Residues
    slots: Reals


@dataclass(frozen=True, kw_only=True, eq=False)
class Equation:
    """In every point z: linear(z) s(z) + linear(1/z) s(1/z) = value(z).

    Attributes:
        linear: Shape (N,).
        value: Shape (N / 2,); the other half says the same.
    """

    linear: Residues
    value: Residues


def samples(parameters: Parameters, pairs: Iterable[tuple[bytes, Reals]]) -> Iterator[Sample]:
    """Every ciphertext of every message, with its share of the numbers."""
    for message, numbers in pairs:
        pieces = read_vector(message)
        total = sum(size for size, _ in pieces)
        if total != len(numbers) or max(size for size, _ in pieces) > parameters.slots:
            raise KeyNotRecovered(
                Reason.PARAMETERS,
                f"{len(numbers)} numbers handed back for {total} used slots of {len(pieces)} "
                f"ciphertexts with {parameters.slots} slots each",
            )
        start = 0
        for position, (size, blob) in enumerate(pieces):
            yield _sample(parameters, position, blob, numbers[start : start + size])
            start += size


def _sample(parameters: Parameters, position: int, blob: bytes, numbers: Reals) -> Sample:
    try:
        ciphertext = read_ciphertext(blob, parameters)
    except ParameterMismatchError as error:
        raise KeyNotRecovered(Reason.PARAMETERS, str(error)) from error
    if len(ciphertext.residues) != 2:
        raise KeyNotRecovered(
            Reason.PARAMETERS,
            f"a ciphertext of {len(ciphertext.residues)} polynomials is not linear in the key; "
            "relinearize it",
        )
    constant, linear = ciphertext.residues[:, 0]
    return Sample(
        place=(position, len(numbers), ciphertext.scale),
        constant=add(constant, constant[::-1], parameters.primes[0])[: parameters.slots],
        linear=linear,
        slots=2 * ciphertext.scale * numbers,
    )


def equations(ntt: Ntt, samples: Iterable[Sample]) -> Iterator[Equation | Reason]:
    """One equation a sample, or one a difference of two noisy samples, or why there is none."""
    noisy: dict[tuple[int, int, float], Sample] = {}
    for sample in samples:
        outcome = _equation(ntt, sample)
        if outcome is Reason.NOISE and sample.place in noisy:
            difference = _equation(ntt, _difference(sample, noisy[sample.place], ntt.prime))
            yield difference if isinstance(difference, Equation) else outcome
        else:
            yield outcome
        if outcome is Reason.NOISE:
            noisy[sample.place] = sample


def _difference(one: Sample, other: Sample, prime: int) -> Sample:
    return Sample(
        place=one.place,
        constant=subtract(one.constant, other.constant, prime),
        linear=subtract(one.linear, other.linear, prime),
        slots=one.slots - other.slots,
    )


def _equation(ntt: Ntt, sample: Sample) -> Equation | Reason:
    """Step 1 and 2: the exact trace, and with it the right-hand side."""
    missing = ntt.degree // 2 - len(sample.slots)
    if rounding_error(sample.slots) > AT_MOST:
        return Reason.PRECISION
    unit = balancing_unit(sample.slots, missing) if missing else None
    if missing and unit is None:
        return Reason.PARTIAL_SLOTS
    slots = np.pad(sample.slots, (0, missing))
    if unit is not None:
        slots = slots * np.resize(unit.slots, len(slots))
    exact = trace_coefficients(slots)
    nearest = np.rint(exact)
    if np.abs(exact - nearest).max() > EXACT:
        single = sample.slots.astype(np.float32).astype(np.float64)
        return Reason.PRECISION if np.array_equal(single, sample.slots) else Reason.NOISE
    trace = ntt.forward(reduced(nearest.astype(np.int64), ntt.prime))
    if unit is not None:
        trace = multiply(trace, unit.inverse(ntt), ntt.prime)
    value = subtract(trace[: ntt.degree // 2], sample.constant, ntt.prime)
    return Equation(linear=sample.linear, value=value)


def solutions(ntt: Ntt, newest: Equation, recent: Iterable[Equation]) -> Iterator[Integers]:
    """Steps 3 and 4: the polynomial that solves the newest equation and an earlier one."""
    earlier = list(recent)[::-1]
    for index, partner in enumerate(earlier):
        others = earlier[:index] + earlier[index + 1 :]
        values = solve([partner, newest, *others], ntt.prime)
        if values is not None:
            yield centered(ntt.inverse(values), ntt.prime)


def solve(equations: Sequence[Equation], prime: int) -> Residues | None:
    """The key in all points, or None if the equations leave one open.

    In each point the first two equations that determine it count: the first two of all, except
    where their determinant vanishes, which is so somewhere with probability N / 2q.
    """
    half = len(equations[0].value)
    solution = np.zeros(2 * half, dtype=np.uint64)
    open_ = np.ones(half, dtype=np.bool_)
    for one, two in combinations(equations, 2):
        (a, b), (c, d) = _halves(one.linear), _halves(two.linear)
        determinant = _cross(a, d, b, c, prime)
        now = open_ & (determinant != 0)
        inverse = power(determinant, -1, prime)
        left = multiply(_cross(one.value, d, b, two.value, prime), inverse, prime)
        right = multiply(_cross(a, two.value, one.value, c, prime), inverse, prime)
        solution[:half][now] = left[now]
        solution[half:][::-1][now] = right[now]
        open_ &= ~now
        if not open_.any():
            return solution
    return None


def _halves(values: Residues) -> tuple[Residues, Residues]:
    """Values in the first half of the points, and in their inverses."""
    half = len(values) // 2
    return values[:half], values[half:][::-1]


def _cross(a: Residues, b: Residues, c: Residues, d: Residues, prime: int) -> Residues:
    return subtract(multiply(a, b, prime), multiply(c, d, prime), prime)
