"""Do two executions have the same prompt? Compare what each says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import logsumexp

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores
from .own_order import in_own_order
from .prompt_fit import prompt_scores
from .share_model import ShareModel
from .share_views import LAYERS


@dataclass(frozen=True, kw_only=True)
class Linking:
    """Log-odds that the first two executions of a game have one prompt, up to the prior.

    With p_i(c) the probability of candidate c given execution i, and C candidates,

        score = log C sum_c p_1(c) p_2(c)

    which is 0 where either says nothing, and log C where both name the same prompt for certain.
    p_i comes from the prompt's encoding where that crosses (`text_reading`), else from its mark on
    other inputs (`prompt_fit`).
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.SAME_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game: one column, higher means the same prompt."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("Linking needs the fact candidates")
        model = ShareModel.open(aux, views)
        both = [prompt_scores(model, views, aux.candidates, session) for session in (0, 1)]
        return Guesses(scores=log_odds(*both)[:, None])


def log_odds(first: Scores, second: Scores) -> Scores:
    """Shape (games,), of log-likelihoods of shape (games, candidates), NaN where there is none."""
    counts = (~np.isnan(first)).sum(axis=1)
    own, other = (_log_posterior(scores) for scores in (first, second))
    return np.asarray(np.log(counts) + logsumexp(own + other, axis=1))


def _log_posterior(scores: Scores) -> Scores:
    filled = np.where(np.isnan(scores), -np.inf, scores)
    return np.asarray(filled - logsumexp(filled, axis=1, keepdims=True))
