"""Name the prompt whose embedding crosses in the clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .he_views import Model, condition_of


@dataclass(frozen=True, kw_only=True)
class NearestConditioning:
    """Score = minus the squared distance of a candidate's embedding to the one that was sent.

    The text encoder is public and nearly injective on any vocabulary that can be enumerated, so
    an embedding in the clear is the prompt. Where none is sent, all candidates score alike.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({"condition"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        if aux.candidates is None:
            raise ValueError("NearestConditioning needs the fact candidates")
        from ..targets import sampling

        model, scores = Model.open(aux, views), empty_scores(aux.candidates)
        read = 0
        for game, prompts in enumerate(aux.candidates):
            sent = condition_of(views, [game])
            if sent is None:
                continue
            own = sampling.encode_prompts(model.pipe, prompts).text
            distances = (own - sent.text).double().square().sum(dim=(1, 2))
            scores[game, : len(prompts)] = -distances.numpy()
            read += 1
        return Guesses(scores=scores, notes={"games read": read})
