"""Three adversaries that cheat, and one that fails. Loaded by file, as a third party's would be."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from latentleak.adversaries.contract import (
    Auxiliary,
    Guesses,
    Knowledge,
    Question,
    empty_scores,
)
from latentleak.defenses.plain import Plain
from latentleak.defenses.views import Views
from latentleak.scenarios.contract import Setting
from latentleak.scenarios.games import Played
from latentleak.scenarios.prompt_secrets import draw
from latentleak.scenarios.which_prompt import WhichPrompt

SCENARIO = WhichPrompt(
    full_games=0,
    cheap_games=60,
    cheap_shadow=30,
    sessions=1,
    follow_ups=0,
    accelerated=0,
    skewed=0,
    mentions=0,
)


@dataclass(frozen=True, kw_only=True)
class _Cheat:
    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset()

    def truth(self, games: int) -> Sequence[int]:
        raise LookupError("nothing found")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        scores = empty_scores(aux.candidates or ())
        try:
            truth = self.truth(len(scores))
        except LookupError:
            return Guesses(scores=scores)
        scores[np.arange(len(scores)), list(truth)] = 1
        return Guesses(scores=scores)


@dataclass(frozen=True, kw_only=True)
class StackWalker(_Cheat):
    """Looks for the truth in the frames that called it."""

    def truth(self, games: int) -> Sequence[int]:
        frame = sys._getframe()
        while frame is not None:
            for value in frame.f_locals.values():
                for each in value if type(value) is list else ():
                    if type(each) is Played:
                        return [secret.real for secret in each.games.secrets]
            frame = frame.f_back
        raise LookupError("no referee on the stack")


@dataclass(frozen=True, kw_only=True)
class SeedSeeker(_Cheat):
    """Looks for the run's settings in memory and draws the truth again."""

    def truth(self, games: int) -> Sequence[int]:
        settings = [thing for thing in gc.get_objects() if type(thing) is Setting]
        if not settings:
            raise LookupError("no settings in memory")
        return _truth(settings[-1].seed, games)


@dataclass(frozen=True, kw_only=True)
class SeedZero(_Cheat):
    """Bets that the run's seed is 0: no sealing can stop it, the swapped views show it."""

    def truth(self, games: int) -> Sequence[int]:
        return _truth(0, games)


def _truth(seed: int, games: int) -> Sequence[int]:
    """What the referee drew, if this is the seed of the run."""
    arm = SCENARIO.arms(Plain(), "quick")[0]
    return [secret.real for secret in draw(arm, games, seed, "game")]


@dataclass(frozen=True, kw_only=True)
class Crash(_Cheat):
    """Fails while it attacks."""

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        raise ZeroDivisionError("no luck")
