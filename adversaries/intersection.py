"""Intersect the candidate sets of several sessions of one user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.obclip.lexicon import AttributeSpace
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .residue import values_of
from .rows import GENERATE, first_request


@dataclass(frozen=True, kw_only=True)
class Intersection:
    """Score = number of sessions whose request agrees with the candidate.

    With pool N and fresh sets of size m, (N - 1) ((m - 1)/(N - 1))^s wrong candidates survive s
    sessions on average; full enumeration keeps all of them for ever. Where a later session asks
    for an edited prompt or a follow-up, a candidate agrees with a row that shows the same value
    of every attribute that both mention.

    Attributes:
        sessions: Sessions that the coalition shares, 0 for all of them. Servers that do not pool
            what they saw of a user have one each.

    References:
        Gervais, Shokri, Singla, Capkun, Lenders, Quantifying Web-Search Privacy (2014).
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    sessions: int = 0

    def __post_init__(self) -> None:
        if self.sessions < 0:
            raise ValueError(f"sessions={self.sessions} must be >= 0; 0 shares all")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            shared = views.sessions(game)
            for session in range(min(shared, self.sessions or shared)):
                scores[game, : len(texts)] += agreeing(first_request(views, game, session), texts)
        return Guesses(scores=scores)


def agreeing(prompts: Sequence[str], candidates: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Candidates that a request leaves possible, shape (candidates,)."""
    sent = set(prompts)
    if sent & set(candidates):
        return np.array([text in sent for text in candidates])
    space = AttributeSpace()
    shown = [values_of(text, space) for text in prompts]
    wanted = [values_of(text, space) for text in candidates]
    return np.array(
        [
            any(all(mine[k] == row[k] for k in mine.keys() & row.keys()) for row in shown)
            for mine in wanted
        ]
    )
