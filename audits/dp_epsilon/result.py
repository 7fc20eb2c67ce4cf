"""What a bound on epsilon says, and under which assumptions."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...defenses.claims import Neighbours
from .validate import METHODS

ASSUMPTION_LEVEL = 1e-3
"""Below this p-value an assumption counts as seen to fail, and no verdict rests on the bound."""


class Assumed(str, enum.Enum):
    """A condition without which a bound says nothing."""

    INDEPENDENT_GAMES = "independent-games"
    """Every score comes from a release of its own."""
    GAUSSIAN_TRADE_OFF = "gaussian-trade-off"
    """No test tells the neighbours apart better than N(0, 1) from N(mu, 1)."""
    SUBSAMPLED_GAUSSIAN_TRADE_OFF = "subsampled-gaussian-trade-off"
    """The same with the pair of `subsampled`: the canary takes part with the stated rate."""
    COMPOSED_GAUSSIAN_TRADE_OFF = "composed-gaussian-trade-off"
    """The same with the pair of `composed`: Poisson samples, several rounds."""
    GAUSSIAN_SCORES = "gaussian-scores"
    """Scores are normal in either world."""
    EQUAL_VARIANCE = "equal-variance"
    """Scores vary as much in either world."""
    COIN_FLIP_CANARIES = "coin-flip-canaries"
    """Each canary was included by a fair coin of its own, and the guesses saw no coin."""
    FIXED_GUESSES = "fixed-number-of-guesses"
    """How many guesses are made was fixed before the run."""
    PRIOR_ON_RATES = "prior-on-rates"
    """Error rates were drawn from Beta(1/2, 1/2)."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Values of epsilon that scores exclude, at a stated confidence.

    Attributes:
        method: Name of the function that computed it.
        epsilon: Lower bound: every (e, delta)-DP claim with e < epsilon is refuted at `alpha`.
        upper: Upper bound on epsilon *for this score*, where the method has one: a better attack
            may show more.
        delta: At which epsilon is stated.
        alpha: Probability that `epsilon` is too high.
        n: Scores or canaries.
        ceiling: The largest `epsilon` that this many could have shown.
        assumptions: What the bound rests on, by name.
        neighbours: Relation that the method tests; None where the games decide.
        mu: Lower bound on mu of the trade-off curve, where the method has one.
        mu_upper: Its upper bound.
        guarantee: Whether `epsilon` is too high with probability at most alpha, whatever the
            rates. Without it no verdict may rest on the bound.
        failed: Scores that were NaN and were counted against the attack.
        normality: p-value of the scores being normal, where the method looks at it.
        equal_variance: p-value of both worlds' variances being equal, likewise.
        details: Numbers that the method went through.
    """

    method: str
    epsilon: float
    upper: float | None = None
    delta: float
    alpha: float
    n: int
    ceiling: float
    assumptions: tuple[str, ...]
    neighbours: Neighbours | None = None
    mu: float | None = None
    mu_upper: float | None = None
    guarantee: bool = True
    failed: int = 0
    normality: float | None = None
    equal_variance: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} must be one of {', '.join(METHODS)}")

    @property
    def assumptions_hold(self) -> bool:
        """Whether nothing that the bound assumes was seen to fail in the scores."""
        seen = (self.normality, self.equal_variance)
        bare = Assumed.GAUSSIAN_SCORES.value not in self.assumptions
        return bare or all(p is None or p >= ASSUMPTION_LEVEL for p in seen)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, as in `plain`."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    def __repr__(self) -> str:
        upper = "" if self.upper is None else f" (this score: at most {self.upper:.4g})"
        mark = "" if self.guarantee else ", no guarantee"
        return (
            f"<Bound {self.method}: epsilon >= {self.epsilon:.4g}{upper}, delta={self.delta:g}, "
            f"alpha={self.alpha:g}, n={self.n}, ceiling {self.ceiling:.4g}{mark}>"
        )


def plain(value: Any) -> Any:
    """JSON form of a value: unbounded is "inf", not measured is null."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value
