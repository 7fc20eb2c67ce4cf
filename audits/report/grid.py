"""Cells of one defence in one scenario: adversaries by coalitions, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..cells import Cell, CellStatus
from ..verdict import Finding, Verdict

REFUTES, WITHIN, UNDECIDED, APART, BROKE = (
    "refutes the claim",
    "within the claim",
    "undecided",
    "not applicable",
    "failed",
)
SYMBOLS: Mapping[str, str] = {REFUTES: "✕", WITHIN: "○", UNDECIDED: "?", APART: "-", BROKE: "!"}
TONES: Mapping[str, str] = {
    REFUTES: "refuted",
    WITHIN: "not-refuted",
    UNDECIDED: "inconclusive",
    APART: "apart",
    BROKE: "failed",
}


@dataclass(frozen=True, kw_only=True)
class GridLine:
    """One adversary.

    Attributes:
        adversary: Name.
        statuses: One a coalition, in words.
    """

    adversary: str
    statuses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Adversaries by coalitions.

    Attributes:
        coalitions: As column titles.
        lines: Adversaries, in the order of the scenario.
        reasons: Why cells are not applicable, undecided or failed: whom it concerns, and why.
    """

    coalitions: tuple[str, ...]
    lines: tuple[GridLine, ...]
    reasons: tuple[tuple[str, str], ...]


def grid(cells: Sequence[Cell], findings: Sequence[Finding]) -> Grid:
    """Lay out the cells of one defence in one scenario."""
    coalitions = list(dict.fromkeys(cell.coalition for cell in cells))
    adversaries = dict.fromkeys(str(cell.adversary) for cell in cells)
    by_place = {(str(cell.adversary), cell.coalition): cell for cell in cells}
    lines = tuple(
        GridLine(
            adversary=name,
            statuses=tuple(_status(by_place.get((name, who)), findings) for who in coalitions),
        )
        for name in adversaries
    )
    reasons: dict[str, list[str]] = {}
    for cell in cells:
        if cell.reason:
            named = reasons.setdefault(cell.reason, [])
            named += [str(cell.adversary)] if str(cell.adversary) not in named else []
    return Grid(
        coalitions=tuple(map(title, coalitions)),
        lines=lines,
        reasons=tuple((", ".join(who), why) for why, who in reasons.items()),
    )


def title(coalition: Sequence[str]) -> str:
    """Members in short.

    >>> title(("server/0", "server/2")), title(("public",))
    ('servers 0, 2', 'public')
    """
    servers = [party.partition("/")[2] for party in coalition if party.startswith("server/")]
    if len(servers) == len(coalition) > 1:
        return f"servers {', '.join(servers)}"
    return ", ".join(coalition) or "anybody"


def _status(cell: Cell | None, findings: Sequence[Finding]) -> str:
    if cell is None or cell.status is CellStatus.NOT_APPLICABLE:
        return APART
    if cell.status is CellStatus.FAILED:
        return BROKE
    if any(_refutes(finding, cell) for finding in findings):
        return REFUTES
    return UNDECIDED if cell.status is CellStatus.INCONCLUSIVE else WITHIN


def _refutes(finding: Finding, cell: Cell) -> bool:
    """Whether a row of this adversary and coalition refutes a claim, and is believed."""
    if finding.id not in cell.findings or finding.verdict is not Verdict.REFUTED:
        return False
    usual = finding.threat_model.get("coalition", ())
    return any(
        row.refutes
        and row.adversary == cell.adversary
        and sorted(map(str, row.games.get("coalition", usual))) == sorted(cell.coalition)
        for row in finding.rows
    )
