"""Scores of both worlds, and what a failed one counts for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scores(NamedTuple):
    """Scores of both worlds as they were given, NaN included.

    Attributes:
        inside: With the canary, shape `(n_in,)`.
        outside: Without it, shape `(n_out,)`.
    """

    inside: NDArray[np.float64]
    outside: NDArray[np.float64]

    @property
    def failed(self) -> int:
        """How many are NaN."""
        return int(np.isnan(self.inside).sum() + np.isnan(self.outside).sum())

    def ranked(self, direction: int = 1) -> Scores:
        """Times `direction`, NaN at the end that speaks against the attack.

        A failed game with the canary ranks lowest and one without it highest, whichever
        direction the attack takes: a direction that was chosen must not turn failures into hits.
        """
        inside, outside = direction * self.inside, direction * self.outside
        inside[np.isnan(inside)], outside[np.isnan(outside)] = -np.inf, np.inf
        return Scores(inside, outside)
