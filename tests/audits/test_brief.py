"""What every scenario plays in the quick profile of `run all`: less than on its own."""

from __future__ import annotations

import pytest

from latentleak.audits.catalog import entries
from latentleak.audits.config import RunConfig
from latentleak.audits.contest import scenario_of

NAMES = [entry.id for entry in entries("scenario")]


def _value(value: float | tuple[object, ...]) -> float:
    return len(value) if isinstance(value, tuple) else float(value)


@pytest.mark.parametrize("name", NAMES)
def test_all_plays_fewer_games_than_the_scenario_alone(name: str) -> None:
    brief = scenario_of(name, RunConfig(scenarios=("all",)))
    alone = scenario_of(name, RunConfig(scenarios=(name,)))
    pairs = {field: (getattr(brief, field), getattr(alone, field)) for field in brief.brief}
    assert all(_value(few) <= _value(usual) for few, usual in pairs.values()), pairs
    assert any(_value(few) < _value(usual) for few, usual in pairs.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_full_profile_and_named_fields_are_left_alone(name: str) -> None:
    alone = scenario_of(name, RunConfig(scenarios=(name,)))
    assert scenario_of(name, RunConfig(scenarios=("all",), profile="full")) == alone
    field = next(iter(alone.brief))
    chosen = RunConfig(scenarios=("all",), settings={f"scenario.{field}": 7})
    assert getattr(scenario_of(name, chosen), field) == 7
