"""Read the row from how many bytes crossed: all that someone sees who taps an encrypted line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow
from .line import Line, fit_line, score_by_line
from .rows import ACKNOWLEDGE, GENERATE


@dataclass(frozen=True, kw_only=True)
class Size:
    """Regress the real row on the bytes that crossed in an execution.

    All latents are returned whichever row is real, so that sizes depend on the candidate set
    alone. A server that stops at the real row, or a client that fetches up to it, shows it here.

    Attributes:
        slope: Rows per byte, learned by `fit`.
        intercept: Row at zero bytes, learned by `fit`.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, ACKNOWLEDGE, "fetch"})
    slope: float = 0.0
    intercept: float = 0.0

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Size:
        """Fit the line to the labelled executions."""
        line = fit_line(bytes_of(shadow.views), shadow)
        return replace(self, slope=line.slope, intercept=line.intercept)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        line = Line(self.slope, self.intercept)
        return Guesses(scores=score_by_line(bytes_of(views), line, views, aux.candidates or ()))


def bytes_of(views: Views) -> npt.NDArray[np.float64]:
    """Bytes of the payloads of each game's first execution, shape (games,)."""
    totals = [sum(length for _, length in views.view(game).spans) for game in range(len(views))]
    return np.array(totals, dtype=np.float64)
