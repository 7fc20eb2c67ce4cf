"""What a person sees in the terminal: threat model first, then progress, then findings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
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
    """One bar on stderr a stage that is not done; lines where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = console.is_terminal
    with Progress(
        *columns, console=console, transient=True, disable=not shown, refresh_per_second=4
    ) as bars:
        tasks: dict[str, Any] = {}

        def report(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
                if not shown:
                    console.print(f"{label} ({total})")
            bars.update(tasks[label], completed=done, total=total, visible=done < total)

        yield report


class Announcer:
    """Prints threat models before any number; what claims have in common, once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: list[Any] = []

    def __call__(self, facts: Mapping[str, Any]) -> None:
        """Print one claim, under the threat model that it is audited in."""
        shared = [facts[key] for key in ("question", "threat_model", "adversaries")]
        if shared != self._said:
            self._said = shared
            threat = facts["threat_model"]
            self._console.print(f"[bold]{escape(facts['question'])}[/bold]")
            self._console.print(
                f"  coalition    {', '.join(threat['coalition'])}, {threat['behavior']}"
            )
            self._console.print(f"  knows        {', '.join(threat['knows'])}")
            self._console.print(f"  adversaries  {', '.join(facts['adversaries'])}")
        self._console.print(f"  [bold]{escape(facts['id'])}[/bold] ({facts['role']})")
        self._console.print(f"    claim      {escape(facts['claim']['statement'])}")
        self._console.print(f"    assumes    {', '.join(facts['claim']['assumptions'])}")


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
        if finding.ceiling is not None:
            most = "nothing" if math.isinf(finding.ceiling) else f"{finding.ceiling:.3f}"
            console.print(f"  a perfect attack would have shown {most}")
        for exact in finding.exact:
            console.print(f"  exact: {_exact(exact)}")
        if finding.rows:
            console.print(_rows(finding))
        for control in finding.controls:
            mark = "holds" if control.holds else "[red]does not hold[/red]"
            console.print(f"  control {mark}: {escape(control.name)}, {escape(control.observed)}")


def print_claims(console: Console, findings: Sequence[Finding]) -> None:
    """Print one row a defence and one column a claim, where a scenario is about several."""
    cells: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        scenario, defense, *label = finding.id.split("/")
        if label:
            cells.setdefault(f"{scenario}/{defense}", {})[label[0]] = finding
    for scenario, names in groupby(cells, key=lambda name: name.split("/")[0]):
        rows = list(names)
        labels = list(dict.fromkeys(label for name in rows for label in cells[name]))
        table = Table(title=scenario, box=None, padding=(0, 1, 0, 0), title_justify="left")
        for head in ("defense", *labels):
            table.add_column(head, overflow="fold")
        for name in rows:
            row = cells[name]
            table.add_row(
                name.split("/")[1],
                *(_cell(row[label]) if label in row else "" for label in labels),
            )
        console.print()
        console.print(table)


def _cell(finding: Finding) -> str:
    words = finding.verdict.value.lower().replace("_", " ")
    return f"[{STYLES[finding.verdict]}]{words}[/]"


def _exact(exact: Mapping[str, Any]) -> str:
    if "holds" in exact:
        state = "holds" if exact["holds"] else "[red]does not hold[/red]"
        return f"{escape(exact['name'])} {state}: {escape(exact['statement'])}"
    if "identical" not in exact:
        numbers = [
            f"{k} {v}" if isinstance(v, int) else f"{k} {v:.4g}"
            for k, v in exact.items()
            if isinstance(v, float | int)
        ]
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
