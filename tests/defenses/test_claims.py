"""Claims: refutable statements with named assumptions, and no impossible numbers."""

import json
import math
from typing import get_args

import pytest

from latentleak.defenses.claims import (
    Assumption,
    Claim,
    DifferentialPrivacy,
    Fidelity,
    Hidden,
    Indistinguishability,
    MembershipArea,
    MembershipRate,
    Neighbours,
    Obliviousness,
    Offload,
    SecurityLevel,
    TrainingPrivacy,
)

EXAMPLES: list[Claim] = [
    DifferentialPrivacy(epsilon=1.0, delta=1e-5),
    Obliviousness(candidates=10),
    Obliviousness(),
    Hidden(what="prompt", metric="retrieval"),
    Indistinguishability(advantage=0.1),
    SecurityLevel(bits=128, table="HE standard"),
    Fidelity(metric="PSNR", at_least=30.0),
    Offload(share=0.8),
    MembershipArea(at_most=0.6),
    MembershipRate(at_most=0.1),
    TrainingPrivacy(epsilon=8.0, delta=1e-5),
]


def test_there_is_an_example_of_every_claim() -> None:
    assert {type(claim) for claim in EXAMPLES} == set(get_args(Claim))


@pytest.mark.parametrize("claim", EXAMPLES, ids=lambda c: type(c).__name__)
def test_the_json_form_says_type_statement_and_assumptions(claim: Claim) -> None:
    form = json.loads(json.dumps(claim.to_dict()))
    assert form["type"] == type(claim).__name__
    assert form["statement"] == str(claim)
    assert form["assumptions"] == [a.value for a in claim.assumptions]
    kind = type(claim)
    values = {k: v for k, v in form.items() if k not in ("type", "statement", "assumptions")}
    again = kind(**values, assumptions=tuple(Assumption(a) for a in form["assumptions"]))
    assert again == claim
    assert hash(again) == hash(claim)


@pytest.mark.parametrize("claim", EXAMPLES, ids=lambda c: type(c).__name__)
def test_the_seed_is_outside_of_every_threat_model(claim: Claim) -> None:
    assert Assumption.SECRET_SEED in claim.assumptions
    assert Assumption.SEMI_HONEST in claim.assumptions


def test_statements_read_as_they_are_meant() -> None:
    assert str(EXAMPLES[0]) == "(1, 1e-05)-DP, replace-one"
    assert str(EXAMPLES[1]) == "real candidate named with probability at most 1/10 + 0.02"
    assert "1/N + 0.02" in str(EXAMPLES[2])
    assert (
        DifferentialPrivacy(epsilon=1, delta=0, neighbours=Neighbours.ADD_REMOVE).to_dict()[
            "neighbours"
        ]
        == "add-remove"
    )


def test_obliviousness_assumes_a_uniform_prior_and_a_complete_lexicon() -> None:
    assert {Assumption.UNIFORM_PRIOR, Assumption.COMPLETE_LEXICON} <= set(EXAMPLES[1].assumptions)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (DifferentialPrivacy, {"epsilon": -1, "delta": 0}, "epsilon=-1 must be >= 0"),
        (DifferentialPrivacy, {"epsilon": math.nan, "delta": 0}, "epsilon=nan"),
        (DifferentialPrivacy, {"epsilon": 1, "delta": 1}, r"delta=1 must be in \[0, 1\)"),
        (Obliviousness, {"candidates": 1}, "candidates=1 must be >= 2"),
        (Obliviousness, {"slack": 1.0}, "slack=1"),
        (Obliviousness, {"slack": -0.1}, "slack=-0.1"),
        (Indistinguishability, {"advantage": 1.1}, "advantage=1.1"),
        (Offload, {"share": -0.5}, "share=-0.5"),
    ],
)
def test_impossible_numbers_are_errors(
    kind: type[Claim], values: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**values)


def test_claims_are_configuration_by_name_and_never_change() -> None:
    with pytest.raises(TypeError):
        DifferentialPrivacy(1.0, 0.0)
    with pytest.raises(AttributeError):
        EXAMPLES[0].epsilon = 2.0
