"""Read the row from how long the client took to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, Shadow
from .line import Line, fit_line, score_by_line
from .rows import ACKNOWLEDGE, GENERATE


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
        """Fit the line to the labelled executions."""
        line = fit_line(delays_of(shadow.views), shadow)
        return replace(self, slope=line.slope, intercept=line.intercept)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        line = Line(self.slope, self.intercept)
        return Guesses(scores=score_by_line(delays_of(views), line, views, aux.candidates or ()))


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
