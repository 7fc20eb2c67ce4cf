"""What is measured beside the verdict: leakage by coalition size, LPIPS, CLIP, links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...defenses.claims import Hidden
from ...scenarios.contract import Trials
from ...scenarios.drawn import BLIND, IMAGE
from ...scenarios.linked import LINK
from ..case import Case
from ..hiding import names_of, part_of, wins
from ..likeness import Measure, nearest, pictures, point
from ..statistics import clopper_pearson
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
        found += _links(each, alpha=alpha, seed=seed)
        if f"{IMAGE}/{BLIND}" not in each.scores:
            continue
        for name in names_of(each, claim):
            found += point(case, each, name, claim, alpha=alpha, where=_place(each))
            found += nearest(each, name, alpha=alpha, seed=seed, where=_place(each))
            if any(each is one for one in looked_at):
                found += pictures(each, name, alpha=alpha, seed=seed)
    return tuple(found)


def _links(trials: Trials, *, alpha: float, seed: int) -> Iterator[Measure]:
    """How often two executions are told to have one prompt, or two; nothing in other arms."""
    for key in (key for key in trials.scores if key.startswith(f"{LINK}/")):
        won, n = wins(trials, trials.scores[key], seed, key), len(trials.truth)
        yield {
            "name": "one prompt told from two",
            "arm": trials.arm,
            "adversary": key.removeprefix(f"{LINK}/"),
            "estimate": won / n,
            "interval": list(clopper_pearson(won, n, alpha=alpha)),
            "n": n,
            **_place(trials),
            "floor": 0.5,
            "ceiling": 1.0,
        }


def _place(trials: Trials) -> Measure:
    """Who colluded, and where on the curve of its preset that is; early looks lie on none."""
    size = coalitions.size(trials)
    place: Measure = {"coalition": size, "servers": coalitions.servers(trials)}
    if trials.facts.get("steps seen") == trials.facts.get("steps"):
        place["along"] = [f"servers, {trials.arm.partition(',')[0]}", size]
    return place
