"""Gate a test suite on claims: `addopts = "-p latentleak.audits.pytest_plugin"`.

@pytest.mark.threat("which-prompt")
def test_the_prompt_stays_hidden(claim_holds):
    claim_holds("which-prompt", defense="mine.py:Mine")

Nothing heavy is imported before a test calls `claim_holds`. docs/regression-gate.md has examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .compare import Change
    from .engine import RunResult
    from .verdict import Finding

PROPERTY = "latentleak"
"""First part of the names of properties, in reports and in JUnit XML."""

RUNS = pytest.StashKey[dict[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the plug-in."""
    group = parser.getgroup("latentleak", "claims of privacy")
    group.addoption(
        "--threat",
        action="append",
        default=[],
        metavar="ID",
        help="run only tests marked threat(ID); may be repeated",
    )
    group.addoption(
        "--latentleak-runs",
        metavar="DIR",
        help="keep run folders here instead of in a temporary folder, for `latentleak report`",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "threat(id, ...): which threats a test measures; select them by --threat ID"
    )
    config.stash[RUNS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the chosen threats; one that no test is marked with is an error."""
    wanted = set(config.getoption("threat") or ())
    marked = {item: _threats(item) for item in items}
    _check_ours({name for names in marked.values() for name in names})
    if unknown := sorted(wanted - {name for names in marked.values() for name in names}):
        known = ", ".join(sorted({name for names in marked.values() for name in names}))
        raise pytest.UsageError(f"--threat {unknown[0]}: no test is marked so; marked: {known}")
    if wanted:
        config.hook.pytest_deselected(items=[i for i in items if not wanted & marked[i]])
        items[:] = [item for item in items if wanted & marked[item]]


def _check_ours(names: set[str]) -> None:
    """Ids of `latentleak threats` start with T-; other names are the user's own."""
    if not any(name.startswith("T-") for name in names):
        return
    from .threats import THREATS

    known = {threat.id for threat in THREATS}
    if unknown := sorted(n for n in names if n.startswith("T-") and n not in known):
        raise pytest.UsageError(f"threat({unknown[0]!r}) is not known; see: latentleak threats")


def _threats(item: pytest.Item) -> set[str]:
    return {str(name) for mark in item.iter_markers("threat") for name in mark.args}


@pytest.fixture
def claim_holds(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., RunResult]:
    """Fails the test unless every claim of a scenario holds; see `_Gate.__call__`."""
    told: list[tuple[str, object]] = request.node.user_properties
    told += [(f"{PROPERTY}.threat", name) for name in sorted(_threats(request.node))]
    kept = request.config.getoption("latentleak_runs")
    folder = Path(kept) if kept else tmp_path_factory.getbasetemp() / "latentleak"
    return _Gate(runs=request.config.stash[RUNS], folder=folder, told=told)


class _Gate:
    def __init__(
        self, *, runs: dict[str, Any], folder: Path, told: list[tuple[str, object]]
    ) -> None:
        self._runs = runs
        self._folder = folder
        self._told = told

    def __call__(
        self,
        *scenarios: str,
        claims: Iterable[str] = (),
        allow_inconclusive: Iterable[str] = (),
        baseline: Path | str | None = None,
        **options: Any,
    ) -> RunResult:
        """Run scenarios, once for all tests with the same options, and judge their claims.

        Args:
            *scenarios: Ids or paths.
            claims: Ids of the claims that this test is about; empty takes all.
            allow_inconclusive: Ids of claims that may be INCONCLUSIVE; any other fails the test.
            baseline: A baseline file or a run folder, which may accept refuted claims, and from
                which no claim may differ for the worse.
            **options: As of `latentleak.audits.run`: `defense`, `profile`, `seed`, ...

        Returns:
            The run.
        """
        result = self._run(scenarios, options)
        judged = {f.id: f for f in result.findings if f.role.value == "claim"}
        allowed, chosen = set(allow_inconclusive), set(claims) or set(judged)
        if unknown := sorted((chosen | allowed) - set(judged)):
            known = ", ".join(judged) or "none"
            pytest.fail(f"{unknown[0]!r} is no claim of this run; claims: {known}", pytrace=False)
        changes = {} if baseline is None else _changes(Path(baseline), result.folder)
        chosen |= {name for name in changes if name not in judged and not set(claims)}
        problems = list(_failed(result))
        for name in sorted(chosen):
            problem = _problem(name, judged.get(name), changes.get(name), allowed)
            self._tell(name, judged.get(name), changes.get(name), problem)
            problems += [problem] if problem else []
        if problems or not chosen:
            where = f"run folder: {result.folder}"
            pytest.fail("\n".join([*problems, *([] if chosen else ["no claim"]), where]), False)
        return result

    def _run(self, scenarios: tuple[str, ...], options: dict[str, Any]) -> RunResult:
        from . import run

        key = json.dumps([scenarios, options], sort_keys=True, default=str)
        if key not in self._runs:
            self._folder.mkdir(parents=True, exist_ok=True)
            out = self._folder / f"run-{len(list(self._folder.iterdir())) + 1}"
            self._runs[key] = run(*scenarios, out=out, **options)
        found: RunResult = self._runs[key]
        return found

    def _tell(
        self, name: str, finding: Finding | None, change: Change | None, problem: str
    ) -> None:
        facts: dict[str, object] = {"outcome": "fails" if problem else "holds"}
        if finding is not None:
            facts |= {"verdict": finding.verdict.value, "n": finding.n, "alpha": finding.alpha}
            facts["measured"] = repr(finding).strip("<>").partition(", ")[2]
        if change is not None:
            facts["state"] = change.state.value
        self._told += [(f"{PROPERTY}.{name}.{fact}", value) for fact, value in facts.items()]


def _changes(baseline: Path, folder: Path) -> dict[str, Change]:
    from datetime import datetime, timezone

    from .baseline import load, of_run
    from .compare import compare

    today = datetime.now(timezone.utc).date()
    return {each.id: each for each in compare(load(baseline), of_run(folder), today=today)}


def _failed(result: RunResult) -> Iterator[str]:
    for cell in getattr(result, "cells", ()):
        if cell.status.value == "failed":
            yield f"{cell.id} failed: {cell.reason}"


def _problem(name: str, finding: Finding | None, change: Change | None, allowed: set[str]) -> str:
    """Why a claim fails the test; empty if it does not."""
    if finding is None:
        return f"{name} is gone: the baseline holds it and the run does not"
    said = f"{finding!r}\n  {finding.reason}"
    accepted = change is not None and bool(change.accepted)
    if change is not None and (change.state.value == "worse" or change.lost):
        how = "can no longer be compared with" if change.lost else "is worse than"
        notes = "".join(f"\n  {note}" for note in change.notes)
        return f"{name} {how} the baseline{notes}\n  {said}"
    if finding.verdict.value == "REFUTED" and not accepted:
        return said
    if finding.verdict.value == "INCONCLUSIVE" and not accepted and name not in allowed:
        return f"{said}\n  allow it by allow_inconclusive=[{name!r}], or play more games"
    return ""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line a claim, after the tests, wherever they ran."""
    lines = [
        line
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for line in _lines(report)
    ]
    if lines:
        terminalreporter.section("claims of privacy")
        for line in dict.fromkeys(lines):
            terminalreporter.write_line(line)


def _lines(report: Any) -> Iterator[str]:
    facts: dict[str, dict[str, object]] = {}
    for name, value in report.user_properties:
        first, _, rest = str(name).partition(".")
        claim, _, fact = rest.rpartition(".")
        if first == PROPERTY and claim:
            facts.setdefault(claim, {})[fact] = value
    for claim, found in facts.items():
        state = f" ({found['state']})" if "state" in found else ""
        verdict = f"{found.get('verdict', 'GONE')}{state}"
        yield (
            f"{found['outcome']}  {verdict}  {claim}  {found.get('measured', '')}  {report.nodeid}"
        )
