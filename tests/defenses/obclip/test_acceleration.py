"""Which step computes what: presets step by step, and properties of every plan."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.obclip.acceleration import PRESETS, Acceleration, StepPlan
from latentleak.defenses.obclip.protocol import ObClip

KNOBS = st.builds(
    Acceleration,
    reuse_until=st.integers(0, 12),
    cache_from=st.integers(0, 12),
    skip_from=st.integers(0, 12),
    refresh=st.integers(2, 6),
    lead_until=st.integers(0, 12),
)


def letters(plan: StepPlan) -> str:
    """One letter for each thing that is not computed in full, lower case for what is kept."""
    marks = {
        "L": plan.lead,
        "R": plan.reuse,
        "A": plan.cached,
        "B": plan.skipped,
        "a": plan.keep_attention,
        "b": plan.keep_blocks,
    }
    return "".join(mark for mark, on in marks.items() if on)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paper-k5", "R R Rab AB AB"),
        ("paper-k10", "R R R Ra A Ab AB AB Ba AB"),
        ("lean-k5", "LR LR LRb RB RB"),
        ("lean-k10", "LR LR LR LR LR LRb RB RB Rb RB"),
    ],
)
def test_presets_step_by_step(name: str, expected: str) -> None:
    defense = ObClip.preset(name)
    plans = [letters(defense.acceleration.plan(step)) for step in range(defense.k)]
    assert " ".join(plans) == expected


def test_a_preset_takes_changes_and_an_unknown_one_lists_the_known() -> None:
    assert ObClip.preset("paper-k5", steps=30).steps == 30
    assert set(PRESETS) == {"paper-k5", "paper-k10", "lean-k5", "lean-k10"}
    with pytest.raises(ValueError, match=re.escape("name='k5' must be one of paper-k5")):
        ObClip.preset("k5")


def test_by_default_nothing_is_accelerated() -> None:
    assert not ObClip().acceleration.active
    assert ObClip(lead_until=1).acceleration.active
    assert not Acceleration(refresh=9).active
    assert all(Acceleration().plan(step) == StepPlan() for step in range(30))


@given(KNOBS)
def test_nothing_is_recalled_before_it_was_kept(knobs: Acceleration) -> None:
    attention = blocks = False
    for step in range(20):
        plan = knobs.plan(step)
        assert not plan.cached or attention
        assert not plan.skipped or blocks
        assert not (plan.cached and plan.keep_attention)
        assert not (plan.skipped and plan.keep_blocks)
        attention |= plan.keep_attention
        blocks |= plan.keep_blocks


@given(KNOBS, st.integers(0, 30))
def test_what_is_recalled_is_younger_than_a_refresh(knobs: Acceleration, step: int) -> None:
    kept = [t for t in range(step + 1) if knobs.plan(t).keep_blocks]
    assert not knobs.plan(step).skipped or step - kept[-1] < knobs.refresh


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"reuse_until": -1}, "reuse_until=-1 must be >= 0; 0 switches it off"),
        ({"skip_from": -3}, "skip_from=-3 must be >= 0"),
        ({"refresh": 1}, "refresh=1 must be >= 2, else nothing is ever recalled"),
    ],
)
def test_refused_knobs(knobs: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Acceleration(**knobs)
    with pytest.raises(ValueError, match=re.escape(message)):
        ObClip(**knobs)  # type: ignore[arg-type]
