"""Is it hidden? Normalized leakage and retrieval among 100, for every adversary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import Scores
from ..defenses.claims import Hidden
from ..defenses.seeds import stream
from ..scenarios.contract import Trials
from ..scenarios.drawn import BLIND, IMAGE, PROMPT
from .statistics import (
    NormalizedLeakage,
    advantage,
    clopper_pearson,
    guesses,
    holm,
    normalized_leakage,
)
from .verdict import Row

Floats = npt.NDArray[np.float64]

CONTROL_ALPHA = 1e-4
"""Level at which a swapped-view control counts as above the prior."""

ALLOWED = 0.05
"""Success beyond 1/N that "hidden" allows, and normalized leakage of a swapped view."""


def rows_of(
    trials: Sequence[Trials],
    reference: Sequence[Trials],
    claim: Hidden,
    *,
    alpha: float,
    seed: int,
    further: Sequence[Callable[[float], Row]] = (),
) -> tuple[Row, ...]:
    """Test "hidden" for every adversary in every arm.

    Two rows for an adversary that shows a picture: its normalized leakage, and how often the
    original is the nearest of 100; one for an adversary that names a prompt. `detectable` is
    the excess over what the claim allows. Intervals hold at alpha / rows, the first step of Holm.

    Args:
        trials: Arms of one defence.
        reference: Arms of the undefended pipeline, with the same prompts and coins.
        claim: What is hidden, and how well.
        alpha: This claim's level; Holm pays for all rows.
        seed: Seed of the draws that break ties.
        further: Rows of another kind, each from its level; they share alpha.
    """
    looks = [
        look
        for each in trials
        if not each.facts.get("measured")
        for name in names_of(each, claim)
        for look in _looks(each, name, claim)
    ]
    if not looks and not further:
        return ()
    level = alpha / (len(looks) + len(further))
    made = [look.row(reference, claim, level=level, seed=seed) for look in looks]
    rows = [row for row in made if row is not None] + [row(level) for row in further]
    return paid_for(rows, alpha)


def paid_for(rows: Sequence[Row], alpha: float) -> tuple[Row, ...]:
    """Rows that share one alpha, each with what Holm makes of its p-value."""
    adjusted = holm([row.p_value for row in rows])
    return tuple(
        replace(row, alpha=alpha, p_adjusted=float(p))
        for row, p in zip(rows, adjusted, strict=True)
    )


def names_of(trials: Trials, claim: Hidden) -> list[str]:
    """Adversaries that speak about what the claim hides."""
    first = f"{part_of(claim)}/"
    names = [key.removeprefix(first) for key in trials.scores if key.startswith(first)]
    return [name for name in names if name != BLIND]


def part_of(claim: Hidden) -> str:
    """Under which names the scores about it are kept."""
    return IMAGE if claim.what.split()[0] == IMAGE else PROMPT


@dataclass(frozen=True, kw_only=True)
class Look:
    """One metric of one adversary in one arm."""

    trials: Trials
    adversary: str
    retrieval: bool

    def row(
        self, reference: Sequence[Trials], claim: Hidden, *, level: float, seed: int
    ) -> Row | None:
        """The row; None where the undefended pipeline was not played."""
        if self.retrieval:
            return _retrieval(self, claim, level=level, seed=seed)
        return _leakage(self, reference, claim, level=level)


def _looks(trials: Trials, name: str, claim: Hidden) -> tuple[Look, ...]:
    looks = Look(trials=trials, adversary=name, retrieval=True)
    if part_of(claim) == PROMPT:
        return (looks,)
    return replace(looks, retrieval=False), looks


def _retrieval(look: Look, claim: Hidden, *, level: float, seed: int) -> Row:
    count = int(look.trials.counts.max())
    return won_row(
        look.trials,
        f"{part_of(claim)}/{look.adversary}",
        metric=f"retrieval among {count} less 1/{count}",
        slack=slack_of(claim),
        level=level,
        seed=seed,
    )


def won_row(trials: Trials, key: str, *, metric: str, slack: float, level: float, seed: int) -> Row:
    """One adversary in one arm: games won, against 1/N + slack; `detectable` is beyond it.

    Args:
        trials: The arm.
        key: Of the scores: what was guessed, a slash, and the adversary.
        metric: What the row is called.
        slack: Success beyond 1/N that the claim allows.
        level: Of test and interval.
        seed: Seed of the draws that break ties.
    """
    n = len(trials.truth)
    won = wins(trials, trials.scores[key], seed, key)
    test = advantage(won, n, candidates=trials.counts, alpha=level, slack=slack)
    low, high = clopper_pearson(won, n, alpha=level)
    control = wins(trials, trials.swapped[key], seed, f"{key}/swapped")
    blind = advantage(control, n, candidates=trials.counts, alpha=CONTROL_ALPHA)
    return Row(
        adversary=key.partition("/")[2],
        arm=trials.arm,
        metric=metric,
        n=n,
        wins=won,
        chance=test.chance,
        estimate=test.estimate,
        interval=(low - test.chance, high - test.chance),
        p_value=test.p_value,
        p_adjusted=1.0,
        critical=test.critical,
        detectable=test.detectable - slack,
        ceiling=test.ceiling,
        alpha=level,
        level=level,
        swapped={
            "wins": control,
            "n": n,
            "chance": blind.chance,
            "p_value": blind.p_value,
            "holds": blind.p_value > CONTROL_ALPHA,
        },
        games=printed(trials),
    )


def _leakage(look: Look, reference: Sequence[Trials], claim: Hidden, *, level: float) -> Row | None:
    trials, name = look.trials, look.adversary
    scores = trials.scores[f"{IMAGE}/{name}"]
    found = leakage(trials, scores, reference, claim.normalized_leakage_at_most, alpha=level)
    if found is None:
        return None
    most = _ceiling(trials, reference, claim.normalized_leakage_at_most, alpha=level)
    swapped = trials.swapped[f"{IMAGE}/{name}"]
    control = leakage(trials, swapped, reference, ALLOWED, alpha=CONTROL_ALPHA)
    assert control is not None
    return Row(
        adversary=name,
        arm=trials.arm,
        metric=f"normalized {claim.metric}",
        n=len(trials.truth),
        wins=None,
        chance=0.0,
        estimate=found.ratio.estimate,
        interval=(found.ratio.interval.low, found.ratio.interval.high),
        p_value=found.p_value,
        p_adjusted=1.0,
        critical=None,
        detectable=found.detectable - found.at_most,
        ceiling=most,
        alpha=level,
        level=level,
        swapped={
            "n": len(trials.truth),
            "p_value": control.p_value,
            "holds": control.p_value > CONTROL_ALPHA,
        },
        games=printed(trials),
    )


def leakage(
    trials: Trials,
    scores: Scores,
    reference: Sequence[Trials],
    at_most: float,
    *,
    alpha: float,
) -> NormalizedLeakage | None:
    """Normalized pixel similarity of an adversary, paired with the undefended pipeline.

    Similarity is 1 - MSE / MSE_prior, MSE_prior being that of the mean picture over all games:
    bounded by 1, and 0 on average for whoever saw nothing.

    Returns:
        None if the undefended pipeline was not played with at least as many games.
    """
    undefended = undefended_gain(reference, len(trials.truth))
    if undefended is None:
        return None
    return normalized_leakage(
        gain(trials, scores),
        prior=np.zeros(len(trials.truth)),
        undefended=undefended,
        alpha=alpha,
        at_most=at_most,
    )


def _ceiling(trials: Trials, reference: Sequence[Trials], at_most: float, *, alpha: float) -> float:
    """The lower end of the interval if the guess were the original itself."""
    perfect = np.zeros_like(trials.scores[f"{IMAGE}/{BLIND}"])
    found = leakage(trials, perfect, reference, at_most, alpha=alpha)
    return 1.0 if found is None else found.ratio.interval.low


def gain(trials: Trials, scores: Scores, games: int | None = None) -> Floats:
    """(MSE_prior - MSE) / mean MSE_prior in each of the first games, shape (games,)."""
    prior, own = (errors(trials, s)[:games] for s in (trials.scores[f"{IMAGE}/{BLIND}"], scores))
    return np.asarray((prior - own) / prior.mean())


def undefended_gain(reference: Sequence[Trials], games: int) -> Floats | None:
    """The best adversary's gain on the undefended pipeline, in the first games."""
    found = [
        gain(each, each.scores[key], games)
        for each in reference
        if not each.facts.get("measured")
        for key in each.scores
        if key.startswith(f"{IMAGE}/") and key != f"{IMAGE}/{BLIND}" and len(each.truth) >= games
    ]
    if not found:
        return None
    return max(found, key=lambda values: float(values.mean()))


def errors(trials: Trials, scores: Scores) -> Floats:
    """Mean squared difference from the original in each game, shape (games,)."""
    return -scores[np.arange(len(trials.truth)), trials.truth]


def slack_of(claim: Hidden) -> float:
    """Success beyond 1/N that the claim allows; it is stated for 100 candidates."""
    return max(0.0, claim.retrieval_at_most - 1 / 100)


def wins(trials: Trials, scores: Scores, seed: int, purpose: str) -> int:
    """Games won, ties broken at random."""
    rng = stream(seed, "judge", trials.arm, purpose, "ties")
    named = guesses(scores, rng=rng, candidates=trials.counts)
    return int((named == trials.truth).sum())


def printed(trials: Trials) -> dict[str, Any]:
    """Facts of an arm that a row prints."""
    return {k: v for k, v in trials.facts.items() if k not in ("measured", "attributes")}
