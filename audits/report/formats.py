"""Numbers as text, alike in every format of the report."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
UNMEASURED = "not measured"
UNBOUNDED = "unbounded"
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def signed(value: float | None) -> str:
    """An advantage or another difference: sign and three decimals.

    >>> signed(0.0131), signed(None), signed(float("inf"))
    ('+0.013', 'not measured', 'unbounded')
    """
    return _special(value) or _minus(f"{_rounded(value):+.3f}")


def share(value: float | None) -> str:
    """A probability or another unsigned value: three decimals."""
    return _special(value) or _minus(f"{_rounded(value):.3f}")


def interval(pair: Sequence[float | None] | None) -> str:
    """A two-sided interval of differences.

    >>> interval((0.01, float("inf")))
    '[+0.010, unbounded]'
    """
    return UNMEASURED if pair is None else f"[{signed(pair[0])}, {signed(pair[1])}]"


def p_value(value: float | None) -> str:
    """A p-value to two significant digits, never rounded to zero.

    >>> p_value(2.1e-14), p_value(0.0312), p_value(0.0)
    ('2e-14', '0.031', '< 1e-300')
    """
    if special := _special(value):
        return special
    number = float(value or 0.0)
    if number < 1e-300:
        return "< 1e-300"
    if number < 1e-3:
        return f"{number:.0e}".replace("e-0", "e-")
    return f"{number:.2g}"


def level(value: float | None) -> str:
    """An alpha: three significant digits."""
    return _special(value) or f"{value:.3g}"


def number(value: float) -> str:
    """A count, or a mean of counts.

    >>> number(2), number(2.5), number(48211.4)
    ('2', '2.5', '48,211')
    """
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def size(value: float) -> str:
    """Bytes as a person reads them.

    >>> size(312), size(48_211), size(1_250_000)
    ('312 B', '48.2 kB', '1.25 MB')
    """
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} B"


def seconds(value: float) -> str:
    """A duration as a person says it.

    >>> seconds(83.4), seconds(4.25)
    ('1 min 23 s', '4.2 s')
    """
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def short(text: str) -> str:
    """A SHA-256 or commit hash cut to 12 digits; any other text as it is."""
    return f"{text[:12]}…" if _DIGEST.fullmatch(text) else text


def count(number: int, noun: str) -> str:
    """A count with its noun.

    >>> count(1, "row"), count(3, "row")
    ('1 row', '3 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def joined(words: Sequence[str], last: str = "and") -> str:
    """An enumeration in prose.

    >>> joined(("a", "b", "c"))
    'a, b and c'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _special(value: float | None) -> str:
    if value is None or math.isnan(value):
        return UNMEASURED
    if math.isinf(value):
        return UNBOUNDED if value > 0 else f"{UNBOUNDED} below"
    return ""


def _rounded(value: float | None) -> float:
    return round(float(value or 0.0), 3) + 0.0


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
