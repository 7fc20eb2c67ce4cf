"""What was known of a system: a committable file with all that a later run is held against.

A baseline holds the claims of a run with their verdicts, the outcome of every game that a paired
test needs, and what somebody accepted, with a reason and the day on which that ends. A run folder
serves as one too.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from .cells import CellStatus, load_cells
from .config import UsageError
from .folder import write
from .outcomes import Outcomes, outcomes_of
from .report.read import RunFolderError, load_findings, load_run
from .verdict import Finding, Role, Verdict

FORMAT = "latentleak-baseline-2"
MOST = 1_000_000
"""Size that a file stays below [bytes]."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """One claim of a run.

    Attributes:
        id: Of the finding: `scenario/defence`, and the claim's label where there are several.
        verdict: What the evidence supported.
        claim: What was promised.
        metric: Of `estimate`.
        estimate: The strongest row's, or None.
        defense: Digest of the defence's path, fields and, for a file, of its contents.
        outcomes: Of every game, by key.
    """

    id: str
    verdict: Verdict
    claim: Mapping[str, Any]
    metric: str
    estimate: float | None
    defense: str
    outcomes: Mapping[str, Outcomes]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "verdict": self.verdict.value,
            "claim": dict(self.claim),
            "metric": self.metric,
            "estimate": self.estimate,
            "defense": self.defense,
            "outcomes": [self.outcomes[key].to_dict() for key in sorted(self.outcomes)],
        }

    @classmethod
    def from_dict(cls, name: str, record: Mapping[str, Any]) -> Known:
        """Read what `to_dict` wrote."""
        outcomes = [Outcomes.from_dict(each) for each in record["outcomes"]]
        return cls(
            id=name,
            verdict=Verdict(record["verdict"]),
            claim=record["claim"],
            metric=record["metric"],
            estimate=record["estimate"],
            defense=record["defense"],
            outcomes={each.key: each for each in outcomes},
        )


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """A verdict that somebody lives with, for a time.

    Attributes:
        id: Of the claim.
        reason: Why; without one nothing is accepted.
        expires: Last day on which it counts, YYYY-MM-DD.
    """

    id: str
    reason: str = ""
    expires: str = ""

    def problem(self, today: date) -> str:
        """Why it does not count on that day; empty if it does."""
        if not self.reason.strip():
            return "NOT accepted: the acceptance has no reason"
        try:
            end = date.fromisoformat(self.expires)
        except ValueError:
            return f"NOT accepted: expires={self.expires!r} must be a day, YYYY-MM-DD"
        return "" if end >= today else f"NOT accepted any more: expired on {self.expires}"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A run as later ones are held against it.

    Attributes:
        config: What was run.
        code: Digest of the code that ran, by package; see `source.digests`.
        versions: Of everything that the numbers depend on.
        claims: By id.
        accepted: By the id of the claim.
        failed: Whether a scenario failed, so that claims may be missing.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Known] = field(default_factory=dict)
    accepted: Mapping[str, Acceptance] = field(default_factory=dict)
    failed: bool = False

    def to_json(self) -> str:
        """The file; equal runs give equal bytes."""
        content = {
            "format": FORMAT,
            "config": dict(self.config),
            "code": dict(self.code),
            "versions": dict(self.versions),
            "claims": {name: known.to_dict() for name, known in self.claims.items()},
            "accepted": [
                {"id": each.id, "reason": each.reason, "expires": each.expires}
                for each in self.accepted.values()
            ],
        }
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"

    def accept(self, names: Iterable[str], *, reason: str, expires: str, today: date) -> Baseline:
        """The same with further acceptances.

        Raises:
            UsageError: If a claim is unknown or not refuted or inconclusive, the reason is empty,
                or the day is none or past.
        """
        added = {}
        for name in names:
            if name not in self.claims:
                known = ", ".join(self.claims) or "none"
                raise UsageError(f"--accept {name} is not a claim of this run; claims: {known}")
            if self.claims[name].verdict is Verdict.NOT_REFUTED:
                raise UsageError(f"--accept {name}: it is NOT_REFUTED, nothing to accept")
            added[name] = Acceptance(id=name, reason=reason, expires=expires)
            if problem := added[name].problem(today):
                raise UsageError(f"--accept {name} needs --reason and --expires: {problem}")
        return replace(self, accepted={**self.accepted, **added})


def load(path: Path) -> Baseline:
    """Read a baseline file, or a run folder as one.

    Raises:
        UsageError: If it is neither.
    """
    return read(path) if path.is_file() else of_run(path)


def of_run(folder: Path) -> Baseline:
    """The claims of a run folder, nothing accepted.

    Raises:
        UsageError: If it is not a finished run.
    """
    try:
        findings, record = load_findings(folder), load_run(folder)
        failed = any(cell.status is CellStatus.FAILED for cell in load_cells(folder))
    except RunFolderError as error:
        raise UsageError(str(error)) from error
    return Baseline(
        config=record.get("config", {}),
        code=record.get("code", {}),
        versions=record.get("versions", {}),
        claims={f.id: _known(folder, f) for f in findings if f.role is Role.CLAIM},
        failed=failed,
    )


def read(path: Path) -> Baseline:
    """Read a baseline file.

    An acceptance without a reason, or past its day, is read; `Acceptance.problem` says that it
    does not count.

    Raises:
        UsageError: If the file cannot be read, or is no baseline.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
        if found != FORMAT:
            raise ValueError(f"format={found!r} must be {FORMAT!r}")
        claims = {name: Known.from_dict(name, each) for name, each in content["claims"].items()}
        accepted = [
            Acceptance(**{name: str(value) for name, value in each.items()})
            for each in content["accepted"]
        ]
        versions, code, config = content["versions"], content["code"], content["config"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path.name} is not a baseline ({error}): write one with "
            "`latentleak baseline RUN -o FILE`; an acceptance has id, reason and expires"
        ) from error
    return Baseline(
        config=config,
        code=code,
        versions=versions,
        claims=claims,
        accepted={each.id: each for each in accepted},
    )


