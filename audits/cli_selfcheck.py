"""`latentleak selfcheck`: hold the audits against what they must refute, and what they must not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console

from .config import UsageError
from .verdict import Finding

messages = Console(stderr=True, highlight=False)
records = Console(highlight=False)

SINGLE = ("oblivious", "dp", "he", "ppidm", "membership")
AUDITS = {"dp": 100, "membership": 100, "ppidm": 3}
"""Of each copy, where audits are repeated."""

EPILOG = (
    "Examples:  latentleak selfcheck  |  latentleak selfcheck dp --audits 20  |  "
    "latentleak selfcheck all --json"
)


def selfcheck(
    what: Annotated[
        str | None,
        typer.Argument(help=f"{', '.join(SINGLE)}; all for the full table; none for a quick one."),
    ] = None,
    *,
    seed: Annotated[int, typer.Option(help="Of every random stream.")] = 0,
    audits: Annotated[
        int | None, typer.Option(min=1, help="Of each copy; default 3 for ppidm, else 100.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines.")] = False,
) -> None:
    """Hold audits against broken copies: each must be refuted, honest ones and nulls not."""
    from .terminal import progress_bars

    if what not in (None, "all", *SINGLE):
        raise UsageError(f"what={what!r} must be {', '.join(SINGLE)} or all")
    if audits is not None and what not in AUDITS:
        raise UsageError(f"--audits is for {' and '.join(AUDITS)}; the others audit once")
    with progress_bars(messages) as progress:
        if what in (None, "all"):
            from .selfcheck.joint import FULL, QUICK, check, tables

            lines: Sequence[Any] = check(
                seed=seed, sizes=QUICK if what is None else FULL, progress=progress
            )
            surprises = sum(not each.as_expected for each in lines)
            shown: Sequence[Any] = tables(lines)
        elif what in AUDITS:
            module = import_module(f".selfcheck.{what}", __package__)
            lines = module.check(seed=seed, audits=audits or AUDITS[what], progress=progress)
            surprises = sum(not each.as_expected for each in lines)
            shown = (module.table(lines),)
        else:
            lines = import_module(f".selfcheck.{what}", __package__).check(
                seed=seed, progress=progress
            )
            surprises = sum(each.surprising for each in lines)
            shown = ()
    if as_json:
        _write(json.dumps(each.to_dict(), sort_keys=True, allow_nan=False) for each in lines)
    elif shown:
        for table in shown:
            records.print(table)
    else:
        _print(lines)
    raise typer.Exit(4 if surprises else 0)


def _print(findings: Sequence[Finding]) -> None:
    from .terminal import print_findings

    print_findings(records, findings)


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
