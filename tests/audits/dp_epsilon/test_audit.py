"""The verdict: what refutes, what is not judged, and which control takes the word back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from latentleak.audits.case import Case
from latentleak.audits.dp_epsilon.audit import audit
from latentleak.audits.dp_epsilon.rows import above_chance, looks_of
from latentleak.audits.report import words
from latentleak.audits.statistics import at_most
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import DifferentialPrivacy, Obliviousness
from latentleak.defenses.dp_adaptation.gaussian import gaussian_mu
from latentleak.scenarios.contract import Trials

SCHEMA = json.loads((Path(words.__file__).parent / "finding.schema.json").read_text())
CLAIM = DifferentialPrivacy(epsilon=1.0, delta=1e-5)
MU = gaussian_mu(CLAIM.epsilon, CLAIM.delta)
FACTS = {
    "law": "gaussian",
    "rate": 1.0,
    "rounds": 1,
    "group": 1,
    "sealed": True,
    "timed": False,
    "control_of": "",
    "target": {"spec": "tiny", "digests": {}},
}


def trials(
    mu: float, *, arm: str = "canaries", games: int = 4000, seed: int = 0, **values: Any
) -> Trials:
    """Games whose scores lie mu standard deviations apart; swapped views say nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=games)
    scores = rng.standard_normal(games) + mu * truth
    names: Mapping[str, Any] = values.pop("scores", {"likelihood ratio": scores[:, None]})
    swapped = {name: rng.permutation(each) for name, each in names.items()}
    return Trials(
        arm=arm,
        truth=truth,
        counts=np.full(games, 2),
        scores=names,
        swapped=values.pop("swapped", swapped),
        facts={**FACTS, **values},
    )


def case(*arms: Trials, **values: Any) -> Case:
    defaults: dict[str, Any] = {
        "id": "was-my-image-used/dpagg-ti",
        "scenario": "was-my-image-used",
        "question": "Was my image used?",
        "defense": {"name": "Aggregation"},
        "claim": CLAIM,
        "role": Role.CLAIM,
        "trials": arms,
        "reference": (trials(9.0, seed=99),),
        "threat_model": {
            "coalition": ["public"],
            "behavior": "semi-honest",
            "knows": ["target"],
            "queries": 1,
        },
    }
    return Case(**(defaults | values))


def verdict(*arms: Trials, alpha: float = 1e-6, profile: str = "quick", **values: Any) -> Finding:
    return audit(case(*arms, **values), alpha=alpha, profile=profile, seed=0)


def test_an_honest_release_is_not_refuted_and_half_the_noise_is() -> None:
    assert verdict(trials(MU)).verdict is Verdict.NOT_REFUTED
    found = verdict(trials(2 * MU))
    assert found.verdict is Verdict.REFUTED
    assert "epsilon of at least" in found.reason
    assert found.estimate is not None
    assert found.estimate > 1


def test_an_honest_release_is_refuted_no_more_often_than_alpha() -> None:
    runs, alpha = 200, 0.05
    found = sum(
        verdict(trials(MU, games=300, seed=seed), alpha=alpha).verdict is Verdict.REFUTED
        for seed in range(runs)
    )
    assert found <= at_most(runs, alpha=alpha)  # 1 - 1e-6 quantile


def test_a_finding_is_valid_json_of_the_schema() -> None:
    found = verdict(trials(MU), trials(3.0, arm="group of 4", group=4))
    record = json.loads(found.to_json())
    Draft202012Validator(SCHEMA).validate(record)
    assert Finding.from_dict(record).to_json() == found.to_json()


def test_groups_are_measured_and_not_judged() -> None:
    found = verdict(trials(MU), trials(4 * MU, arm="group of 4", group=4))
    assert found.verdict is Verdict.NOT_REFUTED
    assert {row.arm for row in found.rows} == {"canaries"}
    measured = [m for m in found.measures if m["name"] == "epsilon of 4 records"]
    assert max(m["estimate"] for m in measured) > 2
    assert measured[0]["implied by the claim if Gaussian"] > 4


def test_retrieval_is_measured() -> None:
    games, most = 300, 10
    truth = np.random.default_rng(0).integers(most, size=games)
    scores = np.zeros((games, most))
    scores[np.arange(games), truth] = 1
    arm = Trials(
        arm="which image",
        truth=truth,
        counts=np.full(games, most),
        scores={"subtraction": scores},
        swapped={"subtraction": scores[::-1].copy()},
        facts=FACTS,
    )
    found = verdict(trials(MU), arm)
    (measure,) = (m for m in found.measures if m["name"] == "retrieval among 10")
    assert measure["estimate"] == 1.0
    assert measure["chance"] == 0.1


def test_too_few_games_are_inconclusive() -> None:
    found = verdict(trials(MU, games=60), alpha=0.01)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "play more games" in found.reason
    assert verdict(trials(MU), profile="full").verdict is Verdict.INCONCLUSIVE


def test_a_cheat_does_not_refute_and_takes_the_claims_word() -> None:
    honest = trials(2 * MU)
    cheat = replace(honest, swapped=honest.scores)  # other views, the same guesses
    found = verdict(cheat)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "swapped views" in found.reason


def test_re_keyed_games_must_agree() -> None:
    same = trials(MU, arm="re-keyed", seed=5, control_of="canaries")
    other = trials(9.0, arm="re-keyed", seed=5, control_of="canaries")
    assert verdict(trials(MU), same).verdict is Verdict.NOT_REFUTED
    found = verdict(trials(MU), other)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "re-keyed games" in found.reason


def test_an_attack_that_never_works_supports_nothing() -> None:
    found = verdict(trials(MU), reference=(trials(0.0, seed=3),))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "release without noise" in found.reason


def test_scores_that_are_not_normal_do_not_refute_by_the_gaussian_bound() -> None:
    rng = np.random.default_rng(0)
    truth = np.random.default_rng(0).integers(2, size=4000)
    heavy = rng.standard_cauchy(4000) * 1e-3 + 0.4 * truth
    found = verdict(trials(0.0, scores={"likelihood ratio": heavy[:, None]}))
    gaussian = next(row for row in found.rows if "gaussian" in row.metric)
    assert gaussian.p_value == 1.0
    assert "normality, p" in gaussian.games


def test_which_bound_is_used_is_fixed_by_the_arm() -> None:
    scores = {"likelihood ratio": np.zeros((40, 1)), "look-alike": np.zeros((40, 1))}
    laws = {
        "gaussian": ["gaussian_likelihood_ratio", "clopper_pearson"],
        "mixture": ["gdp", "clopper_pearson"],
        "composed": ["composed_gaussian", "clopper_pearson"],
        "none": ["clopper_pearson"],
    }
    for law, methods in laws.items():
        looks = looks_of([trials(0.0, games=40, scores=scores, law=law)])
        assert [x.method for x in looks if x.adversary == "likelihood ratio"] == methods
        assert [x.method for x in looks if x.adversary == "look-alike"] == ["clopper_pearson"]


def test_failures_and_ties_show_nothing() -> None:
    nothing = np.full(50, np.nan)
    assert above_chance(nothing, np.zeros(50)) > 0.5
    assert above_chance(np.zeros(50), np.zeros(50)) == 1.0
    assert above_chance(np.ones(50), np.zeros(50)) < 1e-6


def test_other_claims_are_refused() -> None:
    with pytest.raises(TypeError, match="DifferentialPrivacy"):
        verdict(trials(MU), claim=Obliviousness())
