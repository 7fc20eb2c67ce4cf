"""A run as SARIF 2.1.0, for code scanning.

One result a claim, located at the class of the defence. Fingerprints hold no number, so that a
result is the same one when only its measurements change.

References:
    OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, Sections 3.14 (run),
    3.27 (result) and 3.49 (reportingDescriptor).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..cells import Cell, CellStatus, load_cells
from ..verdict import Finding, Role, Verdict
from .cards import Card
from .page import Page
from .read import load_run
from .sarif_location import Location, of_defense, parse
from .sarif_rules import BY_ID, RULES, Rule, rule_of

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
KINDS = {Verdict.REFUTED: "fail", Verdict.INCONCLUSIVE: "review", Verdict.NOT_REFUTED: "pass"}
STATES = {
    "new": "new",
    "unchanged": "unchanged",
    "worse": "updated",
    "better": "updated",
    "gone": "absent",
}
"""What `compare` calls a state to what SARIF calls it."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a caller may choose.

    Attributes:
        location: Instead of the class of each defence.
        states: Id of a claim to what became of it since a baseline, a key of `STATES`; empty
            without one.
        problems_only: Leave out what passes: some services show every result as an alert.
        docs: Address at which the documentation stands, for `helpUri`.
        root: Folder that paths are relative to.
    """

    location: Location | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    problems_only: bool = False
    docs: str | None = None
    root: Path = field(default_factory=Path)

    def where(self, defense: Mapping[str, Any], typed: object) -> Location:
        """Of a result about `defense`, which the command named `typed`."""
        return self.location or of_defense(defense, self.root, typed)


def to_sarif(folder: Path, page: Page, choices: Choices | None = None) -> str:
    """The log, one run in it; equal folders give equal text."""
    chosen = choices or Choices()
    run, cells = load_run(folder), load_cells(folder)
    typed = run.get("config", {}).get("defense")
    results = list(_results(page.cards, chosen, typed))
    if chosen.problems_only:
        results = [r for r in results if r["kind"] != "pass"]
    used = {result["ruleId"] for result in results}
    rules = [rule for rule in RULES if rule.id in used]
    order = {rule.id: place for place, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = order[result["ruleId"]]
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(run, rules, chosen.docs)},
                "automationDetails": {"id": f"latentleak/{_scenarios(page)}/"},
                "invocations": [_invocation(run, cells)],
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def choices(
    folder: Path,
    *,
    location: str | None,
    baseline: Path | None,
    problems_only: bool,
    docs: str | None = None,
) -> Choices:
    """What a command line says; a baseline is held against the run by paired tests.

    Raises:
        ValueError: The location cannot be read, or the baseline; or `docs` is no address.
    """
    if docs is not None:
        parts = urlsplit(docs)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise ValueError(f"--docs-url {docs!r} must be an address such as https://host/docs")
    found: Mapping[str, str] = {}
    if baseline is not None:
        from ..compare import states

        found = {name: state.value for name, state in states(baseline, folder).items()}
    return Choices(
        location=None if location is None else parse(location),
        states=found,
        problems_only=problems_only,
        docs=docs,
    )


def fingerprint(finding: Finding) -> str:
    """SHA-256 of claim, scenario, defence and coalition, without a number in it."""
    claim = {k: v for k, v in finding.claim.items() if isinstance(v, str) and k != "statement"}
    parts = {
        "claim": claim,
        "assumptions": sorted(map(str, finding.claim.get("assumptions", ()))),
        "scenario": finding.scenario,
        "defense": finding.id.split("/")[1:2],
        "path": finding.defense.get("path"),
        "coalition": sorted(map(str, finding.threat_model.get("coalition", ()))),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _results(cards: Sequence[Card], chosen: Choices, typed: object) -> Iterator[dict[str, Any]]:
    known = set()
    for card in cards:
        known.add(card.finding.id)
        if card.finding.role is Role.CLAIM or card.finding.surprising:
            yield _result(card, chosen, typed)
    first = cards[0].finding.defense if cards else {}
    for name, state in chosen.states.items():
        if STATES[state] == "absent" and name not in known:
            yield {
                "ruleId": "LL-GONE",
                "kind": "review",
                "level": "none",
                "message": {"text": f"{name}: {BY_ID['LL-GONE'].title}."},
                "locations": [_located(chosen.where(first, typed), name)],
                "baselineState": "absent",
            }


def _result(card: Card, chosen: Choices, typed: object) -> dict[str, Any]:
    finding = card.finding
    kind = KINDS[finding.verdict] if card.is_claim else "review"
    where = chosen.where(finding.defense, typed)
    result: dict[str, Any] = {
        "ruleId": rule_of(finding).id,
        "kind": kind,
        "level": "error" if kind == "fail" else "none",
        "message": {"text": _message(card)},
        "locations": [_located(where, finding.id)],
        "partialFingerprints": {"latentleak/v1": fingerprint(finding)},
        "properties": {
            "verdict": finding.verdict.value,
            "scenario": finding.scenario,
            "defense": card.name,
            "coalition": list(finding.threat_model.get("coalition", ())),
            "n": finding.n,
            "alpha": finding.alpha,
        },
    }
    if state := chosen.states.get(finding.id):
        result["baselineState"] = STATES[state]
    return result


def _message(card: Card) -> str:
    statement = str(card.finding.claim.get("statement", card.finding.claim.get("type")))
    said = f"{card.finding.id}: {card.label}. Claim: {statement}. {card.finding.reason}"
    return f"{said.rstrip('.')}. {card.strongest}. {card.levels}"


def _located(where: Location, name: str) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(where.path), "uriBaseId": "SRCROOT"},
            "region": {"startLine": where.line},
        },
        "logicalLocations": [{"fullyQualifiedName": name, "kind": "object"}],
    }


def _driver(run: Mapping[str, Any], rules: Sequence[Rule], docs: str | None) -> dict[str, Any]:
    version = run.get("versions", {}).get("latentleak")
    described = [_descriptor(rule, docs) for rule in rules]
    driver: dict[str, Any] = {"name": "LatentLeak", "rules": described}
    return driver | ({"semanticVersion": version} if version else {})


def _descriptor(rule: Rule, docs: str | None) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title[:1].upper() + rule.title[1:] + "."},
        "fullDescription": {"text": rule.means},
        "help": {"text": rule.fix, "markdown": rule.page()},
        "helpUri": rule.uri(docs),
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["privacy"], "precision": "very-high"},
    }


def _invocation(run: Mapping[str, Any], cells: Sequence[Cell]) -> dict[str, Any]:
    failed = [cell for cell in cells if cell.status is CellStatus.FAILED]
    invocation: dict[str, Any] = {
        "executionSuccessful": not failed,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": f"{cell.id}: {cell.reason}"}} for cell in failed
        ],
    }
    if isinstance(command := run.get("command"), list):
        invocation["commandLine"] = " ".join(map(str, command))
    if isinstance(status := run.get("exit_status"), int):
        invocation["exitCode"] = status
    return invocation


def _scenarios(page: Page) -> str:
    return "+".join(sorted({card.finding.scenario for card in page.cards})) or "none"
