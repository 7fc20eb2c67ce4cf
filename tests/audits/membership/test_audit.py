"""Verdicts on trainings, from scores whose law is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from latentleak.audits.case import Case
from latentleak.audits.membership.audit import audit
from latentleak.audits.membership.rows import looks_of
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import (
    Claim,
    Indistinguishability,
    MembershipArea,
    MembershipRate,
    Neighbours,
    TrainingPrivacy,
)
from latentleak.scenarios.contract import Trials
from latentleak.scenarios.trainings import BASELINE

ALPHA = 1e-6
AREA = MembershipArea(at_most=0.6)


def trials(
    shift: float,
    *,
    members: int = 1000,
    others: int = 1000,
    blind: float = 0.0,
    seed: int = 0,
    arm: str = "every attack",
) -> Trials:
    """Normal scores of two attacks and of the baseline, members shifted."""
    rng, truth = np.random.default_rng(seed), np.repeat([1, 0], [members, others])
    truth = rng.permutation(truth)

    def scores(by: float, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return (by * rows + rng.normal(size=len(rows)))[:, None]

    return Trials(
        arm=arm,
        truth=truth,
        counts=np.full(len(truth), 2),
        scores={"loss": scores(shift, truth), "sima": scores(0, truth),
                BASELINE: scores(blind, truth)},
        swapped={name: scores(0, truth[:64]) for name in ("loss", "sima", BASELINE)},
        facts={"queries": {"loss": 1, "sima": 1, BASELINE: 0}},
    )  # fmt: skip


def judged(
    claim: Claim, found: Sequence[Trials], *, plain: Sequence[Trials] | None = None
) -> Finding:
    case = Case(
        id="was-it-in-training/mine",
        scenario="was-it-in-training",
        question="?",
        defense={"name": "Mine"},
        claim=claim,
        role=Role.CLAIM,
        trials=found,
        reference=[trials(5.0, seed=9)] if plain is None else plain,
    )
    return audit(case, alpha=ALPHA, profile="quick", seed=3)


def test_an_attack_that_finds_members_refutes_an_area() -> None:
    """AUC .98: below .85 of 1,000 pairs with probability far less than 1e-6."""
    found = judged(AREA, [trials(3.0)])
    assert found.verdict is Verdict.REFUTED
    assert "loss" in found.reason
    assert found.estimate == pytest.approx(norm.cdf(3 / 2**0.5) - 0.5, abs=0.05)
    assert {c.name for c in found.controls if c.holds} == {
        "swapped views",
        "undefended pipeline",
        "permuted labels",
        "no-model baseline",
    }


def test_a_difference_that_needs_no_model_refutes_nothing() -> None:
    found = judged(AREA, [trials(3.0, blind=3.0)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "without any model" in found.reason


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_control_on_one_side_alone_is_none(shift: float) -> None:
    """The first games, which are played again, are all of others: no claim is judged by that."""
    found = trials(shift)
    first = {name: scores[found.truth == 0][:9] for name, scores in found.scores.items()}
    order = np.argsort(found.truth, kind="stable")
    behind = replace(
        found,
        truth=found.truth[order],
        scores={name: scores[order] for name, scores in found.scores.items()},
        swapped=first,
    )
    finding = judged(AREA, [behind])
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert all(row.swapped == {"n": 9, "p_value": None, "holds": False} for row in finding.rows)
    assert finding.to_json()


def test_scores_at_chance_do_not_refute() -> None:
    """Each of two rows is wrong with probability 5e-7; controls miss at 1e-4 for this seed."""
    found = judged(AREA, [trials(0.0)])
    assert found.verdict is Verdict.NOT_REFUTED
    assert found.detectable is not None
    assert 0 < found.detectable <= found.resolution


def test_attacks_that_find_nothing_anywhere_say_nothing() -> None:
    found = judged(AREA, [trials(0.0)], plain=[trials(0.0, seed=4)])
    assert found.verdict is Verdict.INCONCLUSIVE


def test_few_pairs_say_nothing() -> None:
    assert judged(AREA, [trials(0.0, members=20)]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("others", "verdict"), [(4000, "REFUTED"), (999, "INCONCLUSIVE")])
def test_a_rate_is_spoken_of_with_enough_others(others: int, verdict: str) -> None:
    found = judged(MembershipRate(at_most=0.5), [trials(5.0, others=others)])
    assert found.verdict.value == verdict
    assert len(found.rows) == (2 if others == 4000 else 0)


@pytest.mark.parametrize(
    ("shift", "epsilon", "neighbours", "verdict"),
    [
        (9.0, 0.5, Neighbours.ADD_REMOVE, Verdict.REFUTED),
        (9.0, 1.0, Neighbours.REPLACE_ONE, Verdict.REFUTED),
        (0.0, 0.5, Neighbours.ADD_REMOVE, Verdict.NOT_REFUTED),
        (9.0, 8.0, Neighbours.ADD_REMOVE, Verdict.INCONCLUSIVE),
    ],
)
def test_an_epsilon_by_pairs(
    shift: float, epsilon: float, neighbours: Neighbours, verdict: Verdict
) -> None:
    claim = TrainingPrivacy(epsilon=epsilon, delta=1e-9, neighbours=neighbours)
    found = judged(claim, [trials(shift)])
    assert found.verdict is verdict
    assert (found.rows[0].ceiling > epsilon) == (verdict is not Verdict.INCONCLUSIVE)


def test_measures_hold_every_attack_and_one_p_value_for_the_set() -> None:
    found = judged(AREA, [trials(3.0)])
    named = {(m["name"], m["adversary"]): m for m in found.measures}
    assert ("AUC", BASELINE) in named
    assert named["TPR at FPR 0.001", "loss"]["estimate"] is None
    assert named["dataset inference", "all attacks together"]["p_value"] < 1e-6


def test_arms_that_are_measured_have_no_row() -> None:
    aside = trials(9.0, arm="captions exchanged")
    aside = replace(aside, facts={**aside.facts, "measured": True})
    found = judged(AREA, [trials(0.0), aside])
    assert {row.arm for row in found.rows} == {"every attack"}
    assert {m["arm"] for m in found.measures} == {"every attack", "captions exchanged"}


def test_failed_scores_count_against_the_adversary() -> None:
    broken = trials(9.0)
    failed: Mapping[str, Any] = {k: np.full_like(v, np.nan) for k, v in broken.scores.items()}
    assert judged(AREA, [replace(broken, scores=failed)]).verdict is not Verdict.REFUTED


def test_ties_are_broken_by_fair_coins() -> None:
    """1,000 ties: more than 500 + 5 * 16 wins, or fewer, has probability below 1e-6."""
    tied = trials(0.0)
    same: Mapping[str, Any] = {k: np.zeros_like(v) for k, v in tied.scores.items()}
    won, margin = looks_of([replace(tied, scores=same)])[0].pairs(0)
    assert abs(won.sum() - 500) < 80
    assert not margin.any()


def test_other_claims_are_not_taken() -> None:
    with pytest.raises(TypeError, match="MembershipArea"):
        judged(Indistinguishability(advantage=0.1), [trials(0.0)])
