"""Measures of recovered prompts, each beside the attacker who saw nothing and permuted labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...scenarios.contract import Trials
from ...scenarios.drawn import BLIND
from ...scenarios.recovered_prompts import MEASURES, SHARES
from ..case import Case
from ..statistics import clopper_pearson, mean_interval

Floats = npt.NDArray[np.float64]


def measures_of(case: Case, *, alpha: float) -> tuple[Mapping[str, Any], ...]:
    """Measures of every prompt that an adversary said; none in scenarios where none is.

    Shares of games have exact intervals, mean similarities Student's, cut at [-1, 1]. Beside each
    estimate stand:

    * `nothing seen`: the same prompt in every game, the most typical of public captions;
    * `majority class`: of an attribute, the commonest value among the candidates in every game;
    * `permuted labels`: what was said, held against the prompts of all other games;
    * `swapped views`: what was said on the views of other games.

    Args:
        case: What is audited.
        alpha: Of each interval.
    """
    return tuple(
        measure
        for trials in case.trials
        for key in trials.scores
        if key.partition("/")[0] in MEASURES and key.partition("/")[2] != BLIND
        for measure in _measure(trials, key, alpha)
    )


def _measure(trials: Trials, key: str, alpha: float) -> Iterator[dict[str, Any]]:
    kind, _, name = key.partition("/")
    values = trials.scores[key]
    own = values[:, 0]
    if kind in SHARES:
        low, high = clopper_pearson(int(own.sum()), len(own), alpha=alpha)
    else:
        low, high = np.clip(mean_interval(own, alpha=alpha), -1, 1)
    found = {
        "name": kind,
        "arm": trials.arm,
        "adversary": name,
        "estimate": float(own.mean()),
        "interval": [float(low), float(high)],
        "n": len(own),
        "nothing seen": float(trials.scores[f"{kind}/{BLIND}"][: len(own), 0].mean()),
        "permuted labels": float(values[:, 1].mean()),
    }
    if key in trials.swapped:
        found["swapped views"] = float(trials.swapped[key][:, 0].mean())
    if kind in (majority := trials.facts.get("majority", {})):
        found["majority class"] = float(majority[kind])
    yield found
