"""Reconstruct one private record from a noisy average of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..defenses.codec import Array
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .likelihood_ratio import as_averaged


@dataclass(frozen=True, kw_only=True)
class Subtraction:
    """Take the other records out of the average; name the candidate nearest to what is left.

    The estimate `m x - sum of the others` is unbiased with variance `m^2 sigma^2` on each
    coordinate, and the nearest candidate is the most likely one under Gaussian noise: with all
    records in the average no attack names the right one more often.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_RECORD})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET, Knowledge.OTHERS})
    reads: ClassVar[frozenset[str]] = frozenset({"release"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score the candidates of every game by their distance to the reconstruction."""
        if aux.target is None or aux.others is None:
            raise ValueError("Subtraction needs the facts target and others")
        terms = views.view(0).public
        candidates = as_averaged(aux.target["candidates"], terms)
        parts = []
        for chunk in views.column(0, "vector"):
            found = reconstruct(np.asarray(chunk), aux.others, terms)
            cross = found @ candidates.T
            parts.append(2 * cross - np.square(candidates).sum(axis=1))
        return Guesses(scores=np.concatenate(parts))


def reconstruct(releases: Array, others: Array, terms: Mapping[str, Any]) -> Array:
    """The record that is left when the others are taken out; rounds are averaged.

    Args:
        releases: Shape (games, rounds * d).
        others: All other records, shape (n - 1, d).
        terms: Public terms of the release.

    Returns:
        Shape (games, d).
    """
    rest = as_averaged(others, terms)
    rounds = releases.reshape(len(releases), -1, rest.shape[1]).astype(np.float64)
    rate, divisor = float(terms["rate"]), float(terms["divisor"])
    share = rest.mean(axis=0) * (divisor - 1) if rate < 1 else rest.sum(axis=0)
    return np.asarray(divisor * rounds.mean(axis=1) - share)
