"""Several scenarios side by side: the same bytes as one after the other, and nothing is dropped."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from latentleak.audits.cells import Cell, CellStatus
from latentleak.audits.config import RunConfig
from latentleak.audits.engine import RunResult, run
from latentleak.audits.folder import RunFolder

QUESTIONS = '''
from dataclasses import dataclass, replace
from typing import ClassVar
from latentleak.adversaries.likelihood_ratio import LikelihoodRatio
from latentleak.scenarios.was_my_image_used import WasMyImageUsed

class Clumsy(LikelihoodRatio):
    """Fails on every view."""

    def attack(self, views, aux, rng):
        raise ValueError("cannot read this")

@dataclass(frozen=True, kw_only=True)
class Canaries(WasMyImageUsed):
    name = "canaries"
    defenses = ("dpagg-ti", "dp-guidance")
    controls = ("plain-mean",)
    games: int = 200

    def arms(self, defense, profile):
        return super().arms(defense, profile)[:1]

    def adversaries(self):
        return {"likelihood ratio": LikelihoodRatio()}

@dataclass(frozen=True, kw_only=True)
class Breaking(Canaries):
    name = "breaking"

    def adversaries(self):
        return {"likelihood ratio": LikelihoodRatio(), "clumsy": Clumsy()}

    def play(self, arm, adversaries, setting):
        if type(arm.defense).__name__ == "Centroid":
            raise RuntimeError("no such release")
        return super().play(arm, adversaries, setting)
'''
"""Two games about releases without a model, one of which breaks down twice."""


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunResult]:
    folder = tmp_path_factory.mktemp("all")
    file = folder / "questions.py"
    file.write_text(QUESTIONS)
    names = (f"{file}:Canaries", f"{file}:Breaking")

    def played(out: str, *, resume: bool = False) -> RunResult:
        config = RunConfig(scenarios=names, model="tiny", alpha=0.01)
        return run(config, out=folder / out, resume=resume)

    return played


@pytest.fixture(scope="module")
def result(play: Callable[..., RunResult]) -> RunResult:
    return play("beside")


def _cells(result: RunResult) -> dict[str, Cell]:
    return {cell.id: cell for cell in result.cells}


def test_what_fails_does_not_stop_the_others(result: RunResult) -> None:
    ids = {finding.id for finding in result.findings}
    assert ids == {
        "canaries/dpagg-ti",
        "canaries/dp-guidance",
        "canaries/plain-mean",
        "breaking/dpagg-ti",
        "breaking/plain-mean",
    }


def test_no_cell_is_dropped_and_failures_say_why(result: RunResult) -> None:
    cells = _cells(result)
    assert len(cells) == 3 + 6
    failed = {name for name, cell in cells.items() if cell.status is CellStatus.FAILED}
    assert failed == {
        "breaking/dpagg-ti/clumsy@public",
        "breaking/plain-mean/clumsy@public",
        "breaking/dp-guidance/clumsy@public",
        "breaking/dp-guidance/likelihood ratio@public",
    }
    assert "cannot read this" in cells["breaking/dpagg-ti/clumsy@public"].reason
    assert "no such release" in cells["breaking/dp-guidance/clumsy@public"].reason
    measured = cells["canaries/dpagg-ti/likelihood ratio@public"]
    assert measured.status is CellStatus.MEASURED
    assert measured.findings == ("canaries/dpagg-ti",)


def test_a_claim_is_not_spared_where_an_adversary_failed(result: RunResult) -> None:
    verdicts = {finding.id: finding.verdict.value for finding in result.findings}
    assert verdicts["breaking/dpagg-ti"] == "INCONCLUSIVE"
    assert verdicts["breaking/plain-mean"] == "REFUTED"
    assert result.exit_status == 4


def test_the_same_bytes_one_after_the_other(
    result: RunResult, play: Callable[..., RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    alone = play("alone")
    for name in ("findings.jsonl", "cells.jsonl"):
        assert (alone.folder / name).read_bytes() == (result.folder / name).read_bytes()


def test_resuming_tries_again_what_failed_and_nothing_else(
    result: RunResult, play: Callable[..., RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    folder = RunFolder(result.folder)
    assert not folder.complete
    kept = folder.trials / "canaries-dpagg-ti-aggregation-canaries.npz"
    before = kept.stat().st_mtime_ns
    again = play("beside", resume=True)
    assert again.cells == result.cells
    assert kept.stat().st_mtime_ns == before
