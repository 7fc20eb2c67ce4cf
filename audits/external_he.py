"""An audit of encryption parameters that came from elsewhere: no keys, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from .config import UsageError
from .he.costs import ciphertext_bytes, milliseconds, plaintext_bytes
from .he.parameters import SecurityEntry, security_level, verdict_of
from .terminal import STYLES
from .verdict import Verdict


def he(
    *,
    poly_modulus_degree: int,
    coeff_mod_bits: str,
    secret: str,
    required: int,
    time: bool = False,
) -> tuple[Verdict, dict[str, Any]]:
    """Hold parameters against every table.

    Args:
        poly_modulus_degree: N.
        coeff_mod_bits: Sizes of the primes with commas between them, the special prime included.
        secret: Distribution of the secret key.
        required: Security that is asked for [bits].
        time: Measure operations on one ciphertext too; takes TenSEAL.

    Returns:
        REFUTED if a table refuses, NOT_REFUTED if all accept, and what each of them says.

    Raises:
        UsageError: No table has a row for these parameters, or SEAL refuses them.
    """
    try:
        sizes = _sizes(coeff_mod_bits)
        entries = security_level(
            poly_modulus_degree=poly_modulus_degree,
            coeff_mod_bits=sizes,
            secret=secret,
            required=required,
        )
        times = milliseconds(poly_modulus_degree, sizes) if time else None
    except ValueError as error:
        raise UsageError(str(error)) from error
    verdict = verdict_of(entries)
    return verdict, {
        "claim": f"{required} bits of security by every table",
        "verdict": verdict.value,
        "reason": _reason(entries),
        "tables": [asdict(entry) for entry in entries],
        "bytes": {
            "ciphertext": ciphertext_bytes(poly_modulus_degree, len(sizes)),
            "plaintext": plaintext_bytes(poly_modulus_degree, len(sizes)),
        },
        **({} if times is None else {"milliseconds": times}),
    }


def print_record(console: Console, verdict: Verdict, record: Mapping[str, Any]) -> None:
    """Print the verdict, and a line for each table."""
    console.print(f"[{STYLES[verdict]}]{verdict.value}[/]  {record['claim']}")
    console.print(f"  {record['reason']}", soft_wrap=True)
    table = Table("table", "N", "secret", "bits", "limit", "margin", "level", box=None)
    for entry in record["tables"]:
        level = f"{entry['level']} bits" if entry["level"] else "none"
        numbers = ("poly_modulus_degree", "secret", "modulus_bits", "limit", "margin")
        cells = ("-" if entry[name] is None else str(entry[name]) for name in numbers)
        table.add_row(entry["edition"], *cells, level)
    console.print(table)
    sizes = (f"{name} {size / 1e3:g} kB" for name, size in record["bytes"].items())
    console.print(f"  before compression: {', '.join(sizes)}")
    for name, value in record.get("milliseconds", {}).items():
        console.print(f"  {name}: {value:.3g} ms")


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"coeff_mod_bits={text!r} must be whole numbers with commas, such as 60,40,60"
        ) from None


def _reason(entries: tuple[SecurityEntry, ...]) -> str:
    bits, degree = entries[0].modulus_bits, entries[0].poly_modulus_degree
    said = [
        f"{entry.edition}: no {entry.required}-bit row for N = {degree}"
        if entry.limit is None
        else f"{entry.edition}: {entry.limit} bits at most at N = {degree}, these have {bits}"
        for entry in entries
        if not entry.accepts
    ]
    margin = min(entry.margin for entry in entries if entry.margin is not None) if not said else 0
    return "; ".join(said) or f"{bits} bits, {margin} below the strictest limit at N = {degree}"
