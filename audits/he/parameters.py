"""Do parameters of a ring-LWE scheme reach a security level, by the published tables?

A table bounds the product of all primes of the coefficient modulus, the special prime of key
switching included: key-switching keys are encryptions under all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..verdict import Verdict

LEVELS = (128, 192, 256)
"""Security levels of the tables [bits]."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Largest moduli for ternary secrets, against classical attacks.

    Attributes:
        edition: Name and year.
        source: Where it was published.
        limits: Degree to log2 of the largest modulus at each of `LEVELS`; None: no such entry.
    """

    edition: str
    source: str
    limits: Mapping[int, tuple[int | None, ...]]


STANDARD_2018 = Table(
    edition="HE standard 2018",
    source="Homomorphic Encryption Standard, https://eprint.iacr.org/2019/939, as in SEAL and "
    "OpenFHE",
    limits={
        1024: (27, 19, 14),
        2048: (54, 37, 29),
        4096: (109, 75, 58),
        8192: (218, 152, 118),
        16384: (438, 305, 237),
        32768: (881, 611, 476),
        65536: (1747, 1199, 929),
    },
)

GUIDELINES_2024 = Table(
    edition="HE guidelines 2024",
    source="Security Guidelines for Implementing Homomorphic Encryption, "
    "https://eprint.iacr.org/2024/463, as in public tools",
    limits={
        1024: (26, None, None),
        2048: (53, 36, 27),
        4096: (106, 73, 56),
        8192: (214, 147, 114),
        16384: (430, 297, 230),
        32768: (868, 597, 462),
        65536: (1747, 1199, 929),
    },
)

TABLES = (STANDARD_2018, GUIDELINES_2024)


@dataclass(frozen=True, kw_only=True)
class SecurityEntry:
    """What one table says about one set of parameters.

    Attributes:
        edition: Of the table.
        source: Of the table.
        secret: Distribution of the secret key.
        poly_modulus_degree: N.
        modulus_bits: Sum over all primes, the special prime included.
        limit: Largest sum at `required` bits, or None if the table has no entry.
        margin: `limit - modulus_bits`, or None.
        required: Security that is asked for [bits].
        level: Highest level whose limit is kept [bits]; 0 if none is.
        accepts: Whether `required` bits are reached.
    """

    edition: str
    source: str
    secret: str
    poly_modulus_degree: int
    modulus_bits: int
    limit: int | None
    margin: int | None
    required: int
    level: int
    accepts: bool


def security_level(
    *,
    poly_modulus_degree: int,
    coeff_mod_bits: Sequence[int],
    secret: str = "ternary",
    required: int = 128,
) -> tuple[SecurityEntry, ...]:
    """Look parameters up in every table, the oldest first; nothing is interpolated.

    Args:
        poly_modulus_degree: N.
        coeff_mod_bits: Size of each prime [bits], the special prime included.
        secret: Distribution of the secret key; the tables here are for `ternary`.
        required: Security that is asked for, one of `LEVELS` [bits].

    Raises:
        ValueError: A table has no row for these parameters.

    >>> for entry in security_level(
    ...     poly_modulus_degree=8192, coeff_mod_bits=[31, 26, 26, 26, 26, 26, 26, 31]
    ... ):
    ...     print(entry.modulus_bits, entry.limit, entry.margin, entry.level, entry.accepts)
    218 218 0 128 True
    218 214 -4 0 False
    """
    bits = _total(coeff_mod_bits)
    if secret != "ternary":
        raise ValueError(f"secret={secret!r} must be 'ternary': the tables hold for no other")
    if required not in LEVELS:
        raise ValueError(f"required={required} must be one of {', '.join(map(str, LEVELS))} bits")
    if isinstance(poly_modulus_degree, bool) or poly_modulus_degree not in STANDARD_2018.limits:
        degrees = ", ".join(map(str, STANDARD_2018.limits))
        raise ValueError(
            f"poly_modulus_degree={poly_modulus_degree} must be one of {degrees}: the tables have "
            "no other rows, and interpolating between them is no evidence"
        )
    return tuple(
        _entry(table, int(poly_modulus_degree), bits, secret, required) for table in TABLES
    )


def check_parameters(
    *,
    poly_modulus_degree: int,
    coeff_mod_bits: Sequence[int],
    secret: str = "ternary",
    required: int = 128,
) -> Verdict:
    """REFUTED if either table refuses `required` bits, NOT_REFUTED if both accept.

    The arguments and errors are those of `security_level`.
    """
    entries = security_level(
        poly_modulus_degree=poly_modulus_degree,
        coeff_mod_bits=coeff_mod_bits,
        secret=secret,
        required=required,
    )
    return verdict_of(entries)


def verdict_of(entries: Sequence[SecurityEntry]) -> Verdict:
    """The verdict on a claim that every table accepts: a look-up is an exact argument."""
    accepted = all(entry.accepts for entry in entries)
    return Verdict.NOT_REFUTED if accepted else Verdict.REFUTED


def _entry(table: Table, degree: int, bits: int, secret: str, required: int) -> SecurityEntry:
    limits: dict[int, int | None] = dict(zip(LEVELS, table.limits[degree], strict=True))
    limit = limits[required]
    reached = [level for level, most in limits.items() if most is not None and bits <= most]
    return SecurityEntry(
        edition=table.edition,
        source=table.source,
        secret=secret,
        poly_modulus_degree=degree,
        modulus_bits=bits,
        limit=limit,
        margin=None if limit is None else limit - bits,
        required=required,
        level=max(reached, default=0),
        accepts=required in reached,
    )


def _total(coeff_mod_bits: Sequence[int]) -> int:
    sizes = list(coeff_mod_bits)
    if not sizes:
        raise ValueError("coeff_mod_bits must name the size of at least one prime")
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 2:
            raise ValueError(f"coeff_mod_bits holds {size!r}; sizes must be whole numbers >= 2")
    return sum(sizes)
