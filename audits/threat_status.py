"""What runs say about each threat: latest verdicts, and whether the code has changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .report.formats import interval, share, signed
from .report.order import rows_worst_first, worst
from .report.read import RunFolderError, load_findings, load_run
from .report.sarif_location import with_folder
from .source import digests
from .threats import THREATS, Measure, Threat
from .verdict import Finding, Role

ALWAYS = ("defenses", "scenarios")
"""Packages that every measurement rests on; that of the defence comes on top."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run.

    Attributes:
        name: Of its folder.
        started: When, as it says itself.
        code: Digest of each package that it ran.
        defense: The defence as the command named it, if it did.
        findings: All of them.
    """

    name: str
    started: str
    code: Mapping[str, str]
    defense: str | None = None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the latest run says about one threat to one defence.

    Attributes:
        threat: Id.
        defense: Id.
        claimed: Whether the defence claims against it.
        verdict: Of the claims, the worst of them; `measured` where single rows are meant.
        strongest: Of those rows or findings, in words.
        run: Name of the run.
        changed: Packages that differ from those that ran; None if the run does not say.
    """

    threat: str
    defense: str
    claimed: bool
    verdict: str
    strongest: str
    run: str
    changed: tuple[str, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def load(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RunFolderError: It cannot be read.
    """
    record = load_run(folder)
    return Run(
        name=folder.name,
        started=str(record.get("started", "")),
        code=record.get("code", {}),
        defense=record.get("config", {}).get("defense"),
        findings=load_findings(folder),
    )


def below(folder: Path) -> tuple[Run, ...]:
    """Every finished run in a folder of runs."""
    found = []
    for path in sorted(each.parent for each in folder.glob("*/findings.jsonl")):
        try:
            found.append(load(path))
        except RunFolderError:
            continue
    return tuple(found)


def statuses(runs: Iterable[Run], threats: Sequence[Threat] = THREATS) -> tuple[Status, ...]:
    """The latest measurement of every threat to every defence, in the order of the threats."""
    newest = sorted(runs, key=lambda run: (run.started, run.name), reverse=True)
    today = digests()
    found: dict[tuple[str, str], Status] = {}
    for threat in threats:
        for run in newest if threat.measure else ():
            for defense, findings in _by_defense(run.findings, threat.measure).items():
                key = (threat.id, defense)
                if key not in found:
                    found[key] = _status(threat, defense, findings, run, today)
    return tuple(found.values())


def unmeasured(known: Iterable[Status], threats: Sequence[Threat] = THREATS) -> tuple[Threat, ...]:
    """Threats that a scenario measures, but none of the runs."""
    seen = {status.threat for status in known}
    return tuple(t for t in threats if t.measure is not None and t.id not in seen)


def outdated(known: Iterable[Status]) -> dict[str, tuple[str, ...]]:
    """Runs that are older than the code they measured, with the packages that changed since."""
    found: dict[str, set[str]] = {}
    for status in known:
        if status.changed:
            found.setdefault(status.run, set()).update(status.changed)
    return {run: tuple(sorted(names)) for run, names in sorted(found.items())}


def _by_defense(findings: Iterable[Finding], measure: Measure | None) -> dict[str, list[Finding]]:
    """Claims; and, where rows are meant, controls of defences that claim something."""
    if measure is None:
        return {}
    own = [f for f in findings if f.scenario == measure.scenario]
    claiming = {_defense(f) for f in own if f.role is Role.CLAIM}
    found: dict[str, list[Finding]] = {}
    for finding in filter(measure.takes, own):
        if measure.partial:
            shown = measure.rows(finding) or measure.records(finding)
            told = bool(shown) and _defense(finding) in claiming
        else:
            told = finding.role is Role.CLAIM
        if told:
            found.setdefault(_defense(finding), []).append(finding)
    return found


def _defense(finding: Finding) -> str:
    return [*finding.id.split("/"), ""][1]


def _status(
    threat: Threat,
    defense: str,
    findings: Sequence[Finding],
    run: Run,
    today: Mapping[str, str],
) -> Status:
    assert threat.measure is not None
    partial = threat.measure.partial
    verdict = worst(finding.verdict for finding in findings)
    return Status(
        threat=threat.id,
        defense=defense,
        claimed=defense in threat.defenses,
        verdict="measured" if partial or verdict is None else verdict.value,
        strongest=_strongest(threat.measure, findings),
        run=run.name,
        changed=_changed(findings[0], run.code, today, run.defense),
    )


def _strongest(measure: Measure, findings: Sequence[Finding]) -> str:
    rows = rows_worst_first(row for finding in findings for row in measure.rows(finding))
    if rows:
        row = rows[0]
        return f"{row.adversary}: {row.metric} {signed(row.estimate)} {interval(row.interval)}"
    records = [record for finding in findings for record in measure.records(finding)]
    if not records:
        return ""
    best = max(records, key=lambda record: float(record["estimate"]))
    who = str(best.get("adversary", best.get("arm", "")))
    return f"{who}: {best['name']} {share(best['estimate'])} {interval(best.get('interval'))}"


def _changed(
    finding: Finding, then: Mapping[str, str], now: Mapping[str, str], typed: object
) -> tuple[str, ...] | None:
    if not then:
        return None
    path = str(finding.defense.get("path", ""))
    module = path.partition(":")[0].split(".")
    inside = [".".join(module[1:end]) for end in range(2, len(module) + 1)]
    names = [n for n in dict.fromkeys((*ALWAYS, *inside)) if n in then or n in now]
    changed = [name for name in names if then.get(name) != now.get(name)]
    return (*changed, *_own(finding, path, typed))


def _own(finding: Finding, path: str, typed: object) -> tuple[str, ...]:
    """A defence in a file of its own, if that file is there and another one than ran."""
    file = Path(with_folder(path, typed).rpartition(":")[0])
    stated = finding.defense.get("sha256")
    if stated is None or not file.is_file():
        return ()
    return () if hashlib.sha256(file.read_bytes()).hexdigest() == stated else (path,)
