"""What is recorded of mode `ring` beside its games: are shares uniform, are views coupled?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...defenses.ppidm.protocol import Ppidm
from ...defenses.protocol import execute
from ...defenses.seeds import derive
from ...scenarios.contract import Setting
from ...scenarios.games import threads_for
from ..statistics import clopper_pearson, clopper_pearson_lower, critical_count, detectable_rate
from ..verdict import Row
from . import coupling
from .shares import Shares, shares_of
from .uniformity import Bet, bets, range_bet

NAME = "uniform shares"
ADVERSARY = "real or uniform"
STEPS = 4
"""Of the execution whose shares are tested: two pairs that follow each other."""

COUPLED_STEPS = 1
CONTROL_ALPHA = 1e-4
"""Level at which simulated shares count as told from uniform."""


def arguments(defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
    """Test the shares of one execution, and couple the views of two, on the tiny model.

    Neither depends on a model's weights. Nothing for other modes, where shares are not uniform.
    """
    if not isinstance(defense, Ppidm) or defense.share != "ring":
        return ()
    target = setting.target("tiny")
    with threads_for(target):
        seed = derive(setting.seed, "shares")
        short = replace(defense, steps=STEPS)
        transcript = execute(short, target, coupling.PROMPTS[0], seed)[1]
        shares = shares_of(transcript, defense.modulus_bits)
        transcript.close()
        coupled = coupling.coupled(replace(defense, steps=COUPLED_STEPS), target, setting.seed)
    return recorded(shares, derive(setting.seed, "simulator")), coupled


def recorded(shares: Shares, seed: int) -> dict[str, Any]:
    """The strongest of all tests, and of the same on simulated shares: the control.

    The p-value is Bonferroni's over all tests; one number outside the ring makes it 0.
    """
    strongest, tests = _strongest(shares)
    control, _ = _strongest(shares.simulated(seed))
    return {
        "name": NAME,
        "statement": "shares are independent and uniform in Z_2^k",
        "test": strongest.name,
        "wins": strongest.wins,
        "bets": strongest.n,
        "chance": strongest.chance,
        "tests": tests,
        "p_value": min(1.0, tests * strongest.p_value),
        "simulated": min(1.0, tests * control.p_value),
        "residues": sum(len(r) for own in shares.residues.values() for r in own.values()),
        "outside": shares.outside,
        "k": shares.k,
    }


def _strongest(shares: Shares) -> tuple[Bet, int]:
    every = (range_bet(shares), *bets(shares))
    return min(every, key=lambda bet: bet.p_value), len(every)


def uniform_row(exact: Mapping[str, Any], level: float) -> Row:
    """The recorded test as a row: a distinguisher of real shares from uniform ones.

    Its games are bets on single residues. Interval, critical count, `detectable` and ceiling hold
    for all tests at once.

    Args:
        exact: What `recorded` gave.
        level: Of the row.
    """
    n, wins, chance = int(exact["bets"]), int(exact["wins"]), float(exact["chance"])
    own = level / int(exact["tests"])
    low, high = clopper_pearson(wins, n, alpha=own)
    return Row(
        adversary=ADVERSARY,
        arm=str(exact["test"]),
        metric="bets on single residues won, less chance",
        n=n,
        wins=wins,
        chance=chance,
        estimate=wins / n - chance,
        interval=(low - chance, high - chance),
        p_value=float(exact["p_value"]),
        p_adjusted=1.0,
        critical=critical_count(n, p=chance, alpha=own) if chance else 1,
        detectable=detectable_rate(n, p=chance, alpha=own) - chance if chance else 0.0,
        ceiling=clopper_pearson_lower(n, n, alpha=own) - chance,
        alpha=level,
        level=level,
        swapped={
            "n": n,
            "p_value": float(exact["simulated"]),
            "holds": float(exact["simulated"]) > CONTROL_ALPHA,
        },
        games={"residues": exact["residues"], "tests": exact["tests"], "k": exact["k"]},
    )


def named(exact: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The argument of that name."""
    return next((each for each in exact if each["name"] == name), None)
