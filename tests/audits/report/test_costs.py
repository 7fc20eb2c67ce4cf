"""What a defence costs: one table each, nothing twice, nothing that was not counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from latentleak.audits.report import render
from latentleak.audits.report.costs import HEAD, costs
from latentleak.audits.report.page import load_page
from latentleak.audits.verdict import Finding, Row

Make = Callable[..., Finding]
Folder = Callable[..., Path]

COUNTED = {
    "round_trips": 4,
    "messages": 24,
    "sent": 1_250_000,
    "received": 48_211,
    "served": 24,
    "own": 0,
}
SIZE = {"name": "ciphertext, not compressed", "estimate": 262.144, "unit": "kB", "cost": True}


def counted(row: Row, arm: str, **changed: Any) -> Row:
    values = {f: getattr(row, f) for f in row.__dataclass_fields__}
    return Row(**{**values, "arm": arm, "games": {**row.games, "cost": {**COUNTED, **changed}}})


def test_games_of_equal_cost_are_one_line(
    run_folder: Folder, finding: Make, refuted: Make, row: Callable[..., Row]
) -> None:
    same = [counted(row(), f"arm {number}") for number in range(5)]
    rows = (*same, counted(row(), "dear", sent=3.2e9, own=1.5), row(arm="timed"))
    folder = run_folder([finding(rows=rows), refuted()])
    (found,) = costs(load_page(folder).cards)
    assert (found.name, found.defense) == ("ObClip", "obclip")
    assert found.executions.head == HEAD
    assert [line[0] for line in found.executions.body] == [
        "which-prompt: arm 0; arm 1; and 3 more",
        "which-prompt: dear",
    ]
    assert found.executions.body[0][1:] == ("tiny", "4", "24", "1.25 MB", "48.2 kB", "24", "0")
    assert found.executions.body[1][4:] == ("3.2 GB", "48.2 kB", "24", "1.5")


def test_measures_that_are_costs_stand_there_and_nowhere_else(
    run_folder: Folder, finding: Make
) -> None:
    other = {"name": "min-entropy leakage", "estimate": 0.02, "n": 400}
    folder = run_folder([finding(measures=(SIZE, other)), finding(measures=(SIZE,))])
    page = load_page(folder)
    (found,) = page.costs
    assert [line[0] for line in found.further.body] == [SIZE["name"]]
    assert {line[0] for card in page.cards for line in card.measures.body} == {other["name"]}
    text = render(folder, "md").read_text(encoding="utf-8")
    assert text.count("262.1 kB") == 1
    assert "True" not in text.partition("What each defence costs")[2].partition("##")[0]


def test_the_page_shows_them_with_a_title_for_each_value(
    run_folder: Folder, finding: Make, row: Callable[..., Row]
) -> None:
    folder = run_folder([finding(rows=(counted(row(), "cheap"),), measures=(SIZE,))])
    page = render(folder, "html").read_text(encoding="utf-8")
    table = page.partition('<table class="costs">')[2].partition("</table>")[0]
    assert "<caption" in table
    for head in HEAD[1:]:
        assert f'<th scope="col">{head}</th>' in table
        assert f'data-head="{head}"' in table
    assert "1.25 MB" in table
    assert "262.1 kB" in page


def test_a_run_that_counted_nothing_has_no_such_section(run_folder: Folder, finding: Make) -> None:
    folder = run_folder([finding()])
    for fmt in ("html", "md"):
        assert "What each defence costs" not in render(folder, fmt).read_text(encoding="utf-8")
