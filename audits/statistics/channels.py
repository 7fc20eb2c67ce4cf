"""Channels whose leakage is known in closed form, as yardsticks for estimators and defences."""

import math

import numpy as np
from numpy.typing import NDArray

from . import _validate


def randomized_response(k: int, *, epsilon: float) -> NDArray[np.float64]:
    """k-ary randomized response: the truth with `e^eps / (e^eps + k - 1)`, else another value.

    Under a uniform prior its posterior vulnerability is that probability, the largest that any
    epsilon-DP channel on k secrets can have.

    Args:
        k: Secrets, at least 2.
        epsilon: Local privacy budget, at least 0 [nats].

    Returns:
        Channel of shape `(k, k)`.

    Raises:
        ValueError: `k` < 2 or `epsilon` < 0.

    References:
        Kairouz, Oh, Viswanath (2016), Extremal mechanisms for local differential privacy,
        JMLR 17(17).

    >>> randomized_response(3, epsilon=math.log(2)).tolist()
    [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]]
    """
    _validate.at_least(2, k=k)
    _check(epsilon)
    other = math.exp(-epsilon) / (1 + (k - 1) * math.exp(-epsilon))
    channel = np.full((k, k), other)
    np.fill_diagonal(channel, 1 - (k - 1) * other)
    return channel


def one_time_pad(k: int) -> NDArray[np.float64]:
    """The secret plus a uniform key, modulo k: every view is uniform, 0 bits leak. Shape `(k, k)`.

    Raises:
        ValueError: `k` < 1.

    >>> one_time_pad(2).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    _validate.at_least(1, k=k)
    return np.full((k, k), 1 / k)


def identity(k: int) -> NDArray[np.float64]:
    """The secret itself: log2 k bits leak under a uniform prior. Shape `(k, k)`.

    Raises:
        ValueError: `k` < 1.

    >>> identity(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    _validate.at_least(1, k=k)
    return np.eye(k)


def dp_total_variation(epsilon: float) -> float:
    """Largest total variation between two views under epsilon-DP: `tanh(eps / 2)`.

    Reached by binary randomized response: `(e^eps - 1) / (e^eps + 1)`.

    Raises:
        ValueError: `epsilon` < 0.

    References:
        Kairouz, Oh, Viswanath (2015), The composition theorem for differential privacy.

    >>> round(dp_total_variation(math.log(3)), 12)
    0.5
    """
    _check(epsilon)
    return math.tanh(epsilon / 2)


def intersection_decoys(pool: int, *, size: int, sessions: int) -> float:
    """Expected decoys that stay in all sessions when each draws fresh decoys.

    `(N - 1) ((k - 1) / (N - 1))^s`; decoys that are kept stay k - 1 for ever.

    Args:
        pool: N, values from which decoys are drawn, the real one included.
        size: k, values shown in each session, the real one included.
        sessions: s, sessions with one real value.

    Raises:
        ValueError: `pool` < 2, `size` not in [1, pool], or `sessions` < 1.

    >>> intersection_decoys(101, size=11, sessions=3)  # 100 (1 / 10)^3
    0.1
    """
    _validate.at_least(2, pool=pool)
    _validate.at_least(1, size=size, sessions=sessions)
    if size > pool:
        raise ValueError(f"size={size} must be <= pool={pool}; show no more values than there are")
    return float((size - 1) ** sessions / (pool - 1) ** (sessions - 1))


def _check(epsilon: float) -> None:
    if not 0.0 <= epsilon < math.inf:
        raise ValueError(f"epsilon={epsilon} must be >= 0 and finite; give the budget in nats")
