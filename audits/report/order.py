"""Worst first: what a reader must see before anything else."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..verdict import Finding, Role, Row, Verdict

BADNESS = {Verdict.REFUTED: 0, Verdict.INCONCLUSIVE: 1, Verdict.NOT_REFUTED: 2}
"""Of a claim. Several claims are as bad as the worst of them, never as the mean."""


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Claims before controls; claims by verdict, controls by surprise; then by evidence."""
    return tuple(sorted(findings, key=_finding_key))


def rows_worst_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    """By adjusted p-value, then by estimate, largest first; unmeasured rows last."""
    return tuple(sorted(rows, key=_row_key))


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict of several claims together; None without any."""
    return min(verdicts, key=BADNESS.__getitem__, default=None)


def _finding_key(finding: Finding) -> tuple[int, int, float, float, str]:
    claim = finding.role is Role.CLAIM
    rank = BADNESS[finding.verdict] if claim else int(not finding.surprising)
    p = min((_or(row.p_adjusted, math.inf) for row in finding.rows), default=math.inf)
    return (int(not claim), rank, p, -_or(finding.estimate, -math.inf), finding.id)


def _row_key(row: Row) -> tuple[float, float, str, str]:
    p, estimate = _or(row.p_adjusted, math.inf), _or(row.estimate, -math.inf)
    return (p, -estimate, row.adversary, row.arm)


def _or(value: float | None, default: float) -> float:
    return default if value is None or math.isnan(value) else value
