"""The number of successes in independent games whose success probabilities differ."""

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _tails, _validate


def pmf(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Exact law of the number of successes, game `i` being won with `probabilities[i]`.

    Games with equal probability are one binomial; the laws of the groups are convolved directly.
    All terms are positive, so that small tails keep their relative accuracy, which a fast Fourier
    transform would lose.

    Args:
        probabilities: One probability a game, shape `(n,)`.

    Returns:
        `P[K = k]` for k = 0 .. n, shape `(n + 1,)`.

    Raises:
        ValueError: A probability is outside [0, 1].

    References:
        Wang (1993), On the number of successes in independent trials, Statistica Sinica 3,
        295-312.

    >>> pmf([0.5, 0.5, 1.0]).tolist()
    [0.0, 0.25, 0.5, 0.25]
    """
    values, counts = np.unique(_checked(probabilities), return_counts=True)
    groups = [_tails.binomial_pmf(int(n), float(p)) for p, n in zip(values, counts, strict=True)]
    return functools.reduce(np.convolve, groups)


def upper_tails(probabilities: ArrayLike) -> NDArray[np.float64]:
    """`P[K >= k]` for k = 0 .. n + 1, shape `(n + 2,)`; exactly binomial for equal probabilities.

    Raises:
        ValueError: A probability is outside [0, 1].

    >>> upper_tails([0.5, 0.5, 1.0]).tolist()
    [1.0, 1.0, 0.75, 0.25, 0.0]
    """
    p = _checked(probabilities)
    if (p == p[0]).all():
        return _tails.binomial_tails(p.size, float(p[0]))
    tails = np.cumsum(pmf(p)[::-1])[::-1]
    return np.concatenate(([1.0], np.minimum(tails[1:], 1.0), [0.0]))


def _checked(probabilities: ArrayLike) -> NDArray[np.float64]:
    p = _validate.vector(probabilities, name="probabilities")
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"probabilities={p.tolist()} must be in [0, 1]; clip them first")
    return p
