"""Read what the client's detector found: the attributes that its candidates run through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.obclip.lexicon import AttributeSpace
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .residue import values_of
from .rows import GENERATE, first_request


@dataclass(frozen=True, kw_only=True)
class Enumerated:
    """Score = minus the attributes in which the candidate's mention differs from what is hidden.

    The candidates of this game mention different attributes of the same scene. A set that runs
    through all ethnicities says that the prompt named one: hiding a value shows that there is
    one. The claim of ObCLIP does not cover this; whoever must hide it mentions every attribute in
    every prompt.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_ATTRIBUTES})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        space = AttributeSpace()
        for game, texts in enumerate(candidates):
            hidden = mentioned(first_request(views, game), space)
            scores[game, : len(texts)] = [-len(hidden ^ mentioned([text], space)) for text in texts]
        return Guesses(scores=scores)


def mentioned(texts: Sequence[str], space: AttributeSpace) -> frozenset[str]:
    """Attributes that any of the texts shows a value of."""
    return frozenset(name for text in texts for name in values_of(text, space))
