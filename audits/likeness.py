"""How like the originals are guessed pictures? Measured beside a verdict on what is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..defenses.claims import Hidden
from ..scenarios.contract import Trials
from ..scenarios.drawn import BLIND, CLIP, IMAGE, LPIPS
from .case import Case
from .hiding import leakage, wins
from .statistics import clopper_pearson, mean_interval

Measure = dict[str, Any]


def point(
    case: Case, trials: Trials, name: str, claim: Hidden, *, alpha: float, where: Measure
) -> Iterator[Measure]:
    """Normalized leakage of one adversary in one arm; nothing without the undefended pipeline.

    Args:
        case: Whose reference ends the scale.
        trials: The arm.
        name: Of the adversary.
        claim: Whose metric it is.
        alpha: Of the interval.
        where: Further keys, such as `along`, the place on a curve.
    """
    scores = trials.scores[f"{IMAGE}/{name}"]
    found = leakage(trials, scores, case.reference, claim.normalized_leakage_at_most, alpha=alpha)
    if found is None:
        return
    yield {
        "name": f"normalized {claim.metric}",
        "arm": trials.arm,
        "adversary": name,
        "estimate": found.ratio.estimate,
        "interval": [found.ratio.interval.low, found.ratio.interval.high],
        "n": len(trials.truth),
        **where,
        "floor": 0.0,
        "ceiling": 1.0,
    }


def pictures(trials: Trials, name: str, *, alpha: float, seed: int) -> Iterator[Measure]:
    """How like the originals one adversary's pictures are, in other measures than pixels."""
    n, count = len(trials.truth), int(trials.counts.max())
    far = mean_interval(-trials.scores[f"{LPIPS}/{name}"][:, 0], alpha=alpha)
    base = {"arm": trials.arm, "adversary": name, "n": n}
    yield {
        "name": "LPIPS (AlexNet, v0.1)",
        **base,
        "estimate": float(-trials.scores[f"{LPIPS}/{name}"].mean()),
        "interval": [far.low, far.high],
        "nothing seen": float(-trials.scores[f"{LPIPS}/{BLIND}"].mean()),
    }
    won = wins(trials, trials.scores[f"{CLIP}/{name}"], seed, f"{CLIP}/{name}")
    yield {
        "name": f"retrieval among {count} by CLIP",
        **base,
        "estimate": won / n,
        "interval": list(clopper_pearson(won, n, alpha=alpha)),
        "chance": 1 / count,
    }


def nearest(
    trials: Trials, name: str, *, alpha: float, seed: int, where: Measure
) -> Iterator[Measure]:
    """What the nearest of the candidates' pictures says: the prompt, and who is shown.

    `floor` is the best guess without a view: one of N prompts, the commonest value among them.

    Args:
        trials: The arm.
        name: Of the adversary.
        alpha: Of each interval.
        seed: Seed of the draws that break ties.
        where: Further keys, such as `along`, the place on a curve.
    """
    n, count = len(trials.truth), int(trials.counts.max())
    scores = trials.scores[f"{IMAGE}/{name}"]
    right = {"prompt": wins(trials, scores, seed, f"{IMAGE}/{name}")}
    floors = {"prompt": 1 / count}
    chosen = np.nanargmax(scores, axis=1)
    for attribute, values in dict(trials.facts.get("attributes") or {}).items():
        stated = np.array(values)
        right[attribute] = int((stated[chosen] == stated[trials.truth]).sum())
        floors[attribute] = float(np.unique(stated, return_counts=True)[1].max() / len(stated))
    for what, hits in right.items():
        yield {
            "name": f"{what} of the nearest picture",
            "arm": trials.arm,
            "adversary": name,
            "estimate": hits / n,
            "interval": list(clopper_pearson(hits, n, alpha=alpha)),
            "n": n,
            **where,
            "floor": floors[what],
            "ceiling": 1.0,
        }
