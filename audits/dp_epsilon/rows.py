"""From trials to rows: for every adversary and arm the bounds that hold there, Holm over all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...adversaries.contract import Scores
from ...defenses.claims import DifferentialPrivacy
from ...scenarios.contract import Trials
from ..statistics import holm
from ..verdict import Row
from .composed import composed_gaussian
from .counting import clopper_pearson
from .dispatch import p_value
from .likelihood_ratio import gaussian_likelihood_ratio
from .power import detectable, family
from .result import ASSUMPTION_LEVEL, Bound
from .trade_off import gdp

Floats = npt.NDArray[np.float64]

OPTIMUM = "likelihood ratio"
"""The adversary whose scores follow a known law: all others post-process what it sees."""

CONTROL_ALPHA = 1e-4
"""Level at which a control counts as missed."""

COUNTS = "clopper_pearson"
LAWS = {"gaussian": "gaussian_likelihood_ratio", "mixture": "gdp", "composed": "composed_gaussian"}
"""The bound that knows the law of the optimum's scores, by the law of the release."""

BOUNDS: Mapping[str, Callable[..., Bound]] = {
    COUNTS: clopper_pearson,
    "gaussian_likelihood_ratio": gaussian_likelihood_ratio,
    "gdp": gdp,
    "composed_gaussian": composed_gaussian,
}
METRIC = "epsilon at least"


@dataclass(frozen=True, kw_only=True)
class Look:
    """One bound on the scores of one adversary in one arm.

    Attributes:
        trials: The arm.
        adversary: Whose scores.
        method: Which bound.
    """

    trials: Trials
    adversary: str
    method: str

    @property
    def sides(self) -> tuple[Floats, Floats]:
        """Scores of the games in which the record was used, and of the others."""
        return sides(self.trials, self.trials.scores[self.adversary])

    @property
    def options(self) -> dict[str, Any]:
        """What the bound is told beside scores, delta and alpha."""
        names = {"gdp": ("rate",), "composed_gaussian": ("rate", "rounds")}
        return {name: self.trials.facts[name] for name in names.get(self.method, ())}

    def detectable(self, claim: DifferentialPrivacy, level: float) -> tuple[float, float]:
        """The smallest leak that this look finds with probability 0.9.

        Returns:
            As epsilon, and as advantage beyond what the claim allows.
        """
        facts = self.trials.facts
        of = family(str(facts["law"]), float(facts["rate"]), int(facts["rounds"]))
        used = int((self.trials.truth == 1).sum())
        leak = detectable(
            of,
            (used, len(self.trials.truth) - used),
            method=self.method,
            epsilon=claim.epsilon,
            delta=claim.delta,
            alpha=level,
        )
        if math.isinf(leak):
            return math.inf, math.inf
        beyond = of.advantage(leak) - of.advantage(of.allowed(claim.epsilon, claim.delta))
        return of.epsilon(leak, claim.delta), beyond


def looks_of(trials: Sequence[Trials]) -> tuple[Look, ...]:
    """Fixed before anything is scored: counts everywhere, and what the law of the noise allows."""
    found = []
    for arm in trials:
        law = LAWS.get(str(arm.facts.get("law")))
        for name in arm.scores:
            methods = (law, COUNTS) if law is not None and name == OPTIMUM else (COUNTS,)
            found += [Look(trials=arm, adversary=name, method=method) for method in methods]
    return tuple(found)


def rows_of(looks: Sequence[Look], claim: DifferentialPrivacy, *, alpha: float) -> tuple[Row, ...]:
    """Hold every bound against the claim.

    Bounds, ceilings and detectable effects are given at alpha / rows, the first step of Holm: so
    they hold for all rows at once.

    Args:
        looks: From `looks_of`.
        claim: Epsilon and delta.
        alpha: This claim's level; Holm pays for all rows.
    """
    level = alpha / len(looks)
    rows = [_row(look, claim, level=level) for look in looks]
    adjusted = holm([row.p_value for row in rows])
    return tuple(
        replace(row, alpha=alpha, p_adjusted=float(p))
        for row, p in zip(rows, adjusted, strict=True)
    )


def sides(trials: Trials, scores: Scores) -> tuple[Floats, Floats]:
    """Scores in the world with the record, and in the other one."""
    used = trials.truth == 1
    return scores[used, 0], scores[~used, 0]


def above_chance(first: Floats, second: Floats) -> float:
    """One-sided Mann-Whitney p-value of "used games score no higher"; failures score lowest."""
    from scipy.stats import mannwhitneyu

    low = np.where(np.isnan(first), -np.inf, first)
    high = np.where(np.isnan(second), np.inf, second)
    if np.ptp(np.concatenate([low, high])) == 0:
        return 1.0
    return float(mannwhitneyu(low, high, alternative="greater").pvalue)


def _row(look: Look, claim: DifferentialPrivacy, *, level: float) -> Row:
    first, second = look.sides
    n = len(first) + len(second)
    found = BOUNDS[look.method](first, second, delta=claim.delta, alpha=level, **look.options)
    options = look.options if look.method in LAWS.values() else {"alpha": level}
    p = p_value(look.method, first, second, epsilon=claim.epsilon, delta=claim.delta, **options)
    doubts = _doubts(found)
    swapped = above_chance(*sides(look.trials, look.trials.swapped[look.adversary]))
    return Row(
        adversary=look.adversary,
        arm=look.trials.arm,
        metric=f"{METRIC} ({look.method.replace('_', ' ')})",
        n=n,
        wins=None,
        chance=0.0,
        estimate=0.0 if doubts else found.epsilon,
        interval=(
            0.0 if doubts else found.epsilon,
            math.inf if found.upper is None else found.upper,
        ),
        p_value=1.0 if doubts else p,
        p_adjusted=1.0,
        critical=None,
        detectable=look.detectable(claim, level)[0],
        ceiling=found.ceiling,
        alpha=level,
        level=level,
        swapped={"n": n, "p_value": swapped, "holds": swapped > CONTROL_ALPHA},
        games={**look.trials.facts, "assumes": list(found.assumptions), **doubts},
    )


def _doubts(found: Bound) -> dict[str, float]:
    """Tests that reject what a bound assumes: then it shows nothing."""
    tests = {"normality": found.normality, "equal variance": found.equal_variance}
    return {f"{name}, p": p for name, p in tests.items() if p is not None and p < ASSUMPTION_LEVEL}
