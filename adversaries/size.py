"""Read the row from how many bytes crossed: all that someone sees who taps an encrypted line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.views import Views
from .line import LineAttack
from .rows import ACKNOWLEDGE, GENERATE


@dataclass(frozen=True, kw_only=True)
class Size(LineAttack):
    """Regress the real row on the bytes that crossed in an execution.

    All latents are returned whichever row is real, so that sizes depend on the candidate set
    alone. A server that stops at the real row, or a client that fetches up to it, shows it here.
    """

    reads: ClassVar[frozenset[str]] = frozenset({GENERATE, ACKNOWLEDGE, "fetch"})

    def observed(self, views: Views) -> npt.NDArray[np.float64]:
        """Bytes of each game, shape (games,)."""
        return bytes_of(views)


def bytes_of(views: Views) -> npt.NDArray[np.float64]:
    """Bytes of the payloads of each game's first execution, shape (games,)."""
    totals = [sum(length for _, length in views.view(game).spans) for game in range(len(views))]
    return np.array(totals, dtype=np.float64)
