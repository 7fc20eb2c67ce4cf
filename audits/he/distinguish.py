"""Can the server tell chosen latents apart? Wins among 100, for every adversary."""

from __future__ import annotations

from collections.abc import Sequence

from ...defenses.claims import Indistinguishability
from ...scenarios.contract import Trials
from ...scenarios.drawn import LATENT
from ..hiding import paid_for, won_row
from ..verdict import Row

METRIC = "advantage over 1/N"


def rows_of(
    trials: Sequence[Trials], claim: Indistinguishability, *, alpha: float, seed: int
) -> tuple[Row, ...]:
    """Test the claim for every adversary in every arm about latents.

    If any two secrets are told apart with advantage at most a, then among N a uniform one is
    named with probability at most 1/N + a (average the two-secret bound over pairs). More
    candidates so need fewer games.

    Args:
        trials: Arms of one defence.
        claim: Advantage that is allowed.
        alpha: This claim's level; Holm pays for all rows.
        seed: Seed of the draws that break ties.
    """
    looks = [(each, key) for each in trials for key in each.scores if key.startswith(f"{LATENT}/")]
    if not looks:
        return ()
    level = alpha / len(looks)
    rows = [
        won_row(each, key, metric=METRIC, slack=claim.advantage, level=level, seed=seed)
        for each, key in looks
    ]
    return paid_for(rows, alpha)
