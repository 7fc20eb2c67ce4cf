"""The secrets of games about prompts: which candidates there are, and which of them is real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..adversaries.contract import Question
from ..adversaries.residue import values_of
from ..defenses.obclip.lexicon import AttributeSpace
from ..defenses.obclip.protocol import ObClip
from ..defenses.seeds import stream
from . import prompts
from .contract import Arm
from .games import Secret
from .priors import MEASURED, SKEWED


def draw(arm: Arm, games: int, seed: int, purpose: str) -> tuple[Secret, ...]:
    """The secrets of `games` games: templates in turn, the real candidate from the arm's prior."""
    rng = stream(seed, "truth", arm.name, purpose)
    sets = [_candidates(arm, prompt) for prompt in arm.prompts]
    laws = [SKEWED.of(c) if arm.prior == MEASURED else None for c in sets]
    secrets = []
    for game in range(games):
        number = game % len(sets)
        candidates, law = sets[number], laws[number]
        real = int(rng.integers(len(candidates)) if law is None else rng.choice(len(law), p=law))
        follow_ups = arm.follow_ups[number] if arm.follow_ups else ()
        secrets.append(
            Secret(
                candidates=candidates,
                real=real,
                later=tuple(_continued(candidates, text, rng) for text in follow_ups),
                best_guess=None if law is None else float(law.max()),
            )
        )
    return tuple(secrets)


def _candidates(arm: Arm, prompt: str) -> tuple[str, ...]:
    if arm.question is Question.WHICH_ATTRIBUTES:
        return prompts.mentions(prompt)
    return ObClip().candidates(prompt)


def _continued(
    candidates: Sequence[str], follow_up: str, rng: np.random.Generator
) -> tuple[str, ...]:
    """For each candidate the follow-up that agrees with it; what else it mentions is drawn."""
    space = AttributeSpace()
    options = [(text, values_of(text, space)) for text in ObClip().candidates(follow_up)]
    told = []
    pick = int(rng.integers(len(options)))
    for text in candidates:
        mine = values_of(text, space)
        fitting = [t for t, v in options if all(v.get(name) == mine[name] for name in mine)]
        told.append(fitting[pick % len(fitting)])
    return tuple(told)
