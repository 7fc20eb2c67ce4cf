"""The most powerful test of one record's membership in a noisy average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.claims import Neighbours
from ..defenses.codec import Array
from ..defenses.dp_adaptation.procedure import limit_norm
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LikelihoodRatio:
    """Neyman-Pearson test between "the record was used" and "its replacement was".

    Knows every other record, so that only the noise and, where records are sampled, the choice of
    the sample are left. With all records in every average the score is
    `log N(x; mean with the record) - log N(x; mean with the replacement)` [nats]: no test has more
    true positives at any rate of false ones, and the two means lie at most `d' = 2 C / (m sigma)`
    apart. With a sample of m out of n it is the log-ratio of two-component mixtures along the
    line that joins the two means, exact where the other records are equal.

    References:
        Neyman, Pearson (1933), Phil. Trans. R. Soc. A 231, Section III;
        Nasr et al. (2023), Section 4, https://arxiv.org/abs/2302.07956.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_USED})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET, Knowledge.OTHERS})
    reads: ClassVar[frozenset[str]] = frozenset({"release"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game; scores are NaN where the two records are the same."""
        if aux.target is None or aux.others is None:
            raise ValueError("LikelihoodRatio needs the facts target and others")
        line = Line.between(
            aux.target["record"], aux.target["replacement"], aux.others, views.view(0).public
        )
        parts = [line.scores(np.asarray(chunk)) for chunk in views.column(0, "vector")]
        return Guesses(scores=np.concatenate(parts)[:, None])


@dataclass(frozen=True, kw_only=True)
class Line:
    """The line on which the two worlds differ.

    Attributes:
        origin: Where both worlds are without the record in question, shape (d,).
        direction: Unit vector from the replacement to the record, shape (d,).
        used: How far the record moves a release along it [noise standard deviations].
        unused: How far its replacement does.
        scale: Standard deviation of the noise; 1 where there is none.
        rate: Probability that a record is in one sum.
    """

    origin: Floats
    direction: Floats
    used: float
    unused: float
    scale: float
    rate: float

    @classmethod
    def between(
        cls, record: Array, replacement: Array, others: Array, terms: Mapping[str, Any]
    ) -> Line:
        """From the records and the public terms of the release (`defenses.protocol.Terms`).

        Under replace-one a sum always holds the same number of records, so a record moves it by
        its distance to those whose place it takes; under add-remove by its whole length, and the
        replacement, zero, not at all.
        """
        rows = np.vstack([record, replacement, others]).astype(np.float64)
        bounded = as_averaged(rows, terms)
        first, second, rest = bounded[0], bounded[1], bounded[2:]
        divisor, scale = float(terms["divisor"]), float(terms["sigma"]) or 1.0
        gap = first - second
        length = float(np.linalg.norm(gap))
        direction = gap / length if length > 0 else np.full_like(gap, np.nan)
        if terms["neighbours"] == Neighbours.REPLACE_ONE.value:
            origin = rest.mean(axis=0)
            first, second = first - origin, second - origin
        else:
            origin = float(terms["rate"]) * rest.sum(axis=0) / divisor
        return cls(
            origin=origin,
            direction=direction,
            used=float(first @ direction) / (divisor * scale),
            unused=float(second @ direction) / (divisor * scale),
            scale=scale,
            rate=float(terms["rate"]),
        )

    def scores(self, releases: Array) -> Floats:
        """Log-likelihood ratio of each game [nats]; several sums of a game add up.

        Args:
            releases: Shape (games, rounds * d).
        """
        rounds = releases.reshape(len(releases), -1, len(self.origin)).astype(np.float64)
        place = (rounds - self.origin) @ self.direction / self.scale
        ratio = self._mixture(place, self.used) - self._mixture(place, self.unused)
        return np.asarray(ratio.sum(axis=1))

    def _mixture(self, place: Floats, shift: float) -> Floats:
        """log((1 - rate) + rate exp(shift place - shift^2 / 2)), without overflow."""
        exponent = shift * place - shift**2 / 2
        if self.rate == 1:
            return exponent
        stay = np.log1p(-self.rate)
        return np.asarray(np.logaddexp(stay, exponent + np.log(self.rate)))


def as_averaged(records: Array, terms: Mapping[str, Any]) -> Floats:
    """Records as they enter a sum, limited by the public terms; shape (n, d)."""
    rows = np.asarray(records, dtype=np.float64)
    if terms["clip"] is None:
        return rows
    return limit_norm(rows, float(terms["clip"]), normalize=bool(terms["normalize"]))
