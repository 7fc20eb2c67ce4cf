"""What CKKS parameters cost: sizes from the parameters alone, times on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from .flooding import flooding_bits

WORD = 8
"""Bytes of a residue in memory and, before compression, on the wire."""

FLOAT = 4
"""Bytes of a number in the clear."""

STATISTICAL = 40
"""Statistical security for which the price of flooding is quoted [bits]."""


def ciphertext_bytes(degree: int, primes: int) -> int:
    """A fresh ciphertext before compression: two polynomials, a residue for each prime but one.

    Args:
        degree: N.
        primes: Of the modulus, the special prime included: no ciphertext has a residue for it.
    """
    return 2 * plaintext_bytes(degree, primes)


def plaintext_bytes(degree: int, primes: int) -> int:
    """An encoded plaintext: one polynomial."""
    return degree * (primes - 1) * WORD


def measures_of(parameters: Mapping[str, Any], steps: int) -> tuple[dict[str, Any], ...]:
    """Sizes, and what flooding every step's hand-back would cost in precision.

    Args:
        parameters: `degree` and `modulus_bits`.
        steps: Decryptions that are handed back under one key.
    """
    degree, primes = int(parameters["degree"]), len(parameters["modulus_bits"])
    size = ciphertext_bytes(degree, primes)
    found: tuple[dict[str, Any], ...] = (
        {"name": "ciphertext, not compressed", "estimate": size / 1e3, "unit": "kB"},
        {
            "name": "encoded plaintext",
            "estimate": plaintext_bytes(degree, primes) / 1e3,
            "unit": "kB",
        },
        {
            "name": "full ciphertext over its numbers in float32",
            "estimate": size / (FLOAT * degree / 2),
            "unit": "times",
        },
        {
            "name": "precision lost if every hand-back were flooded",
            "estimate": flooding_bits(steps, STATISTICAL),
            "unit": "bits",
            "hand-backs under one key": steps,
            "statistical security [bits]": STATISTICAL,
        },
    )
    return tuple({**each, "cost": True} for each in found)


def milliseconds(degree: int, modulus_bits: Sequence[int], *, repeats: int = 9) -> dict[str, float]:
    """Median times of operations on one full ciphertext, with TenSEAL in one thread [ms].

    Args:
        degree: N.
        modulus_bits: Sizes of the primes, special prime last.
        repeats: Of each operation.

    Raises:
        ValueError: SEAL refuses the parameters.
    """
    import numpy as np
    import tenseal as ts

    try:
        context = ts.context(
            ts.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=list(modulus_bits), n_threads=1
        )
    except ValueError as error:
        raise ValueError(
            f"poly_modulus_degree={degree}, coeff_mod_bits={list(modulus_bits)}: {error}"
        ) from error
    context.global_scale = 2.0 ** modulus_bits[1]
    context.auto_rescale = False
    values = np.random.default_rng(0).standard_normal(degree // 2).tolist()
    plain = ts.plain_tensor(values)
    sealed = ts.ckks_vector(context, values)
    operations: dict[str, Callable[[], Any]] = {
        "encryption": lambda: ts.ckks_vector(context, values),
        "multiplication by a plaintext": lambda: sealed * plain,
        "addition of a plaintext": lambda: sealed + plain,
        "decryption": sealed.decrypt,
    }
    return {name: 1e3 * _seconds(run, repeats) for name, run in operations.items()}


def _seconds(run: Callable[[], Any], repeats: int) -> float:
    found = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return median(found[1:])
