"""Measures of recovered prompts: estimates, exact intervals, and what stands beside them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from latentleak.audits.case import Case
from latentleak.audits.prompts.measures import measures_of
from latentleak.audits.statistics import clopper_pearson, mean_interval
from latentleak.scenarios.contract import Trials
from latentleak.scenarios.drawn import BLIND, PROMPT
from latentleak.scenarios.recovered_prompts import MATCH, TOKENS, paired

N = 8


def trials(values: dict[str, Any], swapped: dict[str, Any], **facts: Any) -> Trials:
    return Trials(
        arm="full",
        truth=np.zeros(N, dtype=np.int64),
        counts=np.full(N, 4, dtype=np.int64),
        scores={key: np.asarray(value, dtype=np.float64) for key, value in values.items()},
        swapped={key: np.asarray(value, dtype=np.float64) for key, value in swapped.items()},
        facts=facts,
    )


def measured(each: Trials, alpha: float = 0.01) -> dict[str, dict[str, Any]]:
    case = cast(Case, SimpleNamespace(trials=[each]))
    return {m["name"]: dict(m) for m in measures_of(case, alpha=alpha)}


def test_a_share_has_its_exact_interval_and_its_controls() -> None:
    own = np.stack([np.arange(N) < 6, np.full(N, 0.25)], axis=1)
    nothing = np.stack([np.arange(N) < 2, np.full(N, 0.25)], axis=1)
    found = measured(
        trials(
            {f"{PROMPT}/reader": np.zeros((N, 4)), "tone/reader": own, f"tone/{BLIND}": nothing},
            {"tone/reader": nothing},
            majority={"tone": 0.3},
        )
    )
    assert set(found) == {"tone"}
    tone = found["tone"]
    assert tone["estimate"] == 0.75
    assert tuple(tone["interval"]) == tuple(clopper_pearson(6, N, alpha=0.01))
    assert (tone["nothing seen"], tone["swapped views"]) == (0.25, 0.25)
    assert (tone["permuted labels"], tone["majority class"]) == (0.25, 0.3)
    assert (tone["n"], tone["adversary"], tone["arm"]) == (N, "reader", "full")


def test_a_similarity_has_students_interval_cut_at_one() -> None:
    values = np.linspace(0.8, 1.0, N)
    own = np.stack([values, np.zeros(N)], axis=1)
    scores = {f"{TOKENS}/reader": own, f"{TOKENS}/{BLIND}": own / 2}
    found = measured(trials(scores, {}))[TOKENS]
    low, high = mean_interval(values, alpha=0.01)
    assert found["interval"] == pytest.approx([low, min(1.0, high)])
    assert found["nothing seen"] == pytest.approx(values.mean() / 2)
    assert "swapped views" not in found
    assert "majority class" not in found


def test_permuted_labels_are_the_mean_over_all_other_games() -> None:
    table = np.arange(9, dtype=np.float64).reshape(3, 3)
    assert paired(table).tolist() == [[0, 1.5], [4, 4], [8, 6.5]]


def test_scenarios_without_recovered_prompts_have_no_measures() -> None:
    assert measured(trials({f"{PROMPT}/reader": np.zeros((N, 4))}, {})) == {}
    assert MATCH not in measured(trials({f"{MATCH}/{BLIND}": np.zeros((N, 2))}, {}))
