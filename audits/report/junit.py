"""A run as JUnit XML: a test suite a scenario, a test case a claim.

A refuted claim is a failure; one that is inconclusive, or games that failed, an error; only what
does not apply is skipped. What passes was not refuted, which is less than proved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..cells import Cell, CellStatus, load_cells
from ..verdict import Verdict
from .cards import Card
from .page import Page
from .read import load_run
from .sarif_location import of_defense

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(folder: Path, page: Page, root: Path | None = None) -> str:
    """The document; equal folders give equal text.

    Args:
        folder: The run.
        page: The same, read.
        root: Folder that paths of source files are relative to.
    """
    run, cells = load_run(folder), load_cells(folder)
    typed = run.get("config", {}).get("defense")
    suites = Element("testsuites", name="latentleak")
    scenarios = [c.finding.scenario for c in page.cards] + [c.scenario for c in cells]
    for scenario in dict.fromkeys(scenarios):
        cards = [c for c in page.cards if c.finding.scenario == scenario]
        cases = [_case(card, root or Path(), typed) for card in cards]
        cases += _cells([cell for cell in cells if cell.scenario == scenario])
        suites.append(_suite(scenario, cases, run))
    for name in ("tests", "failures", "errors"):
        suites.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, "unicode") + "\n"


def _suite(scenario: str, cases: Sequence[Element], run: Mapping[str, Any]) -> Element:
    suite = Element(
        "testsuite",
        name=_text(scenario),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
    )
    if isinstance(started := run.get("started"), str):
        suite.set("timestamp", _text(started))
    properties = SubElement(suite, "properties")
    config = run.get("config", {})
    for name in ("seed", "alpha", "profile"):
        if name in config:
            SubElement(properties, "property", name=name, value=_text(str(config[name])))
    suite.extend(cases)
    return suite


def _case(card: Card, root: Path, typed: object) -> Element:
    finding = card.finding
    where = of_defense(finding.defense, root, typed)
    role = "" if card.is_claim else " (control)"
    label = "/".join(finding.id.split("/")[2:]) or str(finding.claim.get("type", "claim"))
    case = Element(
        "testcase",
        classname=_text(".".join(finding.id.split("/")[:2])),
        name=_text(f"{label}{role}"),
        file=_text(where.path),
        line=str(where.line),
    )
    told = (f"{card.label}: {finding.reason}", card.strongest, card.levels)
    if card.is_claim and finding.verdict is Verdict.REFUTED:
        _outcome(case, "failure", card.label, finding.reason, told)
    elif card.is_claim and finding.verdict is Verdict.INCONCLUSIVE:
        _outcome(case, "error", card.label, finding.reason, told)
    elif finding.surprising:
        _outcome(case, "error", "control missed", card.expectation, told)
    SubElement(case, "system-out").text = _text("\n".join(told))
    return case


def _outcome(case: Element, kind: str, label: str, message: str, told: Sequence[str]) -> None:
    element = SubElement(case, kind, type=_text(label), message=_text(message))
    element.text = _text("\n".join(told))


def _cells(cells: Sequence[Cell]) -> Iterator[Element]:
    """Cells that no finding speaks for."""
    kinds = {CellStatus.FAILED: "error", CellStatus.NOT_APPLICABLE: "skipped"}
    for cell in cells:
        if kind := kinds.get(cell.status):
            case = Element(
                "testcase",
                classname=_text(f"{cell.scenario}.{cell.defense}"),
                name=_text(cell.id.partition("/")[2].partition("/")[2]),
            )
            SubElement(case, kind, type=cell.status.value, message=_text(cell.reason))
            yield case


def _text(text: str) -> str:
    """Text without what XML 1.0 forbids."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
