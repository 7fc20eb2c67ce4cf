"""What is measured beside the verdict: leakage against coalition size, LPIPS, CLIP, attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...defenses.claims import Hidden
from ...scenarios.contract import Trials
from ...scenarios.drawn import BLIND, IMAGE
from ..case import Case
from ..he.measures import Measure, pictures
from ..hiding import leakage, names_of, part_of
from . import coalitions


def measures_of(
    case: Case, claim: Hidden, *, alpha: float, seed: int
) -> tuple[Mapping[str, Any], ...]:
    """Every arm's leakage: the collusion curve; further likenesses where the claim looks.

    Args:
        case: What is audited.
        claim: What is hidden; nothing is measured beside prompts.
        alpha: Of each interval.
        seed: Seed of the draws that break ties.
    """
    if part_of(claim) != IMAGE:
        return ()
    looked_at = coalitions.against(case.trials, claim)
    found: list[Measure] = []
    for each in case.trials:
        if f"{IMAGE}/{BLIND}" not in each.scores:
            continue
        for name in names_of(each, claim):
            found += _curve(case, each, name, claim, alpha=alpha)
            if any(each is one for one in looked_at):
                found += pictures(each, name, alpha=alpha, seed=seed)
    return tuple(found)


def _curve(
    case: Case, trials: Trials, name: str, claim: Hidden, *, alpha: float
) -> Iterator[Measure]:
    """Normalized leakage at one coalition size."""
    scores = trials.scores[f"{IMAGE}/{name}"]
    at_most = claim.normalized_leakage_at_most
    found = leakage(trials, scores, case.reference, at_most, alpha=alpha)
    if found is None:
        return
    yield {
        "name": f"normalized {claim.metric}",
        "arm": trials.arm,
        "adversary": name,
        "estimate": found.ratio.estimate,
        "interval": [found.ratio.interval.low, found.ratio.interval.high],
        "n": len(trials.truth),
        "coalition": coalitions.size(trials),
        "servers": coalitions.servers(trials),
        **_place(trials),
        "floor": 0.0,
        "ceiling": 1.0,
    }


def _place(trials: Trials) -> dict[str, Any]:
    """Where on the collusion curve of its preset an arm lies; early looks lie on none."""
    if trials.facts.get("steps seen") != trials.facts.get("steps"):
        return {}
    return {"along": [f"servers, {trials.arm.partition(',')[0]}", coalitions.size(trials)]}
