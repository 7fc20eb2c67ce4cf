"""Null calibration: games whose adversaries do exactly as well as a claim allows, and no better.

An audit at level alpha may refute such a claim in a share alpha of repetitions, whatever it looks
at: several adversaries in several arms, all paid for. Games in which they do far better show that
the same audit refutes. The scores are drawn, no model runs; nothing else of the audit is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ...defenses.claims import Claim, Hidden, MembershipArea, Obliviousness
from ...defenses.ppidm.protocol import ALL_BUT_ONE
from ...defenses.seeds import stream
from ...scenarios.contract import Trials
from ..case import Case
from ..dispatch import audit_of
from ..verdict import Finding, Role, Verdict

GAMES, ADVERSARIES, ARMS = 120, 4, 2
SERVERS = 3
Make = Callable[[str, float, np.random.Generator], Trials]


@dataclass(frozen=True, kw_only=True)
class Null:
    """A claim and games about it.

    Attributes:
        claim: What is audited.
        allowed: Success that keeps it to the letter.
        exceeded: Success that does not keep it.
        make: An arm in which every adversary has a given success.
    """

    claim: Claim
    allowed: float
    exceeded: float
    make: Make


def refutations(name: str, *, audits: int, alpha: float, seed: int, exceeded: bool = False) -> int:
    """How many of `audits` repetitions refute a claim.

    Args:
        name: One of `NULLS`.
        audits: Repetitions, on streams of their own.
        alpha: Of each audit.
        seed: Of every random stream.
        exceeded: Whether the adversaries do better than the claim allows.
    """
    found = (_finding(name, alpha, seed, number, exceeded=exceeded) for number in range(audits))
    return sum(each.verdict is Verdict.REFUTED for each in found)


def _finding(name: str, alpha: float, seed: int, number: int, *, exceeded: bool) -> Finding:
    null = NULLS[name]
    rng = stream(seed, "null", name, number, int(exceeded))
    success = null.exceeded if exceeded else null.allowed
    case = Case(
        id=f"selfcheck/{name}",
        scenario="selfcheck",
        question="Is a claim refuted that is kept?",
        defense={"name": "Exceeded" if exceeded else "Kept"},
        claim=null.claim,
        role=Role.CLAIM,
        trials=[null.make(f"arm {arm}", success, rng) for arm in range(ARMS)],
        reference=[],
        threat_model={},
    )
    audit = audit_of(null.claim)
    return audit(case, alpha=alpha, profile="quick", seed=int(rng.integers(2**62)))


def _oblivious(arm: str, right: float, rng: np.random.Generator) -> Trials:
    return _named(arm, right, rng, candidates=6, prefix="")


def _prompts(arm: str, right: float, rng: np.random.Generator) -> Trials:
    return _named(arm, right, rng, candidates=100, prefix="prompt/")


def _named(
    arm: str, right: float, rng: np.random.Generator, *, candidates: int, prefix: str
) -> Trials:
    """Every adversary names the real candidate with probability `right`."""
    truth = rng.integers(0, candidates, GAMES)
    scores, swapped = {}, {}
    for number in range(ADVERSARIES):
        own = rng.random((GAMES, candidates))
        own[np.arange(GAMES), truth] = np.where(rng.random(GAMES) < right, 2.0, -1.0)
        scores[f"{prefix}adversary {number}"] = own
        swapped[f"{prefix}adversary {number}"] = rng.random((GAMES, candidates))
    return Trials(
        arm=arm,
        truth=truth,
        counts=np.full(GAMES, candidates, dtype=np.int64),
        scores=scores,
        swapped=swapped,
        facts={
            "best_guess": 1 / candidates,
            "sessions": 1,
            "parameters": None,
            "coalition": [f"server/{number}" for number in range(1, SERVERS)],
            "servers": SERVERS,
        },
    )


def _members(arm: str, area: float, rng: np.random.Generator) -> Trials:
    """Every adversary tells members from others with a given area: Gaussian scores, shifted."""
    truth = np.repeat([1, 0], GAMES // 2)
    shift = np.sqrt(2) * norm.ppf(area)
    names = [f"adversary {number}" for number in range(ADVERSARIES)]
    return Trials(
        arm=arm,
        truth=truth,
        counts=np.full(GAMES, 2, dtype=np.int64),
        scores={name: rng.normal(shift * truth)[:, None] for name in names},
        swapped={name: rng.normal(size=(GAMES, 1)) for name in names},
        facts={"coalition": ["public"], "queries": dict.fromkeys(names, 1)},
    )


_SLACK = Obliviousness().slack
NULLS: Mapping[str, Null] = {
    "oblivious": Null(claim=Obliviousness(), allowed=1 / 6 + _SLACK, exceeded=0.6, make=_oblivious),
    "he": Null(
        claim=Hidden(what="prompt", metric="prompt retrieval"),
        allowed=1 / 100 + 0.05,
        exceeded=0.5,
        make=_prompts,
    ),
    "ppidm": Null(claim=ALL_BUT_ONE[1], allowed=1 / 100 + 0.05, exceeded=0.5, make=_prompts),
    "membership": Null(
        claim=MembershipArea(at_most=0.6), allowed=0.6, exceeded=0.95, make=_members
    ),
}
"""Audit to the claim, and games that keep it or do not."""
