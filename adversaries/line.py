"""Attacks by one number: a robust line from what was observed to the row that it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .contract import (
    Auxiliary,
    Guesses,
    Knowledge,
    Question,
    Scores,
    Shadow,
    empty_scores,
)
from .rows import rows_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """Row = intercept + slope * observed."""

    slope: float
    intercept: float


def fit_line(observed: Floats, shadow: Shadow) -> Line:
    """Line of Theil and Sen through (observed, real row) of the labelled executions.

    Args:
        observed: One number a game, shape (games,); NaN where there was nothing to observe.
        shadow: The labelled executions.
    """
    labelled = enumerate(zip(shadow.candidates, shadow.labels, strict=True))
    rows = np.array(
        [
            rows_of(shadow.views, game, texts).places[int(label)]
            for game, (texts, label) in labelled
        ],
        dtype=float,
    )
    dx = np.subtract.outer(observed, observed)
    dy = np.subtract.outer(rows, rows)
    known = np.isfinite(dx) & (dx > 0)
    slope = float(np.median(dy[known] / dx[known])) if known.any() else 0.0
    rest = rows - slope * np.nan_to_num(observed)
    return Line(slope, float(np.median(rest)) if rest.size else 0.0)


def score_by_line(
    observed: Floats, line: Line, views: Views, candidates: Sequence[Sequence[str]]
) -> Scores:
    """Minus the distance of each candidate's row from the one that the line tells.

    Unsent candidates come last; a level line tells nothing.
    """
    scores = empty_scores(candidates)
    told = line.intercept + line.slope * np.nan_to_num(observed)
    for game, texts in enumerate(candidates):
        places = rows_of(views, game, texts).places
        distance = np.abs(places - told[game]) if line.slope else np.zeros(len(texts))
        scores[game, : len(texts)] = np.where(places >= 0, -distance, -1e6)
    return scores


@dataclass(frozen=True, kw_only=True)
class LineAttack:
    """Regress the real row on one number of an execution; subclasses say which.

    Attributes:
        slope: Rows per unit of what is observed, learned by `fit`.
        intercept: Row at zero, learned by `fit`.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    slope: float = 0.0
    intercept: float = 0.0

    def observed(self, views: Views) -> Floats:
        """One number a game, shape (games,); NaN where there was nothing to observe."""
        raise NotImplementedError

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> LineAttack:
        """Fit the line to the labelled executions."""
        line = fit_line(self.observed(shadow.views), shadow)
        return replace(self, slope=line.slope, intercept=line.intercept)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        line = Line(self.slope, self.intercept)
        told = score_by_line(self.observed(views), line, views, aux.candidates or ())
        return Guesses(scores=told)
