"""The games of HE-Diffusion about latents and ciphertexts, end to end on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentleak.audits import run
from latentleak.audits.verdict import Verdict

SCENARIO = "latentleak.scenarios.what_did_the_server_see:WhatDidTheServerSee"
SIZES = {"scenario.games": 0, "scenario.curve": 0, "scenario.latents": 12, "scenario.keys": 2}


def verdicts(defense: str, out: Path) -> dict[str, Verdict]:
    result = run(
        SCENARIO, out=out, model="tiny", defense=defense, sealed=False, settings=dict(SIZES)
    )
    return {finding.id.removeprefix("what-did-the-server-see/"): finding.verdict
            for finding in result.findings}  # fmt: skip


@pytest.mark.parametrize(
    ("defense", "distinguished"), [("he-full-encryption", True), ("he-fully-hardened", False)]
)
def test_a_term_in_the_clear_tells_latents_apart(
    defense: str, distinguished: bool, tmp_path: Path
) -> None:
    found = verdicts(defense, tmp_path / "run")
    refuted = found[f"{defense}/indistinguishability"] is Verdict.REFUTED
    assert refuted is distinguished
    assert found["plain/indistinguishability"] is Verdict.REFUTED
    assert found[f"{defense}/128-bits-2018"] is Verdict.NOT_REFUTED
    assert found[f"{defense}/128-bits-2024"] is Verdict.NOT_REFUTED
    # Without a game about pictures nothing is said of them, either way.
    assert found[f"{defense}/hidden-image"] is Verdict.INCONCLUSIVE


def test_as_released_gives_its_key_away_and_fails_the_newer_table(tmp_path: Path) -> None:
    found = verdicts("he-as-released", tmp_path / "run")
    assert found["he-as-released/indistinguishability"] is Verdict.REFUTED
    assert found["he-as-released/128-bits-2018"] is Verdict.NOT_REFUTED
    assert found["he-as-released/128-bits-2024"] is Verdict.REFUTED
