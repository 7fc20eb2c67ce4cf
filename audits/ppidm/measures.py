"""What is measured beside the verdict: leakage against coalition size, LPIPS, CLIP, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...defenses.claims import Hidden
from ...scenarios.contract import Trials
from ...scenarios.drawn import BLIND, IMAGE
from ..case import Case
from ..hiding import names_of, part_of
from ..likeness import Measure, nearest, pictures, point
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
            found += point(case, each, name, claim, alpha=alpha, where=_place(each))
            found += nearest(each, name, alpha=alpha, seed=seed, where=_place(each))
            if any(each is one for one in looked_at):
                found += pictures(each, name, alpha=alpha, seed=seed)
    return tuple(found)


def _place(trials: Trials) -> Measure:
    """Who colluded, and where on the curve of its preset that is; early looks lie on none."""
    size = coalitions.size(trials)
    place: Measure = {"coalition": size, "servers": coalitions.servers(trials)}
    if trials.facts.get("steps seen") == trials.facts.get("steps"):
        place["along"] = [f"servers, {trials.arm.partition(',')[0]}", size]
    return place
