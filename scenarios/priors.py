"""How often each candidate is asked for, where not all are asked for alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..adversaries.residue import values_of
from ..defenses.obclip.lexicon import AttributeSpace

UNIFORM = "uniform"
MEASURED = "measured"
"""Priors of a claim of obliviousness: assumed uniform, or as the server measured it."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """Independent attributes, each with weights over its values in canonical order.

    Attributes:
        weights: Attribute to weights; those that are left out are uniform.
    """

    weights: Mapping[str, Sequence[float]]

    def of(self, candidates: Sequence[str]) -> npt.NDArray[np.float64]:
        """Probability of each candidate, shape (candidates,), sums to 1."""
        space = AttributeSpace()
        odds = np.array([self._weight(values_of(text, space)) for text in candidates])
        return np.asarray(odds / odds.sum())

    def _weight(self, values: Mapping[str, set[int]]) -> float:
        weight = 1.0
        for name, shown in values.items():
            table = self.weights.get(name, ())
            for value in shown:
                weight *= table[value] if value < len(table) else 1.0
        return weight


SKEWED = Law(
    weights={
        "gender": (1, 3),
        "skin tone": (8, 4, 2, 1, 1),
        "age": (5, 3, 1),
        "ethnicity": (6, 2, 2, 1, 1),
    }
)
"""An example of a skewed prior, not a census: the likeliest value of an attribute is asked for
three times in four (gender) or about every other time."""
