"""Classify what a prompt states of a person, from one signal, after training on own executions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...defenses.views import Views
from ...targets.captions import PersonPrompt
from ..contract import Auxiliary, Guesses, Knowledge, Question, Scores, empty_scores
from .plausible import typical
from .seen import CONDITION, DENOISE, GENERATE, PICTURED, READS, UPDATE
from .signals import Examples, Signals
from .vocabulary import ATTRIBUTES, known, stated

Chances = Mapping[str, Mapping[str, Scores]]
"""By attribute and value, the log-probability in each game, shape (games,)."""

Told = Mapping[str, Mapping[str, float]]
"""The same in one game."""

UNKNOWN = -1e3
"""Log-probability of a value that no example has."""


@dataclass(frozen=True, kw_only=True)
class AttributeClassifiers:
    """One logistic regression for each of gender, tone and style, on one signal.

    Trained on executions that the attacker makes itself, on prompts of families of which no game
    asks: what it recognizes is the attribute, not the prompt. The subject stays empty.

    A candidate's score is the sum of its attributes' log-probabilities; what is said is a prompt
    of the likeliest ones that any candidate has.

    Queries: two U-Net rows an own execution and step; for the encoding a row of the text encoder.

    Attributes:
        signal: Which one, see `signals`.
        examples: Own executions.
        strength: Inverse strength of the L2 penalty, on standardized features.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]]
    signal: ClassVar[str]
    examples: int = 96
    strength: float = 0.01

    def __post_init__(self) -> None:
        if self.examples < 16:
            raise ValueError(f"examples={self.examples} must be >= 16, or a value may be missing")
        if not self.strength > 0:
            raise ValueError(f"strength={self.strength} must be > 0")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game's candidates, and say a prompt without a subject."""
        candidates = aux.candidates or ()
        scores, said = empty_scores(candidates), [typical()] * len(candidates)
        found = Signals(views=views, aux=aux, rng=rng, count=self.examples).read(self.signal)
        if found is None:
            return Guesses(scores=scores, texts=tuple(said), notes={"games read": 0})
        chances = self.chances(found, [stated(text) for text in known()[: self.examples]])
        for row, game in enumerate(found.games):
            options = [stated(text) for text in candidates[game]]
            told = {k: {v: float(c[row]) for v, c in chances[k].items()} for k in chances}
            scores[game, : len(options)] = sums(told, options)
            said[game] = str(PersonPrompt(**likeliest(told, options)))
        return Guesses(scores=scores, texts=tuple(said), notes={"games read": len(found.games)})

    def chances(self, found: Examples, labels: Sequence[Mapping[str, str]]) -> Chances:
        """Log-probabilities of every value that the examples have.

        Args:
            found: Features of examples and of games.
            labels: What the prompt of each example states.
        """
        return {
            attribute: _classified(found, [each[attribute] for each in labels], self.strength)
            for attribute in ATTRIBUTES
        }


def _classified(found: Examples, labels: Sequence[str], strength: float) -> dict[str, Scores]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier: Any = make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=300)
    )
    classifier.fit(found.own, labels)
    odds = np.round(classifier.predict_log_proba(found.seen), 9)
    return dict(zip(classifier.classes_.tolist(), odds.T, strict=True))


def sums(told: Told, options: Sequence[Mapping[str, str]]) -> Scores:
    """Sum of the log-probabilities of what each candidate states, shape (candidates,)."""
    return np.array([sum(told[k].get(o[k], UNKNOWN) for k in told) for o in options])


def likeliest(told: Told, options: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The likeliest value of each attribute, of those that any candidate has."""
    return {
        key: max(sorted({o[key] for o in options} & set(told[key])), key=lambda v: told[key][v])
        for key in told
    }


@dataclass(frozen=True, kw_only=True)
class EncodingClassifiers(AttributeClassifiers):
    """From the encoding: what cross-attention's keys and values are made of."""

    reads: ClassVar[frozenset[str]] = READS
    signal: ClassVar[str] = "encoding"


@dataclass(frozen=True, kw_only=True)
class AttentionClassifiers(AttributeClassifiers):
    """From cross-attention maps of the first step, where the server runs the U-Net."""

    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, CONDITION})
    signal: ClassVar[str] = "attention"


@dataclass(frozen=True, kw_only=True)
class NoiseClassifiers(AttributeClassifiers):
    """From noise predictions: of the first step, or of update terms in the clear."""

    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, DENOISE, UPDATE})
    signal: ClassVar[str] = "noise"


@dataclass(frozen=True, kw_only=True)
class LatentClassifiers(AttributeClassifiers):
    """From the latent in the middle of the sampler."""

    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, DENOISE})
    signal: ClassVar[str] = "latent"


@dataclass(frozen=True, kw_only=True)
class PictureClassifiers(AttributeClassifiers):
    """From the finished picture, as far as a view gives it."""

    reads: ClassVar[frozenset[str]] = PICTURED
    signal: ClassVar[str] = "picture"
