"""The threat model: every link leads somewhere, and every gap is said."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from latentleak.audits.catalog import entries, spec_of
from latentleak.audits.source import digests
from latentleak.audits.threat_status import Run, below, outdated, statuses, unmeasured
from latentleak.audits.threats import THREATS, Linddun, by_scenario
from latentleak.audits.threats import unmeasured as without_scenario
from latentleak.audits.threats_page import MARK, section
from latentleak.audits.verdict import Control, Finding, Role, Row, Verdict
from latentleak.defenses.claims import Obliviousness

ROOT = Path(__file__).parents[2]
ATLAS = re.compile(r"AML\.(T\d{4}(\.\d{3})?|M\d{4})")
Make = Callable[..., Finding]


@pytest.fixture
def finding() -> Make:
    row = Row(
        adversary="intersection",
        arm="follow-ups",
        metric="advantage over 1/N",
        n=60,
        wins=9,
        chance=0.1,
        estimate=0.05,
        interval=(-0.1, 0.2),
        p_value=0.3,
        p_adjusted=0.6,
        critical=20,
        detectable=0.2,
        ceiling=0.8,
        alpha=0.01,
        level=0.001,
        swapped={},
        games={},
    )

    def make(**values: object) -> Finding:
        defaults: dict[str, object] = {
            "id": "which-prompt/obclip",
            "scenario": "which-prompt",
            "question": "Which?",
            "defense": {"name": "ObClip", "path": "latentleak.defenses.obclip.protocol:ObClip"},
            "role": Role.CLAIM,
            "expected": None,
            "claim": Obliviousness().to_dict(),
            "verdict": Verdict.NOT_REFUTED,
            "reason": "nothing found",
            "metric": row.metric,
            "estimate": row.estimate,
            "interval": row.interval,
            "ceiling": row.ceiling,
            "detectable": row.detectable,
            "resolution": 0.25,
            "alpha": 0.01,
            "n": 60,
            "rows": (row,),
            "measures": (
                {"name": "success outside the claim", "arm": "mentions", "estimate": 0.9},
                {"name": "no number", "arm": "mentions", "estimate": None},
            ),
            "controls": (Control(name="x", expected="a", observed="a", holds=True),),
        }
        return Finding(**(defaults | values))  # type: ignore[arg-type]

    return make


def _run(*findings: Finding, name: str = "first", started: str = "2026-01-01") -> Run:
    return Run(name=name, started=started, code=digests(), findings=findings)


def test_identifiers_and_categories() -> None:
    ids = [threat.id for threat in THREATS]
    assert len(set(ids)) == len(ids)
    for threat in THREATS:
        assert re.fullmatch(r"T(-[A-Z]+)+", threat.id)
        assert threat.linddun in Linddun
        assert all(ATLAS.fullmatch(name) for name in (*threat.atlas, *threat.mitigations))
        assert threat.defenses or threat.note, threat.id


def test_links_lead_to_the_catalog() -> None:
    defenses = {entry.id for entry in entries("defense")}
    scenarios = {entry.id for entry in entries("scenario")}
    for threat in THREATS:
        assert set(threat.defenses) <= defenses
        assert threat.measure is not None or threat.note
        if threat.measure is not None:
            kind = spec_of("scenario", threat.measure.scenario).find()
            assert set(threat.defenses) <= set(kind.defenses), threat.id
            assert set(threat.measure.claims) <= {claim.__name__ for claim in kind.about}
    assert all(by_scenario(scenario) for scenario in scenarios)


def test_the_latest_run_counts(finding: Make) -> None:
    old = _run(finding(verdict=Verdict.REFUTED), name="old", started="2026-01-01")
    new = _run(finding(), name="new", started="2026-02-01")
    (found,) = [s for s in statuses([new, old]) if s.threat == "T-CANDIDATE"]
    assert (found.verdict, found.run, found.claimed) == ("NOT_REFUTED", "new", True)
    assert found.changed == ()


def test_several_claims_are_as_bad_as_the_worst(finding: Make) -> None:
    other = finding(id="which-prompt/obclip/other", verdict=Verdict.INCONCLUSIVE)
    (found,) = [s for s in statuses([_run(finding(), other)]) if s.threat == "T-CANDIDATE"]
    assert found.verdict == "INCONCLUSIVE"


def test_rows_and_measures_outside_a_claim_have_no_verdict(finding: Make) -> None:
    found = {s.threat: s for s in statuses([_run(finding())])}
    assert found["T-SESSIONS"].verdict == "measured"
    assert found["T-SESSIONS"].strongest.startswith("intersection: advantage over 1/N +0.050")
    assert found["T-ATTRIBUTE"].strongest.startswith("mentions: success outside the claim 0.900")
    assert not found["T-ATTRIBUTE"].claimed
    assert "T-MARKED" not in found


def test_controls_are_not_verdicts(finding: Make) -> None:
    control = finding(id="which-prompt/plain", role=Role.CONTROL, verdict=Verdict.REFUTED)
    assert {s.defense for s in statuses([_run(finding(), control)])} == {"obclip"}
    assert statuses([_run(control)]) == ()


def test_gaps_are_said(finding: Make) -> None:
    known = statuses([_run(finding())])
    missing = {threat.id for threat in unmeasured(known)}
    assert "T-SHARES" in missing
    assert "T-CANDIDATE" not in missing
    assert {threat.id for threat in without_scenario()} == {
        threat.id for threat in THREATS if threat.measure is None
    }
    assert not missing & {threat.id for threat in without_scenario()}


@pytest.mark.parametrize("package", ["defenses.obclip", "defenses", "scenarios"])
def test_a_run_older_than_its_code_is_told(finding: Make, package: str) -> None:
    run = _run(finding())
    changed = replace(run, code=dict(run.code) | {package: "0" * 64})
    assert outdated(statuses([changed])) == {"first": (package,)}
    assert outdated(statuses([run])) == {}
    other = replace(run, code=dict(run.code) | {"defenses.ppidm": "0" * 64})
    assert outdated(statuses([other])) == {}
    untold = replace(run, code={})
    assert {s.changed for s in statuses([untold])} == {None}


def test_a_defense_of_ones_own_is_told_too(
    finding: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "src" / "mine.py"
    file.parent.mkdir()
    file.write_text("class Mine: ...\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    defense = {"name": "Mine", "path": "mine.py:Mine", "sha256": digest}
    run = _run(finding(id="which-prompt/mine", defense=defense))
    named = replace(run, defense="src/mine.py:Mine")
    assert outdated(statuses([named])) == {}
    file.write_text("class Mine:\n    x = 1\n")
    assert outdated(statuses([named])) == {"first": ("mine.py:Mine",)}
    assert outdated(statuses([run])) == {}


def _write(folder: Path, finding: Finding) -> None:
    folder.mkdir(parents=True)
    (folder / "findings.jsonl").write_text(finding.to_json() + "\n", encoding="utf-8")
    record = {"started": "2026-01-01", "code": digests() | {"scenarios": "0" * 64}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def test_the_command_reads_runs_without_torch(finding: Make, tmp_path: Path) -> None:
    _write(tmp_path / "runs" / "first", finding())
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "findings.jsonl").write_text("{")
    assert [run.name for run in below(tmp_path / "runs")] == ["first"]
    code = (
        "import sys; from latentleak.audits.cli import app;"
        "app(sys.argv[1:], standalone_mode=False);"
        "assert not {'torch', 'scipy', 'diffusers'} & set(sys.modules)"
    )

    def told(*arguments: str) -> str:
        command = [sys.executable, "-c", code, "threats", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    text = told()
    assert "obclip: NOT REFUTED, older than the code (first)" in text
    assert "No scenario measures: T-INTEGRITY" in text
    assert "Older than the code that it measured: first (scenarios changed)" in text
    lines = [json.loads(line) for line in told("runs/first", "--json").splitlines()]
    assert [line["id"] for line in lines] == [threat.id for threat in THREATS]
    assert lines[0]["status"][0]["verdict"] == "NOT_REFUTED"


def test_the_page_holds_the_model() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert text.count(MARK) == 2
    assert text.split(MARK)[1] == section()
