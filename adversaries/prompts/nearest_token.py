"""Name the word that a published token embedding means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...defenses.views import Views
from ...targets.pipeline import Target
from ..contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .encoder import Encoder, Floats
from .noise_fit import best


@dataclass(frozen=True, kw_only=True)
class NearestToken:
    """Score = cosine of the published vector and a candidate's words, both less their means.

    A learned token stands where a word would; what it means is looked up as that of a word. The
    mean over releases is taken off the vector, so that what all of them share (the token that
    learning started from, the other records) counts for nothing.

    Queries: none; the embedding table is public.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({"release"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game's candidates, and say the best one."""
        if aux.candidates is None or aux.weights is None:
            raise ValueError("NearestToken needs the facts candidates and weights")
        encoder, scores = Encoder.of(Target(**aux.weights["open"])), empty_scores(aux.candidates)
        table = encoder.table.double().cpu().numpy()
        vectors = np.stack([_published(views, game) for game in range(len(views))])
        unit = _unit(vectors - vectors.mean(axis=0))
        for game, options in enumerate(aux.candidates):
            ids = encoder.tokenizer(list(options), add_special_tokens=False).input_ids
            words = np.stack([table[own].mean(axis=0) for own in ids])
            scores[game, : len(options)] = _unit(words - words.mean(axis=0)) @ unit[game]
        return Guesses(scores=scores, texts=best(scores, aux.candidates))


def _published(views: Views, game: int) -> Floats:
    return np.asarray(views.arrays(game, "release")[0]["vector"], dtype=np.float64).ravel()


def _unit(rows: Floats) -> Floats:
    norms: Floats = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(rows / norms)