def save(baseline: Baseline, path: Path) -> int | None:
    """Write a baseline; acceptances of an existing file are kept.

    Returns:
        How many games of each adversary are kept, where all of them would not fit into `MOST`
        bytes: the first ones, which are as good as any. None where all are.

    Raises:
        UsageError: If the file exists and is no baseline, or even the claims alone are too large.
    """
    if path.exists():
        baseline = replace(baseline, accepted={**read(path).accepted, **baseline.accepted})
    kept, text = None, baseline.to_json()
    while len(text.encode()) >= MOST:
        longest = max(
            (each.values.size for known in baseline.claims.values() for each in _all(known)),
            default=0,
        )
        if longest < 2:
            raise UsageError(f"{path.name} would exceed {MOST} bytes: baseline fewer scenarios")
        kept = longest // 2
        baseline = _first(baseline, kept)
        text = baseline.to_json()
    write(path, text)
    return kept


def _all(known: Known) -> Iterable[Outcomes]:
    return known.outcomes.values()


def _first(baseline: Baseline, games: int) -> Baseline:
    claims = {
        name: replace(
            known,
            outcomes={k: replace(o, values=o.values[:games]) for k, o in known.outcomes.items()},
        )
        for name, known in baseline.claims.items()
    }
    return replace(baseline, claims=claims)


def _known(folder: Path, finding: Finding) -> Known:
    named = json.dumps(finding.defense, sort_keys=True).encode()
    estimate = finding.estimate
    return Known(
        id=finding.id,
        verdict=finding.verdict,
        claim=finding.to_dict()["claim"],
        metric=finding.metric,
        estimate=estimate if estimate is not None and math.isfinite(estimate) else None,
        defense=hashlib.sha256(named).hexdigest(),
        outcomes={each.key: each for each in outcomes_of(folder, finding)},
    )
