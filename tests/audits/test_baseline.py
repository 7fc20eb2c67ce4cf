"""The regression gate and audits of numbers from elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from latentleak.audits.baseline import compare, exit_status, read_baseline, write_baseline
from latentleak.audits.config import UsageError
from latentleak.audits.external import oblivious
from latentleak.audits.verdict import Finding, Role, Verdict

TODAY = date(2026, 6, 1)


def _finding(verdict: Verdict, role: Role = Role.CLAIM) -> Finding:
    return Finding(
        id="s/d",
        scenario="s",
        question="?",
        defense={},
        role=role,
        expected=None,
        claim={},
        verdict=verdict,
        reason="",
        metric="m",
        estimate=None,
        interval=None,
        ceiling=None,
        detectable=None,
        resolution=0.25,
        alpha=0.01,
        n=1,
        rows=(),
    )


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (Verdict.NOT_REFUTED, Verdict.NOT_REFUTED, 0),
        (Verdict.NOT_REFUTED, Verdict.INCONCLUSIVE, 3),
        (Verdict.NOT_REFUTED, Verdict.REFUTED, 1),
        (Verdict.REFUTED, Verdict.REFUTED, 1),
        (Verdict.REFUTED, Verdict.NOT_REFUTED, 0),
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, 0),
    ],
)
def test_every_change_has_its_status(
    before: Verdict, after: Verdict, status: int, tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([_finding(before), replace(_finding(before, Role.CONTROL), id="x")], path)
    known = read_baseline(path)
    assert list(known["claims"]) == ["s/d"]
    changes = compare(known, [_finding(after)], today=TODAY)
    assert exit_status(changes) == status
    assert exit_status(compare(known, [], today=TODAY)) == 3


@pytest.mark.parametrize(("expires", "status"), [("2026-06-01", 0), ("2026-05-31", 1)])
def test_an_acceptance_has_a_reason_and_an_end(expires: str, status: int, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline([_finding(Verdict.REFUTED)], path)
    content = json.loads(path.read_text())
    content["accepted"] = [{"id": "s/d", "reason": "known, fixed in 2.0", "expires": expires}]
    path.write_text(json.dumps(content))
    changes = compare(read_baseline(path), [_finding(Verdict.REFUTED)], today=TODAY)
    assert exit_status(changes) == status
    write_baseline([_finding(Verdict.REFUTED)], path)
    assert len(read_baseline(path)["accepted"]) == 1
    del content["accepted"][0]["reason"]
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match='"reason"'):
        read_baseline(path)


def test_counts_from_elsewhere() -> None:
    common = {"scores": None, "candidates": 6, "slack": 0.02, "alpha": 0.01, "seed": 0}
    assert oblivious(wins=25, games=40, **common)[0] is Verdict.REFUTED
    verdict, facts = oblivious(wins=8, games=40, **common)
    assert verdict is Verdict.INCONCLUSIVE
    assert facts["critical"] == 15
    with pytest.raises(UsageError, match="--wins, --games and --candidates"):
        oblivious(wins=8, games=None, **common)


def test_scores_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "".join(f"{i % 3},{i % 3 == 0:d},{i % 3 == 1:d},{i % 3 == 2:d}\n" for i in range(30))
    )
    rest = {"wins": None, "games": None, "candidates": None, "slack": 0.0, "alpha": 0.01}
    assert oblivious(scores=path, seed=0, **rest)[1]["correct"] == 30
    path.write_text("0,x\n")
    with pytest.raises(UsageError, match="cannot be read"):
        oblivious(scores=path, seed=0, **rest)
