"""The audit of membership refutes what leaks, spares what does not, and is not misled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest

from latentleak.audits.membership import audit, rows
from latentleak.audits.selfcheck.membership import Check, check, table
from latentleak.audits.selfcheck.membership_games import (
    BROKEN,
    GAMES,
    MISLED,
    Game,
    answers,
    memorized,
    shifted,
)

ALPHA, AUDITS = 1e-6, 1
"""A true claim is refuted with probability 1e-6 an audit, whatever the seed."""

NAMED = {game.name: game for game in GAMES}


@lru_cache(maxsize=1)
def checks() -> dict[str, Check]:
    return {each.name: each for each in check(alpha=ALPHA, audits=AUDITS)}


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_every_game_comes_out_as_it_must(game: Game) -> None:
    found = checks()[game.name]
    assert found.as_expected
    assert bool(found.effect) is (found.kind in (BROKEN, MISLED))
    assert found.refuted == (AUDITS if found.kind == BROKEN else 0)


def test_a_rate_shows_what_an_area_does_not() -> None:
    """The same training: the few that are memorized move the area by 0.045."""
    rate, area = NAMED["few memorized"], NAMED["few memorized, area"]
    assert rate.sampling == area.sampling
    assert checks()[rate.name].refuted == AUDITS
    assert checks()[area.name].spared == AUDITS


def wins_ties(look: rows.Look, seed: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    left, right = look.sides
    count = min(len(left), len(right))
    return left[:count] >= right[:count], np.abs(left[:count] - right[:count])


def lowest(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    worst = -1e9
    return np.nan_to_num(left, nan=worst), np.nan_to_num(right, nan=worst)


Break = Callable[[pytest.MonkeyPatch], None]

MISTAKES: dict[str, tuple[Break, str]] = {
    "ties are wins": (lambda patch: patch.setattr(rows.Look, "pairs", wins_ties), "ties"),
    "failures of others are lowest": (
        lambda patch: patch.setattr(rows, "failures_last", lowest),
        "scores of members only",
    ),
    "no baseline is asked": (
        lambda patch: patch.delitem(audit.BELIEVED, audit.MATCHED),
        "another law",
    ),
    "copies count": (lambda patch: patch.delitem(audit.BELIEVED, audit.ONCE), "drawn again"),
    "no view is swapped": (
        lambda patch: patch.setattr(rows.Look, "swapped", {"n": 0, "p_value": 1.0, "holds": True}),
        "truth in the scores",
    ),
    "attacks need not work": (
        lambda patch: patch.setattr(audit, "_works", lambda case: 0.0),
        "attacks that fail",
    ),
    "no reference is fine": (
        lambda patch: patch.setattr(audit, "_reference", lambda *_: ()),
        "few others undefended",
    ),
    "too few others will do": (
        lambda patch: patch.setattr(rows, "RESOLVED", 0),
        "few others",
    ),
    "nothing is ever refuted": (
        lambda patch: patch.setattr(rows, "binomial_p_value", lambda *args, **options: 1.0),
        "overfitted",
    ),
    "no epsilon is ever refuted": (
        lambda patch: patch.setattr(rows, "one_run_p_value", lambda **options: 1.0),
        "noise left out",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_an_audit_with_a_mistake_is_found_out(
    mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The game that is about it, which comes out right otherwise; six times, at 5 % each."""
    damage, name = MISTAKES[mistake]
    damage(monkeypatch)
    (found,) = check(alpha=0.05, audits=6, games=[NAMED[name]])
    assert not found.as_expected


def test_what_is_not_as_expected_is_said() -> None:
    broken, misled, chance = (checks()[n] for n in ("overfitted", "another law", "chance"))
    assert not replace(broken, refuted=0).as_expected
    assert not replace(misled, refuted=1).as_expected
    assert not replace(misled, spared=1).as_expected
    assert not replace(chance, audits=6, refuted=6, spared=0).as_expected
    assert not replace(chance, audits=100, spared=50).as_expected
    assert table([broken, misled, chance]).row_count == 3
    assert broken.to_dict()["interval"][1] == 1.0


def test_laws_leak_what_they_say() -> None:
    """At normal quantiles: nothing is drawn."""
    quantiles = np.array([-2.0, -0.5, 0.1, 1.0, 2.0])
    ones, zeros = np.ones(5, dtype=np.int64), np.zeros(5, dtype=np.int64)
    assert (shifted(2.0)(ones, quantiles) == quantiles + 2).all()
    assert (memorized(0.2)(ones, quantiles) > 10).tolist() == [False, False, False, True, True]
    assert (memorized(0.2)(zeros, quantiles) == quantiles).all()
    assert (answers(0.0)(ones, quantiles) == [1, 1, 0, 0, 0]).all()
    assert (answers(0.0)(zeros, quantiles) == [0, 0, 1, 1, 1]).all()
    assert (answers(20.0)(ones, quantiles) == 1).all()
