"""From trials to rows: one exact binomial test for each adversary and arm, Holm over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import fisher_exact

from ...adversaries.contract import Scores
from ...defenses.seeds import stream
from ...scenarios.contract import Trials
from ..statistics import (
    advantage,
    binomial_p_value,
    classifier_two_sample,
    clopper_pearson,
    guesses,
    holm,
)
from ..verdict import Row

METRIC = "advantage over 1/N"
LEARNED = "trained classifier"
SWAPPED_ALPHA = 1e-4
"""Level at which a swapped-view control counts as above the prior."""


def rows_of(trials: Sequence[Trials], *, slack: float, alpha: float, seed: int) -> tuple[Row, ...]:
    """Test "success at most 1/N + slack in every game" for every adversary and arm.

    Intervals, critical counts, detectable effects and ceilings are given at alpha / rows, the
    first step of Holm: so they hold for all rows at once.

    Args:
        trials: Arms of one defence.
        slack: Advantage that the claim allows.
        alpha: This claim's level; Holm pays for all rows.
        seed: Seed of the draws that break ties.
    """
    games = [(arm, name) for arm in trials for name in arm.scores]
    pairs = [arm for arm in trials if LEARNED in arm.scores and not skewed(arm)]
    level = alpha / (len(games) + len(pairs))
    rows = [_row(arm, name, slack=slack, level=level, seed=seed) for arm, name in games]
    rows += [_two_sample_row(arm, slack=slack, level=level, seed=seed) for arm in pairs]
    adjusted = holm([row.p_value for row in rows])
    return tuple(
        replace(row, alpha=alpha, p_adjusted=float(p))
        for row, p in zip(rows, adjusted, strict=True)
    )


def disagreeing(arm: Trials, again: Trials, *, seed: int) -> list[str]:
    """Adversaries whose success differs between an arm and its re-keyed copy.

    Fisher's exact test for each adversary at `SWAPPED_ALPHA` / adversaries.
    """
    found = []
    for name in arm.scores:
        tables = []
        for each in (arm, again):
            won = int(wins_of(each, each.scores[name], ties(seed, each, name, "ties")).sum())
            tables.append([won, len(each.truth) - won])
        result: Any = fisher_exact(tables)
        if result.pvalue <= SWAPPED_ALPHA / len(arm.scores):
            found.append(name)
    return sorted(found)


def wins_of(trials: Trials, scores: Scores, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Games won, ties broken at random: shape (games,)."""
    return np.asarray(guesses(scores, rng=rng, candidates=trials.counts) == trials.truth)


def _row(trials: Trials, name: str, *, slack: float, level: float, seed: int) -> Row:
    n = len(trials.truth)
    won = int(wins_of(trials, trials.scores[name], ties(seed, trials, name, "ties")).sum())
    test = advantage(won, n, candidates=trials.counts, alpha=level, slack=slack)
    low, high = clopper_pearson(won, n, alpha=level)
    return Row(
        adversary=name,
        arm=trials.arm,
        metric=METRIC,
        n=n,
        wins=won,
        chance=test.chance,
        estimate=test.estimate,
        interval=(low - test.chance, high - test.chance),
        p_value=test.p_value,
        p_adjusted=1.0,
        critical=test.critical,
        detectable=test.detectable,
        ceiling=test.ceiling,
        alpha=level,
        level=level,
        swapped=_swapped(trials, name, seed),
        games=_printed(trials),
    )


def _swapped(trials: Trials, name: str, seed: int) -> dict[str, Any]:
    n = len(trials.truth)
    won = int(wins_of(trials, trials.swapped[name], ties(seed, trials, name, "swapped")).sum())
    if skewed(trials):  # a binomial with the mean rate has the heavier tail (Hoeffding)
        chance = float(trials.facts["best_guess"])
        p_value = binomial_p_value(won, n, p=chance)
    else:
        test = advantage(won, n, candidates=trials.counts, alpha=SWAPPED_ALPHA)
        chance, p_value = test.chance, test.p_value
    holds = p_value > SWAPPED_ALPHA
    return {"wins": won, "n": n, "chance": chance, "p_value": p_value, "holds": holds}


def _printed(trials: Trials) -> dict[str, Any]:
    """The facts of an arm that go with each row."""
    return {name: value for name, value in trials.facts.items() if name != "survival"}


def _two_sample_row(trials: Trials, *, slack: float, level: float, seed: int) -> Row:
    """Is the real candidate scored above one other candidate of its game, drawn at random?"""
    name, n = LEARNED, len(trials.truth)
    won = _pairs_won(trials, trials.scores[name], ties(seed, trials, name, "pairs"))
    swapped = _pairs_won(trials, trials.swapped[name], ties(seed, trials, name, "swapped pairs"))
    null = advantage(won, n, candidates=2, alpha=level, slack=slack / 2)
    control = advantage(swapped, n, candidates=2, alpha=SWAPPED_ALPHA)
    test = classifier_two_sample(won, n, alpha=level)
    low, high = clopper_pearson(won, n, alpha=level)
    return Row(
        adversary="two-sample test",
        arm=trials.arm,
        metric="total variation at least",
        n=n,
        wins=won,
        chance=0.0,
        estimate=test.estimate,
        interval=(2 * low - 1, 2 * high - 1),
        p_value=null.p_value,
        p_adjusted=1.0,
        critical=null.critical,
        detectable=2 * null.detectable,
        ceiling=test.ceiling,
        alpha=level,
        level=level,
        swapped={
            "wins": swapped,
            "n": n,
            "chance": 0.5,
            "p_value": control.p_value,
            "holds": control.p_value > SWAPPED_ALPHA,
        },
        games=_printed(trials),
    )


def _pairs_won(trials: Trials, scores: Scores, rng: np.random.Generator) -> int:
    games = np.arange(len(trials.truth))
    others = (trials.truth + 1 + rng.integers(0, trials.counts - 1)) % trials.counts
    real, other = scores[games, trials.truth], scores[games, others]
    coin = rng.random(len(games)) < 0.5
    return int(((real > other) | ((real == other) & coin)).sum())


def skewed(trials: Trials) -> bool:
    """Whether some candidates are likelier than others before anything is seen."""
    return bool(trials.facts.get("prior", "uniform") != "uniform")


def ties(seed: int, trials: Trials, name: str, purpose: str) -> np.random.Generator:
    """The draws that break one adversary's ties in one arm."""
    return stream(seed, "judge", trials.arm, name, purpose)
