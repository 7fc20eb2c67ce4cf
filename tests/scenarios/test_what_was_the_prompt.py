"""The games about prompts, end to end on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentleak.audits import run
from latentleak.audits.catalog import spec_of
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.scenarios.recovered_prompts import MATCH, MEASURES, PICTURE, SHARES
from latentleak.scenarios.what_was_the_prompt import WhatWasThePrompt, draw

SIZES = {"scenario.games": 6, "scenario.drawn": 2, "scenario.steps": 2}


def findings(defense: str, out: Path) -> dict[str, Finding]:
    result = run(
        "what-was-the-prompt",
        out=out,
        model="tiny",
        defense=defense,
        adversaries=("nearest-prompt",),
        sealed=False,
        settings=dict(SIZES),
    )
    return {finding.id.removeprefix("what-was-the-prompt/"): finding for finding in result.findings}


def shares(finding: Finding, arm: str) -> dict[str, float]:
    return {
        m["name"]: m["estimate"]
        for m in finding.measures
        if m["arm"] == arm and m["name"] in SHARES
    }


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    return findings("he-as-released", tmp_path_factory.mktemp("released") / "run")


def test_an_encoding_in_the_clear_is_the_prompt(released: dict[str, Finding]) -> None:
    found = released["he-as-released"]
    assert (found.role, found.verdict) == (Role.CLAIM, Verdict.REFUTED)
    assert set(shares(found, "full").values()) == {1.0}
    assert {m["name"] for m in found.measures} == set(MEASURES)
    exact = next(m for m in found.measures if m["name"] == MATCH)
    assert exact["nothing seen"] == 0
    assert exact["swapped views"] <= 1 / 3
    assert next(m for m in found.measures if m["name"] == PICTURE)["n"] == 2


def test_the_undefended_pipeline_is_refuted(released: dict[str, Finding]) -> None:
    assert released["plain"].verdict is Verdict.REFUTED
    assert shares(released["plain"], "full")[MATCH] == 1


def test_all_defences_are_asked_for_the_same_held_out_prompts() -> None:
    scenario = WhatWasThePrompt()
    arms = [
        arm
        for name in ("plain", "he-as-released", "ppidm-real", "obclip")
        for arm in scenario.arms(spec_of("defense", name).build(), "quick")
    ]
    secrets = [draw(arm, seed=0) for arm in arms]
    fewest = min(len(each) for each in secrets)
    assert len({each[:fewest] for each in secrets}) == 1


@pytest.mark.parametrize(("name", "value"), [("games", 1), ("steps", 1), ("drawn", -1)])
def test_sizes_are_checked(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be"):
        WhatWasThePrompt(**{name: value})
