"""Name the prompt whose encoding lies nearest, among candidates and in a closed vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...defenses.views import Views
from ...targets.pipeline import Target
from ..contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .encoder import encoded
from .plausible import most_plausible, typical
from .seen import READS, encodings, texts_of
from .trie import vocabulary_of


@dataclass(frozen=True, kw_only=True)
class NearestPrompt:
    """Maximum likelihood: the text encoder is public and the vocabulary can be enumerated.

    The score of a candidate is the log-likelihood of its encoding under the noise that masks
    leave; what is said is the likeliest of all 14,370 prompts (`trie`). An injective encoder
    seen exactly gives the prompt exactly. In Gaussian noise of deviation sigma, two prompts whose
    encodings lie d apart are confused with probability Q(d / 2 sigma).

    Of several prompts in the clear one is taken at random, the most plausible first. Where no
    encoding crosses, all candidates score alike and the prior's prompt is said.

    Queries: rows of the text encoder, a few hundred a run, one a candidate.

    Attributes:
        beam: Prefixes that are kept at each length.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = READS
    beam: int = 8

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"beam={self.beam} must be >= 1")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game's candidates, and say one prompt."""
        if aux.candidates is None or aux.weights is None:
            raise ValueError("NearestPrompt needs the facts candidates and weights")
        target = Target(**aux.weights["open"])
        scores, said = empty_scores(aux.candidates), []
        for game, seen in enumerate(encodings(views, aux)):
            options = aux.candidates[game]
            if seen is not None:
                own = encoded(target, options).astype(np.float64)
                scores[game, : len(options)] = seen.scores(own)
                said.append(vocabulary_of(target).nearest(seen.values, seen.precision, self.beam))
                continue
            sent = texts_of(views, game)
            scores[game, : len(options)] += [option in sent for option in options]
            said.append(most_plausible(sent, rng) if sent else typical())
        return Guesses(scores=scores, texts=tuple(said))
