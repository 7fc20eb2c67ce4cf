"""Rank prompts by how plausible their words are, before and after a view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ...defenses.views import Views
from ..contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .seen import READS, texts_of
from .vocabulary import known, token_f1, words

SAMPLE = 200
"""Public prompts among which the most typical one is sought."""


@dataclass(frozen=True, kw_only=True)
class PlausibilityRanking:
    """Score = mean log-frequency of a prompt's words in public captions; unsent prompts last.

    The attacker who knows what people ask for and nothing else. Where a request holds several
    prompts in the clear (ObCLIP) it names the most plausible of them; a prompt that stands there
    alone is plain reading. Where nothing is in the clear it says the most typical caption, which
    is the prior that every other attack is measured beside.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = READS | {"update"}

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game's candidates, and say one prompt."""
        candidates = aux.candidates or ()
        scores, said = empty_scores(candidates), []
        for game, options in enumerate(candidates):
            sent = texts_of(views, game)
            scores[game, : len(options)] = plausibility(options)
            if sent:
                absent = np.array([option not in sent for option in options])
                scores[game, : len(options)] -= 1e3 * absent
            said.append(most_plausible(sent, rng) if sent else typical())
        return Guesses(scores=scores, texts=tuple(said))


def plausibility(texts: Sequence[str]) -> Scores:
    """Mean log-frequency of the words of each text, shape (texts,); Laplace smoothed."""
    counts, total = _counts()
    return np.array(
        [np.mean([np.log((counts[w] + 1) / (total + 1)) for w in words(t) or ("",)]) for t in texts]
    )


def most_plausible(texts: Sequence[str], rng: np.random.Generator) -> str:
    """The likeliest of some prompts; ties, to three digits, are broken at random."""
    scores = np.round(plausibility(texts), 3)
    return texts[int(rng.choice(np.flatnonzero(scores == scores.max())))]


@cache
def typical() -> str:
    """The public caption that shares the most words with others: the best guess unseen."""
    sample = known()[:SAMPLE]
    shared = [np.mean([token_f1(text, other) for other in sample]) for text in sample]
    return sample[int(np.argmax(shared))]


@cache
def _counts() -> tuple[Counter[str], int]:
    found = Counter(word for text in known() for word in words(text))
    return found, sum(found.values())
