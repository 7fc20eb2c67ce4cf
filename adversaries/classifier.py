"""A trained classifier on everything in the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.obclip.lexicon import AttributeSpace
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow, empty_scores
from .residue import agreement
from .rows import ACKNOWLEDGE, GENERATE, Rows, rows_of
from .timing import delays_of

FEATURES = (
    "sent",
    "first",
    "last",
    "place",
    "named",
    "sessions",
    "residue",
    "delay",
    "delay distance",
    "traffic",
    "returned",
    "latent norm",
    "latent distance",
    "latent spread",
)


@dataclass(frozen=True, kw_only=True)
class TrainedClassifier:
    """Logistic regression on order, pointers, counts, words, delays, sizes and latents.

    One row of features for each candidate of each game; latent features are standardised within
    the game, so that the model learns what sets the real candidate apart from its siblings.
    Trained on labelled executions on other prompts and coins.

    Attributes:
        strength: Inverse strength of the L2 penalty.
        model: The fitted pipeline, set by `fit`.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, ACKNOWLEDGE, "fetch"})
    strength: float = 0.1
    model: Any = None

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ValueError(f"strength={self.strength} must be > 0")

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> TrainedClassifier:
        """Train on every candidate of every labelled game: real or not."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        tables = _tables(shadow.views, shadow.candidates)
        real = np.concatenate(
            [np.arange(len(t)) == label for t, label in zip(tables, shadow.labels, strict=True)]
        )
        classifier = LogisticRegression(C=self.strength, class_weight="balanced", max_iter=500)
        model = make_pipeline(StandardScaler(), classifier)
        return replace(self, model=model.fit(np.concatenate(tables), real))

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score = the classifier's log-odds that the candidate is real."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        if self.model is None:
            return Guesses(scores=scores)
        for game, table in enumerate(_tables(views, candidates)):
            odds = np.round(self.model.decision_function(table), 9)
            scores[game, : len(table)] = odds
        return Guesses(scores=scores)


def _tables(views: Views, candidates: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float64]]:
    space = AttributeSpace()
    delays = np.nan_to_num(delays_of(views))
    return [
        _table(views, game, texts, float(delays[game]), space)
        for game, texts in enumerate(candidates)
    ]


def _table(
    views: Views, game: int, texts: Sequence[str], delay: float, space: AttributeSpace
) -> npt.NDArray[np.float64]:
    rows = rows_of(views, game, texts)
    sessions = sum(rows_of(views, game, texts, s).places >= 0 for s in range(views.sessions(game)))
    replies = views.arrays(game, GENERATE, sender="server/0")
    latents = replies[0].get("latents") if replies else None
    shown = len(latents) if latents is not None else 0
    n, places = len(texts), rows.places
    columns = [
        places >= 0,
        places == 0,
        places == len(rows.prompts) - 1,
        places / max(1, len(rows.prompts) - 1),
        places == (rows.named if rows.named is not None else -2),
        sessions,
        agreement(rows.prompts, texts, space),
        np.full(n, delay),
        -np.abs(places - delay + 1),
        np.full(n, float(len(views.view(game).messages))),
        np.full(n, float(shown)),
        *_latent_features(latents, rows, n),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _latent_features(latents: Array | None, rows: Rows, n: int) -> list[npt.NDArray[np.float64]]:
    features = np.zeros((3, n))
    if latents is not None and latents.ndim == 4 and len(latents) == len(rows.prompts):
        flat = latents.reshape(len(latents), -1).astype(np.float64)
        raw = [
            np.linalg.norm(flat, axis=1),
            np.linalg.norm(flat - flat.mean(axis=0), axis=1),
            flat.std(axis=1),
        ]
        for row, values in enumerate(raw):
            spread = values.std() or 1.0
            sent = rows.places >= 0
            standard = (values - values.mean()) / spread
            features[row] = np.where(sent, standard[np.maximum(rows.places, 0)], 0.0)
    return list(features)
