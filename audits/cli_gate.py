"""The regression gate: `latentleak baseline` and `latentleak compare`. No torch.

Exit status of a comparison, worst wins: 1 a claim is refuted and not accepted, or worse than it
was; 4 a scenario of the run failed; 3 a claim is inconclusive and not accepted, or can no longer
be compared; 0 otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from .baseline import Baseline
    from .compare import Change

gate = typer.Typer(rich_markup_mode="rich")
messages = Console(stderr=True, highlight=False)
records = Console(highlight=False)

STYLES = {"worse": "bold red", "gone": "yellow", "new": "cyan", "better": "green"}


@gate.command(
    epilog="Examples:  latentleak baseline runs/first -o baseline.json  |  latentleak baseline "
    "runs/first -o baseline.json --accept which-prompt/mine --reason 'fixed in 2.0' "
    "--expires 2027-01-31"
)
def baseline(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    accept: Annotated[
        list[str] | None,
        typer.Option(help="Id of a claim to live with, refuted or inconclusive; may be repeated."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; for --accept.")] = "",
    expires: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD; for --accept.")] = "",
) -> None:
    """Write a file that later runs are held against; commit it."""
    from .baseline import load, save
    from .config import UsageError

    if not accept and (reason or expires):
        raise UsageError("--reason and --expires go with --accept ID")
    today = _today()
    known = load(source).accept(accept or (), reason=reason, expires=expires, today=today)
    kept = save(known, output)
    size = output.stat().st_size
    messages.print(escape(f"{output}: {len(known.claims)} claims, {size / 1000:.0f} kB"))
    if kept is not None:
        messages.print(f"It holds the first {kept} games of each adversary, to stay below 1 MB.")
    _print_refused(load(output), today)


@gate.command(
    epilog="Examples:  latentleak compare baseline.json runs/second  |  latentleak compare "
    "runs/first runs/second --json"
)
def compare(
    before: Annotated[
        Path, typer.Argument(metavar="BASELINE", help="A baseline file, or a run folder.")
    ],
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    *,
    alpha: Annotated[float, typer.Option(help="Of the whole comparison.")] = 0.01,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a claim.")] = False,
) -> None:
    """Hold a run against a baseline by paired tests; exits with 1 if a claim got worse."""
    raise typer.Exit(gate_status(before, run, alpha=alpha, as_json=as_json))


def gate_status(
    before: Path,
    run: Path,
    *,
    alpha: float = 0.01,
    as_json: bool = False,
    console: Console = records,
) -> int:
    """Compare, print, and return the exit status.

    Raises:
        UsageError: If either cannot be read, or alpha is out of range.
    """
    from .baseline import load

    return hold(load(before), load(run), alpha=alpha, as_json=as_json, console=console)


def hold(
    known: Baseline,
    now: Baseline,
    *,
    alpha: float = 0.01,
    as_json: bool = False,
    console: Console = records,
) -> int:
    """Compare what was read, print, and return the exit status.

    Raises:
        UsageError: If alpha is out of range.
    """
    from .compare import compare as changes_of
    from .compare import exit_status
    from .config import UsageError

    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha {alpha:g} must be > 0 and < 0.5")
    today = _today()
    changes = changes_of(known, now, today=today, alpha=alpha)
    _print_refused(known, today)
    _print_code(known, now)
    if as_json:
        for change in changes:
            sys.stdout.write(json.dumps(change.to_dict(), sort_keys=True) + "\n")
        sys.stdout.flush()
    else:
        print_changes(console, changes)
    if now.failed:
        messages.print("[bold red]A scenario of the run failed[/bold red]: see its cells.jsonl.")
    return exit_status(changes, failed=now.failed)


def print_changes(console: Console, changes: Sequence[Change]) -> None:
    """A paragraph a claim, worst first."""
    for change in changes:
        state = change.state.value
        style = STYLES.get(state, "dim")
        before, after = (v.value if v else "-" for v in (change.before, change.after))
        console.print(
            f"[{style}]{state:9}[/] {escape(change.id)}: {before} -> {after}", soft_wrap=True
        )
        said = [_measured(change), change.accepted and f"accepted: {change.accepted}"]
        for line in (*filter(None, said), *change.notes):
            console.print(f"          {escape(line)}", soft_wrap=True)


def _measured(change: Change) -> str:
    shift = change.shift
    if shift is None or change.p_worse is None or change.p_better is None:
        return ""
    p = change.p_better if change.state.value == "better" else change.p_worse
    moved = f"{shift.before:.3f} -> {shift.after:.3f} in {shift.n} games"
    if shift.paired:
        moved += f", {shift.up} up and {shift.down} down"
    told = f"; {change.tells} games one way would have been found" if change.tells else ""
    return (
        f"{change.key}: {moved}, {shift.test}, adjusted p = {p:.2g} (alpha {change.alpha:g}){told}"
    )


def _print_refused(known: Baseline, today: date) -> None:
    for entry in known.accepted.values():
        problem = entry.problem(today)
        if entry.id not in known.claims:
            problem = problem or "the baseline holds no such claim"
        if problem:
            messages.print(f"[bold red]{escape(entry.id)}: {escape(problem)}[/bold red]")


def _print_code(known: Baseline, now: Baseline) -> None:
    names = sorted({*known.code, *now.code})
    changed = [name for name in names if known.code.get(name) != now.code.get(name)]
    if changed:
        messages.print(escape(f"Code of latentleak that changed: {', '.join(changed)}"))


def _today() -> date:
    return datetime.now(timezone.utc).date()
