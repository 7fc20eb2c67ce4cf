"""The command line.

Exit status, worst wins: 0 no claim refuted, 1 a claim refuted, 2 usage, 3 inconclusive, 4 a
scenario or the program failed, 130 interrupted. Progress and messages go to stderr, records to
stdout or files.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from ..defenses.spec import SpecError
from .catalog import entries, spec_of
from .cli_audit import audit
from .cli_gate import gate, gate_status
from .cli_selfcheck import EPILOG as SELFCHECK_EPILOG
from .cli_selfcheck import selfcheck
from .cli_threats import EPILOG as THREATS_EPILOG
from .cli_threats import threats
from .config import RunConfig, UsageError, parse_settings

OK, REFUTED, USAGE, INCONCLUSIVE, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130

app = typer.Typer(
    name="latentleak",
    epilog="Start with: latentleak run which-prompt --out runs/first",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(audit)
app.command(epilog=SELFCHECK_EPILOG)(selfcheck)
app.add_typer(gate)
app.command(epilog=THREATS_EPILOG)(threats)
messages = Console(stderr=True, highlight=False)
records = Console(highlight=False)

Names = Annotated[list[str] | None, typer.Option(help="Id, or CLASS path; may be repeated.")]


def main() -> NoReturn:
    """Entry point: every way to end has a status of its own."""
    from ..targets.errors import TargetError

    try:
        status = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        messages.print("Interrupted. Complete it with the same command and --resume.")
        sys.exit(INTERRUPTED)
    except (UsageError, SpecError, TargetError) as error:
        messages.print(f"[bold]Error:[/bold] {_plain(error)}")
        sys.exit(USAGE)
    except Exception as error:  # the last line of defence: status 4, whatever it was
        show = getattr(error, "show", None)
        if callable(show):
            show()
            sys.exit(USAGE)
        messages.print(_plain(traceback.format_exc()))
        sys.exit(FAILED)
    sys.exit(status if isinstance(status, int) else OK)


def _plain(text: object) -> str:
    from rich.markup import escape

    return escape(str(text))


def _version(asked: bool) -> None:  # noqa: FBT001 - Typer passes it so
    if asked:
        from importlib.metadata import version

        records.print(f"latentleak {version('latentleak')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it, and end.")
    ] = False,
) -> None:
    """Attack privacy-preserving diffusion systems and measure what they really protect."""


@app.command(
    epilog="Examples:  latentleak run which-prompt  |  latentleak run all --profile full --seed 1  "
    "|  latentleak run which-prompt --defense mine.py:Mine --set defense.k=5"
)
def run(
    scenarios: Annotated[list[str], typer.Argument(help="Scenario ids, or 'all'.")],
    *,
    profile: Annotated[str, typer.Option(help="quick (minutes) or full (an hour).")] = "quick",
    defense: Annotated[
        str | None, typer.Option(help="NAME, package.module:Class or file.py:Class.")
    ] = None,
    adversary: Names = None,
    coalition: Annotated[list[str] | None, typer.Option(help="Corrupted parties.")] = None,
    model: Annotated[str, typer.Option(help="embedded, a folder, or a hub id.")] = "embedded",
    local_model: Annotated[str | None, typer.Option(help="The client's own model.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub model.")] = None,
    dtype: Annotated[
        str, typer.Option(help="Of full games: float32, bfloat16, float16.")
    ] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    trials: Annotated[int | None, typer.Option(help="Scored cheap games.")] = None,
    alpha: Annotated[float, typer.Option(help="Of the whole run.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of every random stream.")] = 0,
    threads: Annotated[int, typer.Option(help="Of a sealed adversary.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; default runs/SCENARIOS-PROFILE-SEED.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Complete an interrupted run.")] = False,
    sealed: Annotated[
        bool, typer.Option("--sealed/--open", help="Adversaries in processes of their own.")
    ] = True,
    baseline: Annotated[
        Path | None, typer.Option(help="Exit status against this file or run (see: compare).")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="defense.k=10; may be repeated.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Findings on stdout as JSON lines.")
    ] = False,
) -> None:
    """Play scenarios against a defence, attack, audit, and write a run folder."""
    config = RunConfig(
        scenarios=tuple(scenarios),
        profile=profile,
        defense=defense,
        adversaries=tuple(adversary or ()),
        coalition=tuple(coalition or ()),
        model=model,
        local_model=local_model,
        revision=revision,
        dtype=dtype,
        device=device,
        trials=trials,
        alpha=alpha,
        seed=seed,
        threads=threads,
        sealed=sealed,
        settings=parse_settings(settings or ()),
    )
    from .workers import warm

    warm(config)
    from .baseline import load
    from .cells import failed
    from .engine import run as start
    from .folder import default_folder
    from .terminal import Announcer, print_claims, print_findings, progress_bars

    if baseline is not None:
        load(baseline)
    where = out or default_folder(config)
    with progress_bars(messages) as progress:
        result = start(
            config,
            out=where,
            resume=resume,
            progress=progress,
            announce=Announcer(messages),
        )
    if as_json:
        _write_lines(finding.to_json() for finding in result.findings)
    else:
        print_findings(records, result.findings)
        print_claims(records, result.findings)
    for cell in failed(result.cells):
        messages.print(f"[bold red]failed[/bold red] {_plain(f'{cell.id}: {cell.reason}')}")
    messages.print(f"Run folder: {where}   (page: latentleak report {where})")
    if baseline is None:
        raise typer.Exit(result.exit_status)
    raise typer.Exit(gate_status(baseline, where, console=messages if as_json else records))


@app.command(name="list", epilog="Example:  latentleak list --json")
def list_(*, as_json: Annotated[bool, typer.Option("--json", help="JSON lines.")] = False) -> None:
    """Name every defence, adversary and scenario."""
    if as_json:
        _write_lines(json.dumps(entry.to_dict(), sort_keys=True) for entry in entries())
        return
    table = Table("kind", "id", "what it is", "claim or question", box=None, pad_edge=False)
    for entry in entries():
        table.add_row(entry.kind, f"[bold]{entry.id}[/bold]", entry.summary, entry.claim)
    records.print(table)


@app.command(epilog="Example:  latentleak show obclip")
def show(name: Annotated[str, typer.Argument(metavar="ID", help="See: latentleak list")]) -> None:
    """Describe one defence, adversary or scenario: paper, claim, fields."""
    import dataclasses
    import inspect

    from .catalog import UnknownNameError

    found = [entry for entry in entries() if entry.id == name]
    if not found:
        raise UnknownNameError(f"{name!r} is not known; see: latentleak list")
    for entry in found:
        kind = spec_of(entry.kind, entry.id).find()
        records.print(f"[bold]{entry.id}[/bold] ({entry.kind}), {entry.path}")
        for label, text in (("paper", entry.paper), ("claim", entry.claim)):
            if text:
                records.print(f"{label}: {_plain(text)}")
        records.print(_plain(inspect.getdoc(kind) or ""))
        for each in dataclasses.fields(kind):
            if each.init and each.default is not dataclasses.MISSING:
                records.print(f"  {each.name} = {_plain(repr(each.default))}")


@app.command(
    epilog="Examples:  latentleak report runs/first --format html,latex  |  latentleak report "
    "runs/first --format sarif --sarif-location src/private.py:12 --baseline baseline.json"
)
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    *,
    formats: Annotated[
        str,
        typer.Option("--format", help="html, md, latex, sarif, junit; several with commas."),
    ] = "html",
    sarif_location: Annotated[
        str | None, typer.Option(help="FILE or FILE:LINE instead of the class of each defence.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="sarif: what became of each claim since this file or run.")
    ] = None,
    problems_only: Annotated[
        bool, typer.Option("--problems-only", help="sarif: leave out what passes.")
    ] = False,
    docs_url: Annotated[
        str | None, typer.Option(help="sarif: where this documentation stands, for help links.")
    ] = None,
) -> None:
    """Turn a run folder into a page that a person opens, or a file that another program reads."""
    from .report import render
    from .report.sarif import choices

    try:
        chosen = choices(
            folder,
            location=sarif_location,
            baseline=baseline,
            problems_only=problems_only,
            docs=docs_url,
        )
        for name in formats.split(","):
            records.print(str(render(folder, name.strip(), chosen)), soft_wrap=True)
    except ValueError as error:
        raise UsageError(str(error)) from error


@app.command(
    epilog="Example:  latentleak serve obclip --party server/0 --port 7000 --record views/"
)
def serve(
    defense: Annotated[str, typer.Argument(help="NAME, package.module:Class or file.py:Class.")],
    *,
    party: Annotated[str, typer.Option(help="Which server to be.")] = "server/0",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    record: Annotated[Path | None, typer.Option(help="Folder for the server's view.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the server's coins; default fresh.")] = None,
    model: Annotated[str, typer.Option(help="embedded, a folder, or a hub id.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    settings: Annotated[list[str] | None, typer.Option("--set", help="defense.k=10")] = None,
) -> None:
    """Run one server half over TCP until interrupted."""
    import secrets

    from ..defenses.serve import serve as start
    from ..defenses.wire import Party
    from ..targets.pipeline import load
    from .config import configured

    values = {k.removeprefix("defense."): v for k, v in parse_settings(settings or ()).items()}
    start(
        configured(spec_of("defense", defense).build(), values, "defense"),
        load(model, device=device),
        Party(party),
        host=host,
        port=port,
        record=record,
        seed=secrets.randbits(62) if seed is None else seed,
        ready=lambda bound: messages.print(f"{party} of {defense} listens on {host}:{bound}"),
    )


@app.command(epilog="Example:  latentleak conformance adversary mine.py:Mine")
def conformance(
    kind: Annotated[str, typer.Argument(help="defense or adversary")],
    name: Annotated[str, typer.Argument(help="NAME, package.module:Class or file.py:Class.")],
) -> None:
    """Check that a defence or an adversary keeps the rules."""
    from .conformance import check

    problems = check(kind, name)
    for problem in problems:
        messages.print(f"- {_plain(problem)}")
    records.print(f"{name}: {'does not conform' if problems else 'conforms'}")
    raise typer.Exit(REFUTED if problems else OK)


def _write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
