"""Name the prompt where cross-attention's keys and values leave: their input is its encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .own_order import in_own_order
from .share_inputs import Inputs, read
from .share_model import ShareModel
from .share_views import LAYERS, Floats

EXACT = 1e-4
"""Variance that exact inputs are given, in units of their mean square: rounding by the client."""


@dataclass(frozen=True, kw_only=True)
class TextReading:
    """Log-likelihood of each candidate's encoding t, given every share of it that was seen.

        score(c) = - sum |y - t_c|^2 / 2 v

    over the layers with such an input, over all steps, and over known entries; v is the variance
    of masks that are missing. The same t crosses at every layer and step, under new masks each
    time: in mode `real` T steps and L layers leave v / (T L).

    Where nothing of the text crosses in a game, all its candidates score alike.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("TextReading needs the fact candidates")
        model = ShareModel.open(aux, views)
        return Guesses(scores=text_scores(model, views, aux.candidates))


def text_scores(
    model: ShareModel, views: Views, candidates: Sequence[tuple[str, ...]], session: int = 0
) -> Scores:
    """Log-likelihoods of each game's candidates, up to a constant; zeros where no text crosses."""
    scores, seen = empty_scores(candidates), text_inputs(model, views, session)
    for game, texts in enumerate(candidates):
        own = model.encoded(texts).text.double().cpu().numpy()
        scores[game, : len(texts)] += sum(likelihoods(x, game, own) for x in seen)
    return scores


def text_inputs(model: ShareModel, views: Views, session: int = 0) -> list[Inputs]:
    """All inputs of cross-attention's keys and values that were seen."""
    return [x for number in model.text for x in read(model, views, number, session).values()]


def likelihoods(inputs: Inputs, game: int, own: Floats) -> Scores:
    """Log-likelihoods of encodings, up to a constant, given one input of one game."""
    if not inputs.informative[game]:
        return np.zeros(len(own))
    known = inputs.known[game, -1]
    seen, options = inputs.values[game, -1][known], own[:, known]
    variance = inputs.variance[game] + EXACT * np.square(own).mean()
    distances = np.square(options).sum(axis=1) - 2 * options @ seen
    return np.asarray(-distances / (2 * variance))
