"""Intersect the candidate sets of several sessions on the same prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .rows import GENERATE, rows_of


@dataclass(frozen=True, kw_only=True)
class Intersection:
    """Score = number of sessions in which the candidate was sent.

    With pool N and fresh sets of size m, (N - 1) ((m - 1)/(N - 1))^s wrong candidates survive s
    sessions on average; full enumeration keeps all of them for ever.

    References:
        Gervais, Shokri, Singla, Capkun, Lenders, Quantifying Web-Search Privacy (2014).
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            for session in range(views.sessions(game)):
                rows = rows_of(views, game, texts, session)
                scores[game, : len(texts)] += rows.places >= 0
        return Guesses(scores=scores)
