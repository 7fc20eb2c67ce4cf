"""Rank the candidates by how often such prompts are really asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow, empty_scores
from .residue import WORD
from .rows import GENERATE, rows_of


@dataclass(frozen=True, kw_only=True)
class Plausibility:
    """Score = log-odds of the candidate's words under an empirical prior; unsent ones last.

    The prior is learned from labelled executions: for each word that tells candidates apart, how
    often the real prompt held it when it could have. Under a uniform prior it learns nothing;
    under any other it gains max pi - 1/N without help from the protocol, which is why the claim
    names `uniform-prior`.

    Attributes:
        smoothing: Pseudo-count of the word frequencies.
        log_odds: Learned by `fit`; empty scores all candidates alike.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    smoothing: float = 1.0
    log_odds: tuple[tuple[str, float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise ValueError(f"smoothing={self.smoothing} must be > 0")

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Plausibility:
        """Count how often each distinguishing word was real, against how often it was on offer."""
        real: defaultdict[str, float] = defaultdict(float)
        offered: defaultdict[str, float] = defaultdict(float)
        for texts, label in zip(shadow.candidates, shadow.labels, strict=True):
            for column, words in enumerate(_distinguishing(texts)):
                for word in words:
                    real[word] += column == int(label)
                    offered[word] += 1 / len(texts)
        s = self.smoothing
        odds = {w: float(np.log((real[w] + s) / (offered[w] + s))) for w in offered}
        return replace(self, log_odds=tuple(sorted(odds.items())))

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        odds = dict(self.log_odds)
        for game, texts in enumerate(candidates):
            prior = np.array(
                [sum(odds.get(w, 0.0) for w in sorted(words)) for words in _distinguishing(texts)]
            )
            sent = rows_of(views, game, texts).places >= 0
            scores[game, : len(texts)] = np.where(sent, prior, prior - 1e6)
        return Guesses(scores=scores)


def _distinguishing(texts: Sequence[str]) -> list[set[str]]:
    words = [set(WORD.findall(text.lower())) for text in texts]
    common = set.intersection(*words)
    return [mine - common for mine in words]
