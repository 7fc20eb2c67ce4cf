"""Permutation tests: paired (sign flips) and two-sample, enumerated where that is possible."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _arrangements, _validate

ENUMERATE_UP_TO = 2**20
"""Arrangements that are enumerated; beyond, they are drawn."""


@dataclass(frozen=True, kw_only=True)
class PermutationTest:
    """A permutation test; all three p-values are valid at every level.

    Attributes:
        statistic: Observed mean difference.
        greater: p-value against a positive difference.
        less: p-value against a negative difference.
        two_sided: p-value against any difference: twice the smaller one, at most 1.
        arrangements: Arrangements enumerated, or drawn.
        exact: Whether all were enumerated.
    """

    statistic: float
    greater: float
    less: float
    two_sided: float
    arrangements: int
    exact: bool


def paired_test(
    differences: ArrayLike, *, rng: np.random.Generator, draws: int = 99_999
) -> PermutationTest:
    """Paired permutation test: are the differences symmetric around 0?

    Under the null hypothesis every sign is a fair coin. Up to 20 pairs all `2^n` signings are
    enumerated; otherwise `draws` are drawn and `p = (b + 1) / (draws + 1)`, where b counts those
    at least as extreme, which keeps the test valid.

    Args:
        differences: First minus second score of each game, shape `(n,)`, all finite.
        rng: Used only where the signings are drawn.
        draws: Signings drawn.

    Raises:
        ValueError: `differences` has another shape or holds NaN, or `draws` < 1.

    References:
        Fisher (1935), The Design of Experiments, Section 21; Phipson, Smyth (2010), Statistical
        Applications in Genetics and Molecular Biology 9(1), 39.

    >>> test = paired_test([1.0, 2.0, 3.0, 4.0], rng=np.random.default_rng(0))
    >>> test.greater, test.two_sided  # one signing of 16
    (0.0625, 0.125)
    """
    x = _validate.vector(differences, name="differences")
    _validate.at_least(1, draws=draws)
    exact = 2**x.size <= ENUMERATE_UP_TO
    if exact:
        null: Iterator[NDArray[np.float64]] = iter([_arrangements.signed_sums(x)])
    else:
        null = (
            (2.0 * rng.integers(0, 2, size=(rows, x.size)) - 1.0) @ x
            for rows in _arrangements.chunks(draws, x.size)
        )
    return _compare(
        null, observed=float(x.sum()), scale=1 / x.size, size=float(np.abs(x).sum()), exact=exact
    )


def two_sample_test(
    first: ArrayLike, second: ArrayLike, *, rng: np.random.Generator, draws: int = 99_999
) -> PermutationTest:
    """Two-sample permutation test of the difference of means: do both samples have one law?

    All `C(n + m, n)` splits of the pool are enumerated where they are at most 2^20; otherwise
    `draws` are drawn and `p = (b + 1) / (draws + 1)`.

    Args:
        first: Shape `(n,)`, all finite.
        second: Shape `(m,)`, all finite.
        rng: Used only where the splits are drawn.
        draws: Splits drawn.

    Raises:
        ValueError: A sample has another shape or holds NaN, or `draws` < 1.

    References:
        Pitman (1937), Supplement to the Journal of the Royal Statistical Society 4(1), 119-130.

    >>> test = two_sample_test([4.0, 5.0], [1.0, 2.0], rng=np.random.default_rng(0))
    >>> round(test.greater, 4)  # one split of 6
    0.1667
    """
    a, b = _validate.vector(first, name="first"), _validate.vector(second, name="second")
    _validate.at_least(1, draws=draws)
    pool = np.concatenate([a, b])
    pool -= pool.mean()
    exact = math.comb(pool.size, a.size) <= ENUMERATE_UP_TO
    if exact:
        null: Iterator[NDArray[np.float64]] = iter([_arrangements.subset_sums(pool, a.size)])
    else:
        null = (
            rng.permuted(np.broadcast_to(pool, (rows, pool.size)), axis=1)[:, : a.size].sum(axis=1)
            for rows in _arrangements.chunks(draws, pool.size)
        )
    # The pool sums to 0, so that mean(first) - mean(second) = sum(first) (1/n + 1/m).
    return _compare(
        null,
        observed=float(pool[: a.size].sum()),
        scale=1 / a.size + 1 / b.size,
        size=float(np.abs(pool).sum()),
        exact=exact,
    )


def _compare(
    null: Iterator[NDArray[np.float64]], *, observed: float, scale: float, size: float, exact: bool
) -> PermutationTest:
    """Count null sums at least as extreme as `observed`; equal up to rounding counts as equal."""
    slack, high, low, total = 1e-12 * size, 0, 0, 0
    for sums in null:
        high += int((sums >= observed - slack).sum())
        low += int((sums <= observed + slack).sum())
        total += sums.size
    extra = 0 if exact else 1
    greater, less = (high + extra) / (total + extra), (low + extra) / (total + extra)
    return PermutationTest(
        statistic=observed * scale,
        greater=greater,
        less=less,
        two_sided=min(1.0, 2 * min(greater, less)),
        arrangements=total,
        exact=exact,
    )
