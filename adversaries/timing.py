"""Read the row from how long the client took to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .line import LineAttack
from .rows import ACKNOWLEDGE, GENERATE


@dataclass(frozen=True, kw_only=True)
class Timing(LineAttack):
    """Regress the real row on the delay before the client's acknowledgement.

    The delay is taken from the server's own clock where real clocks ran [s], else from the work
    that the client did meanwhile [U-Net rows]. A client that looks through the returned rows
    until it finds its own acknowledges late in proportion to the row.
    """

    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, ACKNOWLEDGE})

    def observed(self, views: Views) -> npt.NDArray[np.float64]:
        """Delay of each game, shape (games,)."""
        return delays_of(views)


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
