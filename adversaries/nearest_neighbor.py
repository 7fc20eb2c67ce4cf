"""Compare the numbers that a client sent with those of labelled executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow, empty_scores
from .rows import GENERATE, rows_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NearestNeighbor:
    """Score = minus the distance to the nearest labelled latent whose real column it is.

    Works on whatever floating-point tensors the client sends: its initial noise, or latents. Noise
    whose seed depends on the real row comes back in every execution with that row. The rule of the
    nearest neighbor errs at most twice as often as the best of all rules, with views enough.

    Attributes:
        known: Latents of the labelled executions, set by `fit`, shape (games, d).
        labels: Their real columns.

    References:
        Cover, Hart (1967), IEEE Transactions on Information Theory 13(1), 21-27.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    known: Floats | None = None
    labels: npt.NDArray[np.int64] | None = None

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> NearestNeighbor:
        """Keep the labelled latents."""
        games = range(len(shadow.views))
        return NearestNeighbor(
            known=_stacked([_sent(shadow.views, game) for game in games]), labels=shadow.labels
        )

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game; those that were not sent come last."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        for game, texts in enumerate(candidates):
            near = self._nearness(_sent(views, game), len(texts))
            scores[game, : len(texts)] = np.where(
                rows_of(views, game, texts).places >= 0, near, -1e6
            )
        return Guesses(scores=scores)

    def _nearness(self, sent: Floats, columns: int) -> Floats:
        if self.known is None or self.labels is None or self.known.shape[1:] != sent.shape:
            return np.zeros(columns)
        distance = np.sqrt(np.square(self.known - sent).sum(axis=1))
        unseen = float(distance.mean()) if distance.size else 0.0
        nearest = [distance[self.labels == column] for column in range(columns)]
        return np.array([-np.round(d.min() if d.size else unseen, 6) for d in nearest])


def _sent(views: Views, game: int) -> Floats:
    """Every number with a fraction in the client's first request, shape (d,)."""
    blocks = views.arrays(game, GENERATE, sender="client")[:1]
    parts = [
        array.reshape(-1).astype(np.float64)
        for block in blocks
        for _, array in sorted(block.items())
        if array.dtype.kind == "f"
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _stacked(rows: list[Floats]) -> Floats | None:
    """None unless there are rows and all have one shape."""
    return np.stack(rows) if rows and len({row.shape for row in rows}) == 1 else None
