"""The control of every membership attack: an adversary that never looks at the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...defenses.views import Views
from ..contract import Adversary, Auxiliary, Guesses, Knowledge, Question, Shadow
from .challenge import KIND, captions_of, latents_of

COMPONENTS = 32
"""Principal components of latents."""

WORDS = 256
"""Hashed words of captions."""


@dataclass(frozen=True, kw_only=True)
class NoModel:
    """A classifier of latents and captions that is told the labels of other samples.

    Where members and others are of one law it is at chance: whatever it finds, an attack may have
    found too, and it says nothing of the model.

    Queries: none.

    References:
        Das, Zhang, Tramer, Blind Baselines Beat Membership Inference Attacks for Foundation Models
        (2024), https://arxiv.org/abs/2406.16201.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_IN_TRAINING})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({KIND})

    @property
    def queries(self) -> int:
        """None."""
        return 0

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Adversary:
        """Learn from labelled samples."""
        latents = _flat(shadow.views)
        components = min(COMPONENTS, len(latents) - 1, latents.shape[1])
        reduced = make_pipeline(
            StandardScaler(), PCA(components, random_state=int(rng.integers(2**31)))
        ).fit(latents)
        scorer = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
        )
        scorer.fit(_features(reduced, shadow.views), shadow.labels)
        return Blind(reduced=reduced, scorer=scorer)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Refused: it has learned nothing.

        Raises:
            ValueError: Always.
        """
        raise ValueError("NoModel needs the fact shadow")


@dataclass(frozen=True, kw_only=True)
class Blind:
    """A classifier of samples, ready to play."""

    plays: ClassVar[frozenset[Question]] = NoModel.plays
    needs: ClassVar[frozenset[Knowledge]] = frozenset()
    reads: ClassVar[frozenset[str]] = NoModel.reads
    reduced: Any
    scorer: Any

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        found = self.scorer.decision_function(_features(self.reduced, views))
        return Guesses(scores=np.asarray(found)[:, None])


def _flat(views: Views) -> npt.NDArray[np.float64]:
    return np.asarray(latents_of(views).flatten(1).double().numpy())


def _features(reduced: Any, views: Views) -> npt.NDArray[np.float64]:
    hashed: Any = HashingVectorizer(n_features=WORDS)
    words = hashed.set_params(norm=None).transform(captions_of(views))
    return np.hstack([reduced.transform(_flat(views)), words.toarray()])
