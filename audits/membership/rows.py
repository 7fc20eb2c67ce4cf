"""From trials to rows: every attack in every arm against a claim, Holm over all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ...defenses.claims import MembershipArea, MembershipRate, Neighbours, TrainingPrivacy
from ...defenses.seeds import stream
from ...scenarios.contract import Trials
from ...scenarios.trainings import BASELINE
from ..dp_epsilon.rows import above_chance
from ..dp_epsilon.single_run import one_run, one_run_p_value
from ..hiding import paid_for
from ..statistics import (
    binomial_p_value,
    clopper_pearson,
    clopper_pearson_lower,
    critical_count,
    detectable_rate,
)
from ..statistics.roc import failures_last
from ..verdict import Row
from .rates import sure_tpr

Floats = npt.NDArray[np.float64]

CONTROL_ALPHA = 1e-4
"""Level at which a control counts as missed."""

RESOLVED = 10
"""False alarms that a false-positive rate must allow, or it is not spoken of."""


GUESSED = 0.25
"""Share of the pairs that are guessed where an epsilon is bounded."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One attack in one arm.

    Attributes:
        trials: The arm.
        adversary: Whose scores.
    """

    trials: Trials
    adversary: str

    @property
    def sides(self) -> tuple[Floats, Floats]:
        """Scores of members and of the others."""
        return split(self.trials.truth, self.trials.scores[self.adversary])

    @property
    def swapped(self) -> dict[str, Any]:
        """The attack on other games' samples, against the truth of the first games.

        Where these are all members, or none is, nothing was controlled: it does not hold.
        """
        found = self.trials.swapped[self.adversary]
        inside, outside = split(self.trials.truth[: len(found)], found)
        if not len(inside) or not len(outside):
            return {"n": len(found), "p_value": None, "holds": False}
        p = above_chance(inside, outside)
        return {"n": len(found), "p_value": p, "holds": p > CONTROL_ALPHA}

    def pairs(self, seed: int) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Disjoint random pairs of a member and another sample.

        Args:
            seed: Of the pairing and of coins for ties.

        Returns:
            Whether the member wins each pair, and by how much it is decided; shape (pairs,).
        """
        positive, negative = failures_last(*self.sides)
        rng = stream(seed, "judge", self.trials.arm, "pairs")
        count = min(len(positive), len(negative))
        left, right = (rng.permutation(side)[:count] for side in (positive, negative))
        coins, tied = rng.random(count) < 0.5, left == right
        with np.errstate(invalid="ignore"):
            margin = np.where(tied, 0.0, np.abs(left - right))
        return np.where(tied, coins, left > right), margin


def split(truth: npt.NDArray[np.int64], scores: Floats) -> tuple[Floats, Floats]:
    """Scores of members, and of the others."""
    return scores[truth == 1, 0], scores[truth == 0, 0]


def looks_of(trials: Sequence[Trials]) -> tuple[Look, ...]:
    """Every attack that queries the model, in every arm that is judged."""
    return tuple(
        Look(trials=each, adversary=name)
        for each in trials
        if not each.facts.get("measured")
        for name in each.scores
        if name != BASELINE
    )


def area_rows(
    looks: Sequence[Look], claim: MembershipArea, *, alpha: float, seed: int
) -> tuple[Row, ...]:
    """AUC of each attack against the claim, exact: each disjoint pair is a game won or lost.

    `detectable` is the area beyond the claim that is found with probability 0.9.

    Args:
        looks: From `looks_of`.
        claim: Largest area.
        alpha: This claim's level; Holm pays for all rows.
        seed: Of pairings and ties.
    """
    if not looks:
        return ()
    level = alpha / len(looks)
    return paid_for([_area(look, claim.at_most, level, seed) for look in looks], alpha)


def _area(look: Look, at_most: float, level: float, seed: int) -> Row:
    outcomes, _ = look.pairs(seed)
    won, n = int(outcomes.sum()), len(outcomes)
    low, high = clopper_pearson(won, n, alpha=level)
    return _row(
        look,
        metric="AUC less 1/2",
        n=n,
        wins=won,
        chance=0.5,
        estimate=won / n - 0.5,
        interval=(low - 0.5, high - 0.5),
        p_value=binomial_p_value(won, n, p=at_most),
        critical=critical_count(n, p=at_most, alpha=level),
        detectable=detectable_rate(n, p=at_most, alpha=level) - at_most,
        ceiling=clopper_pearson_lower(n, n, alpha=level / 2) - 0.5,
        level=level,
    )


