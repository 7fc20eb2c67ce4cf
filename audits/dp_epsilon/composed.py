"""The bound for several noisy sums over Poisson samples: DP-SGD with a canary in some steps.

In each of k rounds a canary takes part with probability q and then moves the noisy sum by `shift`
standard deviations: `P = ((1 - q) N(0, 1) + q N(shift, 1))^k` against `Q = N(0, 1)^k`. The
trade-off curve of this pair has no closed form; `dp-accounting` gives delta at every epsilon,
rounded against privacy, and the curve is the envelope of these lines. So the curve lies on the
safe side: what it excludes, the true one does too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...defenses.claims import Neighbours
from . import validate
from .counting import shortfall, strongest
from .looks import Objective, Threshold
from .result import Assumed, Bound
from .search import smallest_level
from .thresholds import look, perfect
from .trade_off import mu_of_rates

GRID = 1e-3
"""Step on which privacy losses are rounded up [nats]."""

SLOPES: NDArray[np.float64] = np.concatenate([np.linspace(0, 2, 201), np.linspace(2.05, 12, 200)])
"""Epsilons of the lines whose envelope is the curve."""

SMALLEST, LARGEST = 0.01, 8.0
"""Shifts that are looked at [noise standard deviations]: no bound says more than the largest."""

PRECISION = 1e-3
"""Relative error of a shift, downwards."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Trade-off between false alarms and misses at one shift.

    Attributes:
        shift: Distance that a canary moves a sum [noise standard deviations].
        rate: q, in (0, 1].
        rounds: k.
    """

    shift: float
    rate: float
    rounds: int

    @cached_property
    def losses(self) -> Any:
        """The privacy loss of all rounds together (`dp-accounting`)."""
        module = import_module("dp_accounting.pld.privacy_loss_distribution")
        one = module.from_gaussian_mechanism(
            standard_deviation=1 / self.shift,
            sampling_prob=self.rate,
            value_discretization_interval=GRID,
        )
        return one.self_compose(self.rounds)

    @cached_property
    def deltas(self) -> NDArray[np.float64]:
        """Delta at every epsilon of `SLOPES`."""
        return np.asarray(self.losses.get_delta_for_epsilon(SLOPES))

    def misses(self, alarms: float) -> float:
        """The fewest misses at a rate of false alarms: `max over e of the two lines of slope e`.

        References:
            Dong, Roth, Su (2019), Proposition 2.5, https://arxiv.org/abs/1905.02383.
        """
        up, down = np.exp(SLOPES), np.exp(-SLOPES)
        first, second = 1 - self.deltas - up * alarms, down * (1 - self.deltas - alarms)
        return max(0.0, float(first.max()), float(second.max()))

    def epsilon(self, delta: float) -> float:
        """Epsilon of all rounds together."""
        return float(self.losses.get_epsilon_for_delta(delta))


@lru_cache(maxsize=512)
def curve(shift: float, rate: float, rounds: int) -> Curve:
    """The curve of one shift, computed once."""
    return Curve(shift=shift, rate=rate, rounds=rounds)


def composed_gaussian(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    *,
    delta: float,
    alpha: float,
    rate: float,
    rounds: int,
    threshold: Threshold = "split",
) -> Bound:
    """Lower bound on the shift from error rates, converted to epsilon along the trade-off curve.

    Formal guarantee: that of `clopper_pearson`, if no test of the neighbours beats the curve of
    some shift. Neighbours differ in one record that is there or not.

    Args:
        scores_in: Scores of trainings with the canary, shape `(n_in,)`; higher means "in".
        scores_out: Scores of trainings without it, shape `(n_out,)`.
        delta: Of the claim, in (0, 1).
        alpha: Probability that the bound is too high.
        rate: q, with which the canary takes part in a round.
        rounds: k.
        threshold: As in `clopper_pearson`.

    Raises:
        ValueError: A shape or an argument is out of range.

    References:
        Nasr et al. (2023), Section 3.2, https://arxiv.org/abs/2302.07956, on their f-DP audit;
        Koskela, Jalko, Honkela (2020), https://arxiv.org/abs/1906.03049, on the losses.
    """
    _check(delta=delta, alpha=alpha, rate=rate, rounds=rounds)
    given = validate.scores(scores_in, scores_out)
    looks = look(given, threshold, alpha=alpha, objective=mu_of_rates(1.0))
    value, details = strongest(looks, alpha, shift_of_rates(rate, rounds))
    sizes = {"n_in": given.inside.size, "n_out": given.outside.size}
    options: dict[str, Any] = {"rate": rate, "rounds": rounds, "threshold": threshold}
    return Bound(
        method="composed_gaussian",
        epsilon=epsilon_of_shift(value, delta, rate, rounds),
        mu=max(0.0, value),
        delta=delta,
        alpha=alpha,
        n=sum(sizes.values()),
        ceiling=composed_gaussian_ceiling(**sizes, delta=delta, alpha=alpha, **options),
        assumptions=(
            Assumed.INDEPENDENT_GAMES.value,
            Assumed.COMPOSED_GAUSSIAN_TRADE_OFF.value,
        ),
        neighbours=Neighbours.ADD_REMOVE,
        failed=given.failed,
        details={**details, "rate": rate, "rounds": rounds},
    )


def composed_gaussian_ceiling(
    *,
    n_in: int,
    n_out: int,
    delta: float,
    alpha: float,
    rate: float,
    rounds: int,
    threshold: Threshold = "split",
) -> float:
    """What `composed_gaussian` says where no error is made."""
    _check(delta=delta, alpha=alpha, rate=rate, rounds=rounds)
    validate.sizes(n_in, n_out)
    value, _ = strongest(perfect(n_in, n_out, threshold), alpha, shift_of_rates(rate, rounds))
    return epsilon_of_shift(value, delta, rate, rounds)


def composed_gaussian_p_value(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    *,
    epsilon: float,
    delta: float,
    rate: float,
    rounds: int,
    alpha: float = 0.05,
    threshold: Threshold = "split",
) -> float:
    """The smallest level at which `composed_gaussian` exceeds `epsilon`.

    Arguments as in `composed_gaussian` and `clopper_pearson_p_value`.
    """
    _check(delta=delta, alpha=alpha, rate=rate, rounds=rounds)
    validate.claimed(epsilon)
    given = validate.scores(scores_in, scores_out)
    looks = look(given, threshold, alpha=alpha, objective=mu_of_rates(1.0))
    allowed = shift_of_epsilon(epsilon, delta, rate, rounds)
    if not 0 < allowed <= LARGEST / 2:
        return 1.0

    def beyond(level: float) -> float:
        """How far the error rates lie below the curve that the claim allows."""
        return max(
            curve(allowed, rate, rounds).misses(float(fpr)) - float(fnr)
            for fpr, fnr in zip(*looks.rates(level), strict=True)
        )

    return smallest_level(beyond, above=0.0)


def shift_of_rates(rate: float, rounds: int) -> Objective:
    """The largest shift that a pair of error rates excludes; negative where it excludes none.

    Too slow to choose among hundreds of thresholds: the Gaussian curve, nearly as bent, does that.
    """

    def one(fpr: float, fnr: float) -> float:
        if fpr + fnr >= 1 or curve(SMALLEST, rate, rounds).misses(fpr) <= fnr:
            return float(shortfall(np.array(fpr), np.array(fnr)))
        return _last(lambda shift: curve(shift, rate, rounds).misses(fpr) > fnr)

    def shifts(fpr: NDArray[np.float64], fnr: NDArray[np.float64]) -> NDArray[np.float64]:
        pairs = zip(np.ravel(fpr).tolist(), np.ravel(fnr).tolist(), strict=True)
        return np.array([one(*pair) for pair in pairs]).reshape(np.shape(fpr))

    return Objective(shifts, caution=0.05)


def epsilon_of_shift(shift: float, delta: float, rate: float, rounds: int) -> float:
    """Epsilon at a shift; 0 for one that is not positive."""
    return curve(shift, rate, rounds).epsilon(delta) if shift > 0 else 0.0


def shift_of_epsilon(epsilon: float, delta: float, rate: float, rounds: int) -> float:
    """The largest shift that a claim allows, at most `LARGEST`; 0 if it allows none looked at."""
    if curve(SMALLEST, rate, rounds).epsilon(delta) > epsilon:
        return 0.0
    return _last(lambda shift: curve(shift, rate, rounds).epsilon(delta) <= epsilon)


def _last(holds: Callable[[float], bool]) -> float:
    """The largest shift at which something holds that holds at the smallest, from below."""
    low, high = SMALLEST, 2 * SMALLEST
    while holds(high):
        low, high = high, 2 * high
        if high > LARGEST:
            return low
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _check(*, delta: float, alpha: float, rate: float, rounds: int) -> None:
    validate.levels(delta=delta, alpha=alpha)
    validate.rate(rate)
    if delta == 0:
        raise ValueError("delta=0 must be > 0: Gaussian noise has no pure epsilon")
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be >= 1; count the noisy sums of a training")
