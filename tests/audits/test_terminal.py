"""What a person sees in the terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from latentleak.audits.terminal import Announcer, print_claims, print_findings
from latentleak.audits.verdict import Finding, Role, Verdict


def a_finding(name: str, verdict: Verdict, *, ceiling: float | None = None) -> Finding:
    return Finding(
        id=name,
        scenario=name.split("/")[0],
        question="What?",
        defense={},
        role=Role.CLAIM,
        expected=None,
        claim={},
        verdict=verdict,
        reason="because",
        metric="bits",
        estimate=1.0,
        interval=(1.0, 1.0),
        ceiling=ceiling,
        detectable=0.0,
        resolution=0.25,
        alpha=0.01,
        n=0,
        rows=(),
    )


def a_console() -> Console:
    return Console(width=100, file=io.StringIO(), record=True)


def facts(name: str, coalition: str) -> dict[str, Any]:
    return {
        "id": name,
        "role": "claim",
        "question": "What did it see?",
        "claim": {"statement": "hidden", "assumptions": ["semi-honest"]},
        "threat_model": {"coalition": [coalition], "behavior": "semi-honest", "knows": ["target"]},
        "adversaries": ["reader"],
    }


def test_a_threat_model_that_claims_share_is_said_once_and_before_them() -> None:
    console = a_console()
    announce = Announcer(console)
    for name, coalition in (("s/a/x", "server/0"), ("s/a/y", "server/0"), ("t/a", "server/1")):
        announce(facts(name, coalition))
    lines = console.export_text().splitlines()
    assert sum("coalition" in line for line in lines) == 2
    assert sum("claim " in line for line in lines) == 3
    first = next(i for i, line in enumerate(lines) if "s/a/x" in line)
    assert any("server/0" in line for line in lines[:first])


def test_claims_of_one_scenario_are_one_table() -> None:
    console = a_console()
    print_claims(
        console,
        [
            a_finding("s/good/x", Verdict.NOT_REFUTED),
            a_finding("s/good/y", Verdict.NOT_REFUTED),
            a_finding("s/bad/x", Verdict.REFUTED),
            a_finding("s/bad/y", Verdict.INCONCLUSIVE),
        ],
    )
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "good not refuted not refuted" in lines
    assert "bad refuted inconclusive" in lines


def test_a_scenario_about_one_claim_has_no_table() -> None:
    console = a_console()
    print_claims(console, [a_finding("s/good", Verdict.NOT_REFUTED)])
    assert console.export_text() == ""


def test_ceilings_are_shown_and_tables_without_rows_are_not() -> None:
    console = a_console()
    print_findings(console, [a_finding("s/good", Verdict.NOT_REFUTED, ceiling=0.817)])
    shown = console.export_text()
    assert "0.817" in shown
    assert "adj. p" not in shown
