"""Learn at which place the real prompt stands, whatever the rule that put it there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow, empty_scores
from .rows import GENERATE, Rows, rows_of

Place = tuple[str, int]
"""How a place was counted, and the count."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Score = log-odds of the candidate's places under what labelled executions showed.

    A place is counted from the first row, from the last, from where the candidate stands in the
    canonical enumeration, and from the first candidate that is missing: a set with a hole names
    its neighbor. In canonical order and complete, every candidate looks alike.

    Attributes:
        smoothing: Pseudo-count of a place.
        log_odds: Kind of place, count and log-odds, learned by `fit`.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    smoothing: float = 1.0
    log_odds: tuple[tuple[str, int, float], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise ValueError(f"smoothing={self.smoothing} must be > 0")

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Order:
        """Count how often each place was the real one's, against how often it was on offer."""
        real: defaultdict[Place, float] = defaultdict(float)
        offered: defaultdict[Place, float] = defaultdict(float)
        for game, (texts, label) in enumerate(zip(shadow.candidates, shadow.labels, strict=True)):
            for column, places in enumerate(_places(rows_of(shadow.views, game, texts), texts)):
                for place in places:
                    real[place] += column == int(label)
                    offered[place] += 1 / len(texts)
        s = self.smoothing
        odds = ((*p, float(np.log((real[p] + s) / (offered[p] + s)))) for p in sorted(offered))
        return replace(self, log_odds=tuple(odds))

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game; those that were not sent come last."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        odds = {(kind, count): value for kind, count, value in self.log_odds}
        for game, texts in enumerate(candidates):
            rows = rows_of(views, game, texts)
            told = [sum(odds.get(p, 0.0) for p in places) for places in _places(rows, texts)]
            scores[game, : len(texts)] = np.where(rows.places >= 0, np.round(told, 9), -1e6)
        return Guesses(scores=scores)


def _places(rows: Rows, texts: Sequence[str]) -> Iterator[list[Place]]:
    n, missing = len(texts), np.flatnonzero(rows.places < 0)
    for column, row in enumerate(rows.places.tolist()):
        if row < 0:
            yield []
            continue
        places = [
            ("from the first row", row),
            ("from the last row", len(rows.prompts) - 1 - row),
            ("from the canonical place", row - column),
        ]
        if missing.size:
            places.append(("from the hole", int(column - missing[0]) % n))
        yield places
