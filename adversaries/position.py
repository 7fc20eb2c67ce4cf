"""Guess that the real prompt stands at a fixed row of the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .rows import GENERATE, rows_of


@dataclass(frozen=True, kw_only=True)
class Position:
    """Score 1 for the candidate at `row`, 0 for all others.

    The first mistake of anyone who implements Algorithm 1 of ObCLIP: the real prompt is put in
    the list first and its variants are appended.

    Attributes:
        row: The row guessed, from 0; negative counts from the end.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    row: int = 0

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            rows = rows_of(views, game, texts)
            if -len(rows.prompts) <= self.row < len(rows.prompts):
                wanted = self.row % len(rows.prompts)
                scores[game, : len(texts)] = rows.places == wanted
        return Guesses(scores=scores)
