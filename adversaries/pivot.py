"""Guess the row that the client points at: the pivot of batch reuse, or a row it fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .rows import GENERATE, rows_of


@dataclass(frozen=True, kw_only=True)
class Pivot:
    """Score 1 for the candidate whose row the client names; row 0 where it names none.

    ObCLIP's Algorithm 2 takes the attention maps of a pivot prompt for all rows. A pivot that
    follows the real prompt, or a download of one row only, hands the index to the server.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, "fetch"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            rows = rows_of(views, game, texts)
            scores[game, : len(texts)] = rows.places == (rows.named or 0)
        return Guesses(scores=scores)
