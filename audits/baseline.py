"""The regression gate: what was known of a system, and what changed since.

A baseline is a JSON file: the claims of a run with their verdicts, and those refutations that
somebody accepted, with a reason and a day on which the acceptance ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .config import UsageError
from .verdict import Finding, Role, Verdict

FORMAT = "latentleak-baseline-1"
_ORDER = {Verdict.NOT_REFUTED: 0, Verdict.INCONCLUSIVE: 1, Verdict.REFUTED: 2}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One claim, then and now.

    Attributes:
        id: Of the claim.
        before: Verdict in the baseline, or None if it was not there.
        after: Verdict in the run, or None if it is missing.
        accepted: Why a refutation is accepted, or empty.
        note: What to do about it.
    """

    id: str
    before: Verdict | None
    after: Verdict | None
    accepted: str = ""
    note: str = ""

    @property
    def status(self) -> int:
        """Exit status of this claim alone: 0, 1 (refuted), 3 (inconclusive or missing)."""
        if self.after is Verdict.REFUTED:
            return 0 if self.accepted else 1
        if self.after is None:
            return 3
        worse = self.before is not None and _ORDER[self.after] > _ORDER[self.before]
        return 3 if worse or (self.before is None and self.after is Verdict.INCONCLUSIVE) else 0


def write_baseline(findings: Sequence[Finding], path: Path) -> None:
    """Write the claims of a run; acceptances of an existing file are kept."""
    accepted = read_baseline(path)["accepted"] if path.exists() else []
    claims = {f.id: f.verdict.value for f in findings if f.role is Role.CLAIM}
    content = {"format": FORMAT, "claims": claims, "accepted": accepted}
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_baseline(path: Path) -> dict[str, Any]:
    """Read a baseline.

    Raises:
        UsageError: If the file is missing or no baseline, or an acceptance lacks its reason or
            its end.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        accepted, claims = content["accepted"], content["claims"]
        known = content["format"] == FORMAT
        for entry in accepted:
            date.fromisoformat(entry["expires"])
            known = known and bool(entry["id"]) and bool(entry["reason"].strip())
        values = {name: Verdict(verdict) for name, verdict in claims.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path.name} is not a baseline ({error}): write one with `latentleak baseline`; each "
            'acceptance needs "id", "reason" and "expires" (YYYY-MM-DD)'
        ) from error
    if not known:
        raise UsageError(f"{path.name}: format must be {FORMAT} and every reason a sentence")
    return {"claims": values, "accepted": accepted}


def compare(
    baseline: Mapping[str, Any], findings: Sequence[Finding], *, today: date
) -> tuple[Change, ...]:
    """Hold a run against a baseline, claim by claim, worst first."""
    now = {f.id: f.verdict for f in findings if f.role is Role.CLAIM}
    before: Mapping[str, Verdict] = baseline["claims"]
    changes = []
    for name in sorted({*now, *before}):
        accepted, note = _acceptance(baseline["accepted"], name, today)
        if name not in now:
            note = "the run does not hold this claim: run it, or write the baseline anew"
        changes.append(
            Change(
                id=name,
                before=before.get(name),
                after=now.get(name),
                accepted=accepted,
                note=note,
            )
        )
    return tuple(sorted(changes, key=lambda change: (change.status != 1, change.status != 3)))


def exit_status(changes: Sequence[Change]) -> int:
    """Worst wins: 1, then 3, then 0."""
    statuses = {change.status for change in changes}
    return next((status for status in (1, 3) if status in statuses), 0)


def _acceptance(accepted: Sequence[Mapping[str, str]], name: str, today: date) -> tuple[str, str]:
    for entry in accepted:
        if entry["id"] == name:
            if date.fromisoformat(entry["expires"]) >= today:
                return f"{entry['reason']} (until {entry['expires']})", ""
            return "", f"the acceptance ended on {entry['expires']}"
    return "", ""
