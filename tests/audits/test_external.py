"""Guesses from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentleak.audits.config import UsageError
from latentleak.audits.external import oblivious
from latentleak.audits.verdict import Verdict


def test_counts_from_elsewhere() -> None:
    common = {"scores": None, "candidates": 6, "slack": 0.02, "alpha": 0.01, "seed": 0}
    assert oblivious(wins=25, games=40, **common)[0] is Verdict.REFUTED
    verdict, facts = oblivious(wins=8, games=40, **common)
    assert verdict is Verdict.INCONCLUSIVE
    assert facts["critical"] == 15
    with pytest.raises(UsageError, match="--wins, --games and --candidates"):
        oblivious(wins=8, games=None, **common)


def test_scores_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "".join(f"{i % 3},{i % 3 == 0:d},{i % 3 == 1:d},{i % 3 == 2:d}\n" for i in range(30))
    )
    rest = {"wins": None, "games": None, "candidates": None, "slack": 0.0, "alpha": 0.01}
    assert oblivious(scores=path, seed=0, **rest)[1]["correct"] == 30
    path.write_text("0,x\n")
    with pytest.raises(UsageError, match="cannot be read"):
        oblivious(scores=path, seed=0, **rest)
