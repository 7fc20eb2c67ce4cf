"""SARIF that the official schema and an independent reader accept, and that says what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sarif import loader

from latentleak.audits.cells import Cell, CellStatus, write_cells
from latentleak.audits.report import render
from latentleak.audits.report.sarif import Choices, choices, fingerprint
from latentleak.audits.report.sarif_location import Location, of_defense, parse
from latentleak.audits.report.sarif_rules import RULES, rule_of
from latentleak.audits.verdict import Finding, Verdict
from latentleak.defenses.claims import (
    DifferentialPrivacy,
    Fidelity,
    Hidden,
    Indistinguishability,
    Obliviousness,
    Offload,
    SecurityLevel,
)

Make = Callable[..., Finding]
Folder = Callable[..., Path]
ROOT = Path(__file__).parents[3]
DATA = Path(__file__).with_name("data")


@pytest.fixture
def full(run_folder: Folder, finding: Make, refuted: Make, plain: Make, undecided: Make) -> Path:
    missed = plain(id="which-prompt/dead", verdict=Verdict.NOT_REFUTED)
    folder = run_folder([plain(), missed, finding(), undecided(), refuted()])
    cell = Cell(
        scenario="which-prompt",
        defense="mine",
        adversary=None,
        coalition=("server/0",),
        status=CellStatus.FAILED,
        reason="RuntimeError: no such layer",
    )
    write_cells(folder, [cell])
    return folder


def _log(folder: Path, choices: Choices | None = None) -> dict[str, Any]:
    text = render(folder, "sarif", choices).read_text(encoding="utf-8")
    log: dict[str, Any] = json.loads(text)
    schema = json.loads((DATA / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(log)
    return log


def _results(folder: Path, choices: Choices | None = None) -> dict[str, dict[str, Any]]:
    results = _log(folder, choices)["runs"][0]["results"]
    named = {r["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]: r for r in results}
    assert len(named) == len(results)
    return named


def test_one_result_a_claim_and_a_missed_control(full: Path) -> None:
    found = {name: (r["kind"], r["level"]) for name, r in _results(full).items()}
    assert found == {
        "which-prompt/broken": ("fail", "error"),
        "which-prompt-timed/obclip": ("review", "none"),
        "which-prompt/obclip": ("pass", "none"),
        "which-prompt/dead": ("review", "none"),
    }
    assert set(_results(full, Choices(problems_only=True))) == set(found) - {"which-prompt/obclip"}


def test_rules_are_those_of_the_results(full: Path) -> None:
    run = _log(full)["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert {r["id"] for r in rules} == {"LL-OB-CANDIDATE", "LL-OB-TIME", "LL-CONTROL"}
    assert all(r["helpUri"] == f"urn:latentleak:rules/{r['id']}" for r in rules)
    assert all(f"# {r['id']}" in r["help"]["markdown"] for r in rules)


@pytest.mark.parametrize("site", ["https://host/docs", "https://host/docs/"])
def test_help_leads_to_the_site_that_is_named(full: Path, site: str) -> None:
    chosen = choices(full, location=None, baseline=None, problems_only=False, docs=site)
    rules = _log(full, chosen)["runs"][0]["tool"]["driver"]["rules"]
    assert rules
    for rule in rules:
        assert rule["helpUri"] == f"https://host/docs/rules/{rule['id']}.html"


@pytest.mark.parametrize(
    "site", ["docs", "host/docs", "file:///docs", "https:///docs", "https://h?x"]
)
def test_an_address_that_leads_nowhere_is_an_error(full: Path, site: str) -> None:
    with pytest.raises(ValueError, match="--docs-url"):
        choices(full, location=None, baseline=None, problems_only=False, docs=site)


def test_the_site_that_is_built_has_a_page_where_help_leads() -> None:
    """Pages are files of `docs/rules`, and the site writes them as `rules/ID.html`."""
    docs = Path(__file__).parents[3] / "docs"
    assert "use_directory_urls: false" in (docs.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert all((docs / "rules" / f"{rule.id}.md").is_file() for rule in RULES)


def test_failed_cells_are_notifications(full: Path) -> None:
    (invocation,) = _log(full)["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"] == "which-prompt/mine/*@server/0: RuntimeError: no such layer"
    assert invocation["commandLine"] == "latentleak run which-prompt --seed 0"


def test_an_independent_reader_counts_the_same(full: Path) -> None:
    render(full, "sarif", Choices(problems_only=True))
    report = loader.load_sarif_file(str(full / "report.sarif"))
    assert report.get_distinct_tool_names() == ["LatentLeak"]
    assert report.get_report().get_issue_count_for_severity("error") == 1
    records = report.get_records()
    assert {r["Code"] for r in records} == {"LL-OB-CANDIDATE", "LL-OB-TIME", "LL-CONTROL"}
    assert "broken.py" in {r["Location"] for r in records}


def test_equal_folders_give_equal_text(full: Path) -> None:
    first = render(full, "sarif").read_bytes()
    assert render(full, "sarif").read_bytes() == first


def test_fingerprints_hold_no_number(finding: Make, refuted: Make) -> None:
    first = finding()
    again = replace(first, n=9999, estimate=0.7, alpha=0.3, verdict=Verdict.REFUTED, rows=())
    assert fingerprint(again) == fingerprint(first)
    tighter = finding(claim=Obliviousness(slack=0.5, candidates=7).to_dict())
    assert fingerprint(tighter) == fingerprint(first)
    others = [
        refuted(),
        finding(claim=Obliviousness(prior="measured").to_dict()),
        finding(scenario="which-prompt-timed"),
        finding(threat_model={"coalition": ["server/0", "server/1"]}),
        finding(id="which-prompt/other"),
    ]
    assert len({fingerprint(each) for each in (first, *others)}) == 6


def test_what_became_of_claims_since_a_baseline(full: Path) -> None:
    states = {
        "which-prompt/broken": "worse",
        "which-prompt/obclip": "unchanged",
        "which-prompt-timed/obclip": "new",
        "which-prompt/old": "gone",
    }
    found = {k: r.get("baselineState") for k, r in _results(full, Choices(states=states)).items()}
    assert found == {
        "which-prompt/broken": "updated",
        "which-prompt/obclip": "unchanged",
        "which-prompt-timed/obclip": "new",
        "which-prompt/old": "absent",
        "which-prompt/dead": None,
    }


def test_locations_are_classes_in_their_files(full: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("x = 1\n\n\nclass Mine:\n    pass\n")
    (tmp_path / "src" / "pack").mkdir(parents=True)
    (tmp_path / "src" / "pack" / "deep.py").write_text("\nclass Deep: ...\n")
    assert of_defense({"path": "mine.py:Mine"}, tmp_path) == Location(path="mine.py", line=4)
    assert of_defense({"path": "pack.deep:Deep"}, tmp_path) == Location(
        path="src/pack/deep.py", line=2
    )
    (tmp_path / "src" / "own.py").write_text("\n\nclass Own: ...\n")
    own = Location(path="src/own.py", line=3)
    assert of_defense({"path": "own.py:Own"}, tmp_path, "src/own.py:Own") == own
    assert of_defense({"path": "../gone.py:Gone"}, tmp_path).line == 1
    shipped = "latentleak.defenses.plain:Plain"
    line = (ROOT / "defenses" / "plain.py").read_text().split("class Plain")[0].count("\n") + 1
    assert of_defense({"path": shipped}, ROOT) == Location(path="defenses/plain.py", line=line)
    installed = of_defense({"path": shipped}, tmp_path)
    assert installed == Location(path="latentleak/defenses/plain.py", line=line)
    assert parse("a/b.py:3") == Location(path="a/b.py", line=3)
    with pytest.raises(ValueError, match="LINE >= 1"):
        parse("a.py:0")
    chosen = Choices(location=parse("a b.py:3"))
    for result in _results(full, chosen).values():
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "a%20b.py"
        assert place["region"] == {"startLine": 3}


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        (Obliviousness(), "LL-OB-CANDIDATE"),
        (Obliviousness(prior="measured"), "LL-OB-PRIOR"),
        (DifferentialPrivacy(epsilon=1, delta=1e-5), "LL-DP-RELEASE"),
        (Hidden(what="image", metric="1 - MSE"), "LL-HE-VIEW"),
        (Hidden(what="prompt", metric="retrieval"), "LL-HE-PROMPT"),
        (Hidden(what="image from one server", metric="1 - MSE"), "LL-MPC-VIEW"),
        (Indistinguishability(advantage=0.1), "LL-HE-ORACLE"),
        (SecurityLevel(bits=128, table="HomomorphicEncryption.org 2018"), "LL-HE-BITS"),
        (Fidelity(metric="PSNR", at_least=30), "LL-MPC-FIDELITY"),
        (Offload(share=0.67), "LL-MPC-OFFLOAD"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_type_of_claim_has_its_rule(claim: Any, rule: str, finding: Make) -> None:
    assert rule_of(finding(claim=claim.to_dict())).id == rule


def test_each_rule_has_its_page() -> None:
    pages = {
        path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs/rules").iterdir()
    }
    assert pages == {rule.id: rule.page() for rule in RULES}
    assert all(re.fullmatch(r"LL(-[A-Z]+)+", rule.id) for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    table = (ROOT / "docs/exports.md").read_text(encoding="utf-8")
    assert re.findall(r"\| \[`(LL-[A-Z-]+)`\]\(rules/\1\.md\)", table) == [r.id for r in RULES]
