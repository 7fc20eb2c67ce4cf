"""Recover the secret key of CKKS from ciphertexts and their decryptions, as TenSEAL makes them.

A CKKS decryption carries the ciphertext's noise, and c_0 + c_1 s = p (mod q) is linear in the key
s. Whoever evaluates ciphertexts and is handed the decrypted numbers knows both sides:

    1. The numbers are real parts of slots, so they fix t = p + conj(p), conj: X -> 1/X, exactly
       if double precision holds the scale (`ckks_slots`, `ckks_units`).
    2. Modulo a prime, in a point z of the transform and its inverse, each ciphertext says
       c_0(z) + c_0(1/z) + c_1(z) s(z) + c_1(1/z) s(1/z) = t(z).
    3. Two ciphertexts under one key give two equations for s(z) and s(1/z): Cramer's rule.
    4. The inverse transform is ternary, which also proves that it is the key.

Every ciphertext counts, not every message: a vector that fills two ciphertexts hands out its key
alone, also when the next one has another key. Noise on the numbers stops the attack if it moves a
coefficient by about one half, which is little (about 5e-12 at N = 8192, scale 2^40) and no proof of
security; noise that repeats cancels in differences, and fresh noise averages out over decryptions
of one ciphertext.

References:
    Li, Micciancio, On the security of homomorphic encryption on approximate numbers
    (EUROCRYPT 2021), https://eprint.iacr.org/2020/1533.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..defenses.he_diffusion.seal_format import Ciphertext, Parameters, read_ciphertext
from ..defenses.he_diffusion.tenseal_format import Context, read_context, read_vector
from .ckks_equations import Equation, KeyNotRecovered, Reason, equations, samples, solutions
from .ckks_ring import Integers, Ntt, Residues, add, centered, multiply, reduced
from .ckks_slots import decode

__all__ = ["KeyNotRecovered", "Reason", "average_pairs", "decrypt", "recover_secret_key"]

Reals = npt.NDArray[np.float64]
Pairs = Sequence[tuple[bytes, Sequence[float]]]

WINDOW = 4
"""Equations that each new one is tried with: the key may change along the way."""

LARGEST = 1e100
"""Largest number handed back that is believed."""

_PUBLIC_KEY_ERROR = 256
"""Far above the error of a public key (standard deviation 3.2), far below any prime."""

_DETAILS = {
    Reason.TOO_FEW_PAIRS: "two different ciphertexts under one key are needed, each with the "
    "numbers that it decrypts to",
    Reason.NOISE: "the numbers are no exact decryptions; average more decryptions of one "
    "ciphertext (average_pairs) if the noise is fresh each time",
    Reason.PARTIAL_SLOTS: "too many slots of each ciphertext were not handed back, and the noise "
    "in those is not known",
    Reason.PRECISION: "the numbers do not hold the polynomial: too large a scale for double "
    "precision, or they were rounded to single precision",
    Reason.KEYS: "the equations have solutions, but none is a ternary key of this public context: "
    "each ciphertext has its own key, or the numbers belong to other ciphertexts",
}


def recover_secret_key(public_context: bytes, pairs: Pairs) -> npt.NDArray[np.int8]:
    """Solve for the secret key.

    Args:
        public_context: Serialized TenSEAL context. If it holds a public key, the recovered key
            must fit it.
        pairs: Serialized CKKSVector, and the numbers that it decrypts to; decryptions of one
            ciphertext are averaged.

    Returns:
        Coefficients -1, 0, 1, shape (N,).

    Raises:
        KeyNotRecovered: The pairs do not determine it; `reason` says why.
        SealFormatError: Bytes are not what TenSEAL writes.
    """
    context = read_context(public_context)
    ntt = _transform(context.parameters)
    found = tried = 0
    failures: Counter[Reason] = Counter()
    recent: deque[Equation] = deque(maxlen=WINDOW)
    for outcome in equations(ntt, samples(context.parameters, average_pairs(pairs))):
        if isinstance(outcome, Reason):
            failures[outcome] += 1
            continue
        found += 1
        for key in solutions(ntt, outcome, recent):
            tried += 1
            if _is_ternary(key) and _fits(ntt, context, key):
                return key.astype(np.int8)
        recent.append(outcome)
    if tried:
        reason = Reason.KEYS
    elif failures and found < 2:
        reason = failures.most_common(1)[0][0]
    else:
        reason = Reason.TOO_FEW_PAIRS
    raise KeyNotRecovered(reason, _DETAILS[reason])


def average_pairs(pairs: Pairs) -> list[tuple[bytes, Reals]]:
    """One pair for each ciphertext, with the mean of what was handed back for it.

    Fresh noise of standard deviation sigma shrinks to sigma / sqrt(n) over n decryptions.

    Raises:
        KeyNotRecovered: Decryptions of one ciphertext differ in length, or are not finite.
    """
    sums: dict[bytes, Reals] = {}
    counts: Counter[bytes] = Counter()
    for message, numbers in pairs:
        values = np.asarray(numbers, dtype=np.float64)
        if values.ndim != 1 or not (np.abs(values) <= LARGEST).all():
            raise KeyNotRecovered(
                Reason.PARAMETERS, f"handed-back numbers must be vectors of at most {LARGEST:g}"
            )
        if message in sums and len(sums[message]) != len(values):
            raise KeyNotRecovered(
                Reason.PARAMETERS,
                f"one ciphertext decrypts to {len(sums[message])} and to {len(values)} numbers",
            )
        sums[message] = sums[message] + values if message in sums else values
        counts[message] += 1
    return [(message, total / counts[message]) for message, total in sums.items()]


def decrypt(public_context: bytes, ciphertext: bytes, secret_key: npt.ArrayLike) -> Reals:
    """Open a serialized CKKSVector with a recovered key.

    Args:
        public_context: Serialized TenSEAL context.
        ciphertext: Serialized CKKSVector under the same key.
        secret_key: Coefficients -1, 0, 1, shape (N,).

    Returns:
        The numbers in its used slots, as the owner of the key reads them.

    Raises:
        ValueError: `secret_key` is no ternary polynomial of the context's degree.
        SealFormatError: Bytes are not what TenSEAL writes, or belong to other parameters.
    """
    parameters = read_context(public_context).parameters
    key = np.asarray(secret_key, dtype=np.int64)
    if key.shape != (parameters.degree,) or not _is_ternary(key):
        raise ValueError(
            f"secret_key of shape {key.shape} must hold -1, 0, 1, shape ({parameters.degree},)"
        )
    parts = []
    for size, blob in read_vector(ciphertext):
        opened = read_ciphertext(blob, parameters)
        polynomial = _compose(_phase(parameters, opened, key), parameters)
        parts.append(decode(polynomial, opened.scale)[:size])
    return np.concatenate(parts)


def _transform(parameters: Parameters) -> Ntt:
    try:
        return Ntt.of(parameters.degree, parameters.primes[0])
    except ValueError as error:
        raise KeyNotRecovered(Reason.PARAMETERS, str(error)) from error


def _is_ternary(key: Integers) -> bool:
    return bool((np.abs(key) <= 1).all())


def _fits(ntt: Ntt, context: Context, key: Integers) -> bool:
    """Whether the public key, if there is one, is an encryption of zero under this key."""
    if context.public_key is None:
        return True
    first, second = context.public_key.residues[:2, 0]
    secret = ntt.forward(reduced(key, ntt.prime))
    error = ntt.inverse(add(first, multiply(second, secret, ntt.prime), ntt.prime))
    return bool((np.abs(centered(error, ntt.prime)) <= _PUBLIC_KEY_ERROR).all())


def _phase(parameters: Parameters, ciphertext: Ciphertext, key: Integers) -> Residues:
    """c_0 + c_1 s + c_2 s^2, coefficients modulo each prime, shape (primes, N)."""
    rows = []
    for index in range(ciphertext.residues.shape[1]):
        ntt = Ntt.of(parameters.degree, parameters.primes[index])
        secret = ntt.forward(reduced(key, ntt.prime))
        total = ciphertext.residues[-1, index]
        for polynomial in ciphertext.residues[-2::-1, index]:
            total = add(polynomial, multiply(total, secret, ntt.prime), ntt.prime)
        rows.append(ntt.inverse(total))
    return np.stack(rows)


def _compose(rows: Residues, parameters: Parameters) -> Reals:
    """The integers of least magnitude with these residues (Chinese remainder theorem)."""
    primes = parameters.primes[: len(rows)]
    modulus = int(np.prod(np.array(primes, dtype=object)))
    total = np.zeros(parameters.degree, dtype=object)
    for prime, row in zip(primes, rows, strict=True):
        rest = modulus // prime
        total = total + row.astype(object) * (rest * pow(rest, -1, prime))
    total = total % modulus
    return np.where(total > modulus // 2, total - modulus, total).astype(np.float64)
