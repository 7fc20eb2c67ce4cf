"""The JSON Schema of a line of findings.jsonl: real findings pass, broken ones do not."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from latentleak.adversaries.contract import Behavior, Knowledge
from latentleak.audits.report import words
from latentleak.audits.verdict import Control, Finding, Role, Row, Verdict
from latentleak.defenses import claims

SCHEMA = json.loads((Path(words.__file__).parent / "finding.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

ALL_CLAIMS = (
    claims.Obliviousness(),
    claims.Obliviousness(candidates=6, slack=0.0),
    claims.DifferentialPrivacy(epsilon=1.0, delta=1e-5),
    claims.DifferentialPrivacy(epsilon=math.inf, delta=0.0),
    claims.MembershipArea(at_most=0.6),
    claims.MembershipRate(at_most=0.1, at_fpr=0.01),
    claims.TrainingPrivacy(epsilon=4.0, delta=1e-5),
    claims.Hidden(what="the picture", metric="1 - MSE"),
    claims.Indistinguishability(advantage=0.1),
    claims.SecurityLevel(bits=128, table="HE standard"),
    claims.Fidelity(metric="PSNR", at_least=27.0),
    claims.Offload(share=0.5),
)

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
values = st.floats(width=32)
pairs = st.tuples(values, values)
chances = st.one_of(st.just(math.nan), st.floats(0, 1))
levels = st.floats(0, 1, exclude_min=True, exclude_max=True)
rows = st.builds(
    Row,
    adversary=texts,
    arm=texts,
    metric=texts,
    n=st.integers(1, 9),
    wins=st.integers(0, 9),
    chance=values,
    estimate=values,
    interval=pairs,
    p_value=chances,
    p_adjusted=chances,
    critical=st.integers(0, 9),
    detectable=values,
    ceiling=values,
    alpha=levels,
    level=levels,
    swapped=st.fixed_dictionaries(
        {"wins": st.integers(0, 9), "n": st.integers(0, 9), "p_value": chances},
        optional={"chance": values},
    ).map(lambda s: s | {"holds": True}),
    games=st.dictionaries(texts, st.one_of(st.none(), st.booleans(), st.integers(), texts)),
)
findings = st.builds(
    Finding,
    id=texts,
    scenario=texts,
    question=texts,
    defense=st.fixed_dictionaries({"name": texts, "path": texts, "fields": st.just({})}),
    role=st.just(Role.CONTROL),
    expected=st.one_of(st.none(), st.sampled_from(Verdict)),
    claim=st.sampled_from([c.to_dict() for c in ALL_CLAIMS]),
    verdict=st.sampled_from([Verdict.REFUTED, Verdict.INCONCLUSIVE]),
    reason=texts,
    metric=texts,
    estimate=st.one_of(st.none(), values),
    interval=st.one_of(st.none(), pairs),
    ceiling=st.one_of(st.none(), values),
    detectable=st.one_of(st.none(), values),
    resolution=st.floats(0, 1),
    alpha=levels,
    n=st.integers(0, 9),
    rows=st.lists(rows, max_size=2).map(tuple),
    exact=st.just(({"name": "noninterference", "identical": False, "differing": ["a"]},)),
    measures=st.lists(
        st.fixed_dictionaries({"name": texts, "estimate": st.floats(0, 1), "interval": pairs}),
        max_size=2,
    ).map(tuple),
    controls=st.lists(
        st.builds(Control, name=texts, expected=texts, observed=texts, holds=st.booleans()),
        max_size=2,
    ).map(tuple),
    threat_model=st.just(
        {"coalition": ["server/0"], "behavior": "semi-honest", "knows": ["weights"], "queries": 1}
    ),
    provenance=st.just({"seed": 0}),
    timed=st.booleans(),
)


def _problems(record: Any) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(record)]


def test_the_schema_is_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", ["finding", "refuted", "plain", "undecided"])
def test_findings_by_hand_pass(kind: str, request: pytest.FixtureRequest) -> None:
    assert _problems(request.getfixturevalue(kind)().to_dict()) == []


@pytest.mark.parametrize("claim", ALL_CLAIMS, ids=lambda c: type(c).__name__)
def test_every_claim_passes(claim: claims.Claim, refuted: Callable[..., Finding]) -> None:
    record = json.loads(refuted(claim=claim.to_dict()).to_json())
    assert _problems(record) == []


@given(findings)
def test_any_finding_passes_and_survives_the_round_trip(finding: Finding) -> None:
    record = json.loads(finding.to_json())
    assert _problems(record) == []
    read = Finding.from_dict(record)
    assert [row.adversary for row in read.rows] == [row.adversary for row in finding.rows]


def _objects(record: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a record that the schema defines."""
    if isinstance(record, dict):
        yield path, record
        for key, value in record.items():
            if key not in ("games", "provenance", "fields", "exact"):
                yield from _objects(value, f"{path}/{key}")
    elif isinstance(record, list):
        for value in record:
            yield from _objects(value, path)


def test_unknown_keys_are_refused_at_every_level(finding: Callable[..., Finding]) -> None:
    levels = [path for path, _ in _objects(finding().to_dict())]
    assert {"", "/rows", "/rows/swapped", "/claim", "/controls", "/threat_model"} <= set(levels)
    for number in range(len(levels)):
        record = copy.deepcopy(finding().to_dict())
        path, target = list(_objects(record))[number]
        target["unheard_of"] = [1] if path == "/measures" else 1
        assert _problems(record), path


def test_required_keys_may_not_be_missing(finding: Callable[..., Finding]) -> None:
    for key in finding().to_dict():
        record = finding().to_dict()
        del record[key]
        assert _problems(record), key
    for key in finding().to_dict()["rows"][0]:
        record = finding().to_dict()
        del record["rows"][0][key]
        assert _problems(record), key


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("verdict", "SECURE"),
        ("schema", 2),
        ("estimate", "infinite"),
        ("estimate", None),
        ("alpha", 0),
        ("interval", [0.1]),
        ("expected", "REFUTED"),
        ("n", 1.5),
        ("artifacts", [{"path": "../secret", "sha256": "0" * 64, "caption": "x"}]),
        ("measures", [{"name": "x", "estimate": None}]),
        ("threat_model", {}),
    ],
)
def test_broken_values_are_refused(
    change: str, value: object, finding: Callable[..., Finding]
) -> None:
    assert _problems(finding().to_dict() | {change: value})


def test_names_follow_the_code(assumptions: tuple[str, ...]) -> None:
    defined = SCHEMA["$defs"]
    known = {k.value for k in Knowledge}
    assert set(defined["assumptions"]["items"]["enum"]) == set(assumptions)
    assert set(defined["threat_model"]["properties"]["knows"]["items"]["enum"]) == known
    assert set(defined["threat_model"]["properties"]["behavior"]["enum"]) == {
        b.value for b in Behavior
    }
    assert set(words.ASSUMPTIONS) == set(assumptions)
    assert set(words.KNOWLEDGE) == known
    assert set(words.BEHAVIORS) == {b.value for b in Behavior}
    assert set(words.VERDICTS) == set(words.LABELS) == set(words.SYMBOLS) == set(Verdict)
