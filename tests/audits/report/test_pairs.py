"""The matrix: worst on top, nothing left out, and the commands that repeat it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from latentleak.audits.cells import Cell, CellStatus, write_cells
from latentleak.audits.report import load_page
from latentleak.audits.report.commands import alone, whole
from latentleak.audits.report.grid import APART, BROKE, REFUTES, UNDECIDED, WITHIN, grid, title
from latentleak.audits.verdict import Finding, Row, Verdict

Make = Callable[..., Finding]
Folder = Callable[..., Path]


def _cell(adversary: str | None, status: CellStatus, **values: Any) -> Cell:
    defaults: dict[str, Any] = {
        "scenario": "which-prompt",
        "defense": "broken",
        "coalition": ("server/0",),
        "reason": "" if status is CellStatus.MEASURED else "why",
        "findings": ("which-prompt/broken",) if status is not CellStatus.FAILED else (),
    }
    return Cell(adversary=adversary, status=status, **(defaults | values))


def test_worst_on_top_and_controls_last(
    run_folder: Folder, finding: Make, refuted: Make, plain: Make, undecided: Make
) -> None:
    found = load_page(run_folder([plain(), finding(), undecided(), refuted()])).overview
    assert [pair.defense for pair in found.pairs] == ["broken", "obclip", "obclip", "plain"]
    assert [pair.label for pair in found.pairs][:3] == ["REFUTED", "INCONCLUSIVE", "NOT REFUTED"]
    assert [line.defense for line in found.lines] == ["broken", "obclip", "plain"]
    assert len(found.questions) == 2
    assert all(len(line.places) == 2 for line in found.lines)
    assert found.lines[0].places[1] == "not part of this run"


def test_a_failed_pair_without_findings_is_shown_above_what_is_undecided(
    run_folder: Folder, undecided: Make
) -> None:
    folder = run_folder([undecided()])
    write_cells(folder, [_cell(None, CellStatus.NOT_APPLICABLE, defense="other", findings=())])
    assert [pair.defense for pair in load_page(folder).overview.pairs] == ["obclip"]
    lost = _cell("order", CellStatus.FAILED, reason="RuntimeError: no memory")
    absent = _cell(None, CellStatus.NOT_APPLICABLE, scenario="which-prompt-timed", findings=())
    write_cells(folder, [lost, absent])
    found = load_page(folder).overview
    assert [(pair.defense, pair.label) for pair in found.pairs] == [
        ("broken", "FAILED"),
        ("obclip", "INCONCLUSIVE"),
    ]
    assert found.pairs[0].failed == ("RuntimeError: no memory",)
    broken = next(line for line in found.lines if line.defense == "broken")
    assert broken.places[1] == "why"


def test_every_cell_has_its_word(refuted: Make, row: Callable[..., Row]) -> None:
    strong = row(adversary="residue", p_adjusted=1e-9)
    finding = refuted(rows=(strong, row(adversary="size", p_adjusted=1.0)))
    cells = [
        _cell("residue", CellStatus.MEASURED),
        _cell("size", CellStatus.MEASURED),
        _cell("order", CellStatus.INCONCLUSIVE),
        _cell("timing", CellStatus.NOT_APPLICABLE),
        _cell("pivot", CellStatus.FAILED),
    ]
    found = grid(cells, [finding])
    assert [line.statuses for line in found.lines] == [
        (REFUTES,),
        (WITHIN,),
        (UNDECIDED,),
        (APART,),
        (BROKE,),
    ]
    assert found.reasons == (("order, timing, pivot", "why"),)


def test_a_row_of_one_coalition_does_not_refute_another(
    refuted: Make, row: Callable[..., Row]
) -> None:
    both = ("server/0", "server/1")
    strong = row(adversary="sum", p_adjusted=1e-9, games={"coalition": list(both)})
    cells = [
        _cell("sum", CellStatus.MEASURED, coalition=both),
        _cell("sum", CellStatus.MEASURED, coalition=("server/0",)),
    ]
    found = grid(cells, [refuted(rows=(strong,))])
    assert found.coalitions == ("servers 0, 1", "server/0")
    assert found.lines[0].statuses == (REFUTES, WITHIN)
    assert title(()) == "anybody"


def test_findings_of_another_origin_stand_for_their_cells(
    run_folder: Folder, finding: Make
) -> None:
    (pair,) = load_page(run_folder([finding()])).overview.pairs
    assert [line.adversary for line in pair.grid.lines] == ["position", "pivot"]
    assert load_page(run_folder([finding()])).overview.counts == ((WITHIN, 2),)


@pytest.mark.parametrize(
    ("config", "command"),
    [
        (
            {"scenarios": ["all"], "seed": 3, "profile": "quick", "alpha": 0.01},
            "latentleak run which-prompt --defense obclip --profile quick --seed 3",
        ),
        (
            {"scenarios": ["which-prompt"], "defense": "a b.py:Mine", "seed": 0},
            None,
        ),
        ({}, None),
    ],
)
def test_the_command_of_one_question(
    run_folder: Folder, finding: Make, config: dict[str, Any], command: str | None
) -> None:
    cards = load_page(run_folder([finding()])).cards
    found = alone({"config": config}, "which-prompt", "obclip", cards)
    assert (found and found[0]) == command


def test_the_command_of_the_run_is_quoted() -> None:
    found = whole({"command": ["latentleak", "run", "all", "--defense", "my file.py:Mine"]})
    assert found is not None
    assert found[0] == "latentleak run all --defense 'my file.py:Mine'"
    assert whole({}) is None


def test_verdicts_of_a_pair_are_as_bad_as_the_worst(
    run_folder: Folder, finding: Make, refuted: Make
) -> None:
    ids = ("which-prompt/obclip/picture", "which-prompt/obclip/prompt")
    folder = run_folder([finding(id=ids[0]), refuted(id=ids[1])])
    (pair,) = load_page(folder).overview.pairs
    assert pair.verdict is Verdict.REFUTED
    assert len(pair.cards) == 2
