"""JUnit XML that its schema and an independent reader accept: no skip hides a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase
from lxml import etree

from latentleak.audits.cells import Cell, CellStatus, write_cells
from latentleak.audits.report import render
from latentleak.audits.verdict import Finding, Verdict

Make = Callable[..., Finding]
Folder = Callable[..., Path]
SCHEMA = Path(__file__).with_name("data") / "junit-10.xsd"


def _cell(adversary: str | None, status: CellStatus, *findings: str) -> Cell:
    return Cell(
        scenario="which-prompt",
        defense="mine",
        adversary=adversary,
        coalition=("server/0",),
        status=status,
        reason="" if status is CellStatus.MEASURED else f"it is {status.value}",
        findings=findings,
    )


@pytest.fixture
def cases(
    run_folder: Folder, finding: Make, refuted: Make, plain: Make, undecided: Make
) -> dict[str, TestCase]:
    missed = plain(id="which-prompt/dead", verdict=Verdict.NOT_REFUTED)
    odd = refuted(id="which-prompt/odd", reason="\x00 <&> \ud800")
    folder = run_folder([plain(), missed, finding(), undecided(), refuted(), odd])
    write_cells(
        folder,
        [
            _cell("order", CellStatus.FAILED),
            _cell("timing", CellStatus.NOT_APPLICABLE),
            _cell("pivot", CellStatus.MEASURED, "which-prompt/obclip"),
            _cell("size", CellStatus.INCONCLUSIVE, "which-prompt/obclip"),
        ],
    )
    path = render(folder, "junit")
    first = path.read_bytes()
    assert render(folder, "junit").read_bytes() == first
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.fromstring(first))
    suites = JUnitXml.fromfile(str(path))
    assert (suites.tests, suites.failures, suites.errors) == (8, 2, 3)
    return {f"{case.classname}/{case.name}": case for suite in suites for case in suite}


def _kinds(case: TestCase) -> list[type]:
    return [type(result) for result in case.result]


def test_outcomes(cases: dict[str, TestCase]) -> None:
    kind = "Obliviousness"
    assert {name: _kinds(case) for name, case in cases.items()} == {
        f"which-prompt.broken/{kind}": [Failure],
        f"which-prompt.odd/{kind}": [Failure],
        f"which-prompt.obclip/{kind}": [],
        f"which-prompt.plain/{kind} (control)": [],
        f"which-prompt.dead/{kind} (control)": [Error],
        f"which-prompt-timed.obclip/{kind}": [Error],
        "which-prompt.mine/order@server/0": [Error],
        "which-prompt.mine/timing@server/0": [Skipped],
    }


def test_what_a_case_says(cases: dict[str, TestCase]) -> None:
    case = cases["which-prompt.broken/Obliviousness"]
    (failure,) = case.result
    assert (failure.type, failure.message) == ("REFUTED", "residue won 400 of 400 games")
    assert "+0.900 [+0.880, +0.900]" in failure.text
    assert "detectable" not in case.system_out
    assert "would have been found with probability 0.9" in case.system_out
    (skipped,) = cases["which-prompt.mine/timing@server/0"].result
    assert skipped.message == "it is not_applicable"
