"""Can the server tell chosen latents apart? Wins among 100, for every adversary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...defenses.claims import Indistinguishability
from ...scenarios.contract import Trials
from ...scenarios.drawn import LATENT
from ..hiding import CONTROL_ALPHA, printed, wins
from ..statistics import advantage, clopper_pearson, holm
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
    rows = [_row(each, key, claim, level=level, seed=seed) for each, key in looks]
    adjusted = holm([row.p_value for row in rows])
    return tuple(
        replace(row, alpha=alpha, p_adjusted=float(p))
        for row, p in zip(rows, adjusted, strict=True)
    )


def _row(trials: Trials, key: str, claim: Indistinguishability, *, level: float, seed: int) -> Row:
    n = len(trials.truth)
    won = wins(trials, trials.scores[key], seed, key)
    test = advantage(won, n, candidates=trials.counts, alpha=level, slack=claim.advantage)
    low, high = clopper_pearson(won, n, alpha=level)
    control = wins(trials, trials.swapped[key], seed, f"{key}/swapped")
    blind = advantage(control, n, candidates=trials.counts, alpha=CONTROL_ALPHA)
    return Row(
        adversary=key.removeprefix(f"{LATENT}/"),
        arm=trials.arm,
        metric=METRIC,
        n=n,
        wins=won,
        chance=test.chance,
        estimate=test.estimate,
        interval=(low - test.chance, high - test.chance),
        p_value=test.p_value,
        p_adjusted=1.0,
        critical=test.critical,
        detectable=test.detectable - claim.advantage,
        ceiling=test.ceiling,
        alpha=level,
        level=level,
        swapped={
            "wins": control,
            "n": n,
            "chance": blind.chance,
            "p_value": blind.p_value,
            "holds": blind.p_value > CONTROL_ALPHA,
        },
        games=printed(trials),
    )
