"""Comparisons: what is found, what is paid for, and how they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from latentleak.audits.baseline import Acceptance, Baseline, Known
from latentleak.audits.compare import Change, State, compare, exit_status
from latentleak.audits.outcomes import GAIN, WON, Outcomes
from latentleak.audits.verdict import Verdict

TODAY = date(2026, 6, 1)
N = 60


def outcomes(
    values: object, *, adversary: str = "a", kind: str = WON, games: str = "g"
) -> Outcomes:
    return Outcomes(
        arm="arm", adversary=adversary, kind=kind, games=games, values=np.asarray(values, float)
    )


def known(*series: Outcomes, verdict: Verdict = Verdict.NOT_REFUTED, name: str = "x/y") -> Known:
    return Known(
        id=name,
        verdict=verdict,
        claim={"type": "Obliviousness", "statement": "s"},
        metric="m",
        estimate=None,
        defense="d",
        outcomes={each.key: each for each in series},
    )


def against(old: Known | None, new: Known | None, **more: Acceptance) -> Change:
    before = Baseline(
        claims={} if old is None else {"x/y": old},
        accepted={"x/y": more["accepted"]} if more else {},
    )
    (change,) = compare(before, Baseline(claims={} if new is None else {"x/y": new}), today=TODAY)
    return change


LOST, WINS = np.zeros(N), np.ones(N)


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (LOST, LOST, State.UNCHANGED),
        (LOST, WINS, State.WORSE),
        (WINS, LOST, State.BETTER),
        (LOST, np.arange(N) < 6, State.UNCHANGED),  # 2 * 2 ** -6 > 0.01
        (LOST, np.arange(N) < 8, State.WORSE),  # 2 * 2 ** -8 < 0.01
    ],
)
def test_games_are_compared_one_by_one(before: object, after: object, state: State) -> None:
    change = against(known(outcomes(before)), known(outcomes(after)))
    assert change.state is state
    assert change.shift is not None
    assert change.shift.paired
    assert change.tells == 8  # alpha / 2 directions
    assert change.status == (1 if state is State.WORSE else 0)


def test_a_pair_finds_what_two_samples_do_not() -> None:
    before = np.arange(N) % 2
    after = np.where(np.arange(N) < 20, 1, before)
    paired = against(known(outcomes(before)), known(outcomes(after)))
    apart = against(known(outcomes(before)), known(outcomes(after, games="h")))
    assert paired.state is State.WORSE
    assert apart.state is State.UNCHANGED
    assert "not paired" in " ".join(apart.notes)
    assert apart.shift is not None
    assert apart.shift.test == "Fisher, exact"


def test_pictures_are_compared_by_signs() -> None:
    before = np.linspace(0, 0.1, N)
    change = against(known(outcomes(before, kind=GAIN)), known(outcomes(before + 0.1, kind=GAIN)))
    assert change.state is State.WORSE
    assert change.shift is not None
    assert change.shift.test == "sign flips"


def test_every_adversary_and_claim_is_paid_for() -> None:
    """Eight games that change sides convince alone, not among three adversaries or two claims."""
    after = np.arange(N) < 8
    more = [outcomes(LOST, adversary=name) for name in ("b", "c")]
    alone = against(known(outcomes(LOST), *more), known(outcomes(after), *more))
    assert alone.state is State.UNCHANGED
    quiet = known(outcomes(LOST), name="x/z")
    before = Baseline(claims={"x/y": known(outcomes(LOST)), "x/z": quiet})
    later = Baseline(claims={"x/y": known(outcomes(after)), "x/z": quiet})
    found = {change.id: change.state for change in compare(before, later, today=TODAY)}
    assert found == {"x/y": State.UNCHANGED, "x/z": State.UNCHANGED}


def test_no_change_is_seldom_called_one() -> None:
    """Games drawn anew from one law, 200 comparisons at 1 %: P[more than 12 alarms] < 1e-6."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(200):
        old, new = (
            [outcomes(rng.random(N) < 0.3, adversary=name) for name in "abc"] for _ in range(2)
        )
        alarms += against(known(*old), known(*new)).state is not State.UNCHANGED
    assert alarms <= 12


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (Verdict.NOT_REFUTED, Verdict.NOT_REFUTED, 0),
        (Verdict.NOT_REFUTED, Verdict.INCONCLUSIVE, 3),
        (Verdict.NOT_REFUTED, Verdict.REFUTED, 1),
        (Verdict.REFUTED, Verdict.REFUTED, 1),
        (Verdict.REFUTED, Verdict.NOT_REFUTED, 0),
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, 3),
        (None, Verdict.NOT_REFUTED, 0),
        (None, Verdict.REFUTED, 1),
        (Verdict.NOT_REFUTED, None, 3),
    ],
)
def test_every_verdict_has_its_status(
    before: Verdict | None, after: Verdict | None, status: int
) -> None:
    old, new = (each and known(outcomes(LOST), verdict=each) for each in (before, after))
    change = against(old, new)
    assert change.status == status
    assert (change.state is State.NEW) is (before is None)
    assert (change.state is State.GONE) is (after is None)


def test_an_acceptance_covers_what_it_was_given_for() -> None:
    entry = Acceptance(id="x/y", reason="known", expires="2026-06-01")
    refuted = known(outcomes(LOST), verdict=Verdict.REFUTED)
    assert against(refuted, refuted, accepted=entry).status == 0
    late = replace(entry, expires="2026-05-31")
    assert against(refuted, refuted, accepted=late).status == 1
    assert "expired" in " ".join(against(refuted, refuted, accepted=late).notes)
    worse = known(outcomes(WINS), verdict=Verdict.REFUTED)
    assert against(refuted, worse, accepted=entry).status == 1
    unsure = known(outcomes(LOST), verdict=Verdict.INCONCLUSIVE)
    assert against(unsure, unsure, accepted=entry).status == 0
    assert against(unsure, refuted, accepted=entry).status == 1


def test_what_can_no_longer_be_compared_is_told() -> None:
    old = known(outcomes(LOST), outcomes(LOST, adversary="b"))
    fewer = against(old, known(outcomes(LOST)))
    assert (fewer.status, "1 measurements" in fewer.notes[0]) == (3, True)
    relaxed = replace(old, claim={"type": "Obliviousness", "statement": "less"})
    other = against(old, relaxed)
    assert (other.status, "the claim is another one" in other.notes[0]) == (3, True)


@pytest.mark.parametrize(("now", "state"), [(96.0, State.WORSE), (128.0, State.UNCHANGED)])
def test_what_is_looked_up_is_compared_as_it_is(now: float, state: State) -> None:
    old = replace(known(), claim={"type": "SecurityLevel"}, estimate=128.0)
    change = against(old, replace(old, estimate=now))
    assert change.state is state
    assert change.p_worse is None


def test_the_worst_status_wins() -> None:
    worse = against(known(outcomes(LOST)), known(outcomes(WINS)))
    gone = against(known(outcomes(LOST)), None)
    fine = against(None, known(outcomes(LOST)))
    assert exit_status([fine, gone, worse], failed=True) == 1
    assert exit_status([fine, gone], failed=True) == 4
    assert exit_status([fine, gone]) == 3
    assert exit_status([fine]) == 0
