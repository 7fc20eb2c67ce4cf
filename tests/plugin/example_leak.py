"""A third party's adversary: guesses the row that stands last."""

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
from latentleak.defenses.views import Views


@dataclass(frozen=True, kw_only=True)
class LastRow:
    """Score 1 for the candidate that was sent last."""

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({"generate"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            last = views.texts(game, "generate", "prompts")[-1]
            scores[game, : len(texts)] = [text == last for text in texts]
        return Guesses(scores=scores)
