"""`latentleak audit oblivious --views FILE`: honest sets are spared, each kind of leak is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentleak.audits.config import UsageError
from latentleak.audits.external_views import beyond_prior, views
from latentleak.audits.statistics import at_most, intersection_decoys
from latentleak.audits.verdict import Verdict

SCENES = ("firefighter", "judge", "farmer", "cook", "singer")
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
SKEW = np.array([8, 4, 2, 1, 1, 24, 12, 6, 3, 3]) / 64
ALPHA = 1e-6
"""Each audit in this file refutes a true claim with at most this probability."""

Order = Callable[[list[str], int, np.random.Generator], list[str]]
Feature = Callable[[int, np.random.Generator], Any]


def canonical(rows: list[str], real: int, rng: np.random.Generator) -> list[str]:
    return rows


def real_first(rows: list[str], real: int, rng: np.random.Generator) -> list[str]:
    return [rows[real], *rows[:real], *rows[real + 1 :]]


def subset(rows: list[str], real: int, rng: np.random.Generator) -> list[str]:
    others = [row for row in range(10) if row != real]
    kept = {real, *rng.permutation(others)[:4].tolist()}
    return [row for number, row in enumerate(rows) if number in kept]


def late(real: int, rng: np.random.Generator) -> list[float]:
    return [float(rng.normal()), float(rng.normal() + 0.8 * real)]


def loud(real: int, rng: np.random.Generator) -> list[list[float]]:
    return [[float(rng.normal() + 2 * (row == real))] for row in range(10)]


def silent(real: int, rng: np.random.Generator) -> list[float]:
    return [float(rng.normal()), float(rng.normal())]


def write(
    path: Path,
    *,
    sessions: int = 400,
    requests: int = 2,
    order: Order = canonical,
    feature: Feature | None = None,
    skewed: bool = False,
    seed: int = 0,
) -> Path:
    rng, lines = np.random.default_rng(seed), []
    for session in range(sessions):
        scene = SCENES[int(rng.integers(5))]
        rows = [f"{g} {scene}: {t} skin tone" for g in ("woman", "man") for t in TONES]
        real = int(rng.choice(10, p=SKEW) if skewed else rng.integers(10))
        for _ in range(requests):
            sent = order(list(rows), real, rng)
            record = {"session": session, "chosen": rows[real], "candidates": sent}
            if feature is not None:
                record["features"] = feature(real, rng)
            lines.append(json.dumps(record))
    path.write_text("\n".join(lines) + "\n")
    return path


def audit(path: Path, alpha: float = ALPHA, seed: int = 0) -> dict[str, Any]:
    verdict, record = views(path, slack=0.02, alpha=alpha, seed=seed)
    assert record["verdict"] == verdict.value
    json.dumps(record, allow_nan=False)
    return record


def verdicts(record: dict[str, Any]) -> list[str]:
    return [claim["verdict"] for claim in record["claims"]]


def test_honest_sets_are_refuted_no_more_often_than_alpha(tmp_path: Path) -> None:
    """Fails on correct code with probability 1e-6."""
    audits, alpha, refuted = 60, 0.05, 0
    for seed in range(audits):
        path = write(tmp_path / "v", sessions=60, feature=silent, seed=seed)
        refuted += audit(path, alpha, seed)["verdict"] == "REFUTED"
    assert refuted <= at_most(audits, alpha, failure=1e-6)


@pytest.mark.parametrize(
    ("order", "feature", "test"),
    [
        (real_first, None, "first row"),
        (real_first, None, "learned place"),
        (subset, None, "intersection"),
        (canonical, late, "features"),
        (canonical, late, "features, nearest"),
        (canonical, loud, "features"),
    ],
)
def test_each_leak_is_found_by_its_test(
    order: Order, feature: Feature | None, test: str, tmp_path: Path
) -> None:
    record = audit(write(tmp_path / "v", order=order, feature=feature, sessions=1500, requests=3))
    assert verdicts(record) == ["REFUTED", "REFUTED"]
    found = next(each for each in record["tests"] if each["name"] == test)
    assert found["p_adjusted"] <= ALPHA / 2
    assert found["lower"] > 0.02
    assert found["p_beyond_prior"] < 1e-3


def test_a_skewed_prior_refutes_the_measured_claim_alone(tmp_path: Path) -> None:
    record = audit(write(tmp_path / "v", skewed=True, feature=silent, sessions=1500))
    assert verdicts(record) == ["INCONCLUSIVE", "REFUTED"]
    assert "are not uniform" in record["claims"][0]["reason"]
    prior = next(each for each in record["tests"] if each["name"] == "plausibility")
    best = SKEW.max() - 0.1
    assert prior["lower"] <= best
    assert prior["estimate"] > best / 2


def test_a_leak_is_told_from_the_prior(tmp_path: Path) -> None:
    record = audit(write(tmp_path / "v", skewed=True, order=real_first, sessions=1000))
    assert verdicts(record) == ["REFUTED", "REFUTED"]


def test_exact_facts_about_sets(tmp_path: Path) -> None:
    honest = audit(write(tmp_path / "v"))["sets"]
    assert honest["different_sets"] == len(SCENES)
    assert honest["first_violation"] is None
    drawn = audit(write(tmp_path / "v", order=subset))["sets"]
    assert drawn["real_prompt_in_several_sets"] > 700
    moved = audit(write(tmp_path / "v", order=real_first))["sets"]
    assert moved["real_prompt_in_several_sets"] == 0
    assert moved["same_set_in_another_order"] > 300


def test_the_survival_curve_follows_its_closed_form(tmp_path: Path) -> None:
    sessions = 1500
    record = audit(write(tmp_path / "v", order=subset, sessions=sessions, requests=4))
    assert [row["requests"] for row in record["survival"]] == [2, 3, 4]
    for row in record["survival"]:
        exact = intersection_decoys(10, size=5, sessions=row["requests"])
        assert row["closed_form"] == pytest.approx(exact)
        # At most 9 decoys: Hoeffding, fails with probability below 1e-6 each.
        assert abs(row["decoys"] - exact) < 9 * np.sqrt(np.log(2e6) / (2 * sessions))
    kept = audit(write(tmp_path / "v", requests=3))["survival"]
    assert [row["decoys"] for row in kept] == [9.0, 9.0]


def test_tests_that_need_what_is_not_there_say_so(tmp_path: Path) -> None:
    record = audit(write(tmp_path / "v", requests=1))
    assert record["not_run"] == {
        "intersection": "every session has a single request",
        "features": "the file has no features",
    }
    with pytest.raises(UsageError, match="holds 5 sessions; give 20 or more"):
        audit(write(tmp_path / "v", sessions=5))


def test_what_the_views_add_to_the_prior_is_a_valid_p_value() -> None:
    assert beyond_prior(50, 50, 100, slack=0.0) == pytest.approx(1.0)
    assert beyond_prior(100, 0, 100, slack=0.02) < 1e-20
    values = [beyond_prior(wins, 30, 100, slack=0.02) for wins in range(101)]
    assert all(a >= b for a, b in pairwise(values))


def test_the_command(tmp_path: Path) -> None:
    def latentleak(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys; from latentleak.audits.cli import main\n"
            "try: main()\nfinally: assert 'torch' not in sys.modules"
        )
        return subprocess.run(
            [sys.executable, "-c", code, "audit", "oblivious", *arguments],
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )

    write(tmp_path / "good.jsonl", feature=silent)
    write(tmp_path / "bad.jsonl", order=real_first)
    good = latentleak("--views=good.jsonl", "--json")
    assert good.returncode == 3, good.stderr
    assert json.loads(good.stdout)["verdict"] == Verdict.INCONCLUSIVE.value
    bad = latentleak("--views=bad.jsonl")
    assert bad.returncode == 1, bad.stderr
    assert "first row" in bad.stdout
    (tmp_path / "broken.jsonl").write_text('{"session": 1, "chosen": "a", "candidates": ["b"]}\n')
    broken = latentleak("--views=broken.jsonl")
    assert broken.returncode == 2
    assert "line 1: field 'candidates'" in broken.stderr
    assert latentleak("--views=good.jsonl", "--wins=3").returncode == 2
    assert latentleak("--views=none.jsonl").returncode == 2
