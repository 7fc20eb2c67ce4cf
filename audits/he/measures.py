"""What is measured beside the verdict: curves over the encrypted share, and likenesses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...defenses.claims import Hidden
from ...scenarios.drawn import BLIND, IMAGE
from ..case import Case
from ..hiding import names_of, part_of
from ..likeness import Measure, nearest, pictures, point


def measures_of(case: Case, *, alpha: float, seed: int) -> tuple[Mapping[str, Any], ...]:
    """Measures of a claim that something is hidden; none for others."""
    claim = case.claim
    if not isinstance(claim, Hidden) or part_of(claim) != IMAGE:
        return ()
    found: list[Measure] = []
    for each in case.trials:
        if f"{IMAGE}/{BLIND}" not in each.scores:
            continue
        share = each.facts.get("encrypted")
        where = {} if share is None else {"along": ["share of the latent encrypted", share]}
        for name in names_of(each, claim):
            if share is not None:
                found += point(case, each, name, claim, alpha=alpha, where=where)
            found += nearest(each, name, alpha=alpha, seed=seed, where=where)
            if not each.facts.get("measured"):
                found += pictures(each, name, alpha=alpha, seed=seed)
    return tuple(found)
