"""What a number of games can show: critical counts and smallest detectable effects, exact."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from . import _tails, _validate


def critical_count(n: int, *, p: float, alpha: float) -> int:
    """The smallest `k` with `P[Bin(n, p) >= k] <= alpha`: so many successes reject "rate <= p".

    Returns:
        A count in [0, n + 1]; `n + 1` says that even `n` successes in `n` games do not reject.

    Raises:
        ValueError: `n`, `p` or `alpha` is out of range.

    >>> critical_count(1000, p=0.5, alpha=0.05), critical_count(4, p=0.5, alpha=0.05)
    (527, 5)
    """
    _validate.at_least(1, n=n)
    _validate.probability(p=p)
    _validate.inside_unit(alpha=alpha)
    return int(np.argmax(_tails.binomial_tails(n, p) <= alpha))


def detectable_rate(n: int, *, p: float, alpha: float, power: float = 0.9) -> float:
    """The smallest true rate that the exact test of "rate <= p" finds with probability `power`.

    With `c = critical_count(n, p=p, alpha=alpha)` it solves `P[Bin(n, rate) >= c] = power`,
    which is the `power` quantile of Beta(c, n - c + 1).

    Args:
        n: Games.
        p: The rate under the null hypothesis.
        alpha: Level of the test.
        power: Probability of finding the effect.

    Returns:
        A rate in (p, 1], or `math.inf` where no success rate can be found with this `n`.

    Raises:
        ValueError: An argument is out of range.

    >>> round(detectable_rate(1000, p=0.5, alpha=0.05), 4)
    0.5467
    """
    _validate.inside_unit(power=power)
    c = critical_count(n, p=p, alpha=alpha)
    return math.inf if c > n else max(p, _tails.rate_with_tail(c, n, power))


def detectable_mean(values: ArrayLike, *, alpha: float, power: float = 0.9) -> float:
    """The smallest mean that a one-sided t test of "mean <= 0" finds with probability `power`.

    Solves `P[T(n - 1, d sqrt(n) / s) >= t(1 - alpha, n - 1)] = power` for `d`, with `T` the
    noncentral t and `s` the standard deviation of `values`, taken as the true one.

    Args:
        values: One number a game, shape `(n,)`, n >= 2, all finite; only their spread is used.
        alpha: Level of the test.
        power: Probability of finding the effect.

    Returns:
        An effect in the units of `values`; 0 where all values are equal.

    Raises:
        ValueError: An argument is out of range.

    >>> round(detectable_mean([-1.0, 1.0] * 50, alpha=0.05), 3)  # (1.66 + 1.29) * 1.005 / 10
    0.296
    """
    x = _validate.vector(values, name="values", minimum=2)
    _validate.inside_unit(alpha=alpha, power=power)
    df = x.size - 1
    edge = _tails.t_edge(alpha, df)
    shift = bisect(
        lambda nc: _tails.noncentral_t_upper(edge, df, nc) - power, low=0.0, high=4 * edge + 12.0
    )
    return shift * float(x.std(ddof=1)) / math.sqrt(x.size)


def bisect(f: Callable[[float], float], *, low: float, high: float) -> float:
    """The point of [low, high] where the increasing `f` reaches 0, or `math.inf` if it does not.

    >>> round(bisect(lambda x: x * x - 2, low=0.0, high=2.0), 12)
    1.414213562373
    """
    if f(high) < 0:
        return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if f(middle) >= 0 else (middle, high)
    return high
