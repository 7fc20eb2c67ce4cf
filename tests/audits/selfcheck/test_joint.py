"""All checks in one table: nothing is left out, rates add up, nulls are calibrated."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from latentleak.audits.selfcheck import null
from latentleak.audits.selfcheck.broken_he import BROKEN, HONEST
from latentleak.audits.selfcheck.joint import AUDITS, CHECKS, PARTS, Line, _share, rates, tables
from latentleak.audits.statistics import at_most, clopper_pearson

ALPHA, REPEATED = 0.05, 40

LINES = (
    Line(
        audit="dp",
        name="no clipping",
        kind="broken",
        effect="Anything goes.",
        alpha=ALPHA,
        audits=20,
        refuted=19,
        as_expected=True,
    ),
    Line(
        audit="dp",
        name="aggregation",
        kind="honest",
        effect="",
        alpha=ALPHA,
        audits=20,
        refuted=1,
        as_expected=True,
    ),
    Line(
        audit="he",
        name="kept to the letter",
        kind="null",
        effect="",
        alpha=ALPHA,
        audits=100,
        refuted=30,
        as_expected=False,
    ),
)


@pytest.mark.parametrize("name", list(null.NULLS))
def test_a_claim_that_is_kept_is_refuted_no_more_often_than_alpha(name: str) -> None:
    found = null.refutations(name, audits=REPEATED, alpha=ALPHA, seed=0)
    assert found <= at_most(REPEATED, ALPHA, failure=1e-6)


@pytest.mark.parametrize("name", list(null.NULLS))
def test_one_that_is_exceeded_is_refuted(name: str) -> None:
    assert null.refutations(name, audits=3, alpha=ALPHA, seed=0, exceeded=True) == 3


def test_two_processes_share_all_copies() -> None:
    kinds = (*BROKEN, *HONEST)
    halves = [_share(kinds, number) for number in (0, 1)]
    assert {kind for half in halves for kind in half} == set(kinds)
    assert not set(halves[0]) & set(halves[1])
    assert {name for name, _ in PARTS} == set(CHECKS)
    assert {name for name in CHECKS if (name, 1) in PARTS} == {"oblivious"}
    assert set(AUDITS) == set(CHECKS) - {"null"}
    assert set(null.NULLS) < set(CHECKS)


def test_rates_count_broken_copies_apart_from_what_is_kept() -> None:
    dp, he = rates(LINES)
    assert (dp.detected, dp.broken, dp.alarms, dp.honest) == (19, 20, 1, 20)
    assert (he.detected, he.broken, he.alarms, he.honest) == (0, 0, 30, 100)


def test_a_line_has_its_exact_interval() -> None:
    record = json.loads(json.dumps(LINES[0].to_dict()))
    assert tuple(record["interval"]) == tuple(clopper_pearson(19, 20, alpha=0.05))
    assert record["as_expected"] is True


def test_what_is_not_as_expected_is_red_and_no_copies_no_rate() -> None:
    console = Console(record=True, width=100, color_system="standard", force_terminal=True)
    for table in tables(LINES):
        console.print(table)
    shown = console.export_text(styles=True).splitlines()
    (null_line,) = [line for line in shown if "kept to the letter" in line]
    assert "\x1b[1;31m" in null_line
    (he,) = [line for line in shown if "0 of 0" in line]
    assert "-" in he
    assert replace(LINES[2], refuted=5).interval.low > 0
