"""Games about two executions: is it one prompt, asked for twice, or are there two?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..adversaries.contract import Scores
from ..defenses.seeds import stream
from .contract import Trials
from .drawn import Drawn, Said
from .games import Secret

LINK = "link"
"""First part of the names under which scores are kept."""


def linked(secrets: Sequence[Secret], seed: int) -> tuple[Secret, ...]:
    """Second executions: half of them ask for the same prompt, half for any other one.

    Args:
        secrets: What the first executions ask for, one a game.
        seed: Of the run.
    """
    rng = stream(seed, "second executions")
    same = rng.permutation(len(secrets)) % 2 == 0
    return tuple(
        replace(secret, later=(_turned(secret.candidates, 0 if stays else _other(secret, rng)),))
        for secret, stays in zip(secrets, same, strict=True)
    )


def _other(secret: Secret, rng: np.random.Generator) -> int:
    return int(rng.integers(1, len(secret.candidates)))


def _turned(candidates: tuple[str, ...], by: int) -> tuple[str, ...]:
    return candidates[by:] + candidates[:by]


def compared(played: Drawn, said: Mapping[str, Said]) -> Trials:
    """Trials of an arm: two columns a game, different prompts first, then the same one.

    An adversary's score is its log-odds that the prompts are the same: they are compared with 0.
    """
    truth = np.array([s.asked(0) == s.asked(1) for s in played.secrets], dtype=np.int64)
    own = {f"{LINK}/{name}": each.own.scores for name, each in said.items()}
    swapped = {f"{LINK}/{n}": each.swapped.scores for n, each in said.items() if each.swapped}
    return Trials(
        arm=played.arm.name,
        truth=truth,
        counts=np.full(len(truth), 2, dtype=np.int64),
        scores={name: _columns(scores) for name, scores in own.items()},
        swapped={name: _columns(scores) for name, scores in swapped.items()},
        facts={**played.facts, "candidates": [2, 2]},
    )


def _columns(scores: Scores) -> Scores:
    """Odds that are even up to rounding are a tie."""
    return np.concatenate([np.zeros_like(scores), np.round(scores, 9)], axis=1)
