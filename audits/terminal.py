"""What a person sees in the terminal: threat model first, then progress, then findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..scenarios.contract import Progress as Report
from .verdict import Finding, Role, Row, Verdict

STYLES = {
    Verdict.REFUTED: "bold red",
    Verdict.NOT_REFUTED: "bold green",
    Verdict.INCONCLUSIVE: "bold yellow",
}
SHOWN = 3
"""Rows shown a finding; the report has all."""


@contextmanager
def progress_bars(console: Console) -> Iterator[Report]:
    """One bar a stage on stderr; lines instead of bars where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
                if not console.is_terminal:
                    console.print(f"{label} ({total})")
            bars.update(tasks[label], completed=done, total=total)

        yield report


def announce(console: Console, facts: Mapping[str, Any]) -> None:
    """Print the threat model of a claim before any number."""
    threat = facts["threat_model"]
    console.print(f"[bold]{escape(facts['id'])}[/bold] ({facts['role']})")
    console.print(f"  question     {escape(facts['question'])}")
    console.print(f"  claim        {escape(facts['claim']['statement'])}")
    console.print(f"  assumes      {', '.join(facts['claim']['assumptions'])}")
    console.print(f"  coalition    {', '.join(threat['coalition'])}, {threat['behavior']}")
    console.print(f"  knows        {', '.join(threat['knows'])}")
    console.print(f"  adversaries  {', '.join(facts['adversaries'])}")


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print each finding: verdict, reason, strongest rows, controls."""
    for finding in findings:
        style = STYLES[finding.verdict]
        note = ""
        if finding.role is Role.CONTROL:
            note = "  [red]not as expected[/red]" if finding.surprising else "  as expected"
        console.print(
            f"\n[{style}]{finding.verdict.value}[/{style}]  [bold]{escape(finding.id)}[/bold] "
            f"({finding.role.value}){note}"
        )
        console.print(f"  {escape(finding.reason)}")
        for exact in finding.exact:
            console.print(f"  exact: {_exact(exact)}")
        console.print(_rows(finding))
        for control in finding.controls:
            mark = "holds" if control.holds else "[red]does not hold[/red]"
            console.print(f"  control {mark}: {escape(control.name)}, {escape(control.observed)}")


def _exact(exact: Mapping[str, Any]) -> str:
    if "holds" in exact:
        state = "holds" if exact["holds"] else "[red]does not hold[/red]"
        return f"{escape(exact['name'])} {state}: {escape(exact['statement'])}"
    if "identical" not in exact:
        numbers = [f"{k} {v:.4g}" for k, v in exact.items() if isinstance(v, float)]
        return escape(f"{exact['name']}: {', '.join(numbers)}")
    state = "byte-identical views" if exact["identical"] else "[red]views differ[/red]"
    return (
        f"{state}, {exact['executions']} executions of {exact['templates']} templates on "
        f"{exact['model']}"
    )


def _won(row: Row) -> str:
    return str(row.n) if row.wins is None else f"{row.wins}/{row.n}"


def _rows(finding: Finding) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("adversary", "arm", "games", "estimate", "interval", "adj. p"):
        table.add_column(head, no_wrap=True)
    rows = sorted(finding.rows, key=lambda row: (row.p_adjusted, -row.interval[0]))
    for row in rows[:SHOWN]:
        low, high = row.interval
        table.add_row(
            row.adversary,
            row.arm,
            _won(row),
            f"{row.estimate:+.3f}",
            f"[{low:+.3f}, {high:+.3f}]",
            f"{row.p_adjusted:.2g}",
        )
    if len(rows) > SHOWN:
        table.caption = f"{len(rows) - SHOWN} more in the report"
        table.caption_justify = "left"
    return table