def rate_rows(looks: Sequence[Look], claim: MembershipRate, *, alpha: float) -> tuple[Row, ...]:
    """True-positive rate at a false-positive rate that is low enough for sure.

    Arms with fewer than 10 / FPR non-members have no row. The threshold is sure with probability
    1 - level / 2, a choice that looks at how many there are; the binomial p-value at it plus
    level / 2 is a p-value.

    Args:
        looks: From `looks_of`.
        claim: Largest true-positive rate, and where.
        alpha: This claim's level; Holm pays for all rows.
    """
    able = [look for look in looks if len(look.sides[1]) * claim.at_fpr >= RESOLVED - 1e-9]
    if not able:
        return ()
    level = alpha / len(able)
    return paid_for([_rate(look, claim, level) for look in able], alpha)


def _rate(look: Look, claim: MembershipRate, level: float) -> Row:
    sure = sure_tpr(*look.sides, fpr=claim.at_fpr, alpha=level)
    able, n, share = math.isfinite(sure.threshold), sure.members, claim.at_most
    p = min(1.0, level / 2 + binomial_p_value(sure.hits, n, p=share)) if able else 1.0
    low, high = clopper_pearson(sure.hits, n, alpha=level)
    found = detectable_rate(n, p=share, alpha=level / 2) - share if able else math.inf
    return _row(
        look,
        metric=f"TPR at FPR {claim.at_fpr:g}, less the FPR",
        n=n,
        wins=sure.hits,
        chance=claim.at_fpr,
        estimate=sure.hits / n - claim.at_fpr,
        interval=(low - claim.at_fpr, high - claim.at_fpr),
        p_value=p,
        critical=critical_count(n, p=share, alpha=level / 2) if able else n + 1,
        detectable=found,
        ceiling=clopper_pearson_lower(n, n, alpha=level / 2) - claim.at_fpr if able else 0.0,
        level=level,
    )


def epsilon_rows(
    looks: Sequence[Look], claim: TrainingPrivacy, *, alpha: float, seed: int
) -> tuple[Row, ...]:
    """Epsilon from one training: which of two samples of a pair was trained on?

    Given the pairs, each coin is fair and independent of the others, because members and others are
    draws of one law: this is one run with as many canaries as there are pairs, under replacement of
    a sample. A claim about adding and removing is held against twice its epsilon (group privacy).
    The quarter of the pairs that scores decide most clearly is guessed; that share is fixed.

    Args:
        looks: From `looks_of`.
        claim: Of the whole training.
        alpha: This claim's level; Holm pays for all rows.
        seed: Of pairings and ties.

    References:
        Steinke, Nasr, Jagielski (2023), Theorem 5.2, https://arxiv.org/abs/2305.08846; Dwork, Roth
        (2014), Theorem 2.2 for groups, https://doi.org/10.1561/0400000042.
    """
    if not looks:
        return ()
    level = alpha / len(looks)
    return paid_for([_epsilon(look, claim, level, seed) for look in looks], alpha)


def _epsilon(look: Look, claim: TrainingPrivacy, level: float, seed: int) -> Row:
    outcomes, margin = look.pairs(seed)
    n, size = max(1, round(GUESSED * len(outcomes))), _records(claim)
    won = int(outcomes[np.argsort(-margin, kind="stable")[:n]].sum())
    delta = min(claim.delta * sum(math.exp(i * claim.epsilon) for i in range(size)), 0.5)
    run: dict[str, Any] = {"canaries": len(outcomes), "guesses": n, "delta": delta}
    found = one_run(correct=won, alpha=level, **run)
    promised = {**run, "epsilon": size * claim.epsilon}
    enough = [k for k in range(n + 1) if one_run_p_value(correct=k, **promised) <= level]
    rate = float(expit(size * claim.epsilon))
    return _row(
        look,
        metric="epsilon at least (one run, by pairs)",
        n=n,
        wins=won,
        chance=0.0,
        estimate=found.epsilon / size,
        interval=(found.epsilon / size, math.inf),
        p_value=one_run_p_value(correct=won, **promised),
        critical=min(enough, default=n + 1),
        detectable=detectable_rate(n, p=rate, alpha=level) - rate if enough else math.inf,
        ceiling=found.ceiling / size,
        level=level,
    )


def _records(claim: TrainingPrivacy) -> int:
    """In how many records two trainings of a pair differ."""
    return 1 if claim.neighbours is Neighbours.REPLACE_ONE else 2


def _row(look: Look, **values: Any) -> Row:
    facts = {k: v for k, v in look.trials.facts.items() if k not in ("measured", "queries")}
    queries = look.trials.facts.get("queries", {}).get(look.adversary)
    return Row(
        adversary=look.adversary,
        arm=look.trials.arm,
        p_adjusted=1.0,
        alpha=values["level"],
        swapped=look.swapped,
        games={**facts, "queries": queries},
        **values,
    )


def permuted(look: Look, seed: int) -> Look:
    """The same scores with labels permuted: nothing is left to find."""
    rng = stream(seed, "judge", look.trials.arm, look.adversary, "permuted")
    return replace(look, trials=replace(look.trials, truth=rng.permutation(look.trials.truth)))
