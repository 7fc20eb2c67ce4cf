"""Read the row from how long the client took to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow, empty_scores
from .rows import ACKNOWLEDGE, GENERATE, rows_of


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Regress the real row on the delay before the client's acknowledgement.

    The delay is taken from the server's own clock where real clocks ran [s], else from the work
    that the client did meanwhile [U-Net rows]. A client that looks through the returned rows
    until it finds its own acknowledges late in proportion to the row.

    Attributes:
        slope: Rows per unit of delay, learned by `fit`.
        intercept: Row at zero delay, learned by `fit`.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, ACKNOWLEDGE})
    slope: float = 0.0
    intercept: float = 0.0

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Timing:
        """Robust line (Theil-Sen) through (delay, real row) of the labelled executions."""
        delays = delays_of(shadow.views)
        rows = np.array(
            [
                rows_of(shadow.views, game, texts).places[int(label)]
                for game, (texts, label) in enumerate(
                    zip(shadow.candidates, shadow.labels, strict=True)
                )
            ],
            dtype=float,
        )
        dx = np.subtract.outer(delays, delays)
        dy = np.subtract.outer(rows, rows)
        known = np.isfinite(dx) & (dx > 0)
        slope = float(np.median(dy[known] / dx[known])) if known.any() else 0.0
        rest = rows - slope * np.nan_to_num(delays)
        return replace(self, slope=slope, intercept=float(np.median(rest)) if rest.size else 0.0)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score = minus the distance between the candidate's row and the row the delay tells."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        told = self.intercept + self.slope * np.nan_to_num(delays_of(views))
        for game, texts in enumerate(candidates):
            places = rows_of(views, game, texts).places
            distance = np.where(places >= 0, np.abs(places - told[game]), 1e6)
            scores[game, : len(texts)] = -distance if self.slope else np.where(places >= 0, 0, -1e6)
        return Guesses(scores=scores)


def delays_of(views: Views) -> npt.NDArray[np.float64]:
    """Delay before the acknowledgement of each game, shape (games,); NaN where none came."""
    return np.array([_delay(views, game) for game in range(len(views))])


def _delay(views: Views, game: int) -> float:
    messages = views.view(game).messages
    last: Sequence[float | None] = [m.sent for m in messages if m.kind == GENERATE]
    for message in messages:
        if message.kind == ACKNOWLEDGE and message.sender == "client":
            if message.received is not None and last and last[-1] is not None:
                return message.received - last[-1]
            return float(message.work.get("rows", 0))
    return float("nan")
