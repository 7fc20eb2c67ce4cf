"""What a bound prints and writes."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import pytest

from latentleak.audits.dp_epsilon import Bound, gdp, one_run
from latentleak.defenses.claims import Neighbours


def test_json_has_no_infinity() -> None:
    found = gdp([1.0] * 300, [0.0] * 300, delta=1e-5, alpha=0.05, threshold=0.5, rate=0.5)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["epsilon"] == record["mu"] == record["ceiling"] == "inf"
    assert record["upper"] is None
    assert record["details"]["false_positives"] == 0


def test_one_run_names_its_neighbours() -> None:
    found = one_run(canaries=100, guesses=40, correct=30, delta=1e-5, alpha=0.05)
    assert found.neighbours is Neighbours.ADD_REMOVE
    assert found.to_dict()["neighbours"] == "add-remove"


def test_repr_tells_everything_in_a_line() -> None:
    found = one_run(canaries=100, guesses=100, correct=75, delta=0.0, alpha=0.05)
    assert repr(found) == (
        "<Bound one_run: epsilon >= 0.7022, delta=0, alpha=0.05, n=100, ceiling 3.493>"
    )


def test_bounds_are_frozen_and_know_the_methods() -> None:
    found = one_run(canaries=10, guesses=1, correct=0, delta=0.0, alpha=0.05)
    with pytest.raises(FrozenInstanceError):
        found.epsilon = math.inf  # type: ignore[misc]
    with pytest.raises(ValueError, match="method='best' must be one of clopper_pearson"):
        Bound(
            method="best",
            epsilon=0.0,
            delta=0.0,
            alpha=0.1,
            n=1,
            ceiling=0.0,
            assumptions=(),
        )
