"""The games that an audit of epsilon must win, and those that it must not.

Which score and which bound belong to a game is part of the game, fixed before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...defenses.claims import DifferentialPrivacy, Neighbours
from ...defenses.codec import Array
from ...defenses.dp_adaptation.aggregation import Aggregation, Centroid
from ...defenses.dp_adaptation.certificate import Certificate
from ..dp_epsilon import Bound, clopper_pearson, gaussian_likelihood_ratio, gdp
from .broken_dp import (
    AddRemoveNoise,
    BestOfMany,
    Broken,
    Canary,
    ClassicalSigma,
    ClipAfterAveraging,
    DeltaIgnored,
    FixedSubset,
    NoClipping,
    PartialNoise,
    ReusedNoise,
    SecondUncharged,
    SumReleased,
)

Score = Callable[[Array, Canary, Certificate], Array]
Method = Callable[["Game", Array, Array, float], Bound]


def projection(vectors: Array, canary: Canary, certificate: Certificate) -> Array:
    """The likelihood ratio of Gaussians: along the canary, summed over releases, in sigmas.

    Args:
        vectors: Shape (games, releases, d).
        canary: What is looked for.
        certificate: Public.
    """
    scores: Array = vectors[:, :, canary.axis].sum(axis=1) / certificate.sigma
    return scores


def difference(vectors: Array, canary: Canary, certificate: Certificate) -> Array:
    """What two releases differ in: 1 in some games with the canary, -1 in some without, else 0.

    Their subsets differ by the canary where the known records show it along `canary.shown`; there
    the difference along the canary has its sign. Exact if both releases have the same noise.

    Raises:
        ValueError: If the known records show nothing.
    """
    if canary.shown is None:
        raise ValueError("canary.shown=None must be a coordinate along which the others lie")
    gap = (vectors[:, 0] - vectors[:, 1]) * certificate.sample / certificate.clip
    scores: Array = -gap[:, canary.axis] * gap[:, canary.shown]
    return scores


def by_means(game: Game, scores_in: Array, scores_out: Array, alpha: float) -> Bound:
    """For scores that are Gaussian in either world."""
    delta = game.mechanism.delta
    return gaussian_likelihood_ratio(scores_in, scores_out, delta=delta, alpha=alpha)


def by_counts(game: Game, scores_in: Array, scores_out: Array, alpha: float) -> Bound:
    """For scores of any law, at the game's threshold."""
    threshold, delta = game.threshold, game.mechanism.delta
    return clopper_pearson(scores_in, scores_out, delta=delta, alpha=alpha, threshold=threshold)


def by_curve(game: Game, scores_in: Array, scores_out: Array, alpha: float) -> Bound:
    """For scores of a release that is Gaussian on a random subset."""
    rate, delta = game.certificate.rate, game.mechanism.delta
    return gdp(scores_in, scores_out, delta=delta, alpha=alpha, rate=rate, threshold=game.threshold)


@dataclass(frozen=True, kw_only=True)
class Game:
    """One mechanism, how it is attacked, and what must come of it.

    Attributes:
        name: Unique.
        mechanism: As configured.
        broken: Whether the audit must refute the claim.
        canary: The two data sets.
        games: Releases in either world in one audit.
        score: Reads what was published.
        method: The bound.
        threshold: For bounds that count.
        power: Share of audits that refute a broken copy, at least.
    """

    name: str
    mechanism: Aggregation
    broken: bool = True
    canary: Canary = field(default_factory=Canary)
    games: int = 300
    score: Score = projection
    method: Method = by_means
    threshold: float = 0.0
    power: float = 0.95

    @property
    def certificate(self) -> Certificate:
        """Of the first world's release; the second one's is the same."""
        return self.mechanism.certificate(self.canary.records)

    @property
    def claim(self) -> DifferentialPrivacy:
        """What is audited."""
        (claim,) = self.mechanism.claims
        assert isinstance(claim, DifferentialPrivacy)
        return claim

    @property
    def effect(self) -> str:
        """What the mistake does; empty where the claim is kept."""
        return self.mechanism.effect if self.broken and isinstance(self.mechanism, Broken) else ""


def broken(name: str, mechanism: Broken, **choices: Any) -> Game:
    """A game of a broken copy with the canary that it states."""
    return Game(name=name, mechanism=mechanism, canary=mechanism.canary, **choices)


def honest(name: str, mechanism: Aggregation, **choices: Any) -> Game:
    """A game of a mechanism that keeps its claim."""
    return Game(name=name, mechanism=mechanism, broken=False, **choices)


GAMES = (
    broken("no clipping", NoClipping()),
    broken("clip after averaging", ClipAfterAveraging()),
    broken("add-remove noise", AddRemoveNoise()),
    broken("add-remove noise at 1", AddRemoveNoise(epsilon=1.0), games=1000, power=0.9),
    broken("sum released", SumReleased()),
    broken(
        "noise reused",
        ReusedNoise(),
        score=difference,
        method=by_counts,
        threshold=0.5,
        games=1000,
    ),
    broken("noise on half", PartialNoise(), method=by_counts, games=1000),
    broken("classical sigma at 20", ClassicalSigma(), games=1000),
    broken("classical sigma at 8", ClassicalSigma(epsilon=8.0, delta=0.125), games=1000),
    # Three sigmas above the mean of the world without the canary, which is at -1.5.
    broken("fixed subset", FixedSubset(), method=by_counts, threshold=1.5, games=2000),
    broken("delta ignored", DeltaIgnored()),
    broken("best of ten", BestOfMany(), method=by_counts, games=1000),
    broken("second uncharged", SecondUncharged()),
    broken("second uncharged at 1", SecondUncharged(epsilon=1.0), games=1000, power=0.79),
    honest("classical sigma at 4", ClassicalSigma(epsilon=4.0)),
    honest("aggregation", Aggregation(epsilon=4.0)),
    honest("aggregation at 1", Aggregation(epsilon=1.0), games=1000),
    honest("three releases", Aggregation(epsilon=4.0, releases=3)),
    honest(
        "add-remove",
        Aggregation(epsilon=4.0, neighbours=Neighbours.ADD_REMOVE, size=100),
    ),
    honest("centroid", Centroid(epsilon=4.0)),
    honest(
        "subsampled",
        Aggregation(epsilon=4.0, sample=1),
        method=by_counts,
        threshold=1.5,
        games=1000,
    ),
    honest("subsampled, curve", Aggregation(epsilon=4.0, sample=50), method=by_curve, games=1000),
    honest(
        "subsampled twice",
        Aggregation(epsilon=4.0, sample=50, releases=2),
        canary=Canary(shown=1),
        score=difference,
        method=by_counts,
        threshold=0.5,
        games=1000,
    ),
)
"""Every planted bug, and the mechanism as it should be, by every kind of release."""
