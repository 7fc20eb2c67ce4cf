"""Guessing games with N candidates: is the adversary right more often than 1/N + slack?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _validate
from .intervals import clopper_pearson_lower, clopper_pearson_upper
from .poisson_binomial import upper_tails
from .power import bisect, detectable_rate


@dataclass(frozen=True, kw_only=True)
class Advantage:
    """What `n` guesses say about the advantage over chance, "success - mean of 1/N".

    Attributes:
        correct: Games won.
        n: Games played, failed ones included.
        chance: Success of an adversary that saw nothing: the mean of 1/N over the games.
        slack: The claim: in no game is success above 1/N + slack.
        alpha: Level of the test and of each bound.
        estimate: `correct / n - chance`.
        lower: One-sided lower Clopper-Pearson bound on the advantage, at confidence 1 - alpha.
        upper: One-sided upper bound, at confidence 1 - alpha.
        p_value: Exact P[at least `correct` wins] if every game is won with 1/N + slack.
        critical: The smallest count of wins that refutes the claim; n + 1 where none does.
        detectable: The smallest true advantage refuted with probability `power`; inf where none.
        ceiling: The `lower` that a perfect adversary would have got from these n games.
    """

    correct: int
    n: int
    chance: float
    slack: float
    alpha: float
    estimate: float
    lower: float
    upper: float
    p_value: float
    critical: int
    detectable: float
    ceiling: float

    @property
    def refutes(self) -> bool:
        """Whether these games alone refute the claim at `alpha` (before Holm)."""
        return self.correct >= self.critical


def advantage(
    correct: int,
    n: int,
    *,
    candidates: ArrayLike,
    alpha: float,
    slack: float = 0.0,
    power: float = 0.9,
) -> Advantage:
    """Test "success is at most 1/N + slack in every game" on `correct` wins in `n` games.

    The p-value is exact: under the worst case of the claim the wins are a sum of independent
    Bernoulli(min(1, 1/N_i + slack)), binomial where all N_i agree. The bounds are Clopper-Pearson
    bounds on mean success, less chance. Where all N_i agree, `lower >= slack` exactly when
    `p_value <= alpha`. Where they differ the bounds stay valid for alpha <= 1/4 and mean success
    in [1/n, 1 - 1/n], since a binomial with the same mean has the heavier tails (Hoeffding).

    Args:
        correct: Games won. One guess a game: see `guesses`.
        n: Games played; a game in which the adversary failed is played and lost.
        candidates: N, or one N_i a game with shape `(n,)`.
        alpha: Level of the test and of each one-sided bound.
        slack: Advantage that the claim allows, in [0, 1).
        power: Probability with which `detectable` is found.

    Raises:
        ValueError: An argument is out of range.

    References:
        Clopper, Pearson (1934), Biometrika 26(4), 404-413; Hoeffding (1956), Annals of
        Mathematical Statistics 27(3), 713-721, Theorem 4.

    >>> result = advantage(25, 40, candidates=6, slack=0.02, alpha=0.01)
    >>> result.critical, result.refutes, round(result.lower, 3), round(result.ceiling, 3)
    (15, True, 0.263, 0.725)
    """
    _validate.count(correct, n)
    _validate.inside_unit(alpha=alpha, power=power)
    if not 0.0 <= slack < 1.0:
        raise ValueError(f"slack={slack} must be in [0, 1); take the slack of the claim")
    odds = _odds(candidates, n)
    chance = float(odds.mean())
    tails = upper_tails(np.minimum(1.0, odds + slack))
    critical = int(np.argmax(tails <= alpha))
    return Advantage(
        correct=correct,
        n=n,
        chance=chance,
        slack=slack,
        alpha=alpha,
        estimate=correct / n - chance,
        lower=clopper_pearson_lower(correct, n, alpha=alpha) - chance,
        upper=clopper_pearson_upper(correct, n, alpha=alpha) - chance,
        p_value=float(tails[correct]),
        critical=critical,
        detectable=_detectable(odds, critical, slack=slack, alpha=alpha, power=power),
        ceiling=clopper_pearson_lower(n, n, alpha=alpha) - chance,
    )


def _odds(candidates: ArrayLike, n: int) -> NDArray[np.float64]:
    counts = np.asarray(candidates, dtype=np.float64)
    if counts.shape not in ((), (n,)) or not (counts >= 2).all():
        raise ValueError(
            f"candidates={candidates!r} must be a number >= 2, or one a game with shape ({n},); "
            "drop games that have a single candidate, they test nothing"
        )
    return 1.0 / np.broadcast_to(counts, (n,))


def _detectable(
    odds: NDArray[np.float64], critical: int, *, slack: float, alpha: float, power: float
) -> float:
    """Smallest mean of `min(1, 1/N_i + a) - 1/N_i` that reaches `critical` with `power`."""
    n, chance = odds.size, float(odds.mean())
    if critical > n:
        return math.inf
    if (odds == odds[0]).all():
        null = min(1.0, float(odds[0]) + slack)
        return detectable_rate(n, p=null, alpha=alpha, power=power) - chance

    def raised(a: float) -> NDArray[np.float64]:
        return np.minimum(1.0, odds + a)

    found = bisect(lambda a: float(upper_tails(raised(a))[critical]) - power, low=slack, high=1.0)
    return float(raised(found).mean()) - chance
