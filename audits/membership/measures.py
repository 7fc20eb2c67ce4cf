"""Beside the verdict: what every attack measures, and one p-value for the set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...adversaries.membership.dataset_inference import infer
from ...defenses.seeds import derive
from ...scenarios.contract import Trials
from ...scenarios.trainings import BASELINE
from ..case import Case
from .rates import Rates, rates
from .rows import Look, split

Measure = dict[str, Any]


def measures_of(case: Case, *, alpha: float, seed: int) -> tuple[Measure, ...]:
    """Everything measured in every arm; no part of the verdict."""
    return tuple(_measures(case, alpha=alpha, seed=seed))


def _measures(case: Case, *, alpha: float, seed: int) -> Iterator[Measure]:
    for each in case.trials:
        for name in each.scores:
            look = Look(trials=each, adversary=name)
            found = rates(*look.sides, alpha=alpha, seed=seed)
            yield from _of_attack(look, found)
        if (test := _of_set(each, seed)) is not None:
            yield test


def _of_attack(look: Look, found: Rates) -> Iterator[Measure]:
    where = {"arm": look.trials.arm, "adversary": look.adversary}
    n = {"n": found.members + found.non_members}
    area = found.area
    yield {"name": "AUC", **where, "estimate": area.estimate, "interval": list(area.interval), **n}
    for point in found.points:
        told: Measure = {"name": f"TPR at FPR {point.allowed_fpr:g}", **where, **n}
        if point.tpr is None or point.interval is None:
            told |= {"estimate": None, "reason": point.reason}
        else:
            told |= {"estimate": point.tpr, "interval": list(point.interval)}
            told |= {"realized FPR": point.fpr}
        yield told
    lower = (found.best.lower, 1.0)
    yield {"name": "largest TPR - FPR", **where, "estimate": found.best.estimate,
           "interval": list(lower), **n}  # fmt: skip


def _of_set(trials: Trials, seed: int) -> Measure | None:
    """Dataset inference: the scores of all attacks are the features of each sample."""
    names = [name for name in trials.scores if name != BASELINE]
    if len(names) < 2:
        return None
    table = np.concatenate([trials.scores[name] for name in names], axis=1)
    usable = np.nan_to_num(table, nan=0.0, posinf=0.0, neginf=0.0)
    rows = [np.concatenate([split(trials.truth, usable[:, [i]])[side][:, None]
                            for i in range(len(names))], axis=1) for side in (0, 1)]  # fmt: skip
    found = infer(*rows, seed=derive(seed, "dataset inference", trials.arm))
    return {
        "name": "dataset inference",
        "arm": trials.arm,
        "adversary": "all attacks together",
        "estimate": float(found.suspects.mean() - found.others.mean()),
        "p_value": found.p_value,
        "n": len(trials.truth),
        "reason": "p that the set was not trained on, by a one-sided Welch test",
    }
