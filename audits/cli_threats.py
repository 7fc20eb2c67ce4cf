"""`latentleak threats`: the threat model, with what runs say about it. No torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from .threat_status import Run, Status
    from .threats import Threat

EPILOG = "Examples:  latentleak threats  |  latentleak threats runs/first runs/second --json"
STYLES = {"REFUTED": "bold red", "INCONCLUSIVE": "yellow", "NOT_REFUTED": "green"}
records = Console(highlight=False)
messages = Console(stderr=True, highlight=False)


def threats(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders; default: all in runs/.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a threat.")] = False,
) -> None:
    """Print the threat model: who measures each threat, who claims against it, latest verdicts."""
    from .threat_status import statuses
    from .threats import THREATS

    found = _runs(runs)
    known = statuses(found)
    if as_json:
        for threat in THREATS:
            own = [status.to_dict() for status in known if status.threat == threat.id]
            line = json.dumps(threat.to_dict() | {"status": own}, sort_keys=True)
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return
    for threat in THREATS:
        _print(threat, known)
    _print_gaps(known, any_run=bool(found))


def _runs(folders: Sequence[Path] | None) -> Sequence[Run]:
    from .config import UsageError
    from .report.read import RunFolderError
    from .threat_status import below, load

    if not folders:
        return below(Path("runs"))
    try:
        return [load(folder) for folder in folders]
    except RunFolderError as error:
        raise UsageError(str(error)) from error


def _print(threat: Threat, known: Sequence[Status]) -> None:
    ids = " ".join((*threat.atlas, *threat.mitigations)) or "no ATLAS technique"
    where = f"measured by {threat.measure.scenario}" if threat.measure else "not measured"
    records.print(f"[bold]{threat.id}[/bold]  {threat.title}", soft_wrap=True)
    facts = f"{threat.attacker}; {threat.linddun.value}; {ids}; {where}"
    lines = [f"[dim]{escape(facts)}[/dim]"]
    if threat.note:
        lines.append(f"[dim]{escape(threat.note)}[/dim]")
    own = [status for status in known if status.threat == threat.id]
    untold = [name for name in threat.defenses if name not in {status.defense for status in own}]
    lines += map(_verdict, own)
    lines += [f"claimed by {', '.join(untold)}: no run"] if untold else []
    for line in lines:
        records.print(f"    {line}", soft_wrap=True)


def _verdict(status: Status) -> str:
    label = status.verdict.replace("_", " ")
    style = STYLES.get(status.verdict, "default")
    claimed = "" if status.claimed else ", not claimed"
    older = ", [yellow]older than the code[/yellow]" if status.changed else ""
    said = f" {escape(status.strongest)}" if status.verdict == "measured" else ""
    run = f" [dim]({escape(status.run)})[/dim]"
    return f"{escape(status.defense)}: [{style}]{label}[/]{said}{claimed}{older}{run}"


def _print_gaps(known: Sequence[Status], *, any_run: bool) -> None:
    from .threat_status import outdated
    from .threat_status import unmeasured as missing
    from .threats import unmeasured

    names = ", ".join(threat.id for threat in unmeasured())
    records.print(f"\nNo scenario measures: {names}", soft_wrap=True)
    if not any_run:
        records.print("No runs: name run folders, or run from a folder that holds runs/.")
        return
    names = ", ".join(threat.id for threat in missing(known)) or "none"
    records.print(f"Not measured by these runs: {names}", soft_wrap=True)
    for run, packages in outdated(known).items():
        text = f"Older than the code that it measured: {run} ({', '.join(packages)} changed)"
        records.print(escape(text), style="yellow", soft_wrap=True)
    untold = sorted({status.run for status in known if status.changed is None})
    for run in untold:
        records.print(escape(f"{run} does not say which code it ran"), style="yellow")
