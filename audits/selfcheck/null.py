"""Null calibration: games whose adversaries do exactly as well as a claim allows, and no better.

An audit at level alpha may refute such a claim in a share alpha of repetitions, whatever it looks
at: several adversaries in several arms, all paid for. The scores are drawn, no model runs; nothing
else of the audit is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...defenses.claims import Claim, Hidden, Obliviousness
from ...defenses.ppidm.protocol import ALL_BUT_ONE
from ...defenses.seeds import stream
from ...scenarios.contract import Trials
from ..case import Case
from ..dispatch import audit_of
from ..verdict import Finding, Role, Verdict

GAMES, ADVERSARIES, ARMS = 120, 4, 2
SERVERS = 3


def refutations(name: str, *, audits: int, alpha: float, seed: int) -> int:
    """How many of `audits` repetitions refute a claim that is kept to the letter.

    Args:
        name: One of `CLAIMS`.
        audits: Repetitions, on streams of their own.
        alpha: Of each audit.
        seed: Of every random stream.
    """
    found = (_finding(name, alpha, seed, number) for number in range(audits))
    return sum(each.verdict is Verdict.REFUTED for each in found)


def _finding(name: str, alpha: float, seed: int, number: int) -> Finding:
    claim, make = CLAIMS[name]
    rng = stream(seed, "null", name, number)
    case = Case(
        id=f"selfcheck/{name}",
        scenario="selfcheck",
        question="Is a claim refuted that is kept?",
        defense={"name": "Kept"},
        claim=claim,
        role=Role.CLAIM,
        trials=[make(f"arm {arm}", rng) for arm in range(ARMS)],
        reference=[],
        threat_model={},
    )
    return audit_of(claim)(case, alpha=alpha, profile="quick", seed=int(rng.integers(2**62)))


def _oblivious(arm: str, rng: np.random.Generator) -> Trials:
    """Right with probability 1/N + slack, among six candidates."""
    return _named(arm, rng, candidates=6, right=1 / 6 + CLAIMS_SLACK, prefix="")


def _encrypted(arm: str, rng: np.random.Generator) -> Trials:
    """Right with probability 1/100 + 0.05, among a hundred prompts."""
    return _named(arm, rng, candidates=100, right=0.06, prefix="prompt/")


def _shared(arm: str, rng: np.random.Generator) -> Trials:
    """The same, by all servers but one."""
    return _named(arm, rng, candidates=100, right=0.06, prefix="prompt/")


def _named(
    arm: str, rng: np.random.Generator, *, candidates: int, right: float, prefix: str
) -> Trials:
    """An arm in which every adversary names the real candidate with a given probability."""
    truth = rng.integers(0, candidates, GAMES)
    scores, swapped = {}, {}
    for number in range(ADVERSARIES):
        own = rng.random((GAMES, candidates))
        own[np.arange(GAMES), truth] = np.where(rng.random(GAMES) < right, 2.0, -1.0)
        scores[f"{prefix}adversary {number}"] = own
        swapped[f"{prefix}adversary {number}"] = rng.random((GAMES, candidates))
    members = [f"server/{number}" for number in range(1, SERVERS)]
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
            "coalition": members,
            "servers": SERVERS,
        },
    )


CLAIMS_SLACK = Obliviousness().slack
CLAIMS: Mapping[str, tuple[Claim, Callable[[str, np.random.Generator], Trials]]] = {
    "oblivious": (Obliviousness(), _oblivious),
    "he": (Hidden(what="prompt", metric="prompt retrieval"), _encrypted),
    "ppidm": (ALL_BUT_ONE[1], _shared),
}
"""Audit to the claim that is kept and the games that keep it."""
