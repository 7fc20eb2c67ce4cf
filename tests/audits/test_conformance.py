"""One suite of rules for everything that can be named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from latentleak.audits.built_in import BUILT_IN, Entry
from latentleak.audits.catalog import UnknownNameError, entries, spec_of
from latentleak.audits.config import UsageError
from latentleak.audits.conformance import check
from latentleak.defenses.claims import DifferentialPrivacy, Obliviousness

OPTIONAL = ("language-model",)
"""Needs weights that are not installed with the package; tests/adversaries/ has its rules."""
BUILDS = [e for e in BUILT_IN if e.kind != "scenario" and e.id not in OPTIONAL]


@pytest.mark.parametrize("entry", BUILDS, ids=lambda e: e.id)
def test_ours_conform(entry: Entry) -> None:
    assert check(entry.kind, entry.id) == []


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda e: e.id)
def test_the_catalog_says_what_the_classes_say(entry: Entry) -> None:
    kind = spec_of(entry.kind, entry.id).find()
    assert dataclasses.is_dataclass(kind)
    if entry.kind == "scenario":
        assert kind.name == entry.id
        assert kind.question == entry.claim
    claims = kind().claims if entry.kind == "defense" else ()
    for claim in claims:
        if isinstance(claim, Obliviousness):
            assert "1/N + slack" in entry.claim
        if isinstance(claim, DifferentialPrivacy):
            assert claim.neighbours.value in entry.claim


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Mine:\n    pass\n", "frozen dataclass"),
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Mine:\n"
            "    '''Text.'''\n    size: int\n",
            "must have a default",
        ),
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Mine:\n"
            "    '''Text.'''\n",
            "plays must be a frozenset",
        ),
    ],
)
def test_what_does_not_conform_is_told(source: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source)
    problems = check("adversary", f"{tmp_path / 'mine.py'}:Mine")
    assert any(words in problem for problem in problems), problems


def test_unknown_names_and_kinds() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'timing'"):
        check("adversary", "timng")
    with pytest.raises(UsageError, match="defense or adversary"):
        check("report", "x")
    assert len({(e.kind, e.id) for e in entries()}) == len(entries())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return np.zeros((trials, 2))", "must refuse records that are not finite"),
        ("return np.random.standard_normal((trials, 2))", "equal"),
        ("return np.zeros((trials + 1, 2))", "must be (trials, d)"),
    ],
)
def test_a_mechanism_that_does_not_conform_is_told(body: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom dataclasses import dataclass\n"
        "from latentleak.defenses.dp_adaptation.aggregation import Aggregation\n"
        '@dataclass(frozen=True, kw_only=True)\nclass Mine(Aggregation):\n    """Text."""\n'
        f"    def release(self, records, rng, *, trials):\n        {body}\n"
    )
    problems = check("defense", f"{tmp_path / 'mine.py'}:Mine")
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("claims", "words"),
    [("['secure']", "must be a tuple"), ("('secure',)", "which no audit takes")],
)
def test_claims_that_nobody_could_audit_are_told(claims: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from latentleak.defenses.dp_adaptation.aggregation import Aggregation\n"
        '@dataclass(frozen=True, kw_only=True)\nclass Mine(Aggregation):\n    """Text."""\n'
        f"    claims = {claims}\n"
    )
    problems = check("defense", f"{tmp_path / 'mine.py'}:Mine")
    assert any(words in problem for problem in problems), problems
