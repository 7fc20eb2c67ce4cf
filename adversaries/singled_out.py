"""Guess the candidate that is asked for once more than the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.codec import Array, decode_texts
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .rows import GENERATE, rows_of

WARM = "warm"
"""Fills a cache ahead of the request."""

POINTERS = ("row", "rows")
"""Names under which a message may point at rows."""

WEIGHTS = "lead"
"""Name under which a message may weigh all rows."""


@dataclass(frozen=True, kw_only=True)
class SingledOut:
    """Score = messages that name the candidate, but not all of its siblings.

    A cache that is filled from the real prompt, a download that failed and is asked for again, a
    preview of one row: whatever is done for the real row alone names it. What the server's cache
    holds after each message follows from the messages, so that nothing else needs to be read.
    Weights that favor a row name it too.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, WARM, "fetch"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            scores[game, : len(texts)] = _named(views, game, texts, self.reads)
        return Guesses(scores=scores)


def _named(views: Views, game: int, texts: Sequence[str], kinds: frozenset[str]) -> Scores:
    named = np.zeros(len(texts))
    for session in range(views.sessions(game)):
        places = rows_of(views, game, texts, session).places
        for kind in sorted(kinds):
            for block in views.arrays(game, kind, session, sender="client"):
                for here in _asked(block, texts, places):
                    named += here if not here.all() else 0
    return named


def _asked(block: Mapping[str, Array], texts: Sequence[str], places: Array) -> Iterator[Array]:
    """Candidates that a message names in one way or another, each of shape (candidates,)."""
    if "prompts" in block:
        sent = set(decode_texts(block["prompts"]))
        yield np.array([text in sent for text in texts])
    for name in POINTERS:
        if name in block:
            yield np.isin(places, block[name].reshape(-1))
    weights = block.get(WEIGHTS, np.zeros(0)).reshape(-1)
    if weights.size:
        yield np.isin(places, np.flatnonzero(weights == weights.max()))
